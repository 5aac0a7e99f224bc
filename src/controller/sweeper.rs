//! The sweeper finishes deletions that outlived their object: part S of `docs/decisions.md`.
//!
//! It acts on nothing but tombstones: records that a deletion of this very cluster marked as `Deleting` or `Deleted`. A
//! record that merely has no object is left alone, because a restored backup, a narrower list of namespaces and a cloned
//! cluster look just like that.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::api::{ManagementMode, Reason};
use crate::cluster::{ApiError, SecretMeta};
use crate::domain::backoff;
use crate::domain::failure::{Class, Failure};
use crate::domain::outcome::{CallError, Deletion, Effect};
use crate::domain::record::{Phase, Record};
use crate::provider;

use super::context::Context;
use super::execute::stored;
use super::live::Live;
use super::pass::Stored;
use super::record_of;
use super::world::World;

/// Time between two looks at the records, in memory.
const EVERY: Duration = Duration::from_secs(30);
/// Two looks this far apart have to find the client gone: a provider in trouble answers 401 for everybody.
const CONFIRM_AFTER: Duration = Duration::from_mins(1);

/// What the sweeper remembers of the records, by the UID of their object. Instants are times since the sweeper began.
pub(super) type Looks = HashMap<Box<str>, Looked>;

/// What the sweeper remembers of a record.
#[derive(Clone)]
pub(super) struct Looked {
    resource_version: Box<str>,
    pub(super) failures: u32,
    /// When it is looked at again; `None`: when it changes.
    pub(super) again: Option<Duration>,
    /// When the provider first said that it does not know the client.
    pub(super) missing: Option<Duration>,
}

/// How a look at a record ended.
enum Look {
    /// The record is gone.
    Swept,
    /// It is not the sweeper's.
    NotOurs,
    /// It has to be looked at again.
    Later(Failure),
    /// The provider does not know the client, or does not accept the token.
    Missing,
}

/// Sweeps until told to stop.
pub(super) async fn run(cx: Arc<Context>) {
    let mut looks = Looks::new();
    let begun = Instant::now();
    loop {
        tokio::select! {
            () = cx.stopping.cancelled() => return,
            () = cx.clock.sleep(EVERY) => {}
        }
        if !cx.leadership.leads() || !cx.is_complete() {
            continue;
        }
        let records = cx.index.records();
        looks.retain(|uid, _| records.iter().any(|meta| meta.client_uid.as_ref() == Some(uid)));
        for meta in records {
            if cx.stopping.is_cancelled() {
                return;
            }
            let now = cx.clock.since(begun);
            // Nobody waits for it, so it has a turn of its own.
            let world = Live::new(&cx, &meta.namespace);
            if due(&world, &meta, &looks).is_some_and(|at| at <= now) {
                sweep(&world, &meta, &mut looks, now, cx.chance()).await;
            }
        }
    }
}

/// When a record is to be looked at: at once, later, or not before it changes.
pub(super) fn due<W: World>(world: &W, meta: &SecretMeta, looks: &Looks) -> Option<Duration> {
    let uid = meta.client_uid.as_ref()?;
    if world.is_alive(uid) {
        return None;
    }
    match looks.get(uid) {
        Some(before) if before.resource_version == meta.resource_version => before.again,
        _ => Some(Duration::ZERO),
    }
}

/// Looks at a record that is due. `chance` is a random number in `0.0..1.0`.
pub(super) async fn sweep<W: World>(world: &W, meta: &SecretMeta, looks: &mut Looks, now: Duration, chance: f64) {
    let Some(uid) = meta.client_uid.clone() else { return };
    let before = looks.get(&uid);
    let failures = before.map_or(0, |before| before.failures) + 1;
    let missing = before.and_then(|before| before.missing);
    let confirmed = missing.is_some_and(|since| now.saturating_sub(since) >= CONFIRM_AFTER);
    let (again, missing) = match look(world, meta, confirmed).await {
        Look::Swept => {
            looks.remove(&uid);
            return;
        }
        Look::NotOurs => (None, None),
        Look::Missing => (Some(now + CONFIRM_AFTER), missing.or(Some(now))),
        Look::Later(failure) => {
            tracing::info!(record = %meta.name, reason = %failure.reason, failures, "deletion not finished: {}", failure.message);
            // What one look was refused for may be mended at the provider, where no watch tells of it.
            let failure = match failure.class {
                Class::Invalid => Failure {
                    class: Class::Denied,
                    ..failure
                },
                _ => failure,
            };
            (
                backoff::delay(&failure, failures, chance).map(|wait| now + wait),
                missing,
            )
        }
    };
    looks.insert(
        uid,
        Looked {
            resource_version: meta.resource_version.clone(),
            failures,
            again,
            missing,
        },
    );
}

/// `confirmed`: that the provider does not know the client was found before, long enough ago to believe it a second time.
async fn look<W: World>(world: &W, meta: &SecretMeta, confirmed: bool) -> Look {
    let what = format!("Secret {}/{}", meta.namespace, meta.name);
    let found = world.get_secret(&meta.namespace, &meta.name).await;
    let (record, revision) = match found.map(|found| found.as_ref().map(stored)) {
        Ok(Some(Stored::Present { record, revision })) => (record, revision),
        Ok(None) => return Look::Swept,
        Ok(Some(_)) => return Look::NotOurs,
        Err(error) => return Look::Later(error.failure(&what)),
    };
    let ours = record.cluster_id == world.here().cluster_id && matches!(record.phase, Phase::Deleting | Phase::Deleted);
    if !ours {
        tracing::warn!(object = %format!("{}/{}", record.owner.namespace, record.owner.name), client_id = %record.client_id, phase = ?record.phase,
            "a registration record has no OAuthClient here; it is left alone");
        return Look::NotOurs;
    }
    if record.phase == Phase::Deleting {
        match end(world, &record).await {
            Ok(Deletion::Done) => {}
            // A success that proves nothing is no better than a refusal.
            Ok(Deletion::Unclear) if confirmed => {}
            Ok(Deletion::Unclear) => return Look::Missing,
            Err(error) if provider::is_gone_or_unauthorised(&error) && record.in_flight.is_none() => {
                if !confirmed {
                    return Look::Missing;
                }
            }
            Err(error) if stays_for_good(&error) => {
                if let Err(error) = leave(world, &record).await {
                    return Look::Later(error.failure(&what));
                }
            }
            Err(error) => return Look::Later(error.failure),
        }
    }
    match world.delete_secret(&meta.namespace, &meta.name, &revision).await {
        Ok(()) => {
            tracing::info!(client_id = %record.client_id, "a deletion that outlived its object is finished");
            Look::Swept
        }
        Err(error) => Look::Later(error.failure(&what)),
    }
}

/// Whether no later try ends the deletion either, as in row D10 of the table.
fn stays_for_good(error: &CallError) -> bool {
    error.failure.reason == Reason::DeletionUnsupported || provider::is_unsupported(error)
}

/// The client stays at the provider, and an entry says so.
async fn leave<W: World>(world: &W, record: &Record) -> Result<(), ApiError> {
    let entry = record_of::left_behind(record, world.here(), world.now());
    match world.create_secret(&entry).await {
        Ok(_) | Err(ApiError::AlreadyExists) => {
            tracing::warn!(object = %format!("{}/{}", record.owner.namespace, record.owner.name), client_id = %record.client_id,
                "a client whose object is gone stays at the provider, which deletes none; remove it there");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Deregisters a recorded client.
async fn end<W: World>(world: &W, record: &Record) -> Result<Deletion, CallError> {
    let not_sent = |failure| CallError {
        failure,
        status: None,
        code: None,
        remark: None,
        effect: Effect::NotApplied,
    };
    let provider = match record.management.mode {
        ManagementMode::Credentials => Some(
            world
                .provider_of_uid(&record.management.provider_uid)
                .await
                .map_err(not_sent)?,
        ),
        // The record holds all that is needed; the provider object may know newer authorities and origins.
        ManagementMode::RegistrationAccessToken | ManagementMode::None => {
            world.provider_of_uid(&record.management.provider_uid).await.ok()
        }
    };
    let call = record_of::management_call(record, provider.as_deref()).ok_or_else(|| {
        let text = "the provider offers no way to deregister this client";
        not_sent(Failure::new(Class::Denied, Reason::DeletionUnsupported, text))
    })?;
    world.deregister(&call).await
}
