//! What a provider made of a request: where its answer differs, as the status shows it.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use crate::api::{EffectiveMember, OAuthClientSpec};

use super::auth_method;
use super::comparison::{self, Stated, compare, stated, text};
use super::metadata;
use super::record::Record;

/// Most members that are shown.
pub(crate) const MOST_MEMBERS: usize = 16;
/// Most characters of a value that are shown.
const MOST_CHARACTERS: usize = 256;
/// Most characters of a value, or of a name, in a message.
const MOST_TOLD: usize = 80;
/// Follows what is shown in part.
const ELLIPSIS: &str = "...";
/// Shown in place of a value that repeats a credential.
const WITHHELD: &str = "(withheld: the value contains a credential of the client)";

/// A requested member whose value the answer does not confirm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Name on the wire.
    pub member: String,
    /// What the answer says.
    pub(crate) stated: Stated,
}

/// Whether the answer confirms any member that was asked for. One that confirms none tells nothing.
#[must_use]
pub(crate) fn is_echoed(record: &Record) -> bool {
    record
        .request
        .keys()
        .any(|name| stated(&record.metadata, name).is_some())
}

/// The members of the request, and those of the manifest that the provider object leaves out, whose values the provider's last answer
/// does not confirm.
#[must_use]
pub fn differences(record: &Record, spec: &OAuthClientSpec) -> Vec<Difference> {
    let mut wanted = metadata::of_manifest(spec);
    wanted.extend(spec.extra_metadata.clone().into_iter().flatten());
    wanted.extend(record.request.clone());
    between(&wanted, &record.metadata)
}

/// The same for a request and its answer.
fn between(request: &Map<String, Value>, answer: &Map<String, Value>) -> Vec<Difference> {
    let members = request.iter().map(|(name, wanted)| Difference {
        member: name.clone(),
        stated: compare(name, wanted, stated(answer, name)),
    });
    members.filter(|member| member.stated != Stated::Same).collect()
}

/// Members that a manifest sets and that an answer states with other values.
#[must_use]
pub(crate) fn substituted(
    spec: &OAuthClientSpec,
    request: &Map<String, Value>,
    answer: &Map<String, Value>,
) -> Vec<String> {
    let set = metadata::set_members(spec);
    let mut changed = changed(request, answer);
    changed.retain(|member| set.contains(member));
    changed
}

/// Members of a request that an answer states with other values.
#[must_use]
pub(crate) fn changed(request: &Map<String, Value>, answer: &Map<String, Value>) -> Vec<String> {
    let differences = between(request, answer).into_iter();
    let other = differences.filter(|difference| difference.stated == Stated::Other);
    let method = |of: &Map<String, Value>| Some(stated(of, metadata::AUTH_METHOD)?.as_str()?.to_owned());
    let is_alike = |member: &str| {
        let methods = (method(request), method(answer));
        member == metadata::AUTH_METHOD
            && matches!(&methods, (Some(asked), Some(stated)) if auth_method::are_alike(asked, stated))
    };
    other
        .filter(|difference| !is_alike(&difference.member))
        .map(|difference| difference.member)
        .collect()
}

/// Members that the manifest no longer sets and that the provider still has: no way of clearing has taken them out, or the provider
/// object keeps the operator from sending them, or there are no updates.
#[must_use]
pub fn left<'a>(record: &'a Record, spec: &OAuthClientSpec) -> Vec<&'a str> {
    let set = metadata::set_members(spec);
    let unsent = record
        .request
        .iter()
        .filter(|(name, value)| !metadata::has_default(spec, name) && comparison::stays(&record.metadata, name, value));
    let left = record.cleared.left.keys().chain(unsent.map(|(name, _)| name));
    left.filter(|name| !set.contains(*name)).map(String::as_str).collect()
}

/// Differences for the status: bounded, and without credentials. Members that the manifest no longer sets come first.
#[must_use]
pub fn shown(record: &Record, left: &[&str], differences: &[Difference]) -> Vec<EffectiveMember> {
    let left = left.iter().map(|member| EffectiveMember {
        member: name(member),
        requested: None,
        registered: stated(&record.metadata, member).map(|value| discreet(record, &text(value))),
    });
    let differing = differences.iter().map(|Difference { member, .. }| EffectiveMember {
        member: name(member),
        requested: record.request.get(member).map(|value| cut(&text(value))),
        registered: stated(&record.metadata, member).map(|value| discreet(record, &text(value))),
    });
    left.chain(differing).take(MOST_MEMBERS).collect()
}

/// What an answer says of members, to be told in a message: bounded, and without its credentials.
#[must_use]
pub(crate) fn told(
    answer: &Map<String, Value>,
    credentials: Credentials<'_>,
    members: Vec<String>,
) -> BTreeMap<String, String> {
    let told = |member: &str| {
        let value = stated(answer, member).map(text);
        cut_at(&without(credentials, &value.unwrap_or_default()), MOST_TOLD)
    };
    members
        .into_iter()
        .map(|member| (cut_at(&member, MOST_TOLD), told(&member)))
        .take(MOST_MEMBERS)
        .collect()
}

/// The credentials of one client.
pub(crate) type Credentials<'a> = [Option<&'a SecretString>; 2];

fn discreet(record: &Record, text: &str) -> String {
    let credentials = [&record.client_secret, &record.registration_access_token];
    cut(&without(credentials.map(Option::as_ref), text))
}

fn without(credentials: Credentials<'_>, text: &str) -> String {
    let mut credentials = credentials.into_iter().flatten().map(ExposeSecret::expose_secret);
    if credentials.any(|credential| text.contains(credential)) {
        return WITHHELD.to_owned();
    }
    text.to_owned()
}

/// A member's name, no longer than the definition allows.
fn name(member: &str) -> String {
    cut_at(member, MOST_CHARACTERS - ELLIPSIS.len())
}

fn cut(text: &str) -> String {
    cut_at(text, MOST_CHARACTERS)
}

fn cut_at(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}{ELLIPSIS}", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
