//! Secrets that hold CA bundles, in the operator's namespace.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::core::ObjectMeta;
use serde_json::json;

use super::error::ApiError;
use super::heads::heads;
use super::secrets::{SecretRevision, Secrets};
use crate::api::names;
use crate::domain::bundle;

/// A stored bundle.
#[derive(Clone, Debug)]
pub struct StoredBundle {
    /// Name of its Secret.
    pub name: String,
    /// When it was last used, in seconds since the epoch.
    pub last_used: i64,
    /// The version that was seen.
    pub revision: SecretRevision,
}

impl StoredBundle {
    fn of(meta: ObjectMeta) -> Self {
        Self {
            last_used: bundle::last_used(&meta),
            revision: SecretRevision {
                uid: meta.uid.unwrap_or_default(),
                resource_version: meta.resource_version.unwrap_or_default(),
            },
            name: meta.name.unwrap_or_default(),
        }
    }

    /// Digest of the bundle.
    #[must_use]
    pub fn digest(&self) -> &str {
        self.name.strip_prefix(&bundle::name("")).unwrap_or_default()
    }
}

impl Secrets {
    /// All bundles, or those that were stored on behalf of one namespace.
    ///
    /// # Errors
    /// What the list failed with.
    pub async fn bundles(&self, home: &str, tenant: Option<&str>) -> Result<Vec<StoredBundle>, ApiError> {
        let selector = tenant.map_or_else(
            || names::BUNDLE_OF.to_owned(),
            |tenant| format!("{}={tenant}", names::BUNDLE_OF),
        );
        let found = heads(&self.api(home), ListParams::default().labels(&selector)).await?;
        let ours = |head: &ObjectMeta| {
            head.name
                .as_ref()
                .is_some_and(|name| name.starts_with(&bundle::name("")))
        };
        let heads = found.into_iter().map(|head| head.metadata).filter(ours);
        Ok(heads.map(StoredBundle::of).collect())
    }

    /// The bundle of this digest and its version. `None`: it is not there, or its Secret holds something else.
    ///
    /// # Errors
    /// What the read failed with.
    pub async fn bundle(&self, home: &str, digest: &str) -> Result<Option<(Arc<str>, StoredBundle)>, ApiError> {
        let Some(secret) = self.get(home, &bundle::name(digest)).await? else {
            return Ok(None);
        };
        let pem = pem_of(&secret).filter(|pem| bundle::digest_of(pem) == digest);
        Ok(pem.map(|pem| (pem, StoredBundle::of(secret.metadata))))
    }

    /// Notes that a bundle is used now, so that it is not collected.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] if there is another version.
    pub async fn touch_bundle(&self, home: &str, stored: &StoredBundle, now: i64) -> Result<(), ApiError> {
        let patch = json!({"metadata": {"annotations": {names::LAST_USED: now.to_string()}}});
        self.patch(home, &stored.name, &stored.revision, patch).await.map(drop)
    }

    /// Whether a record or suspect refers to a bundle, as the API server has them now.
    ///
    /// # Errors
    /// What the list failed with.
    pub async fn refers_to_bundle(&self, home: &str, digest: &str) -> Result<bool, ApiError> {
        let selector = format!("{}={digest}", names::BUNDLE);
        let params = ListParams::default().labels(&selector);
        Ok(!heads(&self.api(home), params).await?.is_empty())
    }
}

fn pem_of(secret: &Secret) -> Option<Arc<str>> {
    let bytes = secret.data.as_ref()?.get(bundle::DATA_KEY)?;
    std::str::from_utf8(&bytes.0).ok().map(Into::into)
}
