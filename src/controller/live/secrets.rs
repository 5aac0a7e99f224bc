//! Reads and writes of Secrets, each write with its line in the log.

use std::time::Instant;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde_json::Value;

use crate::cluster::{ApiError, SecretRevision};
use crate::domain::identity;
use crate::domain::restore::Listed;

use super::Live;
use super::audit::{Done, role_of};

impl Live<'_> {
    /// A Secret; one of the operator's own with its CA bundle.
    pub(super) async fn read_secret(&self, namespace: &str, name: &str) -> Result<Option<Secret>, ApiError> {
        let _turn = self.turn().await;
        match self.secrets.get(namespace, name).await? {
            Some(secret) if namespace == self.here.namespace => self.bundles.complete(self.cx, secret).await.map(Some),
            found => Ok(found),
        }
    }

    pub(super) async fn registered_records(&self, namespace: &str, name: &str) -> Result<Vec<Listed>, ApiError> {
        let _turn = self.turn().await;
        let key = identity::object_key(namespace, name);
        let mut found = self.secrets.registered_of(&self.here.namespace, &key).await?;
        if !self.index.names_objects() {
            found.extend(self.secrets.without_object(&self.here.namespace).await?);
        }
        Ok(found)
    }

    pub(super) async fn uid_of_namespace(&self, namespace: &str) -> Result<Option<String>, ApiError> {
        let _turn = self.turn().await;
        self.secrets.namespace_uid(namespace).await
    }

    pub(super) async fn create(&self, secret: &Secret) -> Result<SecretRevision, ApiError> {
        let _turn = self.turn_to_write().await;
        let begun = Instant::now();
        let reduced = self.bundles.reduced(self.cx, self.tenant, secret).await;
        let revision = self.secrets.create(reduced.as_ref().unwrap_or(secret)).await?;
        let namespace = secret.metadata.namespace.as_deref().unwrap_or_default();
        self.audit_secret(Done::Created, namespace, &secret.name_any(), role_of(secret), begun);
        Ok(self.note(revision))
    }

    pub(super) async fn change(
        &self,
        namespace: &str,
        name: &str,
        current: &SecretRevision,
        patch: Value,
    ) -> Result<SecretRevision, ApiError> {
        let _turn = self.turn_to_write().await;
        let (role, begun) = (self.role_at(namespace, name), Instant::now());
        let patch = self.bundles.reduced_patch(self.cx, self.tenant, patch).await;
        let revision = self.secrets.patch(namespace, name, current, patch).await?;
        self.audit_secret(Done::Changed, namespace, name, role, begun);
        Ok(self.note(revision))
    }

    pub(super) async fn delete(&self, namespace: &str, name: &str, current: &SecretRevision) -> Result<(), ApiError> {
        let _turn = self.turn_to_write().await;
        let (role, begun) = (self.role_at(namespace, name), Instant::now());
        self.secrets.delete(namespace, name, current).await?;
        self.audit_secret(Done::Deleted, namespace, name, role, begun);
        Ok(())
    }
}
