//! The URI of one client, made from the template of mode `Credentials`.
//!
//! Invariant: such a URI is a guess until a read there has shown the client. Servers exist that answer 204 to the deregistration of
//! any identifier, so a success at a URI that leads nowhere proves nothing.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::api::{Reason, names};

use super::failure::{Class, Failure};
use super::outcome::CallError;
use super::refusal;
use super::registration::Registration;

const REGISTRATION_ENDPOINT: &str = "registration_endpoint";
const CLIENT_ID: &str = "client_id";

/// A piece of a template.
enum Piece<'a> {
    Text(&'a str),
    Member(&'a str),
}

/// The pieces of a template. Braces that hold no name are text.
fn pieces(template: &str) -> Vec<Piece<'_>> {
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    let (mut found, mut rest) = (Vec::new(), template);
    while let Some(begin) = rest.find('{') {
        let after = &rest[begin + 1..];
        let name = after
            .split('}')
            .next()
            .filter(|name| name.len() < after.len() && is_name(name));
        let Some(name) = name else {
            found.push(Piece::Text(&rest[..=begin]));
            rest = after;
            continue;
        };
        found.extend([Piece::Text(&rest[..begin]), Piece::Member(name)]);
        rest = &after[name.len() + 1..];
    }
    found.push(Piece::Text(rest));
    found
}

/// Members of a registration's answer that a template names, beside `client_id`.
fn named(template: &str) -> impl Iterator<Item = &str> {
    pieces(template).into_iter().filter_map(|piece| match piece {
        Piece::Member(name) if name != REGISTRATION_ENDPOINT && name != CLIENT_ID => Some(name),
        Piece::Member(_) | Piece::Text(_) => None,
    })
}

/// Whether a template names `client_id`, so that each client has a URI of its own whatever else it names.
#[must_use]
pub fn names_client_id(template: &str) -> bool {
    let pieces = pieces(template);
    pieces.iter().any(|piece| matches!(piece, Piece::Member(CLIENT_ID)))
}

/// Whether a client's identifier is all that a template needs to know of it.
#[must_use]
pub fn needs_only_client_id(template: &str) -> bool {
    named(template).next().is_none()
}

/// What the answer to a registration says of the members that a template names.
#[must_use]
pub fn members(template: &str, answer: &Map<String, Value>) -> BTreeMap<String, String> {
    let text = |name: &str| match answer.get(name)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    named(template)
        .filter_map(|name| Some((name.to_owned(), text(name)?)))
        .collect()
}

/// The first member that a template names and that is not known.
#[must_use]
pub fn lacking<'a>(template: &'a str, members: &BTreeMap<String, String>) -> Option<&'a str> {
    named(template).find(|name| !members.contains_key(*name))
}

/// URI of a client. Members that are not known stay as they are written.
#[must_use]
pub fn expand(
    template: &str,
    registration_endpoint: &str,
    client_id: &str,
    members: &BTreeMap<String, String>,
) -> String {
    let pieces = pieces(template).into_iter().map(|piece| match piece {
        Piece::Text(text) => text.to_owned(),
        Piece::Member(REGISTRATION_ENDPOINT) => registration_endpoint.to_owned(),
        Piece::Member(CLIENT_ID) => percent_encoded(client_id),
        Piece::Member(name) => members
            .get(name)
            .map_or_else(|| format!("{{{name}}}"), |value| percent_encoded(value)),
    });
    pieces.collect()
}

/// Nothing manages this client, because its URI cannot be made.
#[must_use]
pub fn unmanageable(member: &str, client_id: &str) -> Failure {
    let text = format!(
        "management.uriTemplate of the provider object contains {{{member}}}, and the provider's answer to the registration has no such member with a text or \
         a number, so the operator can neither change nor deregister client {client_id}. Correct management.uriTemplate, then have another client \
         registered in its place with: kubectl annotate --overwrite oauthclient NAME {}={client_id}",
        names::REPLACE
    );
    Failure::new(Class::Denied, Reason::InvalidResponse, text)
}

/// What a read at the URI of a client showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The client.
    Client,
    /// Another client: nothing may be deregistered there.
    Another,
    /// No client.
    Nothing,
}

/// What a read at the URI of a client showed. `None`: the read tells nothing and has to be made again.
#[must_use]
pub fn shown(answer: &Result<Registration, CallError>, client_id: &str) -> Option<Shown> {
    match answer {
        Ok(found) if found.client_id == client_id => Some(Shown::Client),
        Ok(_) => Some(Shown::Another),
        Err(error) => {
            let denies =
                refusal::is_client_refused(error) || refusal::is_nowhere(error) || refusal::is_unsupported(error);
            // What may pass, or is no answer of the provider, says nothing about the URI.
            denies.then_some(Shown::Nothing)
        }
    }
}

/// Percent-encodes everything but unreserved characters (RFC 3986 section 2.3).
fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            use std::fmt::Write as _;
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(template: &str, answer: &Value) -> (String, Option<String>) {
        let members = members(template, answer.as_object().unwrap());
        let lacking = lacking(template, &members).map(str::to_owned);
        (expand(template, "https://p/reg", "a b", &members), lacking)
    }

    #[test]
    fn t204_a_template_takes_any_text_or_number_of_the_answer() {
        let answer = json!({"app_id": 42, "tenant": "a/b", "list": ["x"], "empty": ""});
        let uri = |template: &str| of(template, &answer);
        assert_eq!(
            uri("{registration_endpoint}/{client_id}"),
            ("https://p/reg/a%20b".into(), None)
        );
        assert_eq!(
            uri("https://p/{tenant}/apps/{app_id}"),
            ("https://p/a%2Fb/apps/42".into(), None)
        );
        for lacking in ["list", "empty", "other"] {
            assert_eq!(uri(&format!("https://p/{{{lacking}}}")).1.as_deref(), Some(lacking));
        }
        for text in ["https://p/{", "https://p/{}", "https://p/{a b}", "}{"] {
            assert_eq!(uri(text), (text.to_owned(), None));
        }
        assert!(needs_only_client_id("{registration_endpoint}/{client_id}") && !needs_only_client_id("{app_id}"));
    }

    #[test]
    fn t204_a_value_that_looks_like_a_name_is_no_name() {
        let answer = json!({"app_id": "{client_id}"});
        assert_eq!(of("https://p/{app_id}", &answer).0, "https://p/%7Bclient_id%7D");
    }
}
