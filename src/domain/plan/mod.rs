//! The planner: from what is seen to the one thing to do next. Its table is `docs/decisions.md`; rows are named here as there.

mod create;
mod delete;
mod effect;
mod gone;
mod keep;
mod recreate;
#[cfg(test)]
mod tests;
mod view;

use crate::api::{Reason, names};

use super::failure::{Class, Failure};
use super::marker::Marker;
use super::record::{Phase, Record};

pub use delete::{DEFAULT_TIMEOUT, lacks_credentials, timeout as deletion_timeout};
pub use effect::{Effect, Next, Verdict};
pub use gone::phase_without_object;
pub use view::{Credentials, Deregistration, Here, LookUp, Memory, Pause, Provider, ProviderView, Sight, View};

/// Decides what comes next.
#[must_use]
pub fn next(view: &View<'_>) -> Next {
    let memory = view.memory;
    // A1
    if memory.registration.is_some() {
        return match (&memory.unrecordable, view.record) {
            (Some(_), _) => Effect::Compensate,
            (None, Sight::Present(record)) if memory.replaces.as_ref() == Some(&record.attempt) => {
                Effect::ReplaceRecord
            }
            (None, _) => Effect::StoreRecord,
        }
        .into();
    }
    // A2
    if let (Some((request, answer)), Sight::Present(record)) = (&memory.answer, view.record) {
        return Effect::SaveRecord(Box::new(keep::after_update(record, request, answer))).into();
    }
    // A3
    if let Some(marker) = view.marker()
        && marker.record_namespace != view.here.namespace
    {
        return elsewhere(view, &marker);
    }
    // A4
    if view.object.metadata.deletion_timestamp.is_some() {
        return delete::next(view);
    }
    // A5
    if view.namespace_terminating {
        return Next::Finish(Verdict::Nothing);
    }
    if view.object.metadata.namespace.as_deref() == Some(view.here.namespace.as_str())
        && !view.here.serves_own_namespace
    {
        return own_namespace();
    }
    // A6
    if view.object.spec.suspend {
        return Next::Finish(Verdict::Suspended);
    }
    // A7
    if let (true, Sight::Present(record)) = (memory.refused, view.record)
        && record.in_flight.is_some()
        && !record.token_is_in_doubt()
    {
        return Effect::SaveRecord(Box::new(Record {
            in_flight: None,
            ..record.clone()
        }))
        .into();
    }
    // A7a
    if create::may_be_in_use(view) {
        return Effect::LookUp.into();
    }
    // A8
    if let Some(failure) = &memory.failure {
        return Next::Finish(Verdict::Failed(failure.clone()));
    }
    // A9
    if view.is_settled() {
        return Next::Finish(Verdict::Nothing);
    }
    // A9a
    if let Some(held) = &view.here.held {
        return failed(Class::Denied, Reason::ManagedElsewhere, held.clone());
    }
    match view.record {
        // A10
        Sight::Unseen => Effect::ReadRecord.into(),
        // A11
        Sight::Unreadable => failed(Class::Bug, Reason::InternalError, unreadable(view)),
        // A12
        Sight::Present(record) if view.is_of_another_cluster(record) => Next::Finish(Verdict::Failed(Failure::new(
            Class::Denied,
            Reason::ManagedElsewhere,
            other_cluster(view, record),
        ))),
        // A12a
        Sight::Present(record) if record.phase != Phase::Registered => ended(record),
        // A13
        Sight::Present(record) => keep::next(view, record),
        // A14
        Sight::Absent { live } => create::next(view, live),
    }
}

fn failed(class: Class, reason: Reason, message: impl Into<String>) -> Next {
    Next::Finish(Verdict::Failed(Failure::new(class, reason, message)))
}

/// Why a record cannot be read, and what to do.
fn unreadable(view: &View<'_>) -> String {
    match view.memory.newer_schema {
        Some(schema) => format!(
            "the record was written by a newer version of the operator (schema {schema}); upgrade the operator; do not delete or abandon it"
        ),
        None => "the registration record cannot be read; restore its Secret in the operator's namespace from a backup"
            .to_owned(),
    }
}

/// A12a: the object was restored after its deletion had begun.
fn ended(record: &Record) -> Next {
    failed(
        Class::Denied,
        Reason::RecordLost,
        format!(
            "an earlier deletion of this OAuthClient is recorded (phase {}), so nothing is registered again; delete the OAuthClient, and create it again once \
             it is gone",
            record.phase.as_str()
        ),
    )
}

fn own_namespace() -> Next {
    failed(
        Class::Denied,
        Reason::NamespaceNotAllowed,
        "this is the operator's own namespace, whose deletion would take the registration records along; create the OAuthClient in another namespace, or \
         start the operator with --allow-same-namespace",
    )
}

fn lost() -> Next {
    failed(
        Class::Denied,
        Reason::RecordLost,
        format!(
            "the registration record in the operator's namespace is gone, so nothing is registered again and the Secret is kept; restore the record, or give \
             the old client up with: kubectl annotate oauthclient NAME {}=CLIENT_ID (see status.clientID)",
            names::ABANDON
        ),
    )
}

/// The installation of another namespace registered the client and holds its record.
fn elsewhere(view: &View<'_>, marker: &Marker<'_>) -> Next {
    let text = format!(
        "the operator in namespace {} registered this client and holds its record, and this operator runs in namespace {}, so nothing is changed at the \
         provider. If both run, remove one; if the operator was moved, run it in namespace {} again",
        marker.record_namespace, view.here.namespace, marker.record_namespace
    );
    if view.object.metadata.deletion_timestamp.is_some() {
        return delete::elsewhere(view, marker, &text);
    }
    Next::Finish(Verdict::Failed(Failure::new(
        Class::Denied,
        Reason::ManagedElsewhere,
        text,
    )))
}

/// A clone of a cluster, or a restored one, holds the records of the other.
fn other_cluster(view: &View<'_>, record: &Record) -> String {
    format!(
        "the client is registered by cluster {}, and this is cluster {}, so nothing is changed at the provider; if the operator shall take over the \
         clients of that cluster, start it with --cluster-id {}",
        record.cluster_id, view.here.cluster_id, record.cluster_id
    )
}

fn foreign_secret(name: &str) -> Next {
    failed(
        Class::Denied,
        Reason::SecretConflict,
        format!(
            "a Secret named {name} exists and belongs to something else; set spec.secret.name to a free name or remove that Secret"
        ),
    )
}

fn former_secret(name: &str) -> Next {
    failed(
        Class::Transient,
        Reason::SecretBeingRemoved,
        format!("the Secret {name} of an earlier OAuthClient of this name is still being removed; this ends by itself"),
    )
}
