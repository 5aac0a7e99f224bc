//! What a provider makes of a request is shown, and a client whose application cannot authenticate is not Ready.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use testbed::providers::{Fault, OidcProvider, OidcProviderOptions, Reply, ScriptableProvider};

use super::case::app;
use super::{Case, Settled, case};
use crate::stage::condition;

const SECRET: &str = "a-secret-that-was-issued";
const TOKEN: &str = "a-token-that-was-issued";

static ISSUED: AtomicU32 = AtomicU32::new(0);

/// From now on the double registers these values whatever it is asked for; null: its answer does not contain the member.
fn registers(double: &ScriptableProvider, values: Value) {
    let url = double.url().to_owned();
    double.script(move |seen| {
        if seen.method != "POST" || seen.path != "/register" {
            return None;
        }
        let number = ISSUED.fetch_add(1, Ordering::Relaxed);
        let mut answer = seen.json();
        answer["client_id"] = json!(format!("client-{number}"));
        answer["client_secret"] = json!(SECRET);
        answer["registration_access_token"] = json!(TOKEN);
        answer["registration_client_uri"] = json!(format!("{url}/register/client-{number}"));
        for (member, value) in values.as_object().unwrap() {
            if value.is_null() {
                answer.as_object_mut().unwrap().remove(member);
            } else {
                answer[member] = value.clone();
            }
        }
        Some(Fault::Answer(Reply::json(201, &answer)))
    });
}

/// Status and message of the condition.
async fn told(case: Case, suffix: &str) -> (String, String) {
    let object = case.stage.oauth_client(&case.named(suffix)).await;
    let told = condition(&object, "AsRequested").unwrap();
    (told.status.clone(), told.message.clone())
}

/// Members of `status.effective`: what was requested and what is registered.
async fn effective(case: Case, suffix: &str) -> Value {
    let object = case.stage.oauth_client(&case.named(suffix)).await;
    let effective = object.status.unwrap().effective;
    let shown = effective
        .into_iter()
        .map(|shown| (shown.member, json!([shown.requested, shown.registered])));
    Value::Object(shown.collect())
}

fn with(path: &str, members: &Value) -> Value {
    let mut spec = app(path);
    spec.as_object_mut()
        .unwrap()
        .extend(members.as_object().unwrap().clone());
    spec
}

#[test]
fn w110_what_the_provider_registered_otherwise_is_in_the_status() {
    case("w110", async |case| {
        let double = case.unverified_double().await;
        for (suffix, registered, status, shown) in [
            ("same", json!({"scope": "email openid"}), "True", json!({})),
            (
                "wider",
                json!({"scope": "openid email admin"}),
                "False",
                json!({"scope": ["openid email", "openid email admin"]}),
            ),
            (
                "dropped",
                json!({"scope": null}),
                "Unknown",
                json!({"scope": ["openid email", null]}),
            ),
            (
                "default",
                json!({"response_types": ["code", "none"]}),
                "True",
                json!({"response_types": ["[\"code\"]", "[\"code\",\"none\"]"]}),
            ),
        ] {
            registers(&double, registered);
            case.client(suffix, with(suffix, &json!({"scopes": ["openid", "email"]})))
                .await;
            case.ready(suffix).await;
            let (found, message) = told(case, suffix).await;
            assert_eq!(found, status, "{suffix}: {message}");
            assert_eq!(message.contains("spec.scopes"), status != "True", "{suffix}: {message}");
            assert_eq!(effective(case, suffix).await, shown, "{suffix}");
        }
        // A provider that confirms nothing tells nothing.
        let members = [
            "scope",
            "redirect_uris",
            "grant_types",
            "response_types",
            "client_name",
            "application_type",
            "token_endpoint_auth_method",
        ];
        registers(
            &double,
            members
                .iter()
                .map(|member| ((*member).to_owned(), Value::Null))
                .collect(),
        );
        case.app("silent", "silent").await;
        case.ready("silent").await;
        assert_eq!(told(case, "silent").await.0, "Unknown");
        assert_eq!(effective(case, "silent").await, json!({}));
    });
}

/// What repeats a credential is not shown.
#[test]
fn w110_no_credential_is_shown_as_what_is_registered() {
    case("w110s", async |case| {
        let double = case.unverified_double().await;
        registers(
            &double,
            json!({"scope": format!("it is {SECRET}"), "contacts": [TOKEN]}),
        );
        case.client(
            "",
            with("one", &json!({"scopes": ["openid"], "contacts": ["a@app.example"]})),
        )
        .await;
        case.ready("").await;
        assert_eq!(told(case, "").await.0, "False");
        let shown = effective(case, "").await;
        assert!(shown["scope"][1].as_str().unwrap().contains("withheld"), "{shown}");
        let id = case.secret("").await.unwrap()["client_id"].clone();
        let ledger = [(
            id,
            json!({"client_secret": SECRET, "redirect_uris": ["https://app.example/one"]}),
        )];
        case.judge(Settled {
            ledger: ledger.into(),
            ..Settled::default()
        })
        .await;
    });
}

/// The application would fail, whatever the Secret holds.
#[test]
fn w111_another_authentication_method_than_the_manifest_sets_is_not_ready() {
    case("w111", async |case| {
        let double = case.unverified_double().await;
        let jwks = json!({"keys": [{
            "kty": "EC", "crv": "P-256", "use": "sig", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        }]});
        registers(&double, json!({"token_endpoint_auth_method": "client_secret_basic"}));
        case.client(
            "public",
            with(
                "public",
                &json!({"tokenEndpointAuthMethod": "none", "grantTypes": ["authorization_code"]}),
            ),
        )
        .await;
        case.client(
            "key",
            with(
                "key",
                &json!({"tokenEndpointAuthMethod": "private_key_jwt", "jwks": jwks}),
            ),
        )
        .await;
        for (suffix, wanted) in [("public", "none"), ("key", "private_key_jwt")] {
            let message = case.failed(suffix, "AuthMethodSubstituted").await;
            assert!(
                message.contains(wanted) && message.contains("client_secret_basic"),
                "{message}"
            );
            let (status, message) = told(case, suffix).await;
            assert!(
                status == "False" && message.contains("spec.tokenEndpointAuthMethod"),
                "{message}"
            );
            assert_eq!(double.seen().iter().filter(|seen| seen.method == "PUT").count(), 0);
        }
        // Unset, the operator chose the method, and the provider may choose another one.
        case.app("unset", "unset").await;
        case.ready("unset").await;
        // The way out that the message names.
        double.script(|seen| {
            let mut answer = seen.json();
            answer["client_secret"] = json!(SECRET);
            (seen.method == "PUT").then(|| Fault::Answer(Reply::json(200, &answer)))
        });
        case.client(
            "public",
            with("public", &json!({"tokenEndpointAuthMethod": "client_secret_basic"})),
        )
        .await;
        case.ready("public").await;
        assert_eq!(told(case, "public").await.0, "True");
        // The other one: the provider registers by now what it is asked for.
        case.look_again("key", "1").await;
        case.ready("key").await;
        assert_eq!(told(case, "key").await.0, "True");
    });
}

/// Keycloak ignores members without a word, and registers one response type more.
#[test]
fn w110_keycloak_shows_what_it_made_of_a_request() {
    case("w110k", async |case| {
        case.realm(json!({})).await;
        case.client("ignored", with("ignored", &rich())).await;
        case.ready("ignored").await;
        let (status, message) = told(case, "ignored").await;
        assert_eq!(status, "Unknown", "{message}");
        let ignored = "spec.applicationType, spec.contacts, spec.softwareID";
        assert!(message.contains(ignored) && !message.contains("clientURI"), "{message}");
        assert_eq!(
            effective(case, "ignored").await,
            json!({
                "application_type": ["native", null], "contacts": ["[\"a@app.example\"]", null], "software_id": ["s", null],
                "response_types": ["[\"code\"]", "[\"code\",\"none\"]"],
            })
        );
        case.client("more", with("more", &json!({"responseTypes": ["code"]})))
            .await;
        case.ready("more").await;
        let (status, message) = told(case, "more").await;
        assert!(status == "False" && message.contains("spec.responseTypes"), "{message}");
    });
}

/// A realm with the policies that Keycloak comes with: `openid` is no scope of it.
#[test]
fn w157_keycloak_takes_scopes_of_the_realm_and_no_openid() {
    case("w157", async |case| {
        case.realm(json!({})).await;
        case.client("", with("one", &json!({"scopes": ["openid", "profile", "email"]})))
            .await;
        let message = case.failed("", "RegistrationRejected").await;
        assert!(
            message.contains("spec.scopes") && message.contains("Allowed Client Scopes"),
            "{message}"
        );
        case.client("", with("one", &json!({"scopes": ["profile", "email"]})))
            .await;
        case.ready("").await;
    });
}

#[test]
fn w110_oidc_provider_registers_what_it_is_asked_for() {
    case("w110o", async |case| {
        let provider = OidcProvider::start(OidcProviderOptions::default()).await.unwrap();
        case.provider(json!({"issuer": provider.issuer()})).await;
        case.client("", with("one", &rich())).await;
        case.ready("").await;
        let (status, message) = told(case, "").await;
        assert_eq!(status, "True", "{message}");
        assert_eq!(effective(case, "").await, json!({}));
    });
}

/// Members that not every provider knows.
fn rich() -> Value {
    json!({
        "applicationType": "native", "contacts": ["a@app.example"], "softwareID": "s", "clientURI": "https://app.example",
    })
}
