use super::*;

fn answer(status: u16, body: &str, headers: &[(&'static str, &str)]) -> Answer {
    let headers = headers
        .iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
    Answer {
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
            .contains("invalid_redirect_uri (\"must be https\"); correct spec.redirectURIs")
    );
}

#[test]
fn w21_bodies_without_a_code_are_rejections_all_the_same_and_are_not_repeated() {
    for body in [
        "",
        "<html>no</html>",
        r#"{"error":{"message":"no"}}"#,
        r#"{"error":"Something is no good"}"#,
        "[1",
        "no",
    ] {
        let error = error(400, body);
        assert_eq!(error.failure.class, Class::Invalid, "{body}");
        assert!(!error.failure.message.contains("no"), "{}", error.failure.message);
    }
}

/// Whoever may create a provider object could have any service of the cluster read to him.
#[test]
fn w21_only_what_is_said_beside_a_code_about_metadata_is_repeated() {
    let said = |status, code| {
        let body = format!(r#"{{"error":"{code}","error_description":"internal-7"}}"#);
        error(status, &body).failure.message.contains("internal-7")
    };
    for code in ["invalid_client_metadata", "backend_failed", "invalid_request"] {
        assert!(said(400, code) && said(422, code), "{code}");
        assert!(!said(409, code) && !said(401, code) && !said(500, code), "{code}");
    }
    assert!(!said(400, "not_found") && !said(400, "E42"));
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
        message.contains("a policy of https://p") && !message.contains("Trusted"),
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
fn every_4xx_and_503_did_nothing_and_everything_else_is_unknown() {
    for status in [400, 401, 403, 404, 405, 408, 409, 410, 418, 425, 429, 451, 503] {
        assert_eq!(error(status, "").effect, Effect::NotApplied, "{status}");
    }
    for status in [301, 302, 307, 500, 501, 502, 504, 599] {
        assert_eq!(error(status, "").effect, Effect::Unknown, "{status}");
    }
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
        (403, "<html>Request blocked</html>"),
    ] {
        assert!(!is_gone_or_unauthorised(&managed(status, body)), "{status} {body}");
    }
    assert!(is_nowhere(&managed(404, "")) && !is_nowhere(&managed(401, "")));
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
}

#[test]
fn a_redirect_is_told_without_its_query() {
    let to = [("location", "https://elsewhere.example/login?token=s3cret")];
    let error = accepted(answer(302, "", &to), Asked::Management, "https://p", &[]).unwrap_err();
    assert!(error.failure.message.contains("https://elsewhere.example/login"));
    assert!(!error.failure.message.contains("s3cret"));
}
