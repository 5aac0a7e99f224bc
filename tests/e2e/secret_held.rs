//! A credentials Secret that something else collects or keeps.

use kube::ResourceExt;
use oauth_client_operator::api::OAuthClient;
use serde_json::json;
use testbed::site::{Site, oauth_client};

use crate::scene::{CLIENT, edited};
use crate::stage::{Stage, condition, eventually, is};

#[tokio::test]
async fn t160_a_secret_that_a_finalizer_keeps_is_waited_for() {
    let site = Site::oidc_provider().await.unwrap();
    let stage = Stage::new("secret-held").await;
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    stage.ready("app").await;
    let before = stage.secret("app").await.unwrap();
    let finalizers = |names: &[&str]| json!({"metadata": {"finalizers": names}}).to_string();
    let keep = finalizers(&["example.com/keep"]);
    stage
        .kubectl(&["patch", "secret", "app", "--type=merge", "-p", &keep])
        .await;
    // Another type needs another Secret.
    let typed = format!("{CLIENT}\nsecret: {{template: {{type: kubernetes.io/basic-auth}}}}");
    stage.apply(&oauth_client("app", &typed)).await;
    let held = |object: &OAuthClient| {
        condition(object, "Reconciling").is_some_and(|reconciling| reconciling.message.contains("finalizers"))
    };
    let object = stage.until("app", "waiting for its Secret", held).await;
    assert!(is(&object, "Ready", "True"), "it still has what it had");
    let log = stage.operator.log();
    assert!(!log.contains("did not converge"), "{log}");
    let free = finalizers(&[]);
    stage
        .kubectl(&["patch", "secret", "app", "--type=merge", "-p", &free])
        .await;
    stage.ready("app").await;
    let secret = stage.secrets().get("app").await.unwrap();
    assert_eq!(secret.type_.as_deref(), Some("kubernetes.io/basic-auth"));
    assert_eq!(stage.secret("app").await.unwrap()["username"], before["client_id"]);
    assert_eq!(site.clients().await.unwrap().len(), 1);
}

#[tokio::test]
async fn t160_a_retained_client_keeps_its_secret_in_a_foreground_deletion() {
    let site = Site::oidc_provider().await.unwrap();
    let stage = Stage::new("retain-foreground").await;
    stage.apply(&site.manifests).await;
    let retained = format!("{CLIENT}\ndeletionPolicy: Retain");
    stage.apply(&oauth_client("app", &retained)).await;
    stage.ready("app").await;
    let before = stage.secret("app").await.unwrap();
    // The garbage collector is faster than the operator, which does not run.
    stage.operator.pause();
    stage
        .kubectl(&["delete", "oauthclient", "app", "--cascade=foreground", "--wait=false"])
        .await;
    eventually("the Secret is collected", async || {
        stage.secret("app").await.is_none().then_some(())
    })
    .await;
    stage.operator.resume();
    stage.gone("app").await;
    let secret = stage.secrets().get("app").await.unwrap();
    assert!(secret.owner_references().is_empty());
    assert_eq!(stage.secret("app").await.unwrap(), before);
    assert_eq!(site.clients().await.unwrap().len(), 1);
    assert_eq!(stage.records().await.len(), 1, "the record of a retained client stays");
}

#[tokio::test]
async fn t163_normal_events_tell_of_updates_repairs_and_deregistrations() {
    let site = Site::oidc_provider().await.unwrap();
    let stage = Stage::with("normal-events", |options| {
        options.args.push("--normal-events".to_owned());
    })
    .await;
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    stage.ready("app").await;
    stage.apply(&oauth_client("app", &edited("two"))).await;
    stage.ready("app").await;
    stage.kubectl(&["delete", "secret", "app"]).await;
    eventually("the Secret is back", async || stage.secret("app").await).await;
    stage.kubectl(&["delete", "oauthclient", "app", "--timeout=60s"]).await;
    for reason in ["Updated", "SecretRestored", "Deregistered"] {
        eventually(&format!("an event {reason}"), async || {
            let query = ["get", "events", "-o", "jsonpath={..reason}"];
            let reasons = stage.kubectl(&query).await;
            reasons.split(' ').any(|found| found == reason).then_some(())
        })
        .await;
    }
}
