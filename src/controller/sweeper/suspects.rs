//! Suspects that hold a record: what a deletion or a replacement left, tried again from time to time.

use crate::api::Reason;
use crate::cluster::{SecretMeta, SecretRevision};
use crate::controller::world::World;
use crate::domain::record::{Phase, Record};
use crate::floods;
use crate::metrics::SuspectResult;

use super::{Ended, Look, SweepEntry, end, object, removed};

/// One that has just been met is left alone for a while, because it was refused a moment ago; unless somebody asks for a try.
pub(super) async fn look<W: World>(
    world: &W,
    meta: &SecretMeta,
    record: &Record,
    revision: &SecretRevision,
    before: Option<&SweepEntry>,
) -> Look {
    if record.phase != Phase::Suspect {
        return Look::Nothing;
    }
    // Others may use it.
    if record.in_dispute && !meta.retry {
        return Look::Nothing;
    }
    let provider: Box<str> = record.management.provider_uid.as_str().into();
    if before.is_none() && !meta.retry {
        return Look::Suspect { provider, tried: false };
    }
    let result = match end(world, record, &meta.name).await {
        Ended::Done => {
            tracing::info!(object = %object(record), client_id = %record.client_id, "a suspect client is deregistered");
            SuspectResult::Deregistered
        }
        // The object is about to have another client registered in the place of this one, perhaps: then only this entry names it. What
        // a pass over the object finds settled, it removes itself.
        Ended::InUse(user) if meta.client_uid.as_deref() == Some(user.as_str()) => {
            return Look::Suspect { provider, tried: true };
        }
        Ended::InUse(_) => {
            tracing::info!(object = %object(record), client_id = %record.client_id,
                "a client is no longer a suspect: the record of an OAuthClient uses it");
            SuspectResult::InUse
        }
        Ended::Unclear => return Look::Suspect { provider, tried: true },
        Ended::Not(error) => {
            warn(record, error.failure.reason, &error.failure.message);
            return Look::Suspect { provider, tried: true };
        }
        Ended::Impossible(failure) => {
            warn(record, failure.reason, &failure.message);
            return Look::Suspect { provider, tried: true };
        }
        Ended::Unknown(failure) => return Look::Later(failure),
        Ended::Stopped => return Look::Stopped,
        Ended::Waits => return Look::Waits,
    };
    match removed(world, meta, revision, None).await {
        Look::Done => Look::Settled(result),
        other => other,
    }
}

/// Logs that a suspect stays. When it is tried again stands in `docs/suspects.md`.
fn warn(record: &Record, reason: Reason, cause: &str) {
    if tracing::enabled!(tracing::Level::WARN) && floods::admits("suspect") {
        tracing::warn!(object = %object(record), client_id = %record.client_id, %reason, error = cause,
            "suspect client not deregistered, will retry");
    }
}
