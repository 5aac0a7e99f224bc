//! A provider object as it can be called, and what it asked for.

use std::sync::Arc;
use std::time::Duration;

use crate::api::Reason;

use super::duration;
use super::failure::{Class, Failure};
use super::target::{Endpoints, Target};
use super::time::rfc3339;

/// A pause that a provider asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Time until it ends.
    pub rest: Duration,
    /// When it ends, in seconds since the epoch.
    pub until: i64,
}

impl Pause {
    /// Until when the provider is left alone.
    #[must_use]
    pub fn nothing_is_sent(self) -> String {
        format!("nothing is sent to it before {}", rfc3339(self.until))
    }

    /// Why nothing is sent while it lasts.
    #[must_use]
    pub fn failure(self, reason: Reason) -> Failure {
        let text = format!(
            "the provider asked the operator to slow down, so {}",
            self.nothing_is_sent()
        );
        Failure::new(Class::Transient, reason, text).after(Some(self.rest))
    }
}

/// A rate that a provider object allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Calls.
    pub count: u32,
    /// The time for so many.
    pub period: Duration,
}

/// A call that has to wait for its turn, because others come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The rate that makes it wait, and about when its turn comes, in seconds since the epoch; `None`: it waits for a moment, because
    /// as many calls are under way as may be.
    pub rate: Option<(Rate, i64)>,
}

/// How the reason for a wait begins.
pub(super) const WAITS: &str = "the client waits for the rate limit";

impl Rate {
    /// Why a call waits, as it is said for as long as the limit stays the same.
    pub(super) fn waits(self) -> String {
        format!(
            "{WAITS} of its provider: {} calls per {}",
            self.count,
            duration::text(self.period)
        )
    }

    /// The same, and about when the wait is over.
    pub(super) fn waits_until(self, until: i64) -> String {
        format!(
            "{}. The call is expected at about {}; to change the limit, set spec.rateLimit of the provider object",
            self.waits(),
            rfc3339(until)
        )
    }
}

/// A provider object with its profile applied and its credentials read.
#[derive(Clone, Debug)]
pub struct Provider {
    /// How to call it.
    pub target: Target,
    /// UID of the provider object.
    pub uid: String,
    /// Changes whenever the provider object or one of its credentials does.
    pub fingerprint: String,
    /// Endpoints that discovery found last for this very object, if it did: knowing them costs no call.
    pub known: Option<Arc<Endpoints>>,
}
