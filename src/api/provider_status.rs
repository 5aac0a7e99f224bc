//! The status of a provider object.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::bearer::TokenStatus;
use super::capabilities::Capabilities;
use super::condition::Condition;

/// What the operator found out about a provider.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ProviderStatus {
    /// Last generation reconciled; -1 before the first reconcile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Issuer identifier in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub issuer: Option<String>,
    /// Registration endpoint in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub registration_endpoint: Option<String>,
    /// Token endpoint that the metadata names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub token_endpoint: Option<String>,
    /// Tokens of `registrationAuth`, in the order of their use: which one is in use, and when each expires.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub registration_tokens: Vec<TokenStatus>,
    /// What the provider was seen to do. It is learned from the calls that clients need anyway, and anew where the issuer changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    /// UID of the last OAuthClient of `certify` whose deletion ended. Everything that its calls have shown is in `capabilities`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub certified: Option<String>,
    /// Digest of the settings, credentials and endpoints that every client of this provider was compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub compared_revision: Option<String>,
    /// `Ready`, and `Reconciling` or `Stalled` while true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}
