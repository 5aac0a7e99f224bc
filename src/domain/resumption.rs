//! How a process continues with objects that failed under another one. No field holds their backoff: their conditions tell how long
//! they have been failing, and waits double, so the last wait is about as long as all waits before it.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::api::{Condition, OAuthClient, Reason, names};

use super::asked;
use super::backoff::{LONGEST, SHORTEST};

/// What a process takes over of an object's backoff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumption {
    /// Approximate number of failures.
    pub failures: u32,
    /// How long it is left alone.
    pub wait: Duration,
}

/// The rest of the backoff of an object for which calls of its provider fail. `None`: it is looked at now, because it did not fail
/// in this way, or has failed for a moment only, because its owner asks for something, or because its finalizer was removed. `age` tells how long ago a time in seconds
/// since the epoch was, `random` is in `0.0..1.0`.
#[must_use]
pub fn of(object: &OAuthClient, age: impl Fn(i64) -> Duration, random: f64) -> Option<Resumption> {
    let asks = asked::is_open(object)
        || object.metadata.deletion_timestamp.is_some()
        || object.spec.adopt.is_some()
        || [names::REPLACE, names::ABANDON]
            .iter()
            .any(|name| object.annotations().contains_key(*name));
    let registered = object.status.as_ref().is_some_and(|status| status.client_id.is_some());
    let held = object.finalizers().iter().any(|name| name == names::FINALIZER);
    if asks || registered && !held {
        return None;
    }
    let since = failing_since(object)?;
    let failures = age(since).as_secs().checked_ilog2()?.saturating_add(1);
    let wait = SHORTEST.saturating_mul(1 << failures.min(12)).min(LONGEST);
    Some(Resumption {
        failures,
        wait: wait.mul_f64(random.clamp(0.0, 1.0)),
    })
}

/// Since when calls of the provider fail for the newest generation, in seconds since the epoch.
fn failing_since(object: &OAuthClient) -> Option<i64> {
    let conditions = &object.status.as_ref()?.conditions;
    let of_now = |type_: &str, status: &str| {
        let fits = |condition: &&Condition| {
            let same = condition.type_ == type_ && condition.status == status;
            same && condition.observed_generation == object.metadata.generation
        };
        conditions.iter().find(fits)
    };
    let failing = of_now("Reconciling", "True").or_else(|| of_now("Stalled", "True"))?;
    let called = match of_now("Ready", "False") {
        Some(ready) => is_of_provider(&ready.reason),
        // An update fails while the client stays Ready.
        None => of_now("Ready", "True").is_some() && failing.type_ == "Reconciling",
    };
    let since: Timestamp = failing.last_transition_time.parse().ok()?;
    called.then(|| since.as_second())
}

/// Whether a failure for this reason comes from a call of the provider, and nothing in the cluster ends it.
fn is_of_provider(reason: &str) -> bool {
    let reasons = [
        Reason::ProviderUnavailable,
        Reason::RateLimited,
        Reason::CredentialsRejected,
        Reason::ManagementLost,
        Reason::ClientLost,
    ];
    Reason::parse(reason).is_some_and(|reason| reasons.contains(&reason))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: i64 = 1_000_000;

    fn object(reason: &str, generation: i64, change: impl FnOnce(&mut Value)) -> OAuthClient {
        let condition = |type_: &str, status: &str, reason: &str| {
            json!({"type": type_, "status": status, "reason": reason, "observedGeneration": generation,
                "lastTransitionTime": "1970-01-12T13:45:40Z"})
        };
        let mut object = json!({
            "apiVersion": names::API_VERSION, "kind": "OAuthClient",
            "metadata": {"name": "app", "namespace": "ns", "generation": 2},
            "spec": {"providerRef": {"name": "p"}},
            "status": {"conditions": [
                condition("Ready", "False", reason), condition("Reconciling", "True", "ProgressingWithRetry"),
            ]},
        });
        change(&mut object);
        serde_json::from_value(object).unwrap()
    }

    fn resumed(object: &OAuthClient, failing_for: i64, random: f64) -> Option<Resumption> {
        // It fails since second 999_940.
        let now = 999_940 + failing_for;
        of(
            object,
            |since| Duration::from_secs(u64::try_from(now - since).unwrap()),
            random,
        )
    }

    #[test]
    fn t205_a_failing_object_goes_on_with_the_wait_that_it_had() {
        let failing = object("ProviderUnavailable", 2, |_| {});
        let after = |failing_for| resumed(&failing, failing_for, 1.0).map(|r| (r.failures, r.wait.as_secs()));
        assert_eq!(after(0), None);
        assert_eq!(after(1), Some((1, 2)));
        assert_eq!(after(60), Some((6, 64)));
        assert_eq!(after(NOW), Some((20, LONGEST.as_secs())));
        let spread = [0.0, 0.5].map(|random| resumed(&failing, 60, random).unwrap().wait.as_secs());
        assert_eq!(spread, [0, 32], "not all at once");
    }

    #[test]
    fn t205_what_may_be_done_now_is_not_put_off() {
        let soon = |object: OAuthClient| resumed(&object, 600, 1.0).is_none();
        let unchanged = |_: &mut Value| {};
        assert!(
            soon(object("SecretConflict", 2, unchanged)),
            "nothing of the provider's"
        );
        assert!(
            soon(object("ProviderUnavailable", 1, unchanged)),
            "the manifest changed"
        );
        for change in [
            json!({"metadata": {"annotations": {names::RECONCILE: "1"}}}),
            json!({"metadata": {"annotations": {names::REPLACE: "id"}}}),
            json!({"metadata": {"annotations": {names::ABANDON: "id"}}}),
            json!({"metadata": {"deletionTimestamp": "1970-01-12T13:45:40Z"}}),
            json!({"spec": {"adopt": {"registrationAccessTokenRef": {"name": "token"}}}}),
            json!({"status": {"clientID": "id"}}),
        ] {
            let changed = object("ManagementLost", 2, |object| {
                for (part, members) in change.as_object().unwrap() {
                    for (name, value) in members.as_object().unwrap() {
                        object[part][name] = value.clone();
                    }
                }
            });
            assert!(soon(changed), "{change}");
        }
        let ready = object("Registered", 2, |object| object["status"]["conditions"] = json!([]));
        assert!(soon(ready));
    }

    #[test]
    fn t205_an_update_that_fails_while_the_client_is_ready_is_put_off_too() {
        let updating = object("Registered", 2, |object| {
            object["status"]["conditions"][0]["status"] = json!("True");
        });
        assert!(resumed(&updating, 600, 1.0).is_some());
    }
}
