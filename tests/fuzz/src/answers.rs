//! Whole answers of providers: what is made of their status, their headers and their words.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use oauth_client_operator::api::{OAuthClientSpec, Profile};
use oauth_client_operator::domain::bearer;
use oauth_client_operator::domain::correction::advised;
use oauth_client_operator::domain::outcome::{Deletion, Effect};
use oauth_client_operator::domain::probe::{ProbeKind, Probed};
use oauth_client_operator::domain::profile::knobs;
use oauth_client_operator::provider::testing::{self, Told};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

const DAY: Duration = Duration::from_hours(24);
/// Longest message of an error: a condition has room for many times as much.
const LONGEST: usize = 4096;

/// Headers, a line each, and what follows an empty line.
fn split(data: &[u8]) -> (HeaderMap, &[u8]) {
    let (mut headers, mut rest) = (HeaderMap::new(), data);
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        if line.is_empty() {
            break;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let value = line[colon + 1..].trim_ascii();
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    (headers, rest)
}

/// What was asked for, a status and the secret that was sent in a first line, then headers and body.
pub(crate) fn refusal(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let Ok(first) = std::str::from_utf8(&data[..end]) else {
        return;
    };
    let mut words = first.splitn(3, ' ');
    let mut word = || words.next().unwrap_or_default();
    let (asked, status, secret) = (word().parse().unwrap_or(0), word().parse().unwrap_or(400), word());
    let (headers, body) = split(data.get(end + 1..).unwrap_or_default());
    let secret = SecretString::from(secret);
    let told = Told {
        asked,
        status,
        headers: &headers,
        body,
        secret: &secret,
    };
    if told.deletion() == Some(Deletion::Done) {
        assert!(matches!(status, 200 | 204));
    }
    let words = told.refusal_of_token();
    assert!(words.is_none_or(|words| is_discreet(&words, &secret, "") && words.len() <= LONGEST));
    let request = json!({"redirect_uris": [], "client_name": "app"});
    let Some(error) = told.error(request.as_object().unwrap()) else {
        assert!((200..300).contains(&status));
        return;
    };
    if matches!(status, 0..=299 | 500 | 502 | 504..) {
        assert_eq!(error.effect, Effect::Unknown, "{status}");
    }
    assert!(error.failure.retry_after.is_none_or(|wait| wait <= DAY));
    let silent = Told {
        headers: &HeaderMap::new(),
        body: b"",
        ..told
    };
    let silent = silent.error(request.as_object().unwrap()).unwrap().failure.message;
    let spec: OAuthClientSpec = serde_json::from_value(json!({"providerRef": {"name": "p"}})).unwrap();
    let message = &error.failure.message;
    assert!(is_discreet(message, &secret, &silent), "{message}");
    for profile in [Profile::Rfc7592, Profile::Wso2] {
        let message = advised(error.clone(), &spec, &knobs(profile)).failure.message;
        assert!(
            message.len() <= LONGEST && !message.chars().any(char::is_control),
            "{message}"
        );
    }
}

/// Whether a text repeats no secret that is one, in any case of its letters, as it is or percent-encoded. The operator's own words do not count.
fn is_discreet(text: &str, secret: &SecretString, own: &str) -> bool {
    let secret = secret.expose_secret();
    let is_secret = secret.len() >= 8 && !secret.contains(char::is_whitespace) && secret.is_ascii();
    let has = |text: &str| text.contains(secret);
    if !is_secret || has(own) || has(REPLACED) {
        return true;
    }
    !has(text) && !has(&decoded(text))
}

/// What is said in place of words that repeat a secret.
const REPLACED: &str =
    "the provider's answer repeats the operator's credentials and is not shown; replace them if others can read it";

fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut found = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let byte = part.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok());
        let (byte, rest) = byte.map_or((b'%', part), |byte| (byte, &part[2..]));
        found.push(char::from(byte));
        found.push_str(rest);
    }
    found
}

/// Times in headers: of waits, of the answer, of a document's life.
pub(crate) fn headers(data: &[u8]) {
    let (headers, _) = split(data);
    let (wait, written, life) = testing::times(&headers);
    assert!(wait.is_none_or(|wait| wait <= DAY));
    assert!(written.is_none_or(|at| at >= 0));
    assert!(life >= Duration::from_hours(1) && life <= DAY);
}

/// The answer of a token endpoint, the same bytes as a token of a Secret, and as the answer to a probe.
pub(crate) fn token(data: &[u8]) {
    if let Some((token, lifetime)) = testing::bought(data) {
        let text = token.expose_secret();
        assert!(!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()));
        assert!(lifetime <= DAY);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let token = SecretString::from(text);
        let own = bearer::expires_at(&token, None);
        assert!(own.is_none_or(|at| at > 0));
        assert_eq!(bearer::expires_at(&token, Some(0)), Some(0), "whichever is earlier");
    }
    for status in [200, 400, 401, 403, 429, 500, 503] {
        for kind in [ProbeKind::Revocation, ProbeKind::Introspection, ProbeKind::Token] {
            let allowed: &[u16] = match testing::probed(kind, status, data) {
                Probed::Accepted(ProbeKind::Token) => &[400, 401],
                Probed::Accepted(_) => &[200],
                Probed::Rejected(_) => &[400, 401, 403],
                Probed::NoAnswer => &[429, 503],
                Probed::AcceptsAnybody(_) => &[],
                Probed::Unclear => continue,
            };
            assert!(allowed.contains(&status), "{kind:?} {status}");
        }
    }
}
