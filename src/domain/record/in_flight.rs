//! What a record says of a management call that was begun.

use serde::{Deserialize, Serialize};

/// A management call that was begun and whose answer has not been stored.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct InFlight {
    /// Digest of the request that was sent.
    pub request_hash: String,
    /// The attempt that sends it, which begins with the digest of the process's identity.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub attempt: String,
    /// Whether an earlier call was in flight when this one was marked: its answer, with a new token perhaps, was never stored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unanswered: bool,
}

impl InFlight {
    /// Nothing is under way any more, and the answer to an earlier call, with a new token perhaps, was never stored.
    #[must_use]
    pub fn doubt() -> Self {
        Self {
            unanswered: true,
            ..Self::default()
        }
    }
}
