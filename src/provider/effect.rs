//! What an answer proves about the effect of its request.

use http::header::LOCATION;
use serde_json::Value;
use url::Url;

use crate::domain::outcome::{Deletion, Effect};

use super::exchange::Answer;
use super::wire::Object;

/// Whether the request of this answer, which is no success, may have been applied. Only what proves that nothing happened
/// counts as not applied.
pub(super) fn of(answer: &Answer) -> Effect {
    let refused = match answer.status {
        // Login pages and moved endpoints. To an address below the endpoint it may as well be the new client's.
        301 | 302 => !leads_below(answer),
        // Servers and proxies answer so when they have waited too long.
        408 | 499 => false,
        // The first two ask for the same request at another address (RFC 9110 sections 15.4.8 and 15.4.9).
        307 | 308 | 400..=499 => true,
        // A proxy says it after forwarding too, with or without `Retry-After`. The code is the provider's own word.
        503 => answer.body.as_deref().is_ok_and(has_oauth_form),
        _ => false,
    };
    if refused { Effect::NotApplied } else { Effect::Unknown }
}

/// What a success proves that answers a deletion: 204, or 200 with no body or a JSON one that is no error.
pub(super) fn of_deletion(answer: &Answer) -> Deletion {
    let proves = match (answer.status, &answer.body) {
        (204, _) => true,
        (200, Ok(body)) => body.is_empty() || is_acceptance(body),
        _ => false,
    };
    if proves { Deletion::Done } else { Deletion::Unclear }
}

fn is_acceptance(body: &[u8]) -> bool {
    let errs = |value: &Value| !matches!(value.get("error"), None | Some(Value::Null | Value::Bool(false)));
    serde_json::from_slice::<Value>(body).is_ok_and(|value| !errs(&value))
}

/// Whether a redirect leads to the address of the request with something added to it, on whatever host: a server behind a proxy
/// may not know its own.
fn leads_below(answer: &Answer) -> bool {
    let Some(to) = answer.headers.get(LOCATION) else {
        return false;
    };
    let Some(to) = to.to_str().ok().and_then(|to| answer.url.join(to).ok()) else {
        // It leads somewhere, and nobody can say where.
        return true;
    };
    let path = |url: &Url| url.path().trim_end_matches('/').to_owned();
    let (from, target) = (path(&answer.url), path(&to));
    match target.strip_prefix(&from) {
        Some("") => to.query().is_some() && to.query() != answer.url.query(),
        Some(rest) => rest.starts_with('/'),
        None => false,
    }
}

/// Whether a body is an error of OAuth's form (RFC 6749 section 5.2): an object whose `error` is a code.
fn has_oauth_form(body: &[u8]) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let code = |code: &str| !code.is_empty() && code.bytes().all(word);
    Object::parse(body).is_some_and(|object| object.get("error").and_then(Value::as_str).is_some_and(code))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::super::limits::BodyError;
    use super::*;

    const ENDPOINT: &str = "https://p.example/oidc/register";

    fn answer(status: u16, body: &str, headers: &[(&'static str, &str)]) -> Answer {
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
        Answer {
            url: Url::parse(ENDPOINT).unwrap(),
            status,
            headers: headers.collect::<HeaderMap>(),
            body: Ok(body.as_bytes().to_vec()),
        }
    }

    fn effect(status: u16, body: &str) -> Effect {
        of(&answer(status, body, &[]))
    }

    #[test]
    fn w71_only_an_answer_that_proves_it_did_nothing() {
        for status in [
            400, 401, 403, 404, 405, 409, 410, 413, 415, 418, 422, 425, 429, 451, 301, 302, 307, 308,
        ] {
            assert_eq!(effect(status, ""), Effect::NotApplied, "{status}");
        }
        for status in [
            300, 303, 304, 408, 499, 500, 501, 502, 503, 504, 520, 599, 200, 201, 202, 101,
        ] {
            assert_eq!(effect(status, ""), Effect::Unknown, "{status}");
        }
    }

    #[test]
    fn w71_a_503_did_nothing_only_in_the_words_of_oauth() {
        for body in [
            r#"{"error":"temporarily_unavailable"}"#,
            r#"{"error":"server_error","error_description":"Later"}"#,
        ] {
            assert_eq!(effect(503, body), Effect::NotApplied, "{body}");
        }
        for body in [
            "",
            "upstream connect error",
            "<html>503 Service Temporarily Unavailable</html>",
            r#"{"message":"no upstream"}"#,
            r#"{"timestamp":1,"status":503,"error":"Service Unavailable","path":"/register"}"#,
            r#"{"error":{"code":"unavailable"}}"#,
            r#"{"error":""}"#,
            r#"{"error":503}"#,
            r#"["error"]"#,
        ] {
            assert_eq!(effect(503, body), Effect::Unknown, "{body}");
        }
        let later = answer(503, "", &[("retry-after", "1")]);
        assert_eq!(of(&later), Effect::Unknown);
        let broken = Answer {
            body: Err(BodyError::Broken),
            ..answer(503, "", &[])
        };
        assert_eq!(of(&broken), Effect::Unknown);
    }

    #[test]
    fn w72_a_redirect_below_the_endpoint_may_be_the_new_client() {
        let to = |status, to: &str| of(&answer(status, "", &[("location", to)]));
        for below in [
            "/oidc/register/abc",
            "https://internal:8443/oidc/register/abc",
            "register/abc",
            "?client_id=abc",
            "/oidc/register/?client_id=abc",
            "/oidc/register//abc",
        ] {
            assert_eq!(to(302, below), Effect::Unknown, "{below}");
            assert_eq!(to(301, below), Effect::Unknown, "{below}");
            assert_eq!(to(307, below), Effect::NotApplied, "{below}");
            assert_eq!(to(303, below), Effect::Unknown, "{below}");
        }
        for elsewhere in [
            "/login",
            "/oidc/register",
            "/oidc/register/",
            "https://p.example/oidc/register",
            "https://new.example/oidc/register/",
            "/oidc/registered/abc",
            "/oidc",
            "/?return=/oidc/register/abc",
        ] {
            assert_eq!(to(302, elsewhere), Effect::NotApplied, "{elsewhere}");
            assert_eq!(to(301, elsewhere), Effect::NotApplied, "{elsewhere}");
            assert_eq!(to(303, elsewhere), Effect::Unknown, "{elsewhere}");
        }
        assert_eq!(to(302, "https://"), Effect::Unknown);
    }

    #[test]
    fn w73_not_every_success_of_a_deletion_proves_it() {
        for (status, body) in [
            (204, ""),
            (200, ""),
            (200, "{}"),
            (200, "null"),
            (200, r#"{"error":null}"#),
        ] {
            assert_eq!(
                of_deletion(&answer(status, body, &[])),
                Deletion::Done,
                "{status} {body}"
            );
        }
        for (status, body) in [
            (202, ""),
            (202, "{}"),
            (200, "<html>Sign in</html>"),
            (200, "OK"),
            (200, r#"{"error":"invalid_token"}"#),
            (201, ""),
            (206, ""),
        ] {
            assert_eq!(
                of_deletion(&answer(status, body, &[])),
                Deletion::Unclear,
                "{status} {body}"
            );
        }
        let broken = Answer {
            body: Err(BodyError::TooLarge),
            ..answer(200, "", &[])
        };
        assert_eq!(of_deletion(&broken), Deletion::Unclear);
    }
}
