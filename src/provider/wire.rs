//! Decoding of client information responses (RFC 7591 section 3.2.1), as providers really send them.

use std::fmt;

use secrecy::SecretString;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};
use url::{ParseError, Url};

use crate::domain::registration::Registration;

/// Instants above this are milliseconds: as seconds they would lie beyond the year 5138.
const MILLISECONDS: i64 = 100_000_000_000;
/// Last second that can be written as text, the day before the end of the year 9999; nothing that is called an instant lies beyond.
const END_OF_TIME: i64 = 253_402_207_200;
/// Longest client identifier, in bytes: it has to fit into a status.
const LONGEST_ID: usize = 4096;

/// Why an answer holds no registration. The text repeats nothing of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// It is not a JSON object, or contains a member twice.
    #[error("is not a JSON object, or contains a member twice")]
    NoObject,
    /// There is no `client_id`, or none that can be used.
    #[error("has no usable client_id")]
    NoClientId,
}

/// A JSON object, refused if a member of it stands twice: nobody could say which of them counts.
pub(super) struct Object(pub Map<String, Value>);

impl Object {
    /// Reads one from bytes.
    pub(super) fn parse(body: &[u8]) -> Option<Map<String, Value>> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        serde_json::from_slice(body).ok().map(|Self(object)| object)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Object, A::Error> {
                let mut object = Map::new();
                while let Some((name, value)) = members.next_entry::<String, Value>()? {
                    if object.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member stands twice"));
                    }
                }
                Ok(Object(object))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// Decodes an answer. Unknown members are kept as metadata; what is null or empty counts as absent.
///
/// # Errors
/// If it is no object or has no `client_id`.
pub fn parse(body: &[u8]) -> Result<Registration, Undecodable> {
    let mut object = Object::parse(body).ok_or(Undecodable::NoObject)?;
    let client_id = text(object.remove("client_id"))
        .filter(|id| id.len() <= LONGEST_ID && !id.chars().any(char::is_control))
        .ok_or(Undecodable::NoClientId)?;
    // A secret or token that no header or environment variable can hold is none: the client is recorded all the same, so that
    // it is not lost.
    let client_secret = text(object.remove("client_secret"))
        .filter(|secret| !secret.chars().any(char::is_control))
        .map(SecretString::from);
    let expires_at = instant(object.remove("client_secret_expires_at")).filter(|at| *at >= 0);
    let token = text(object.remove("registration_access_token"))
        .filter(|token| token.bytes().all(|byte| (b' '..=b'~').contains(&byte)))
        .map(SecretString::from);
    let uri = text(object.remove("registration_client_uri"));
    Ok(Registration {
        client_id,
        client_secret,
        client_secret_expires_at: expires_at,
        client_id_issued_at: instant(object.remove("client_id_issued_at")),
        answered_at: None,
        registration_access_token: token,
        registration_client_uri: uri,
        metadata: object.into_iter().filter(|(_, value)| !is_empty(value)).collect(),
    })
}

/// Resolves a `registration_client_uri` that is a path, against the address that was called (RFC 7592 section 3 asks for a
/// whole URL). Any other is kept as it is, byte by byte.
pub(super) fn resolve_uri(registration: &mut Registration, endpoint: &str) {
    let Some(uri) = &registration.registration_client_uri else {
        return;
    };
    if Url::parse(uri) != Err(ParseError::RelativeUrlWithoutBase) {
        return;
    }
    if let Ok(resolved) = Url::parse(endpoint).and_then(|endpoint| endpoint.join(uri)) {
        registration.registration_client_uri = Some(resolved.into());
    }
}

/// Whether a secret that a read returned is a digest of the real one (Spring Authorization Server does that).
pub(super) fn is_digest(secret: &str) -> bool {
    let prefixed = secret.starts_with('{') && secret.bytes().take(32).any(|byte| byte == b'}');
    prefixed
        || ["$2a$", "$2b$", "$2y$", "$argon2", "pbkdf2"]
            .iter()
            .any(|prefix| secret.starts_with(prefix))
}

/// A text, also where a provider wraps it into a list of one, or sends a number.
fn text(value: Option<Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.is_empty() => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(mut list) if list.len() == 1 => text(list.pop()),
        _ => None,
    }
}

/// Seconds since the epoch, also from text and from milliseconds.
fn instant(value: Option<Value>) -> Option<i64> {
    let number = match value? {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }?;
    let seconds = if number > MILLISECONDS { number / 1000 } else { number };
    (seconds <= END_OF_TIME).then_some(seconds)
}

#[allow(clippy::cast_possible_truncation, reason = "the range is checked")]
fn whole(number: f64) -> Option<i64> {
    (number.abs() < 9e15).then_some(number as i64)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn parsed(text: &str) -> Registration {
        parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn w14_unknown_members_are_kept_and_empty_ones_dropped() {
        let answer = parsed(r#"{"client_id":"a","x":{"y":[1]},"logo_uri":"","contacts":[],"scope":null,"z":{}}"#);
        assert_eq!(answer.metadata.keys().collect::<Vec<_>>(), ["x"]);
    }

    #[test]
    fn w15_expiry_in_every_form_that_was_seen() {
        let expiry = |value: &str| {
            parsed(&format!(
                r#"{{"client_id":"a","client_secret":"s","client_secret_expires_at":{value}}}"#
            ))
            .client_secret_expires_at
        };
        assert_eq!(expiry("0"), Some(0), "never");
        assert_eq!(expiry(r#""0""#), Some(0));
        assert_eq!(expiry("null"), None);
        assert_eq!(expiry("1900000000"), Some(1_900_000_000));
        assert_eq!(expiry("1900000000000"), Some(1_900_000_000));
        assert_eq!(expiry("1.9e9"), Some(1_900_000_000));
        assert_eq!(expiry("100"), Some(100));
        assert_eq!(expiry("\"soon\""), None);
        assert_eq!(expiry("-1"), None);
        assert_eq!(expiry("9223372036854775807"), None);
        assert_eq!(expiry("1e300"), None);
        assert_eq!(expiry("[1900000000]"), None);
    }

    #[test]
    fn w17_a_public_client_has_no_secret() {
        assert!(parsed(r#"{"client_id":"a"}"#).client_secret.is_none());
        assert!(
            parsed(r#"{"client_id":"a","client_secret":""}"#)
                .client_secret
                .is_none()
        );
    }

    #[test]
    fn an_answer_without_a_usable_identifier_is_none() {
        for body in [
            r#"{"client_secret":"s"}"#,
            r#"{"client_id":""}"#,
            r#"{"client_id":null}"#,
            r#"{"client_id":"a\nb"}"#,
        ] {
            assert_eq!(parse(body.as_bytes()).unwrap_err(), Undecodable::NoClientId, "{body}");
        }
        let long = format!(r#"{{"client_id":"{}"}}"#, "a".repeat(LONGEST_ID + 1));
        assert_eq!(parse(long.as_bytes()).unwrap_err(), Undecodable::NoClientId);
    }

    #[test]
    fn w10_what_is_no_plain_object_is_refused_without_a_panic() {
        let deep = "[".repeat(10_000);
        for body in [
            "",
            "null",
            "[]",
            "<html>",
            r#"{"client_id":"a","client_id":"b"}"#,
            "{\"client_id\":\"\u{1}",
            &deep,
        ] {
            assert_eq!(parse(body.as_bytes()).unwrap_err(), Undecodable::NoObject);
        }
        assert_eq!(parse(b"{\"client_id\":\"\xff\"}").unwrap_err(), Undecodable::NoObject);
        assert_eq!(parsed("\u{feff}{\"client_id\":[\"a\"]}").client_id, "a");
    }

    #[test]
    fn t54_secrets_that_nobody_can_use_are_none_and_the_client_is_kept() {
        for secret in [
            r#""a\u0000b""#,
            r#""a\nb""#,
            r#""\u007f""#,
            r#""""#,
            "null",
            "{}",
            r#"["a","b"]"#,
        ] {
            let answer = parsed(&format!(
                r#"{{"client_id":"a","client_secret":{secret},"registration_access_token":"t"}}"#
            ));
            assert!(answer.client_secret.is_none(), "{secret}");
            assert!(answer.registration_access_token.is_some());
        }
        for token in [r#""a\nb""#, r#""tök""#, r#""""#] {
            let answer = parsed(&format!(r#"{{"client_id":"a","registration_access_token":{token}}}"#));
            assert!(answer.registration_access_token.is_none(), "{token}");
        }
        assert!(
            parsed(r#"{"client_id":"a","client_secret":"pässwörd ✓"}"#)
                .client_secret
                .is_some()
        );
    }

    #[test]
    fn t54_numbers_that_are_none_and_texts_that_are_no_unicode_are_refused() {
        for body in [
            r#"{"client_id":"a","x":NaN}"#,
            r#"{"client_id":"a","x":Infinity}"#,
            r#"{"client_id":"a","x":1e}"#,
            r#"{"client_id":"a","x":"\ud800"}"#,
            r#"{"client_id":"a"} {"client_id":"b"}"#,
            r#"{"client_id":"a",}"#,
            r#"{"client_id":"a"#,
        ] {
            assert_eq!(parse(body.as_bytes()).unwrap_err(), Undecodable::NoObject, "{body}");
        }
        let nested = format!(
            r#"{{"client_id":"a","x":{}1{}}}"#,
            "[".repeat(1_000_000),
            "]".repeat(1_000_000)
        );
        assert_eq!(parse(nested.as_bytes()).unwrap_err(), Undecodable::NoObject);
    }

    #[test]
    fn t54_identifiers_up_to_what_a_status_holds_are_accepted() {
        let answer = |length| format!(r#"{{"client_id":"{}"}}"#, "a".repeat(length));
        assert!(parse(answer(LONGEST_ID).as_bytes()).is_ok());
        assert!(parse(answer(64 * 1024).as_bytes()).is_err());
    }

    #[test]
    fn w16_token_and_uri_come_together_or_alone() {
        let token = parsed(r#"{"client_id":"a","registration_access_token":"t"}"#);
        assert!(token.registration_access_token.is_some() && token.registration_client_uri.is_none());
        let uri = parsed(r#"{"client_id":"a","registration_client_uri":"https://p/a?x=%20#f"}"#);
        assert_eq!(uri.registration_client_uri.as_deref(), Some("https://p/a?x=%20#f"));
        assert!(uri.registration_access_token.is_none());
    }

    #[test]
    fn w86_a_management_address_that_is_a_path_is_resolved_and_any_other_is_kept() {
        let resolved = |uri: &str| {
            let mut answer = parsed(&format!(r#"{{"client_id":"a","registration_client_uri":"{uri}"}}"#));
            resolve_uri(&mut answer, "https://p.example/oidc/register");
            answer.registration_client_uri.unwrap()
        };
        for (uri, expected) in [
            ("/oidc/register/a", "https://p.example/oidc/register/a"),
            ("register/a", "https://p.example/oidc/register/a"),
            ("?client_id=a", "https://p.example/oidc/register?client_id=a"),
            ("//other.example/a", "https://other.example/a"),
            (
                "https://p.example//register/./a?x=%20#f",
                "https://p.example//register/./a?x=%20#f",
            ),
            ("HTTPS://P.example", "HTTPS://P.example"),
            ("https://", "https://"),
        ] {
            assert_eq!(resolved(uri), expected);
        }
    }

    #[test]
    fn w34_digests_are_told_from_secrets() {
        assert!(is_digest("{bcrypt}$2a$10$x") && is_digest("$2b$10$x") && is_digest("$argon2id$v=19"));
        assert!(!is_digest("s3cret") && !is_digest("{") && !is_digest("$ecret"));
        assert!(
            !is_digest(&format!("{{{}ü", "x".repeat(30))),
            "a character lies across the cut"
        );
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let answer = parsed(r#"{"client_id":"a","client_secret":"s3cret","registration_access_token":"t0ken"}"#);
        assert_eq!(answer.client_secret.as_ref().unwrap().expose_secret(), "s3cret");
        let shown = format!("{answer:?}");
        assert!(!shown.contains("s3cret") && !shown.contains("t0ken"), "{shown}");
    }
}
