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

fn plain() -> OAuthClientSpec {
    serde_json::from_value(json!({"providerRef": {"name": "p"}})).unwrap()
}

#[test]
fn w110_language_tags_are_compared_without_their_case() {
    let record = answered(json!({"client_name#ja-JP": "a"}), json!({"client_name#ja-jp": "a"}));
    assert_eq!(differences(&record, &plain()), []);
    let record = answered(json!({"client_name": "a"}), json!({"CLIENT_NAME": "a"}));
    assert_eq!(differences(&record, &plain())[0].stated, Stated::Nothing, "only tags");
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
fn w116_a_method_that_serves_as_well_is_no_substitution() {
    let spec =
        serde_json::from_value(json!({"providerRef": {"name": "p"}, "tokenEndpointAuthMethod": "client_secret_post"}));
    let spec: OAuthClientSpec = spec.unwrap();
    let method = |name: &str| {
        let members = json!({"token_endpoint_auth_method": name});
        members.as_object().unwrap().clone()
    };
    let substituted = |stated: &str| super::substituted(&spec, &method("client_secret_post"), &method(stated));
    assert!(
        substituted("client_secret_basic").is_empty(),
        "Keycloak states it for both"
    );
    assert_eq!(substituted("private_key_jwt"), ["token_endpoint_auth_method"]);
}

#[test]
fn w110_what_is_shown_is_bounded_and_holds_no_credential() {
    let long = "x".repeat(1000);
    let record = answered(
        json!({"client_name": "a", "client_uri": long, "scope": "a b", "tos_uri": "https://t"}),
        json!({"client_name": "it is s3cret", "client_uri": "ä".repeat(300), "scope": "t0ken"}),
    );
    let shown = shown(&record, &[], &differences(&record, &plain()));
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
    assert_eq!(
        super::shown(&record, &[], &differences(&record, &plain())).len(),
        MOST_MEMBERS
    );
}

#[test]
fn w114_a_member_that_is_never_sent_again_is_left_where_the_manifest_does_not_set_it() {
    let left = |spec: Value, cleared: Value, registered: Value| {
        let mut record = answered(
            json!({"client_name": "a.b", "contacts": ["a@b"]}),
            json!({"client_name": "a.b", "contacts": registered}),
        );
        record.cleared.left = cleared.as_object().unwrap().clone();
        let mut whole = json!({"providerRef": {"name": "p"}});
        whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let spec = serde_json::from_value(whole).unwrap();
        super::left(&record, &spec)
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (unset, none) = (|| json!({}), || json!({}));
    assert_eq!(left(unset(), none(), json!(["a@b"])), ["contacts"]);
    assert_eq!(left(unset(), none(), json!(["other"])), [""; 0], "the provider's own");
    assert_eq!(left(json!({"contacts": ["a@b"]}), none(), json!(["a@b"])), [""; 0]);
    let cleared = || json!({"logo_uri": "l"});
    assert_eq!(left(unset(), cleared(), json!([])), ["logo_uri"]);
    assert_eq!(left(json!({"logoURI": "l"}), cleared(), json!([])), [""; 0]);
}
