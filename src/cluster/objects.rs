//! Writes of the operator's own kinds: status, finalizer and the create journal. Nothing else is ever written there.

use std::fmt::Debug;
use std::sync::Arc;

use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::clients::ClientCache;
use super::connect::within;
use super::error::ApiError;
use super::guard::Guarded;
use crate::api::{ClusterOAuthProvider, OAuthClient, OAuthClientStatus, OAuthProvider, ProviderStatus, names};
use crate::metrics::{Metrics, Verb, Written};
use crate::traces;

/// Reads and writes of the operator's own kinds.
///
/// Every write carries the `resourceVersion` of the object that it was decided on, and what the API server answers
/// enters the cache before the call returns.
#[derive(Clone)]
pub struct Objects {
    client: Client,
    cache: Arc<ClientCache>,
    metrics: Arc<Metrics>,
}

impl Objects {
    /// Writes through `client`, entering the answers into `cache`.
    #[must_use]
    pub fn new(client: Client, cache: Arc<ClientCache>, metrics: Arc<Metrics>) -> Self {
        Self { client, cache, metrics }
    }

    /// The object as the API server has it now.
    pub async fn get(&self, namespace: &str, name: &str) -> Result<Option<OAuthClient>, ApiError> {
        let found = within(self.api(namespace).get_opt(name)).await?;
        Ok(found.map(Guarded::readable).transpose()?)
    }

    /// Adds the finalizer and the journal entry `marker` in one write.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] if the object is not the version that is held, [`ApiError::Invalid`] with `uid_changed`
    /// if its name belongs to another object.
    pub async fn open_attempt(&self, object: &OAuthClient, marker: &str) -> Result<OAuthClient, ApiError> {
        let mut patch = with_finalizer(object);
        patch["metadata"]["annotations"] = json!({names::CREATE_PENDING: marker});
        self.merge(object, &patch).await
    }

    /// Adds the finalizer.
    ///
    /// # Errors
    /// As [`Self::open_attempt`].
    pub async fn add_finalizer(&self, object: &OAuthClient) -> Result<OAuthClient, ApiError> {
        self.merge(object, &with_finalizer(object)).await
    }

    /// Removes the finalizer. `None`: the object is gone, by this write or before it.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] if the object is not the version that is held.
    pub async fn remove_finalizer(&self, object: &OAuthClient) -> Result<Option<OAuthClient>, ApiError> {
        match self.merge(object, &without_finalizer(object)).await {
            Ok(fresh) if is_gone(&fresh) => {
                self.cache.note_delete(&fresh);
                Ok(None)
            }
            Ok(fresh) => Ok(Some(fresh)),
            Err(ApiError::NotFound | ApiError::Invalid { uid_changed: true, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes the whole status by server-side apply.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] if the object is not the version that is held. A UID in such a request is ignored by the
    /// API server, so the version alone keeps a late write off a successor of the same name.
    pub async fn write_status(
        &self,
        object: &OAuthClient,
        status: &OAuthClientStatus,
    ) -> Result<OAuthClient, ApiError> {
        let api = self.api(namespace_of(object));
        let fresh: Guarded<OAuthClient> = self.apply_status(&api, object, status).await?;
        Ok(self.note(fresh.readable()?))
    }

    /// Writes the whole status of an `OAuthProvider`, as [`Self::write_status`] does.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] if the object is not the version that is held.
    pub async fn write_provider_status(
        &self,
        object: &OAuthProvider,
        status: &ProviderStatus,
    ) -> Result<OAuthProvider, ApiError> {
        let api = Api::namespaced(self.client.clone(), namespace_of(object));
        self.apply_status(&api, object, status).await
    }

    /// Writes the whole status of a `ClusterOAuthProvider`, as [`Self::write_status`] does.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] if the object is not the version that is held.
    pub async fn write_cluster_provider_status(
        &self,
        object: &ClusterOAuthProvider,
        status: &ProviderStatus,
    ) -> Result<ClusterOAuthProvider, ApiError> {
        self.apply_status(&Api::all(self.client.clone()), object, status).await
    }

    async fn merge(&self, object: &OAuthClient, patch: &Value) -> Result<OAuthClient, ApiError> {
        let params = PatchParams {
            field_manager: Some(names::FIELD_MANAGER.into()),
            ..PatchParams::default()
        };
        let api = self.api(namespace_of(object));
        let patch = Patch::Merge(patch);
        let write = within(api.patch(name_of(object), &params, &patch));
        let result = traces::write(Verb::Patch, Written::Object, write).await;
        self.metrics.write(Verb::Patch, Written::Object, result.is_ok());
        Ok(self.note(result?.readable()?))
    }

    async fn apply_status<A, K, S>(&self, api: &Api<A>, object: &K, status: &S) -> Result<A, ApiError>
    where
        A: Clone + Debug + DeserializeOwned,
        K: Resource<DynamicType = ()>,
        S: Serialize,
    {
        let params = PatchParams::apply(names::STATUS_FIELD_MANAGER).force();
        let body = status_body(object, status);
        let patch = Patch::Apply(&body);
        let write = within(api.patch_status(name_of(object), &params, &patch));
        let result = traces::write(Verb::Patch, Written::Status, write).await;
        self.metrics.write(Verb::Patch, Written::Status, result.is_ok());
        result
    }

    fn note(&self, mut fresh: OAuthClient) -> OAuthClient {
        fresh.metadata.managed_fields = None;
        self.cache.note_write(fresh.clone());
        fresh
    }

    fn api(&self, namespace: &str) -> Api<Guarded<OAuthClient>> {
        Api::namespaced(self.client.clone(), namespace)
    }
}

fn name_of<K: Resource>(object: &K) -> &str {
    object.meta().name.as_deref().unwrap_or_default()
}

fn namespace_of<K: Resource>(object: &K) -> &str {
    object.meta().namespace.as_deref().unwrap_or_default()
}

/// Whether the answer to a write shows the object's end: the last finalizer is off a deleted object.
fn is_gone(object: &OAuthClient) -> bool {
    let meta = &object.metadata;
    meta.deletion_timestamp.is_some() && meta.finalizers.as_ref().is_none_or(Vec::is_empty)
}

/// A merge patch of metadata that holds only for this very version of this very object.
fn guarded(object: &OAuthClient, finalizers: &[&str]) -> Value {
    json!({"metadata": {
        "uid": object.metadata.uid,
        "resourceVersion": object.metadata.resource_version,
        "finalizers": finalizers,
    }})
}

fn finalizers(object: &OAuthClient) -> impl Iterator<Item = &str> {
    let all = object.metadata.finalizers.iter().flatten().map(String::as_str);
    all.filter(|finalizer| *finalizer != names::FINALIZER)
}

/// A merge patch replaces lists, so the finalizers of others are in it.
fn with_finalizer(object: &OAuthClient) -> Value {
    guarded(
        object,
        &finalizers(object).chain([names::FINALIZER]).collect::<Vec<_>>(),
    )
}

fn without_finalizer(object: &OAuthClient) -> Value {
    guarded(object, &finalizers(object).collect::<Vec<_>>())
}

fn status_body<K: Resource<DynamicType = ()>, S: Serialize>(object: &K, status: &S) -> Value {
    let meta = object.meta();
    let mut body = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": {"name": meta.name, "resourceVersion": meta.resource_version},
        "status": status,
    });
    if let Some(namespace) = &meta.namespace {
        body["metadata"]["namespace"] = json!(namespace);
    }
    body
}
