//! The credentials Secret: what it holds, and how one that was changed by hand is put right.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::ResourceExt;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::api::{OAuthClient, names};

use super::metadata::is_public;
use super::record::Record;

/// Type of a Secret that an application reads as user name and password.
const BASIC_AUTH: &str = "kubernetes.io/basic-auth";

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

/// What is needed to make a Secret equal to the wanted one.
#[derive(Clone, Debug, PartialEq)]
pub enum Repair {
    /// Nothing.
    None,
    /// A merge patch.
    Patch(Value),
    /// Deletion and creation: the type differs or the Secret is immutable.
    Replace,
}

/// Names of what the operator wrote into a Secret, so that a later version of it can be cleared without touching what
/// others added.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(default)]
struct Written {
    data: BTreeSet<String>,
    labels: BTreeSet<String>,
    annotations: BTreeSet<String>,
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

/// The Secret as it should be.
#[must_use]
pub fn credentials(object: &OAuthClient, record: &Record) -> Secret {
    let template = object
        .spec
        .secret
        .as_ref()
        .and_then(|secret| secret.template.as_deref());
    let mut labels: BTreeMap<String, String> = template
        .and_then(|template| template.labels.as_ref())
        .map(|labels| {
            labels
                .iter()
                .map(|(key, value)| (key.clone(), value.0.clone()))
                .collect()
        })
        .unwrap_or_default();
    let mut annotations: BTreeMap<String, String> = template
        .and_then(|template| template.annotations.as_ref())
        .map(|annotations| {
            annotations
                .iter()
                .map(|(key, value)| (key.clone(), value.0.clone()))
                .collect()
        })
        .unwrap_or_default();
    let data = data(object, record);
    labels.insert(names::MANAGED_BY.to_owned(), names::FIELD_MANAGER.to_owned());
    labels.insert(names::SECRET_ROLE.to_owned(), "credentials".to_owned());
    annotations.insert(
        names::CREDENTIAL_GENERATION.to_owned(),
        record.credential_generation.to_string(),
    );
    let written = Written {
        data: data.keys().cloned().collect(),
        labels: labels.keys().cloned().collect(),
        annotations: annotations.keys().cloned().collect(),
    };
    annotations.insert(
        names::WRITTEN.to_owned(),
        serde_json::to_string(&written).unwrap_or_default(),
    );
    Secret {
        metadata: ObjectMeta {
            name: Some(name(object)),
            namespace: object.namespace(),
            labels: Some(labels),
            annotations: Some(annotations),
            owner_references: Some(vec![owner_reference(object)]),
            ..ObjectMeta::default()
        },
        type_: Some(type_of(object).to_owned()),
        data: Some(data),
        ..Secret::default()
    }
}

/// The record as a Secret.
///
/// # Errors
/// If the record cannot be written as JSON, which none of its members allows.
pub fn record(record: &Record, namespace: &str) -> Result<Secret, serde_json::Error> {
    let labels = [
        (names::MANAGED_BY, names::FIELD_MANAGER),
        (names::SECRET_ROLE, "record"),
        (names::CLIENT_UID, record.owner.uid.as_str()),
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

/// What makes `actual` equal to `wanted`. Keys, labels and annotations that others added stay.
#[must_use]
pub fn repair(actual: &Secret, wanted: &Secret) -> Repair {
    let type_differs = actual.type_.as_deref().unwrap_or("Opaque") != wanted.type_.as_deref().unwrap_or("Opaque");
    if type_differs || actual.immutable == Some(true) {
        return Repair::Replace;
    }
    let written: Written = actual
        .annotations()
        .get(names::WRITTEN)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let encoded = |data: &Option<BTreeMap<String, ByteString>>| -> BTreeMap<String, Value> {
        data.iter()
            .flatten()
            .map(|(key, value)| (key.clone(), json!(value)))
            .collect()
    };
    let text = |map: &BTreeMap<String, String>| map.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    let mut metadata = Map::new();
    for (part, differences) in [
        (
            "labels",
            difference(&text(actual.labels()), &text(wanted.labels()), &written.labels),
        ),
        (
            "annotations",
            difference(
                &text(actual.annotations()),
                &text(wanted.annotations()),
                &written.annotations,
            ),
        ),
    ] {
        if !differences.is_empty() {
            metadata.insert(part.to_owned(), Value::Object(differences));
        }
    }
    let mut patch = Map::new();
    if !metadata.is_empty() {
        patch.insert("metadata".to_owned(), Value::Object(metadata));
    }
    let data = difference(&encoded(&actual.data), &encoded(&wanted.data), &written.data);
    if !data.is_empty() {
        patch.insert("data".to_owned(), Value::Object(data));
    }
    if patch.is_empty() {
        Repair::None
    } else {
        Repair::Patch(Value::Object(patch))
    }
}

/// Members to set, and members to remove (`null`) because the operator wrote them once and no longer wants them.
fn difference(
    actual: &BTreeMap<String, Value>,
    wanted: &BTreeMap<String, Value>,
    written: &BTreeSet<String>,
) -> Map<String, Value> {
    let set = wanted.iter().filter(|(key, value)| actual.get(*key) != Some(value));
    let stale = written
        .iter()
        .filter(|key| actual.contains_key(*key) && !wanted.contains_key(*key));
    set.map(|(key, value)| (key.clone(), value.clone()))
        .chain(stale.map(|key| (key.clone(), Value::Null)))
        .collect()
}

fn type_of(object: &OAuthClient) -> &str {
    let template = object
        .spec
        .secret
        .as_ref()
        .and_then(|secret| secret.template.as_deref());
    template
        .and_then(|template| template.type_.as_deref())
        .unwrap_or("Opaque")
}

fn data(object: &OAuthClient, record: &Record) -> BTreeMap<String, ByteString> {
    let secret = object.spec.secret.as_ref();
    let names = secret
        .and_then(|secret| secret.key_names.as_deref())
        .cloned()
        .unwrap_or_default();
    let basic = type_of(object) == BASIC_AUTH;
    let mut data = BTreeMap::new();
    let mut put = |name: Option<String>, default: &str, value: Option<&str>| {
        if let Some(value) = value {
            data.insert(
                name.unwrap_or_else(|| default.to_owned()),
                ByteString(value.as_bytes().to_vec()),
            );
        }
    };
    // Some providers issue a secret to everybody. An application that can keep none must not be handed one.
    let public = record
        .auth_method()
        .map_or_else(|| is_public(&object.spec), |method| method == "none");
    let client_secret = record.client_secret.as_ref().filter(|_| !public);
    let client_secret = client_secret.map(ExposeSecret::expose_secret);
    if secret.and_then(|secret| secret.include_provider).unwrap_or(true) {
        let endpoints = &record.endpoints;
        put(names.issuer, "issuer", Some(&endpoints.issuer));
        put(
            names.authorization_endpoint,
            "authorization_endpoint",
            endpoints.authorization.as_deref(),
        );
        put(names.token_endpoint, "token_endpoint", endpoints.token.as_deref());
        put(names.jwks_uri, "jwks_uri", endpoints.jwks.as_deref());
        put(
            names.userinfo_endpoint,
            "userinfo_endpoint",
            endpoints.userinfo.as_deref(),
        );
        put(
            names.end_session_endpoint,
            "end_session_endpoint",
            endpoints.end_session.as_deref(),
        );
    }
    put(
        names.client_id,
        if basic { "username" } else { "client_id" },
        Some(&record.client_id),
    );
    put(
        names.client_secret,
        if basic { "password" } else { "client_secret" },
        client_secret,
    );
    data
}

fn owner_reference(object: &OAuthClient) -> OwnerReference {
    OwnerReference {
        api_version: names::API_VERSION.to_owned(),
        kind: "OAuthClient".to_owned(),
        name: object.name_any(),
        uid: object.uid().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: None,
    }
}

#[cfg(test)]
mod tests;
