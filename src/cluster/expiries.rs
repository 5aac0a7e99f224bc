//! When the secrets of clients expire: an index of the objects in view. Objects whose secret never expires take no room.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{OAuthClient, ProviderKind};
use crate::domain::expiry;

use super::key::Key;

/// Objects by the time at which their secrets expire.
#[derive(Debug, Default)]
pub(super) struct Expiries {
    /// How many secrets of clients of a kind of provider expire at a time.
    stated: BTreeMap<(ProviderKind, i64), usize>,
    /// Objects that stop being Ready at a time, and were not looked at since.
    due: BTreeSet<(i64, Key)>,
}

impl Expiries {
    /// Takes in an object. Whether the soonest expiry is another one now.
    pub(super) fn add(&mut self, key: &Key, object: &OAuthClient) -> bool {
        if let Some(at) = expiry::stated(object.status.as_ref()) {
            *self.stated.entry((object.spec.provider_ref.kind, at)).or_default() += 1;
        }
        let Some(at) = expiry::due(object) else { return false };
        self.due.insert((at, key.clone()));
        self.next() == Some(at)
    }

    /// Takes out an object that was taken in.
    pub(super) fn remove(&mut self, key: &Key, object: &OAuthClient) {
        if let Some(at) = expiry::stated(object.status.as_ref()) {
            let kind = object.spec.provider_ref.kind;
            let left = self.stated.get(&(kind, at)).map_or(0, |count| count.saturating_sub(1));
            if left == 0 {
                self.stated.remove(&(kind, at));
            } else {
                self.stated.insert((kind, at), left);
            }
        }
        if let Some(at) = expiry::due(object) {
            self.due.remove(&(at, key.clone()));
        }
    }

    /// The next time at which an object stops being Ready.
    pub(super) fn next(&self) -> Option<i64> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The objects whose secrets have expired. Each is given out once, until it changes.
    pub(super) fn take(&mut self, now: i64) -> Vec<Key> {
        let mut taken = Vec::new();
        while self.next().is_some_and(|at| at <= now) {
            taken.extend(self.due.pop_first().map(|(_, key)| key));
        }
        taken
    }

    /// For each kind of provider, the soonest expiry that has not passed.
    pub(super) fn soonest(&self, now: i64) -> BTreeMap<ProviderKind, i64> {
        let kinds = [ProviderKind::OAuthProvider, ProviderKind::ClusterOAuthProvider];
        let soonest = |kind| {
            let mut ahead = self.stated.range((kind, now.saturating_add(1))..=(kind, i64::MAX));
            ahead.next().map(|((_, at), _)| (kind, *at))
        };
        kinds.into_iter().filter_map(soonest).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use ProviderKind::{ClusterOAuthProvider, OAuthProvider};

    use super::*;
    use crate::api::names;
    use crate::domain::time::rfc3339;

    fn object(name: &str, kind: &str, at: i64) -> (Key, OAuthClient) {
        let object = json!({
            "apiVersion": names::API_VERSION, "kind": "OAuthClient",
            "metadata": {"name": name, "namespace": "ns"},
            "spec": {"providerRef": {"kind": kind, "name": "p"}},
            "status": {
                "secretExpiresAt": rfc3339(at),
                "conditions": [{"type": "Ready", "status": "True", "reason": "Registered", "lastTransitionTime": ""}],
            },
        });
        (Key::new("ns", name), serde_json::from_value(object).unwrap())
    }

    #[test]
    fn t240_each_object_is_given_out_once_at_its_time() {
        let mut expiries = Expiries::default();
        let objects = [30, 10, 20].map(|at| object(&at.to_string(), "OAuthProvider", at));
        let news = objects.each_ref().map(|(key, object)| expiries.add(key, object));
        assert_eq!(
            news,
            [true, true, false],
            "whoever waits for the soonest learns of a sooner one"
        );
        assert_eq!(expiries.next(), Some(10));
        assert!(expiries.take(9).is_empty());
        let names = |taken: Vec<Key>| taken.iter().map(|key| key.name.to_string()).collect::<Vec<_>>();
        assert_eq!(names(expiries.take(20)), ["10", "20"]);
        assert!(expiries.take(20).is_empty());
        let (key, thirty) = &objects[0];
        expiries.remove(key, thirty);
        assert_eq!(expiries.next(), None);
        expiries.add(key, thirty);
        assert_eq!(expiries.next(), Some(30), "it changed");
    }

    #[test]
    fn t241_the_soonest_expiry_ahead_is_told_for_each_kind_of_provider() {
        let mut expiries = Expiries::default();
        for (name, kind, at) in [
            ("a", "OAuthProvider", 10),
            ("b", "OAuthProvider", 30),
            ("c", "OAuthProvider", 30),
            ("d", "ClusterOAuthProvider", 20),
        ] {
            let (key, object) = object(name, kind, at);
            expiries.add(&key, &object);
        }
        assert_eq!(
            expiries.soonest(9),
            [(OAuthProvider, 10), (ClusterOAuthProvider, 20)].into()
        );
        assert_eq!(
            expiries.soonest(10),
            [(OAuthProvider, 30), (ClusterOAuthProvider, 20)].into()
        );
        let (key, one_of_two) = object("b", "OAuthProvider", 30);
        expiries.remove(&key, &one_of_two);
        assert_eq!(expiries.soonest(20), [(OAuthProvider, 30)].into());
        let (key, other) = object("c", "OAuthProvider", 30);
        expiries.remove(&key, &other);
        assert!(expiries.soonest(20).is_empty());
    }
}
