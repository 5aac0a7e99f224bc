//! Rows A1 and A2: what a provider has issued is handed over to a record before anything else is done.
//!
//! Invariant: as long as a registration or the answer of an update is in hand, nothing but these rows matches. It is the only copy of
//! the client's credentials.

use kube::ResourceExt;

use crate::api::{Reason, Suspect, names};
use crate::domain::adoption;
use crate::domain::auth_method;
use crate::domain::failure::Class;
use crate::domain::identity;
use crate::domain::metadata::Request;
use crate::domain::record::Record;
use crate::domain::record::made::{self, Origin};
use crate::domain::registration::Registration;
use crate::domain::substitution;

use super::change;
use super::effect::{Decision, Effect};
use super::journal::Compensation;
use super::row::Row;
use super::template;
use super::view::{CredentialsView, ProviderView, RecordView, View};

pub(super) fn next(view: &View<'_>) -> Option<Decision> {
    let journal = view.journal;
    if journal.answered.is_some() {
        return Some(Row::A1.does(Effect::ClaimAnswer));
    }
    if let Some(client) = journal
        .disputed
        .as_ref()
        .and_then(|disputed| disputed.suspect.as_deref())
    {
        return Some(Row::A1a.does(disputed(view, client)));
    }
    if journal.registration.is_some() {
        return Some(registration(view));
    }
    if let (Some((request, answer)), RecordView::Present(record)) = (journal.answer.as_deref(), view.record) {
        let mut after = change::after_update(record, request, answer);
        after.adopted = journal.adopts.clone().or(after.adopted);
        after.auth_method = auth_method::chosen(request, &view.object.spec).or(after.auth_method);
        if let ProviderView::Resolved(provider) = view.provider {
            after.rejected = substitution::of_update(&view.object.spec, record, &after, provider);
        }
        return Some(Row::A2.does(Effect::SaveRecord(Box::new(after))));
    }
    if let (Some(attempt), RecordView::Present(record)) = (&journal.overtaken, view.record) {
        // The generation calls the successor back: the Secret no longer looks as it was written.
        let mut after = Record {
            overtaken: Some(attempt.clone()),
            credential_generation: record.credential_generation + 1,
            ..record.clone()
        };
        if let Some(brought) = &journal.brought {
            after.take_credentials(brought);
        }
        return Some(Row::A2f.does(Effect::SaveRecord(Box::new(after))));
    }
    // A call that was answered with 404: whether the client is there decides what that means.
    journal.nowhere.is_some().then(|| Row::A2e.does(Effect::ReadClient))
}

/// The entry of a client that is not this object's keeps all that the answer says: its token may be the only one.
fn disputed(view: &View<'_>, client: &Registration) -> Effect {
    if let Some(record) = record_of(view, client.clone(), view.journal.sent.clone()) {
        return Effect::KeepSuspect(Box::new(Record {
            in_dispute: true,
            ..record
        }));
    }
    let attempt = view.journal.attempt.clone();
    Effect::EnterSuspect(Suspect {
        attempt: attempt.unwrap_or_else(|| identity::unknown_attempt(&client.client_id)),
        client_id: Some(client.client_id.clone()),
    })
}

fn registration(view: &View<'_>) -> Decision {
    let journal = view.journal;
    // What a compensation stores is not for updates, so it needs no request.
    let sent = if journal.unrecordable.is_none() {
        journal.sent.clone()
    } else {
        Request::new()
    };
    let Some(record) = in_hand(view, sent) else {
        return Row::A1d.refuses(
            Class::Bug,
            Reason::InternalError,
            "a registration in hand has no provider",
        );
    };
    let record = Box::new(record);
    if journal.unrecordable.is_some() {
        return match journal.compensation {
            Compensation::Begin => Row::A1e.does(Effect::ReadRecord),
            Compensation::Unrecorded => Row::A1f.does(Effect::Claim {
                record,
                compensates: true,
            }),
            Compensation::Claimed if template::is_to_be_read_in_hand(view, &record) => {
                Row::A1j.does(Effect::ReadUnrecorded)
            }
            Compensation::Claimed => Row::A1g.does(Effect::Compensate),
            Compensation::Failed => Row::A1h.does(Effect::KeepSuspect(record)),
        };
    }
    match view.record {
        RecordView::Present(old)
            if journal.replaces.as_ref() == Some(&old.attempt)
                && old.client_id != record.client_id
                && !journal.kept =>
        {
            Row::A1i.does(Effect::KeepSuspect(Box::new(old.clone())))
        }
        RecordView::Present(old) if journal.replaces.as_ref() == Some(&old.attempt) => {
            Row::A1c.does(Effect::ReplaceRecord(Box::new(Record {
                credential_generation: old.credential_generation + 1,
                other: old.other.clone(),
                replaced: view.object.annotations().get(names::REPLACE).cloned(),
                adopted: view.object.spec.adopt.as_deref().map(adoption::set_aside),
                ..*record
            })))
        }
        _ => Row::A1d.does(Effect::StoreRecord(Box::new(Record {
            credential_generation: generation(view),
            ..*record
        }))),
    }
}

/// Generation of the credentials of a registration that replaces none that is recorded. The Secret of a client that was given up holds
/// older ones, and must not look as if it were written.
fn generation(view: &View<'_>) -> u64 {
    let written = match view.credentials {
        CredentialsView::Ours(secret) => {
            let written = secret.annotations().get(names::CREDENTIAL_GENERATION);
            written.and_then(|text| text.parse::<u64>().ok())
        }
        CredentialsView::Unseen { generation, .. } => generation,
        CredentialsView::Absent | CredentialsView::Former | CredentialsView::Foreign => return 1,
    };
    written.unwrap_or_default() + 1
}

/// The registration in hand as a record.
fn in_hand(view: &View<'_>, request: Request) -> Option<Record> {
    let registration = view.journal.registration.clone()?;
    let rejected = match (view.journal.adopts.as_ref(), view.provider) {
        (None, ProviderView::Resolved(provider)) => {
            substitution::of_kept(&view.object.spec, &request, &registration, provider)
        }
        // What was taken over is judged by the first update.
        _ => None,
    };
    let mut record = record_of(view, registration, request)?;
    record.rejected = rejected;
    record.adopted.clone_from(&view.journal.adopts);
    Some(record)
}

fn record_of(view: &View<'_>, registration: Registration, request: Request) -> Option<Record> {
    let ProviderView::Resolved(provider) = view.provider else {
        return None;
    };
    let origin = Origin {
        object: view.object,
        operator: view.seen.operator,
        provider,
        endpoints: view.endpoints?,
        attempt: view.journal.attempt.as_ref()?,
        namespace_uid: view.namespace_uid,
        request,
        now: view.seen.now,
    };
    Some(made::of_registration(&origin, registration))
}
