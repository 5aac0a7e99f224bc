//! Reads and writes of Secrets. The answers to writes are asked for without data: nothing here needs them back.

use std::sync::Arc;

use http::HeaderValue;
use http::header::ACCEPT;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::{ObjectMeta, PartialObjectMeta, Request};
use kube::{Api, Client, Resource};
use serde_json::{Value, json};

use super::connect::within;
use super::error::ApiError;
use super::index::SecretIndex;
use super::meta::SecretMeta;
use crate::api::names;
use crate::domain::claim::Named;
use crate::domain::record::Phase;
use crate::domain::restore::Listed;
pub use crate::domain::secret::SecretRevision;
use crate::metrics::{Metrics, Verb, Written};
use crate::traces;

/// Asks for the metadata of the answer only (`PartialObjectMetadata`).
const METADATA: HeaderValue = HeaderValue::from_static("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");

/// Reads and writes of Secrets.
///
/// What a write brought about is in the index before the call returns.
#[derive(Clone)]
pub struct Secrets {
    client: Client,
    index: Arc<SecretIndex>,
    metrics: Arc<Metrics>,
}

impl Secrets {
    /// Writes through `client`, entering the answers into `index`.
    #[must_use]
    pub fn new(client: Client, index: Arc<SecretIndex>, metrics: Arc<Metrics>) -> Self {
        Self { client, index, metrics }
    }

    pub(super) fn api(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The Secret as the API server has it now.
    pub async fn get(&self, namespace: &str, name: &str) -> Result<Option<Secret>, ApiError> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        within(api.get_opt(name)).await
    }

    /// Records of the operator's namespace that name the client of this key, as the API server has them now.
    pub async fn records_naming(&self, namespace: &str, client: &str) -> Result<Vec<Named>, ApiError> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let selector = format!("{}=record,{}={client}", names::SECRET_ROLE, names::CLIENT);
        let found = within(api.list_metadata(&ListParams::default().labels(&selector))).await?;
        let namespace: Arc<str> = namespace.into();
        let found = found.items.into_iter();
        Ok(found
            .map(|head| SecretMeta::of(head.metadata, Arc::clone(&namespace)).named())
            .collect())
    }

    /// Records of registered clients that belong to objects of this key, as the API server has them now.
    pub async fn registered_of(&self, namespace: &str, object: &str) -> Result<Vec<Listed>, ApiError> {
        let selector = format!(
            "{}=record,{}={},{}={object}",
            names::SECRET_ROLE,
            names::PHASE,
            Phase::Registered.as_str(),
            names::OBJECT
        );
        self.listed(namespace, &selector, true).await
    }

    /// Records without the label that tells the namespace and name of their objects, as the API server has them now.
    pub async fn without_object(&self, namespace: &str) -> Result<Vec<Listed>, ApiError> {
        let selector = format!("{}=record,!{}", names::SECRET_ROLE, names::OBJECT);
        self.listed(namespace, &selector, false).await
    }

    async fn listed(&self, namespace: &str, selector: &str, labelled: bool) -> Result<Vec<Listed>, ApiError> {
        let found = within(
            self.api(namespace)
                .list_metadata(&ListParams::default().labels(selector)),
        )
        .await?;
        let listed = |head: PartialObjectMeta<Secret>| Listed {
            owner_uid: head
                .metadata
                .labels
                .and_then(|mut labels| labels.remove(names::CLIENT_UID)),
            name: head.metadata.name.unwrap_or_default(),
            labelled,
        };
        Ok(found.items.into_iter().map(listed).collect())
    }

    /// UID of a namespace as the API server has it now; `None` where namespaces cannot be read.
    pub async fn namespace_uid(&self, name: &str) -> Result<Option<String>, ApiError> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        match within(api.get_metadata_opt(name)).await {
            Ok(head) => Ok(head.and_then(|head| head.metadata.uid)),
            Err(ApiError::Forbidden { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The metadata of a Secret as the API server has it now.
    pub async fn head(&self, namespace: &str, name: &str) -> Result<Option<ObjectMeta>, ApiError> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let head = within(api.get_metadata_opt(name)).await?;
        Ok(head.map(|head| head.metadata))
    }

    /// Asks whether a create would succeed: RBAC, quota, admission and the state of the namespace are checked, nothing is
    /// stored.
    ///
    /// # Errors
    /// What the create would have failed with.
    pub async fn dry_run_create(&self, secret: &Secret) -> Result<(), ApiError> {
        self.post(secret, true).await.map(|_| ())
    }

    /// Creates the Secret in the namespace that its metadata names.
    ///
    /// # Errors
    /// [`ApiError::AlreadyExists`] if the name is taken.
    pub async fn create(&self, secret: &Secret) -> Result<SecretRevision, ApiError> {
        let result = traces::write(Verb::Create, Written::Secret, self.post(secret, false)).await;
        self.metrics.write(Verb::Create, Written::Secret, result.is_ok());
        result.map(|head| self.note(head))
    }

    /// Applies a JSON merge patch (RFC 7396) to exactly the version `current`.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] if there is another version, [`ApiError::Invalid`] with `uid_changed` if the name belongs
    /// to another Secret.
    pub async fn patch(
        &self,
        namespace: &str,
        name: &str,
        current: &SecretRevision,
        patch: Value,
    ) -> Result<SecretRevision, ApiError> {
        let params = PatchParams {
            field_manager: Some(names::FIELD_MANAGER.into()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(guarded(patch, current));
        let request = requests(namespace).patch(name, &params, &patch);
        let result = traces::write(Verb::Patch, Written::Secret, self.send(request)).await;
        self.metrics.write(Verb::Patch, Written::Secret, result.is_ok());
        result.map(|head| self.note(head))
    }

    /// Deletes exactly the version `current`. A Secret that does not exist is success.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] if there is another version or another Secret of that name.
    pub async fn delete(&self, namespace: &str, name: &str, current: &SecretRevision) -> Result<(), ApiError> {
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(current.uid.clone()),
                resource_version: Some(current.resource_version.clone()),
            }),
            ..DeleteParams::default()
        };
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let result = traces::write(Verb::Delete, Written::Secret, within(api.delete(name, &params))).await;
        let known = matches!(result, Ok(_) | Err(ApiError::NotFound));
        self.metrics.write(Verb::Delete, Written::Secret, known);
        match result {
            // With a finalizer of somebody else the Secret stays for a while; the watch tells.
            Ok(ref deleted) if deleted.as_ref().left().is_some_and(has_finalizers) => Ok(()),
            Ok(_) | Err(ApiError::NotFound) => {
                self.index.note_delete(namespace, name, &current.uid);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn post(&self, secret: &Secret, dry_run: bool) -> Result<ObjectMeta, ApiError> {
        let body = serde_json::to_vec(secret).map_err(kube::Error::SerdeError)?;
        let params = PostParams {
            dry_run,
            field_manager: Some(names::FIELD_MANAGER.into()),
        };
        let namespace = secret.metadata.namespace.as_deref().unwrap_or_default();
        self.send(requests(namespace).create(&params, body)).await
    }

    async fn send(
        &self,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<ObjectMeta, ApiError> {
        let mut request = request.map_err(kube::Error::BuildRequest)?;
        request.headers_mut().insert(ACCEPT, METADATA);
        let answer: PartialObjectMeta<Secret> = within(self.client.request(request)).await?;
        Ok(answer.metadata)
    }

    fn note(&self, head: ObjectMeta) -> SecretRevision {
        self.index.note_write(head).revision()
    }
}

fn requests(namespace: &str) -> Request {
    Request::new(Secret::url_path(&(), Some(namespace)))
}

/// The patch, to be applied to this version only.
fn guarded(mut patch: Value, current: &SecretRevision) -> Value {
    patch["metadata"]["uid"] = json!(current.uid);
    patch["metadata"]["resourceVersion"] = json!(current.resource_version);
    patch
}

fn has_finalizers(secret: &Secret) -> bool {
    secret.metadata.finalizers.as_ref().is_some_and(|all| !all.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_carries_both_preconditions_and_keeps_what_it_says() {
        let current = SecretRevision {
            uid: "u".into(),
            resource_version: "7".into(),
        };
        let patch = guarded(
            json!({"metadata": {"annotations": {"a": null}}, "data": {"k": "dg=="}}),
            &current,
        );
        assert_eq!(
            patch,
            json!({"metadata": {"annotations": {"a": null}, "uid": "u", "resourceVersion": "7"}, "data": {"k": "dg=="}})
        );
        assert_eq!(guarded(json!({}), &current)["metadata"]["uid"], "u");
    }

    #[test]
    fn a_dry_run_is_marked_as_such() {
        let params = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let request = requests("shop").create(&params, Vec::new()).unwrap();
        assert_eq!(request.uri().path(), "/api/v1/namespaces/shop/secrets");
        assert!(request.uri().query().unwrap().contains("dryRun=All"));
    }
}
