//! Waits that continue in the next process.

use kube::api::{Patch, PatchParams};
use oauth_client_operator::api::OAuthClient;
use serde_json::json;
use testbed::providers::{Fault, Persona, Reply, ScriptableProvider};
use testbed::site::{oauth_client, oauth_provider};

use crate::scene::{CLIENT, edited};
use crate::stage::{Stage, condition, eventually, is};

/// What is said while a breaker is open.
const OPEN: &str = "no other is begun for a while";

fn provider_object(double: &ScriptableProvider, concurrency: u32) -> String {
    let url = double.url();
    oauth_provider(&format!("issuer: {url}\nrateLimit:\n  concurrency: {concurrency}\n"))
}

/// A provider that can be called by so many clients at a time.
async fn provider(stage: &Stage, concurrency: u32) -> ScriptableProvider {
    let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
    stage.apply(&provider_object(&double, concurrency)).await;
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

/// The status says that an object has been in its present state for years: its last wait was the longest.
async fn failing_for_years(stage: &Stage, name: &str) {
    let mut conditions = stage.oauth_client(name).await.status.unwrap().conditions;
    for condition in &mut conditions {
        "2020-01-01T00:00:00Z".clone_into(&mut condition.last_transition_time);
    }
    let patch = Patch::Merge(json!({ "status": { "conditions": conditions } }));
    let parameters = PatchParams::default();
    stage.clients().patch_status(name, &parameters, &patch).await.unwrap();
}

/// Forty clients fail for long: after a restart they are spread over minutes.
#[tokio::test]
async fn t205_a_restart_has_no_burst_of_calls_of_failing_clients() {
    const FAILING: usize = 40;
    let mut stage = Stage::new("no-burst").await;
    let double = provider(&stage, 1).await;
    stage.apply(&oauth_client("kept", CLIENT)).await;
    stage.ready("kept").await;
    fail(&double, || {
        Fault::Answer(Reply::json(503, &json!({"error": "temporarily_unavailable"})))
    });
    stage.apply(&oauth_client("kept", &edited("other"))).await;
    stage.apply(&clients(0..FAILING)).await;
    for number in 0..FAILING {
        stage.failed(&format!("app-{number}"), "ProviderUnavailable").await;
    }
    let updating = |object: &OAuthClient| is(object, "Ready", "True") && is(object, "Reconciling", "True");
    stage.until("kept", "its update fails", updating).await;
    stage.operator.stop().await.unwrap();
    for number in 0..FAILING {
        failing_for_years(&stage, &format!("app-{number}")).await;
    }
    failing_for_years(&stage, "kept").await;
    let secret = stage.oauth_client("kept").await.status.unwrap().binding.unwrap().name;
    stage.kubectl(&["delete", "secret", &secret]).await;
    let before = double.count("POST", "/register");
    let mark = stage.mark().await;
    stage.operator.restart().await.unwrap();
    let all = format!(
        "oauth_client_operator_queue_depth{{state=\"Backoff\"}} {}\n",
        FAILING + 1
    );
    eventually("all wait for their next try", async || {
        stage.operator.metrics().await.unwrap().contains(&all).then_some(())
    })
    .await;
    let calls = double.count("POST", "/register") - before;
    assert!(calls < FAILING / 2, "{calls} calls of {FAILING} clients");
    // What is missing in the cluster does not wait for the provider.
    eventually("the Secret is there again", async || stage.secret(&secret).await).await;
    let requests = stage.requests(mark).await.writes();
    let statuses = requests.filter(|request| {
        request.resource == "oauthclients" && request.subresource == "status" && request.name.starts_with("app-")
    });
    let calls = double.count("POST", "/register") - before;
    assert!(statuses.len() <= calls, "{calls} calls, {statuses}");
    // Who corrects the provider object need not wait.
    double.behave();
    stage.apply(&provider_object(&double, 8)).await;
    for number in 0..FAILING {
        stage.ready(&format!("app-{number}")).await;
    }
    assert_eq!(double.clients().len(), FAILING + 1);
}

/// Three registrations had an unknown outcome: the next process starts no other one either.
#[tokio::test]
async fn t206_a_restart_leaves_a_breaker_open() {
    let mut stage = Stage::new("open-breaker").await;
    let double = provider(&stage, 1).await;
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

/// A crash cuts four registrations off: that is no failure of the provider, and all of them are tried again.
#[tokio::test]
async fn t06_registrations_that_a_crash_cut_off_open_no_breaker() {
    const CUT_OFF: usize = 4;
    let mut stage = Stage::new("cut-off").await;
    let double = provider(&stage, 8).await;
    fail(&double, || Fault::Hang);
    stage.apply(&clients(0..CUT_OFF)).await;
    eventually("the registrations are under way", async || {
        (double.count("POST", "/register") >= CUT_OFF).then_some(())
    })
    .await;
    stage.operator.kill9().await.unwrap();
    double.behave();
    // Neither the process that enters the suspects counts them, nor the one that finds them.
    stage.operator.restart().await.unwrap();
    for number in 0..CUT_OFF {
        stage.ready(&format!("app-{number}")).await;
    }
    assert_eq!(stage.suspects().await.len(), CUT_OFF);
    stage.operator.restart().await.unwrap();
    stage.apply(&oauth_client("another", CLIENT)).await;
    stage.ready("another").await;
}
