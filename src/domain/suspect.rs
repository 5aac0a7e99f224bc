//! Entries of suspects: clients that may exist at a provider and that no living object's record names.
//!
//! Invariant: an entry that was made from a record holds that record whole, with its token and its URI, so that a later try can
//! still deregister the client.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::{AttemptOutcome, Suspect, names};

use super::identity;
use super::marker;
use super::record::{self, Owner, Phase, Record};
use super::time::rfc3339;

/// Value of the annotation `outcome` of a suspect.
pub const UNKNOWN: &str = "Unknown";

/// What an entry says.
pub struct Entry<'a> {
    /// The object that the client was registered for.
    pub owner: &'a Owner,
    /// The attempt, and the client if it is known.
    pub suspect: &'a Suspect,
    /// Issuer, if it is known.
    pub issuer: Option<&'a str>,
    /// The provider object, for people.
    pub provider: Option<&'a str>,
    /// The record of the client, if there was one.
    pub record: Option<&'a Record>,
    /// Whether the provider deregisters no client, so that nothing about this one is in doubt.
    pub left: bool,
    /// How the attempt ended, where a process saw it end.
    pub outcome: Option<AttemptOutcome>,
    /// Seconds since the epoch.
    pub now: i64,
}

/// The suspect that a record becomes.
#[must_use]
pub fn of(record: &Record) -> Suspect {
    Suspect {
        attempt: record.attempt.clone(),
        client_id: Some(record.client_id.clone()),
    }
}

/// The entry as a Secret of the operator's namespace.
///
/// # Errors
/// If the record cannot be written as JSON, which none of its members allows.
pub fn secret(entry: &Entry<'_>, namespace: &str) -> Result<Secret, serde_json::Error> {
    let issuer = entry
        .record
        .map(|record| record.endpoints.issuer.as_str())
        .or(entry.issuer);
    let client_id = entry.suspect.client_id.as_deref();
    let client = issuer
        .zip(client_id)
        .map(|(issuer, id)| identity::client_key(issuer, id));
    let labels = [
        (names::MANAGED_BY, Some(names::FIELD_MANAGER)),
        (names::SECRET_ROLE, Some("suspect")),
        (names::CLIENT_UID, Some(entry.owner.uid.as_str())),
        (names::CLIENT, client.as_deref()),
        (names::PHASE, entry.record.map(|_| Phase::Suspect.as_str())),
        (names::LEFT, entry.left.then_some("true")),
    ];
    let annotations = [
        (names::CLIENT_ID, client_id),
        (names::OUTCOME, unknown(entry).then_some(UNKNOWN)),
    ];
    let object = format!("{}/{}", entry.owner.namespace, entry.owner.name);
    let time = rfc3339(entry.now);
    let facts = [
        ("attempt", Some(entry.suspect.attempt.as_str())),
        ("client_id", client_id),
        ("object", Some(object.as_str())),
        ("time", Some(time.as_str())),
        ("issuer", issuer),
        ("provider", entry.provider),
    ];
    let mut data: BTreeMap<String, ByteString> = texts(facts)
        .map(|(key, value)| (key, ByteString(value.into_bytes())))
        .collect();
    if let Some(record) = entry.record {
        let kept = Record {
            phase: Phase::Suspect,
            in_flight: None,
            ..record.clone()
        };
        let key = if kept.in_dispute {
            record::DISPUTED_KEY
        } else {
            record::DATA_KEY
        };
        data.insert(key.to_owned(), ByteString(kept.to_json()?));
    }
    Ok(Secret {
        metadata: ObjectMeta {
            name: Some(marker::suspect_name(&entry.owner.uid, &entry.suspect.attempt)),
            namespace: Some(namespace.to_owned()),
            labels: Some(texts(labels).collect()),
            annotations: Some(texts(annotations).collect()).filter(|all: &BTreeMap<_, _>| !all.is_empty()),
            ..ObjectMeta::default()
        },
        type_: Some(names::SUSPECT_TYPE.to_owned()),
        data: Some(data),
        ..Secret::default()
    })
}

/// Whether the provider's answer left it unknown whether there is a client, or none came.
fn unknown(entry: &Entry<'_>) -> bool {
    entry.suspect.client_id.is_none() && entry.outcome == Some(AttemptOutcome::Unknown)
}

fn texts<'a, const N: usize>(pairs: [(&'a str, Option<&'a str>); N]) -> impl Iterator<Item = (String, String)> + 'a {
    pairs
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned())))
}

#[cfg(test)]
mod tests {
    use kube::ResourceExt;

    use super::*;
    use crate::domain::record::tests::record;

    #[test]
    fn a_record_becomes_an_entry_that_holds_it_whole() {
        let record = record();
        let suspect = of(&record);
        let entry = Entry {
            owner: &record.owner,
            suspect: &suspect,
            issuer: None,
            provider: None,
            record: Some(&record),
            left: false,
            outcome: Some(AttemptOutcome::Unknown),
            now: 0,
        };
        let secret = secret(&entry, "system").unwrap();
        assert_eq!(
            secret.name_any(),
            marker::suspect_name(&record.owner.uid, &record.attempt)
        );
        let data = secret.data.clone().unwrap();
        let kept = Record::from_json(&data[record::DATA_KEY].0).unwrap();
        assert_eq!(kept.phase, Phase::Suspect);
        assert!(kept.same_credentials(&record));
        let key = identity::client_key(&record.endpoints.issuer, &record.client_id);
        assert_eq!(secret.labels().get(names::CLIENT), Some(&key));
        assert_eq!(secret.labels()[names::PHASE], "Suspect");
        let annotations = BTreeMap::from([(names::CLIENT_ID.to_owned(), record.client_id.clone())]);
        assert_eq!(*secret.annotations(), annotations, "it is known that there is a client");
        assert_eq!(data["issuer"].0, record.endpoints.issuer.as_bytes());
    }

    /// Whoever rolls back has an operator that would deregister it.
    #[test]
    fn w172_the_record_of_a_client_in_dispute_is_none_to_an_earlier_version() {
        let disputed = Record {
            in_dispute: true,
            ..record()
        };
        let suspect = of(&disputed);
        let entry = Entry {
            owner: &disputed.owner,
            suspect: &suspect,
            issuer: None,
            provider: None,
            record: Some(&disputed),
            left: false,
            outcome: None,
            now: 0,
        };
        let secret = secret(&entry, "system").unwrap();
        assert!(!secret.data.as_ref().unwrap().contains_key("record.json"));
        let kept = Record::from_json(record::json_in(&secret).unwrap()).unwrap();
        assert!(kept.in_dispute && kept.same_credentials(&disputed));
    }

    #[test]
    fn an_attempt_of_which_nothing_else_is_known_is_an_entry_too() {
        let owner = Owner {
            uid: "u".to_owned(),
            namespace: "ns".to_owned(),
            name: "app".to_owned(),
        };
        let suspect = Suspect {
            attempt: "a1".to_owned(),
            client_id: None,
        };
        let entry = Entry {
            owner: &owner,
            suspect: &suspect,
            issuer: None,
            provider: Some("OAuthProvider p"),
            record: None,
            left: false,
            outcome: None,
            now: 0,
        };
        let cut_off = secret(&entry, "system").unwrap();
        assert_eq!(cut_off.metadata.annotations, None);
        let entry = Entry {
            outcome: Some(AttemptOutcome::Unknown),
            ..entry
        };
        let secret = secret(&entry, "system").unwrap();
        assert_eq!(secret.annotations()[names::OUTCOME], UNKNOWN);
        assert_eq!(secret.labels().get(names::CLIENT), None);
        assert_eq!(secret.labels().get(names::PHASE), None);
        assert!(!secret.data.unwrap().contains_key(record::DATA_KEY));
    }
}
