//! Client secrets that expire: the object says so at that time, and what leads out of it.

use std::time::{Duration, SystemTime};

use k8s_openapi::jiff::Timestamp;
use oauth_client_operator::api::OAuthClient;
use testbed::site::{Site, oauth_client};

use crate::stage::{Stage, condition, eventually, is};

const CLIENT: &str = "grantTypes: [client_credentials]\nredirectURIs: ['https://app.example/callback']";
const EDITED: &str = "grantTypes: [client_credentials]\nredirectURIs: ['https://app.example/edited']";
const METRIC: &str = "oauth_client_operator_client_secret_expiry_timestamp_seconds";

fn seconds(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_second()
}

fn expiry(object: &OAuthClient) -> i64 {
    seconds(object.status.as_ref().unwrap().secret_expires_at.as_ref().unwrap())
}

/// Lets the time come.
async fn pass(at: i64) {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(at).unwrap());
    tokio::time::sleep(at.duration_since(SystemTime::now()).unwrap_or_default()).await;
}

/// Runs the command that a message ends with.
async fn follow(stage: &Stage, message: &str) {
    let (_, command) = message.split_once("kubectl ").unwrap();
    let command = command.replace("NAME", "app");
    stage.kubectl(&command.split(' ').collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn t240_a_secret_that_expires_is_not_ready_from_then_on_and_nothing_is_done_before_or_after() {
    let site = Site::scriptable().await.unwrap();
    let double = site.double().unwrap();
    double.secret_lifetime(Some(Duration::from_secs(10)));
    let stage = Stage::new("expiry").await;
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    let ready = stage.ready("app").await;
    let at = expiry(&ready);
    let metrics = stage.operator.metrics().await.unwrap();
    let soonest = format!("{METRIC}{{kind=\"OAuthProvider\"}} {at}\n");
    assert!(metrics.contains(&soonest), "{metrics}");
    let (mark, calls) = (stage.mark().await, double.seen().len());

    let message = stage.failed("app", "SecretExpired").await;
    let object = stage.oauth_client("app").await;
    let told = condition(&object, "Ready").unwrap();
    assert!(seconds(&told.last_transition_time) >= at, "{told:?}, expiry {at}");
    assert!(is(&object, "Stalled", "True") && is(&object, "SecretSynced", "True") && is(&object, "Registered", "True"));
    assert_eq!(stage.warned("app", "SecretExpired").await, message);
    let metrics = stage.operator.metrics().await.unwrap();
    let counted = "oauth_client_operator_clients{ready=\"false\",reason=\"SecretExpired\"} 1\n";
    assert!(metrics.contains(counted), "{metrics}");
    assert!(!metrics.contains(&format!("{METRIC}{{")), "{metrics}");
    let writes = stage
        .requests(mark)
        .await
        .writes()
        .filter(|write| write.resource != "events");
    let writes: Vec<_> = writes
        .filter(|write| write.resource != "leases")
        .iter()
        .cloned()
        .collect();
    assert_eq!(writes.len(), 1, "the status: {writes:?}");
    assert_eq!(double.seen().len(), calls, "the provider is not asked");

    // Another secret is another client's, and the message says how to get it.
    double.secret_lifetime(None);
    follow(&stage, &message).await;
    let anew = stage.ready("app").await.status.unwrap();
    assert_ne!(anew.client_id, ready.status.unwrap().client_id);
    assert_eq!(anew.secret_expires_at, None);
    let secret = stage.secret("app").await.unwrap();
    site.token(&secret["client_id"], &secret["client_secret"])
        .await
        .unwrap();
}

#[tokio::test]
async fn t242_an_expiry_that_passes_while_no_operator_runs_is_told_by_the_next_start() {
    let site = Site::scriptable().await.unwrap();
    let double = site.double().unwrap();
    double.secret_lifetime(Some(Duration::from_secs(10)));
    let mut stage = Stage::new("expiry-restart").await;
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    let at = expiry(&stage.ready("app").await);
    stage.operator.stop().await.unwrap();
    pass(at).await;
    let calls = double.seen().len();
    stage.operator.relaunch().await.unwrap();
    stage.failed("app", "SecretExpired").await;
    let version = async || stage.oauth_client("app").await.metadata.resource_version;
    let (told, registered) = (version().await, double.count("POST", "/register"));

    // A start after the verdict reads nothing and writes nothing about it.
    stage.operator.stop().await.unwrap();
    let mark = stage.mark().await;
    stage.operator.relaunch().await.unwrap();
    stage.operator.ready().await.unwrap();
    // Whatever the start does about this object comes before this one is Ready.
    double.secret_lifetime(None);
    stage.apply(&oauth_client("other", CLIENT)).await;
    stage.ready("other").await;
    assert_eq!(stage.oauth_client("app").await.metadata.resource_version, told);
    let about = stage.requests(mark).await.filter(|request| request.name == "app");
    assert!(about.is_empty(), "{about:?}");
    assert_eq!(double.count("POST", "/register"), registered + 1);
    assert!(double.seen().len() > calls);
}

#[tokio::test]
async fn t243_an_update_whose_answer_extends_the_secret_ends_the_expiry() {
    let site = Site::scriptable().await.unwrap();
    let double = site.double().unwrap();
    double.secret_lifetime(Some(Duration::from_secs(6)));
    double.rotate_secret(true);
    let stage = Stage::new("expiry-update").await;
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    let client = stage.ready("app").await.status.unwrap().client_id;
    stage.failed("app", "SecretExpired").await;
    double.secret_lifetime(Some(Duration::from_hours(1)));
    stage.apply(&oauth_client("app", EDITED)).await;
    let object = stage.ready("app").await;
    assert_eq!(object.status.as_ref().unwrap().client_id, client, "the same client");
    let left = expiry(&object) - Timestamp::now().as_second();
    assert!(left > 3000, "{left} s");
    let secret = stage.secret("app").await.unwrap();
    site.token(&secret["client_id"], &secret["client_secret"])
        .await
        .unwrap();
    // A secret that is sooner gone than all others is noticed, too.
    double.secret_lifetime(Some(Duration::from_secs(6)));
    stage.apply(&oauth_client("soon", CLIENT)).await;
    stage.failed("soon", "SecretExpired").await;
    assert!(is(&stage.oauth_client("app").await, "Ready", "True"));
}

#[tokio::test]
async fn w120_a_real_server_whose_secrets_expire() {
    let site = Site::idpyoidc_with(Some(Duration::from_secs(10))).await.unwrap();
    let stage = Stage::new("expiry-real").await;
    stage.apply(&site.manifests).await;
    stage.apply(&site.client("app", CLIENT)).await;
    let at = expiry(&stage.ready("app").await);
    let before = stage.secret("app").await.unwrap();
    let message = stage.failed("app", "SecretExpired").await;
    pass(at + 1).await;
    let refused = site.token(&before["client_id"], &before["client_secret"]).await;
    assert!(refused.is_err(), "the server means it");
    follow(&stage, &message).await;
    eventually("the Secret holds another client", async || {
        let now = stage.secret("app").await?;
        (now["client_id"] != before["client_id"]).then_some(())
    })
    .await;
}
