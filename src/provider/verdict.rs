//! What an answer's status means, in one place.

use http::HeaderMap;
use http::header::{LOCATION, WWW_AUTHENTICATE};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use crate::api::Reason;
use crate::domain::correction;
use crate::domain::failure::{Class, Failure};
use crate::domain::outcome::{CallError, Effect, Remark, Sent};

use super::about::{
    About, names_a_client_that_exists, names_a_registration_token, names_an_unknown_client, names_the_client_secret,
};
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
    accepted_request(answer, asked, at, spoken, None)
}

/// The same for the metadata that was sent: a refusal then says what in it is at fault.
pub(super) fn accepted_request(
    answer: Answer,
    asked: Asked,
    at: &str,
    spoken: &[SecretString],
    sent: Option<&Map<String, Value>>,
) -> Result<Vec<u8>, CallError> {
    if !(200..300).contains(&answer.status) {
        return Err(refused_request(&answer, asked, at, spoken, sent));
    }
    answer.body.map_err(|error| {
        let why = match error {
            BodyError::TooLarge if asked == Asked::Listing => "is larger than 8 MiB",
            BodyError::TooLarge => "is larger than 64 KiB",
            BodyError::Packed => "uses a Content-Encoding that the operator does not support; configure the provider or its proxy to send it uncompressed",
            BodyError::Broken => "ended early",
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
        fault: None,
        effect: Effect::Unknown,
    }
}

/// What a refusal means.
pub(super) fn refused(answer: &Answer, asked: Asked, at: &str, spoken: &[SecretString]) -> CallError {
    refused_request(answer, asked, at, spoken, None)
}

fn refused_request(
    answer: &Answer,
    asked: Asked,
    at: &str,
    spoken: &[SecretString],
    sent: Option<&Map<String, Value>>,
) -> CallError {
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
    let fault = sent
        .filter(|_| matches!(about, About::Metadata | About::Policy))
        .map(|sent| {
            let how = |wire: &str| match sent.get(wire) {
                None => Sent::No,
                Some(Value::Array(items)) if items.is_empty() => Sent::Empty,
                Some(_) => Sent::Yes,
            };
            correction::fault(code.as_deref(), words.as_deref(), how)
        });
    let (class, reason, text) = match about {
        About::Metadata => {
            let text = format!("{at} rejected the {noun} (status {status}){said}");
            (Class::Invalid, Reason::RegistrationRejected, text)
        }
        About::Policy => {
            let text = format!("a policy of {at} rejected the {noun} (status {status}){said}");
            (Class::Denied, Reason::RegistrationRejected, text)
        }
        // The words may be about the credentials, which are not those of the client's owner.
        About::Credentials => {
            let remedy = match asked.credentials() {
                Some(setting) => format!(
                    "the provider did not accept the operator's credentials, or they lack a right: check {setting} of the provider"
                ),
                None => "the provider did not accept the registration access token of the client, or the token lacks a right: ask the provider's administrator"
                    .to_owned(),
            };
            let mut text = format!("{at} refused the {noun} (status {status}){code_told}; {remedy}");
            if code.as_deref() == Some("insufficient_scope") && asked.credentials().is_some() {
                text.push_str(
                    ", and if they are clientCredentials, set clientCredentials.scopes to what the provider demands",
                );
            }
            (Class::Denied, Reason::CredentialsRejected, text)
        }
        About::Offer => {
            let said = if status < 500 { said } else { code_told };
            let text = format!(
                "{at} returned {status} for the {}{said}{}",
                asked.address(),
                asked.check(status)
            );
            (Class::Denied, Reason::RegistrationUnsupported, text)
        }
        About::Pace => (
            Class::Transient,
            Reason::RateLimited,
            format!("{at} returned 429{code_told}; the operator retries later"),
        ),
        About::Moment => {
            let text = format!("{at} is unavailable (status {status}){code_told}; the operator retries");
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
            format!("{at} returned {status} for the {noun}{code_told}"),
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
        fault,
        effect,
    }
}

/// What proves that a refusal is one of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// The answer itself.
    OfToken,
    /// That another token is not refused in the same way: providers answer 401 for a client that they do not know, too.
    ByComparison,
    /// Nothing: a firewall may have answered.
    None,
}

/// What the provider says where it refuses a request because of the token that came with it; `None`: the answer is about something
/// else.
pub(super) fn refusal_of_token(answer: &Answer, asked: Asked, spoken: &[SecretString]) -> Option<(String, Proof)> {
    let body = answer.body.as_deref();
    let body = body.map(|body| error_body::read(body, spoken)).unwrap_or_default();
    let body = with_challenge(body, &answer.headers, spoken);
    let is_coded = matches!(
        body.code.as_deref(),
        Some("invalid_token" | "insufficient_scope" | "access_denied")
    );
    let proof = match asked {
        Asked::Registration if About::of(answer.status, asked, &body) != About::Credentials => return None,
        Asked::Registration if answer.status == 401 || is_coded => Proof::OfToken,
        Asked::Registration => Proof::None,
        Asked::Management | Asked::Listing if answer.status == 401 => Proof::ByComparison,
        // A registration access token is one of no list.
        Asked::Management | Asked::OwnManagement | Asked::Listing => return None,
    };
    let code = body.code.map(|code| format!(" with {code}")).unwrap_or_default();
    let words = body
        .description
        .map(|words| format!(" (\"{words}\")"))
        .unwrap_or_default();
    let text = format!(
        "the provider refused the token with status {}{code}{words}",
        answer.status
    );
    Some((text, proof))
}

/// A redirect is never followed: it would carry credentials elsewhere, and a registration could take place twice.
fn redirected(answer: &Answer, asked: Asked, at: &str) -> String {
    let to = answer.headers.get(LOCATION).and_then(|to| to.to_str().ok());
    let to = to.and_then(|to| answer.url.join(to).ok());
    let to = to.map_or_else(
        || "an address that it does not name".to_owned(),
        |to| origin::shown(to.as_str()),
    );
    let login = match asked.credentials() {
        Some(setting) => format!("if that is a login page, set {setting} of the provider; "),
        None => String::new(),
    };
    format!(
        "{at} redirects the {} to {to} (status {}), and the operator follows no redirect with credentials: {login}if the endpoint has moved, {}",
        asked.noun(),
        answer.status,
        asked.remedy()
    )
}

fn remark(answer: &Answer, body: &ErrorBody) -> Option<Remark> {
    let is_json = |body: &Vec<u8>| Object::parse(body).is_some();
    if names_the_client_secret(body) {
        Some(Remark::ClientSecret)
    } else if matches!(answer.status, 400 | 422) && names_an_unknown_client(body) {
        Some(Remark::UnknownClient)
    } else if matches!(answer.status, 400 | 409 | 422) && names_a_client_that_exists(body) {
        Some(Remark::Exists)
    } else if answer.status == 403 && body.code.is_some() && names_a_registration_token(body) {
        Some(Remark::Token)
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
            format!("{what} returned 429; the operator retries later"),
        ),
        408 | 425 | 500..=599 => (
            Class::Transient,
            Reason::ProviderUnavailable,
            format!("{what} is unavailable (status {status}); the operator retries"),
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
        fault: None,
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
