//! A model of the API server: as much of it as promises rest on. It keeps objects and Secrets with UIDs, resource versions,
//! finalizers and owner references, and refuses what the real one refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde_json::Value;

use crate::api::{OAuthClient, OAuthClientStatus, names};
use crate::cluster::{ApiError, Owner, Role, SecretMeta, SecretRevision};

pub(super) type Name = (String, String);

/// What the API server stores.
#[derive(Clone, Default)]
pub(super) struct Cluster {
    pub clients: BTreeMap<Name, OAuthClient>,
    pub secrets: BTreeMap<Name, Secret>,
    pub terminating: BTreeSet<String>,
    version: u64,
    uids: u64,
    /// Writes that took place, dry runs not counted.
    pub writes: usize,
}

impl Cluster {
    fn bump(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    fn fresh_uid(&mut self) -> String {
        self.uids += 1;
        format!("uid-{}", self.uids)
    }

    // --- What users do ---

    /// `kubectl apply`: creates the object, or changes its spec.
    pub(super) fn apply(&mut self, mut object: OAuthClient) {
        let name = named(&object);
        if let Some(stored) = self.clients.get(&name).cloned() {
            let mut next = stored.clone();
            next.spec = object.spec;
            if next.spec != stored.spec {
                next.metadata.generation = next.metadata.generation.map(|generation| generation + 1);
                next.metadata.resource_version = Some(self.bump());
                self.clients.insert(name, next);
            }
            return;
        }
        object.metadata.uid = Some(self.fresh_uid());
        object.metadata.generation = Some(1);
        object.metadata.resource_version = Some(self.bump());
        object.status = Some(OAuthClientStatus {
            observed_generation: Some(-1),
            ..OAuthClientStatus::default()
        });
        self.clients.insert(name, object);
    }

    /// `kubectl delete`.
    pub(super) fn delete(&mut self, name: &Name, now: i64) {
        let version = self.bump();
        let Some(object) = self.clients.get_mut(name) else {
            return;
        };
        if object.finalizers().is_empty() {
            self.clients.remove(name);
        } else if object.metadata.deletion_timestamp.is_none() {
            object.metadata.deletion_timestamp = Timestamp::from_second(now).ok().map(Time);
            object.metadata.generation = object.metadata.generation.map(|generation| generation + 1);
            object.metadata.resource_version = Some(version);
        }
    }

    /// Any change of an object by somebody else.
    pub(super) fn change(&mut self, name: &Name, change: impl FnOnce(&mut OAuthClient)) {
        let version = self.bump();
        if let Some(object) = self.clients.get_mut(name) {
            change(object);
            object.metadata.resource_version = Some(version);
        }
    }

    /// Any change of a Secret by somebody else.
    pub(super) fn change_secret(&mut self, name: &Name, change: impl FnOnce(&mut Secret)) {
        let version = self.bump();
        if let Some(secret) = self.secrets.get_mut(name) {
            change(secret);
            secret.metadata.resource_version = Some(version);
        }
    }

    /// The garbage collector: Secrets of owners that are gone.
    pub(super) fn collect(&mut self) {
        let alive: BTreeSet<String> = self.clients.values().filter_map(ResourceExt::uid).collect();
        self.secrets.retain(|_, secret| {
            let owners = secret.owner_references();
            owners.is_empty() || owners.iter().any(|owner| alive.contains(&owner.uid))
        });
    }

    /// The namespace controller, once: what is in a terminating namespace is deleted.
    pub(super) fn terminate(&mut self, now: i64) {
        for namespace in self.terminating.clone() {
            self.secrets.retain(|(space, _), _| *space != namespace);
            let doomed: Vec<Name> = self
                .clients
                .keys()
                .filter(|(space, _)| *space == namespace)
                .cloned()
                .collect();
            for name in doomed {
                self.delete(&name, now);
            }
        }
    }

    // --- What the operator does ---

    /// A write of the object that was decided on `seen`.
    pub(super) fn write(
        &mut self,
        seen: &OAuthClient,
        change: impl FnOnce(&mut OAuthClient),
    ) -> Result<OAuthClient, ApiError> {
        let name = named(seen);
        let stored = self.clients.get(&name).ok_or(ApiError::NotFound)?;
        if stored.uid() != seen.uid() {
            return Err(ApiError::Invalid {
                message: "uid differs".to_owned(),
                uid_changed: true,
            });
        }
        self.write_version(seen, change)
    }

    /// As [`Self::write`], by the version alone: the API server ignores a UID in a patch of the status.
    pub(super) fn write_version(
        &mut self,
        seen: &OAuthClient,
        change: impl FnOnce(&mut OAuthClient),
    ) -> Result<OAuthClient, ApiError> {
        let name = named(seen);
        let stored = self.clients.get(&name).ok_or(ApiError::NotFound)?;
        if stored.resource_version() != seen.resource_version() {
            return Err(ApiError::Conflict);
        }
        let mut next = stored.clone();
        change(&mut next);
        self.writes += 1;
        next.metadata.resource_version = Some(self.bump());
        if next.metadata.deletion_timestamp.is_some() && next.finalizers().is_empty() {
            self.clients.remove(&name);
        } else {
            self.clients.insert(name, next.clone());
        }
        Ok(next)
    }

    pub(super) fn can_create(&self, secret: &Secret) -> Result<(), ApiError> {
        let name = secret_name(secret);
        if self.terminating.contains(&name.0) {
            return Err(ApiError::Forbidden {
                message: "terminating".to_owned(),
                terminating: true,
                quota: false,
            });
        }
        if self.secrets.contains_key(&name) {
            return Err(ApiError::AlreadyExists);
        }
        Ok(())
    }

    pub(super) fn create(&mut self, secret: &Secret) -> Result<SecretRevision, ApiError> {
        self.can_create(secret)?;
        self.writes += 1;
        let mut secret = secret.clone();
        secret.metadata.uid = Some(self.fresh_uid());
        secret.metadata.resource_version = Some(self.bump());
        let revision = SecretRevision::of(&secret);
        self.secrets.insert(secret_name(&secret), secret);
        Ok(revision)
    }

    pub(super) fn patch(
        &mut self,
        name: &Name,
        current: &SecretRevision,
        patch: &Value,
    ) -> Result<SecretRevision, ApiError> {
        let stored = self.secrets.get(name).ok_or(ApiError::NotFound)?;
        if stored.metadata.uid.as_deref() != Some(&current.uid) {
            return Err(ApiError::Invalid {
                message: "uid differs".to_owned(),
                uid_changed: true,
            });
        }
        if SecretRevision::of(stored) != *current {
            return Err(ApiError::Conflict);
        }
        let mut json = serde_json::to_value(stored).unwrap();
        merge(&mut json, patch);
        let mut secret: Secret = serde_json::from_value(json).unwrap();
        self.writes += 1;
        secret.metadata.resource_version = Some(self.bump());
        let revision = SecretRevision::of(&secret);
        self.secrets.insert(name.clone(), secret);
        Ok(revision)
    }

    pub(super) fn remove(&mut self, name: &Name, current: &SecretRevision) -> Result<(), ApiError> {
        match self.secrets.get(name) {
            None => Ok(()),
            Some(stored) if SecretRevision::of(stored) != *current => Err(ApiError::Conflict),
            Some(_) => {
                self.writes += 1;
                self.version += 1;
                self.secrets.remove(name);
                Ok(())
            }
        }
    }

    // --- What a watch shows ---

    pub(super) fn metas(&self) -> BTreeMap<Name, Arc<SecretMeta>> {
        self.secrets
            .iter()
            .map(|(name, secret)| (name.clone(), Arc::new(meta(secret))))
            .collect()
    }
}

/// JSON merge patch (RFC 7396).
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

pub(super) fn named(object: &OAuthClient) -> Name {
    (object.namespace().unwrap_or_default(), object.name_any())
}

fn secret_name(secret: &Secret) -> Name {
    (secret.namespace().unwrap_or_default(), secret.name_any())
}

fn meta(secret: &Secret) -> SecretMeta {
    let label = |name: &str| secret.labels().get(name).map(String::as_str);
    let role = match label(names::SECRET_ROLE) {
        Some("credentials") => Role::Credentials,
        Some("record") => Role::Record,
        Some("suspect") => Role::Suspect,
        _ => Role::Other,
    };
    let owner = secret
        .owner_references()
        .iter()
        .find(|owner| owner.controller == Some(true));
    SecretMeta {
        namespace: secret.namespace().unwrap_or_default().into(),
        name: secret.name_any().into(),
        uid: secret.uid().unwrap_or_default().into(),
        resource_version: secret.resource_version().unwrap_or_default().into(),
        generation: secret
            .annotations()
            .get(names::CREDENTIAL_GENERATION)
            .and_then(|text| text.parse().ok()),
        owner: owner.map(|owner| Owner {
            uid: owner.uid.as_str().into(),
            name: owner.name.as_str().into(),
            is_client: owner.kind == "OAuthClient",
        }),
        client_uid: label(names::CLIENT_UID).map(Into::into),
        role,
        provider_credentials: false,
        deleting: false,
    }
}
