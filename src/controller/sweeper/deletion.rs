//! Tombstones: records of clients whose deletion outlived their object.

use std::time::Duration;

use crate::api::Reason;
use crate::cluster::{ApiError, SecretMeta, SecretRevision};
use crate::controller::suspect_entry;
use crate::controller::world::World;
use crate::domain::failure::{Class, Failure};
use crate::domain::outcome::CallError;
use crate::domain::pass::{self, CONFIRM_AFTER};
use crate::domain::record::{Phase, Record};
use crate::domain::refusal;
use crate::domain::suspect::{self, Entry};

use super::{Ended, Look, end, object, removed, text};

/// What may be about the provider instead of the client, such as a firewall's page, a redirect or credentials that lack a right,
/// has to be refused for this long. The suspect that follows is tried again, so nothing is given up.
pub(super) const GIVE_UP_AFTER: Duration = Duration::from_hours(1);

/// How long after the first refusal one like this makes a suspect of the record; `None`: never, because it may pass by itself.
fn patience(ended: &Ended) -> Option<Duration> {
    let lasts = |failure: &Failure| matches!(failure.class, Class::Denied | Class::Invalid);
    match ended {
        Ended::Unclear => Some(CONFIRM_AFTER),
        Ended::Not(error) if refusal::is_unsupported(error) => Some(Duration::ZERO),
        Ended::Not(error) if refusal::is_client_refused(error) => Some(CONFIRM_AFTER),
        Ended::Impossible(failure) if failure.reason == Reason::DeletionUnsupported => Some(Duration::ZERO),
        // Its own deletion has waited for them already.
        Ended::Impossible(failure) if pass::lacks_credentials(failure) => Some(CONFIRM_AFTER),
        Ended::Not(CallError { failure, .. }) | Ended::Impossible(failure) if lasts(failure) => Some(GIVE_UP_AFTER),
        Ended::Done
        | Ended::InUse(_)
        | Ended::Not(_)
        | Ended::Impossible(_)
        | Ended::Unknown(_)
        | Ended::Stopped
        | Ended::Waits => None,
    }
}

/// Whether the provider deregisters no client.
fn is_left(ended: &Ended, record: &Record) -> bool {
    match ended {
        Ended::Not(error) => refusal::is_unsupported(error),
        Ended::Impossible(_) => record.is_unmanaged(),
        _ => false,
    }
}

/// `refused_for`: how long ago it was refused first.
pub(super) async fn look<W: World>(
    world: &W,
    meta: &SecretMeta,
    record: &Record,
    revision: &SecretRevision,
    refused_for: Option<Duration>,
) -> Look {
    let mut deregistered = None;
    match record.phase {
        Phase::Deleted => {}
        Phase::Deleting => {
            let ended = end(world, record, &meta.name).await;
            let patience = patience(&ended);
            let is_over = patience.is_some_and(|patience| patience.is_zero() || refused_for >= Some(patience));
            match ended {
                Ended::Done => {
                    deregistered = Some(record.attempt.as_str());
                    tracing::info!(client_id = %record.client_id, "a deletion that outlived its object is finished");
                }
                Ended::InUse(_) => {
                    tracing::warn!(object = %object(record), client_id = %record.client_id,
                        "a client is not deregistered: the record of another OAuthClient uses it");
                }
                Ended::Stopped => return Look::Stopped,
                Ended::Waits => return Look::Waits,
                Ended::Unclear | Ended::Not(_) | Ended::Impossible(_) if is_over => {
                    if let Err(error) = keep(world, record, is_left(&ended, record)).await {
                        return Look::Later(error.failure(&text(meta)));
                    }
                }
                Ended::Unclear => return Look::Refused(None),
                Ended::Not(_) | Ended::Impossible(_) if patience == Some(CONFIRM_AFTER) => return Look::Refused(None),
                Ended::Not(CallError { failure, .. }) | Ended::Impossible(failure) if patience.is_some() => {
                    return Look::Refused(Some(failure));
                }
                Ended::Not(CallError { failure, .. }) | Ended::Impossible(failure) | Ended::Unknown(failure) => {
                    return Look::Later(failure);
                }
            }
        }
        Phase::Registered | Phase::Retained | Phase::Suspect => {
            tracing::warn!(object = %object(record), client_id = %record.client_id, phase = ?record.phase,
                "a registration record has no OAuthClient here; it is left alone");
            return Look::Nothing;
        }
    }
    removed(world, meta, revision, deregistered).await
}

/// The client stays at the provider, as far as anybody knows: a suspect says so, and holds its record. `left`: the provider
/// deregisters none.
async fn keep<W: World>(world: &W, record: &Record, left: bool) -> Result<(), ApiError> {
    let suspect = suspect::of(record);
    let entry = Entry {
        owner: &record.owner,
        suspect: &suspect,
        issuer: None,
        provider: None,
        record: Some(record),
        left,
        outcome: None,
        now: world.now(),
    };
    let Ok(entry) = suspect::secret(&entry, &world.here().namespace) else {
        return Err(ApiError::Conflict);
    };
    let written = match world.create_secret(&entry).await {
        // A doubt about the same attempt may stand there, without the record.
        Err(ApiError::AlreadyExists) => suspect_entry::complete(world, &entry).await,
        other => other.map(|_| ()),
    };
    match written {
        Ok(()) => {
            tracing::warn!(object = %object(record), client_id = %record.client_id,
                "a client whose object is gone could not be deregistered; its record is kept as a suspect");
            Ok(())
        }
        Err(error) => Err(error),
    }
}
