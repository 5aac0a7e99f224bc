//! Where credentials and tokens may go, and what is a token.

use super::*;

#[tokio::test]
async fn w49_credentials_and_token_go_only_where_their_owner_allows() {
    let (home, elsewhere) = (granting(300, 0).await, granting(300, 0).await);
    let strange = format!("{}/token", elsewhere.origin);
    let error = ask_at(&transport(), &home, &bought(None), &strange)
        .await
        .err()
        .unwrap();
    assert_eq!(
        (error.failure.reason, error.effect),
        (Reason::OriginNotAllowed, Effect::NotApplied)
    );
    let unasked = bought(Some(&["https://p.example"]));
    let error = ask(&transport(), &home, &unasked).await.err().unwrap();
    assert_eq!(error.failure.reason, Reason::ConsentMissing);
    assert!(home.seen().is_empty() && elsewhere.seen().is_empty());
    let allowed = bought(Some(&[home.origin.as_str()]));
    assert!(ask(&transport(), &home, &allowed).await.is_ok());
}

#[test]
fn only_a_bearer_token_that_a_header_can_hold_is_one() {
    let lifetime = |text: &str| read(text.as_bytes()).map(|(_, lifetime)| lifetime.as_secs());
    let with = |rest: &str| lifetime(&format!(r#"{{"access_token":"t","token_type":"Bearer"{rest}}}"#));
    assert_eq!(with(r#","expires_in":300"#), Some(300));
    assert_eq!(with(r#","expires_in":"300""#), Some(300));
    assert_eq!(with(""), Some(60));
    assert_eq!(with(r#","expires_in":-1"#), Some(60));
    assert_eq!(with(r#","expires_in":1e99"#), Some(60));
    assert_eq!(with(r#","expires_in":9999999"#), Some(86400));
    assert_eq!(lifetime(r#"{"access_token":"t","token_type":"DPoP"}"#), None);
    assert_eq!(lifetime(r#"{"access_token":"t","token_type":7}"#), None);
    assert_eq!(lifetime(r#"{"access_token":"t","token_type":""}"#), None);
    assert_eq!(lifetime(r#"{"access_token":"","token_type":"Bearer"}"#), None);
    assert_eq!(lifetime(r#"{"access_token":"a\nb","token_type":"Bearer"}"#), None);
    assert_eq!(
        lifetime(r#"{"access_token":"t","access_token":"u","token_type":"Bearer"}"#),
        None
    );
}

#[test]
fn w79_a_token_without_a_type_is_a_bearer_token() {
    assert!(read(br#"{"access_token":"t"}"#).is_some() && read(br#"{"access_token":"t","token_type":null}"#).is_some());
}
