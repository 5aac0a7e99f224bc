//! What to do about a refusal of client metadata: the field of the manifest, and the setting of the provider object that helps if the
//! provider does not take a member at all.

use crate::api::{Clearing, OAuthClientSpec};

use super::clearing::Cleared;
use super::failure::Class;
use super::metadata;
use super::named_field;
use super::outcome::{CallError, Fault, Remark, Sent};
use super::target::Knobs;

/// Members that say what a client is: there is no use in leaving one out.
const ESSENTIAL: [&str; 5] = ["redirect_uris", "grant_types", "jwks", "jwks_uri", "software_statement"];
/// Members of which the operator sends a default.
const DEFAULTED: [&str; 4] = [
    "application_type",
    "client_name",
    "response_types",
    "token_endpoint_auth_method",
];
/// The member by which most providers tell clients apart.
const NAME: &str = "client_name";

/// What a refusal is about, by its code, or else by the member that its words name. `sent`: how a member stood in the request.
#[must_use]
pub(crate) fn fault(code: Option<&str>, words: Option<&str>, sent: impl Fn(&str) -> Sent) -> Fault {
    let (manifest, wire) = match code {
        Some("invalid_redirect_uri" | "invalid_claims_redirect_uri") => ("redirectURIs", "redirect_uris"),
        Some("invalid_logout_uri") => ("postLogoutRedirectURIs", "post_logout_redirect_uris"),
        Some("invalid_software_statement" | "unapproved_software_statement") => return Fault::SoftwareStatement,
        _ => match words.and_then(named_field::member_in) {
            Some(named) => named,
            None => return Fault::Unnamed,
        },
    };
    Fault::Member {
        manifest,
        wire,
        sent: sent(wire),
    }
}

/// The error with what to do about it, if it is a refusal of the metadata that this manifest asks for.
#[must_use]
pub fn advised(mut error: CallError, spec: &OAuthClientSpec, knobs: &Knobs) -> CallError {
    let Some(fault) = error.fault else { return error };
    let exists = error.remark == Some(Remark::Exists) && !knobs.omit_members.iter().any(|omitted| omitted == NAME);
    let advice = match fault {
        Fault::SoftwareStatement => {
            "correct spec.softwareStatement, or that of the provider if the client sets none".to_owned()
        }
        Fault::Unnamed | Fault::Member { wire: NAME, .. } if exists => "set another spec.clientName".to_owned(),
        Fault::Unnamed => "correct the client metadata in spec".to_owned(),
        // A policy is about the value, not about the member.
        Fault::Member { manifest, .. } if error.failure.class == Class::Denied => format!("correct spec.{manifest}"),
        Fault::Member { manifest, wire, sent } => {
            let is_own = metadata::of_manifest(spec).contains_key(wire);
            member(manifest, wire, sent, is_own, knobs)
        }
    };
    let policy = match error.failure.class {
        Class::Denied => ", or have the policy changed there",
        _ => "",
    };
    error.failure.message = format!("{}; {advice}{policy}", error.failure.message);
    error
}

/// The error with what to do about it, if it refuses what an update sent to clear a member.
#[must_use]
pub(crate) fn of_clearing(error: &CallError, cleared: &Cleared) -> Option<CallError> {
    let way = cleared.sending.filter(|way| *way != Clearing::Omit)?;
    let Some(Fault::Member { manifest, wire, .. }) = error.fault else {
        return None;
    };
    cleared.clears.get(wire)?;
    let mut error = error.clone();
    error.failure.message = format!(
        "{}; spec.{manifest} is no longer set, and the operator cleared {wire} as spec.clearing of the provider says ({way:?}): set that to another value, or \
         set spec.{manifest}",
        error.failure.message
    );
    Some(error)
}

/// `is_own`: the manifest sets the member. Settings replace the lists of the profile, so each list is told whole.
fn member(manifest: &str, wire: &str, sent: Sent, is_own: bool, knobs: &Knobs) -> String {
    let omitted = |names: &[String]| names.iter().any(|name| name == wire);
    let setting = |name: &str, names: &[String]| format!("set spec.{name} of the provider to {}", list(names, wire));
    let defaults = || setting("omitDefaults", &knobs.omit_defaults);
    let remedy = match sent {
        Sent::No if omitted(&knobs.omit_members) => {
            let rest: Vec<_> = knobs
                .omit_members
                .iter()
                .filter(|name| *name != wire)
                .cloned()
                .collect();
            let own = if is_own || DEFAULTED.contains(&wire) {
                String::new()
            } else {
                format!(" and set spec.{manifest}")
            };
            return format!(
                "the operator does not send {wire} to this provider; if the provider requires it, set spec.omitMembers of the provider to [{}]{own}",
                rest.join(", ")
            );
        }
        Sent::No => return format!("set spec.{manifest}"),
        Sent::Empty if !is_own => {
            return format!(
                "the manifest does not set it and the operator sent an empty list: set spec.{manifest}, or if the provider accepts no empty list, {}",
                defaults()
            );
        }
        Sent::Empty | Sent::Yes if ESSENTIAL.contains(&wire) => return format!("correct spec.{manifest}"),
        Sent::Empty | Sent::Yes if !DEFAULTED.contains(&wire) => setting("omitMembers", &knobs.omit_members),
        Sent::Empty | Sent::Yes if !is_own => defaults(),
        Sent::Empty | Sent::Yes if omitted(&knobs.omit_defaults) => format!("remove spec.{manifest}"),
        Sent::Empty | Sent::Yes => format!("remove spec.{manifest} and {}", defaults()),
    };
    format!("correct spec.{manifest}; if the provider does not accept this member at all, {remedy}")
}

/// Names with one more, as a list in YAML.
fn list(names: &[String], more: &str) -> String {
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    if !names.contains(&more) {
        names.push(more);
    }
    format!("[{}]", names.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::{Profile, Reason};
    use crate::domain::failure::Failure;
    use crate::domain::outcome::Effect;
    use crate::domain::profile::knobs;

    fn refused(words: &str, sent: Sent) -> CallError {
        CallError {
            failure: Failure::new(Class::Invalid, Reason::RegistrationRejected, "refused"),
            status: Some(400),
            code: None,
            remark: None,
            fault: Some(fault(None, Some(words), |_| sent)),
            effect: Effect::NotApplied,
        }
    }

    fn spec(manifest: &Value) -> OAuthClientSpec {
        let mut whole = json!({"providerRef": {"name": "p"}});
        whole
            .as_object_mut()
            .unwrap()
            .extend(manifest.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    fn told(words: &str, sent: Sent, manifest: &Value, knobs: &Knobs) -> String {
        let message = advised(refused(words, sent), &spec(manifest), knobs).failure.message;
        message.strip_prefix("refused; ").unwrap().to_owned()
    }

    #[test]
    fn t272_a_refused_member_is_told_with_its_field_and_the_setting_that_helps() {
        let plain = knobs(Profile::Rfc7592);
        let none = json!({});
        for (words, sent, field, setting) in [
            (
                "redirect_uris is a required field",
                Sent::Empty,
                "set spec.redirectURIs",
                "set spec.omitDefaults of the provider to [redirect_uris]",
            ),
            (
                "response_types must not be empty",
                Sent::Empty,
                "set spec.responseTypes",
                "set spec.omitDefaults of the provider to [response_types]",
            ),
            (
                "unknown property scope",
                Sent::Yes,
                "correct spec.scopes",
                "set spec.omitMembers of the provider to [scope]",
            ),
            (
                "Unrecognized field \"token_endpoint_auth_method\" (class X)",
                Sent::Yes,
                "correct spec.tokenEndpointAuthMethod",
                "set spec.omitDefaults of the provider to [token_endpoint_auth_method]",
            ),
        ] {
            let told = told(words, sent, &none, &plain);
            assert!(told.contains(field) && told.contains(setting), "{told}");
        }
        let told = |words: &str, sent| told(words, sent, &none, &plain);
        assert_eq!(told("grant_types is wrong", Sent::Yes), "correct spec.grantTypes");
        assert_eq!(told("logo_uri is mandatory", Sent::No), "set spec.logoURI");
        assert_eq!(told("no", Sent::No), "correct the client metadata in spec");
        assert!(matches!(
            fault(Some("invalid_redirect_uri"), Some("see logo_uri"), |_| Sent::Yes),
            Fault::Member {
                wire: "redirect_uris",
                ..
            }
        ));
    }

    #[test]
    fn t288_the_advice_keeps_the_lists_of_the_profile_and_knows_what_the_manifest_sets() {
        let (wso2, thunder) = (knobs(Profile::Wso2), knobs(Profile::Thunder));
        let none = json!({});
        let scope = told("scope is unknown", Sent::Yes, &none, &wso2);
        assert!(
            scope.ends_with("set spec.omitMembers of the provider to [response_types, application_type, scope]"),
            "{scope}"
        );
        let redirects = told("redirect_uris must not be empty", Sent::Empty, &none, &wso2);
        assert!(
            redirects.ends_with("set spec.omitDefaults of the provider to [token_endpoint_auth_method, redirect_uris]"),
            "{redirects}"
        );
        let method = json!({"tokenEndpointAuthMethod": "none"});
        let method = told("token_endpoint_auth_method?", Sent::Yes, &method, &wso2);
        assert!(method.ends_with("remove spec.tokenEndpointAuthMethod"), "{method}");
        // The manifest itself sets an empty list.
        let plain = knobs(Profile::Rfc7592);
        for (words, manifest, advice) in [
            (
                "redirect_uris is empty",
                json!({"redirectURIs": []}),
                "correct spec.redirectURIs",
            ),
            (
                "response_types is empty",
                json!({"responseTypes": []}),
                "correct spec.responseTypes; if the provider does not accept this member at all, remove spec.responseTypes and set spec.omitDefaults of the \
                 provider to [response_types]",
            ),
        ] {
            assert_eq!(told(words, Sent::Empty, &manifest, &plain), advice);
        }
        // A name would not be sent, whatever the manifest says.
        let name = told("client_name is required", Sent::No, &none, &thunder);
        assert!(name.ends_with("set spec.omitMembers of the provider to []"), "{name}");
        assert!(!name.contains("set spec.clientName"), "{name}");
    }

    #[test]
    fn t289_a_client_that_exists_does_not_blame_the_manifest() {
        let told = |words: &str, knobs: &Knobs| {
            let error = CallError {
                remark: Some(Remark::Exists),
                ..refused(words, Sent::Yes)
            };
            advised(error, &spec(&json!({})), knobs).failure.message
        };
        let plain = knobs(Profile::Rfc7592);
        for words in ["such a client exists already", "client_name must be unique"] {
            assert_eq!(told(words, &plain), "refused; set another spec.clientName");
        }
        assert!(told("duplicate redirect_uris", &plain).contains("correct spec.redirectURIs"));
        assert!(!told("exists already", &knobs(Profile::Thunder)).contains("clientName"));
    }

    #[test]
    fn w115_a_refused_way_of_clearing_is_told_with_its_setting() {
        let cleared = |sending| Cleared {
            sending: Some(sending),
            clears: json!({"client_uri": "https://a"}).as_object().unwrap().clone(),
            ..Cleared::default()
        };
        let told = |words: &str, sending| of_clearing(&refused(words, Sent::Yes), &cleared(sending));
        let message = told("client_uri must not be null", Clearing::Null)
            .unwrap()
            .failure
            .message;
        for part in ["spec.clientURI", "spec.clearing of the provider", "(Null)"] {
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(told("client_uri is required", Clearing::Omit), None);
        assert_eq!(told("scope is unknown", Clearing::Null), None);
    }

    #[test]
    fn t288_only_a_refusal_of_metadata_is_advised_and_one_by_a_policy_names_the_policy() {
        let plain = knobs(Profile::Rfc7592);
        let other = CallError {
            fault: None,
            ..refused("scope", Sent::Yes)
        };
        assert_eq!(advised(other.clone(), &spec(&json!({})), &plain), other);
        let mut policy = refused("scope is forbidden", Sent::Yes);
        policy.failure.class = Class::Denied;
        let message = advised(policy, &spec(&json!({})), &plain).failure.message;
        assert_eq!(
            message,
            "refused; correct spec.scopes, or have the policy changed there"
        );
    }
}
