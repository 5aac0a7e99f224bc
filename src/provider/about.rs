//! What a refusal is about.

use crate::domain::named_field;

use super::asked::Asked;
use super::error_body::ErrorBody;

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// The client metadata.
    Metadata,
    /// A policy of the provider that this client does not meet.
    Policy,
    /// The operator's credentials.
    Credentials,
    /// The address: nothing of the kind is offered there.
    Offer,
    /// The pace of the calls.
    Pace,
    /// The moment.
    Moment,
    /// The address: another one is the right one.
    Place,
    /// Anything else that will not pass by itself.
    Refusal,
    /// The provider itself.
    Trouble,
}

impl About {
    pub(super) fn of(status: u16, asked: Asked, body: &ErrorBody) -> Self {
        let code = body.code.as_deref();
        match status {
            // Authlib and Gluu say so where others answer 401.
            400 if asked == Asked::Registration && matches!(code, Some("access_denied" | "invalid_token")) => {
                Self::Credentials
            }
            // Keycloak's policies (trusted hosts, client scopes) look like missing rights.
            403 if matches!(code, Some("insufficient_scope" | "access_denied" | "forbidden"))
                && names_a_policy(body) =>
            {
                Self::Policy
            }
            400 | 409 | 413 | 422 => Self::Metadata,
            401 | 403 => Self::Credentials,
            404 | 405 | 410 | 415 | 501 => Self::Offer,
            429 => Self::Pace,
            408 | 425 | 499 | 503 => Self::Moment,
            300..=399 => Self::Place,
            400..=499 => Self::Refusal,
            _ => Self::Trouble,
        }
    }
}

fn names_a_policy(body: &ErrorBody) -> bool {
    let text = body.description.as_deref().unwrap_or_default().to_ascii_lowercase();
    ["policy", "policies", "metadata"]
        .iter()
        .any(|word| text.contains(word))
}

/// Whether a refusal says that the provider does not know the client.
pub(super) fn names_an_unknown_client(body: &ErrorBody) -> bool {
    const UNKNOWN: [&str; 9] = [
        "not found",
        "unknown",
        "no such",
        "not exist",
        "not registered",
        "no client",
        "invalid client",
        "not find",
        "not be found",
    ];
    let text = body.description.as_deref().unwrap_or_default().to_ascii_lowercase();
    // Words about a member of the manifest do not say that the client is unknown, although many names of members begin with "client".
    let about_metadata = named_field::member_in(&text).is_some() || text.contains("client metadata");
    text.contains("client") && !about_metadata && UNKNOWN.iter().any(|words| text.contains(words))
}

/// Whether a refusal speaks of `client_secret`: an authentication method that begins so is something else.
pub(super) fn names_the_client_secret(body: &ErrorBody) -> bool {
    let words = [&body.description, &body.code].into_iter().flatten();
    words
        .flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
        .any(|word| word == "client_secret")
}

/// Whether a refusal says that there is such a client already, by its name for example.
pub(super) fn names_a_client_that_exists(body: &ErrorBody) -> bool {
    const TAKEN: [&str; 8] = [
        "exist",
        "registered",
        "in use",
        "taken",
        "used",
        "defined",
        "present",
        "have",
    ];
    let text = body.description.as_deref().unwrap_or_default().to_ascii_lowercase();
    let already = text.contains("already") && TAKEN.iter().any(|word| text.contains(word));
    already || text.contains("duplicate") || text.contains("must be unique") || text.contains("not unique")
}

/// Whether a refusal speaks of the token that manages one client.
pub(super) fn names_a_registration_token(body: &ErrorBody) -> bool {
    let text = body.description.as_deref().unwrap_or_default().to_ascii_lowercase();
    text.replace(['_', '-'], " ").contains("registration access token")
}
