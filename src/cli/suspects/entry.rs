//! An entry as people may see it.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde::{Serialize, Serializer};

use crate::api::names;
use crate::cluster::{Role, SecretRevision};
use crate::domain::leftover::{self, Held, Kind};
use crate::domain::record::{self, Phase, Record};

/// A suspect, or a record whose object is gone.
#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    #[serde(serialize_with = "as_word")]
    pub(super) kind: Kind,
    /// Name of its Secret.
    pub(super) name: String,
    /// Namespace and name of the object, joined by a slash.
    pub(super) object: Option<String>,
    #[serde(rename = "objectUID")]
    pub(super) object_uid: Option<String>,
    #[serde(rename = "clientID")]
    pub(super) client_id: Option<String>,
    pub(super) issuer: Option<String>,
    /// Kind and name of the provider object.
    pub(super) provider: Option<String>,
    pub(super) attempt: Option<String>,
    /// When it was entered.
    pub(super) time: Option<String>,
    pub(super) phase: Option<Phase>,
    /// Whether others may use the client, so that it is deregistered only if a person requests that.
    pub(super) in_dispute: bool,
    /// Names of the credentials that are kept for a deregistration.
    pub(super) held_credentials: Vec<&'static str>,
    #[serde(skip)]
    pub(super) revision: SecretRevision,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn as_word<S: Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.as_str())
}

/// A Secret of the operator that may be an entry, with the record that it holds.
pub(super) struct Found {
    secret: Secret,
    held: Held,
    record: Option<Record>,
}

impl Found {
    /// `None`: the Secret is neither a suspect nor a record.
    pub(super) fn of(secret: Secret) -> Option<Self> {
        let role = secret.labels().get(names::SECRET_ROLE).map(String::as_str);
        let left = secret.labels().get(names::LEFT).is_some_and(|text| text == "true");
        let held = match Role::parse(role) {
            Role::Suspect if left => Held::Left,
            Role::Suspect => Held::Suspect,
            Role::Record => Held::Record,
            Role::Credentials | Role::Other => return None,
        };
        let record = record::json_in(&secret).and_then(|json| Record::from_json(json).ok());
        Some(Self { secret, held, record })
    }

    pub(super) fn name(&self) -> String {
        self.secret.name_any()
    }

    /// UID of the object, if whether it exists decides what this is.
    pub(super) fn owner_uid(&self) -> Option<&str> {
        let uid = self.secret.labels().get(names::CLIENT_UID).map(String::as_str);
        uid.filter(|_| self.held == Held::Record)
    }

    /// Namespace of the object.
    pub(super) fn owner_namespace(&self) -> Option<&str> {
        self.record.as_ref().map(|record| record.owner.namespace.as_str())
    }

    /// The entry; `None` for a record that is none. `providers`: kinds and names by UID.
    pub(super) fn entry(&self, has_object: bool, providers: &HashMap<String, String>) -> Option<Entry> {
        let phase = self.secret.labels().get(names::PHASE);
        let phase = phase.and_then(|text| Phase::parse(text));
        let phase = phase.or_else(|| self.record.as_ref().map(|record| record.phase));
        let kind = leftover::kind(self.held, phase, || has_object)?;
        let fact = |key: &str| {
            let bytes = self.secret.data.as_ref()?.get(key)?;
            Some(String::from_utf8_lossy(&bytes.0).into_owned())
        };
        let record = self.record.as_ref();
        let of_record = |member: fn(&Record) -> String| record.map(member);
        let created = self.secret.metadata.creation_timestamp.as_ref();
        Some(Entry {
            kind,
            name: self.name(),
            object: of_record(|record| format!("{}/{}", record.owner.namespace, record.owner.name))
                .or_else(|| fact("object")),
            object_uid: self.secret.labels().get(names::CLIENT_UID).cloned(),
            client_id: of_record(|record| record.client_id.clone()).or_else(|| fact("client_id")),
            issuer: of_record(|record| record.endpoints.issuer.clone()).or_else(|| fact("issuer")),
            provider: record
                .and_then(|record| providers.get(&record.management.provider_uid).cloned())
                .or_else(|| fact("provider")),
            attempt: of_record(|record| record.attempt.clone()).or_else(|| fact("attempt")),
            time: fact("time").or_else(|| created.map(|time| time.0.to_string())),
            phase,
            in_dispute: record.is_some_and(|record| record.in_dispute),
            held_credentials: record.map(held).unwrap_or_default(),
            revision: SecretRevision::of(&self.secret),
        })
    }
}

fn held(record: &Record) -> Vec<&'static str> {
    let all = [
        ("client secret", record.client_secret.is_some()),
        ("registration access token", record.registration_access_token.is_some()),
        (
            "client configuration endpoint",
            record.registration_client_uri.is_some(),
        ),
    ];
    all.into_iter()
        .filter_map(|(name, is_there)| is_there.then_some(name))
        .collect()
}

impl Entry {
    /// Whether it holds a record, with which the operator can try to deregister the client.
    pub(super) fn has_record(&self) -> bool {
        self.kind != Kind::Suspect || self.phase.is_some()
    }

    /// What it is about, for a sentence.
    pub(super) fn client(&self) -> String {
        let client = match &self.client_id {
            Some(id) => format!("client {id}"),
            None => "a client whose identifier is not known".to_owned(),
        };
        let at = self.issuer.as_deref().or(self.provider.as_deref());
        let at = at.map(|at| format!(" at {at}")).unwrap_or_default();
        let object = self.object.as_deref().unwrap_or("an unknown object");
        format!("{client}{at}, registered for OAuthClient {object}")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::record::Owner;
    use crate::domain::record::tests::record;
    use crate::domain::suspect;

    pub(in crate::cli::suspects) fn suspect_entry(record: Option<&Record>) -> Entry {
        let owner = Owner {
            uid: "u".to_owned(),
            namespace: "shop".to_owned(),
            name: "app".to_owned(),
        };
        let bare = crate::api::Suspect {
            attempt: "a1".to_owned(),
            client_id: None,
        };
        let suspect = record.map_or(bare, suspect::of);
        let secret = suspect::secret(
            &suspect::Entry {
                owner: record.map_or(&owner, |record| &record.owner),
                suspect: &suspect,
                issuer: None,
                provider: Some("OAuthProvider id"),
                record,
                left: false,
                outcome: None,
                now: 0,
            },
            "system",
        );
        let found = Found::of(secret.unwrap()).unwrap();
        found.entry(true, &HashMap::new()).unwrap()
    }

    #[test]
    fn t152_an_entry_names_the_credentials_that_are_held_and_shows_none() {
        let record = record();
        let entry = suspect_entry(Some(&record));
        assert_eq!(entry.client_id.as_ref(), Some(&record.client_id));
        assert!(entry.has_record() && entry.held_credentials.contains(&"registration access token"));
        let text = format!("{entry:?}{}", serde_json::to_string(&entry).unwrap());
        let bytes = record.to_json().unwrap();
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        for member in ["clientSecret", "registrationAccessToken", "registrationClientUri"] {
            let value = json[member].as_str().unwrap();
            assert!(!text.contains(value), "{member} is shown: {text}");
        }
    }

    #[test]
    fn t152_a_suspect_without_a_record_has_what_its_entry_says() {
        let entry = suspect_entry(None);
        assert_eq!(entry.object.as_deref(), Some("shop/app"));
        assert_eq!((entry.client_id.clone(), entry.has_record()), (None, false));
        assert_eq!(entry.time.as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(entry.provider.as_deref(), Some("OAuthProvider id"));
    }

    #[test]
    fn t152_other_secrets_are_no_entries() {
        assert!(Found::of(Secret::default()).is_none());
    }
}
