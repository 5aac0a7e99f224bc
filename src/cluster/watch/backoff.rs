//! How long a watch waits before it tries again.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use kube::core::Status;
use kube::runtime::watcher;
use tokio::time::Instant;

/// First wait. A Role that was just granted is seen by the API server's authorizer a moment later.
const FIRST: Duration = Duration::from_millis(250);
/// Longest wait that the operator chooses. A watch is back within this time of the API server's recovery, and a few requests
/// in five seconds are no load for one that recovers.
const LONGEST: Duration = Duration::from_secs(5);
/// Longest wait that the API server may ask for.
const LONGEST_ASKED: Duration = Duration::from_mins(1);
/// After so long without a failure the waits begin anew.
const FORGET: Duration = Duration::from_secs(15);

/// The waits of one watch. An expired version is no failure, and has a count of its own.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: Series,
    expiries: Series,
}

#[derive(Debug, Default)]
struct Series {
    count: u32,
    last: Option<Instant>,
}

impl Series {
    /// Number of earlier ones of this series.
    fn next(&mut self) -> u32 {
        let now = Instant::now();
        if self.last.is_none_or(|last| now - last >= FORGET) {
            self.count = 0;
        }
        self.last = Some(now);
        let earlier = self.count;
        self.count = self.count.saturating_add(1);
        earlier
    }
}

impl Backoff {
    /// The wait after a failure.
    pub(super) fn failed(&mut self, error: &watcher::Error) -> Duration {
        let wait = doubled(self.failures.next());
        wait.max(asked(error).min(LONGEST_ASKED))
    }

    /// The wait after the API server said that the version to go on from is too old: none, unless that repeats.
    pub(super) fn expired(&mut self) -> Duration {
        match self.expiries.next() {
            0 => Duration::ZERO,
            earlier => doubled(earlier - 1),
        }
    }

    /// The watch is open: the next failure is the first.
    pub(super) fn reset(&mut self) {
        self.failures = Series::default();
    }
}

/// Between half of the doubled wait and the whole, so that the watches do not come all at once.
fn doubled(earlier: u32) -> Duration {
    let whole = FIRST.saturating_mul(1 << earlier.min(10)).min(LONGEST);
    let random = RandomState::new().hash_one(0);
    whole / 2 + whole / 2 * u32::try_from(random % 1000).unwrap_or_default() / 1000
}

/// The wait that the API server asks for.
fn asked(error: &watcher::Error) -> Duration {
    let details = status_of(error).and_then(|status| status.details.as_ref());
    Duration::from_secs(details.map_or(0, |details| details.retry_after_seconds).into())
}

/// What the API server answered; `None`: there was no answer, or one that cannot be read.
pub(super) fn status_of(error: &watcher::Error) -> Option<&Status> {
    match error {
        watcher::Error::WatchError(status)
        | watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => Some(status),
        _ => None,
    }
}

/// Whether the API server no longer has the version to go on from.
pub(super) fn is_expired(error: &watcher::Error) -> bool {
    status_of(error).is_some_and(|status| status.code == 410)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16, retry_after: u32) -> watcher::Error {
        let status = serde_json::json!({
            "status": "Failure", "code": code, "details": {"retryAfterSeconds": retry_after},
        });
        let status: Status = serde_json::from_value(status).unwrap();
        watcher::Error::WatchStartFailed(kube::Error::Api(status.boxed()))
    }

    #[tokio::test(start_paused = true)]
    async fn t118_a_refused_list_is_tried_again_quickly_at_first_and_every_five_seconds_at_last() {
        let mut backoff = Backoff::default();
        let mut waited = Duration::ZERO;
        for _ in 0..4 {
            let wait = backoff.failed(&refused(403, 0));
            waited += wait;
            tokio::time::advance(wait).await;
        }
        assert!(waited < Duration::from_secs(4), "{waited:?}");
        for _ in 0..20 {
            let wait = backoff.failed(&refused(403, 0));
            assert!((LONGEST / 4..=LONGEST).contains(&wait), "{wait:?}");
            tokio::time::advance(wait).await;
        }
        backoff.reset();
        assert!(backoff.failed(&refused(403, 0)) <= FIRST);
    }

    #[tokio::test(start_paused = true)]
    async fn t118_an_expired_version_costs_no_wait_and_counts_as_no_failure() {
        let mut backoff = Backoff::default();
        for _ in 0..10 {
            let wait = backoff.failed(&refused(503, 0));
            tokio::time::advance(wait).await;
        }
        assert!(is_expired(&refused(410, 0)) && !is_expired(&refused(503, 0)));
        assert_eq!(backoff.expired(), Duration::ZERO);
        assert!(
            backoff.expired() > Duration::ZERO,
            "an API server that expires everything is not asked in a loop"
        );
        tokio::time::advance(FORGET).await;
        assert_eq!(backoff.expired(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_that_the_api_server_asks_for_is_kept_within_bounds() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.failed(&refused(429, 30)), Duration::from_secs(30));
        assert_eq!(backoff.failed(&refused(429, 3600)), LONGEST_ASKED);
    }
}
