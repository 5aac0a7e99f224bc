//! Where a client is managed that was registered with the token of the operator's ServiceAccount.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use testbed::providers::{Fault, Persona, Reply, ScriptableProvider};

use crate::stage::eventually;

use super::{Pod, write};

/// Waits until a condition of the client has a message with this text; the message.
async fn said(pod: &Pod, text: &str) -> String {
    eventually(&format!("a condition says: {text}"), async || {
        let object = pod
            .kubectl(&["-n", "shop", "get", "oac", "one", "-o", "json"], "")
            .await;
        let object: Value = serde_json::from_str(&object).unwrap();
        let conditions = object["status"]["conditions"].as_array()?.clone();
        let mut messages = conditions.iter().filter_map(|condition| condition["message"].as_str());
        messages.find(|message| message.contains(text)).map(str::to_owned)
    })
    .await
}

/// Nobody could ever change or deregister such a client.
#[tokio::test]
async fn t356_nothing_is_registered_that_the_token_of_the_service_account_may_not_manage() {
    let pod = Pod::new().await;
    let elsewhere = ScriptableProvider::start(Persona::Plain).await.unwrap();
    pod.renew(&pod.issuer).await;
    let managed = |template: &str| {
        json!({
            "registrationAuth": {"serviceAccountToken": {}},
            "management": {"mode": "Credentials", "uriTemplate": template},
            "endpoints": {"allowedOrigins": [elsewhere.url()]},
        })
    };
    pod.provider(&managed(&format!("{}/clients/{{client_id}}", elsewhere.url())))
        .await;
    pod.client("one").await;
    let message = pod.failed(&["-n", "shop", "oac", "one"], "OriginNotAllowed").await;
    assert!(
        message.starts_with("nothing was registered") && message.contains(elsewhere.url()),
        "{message}"
    );
    assert_eq!(pod.double.count("POST", "/register"), 0);
    pod.provider(&managed("{registration_endpoint}/{client_id}")).await;
    pod.ready("one").await;
    assert_eq!(pod.double.count("POST", "/register"), 1);
    assert!(elsewhere.seen().is_empty());
}

/// Only the answer to the registration tells where the client is managed: it is recorded, and its own token goes where the provider object
/// allows, the operator's never.
#[tokio::test]
async fn t356_a_client_whose_address_is_elsewhere_is_recorded_and_says_what_to_do() {
    let pod = Pod::new().await;
    let elsewhere = ScriptableProvider::start(Persona::Plain).await.unwrap();
    let away = format!("{}/register/moved", elsewhere.url());
    pod.renew(&pod.issuer).await;
    let answer = json!({
        "client_id": "moved", "client_secret": "s3cret-of-the-client", "client_secret_expires_at": 0,
        "registration_access_token": "t0ken-of-the-client", "registration_client_uri": away,
    });
    pod.double.script(move |seen| {
        let registers = seen.method == "POST" && seen.path == "/register";
        registers.then(|| Fault::Answer(Reply::json(201, &answer)))
    });
    elsewhere.script(|seen| (seen.method == "DELETE").then(|| Fault::Answer(Reply::empty(204))));
    let auth = json!({"registrationAuth": {"serviceAccountToken": {}}, "verify": "Never"});
    pod.provider(&auth).await;
    pod.client("one").await;
    pod.ready("one").await;
    let records = ["-n", "system", "get", "secrets", "-o", "name"];
    let recorded = pod
        .kubectl(
            &[&records[..], &["-l", "oauth-client-operator.dev/role=record"]].concat(),
            "",
        )
        .await;
    assert_eq!(recorded.lines().count(), 1, "{recorded}");
    pod.kubectl(&["-n", "shop", "delete", "oac", "one", "--wait=false"], "")
        .await;
    let message = said(&pod, "managed at").await;
    assert!(
        message.contains(elsewhere.url()) && message.contains("allowedOrigins"),
        "{message}"
    );
    assert!(elsewhere.seen().is_empty());
    let mut allowed = auth;
    allowed["endpoints"] = json!({"allowedOrigins": [elsewhere.url()]});
    pod.provider(&allowed).await;
    pod.kubectl(&["-n", "shop", "wait", "--for=delete", "oac/one", "--timeout=60s"], "")
        .await;
    let tokens: Vec<String> = elsewhere
        .seen()
        .iter()
        .filter_map(|seen| seen.bearer().map(str::to_owned))
        .collect();
    assert!(
        !tokens.is_empty() && tokens.iter().all(|token| token == "t0ken-of-the-client"),
        "another token was sent"
    );
}

/// A credential that will be replaced by itself does not count as gone.
#[tokio::test]
async fn t358_the_deletion_of_a_client_waits_for_another_token_while_the_one_in_the_file_has_expired() {
    let pod = Pod::new().await;
    pod.renew(&pod.issuer).await;
    pod.double.script(|seen| {
        let (_, id) = seen.path.split_once("/register/")?;
        match seen.method.as_str() {
            "GET" => Some(Fault::Answer(Reply::json(200, &json!({"client_id": id})))),
            "DELETE" => Some(Fault::Answer(Reply::empty(204))),
            _ => None,
        }
    });
    pod.provider(&json!({
        "registrationAuth": {"serviceAccountToken": {}}, "verify": "Never",
        "management": {"mode": "Credentials", "uriTemplate": "{registration_endpoint}/{client_id}"},
    }))
    .await;
    pod.client("one").await;
    pod.ready("one").await;
    let claims = json!({"iss": "https://cluster.example", "aud": [pod.issuer], "exp": 1_700_000_000});
    let expired = format!(
        "eyJhbGciOiJub25lIn0.{}.c2ln",
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    write(&pod.scratch.path().join("0"), &expired);
    pod.kubectl(&["-n", "shop", "delete", "oac", "one", "--wait=false"], "")
        .await;
    let message = said(&pod, "expired at 2023-11-14T22:13:20Z").await;
    assert!(!message.contains(&expired), "{message}");
    let next = pod.renew(&pod.issuer).await;
    pod.kubectl(&["-n", "shop", "wait", "--for=delete", "oac/one", "--timeout=60s"], "")
        .await;
    let seen = pod.double.seen();
    let ended: Vec<_> = seen.iter().filter(|seen| seen.method == "DELETE").collect();
    assert_eq!(ended.len(), 1);
    assert!(ended[0].bearer() == Some(next.as_str()), "another token");
    assert!(
        seen.iter().all(|seen| seen.bearer() != Some(expired.as_str())),
        "it was sent"
    );
}
