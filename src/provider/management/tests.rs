use crate::api::ManagementMode;
use crate::domain::outcome::Effect;
use crate::domain::target::{ClientProof, Target};

use super::super::calls::Located;
use super::super::calls::tests::{record, target};
use super::super::double::{Double, bearer, grant, reply, transport};
use super::*;

/// What a record of a client with this URI and the provider object give.
fn call_with(double: &Double, uri: &str, change: impl FnOnce(&mut Target)) -> ManagementCall {
    let mut record = record(&double.origin, ManagementMode::RegistrationAccessToken);
    record.registration_client_uri = Some(uri.to_owned());
    record.registration_access_token = Some("t0ken-of-a-client".into());
    let mut target = target(&double.origin, "");
    target.registration = bearer("initial-access-t0ken");
    change(&mut target);
    ManagementCall::of(&record, Located::stated(&target)).unwrap().unwrap()
}

fn call(double: &Double, uri: &str) -> ManagementCall {
    call_with(double, uri, |_| {})
}

/// The same by a token that the operator buys.
fn bought(double: &Double) -> ManagementCall {
    let mut target = target(&double.origin, "");
    let secret = ClientProof::Basic("s3cret-of-the-operator".into());
    target.management.scheme = grant("operator", secret);
    let record = record(&double.origin, ManagementMode::Credentials);
    ManagementCall::of(&record, Located::stated(&target)).unwrap().unwrap()
}

fn body() -> Map<String, Value> {
    serde_json::json!({"client_id": "a"}).as_object().unwrap().clone()
}

#[tokio::test]
async fn w31_the_uri_is_used_as_it_was_given() {
    let double = Double::saying(200, "", r#"{"client_id":"a"}"#).await;
    for path in [
        "/reg?client_id=a",
        "/reg/a/",
        "//api//reg/a",
        "/reg/a%20b%2Fc?x=%7E&y=+",
        "/reg/~a;v=1",
    ] {
        transport()
            .read(&call(&double, &format!("{}{path}", double.origin)))
            .await
            .unwrap();
        assert_eq!(double.lines().last().unwrap(), &format!("GET {path}"));
    }
}

#[tokio::test]
async fn w34_a_digest_that_a_read_shows_is_no_secret() {
    let double = Double::saying(200, "", r#"{"client_id":"a","client_secret":"{bcrypt}$2a$10$abc"}"#).await;
    let call = call(&double, &double.origin);
    assert!(transport().read(&call).await.unwrap().client_secret.is_none());
    assert!(
        transport()
            .update(&call, &body())
            .await
            .unwrap()
            .client_secret
            .is_some()
    );
}

#[tokio::test]
async fn w49_a_client_is_not_moved_to_an_origin_that_is_not_allowed() {
    let double = Double::new(|text| {
        let body = text.split("\r\n\r\n").nth(1).unwrap();
        let uri = serde_json::from_str::<Value>(body).unwrap()["logo_uri"].clone();
        reply(
            200,
            "",
            &serde_json::json!({"client_id": "a", "registration_client_uri": uri}).to_string(),
        )
    })
    .await;
    let uri = format!("{}/reg/a", double.origin);
    let call = call_with(&double, &uri, |_| {});
    let moved = async |call: &ManagementCall, uri: &str| {
        let mut body = body();
        body.insert("logo_uri".to_owned(), uri.into());
        transport().update(call, &body).await.unwrap().registration_client_uri
    };
    let same = format!("{}/other/a", double.origin);
    assert_eq!(moved(&call, &same).await, Some(same));
    for uri in [
        "http://127.0.0.2:1/a",
        "https://evil.example/a",
        "ftp://x",
        "//evil.example/a",
        "http://u:p@127.0.0.1/a",
    ] {
        assert_eq!(moved(&call, uri).await, None, "{uri}");
    }
    assert_eq!(moved(&call, "/reg/b").await, Some(format!("{}/reg/b", double.origin)));
    let call = call_with(&double, &uri, |target| {
        target.allowed_origins.push("https://api.example".to_owned());
    });
    assert_eq!(
        moved(&call, "https://api.example/a").await.as_deref(),
        Some("https://api.example/a")
    );
}

#[tokio::test]
async fn w49_a_token_is_not_sent_to_another_origin() {
    let (home, elsewhere) = (Double::saying(204, "", "").await, Double::saying(204, "", "").await);
    let error = transport().delete(&call(&home, &elsewhere.origin)).await.unwrap_err();
    assert_eq!(
        (error.effect, error.failure.reason),
        (Effect::NotApplied, Reason::OriginNotAllowed)
    );
    assert!(error.failure.message.contains(&elsewhere.origin), "{}", error.failure);
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn w73_a_deletion_is_proved_by_204_and_by_200_without_a_page() {
    for (status, body, deletion) in [
        (200, "", Deletion::Done),
        (200, "{}", Deletion::Done),
        (204, "", Deletion::Done),
        (200, "<html>Sign in</html>", Deletion::Unclear),
        (202, "{}", Deletion::Unclear),
    ] {
        let double = Double::saying(status, "", body).await;
        let ended = transport().delete(&call(&double, &double.origin)).await;
        assert_eq!(ended.unwrap(), deletion, "{status} {body}");
        assert_eq!(double.lines(), ["DELETE /"]);
    }
}

#[tokio::test]
async fn t55_credentials_follow_no_redirect() {
    let target = Double::saying(200, "", r#"{"client_id":"a"}"#).await;
    for status in [300, 301, 302, 303, 307, 308] {
        let double = Double::saying(status, &format!("location: {}/x\r\n", target.origin), "").await;
        let own = Double::new(|text| {
            if text.starts_with("GET / ") || text.starts_with("PUT / ") {
                reply(302, "location: /elsewhere\r\n", "")
            } else {
                reply(200, "", r#"{"client_id":"a"}"#)
            }
        })
        .await;
        for double in [&double, &own] {
            let call = call(double, &double.origin);
            let read = transport().read(&call).await.unwrap_err();
            let update = transport().update(&call, &body()).await.unwrap_err();
            assert!(read.failure.message.contains("follows no redirect"), "{}", read.failure);
            let proves = matches!(update.status, Some(307 | 308));
            assert_eq!(update.effect == Effect::NotApplied, proves, "{:?}", update.status);
            assert_eq!(double.lines().len(), 2);
        }
    }
    assert!(target.seen().is_empty());
}

#[tokio::test]
async fn w68_an_answer_that_repeats_the_token_is_not_shown() {
    let double = Double::new(|text| {
        let token = text.split("Bearer ").nth(1).unwrap().split("\r\n").next().unwrap();
        reply(302, &format!("location: https://evil.example/{token}\r\n"), "")
    })
    .await;
    let error = transport().delete(&call(&double, &double.origin)).await.unwrap_err();
    assert!(!error.to_string().contains("t0ken"), "{error}");
    assert!(error.to_string().contains("repeats"), "{error}");
}

#[tokio::test]
async fn w68_an_answer_that_repeats_another_credential_is_not_shown_either() {
    let body = r#"{"error":"invalid_client_metadata","error_description":"you came with initial-access-t0ken"}"#;
    let double = Double::saying(400, "", body).await;
    let error = transport()
        .update(&call(&double, &double.origin), &self::body())
        .await
        .unwrap_err();
    assert!(!error.to_string().contains("t0ken"), "{error}");
}

#[tokio::test]
async fn w153_a_403_names_the_setting_only_where_the_credentials_come_from_one() {
    let double = Double::saying(403, "", r#"{"error":"forbidden"}"#).await;
    let told = async |call: ManagementCall| transport().read(&call).await.unwrap_err().failure.message;
    let own = told(call(&double, &double.origin)).await;
    assert!(!own.contains("spec.managementAuth"), "{own}");
    let mut target = target(&double.origin, "");
    target.management = bearer("t0ken-of-an-administrator");
    let record = record(&double.origin, ManagementMode::Credentials);
    let call = ManagementCall::of(&record, Located::stated(&target)).unwrap().unwrap();
    let administered = told(call).await;
    assert!(administered.contains("spec.managementAuth"), "{administered}");
}

#[tokio::test]
async fn w45_a_refused_token_that_was_bought_says_nothing_about_the_client() {
    for status in [401, 403] {
        let double = Double::new(move |text: &str| {
            if text.starts_with("POST /token") {
                return reply(
                    200,
                    "",
                    r#"{"access_token":"b0ught-t0ken","token_type":"Bearer","expires_in":300}"#,
                );
            }
            reply(status, "", "")
        })
        .await;
        let given = call(&double, &format!("{}/reg/a", double.origin));
        let given = transport().delete(&given).await.unwrap_err();
        assert!(crate::domain::refusal::is_gone_or_unauthorised(&given), "{status}");
        let call = bought(&double);
        let transport = transport();
        for error in [
            transport.delete(&call).await.unwrap_err(),
            transport.read(&call).await.unwrap_err(),
            transport.update(&call, &body()).await.unwrap_err(),
        ] {
            assert!(!crate::domain::refusal::is_gone_or_unauthorised(&error), "{status}");
            assert_eq!(error.failure.reason, Reason::CredentialsRejected, "{status}");
        }
    }
}

#[tokio::test]
async fn w68_an_answer_that_repeats_a_bought_token_is_not_shown() {
    let double = Double::new(|text: &str| {
        if text.starts_with("POST /token") {
            return reply(
                200,
                "",
                r#"{"access_token":"b0ught-t0ken","token_type":"Bearer","expires_in":300}"#,
            );
        }
        reply(302, "location: https://evil.example/b0ught-t0ken\r\n", "")
    })
    .await;
    let call = bought(&double);
    let error = transport().delete(&call).await.unwrap_err();
    assert!(error.to_string().contains("repeats"), "{error}");
}
