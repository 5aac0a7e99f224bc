//! Providers that allow few calls.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kube::ResourceExt;
use kube::api::ListParams;
use oauth_client_operator::api::OAuthClient;
use serde_json::json;
use testbed::providers::{Fault, Persona, Reply, ScriptableProvider};
use testbed::site::{consented, oauth_client, oauth_provider};

use crate::scene::CLIENT;
use crate::stage::{Stage, condition, eventually, is};

fn clients(count: usize) -> String {
    (0..count)
        .map(|number| oauth_client(&format!("app-{number}"), CLIENT))
        .collect()
}

#[tokio::test]
async fn t255_a_wait_that_a_token_endpoint_asks_for_holds_for_every_client_of_the_provider() {
    const CLIENTS: usize = 12;
    const WAIT: u32 = 5;
    let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
    double.administrator("operator", "operators-secret");
    let (busy, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let first = Arc::new(Mutex::new(None));
    let script = (Arc::clone(&busy), Arc::clone(&asked), Arc::clone(&first));
    double.script(move |seen| {
        let (busy, asked, first) = &script;
        (seen.path == "/token" && busy.load(Ordering::Relaxed)).then(|| {
            first.lock().unwrap().get_or_insert_with(Instant::now);
            asked.fetch_add(1, Ordering::Relaxed);
            let reply = Reply::json(429, &json!({"error": "slow_down"}));
            Fault::Answer(reply.header("retry-after", &WAIT.to_string()))
        })
    });
    let stage = Stage::new("token-wait").await;
    let auth = "registrationAuth:\n  clientCredentials:\n    secretRef:\n      name: operator\n";
    let data = [("client_id", "operator"), ("client_secret", "operators-secret")];
    stage.apply(&consented("operator", double.url(), &data)).await;
    stage
        .apply(&oauth_provider(&format!("issuer: {}\n{auth}", double.url())))
        .await;
    stage.apply(&clients(CLIENTS)).await;
    eventually("every message says until when", async || {
        let list = stage.clients().list(&ListParams::default()).await.unwrap();
        let waits = list.items.iter().filter_map(|object| condition(object, "Ready"));
        let waits = waits.filter(|ready| ready.message.contains("nothing is sent to it before 20"));
        (waits.count() == CLIENTS).then_some(())
    })
    .await;
    busy.store(false, Ordering::Relaxed);
    let since = first.lock().unwrap().unwrap().elapsed();
    let asked = asked.load(Ordering::Relaxed);
    // One in each wait, and one that was on its way.
    let most = usize::try_from(since.as_secs() / u64::from(WAIT)).unwrap() + 2;
    assert!(asked <= most, "{asked} requests for a token in {since:?}");
    for number in 0..CLIENTS {
        stage.ready(&format!("app-{number}")).await;
    }
}

#[tokio::test]
async fn t256_an_object_that_waits_for_a_permit_is_deleted_at_once_and_a_limit_that_is_raised_reaches_the_others() {
    let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
    let stage = Stage::new("long-wait").await;
    let provider = |count: u32| {
        format!(
            "issuer: {}\nrateLimit: {{per: {{count: {count}, period: 24h}}}}\n",
            double.url()
        )
    };
    stage.apply(&oauth_provider(&provider(1))).await;
    stage.apply(&clients(3)).await;
    let waits = async |name: &str| {
        let log = stage.operator.metrics().await.unwrap();
        let waiting = format!(r#"oauth_client_operator_queue_depth{{state="Waiting"}} {name}"#);
        log.contains(&waiting).then_some(())
    };
    eventually("two passes have ended, and one client is registered", async || {
        waits("2").await
    })
    .await;
    let waiting = eventually("the third is Ready", async || {
        let mut waiting = Vec::new();
        for number in 0..3 {
            let name = format!("app-{number}");
            if !is(&stage.oauth_client(&name).await, "Ready", "True") {
                waiting.push(name);
            }
        }
        (waiting.len() < 3).then_some(waiting)
    })
    .await;
    assert_eq!((waiting.len(), double.clients().len()), (2, 1), "{waiting:?}");
    stage.kubectl(&["delete", "oac", &waiting[0], "--timeout=60s"]).await;
    stage.gone(&waiting[0]).await;
    eventually("one object waits", async || waits("1").await).await;
    stage.apply(&oauth_provider(&provider(100_000))).await;
    stage.ready(&waiting[1]).await;
    assert_eq!(double.clients().len(), 2);
}

/// Ten calls in ten minutes, at ten times the speed: one every six seconds.
#[tokio::test]
async fn t360_a_deletion_that_waits_ends_in_time_and_the_sweeper_ends_its_tombstone_while_others_wait() {
    const WAITING: usize = 40;
    let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
    let stage = Stage::with("low-rate", |options| options.args.push("--time-scale=10".to_owned())).await;
    let provider = format!("issuer: {}\n", double.url());
    stage.apply(&oauth_provider(&provider)).await;
    stage
        .apply(&oauth_client("deleted", &format!("{CLIENT}\ndeletionTimeout: 40s")))
        .await;
    let client_id = stage.ready("deleted").await.status.unwrap().client_id.unwrap();
    let limited = format!("{provider}rateLimit: {{per: {{count: 10, period: 10m}}}}\n");
    stage.apply(&oauth_provider(&limited)).await;
    stage.apply(&clients(WAITING)).await;
    let waiting = eventually("clients say that they wait", async || {
        let list = stage.clients().list(&ListParams::default()).await.unwrap();
        let waits = list.items.into_iter().filter(|object| {
            let ready = condition(object, "Ready");
            ready.is_some_and(|ready| ready.reason == "Progressing")
        });
        let waits: Vec<_> = waits.collect();
        (waits.len() >= WAITING - 5).then_some(waits)
    })
    .await;
    let ready = condition(&waiting[0], "Ready").unwrap();
    assert!(
        ready.message.starts_with(
            "the client waits for the rate limit of its provider: 10 calls per 10m. The call is expected at about 20"
        ),
        "{}",
        ready.message
    );
    let begun = Instant::now();
    stage.kubectl(&["delete", "oac", "deleted", "--wait=false"]).await;
    stage.gone("deleted").await;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(20), "it waited for {took:?}");
    assert!(stage.warned("deleted", "DeletionTimedOut").await.contains(&client_id));
    assert!(double.clients().contains_key(&client_id), "nothing was sent");
    eventually("the sweeper deregisters the client", async || {
        (!double.clients().contains_key(&client_id)).then_some(())
    })
    .await;
    let last = waiting.iter().max_by_key(|object| expected(object)).unwrap();
    let now = stage.oauth_client(&last.name_any()).await;
    assert_eq!(
        (now.resource_version(), double.clients().len() < WAITING),
        (last.resource_version(), true),
        "others wait, and have nothing more to say"
    );
}

/// When its turn is expected.
fn expected(object: &OAuthClient) -> String {
    let message = condition(object, "Ready")
        .map(|ready| ready.message.clone())
        .unwrap_or_default();
    message.rsplit(' ').next().unwrap_or_default().to_owned()
}
