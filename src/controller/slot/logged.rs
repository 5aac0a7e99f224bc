//! Failures in the log: each once, with its cause and the next try.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use crate::cluster::Key;
use crate::domain::failure::{Class, Failure};
use crate::floods;

use super::Slot;

/// Conflicts in a row that are not logged.
const CONFLICTS: u32 = 3;

impl Slot {
    /// Logs a failure, unless it is the one that was logged last. `wait`: until the next try; `None`: nothing is tried before
    /// something changes.
    pub(in crate::controller) fn log_failure(&mut self, key: &Key, failure: &Failure, wait: Option<Duration>) {
        let (reason, failures) = (failure.reason, self.failures());
        let cause = &failure.message;
        let retry_seconds = wait.map(|wait| wait.as_secs().max(1));
        // Somebody else wrote at the same time: that is ordinary, unless it goes on.
        let ordinary = failure.class == Class::Conflict && failures <= CONFLICTS;
        if ordinary || !self.is_new(failure) || !floods::admits(reason.as_str()) {
            tracing::debug!(object = %key, %reason, error = cause, failures, retry_seconds, "reconcile failed as before");
            return;
        }
        match retry_seconds {
            Some(_) => {
                tracing::warn!(object = %key, %reason, error = cause, failures, retry_seconds, "reconcile failed, will retry");
            }
            None => {
                tracing::warn!(object = %key, %reason, error = cause, failures, "reconcile failed, retried when the object, its provider or its credentials change");
            }
        }
    }

    /// Whether this failure differs from the one that was logged last. It is the last one from now on.
    fn is_new(&mut self, failure: &Failure) -> bool {
        let mut hasher = DefaultHasher::new();
        (failure.reason, &failure.message).hash(&mut hasher);
        let digest = hasher.finish();
        self.logged.replace(digest) != Some(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Reason;

    #[test]
    fn t192_a_failure_is_told_when_it_is_another_one() {
        let mut slot = Slot::default();
        let away = Failure::new(Class::Transient, Reason::ProviderUnavailable, "away");
        let limited = Failure::new(Class::Transient, Reason::RateLimited, "away");
        let told = [&away, &away, &limited, &limited, &away].map(|failure| slot.is_new(failure));
        assert_eq!(told, [true, false, true, false, true]);
    }
}
