//! The sweeper finishes what outlived its object: part S of `docs/decisions.md`.
//!
//! It acts on nothing but what a deletion or a replacement of this very cluster left: records in phase `Deleting` or `Deleted`,
//! and suspects that hold a record. A record that merely has no object is left alone, because a restored backup, a narrower
//! list of namespaces and a cloned cluster look just like that.

mod deletion;
mod label;
mod places;
mod run;
mod suspects;

use std::collections::HashMap;
use std::time::Duration;

use crate::api::{ManagementMode, Reason};
use crate::cluster::{Role, SecretMeta, SecretRevision};
use crate::domain::backoff;
use crate::domain::claim::Withheld;
use crate::domain::failure::{Class, Failure};
use crate::domain::outcome::{CallError, Deletion};
use crate::domain::pass::{CONFIRM_AFTER, StoredRecord, stored};
use crate::domain::record::{Phase, Record};
use crate::domain::uri_template::Shown;
use crate::floods;
use crate::metrics::SuspectResult;

use super::claim;
use super::management;
use super::world::World;

pub(super) use places::Places;
pub(super) use run::run;

/// Time between two looks at the records, in memory.
const EVERY: Duration = Duration::from_secs(30);
/// Time between two looks at a record that waits for a permit, which is looked at anyhow when the permit comes.
const WAITING: Duration = Duration::from_mins(10);

/// What the sweeper remembers of the records, by the name of their Secret. Instants are times since the sweeper began.
pub type SweepState = HashMap<Box<str>, SweepEntry>;

/// What the sweeper remembers of a record.
#[derive(Clone)]
pub struct SweepEntry {
    resource_version: Box<str>,
    /// Tries that failed, one after the other.
    pub failures: u32,
    /// When it is looked at again; `None`: when it changes.
    pub again: Option<Duration>,
    /// When the client was first refused to be deregistered, by the provider or by what is known of it, or its credentials were missed.
    pub refused: Option<Duration>,
    /// Whether only this version of the Secret is left to remove.
    pub settled: bool,
    /// The attempt whose client this process has deregistered, whatever another one has written of it since.
    pub deregistered: Option<Box<str>>,
    /// The provider object of a suspect, and its revision when it was looked at: another one is worth a try.
    provider: Option<(Box<str>, Option<String>)>,
}

/// How a look at a record ended.
enum Look {
    /// The record is gone, or carries its labels now.
    Done,
    /// There is nothing to do until it changes.
    Nothing,
    /// It has to be looked at again.
    Later(Failure),
    /// The record could not be removed, of which nothing else is left to do; the attempt whose client is deregistered.
    NotRemoved(Failure, Option<Box<str>>),
    /// The client was refused to be deregistered. What may be about the provider, not about the client, comes with its failure and
    /// is looked at again after the wait of that.
    Refused(Option<Failure>),
    /// A suspect is settled.
    Settled(SuspectResult),
    /// This process may begin nothing more.
    Stopped,
    /// It waits for a permit to call the provider.
    Waits,
    /// A suspect, and how long it is left alone; it was tried, or has just been met.
    Suspect { provider: Box<str>, tried: bool },
}

/// How a try of deregistering a client ended.
enum Ended {
    /// The client is deregistered.
    Done,
    /// The record of the object of this UID uses it.
    InUse(String),
    /// The answer was a success that proves nothing, or nothing was sent because the URI shows another client.
    Unclear,
    /// Not yet.
    Not(CallError),
    /// No call can be made, as record and provider object are.
    Impossible(Failure),
    /// It cannot be told yet whether it may be tried.
    Unknown(Failure),
    /// This process may begin nothing more.
    Stopped,
    /// It waits for a permit to call the provider.
    Waits,
}

/// When a record or suspect is to be looked at: at once, later, or not before it changes.
pub fn due<W: World>(world: &W, meta: &SecretMeta, looks: &SweepState) -> Option<Duration> {
    let uid = meta.client_uid.as_ref()?;
    let wanted = match meta.role {
        Role::Record => label::is_missing(meta) || !world.is_alive(uid),
        // Of a client without an identifier there is nothing to try.
        Role::Suspect => meta.client.is_some(),
        Role::Credentials | Role::Other => false,
    };
    if !wanted {
        return None;
    }
    match looks.get(&*meta.name) {
        Some(before) if before.resource_version == meta.resource_version => match &before.provider {
            Some((provider, revision)) if world.provider_revision(provider) != *revision => Some(Duration::ZERO),
            _ => before.again,
        },
        _ => Some(Duration::ZERO),
    }
}

/// Looks at a record or suspect that is due. `chance` is a random number in `0.0..1.0`. Whether a suspect is settled.
pub async fn sweep<W: World>(
    world: &W,
    meta: &SecretMeta,
    looks: &mut SweepState,
    now: Duration,
    chance: f64,
) -> Option<SuspectResult> {
    let before = looks.get(&*meta.name).cloned();
    let failures = before.as_ref().map_or(0, |before| before.failures) + 1;
    let refused = before.as_ref().and_then(|before| before.refused);
    let deregistered = before.as_ref().and_then(|before| before.deregistered.clone());
    let looked = |again: Option<Duration>| SweepEntry {
        resource_version: meta.resource_version.clone(),
        failures,
        again,
        refused,
        settled: false,
        deregistered: deregistered.clone(),
        provider: None,
    };
    let later = |failure: Failure| {
        // What one look was refused for may be mended at the provider, where no watch tells of it.
        let failure = match failure.class {
            Class::Invalid => Failure {
                class: Class::Denied,
                ..failure
            },
            _ => failure,
        };
        let wait = backoff::delay(&failure, failures, chance);
        warn(meta, &failure, failures, wait);
        looked(wait.map(|wait| now + wait))
    };
    let next = match look(world, meta, before.as_ref(), now).await {
        Look::Done => {
            looks.remove(&*meta.name);
            return None;
        }
        Look::Settled(result) => {
            looks.remove(&*meta.name);
            return Some(result);
        }
        Look::Nothing => looked(None),
        Look::Stopped => SweepEntry {
            failures: failures - 1,
            ..looked(Some(now + EVERY))
        },
        Look::Refused(failure) => SweepEntry {
            refused: refused.or(Some(now)),
            ..failure.map_or_else(|| looked(Some(now + CONFIRM_AFTER)), later)
        },
        Look::Suspect { provider, tried } => SweepEntry {
            failures: if tried { failures } else { 0 },
            provider: Some((provider.clone(), world.provider_revision(&provider))),
            ..looked(Some(
                now + backoff::suspect_delay(if tried { failures } else { 0 }, chance),
            ))
        },
        Look::Waits => SweepEntry {
            failures: failures - 1,
            provider: before
                .and_then(|before| before.provider)
                .map(|(provider, _)| (provider.clone(), world.provider_revision(&provider))),
            ..looked(Some(now + WAITING))
        },
        Look::Later(failure) => later(failure),
        Look::NotRemoved(failure, deregistered) => SweepEntry {
            settled: true,
            deregistered,
            ..later(failure)
        },
    };
    looks.insert((*meta.name).into(), next);
    None
}

async fn look<W: World>(world: &W, meta: &SecretMeta, before: Option<&SweepEntry>, now: Duration) -> Look {
    let found = world.get_secret(&meta.namespace, &meta.name).await;
    let (record, revision) = match found.map(|found| found.as_ref().map(stored)) {
        Ok(Some(StoredRecord::Present { record, revision })) => (record, revision),
        Ok(None) => return Look::Done,
        Ok(Some(_)) => return Look::Nothing,
        Err(error) => return Look::Later(error.failure(&text(meta))),
    };
    if label::is_missing(meta) && meta.role == Role::Record {
        return label::add(world, meta, &record, &revision).await;
    }
    if record.cluster_id != world.here().cluster_id || world.here().held.is_some() {
        return Look::Nothing;
    }
    // Another Secret may have taken the name since, or another client its record.
    let done = before.and_then(|before| before.deregistered.as_deref());
    let done = done.filter(|attempt| *attempt == record.attempt && record.phase == Phase::Deleting);
    let same = |before: &SweepEntry| *before.resource_version == *revision.resource_version;
    if done.is_some() || before.is_some_and(|before| before.settled && same(before)) {
        return removed(world, meta, &revision, done).await;
    }
    if meta.role == Role::Suspect {
        return suspects::look(world, meta, &record, &revision, before).await;
    }
    let refused = before.and_then(|before| before.refused);
    let refused_for = refused.map(|since| now.saturating_sub(since));
    deletion::look(world, meta, &record, &revision, refused_for).await
}

fn text(meta: &SecretMeta) -> String {
    format!("Secret {}/{}", meta.namespace, meta.name)
}

/// Logs that a client could not be deregistered, and when it is tried again.
fn warn(meta: &SecretMeta, failure: &Failure, failures: u32, wait: Option<Duration>) {
    // Nothing else is done where nobody listens, and the explorer does this millions of times.
    if tracing::enabled!(tracing::Level::WARN) && floods::admits(failure.reason.as_str()) {
        let (cause, retry_seconds) = (&failure.message, wait.map(|wait| wait.as_secs().max(1)));
        tracing::warn!(record = %meta.name, reason = %failure.reason, error = cause, failures, retry_seconds, "client not deregistered, will retry");
    }
}

/// Name of a record's object, for the log.
fn object(record: &Record) -> String {
    format!("{}/{}", record.owner.namespace, record.owner.name)
}

/// Removes the record or suspect of a client that is settled.
/// `deregistered`: the attempt whose client this process has deregistered.
async fn removed<W: World>(
    world: &W,
    meta: &SecretMeta,
    revision: &SecretRevision,
    deregistered: Option<&str>,
) -> Look {
    match world.delete_secret(&meta.namespace, &meta.name, revision).await {
        Ok(()) => Look::Done,
        Err(error) => Look::NotRemoved(error.failure(&text(meta)), deregistered.map(Into::into)),
    }
}

/// Whether a call may begin. It is asked before each one: waiting takes time in which the leadership may end.
fn may_begin<W: World>(world: &W) -> bool {
    world.may_begin() && !world.is_stopping()
}

/// Deregisters a recorded client, if nothing else uses it. `own` is the Secret that says it is to go.
async fn end<W: World>(world: &W, record: &Record, own: &str) -> Ended {
    let unsupported = || {
        let text = "the provider offers no way to deregister this client";
        Ended::Impossible(Failure::new(Class::Denied, Reason::DeletionUnsupported, text))
    };
    // No permit is taken for a call that cannot be made.
    if record.is_unmanaged() {
        return unsupported();
    }
    let provider = match world.provider_of(record).await {
        Ok(provider) => Some(provider),
        // The record holds all that is needed; the provider object may know newer authorities and origins.
        Err(_) if record.management.mode != ManagementMode::Credentials => None,
        Err(failure) => return Ended::Impossible(failure),
    };
    // One permit covers the whole chain: discovery, token and DELETE.
    let Some(_permit) = world.permit_for(record, provider.as_deref()).await else {
        return Ended::Waits;
    };
    if !may_begin(world) {
        return Ended::Stopped;
    }
    let call = match management::call(world, record, provider.as_deref(), None).await {
        Ok(call) => call,
        Err(failure) => return Ended::Impossible(failure),
    };
    let Some(call) = call else {
        return unsupported();
    };
    let _claim = match claim::to_deregister(world, record, own).await {
        Ok(claim) => claim,
        Err(Withheld::InUse(user)) => return Ended::InUse(user),
        Err(Withheld::Unknown(failure)) => return Ended::Unknown(failure),
        Err(Withheld::NoCall) => return Ended::Stopped,
    };
    if !may_begin(world) {
        return Ended::Stopped;
    }
    let is_shown = match management::shown(world, &call, &record.client_id).await {
        Ok(Shown::Client) => true,
        Ok(Shown::Nothing) => false,
        // That client is nobody's to deregister.
        Ok(Shown::Another) => return Ended::Unclear,
        Err(error) => return Ended::Not(error),
    };
    if !may_begin(world) {
        return Ended::Stopped;
    }
    match world.deregister(&call, is_shown).await {
        // At a URI that is made from a template and did not show the client, a success proves nothing.
        Ok(Deletion::Done) if is_shown => Ended::Done,
        Ok(Deletion::Done | Deletion::Unclear) => Ended::Unclear,
        Err(error) => Ended::Not(error),
    }
}
