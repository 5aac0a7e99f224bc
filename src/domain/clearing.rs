//! Members that the manifest no longer sets are to be gone at the provider. Servers that merge an update keep what it does not name, and
//! each of them takes another value for "none": which one works is learned from the answers, and remembered.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::api::Clearing;

use super::comparison;
use super::metadata::Request;

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
    pub fn goes_on(&self, set: Option<Clearing>) -> bool {
        !self.left.is_empty() && self.next(set).is_some()
    }

    /// Members that `request` lacks and the provider has by `before`, the request that was accepted last, with their values.
    #[must_use]
    pub fn missing(&self, before: &Request, request: &Request) -> Map<String, Value> {
        let had = self.left.iter().chain(before);
        let gone = had.filter(|(name, _)| !request.contains_key(*name));
        gone.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The same before an update is sent.
    #[must_use]
    pub fn before(&self, before: &Request, request: &Request, set: Option<Clearing>) -> Self {
        let clears = !self.missing(before, request).is_empty();
        let way = self.next(set).unwrap_or(set.unwrap_or(Clearing::Omit));
        Self {
            sending: clears.then_some(way),
            ..self.clone()
        }
    }

    /// What is known after an update that was accepted. `answer`: what the provider states then.
    #[must_use]
    pub fn after(&self, before: &Request, request: &Request, answer: &Map<String, Value>) -> Self {
        let missing = self.missing(before, request);
        let left: Map<_, _> = missing
            .into_iter()
            .filter(|(name, value)| comparison::stays(answer, name, value))
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
        }
    }

    /// What is known after the provider refused the update that is under way.
    #[must_use]
    pub fn refused(&self) -> Self {
        let mut after = self.clone();
        after.tried.extend(after.sending.take());
        after
    }
}

/// Adds what takes these members out to the body of an update.
pub fn write(body: &mut Request, missing: &Map<String, Value>, way: Clearing) {
    for (name, value) in missing {
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

    fn members(value: &Value) -> Request {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn w114_the_ways_are_tried_in_order_and_the_one_that_worked_comes_first() {
        let mut cleared = Cleared::default();
        let mut order = Vec::new();
        let (before, request) = (members(&json!({"scope": "a"})), Request::new());
        while cleared.next(None).is_some() {
            let sent = cleared.before(&before, &request, None);
            order.extend(sent.sending);
            cleared = sent.refused();
        }
        assert_eq!(order, WAYS);
        let learned = Cleared {
            by: Some(Clearing::Empty),
            ..Cleared::default()
        };
        assert_eq!(learned.next(None), Some(Clearing::Empty));
        let refused = |set| learned.before(&before, &request, set).refused();
        assert_eq!(refused(None).next(None), Some(Clearing::Omit));
        assert_eq!(
            learned.next(Some(Clearing::Null)),
            Some(Clearing::Null),
            "the provider object decides"
        );
        assert_eq!(refused(Some(Clearing::Null)).next(Some(Clearing::Null)), None);
        assert_eq!(
            learned.before(&request, &request, None).sending,
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
            cleared.before(before, request, None).after(before, request, answer)
        };
        let first = after(&Cleared::default(), &before, &request, &still);
        assert_eq!(first.left, members(&json!({"logo_uri": "l"})));
        assert_eq!(first.tried, [Clearing::Omit]);
        assert!(first.goes_on(None) && !first.goes_on(Some(Clearing::Omit)));
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
            write(&mut body, &missing, way);
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
        assert_eq!(written(Clearing::Default)["logo_uri"], "");
    }
}
