//! A member that the manifest no longer sets is gone at the provider, or the object says that it stays.

use serde_json::{Value, json};
use testbed::providers::{DIALECTS, Keycloak, OidcProvider, OidcProviderOptions, ScriptableProvider};

use super::case::app;
use super::{Case, Settled, case};
use crate::stage::condition;

const PAGE: &str = "https://app.example/page";

/// A client with a member that the next manifest does not set.
fn with_page(path: &str) -> Value {
    let mut spec = app(path);
    spec["clientURI"] = json!(PAGE);
    spec
}

fn speak(double: &ScriptableProvider, name: &str) {
    double.speak(DIALECTS.iter().find(|dialect| dialect.name == name).unwrap());
}

/// What each update held of the member: its value, or whether it had none.
fn sent(double: &ScriptableProvider) -> Vec<Option<Value>> {
    let seen = double.seen();
    let puts = seen.iter().filter(|seen| seen.method == "PUT");
    puts.map(|seen| seen.json().get("client_uri").cloned()).collect()
}

/// Status and message of `AsRequested`.
async fn told(case: Case, suffix: &str) -> (String, String) {
    let object = case.stage.oauth_client(&case.named(suffix)).await;
    let told = condition(&object, "AsRequested").unwrap();
    (told.status.clone(), told.message.clone())
}

/// Each server takes another value for none. What works is remembered.
#[test]
fn w114_a_member_that_the_manifest_no_longer_sets_is_cleared_in_the_way_that_the_server_takes() {
    case("w114", async |case| {
        let double = case.double().await;
        for (suffix, dialect, first, by) in [
            ("plain", "status-200", vec![None], "Omit"),
            ("null", "merge", vec![None, Some(json!(null))], "Null"),
            (
                "empty",
                "merge-over-null",
                vec![None, Some(json!(null)), Some(json!(""))],
                "Empty",
            ),
            (
                "refused",
                "merge-without-null",
                vec![None, Some(json!(null)), Some(json!(""))],
                "Empty",
            ),
        ] {
            speak(&double, dialect);
            case.client(suffix, with_page("one")).await;
            case.ready(suffix).await;
            let (secret, before) = (case.secret(suffix).await.unwrap(), sent(&double).len());
            case.app(suffix, "two").await;
            case.ready(suffix).await;
            assert_eq!(sent(&double)[before..], first, "{suffix}");
            let client = double.clients()[&secret["client_id"]].clone();
            assert!(
                matches!(client["client_uri"].as_str(), None | Some("")),
                "{suffix}: {client}"
            );
            assert_eq!(client["redirect_uris"], json!(["https://app.example/two"]));
            assert_eq!(told(case, suffix).await.0, "True", "{suffix}");
            assert_eq!(case.record(suffix).await["cleared"]["by"], by);
            // The next time it is the first that is sent.
            let before = sent(&double).len();
            case.client(suffix, with_page("two")).await;
            case.ready(suffix).await;
            case.app(suffix, "two").await;
            case.ready(suffix).await;
            assert_eq!(
                sent(&double)[before..],
                [Some(json!(PAGE)), first[first.len() - 1].clone()],
                "{suffix}"
            );
            assert_eq!(
                case.secret(suffix).await.unwrap(),
                secret,
                "the Secret has no part in it"
            );
        }
        double.behave();
        case.judge(Settled {
            ledger: double.clients(),
            ..Settled::default()
        })
        .await;
    });
}

#[test]
fn w114_a_member_that_no_way_clears_is_named() {
    case("w114n", async |case| {
        let double = case.double().await;
        speak(&double, "merge-for-good");
        case.client("", with_page("one")).await;
        case.ready("").await;
        case.app("", "two").await;
        let object = case.ready("").await;
        // Default and Empty are the same for this member.
        assert_eq!(
            sent(&double),
            [None, Some(json!(null)), Some(json!("")), Some(json!(""))]
        );
        let (status, message) = told(case, "").await;
        assert!(status == "False" && message.contains("spec.clientURI"), "{message}");
        let effective = &object.status.unwrap().effective[0];
        assert_eq!(
            (effective.member.as_str(), effective.requested.as_deref()),
            ("client_uri", None)
        );
        assert_eq!(effective.registered.as_deref(), Some(PAGE));
        // It is not tried again at rest, and a way that the provider object sets is.
        case.look_again("", "1").await;
        case.stage
            .until("w114n", "looked at", |object| {
                object
                    .status
                    .as_ref()
                    .and_then(|status| status.handled.as_ref())
                    .is_some_and(|handled| handled.reconcile.as_deref() == Some("1"))
            })
            .await;
        assert_eq!(sent(&double).len(), 4);
        case.client("", with_page("two")).await;
        case.ready("").await;
        assert_eq!(told(case, "").await.0, "True", "the manifest sets it again");
    });
}

#[test]
fn w115_the_provider_object_sets_the_way() {
    case("w115", async |case| {
        let double = case.double().await;
        speak(&double, "merge-over-null");
        for (suffix, way, first) in [("empty", "Empty", json!("")), ("null", "Null", json!(null))] {
            case.provider(json!({"issuer": double.url(), "clearing": way})).await;
            case.client(suffix, with_page("one")).await;
            case.ready(suffix).await;
            let before = sent(&double).len();
            case.app(suffix, "two").await;
            case.ready(suffix).await;
            assert_eq!(sent(&double)[before..], [Some(first)], "{way}");
        }
        assert_eq!(told(case, "empty").await.0, "True");
        assert_eq!(told(case, "null").await.0, "False", "null clears nothing there");
        // Another way is tried as soon as the provider object sets it.
        case.provider(json!({"issuer": double.url(), "clearing": "Empty"}))
            .await;
        case.stage
            .until("w115-null", "cleared", |object| {
                condition(object, "AsRequested").is_some_and(|told| told.status == "True")
            })
            .await;
    });
}

/// Keycloak keeps what an update does not name, and reads null as absent.
#[test]
fn w114_keycloak_clears_a_member_by_an_empty_value() {
    case("w114k", async |case| {
        let realm = Keycloak::shared().await.unwrap().realm("w114k").await.unwrap();
        let token = realm.initial_access_token(8).await.unwrap();
        let secret = testbed::site::consented("w114k-initial", &realm.issuer(), &[("token", token.as_str())]);
        case.stage.apply(&secret).await;
        case.provider(json!({
            "issuer": realm.issuer(), "profile": "keycloak",
            "registrationAuth": {"bearer": {"secretRef": {"name": "w114k-initial"}}},
        }))
        .await;
        case.client("", with_page("one")).await;
        case.ready("").await;
        let id = case.secret("").await.unwrap()["client_id"].clone();
        assert_eq!(realm.clients().await.unwrap()[&id]["baseUrl"], PAGE);
        case.app("", "two").await;
        case.ready("").await;
        let client = realm.clients().await.unwrap()[&id].clone();
        assert_eq!(
            (&client["baseUrl"], &client["redirectUris"]),
            (&json!(""), &json!(["https://app.example/two"]))
        );
        assert_eq!(told(case, "").await.0, "True");
        assert_eq!(case.record("").await["cleared"], json!({"by": "Empty"}));
    });
}

#[test]
fn w114_oidc_provider_clears_what_an_update_does_not_name() {
    case("w114o", async |case| {
        let provider = OidcProvider::start(OidcProviderOptions::default()).await.unwrap();
        case.provider(json!({"issuer": provider.issuer()})).await;
        case.client("", with_page("one")).await;
        case.ready("").await;
        let id = case.secret("").await.unwrap()["client_id"].clone();
        assert_eq!(provider.clients().await.unwrap()[&id]["client_uri"], PAGE);
        case.app("", "two").await;
        case.ready("").await;
        assert_eq!(provider.clients().await.unwrap()[&id].get("client_uri"), None);
        let updates = provider
            .requests()
            .await
            .unwrap()
            .into_iter()
            .filter(|request| request.method == "PUT");
        assert_eq!(updates.count(), 1);
        assert_eq!(case.record("").await["cleared"], json!({"by": "Omit"}));
    });
}
