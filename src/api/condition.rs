//! Conditions as `metav1.Condition`, bounded for the schema.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One observation about an object, in the shape of `metav1.Condition`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Kind of the observation, for example `Ready`.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 64))]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    #[schemars(length(max = 8))]
    pub status: String,
    /// Cause in one CamelCase word; one of a closed list that the documentation explains.
    #[schemars(length(min = 1, max = 64))]
    pub reason: String,
    /// Human-readable explanation and the suggested fix.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub message: String,
    /// When `status` last changed.
    #[schemars(extend("format" = "date-time"))]
    pub last_transition_time: String,
    /// Generation of the spec that the observation is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}
