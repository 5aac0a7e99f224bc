//! What an answer's status means, in one place.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use secrecy::SecretString;

use crate::api::Reason;
use crate::domain::failure::{Class, Failure};
use crate::domain::outcome::{CallError, Effect};

use super::error_body::{self, ErrorBody};
use super::limits::BodyError;
use super::origin;
use super::transport::{Answer, unanswered};

/// Longest wait that a provider may ask for.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A registration.
    Registration,
    /// A read, a change or a deletion of a client.
    Management,
}

impl Asked {
    const fn noun(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::Management => "management call",
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
            BodyError::TooLarge => "is larger than 64 KiB",
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
        effect: Effect::Unknown,
    }
}

fn refused(answer: &Answer, asked: Asked, at: &str, spoken: &[SecretString]) -> CallError {
    let body = answer.body.as_deref().map(error_body::parse).unwrap_or_default();
    let ErrorBody { code, description } = with_challenge(body, &answer.headers).without(spoken);
    let said = code.as_deref().map(|code| format!(" with {code}")).unwrap_or_default();
    let (status, noun) = (answer.status, asked.noun());
    let (class, reason, text) = match status {
        400 | 409 | 413 | 415 | 422 => {
            let quoted = description.map(|text| format!(" (\"{text}\")")).unwrap_or_default();
            let field = field_of(code.as_deref());
            let text = format!("{at} rejected the {noun} (status {status}){said}{quoted}; correct {field}");
            (Class::Invalid, Reason::RegistrationRejected, text)
        }
        401 | 403 => {
            let text = format!(
                "{at} refused the {noun} (status {status}){said}; the credentials or the rights that the provider object gives the operator do not suffice"
            );
            (Class::Denied, Reason::CredentialsRejected, text)
        }
        404 | 405 | 410 | 501 => {
            let text = format!("{at} offers no {noun} at this address (status {status}){said}");
            (Class::Denied, Reason::RegistrationUnsupported, text)
        }
        429 => (
            Class::Transient,
            Reason::RateLimited,
            format!("{at} asks to slow down{said}; the operator waits"),
        ),
        408 | 425 | 503 => {
            let text = format!("{at} cannot serve now (status {status}){said}; the operator tries again");
            (Class::Transient, Reason::ProviderUnavailable, text)
        }
        300..=399 => {
            let to = answer
                .headers
                .get(LOCATION)
                .and_then(|to| to.to_str().ok())
                .map(origin::shown);
            let to = to.unwrap_or_else(|| "nowhere".to_owned());
            let text = format!(
                "{at} redirects the {noun} to {to}, and credentials follow no redirect; state the final address in the provider object"
            );
            (Class::Ambiguous, Reason::InvalidResponse, text)
        }
        400..=499 => (
            Class::Denied,
            Reason::RegistrationRejected,
            format!("{at} refused the {noun} (status {status}){said}"),
        ),
        _ => (
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
    let failure = Failure::new(class, reason, text).after(retry_after(&answer.headers));
    CallError {
        failure,
        status: Some(status),
        code,
        effect,
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
    let failure = Failure::new(class, reason, text).after(retry_after(&answer.headers));
    CallError {
        failure,
        status: Some(status),
        code: None,
        effect: Effect::NotApplied,
    }
}

/// Whether the provider does not offer what it was asked for.
#[must_use]
pub fn is_unsupported(error: &CallError) -> bool {
    matches!(error.status, Some(405 | 501))
}

/// Whether the provider does not know the client or does not accept the token. No provider tells the two apart.
#[must_use]
pub fn is_gone_or_unauthorised(error: &CallError) -> bool {
    let code = error.code.as_deref();
    match error.status {
        Some(401 | 404 | 410) => true,
        Some(400) => matches!(code, Some("access_denied" | "invalid_token" | "invalid_client")),
        Some(403) => code.is_none(),
        _ => false,
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

/// How long the provider asks to wait: seconds or a date (RFC 9110 section 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text)
            .ok()?
            .duration_since(SystemTime::now())
            .unwrap_or_default(),
    };
    Some(wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
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
    fn w21_bodies_without_a_code_are_rejections_all_the_same() {
        for body in ["", "<html>no</html>", r#"{"error":{"message":"no"}}"#, "[1"] {
            assert_eq!(error(400, body).failure.class, Class::Invalid, "{body}");
        }
    }

    #[test]
    fn w22_refused_credentials_show_the_code_and_no_detail() {
        let body = r#"{"error":"insufficient_scope","error_description":"Policy 'Trusted Hosts' rejected"}"#;
        let error = error(403, body);
        assert_eq!(
            (error.failure.class, error.failure.reason),
            (Class::Denied, Reason::CredentialsRejected)
        );
        assert!(error.failure.message.contains("insufficient_scope") && !error.failure.message.contains("Trusted"));
        let challenge = [("www-authenticate", r#"Bearer realm="x", error="invalid_token""#)];
        let error = accepted(answer(401, "", &challenge), Asked::Registration, "https://p", &[]).unwrap_err();
        assert_eq!(error.code.as_deref(), Some("invalid_token"));
    }

    #[test]
    fn w23_waits_that_are_asked_for() {
        let wait = |value| {
            let error = accepted(
                answer(429, "", &[("retry-after", value)]),
                Asked::Registration,
                "https://p",
                &[],
            );
            error.unwrap_err().failure.retry_after
        };
        assert_eq!(wait("120"), Some(Duration::from_mins(2)));
        assert_eq!(wait("99999999999"), Some(LONGEST_WAIT));
        assert_eq!(wait("-1"), None);
        assert_eq!(wait("soon"), None);
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let later = httpdate::fmt_http_date(SystemTime::now() + Duration::from_mins(10));
        assert!(wait(&later).is_some_and(|wait| wait > Duration::from_secs(590) && wait <= Duration::from_mins(10)));
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
            (404, ""),
            (410, ""),
            (403, ""),
            (400, r#"{"error":"invalid_token"}"#),
        ] {
            assert!(is_gone_or_unauthorised(&error(status, body)), "{status}");
        }
        assert!(!is_gone_or_unauthorised(&error(403, r#"{"error":"forbidden"}"#)));
        assert!(!is_gone_or_unauthorised(&error(
            400,
            r#"{"error":"invalid_client_metadata"}"#
        )));
        assert!(is_unsupported(&error(405, "")) && is_unsupported(&error(501, "")) && !is_unsupported(&error(404, "")));
    }

    #[test]
    fn a_redirect_is_told_without_its_query() {
        let to = [("location", "https://elsewhere.example/login?token=s3cret")];
        let error = accepted(answer(302, "", &to), Asked::Management, "https://p", &[]).unwrap_err();
        assert!(error.failure.message.contains("https://elsewhere.example/login"));
        assert!(!error.failure.message.contains("s3cret"));
    }
}
