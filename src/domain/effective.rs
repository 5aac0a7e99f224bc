//! What a provider made of a request: where its answer differs, member by member.
//!
//! Servers write the same value in different ways: lists in another order, a string for a list of one, nothing where the value is the
//! default of the specification. That is no difference.

use std::collections::BTreeSet;

use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use crate::api::EffectiveMember;

use super::record::Record;

/// Most members that are shown.
pub const MOST_MEMBERS: usize = 16;
/// Most characters of a value that are shown.
const MOST_CHARACTERS: usize = 256;
/// Shown in place of a value that repeats a credential.
const WITHHELD: &str = "(withheld: the value contains a credential of the client)";

/// Values that a server registers where a request does not name them (RFC 7591 section 2, OpenID Connect Registration section 2).
const DEFAULTS: [(&str, &str); 5] = [
    ("application_type", "web"),
    ("grant_types", "authorization_code"),
    ("id_token_signed_response_alg", "RS256"),
    ("response_types", "code"),
    ("token_endpoint_auth_method", "client_secret_basic"),
];

/// Members of a key that say which key it is (RFC 7638 section 3.2).
const KEY_MEMBERS: [&str; 7] = ["kty", "crv", "x", "y", "n", "e", "k"];

/// What an answer says of one requested member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stated {
    /// The same value.
    Same,
    /// Another value.
    Other,
    /// Nothing.
    Nothing,
}

/// A requested member whose value the answer does not confirm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Name on the wire.
    pub member: String,
    /// What the answer says.
    pub stated: Stated,
}

/// Whether the answer confirms any member that was asked for. One that confirms none tells nothing.
#[must_use]
pub fn is_echoed(record: &Record) -> bool {
    record
        .request
        .keys()
        .any(|name| stated(&record.metadata, name).is_some())
}

/// The requested members whose values the provider's last answer does not confirm.
#[must_use]
pub fn differences(record: &Record) -> Vec<Difference> {
    let members = record.request.iter().map(|(name, wanted)| Difference {
        member: name.clone(),
        stated: compare(name, wanted, stated(&record.metadata, name)),
    });
    members.filter(|member| member.stated != Stated::Same).collect()
}

/// The same for the status: bounded, and without credentials.
#[must_use]
pub fn shown(record: &Record, differences: &[Difference]) -> Vec<EffectiveMember> {
    let shown = differences
        .iter()
        .take(MOST_MEMBERS)
        .map(|Difference { member, .. }| EffectiveMember {
            member: cut(member),
            requested: record.request.get(member).map(|value| cut(&text(value))),
            registered: stated(&record.metadata, member).map(|value| discreet(record, &text(value))),
        });
    shown.collect()
}

/// What an answer says of a member. The case of a language tag does not matter (RFC 7591 section 2.2).
fn stated<'a>(answer: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    answer.get(name).or_else(|| {
        let mut members = answer.iter().filter(|_| name.contains('#'));
        members
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    })
}

fn compare(name: &str, wanted: &Value, answer: Option<&Value>) -> Stated {
    let Some(answer) = answer else {
        return if is_default(name, wanted) {
            Stated::Same
        } else {
            Stated::Nothing
        };
    };
    let same = match name {
        "scope" => words(wanted) == words(answer),
        "response_types" => types(wanted) == types(answer),
        "default_acr_values" => items(wanted) == items(answer),
        "jwks" => keys(wanted) == keys(answer),
        _ => set(wanted) == set(answer),
    };
    if same { Stated::Same } else { Stated::Other }
}

/// Whether a server that does not state the member has this value of it.
fn is_default(name: &str, value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) if text.is_empty() => true,
        Value::Array(list) if list.is_empty() => true,
        Value::Object(members) if members.is_empty() => true,
        value => DEFAULTS
            .iter()
            .any(|(of, default)| *of == name && items(value) == [*default]),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// The items of a list; anything else is a list of one.
fn items(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list.iter().map(text).collect(),
        value => vec![text(value)],
    }
}

fn set(value: &Value) -> BTreeSet<String> {
    items(value).into_iter().collect()
}

fn words(value: &Value) -> BTreeSet<String> {
    let items = items(value);
    items
        .iter()
        .flat_map(|item| item.split_whitespace())
        .map(str::to_owned)
        .collect()
}

/// Response types: the order of the words of one does not matter either.
fn types(value: &Value) -> BTreeSet<BTreeSet<String>> {
    let items = items(value);
    let of = |item: &String| item.split_whitespace().map(str::to_owned).collect();
    items.iter().map(of).collect()
}

fn keys(value: &Value) -> BTreeSet<Vec<String>> {
    let keys = value.get("keys").and_then(Value::as_array);
    let of = |key: &Value| {
        KEY_MEMBERS
            .map(|member| key.get(member).map(text).unwrap_or_default())
            .to_vec()
    };
    keys.into_iter().flatten().map(of).collect()
}

fn discreet(record: &Record, text: &str) -> String {
    let credentials = [&record.client_secret, &record.registration_access_token];
    let mut credentials = credentials.into_iter().flatten().map(ExposeSecret::expose_secret);
    if credentials.any(|credential| text.contains(credential)) {
        return WITHHELD.to_owned();
    }
    cut(text)
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
