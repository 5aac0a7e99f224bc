//! What the planner may say, whatever it sees.

use std::time::Duration;

use oauth_client_operator::api::ManagementMode;
use oauth_client_operator::domain::failure::Class;
use oauth_client_operator::domain::pass::{
    CredentialsView, DEFAULT_TIMEOUT, Effect, Next, ProviderView, RecordView, View,
};
use oauth_client_operator::domain::probe::Probed;
use oauth_client_operator::domain::record::Phase;
use oauth_client_operator::domain::secret;

use super::PHASES;

/// The steps that are never taken.
#[allow(clippy::too_many_lines, reason = "one rule after the other, one arm for each effect")]
pub(super) fn allowed(view: &View<'_>, next: &Next) {
    let journal = view.journal;
    let object = view.object;
    let deleting = object.metadata.deletion_timestamp.is_some();
    let held = journal.registration.is_some() || journal.answer.is_some();
    let Next::Do(effect) = next else { return };
    let kind = effect.kind();
    let record = match view.record {
        RecordView::Present(record) => Some(record),
        RecordView::Unseen | RecordView::Absent { .. } | RecordView::Unreadable => None,
    };
    let creates = matches!(
        effect,
        Effect::OpenAttempt(_)
            | Effect::Register { .. }
            | Effect::CreateCredentials(_)
            | Effect::AddFinalizer
            | Effect::Mark(_)
    );
    // The Secret of a retained client, that the garbage collector took, is made again without owner.
    let retained = matches!(effect, Effect::CreateCredentials(secret) if secret.metadata.owner_references.is_none());
    assert!(
        !creates || !(deleting && !retained || view.seen.namespace_terminating),
        "{kind} under deletion"
    );
    assert!(held || deleting || !object.spec.suspend, "{kind} of a suspended object");
    match effect {
        Effect::Register { .. } | Effect::OpenAttempt(_) => {
            let lost = journal.disowned
                && matches!(journal.probed, Some(Probed::Rejected(_)))
                && view
                    .seen
                    .missing_for
                    .is_some_and(|missing| missing >= Duration::from_mins(1));
            assert!(
                lost || matches!(view.record, RecordView::Absent { .. }),
                "{kind} with a record of a client that is not known to be lost"
            );
            assert!(
                journal.proven || record.is_some(),
                "{kind} before the Secrets were proven writable"
            );
            let free = !matches!(view.credentials, CredentialsView::Foreign | CredentialsView::Former);
            assert!(free, "{kind} with another's Secret");
            assert_eq!(
                journal.attempt.is_some(),
                matches!(effect, Effect::Register { .. }),
                "{kind}"
            );
        }
        Effect::StoreRecord(_) => assert!(journal.registration.is_some()),
        Effect::ReplaceRecord(_) => assert!(journal.registration.is_some() && record.is_some()),
        Effect::Probe => assert!(!deleting && record.is_some(), "{kind}"),
        Effect::LookUp(_) | Effect::FindMarked(_) => assert!(
            !deleting || matches!(view.record, RecordView::Absent { live: true }),
            "{kind}"
        ),
        Effect::RemoveFinalizer => {
            assert!(deleting, "{kind} of a living object");
            let tombstone = record.is_some_and(|record| record.phase != Phase::Registered);
            let absent = matches!(view.record, RecordView::Absent { live: true }) && journal.failure.is_none();
            let hopeless = journal
                .failure
                .as_ref()
                .is_none_or(|failure| !matches!(failure.class, Class::Transient | Class::Conflict | Class::Ambiguous));
            let unreadable = matches!(view.record, RecordView::Unreadable);
            let late = view.seen.deleting_for >= DEFAULT_TIMEOUT && (hopeless || unreadable);
            // The record of a client that may be another installation's stays whole.
            let others =
                view.seen.operator.held.is_some() && record.is_some() && view.seen.deleting_for >= DEFAULT_TIMEOUT;
            assert!(
                tombstone || absent || late || others,
                "{kind} while a client is registered"
            );
        }
        Effect::SaveRecord(new) | Effect::MarkUpdate(new) => {
            let old = record.unwrap();
            assert_eq!((&new.client_id, &new.owner), (&old.client_id, &old.owner), "{kind}");
            let order = |phase: Phase| PHASES.iter().position(|known| *known == phase).unwrap();
            assert!(
                order(new.phase) >= order(old.phase),
                "{kind}: {:?} after {:?}",
                new.phase,
                old.phase
            );
        }
        Effect::Update { .. } => {
            let record = record.unwrap();
            assert!(
                !deleting && record.phase == Phase::Registered && record.in_flight.is_some(),
                "{kind}"
            );
        }
        // Credentials that vanished are for a deregistration, and for nothing else.
        Effect::Claim { compensates: false, .. } | Effect::Deregister | Effect::ResolveForDeletion => {
            assert!(deleting && record.unwrap().phase == Phase::Deleting, "{kind}");
        }
        // No answer that asks for a read is drawn, so it comes before a deregistration.
        Effect::ReadClient => assert!(
            deleting && journal.claimed && record.unwrap().management.mode == ManagementMode::Credentials,
            "{kind}"
        ),
        Effect::ReadUnrecorded => assert!(journal.unrecordable.is_some(), "{kind}"),
        Effect::ReadAdoption | Effect::Adopt(_) => assert!(!deleting && object.spec.adopt.is_some(), "{kind}"),
        Effect::RemoveRecord => assert!(deleting && record.unwrap().phase == Phase::Deleted, "{kind}"),
        Effect::CreateCredentials(_) => assert!(
            record.is_some() && matches!(view.credentials, CredentialsView::Absent),
            "{kind}"
        ),
        Effect::PatchCredentials(_) | Effect::DeleteCredentials | Effect::ReleaseCredentials => {
            assert!(
                record.is_some() && matches!(view.credentials, CredentialsView::Ours(_)),
                "{kind}"
            );
        }
        Effect::DeleteFormer(name) => assert!(!deleting && *name != secret::name(object), "{kind}"),
        Effect::Claim { compensates: true, .. } | Effect::Compensate => assert!(
            journal.registration.is_some() && journal.unrecordable.is_some(),
            "{kind}"
        ),
        Effect::KeepSuspect(kept) if journal.registration.is_some() => {
            let registration = journal.registration.as_ref().unwrap();
            assert_eq!(kept.client_id, registration.client_id, "{kind}");
        }
        Effect::KeepSuspect(kept) => {
            let record = record.unwrap();
            assert_eq!(
                (&kept.client_id, &kept.attempt),
                (&record.client_id, &record.attempt),
                "{kind}"
            );
            let waits = deleting
                && record.management.mode == ManagementMode::Credentials
                && matches!(view.provider, ProviderView::Refused(_))
                && journal.deregistration.is_none();
            assert!(
                !waits || view.seen.deleting_for >= Duration::from_mins(1),
                "{kind} before the credentials had time to return"
            );
        }
        Effect::RemoveSuspect(attempt) => assert!(
            view.suspects.iter().any(|suspect| suspect.attempt == *attempt),
            "{kind} of none"
        ),
        Effect::EnterSuspect(_)
        | Effect::ReadRecord
        | Effect::ReadCredentials
        | Effect::ReadObject
        | Effect::ResolveProvider
        | Effect::Discover
        | Effect::ProveWritable
        | Effect::ConfirmRecord(_)
        | Effect::RemoveSuperseded(_)
        | Effect::AddFinalizer
        | Effect::Mark(_) => {}
        // They answer to what part B is about, and nothing of that is drawn.
        Effect::Wait(_)
        | Effect::StartOver
        | Effect::ReadOwner
        | Effect::RestoreRecord(_)
        | Effect::ClaimAnswer
        | Effect::FindEarlier
        | Effect::MarkEarlier(_)
        | Effect::TakeOver(_)
        | Effect::RemoveEarlier(_) => panic!("{kind} without an answer that asks for it"),
    }
}
