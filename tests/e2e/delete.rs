//! Deletion: visible while it is blocked, tried again, and finished after the object is gone.

use testbed::providers::{Fault, Reply};
use testbed::site::{Site, oauth_client};

use crate::stage::{Stage, Unmanned, eventually, lasting_rights};

const CLIENT: &str = "redirectURIs: ['https://app.example/callback']";

fn down(seen: &testbed::providers::Seen) -> Option<Fault> {
    (seen.method == "DELETE").then(|| Fault::Answer(Reply::empty(503)))
}

#[tokio::test]
async fn a_provider_that_is_down_blocks_visibly_and_is_asked_again() {
    let site = Site::scriptable().await.unwrap();
    let stage = Stage::new("blocked").await;
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    stage.ready("app").await;
    site.double().unwrap().script(down);
    stage.kubectl(&["delete", "oac", "app", "--wait=false"]).await;
    let message = stage.failed("app", "DeletionBlocked").await;
    assert!(
        message.contains("503") && message.contains("spec.deletionTimeout"),
        "{message}"
    );
    stage.warned("app", "DeletionBlocked").await;
    assert_eq!(site.clients().await.unwrap().len(), 1);
    site.double().unwrap().behave();
    stage.gone("app").await;
    assert!(site.clients().await.unwrap().is_empty());
    stage.no_records().await;
}

#[tokio::test]
async fn after_the_timeout_the_object_goes_and_the_deletion_is_finished_later() {
    let site = Site::scriptable().await.unwrap();
    let stage = Stage::new("tombstone").await;
    stage.apply(&site.manifests).await;
    stage
        .apply(&oauth_client("app", &format!("{CLIENT}\ndeletionTimeout: 3s")))
        .await;
    stage.ready("app").await;
    site.double().unwrap().script(down);
    stage.kubectl(&["delete", "oac", "app", "--wait=false"]).await;
    stage.gone("app").await;
    assert_eq!(
        (site.clients().await.unwrap().len(), stage.records().await.len()),
        (1, 1)
    );
    assert!(stage.warned("app", "DeletionTimedOut").await.contains("keeps trying"));
    site.double().unwrap().behave();
    eventually("the sweeper finishes the deletion", async || {
        (site.clients().await.unwrap().is_empty() && stage.records().await.is_empty()).then_some(())
    })
    .await;
    assert!(stage.suspects().await.is_empty());
    assert!(
        stage
            .operator
            .log()
            .contains("a deletion that outlived its object is finished")
    );
}

/// The log names a deregistration as finished only where the client is gone.
#[tokio::test]
async fn t143_the_log_calls_no_deletion_finished_whose_client_lives() {
    const FINISHED: &str = "a deletion that outlived its object is finished";
    let site = Site::scriptable().await.unwrap();
    let stage = Stage::with("unfinished", |options| options.args.push("--time-scale=60".to_owned())).await;
    stage.apply(&site.manifests).await;
    stage
        .apply(&oauth_client("app", &format!("{CLIENT}\ndeletionTimeout: 60s")))
        .await;
    stage.ready("app").await;
    let double = site.double().unwrap();
    double.script(down);
    stage.kubectl(&["delete", "oac", "app", "--wait=false"]).await;
    stage.gone("app").await;
    let before = double.count("DELETE", "");
    // From now on it is accepted, and nothing is done.
    double.script(|seen| (seen.method == "DELETE").then(|| Fault::Answer(Reply::empty(202))));
    eventually("the client is a suspect", async || {
        (stage.suspects().await.len() == 1 && stage.records().await.is_empty()).then_some(())
    })
    .await;
    assert!(
        double.count("DELETE", "") > before + 1,
        "the sweeper has tried it twice"
    );
    assert_eq!(site.clients().await.unwrap().len(), 1);
    assert!(!stage.operator.log().contains(FINISHED), "{}", stage.operator.log());
}

#[tokio::test]
async fn a_provider_object_that_is_gone_does_not_hold_up_a_deletion_by_token() {
    let site = Site::scriptable().await.unwrap();
    let stage = Stage::new("provider-gone").await;
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    stage.ready("app").await;
    stage.kubectl(&["delete", "oauthprovider", "provider"]).await;
    stage.kubectl(&["delete", "oac", "app", "--timeout=30s"]).await;
    assert!(
        site.clients().await.unwrap().is_empty(),
        "the record holds all that a deletion needs"
    );
}

#[tokio::test]
async fn a_namespace_with_clients_can_be_deleted() {
    let site = Site::oidc_provider().await.unwrap();
    let unmanned = Unmanned::new("whole").await;
    let mut options = unmanned.options().await;
    // The Role of a namespace may be collected before its clients are let go.
    options.manifests = vec![lasting_rights(unmanned.home.name(), &options.namespaces).await];
    let stage = unmanned.man(options).await;
    stage.apply(&site.manifests).await;
    for number in 0..5 {
        stage.apply(&oauth_client(&format!("app-{number}"), CLIENT)).await;
    }
    for number in 0..5 {
        stage.ready(&format!("app-{number}")).await;
    }
    crate::stage::plane()
        .await
        .delete_namespace(stage.apps.name())
        .await
        .unwrap();
    assert!(site.clients().await.unwrap().is_empty());
    stage.no_records().await;
}
