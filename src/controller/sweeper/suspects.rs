//! Suspects that hold a record: what a deletion or a replacement left, tried again from time to time.

use crate::cluster::{SecretMeta, SecretRevision};
use crate::controller::world::World;
use crate::domain::record::{Phase, Record};

use super::{Ended, Look, Looked, end, object, removed};

/// One that has just been met is left alone for a while: it was refused a moment ago.
pub(super) async fn look<W: World>(
    world: &W,
    meta: &SecretMeta,
    record: &Record,
    revision: &SecretRevision,
    before: Option<&Looked>,
) -> Look {
    if record.phase != Phase::Suspect {
        return Look::Nothing;
    }
    let provider: Box<str> = record.management.provider_uid.as_str().into();
    if before.is_none() {
        return Look::Suspect { provider, tried: false };
    }
    match end(world, record, &meta.name).await {
        Ended::Done => {
            tracing::info!(object = %object(record), client_id = %record.client_id, "a suspect client is deregistered");
        }
        Ended::InUse => {
            tracing::info!(object = %object(record), client_id = %record.client_id,
                "a client is no longer a suspect: the record of an OAuthClient uses it");
        }
        Ended::Unclear => return Look::Suspect { provider, tried: true },
        Ended::Not(error) => {
            tracing::debug!(client_id = %record.client_id, "a suspect client is not deregistered: {error}");
            return Look::Suspect { provider, tried: true };
        }
        Ended::Unknown(failure) => {
            tracing::debug!(client_id = %record.client_id, "a suspect client cannot be tried: {failure}");
            return Look::Suspect { provider, tried: true };
        }
    }
    removed(world, meta, revision).await
}
