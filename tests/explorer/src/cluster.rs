//! A model of the API server, as much of it as the promises rest on.
//!
//! It keeps objects and Secrets with UIDs, resource versions, generations, finalizers, owner references and the parts that
//! each field manager wrote, and refuses what the real one refuses: 404 for what is not there, 409 for another version or a
//! name that is taken, 422 for another UID, for a name that is none and for a new finalizer on an object that is being deleted, 403 in a namespace
//! that is being deleted. A write that changes nothing makes no new version. The status is a resource of its own: writing it
//! touches nothing else, and nothing else touches it. The garbage collector and the namespace controller act between passes.
//!
//! Not modelled: admission and defaulting, quota and RBAC as rules (they come as faults: 403 and 422), finalizers and
//! graceful deletion of Secrets, foreground deletion, field-wise ownership inside the status, pagination, compaction, and
//! watches that lose or reorder events within one kind (a view is late, partly late, or old; it is never wrong).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde_json::Value;

use oauth_client_operator::api::{OAuthClient, OAuthClientStatus, names};
use oauth_client_operator::cluster::{ApiError, SecretMeta, SecretRevision};

use super::{digest, merge};

pub(super) type Name = (String, String);

/// An object as it is stored.
#[derive(Debug)]
pub(super) struct Kept {
    pub object: Arc<OAuthClient>,
    /// Digest of all that matters in it, but for versions.
    pub digest: u64,
}

/// A Secret as it is stored.
#[derive(Debug)]
pub(super) struct KeptSecret {
    pub secret: Secret,
    pub meta: Arc<SecretMeta>,
    pub digest: u64,
    /// The time that a record states so.
    pub missing_since: Option<i64>,
}

/// What the API server stores.
#[derive(Clone, Default)]
pub(super) struct Cluster {
    pub clients: BTreeMap<Name, Arc<Kept>>,
    pub secrets: BTreeMap<Name, Arc<KeptSecret>>,
    pub terminating: BTreeSet<String>,
    /// How often the namespace of the applications was deleted and created again.
    pub made_again: u32,
    /// Parts of objects that the operator's field managers touched beyond what is theirs.
    pub trespasses: Vec<String>,
    version: u64,
    uids: u64,
    clients_made: u64,
    /// Writes that took place, dry runs not counted.
    pub writes: usize,
}

impl Cluster {
    fn bump(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    fn put(&mut self, name: Name, mut object: OAuthClient) -> Arc<OAuthClient> {
        object.metadata.resource_version = Some(self.bump());
        let digest = digest::object(&object);
        let object = Arc::new(object);
        let kept = Kept {
            object: object.clone(),
            digest,
        };
        self.clients.insert(name, Arc::new(kept));
        object
    }

    fn put_secret(&mut self, mut secret: Secret) -> SecretRevision {
        secret.metadata.resource_version = Some(self.bump());
        let name = secret_name(&secret);
        let revision = SecretRevision::of(&secret);
        let kept = KeptSecret {
            meta: Arc::new(SecretMeta::of(secret.metadata.clone(), name.0.as_str().into())),
            digest: digest::secret(&secret),
            missing_since: digest::missing_since(&secret),
            secret,
        };
        self.secrets.insert(name, Arc::new(kept));
        revision
    }

    pub(super) fn namespace_uid(&self, namespace: &str) -> String {
        format!("{namespace}-{}", self.made_again)
    }

    // --- What users and controllers do ---

    /// `kubectl apply`: creates the object, or changes its spec.
    pub(super) fn apply(&mut self, mut object: OAuthClient) {
        let name = named(&object);
        if let Some(stored) = self.clients.get(&name) {
            let mut next = OAuthClient::clone(&stored.object);
            if next.spec != object.spec {
                next.spec = object.spec;
                next.metadata.generation = next.metadata.generation.map(|generation| generation + 1);
                self.put(name, next);
            }
            return;
        }
        self.clients_made += 1;
        object.metadata.uid = Some(format!("object-{}", self.clients_made));
        object.metadata.generation = Some(1);
        object.status.get_or_insert_with(|| OAuthClientStatus {
            observed_generation: Some(-1),
            ..OAuthClientStatus::default()
        });
        self.put(name, object);
    }

    /// `kubectl delete`.
    pub(super) fn delete(&mut self, name: &Name, now: i64) {
        let Some(stored) = self.clients.get(name) else {
            return;
        };
        if stored.object.finalizers().is_empty() {
            self.clients.remove(name);
        } else if stored.object.metadata.deletion_timestamp.is_none() {
            let mut object = OAuthClient::clone(&stored.object);
            object.metadata.deletion_timestamp = Timestamp::from_second(now).ok().map(Time);
            object.metadata.generation = object.metadata.generation.map(|generation| generation + 1);
            self.put(name.clone(), object);
        }
    }

    /// Any change of an object by somebody else.
    pub(super) fn change(&mut self, name: &Name, change: impl FnOnce(&mut OAuthClient)) {
        if let Some(stored) = self.clients.get(name) {
            let mut object = OAuthClient::clone(&stored.object);
            change(&mut object);
            if object.metadata.deletion_timestamp.is_some() && object.finalizers().is_empty() {
                self.clients.remove(name);
            } else {
                self.put(name.clone(), object);
            }
        }
    }

    /// Any change of a Secret by somebody else.
    pub(super) fn change_secret(&mut self, name: &Name, change: impl FnOnce(&mut Secret)) {
        if let Some(stored) = self.secrets.get(name) {
            let mut secret = stored.secret.clone();
            change(&mut secret);
            self.put_secret(secret);
        }
    }

    /// The garbage collector: Secrets of owners that are gone.
    pub(super) fn collect(&mut self) {
        let orphaned = |secret: &KeptSecret| {
            let owners = secret.secret.owner_references();
            let lives = |uid: &String| {
                self.clients
                    .values()
                    .any(|kept| kept.object.metadata.uid.as_ref() == Some(uid))
            };
            !owners.is_empty() && !owners.iter().any(|owner| lives(&owner.uid))
        };
        if self.secrets.values().any(|secret| orphaned(secret)) {
            let kept = self.secrets.iter().filter(|(_, secret)| !orphaned(secret));
            self.secrets = kept.map(|(name, secret)| (name.clone(), secret.clone())).collect();
        }
    }

    /// The namespace controller, once: what is in a terminating namespace is deleted.
    pub(super) fn terminate(&mut self, now: i64) {
        for namespace in self.terminating.clone() {
            self.secrets.retain(|(space, _), _| *space != namespace);
            let in_it = self.clients.keys().filter(|(space, _)| *space == namespace);
            for name in in_it.cloned().collect::<Vec<_>>() {
                self.delete(&name, now);
            }
        }
    }

    // --- What the operator does: the object ---

    /// Finalizer and marker in one merge patch.
    pub(super) fn open_attempt(&mut self, seen: &OAuthClient, marker: &str) -> Result<Arc<OAuthClient>, ApiError> {
        self.merge(seen, |object| {
            let marker = (names::CREATE_PENDING.to_owned(), marker.to_owned());
            object.annotations_mut().extend([marker]);
            add_finalizer(object)
        })
    }

    pub(super) fn add_finalizer(&mut self, seen: &OAuthClient) -> Result<Arc<OAuthClient>, ApiError> {
        self.merge(seen, add_finalizer)
    }

    /// `None`: the object is gone.
    pub(super) fn remove_finalizer(&mut self, seen: &OAuthClient) -> Result<Option<Arc<OAuthClient>>, ApiError> {
        let written = self.merge(seen, |object| {
            object.finalizers_mut().retain(|name| name != names::FINALIZER);
            Ok(())
        });
        match written {
            Ok(object) if object.metadata.deletion_timestamp.is_some() && object.finalizers().is_empty() => Ok(None),
            Ok(object) => Ok(Some(object)),
            Err(ApiError::NotFound | ApiError::Invalid { uid_changed: true, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A patch of the main resource by its field manager, with UID and version as preconditions.
    fn merge(
        &mut self,
        seen: &OAuthClient,
        change: impl FnOnce(&mut OAuthClient) -> Result<(), ApiError>,
    ) -> Result<Arc<OAuthClient>, ApiError> {
        let stored = self.clients.get(&named(seen)).ok_or(ApiError::NotFound)?;
        if stored.object.uid() != seen.uid() {
            return Err(ApiError::Invalid {
                message: "uid differs".to_owned(),
                uid_changed: true,
            });
        }
        self.write(seen, names::FIELD_MANAGER, change)
    }

    /// Server-side apply of the status by its own field manager; the version alone is a precondition, because the API server
    /// ignores a UID there.
    pub(super) fn apply_status(
        &mut self,
        seen: &OAuthClient,
        status: &OAuthClientStatus,
    ) -> Result<Arc<OAuthClient>, ApiError> {
        self.write(seen, names::STATUS_FIELD_MANAGER, |object| {
            object.status = Some(status.clone());
            Ok(())
        })
    }

    fn write(
        &mut self,
        seen: &OAuthClient,
        manager: &str,
        change: impl FnOnce(&mut OAuthClient) -> Result<(), ApiError>,
    ) -> Result<Arc<OAuthClient>, ApiError> {
        let name = named(seen);
        let stored = self.clients.get(&name).ok_or(ApiError::NotFound)?.object.clone();
        if stored.resource_version() != seen.resource_version() {
            return Err(ApiError::Conflict);
        }
        let mut next = OAuthClient::clone(&stored);
        change(&mut next)?;
        self.writes += 1;
        self.watch_manager(manager, &stored, &next);
        let unchanged = next.status == stored.status
            && next.finalizers() == stored.finalizers()
            && next.annotations() == stored.annotations();
        if unchanged {
            return Ok(stored);
        }
        if next.metadata.deletion_timestamp.is_some() && next.finalizers().is_empty() {
            self.clients.remove(&name);
            self.version += 1;
            return Ok(Arc::new(next));
        }
        Ok(self.put(name, next))
    }

    /// Notes what a field manager touched beyond its part.
    fn watch_manager(&mut self, manager: &str, before: &OAuthClient, after: &OAuthClient) {
        let trespassed = if manager == names::STATUS_FIELD_MANAGER {
            (&before.spec, &before.metadata) != (&after.spec, &after.metadata)
        } else {
            let others = |object: &OAuthClient| {
                let mut metadata = object.metadata.clone();
                metadata
                    .annotations
                    .get_or_insert_default()
                    .remove(names::CREATE_PENDING);
                let finalizers = metadata.finalizers.get_or_insert_default();
                finalizers.retain(|name| name != names::FINALIZER);
                metadata
            };
            (&before.spec, &before.status) != (&after.spec, &after.status) || others(before) != others(after)
        };
        if trespassed {
            self.trespasses.push(format!("{manager} changed more than its part"));
        }
    }

    // --- What the operator does: Secrets ---

    pub(super) fn can_create(&self, secret: &Secret) -> Result<(), ApiError> {
        let name = secret_name(secret);
        let fits = |text: &str| text.starts_with(char::is_alphanumeric) && text.ends_with(char::is_alphanumeric);
        if !fits(&name.1) || name.1.len() > 253 {
            return Err(ApiError::Invalid {
                message: "a lowercase RFC 1123 subdomain must start and end with an alphanumeric character".to_owned(),
                uid_changed: false,
            });
        }
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
        self.uids += 1;
        let mut secret = secret.clone();
        secret.metadata.uid = Some(format!("secret-{}", self.uids));
        Ok(self.put_secret(secret))
    }

    pub(super) fn patch(
        &mut self,
        name: &Name,
        current: &SecretRevision,
        patch: &Value,
    ) -> Result<SecretRevision, ApiError> {
        let stored = self.secrets.get(name).ok_or(ApiError::NotFound)?;
        if stored.secret.metadata.uid.as_deref() != Some(&current.uid) {
            return Err(ApiError::Invalid {
                message: "uid differs".to_owned(),
                uid_changed: true,
            });
        }
        if SecretRevision::of(&stored.secret) != *current {
            return Err(ApiError::Conflict);
        }
        let mut secret = stored.secret.clone();
        merge::patch(&mut secret, patch);
        self.writes += 1;
        if secret == stored.secret {
            return Ok(current.clone());
        }
        Ok(self.put_secret(secret))
    }

    pub(super) fn remove(&mut self, name: &Name, current: &SecretRevision) -> Result<(), ApiError> {
        match self.secrets.get(name) {
            None => Ok(()),
            Some(stored) if SecretRevision::of(&stored.secret) != *current => Err(ApiError::Conflict),
            Some(_) => {
                self.writes += 1;
                self.version += 1;
                self.secrets.remove(name);
                Ok(())
            }
        }
    }
}

fn add_finalizer(object: &mut OAuthClient) -> Result<(), ApiError> {
    if object.finalizers().iter().any(|name| name == names::FINALIZER) {
        return Ok(());
    }
    if object.metadata.deletion_timestamp.is_some() {
        return Err(ApiError::Invalid {
            message: "no new finalizers can be added if the object is being deleted".to_owned(),
            uid_changed: false,
        });
    }
    object.finalizers_mut().push(names::FINALIZER.to_owned());
    Ok(())
}

pub(super) fn named(object: &OAuthClient) -> Name {
    (object.namespace().unwrap_or_default(), object.name_any())
}

pub(super) fn secret_name(secret: &Secret) -> Name {
    (secret.namespace().unwrap_or_default(), secret.name_any())
}
