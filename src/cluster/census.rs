//! How many objects are Ready, and why.

use std::collections::BTreeMap;

use crate::api::{Condition, Reason};
use crate::metrics::ReasonLabel;

/// Whether an object is Ready, and the reason that says most: of an object that is Ready while something is retried or stalled,
/// that of the trouble.
pub(super) fn standing(conditions: &[Condition]) -> (bool, ReasonLabel) {
    let find = |type_: &str| conditions.iter().find(|condition| condition.type_ == type_);
    let reason = |condition: &Condition| ReasonLabel(Reason::parse(&condition.reason));
    let Some(ready) = find("Ready") else {
        return (false, ReasonLabel(Some(Reason::Progressing)));
    };
    if ready.status != "True" {
        return (false, reason(ready));
    }
    let trouble = find("Stalled").or_else(|| find("Reconciling"));
    (true, reason(trouble.unwrap_or(ready)))
}

/// Counts of objects, kept up to date object by object.
#[derive(Debug, Default)]
pub(super) struct Census(BTreeMap<(bool, ReasonLabel), usize>);

impl Census {
    pub(super) fn add(&mut self, conditions: &[Condition]) {
        *self.0.entry(standing(conditions)).or_default() += 1;
    }

    pub(super) fn remove(&mut self, conditions: &[Condition]) {
        let standing = standing(conditions);
        let left = self.0.get(&standing).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            self.0.remove(&standing);
        } else {
            self.0.insert(standing, left);
        }
    }

    pub(super) fn counts(&self) -> BTreeMap<(bool, ReasonLabel), usize> {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(type_: &str, status: &str, reason: &str) -> Condition {
        Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: String::new(),
            last_transition_time: String::new(),
            observed_generation: None,
        }
    }

    #[test]
    fn t190_the_reason_of_a_ready_object_is_that_of_its_trouble() {
        let ready = condition("Ready", "True", "Registered");
        let retried = condition("Reconciling", "True", "ProgressingWithRetry");
        let stalled = condition("Stalled", "True", "UpdateRejected");
        let refused = condition("Ready", "False", "UpdateRejected");
        let strange = condition("Ready", "False", "FromTheFuture");
        let of = |conditions: &[Condition]| {
            let (ready, reason) = standing(conditions);
            (ready, reason.0)
        };
        assert_eq!(of(&[]), (false, Some(Reason::Progressing)));
        assert_eq!(of(std::slice::from_ref(&ready)), (true, Some(Reason::Registered)));
        assert_eq!(of(&[ready, retried]), (true, Some(Reason::ProgressingWithRetry)));
        assert_eq!(of(&[stalled, refused]), (false, Some(Reason::UpdateRejected)));
        assert_eq!(of(&[strange]), (false, None));
    }

    #[test]
    fn t190_an_object_that_leaves_takes_its_count_along() {
        let mut census = Census::default();
        let ready = [condition("Ready", "True", "Registered")];
        census.add(&ready);
        census.add(&ready);
        census.remove(&ready);
        assert_eq!(census.counts().into_values().collect::<Vec<_>>(), [1]);
        census.remove(&ready);
        assert!(census.counts().is_empty());
    }
}
