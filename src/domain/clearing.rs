//! Members that the manifest no longer sets are to be gone at the provider. Servers that merge an update keep what it does not name, and
//! each of them takes another value for "none": which one works is learned from the answers, and remembered.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::api::Clearing;

use super::comparison;
use super::metadata::{Request, Unsent};

/// The order in which the ways are tried. The first is what RFC 7592 section 2.2 says.
const WAYS: [Clearing; 4] = [Clearing::Omit, Clearing::Null, Clearing::Empty, Clearing::Default];

/// What is known of clearing members of one client.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
pub struct Cleared {
    /// The way that worked last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Clearing>,
    /// Members that the manifest no longer sets and that the provider still has, with the value that was requested last.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub left: Map<String, Value>,
    /// Ways that did not work for them, or that the provider refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<Clearing>,
    /// The way of the update that is under way, if it clears something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sending: Option<Clearing>,
    /// The members that this update clears, with the value that was requested last, and those that the provider object keeps it from
    /// clearing.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub clears: Map<String, Value>,
}

impl Cleared {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The way of the next update that clears something; `None`: there is none that was not tried. `set`: the one that the provider
    /// object sets.
    #[must_use]
    pub fn next(&self, set: Option<Clearing>) -> Option<Clearing> {
        let learned = || self.by.into_iter().chain(WAYS).find(|way| !self.tried.contains(way));
        match set {
            Some(way) => (!self.tried.contains(&way)).then_some(way),
            None => learned(),
        }
    }

    /// Whether members are left that another update may clear.
    #[must_use]
    pub fn may_clear(&self, set: Option<Clearing>, unsent: &Unsent<'_>) -> bool {
        !unsent.clearable(self.left.clone()).is_empty() && self.next(set).is_some()
    }

    /// The same before an update is sent. `before`: the request that was accepted last.
    #[must_use]
    pub fn before(&self, before: &Request, request: &Request, set: Option<Clearing>, unsent: &Unsent<'_>) -> Self {
        let had = self.left.iter().chain(before);
        let removed = had.filter(|(name, _)| !request.contains_key(*name));
        let clears = unsent.wanted(removed.map(|(name, value)| (name.clone(), value.clone())).collect());
        let way = self.next(set).unwrap_or(set.unwrap_or(Clearing::Omit));
        Self {
            sending: (!unsent.clearable(clears.clone()).is_empty()).then_some(way),
            clears,
            ..self.clone()
        }
    }

    /// What is known after an update that was accepted. `answer`: what the provider states then.
    #[must_use]
    pub fn after(&self, before: &Request, request: &Request, answer: &Map<String, Value>) -> Self {
        let had = self.left.iter().chain(&self.clears);
        let left: Map<_, _> = had
            .filter(|(name, value)| !request.contains_key(*name) && comparison::stays(answer, name, value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if left.is_empty() {
            return Self {
                by: self.sending.or(self.by),
                ..Self::default()
            };
        }
        // Another change of the manifest gets all ways anew.
        let tried = if before == request { self.tried.as_slice() } else { &[] };
        let others = tried.iter().copied().filter(|way| Some(*way) != self.sending);
        Self {
            by: self.by,
            left,
            tried: others.chain(self.sending).collect(),
            sending: None,
            clears: Map::new(),
        }
    }

    /// What is known after the provider refused the update that is under way.
    #[must_use]
    pub fn refused(&self) -> Self {
        let tried = self.tried.iter().copied().chain(self.sending).collect();
        Self {
            tried,
            sending: None,
            clears: Map::new(),
            ..self.clone()
        }
    }
}

/// Adds what takes these members out to the body of an update. `learns`: nobody has set the way.
pub(crate) fn write(body: &mut Request, members: &Map<String, Value>, way: Clearing, learns: bool) {
    for (name, value) in members {
        // What is left may be what the provider gives a client that asks for no scopes; with none at all, its application would fail.
        if learns && name == "scope" && matches!(way, Clearing::Empty | Clearing::Default) {
            continue;
        }
        let none = match way {
            Clearing::Omit => continue,
            Clearing::Null => Value::Null,
            Clearing::Empty => empty(value),
            Clearing::Default => comparison::default_of(name).unwrap_or_else(|| empty(value)),
        };
        body.entry(name.clone()).or_insert(none);
    }
}

/// Nothing of the kind that a value is of.
fn empty(value: &Value) -> Value {
    match value {
        Value::String(_) => json!(""),
        Value::Array(_) => json!([]),
        Value::Object(_) => json!({}),
        Value::Bool(_) => json!(false),
        Value::Null | Value::Number(_) => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Profile;
    use crate::domain::profile::knobs;

    fn members(value: &Value) -> Request {
        value.as_object().unwrap().clone()
    }

    /// What is known while the update is under way, where the provider object leaves nothing out but these members.
    fn sent(cleared: &Cleared, [before, request]: [&Request; 2], set: Option<Clearing>, omitted: &[&str]) -> Cleared {
        with_unsent(omitted, |unsent| cleared.before(before, request, set, unsent))
    }

    fn with_unsent<T>(omitted: &[&str], then: impl FnOnce(&Unsent<'_>) -> T) -> T {
        let mut knobs = knobs(Profile::Rfc7592);
        knobs.omit_members = omitted.iter().map(|name| (*name).to_owned()).collect();
        then(&Unsent {
            spec: &serde_json::from_value(json!({"providerRef": {"name": "p"}})).unwrap(),
            default_name: "n".to_owned(),
            chosen: None,
            knobs: &knobs,
        })
    }

    #[test]
    fn w114_the_ways_are_tried_in_order_and_the_one_that_worked_comes_first() {
        let mut cleared = Cleared::default();
        let mut order = Vec::new();
        let (before, request) = (members(&json!({"scope": "a"})), Request::new());
        while cleared.next(None).is_some() {
            let sent = sent(&cleared, [&before, &request], None, &[]);
            order.extend(sent.sending);
            cleared = sent.refused();
        }
        assert_eq!(order, WAYS);
        let learned = Cleared {
            by: Some(Clearing::Empty),
            ..Cleared::default()
        };
        assert_eq!(learned.next(None), Some(Clearing::Empty));
        let refused = |set| sent(&learned, [&before, &request], set, &[]).refused();
        assert_eq!(refused(None).next(None), Some(Clearing::Omit));
        assert_eq!(
            learned.next(Some(Clearing::Null)),
            Some(Clearing::Null),
            "the provider object decides"
        );
        assert_eq!(refused(Some(Clearing::Null)).next(Some(Clearing::Null)), None);
        assert_eq!(
            sent(&learned, [&request, &request], None, &[]).sending,
            None,
            "nothing is to be cleared"
        );
    }

    #[test]
    fn w114_what_an_answer_still_has_is_left_until_a_way_works() {
        let (before, request) = (
            members(&json!({"scope": "a", "logo_uri": "l"})),
            members(&json!({"scope": "a"})),
        );
        let still = members(&json!({"scope": "a", "logo_uri": "l"}));
        let after = |cleared: &Cleared, before: &Request, request: &Request, answer: &Request| {
            sent(cleared, [before, request], None, &[]).after(before, request, answer)
        };
        let first = after(&Cleared::default(), &before, &request, &still);
        assert_eq!(first.left, members(&json!({"logo_uri": "l"})));
        assert_eq!(first.tried, [Clearing::Omit]);
        let may_clear = |set, omitted: &[&str]| with_unsent(omitted, |unsent| first.may_clear(set, unsent));
        assert!(may_clear(None, &[]) && !may_clear(Some(Clearing::Omit), &[]));
        assert!(
            !may_clear(None, &["logo_uri"]),
            "it is not sent as an empty value either"
        );
        let omitted = sent(&first, [&request, &request], None, &["logo_uri"]);
        assert_eq!((omitted.sending, omitted.clears.len()), (None, 1));
        assert_eq!(omitted.after(&request, &request, &still), first, "it stays known");
        // It is known from the first update on that it is not in.
        let unsent = sent(&Cleared::default(), [&before, &request], None, &["logo_uri"]);
        assert_eq!(unsent.sending, None);
        assert_eq!(unsent.after(&before, &request, &still).left, first.left);
        let second = after(&first, &request, &request, &still);
        assert_eq!(second.tried, [Clearing::Omit, Clearing::Null]);
        let third = after(&second, &request, &request, &request);
        assert_eq!(
            (third.by, third.left.len(), third.tried.len()),
            (Some(Clearing::Empty), 0, 0)
        );
        let again = after(&second, &request, &before, &still);
        assert!(again.left.is_empty(), "the manifest sets it again");
        let read = second.after(&request, &request, &still);
        assert_eq!(read, second, "a read tries nothing");
        // A value that the provider put in its place is its own.
        let replaced = members(&json!({"logo_uri": "default"}));
        assert!(after(&Cleared::default(), &before, &request, &replaced).left.is_empty());
    }

    #[test]
    fn w114_each_way_writes_its_value() {
        let missing = members(&json!({
            "logo_uri": "l", "contacts": ["c"], "jwks": {"keys": []}, "require_auth_time": true, "default_max_age": 3,
            "id_token_signed_response_alg": "ES256",
        }));
        let written = |way| {
            let mut body = Request::new();
            write(&mut body, &missing, way, true);
            Value::Object(body)
        };
        assert_eq!(written(Clearing::Omit), json!({}));
        assert!(
            written(Clearing::Null)
                .as_object()
                .unwrap()
                .values()
                .all(Value::is_null)
        );
        let empty = json!({
            "logo_uri": "", "contacts": [], "jwks": {}, "require_auth_time": false, "default_max_age": null,
            "id_token_signed_response_alg": "",
        });
        assert_eq!(written(Clearing::Empty), empty);
        assert_eq!(written(Clearing::Default)["id_token_signed_response_alg"], "RS256");
        for (learns, expected) in [(true, None), (false, Some(&json!("")))] {
            let mut body = Request::new();
            write(&mut body, &members(&json!({"scope": "a"})), Clearing::Empty, learns);
            assert_eq!(
                body.get("scope"),
                expected,
                "a client without scopes is for whoever asks for it"
            );
        }
        assert_eq!(written(Clearing::Default)["logo_uri"], "");
    }
}
