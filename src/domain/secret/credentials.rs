//! The credentials Secret: what it holds, and how one that was changed by hand is put right.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::ResourceExt;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::api::{KeyNames, OAuthClient, names};
use crate::domain::metadata::is_public;
use crate::domain::record::Record;

use super::{check, name};

/// Type of a Secret that an application reads as user name and password.
pub(super) const BASIC_AUTH: &str = "kubernetes.io/basic-auth";

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

/// The credentials Secret as it should be, borrowed from what it follows from: it is compared at every step of a pass, and
/// made only to be written.
struct Wanted<'a> {
    type_: &'a str,
    labels: BTreeMap<&'a str, &'a str>,
    annotations: BTreeMap<&'a str, Cow<'a, str>>,
    data: BTreeMap<&'a str, Bytes<'a>>,
}

/// A value of a Secret.
struct Bytes<'a>(&'a [u8]);

impl PartialEq<Bytes<'_>> for ByteString {
    fn eq(&self, other: &Bytes<'_>) -> bool {
        self.0 == other.0
    }
}

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ByteString(self.0.to_vec()).serialize(serializer)
    }
}

/// Names of what the operator wrote into a Secret, so that a later version of it can be cleared without touching what
/// others added.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Written {
    data: BTreeSet<String>,
    labels: BTreeSet<String>,
    annotations: BTreeSet<String>,
}

/// As [`Written`], of what is about to be written.
#[derive(Serialize)]
struct Writing<'a> {
    data: Vec<&'a str>,
    labels: Vec<&'a str>,
    annotations: Vec<&'a str>,
}

/// The Secret as it should be.
#[must_use]
pub fn credentials(object: &OAuthClient, record: &Record) -> Secret {
    let wanted = Wanted::of(object, record);
    Secret {
        metadata: ObjectMeta {
            name: Some(name(object)),
            namespace: object.namespace(),
            labels: Some(owned(wanted.labels, str::to_owned)),
            annotations: Some(owned(wanted.annotations, Cow::into_owned)),
            owner_references: Some(vec![owner_reference(object)]),
            ..ObjectMeta::default()
        },
        type_: Some(wanted.type_.to_owned()),
        data: Some(owned(wanted.data, |value| ByteString(value.0.to_vec()))),
        ..Secret::default()
    }
}

fn owned<W, V>(map: BTreeMap<&str, W>, own: impl Fn(W) -> V) -> BTreeMap<String, V> {
    map.into_iter()
        .map(|(key, value)| (key.to_owned(), own(value)))
        .collect()
}

impl<'a> Wanted<'a> {
    fn of(object: &'a OAuthClient, record: &'a Record) -> Self {
        let template = object
            .spec
            .secret
            .as_ref()
            .and_then(|secret| secret.template.as_deref());
        let labels = template.and_then(|template| template.labels.as_ref());
        let mut labels: BTreeMap<_, _> = labels
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.as_str(), value.0.as_str()))
            .collect();
        let annotations = template.and_then(|template| template.annotations.as_ref());
        let mut annotations: BTreeMap<_, _> = annotations
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.as_str(), Cow::from(value.0.as_str())))
            .collect();
        let data = data(object, record);
        labels.insert(names::MANAGED_BY, names::FIELD_MANAGER);
        labels.insert(names::SECRET_ROLE, "credentials");
        let generation = record.credential_generation.to_string();
        annotations.insert(names::CREDENTIAL_GENERATION, generation.into());
        let writing = Writing {
            data: data.keys().copied().collect(),
            labels: labels.keys().copied().collect(),
            annotations: annotations.keys().copied().collect(),
        };
        let writing = serde_json::to_string(&writing).unwrap_or_default();
        annotations.insert(names::WRITTEN, writing.into());
        Self {
            type_: type_of(object),
            labels,
            annotations,
            data,
        }
    }
}

/// What makes `actual` the Secret that object and record ask for. Keys, labels and annotations that others added stay. A spec
/// that no Secret can follow changes nothing: the application keeps what it has.
#[must_use]
pub fn repair(actual: &Secret, object: &OAuthClient, record: &Record) -> Repair {
    if check::check(&object.spec).is_err() {
        return Repair::None;
    }
    let wanted = Wanted::of(object, record);
    if actual.type_.as_deref().unwrap_or("Opaque") != wanted.type_ || actual.immutable == Some(true) {
        return Repair::Replace;
    }
    // What was written last is what is wanted now, more often than not; then nothing of it is stale.
    let written: Written = actual
        .annotations()
        .get(names::WRITTEN)
        .filter(|text| wanted.annotations.get(names::WRITTEN) != Some(&Cow::from(text.as_str())))
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let none = BTreeMap::new();
    let labels = difference(actual.labels(), &wanted.labels, &written.labels);
    let annotations = difference(actual.annotations(), &wanted.annotations, &written.annotations);
    let data = difference(actual.data.as_ref().unwrap_or(&none), &wanted.data, &written.data);
    let metadata = but_for_empty([("labels", labels), ("annotations", annotations)]);
    let patch = but_for_empty([("metadata", metadata), ("data", data)]);
    if patch.is_empty() {
        Repair::None
    } else {
        Repair::Patch(Value::Object(patch))
    }
}

fn but_for_empty(parts: [(&str, Map<String, Value>); 2]) -> Map<String, Value> {
    let full = parts.into_iter().filter(|(_, part)| !part.is_empty());
    full.map(|(name, part)| (name.to_owned(), Value::Object(part)))
        .collect()
}

/// Members to set, and members to remove (`null`) because the operator wrote them once and no longer wants them.
fn difference<A: PartialEq<W>, W: Serialize>(
    actual: &BTreeMap<String, A>,
    wanted: &BTreeMap<&str, W>,
    written: &BTreeSet<String>,
) -> Map<String, Value> {
    let set = wanted
        .iter()
        .filter(|(key, value)| actual.get(**key).is_none_or(|had| had != *value));
    let stale = written
        .iter()
        .filter(|key| actual.contains_key(*key) && !wanted.contains_key(key.as_str()));
    set.map(|(key, value)| ((*key).to_owned(), json!(value)))
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

fn data<'a>(object: &'a OAuthClient, record: &'a Record) -> BTreeMap<&'a str, Bytes<'a>> {
    let secret = object.spec.secret.as_ref();
    // Half a credential must never be written: where two values would share a key, all have their default keys.
    let names = secret
        .and_then(|secret| secret.key_names.as_deref())
        .filter(|_| check::has_own_keys(&object.spec));
    let basic = type_of(object) == BASIC_AUTH;
    let mut data = BTreeMap::new();
    let mut put = |name: fn(&KeyNames) -> &Option<String>, default: &'a str, value: Option<&'a str>| {
        if let Some(value) = value {
            let name = names.and_then(|names| name(names).as_deref());
            data.insert(name.unwrap_or(default), Bytes(value.as_bytes()));
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
        put(|names| &names.issuer, "issuer", Some(&endpoints.issuer));
        put(
            |names| &names.authorization_endpoint,
            "authorization_endpoint",
            endpoints.authorization.as_deref(),
        );
        put(
            |names| &names.token_endpoint,
            "token_endpoint",
            endpoints.token.as_deref(),
        );
        put(|names| &names.jwks_uri, "jwks_uri", endpoints.jwks.as_deref());
        put(
            |names| &names.userinfo_endpoint,
            "userinfo_endpoint",
            endpoints.userinfo.as_deref(),
        );
        put(
            |names| &names.end_session_endpoint,
            "end_session_endpoint",
            endpoints.end_session.as_deref(),
        );
        put(
            |names| &names.token_endpoint_auth_method,
            "token_endpoint_auth_method",
            record.auth_method(),
        );
    }
    put(
        |names| &names.client_id,
        if basic { "username" } else { "client_id" },
        Some(&record.client_id),
    );
    put(
        |names| &names.client_secret,
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
