//! Each member of the metadata, found in the request that arrived at the provider. What is expected is written by hand, not computed by the code under test.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use testbed::providers::{Persona, ScriptableProvider};
use testbed::site::{oauth_client, oauth_provider};

use crate::rules::spec_schema;
use crate::stage::Stage;

/// A field of the spec, its value, and the member of the request with its value (IANA registry "OAuth Dynamic Client
/// Registration Metadata").
type Field = (&'static str, Value, &'static str, Value);

/// A field whose value is sent as it is.
fn same(field: &'static str, wire: &'static str, value: Value) -> Field {
    (field, value.clone(), wire, value)
}

/// Fields that one client can have together.
#[allow(clippy::too_many_lines, reason = "a table")]
fn fields() -> Vec<Field> {
    let uri = |path: &str| json!(format!("https://a.example/{path}"));
    vec![
        same(
            "redirectURIs",
            "redirect_uris",
            json!(["https://a.example/1", "https://a.example/2"]),
        ),
        same(
            "tokenEndpointAuthMethod",
            "token_endpoint_auth_method",
            json!("client_secret_post"),
        ),
        same(
            "grantTypes",
            "grant_types",
            json!(["authorization_code", "refresh_token"]),
        ),
        same("responseTypes", "response_types", json!(["code", "none"])),
        same("clientName", "client_name", json!("A name")),
        ("scopes", json!(["openid", "email"]), "scope", json!("openid email")),
        same("applicationType", "application_type", json!("native")),
        same("contacts", "contacts", json!(["a@a.example", "b@a.example"])),
        same(
            "postLogoutRedirectURIs",
            "post_logout_redirect_uris",
            json!(["https://a.example/out"]),
        ),
        same("clientURI", "client_uri", uri("client")),
        same("logoURI", "logo_uri", uri("logo")),
        same("tosURI", "tos_uri", uri("tos")),
        same("policyURI", "policy_uri", uri("policy")),
        same("jwksURI", "jwks_uri", uri("jwks")),
        same("softwareID", "software_id", json!("4NRB1-0XZABZI9E6-5SM3R")),
        same("softwareVersion", "software_version", json!("1.2")),
        same("softwareStatement", "software_statement", json!("a.b.c")),
        same("sectorIdentifierURI", "sector_identifier_uri", uri("sector")),
        same("subjectType", "subject_type", json!("pairwise")),
        same(
            "idTokenSignedResponseAlg",
            "id_token_signed_response_alg",
            json!("ES256"),
        ),
        same(
            "idTokenEncryptedResponseAlg",
            "id_token_encrypted_response_alg",
            json!("ECDH-ES"),
        ),
        same(
            "idTokenEncryptedResponseEnc",
            "id_token_encrypted_response_enc",
            json!("A128GCM"),
        ),
        same(
            "userinfoSignedResponseAlg",
            "userinfo_signed_response_alg",
            json!("ES384"),
        ),
        same(
            "userinfoEncryptedResponseAlg",
            "userinfo_encrypted_response_alg",
            json!("RSA-OAEP"),
        ),
        same(
            "userinfoEncryptedResponseEnc",
            "userinfo_encrypted_response_enc",
            json!("A192GCM"),
        ),
        same("requestObjectSigningAlg", "request_object_signing_alg", json!("ES512")),
        same(
            "requestObjectEncryptionAlg",
            "request_object_encryption_alg",
            json!("A128KW"),
        ),
        same(
            "requestObjectEncryptionEnc",
            "request_object_encryption_enc",
            json!("A256GCM"),
        ),
        same(
            "tokenEndpointAuthSigningAlg",
            "token_endpoint_auth_signing_alg",
            json!("PS256"),
        ),
        same("defaultMaxAge", "default_max_age", json!(3600)),
        same("requireAuthTime", "require_auth_time", json!(true)),
        same("defaultACRValues", "default_acr_values", json!(["urn:a", "urn:b"])),
        same("initiateLoginURI", "initiate_login_uri", uri("login")),
        same("requestURIs", "request_uris", json!(["https://a.example/request#hash"])),
        same(
            "claimsRedirectURIs",
            "claims_redirect_uris",
            json!(["https://a.example/claims"]),
        ),
        same(
            "tlsClientCertificateBoundAccessTokens",
            "tls_client_certificate_bound_access_tokens",
            json!(true),
        ),
        same(
            "tlsClientAuthSubjectDN",
            "tls_client_auth_subject_dn",
            json!("CN=a,O=b"),
        ),
        same("tlsClientAuthSANDNS", "tls_client_auth_san_dns", json!("a.example")),
        same(
            "tlsClientAuthSANURI",
            "tls_client_auth_san_uri",
            json!("spiffe://a.example/b"),
        ),
        same("tlsClientAuthSANIP", "tls_client_auth_san_ip", json!("192.0.2.1")),
        same(
            "tlsClientAuthSANEmail",
            "tls_client_auth_san_email",
            json!("c@a.example"),
        ),
        same(
            "requireSignedRequestObject",
            "require_signed_request_object",
            json!(true),
        ),
        same(
            "requirePushedAuthorizationRequests",
            "require_pushed_authorization_requests",
            json!(false),
        ),
        same(
            "introspectionSignedResponseAlg",
            "introspection_signed_response_alg",
            json!("RS384"),
        ),
        same(
            "introspectionEncryptedResponseAlg",
            "introspection_encrypted_response_alg",
            json!("A192KW"),
        ),
        same(
            "introspectionEncryptedResponseEnc",
            "introspection_encrypted_response_enc",
            json!("A128CBC-HS256"),
        ),
        same(
            "authorizationSignedResponseAlg",
            "authorization_signed_response_alg",
            json!("RS512"),
        ),
        same(
            "authorizationEncryptedResponseAlg",
            "authorization_encrypted_response_alg",
            json!("A256KW"),
        ),
        same(
            "authorizationEncryptedResponseEnc",
            "authorization_encrypted_response_enc",
            json!("A192CBC-HS384"),
        ),
        same("frontchannelLogoutURI", "frontchannel_logout_uri", uri("front")),
        same(
            "frontchannelLogoutSessionRequired",
            "frontchannel_logout_session_required",
            json!(true),
        ),
        same("backchannelLogoutURI", "backchannel_logout_uri", uri("back")),
        same(
            "backchannelLogoutSessionRequired",
            "backchannel_logout_session_required",
            json!(false),
        ),
        same(
            "authorizationDetailsTypes",
            "authorization_details_types",
            json!(["payment"]),
        ),
        same("dpopBoundAccessTokens", "dpop_bound_access_tokens", json!(false)),
        same(
            "backchannelTokenDeliveryMode",
            "backchannel_token_delivery_mode",
            json!("ping"),
        ),
        same(
            "backchannelClientNotificationEndpoint",
            "backchannel_client_notification_endpoint",
            uri("ciba"),
        ),
        same(
            "backchannelAuthenticationRequestSigningAlg",
            "backchannel_authentication_request_signing_alg",
            json!("PS384"),
        ),
        same(
            "backchannelUserCodeParameter",
            "backchannel_user_code_parameter",
            json!(true),
        ),
        same(
            "clientRegistrationTypes",
            "client_registration_types",
            json!(["automatic"]),
        ),
        same("signedJWKSURI", "signed_jwks_uri", uri("signed")),
        same("organizationName", "organization_name", json!("An organisation")),
        same("description", "description", json!("A description")),
        same("keywords", "keywords", json!(["one", "two"])),
        same("informationURI", "information_uri", uri("information")),
        same("organizationURI", "organization_uri", uri("organization")),
        same("useMTLSEndpointAliases", "use_mtls_endpoint_aliases", json!(true)),
        same(
            "encryptedResponseEncValuesSupported",
            "encrypted_response_enc_values_supported",
            json!(["A128GCM", "A256GCM"]),
        ),
    ]
}

/// A field that excludes one of the others.
fn keys() -> Field {
    let key = json!({
        "kty": "EC", "use": "sig", "key_ops": ["verify"], "alg": "ES256", "kid": "1", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "n": "n", "e": "AQAB", "x5c": ["MII"], "x5u": "https://a.example/x5u", "x5t": "t", "x5t#S256": "s",
    });
    same("jwks", "jwks", json!({"keys": [key]}))
}

/// Translations: field within `localized`, and the member that carries it.
const TRANSLATIONS: [(&str, &str); 9] = [
    ("clientName", "client_name#de-CH"),
    ("clientURI", "client_uri#de-CH"),
    ("logoURI", "logo_uri#de-CH"),
    ("tosURI", "tos_uri#de-CH"),
    ("policyURI", "policy_uri#de-CH"),
    ("organizationName", "organization_name#de-CH"),
    ("description", "description#de-CH"),
    ("informationURI", "information_uri#de-CH"),
    ("organizationURI", "organization_uri#de-CH"),
];

/// What is sent for a client that sets nothing but a redirect URI.
fn bare(namespace: &str, name: &str) -> Value {
    json!({
        "redirect_uris": ["https://app.example/callback"], "client_name": format!("{namespace}.{name}"),
        "token_endpoint_auth_method": "client_secret_basic", "application_type": "web",
        "grant_types": ["authorization_code"], "response_types": ["code"],
    })
}

const CLIENT: &str = "redirectURIs: ['https://app.example/callback']";

fn manifest(name: &str, spec: &Map<String, Value>) -> String {
    let lines: Vec<_> = spec.iter().map(|(field, value)| format!("{field}: {value}")).collect();
    oauth_client(name, &lines.join("\n"))
}

/// The bodies of the registrations or updates of a client, oldest first.
fn bodies(double: &ScriptableProvider, method: &str) -> Vec<Value> {
    let seen = double.seen().into_iter();
    seen.filter(|seen| seen.method == method && seen.path.starts_with("/register"))
        .map(|seen| seen.json())
        .collect()
}

/// Fields of the spec that are no metadata of the client.
const OTHERS: [&str; 6] = [
    "providerRef",
    "secret",
    "deletionPolicy",
    "deletionTimeout",
    "adopt",
    "suspend",
];

/// Each field of the metadata with the member that carries it.
pub fn wire_names() -> Vec<(String, String)> {
    let fields = fields().into_iter().chain([keys()]);
    fields
        .map(|(field, _, wire, _)| (field.to_owned(), wire.to_owned()))
        .collect()
}

/// The members of an object's schema.
fn members(schema: &Value) -> BTreeSet<String> {
    schema["properties"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn t80_every_member_of_the_definition_has_a_value_in_the_test_of_the_wire() {
    let schema = spec_schema("OAuthClient");
    let metadata = wire_names();
    assert_eq!(metadata.len(), 69);
    let elsewhere = OTHERS.iter().chain(&["localized", "extraMetadata"]);
    let named = metadata.iter().map(|(field, _)| field.clone());
    let named: BTreeSet<_> = named.chain(elsewhere.map(|field| (*field).to_owned())).collect();
    assert_eq!(named, members(&schema));
    let translated = TRANSLATIONS.iter().map(|(field, _)| (*field).to_owned()).collect();
    assert_eq!(members(&schema["properties"]["localized"]), translated);
    let (_, keys, ..) = keys();
    let tried = keys["keys"][0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        members(&schema["properties"]["jwks"]["properties"]["keys"]["items"]),
        tried
    );
}

#[tokio::test]
async fn t80_every_member_of_the_metadata_is_sent_under_its_registered_name_and_no_longer_when_it_is_unset() {
    let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
    let stage = Stage::new("fields").await;
    stage.apply(&oauth_provider(&format!("issuer: {}", double.url()))).await;

    let mut spec: Map<_, _> = fields()
        .into_iter()
        .map(|(field, value, ..)| (field.to_owned(), value))
        .collect();
    let localized: Map<_, _> = TRANSLATIONS
        .iter()
        .map(|(field, _)| {
            (
                (*field).to_owned(),
                json!({"de-CH": format!("https://a.example/de/{field}")}),
            )
        })
        .collect();
    spec.insert("localized".to_owned(), Value::Object(localized));
    spec.insert(
        "extraMetadata".to_owned(),
        json!({"ext_param_owner": "admin", "nested": {"a": [1]}}),
    );
    let mut expected: Map<_, _> = fields()
        .into_iter()
        .map(|(_, _, wire, value)| (wire.to_owned(), value))
        .collect();
    for (field, wire) in TRANSLATIONS {
        expected.insert(wire.to_owned(), json!(format!("https://a.example/de/{field}")));
    }
    expected.insert("ext_param_owner".to_owned(), json!("admin"));
    expected.insert("nested".to_owned(), json!({"a": [1]}));

    stage.apply(&manifest("all", &spec)).await;
    stage.ready("all").await;
    assert_eq!(bodies(&double, "POST"), [Value::Object(expected)]);

    // A key set instead of its URI, and then nothing at all.
    let (field, value, wire, sent) = keys();
    stage
        .apply(&oauth_client("all", &format!("{CLIENT}\n{field}: {value}")))
        .await;
    stage.ready("all").await;
    stage.apply(&oauth_client("all", CLIENT)).await;
    stage.ready("all").await;
    let updates: Vec<_> = bodies(&double, "PUT")
        .into_iter()
        .map(|mut body| {
            let body = body.as_object_mut().unwrap();
            for own in ["client_id", "client_secret"] {
                body.remove(own);
            }
            Value::Object(std::mem::take(body))
        })
        .collect();
    let plain = bare(stage.apps.name(), "all");
    let mut with_keys = plain.clone();
    with_keys[wire] = sent;
    assert_eq!(updates, [with_keys, plain]);
}
