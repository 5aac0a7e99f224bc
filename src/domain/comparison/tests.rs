#![allow(clippy::needless_pass_by_value, reason = "json! literals read best by value")]

use serde_json::json;

use super::*;

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
