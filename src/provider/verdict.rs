//! What an answer's status means, in one place.

use http::HeaderMap;
use http::header::{LOCATION, WWW_AUTHENTICATE};
use secrecy::{ExposeSecret, SecretString};

use crate::api::Reason;
use crate::domain::failure::{Class, Failure};
use crate::domain::named_field;
use crate::domain::outcome::{CallError, Effect, Remark};

use super::about::{About, names_an_unknown_client};
use super::asked::Asked;
use super::error_body::{self, ErrorBody};
use super::exchange::Answer;
use super::limits::BodyError;
use super::transport::unanswered;
use super::wire::Object;
use super::{effect, origin, wait};

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
            BodyError::Packed => "uses a Content-Encoding that the operator does not support; configure the provider or its proxy to send it uncompressed",
            BodyError::Broken => "broke off",
        };
        incomprehensible(answer.status, asked, at, why)
    })
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

/// What a refusal means.
pub(super) fn refused(answer: &Answer, asked: Asked, at: &str, spoken: &[SecretString]) -> CallError {
    let body = answer.body.as_deref();
    let body = body.map(|body| error_body::read(body, spoken)).unwrap_or_default();
    let body = with_challenge(body, &answer.headers, spoken);
    let remark = remark(answer, &body);
    let (status, noun, effect) = (answer.status, asked.noun(), effect::of(answer));
    let about = About::of(status, asked, &body);
    let ErrorBody { code, description } = body;
    let code_told = code.as_deref().map(|code| format!(" with {code}")).unwrap_or_default();
    // What a list of clients is refused for is the administrator's business.
    let words = description.filter(|_| asked != Asked::Listing);
    let quoted = words
        .as_deref()
        .map(|words| format!(" (\"{words}\")"))
        .unwrap_or_default();
    let said = format!("{code_told}{quoted}");
    let (class, reason, text) = match about {
        About::Metadata => {
            let field = field_of(code.as_deref(), words.as_deref());
            let text = format!("{at} rejected the {noun} (status {status}){said}; correct {field}");
            (Class::Invalid, Reason::RegistrationRejected, text)
        }
        About::Policy => {
            let field = field_of(code.as_deref(), words.as_deref());
            let text = format!(
                "a policy of {at} rejected the {noun} (status {status}){said}; change {field}, or have the policy changed there"
            );
            (Class::Denied, Reason::RegistrationRejected, text)
        }
        // The words may be about the credentials, which are not those of the client's owner.
        About::Credentials => {
            let mut text = format!(
                "{at} refused the {noun} (status {status}){code_told}; the provider did not accept the operator's credentials, or they lack a right: check \
                 {} of the provider",
                asked.credentials()
            );
            if code.as_deref() == Some("insufficient_scope") {
                text.push_str(
                    ", and if they are clientCredentials, set clientCredentials.scopes to what the provider demands",
                );
            }
            (Class::Denied, Reason::CredentialsRejected, text)
        }
        About::Offer => {
            let said = if status < 500 { said } else { code_told };
            let text = format!("{at} offers no {noun} at this address (status {status}){said}");
            (Class::Denied, Reason::RegistrationUnsupported, text)
        }
        About::Pace => (
            Class::Transient,
            Reason::RateLimited,
            format!("{at} asks to slow down{code_told}; the operator waits"),
        ),
        About::Moment => {
            let text = format!("{at} cannot serve now (status {status}){code_told}; the operator tries again");
            (Class::Transient, Reason::ProviderUnavailable, text)
        }
        About::Place => (Class::Denied, Reason::InvalidResponse, redirected(answer, asked, at)),
        About::Refusal => (
            Class::Denied,
            Reason::RegistrationRejected,
            format!("{at} refused the {noun} (status {status}){said}"),
        ),
        About::Trouble => (
            Class::Ambiguous,
            Reason::ProviderUnavailable,
            format!("{at} failed at the {noun} (status {status}){code_told}"),
        ),
    };
    let class = match (about, effect) {
        (About::Moment | About::Place, Effect::Unknown) => Class::Ambiguous,
        _ => class,
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

/// What the provider says where it refuses a registration because of the credentials that came with it; `None`: the answer is about
/// something else.
pub(super) fn refusal_of_credentials(answer: &Answer, spoken: &[SecretString]) -> Option<String> {
    let body = answer.body.as_deref();
    let body = body.map(|body| error_body::read(body, spoken)).unwrap_or_default();
    let body = with_challenge(body, &answer.headers, spoken);
    if About::of(answer.status, Asked::Registration, &body) != About::Credentials {
        return None;
    }
    let code = body.code.map(|code| format!(" with {code}")).unwrap_or_default();
    let words = body
        .description
        .map(|words| format!(" (\"{words}\")"))
        .unwrap_or_default();
    Some(format!(
        "the provider refused the token with status {}{code}{words}",
        answer.status
    ))
}

/// A redirect is never followed: it would carry credentials elsewhere, and a registration could take place twice.
fn redirected(answer: &Answer, asked: Asked, at: &str) -> String {
    let to = answer.headers.get(LOCATION).and_then(|to| to.to_str().ok());
    let to = to.and_then(|to| answer.url.join(to).ok());
    let to = to.map_or_else(
        || "an address that it does not name".to_owned(),
        |to| origin::shown(to.as_str()),
    );
    format!(
        "{at} redirects the {} to {to} (status {}), and the operator follows no redirect with credentials: if that is a login page, set {} of the provider; \
         if the endpoint has moved, {}",
        asked.noun(),
        answer.status,
        asked.credentials(),
        asked.remedy()
    )
}

fn remark(answer: &Answer, body: &ErrorBody) -> Option<Remark> {
    let is_json = |body: &Vec<u8>| Object::parse(body).is_some();
    let told = |text: &Option<String>| text.as_deref().is_some_and(|text| text.contains("client_secret"));
    if told(&body.description) || told(&body.code) {
        Some(Remark::ClientSecret)
    } else if matches!(answer.status, 400 | 422) && names_an_unknown_client(body) {
        Some(Remark::UnknownClient)
    } else if body.code.is_none() && !answer.body.as_ref().is_ok_and(Vec::is_empty) {
        let json = answer.body.as_ref().is_ok_and(is_json);
        Some(if json { Remark::Uncoded } else { Remark::Page })
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
            format!(
                "{what} refused the operator (status {status}); if it needs credentials, set spec.discoveryAuth of the provider"
            ),
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

/// The field to correct: by the code, or else by the member that the words name.
fn field_of(code: Option<&str>, words: Option<&str>) -> String {
    let by_code = match code {
        Some("invalid_redirect_uri" | "invalid_claims_redirect_uri") => "spec.redirectURIs",
        Some("invalid_logout_uri") => "spec.postLogoutRedirectURIs",
        Some("invalid_software_statement" | "unapproved_software_statement") => {
            "spec.softwareStatement, or that of the provider if the client sets none"
        }
        _ => {
            let named = words.and_then(named_field::named_in);
            return named.unwrap_or_else(|| "the client metadata in spec".to_owned());
        }
    };
    by_code.to_owned()
}

/// The code of the challenge, where the body states none (RFC 6750 section 3).
fn with_challenge(body: ErrorBody, headers: &HeaderMap, spoken: &[SecretString]) -> ErrorBody {
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
    let repeats = |code: &str| spoken.iter().any(|secret| code.contains(secret.expose_secret()));
    ErrorBody {
        code: code.filter(|code| !repeats(code)).map(str::to_owned),
        ..body
    }
}

#[cfg(test)]
mod tests;
