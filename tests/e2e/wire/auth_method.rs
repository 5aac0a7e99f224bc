//! How a client authenticates at the token endpoint, where the metadata of the provider has a say.

use serde_json::{Value, json};
use testbed::providers::{OidcProvider, OidcProviderOptions, Persona, ScriptableProvider};

use super::case::app;
use super::{Settled, case};

const SUPPORTED: &str = "token_endpoint_auth_methods_supported";

fn with(path: &str, method: &str) -> Value {
    let mut spec = app(path);
    spec["tokenEndpointAuthMethod"] = json!(method);
    spec
}

/// What the provider was asked to register, or to change, by method of HTTP.
fn sent(double: &ScriptableProvider, method: &str) -> Vec<Value> {
    let seen = double.seen();
    let requests = seen
        .iter()
        .filter(|seen| seen.method == method && seen.path.starts_with("/register"));
    requests
        .map(|seen| seen.json()["token_endpoint_auth_method"].clone())
        .collect()
}

#[test]
fn w112_w113_a_client_without_a_method_gets_the_first_that_the_metadata_lists() {
    case("w112", async |case| {
        let double = case.double().await;
        double.metadata(SUPPORTED, json!(["private_key_jwt", "client_secret_post", "none"]));
        let secret = case.ready_app("", "one").await;
        assert_eq!(sent(&double, "POST"), ["client_secret_post"]);
        assert_eq!(secret["token_endpoint_auth_method"], "client_secret_post");
        let status = case.ready("").await.status.unwrap();
        assert_eq!(status.token_endpoint_auth_method.as_deref(), Some("client_secret_post"));
        // W113: another list changes nothing for it, neither at rest nor with the next update.
        double.metadata(SUPPORTED, json!(["client_secret_basic"]));
        case.look_again("", "1").await;
        case.app("", "two").await;
        case.ready("").await;
        assert_eq!(sent(&double, "PUT"), ["client_secret_post"]);
        assert_eq!(case.secret("").await.unwrap(), secret);
        case.judge(Settled {
            ledger: double.clients(),
            ..Settled::default()
        })
        .await;
    });
}

#[test]
fn w112_a_method_that_the_metadata_excludes_is_refused_and_nothing_is_sent() {
    case("w112x", async |case| {
        let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
        double.metadata(SUPPORTED, json!(["client_secret_post", "none"]));
        case.provider(json!({"issuer": double.url()})).await;
        case.client("", with("one", "client_secret_basic")).await;
        let message = case.failed("", "AuthMethodUnsupported").await;
        for part in [
            "spec.tokenEndpointAuthMethod",
            "client_secret_basic",
            "client_secret_post, none",
        ] {
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(sent(&double, "POST"), [Value::Null; 0]);
        // The provider object overrides metadata that is wrong.
        case.provider(json!({"issuer": double.url(), "tokenEndpointAuthMethods": ["client_secret_basic"]}))
            .await;
        case.ready("").await;
        assert_eq!(sent(&double, "POST"), ["client_secret_basic"]);
        // The same before an update: the client stays as it is.
        case.client("", with("one", "client_secret_post")).await;
        let message = case.failed("", "AuthMethodUnsupported").await;
        assert!(message.contains("use one of client_secret_basic"), "{message}");
        assert_eq!(sent(&double, "PUT"), [Value::Null; 0]);
        // An empty list turns the check off.
        case.provider(json!({"issuer": double.url(), "tokenEndpointAuthMethods": []}))
            .await;
        case.client("any", with("any", "client_secret_jwt")).await;
        case.ready("any").await;
    });
}

#[test]
fn w113_a_registered_client_keeps_its_method_when_the_list_of_the_provider_object_changes() {
    case("w113", async |case| {
        let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
        let provider = async |methods: Value| {
            case.provider(json!({"issuer": double.url(), "tokenEndpointAuthMethods": methods}))
                .await;
        };
        provider(json!(["client_secret_post"])).await;
        let secret = case.ready_app("", "one").await;
        provider(json!(["client_secret_jwt"])).await;
        let other = case.ready_app("other", "other").await;
        assert_eq!(other["token_endpoint_auth_method"], "client_secret_jwt");
        case.look_again("", "1").await;
        case.app("", "two").await;
        case.ready("").await;
        assert_eq!(case.secret("").await.unwrap(), secret);
        assert_eq!(sent(&double, "PUT"), ["client_secret_post"]);
    });
}

#[test]
fn w112_a_real_server_is_not_asked_for_a_method_that_it_does_not_list() {
    case("w112o", async |case| {
        let provider = OidcProvider::start(OidcProviderOptions::default()).await.unwrap();
        case.provider(json!({"issuer": provider.issuer()})).await;
        case.client("", with("one", "client_secret_magic")).await;
        let message = case.failed("", "AuthMethodUnsupported").await;
        assert!(
            message.contains("client_secret_basic") && message.contains("client_secret_post"),
            "{message}"
        );
        let posts = provider
            .requests()
            .await
            .unwrap()
            .into_iter()
            .filter(|request| request.method == "POST");
        assert_eq!(posts.count(), 0);
        case.client("", with("one", "client_secret_post")).await;
        case.ready("").await;
        assert_eq!(
            case.secret("").await.unwrap()["token_endpoint_auth_method"],
            "client_secret_post"
        );
    });
}
