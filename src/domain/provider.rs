//! A provider object as it can be called, and what it asked for.

use std::sync::Arc;
use std::time::Duration;

use crate::api::Reason;

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
    /// Why nothing is sent while it lasts.
    #[must_use]
    pub fn failure(self, reason: Reason) -> Failure {
        let text = format!(
            "the provider asked the operator to slow down, so nothing is sent to it before {}",
            rfc3339(self.until)
        );
        Failure::new(Class::Transient, reason, text).after(Some(self.rest))
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
