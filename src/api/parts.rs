//! Parts of the status by which the operator knows what it has done.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A check whether the provider accepts the credentials of a client.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// Digest of what was checked: the client, the version of its credentials and the way in which it authenticates.
    #[schemars(length(max = 64))]
    pub credentials: String,
    /// How often in a row the provider rejected them; more than four rejections count as four.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4))]
    pub rejections: Option<i32>,
    /// When the provider rejected them first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub rejected_since: Option<String>,
}

/// Annotation values that were acted on. Another value asks for the same again.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Handled {
    /// Value of the `reconcile` annotation at the last verdict; a digest where the value is longer than 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reconcile: Option<String>,
}
