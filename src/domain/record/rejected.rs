//! The update that was taken back.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An update whose values the provider substituted.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Rejected {
    /// Digest of the request and the provider: it is not sent again.
    pub hash: String,
    /// Members that were substituted.
    #[serde(default)]
    pub members: Vec<String>,
    /// The request that was accepted before, until it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<Map<String, Value>>,
}

impl Rejected {
    /// The former request was sent, or is not accepted any more.
    #[must_use]
    pub fn settled(self) -> Self {
        Self { former: None, ..self }
    }
}
