//! Part D of the table: an object that is being deleted.

use std::time::Duration;

use crate::api::{DeletionPolicy, ManagementMode, OAuthClient, Reason, Suspect};
use crate::domain::duration;
use crate::domain::failure::{Class, Failure};
use crate::domain::identity::{self, Finds};
use crate::domain::marker::Marker;
use crate::domain::record::{Phase, Record};
use crate::domain::secret;

use super::effect::{Decision, Effect, Next, Verdict};
use super::first;
use super::journal::Deregistration;
use super::queue;
use super::row::Row;
use super::view::{CredentialsView, ProviderView, RecordView, View};
use super::{UNDER_WAY, create, template};

/// How long a deletion is tried if the manifest does not say. Helm waits for five minutes.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_mins(4);
/// How long a deletion waits for credentials to return where the namespace is being deleted, so that nobody can create them.
const CREDENTIALS_RETURN: Duration = Duration::from_mins(1);
/// Two looks this far apart have to find the client gone: a provider in trouble answers 401 for everybody.
pub const CONFIRM_AFTER: Duration = Duration::from_mins(1);

pub(super) fn next(view: &View<'_>) -> Option<Decision> {
    view.object.metadata.deletion_timestamp.as_ref()?;
    Some(until_timeout(view, decide(view)))
}

/// Whatever the deletion waits for, it is looked at when its timeout has passed: Helm waits little longer.
fn until_timeout(view: &View<'_>, decision: Decision) -> Decision {
    match decision.next {
        Next::Finish(Verdict::Failed(failure)) => {
            let left = timeout(view.object).checked_sub(view.seen.deleting_for);
            decision.row.fails(failure.within(left.filter(|left| !left.is_zero())))
        }
        _ => decision,
    }
}

fn decide(view: &View<'_>) -> Decision {
    if !view.has_finalizer() {
        return match view.record {
            // What cannot be removed now is removed by the sweeper.
            RecordView::Present(record) if record.phase == Phase::Deleted && view.journal.failure.is_none() => {
                Row::D1.does(Effect::RemoveRecord)
            }
            _ => Row::D1.ends(Verdict::Gone),
        };
    }
    if let Some(decision) = queue::deletion(view) {
        return decision;
    }
    match view.record {
        RecordView::Unseen | RecordView::Absent { live: false } => {
            stopped(view).unwrap_or_else(|| Row::D2.does(Effect::ReadRecord))
        }
        RecordView::Absent { live: true } => stopped(view).unwrap_or_else(|| unrecorded(view)),
        RecordView::Unreadable if timed_out(view) => stopped(view).unwrap_or_else(|| unreadable(view)),
        RecordView::Unreadable => Row::D6.fails(blocked(&first::unreadable(view), None)),
        RecordView::Present(record) if is_of_others(view, record) => {
            if timed_out(view) && !view.journal.not_let_go {
                return Row::D6a.does(Effect::RemoveFinalizer);
            }
            let text = view.seen.operator.held.clone();
            let text = text.unwrap_or_else(|| first::other_cluster(view, record));
            stopped(view).unwrap_or_else(|| Row::D6a.fails(blocked(&text, None)))
        }
        RecordView::Present(record) => match record.phase {
            Phase::Deleted | Phase::Retained | Phase::Suspect => {
                stopped(view).unwrap_or_else(|| Row::D7.does(Effect::RemoveFinalizer))
            }
            // Given up while it is being deregistered: as good as from the start.
            Phase::Deleting if view.journal.deregistration.is_some() || !view.abandons(&record.client_id) => {
                doubt(view, record).unwrap_or_else(|| deleting(view, record))
            }
            Phase::Registered | Phase::Deleting => stopped(view)
                .or_else(|| doubt(view, record))
                .unwrap_or_else(|| begin(view, record)),
        },
    }
}

/// A3: the record is in the namespace of another operator, which may no longer be there. The deletion waits for it as long
/// as for a provider, and then tells of the client.
pub(super) fn elsewhere(view: &View<'_>, marker: &Marker<'_>, text: &str) -> Decision {
    if !view.has_finalizer() {
        return Row::D1.ends(Verdict::Gone);
    }
    if let Some(decision) = stopped(view) {
        return decision;
    }
    if !timed_out(view) {
        return until_timeout(view, Row::A3.fails(blocked(text, None)));
    }
    if !view.journal.object_read {
        return Row::A3.does(Effect::ReadObject);
    }
    let client_id = view.known_client_id();
    if view.is_suspect(&marker.attempt, client_id) {
        return Row::A3.does(Effect::RemoveFinalizer);
    }
    Row::A3.does(Effect::EnterSuspect(Suspect {
        attempt: marker.attempt.to_string(),
        client_id: client_id.map(str::to_owned),
    }))
}

/// D6: what the object says of the client is all that is known of it.
fn unreadable(view: &View<'_>) -> Decision {
    let client_id = view.known_client_id();
    let attempt = view.marker().map(|marker| marker.attempt.into_owned());
    let attempt = attempt.or_else(|| client_id.map(identity::unknown_attempt));
    let doubt = attempt.filter(|attempt| !view.is_suspect(attempt, client_id));
    Row::D6.does(match doubt {
        Some(attempt) => Effect::EnterSuspect(Suspect {
            attempt,
            client_id: client_id.map(str::to_owned),
        }),
        None => Effect::RemoveFinalizer,
    })
}

/// Whether the client is another cluster's, or may be, and the user has not given it up.
fn is_of_others(view: &View<'_>, record: &Record) -> bool {
    let begun = matches!(record.phase, Phase::Registered | Phase::Deleting);
    let others = view.is_of_another_cluster(record) || view.seen.operator.held.is_some();
    begun && others && !view.abandons(&record.client_id)
}

/// D3 to D5: nothing is recorded, although something may have been registered.
fn unrecorded(view: &View<'_>) -> Decision {
    let status = view.object.status.as_ref();
    let attempt = status.and_then(|status| status.attempt.as_ref());
    let attempt = attempt.map(|attempt| attempt.id.clone());
    let open = view.open_attempt();
    let doubt = open.clone().map(|attempt| (Row::D3, attempt, None));
    let doubt = doubt.filter(|(_, attempt, _)| !view.is_suspect(attempt, None));
    let doubt = doubt.or_else(|| {
        let (row, attempt, client_id) = if let Some(client_id) = view.known_client_id() {
            let attempt = attempt.unwrap_or_else(|| identity::unknown_attempt(client_id));
            (Row::D4, attempt, Some(client_id))
        } else {
            (Row::D4a, view.registered_attempt()?, None)
        };
        let known = view.is_suspect(&attempt, client_id);
        (!known).then_some((row, attempt, client_id))
    });
    let Some((row, attempt, client_id)) = doubt else {
        // An event names what remains when the finalizer is removed.
        if view.has_earlier && view.journal.earlier.is_none() {
            return Row::D5a.does(Effect::FindEarlier);
        }
        return Row::D5.does(Effect::RemoveFinalizer);
    };
    // The end of a deletion looks like a lost record to whoever sees the object a moment longer.
    if !view.journal.object_read {
        return Row::D3a.does(Effect::ReadObject);
    }
    if open.is_some()
        && let Some(wait) = view.seen.foreign_attempt_age.and_then(|age| UNDER_WAY.checked_sub(age))
    {
        let text = "a registration that another replica began may still be under way";
        return Row::D3b.fails(blocked(text, Some(wait)));
    }
    let by_mark = open.filter(|attempt| !view.is_suspect(attempt, None));
    if let Some(effect) = by_mark.and_then(|attempt| find(view, &attempt)) {
        return Row::D3c.does(effect);
    }
    row.does(Effect::EnterSuspect(Suspect {
        attempt,
        client_id: client_id.map(str::to_owned),
    }))
}

/// D3c: a mark leads to the client that would be a suspect, as long as the deletion has time.
fn find(view: &View<'_>, attempt: &str) -> Option<Effect> {
    if timed_out(view) || view.seen.operator.held.is_some() {
        return None;
    }
    match view.provider {
        ProviderView::Unresolved => Some(Effect::ResolveProvider),
        ProviderView::Refused(_) => None,
        ProviderView::Resolved(provider) => {
            let marks = matches!(identity::finds(&provider.target.knobs), Some(Finds::ByMark(_)));
            create::look_up(view, provider, attempt).filter(|_| marks)
        }
    }
}

/// D7a: the client was being registered anew when the deletion came, and nothing tells whether the provider did it.
fn doubt(view: &View<'_>, record: &Record) -> Option<Decision> {
    let attempt = view.open_attempt().filter(|attempt| *attempt != record.attempt)?;
    if view.is_suspect(&attempt, None) {
        return None;
    }
    if let Some(decision) = stopped(view) {
        return Some(decision);
    }
    if let Some(wait) = view.seen.foreign_attempt_age.and_then(|age| UNDER_WAY.checked_sub(age)) {
        let text = "a registration that another replica began may still be under way";
        return Some(Row::D7a.fails(blocked(text, Some(wait))));
    }
    Some(Row::D7a.does(Effect::EnterSuspect(Suspect {
        attempt,
        client_id: None,
    })))
}

/// D8 and D9.
fn begin(view: &View<'_>, record: &Record) -> Decision {
    let retain = view.object.spec.deletion_policy == DeletionPolicy::Retain || view.abandons(&record.client_id);
    let (row, phase) = match (retain, view.credentials) {
        (true, CredentialsView::Unseen { .. }) => return Row::D8.does(Effect::ReadCredentials),
        // The garbage collector was faster, as in a foreground deletion: the application keeps its Secret all the same.
        (true, CredentialsView::Ours(secret)) if secret.metadata.deletion_timestamp.is_some() && !timed_out(view) => {
            let text = "the Secret of the retained client is being removed, and is created again after that";
            return Row::D8.fails(blocked(text, None));
        }
        (true, CredentialsView::Absent) if !view.seen.namespace_terminating => {
            let mut secret = secret::credentials(view.object, record);
            secret.metadata.owner_references = None;
            return Row::D8.does(Effect::CreateCredentials(Box::new(secret)));
        }
        (true, CredentialsView::Ours(_)) => return Row::D8.does(Effect::ReleaseCredentials),
        (true, _) => (Row::D8, Phase::Retained),
        (false, _) => (Row::D9, Phase::Deleting),
    };
    row.does(Effect::SaveRecord(Box::new(Record {
        // What was missed before the deletion is no first refusal of it.
        missing_since: None,
        phase,
        ..record.clone()
    })))
}

fn deleting(view: &View<'_>, record: &Record) -> Decision {
    let unsupported =
        record.management_uri().is_none() || view.journal.deregistration == Some(Deregistration::Unsupported);
    if unsupported {
        return leave(view, record, Row::D10);
    }
    if record.management.mode == ManagementMode::Credentials {
        match view.provider {
            ProviderView::Unresolved => return Row::D11.does(Effect::ResolveForDeletion),
            ProviderView::Refused(failure) if lacks_credentials(failure) => {
                return without_credentials(view, record, failure);
            }
            ProviderView::Refused(failure) => return delayed(view, failure),
            ProviderView::Resolved(_) => {}
        }
    }
    match view.journal.deregistration {
        // A deregistered client is no suspect either.
        Some(Deregistration::Done) => {
            return Row::D12.does(match view.suspected(&record.client_id) {
                Some(suspect) => Effect::RemoveSuspect(suspect.attempt.clone()),
                None => deleted(record),
            });
        }
        Some(Deregistration::HeldByAnother) => return Row::D12a.does(deleted(record)),
        Some(Deregistration::Refused | Deregistration::Unproven | Deregistration::Misdirected) => {
            return refused(view, record);
        }
        Some(Deregistration::Unsupported) | None => {}
    }
    if let Some(decision) = stopped(view) {
        return decision;
    }
    if view.journal.claimed {
        return if template::is_to_be_read(view, record) {
            Row::D16a.does(Effect::ReadClient)
        } else {
            Row::D17.does(Effect::Deregister)
        };
    }
    Row::D16.does(Effect::Claim {
        record: Box::new(record.clone()),
        compensates: false,
    })
}

fn deleted(record: &Record) -> Effect {
    Effect::SaveRecord(Box::new(Record {
        phase: Phase::Deleted,
        ..record.clone()
    }))
}

/// The client stays at the provider, and the suspect entry says so and keeps all that a later try needs. An entry that exists
/// may lack the record, or hold an older token.
fn leave(view: &View<'_>, record: &Record, row: Row) -> Decision {
    if let Some(decision) = stopped(view) {
        return decision;
    }
    row.does(if view.journal.kept {
        deleted(record)
    } else {
        Effect::KeepSuspect(Box::new(record.clone()))
    })
}

/// D13: a refusal says that this call was refused, and nothing about the client: "gone" and "bad token" are one answer. After a
/// second look the finalizer is removed, and the client remains a suspect.
fn refused(view: &View<'_>, record: &Record) -> Decision {
    match view.seen.missing_for {
        None => Row::D13.does(Effect::SaveRecord(Box::new(Record {
            missing_since: Some(view.seen.now),
            ..record.clone()
        }))),
        Some(missing) if missing >= CONFIRM_AFTER => leave(view, record, Row::D13),
        Some(missing) => {
            let text = template::refusal(view.journal.deregistration);
            Row::D13.fails(blocked(text, Some(CONFIRM_AFTER.saturating_sub(missing))))
        }
    }
}

/// Whether the provider object or the consented Secret of its credentials is missing. A file that cannot be read for a moment is not.
#[must_use]
pub const fn lacks_credentials(failure: &Failure) -> bool {
    let is_missing = matches!(
        failure.reason,
        Reason::ProviderNotFound | Reason::CredentialsMissing | Reason::ConsentMissing
    );
    is_missing && matches!(failure.class, Class::Denied)
}

/// D11a: the provider's credentials vanished before the object, and none are kept. They may return while the deletion has time.
fn without_credentials(view: &View<'_>, record: &Record, failure: &Failure) -> Decision {
    let timeout = timeout(view.object);
    let limit = if view.seen.namespace_terminating {
        timeout.min(CREDENTIALS_RETURN)
    } else {
        timeout
    };
    match limit.checked_sub(view.seen.deleting_for) {
        None | Some(Duration::ZERO) => leave(view, record, Row::D11a),
        // The watches tell when they return.
        left => Row::D11a.fails(blocked(&failure.message, left).within(left)),
    }
}

/// D14 and D15 for the step of this pass that failed, if one did.
pub(super) fn stopped(view: &View<'_>) -> Option<Decision> {
    view.journal.failure.as_ref().map(|failure| delayed(view, failure))
}

fn delayed(view: &View<'_>, failure: &Failure) -> Decision {
    if failure.class == Class::Conflict {
        return Row::D15.fails(failure.clone());
    }
    // What failed in removing the finalizer is tried again after a wait.
    let may_let_go = timed_out(view) && !view.journal.not_let_go;
    if may_let_go && (has_tombstone(view) || is_refusal(failure) && was_blocked(view)) {
        return Row::D14.does(Effect::RemoveFinalizer);
    }
    Row::D15.fails(blocked(&failure.message, failure.retry_after))
}

/// Whether a record tells the sweeper what is left to do.
pub(super) fn has_tombstone(view: &View<'_>) -> bool {
    matches!(view.record, RecordView::Present(record) if record.phase != Phase::Registered)
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

pub(super) fn blocked(cause: &str, wait: Option<Duration>) -> Failure {
    let message = format!(
        "the client is not deregistered yet: {cause}; deletion is tried again until spec.deletionTimeout has passed"
    );
    Failure::new(Class::Transient, Reason::DeletionBlocked, message).after(wait)
}

pub(super) fn timed_out(view: &View<'_>) -> bool {
    view.seen.deleting_for >= timeout(view.object)
}

/// How long the deletion of an object blocks on its deregistration.
#[must_use]
pub fn timeout(object: &OAuthClient) -> Duration {
    let stated = object.spec.deletion_timeout.as_deref();
    stated.and_then(duration::parse).unwrap_or(DEFAULT_TIMEOUT)
}
