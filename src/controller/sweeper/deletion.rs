//! Tombstones: records of clients whose deletion outlived their object.

use std::time::Duration;

use crate::api::Reason;
use crate::cluster::{ApiError, SecretMeta, SecretRevision};
use crate::controller::world::World;
use crate::domain::plan;
use crate::domain::record::{Phase, Record};
use crate::domain::suspect::{self, Entry};
use crate::provider;

use super::{Ended, Look, end, object, removed, text};

/// Two looks this far apart have to be refused: a provider in trouble answers 401 for everybody.
pub(super) const CONFIRM_AFTER: Duration = Duration::from_mins(1);

/// `confirmed`: the provider refused it before, long enough ago to let it be a suspect.
pub(super) async fn look<W: World>(
    world: &W,
    meta: &SecretMeta,
    record: &Record,
    revision: &SecretRevision,
    confirmed: bool,
) -> Look {
    match record.phase {
        Phase::Deleted => {}
        Phase::Deleting => match end(world, record, &meta.name).await {
            Ended::Done => {
                tracing::info!(client_id = %record.client_id, "a deletion that outlived its object is finished");
            }
            Ended::InUse => {
                tracing::warn!(object = %object(record), client_id = %record.client_id,
                    "a client is not deregistered: the record of another OAuthClient uses it");
            }
            Ended::Unclear if !confirmed => return Look::Refused,
            Ended::Unclear => {
                if let Err(error) = keep(world, record).await {
                    return Look::Later(error.failure(&text(meta)));
                }
            }
            Ended::Not(error) if provider::is_unsupported(&error) || provider::is_gone_or_unauthorised(&error) => {
                if provider::is_gone_or_unauthorised(&error) && !confirmed {
                    return Look::Refused;
                }
                if let Err(error) = keep(world, record).await {
                    return Look::Later(error.failure(&text(meta)));
                }
            }
            Ended::Unknown(failure) if failure.reason == Reason::DeletionUnsupported => {
                if let Err(error) = keep(world, record).await {
                    return Look::Later(error.failure(&text(meta)));
                }
            }
            // Its own deletion has waited for them already.
            Ended::Unknown(failure) if plan::lacks_credentials(&failure) => {
                if !confirmed {
                    return Look::Refused;
                }
                if let Err(error) = keep(world, record).await {
                    return Look::Later(error.failure(&text(meta)));
                }
            }
            Ended::Not(error) => return Look::Later(error.failure),
            Ended::Unknown(failure) => return Look::Later(failure),
        },
        Phase::Registered | Phase::Retained | Phase::Suspect => {
            tracing::warn!(object = %object(record), client_id = %record.client_id, phase = ?record.phase,
                "a registration record has no OAuthClient here; it is left alone");
            return Look::Nothing;
        }
    }
    removed(world, meta, revision).await
}

/// The client stays at the provider, as far as anybody knows: a suspect says so, and holds its record.
async fn keep<W: World>(world: &W, record: &Record) -> Result<(), ApiError> {
    let suspect = suspect::of(record);
    let entry = Entry {
        owner: &record.owner,
        suspect: &suspect,
        issuer: None,
        provider: None,
        record: Some(record),
        now: world.now(),
    };
    let Ok(entry) = suspect::secret(&entry, &world.here().namespace) else {
        return Err(ApiError::Conflict);
    };
    match world.create_secret(&entry).await {
        Ok(_) | Err(ApiError::AlreadyExists) => {
            tracing::warn!(object = %object(record), client_id = %record.client_id,
                "a client whose object is gone could not be deregistered; its record is kept as a suspect");
            Ok(())
        }
        Err(error) => Err(error),
    }
}
