//! Clients that exist and are taken over by `spec.adopt`.

use serde_json::{Value, json};
use testbed::providers::ScriptableProvider;
use testbed::site::consented;

use super::absence::all_are_named;
use super::management::judge;
use super::{Case, case};

/// A token Secret of this case for that client, and the member of a spec that names both.
async fn adopting(case: Case, double: &ScriptableProvider, client_id: &str) -> Value {
    let registration = double.registration_of(client_id);
    let token = registration["registration_access_token"].as_str().unwrap();
    let name = format!("{}-token", case.name);
    case.stage
        .apply(&consented(&name, double.url(), &[("token", token)]))
        .await;
    json!({
        "registrationClientURI": registration["registration_client_uri"],
        "registrationAccessTokenRef": {"name": name},
    })
}

fn app(path: &str, adopt: &Value) -> Value {
    json!({"redirectURIs": [format!("https://app.example/{path}")], "adopt": adopt})
}

/// A client that somebody registered by hand is taken over, once the owner of the provider object allows that: no POST, its secret in
/// the Secret, the manifest's members at the provider.
#[test]
fn t201_an_existing_client_is_taken_over() {
    case("t201a", async |case| {
        let double = case.double().await;
        double.add_client("by-hand", serde_json::Map::new());
        let adopt = adopting(case, &double, "by-hand").await;
        case.client("", app("one", &adopt)).await;
        let message = case.failed("", "AdoptionNotAllowed").await;
        assert!(message.contains("allowAdoption"), "{message}");
        assert_eq!(
            double.count("GET", "/register/by-hand"),
            0,
            "nothing is asked without that"
        );
        case.provider(json!({"issuer": double.url(), "allowAdoption": true}))
            .await;
        case.ready("").await;
        let secret = case.secret("").await.unwrap();
        let held = &double.clients()["by-hand"];
        assert_eq!(secret["client_id"], "by-hand");
        assert_eq!(json!(secret["client_secret"]), held["client_secret"]);
        assert_eq!(held["redirect_uris"], json!(["https://app.example/one"]));
        assert_eq!(double.count("POST", "/register"), 0);
        // A second object that names the same client changes nothing.
        case.client("second", app("two", &adopt)).await;
        let message = case.failed("second", "AlreadyManaged").await;
        assert!(message.contains(case.name), "{message}");
        assert_eq!(
            double.clients()["by-hand"]["redirect_uris"],
            json!(["https://app.example/one"])
        );
        case.delete("second").await;
        case.gone("second").await;
        assert_eq!(double.clients().len(), 1, "it was never the second object's");
        case.delete("").await;
        case.gone("").await;
        assert!(double.clients().is_empty());
        judge(case, &double, &[]).await;
    });
}

/// A client whose object was deleted with the policy Retain is taken over by the next one, and its old record ends.
#[test]
fn t201_a_retained_client_is_taken_over() {
    case("t201b", async |case| {
        let double = case.double().await;
        case.client(
            "old",
            json!({"redirectURIs": ["https://app.example/one"], "deletionPolicy": "Retain"}),
        )
        .await;
        case.ready("old").await;
        let id = case.secret("old").await.unwrap()["client_id"].clone();
        case.delete("old").await;
        case.gone("old").await;
        assert_eq!(case.record("old").await["phase"], json!("Retained"));
        case.provider(json!({"issuer": double.url(), "allowAdoption": true}))
            .await;
        let adopt = adopting(case, &double, &id).await;
        case.client("new", app("two", &adopt)).await;
        case.ready("new").await;
        assert_eq!(case.secret("new").await.unwrap()["client_id"], id);
        assert_eq!(
            double.clients()[&id]["redirect_uris"],
            json!(["https://app.example/two"])
        );
        assert_eq!(case.record("old").await, Value::Null, "one record names the client");
        assert_eq!(case.record("new").await["clientId"], json!(id));
        all_are_named(case, &double, &[]).await;
    });
}

/// The token of another client is refused as such, and what is recorded stays.
#[test]
fn t200_a_token_of_another_client_changes_nothing() {
    case("t200", async |case| {
        let double = case.double().await;
        let own = case.ready_app("", "one").await["client_id"].clone();
        let other = case.ready_app("other", "other").await["client_id"].clone();
        double.regenerate_token(&own);
        let adopt = adopting(case, &double, &other).await;
        case.client("", app("two", &adopt)).await;
        let message = case.failed("", "InvalidResponse").await;
        assert!(message.contains(&own) && message.contains(&other), "{message}");
        assert_eq!(
            double.clients()[&other]["redirect_uris"],
            json!(["https://app.example/other"])
        );
        let adopt = adopting(case, &double, &own).await;
        case.client("", app("two", &adopt)).await;
        case.look_again("", "1").await;
        case.ready("").await;
        assert_eq!(case.secret("").await.unwrap()["client_id"], own);
        assert_eq!(
            double.clients()[&own]["redirect_uris"],
            json!(["https://app.example/two"])
        );
        judge(case, &double, &[]).await;
    });
}
