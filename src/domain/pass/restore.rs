//! Part T of the table: an object that was restored with a new UID takes over the record of the earlier object of its name.
//!
//! Invariant: the new record is stored before the earlier one is removed, and the earlier one is marked before that, so that no pass
//! over the earlier object changes it afterwards. Nothing is asked of the provider but its metadata.

use kube::ResourceExt;

use crate::api::Reason;
use crate::domain::failure::Class;
use crate::domain::record::made;
use crate::domain::record::{Phase, Record};
use crate::domain::restore::{self, Asking, EarlierRecord, Judgement};

use super::effect::{Decision, Effect};
use super::row::Row;
use super::view::{ProviderView, RecordView, View};

/// T1 and T2: what a take-over has left to do.
pub(super) fn finish(view: &View<'_>) -> Option<Decision> {
    let RecordView::Present(record) = view.record else {
        return None;
    };
    if view.journal.failure.is_some() || view.seen.operator.held.is_some() {
        return None;
    }
    if record.taken_by.is_some() {
        // A restored object has the name of this one, so this one is gone.
        return Some(Row::T1.does(if view.journal.object_read {
            Effect::SaveRecord(Box::new(Record {
                taken_by: None,
                ..record.clone()
            }))
        } else {
            Effect::ReadObject
        }));
    }
    let from = record.taken_from.as_ref()?;
    let Some(found) = &view.journal.earlier else {
        return Some(Row::T2.does(Effect::FindEarlier));
    };
    let is_replaced = |earlier: &&EarlierRecord| restore::replaces(record, &earlier.record);
    Some(Row::T2.does(match found.of(from).filter(is_replaced) {
        Some(earlier) => take_from(earlier, record).unwrap_or_else(|| Effect::RemoveEarlier(from.clone())),
        None => Effect::SaveRecord(Box::new(Record {
            taken_from: None,
            ..record.clone()
        })),
    }))
}

/// What the earlier record holds and this one does not: an answer that came after the take-over was stored there.
fn take_from(earlier: &EarlierRecord, record: &Record) -> Option<Effect> {
    if restore::is_as_taken(record, &earlier.record) || earlier.record.phase != Phase::Registered {
        return None;
    }
    let (owner, namespace_uid) = (record.owner.clone(), record.namespace_uid.clone());
    let newer = restore::taken_over(&earlier.record, owner, namespace_uid);
    Some(Effect::SaveRecord(Box::new(newer)))
}

/// T3 to T9: an object without a record, whose name has one. An attempt of its own shows that it is no restored one.
pub(super) fn begin(view: &View<'_>) -> Option<Decision> {
    let RecordView::Absent { .. } = view.record else {
        return None;
    };
    if !view.has_earlier || view.journal.attempt.is_some() {
        return None;
    }
    // Whoever gives the known client up wants one of this object's own. The earlier record stays, and names the client.
    let known = view
        .object
        .status
        .as_ref()
        .and_then(|status| status.client_id.as_deref());
    if known.is_some_and(|client_id| view.abandons(client_id)) {
        return None;
    }
    if !view.journal.object_read {
        return Some(Row::T3.does(Effect::ReadObject));
    }
    let Some(found) = &view.journal.earlier else {
        return Some(Row::T3.does(Effect::FindEarlier));
    };
    // The marker of a take-over names the attempt of the earlier record.
    let own = view.open_attempt().or_else(|| view.registered_attempt());
    let is_earlier = |attempt: &String| found.records.iter().any(|earlier| earlier.record.attempt == *attempt);
    if own.is_some_and(|attempt| !is_earlier(&attempt)) {
        return None;
    }
    let (namespace, name) = (view.object.namespace().unwrap_or_default(), view.object.name_any());
    let asking = Asking {
        uid: view.uid(),
        namespace: &namespace,
        name: &name,
        cluster_id: &view.seen.operator.cluster_id,
        operator_namespace: &view.seen.operator.namespace,
    };
    if let Some((first, next)) = found.handed_on(&asking) {
        return Some(Row::T3a.does(handed_on(first, next)));
    }
    // With the finalizer, the deletion of a refused object tells of the client that stays.
    let refuse = |text| {
        Some(if view.has_finalizer() {
            Row::T6.refuses(Class::Denied, Reason::RestoreRefused, text)
        } else {
            Row::T6.does(Effect::AddFinalizer)
        })
    };
    let earlier = match found.judge(&asking) {
        Judgement::Unrelated => return None,
        Judgement::Refused(text) => return refuse(text),
        Judgement::TakesOver(earlier) => earlier,
    };
    let provider = match view.provider {
        ProviderView::Unresolved => return Some(Row::T5.does(Effect::ResolveProvider)),
        ProviderView::Refused(failure) => return Some(Row::T5.fails(failure.clone())),
        ProviderView::Resolved(provider) => provider,
    };
    let recorded = &earlier.record.endpoints.issuer;
    if provider.target.stated_issuer() != Some(recorded) {
        match view.endpoints {
            None => return Some(Row::T5.does(Effect::Discover)),
            Some(found) if found.issuer != *recorded => {
                let why = format!(
                    "its issuer is {recorded}, and the provider object of this one leads to {}",
                    found.issuer
                );
                return refuse(restore::refusal(&asking, earlier, &why));
            }
            Some(_) => {}
        }
    }
    let pending = view.marker_of(&earlier.record.attempt);
    if !view.is_marked(&pending) {
        return Some(Row::T7.does(Effect::Mark(pending)));
    }
    let marked = Record {
        taken_by: Some(view.uid().to_owned()),
        ..earlier.record.clone()
    };
    if earlier.record.taken_by != marked.taken_by {
        return Some(Row::T8.does(Effect::MarkEarlier(Box::new(marked))));
    }
    let record = restore::taken_over(&marked, made::owner(view.object), found.namespace_uid.clone());
    Some(Row::T9.does(Effect::TakeOver(Box::new(record))))
}

/// T3a: of two records of one client, the earlier one goes, once the other one holds all that it does.
fn handed_on(first: &EarlierRecord, next: &EarlierRecord) -> Effect {
    match take_from(first, &next.record) {
        Some(Effect::SaveRecord(newer)) => Effect::MarkEarlier(newer),
        _ => Effect::RemoveEarlier(first.record.owner.uid.clone()),
    }
}
