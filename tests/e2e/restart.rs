//! Waits that continue in the next process.

use std::time::Duration;

use oauth_client_operator::api::OAuthClient;
use serde_json::json;
use testbed::providers::{Fault, Persona, Reply, ScriptableProvider};
use testbed::site::{oauth_client, oauth_provider};

use crate::scene::{CLIENT, edited};
use crate::stage::{Stage, condition, eventually, is};

/// What is said while a breaker is open.
const OPEN: &str = "no other is begun for a while";

/// A provider that can be called by one client at a time.
async fn provider(stage: &Stage) -> ScriptableProvider {
    let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
    let manifest = format!("issuer: {}\nrateLimit:\n  concurrency: 1\n", double.url());
    stage.apply(&oauth_provider(&manifest)).await;
    double
}

/// From now on, the provider neither registers nor updates a client.
fn fail(double: &ScriptableProvider, fault: impl Fn() -> Fault + Send + 'static) {
    double.script(move |seen| {
        let registers = seen.method == "POST" && seen.path == "/register";
        (registers || seen.method == "PUT").then(&fault)
    });
}

fn clients(names: std::ops::Range<usize>) -> String {
    names
        .map(|number| oauth_client(&format!("app-{number}"), CLIENT))
        .collect()
}

/// Forty clients that fail for a minute are spread over a minute after a restart.
#[tokio::test]
async fn t205_a_restart_has_no_burst_of_calls_of_failing_clients() {
    let mut stage = Stage::new("no-burst").await;
    let double = provider(&stage).await;
    stage.apply(&oauth_client("kept", CLIENT)).await;
    stage.ready("kept").await;
    fail(&double, || {
        Fault::Answer(Reply::json(503, &json!({"error": "temporarily_unavailable"})))
    });
    stage.apply(&oauth_client("kept", &edited("other"))).await;
    stage.apply(&clients(0..40)).await;
    for number in 0..40 {
        stage.failed(&format!("app-{number}"), "ProviderUnavailable").await;
    }
    let updating = |object: &OAuthClient| is(object, "Ready", "True") && is(object, "Reconciling", "True");
    stage.until("kept", "its update fails", updating).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    stage.operator.stop().await.unwrap();
    let secret = stage.oauth_client("kept").await.status.unwrap().binding.unwrap().name;
    stage.kubectl(&["delete", "secret", &secret]).await;
    let before = double.count("POST", "/register");
    let mark = stage.mark().await;
    stage.operator.restart().await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let calls = double.count("POST", "/register") - before;
    assert!(calls < 15, "{calls} calls of forty clients within five seconds");
    let requests = stage.requests(mark).await.writes();
    let statuses = requests.filter(|request| {
        request.resource == "oauthclients" && request.subresource == "status" && request.name.starts_with("app-")
    });
    assert!(statuses.len() <= calls, "{calls} calls, {statuses}");
    // What is missing in the cluster does not wait for the provider.
    assert!(stage.secret(&secret).await.is_some());
    // Who corrects the provider object need not wait.
    double.behave();
    let manifest = format!("issuer: {}\nrateLimit:\n  concurrency: 8\n", double.url());
    stage.apply(&oauth_provider(&manifest)).await;
    let begun = std::time::Instant::now();
    for number in 0..40 {
        stage.ready(&format!("app-{number}")).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(double.clients().len(), 41);
}

/// Three registrations had an unknown outcome: the next process starts no other one either.
#[tokio::test]
async fn t206_a_restart_leaves_a_breaker_open() {
    let mut stage = Stage::new("open-breaker").await;
    let double = provider(&stage).await;
    fail(&double, || Fault::LoseAnswer);
    stage.apply(&clients(0..6)).await;
    eventually("the breaker is open", async || {
        let listed = stage.kubectl(&["get", "oac", "-o", "jsonpath={..message}"]).await;
        listed.contains(OPEN).then_some(())
    })
    .await;
    eventually("the suspects are entered", async || {
        (stage.suspects().await.len() >= 3).then_some(())
    })
    .await;
    stage.operator.stop().await.unwrap();
    double.behave();
    let before = double.count("POST", "/register");
    stage.operator.restart().await.unwrap();
    stage.apply(&clients(6..8)).await;
    for name in ["app-6", "app-7"] {
        let waits = |object: &OAuthClient| condition(object, "Ready").is_some_and(|ready| ready.message.contains(OPEN));
        stage.until(name, "held by the breaker", waits).await;
    }
    assert_eq!(
        double.count("POST", "/register"),
        before,
        "nothing is registered meanwhile"
    );
}
