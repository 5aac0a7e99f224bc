//! Whether an object takes over the record of an earlier object of its namespace and name: a backup restores an object with a new
//! UID, and the record still carries the old one.
//!
//! Invariant: nobody takes over a client who could not have had it. Whoever may create objects in a namespace that was deleted and
//! created again is somebody else, as far as anybody knows, so that takes a permission in the operator's namespace.

use super::marker;
use super::record::{Owner, Phase, Record};
use super::secret::SecretRevision;

/// The record of a registered client of an earlier object.
#[derive(Clone, Debug)]
pub struct EarlierRecord {
    /// The record.
    pub record: Record,
    /// Its version.
    pub revision: SecretRevision,
    /// UID of the object that may take it over whatever the UID of its namespace, as an annotation says.
    pub restore_to: Option<String>,
}

/// What was found of earlier objects of a namespace and name.
#[derive(Clone, Debug, Default)]
pub struct Earlier {
    /// Their records.
    pub records: Vec<EarlierRecord>,
    /// Those that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// UID of the namespace, as the API server has it now, where namespaces can be read.
    pub namespace_uid: Option<String>,
}

/// A record that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Name of its Secret.
    pub name: String,
    /// Version of its form, where that is newer than this program's.
    pub schema: Option<u32>,
}

/// A record by its metadata, as the API server has it now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Name of its Secret.
    pub name: String,
    /// UID of its object, as a label says.
    pub owner_uid: Option<String>,
    /// Whether its labels say that it belongs to the namespace and name of the object. Records that an earlier version of the operator
    /// wrote have no such label, so nothing tells before they are read.
    pub labelled: bool,
}

/// Which of the listed records are read for the object whose own record has the name `own`.
#[must_use]
pub fn to_read(mut listed: Vec<Listed>, own: &str, is_alive: impl Fn(&str) -> bool) -> Vec<Listed> {
    listed.retain(|listed| {
        let of_living = || listed.owner_uid.as_deref().is_some_and(&is_alive);
        listed.name != own && (listed.labelled || !of_living())
    });
    listed
}

/// Who asks for a record.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// UID of the object.
    pub uid: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Identity of the cluster.
    pub cluster_id: &'a str,
    /// Namespace of the records.
    pub operator_namespace: &'a str,
}

/// What becomes of an object that finds records of earlier objects.
#[derive(Debug)]
pub enum Judgement<'a> {
    /// It has nothing to do with them.
    Unrelated,
    /// It may not take the record over, for this reason.
    Refused(String),
    /// It takes this record over, if the provider is the same.
    TakesOver(&'a EarlierRecord),
}

impl Earlier {
    /// The record of the object of this UID.
    #[must_use]
    pub fn of(&self, uid: &str) -> Option<&EarlierRecord> {
        self.records.iter().find(|earlier| earlier.record.owner.uid == uid)
    }

    /// Records of registered clients that belong to other objects of this namespace and name.
    pub fn concerning(&self, uid: &str, namespace: &str, name: &str) -> impl Iterator<Item = &EarlierRecord> {
        self.records.iter().filter(move |earlier| {
            let owner = &earlier.record.owner;
            let registered = earlier.record.phase == Phase::Registered;
            registered && owner.uid != uid && (owner.namespace.as_str(), owner.name.as_str()) == (namespace, name)
        })
    }

    /// Two of them that name one client, because a restored object that is gone again has taken it over and did not remove the earlier
    /// record: that one, and the one that replaces it.
    #[must_use]
    pub fn handed_on(&self, asking: &Asking<'_>) -> Option<(&EarlierRecord, &EarlierRecord)> {
        let concerning = || self.concerning(asking.uid, asking.namespace, asking.name);
        let ours = |found: &&EarlierRecord| found.record.cluster_id == asking.cluster_id;
        concerning().filter(ours).find_map(|earlier| {
            let is_next = |next: &&EarlierRecord| replaces(&next.record, &earlier.record);
            concerning().filter(ours).find(is_next).map(|next| (earlier, next))
        })
    }

    /// Judges whether the object takes one of them over.
    #[must_use]
    pub fn judge(&self, asking: &Asking<'_>) -> Judgement<'_> {
        let found: Vec<_> = self.concerning(asking.uid, asking.namespace, asking.name).collect();
        if let Some(unreadable) = self.unreadable.first() {
            return Judgement::Refused(unreadable.refusal(asking));
        }
        let earlier = match found.as_slice() {
            [] => return Judgement::Unrelated,
            [earlier] => *earlier,
            [first, ..] => {
                let name = marker::record_name(&first.record.owner.uid);
                return Judgement::Refused(format!(
                    "{} records of registered clients belong to earlier OAuthClients of this name, so nothing is registered; keep the one whose client the \
                     application uses, and for each other one, {}",
                    found.len(),
                    acknowledge(asking, &name)
                ));
            }
        };
        if earlier.record.cluster_id != asking.cluster_id {
            let name = marker::record_name(&earlier.record.owner.uid);
            return Judgement::Refused(format!(
                "record {}/{name} belongs to an earlier OAuthClient of this name: {}. To have a new client registered instead, run: {}; delete client {} at \
                 the provider only if that cluster does not use it",
                asking.operator_namespace,
                other_cluster(&earlier.record, asking.cluster_id),
                acknowledgement(asking, &name),
                earlier.record.client_id
            ));
        }
        if earlier.record.in_flight.is_some() {
            return Judgement::Refused(refusal(
                asking,
                earlier,
                "its last update was not answered, so the recorded token may be outdated",
            ));
        }
        let same = earlier.record.namespace_uid.is_some() && earlier.record.namespace_uid == self.namespace_uid;
        if !same && earlier.restore_to.as_deref() != Some(asking.uid) {
            let name = marker::record_name(&earlier.record.owner.uid);
            let why = if earlier.record.namespace_uid.is_some() && self.namespace_uid.is_some() {
                "namespace {} was deleted and created again since"
            } else {
                "the operator cannot verify that namespace {} is unchanged"
            };
            let allow = format!(
                "{}. If this OAuthClient is the restored one, let it take the client over: kubectl -n {} annotate secret {name} {}={}",
                why.replace("{}", asking.namespace),
                asking.operator_namespace,
                crate::api::names::RESTORE_TO,
                asking.uid
            );
            return Judgement::Refused(refusal(asking, earlier, &allow));
        }
        Judgement::TakesOver(earlier)
    }
}

impl Unreadable {
    fn refusal(&self, asking: &Asking<'_>) -> String {
        let name = &self.name;
        let record = format!(
            "record {}/{name} belongs to an earlier OAuthClient of this name",
            asking.operator_namespace
        );
        match self.schema {
            Some(schema) => format!("{record}, so nothing is registered: {}", newer_schema(schema)),
            None => format!(
                "{record} and cannot be read, so nothing is registered; restore that Secret from a backup, or {}",
                acknowledge(asking, name)
            ),
        }
    }
}

/// What to do about a record of a newer form than this program's.
#[must_use]
pub fn newer_schema(schema: u32) -> String {
    format!(
        "the record was written by a newer version of the operator (schema {schema}); upgrade the operator; do not delete or abandon it"
    )
}

/// Whether `next` is the record of an object that has taken over the client of the other one.
#[must_use]
pub fn replaces(next: &Record, earlier: &Record) -> bool {
    earlier.taken_by.as_deref() == Some(next.owner.uid.as_str())
        && next.taken_from.as_deref() == Some(earlier.owner.uid.as_str())
        && next.client_id == earlier.client_id
        && next.endpoints.issuer == earlier.endpoints.issuer
}

/// Whether the record of a restored object still holds what the earlier one does. An answer that came late is stored in the earlier one.
#[must_use]
pub fn is_as_taken(next: &Record, earlier: &Record) -> bool {
    next.same_credentials(earlier)
        && next.credential_generation == earlier.credential_generation
        && next.in_flight == earlier.in_flight
}

/// The record of a restored object, made from that of the earlier one.
#[must_use]
pub fn taken_over(earlier: &Record, owner: Owner, namespace_uid: Option<String>) -> Record {
    Record {
        owner,
        namespace_uid,
        taken_by: None,
        taken_from: Some(earlier.owner.uid.clone()),
        ..earlier.clone()
    }
}

/// The record with what one of an earlier version lacks: the UID of its namespace, as long as its object is there, so that this is the
/// namespace of the registration.
#[must_use]
pub fn completed(record: &Record, namespace_uid: Option<String>, is_alive: bool) -> Option<Record> {
    let known = record.namespace_uid.is_some() || !is_alive;
    let namespace_uid = namespace_uid.filter(|_| !known)?;
    Some(Record {
        namespace_uid: Some(namespace_uid),
        ..record.clone()
    })
}

/// What to do about a record of another cluster than this one: a clone of a cluster, or a restored one, holds the records of the other.
#[must_use]
pub fn other_cluster(record: &Record, cluster_id: &str) -> String {
    format!(
        "the client is registered by cluster {}, and this is cluster {cluster_id}, so nothing is changed at the provider; if the operator shall take over the \
         clients of that cluster, start it with --cluster-id {}",
        record.cluster_id, record.cluster_id
    )
}

/// What the deletion of an object that did not take the client of this record over leaves.
#[must_use]
pub fn stays(record: &Record, operator_namespace: &str) -> String {
    let name = marker::record_name(&record.owner.uid);
    format!(
        "client {} of an earlier OAuthClient of this name stays registered at {}, and record {operator_namespace}/{name} keeps its credentials. If nothing \
         uses the client, delete it at the provider, then run: oauth-client-operator suspects ack --unmatched {name} --namespace {operator_namespace}",
        record.client_id, record.endpoints.issuer
    )
}

/// Why a record is not taken over, and how a new client is registered instead.
#[must_use]
pub fn refusal(asking: &Asking<'_>, earlier: &EarlierRecord, why: &str) -> String {
    let name = marker::record_name(&earlier.record.owner.uid);
    format!(
        "client {} is registered for an earlier OAuthClient of this name (UID {}) and is not taken over: {why}. To have a new client registered instead, {}",
        earlier.record.client_id,
        earlier.record.owner.uid,
        acknowledge(asking, &name)
    )
}

fn acknowledge(asking: &Asking<'_>, name: &str) -> String {
    format!(
        "delete its client at the provider, then run: {}",
        acknowledgement(asking, name)
    )
}

fn acknowledgement(asking: &Asking<'_>, name: &str) -> String {
    format!(
        "oauth-client-operator suspects ack --unmatched {name} --namespace {}",
        asking.operator_namespace
    )
}

#[cfg(test)]
mod tests;
