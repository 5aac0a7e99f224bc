//! Both ways of installing, on API servers of their own: what they create is accepted, and the operator does its work with
//! exactly the rights that they grant.

use std::collections::BTreeSet;
use std::path::Path;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use serde::Deserialize as _;
use serde_json::Value;
use testbed::control_plane::audit::Mark;
use testbed::control_plane::{ControlPlane, ControlPlaneOptions};
use testbed::operator::{NAME, Operator, OperatorOptions};
use testbed::site::{Site, oauth_client};

use crate::stage::{BINARY, eventually};

/// Namespace that both ways install into.
const HOME: &str = "oauth-client-operator-system";
/// Time for what kubectl waits for. It is no measure: a namespace that ends waits for every controller of a machine that builds
/// something else at the same time.
const PATIENCE: &str = "--timeout=180s";
const CLIENT: &str = "redirectURIs: ['https://app.example/callback']";

fn path(below: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(below)
        .to_string_lossy()
        .into_owned()
}

/// A control plane that nothing is installed on.
async fn bare() -> ControlPlane {
    ControlPlane::start(ControlPlaneOptions::default()).await.unwrap()
}

async fn kubectl(plane: &ControlPlane, args: &[&str]) -> String {
    plane.kubectl(args).await.unwrap().stdout().unwrap()
}

/// Helm, told the version of the cluster: one that is built without its linker flags takes every cluster for one of 2020.
async fn helm(plane: &ControlPlane, args: &[&str]) -> String {
    plane.helm(args).await.unwrap().stdout().unwrap()
}

/// Applies the bundles of a form, as docs/install.md says.
async fn apply_bundles(plane: &ControlPlane, form: &str) -> String {
    let mut said = String::new();
    for bundle in ["deploy/namespace", "deploy/crds", form] {
        said += &kubectl(plane, &["apply", "-k", &path(bundle)]).await;
    }
    said
}

/// The operator as the pods of the Deployment would run it.
async fn operator(plane: &ControlPlane, namespaces: &[String]) -> Operator {
    let options = OperatorOptions {
        binary: BINARY.into(),
        ..OperatorOptions::new(HOME, namespaces)
    };
    Operator::start(plane, options).await.unwrap()
}

/// The pods are made, so the namespace's pod security and the service account accept them; nothing runs them here.
async fn has_pods(plane: &ControlPlane) {
    eventually("the Deployment has its two pods", async || {
        let count = [
            "-n",
            HOME,
            "get",
            "deployment",
            NAME,
            "-o",
            "jsonpath={.status.replicas}",
        ];
        (kubectl(plane, &count).await == "2").then_some(())
    })
    .await;
    let events = kubectl(plane, &["-n", HOME, "get", "events", "-o", "jsonpath={..reason}"]).await;
    assert!(!events.contains("FailedCreate"), "{events}");
}

async fn ready(plane: &ControlPlane, namespace: &str, name: &str) {
    let object = format!("oauthclient/{name}");
    let wait = ["-n", namespace, "wait", "--for=condition=Ready", &object, PATIENCE];
    kubectl(plane, &wait).await;
}

/// Registers, changes and deletes a client in a namespace.
async fn works(plane: &ControlPlane, site: &Site, namespace: &str) {
    let apply = async |manifests: &str| {
        let args = ["-n", namespace, "apply", "-f", "-"];
        plane.kubectl_with(&args, manifests).await.unwrap().stdout().unwrap();
    };
    apply(&site.manifests).await;
    apply(&oauth_client("app", CLIENT)).await;
    ready(plane, namespace, "app").await;
    apply(&oauth_client("app", &CLIENT.replace("callback", "other"))).await;
    eventually("the change arrives", async || {
        let clients = site.clients().await.unwrap();
        let changed = |client: &Value| client["redirect_uris"][0] == "https://app.example/other";
        clients.values().any(changed).then_some(())
    })
    .await;
    kubectl(plane, &["-n", namespace, "delete", "oauthclient", "app", PATIENCE]).await;
    assert!(site.clients().await.unwrap().is_empty());
}

/// A cluster-wide provider serves the namespaces that it names and no other.
async fn works_cluster_wide(plane: &ControlPlane, site: &Site) {
    for namespace in ["shop", "stranger"] {
        plane.create_namespace(namespace).await.unwrap();
    }
    let shared = site
        .manifests
        .replace("kind: OAuthProvider", "kind: ClusterOAuthProvider")
        .replace("spec:\n", "spec:\n  allowedNamespaces:\n    names: [shop]\n");
    plane.apply(&shared).await.unwrap();
    let client =
        oauth_client("app", CLIENT).replace("providerRef:\n", "providerRef:\n    kind: ClusterOAuthProvider\n");
    for namespace in ["shop", "stranger"] {
        let args = ["-n", namespace, "apply", "-f", "-"];
        plane.kubectl_with(&args, &client).await.unwrap().stdout().unwrap();
    }
    ready(plane, "shop", "app").await;
    eventually("the other namespace is refused", async || {
        let reason = "jsonpath={.status.conditions[?(@.type==\"Ready\")].reason}";
        let found = kubectl(plane, &["-n", "stranger", "get", "oauthclient", "app", "-o", reason]).await;
        (found == "NamespaceNotAllowed").then_some(())
    })
    .await;
    assert_eq!(site.clients().await.unwrap().len(), 1);
    for namespace in ["shop", "stranger"] {
        kubectl(plane, &["-n", namespace, "delete", "oauthclient", "app", PATIENCE]).await;
    }
}

/// Nothing that the operator asked for was refused for want of a right.
async fn lacked_no_right(plane: &ControlPlane, operator: &Operator) {
    let audit = plane.audit().unwrap();
    let asked = audit.since(Mark::default()).await.unwrap().by(operator.user());
    assert!(!asked.is_empty());
    let refused = asked.filter(|request| request.code == 403);
    assert!(refused.is_empty(), "{refused}");
}

#[tokio::test]
async fn kustomize_installs_an_operator_that_serves_every_namespace() {
    let plane = bare().await;
    apply_bundles(&plane, "deploy").await;
    has_pods(&plane).await;
    let operator = operator(&plane, &[]).await;
    let site = Site::oidc_provider().await.unwrap();
    plane.create_namespace("apps").await.unwrap();
    works(&plane, &site, "apps").await;
    works_cluster_wide(&plane, &site).await;
    lacked_no_right(&plane, &operator).await;
    let again = apply_bundles(&plane, "deploy").await;
    assert!(!again.contains("created"), "{again}");
    operator.stop().await.unwrap();
}

#[tokio::test]
async fn helm_installs_an_operator_that_serves_every_namespace() {
    let plane = bare().await;
    let chart = path(&format!("charts/{NAME}"));
    helm(
        &plane,
        &["install", NAME, &chart, "--namespace", HOME, "--create-namespace"],
    )
    .await;
    has_pods(&plane).await;
    let operator = operator(&plane, &[]).await;
    let site = Site::oidc_provider().await.unwrap();
    plane.create_namespace("apps").await.unwrap();
    works(&plane, &site, "apps").await;
    works_cluster_wide(&plane, &site).await;
    lacked_no_right(&plane, &operator).await;

    // Definitions, and so the clients, outlive the release.
    plane.apply(&oauth_client("kept", CLIENT)).await.unwrap();
    helm(&plane, &["upgrade", NAME, &chart, "--namespace", HOME]).await;
    operator.stop().await.unwrap();
    helm(&plane, &["uninstall", NAME, "--namespace", HOME]).await;
    let kept = kubectl(&plane, &["get", "oauthclient", "kept", "-o", "name"]).await;
    assert!(kept.contains("kept"), "{kept}");
}

/// The form for chosen namespaces grants nothing beyond them: no ClusterRole, no right to anybody else's Secrets.
async fn is_confined(plane: &ControlPlane) {
    let roles = kubectl(plane, &["get", "clusterroles,clusterrolebindings", "-o", "name"]).await;
    assert!(!roles.contains(NAME), "{roles}");
    let user = format!("--as=system:serviceaccount:{HOME}:{NAME}");
    let may = async |namespace: &str| {
        let args = ["auth", "can-i", "list", "secrets", "-n", namespace, user.as_str()];
        plane.kubectl(&args).await.unwrap().stdout.trim().to_owned()
    };
    assert_eq!(may("default").await, "yes");
    assert_eq!(may("kube-system").await, "no");
}

#[tokio::test]
async fn both_install_an_operator_for_chosen_namespaces_with_roles_only() {
    let plane = bare().await;
    let site = Site::oidc_provider().await.unwrap();
    let namespaces = ["default".to_owned()];

    apply_bundles(&plane, "deploy/namespaced").await;
    has_pods(&plane).await;
    is_confined(&plane).await;
    let first = operator(&plane, &namespaces).await;
    works(&plane, &site, "default").await;
    lacked_no_right(&plane, &first).await;
    first.stop().await.unwrap();
    for bundle in ["deploy/namespaced", "deploy/crds", "deploy/namespace"] {
        kubectl(&plane, &["delete", "-k", &path(bundle), PATIENCE]).await;
    }

    let chart = path(&format!("charts/{NAME}"));
    let install = ["install", NAME, &chart, "--namespace", HOME, "--create-namespace"];
    let only = ["--set", "watch.namespaces={default}"];
    helm(&plane, &[&install[..], &only[..]].concat()).await;
    has_pods(&plane).await;
    is_confined(&plane).await;
    let second = operator(&plane, &namespaces).await;
    works(&plane, &site, "default").await;
    lacked_no_right(&plane, &second).await;
    second.stop().await.unwrap();
    let secrets: Api<Secret> = Api::namespaced(plane.client().unwrap(), HOME);
    let labelled = ListParams::default().labels("oauth-client-operator.dev/role");
    let left: Vec<String> = secrets
        .list(&labelled)
        .await
        .unwrap()
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    assert_eq!(left, Vec::<String>::new(), "a deleted client leaves nothing");
}

/// Every single right in a stream of manifests: kind of role, group, resource, names and verb.
fn rights(manifests: &str) -> BTreeSet<String> {
    let texts = |rule: &Value, member: &str| -> Vec<String> {
        let listed = rule[member].as_array().cloned().unwrap_or_default();
        listed.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut rights = BTreeSet::new();
    for document in serde_yaml::Deserializer::from_str(manifests) {
        let object = Value::deserialize(document).unwrap();
        let Some(kind @ ("Role" | "ClusterRole")) = object["kind"].as_str() else {
            continue;
        };
        for rule in object["rules"].as_array().into_iter().flatten() {
            let names = texts(rule, "resourceNames").join(",");
            for group in texts(rule, "apiGroups") {
                for resource in texts(rule, "resources") {
                    let verbs = texts(rule, "verbs").into_iter();
                    rights.extend(verbs.map(|verb| format!("{kind}: {verb} {group}/{resource} {names}")));
                }
            }
        }
    }
    rights
}

#[tokio::test]
async fn kustomize_and_helm_grant_the_same_rights() {
    let plane = crate::stage::plane().await;
    let chart = path(&format!("charts/{NAME}"));
    let only = ["--set", "watch.namespaces={default}"];
    let terminating = ["--set", "rbac.finishTerminatingNamespaces=true"];
    let both = [&only[..], &terminating[..]].concat();
    for (kustomizations, values) in [
        (vec!["deploy"], &[][..]),
        (vec!["deploy/namespaced"], &only[..]),
        (vec!["deploy/namespaced", "deploy/namespaced/terminating"], &both[..]),
    ] {
        let mut kustomized = String::new();
        for kustomization in &kustomizations {
            kustomized += &kubectl(plane, &["kustomize", &path(kustomization)]).await;
            kustomized += "---\n";
        }
        let args = [
            &[
                "template",
                NAME,
                &chart,
                "--kube-version",
                "1.36.0",
                "--namespace",
                HOME,
            ],
            values,
        ]
        .concat();
        let rendered = helm(plane, &args).await;
        let granted = rights(&rendered);
        assert_eq!(rights(&kustomized), granted, "{kustomizations:?}");
        assert!(granted.iter().all(|right| !right.contains('*')), "{granted:?}");
    }
}
