//! What the message of a refusal names.

use super::*;
use crate::domain::outcome::{Fault, Sent};

#[test]
fn w77_the_field_at_fault_is_named_by_the_code_or_by_the_words() {
    let named = |manifest, wire, sent| Fault::Member { manifest, wire, sent };
    let sent = serde_json::json!({"redirect_uris": [], "grant_types": ["password"]});
    let fault = |status, body: &str| {
        let answer = answer(status, body, &[]);
        let refused = accepted_request(answer, Asked::Registration, "https://p", &[], sent.as_object());
        refused.unwrap_err().fault
    };
    for (body, field) in [
        (
            r#"{"error":"invalid_redirect_uri","error_description":"see sector_identifier_uri"}"#,
            named("redirectURIs", "redirect_uris", Sent::Empty),
        ),
        (
            r#"{"error":"invalid_client_metadata","error_description":"Invalid claim: 'grant_types'"}"#,
            named("grantTypes", "grant_types", Sent::Yes),
        ),
        (
            r#"{"redirect_uris":["Enter a valid URL."]}"#,
            named("redirectURIs", "redirect_uris", Sent::Empty),
        ),
        ("jwks_uri must be https", named("jwksURI", "jwks_uri", Sent::No)),
        ("no", Fault::Unnamed),
        (r#"{"error":"unapproved_software_statement"}"#, Fault::SoftwareStatement),
    ] {
        for status in [400, 422] {
            assert_eq!(fault(status, body), Some(field), "{status} {body}");
        }
    }
    let policy = r#"{"error":"forbidden","error_description":"Policy forbids scope"}"#;
    assert_eq!(fault(403, policy), Some(named("scopes", "scope", Sent::No)));
    assert_eq!(fault(403, r#"{"error":"forbidden","error_description":"scope"}"#), None);
    assert_eq!(error(400, "no").fault, None, "no metadata was sent");
}

#[test]
fn w153_a_refusal_of_credentials_names_the_setting_that_they_come_from() {
    let told = |asked| {
        let body = r#"{"error":"insufficient_scope"}"#;
        let refused = accepted(answer(403, body, &[]), asked, "https://p", &[]);
        refused.unwrap_err().failure.message
    };
    assert!(told(Asked::Registration).contains("check spec.registrationAuth"));
    assert!(told(Asked::Management).contains("check spec.managementAuth"));
    let own = told(Asked::OwnManagement);
    assert!(
        !own.contains("managementAuth") && !own.contains("clientCredentials"),
        "{own}"
    );
    assert!(own.contains("registration access token of the client"), "{own}");
    let to = [("location", "/login")];
    let refused = accepted(answer(302, "", &to), Asked::OwnManagement, "https://p", &[]);
    let message = refused.unwrap_err().failure.message;
    assert!(
        !message.contains("managementAuth") && !message.contains("uriTemplate"),
        "{message}"
    );
}

#[test]
fn w153_an_address_where_nothing_is_offered_is_told_with_the_setting_of_the_address() {
    let told = |status, asked| {
        let refused = accepted(answer(status, "", &[]), asked, "https://p", &[]);
        refused.unwrap_err().failure.message
    };
    let templated = told(404, Asked::Management);
    assert_eq!(
        templated,
        "https://p returned 404 for the client's management URL; check spec.management.uriTemplate of the provider"
    );
    for message in [told(405, Asked::Management), told(404, Asked::OwnManagement)] {
        assert!(!message.contains("uriTemplate"), "{message}");
    }
    assert!(told(404, Asked::Registration).contains("check spec.endpoints.registration"));
}
