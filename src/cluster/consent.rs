//! What the metadata of a Secret or ConfigMap says of its use by provider objects.

use std::sync::Arc;

use kube::core::ObjectMeta;

use super::namespaced_cache::Versioned;
use crate::api::names;

/// What the metadata of an object says of its use by provider objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// UID.
    pub uid: Box<str>,
    /// Resource version.
    pub resource_version: Box<str>,
    /// Label `provider-credentials` with the value `true`.
    pub labelled: bool,
    /// Whether annotation `allowed-origins` lists any.
    pub lists_origins: bool,
}

impl Consent {
    /// What this metadata says.
    #[must_use]
    pub fn of(meta: &ObjectMeta) -> Self {
        Self {
            uid: meta.uid.as_deref().unwrap_or_default().into(),
            resource_version: meta.resource_version.as_deref().unwrap_or_default().into(),
            labelled: is_labelled(meta),
            lists_origins: lists_origins(meta),
        }
    }
}

/// Whether a provider object may use the object.
pub(super) fn is_labelled(meta: &ObjectMeta) -> bool {
    let labels = meta.labels.as_ref();
    labels
        .and_then(|all| all.get(names::PROVIDER_CREDENTIALS))
        .map(String::as_str)
        == Some("true")
}

/// Whether the owner lists origins that it may be used for.
pub(super) fn lists_origins(meta: &ObjectMeta) -> bool {
    let annotations = meta.annotations.as_ref();
    let listed = annotations.and_then(|all| all.get(names::ALLOWED_ORIGINS));
    listed.is_some_and(|text| !text.trim().is_empty())
}

impl Versioned for Arc<Consent> {
    fn uid(&self) -> &str {
        &self.uid
    }
    fn version(&self) -> &str {
        &self.resource_version
    }
}
