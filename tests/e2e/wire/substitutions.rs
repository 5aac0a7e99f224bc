//! Providers that register other values than a manifest sets, where their object says `substitutions: Reject`.

use kube::api::ListParams;
use serde_json::{Value, json};
use testbed::providers::{DIALECTS, Dialect, Fault, Persona, Quirk, Reply, ScriptableProvider};

use super::case::{app, is_stalled};
use super::{Case, Settled, case};

/// From now on the double registers more grants than it is asked for.
fn substitute(double: &ScriptableProvider) {
    double.speak(DIALECTS.iter().find(|dialect| dialect.name == "more-grants").unwrap());
}

async fn policy(case: Case, double: &ScriptableProvider, substitutions: &str) {
    case.provider(json!({"issuer": double.url(), "substitutions": substitutions}))
        .await;
}

fn count(double: &ScriptableProvider, method: &str) -> usize {
    double
        .seen()
        .iter()
        .filter(|seen| seen.method == method && seen.path.starts_with("/register"))
        .count()
}

/// The rejected client is named by a suspect, and no application has it.
async fn is_suspect(case: Case, double: &ScriptableProvider) {
    let left = double.clients().into_keys().next();
    assert_eq!(case.suspects().await[0].client_id, left);
    assert!(left.is_some() && case.secret("").await.is_none());
}

async fn judge(case: Case, double: &ScriptableProvider, excuses: &'static [&'static str]) {
    case.judge(Settled {
        ledger: double.clients(),
        excuses,
        ..Settled::default()
    })
    .await;
}

/// Waits until the operator has looked at a client again.
async fn look_again(case: Case, suffix: &str, value: &str) {
    case.look_again(suffix, value).await;
    let looked = |object: &oauth_client_operator::api::OAuthClient| {
        let handled = object.status.as_ref().and_then(|status| status.handled.as_ref());
        handled.is_some_and(|handled| handled.reconcile.as_deref() == Some(value))
    };
    case.stage.until(&case.named(suffix), "looked at", looked).await;
}

/// Waits until the operator has decided that a request which was rejected is not sent again.
async fn looked_at(case: Case) {
    let name = format!("/{}\"", case.name);
    crate::stage::eventually("the rejected request is met again", async || {
        let log = case.log();
        let met = log
            .lines()
            .any(|line| line.contains(&name) && line.contains("\"row\":\"C9\""));
        met.then_some(())
    })
    .await;
}

#[test]
fn w116_a_registration_whose_values_are_substituted_is_taken_back_before_an_application_has_it() {
    case("w116", async |case| {
        let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
        substitute(&double);
        policy(case, &double, "Reject").await;
        case.app("", "one").await;
        let message = case.failed("", "SubstitutionRejected").await;
        assert!(
            message.contains("spec.grantTypes (") && message.contains("refresh_token"),
            "{message}"
        );
        assert!(is_stalled(&case.stage.oauth_client("w116").await));
        assert!(double.clients().is_empty() && case.secret("").await.is_none() && case.suspects().await.is_empty());
        assert_eq!((count(&double, "POST"), count(&double, "DELETE")), (1, 1));
        // A change that is none of the request sends nothing.
        let mut spec = app("one");
        spec["deletionTimeout"] = json!("1m");
        case.client("", spec.clone()).await;
        looked_at(case).await;
        assert_eq!(count(&double, "POST"), 1);
        // The provider object decides otherwise.
        policy(case, &double, "Accept").await;
        case.ready("").await;
        assert_eq!(count(&double, "POST"), 2);
        judge(case, &double, &[]).await;
    });
}

/// A server that substitutes and does not say when it issued a client: the answer may be about one that somebody uses.
static UNDATED: Dialect = Dialect {
    name: "more-grants-undated",
    seen_at: "nowhere",
    provider: "",
    quirks: &[Quirk::Stores(
        "grant_types",
        r#"["client_credentials","authorization_code","refresh_token"]"#,
    )],
};

#[test]
fn w116_a_rejected_client_that_may_be_in_use_is_not_deregistered() {
    case("w116u", async |case| {
        let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
        double.speak(&UNDATED);
        policy(case, &double, "Reject").await;
        case.app("", "one").await;
        case.failed("", "SubstitutionRejected").await;
        is_suspect(case, &double).await;
        assert_eq!((count(&double, "POST"), count(&double, "DELETE")), (1, 0));
        judge(case, &double, &["SubstitutionRejected"]).await;
        // Nor by the sweeper: only a person has it deregistered.
        let entries = ListParams::default().labels("oauth-client-operator.dev/role=suspect");
        let entry = case
            .stage
            .kept()
            .list(&entries)
            .await
            .unwrap()
            .items
            .into_iter()
            .find(|entry| {
                let object = entry.data.as_ref().and_then(|data| data.get("object"));
                object.is_some_and(|object| object.0.ends_with(b"/w116u"))
            });
        let data = entry.unwrap().data.unwrap();
        let kept: Value = serde_json::from_slice(&data["disputed-record.json"].0).unwrap();
        assert!(kept["inDispute"] == true && kept["registrationAccessToken"].is_string());
    });
}

/// What is not deregistered stays named, and is not registered a second time.
#[test]
fn w116_a_rejected_client_that_the_provider_keeps_is_a_suspect() {
    case("w116s", async |case| {
        let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
        substitute(&double);
        double.script(|seen| (seen.method == "DELETE").then(|| Fault::Answer(Reply::empty(405))));
        policy(case, &double, "Reject").await;
        case.app("", "one").await;
        case.failed("", "SubstitutionRejected").await;
        is_suspect(case, &double).await;
        let mut spec = app("one");
        spec["deletionTimeout"] = json!("1m");
        case.client("", spec).await;
        looked_at(case).await;
        assert_eq!(count(&double, "POST"), 1);
        judge(case, &double, &["SubstitutionRejected"]).await;
    });
}

#[test]
fn w116_what_could_not_be_taken_back_is_not_begun() {
    case("w116m", async |case| {
        let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
        case.provider(json!({"issuer": double.url(), "substitutions": "Reject", "management": {"mode": "None"}}))
            .await;
        case.app("", "one").await;
        let message = case.failed("", "InvalidSpec").await;
        assert!(
            message.contains("substitutions") && message.contains("management.mode"),
            "{message}"
        );
        assert_eq!(count(&double, "POST"), 0);
    });
}

/// Keycloak registers one response type more than it is asked for.
#[test]
fn w116_keycloak_is_left_without_the_rejected_client() {
    case("w116k", async |case| {
        let realm = case.realm(json!({"substitutions": "Reject"})).await;
        let mut spec = app("one");
        spec["responseTypes"] = json!(["code"]);
        case.client("", spec).await;
        let message = case.failed("", "SubstitutionRejected").await;
        assert!(message.contains("spec.responseTypes"), "{message}");
        assert!(realm.clients().await.unwrap().is_empty() && case.suspects().await.is_empty());
        // What the manifest does not set may be chosen by the provider.
        case.app("", "one").await;
        case.ready("").await;
        assert_eq!(realm.clients().await.unwrap().len(), 1);
    });
}

#[test]
fn w117_an_update_whose_values_are_substituted_is_taken_back_once() {
    case("w117", async |case| {
        let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
        policy(case, &double, "Reject").await;
        let secret = case.ready_app("", "one").await;
        substitute(&double);
        case.app("", "two").await;
        let message = case.failed("", "SubstitutionRejected").await;
        assert!(message.contains("spec.grantTypes"), "{message}");
        let puts: Vec<Value> = double
            .seen()
            .iter()
            .filter(|seen| seen.method == "PUT")
            .map(|seen| seen.json()["redirect_uris"].clone())
            .collect();
        assert_eq!(
            puts,
            [json!(["https://app.example/two"]), json!(["https://app.example/one"])]
        );
        assert_eq!(case.secret("").await.unwrap(), secret);
        assert_eq!(count(&double, "DELETE"), 0, "an application uses this client");
        look_again(case, "", "1").await;
        case.failed("", "SubstitutionRejected").await;
        assert_eq!(count(&double, "PUT"), 2);
        // Back to what is registered.
        case.app("", "one").await;
        case.ready("").await;
        assert_eq!(count(&double, "PUT"), 2);
        case.app("", "two").await;
        case.failed("", "SubstitutionRejected").await;
        assert_eq!(count(&double, "PUT"), 2, "the same request at the same provider");
        policy(case, &double, "Accept").await;
        case.ready("").await;
        assert_eq!(count(&double, "PUT"), 3);
        assert_eq!(case.secret("").await.unwrap(), secret);
        judge(case, &double, &[]).await;
    });
}
