//! An installation of the operator that was moved to another namespace: nothing is changed at the provider, everybody is told, and no
//! deletion hangs.

use serde_json::json;
use testbed::operator::{Operator, OperatorOptions};
use testbed::site::{Site, oauth_client};

use crate::scene::{CLIENT, edited};
use crate::stage::{BINARY, Stage, Unmanned, eventually, is, plane, rights};

#[tokio::test]
async fn t138_an_operator_in_another_namespace_says_whose_the_client_is_and_ends_its_deletion() {
    let site = Site::oidc_provider().await.unwrap();
    let stage = Stage::with("moved-from", |options| {
        options.args.extend(["--cluster-id", "one"].map(str::to_owned));
    })
    .await;
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    let id = stage.ready("app").await.status.unwrap().client_id.unwrap();
    let old_home = stage.home.name().to_owned();
    stage.operator.stop().await.unwrap();

    let new_home = Unmanned::new("moved-to").await.home;
    let watched = [stage.apps.name().to_owned()];
    let mut options = OperatorOptions {
        binary: BINARY.into(),
        manifests: vec![rights(new_home.name(), &watched).await],
        ..OperatorOptions::new(new_home.name(), &watched)
    };
    let args = ["--cluster-id", "one", "--time-scale", "20"];
    options.args.extend(args.map(str::to_owned));
    let moved = Operator::start(plane().await, options).await.unwrap();
    stage.apply(&oauth_client("app", &edited("two"))).await;
    let message = stage.failed("app", "ManagedElsewhere").await;
    assert!(
        message.contains(&old_home) && message.contains(new_home.name()),
        "{message}"
    );
    assert!(is(&stage.oauth_client("app").await, "Stalled", "True"));
    assert!(stage.secret("app").await.is_some(), "the application goes on");

    let timeout = json!({"spec": {"deletionTimeout": "60s"}}).to_string();
    stage
        .kubectl(&["patch", "oauthclient", "app", "--type=merge", "-p", &timeout])
        .await;
    stage.kubectl(&["delete", "oauthclient", "app", "--wait=false"]).await;
    let message = stage.failed("app", "DeletionBlocked").await;
    assert!(message.contains(&old_home), "{message}");
    stage.gone("app").await;
    assert!(stage.warned("app", "SuspectedOrphan").await.contains(&id));
    let suspects: k8s_openapi::api::core::v1::Secret = eventually("a suspect names the client", async || {
        let labelled = kube::api::ListParams::default().labels("oauth-client-operator.dev/role=suspect");
        let kept: kube::Api<k8s_openapi::api::core::v1::Secret> =
            kube::Api::namespaced(stage.client.clone(), new_home.name());
        kept.list(&labelled).await.unwrap().items.into_iter().next()
    })
    .await;
    assert_eq!(suspects.data.unwrap()["client_id"].0, id.as_bytes());
    assert_eq!(stage.records().await.len(), 1, "the record stays where it is");
    assert!(
        site.clients().await.unwrap().contains_key(&id),
        "nothing was deregistered"
    );
    moved.stop().await.unwrap();
}
