//! Metadata is asked for again, and what it says follows into the records and Secrets of clients that exist.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use testbed::operator::OperatorOptions;
use testbed::providers::{OidcProviderOptions, Persona, Reply, ScriptableProvider};
use testbed::proxy::{Action, Asked, Proxy};
use testbed::site::{Site, oauth_client};
use testbed::tls::Authority;

use crate::scene::{CLIENT, Scene, step};
use crate::stage::{Stage, eventually, is};

/// How many hours pass in an hour, so that one takes this long.
const HOUR: Duration = Duration::from_secs(2);
const SCALE: [&str; 2] = ["--time-scale", "1800"];

fn faster(options: &mut OperatorOptions) {
    options.args.extend(SCALE.map(str::to_owned));
}

fn is_metadata(asked: &Asked) -> bool {
    asked.path.starts_with("/.well-known/")
}

/// oidc-provider behind a proxy, in a scene whose hours are short.
async fn proxied(name: &str) -> (Scene, Proxy) {
    let provider = Proxy::open(false).await.unwrap();
    let site = Site::oidc_provider_behind(&provider, OidcProviderOptions::default());
    let scene = Scene::with(name, site.await.unwrap(), faster).await;
    (scene, provider)
}

/// From now on the metadata of the provider has this member.
fn says(provider: &Proxy, member: &'static str, value: Value) {
    provider.clear();
    let change = move |document: &mut Value| document[member] = value.clone();
    provider.always(is_metadata, Action::rewrite(change));
}

async fn token_endpoint(stage: &Stage, name: &str) -> Option<String> {
    stage.secret(name).await?.get("token_endpoint").cloned()
}

/// Waits until the Secrets of both clients hold this token endpoint.
async fn shown(scene: &Scene, endpoint: &str) {
    for name in ["app", "second"] {
        eventually(&format!("the Secret of {name} holds {endpoint}"), async || {
            (token_endpoint(&scene.stage, name).await.as_deref() == Some(endpoint)).then_some(())
        })
        .await;
    }
}

/// What was compared last.
async fn compared(scene: &Scene) -> Option<String> {
    let provider = scene.stage.providers().get("provider").await.unwrap();
    provider.status?.compared_revision
}

#[tokio::test]
async fn t251_endpoints_that_move_under_the_same_issuer_follow_into_every_secret_without_an_update() {
    let (scene, provider) = proxied("moved-endpoints").await;
    scene.ready_app().await;
    scene.stage.apply(&oauth_client("second", CLIENT)).await;
    scene.stage.ready("second").await;
    let plain = format!("{CLIENT}\nsecret: {{includeProvider: false}}");
    scene.stage.apply(&oauth_client("plain", &plain)).await;
    scene.stage.ready("plain").await;
    let before = scene.stage.secret("app").await.unwrap();
    let moved = format!("{}/moved/token", provider.url());
    let mark = scene.stage.mark().await;
    says(&provider, "token_endpoint", json!(moved));
    shown(&scene, &moved).await;
    for name in ["app", "second"] {
        let object = scene.stage.ready(name).await;
        assert!(is(&object, "Ready", "True"));
    }
    let after = scene.stage.secret("app").await.unwrap();
    let others = |secret: &BTreeMap<String, String>| {
        let mut others = secret.clone();
        others.remove("token_endpoint");
        others
    };
    assert_eq!(others(&before), others(&after), "nothing else has changed");
    // One more hour: nothing more is written.
    tokio::time::sleep(HOUR * 2).await;
    let requests = scene.stage.requests(mark).await;
    let of_secrets = |namespace: &str| {
        let writes = requests.clone().writes();
        let writes = writes.filter(|request| request.resource == "secrets" && request.namespace.contains(namespace));
        writes
            .iter()
            .filter(|request| !request.name.contains("revision-key"))
            .count()
    };
    assert_eq!(of_secrets("-operator-"), 3, "one write to each record");
    assert_eq!(of_secrets("-apps-"), 2, "one to each Secret that names the endpoint");
    let puts = provider
        .asked()
        .into_iter()
        .filter(|asked| asked.method == "PUT")
        .count();
    assert_eq!(puts, 0, "no client is changed at the provider");
    scene.judge_with(crate::judge::Verdict::default().alien()).await;
}

#[tokio::test]
async fn t251_a_document_of_another_issuer_and_a_failed_request_change_nothing() {
    let (scene, provider) = proxied("foreign-document").await;
    scene.ready_app().await;
    scene.stage.apply(&oauth_client("second", CLIENT)).await;
    scene.stage.ready("second").await;
    let before = (scene.stage.secret("app").await, compared(&scene).await);
    let mark = scene.stage.mark().await;
    let told = async |reason: &str| {
        eventually(&format!("the provider says {reason}"), async || {
            let provider = scene.stage.providers().get("provider").await.unwrap();
            let conditions = provider.status.unwrap_or_default().conditions;
            conditions.iter().any(|c| c.message.contains(reason)).then_some(())
        })
        .await;
    };
    provider.always(
        is_metadata,
        Action::rewrite(|document: &mut Value| {
            document["issuer"] = json!("https://other.example");
            document["token_endpoint"] = json!("https://other.example/token");
        }),
    );
    told("https://other.example").await;
    provider.clear();
    provider.always(is_metadata, Action::Answer(Reply::empty(503)));
    told("503").await;
    tokio::time::sleep(HOUR).await;
    let client = scene.stage.oauth_client("app").await;
    assert!(is(&client, "Ready", "True"), "{:?}", client.status);
    assert_eq!((scene.stage.secret("app").await, compared(&scene).await), before);
    let writes = scene.stage.requests(mark).await.writes();
    let writes = writes.filter(|request| matches!(request.resource.as_str(), "secrets" | "oauthclients"));
    assert!(writes.is_empty(), "{writes}");
    // And once it is right again, what it says counts.
    let moved = format!("{}/moved/token", provider.url());
    says(&provider, "token_endpoint", json!(moved));
    shown(&scene, &moved).await;
    scene.judge().await;
}

#[tokio::test]
async fn t253_a_crash_between_record_and_secret_loses_no_endpoint() {
    for (number, after) in [(0, true), (1, false)] {
        let (mut scene, provider) = proxied(&format!("crash-refresh-{number}")).await;
        scene.ready_app().await;
        scene.stage.apply(&oauth_client("second", CLIENT)).await;
        scene.stage.ready("second").await;
        let fits: fn(&Asked) -> bool = if after {
            step::record_change
        } else {
            step::secret_change
        };
        let action = if after {
            Action::KillAfter(scene.kill.clone())
        } else {
            Action::KillBefore(scene.kill.clone())
        };
        scene.proxy.once(fits, action);
        let moved = format!("{}/moved/token", provider.url());
        says(&provider, "token_endpoint", json!(moved));
        scene.killed_and_restarted().await;
        shown(&scene, &moved).await;
        scene.stage.ready("app").await;
        scene.judge().await;
    }
}

#[tokio::test]
async fn t250_a_provider_at_rest_is_asked_for_its_metadata_hourly_and_with_its_validator() {
    let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
    let document = {
        let url = double.url();
        json!({"issuer": url, "registration_endpoint": format!("{url}/register"), "token_endpoint": format!("{url}/token")})
    };
    double.script(move |seen| {
        let metadata = seen.path.starts_with("/.well-known/openid-configuration");
        metadata.then(|| {
            let known = seen.headers.get("if-none-match").is_some_and(|tag| tag == "\"one\"");
            let reply = if known {
                Reply::empty(304)
            } else {
                Reply::json(200, &document)
            };
            testbed::providers::Fault::Answer(reply.header("etag", "\"one\""))
        })
    });
    let stage = Stage::with("hourly", faster).await;
    stage
        .apply(&testbed::site::oauth_provider(&format!(
            "issuer: {}\nverify: Never",
            double.url()
        )))
        .await;
    for name in ["app", "second"] {
        stage.apply(&oauth_client(name, CLIENT)).await;
        stage.ready(name).await;
    }
    let before = double.seen().len();
    eventually("a request at rest", async || {
        (double.seen().len() > before).then_some(())
    })
    .await;
    let (begun, before) = (std::time::Instant::now(), double.seen().len());
    let mark = stage.mark().await;
    eventually("five more requests", async || {
        (double.seen().len() >= before + 5).then_some(())
    })
    .await;
    let hours = begun.elapsed().as_secs_f64() / HOUR.as_secs_f64();
    assert!(hours >= 4.0, "five requests in {hours} hours");
    let seen = double.seen();
    for seen in &seen[before..] {
        assert_eq!(
            (seen.method.as_str(), seen.headers["if-none-match"].as_str()),
            ("GET", "\"one\""),
            "{}",
            seen.path
        );
    }
    let writes = stage
        .requests(mark)
        .await
        .writes()
        .filter(|request| request.resource != "leases");
    assert!(writes.is_empty(), "{writes}");
}

#[tokio::test]
async fn t252_an_authority_of_a_provider_object_that_was_made_anew_counts_for_clients_that_exist() {
    const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];
    let double = ScriptableProvider::start_with(Persona::Plain, true).await.unwrap();
    let stage = Stage::new("anew-authority").await;
    let object = |authority: &str| {
        let bundle = authority.replace('\n', "\n    ");
        testbed::site::oauth_provider(&format!("issuer: {}\ntls:\n  caBundle: |\n    {bundle}", double.url()))
    };
    stage.apply(&object(double.ca().unwrap())).await;
    for name in ["changed", "deleted"] {
        stage.apply(&oauth_client(name, CLIENT)).await;
        stage.ready(name).await;
    }
    let next = Authority::new("the next authority").unwrap();
    double.serve_with(next.issue(&NAMES).unwrap().server_config().unwrap());
    let uid = async || stage.providers().get("provider").await.unwrap().metadata.uid;
    let before = uid().await;
    stage.kubectl(&["delete", "oap", "provider"]).await;
    stage.apply(&object(next.pem())).await;
    assert_ne!(uid().await, before);
    // Connections that were made before end within a second.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    stage
        .apply(&oauth_client("changed", &crate::scene::edited("two")))
        .await;
    stage.ready("changed").await;
    let done = async || {
        let provider = stage.providers().get("provider").await.unwrap();
        provider.status.unwrap_or_default().compared_revision
    };
    eventually("the clients were compared", done).await;
    // The provider object is gone again: what the record says is all that a deletion has.
    stage.kubectl(&["delete", "oap", "provider"]).await;
    stage.kubectl(&["delete", "oac", "deleted", "--timeout=30s"]).await;
    assert_eq!(double.clients().len(), 1, "it was deregistered");
    assert!(stage.suspects().await.is_empty());
}
