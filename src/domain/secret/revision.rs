//! Which version of a Secret a write is about.

use k8s_openapi::api::core::v1::Secret;

/// One version of one Secret: the precondition of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRevision {
    /// UID.
    pub uid: String,
    /// Resource version.
    pub resource_version: String,
}

impl SecretRevision {
    /// The revision of a Secret that was read.
    #[must_use]
    pub fn of(secret: &Secret) -> Self {
        Self {
            uid: secret.metadata.uid.clone().unwrap_or_default(),
            resource_version: secret.metadata.resource_version.clone().unwrap_or_default(),
        }
    }
}
