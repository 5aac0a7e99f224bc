use serde_json::json;

use super::super::calls::tests::{record, target};
use super::super::double::{Double, reply, transport};
use super::*;
use crate::api::{ManagementMode, Profile};
use crate::domain::profile;

const MARK: &str = "CN=abc";

fn call(double: &Double) -> MarkedCall {
    call_at(&format!("{}/realms/apps", double.origin), &double.origin).unwrap()
}

/// With a provider object of this issuer, and endpoints that were found at this origin.
fn call_at(issuer: &str, found: &str) -> Result<MarkedCall, Failure> {
    let mut target = target(issuer, "t0ken-of-an-administrator");
    target.knobs = profile::knobs(Profile::Keycloak);
    let endpoints = record(&format!("{found}/realms/apps"), ManagementMode::Credentials).endpoints;
    let mark = target.knobs.mark.unwrap();
    MarkedCall::of(&target, &endpoints, &mark, MARK.to_owned()).map(Option::unwrap)
}

fn client(id: &str, mark: &Value) -> Value {
    json!({"clientId": id, "secret": "theirs", "attributes": {"x509.subjectdn": mark}})
}

/// Shows these clients page by page, whatever is searched for.
async fn showing(clients: Vec<Value>) -> Double {
    Double::new(move |text: &str| {
        let number = |name: &str| -> usize {
            let rest = text.split(&format!("{name}=")).nth(1).unwrap();
            rest.split(['&', ' ']).next().unwrap().parse().unwrap()
        };
        let page: Vec<_> = clients.iter().skip(number("first")).take(number("max")).collect();
        reply(200, "", &json!(page).to_string())
    })
    .await
}

#[tokio::test]
async fn a_client_is_found_on_whatever_page_it_is() {
    let mut clients: Vec<_> = (0..250)
        .map(|number| client(&format!("c{number}"), &json!("CN=other")))
        .collect();
    clients.push(client("wanted", &json!(MARK)));
    let double = showing(clients).await;
    assert_eq!(
        transport().marked(&call(&double)).await.unwrap().as_deref(),
        Some("wanted")
    );
    assert_eq!(double.lines().len(), 4);
    assert_eq!(
        double.lines()[1],
        "GET /admin/realms/apps/clients?q=x509.subjectdn%3ACN%3Dabc&first=100&max=100"
    );
}

#[tokio::test]
async fn only_exactly_this_mark_counts() {
    let others = [
        json!("CN=abcd"),
        json!("CN=ab"),
        json!("cn=abc"),
        json!(null),
        json!(["CN=abc"]),
    ];
    let mut clients: Vec<_> = others.iter().map(|mark| client("other", mark)).collect();
    clients.extend([
        json!({"clientId": "CN=abc"}),
        json!({"clientId": "x", "attributes": null}),
    ]);
    clients.push(json!({"clientId": "y", "attributes": {"other": MARK}}));
    let double = showing(clients).await;
    assert_eq!(transport().marked(&call(&double)).await.unwrap(), None);
    assert_eq!(
        transport().marked(&call(&showing(Vec::new()).await)).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn a_list_without_pages_is_read_twice_at_most() {
    let all = json!([client("wanted", &json!(MARK)), client("other", &json!(null))]).to_string();
    let double = Double::saying(200, "", &all).await;
    assert_eq!(
        transport().marked(&call(&double)).await.unwrap().as_deref(),
        Some("wanted")
    );
    assert_eq!(double.lines().len(), 2);
}

#[tokio::test]
async fn a_mark_that_two_clients_carry_tells_nothing() {
    let double = showing(vec![client("a", &json!(MARK)), client("b", &json!(MARK))]).await;
    let error = transport().marked(&call(&double)).await.unwrap_err();
    assert!(error.to_string().contains("clients a, b"), "{error}");
}

#[tokio::test]
async fn a_look_that_fails_is_no_absence() {
    for (status, body, class) in [
        (200, "{}", Class::Transient),
        (200, "<html>", Class::Transient),
        (401, "", Class::Denied),
        (403, r#"{"error":"HTTP 403 Forbidden"}"#, Class::Denied),
        (404, "", Class::Denied),
        (500, "", Class::Transient),
        (503, "", Class::Transient),
    ] {
        let double = Double::saying(status, "", body).await;
        let error = transport().marked(&call(&double)).await.unwrap_err();
        assert_eq!(error.failure.class, class, "{status} {body}: {error}");
    }
    let silent = Double::new(|_| String::new()).await;
    let error = transport().marked(&call(&silent)).await.unwrap_err();
    assert_eq!(error.failure.class, Class::Transient);
}

#[tokio::test]
async fn w49_clients_are_listed_nowhere_but_at_the_provider() {
    let (home, elsewhere) = (showing(Vec::new()).await, showing(Vec::new()).await);
    for (issuer, found) in [(&home, &home), (&home, &elsewhere), (&elsewhere, &home)] {
        if let Ok(call) = call_at(&format!("{}/realms/apps", issuer.origin), &found.origin) {
            transport().marked(&call).await.unwrap();
        }
    }
    assert_eq!(home.lines().len(), 1);
    assert!(elsewhere.seen().is_empty());
}
