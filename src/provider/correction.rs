//! What to correct after a refusal: the field of the manifest, and the setting of the provider object that helps if the provider does
//! not take a member at all.

use serde_json::{Map, Value, json};

use crate::domain::named_field;

/// Members that say what a client is: there is no use in leaving one out.
const ESSENTIAL: [&str; 5] = ["redirect_uris", "grant_types", "jwks", "jwks_uri", "software_statement"];
/// Members of which the operator sends a default.
const DEFAULTED: [&str; 4] = [
    "application_type",
    "client_name",
    "response_types",
    "token_endpoint_auth_method",
];

/// What to do, by the code of a refusal, or else by the member that its words name. `sent`: the refused request, where it is known.
pub(super) fn of(code: Option<&str>, words: Option<&str>, sent: Option<&Map<String, Value>>) -> String {
    let (manifest, wire) = match code {
        Some("invalid_redirect_uri" | "invalid_claims_redirect_uri") => ("redirectURIs", "redirect_uris"),
        Some("invalid_logout_uri") => ("postLogoutRedirectURIs", "post_logout_redirect_uris"),
        Some("invalid_software_statement" | "unapproved_software_statement") => {
            return "correct spec.softwareStatement, or that of the provider if the client sets none".to_owned();
        }
        _ => match words.and_then(named_field::member_in) {
            Some(named) => named,
            None => return "correct the client metadata in spec".to_owned(),
        },
    };
    match sent.map(|sent| sent.get(wire)) {
        Some(None) => format!("set spec.{manifest}"),
        Some(Some(value)) if *value == json!([]) => format!(
            "the manifest does not set it and the operator sent an empty list: set spec.{manifest}, or add {wire} to spec.omitDefaults of the provider if it \
             accepts no empty list"
        ),
        Some(Some(_)) if DEFAULTED.contains(&wire) => format!(
            "correct spec.{manifest}; if the provider does not accept this member at all, leave it unset and add {wire} to spec.omitDefaults of the provider"
        ),
        Some(Some(_)) if !ESSENTIAL.contains(&wire) => format!(
            "correct spec.{manifest}; if the provider does not accept this member at all, add {wire} to spec.omitMembers of the provider"
        ),
        Some(Some(_)) | None => format!("correct spec.{manifest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(words: &str, sent: &Value) -> String {
        of(None, Some(words), sent.as_object())
    }

    #[test]
    fn t272_a_refused_member_is_told_with_its_field_and_the_setting_that_helps() {
        let sent = json!({
            "redirect_uris": [], "response_types": [], "scope": "openid", "token_endpoint_auth_method": "none",
            "grant_types": ["password"], "contacts": ["a@b"],
        });
        for (words, field, setting) in [
            (
                "redirect_uris is a required field",
                "set spec.redirectURIs",
                "add redirect_uris to spec.omitDefaults",
            ),
            (
                "response_types must not be empty",
                "set spec.responseTypes",
                "add response_types to spec.omitDefaults",
            ),
            (
                "unknown property scope",
                "correct spec.scopes",
                "add scope to spec.omitMembers",
            ),
            (
                "Unrecognized field \"contacts\"",
                "correct spec.contacts",
                "add contacts to spec.omitMembers",
            ),
            (
                "Unrecognized field \"token_endpoint_auth_method\" (class X)",
                "correct spec.tokenEndpointAuthMethod",
                "add token_endpoint_auth_method to spec.omitDefaults",
            ),
        ] {
            let told = told(words, &sent);
            assert!(told.contains(field) && told.contains(setting), "{told}");
        }
        assert_eq!(told("grant_types is wrong", &sent), "correct spec.grantTypes");
        assert_eq!(told("logo_uri is mandatory", &sent), "set spec.logoURI");
        assert_eq!(told("no", &sent), "correct the client metadata in spec");
        assert_eq!(
            of(Some("invalid_redirect_uri"), None, None),
            "correct spec.redirectURIs"
        );
        let machine = of(Some("invalid_redirect_uri"), None, sent.as_object());
        assert!(machine.contains("omitDefaults"), "{machine}");
    }
}
