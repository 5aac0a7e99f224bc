//! How attempts at registering ended, as far as this process knows and no status tells yet.

use kube::ResourceExt;

use crate::api::{AttemptOutcome, OAuthClient, names};
use crate::bounded::Bounded;
use crate::domain::marker::Marker;

/// Most attempts that are remembered of one object.
const MOST: usize = 16;
/// Most objects of which any are. An attempt that is forgotten counts as one of which nobody knows how it ended.
const MOST_OBJECTS: usize = 16_384;

/// Outcomes by the UID of the object, in the order of the attempts. More than one is needed: while the API server is away it
/// is unknown which of the markers that were sent it stored.
#[derive(Clone, Debug)]
pub struct Outcomes(Bounded<String, Vec<(String, AttemptOutcome)>>);

impl Default for Outcomes {
    fn default() -> Self {
        Self(Bounded::new(MOST_OBJECTS))
    }
}

impl Outcomes {
    /// Remembers how an attempt ended.
    pub fn note(&mut self, uid: String, attempt: &str, outcome: AttemptOutcome) {
        let Some(known) = self.0.get_or_insert_with(uid, Vec::new) else {
            return;
        };
        known.retain(|(id, _)| id != attempt);
        known.push((attempt.to_owned(), outcome));
        if known.len() > MOST {
            known.remove(0);
        }
    }

    /// The outcome of the attempt that the object's marker tells of, or else of the last one. What the status tells is
    /// forgotten.
    pub fn of(&mut self, object: &OAuthClient) -> Option<(String, AttemptOutcome)> {
        let uid = object.metadata.uid.as_deref()?;
        let known = self.0.get(uid)?;
        let marker = object
            .annotations()
            .get(names::CREATE_PENDING)
            .and_then(|text| Marker::parse(text));
        let named = marker.and_then(|marker| known.iter().find(|(id, _)| *id == marker.attempt));
        let found = named.or(known.last()).cloned();
        let told = object.status.as_ref().and_then(|status| status.attempt.as_ref());
        known.retain(|(id, _)| told.is_none_or(|told| told.id != *id));
        if known.is_empty() {
            self.0.remove(uid);
        }
        found
    }

    /// Forgets an object that does not exist any more.
    pub fn forget(&mut self, uid: &str) {
        self.0.remove(uid);
    }

    /// Everything that is remembered.
    #[doc(hidden)]
    #[must_use]
    pub fn all(&self) -> Vec<(&String, &Vec<(String, AttemptOutcome)>)> {
        let mut all: Vec<_> = self.0.iter().collect();
        all.sort_by_key(|(uid, _)| *uid);
        all
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(marker: &str, told: &str) -> OAuthClient {
        serde_json::from_value(json!({
            "apiVersion": names::API_VERSION, "kind": "OAuthClient",
            "metadata": {"uid": "u", "annotations": {names::CREATE_PENDING: format!("u/{marker}/system/r")}},
            "spec": {"providerRef": {"name": "p"}},
            "status": {"attempt": {"id": told, "outcome": "NotApplied", "requestHash": ""}},
        }))
        .unwrap()
    }

    #[test]
    fn of_several_attempts_the_marked_one_counts() {
        let mut outcomes = Outcomes::default();
        outcomes.note("u".to_owned(), "a1", AttemptOutcome::NotApplied);
        outcomes.note("u".to_owned(), "a2", AttemptOutcome::Unknown);
        let of = |outcomes: &mut Outcomes, marker| outcomes.of(&object(marker, "")).unwrap().0;
        assert_eq!(of(&mut outcomes, "a1"), "a1");
        assert_eq!(of(&mut outcomes, "a2"), "a2");
        assert_eq!(of(&mut outcomes, "a0"), "a2");
    }

    #[test]
    fn what_the_status_tells_is_forgotten_and_no_more_than_the_newest_are_kept() {
        let mut outcomes = Outcomes::default();
        for attempt in 0..=MOST {
            outcomes.note("u".to_owned(), &format!("a{attempt}"), AttemptOutcome::NotApplied);
        }
        assert_eq!(outcomes.all()[0].1.len(), MOST);
        outcomes.of(&object("a3", "a3")).unwrap();
        assert_eq!(outcomes.all()[0].1.len(), MOST - 1);
        outcomes.forget("u");
        assert!(outcomes.of(&object("a3", "")).is_none());
    }
}
