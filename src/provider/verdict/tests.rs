use super::super::auth;
use super::*;
use crate::domain::refusal::{
    is_client_refused, is_gone_or_unauthorised, is_nowhere, is_unsupported, wants_client_secret,
};

mod told;

fn answer(status: u16, body: &str, headers: &[(&'static str, &str)]) -> Answer {
    let headers = headers
        .iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
    Answer {
        url: url::Url::parse("https://p/register").unwrap(),
        status,
        headers: headers.collect(),
        body: Ok(body.as_bytes().to_vec()),
    }
}

fn managed(status: u16, body: &str) -> CallError {
    accepted(answer(status, body, &[]), Asked::Management, "https://p", &[]).unwrap_err()
}

fn error(status: u16, body: &str) -> CallError {
    accepted(answer(status, body, &[]), Asked::Registration, "https://p", &[]).unwrap_err()
}

#[test]
fn w20_a_rejection_names_code_description_and_field() {
    let error = error(
        400,
        r#"{"error":"invalid_redirect_uri","error_description":"must be https"}"#,
    );
    assert_eq!(
        (error.failure.class, error.effect),
        (Class::Invalid, Effect::NotApplied)
    );
    assert_eq!(error.code.as_deref(), Some("invalid_redirect_uri"));
    assert!(
        error
            .failure
            .message
            .ends_with("with invalid_redirect_uri (\"must be https\")")
    );
}

#[test]
fn w21_bodies_without_a_code_are_rejections_all_the_same() {
    for (body, words) in [
        ("", ""),
        ("<html>no</html>", ""),
        (r#"{"error":{"message":"no"}}"#, " (\"no\")"),
        (r#"{"error":"Something is no good"}"#, " (\"Something is no good\")"),
        ("[1", ""),
        ("no", " (\"no\")"),
    ] {
        let error = error(400, body);
        assert_eq!(error.failure.class, Class::Invalid, "{body}");
        let message = format!("https://p rejected the registration (status 400){words}");
        assert_eq!(error.failure.message, message);
    }
}

#[test]
fn w78_the_words_of_every_refusal_are_told_and_those_of_trouble_are_not() {
    let said = |status, body: &str| error(status, body).failure.message.contains("why-17");
    for body in [
        r#"{"error":"invalid_client_metadata","error_description":"why-17"}"#,
        r#"{"error":"E42","message":"why-17"}"#,
        r#"{"errors":[{"message":"why-17"}]}"#,
        "why-17",
    ] {
        for status in [400, 404, 405, 409, 410, 413, 415, 418, 422] {
            assert!(said(status, body), "{status} {body}");
        }
        for status in [401, 403, 408, 429, 500, 501, 502, 503, 504] {
            assert!(!said(status, body), "{status} {body}");
        }
    }
    let listed = accepted(answer(400, "why-17", &[]), Asked::Listing, "https://p", &[]).unwrap_err();
    assert!(!listed.failure.message.contains("why-17"));
}

#[test]
fn w78_words_that_repeat_a_credential_are_dropped_whole() {
    let spoken = auth::forms(&"s3cret-t0ken".into());
    let text = |body: &str| {
        let refused = accepted(answer(400, body, &[]), Asked::Registration, "https://p", &spoken);
        refused.unwrap_err().failure.message
    };
    assert!(text(r#"{"message":"bad value x"}"#).contains("bad value x"));
    for body in [
        r#"{"message":"bad value s3cret-t0ken"}"#,
        r#"{"message":"bad value czNjcmV0LXQwa2Vu"}"#,
        r#"{"message":"bad value abcd","client_secret":"abcd"}"#,
        "bad value s3cret-t0ken",
    ] {
        assert!(!text(body).contains("bad value"), "{body}");
    }
}

#[test]
fn w22_refused_credentials_show_the_code_and_no_detail() {
    let body = r#"{"error":"insufficient_scope","error_description":"The token has not the scope 'dcr'"}"#;
    let error = error(403, body);
    assert_eq!(
        (error.failure.class, error.failure.reason),
        (Class::Denied, Reason::CredentialsRejected)
    );
    assert!(error.failure.message.contains("insufficient_scope") && !error.failure.message.contains("dcr"));
    let challenge = [("www-authenticate", r#"Bearer realm="x", error="invalid_token""#)];
    let error = accepted(answer(401, "", &challenge), Asked::Registration, "https://p", &[]).unwrap_err();
    assert_eq!(error.code.as_deref(), Some("invalid_token"));
}

#[test]
fn w22_credentials_that_are_refused_with_400_are_credentials() {
    for code in ["access_denied", "invalid_token"] {
        let body = format!(r#"{{"error":"{code}"}}"#);
        assert_eq!(error(400, &body).failure.reason, Reason::CredentialsRejected, "{code}");
    }
}

/// Keycloak's trusted hosts and allowed scopes are no matter of the token.
#[test]
fn w22_a_policy_about_the_client_is_no_matter_of_credentials() {
    let body = r#"{"error":"insufficient_scope","error_description":"Policy 'Trusted Hosts' rejected request"}"#;
    let error = error(403, body);
    assert_eq!(
        (error.failure.class, error.failure.reason),
        (Class::Denied, Reason::RegistrationRejected)
    );
    let message = &error.failure.message;
    assert!(
        message.contains("a policy of https://p") && message.contains("Trusted"),
        "{message}"
    );
}

#[test]
fn an_address_that_does_not_take_json_offers_no_registration() {
    assert_eq!(error(415, "").failure.reason, Reason::RegistrationUnsupported);
    assert_eq!(
        error(410, r#"{"error":"gone"}"#).failure.reason,
        Reason::RegistrationUnsupported
    );
}

#[test]
fn w71_what_may_have_been_applied_is_no_verdict_about_the_request() {
    for status in [300, 303, 408, 499, 500, 502, 503, 504, 599] {
        let error = error(status, "");
        assert_eq!(
            (error.effect, error.failure.class),
            (Effect::Unknown, Class::Ambiguous),
            "{status}"
        );
        let read = harmless(error);
        assert_eq!(
            (read.effect, read.failure.class),
            (Effect::NotApplied, Class::Transient),
            "{status}"
        );
    }
    let own = error(503, r#"{"error":"temporarily_unavailable"}"#);
    assert_eq!((own.effect, own.failure.class), (Effect::NotApplied, Class::Transient));
}

#[test]
fn w72_a_redirect_that_registered_nothing_says_what_to_correct() {
    for status in [301, 302, 307, 308] {
        let to = [("location", "/login?session=s3cret")];
        let error = accepted(answer(status, "", &to), Asked::Registration, "https://p", &[]).unwrap_err();
        assert_eq!((error.effect, error.failure.class), (Effect::NotApplied, Class::Denied));
        let message = error.failure.message;
        for part in [
            "https://p/login",
            "spec.registrationAuth",
            "spec.endpoints.registration",
        ] {
            assert!(message.contains(part), "{message}");
        }
        assert!(!message.contains("s3cret"), "{message}");
    }
    let to = [("location", "/register/abc")];
    let error = accepted(answer(302, "", &to), Asked::Registration, "https://p", &[]).unwrap_err();
    assert_eq!((error.effect, error.failure.class), (Effect::Unknown, Class::Ambiguous));
}

#[test]
fn w51_gone_and_unauthorised_look_alike() {
    for (status, body) in [
        (401, ""),
        (401, r#"{"error":"unauthorized_client"}"#),
        (404, r#"{"error":"invalid_client"}"#),
        (410, ""),
        (403, ""),
        (400, r#"{"error":"invalid_token"}"#),
        (400, r#"{"error":"access_denied","error_description":"denied"}"#),
    ] {
        assert!(is_gone_or_unauthorised(&managed(status, body)), "{status} {body}");
    }
    for (status, body) in [
        (403, r#"{"error":"forbidden"}"#),
        (400, r#"{"error":"invalid_client_metadata"}"#),
        (500, r#"{"error":"invalid_token"}"#),
    ] {
        assert!(!is_gone_or_unauthorised(&managed(status, body)), "{status} {body}");
    }
}

#[test]
fn w52_what_stands_before_a_provider_does_not_speak_of_its_clients() {
    for (status, body) in [
        (404, "default backend - 404"),
        (404, ""),
        (404, "<html>Not Found</html>"),
        (403, "RBAC: access denied"),
        (403, r#"{"message":"Forbidden"}"#),
        (403, "<html>Request blocked</html>"),
    ] {
        assert!(!is_gone_or_unauthorised(&managed(status, body)), "{status} {body}");
    }
    assert!(is_nowhere(&managed(404, "")) && !is_nowhere(&managed(401, "")));
}

/// WSO2, Zitadel, Keycloak and others say it so.
#[test]
fn w87_every_way_to_refuse_a_management_call_is_known() {
    for (status, body) in [
        (401, ""),
        (403, ""),
        (403, r#"{"message":"Forbidden"}"#),
        (410, ""),
        (404, ""),
        (404, r#"{"message":"Client not found"}"#),
        (404, r#"{"error":"invalid_client"}"#),
        (400, r#"{"error":"invalid_token"}"#),
        (
            400,
            r#"{"error":"invalid_request","error_description":"Client not found"}"#,
        ),
        (400, r#"{"message":"No such client"}"#),
        (422, r#"{"message":"Unknown client"}"#),
    ] {
        assert!(is_client_refused(&managed(status, body)), "{status} {body}");
    }
    for (status, body) in [
        (404, "<html>Not Found</html>"),
        (404, "404 page not found"),
        (403, "RBAC: access denied"),
        (
            400,
            r#"{"error":"invalid_client_metadata","error_description":"Unknown client_name"}"#,
        ),
        (
            400,
            r#"{"error":"invalid_request","error_description":"redirect_uris are missing"}"#,
        ),
        (422, r#"{"message":"unknown scope"}"#),
        (422, r#"{"errors":{"client_uri":["unknown field"]}}"#),
        (
            400,
            r#"{"error":"invalid_request","error_description":"Invalid client metadata: the logo does not exist"}"#,
        ),
        (
            400,
            r#"{"error":"invalid_request","error_description":"Unknown property client_name"}"#,
        ),
        (409, r#"{"message":"Unknown client"}"#),
        (500, r#"{"message":"Unknown client"}"#),
    ] {
        assert!(!is_client_refused(&managed(status, body)), "{status} {body}");
    }
}

#[test]
fn w87_a_blank_404_says_nothing_about_a_client_that_is_to_be_deleted() {
    use crate::domain::refusal::is_client_named;
    assert!(!is_client_named(&managed(404, "")));
    for (status, body) in [
        (404, r#"{"message":"Client not found"}"#),
        (422, r#"{"message":"Unknown client"}"#),
        (
            400,
            r#"{"error":"invalid_request","error_description":"Client not found"}"#,
        ),
        (401, ""),
    ] {
        assert!(is_client_named(&managed(status, body)), "{status} {body}");
    }
}

#[test]
fn w87_a_403_about_a_registration_access_token_is_told_from_one_about_rights() {
    let about = r#"{"error":"forbidden","error_description":"Non matching registration_access_token"}"#;
    assert_eq!(managed(403, about).remark, Some(Remark::Token));
    let rights = r#"{"error":"insufficient_scope","error_description":"The access token lacks a scope"}"#;
    assert_eq!(managed(403, rights).remark, None);
}

#[test]
fn t273_a_refusal_that_says_that_the_client_exists_is_known() {
    for text in [
        "An application with the same name already exists",
        "Application with the name X already exist in the system",
        "Service Provider with name: x already registered",
        "client_name must be unique",
    ] {
        let body = serde_json::json!({"error": "invalid_client_metadata", "error_description": text}).to_string();
        assert_eq!(managed(400, &body).remark, Some(Remark::Exists), "{text}");
    }
    assert_eq!(
        managed(400, r#"{"error":"invalid_redirect_uri","error_description":"no"}"#).remark,
        None
    );
}

#[test]
fn w53_methods_that_are_not_offered_are_told_from_refusals() {
    assert!(is_unsupported(&managed(405, "")) && is_unsupported(&managed(501, "")));
    for status in [400, 401, 403, 404, 410, 415, 500] {
        assert!(!is_unsupported(&managed(status, "")), "{status}");
    }
}

#[test]
fn w40_a_provider_that_misses_the_secret_is_understood() {
    let text = r#"{"error":"invalid_request","error_description":"client_secret is required"}"#;
    assert!(wants_client_secret(&managed(400, text)) && wants_client_secret(&managed(403, text)));
    assert!(!wants_client_secret(&managed(401, text)));
    assert!(!wants_client_secret(&managed(400, r#"{"error":"invalid_request"}"#)));
    for words in [
        "token_endpoint_auth_method client_secret_post is not supported",
        "client_secret_expires_at is read-only",
        "previous_client_secret",
    ] {
        let text = serde_json::json!({"error": "invalid_client_metadata", "error_description": words}).to_string();
        assert!(!wants_client_secret(&managed(400, &text)), "{words}");
    }
    let quoted = r#"{"error":"invalid_request","error_description":"Missing 'client_secret'."}"#;
    assert!(wants_client_secret(&managed(400, quoted)));
}

#[test]
fn a_redirect_is_told_without_its_query() {
    let to = [("location", "https://elsewhere.example/login?token=s3cret")];
    let error = accepted(answer(302, "", &to), Asked::Management, "https://p", &[]).unwrap_err();
    assert!(error.failure.message.contains("elsewhere.example/login"));
    assert!(!error.failure.message.contains("s3cret"));
}
