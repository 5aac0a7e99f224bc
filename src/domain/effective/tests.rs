#![allow(clippy::needless_pass_by_value, reason = "json! literals read best by value")]

use serde_json::json;

use super::*;
use crate::domain::record::tests::record;

fn answered(request: Value, answer: Value) -> Record {
    let mut record = record();
    record.request = request.as_object().unwrap().clone();
    record.metadata = answer.as_object().unwrap().clone();
    record
}

fn told(member: &str, wanted: Value, answer: Option<Value>) -> Stated {
    compare(member, &wanted, answer.as_ref())
}

#[test]
fn w110_the_same_value_in_another_form_is_no_difference() {
    for (member, wanted, answer) in [
        (
            "redirect_uris",
            json!(["https://a", "https://b"]),
            json!(["https://b", "https://a"]),
        ),
        ("redirect_uris", json!(["https://a"]), json!("https://a")),
        ("token_endpoint_auth_method", json!("none"), json!(["none"])),
        ("scope", json!("openid email"), json!("email  openid")),
        ("scope", json!("openid email"), json!(["email", "openid"])),
        ("response_types", json!(["code id_token"]), json!(["id_token code"])),
        ("require_auth_time", json!(true), json!("true")),
        ("default_max_age", json!(3600), json!("3600")),
        (
            "jwks",
            json!({"keys": [{"kty": "EC", "x": "1", "y": "2"}]}),
            json!({"keys": [{"kty": "EC", "y": "2", "x": "1", "use": "sig", "kid": "a"}]}),
        ),
    ] {
        assert_eq!(told(member, wanted, Some(answer)), Stated::Same, "{member}");
    }
}

#[test]
fn w110_another_value_is_a_difference() {
    for (member, wanted, answer) in [
        ("redirect_uris", json!(["https://a"]), json!(["https://a", "https://b"])),
        ("redirect_uris", json!(["https://a"]), json!(["https://A"])),
        ("scope", json!("openid"), json!("openid admin")),
        ("response_types", json!(["code"]), json!(["code", "none"])),
        ("default_acr_values", json!(["1", "2"]), json!(["2", "1"])),
        (
            "token_endpoint_auth_method",
            json!("none"),
            json!("client_secret_basic"),
        ),
        ("redirect_uris", json!([]), json!(["https://a"])),
        (
            "jwks",
            json!({"keys": [{"kty": "EC", "x": "1", "y": "2"}]}),
            json!({"keys": [{"kty": "EC", "x": "1", "y": "3"}]}),
        ),
    ] {
        assert_eq!(told(member, wanted, Some(answer)), Stated::Other, "{member}");
    }
}

#[test]
fn w110_what_is_not_stated_is_the_default_of_the_specification_or_unknown() {
    for (member, wanted) in [
        ("grant_types", json!(["authorization_code"])),
        ("application_type", json!("web")),
        ("token_endpoint_auth_method", json!("client_secret_basic")),
        ("redirect_uris", json!([])),
        ("require_auth_time", json!(false)),
    ] {
        assert_eq!(told(member, wanted, None), Stated::Same, "{member}");
    }
    for (member, wanted) in [
        ("grant_types", json!(["authorization_code", "refresh_token"])),
        ("application_type", json!("native")),
        ("client_name", json!("web")),
        ("require_auth_time", json!(true)),
    ] {
        assert_eq!(told(member, wanted, None), Stated::Nothing, "{member}");
    }
}

#[test]
fn w110_language_tags_are_compared_without_their_case() {
    let record = answered(json!({"client_name#ja-JP": "a"}), json!({"client_name#ja-jp": "a"}));
    assert_eq!(differences(&record), []);
    let record = answered(json!({"client_name": "a"}), json!({"CLIENT_NAME": "a"}));
    assert_eq!(differences(&record)[0].stated, Stated::Nothing, "only tags");
}

#[test]
fn w110_only_an_answer_that_states_something_tells_anything() {
    assert!(!is_echoed(&answered(json!({"scope": "a"}), json!({"x": 1}))));
    assert!(is_echoed(&answered(
        json!({"scope": "a", "client_name": "b"}),
        json!({"scope": "b"})
    )));
}

#[test]
fn w110_what_is_shown_is_bounded_and_holds_no_credential() {
    let long = "x".repeat(1000);
    let record = answered(
        json!({"client_name": "a", "client_uri": long, "scope": "a b", "tos_uri": "https://t"}),
        json!({"client_name": "it is s3cret", "client_uri": "ä".repeat(300), "scope": "t0ken"}),
    );
    let shown = shown(&record, &differences(&record));
    let of = |member: &str| shown.iter().find(|shown| shown.member == member).unwrap();
    assert_eq!(of("client_name").registered.as_deref(), Some(WITHHELD));
    assert_eq!(of("scope").registered.as_deref(), Some(WITHHELD));
    assert_eq!(of("scope").requested.as_deref(), Some("a b"));
    assert_eq!(of("tos_uri").registered, None);
    let uri = of("client_uri");
    assert_eq!(uri.requested.as_ref().unwrap().chars().count(), 259);
    assert_eq!(uri.registered.as_ref().unwrap().chars().count(), 259);
    let many: Map<String, Value> = (0..40).map(|n| (format!("m{n}"), json!("x"))).collect();
    let record = answered(Value::Object(many), json!({}));
    assert_eq!(super::shown(&record, &differences(&record)).len(), MOST_MEMBERS);
}
