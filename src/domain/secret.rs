//! The operator's Secrets: their names, their owners, and what they hold.

mod check;
mod credentials;
mod revision;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::api::{OAuthClient, names};

use super::identity;
use super::record::Record;

pub use check::check;
pub use credentials::{Repair, credentials, repair};
pub use revision::SecretRevision;

/// Who controls a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The object itself.
    This,
    /// An object of our kind with another UID, this one: the Secret is about to be collected if it is gone.
    Other(String),
    /// Somebody else, or nobody.
    Foreign,
}

/// Name of the credentials Secret of an object.
#[must_use]
pub fn name(object: &OAuthClient) -> String {
    object
        .spec
        .secret
        .as_ref()
        .and_then(|secret| secret.name.clone())
        .unwrap_or_else(|| object.name_any())
}

/// Owner of a Secret, judged by the controller owner reference and nothing else.
#[must_use]
pub fn owner(secret: &ObjectMeta, uid: &str) -> Owner {
    let references = secret.owner_references.iter().flatten();
    match references
        .into_iter()
        .find(|reference| reference.controller == Some(true))
    {
        Some(reference) if reference.uid == uid => Owner::This,
        Some(reference) if reference.kind == "OAuthClient" && reference.api_version.starts_with(names::GROUP) => {
            Owner::Other(reference.uid.clone())
        }
        _ => Owner::Foreign,
    }
}

/// The record as a Secret.
///
/// # Errors
/// If the record cannot be written as JSON, which none of its members allows.
pub fn record(record: &Record, namespace: &str) -> Result<Secret, serde_json::Error> {
    let client = identity::client_key(&record.endpoints.issuer, &record.client_id);
    let object = identity::object_key(&record.owner.namespace, &record.owner.name);
    let labels = [
        (names::MANAGED_BY, names::FIELD_MANAGER),
        (names::SECRET_ROLE, "record"),
        (names::OBJECT, object.as_str()),
        (names::CLIENT_UID, record.owner.uid.as_str()),
        (names::CLIENT, client.as_str()),
        (names::PHASE, record.phase.as_str()),
    ];
    Ok(Secret {
        metadata: ObjectMeta {
            name: Some(super::marker::record_name(&record.owner.uid)),
            namespace: Some(namespace.to_owned()),
            labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
            annotations: Some(
                [(
                    names::CREDENTIAL_GENERATION.to_owned(),
                    record.credential_generation.to_string(),
                )]
                .into(),
            ),
            ..ObjectMeta::default()
        },
        type_: Some(names::RECORD_TYPE.to_owned()),
        data: Some([(super::record::DATA_KEY.to_owned(), ByteString(record.to_json()?))].into()),
        ..Secret::default()
    })
}

/// The patch that makes a stored record this one. Its labels change with it: they say which client it holds, and in which phase.
#[must_use]
pub fn record_patch(record: &Secret) -> Value {
    json!({"metadata": {"labels": record.labels(), "annotations": record.annotations()}, "data": record.data})
}

#[cfg(test)]
mod tests;
