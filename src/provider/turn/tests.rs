use std::time::Duration;

use serde_json::{Map, json};

use super::super::calls::tests::{record, target};
use super::super::calls::{Located, ManagementCall};
use super::super::double::{Double, bearer, reply, transport};
use super::*;
use crate::api::ManagementMode;
use crate::domain::bearer::ListedToken;
use crate::domain::target::{Endpoints, Target};

const UID: &str = "provider";

fn listed(value: &str, origin: Option<&str>) -> ListedToken {
    ListedToken {
        secret: value.to_owned(),
        version: "1".to_owned(),
        value: Ok(value.into()),
        origins: origin.map(|origin| vec![origin.to_owned()]),
        expires_at: None,
        remark: None,
        refusal: None,
    }
}

/// Credentials that are a list of these tokens.
fn list(tokens: &[&str]) -> Credentials {
    Credentials {
        tokens: tokens.iter().map(|token| listed(token, None)).collect(),
        ..bearer(tokens[0])
    }
}

/// A provider that accepts the token `good`, and answers so to each of these.
async fn accepting(answers: &'static [(&str, u16, &str)]) -> Double {
    Double::new(move |text| {
        let known = answers
            .iter()
            .find(|(token, ..)| text.contains(&format!("Bearer {token}\r\n")));
        let (status, body) = match known {
            Some((_, status, body)) => (*status, *body),
            None if text.contains("Bearer good\r\n") => (200, r#"{"client_id":"id"}"#),
            None => (500, ""),
        };
        reply(status, "", body)
    })
    .await
}

async fn register(transport: &Transport, double: &Double, credentials: Credentials) -> Result<(), CallError> {
    let target = Target {
        registration: credentials,
        ..target(&double.origin, "")
    };
    let endpoints = Endpoints {
        issuer: double.origin.clone(),
        registration: format!("{}/reg", double.origin),
        ..Endpoints::default()
    };
    let request = Map::from_iter([("client_name".to_owned(), json!("app"))]);
    transport.register(&target, &endpoints, &request).await.map(|_| ())
}

fn managed(double: &Double, credentials: Credentials) -> ManagementCall {
    let target = Target {
        management: credentials,
        ..target(&double.origin, "")
    };
    let record = record(&double.origin, ManagementMode::Credentials);
    ManagementCall::of(&record, Located::stated(&target)).unwrap().unwrap()
}

/// Tokens in the order in which they came.
fn sent(double: &Double) -> Vec<String> {
    let token = |text: String| text.split("Bearer ").nth(1)?.split("\r\n").next().map(str::to_owned);
    double.seen().into_iter().filter_map(token).collect()
}

fn refused(transport: &Transport, token: &str) -> bool {
    transport.refusals.of(UID, &token.into()).is_some()
}

#[tokio::test]
async fn t284_a_token_that_may_not_be_sent_leaves_the_turn_to_the_next() {
    let double = accepting(&[]).await;
    let unfit = |value: &str, origin: Option<&str>| Credentials {
        tokens: vec![listed(value, origin), listed("good", None)],
        ..bearer(value)
    };
    for (credentials, reason) in [
        (
            unfit("elsewhere", Some("https://other.example")),
            Reason::ConsentMissing,
        ),
        (unfit("l\u{7}ne", None), Reason::CredentialsMissing),
    ] {
        let transport = transport();
        register(&transport, &double, credentials.clone()).await.unwrap();
        // The first error counts where no other token is answered.
        let alone = Credentials {
            tokens: credentials.tokens[..1].to_vec(),
            ..credentials.clone()
        };
        let error = register(&transport, &double, alone).await.unwrap_err();
        assert_eq!((error.failure.reason, error.effect), (reason, Effect::NotApplied));
        transport.delete(&managed(&double, credentials)).await.unwrap();
    }
    assert_eq!(sent(&double), ["good", "good", "good", "good"]);
}

#[tokio::test]
async fn t284_an_answer_counts_more_than_a_token_that_may_not_be_sent() {
    let double = accepting(&[("bad", 401, "")]).await;
    let credentials = Credentials {
        tokens: vec![listed("bad", None), listed("good", Some("https://other.example"))],
        ..bearer("bad")
    };
    let error = register(&transport(), &double, credentials).await.unwrap_err();
    assert_eq!(
        (error.failure.reason, error.status),
        (Reason::CredentialsRejected, Some(401))
    );
}

#[tokio::test]
async fn t284_the_next_token_is_sent_only_while_nearly_all_of_the_time_is_left() {
    let double = Double::new(|text| {
        if text.contains("Bearer good\r\n") {
            return reply(201, "", r#"{"client_id":"id"}"#);
        }
        std::thread::sleep(Duration::from_secs(3));
        reply(401, "", "")
    })
    .await;
    let transport = transport();
    // The deadline is 20 s.
    let error = register(&transport, &double, list(&["slow", "good"]))
        .await
        .unwrap_err();
    assert_eq!((error.status, error.effect), (Some(401), Effect::NotApplied));
    assert_eq!(sent(&double), ["slow"]);
    assert!(
        refused(&transport, "slow"),
        "the next registration begins with the other"
    );

    let error = transport
        .delete(&managed(&double, list(&["idle", "good"])))
        .await
        .unwrap_err();
    assert_eq!(error.status, Some(401));
    assert_eq!(sent(&double), ["slow", "idle"]);
    assert!(refused(&transport, "idle"), "the next call begins with the other");
}

#[tokio::test]
async fn t284_only_a_401_or_a_code_of_a_bearer_token_is_a_refusal_of_the_token() {
    let double = accepting(&[
        ("tok0", 403, "<html>blocked</html>"),
        ("tok1", 403, r#"{"error":"forbidden"}"#),
        ("tok2", 401, "<html></html>"),
        ("tok3", 403, r#"{"error":"insufficient_scope"}"#),
        ("tok4", 400, r#"{"error":"access_denied"}"#),
        (
            "policy",
            403,
            r#"{"error":"access_denied","error_description":"a policy"}"#,
        ),
    ])
    .await;
    for (token, is_refused, next) in [
        ("tok0", false, true),
        ("tok1", false, true),
        ("tok2", true, true),
        ("tok3", true, true),
        ("tok4", true, true),
        ("tok5", false, false),
    ] {
        let transport = transport();
        let answer = register(&transport, &double, list(&[token, "good"])).await;
        assert_eq!(answer.is_ok(), next, "{token}");
        assert_eq!(refused(&transport, token), is_refused, "{token}");
        assert!(!refused(&transport, "good"));
    }
}

#[tokio::test]
async fn t286_a_management_call_is_sent_with_the_next_token_where_one_is_refused() {
    let double = accepting(&[("bad", 401, ""), ("worse", 401, ""), ("weak", 403, "")]).await;
    let transport = transport();
    let request = Map::from_iter([("client_id".to_owned(), json!("id"))]);
    let call = managed(&double, list(&["bad", "good"]));
    transport.read(&call).await.unwrap();
    transport.update(&call, &request).await.unwrap();
    transport.delete(&call).await.unwrap();
    assert_eq!(sent(&double), ["bad", "good", "bad", "good", "bad", "good"]);
    assert!(refused(&transport, "bad") && !refused(&transport, "good"));

    // The client may be unknown, or a right be missing: no token is refused for that.
    let before = transport.refusals.version(UID);
    let error = transport
        .delete(&managed(&double, list(&["worse", "worse"])))
        .await
        .unwrap_err();
    assert_eq!(error.status, Some(401));
    let error = transport
        .delete(&managed(&double, list(&["weak", "good"])))
        .await
        .unwrap_err();
    assert_eq!(error.status, Some(403));
    // An answer of a server that fails compares nothing.
    let error = transport
        .delete(&managed(&double, list(&["worse", "sick"])))
        .await
        .unwrap_err();
    assert_eq!(error.status, Some(500));
    // A registration access token is of no list.
    let error = transport.delete(&managed(&double, bearer("worse"))).await.unwrap_err();
    assert_eq!(error.status, Some(401));
    assert_eq!(transport.refusals.version(UID), before);
}
