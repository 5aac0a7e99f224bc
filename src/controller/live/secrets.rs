//! Writes of Secrets, each with its line in the log.

use std::time::Instant;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde_json::Value;

use crate::cluster::{ApiError, SecretRevision};

use super::Live;
use super::audit::{Done, role_of};

impl Live<'_> {
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
