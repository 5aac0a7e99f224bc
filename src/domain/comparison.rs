//! Whether an answer says the same as a request, member by member.
//!
//! Servers write the same value in different ways: lists in another order, a string for a list of one, nothing where the value is the
//! default of the specification. That is no difference.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

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
pub(crate) enum Stated {
    /// The same value.
    Same,
    /// Another value.
    Other,
    /// Nothing.
    Nothing,
}

/// Whether an answer still has this value of a member. The default of the specification is no value of anybody's.
#[must_use]
pub(crate) fn stays(answer: &Map<String, Value>, name: &str, value: &Value) -> bool {
    let stated = stated(answer, name);
    stated.is_some() && !is_default(name, value) && compare(name, value, stated) == Stated::Same
}

/// The value that the specification gives a member which a request does not name, in the form of a request.
#[must_use]
pub(crate) fn default_of(name: &str) -> Option<Value> {
    let (_, default) = DEFAULTS.iter().find(|(of, _)| *of == name)?;
    Some(if name.ends_with("types") {
        Value::from(vec![*default])
    } else {
        Value::from(*default)
    })
}

/// What an answer says of a member. The case of a language tag does not matter (RFC 7591 section 2.2).
#[must_use]
pub(crate) fn stated<'a>(answer: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    answer.get(name).or_else(|| {
        let mut members = answer.iter().filter(|_| name.contains('#'));
        members
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    })
}

/// Compares a requested value with what an answer says of it.
#[must_use]
pub(crate) fn compare(name: &str, wanted: &Value, answer: Option<&Value>) -> Stated {
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

/// A value as text: what is no text is JSON.
#[must_use]
pub(crate) fn text(value: &Value) -> String {
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

#[cfg(test)]
mod tests;
