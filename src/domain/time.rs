//! Times as text.

use k8s_openapi::jiff::Timestamp;

/// A time as Kubernetes writes it; the epoch for a time that no calendar holds.
#[must_use]
pub fn rfc3339(seconds: i64) -> String {
    Timestamp::from_second(seconds)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_string()
}
