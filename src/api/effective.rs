//! What a provider made of a request, as the status shows it.

#![allow(
    clippy::doc_markdown,
    reason = "these texts are shown by kubectl explain, which knows no markup"
)]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A metadata member that the provider registered with another value than it was asked for.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveMember {
    /// Name of the member on the wire, for example `grant_types`.
    #[schemars(length(max = 256))]
    pub member: String,
    /// Value that the operator sent. Lists and objects are JSON. Long values are cut. Unset: the manifest no longer sets the member, or the
    /// operator does not send it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 260))]
    pub requested: Option<String>,
    /// Value that the provider registered, in the same form. Unset: its answer does not contain the member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 260))]
    pub registered: Option<String>,
}
