//! Access tokens of the client credentials grant: what is asked for, how the operator's client authenticates, and how often a token
//! is used.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING};
use ring::signature::{EcdsaKeyPair, KeyPair as _, UnparsedPublicKey};
use serde_json::{Value, json};
use testbed::providers::{Fault, Keycloak, Reply, ScriptableProvider, Seen};
use testbed::site::consented;

use super::case::app;
use super::{Case, case};

/// A private key in PEM, and its public key.
fn key() -> (String, Vec<u8>) {
    let random = SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref(), &random).unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der.as_ref())
    );
    (pem, pair.public_key().as_ref().to_vec())
}

/// A Secret of the operator's client, by the key `member`.
async fn secret(case: &Case, origin: &str, client_id: &str, member: &str, value: &str) {
    let data = [("client_id", client_id), (member, &value.replace('\n', "\\n"))];
    case.stage
        .apply(&consented(&case.named("registrar"), origin, &data))
        .await;
}

/// A provider object whose registrations need a token that is asked for with `members`.
async fn provider(case: &Case, issuer: &str, members: Value) {
    let mut grant = json!({"secretRef": {"name": case.named("registrar")}});
    grant
        .as_object_mut()
        .unwrap()
        .extend(members.as_object().unwrap().clone());
    case.provider(json!({"issuer": issuer, "registrationAuth": {"clientCredentials": grant}}))
        .await;
}

fn form(seen: &Seen) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(&seen.body).into_owned().collect()
}

/// A token endpoint that issues what was asked for to whoever `knows` accepts, and a registration endpoint that demands the scope
/// `client.create` in a token that was not used before.
fn guarded(double: &ScriptableProvider, mut knows: impl FnMut(&Seen) -> bool + Send + 'static) {
    let mut tokens: BTreeMap<String, String> = BTreeMap::new();
    let mut issued = 0;
    double.script(move |seen| match (seen.method.as_str(), seen.path.as_str()) {
        ("POST", "/token") if form(seen)["grant_type"] == "client_credentials" => {
            if !knows(seen) {
                return Some(Fault::Answer(Reply::json(401, &json!({"error": "invalid_client"}))));
            }
            issued += 1;
            let token = format!("access-token-{issued}");
            tokens.insert(token.clone(), form(seen).remove("scope").unwrap_or_default());
            let answer = json!({"access_token": token, "token_type": "Bearer", "expires_in": 300});
            Some(Fault::Answer(Reply::json(200, &answer)))
        }
        ("POST", "/register") => match seen.bearer().and_then(|token| tokens.remove(token)) {
            Some(scopes) if scopes.split(' ').any(|scope| scope == "client.create") => None,
            Some(_) => {
                let refused = Reply::json(403, &json!({"error": "insufficient_scope"}));
                Some(Fault::Answer(refused))
            }
            None => Some(Fault::Answer(Reply::json(401, &json!({"error": "invalid_token"})))),
        },
        _ => None,
    });
}

#[test]
fn t170_a_token_with_the_scopes_that_the_provider_demands_registers() {
    case("t170", async |case| {
        let double = case.double().await;
        guarded(&double, |seen| {
            let known = Some(("registrar".to_owned(), "lab-secret".to_owned()));
            seen.basic() == known
        });
        secret(&case, double.url(), "registrar", "client_secret", "lab-secret").await;
        provider(&case, double.url(), json!({})).await;
        case.app("", "one").await;
        let message = case.failed("", "CredentialsRejected").await;
        assert!(message.contains("clientCredentials.scopes"), "{message}");
        assert!(double.clients().is_empty());

        let wanted = json!({"scopes": ["client.read", "client.create"], "audience": "https://api.example/", "resource": "urn:api"});
        provider(&case, double.url(), wanted).await;
        case.ready("").await;
        let asked = double
            .seen()
            .into_iter()
            .rfind(|seen| seen.path == "/token" && form(seen).contains_key("scope"));
        let asked = form(&asked.unwrap());
        assert_eq!(asked["scope"], "client.read client.create");
        assert_eq!(
            (&*asked["audience"], &*asked["resource"]),
            ("https://api.example/", "urn:api")
        );
        case.delete("").await;
        case.gone("").await;
    });
}

/// The provider accepts neither Basic nor a shared secret; the key is replaced while the operator runs.
#[test]
fn t171_the_operator_signs_with_its_private_key_and_with_the_one_that_replaces_it() {
    case("t171", async |case| {
        let double = case.double().await;
        let ((pem, public), (next_pem, next_public)) = (key(), key());
        let audience = format!("{}/token", double.url());
        let in_force = std::sync::Arc::new(std::sync::Mutex::new(public));
        let mut used = std::collections::BTreeSet::new();
        let known = in_force.clone();
        guarded(&double, move |seen| {
            let form = form(seen);
            let Some((signed, signature)) = form.get("client_assertion").and_then(|jwt| jwt.rsplit_once('.')) else {
                return false;
            };
            let public = known.lock().unwrap().clone();
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public);
            let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
            let claims: Value = serde_json::from_slice(&decoded(signed.split('.').nth(1).unwrap())).unwrap();
            !form.contains_key("client_secret")
                && !seen.headers.contains_key("authorization")
                && key.verify(signed.as_bytes(), &decoded(signature)).is_ok()
                && claims["aud"] == audience.as_str()
                && claims["iss"] == "registrar"
                && used.insert(claims["jti"].clone().to_string())
        });
        let by_key = json!({"scopes": ["client.create"], "authMethod": "private_key_jwt", "tokenReuse": "Never"});
        secret(&case, double.url(), "registrar", "private_key", "no key").await;
        provider(&case, double.url(), by_key).await;
        let message = case.provider_failed("CredentialsMissing").await;
        assert!(
            message.contains("private_key") && message.contains("Secret") && message.contains("PEM"),
            "{message}"
        );
        secret(&case, double.url(), "registrar", "private_key", &pem).await;
        case.ready_app("one", "one").await;
        *in_force.lock().unwrap() = next_public;
        case.app("two", "two").await;
        case.failed("two", "CredentialsRejected").await;
        secret(&case, double.url(), "registrar", "private_key", &next_pem).await;
        case.ready("two").await;
        // The owner of the key withdraws the consent for this origin.
        secret(
            &case,
            "https://elsewhere.example",
            "registrar",
            "private_key",
            &next_pem,
        )
        .await;
        case.app("three", "three").await;
        case.failed("three", "ConsentMissing").await;
        for name in ["one", "two", "three"] {
            case.delete(name).await;
            case.gone(name).await;
        }
        let pem = pem.lines().nth(1).unwrap();
        assert!(!case.stage.operator.log().contains(pem));
    });
}

#[test]
fn t172_each_registration_has_a_token_of_its_own_where_each_is_good_for_one() {
    case("t172", async |case| {
        let double = case.double().await;
        guarded(&double, |seen| {
            form(seen)
                .get("client_secret")
                .is_some_and(|secret| secret == "lab-secret")
        });
        secret(&case, double.url(), "registrar", "client_secret", "lab-secret").await;
        let posted = json!({"scopes": ["client.create"], "authMethod": "client_secret_post", "tokenReuse": "Never"});
        provider(&case, double.url(), posted).await;
        let names = ["one", "two", "three", "four"];
        for name in names {
            case.app(name, name).await;
        }
        for name in names {
            case.ready(name).await;
        }
        let registrations = double.seen().into_iter().filter(|seen| seen.path == "/register");
        let tokens: Vec<_> = registrations.map(|seen| seen.bearer().unwrap().to_owned()).collect();
        assert_eq!(tokens.len(), names.len(), "none was refused and repeated");
        for name in names {
            case.delete(name).await;
            case.gone(name).await;
        }
    });
}

/// A real provider: Keycloak accepts nothing but a signature from this client.
#[test]
fn t171_keycloak_registers_for_a_service_account_that_authenticates_by_its_key() {
    case("t171-keycloak", async |case| {
        let realm = Keycloak::shared().await.unwrap().realm("signed").await.unwrap();
        let (pem, public) = key();
        let coordinate = |at: usize| URL_SAFE_NO_PAD.encode(&public[at..at + 32]);
        let jwk = json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "one", "x": coordinate(1), "y": coordinate(33)});
        let jwks = json!({"keys": [jwk]});
        let client_id = realm
            .service_account_with_keys(&["manage-clients"], &jwks)
            .await
            .unwrap();
        secret(&case, realm.keycloak(), client_id, "private_key", &pem).await;
        let grant = json!({
            "secretRef": {"name": case.named("registrar")}, "authMethod": "private_key_jwt", "keyID": "one", "assertionAudience": "Issuer",
        });
        case.provider(json!({
            "issuer": realm.issuer(), "profile": "keycloak", "management": {"mode": "Credentials"},
            "registrationAuth": {"clientCredentials": grant},
        }))
        .await;
        case.client("", app("one")).await;
        case.ready("").await;
        assert_eq!(realm.clients().await.unwrap().len(), 1);
        case.client("", app("two")).await;
        case.ready("").await;
        case.delete("").await;
        case.gone("").await;
        assert!(realm.clients().await.unwrap().is_empty());
    });
}
