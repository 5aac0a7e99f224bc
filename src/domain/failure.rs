//! What can go wrong, in six classes. The class decides what happens next; the reason and the message tell the user.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::api::{Reason, names};

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
    /// The longest wait before another look, in seconds: something has to be decided then, however often it failed before.
    pub look_within_seconds: Option<NonZeroU32>,
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
            look_within_seconds: None,
        }
    }

    /// Whether trying again changes nothing before somebody changes something.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        matches!(self.class, Class::Invalid | Class::Denied)
    }

    /// The provider does not accept the token that manages this client.
    #[must_use]
    pub fn management_lost(client_id: &str) -> Self {
        let text = format!(
            "the provider does not accept the token that manages client {client_id}. The client and its Secret are left as they are. If \
             the token was regenerated, give the operator the new one by spec.adopt. Otherwise ask the provider's administrator for the reason, or have another \
             client registered in its place with: kubectl annotate --overwrite oauthclient NAME {}={client_id}",
            names::REPLACE
        );
        Self::new(Class::Denied, Reason::ManagementLost, text)
    }

    /// The provider does not change registered clients. `deletes`: it may deregister them.
    #[must_use]
    pub fn update_unsupported(client_id: &str, deletes: bool) -> Self {
        let rest = if deletes {
            "The operator then deregisters the old client if the provider supports it. If client names must be unique, set a different spec.clientName"
                .to_owned()
        } else {
            format!(
                "Client {client_id} then stays at the provider, listed as a suspect. If client names must be unique, set a different spec.clientName, or \
                 delete client {client_id} at the provider"
            )
        };
        let text = format!(
            "the provider does not support updates of registered clients; revert the change, or register a replacement: kubectl annotate --overwrite oauthclient \
             NAME {}={client_id}. {rest}",
            names::REPLACE
        );
        Self::new(Class::Invalid, Reason::UpdateUnsupported, text)
    }

    /// The same failure with the wait that the other side asked for.
    #[must_use]
    pub fn after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    /// The same failure with a bound on the wait before another look. The shorter of two bounds counts.
    #[must_use]
    pub fn within(mut self, bound: Option<Duration>) -> Self {
        let seconds = |bound: Duration| u32::try_from(bound.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
        let bound = bound.map(|bound| NonZeroU32::new(seconds(bound)).unwrap_or(NonZeroU32::MIN));
        self.look_within_seconds = self.look_within_seconds.into_iter().chain(bound).min();
        self
    }

    /// The longest wait before another look.
    #[must_use]
    pub fn look_within(&self) -> Option<Duration> {
        let seconds = self.look_within_seconds?;
        Some(Duration::from_secs(seconds.get().into()))
    }
}
