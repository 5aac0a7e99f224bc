//! What can go wrong, in six classes. The class decides what happens next; the reason and the message tell the user.

use std::time::Duration;

use crate::api::Reason;

/// The six classes of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The manifest has to change.
    Invalid,
    /// Something beside the manifest has to change: a provider object, a Secret, a permission, a policy at the provider.
    Denied,
    /// It may pass by itself.
    Transient,
    /// The object changed meanwhile; look again.
    Conflict,
    /// A request was sent and it is unknown whether it took effect.
    Ambiguous,
    /// The operator is at fault.
    Bug,
}

/// A failure with all that its handling needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Class, which decides about retry.
    pub class: Class,
    /// Reason for condition, event and metric.
    pub reason: Reason,
    /// Text for the app owner: what is wrong, where, what to do. Stable from one attempt to the next, and without
    /// secrets.
    pub message: String,
    /// How long the other side asked to wait.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure without a wish of the other side.
    #[must_use]
    pub fn new(class: Class, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            class,
            reason,
            message: message.into(),
            retry_after: None,
        }
    }

    /// The same failure with the wait that the other side asked for.
    #[must_use]
    pub fn after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }
}
