//! What answers tell about members: those that were asked for, and those that the manifest no longer sets.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::api::metadata::{ClientMetadata, RareMetadata};
use crate::api::{Clearing, ClearingWays, OmittedMembers};

use super::super::comparison::{self, Stated, stated};
use super::super::effective;
use super::super::metadata::Request;
use super::super::record::Record;

/// What became of the members that the former request had and this one lacks: only of those that the provider showed, and only by an
/// answer that shows members.
pub(super) fn omitted(record: &Record, body: &Request, answer: &Map<String, Value>) -> Option<OmittedMembers> {
    let was_shown = |name: &str, value: &Value| !is_empty(value) && record.metadata.get(name) == Some(value);
    let left_out = record.request.iter();
    let left_out = left_out.filter(|(name, value)| !body.contains_key(*name) && was_shown(name, value));
    left_out
        .filter_map(|(name, value)| match answer.get(name) {
            Some(now) if now == value => Some(OmittedMembers::Kept),
            Some(now) if !is_empty(now) => None,
            _ => shows(body, answer).then_some(OmittedMembers::Cleared),
        })
        .max()
}

/// Whether the way in which an update took members out has worked, of the same members as in [`omitted`]. What the provider put in the
/// place of a value tells neither.
pub(super) fn clearing(record: &Record, body: &Request, answer: &Map<String, Value>) -> Option<ClearingWays> {
    let way = record.cleared.sending?;
    let was_sent = |name: &String| body.contains_key(name) == (way != Clearing::Omit);
    let was_shown = |name: &str, value: &Value| comparison::stays(&record.metadata, name, value);
    let clears = record.cleared.clears.iter();
    let mut clears = clears.filter(|(name, value)| was_sent(name) && was_shown(name, value));
    if clears
        .clone()
        .any(|(name, value)| comparison::stays(answer, name, value))
    {
        return Some(failed(way));
    }
    let is_gone = |name: &str| match (stated(answer, name), body.get(name)) {
        (Some(now), Some(sent)) if comparison::compare(name, sent, Some(now)) == Stated::Same => true,
        (now, _) => now.is_none_or(is_empty) && shows(body, answer),
    };
    clears.any(|(name, _)| is_gone(name)).then(|| ClearingWays {
        works: vec![way],
        fails: Vec::new(),
    })
}

/// This way has failed.
pub(super) fn failed(way: Clearing) -> ClearingWays {
    ClearingWays {
        works: Vec::new(),
        fails: vec![way],
    }
}

/// Members that were asked for and that an answer states with other values, by names that no manifest chooses: whoever reads a provider
/// object need not see what is in its clients. `None`: the answer states none of the members.
pub(super) fn substitutes(request: &Request, answer: &Map<String, Value>) -> Option<Vec<String>> {
    if !request.keys().any(|name| stated(answer, name).is_some()) {
        return None;
    }
    let fields = || ClientMetadata::MEMBERS.iter().chain(RareMetadata::MEMBERS);
    let changed = effective::changed(request, answer).into_iter();
    let known = changed.filter_map(|member| {
        // A translation is told as the member that it translates.
        let name = member.split('#').next()?;
        Some(fields().find(|(_, wire)| *wire == name)?.1.to_owned())
    });
    Some(known.collect::<BTreeSet<String>>().into_iter().collect())
}

/// Both together, each once and in order.
pub(super) fn all<T: Clone + Ord>(some: &[T], others: &[T]) -> Vec<T> {
    let all: BTreeSet<T> = some.iter().chain(others).cloned().collect();
    all.into_iter().collect()
}

/// Whether the answer shows any member that was sent.
fn shows(body: &Request, answer: &Map<String, Value>) -> bool {
    body.keys().any(|name| answer.contains_key(name))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::record::tests::record;

    fn members(json: &Value) -> Map<String, Value> {
        json.as_object().unwrap().clone()
    }

    /// A record whose update takes `logo_uri` and `contacts` out in this way, after the provider has shown them.
    fn clears(way: Clearing) -> Record {
        let mut record = record();
        record.request = members(&json!({"client_name": "a"}));
        record.metadata = members(&json!({"client_name": "a", "logo_uri": "l", "contacts": ["c"]}));
        record.cleared.sending = Some(way);
        record.cleared.clears = members(&json!({"logo_uri": "l", "contacts": ["c"]}));
        record
    }

    /// The ways that work and those that fail, by this answer.
    fn seen(record: &Record, body: &Value, answer: &Value) -> Option<(Vec<Clearing>, Vec<Clearing>)> {
        clearing(record, &members(body), &members(answer)).map(|ways| (ways.works, ways.fails))
    }

    #[test]
    fn t355_a_way_of_clearing_works_if_the_answer_shows_members_and_none_of_those() {
        let omit = clears(Clearing::Omit);
        let body = json!({"client_name": "a"});
        let works = |way| Some((vec![way], vec![]));
        let fails = |way| Some((vec![], vec![way]));
        assert_eq!(seen(&omit, &body, &json!({"client_name": "a"})), works(Clearing::Omit));
        let one_left = json!({"client_name": "a", "contacts": ["c"]});
        assert_eq!(seen(&omit, &body, &one_left), fails(Clearing::Omit));
        assert_eq!(seen(&omit, &body, &json!({})), None, "nothing is shown");
        let replaced = json!({"client_name": "a", "logo_uri": "own", "contacts": ["own"]});
        assert_eq!(seen(&omit, &body, &replaced), None, "a value of the server's own");

        let null = clears(Clearing::Null);
        let body = json!({"client_name": "a", "logo_uri": null, "contacts": null});
        for gone in [
            json!({"client_name": "a"}),
            json!({"client_name": "a", "logo_uri": null}),
        ] {
            assert_eq!(seen(&null, &body, &gone), works(Clearing::Null), "{gone}");
        }
        assert_eq!(seen(&null, &body, &one_left), fails(Clearing::Null));
        assert_eq!(
            seen(&null, &json!({"client_name": "a"}), &one_left),
            None,
            "what the update did not take out tells nothing of the way"
        );

        let mut default = clears(Clearing::Default);
        default.cleared.clears = members(&json!({"id_token_signed_response_alg": "ES256"}));
        default.metadata = default.cleared.clears.clone();
        let body = json!({"id_token_signed_response_alg": "RS256"});
        assert_eq!(seen(&default, &body, &body), works(Clearing::Default));

        let mut unseen = clears(Clearing::Omit);
        unseen.metadata = members(&json!({"client_name": "a"}));
        assert_eq!(
            seen(&unseen, &json!({"client_name": "a"}), &json!({"client_name": "a"})),
            None,
            "the provider never showed them"
        );
        let mut other = clears(Clearing::Omit);
        other.cleared.sending = None;
        assert_eq!(
            seen(&other, &json!({"client_name": "a"}), &one_left),
            None,
            "nothing is taken out"
        );
    }

    #[test]
    fn t355_what_a_provider_substitutes_is_told_by_names_that_no_manifest_chooses() {
        let request = members(&json!({
            "client_name": "a", "client_name#ja": "b", "scope": "x y", "grant_types": ["authorization_code"],
            "token_endpoint_auth_method": "client_secret_post", "x-project": "internal", "logo_uri": "l",
        }));
        let told = |answer: Value| substitutes(&request, &members(&answer));
        let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(told(json!({})), None);
        assert_eq!(
            told(json!({"another": "member"})),
            None,
            "it states nothing that was asked for"
        );
        assert_eq!(
            told(json!({"scope": "y x", "token_endpoint_auth_method": "client_secret_basic"})),
            names(&[]),
            "the same in other words, and a method that serves as well"
        );
        assert_eq!(
            told(json!({"client_name": "a"})),
            names(&[]),
            "what is not stated is not changed"
        );
        assert_eq!(
            told(json!({"scope": "x", "grant_types": ["implicit"], "client_name#ja": "c"})),
            names(&["client_name", "grant_types", "scope"])
        );
        assert_eq!(told(json!({"x-project": "other"})), names(&[]));
    }
}
