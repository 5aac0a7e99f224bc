//! Attempts of other replicas.

use std::time::{Duration, Instant};

use serde_json::Map;

use crate::controller::context::lock;
use crate::domain::metadata;

use super::Live;

impl Live<'_> {
    /// How long this process has known the attempt of another replica.
    pub(super) fn age_of_attempt(&self, attempt: &str) -> Duration {
        // The attempt stands in an annotation, which anybody may have written, of any length.
        let digest = metadata::fingerprint(&Map::new(), &[attempt]);
        let mut known = lock(&self.foreign_attempts);
        let since = known.get_or_insert_with(digest, Instant::now);
        since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}
