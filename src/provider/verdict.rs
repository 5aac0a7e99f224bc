//! What an answer's status means, in one place.

use http::HeaderMap;
use http::header::{LOCATION, WWW_AUTHENTICATE};
use secrecy::SecretString;

use crate::api::Reason;
use crate::domain::failure::{Class, Failure};
use crate::domain::outcome::{CallError, Effect, Remark};

use super::error_body::{self, ErrorBody};
use super::limits::BodyError;
use super::origin;
use super::transport::{Answer, unanswered};
use super::wait;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A registration.
    Registration,
    /// A read, a change or a deletion of a client.
    Management,
    /// A list of clients.
    Listing,
}

impl Asked {
    const fn noun(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::Management => "management call",
            Self::Listing => "list of clients",
        }
    }
}

/// The body of a successful answer.
///
/// # Errors
/// The answer is no success, or its body could not be read.
pub(super) fn accepted(answer: Answer, asked: Asked, at: &str, spoken: &[SecretString]) -> Result<Vec<u8>, CallError> {
    if !(200..300).contains(&answer.status) {
        return Err(refused(&answer, asked, at, spoken));
    }
    answer.body.map_err(|error| {
        let why = match error {
            BodyError::TooLarge if asked == Asked::Listing => "is larger than 8 MiB",
            BodyError::TooLarge => "is larger than 64 KiB",
            BodyError::Broken => "broke off",
        };
        incomprehensible(answer.status, asked, at, why)
    })
}

/// What the operator makes of an answer, for the crash explorer's model of a provider. `None`: no answer.
#[cfg(test)]
pub(crate) fn made_of(status: Option<u16>, body: &str) -> CallError {
    let Some(status) = status else {
        return unanswered("the provider sent no complete answer".to_owned());
    };
    let answer = Answer {
        status,
        headers: HeaderMap::new(),
        body: Ok(body.as_bytes().to_vec()),
    };
    match accepted(answer, Asked::Management, "the provider", &[]) {
        Err(error) => error,
        Ok(_) => incomprehensible(status, Asked::Management, "the provider", "cannot be decoded"),
    }
}

/// A success whose content cannot be understood: something happened, and nobody knows what.
pub(super) fn incomprehensible(status: u16, asked: Asked, at: &str, why: &str) -> CallError {
    let text = format!("the answer of {at} to the {} (status {status}) {why}", asked.noun());
    CallError {
        failure: Failure::new(Class::Ambiguous, Reason::InvalidResponse, text),
        status: Some(status),
        code: None,
        remark: None,
        effect: Effect::Unknown,
    }
}

fn refused(answer: &Answer, asked: Asked, at: &str, spoken: &[SecretString]) -> CallError {
    let body = answer.body.as_deref().map(error_body::parse).unwrap_or_default();
    let body = with_challenge(body, &answer.headers).without(spoken);
    let remark = remark(answer, &body);
    let about = About::of(answer.status, asked, &body);
    let ErrorBody { code, description } = body;
    let said = code.as_deref().map(|code| format!(" with {code}")).unwrap_or_default();
    let (status, noun) = (answer.status, asked.noun());
    let (class, reason, text) = match about {
        About::Metadata => {
            // What else a 400 says may be anybody's: an owner of a provider object could have any service of the cluster read to
            // him.
            let is_told = matches!(status, 400 | 422) && code.as_deref().is_some_and(speaks_of_metadata);
            let quoted = description
                .filter(|_| is_told)
                .map(|text| format!(" (\"{text}\")"))
                .unwrap_or_default();
            let field = field_of(code.as_deref());
            let text = format!("{at} rejected the {noun} (status {status}){said}{quoted}; correct {field}");
            (Class::Invalid, Reason::RegistrationRejected, text)
        }
        About::Policy => {
            let text = format!(
                "a policy of {at} rejected the {noun} (status {status}){said}; change the client metadata in spec, or have the policy changed there"
            );
            (Class::Denied, Reason::RegistrationRejected, text)
        }
        About::Credentials => {
            let text = format!(
                "{at} refused the {noun} (status {status}){said}; the credentials or the rights that the provider object gives the operator do not suffice"
            );
            (Class::Denied, Reason::CredentialsRejected, text)
        }
        About::Offer => {
            let text = format!("{at} offers no {noun} at this address (status {status}){said}");
            (Class::Denied, Reason::RegistrationUnsupported, text)
        }
        About::Pace => (
            Class::Transient,
            Reason::RateLimited,
            format!("{at} asks to slow down{said}; the operator waits"),
        ),
        About::Moment => {
            let text = format!("{at} cannot serve now (status {status}){said}; the operator tries again");
            (Class::Transient, Reason::ProviderUnavailable, text)
        }
        About::Place => {
            let to = answer.headers.get(LOCATION).and_then(|to| to.to_str().ok());
            let to = to.map_or_else(|| "nowhere".to_owned(), origin::shown);
            let text = format!(
                "{at} redirects the {noun} to {to}, and credentials follow no redirect; state the final address in the provider object"
            );
            (Class::Ambiguous, Reason::InvalidResponse, text)
        }
        About::Refusal => (
            Class::Denied,
            Reason::RegistrationRejected,
            format!("{at} refused the {noun} (status {status}){said}"),
        ),
        About::Trouble => (
            Class::Ambiguous,
            Reason::ProviderUnavailable,
            format!("{at} failed at the {noun} (status {status}){said}"),
        ),
    };
    let effect = if matches!(status, 400..=499 | 503) {
        Effect::NotApplied
    } else {
        Effect::Unknown
    };
    let failure = Failure::new(class, reason, text).after(wait::asked_for(&answer.headers));
    CallError {
        failure,
        status: Some(status),
        code,
        remark,
        effect,
    }
}

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
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
    fn of(status: u16, asked: Asked, body: &ErrorBody) -> Self {
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
            408 | 425 | 503 => Self::Moment,
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

/// Codes of RFC 7591 section 3.2.2 and those that providers put in their place: what is said beside them is about the metadata.
fn speaks_of_metadata(code: &str) -> bool {
    const CODES: [&str; 13] = [
        "invalid_redirect_uri",
        "invalid_client_metadata",
        "invalid_software_statement",
        "unapproved_software_statement",
        "invalid_request",
        "invalid_configuration_request",
        "invalid_configuration_parameter",
        "invalid_client_claims",
        "invalid_claims_redirect_uri",
        "invalid_logout_uri",
        "invalid_scope",
        "registration_not_allowed",
        "backend_failed",
    ];
    CODES.contains(&code)
}

fn remark(answer: &Answer, body: &ErrorBody) -> Option<Remark> {
    let told = |text: &Option<String>| text.as_deref().is_some_and(|text| text.contains("client_secret"));
    let empty = answer.body.as_ref().is_ok_and(Vec::is_empty);
    if told(&body.description) || told(&body.code) {
        Some(Remark::ClientSecret)
    } else if body.code.is_none() && !empty {
        Some(Remark::Page)
    } else {
        None
    }
}

/// What a metadata or `WebFinger` address answered instead of a document.
pub(super) fn undiscovered(answer: &Answer, what: &str) -> CallError {
    let status = answer.status;
    let (class, reason, text) = match status {
        401 | 403 => (
            Class::Denied,
            Reason::CredentialsRejected,
            format!("{what} refuses the operator (status {status}); see spec.discoveryAuth of the provider"),
        ),
        429 => (
            Class::Transient,
            Reason::RateLimited,
            format!("{what} asks to slow down; the operator waits"),
        ),
        408 | 425 | 500..=599 => (
            Class::Transient,
            Reason::ProviderUnavailable,
            format!("{what} cannot serve now (status {status})"),
        ),
        _ => (
            Class::Denied,
            Reason::DiscoveryFailed,
            format!("{what} answers with status {status} and no document"),
        ),
    };
    let failure = Failure::new(class, reason, text).after(wait::asked_for(&answer.headers));
    CallError {
        failure,
        status: Some(status),
        code: None,
        remark: None,
        effect: Effect::NotApplied,
    }
}

/// Whether the provider does not offer what it was asked for.
#[must_use]
pub fn is_unsupported(error: &CallError) -> bool {
    matches!(error.status, Some(405 | 501))
}

/// Whether the provider does not know the client or does not accept the token. No provider tells the two apart. A page is none
/// of a provider: a router that has lost its way answers 404, a firewall 403.
#[must_use]
pub fn is_gone_or_unauthorised(error: &CallError) -> bool {
    let code = error.code.as_deref();
    match error.status {
        Some(401 | 410) => true,
        Some(404) => code.is_some(),
        Some(400) => matches!(code, Some("access_denied" | "invalid_token" | "invalid_client")),
        Some(403) => code.is_none() && error.remark.is_none(),
        _ => false,
    }
}

/// Whether the answer may mean that only this method is not offered: the client has to be looked at before it counts as gone.
#[must_use]
pub fn is_nowhere(error: &CallError) -> bool {
    error.status == Some(404)
}

/// Whether an update may have been refused for the lack of a `client_secret` in it.
#[must_use]
pub fn wants_client_secret(error: &CallError) -> bool {
    matches!(error.status, Some(400 | 403 | 422)) && error.remark == Some(Remark::ClientSecret)
}

/// The same error for a read or a change that is repeated without harm: no answer is no more than a bad moment.
pub(super) fn harmless(error: CallError) -> CallError {
    match error.failure.class {
        Class::Ambiguous => CallError {
            failure: Failure {
                class: Class::Transient,
                ..error.failure
            },
            effect: Effect::NotApplied,
            ..error
        },
        _ => error,
    }
}

/// An answer to a question about documents that never came.
pub(super) fn silent(what: &str) -> CallError {
    harmless(unanswered(format!("{what} sent no complete answer")))
}

fn field_of(code: Option<&str>) -> &'static str {
    match code {
        Some("invalid_redirect_uri" | "invalid_claims_redirect_uri") => "spec.redirectURIs",
        Some("invalid_logout_uri") => "spec.postLogoutRedirectURIs",
        Some("invalid_software_statement" | "unapproved_software_statement") => "spec.softwareStatement",
        _ => "the client metadata in spec",
    }
}

/// The code of the challenge, where the body states none (RFC 6750 section 3).
fn with_challenge(body: ErrorBody, headers: &HeaderMap) -> ErrorBody {
    if body.code.is_some() {
        return body;
    }
    let challenge = headers
        .get(WWW_AUTHENTICATE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let code = challenge
        .split_once("error=\"")
        .and_then(|(_, rest)| rest.split('"').next());
    let code = code.filter(|code| {
        !code.is_empty() && code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    });
    ErrorBody {
        code: code.map(str::to_owned),
        ..body
    }
}

#[cfg(test)]
mod tests;
