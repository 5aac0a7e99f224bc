//! The update that was taken back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A request whose values the provider substituted.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Rejected {
    /// Digest of the request and the provider: it is not sent again.
    pub hash: String,
    /// Members that were substituted, with what the provider registered, as messages tell it.
    #[serde(default)]
    pub members: BTreeMap<String, String>,
    /// The request that was accepted before, until it is accepted again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<Map<String, Value>>,
    /// Whether the client keeps what was substituted, because nothing was accepted before that could be sent again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
    /// Whether the update brought another secret, which applications need before the former request is sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rotated: bool,
    /// That the provider refused that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusedFormer>,
}

/// A request to go back to that the provider refused for good.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RefusedFormer {
    /// Digest of the request and the provider: it is not sent again.
    pub hash: String,
    /// What the provider said.
    #[serde(default)]
    pub message: String,
}

impl Rejected {
    /// The former request was accepted again.
    #[must_use]
    pub fn settled(self) -> Self {
        Self {
            former: None,
            refused: None,
            ..self
        }
    }

    /// What the provider said when it refused this former request.
    #[must_use]
    pub fn refusal(&self, hash: &str) -> Option<&str> {
        let refused = self.refused.as_ref().filter(|refused| refused.hash == hash)?;
        Some(&refused.message)
    }
}

impl super::Record {
    /// The former request that the provider refused when it was sent again.
    #[must_use]
    pub fn refused_former(&self) -> Option<&RefusedFormer> {
        self.rejected.as_ref()?.refused.as_ref()
    }
}
