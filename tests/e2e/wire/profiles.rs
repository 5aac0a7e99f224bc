//! Habits of kinds of providers: Keycloak, idpyoidc, WSO2.

use serde_json::json;
use testbed::providers::{ADMIN, Idpyoidc, IdpyoidcOptions, Keycloak, Persona, Reply, ScriptableProvider};

use super::case::{app, is_stalled};
use super::{Case, Settled, case};

/// Keycloak's policies say 403 with a code that elsewhere is about the token.
#[test]
fn w22_a_policy_of_keycloak_is_about_the_client() {
    case("w22k", async |case| {
        let realm = Keycloak::shared().await.unwrap().realm("w22k").await.unwrap();
        case.provider(json!({"issuer": realm.issuer(), "profile": "keycloak"}))
            .await;
        case.app("", "one").await;
        let message = case.failed("", "RegistrationRejected").await;
        assert!(
            message.contains("a policy of http://") && message.contains("insufficient_scope"),
            "{message}"
        );
        assert!(is_stalled(&case.stage.oauth_client("w22k").await));
        assert!(realm.clients().await.unwrap().is_empty() && case.suspects().await.is_empty());
    });
}

/// idpyoidc answers only a question with `rel`, and its secrets expire.
#[test]
fn w02_w15_webfinger_and_expiry_at_idpyoidc() {
    case("w02", async |case| {
        let provider = Idpyoidc::start(IdpyoidcOptions {
            https: true,
            ..IdpyoidcOptions::default()
        })
        .await
        .unwrap();
        case.provider(json!({
            "webFinger": {"resource": format!("acct:diana@{}", provider.host()), "host": provider.host()},
            "management": {"mode": "None"}, "tls": {"caBundle": provider.ca()},
        }))
        .await;
        let mut spec = app("one");
        spec["jwks"] = json!({"keys": [{
            "kty": "EC", "crv": "P-256", "use": "sig", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        }]});
        case.client("", spec).await;
        let object = case.ready("").await;
        let expires = object.status.unwrap().secret_expires_at.unwrap();
        assert!(expires.starts_with("20"), "{expires}");
        assert_eq!(provider.clients().await.unwrap().len(), 1);
    });
}

/// Expiry in the forms that were seen is no reason to do anything now.
#[test]
fn w15_an_expiry_that_is_past_or_nonsense_starts_nothing() {
    case("w15", async |case| {
        let double = case.double().await;
        for (suffix, expiry, told) in [
            ("zero", json!("0"), None),
            ("past", json!(1_000_000_000), Some("2001-09-09T01:46:40Z")),
            ("millis", json!(1_900_000_000_000_u64), Some("2030-03-17T17:46:40Z")),
            ("text", json!("soon"), None),
            ("vast", json!(9_007_199_254_740_991_u64), None),
        ] {
            let issued =
                json!({"client_id": suffix, "client_secret": "secret-of-it", "client_secret_expires_at": expiry});
            double.script(move |seen| {
                let reply = Reply::json(201, &issued);
                (seen.method == "POST").then_some(testbed::providers::Fault::Answer(reply))
            });
            case.app(suffix, suffix).await;
            if suffix == "past" {
                let message = case.failed(suffix, "SecretExpired").await;
                assert!(message.contains(told.unwrap()), "{message}");
                continue;
            }
            let status = case.ready(suffix).await.status.unwrap();
            assert_eq!(status.secret_expires_at.as_deref(), told, "{suffix}");
        }
        assert_eq!(double.count("POST", "/register"), 5);
    });
}

async fn wso2(case: Case, persona: Persona, profile: &str, password: &str) -> ScriptableProvider {
    let double = ScriptableProvider::start(persona).await.unwrap();
    admin(case, &double, password).await;
    let auth = json!({"basic": {"secretRef": {"name": format!("{}-admin", case.name)}}});
    case.provider(json!({
        "webFinger": {"resource": "acct:admin@localhost", "host": double.host()},
        "expectedIssuer": format!("{}/oauth2/token", double.url()),
        "profile": profile, "tls": {"caBundle": double.ca()}, "discoveryAuth": auth, "registrationAuth": auth,
    }))
    .await;
    double
}

async fn admin(case: Case, double: &ScriptableProvider, password: &str) {
    let data = [("username", ADMIN.0), ("password", password)];
    case.stage
        .apply(&testbed::site::consented(
            &format!("{}-admin", case.name),
            double.url(),
            &data,
        ))
        .await;
}

/// DCR v1.1 manages clients with the administrator's credentials, below the endpoint, and says 401 for everything.
#[test]
fn w63_wso2_v1_1_is_managed_with_its_credentials() {
    case("w63", async |case| {
        let double = wso2(case, Persona::Wso2, "wso2", ADMIN.1).await;
        let mut spec = app("one");
        spec["clientName"] = json!("w63");
        spec["extraMetadata"] = json!({"ext_pkce_mandatory": true, "ext_public_client": false});
        case.client("", spec.clone()).await;
        case.ready("").await;
        spec["redirectURIs"] = json!(["https://app.example/two"]);
        case.client("", spec).await;
        case.ready("").await;
        let seen = double.seen();
        let put = seen.iter().find(|seen| seen.method == "PUT").unwrap();
        let id = double.clients().into_keys().next().unwrap();
        assert!(put.path.ends_with(&format!("/dcr/v1.1/register/{id}")), "{}", put.path);
        assert_eq!(put.basic(), Some((ADMIN.0.to_owned(), ADMIN.1.to_owned())));
        // A switch that an update leaves out is turned off there.
        assert_eq!(put.json()["ext_pkce_mandatory"], true);
        assert_eq!(double.clients()[&id]["ext_pkce_mandatory"], true);
        for omitted in ["response_types", "application_type"] {
            assert!(put.json().get(omitted).is_none());
        }
        // A wrong password looks like a client that is gone: the object goes, and its client stays named.
        admin(case, &double, "another-password").await;
        case.delete("").await;
        case.gone("").await;
        assert_eq!(double.clients().len(), 1);
        assert_eq!(case.suspects().await[0].client_id, double.clients().into_keys().next());
        // With the right one, the sweeper ends what the deletion could not.
        admin(case, &double, ADMIN.1).await;
        crate::stage::eventually("the client is deregistered, and no suspect", async || {
            (double.clients().is_empty() && case.suspects().await.is_empty()).then_some(())
        })
        .await;
    });
}

/// `/identity/connect/register`: names are changed, the application of a refused registration stays, and the endpoint may be gone.
#[test]
fn w64_legacy_wso2_with_all_its_traps() {
    case("w64", async |case| {
        let double = wso2(case, Persona::Wso2Legacy, "wso2-legacy", ADMIN.1).await;
        let named = |path: &str| {
            let mut spec = app(path);
            spec["clientName"] = json!("w64");
            spec["extraMetadata"] = json!({"ext_param_owner": "admin"});
            spec
        };
        case.client("", named("refused")).await;
        let message = case.failed("", "RegistrationRejected").await;
        assert!(message.contains("invalid_redirect_uri"), "{message}");
        // The corrected one meets the application that was left behind, and says so.
        case.client("", named("one")).await;
        // What it says is not repeated, because it holds what the operator logs in with.
        let message = case.told("", "Ready", "invalid_client_metadata").await;
        assert!(!message.contains("admin_w64"), "{message}");
        let mut other = named("one");
        other["clientName"] = json!("w64-again");
        case.client("", other).await;
        let object = case.ready("").await;
        assert_eq!(object.status.unwrap().secret_expires_at, None);
        assert_eq!(double.count("POST", "/identity/connect/register"), 3);
        // It offers nothing but registration.
        case.delete("").await;
        case.gone("").await;
        case.warned("", "DeletionUnsupported").await;
        case.judge(Settled {
            ledger: double.clients(),
            ..Settled::default()
        })
        .await;

        let gone = json!({"error": "gone", "error_description": "/identity/connect/register API was deprecated."});
        double.script(move |seen| {
            let reply = Reply {
                headers: Vec::new(),
                ..Reply::json(410, &gone)
            };
            (seen.method == "POST").then_some(testbed::providers::Fault::Answer(reply))
        });
        case.client("late", named("late")).await;
        let message = case.failed("late", "RegistrationUnsupported").await;
        assert!(message.contains("410") && message.contains("gone"), "{message}");
    });
}
