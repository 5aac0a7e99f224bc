//! Part D of the table: an object that is being deleted.

use std::time::Duration;

use crate::api::{DeletionPolicy, ManagementMode, OAuthClient, Reason, Suspect};
use crate::domain::duration;
use crate::domain::failure::{Class, Failure};
use crate::domain::identity::{self, Finds};
use crate::domain::marker::Marker;
use crate::domain::record::{Phase, Record};
use crate::domain::secret;

use super::create;
use super::{Credentials, Deregistration, Effect, Next, ProviderView, Sight, Verdict, View};

/// How long a deletion is tried if the manifest does not say. Helm waits for five minutes.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_mins(4);
/// How long a deletion waits for credentials to return where the namespace is being deleted, so that nobody can create them.
const CREDENTIALS_RETURN: Duration = Duration::from_mins(1);
/// Time in which a registration that another replica began has ended and is recorded, whatever its provider's deadline.
const UNDER_WAY: Duration = Duration::from_mins(1);
/// Two looks this far apart have to find the client gone: a provider in trouble answers 401 for everybody.
pub const CONFIRM_AFTER: Duration = Duration::from_mins(1);

pub(super) fn next(view: &View<'_>) -> Next {
    until_timeout(view, decide(view))
}

/// Whatever the deletion waits for, it is looked at when its timeout has passed: Helm waits little longer.
fn until_timeout(view: &View<'_>, next: Next) -> Next {
    match next {
        Next::Finish(Verdict::Failed(failure)) => {
            let left = timeout(view.object).checked_sub(view.deleting_for);
            Next::Finish(Verdict::Failed(failure.within(left.filter(|left| !left.is_zero()))))
        }
        other => other,
    }
}

fn decide(view: &View<'_>) -> Next {
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
        Sight::Unreadable => blocked(&super::unreadable(view), None),
        // D6a
        Sight::Present(record) if is_of_others(view, record) => {
            if timed_out(view) {
                return Effect::RemoveFinalizer.into();
            }
            let text = view.here.held.clone();
            let text = text.unwrap_or_else(|| super::other_cluster(view, record));
            stopped(view).unwrap_or_else(|| blocked(&text, None))
        }
        Sight::Present(record) => match record.phase {
            // D7
            Phase::Deleted | Phase::Retained | Phase::Suspect => {
                stopped(view).unwrap_or_else(|| Effect::RemoveFinalizer.into())
            }
            // Given up while it is being deregistered: as good as from the start.
            Phase::Deleting if view.memory.deregistration.is_some() || !view.abandons(&record.client_id) => {
                doubt(view, record).unwrap_or_else(|| deleting(view, record))
            }
            Phase::Registered | Phase::Deleting => stopped(view)
                .or_else(|| doubt(view, record))
                .unwrap_or_else(|| begin(view, record)),
        },
    }
}

/// A3: the record is in the namespace of another installation, which may no longer be there. The deletion waits for it as long
/// as for a provider, and then tells of the client.
pub(super) fn elsewhere(view: &View<'_>, marker: &Marker<'_>, text: &str) -> Next {
    if !view.has_finalizer() {
        return Next::Finish(Verdict::Gone);
    }
    if let Some(next) = stopped(view) {
        return next;
    }
    if !timed_out(view) {
        return until_timeout(view, blocked(text, None));
    }
    if !view.memory.object_read {
        return Effect::ReadObject.into();
    }
    let client_id = view.known_client_id();
    if view.is_suspect(&marker.attempt, client_id) {
        return Effect::RemoveFinalizer.into();
    }
    Effect::EnterSuspect(Suspect {
        attempt: marker.attempt.to_string(),
        client_id: client_id.map(str::to_owned),
    })
    .into()
}

/// Whether the client is another cluster's, or may be, and the user has not given it up.
fn is_of_others(view: &View<'_>, record: &Record) -> bool {
    let begun = matches!(record.phase, Phase::Registered | Phase::Deleting);
    let others = view.is_of_another_cluster(record) || view.here.held.is_some();
    begun && others && !view.abandons(&record.client_id)
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
            Some(client_id) => {
                let attempt = attempt.unwrap_or_else(|| identity::unknown_attempt(client_id));
                suspect(attempt, Some(client_id))
            }
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
    if timed_out(view) || view.here.held.is_some() {
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

/// D7a: the client was being registered anew when the deletion came, and nothing tells whether the provider did it.
fn doubt(view: &View<'_>, record: &Record) -> Option<Next> {
    let attempt = view.open_attempt().filter(|attempt| *attempt != record.attempt)?;
    if view.is_suspect(&attempt, None) {
        return None;
    }
    if let Some(next) = stopped(view) {
        return Some(next);
    }
    if let Some(wait) = view.foreign_attempt_age.and_then(|age| UNDER_WAY.checked_sub(age)) {
        let text = "a registration that another replica began may still be under way";
        return Some(blocked(text, Some(wait)));
    }
    Some(
        Effect::EnterSuspect(Suspect {
            attempt,
            client_id: None,
        })
        .into(),
    )
}

/// D8 and D9.
fn begin(view: &View<'_>, record: &Record) -> Next {
    let retain = view.object.spec.deletion_policy == DeletionPolicy::Retain || view.abandons(&record.client_id);
    let phase = match (retain, view.credentials) {
        (true, Credentials::Unseen { .. }) => return Effect::ReadCredentials.into(),
        // The garbage collector was faster, as in a foreground deletion: the application keeps its Secret all the same.
        (true, Credentials::Ours(secret)) if secret.metadata.deletion_timestamp.is_some() && !timed_out(view) => {
            return blocked(
                "the Secret of the retained client is being removed, and is created again after that",
                None,
            );
        }
        (true, Credentials::Absent) if !view.namespace_terminating => {
            let mut secret = secret::credentials(view.object, record);
            secret.metadata.owner_references = None;
            return Effect::CreateCredentials(Box::new(secret)).into();
        }
        (true, Credentials::Ours(_)) => return Effect::ReleaseCredentials.into(),
        (true, _) => Phase::Retained,
        (false, _) => Phase::Deleting,
    };
    Effect::SaveRecord(Box::new(Record {
        // What was missed before the deletion is no first refusal of it.
        missing_since: None,
        phase,
        ..record.clone()
    }))
    .into()
}

fn deleting(view: &View<'_>, record: &Record) -> Next {
    let unsupported =
        record.management_uri().is_none() || view.memory.deregistration == Some(Deregistration::Unsupported);
    // D10
    if unsupported {
        return leave(view, record);
    }
    if record.management.mode == ManagementMode::Credentials {
        match view.provider {
            // D11
            ProviderView::Unresolved => return Effect::ResolveForDeletion.into(),
            ProviderView::Refused(failure) if lacks_credentials(failure) => {
                return without_credentials(view, record, failure);
            }
            ProviderView::Refused(failure) => return delayed(view, failure),
            ProviderView::Resolved(_) => {}
        }
    }
    match view.memory.deregistration {
        // D12
        Some(Deregistration::Done) => return unsuspected(view, record),
        // D12a
        Some(Deregistration::HeldByAnother) => return deleted(record),
        Some(Deregistration::Refused) => return refused(view, record),
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

/// D12: a deregistered client is no suspect either.
fn unsuspected(view: &View<'_>, record: &Record) -> Next {
    match view.suspected(&record.client_id) {
        Some(suspect) => Effect::RemoveSuspect(suspect.attempt.clone()).into(),
        None => deleted(record),
    }
}

/// D10: the client stays at the provider, and the suspect entry says so and keeps all that a later try needs. An entry that exists
/// may lack the record, or hold an older token.
fn leave(view: &View<'_>, record: &Record) -> Next {
    if view.memory.kept {
        return deleted(record);
    }
    Effect::KeepSuspect(Box::new(record.clone())).into()
}

/// D13: a refusal says that this call was refused, and nothing about the client: "gone" and "bad token" are one answer. After a
/// second look the object is let go, and the client stays a suspect.
fn refused(view: &View<'_>, record: &Record) -> Next {
    match view.missing_for {
        None => {
            let record = Record {
                missing_since: Some(view.now),
                ..record.clone()
            };
            Effect::SaveRecord(Box::new(record)).into()
        }
        Some(missing) if missing >= CONFIRM_AFTER => leave(view, record),
        Some(missing) => blocked(
            "the provider refused to deregister the client, or no longer knows it; the operator tries a second time",
            Some(CONFIRM_AFTER.saturating_sub(missing)),
        ),
    }
}

/// Whether the provider object or the consented Secret of its credentials is missing.
#[must_use]
pub const fn lacks_credentials(failure: &Failure) -> bool {
    matches!(
        failure.reason,
        Reason::ProviderNotFound | Reason::CredentialsMissing | Reason::ConsentMissing
    )
}

/// D11a: the provider's credentials vanished before the object, and none are kept. They may return while the deletion has time.
fn without_credentials(view: &View<'_>, record: &Record, failure: &Failure) -> Next {
    let timeout = timeout(view.object);
    let limit = if view.namespace_terminating {
        timeout.min(CREDENTIALS_RETURN)
    } else {
        timeout
    };
    match limit.checked_sub(view.deleting_for) {
        None | Some(Duration::ZERO) => leave(view, record),
        // The watches tell when they return.
        left => match blocked(&failure.message, left) {
            Next::Finish(Verdict::Failed(failure)) => Next::Finish(Verdict::Failed(failure.within(left))),
            other => other,
        },
    }
}

/// D14 and D15 for the step of this pass that failed, if one did.
fn stopped(view: &View<'_>) -> Option<Next> {
    view.memory.failure.as_ref().map(|failure| delayed(view, failure))
}

fn delayed(view: &View<'_>, failure: &Failure) -> Next {
    // D15
    if failure.class == Class::Conflict {
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
    view.deleting_for >= timeout(view.object)
}

/// How long the deletion of an object blocks on its deregistration.
#[must_use]
pub fn timeout(object: &OAuthClient) -> Duration {
    let stated = object.spec.deletion_timeout.as_deref();
    stated.and_then(duration::parse).unwrap_or(DEFAULT_TIMEOUT)
}
