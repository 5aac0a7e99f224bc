//! Management URIs that are made from a template: a guess until one has shown a client.

use serde_json::{Map, Value, json};
use testbed::providers::{Dialect, Persona, Quirk, ScriptableProvider};
use testbed::site::consented;

use super::absence::all_are_named;
use super::{Case, case};

/// A server that answers 204 to the deletion of every identifier.
const DELETES_ANYTHING: Dialect = Dialect {
    name: "deletes-anything",
    seen_at: "servers that delete applications by another key",
    provider: "",
    quirks: &[Quirk::DeletesAnything],
};

/// A provider whose administrator manages the clients, at URIs of this template.
async fn managed(case: Case, template: &str) -> ScriptableProvider {
    let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
    double.administrator("admin", "the-password-of-templates");
    let name = format!("{}-admin", case.name);
    let secret = consented(
        &name,
        double.url(),
        &[("username", "admin"), ("password", "the-password-of-templates")],
    );
    case.stage.apply(&secret).await;
    correct(case, &double, template).await;
    double
}

/// The provider object with another template.
async fn correct(case: Case, double: &ScriptableProvider, template: &str) {
    case.provider(json!({
        "issuer": double.url(),
        "managementAuth": {"basic": {"secretRef": {"name": format!("{}-admin", case.name)}}},
        "management": {"mode": "Credentials", "uriTemplate": template},
    }))
    .await;
}

fn app(path: &str, extra: &Value) -> Value {
    json!({"redirectURIs": [format!("https://app.example/{path}")], "extraMetadata": extra})
}

/// The server deletes applications by another key, and answers 204 for every key that it does not know.
#[test]
fn t203_a_deregistration_at_an_address_that_shows_no_client_is_no_proof() {
    case("t203", async |case| {
        let double = managed(case, "{registration_endpoint}/app-{client_id}").await;
        double.speak(&DELETES_ANYTHING);
        let id = case.ready_app("", "one").await["client_id"].clone();
        case.delete("").await;
        let message = case.told("", "Ready", "management.uriTemplate").await;
        assert!(message.contains("proves nothing"), "{message}");
        case.gone("").await;
        let note = case.warned("", "SuspectedOrphan").await;
        assert!(note.contains(&id) && note.contains("management.uriTemplate"), "{note}");
        let path = format!("/register/app-{id}");
        assert!(double.count("DELETE", &path) >= 2 && double.count("GET", &path) >= 2);
        assert_eq!(double.clients().len(), 1);
        let confirmed = format!("client_id={id}");
        let log = case.log();
        let lines = log.lines().filter(|line| line.contains("client deregistered"));
        assert!(!lines.into_iter().any(|line| line.contains(&confirmed)), "{log}");
        all_are_named(case, &double, &[]).await;
    });
}

/// What stands at the address is somebody else's client.
#[test]
fn t203_nothing_is_deregistered_at_an_address_that_shows_another_client() {
    case("t203c", async |case| {
        let double = managed(case, "{registration_endpoint}/{app_id}").await;
        double.add_client("theirs", Map::new());
        case.client("", app("one", &json!({"app_id": "theirs"}))).await;
        case.ready("").await;
        let id = case.secret("").await.unwrap()["client_id"].clone();
        case.delete("").await;
        let message = case.told("", "Ready", "management.uriTemplate").await;
        assert!(message.contains("a different client"), "{message}");
        case.gone("").await;
        let note = case.warned("", "SuspectedOrphan").await;
        assert!(note.contains(&id) && note.contains("management.uriTemplate"), "{note}");
        assert_eq!(double.count("DELETE", "/register/theirs"), 0);
        assert!(double.remove_client("theirs"));
        all_are_named(case, &double, &[]).await;
    });
}

/// One read that shows a client is enough for all clients of a provider and template.
#[test]
fn t203_one_read_proves_a_template_for_every_client() {
    case("t203b", async |case| {
        let double = managed(case, "{registration_endpoint}/{client_id}").await;
        let names = ["a", "b", "c"];
        for name in names {
            case.ready_app(name, name).await;
        }
        for name in names {
            case.delete(name).await;
            case.gone(name).await;
        }
        assert!(double.clients().is_empty() && case.suspects().await.is_empty());
        let reads = double
            .seen()
            .into_iter()
            .filter(|seen| seen.method == "GET" && seen.path.starts_with("/register/"));
        assert_eq!(reads.count(), 1);
        all_are_named(case, &double, &[]).await;
    });
}

/// The management needs what only the answer to the registration tells.
#[test]
fn t204_a_template_takes_a_member_of_the_answer() {
    case("t204", async |case| {
        let double = managed(case, "{registration_endpoint}/{client_id}?app={app_id}").await;
        // The provider repeats what it does not know.
        case.client("", app("one", &json!({"app_id": 42}))).await;
        case.ready("").await;
        let id = case.secret("").await.unwrap()["client_id"].clone();
        case.client("", app("two", &json!({"app_id": 42}))).await;
        case.ready("").await;
        assert_eq!(
            double.clients()[&id]["redirect_uris"],
            json!(["https://app.example/two"])
        );
        case.delete("").await;
        case.gone("").await;
        assert!(double.clients().is_empty());
        let managed: Vec<_> = double
            .seen()
            .into_iter()
            .filter(|seen| seen.path.ends_with(&id))
            .collect();
        assert!(managed.len() >= 2, "{managed:?}");
        assert!(
            managed
                .iter()
                .all(|seen| seen.query.get("app").is_some_and(|app| app == "42")),
            "{managed:?}"
        );
        all_are_named(case, &double, &[]).await;
    });
}

/// An answer without that member: the application gets its Secret, and the message says what is wrong and how to mend it.
#[test]
fn t204_an_answer_without_the_member_of_the_template_is_reported() {
    case("t204b", async |case| {
        let double = managed(case, "{registration_endpoint}/{client_id}?app={app_id}").await;
        case.client("", app("one", &json!({}))).await;
        let message = case.failed("", "InvalidResponse").await;
        let id = case.secret("").await.unwrap()["client_id"].clone();
        let command = format!("oauth-client-operator.dev/replace={id}");
        for part in ["management.uriTemplate", "{app_id}", command.as_str()] {
            assert!(message.contains(part), "{message}");
        }
        // The record follows the corrected template, and the client is managed again.
        correct(case, &double, "{registration_endpoint}/{client_id}").await;
        case.ready("").await;
        assert_eq!(case.secret("").await.unwrap()["client_id"], id);
        case.delete("").await;
        case.gone("").await;
        assert!(double.clients().is_empty());
        all_are_named(case, &double, &[]).await;
    });
}
