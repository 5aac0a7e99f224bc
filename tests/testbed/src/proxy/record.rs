//! The record of what was asked for and answered.

use std::time::Instant;

use http::StatusCode;

use super::Asked;

/// A request and its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The request.
    pub asked: Asked,
    /// When it came.
    pub at: Instant,
    /// Status of the real answer; none while there is none, or if the request went nowhere.
    pub upstream: Option<StatusCode>,
    /// Status that was sent back; none while there is none, or if the connection ended without.
    pub answer: Option<StatusCode>,
}

impl Exchange {
    /// Whether it changed something at the API server.
    #[must_use]
    pub fn is_write(&self) -> bool {
        self.asked.is_write() && self.upstream.is_some_and(|status| status.is_success())
    }
}

/// A place in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(pub(super) usize);
