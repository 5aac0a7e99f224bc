//! Condition `Verified`: whether the credentials in the Secret work, found out once.

use oauth_client_operator::api::OAuthClient;
use testbed::providers::{DECEPTIVE, Dialect, Fault, Reply};
use testbed::site::{Site, oauth_client};

use crate::stage::{Stage, condition, eventually, is};

const CLIENT: &str = "grantTypes: [client_credentials]\nredirectURIs: ['https://app.example/callback']";
const EDITED: &str = "grantTypes: [client_credentials]\nredirectURIs: ['https://app.example/edited']";
const PUBLIC: &str = "tokenEndpointAuthMethod: none\nredirectURIs: ['https://app.example/callback']";

fn dialect(name: &str) -> &'static Dialect {
    DECEPTIVE.iter().find(|dialect| dialect.name == name).unwrap()
}

async fn stage(name: &str) -> Stage {
    Stage::with(name, |options| {
        options.args.extend(["--time-scale".to_owned(), "20".to_owned()]);
    })
    .await
}

/// Status, reason and message of the condition.
fn verified(object: &OAuthClient) -> (String, String, String) {
    let found = condition(object, "Verified").unwrap_or_else(|| panic!("{:#?}", object.status));
    (found.status.clone(), found.reason.clone(), found.message.clone())
}

/// Waits until only a person can help; the object must not have been Ready before.
async fn never_ready(stage: &Stage, name: &str, reason: &str) -> OAuthClient {
    stage
        .until(name, reason, |object| {
            assert!(!is(object, "Ready", "True"), "{:#?}", object.status);
            let stalled = condition(object, "Stalled");
            stalled.is_some_and(|stalled| stalled.status == "True" && stalled.reason == reason)
        })
        .await
}

#[tokio::test]
async fn t244_new_credentials_are_tried_once_with_no_write_more_and_known_ones_never() {
    let site = Site::scriptable().await.unwrap();
    let double = site.double().unwrap();
    let stage = Stage::new("verified").await;
    stage.apply(&site.manifests).await;
    // A pass that begins before the provider object is judged may write the status once more.
    let wait = [
        "wait",
        "oauthproviders",
        "--all",
        "--for=condition=Ready",
        "--timeout=60s",
    ];
    stage.kubectl(&wait).await;
    let mark = stage.mark().await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    let object = stage.ready("app").await;
    assert_eq!(verified(&object).0, "True");
    let writes = stage.requests(mark).await.writes();
    let writes = writes.filter(|write| !write.is_dry_run() && !["leases", "events"].contains(&write.resource.as_str()));
    let writes = writes.filter(|write| !write.resource.ends_with("providers"));
    assert_eq!(writes.len(), 4, "{writes:?}");
    assert_eq!(
        double.count("POST", "/revoke"),
        2,
        "its own, and that of a client that nobody registered"
    );

    // A change that leaves authentication alone.
    stage.apply(&oauth_client("app", EDITED)).await;
    let edited = stage.ready("app").await;
    assert_eq!(double.count("POST", "/revoke"), 2);
    assert_eq!(
        edited.status.unwrap().verified_at,
        object.status.as_ref().unwrap().verified_at
    );

    // Another secret.
    double.rotate_secret(true);
    stage.apply(&oauth_client("app", CLIENT)).await;
    let rotated = stage.ready("app").await;
    assert_eq!(
        (verified(&rotated).0.as_str(), double.count("POST", "/revoke")),
        ("True", 3)
    );
    let checked = |object: &OAuthClient| {
        object
            .status
            .as_ref()
            .unwrap()
            .verification
            .clone()
            .unwrap()
            .credentials
    };
    assert_ne!(checked(&rotated), checked(&object));

    // Another method.
    double.rotate_secret(false);
    let post = format!("{CLIENT}\ntokenEndpointAuthMethod: client_secret_post");
    stage.apply(&oauth_client("app", &post)).await;
    assert_eq!(verified(&stage.ready("app").await).0, "True");
    assert_eq!(double.count("POST", "/revoke"), 4);
}

#[tokio::test]
async fn t245_a_secret_that_the_provider_rejects_is_never_ready_and_tried_four_times() {
    for name in ["corrupted-secret", "method-ignored"] {
        let site = Site::dialect(dialect(name)).await.unwrap();
        let double = site.double().unwrap();
        let mut stage = stage(name).await;
        stage.apply(&site.manifests).await;
        stage.apply(&oauth_client("app", CLIENT)).await;
        let object = never_ready(&stage, "app", "SecretRejected").await;
        let (status, reason, message) = verified(&object);
        assert_eq!(
            (status.as_str(), reason.as_str()),
            ("False", "SecretRejected"),
            "{name}"
        );
        assert_eq!(double.count("POST", "/revoke"), 4, "{name}");
        assert!(is(&object, "SecretSynced", "True") && is(&object, "Registered", "True"));
        stage.warned("app", "SecretRejected").await;

        // A start tries nothing again: providers lock clients.
        stage.operator.stop().await.unwrap();
        stage.operator.relaunch().await.unwrap();
        stage.apply(&oauth_client("public", PUBLIC)).await;
        stage.ready("public").await;
        assert_eq!(double.count("POST", "/revoke"), 4, "{name}");
        assert!(is(&stage.oauth_client("app").await, "Ready", "False"));

        // Mended at the provider: tried once more when somebody asks.
        let secret = stage.secret("app").await.unwrap()["client_secret"].clone();
        double.script(move |seen| {
            let shown = seen.path == "/revoke" && seen.basic().is_some_and(|(_, password)| password == secret);
            shown.then(|| Fault::Answer(Reply::empty(200)))
        });
        let (_, command) = message.split_once("kubectl ").unwrap();
        let (command, _) = command.split_once(';').unwrap();
        let command = command.replace("NAME", "app").replace("\"$(date +%s)\"", "1");
        stage.kubectl(&command.split(' ').collect::<Vec<_>>()).await;
        assert_eq!(verified(&stage.ready("app").await).0, "True", "{name}");
    }
}

#[tokio::test]
async fn w170_a_method_that_the_provider_replaced_counts_only_where_the_one_of_the_manifest_works_too() {
    let site = Site::dialect(dialect("method-replaced")).await.unwrap();
    let stage = stage("method-replaced").await;
    stage.apply(&site.manifests).await;
    let by = |method: &str| format!("{CLIENT}\ntokenEndpointAuthMethod: {method}");
    stage.apply(&oauth_client("app", &by("client_secret_post"))).await;
    let object = never_ready(&stage, "app", "SecretRejected").await;
    let (status, _, message) = verified(&object);
    assert_eq!(status, "False");
    let advice = "set spec.tokenEndpointAuthMethod to client_secret_basic";
    assert!(message.contains(advice), "{message}");
    stage.apply(&oauth_client("app", &by("client_secret_basic"))).await;
    assert_eq!(verified(&stage.ready("app").await).0, "True");
    // Whoever leaves it open reads the method in the Secret.
    stage.apply(&oauth_client("open", CLIENT)).await;
    assert_eq!(verified(&stage.ready("open").await).0, "True");
}

#[tokio::test]
async fn t245_servers_that_lag_behind_are_waited_for() {
    let site = Site::scriptable().await.unwrap();
    let double = site.double().unwrap();
    let stage = stage("lagging").await;
    stage.apply(&site.manifests).await;
    let mut lag = 3;
    double.script(move |seen| {
        let tried = seen.path == "/revoke" && lag > 0;
        lag -= i32::from(tried);
        tried.then(|| Fault::Answer(Reply::json(401, &serde_json::json!({"error": "invalid_client"}))))
    });
    stage.apply(&oauth_client("app", CLIENT)).await;
    let object = stage.ready("app").await;
    assert_eq!(verified(&object).0, "True");
    assert_eq!(object.status.unwrap().verification.unwrap().rejections, None);
    assert_eq!(
        double.count("POST", "/revoke"),
        5,
        "the last one is of a client that nobody registered"
    );
}

/// Not every endpoint need know every method of authentication. Applications use the token endpoint.
#[tokio::test]
async fn t245_a_client_that_only_the_revocation_endpoint_rejects_is_ready() {
    let site = Site::scriptable().await.unwrap();
    let double = site.double().unwrap();
    let stage = stage("revocation").await;
    stage.apply(&site.manifests).await;
    double.script(|seen| {
        let known = seen.basic().is_some_and(|(id, _)| id.starts_with("client-"));
        let reply = match seen.path.as_str() {
            "/revoke" => Reply::json(401, &serde_json::json!({"error": "invalid_client"})),
            "/token" if known => Reply::json(400, &serde_json::json!({"error": "invalid_grant"})),
            _ => return None,
        };
        Some(Fault::Answer(reply))
    });
    stage.apply(&oauth_client("app", CLIENT)).await;
    assert_eq!(verified(&stage.ready("app").await).0, "True");
    assert_eq!(
        (double.count("POST", "/revoke"), double.count("POST", "/token")),
        (1, 2)
    );
}

#[tokio::test]
async fn t246_what_proves_nothing_is_unknown_and_says_why() {
    let site = Site::dialect(dialect("accepts-anybody")).await.unwrap();
    let stage = stage("unproven").await;
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    stage.apply(&oauth_client("public", PUBLIC)).await;
    let unknown = async |name: &str, why: &str| {
        let (status, reason, message) = verified(&stage.ready(name).await);
        assert_eq!(
            (status.as_str(), reason.as_str()),
            ("Unknown", "NotVerifiable"),
            "{name}"
        );
        assert!(message.contains(why), "{message}");
    };
    unknown("app", "that nobody registered as well").await;
    unknown("public", "public").await;
    let never = site.manifests.replace("spec:\n", "spec:\n  verify: Never\n");
    stage.apply(&never).await;
    let calls = site.double().unwrap().count("POST", "/revoke");
    eventually("the operator knows the setting", async || {
        stage
            .providers()
            .get("provider")
            .await
            .unwrap()
            .status?
            .observed_generation
            .filter(|seen| *seen >= 2)
    })
    .await;
    stage.apply(&oauth_client("untried", CLIENT)).await;
    unknown("untried", "spec.verify").await;
    assert_eq!(site.double().unwrap().count("POST", "/revoke"), calls);
}

#[tokio::test]
async fn t247_another_clients_registration_is_never_ready() {
    for name in ["another-client", "another-client-dated"] {
        let site = Site::dialect(dialect(name)).await.unwrap();
        let stage = stage(name).await;
        stage.apply(&site.manifests).await;
        stage.apply(&oauth_client("first", CLIENT)).await;
        assert_eq!(verified(&stage.ready("first").await).0, "True", "{name}");
        stage.apply(&oauth_client("second", CLIENT)).await;
        let second = never_ready(&stage, "second", "AlreadyManaged").await;
        assert!(condition(&second, "Verified").is_none(), "{name}: {second:?}");
        assert!(stage.secret("second").await.is_none(), "{name}");
    }
}

#[tokio::test]
async fn w121_what_real_servers_tell_of_new_credentials() {
    let stage = stage("verified-real").await;
    // No answer of the last two tells.
    for (name, tells, site) in [
        ("oidc-provider", "True", Site::oidc_provider().await.unwrap()),
        ("keycloak", "True", Site::keycloak("verified").await.unwrap()),
        ("django", "True", Site::django_oauth_toolkit().await.unwrap()),
        ("mitreid", "Unknown", Site::mitreid().await.unwrap()),
        ("idpyoidc", "Unknown", Site::idpyoidc().await.unwrap()),
    ] {
        stage.apply(&site.manifests_named(name)).await;
        stage.apply(&site.client_named(name, name, CLIENT)).await;
        let (status, _, message) = verified(&stage.ready(name).await);
        assert_eq!(status, tells, "{name}: {message}");
    }
}

/// The endpoints at which clients authenticate are away while a client is registered.
#[tokio::test]
async fn t244_credentials_that_an_outage_left_untried_are_tried_until_the_provider_answers() {
    let site = Site::scriptable().await.unwrap();
    let double = site.double().unwrap();
    let stage = stage("verified-outage").await;
    stage.apply(&site.manifests).await;
    double.script(|seen| {
        let tries = ["/revoke", "/introspect", "/token"].contains(&seen.path.as_str());
        tries.then_some(Fault::LoseRequest)
    });
    stage.apply(&oauth_client("app", CLIENT)).await;
    let object = stage.ready("app").await;
    let (status, reason, _) = verified(&object);
    assert_eq!((status.as_str(), reason.as_str()), ("Unknown", "ProviderUnavailable"));
    let mark = stage.mark().await;
    let before = double.count("POST", "/revoke");
    eventually("they are tried again and again", async || {
        (double.count("POST", "/revoke") >= before + 2).then_some(())
    })
    .await;
    let writes = stage.requests(mark).await.writes();
    let writes = writes.filter(|write| write.resource == "oauthclients");
    assert_eq!(writes.len(), 0, "a try without an answer writes nothing: {writes}");
    double.behave();
    let object = stage
        .until("app", "verified", |object| is(object, "Verified", "True"))
        .await;
    assert!(is(&object, "Ready", "True"));
}
