//! The control plane is real: objects are stored, counted, collected, and namespaces end.

use std::time::Duration;

use testbed::control_plane::{ControlPlane, ControlPlaneOptions};

#[tokio::test]
async fn a_namespace_comes_and_goes() {
    let control_plane = ControlPlane::shared().await.unwrap();
    let namespace = control_plane.namespace("comes-and-goes").await.unwrap();
    namespace
        .kubectl(&["create", "configmap", "inside"])
        .await
        .unwrap()
        .stdout()
        .unwrap();
    let name = namespace.name().to_owned();
    namespace.delete(control_plane).await.unwrap();
    let after = control_plane.kubectl(&["get", "namespace", &name]).await.unwrap();
    assert!(after.stderr.contains("NotFound"), "{after:?}");
}

#[tokio::test]
async fn writes_are_counted_and_dry_runs_apart() {
    let control_plane = ControlPlane::shared().await.unwrap();
    let namespace = control_plane.namespace("counted").await.unwrap();
    let audit = control_plane.audit().unwrap();
    let mark = audit.mark();
    namespace
        .kubectl(&["create", "configmap", "one"])
        .await
        .unwrap()
        .stdout()
        .unwrap();
    namespace
        .kubectl(&["create", "configmap", "two", "--dry-run=server"])
        .await
        .unwrap()
        .stdout()
        .unwrap();
    namespace
        .kubectl(&["delete", "configmap", "one"])
        .await
        .unwrap()
        .stdout()
        .unwrap();
    let requests = audit
        .since(mark)
        .await
        .unwrap()
        .in_namespace(namespace.name())
        .on("configmaps")
        .by("testbed-admin");
    assert_eq!(requests.clone().writes().accepted().len(), 2, "{requests}");
    assert_eq!(requests.clone().dry_runs().len(), 1, "{requests}");
}

#[tokio::test]
async fn what_an_owner_leaves_is_collected() {
    let control_plane = ControlPlane::shared().await.unwrap();
    let namespace = control_plane.namespace("collected").await.unwrap();
    namespace
        .kubectl(&["create", "configmap", "owner"])
        .await
        .unwrap()
        .stdout()
        .unwrap();
    let uid = namespace
        .kubectl(&["get", "configmap", "owner", "-o", "jsonpath={.metadata.uid}"])
        .await
        .unwrap()
        .stdout()
        .unwrap();
    let owned = format!(
        "{{apiVersion: v1, kind: Secret, metadata: {{name: owned, ownerReferences: [{{apiVersion: v1, kind: ConfigMap, name: owner, uid: {uid}}}]}}}}"
    );
    namespace.apply(&owned).await.unwrap();
    namespace
        .kubectl(&["delete", "configmap", "owner"])
        .await
        .unwrap()
        .stdout()
        .unwrap();
    namespace
        .kubectl(&["wait", "--for=delete", "secret/owned", "--timeout=30s"])
        .await
        .unwrap()
        .stdout()
        .unwrap();
}

#[tokio::test]
async fn a_deployment_gets_its_replica_set() {
    let control_plane = ControlPlane::shared().await.unwrap();
    let namespace = control_plane.namespace("deployed").await.unwrap();
    namespace
        .kubectl(&["create", "deployment", "web", "--image=example.invalid/web"])
        .await
        .unwrap()
        .stdout()
        .unwrap();
    namespace
        .kubectl(&["wait", "--for=create", "replicaset", "-l", "app=web", "--timeout=30s"])
        .await
        .unwrap()
        .stdout()
        .unwrap();
}

#[tokio::test]
async fn a_service_account_has_only_its_own_rights() {
    let control_plane = ControlPlane::shared().await.unwrap();
    let namespace = control_plane.namespace("rights").await.unwrap();
    namespace
        .kubectl(&["create", "serviceaccount", "robot"])
        .await
        .unwrap()
        .stdout()
        .unwrap();
    let token = control_plane
        .service_account_token(namespace.name(), "robot")
        .await
        .unwrap();
    let file = control_plane
        .kubeconfig_with_token("robot", &token, &control_plane.endpoint())
        .unwrap();
    let file = file.to_str().unwrap();
    let who = control_plane
        .kubectl(&[
            "--kubeconfig",
            file,
            "auth",
            "whoami",
            "-o",
            "jsonpath={.status.userInfo.username}",
        ])
        .await
        .unwrap();
    assert_eq!(
        who.stdout().unwrap(),
        format!("system:serviceaccount:{}:robot", namespace.name())
    );
    let refused = control_plane
        .kubectl(&["--kubeconfig", file, "get", "secrets", "-A"])
        .await
        .unwrap();
    assert!(refused.stderr.contains("Forbidden"), "{refused:?}");
}

#[tokio::test]
async fn an_outage_loses_nothing() {
    let control_plane = ControlPlane::start(ControlPlaneOptions {
        audit: false,
        ..ControlPlaneOptions::default()
    })
    .await
    .unwrap();
    control_plane.create_namespace("kept").await.unwrap();
    control_plane.stop_api_server().await.unwrap();
    let down = control_plane
        .kubectl(&["get", "namespace", "kept", "--request-timeout=2s"])
        .await
        .unwrap();
    assert!(!down.success(), "{down:?}");
    tokio::time::timeout(Duration::from_mins(1), control_plane.start_api_server())
        .await
        .unwrap()
        .unwrap();
    control_plane
        .kubectl(&["get", "namespace", "kept"])
        .await
        .unwrap()
        .stdout()
        .unwrap();
}
