//! What a pass sees of the world outside, and what it tells it beside its effects.

use std::time::Duration;

use crate::api::{AttemptOutcome, Reason, SecretVersion};
use crate::domain::breaker::BreakerKind;

use super::view::{Operator, Pause};

/// What is outside of a pass, as it is at one step.
#[derive(Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Observed<'a> {
    /// This operator.
    pub operator: &'a Operator,
    /// Whether this process leads, so that something new may begin.
    pub leads: bool,
    /// Whether the operator stops.
    pub stopping: bool,
    /// Whether the object's namespace is being deleted.
    pub namespace_terminating: bool,
    /// How long the breaker of the provider keeps registrations from beginning, because too many ended unknown.
    pub registrations_denied: Option<Duration>,
    /// The same for clients that would be registered anew because the provider has lost them.
    pub recreations_denied: Option<Duration>,
    /// The pause that the provider asked for, while it lasts.
    pub pause: Option<Pause>,
    /// How long this process has known the open attempt of the marker, if another replica opened it.
    pub foreign_attempt_age: Option<Duration>,
    /// How long this process has known the update that the record marks as in flight, if another replica sends it.
    pub foreign_update_age: Option<Duration>,
    /// How long the object has been under deletion; zero: it is not.
    pub deleting_for: Duration,
    /// Whether a read at a URI that was made like that of the recorded client has shown a client.
    pub template_proven: bool,
    /// How long ago the provider first said that it does not know the client.
    pub missing_for: Option<Duration>,
    /// How long ago the provider first rejected the credentials that it rejected last.
    pub rejected_for: Option<Duration>,
    /// A fresh identifier for an attempt.
    pub fresh_attempt: &'a str,
    /// Seconds since the epoch.
    pub now: i64,
}

/// What the watches know of an object's surroundings.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// The record, by the generation of the credentials that it holds.
    pub record: Option<Option<u64>>,
    /// The Secret of the name that the manifest asks for.
    pub credentials: Option<WatchedSecret>,
    /// Names of further credentials Secrets of this object.
    pub former_names: Vec<String>,
    /// Entries of suspects: attempt, and client where the entry says it.
    pub suspects: Vec<(String, Option<String>)>,
    /// Whether a record of a registered client belongs to another object of this namespace and name.
    pub has_earlier: bool,
    /// UID of the object's namespace, where namespaces are watched.
    pub namespace_uid: Option<String>,
}

/// A Secret by its metadata.
#[derive(Clone, Debug)]
pub struct WatchedSecret {
    /// Its version.
    pub version: SecretVersion,
    /// Whose it is.
    pub owner: SecretOwner,
    /// The generation of the credentials that it holds.
    pub generation: Option<u64>,
}

/// Whose a Secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretOwner {
    /// This object's.
    This,
    /// An earlier object's of the same name, which is gone.
    Former,
    /// Somebody else's.
    Foreign,
}

/// What an answer brings about beside the state.
#[derive(Clone, Debug)]
pub enum Note {
    /// A Warning event.
    Warn(Reason, String),
    /// A Normal event.
    Tell(Reason, String),
    /// How an attempt ended, for the passes that follow.
    Outcome(String, AttemptOutcome),
    /// Something that the provider's breaker counts, by its attempt.
    Count(String, BreakerKind),
    /// A line for the log.
    Log(String),
}
