//! What the operator wrote, as the status tells it.

#![allow(
    clippy::doc_markdown,
    reason = "these texts are shown by kubectl explain, which knows no markup"
)]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Name of a Secret.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
pub struct Binding {
    /// Name of the Secret.
    #[schemars(length(max = 253))]
    pub name: String,
}

/// One version of a Secret.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretVersion {
    /// UID of the Secret.
    #[schemars(length(max = 64))]
    pub uid: String,
    /// Its resource version after the operator's write.
    #[schemars(length(max = 64))]
    pub resource_version: String,
}
