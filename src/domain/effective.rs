//! What a provider made of a request: where its answer differs, as the status shows it.

use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use crate::api::{EffectiveMember, OAuthClientSpec};

use super::comparison::{Stated, compare, stated, text};
use super::metadata;
use super::record::Record;

/// Most members that are shown.
pub(crate) const MOST_MEMBERS: usize = 16;
/// Most characters of a value that are shown.
const MOST_CHARACTERS: usize = 256;
/// Follows what is shown in part.
const ELLIPSIS: &str = "...";
/// Shown in place of a value that repeats a credential.
const WITHHELD: &str = "(withheld: the value contains a credential of the client)";

/// A requested member whose value the answer does not confirm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Name on the wire.
    pub member: String,
    /// What the answer says.
    pub stated: Stated,
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
pub(crate) fn differences(record: &Record, spec: &OAuthClientSpec) -> Vec<Difference> {
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
    let differences = between(request, answer).into_iter();
    let other = differences.filter(|difference| difference.stated == Stated::Other);
    other
        .map(|difference| difference.member)
        .filter(|member| set.contains(member))
        .collect()
}

/// The same for the status: bounded, and without credentials. Members that the manifest no longer sets come first.
#[must_use]
pub(crate) fn shown(record: &Record, differences: &[Difference]) -> Vec<EffectiveMember> {
    let left = record.cleared.left.keys().map(|member| EffectiveMember {
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

fn discreet(record: &Record, text: &str) -> String {
    let credentials = [&record.client_secret, &record.registration_access_token];
    let mut credentials = credentials.into_iter().flatten().map(ExposeSecret::expose_secret);
    if credentials.any(|credential| text.contains(credential)) {
        return WITHHELD.to_owned();
    }
    cut(text)
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
