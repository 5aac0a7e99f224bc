//! Part D of the table: an object that is being deleted.

use std::time::Duration;

use crate::api::{DeletionPolicy, ManagementMode, Reason, Suspect};
use crate::domain::duration;
use crate::domain::failure::{Class, Failure};
use crate::domain::identity::{self, Finds};
use crate::domain::record::{Phase, Record};

use super::create;
use super::{Credentials, Deregistration, Effect, Next, ProviderView, Sight, Verdict, View};

/// How long a deletion is tried if the manifest does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(15);
/// Time in which a registration that another replica began has ended and is recorded, whatever its provider's deadline.
const UNDER_WAY: Duration = Duration::from_mins(1);
/// Two looks this far apart have to find the client gone: a provider in trouble answers 401 for everybody.
pub const CONFIRM_AFTER: Duration = Duration::from_mins(1);

pub(super) fn next(view: &View<'_>) -> Next {
    // D1
    if !view.has_finalizer() {
        return match view.record {
            Sight::Present(record) if record.phase == Phase::Deleted => Effect::RemoveRecord.into(),
            _ => Next::Finish(Verdict::Gone),
        };
    }
    match view.record {
        // D2
        Sight::Unseen | Sight::Absent { live: false } => stopped(view).unwrap_or_else(|| Effect::ReadRecord.into()),
        Sight::Absent { live: true } => stopped(view).unwrap_or_else(|| unrecorded(view)),
        // D6
        Sight::Unreadable if timed_out(view) => Effect::RemoveFinalizer.into(),
        Sight::Unreadable => blocked("the registration record cannot be read", None),
        // D6a
        Sight::Present(record) if is_of_others(view, record) => {
            if timed_out(view) {
                return Effect::RemoveFinalizer.into();
            }
            stopped(view).unwrap_or_else(|| blocked(&super::other_cluster(view, record), None))
        }
        Sight::Present(record) => match record.phase {
            // D7
            Phase::Deleted | Phase::Retained => stopped(view).unwrap_or_else(|| Effect::RemoveFinalizer.into()),
            Phase::Registered => stopped(view).unwrap_or_else(|| begin(view, record)),
            Phase::Deleting => deleting(view, record),
        },
    }
}

/// Whether the client is another cluster's, and the user has not given it up.
fn is_of_others(view: &View<'_>, record: &Record) -> bool {
    let begun = matches!(record.phase, Phase::Registered | Phase::Deleting);
    begun && view.is_of_another_cluster(record) && !view.abandons(&record.client_id)
}

/// D3 to D5: nothing is recorded, although something may have been registered.
fn unrecorded(view: &View<'_>) -> Next {
    let suspect = |attempt: String, client_id: Option<&str>| {
        let known = view.is_suspect(&attempt, client_id);
        (!known).then(|| {
            Effect::EnterSuspect(Suspect {
                attempt,
                client_id: client_id.map(str::to_owned),
            })
        })
    };
    let attempt = view
        .object
        .status
        .as_ref()
        .and_then(|status| status.attempt.as_ref())
        .map(|attempt| attempt.id.clone());
    let open = view.open_attempt();
    let doubt = open
        .clone()
        .and_then(|attempt| suspect(attempt, None))
        .or_else(|| match view.known_client_id() {
            Some(client_id) => suspect(attempt.unwrap_or_default(), Some(client_id)),
            None => view.registered_attempt().and_then(|attempt| suspect(attempt, None)),
        });
    let Some(doubt) = doubt else {
        return Effect::RemoveFinalizer.into();
    };
    // D3a: the end of a deletion looks like a lost record to whoever sees the object a moment longer.
    if !view.memory.object_read {
        return Effect::ReadObject.into();
    }
    // D3b
    if open.is_some()
        && let Some(wait) = view.foreign_attempt_age.and_then(|age| UNDER_WAY.checked_sub(age))
    {
        return blocked(
            "a registration that another replica began may still be under way",
            Some(wait),
        );
    }
    // D3c
    let by_mark = open.filter(|attempt| !view.is_suspect(attempt, None));
    by_mark
        .and_then(|attempt| find(view, &attempt))
        .unwrap_or_else(|| doubt.into())
}

/// D3c: a mark leads to the client that would be a suspect, as long as the deletion has time.
fn find(view: &View<'_>, attempt: &str) -> Option<Next> {
    if timed_out(view) {
        return None;
    }
    match view.provider {
        ProviderView::Unresolved => Some(Effect::ResolveProvider.into()),
        ProviderView::Refused(_) => None,
        ProviderView::Resolved(provider) => {
            let marks = matches!(identity::finds(&provider.target.knobs), Some(Finds::ByMark(_)));
            create::look_up(view, provider, attempt).filter(|_| marks)
        }
    }
}

/// D8 and D9.
fn begin(view: &View<'_>, record: &Record) -> Next {
    let retain = view.object.spec.deletion_policy == DeletionPolicy::Retain || view.abandons(&record.client_id);
    let phase = match (retain, view.credentials) {
        (true, Credentials::Unseen { .. }) => return Effect::ReadCredentials.into(),
        (true, Credentials::Ours(_)) => return Effect::ReleaseCredentials.into(),
        (true, _) => Phase::Retained,
        (false, _) => Phase::Deleting,
    };
    Effect::SaveRecord(Box::new(Record {
        phase,
        ..record.clone()
    }))
    .into()
}

fn deleting(view: &View<'_>, record: &Record) -> Next {
    let unsupported =
        record.management_uri().is_none() || view.memory.deregistration == Some(Deregistration::Unsupported);
    // D10
    if unsupported || credentials_vanished(view, record) {
        return leave(view, record);
    }
    if record.management.mode == ManagementMode::Credentials {
        match view.provider {
            // D11
            ProviderView::Unresolved => return Effect::ResolveProvider.into(),
            ProviderView::Refused(failure) => return delayed(view, failure),
            ProviderView::Resolved(_) => {}
        }
    }
    match view.memory.deregistration {
        // D12
        Some(Deregistration::Done) => return deleted(record),
        Some(Deregistration::GoneOrUnauthorised) => return doubtful(view, record),
        Some(Deregistration::Unsupported) | None => {}
    }
    // D14 and D15; else D16
    stopped(view).unwrap_or_else(|| Effect::Deregister.into())
}

fn deleted(record: &Record) -> Next {
    Effect::SaveRecord(Box::new(Record {
        phase: Phase::Deleted,
        ..record.clone()
    }))
    .into()
}

/// D10: the client stays at the provider, and the suspect entry says so.
fn leave(view: &View<'_>, record: &Record) -> Next {
    if view.is_suspect(&record.attempt, Some(&record.client_id)) {
        return deleted(record);
    }
    let client_id = Some(record.client_id.clone());
    Effect::EnterSuspect(Suspect {
        attempt: record.attempt.clone(),
        client_id,
    })
    .into()
}

/// D13: the answer that says "gone" also says "bad token".
fn doubtful(view: &View<'_>, record: &Record) -> Next {
    if record.in_flight.is_some() {
        let failure = Failure::new(
            Class::Transient,
            Reason::ManagementLost,
            "the provider does not accept the token that manages the client",
        );
        return delayed(view, &failure);
    }
    match view.missing_for {
        None => {
            let record = Record {
                missing_since: Some(view.now),
                ..record.clone()
            };
            Effect::SaveRecord(Box::new(record)).into()
        }
        Some(missing) if missing >= CONFIRM_AFTER => deleted(record),
        Some(missing) => blocked(
            "the provider no longer knows the client, which is confirmed by a second look",
            Some(CONFIRM_AFTER.saturating_sub(missing)),
        ),
    }
}

/// Whether management needs credentials that are gone together with their provider.
fn credentials_vanished(view: &View<'_>, record: &Record) -> bool {
    let gone = |failure: &Failure| matches!(failure.reason, Reason::ProviderNotFound | Reason::CredentialsMissing);
    record.management.mode == ManagementMode::Credentials
        && matches!(view.provider, ProviderView::Refused(failure) if gone(failure))
}

/// D14 and D15 for the step of this pass that failed, if one did.
fn stopped(view: &View<'_>) -> Option<Next> {
    view.memory.failure.as_ref().map(|failure| delayed(view, failure))
}

fn delayed(view: &View<'_>, failure: &Failure) -> Next {
    // D15
    if matches!(failure.class, Class::Conflict | Class::Lost) {
        return Next::Finish(Verdict::Failed(failure.clone()));
    }
    // D14
    if timed_out(view) && (has_tombstone(view) || is_refusal(failure) && was_blocked(view)) {
        return Effect::RemoveFinalizer.into();
    }
    blocked(&failure.message, failure.retry_after)
}

/// Whether a record tells the sweeper what is left to do.
fn has_tombstone(view: &View<'_>) -> bool {
    matches!(view.record, Sight::Present(record) if record.phase != Phase::Registered)
}

/// Whether the deletion failed before, and the status says so: after a day without operator the first refusal is no end.
fn was_blocked(view: &View<'_>) -> bool {
    let status = view.object.status.as_ref();
    let mut conditions = status.iter().flat_map(|status| &status.conditions);
    conditions.any(|condition| {
        condition.type_ == "Ready" && Reason::parse(&condition.reason) == Some(Reason::DeletionBlocked)
    })
}

/// Whether trying again is no use. An API server that is away for a moment must not cost a client, however long ago the
/// deletion was asked for: the operator may have been away for a day.
const fn is_refusal(failure: &Failure) -> bool {
    matches!(failure.class, Class::Denied | Class::Invalid | Class::Bug)
}

fn blocked(cause: &str, wait: Option<Duration>) -> Next {
    let message = format!(
        "the client is not deregistered yet: {cause}; deletion is tried again until spec.deletionTimeout has passed"
    );
    Next::Finish(Verdict::Failed(
        Failure::new(Class::Transient, Reason::DeletionBlocked, message).after(wait),
    ))
}

fn timed_out(view: &View<'_>) -> bool {
    let timeout = view
        .object
        .spec
        .deletion_timeout
        .as_deref()
        .and_then(duration::parse)
        .unwrap_or(DEFAULT_TIMEOUT);
    view.deleting_for >= timeout
}
