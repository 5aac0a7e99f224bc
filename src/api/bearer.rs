//! Bearer tokens as a way to authenticate at a provider, and what the status tells of them.

#![allow(
    clippy::doc_markdown,
    reason = "these texts are shown by kubectl explain, which knows no markup"
)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::SecretRef;

/// Bearer tokens in Secrets.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BearerAuth {
    /// The Secret, in the provider's namespace (for a ClusterOAuthProvider: the operator's).
    pub secret_ref: SecretRef,
    /// Additional Secrets with one token each, only in `registrationAuth`. Tokens are tried in order; the next one is used when a token
    /// expires or is rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 7))]
    pub additional_secret_refs: Option<Vec<SecretRef>>,
}

impl BearerAuth {
    /// Names of its Secrets, in the order of their use.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let further = self.additional_secret_refs.iter().flatten();
        let all = std::iter::once(&self.secret_ref).chain(further);
        all.map(|secret_ref| secret_ref.name.as_str())
    }
}

/// A token of `registrationAuth`, without its value.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TokenStatus {
    /// Name of the Secret.
    #[schemars(length(max = 253))]
    pub secret_name: String,
    /// Resource version of the Secret whose token was refused. Set only with the state `Refused`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub resource_version: Option<String>,
    /// `InUse`, `Spare`, `Refused`, `Expired` or `Unusable`.
    pub state: TokenState,
    /// When the token expires: the claim `exp` of a JWT or the annotation `oauth-client-operator.dev/expires-at` of the Secret, whichever is
    /// earlier. Unset: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub expires_at: Option<String>,
    /// Why the token is refused or unusable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub message: Option<String>,
}

/// What is known of a token.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenState {
    /// The next registration is sent with it.
    #[default]
    InUse,
    /// It is used when the ones before it are refused or have expired.
    Spare,
    /// The provider refused it.
    Refused,
    /// The token has expired.
    Expired,
    /// Its Secret cannot be used.
    Unusable,
}

impl TokenState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::InUse, Self::Spare, Self::Refused, Self::Expired, Self::Unusable];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InUse => "InUse",
            Self::Spare => "Spare",
            Self::Refused => "Refused",
            Self::Expired => "Expired",
            Self::Unusable => "Unusable",
        }
    }
}
