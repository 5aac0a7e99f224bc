//! Part A of the table: what every object is asked first.

use crate::api::{Reason, names};
use crate::domain::failure::{Class, Failure};
use crate::domain::marker::Marker;
use crate::domain::record::{Phase, Record};
use crate::domain::restore;
use crate::domain::substitution;

use super::effect::{Decision, Effect, Verdict};
use super::row::Row;
use super::view::{ProviderView, RecordView, View};
use super::{create, delete};

/// A3: the installation of another namespace registered the client and holds its record.
pub(super) fn elsewhere(view: &View<'_>) -> Option<Decision> {
    let marker = view.marker()?;
    if marker.record_namespace == view.seen.operator.namespace {
        return None;
    }
    let text = elsewhere_text(view, &marker);
    if view.object.metadata.deletion_timestamp.is_some() {
        return Some(delete::elsewhere(view, &marker, &text));
    }
    Some(Row::A3.refuses(Class::Denied, Reason::ManagedElsewhere, text))
}

/// A5 to A12a.
pub(super) fn next(view: &View<'_>) -> Option<Decision> {
    let journal = view.journal;
    if view.seen.namespace_terminating {
        return Some(Row::A5.ends(Verdict::Nothing));
    }
    if view.object.metadata.namespace.as_deref() == Some(view.seen.operator.namespace.as_str())
        && !view.seen.operator.serves_own_namespace
    {
        return Some(own_namespace());
    }
    if view.object.spec.suspend {
        return Some(Row::A6.ends(Verdict::Suspended));
    }
    if let (true, RecordView::Present(record)) = (journal.refused, view.record)
        && let Some(in_flight) = &record.in_flight
    {
        let rejected = match (view.provider, &journal.failure) {
            (ProviderView::Resolved(provider), Some(failure)) => substitution::after_refusal(record, failure, provider),
            _ => record.rejected.clone(),
        };
        let in_doubt = record.token_is_in_doubt();
        if !in_doubt || rejected != record.rejected {
            return Some(Row::A7.does(Effect::SaveRecord(Box::new(Record {
                in_flight: in_doubt.then(|| in_flight.clone()),
                rejected,
                ..record.clone()
            }))));
        }
    }
    if create::may_be_in_use(view) {
        return Some(Row::A7a.does(create::by_identifier(view)));
    }
    if let Some(failure) = &journal.failure {
        return Some(Row::A8.fails(failure.clone()));
    }
    if view.is_settled() {
        return Some(Row::A9.ends(Verdict::Nothing));
    }
    if let Some(held) = &view.seen.operator.held {
        return Some(Row::A9a.refuses(Class::Denied, Reason::ManagedElsewhere, held.clone()));
    }
    match view.record {
        RecordView::Unseen => Some(Row::A10.does(Effect::ReadRecord)),
        RecordView::Unreadable => Some(Row::A11.refuses(Class::Bug, Reason::InternalError, unreadable(view))),
        RecordView::Present(record) if view.is_of_another_cluster(record) => {
            let text = other_cluster(view, record);
            Some(Row::A12.refuses(Class::Denied, Reason::ManagedElsewhere, text))
        }
        RecordView::Present(record) if record.phase != Phase::Registered => Some(ended(record)),
        // Parts K and C.
        RecordView::Present(_) | RecordView::Absent { .. } => None,
    }
}

/// Why a record cannot be read, and what to do.
pub(super) fn unreadable(view: &View<'_>) -> String {
    match view.journal.newer_schema {
        Some(schema) => restore::newer_schema(schema),
        None => "the registration record cannot be read; restore its Secret in the operator's namespace from a backup"
            .to_owned(),
    }
}

/// A12a: the object was restored after its deletion had begun.
fn ended(record: &Record) -> Decision {
    let text = format!(
        "an earlier deletion of this OAuthClient is recorded (phase {}), so nothing is registered again; delete the OAuthClient, and create it again once \
         it is gone",
        record.phase.as_str()
    );
    Row::A12a.refuses(Class::Denied, Reason::RecordLost, text)
}

fn own_namespace() -> Decision {
    Row::A5.refuses(
        Class::Denied,
        Reason::NamespaceNotAllowed,
        "this is the operator's own namespace: deleting it also deletes the registration records; create the OAuthClient in another namespace, or start the \
         operator with --allow-same-namespace",
    )
}

fn elsewhere_text(view: &View<'_>, marker: &Marker<'_>) -> String {
    format!(
        "the operator in namespace {} registered this client and holds its record, and this operator runs in namespace {}, so nothing is changed at the \
         provider. If both run, remove one; if the operator was moved, run it in namespace {} again, or move its records (docs/move.md): \
         oauth-client-operator move --from {} --to {}",
        marker.record_namespace,
        view.seen.operator.namespace,
        marker.record_namespace,
        marker.record_namespace,
        view.seen.operator.namespace
    )
}

pub(super) fn other_cluster(view: &View<'_>, record: &Record) -> String {
    restore::other_cluster(record, &view.seen.operator.cluster_id)
}

pub(super) fn lost() -> Failure {
    let text = format!(
        "the registration record in the operator's namespace is gone, so nothing is registered again and the Secret is kept; restore the record, or give \
         the old client up with: kubectl annotate oauthclient NAME {}=CLIENT_ID (see status.clientID)",
        names::ABANDON
    );
    Failure::new(Class::Denied, Reason::RecordLost, text)
}

pub(super) fn foreign_secret(name: &str) -> Failure {
    let text = format!(
        "a Secret named {name} exists and belongs to something else; set spec.secret.name to a free name or remove that Secret"
    );
    Failure::new(Class::Denied, Reason::SecretConflict, text)
}

pub(super) fn former_secret(name: &str) -> Failure {
    let text =
        format!("the Secret {name} of an earlier OAuthClient of this name is still being removed; this ends by itself");
    Failure::new(Class::Transient, Reason::SecretBeingRemoved, text)
}
