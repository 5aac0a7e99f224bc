//! The clock of the process. Every wait that the operator chooses itself goes through it, so that hours can be tested.
//!
//! Deadlines of connections, requests and leases are not the operator's choice alone and are never scaled.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// The clock. With a scale of `n` the operator lives `n` times as fast: an interval of an hour takes `3600 / n` seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    scale: u32,
}

impl Default for Clock {
    fn default() -> Self {
        Self::scaled(1)
    }
}

impl Clock {
    /// A clock that divides every interval by `scale`; 0 counts as 1.
    #[must_use]
    pub const fn scaled(scale: u32) -> Self {
        Self {
            scale: if scale == 0 { 1 } else { scale },
        }
    }

    /// Seconds since the epoch, as everybody counts them.
    #[must_use]
    pub fn now(self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    }

    /// How old something of that time is, in seconds since the epoch; zero if it lies ahead.
    #[must_use]
    pub fn age(self, since: i64) -> Duration {
        let seconds = u64::try_from(self.now().saturating_sub(since)).unwrap_or_default();
        Duration::from_secs(seconds.saturating_mul(u64::from(self.scale)))
    }

    /// Time that has passed since then.
    #[must_use]
    pub fn since(self, then: Instant) -> Duration {
        then.elapsed().saturating_mul(self.scale)
    }

    /// Time until then; zero if it has passed.
    #[must_use]
    pub fn until(self, then: Instant) -> Duration {
        then.saturating_duration_since(Instant::now())
            .saturating_mul(self.scale)
    }

    /// How long an interval takes.
    #[must_use]
    pub fn real(self, interval: Duration) -> Duration {
        interval / self.scale
    }

    /// Waits for an interval.
    pub async fn sleep(self, interval: Duration) {
        tokio::time::sleep(self.real(interval)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_hour_passes_in_a_minute_at_scale_sixty() {
        let clock = Clock::scaled(60);
        let begun = Instant::now();
        clock.sleep(Duration::from_hours(1)).await;
        assert_eq!(begun.elapsed(), Duration::from_mins(1));
        assert_eq!(clock.since(begun), Duration::from_hours(1));
    }

    #[test]
    fn ages_grow_with_the_scale_and_are_never_negative() {
        let clock = Clock::scaled(10);
        let age = clock.age(clock.now() - 6);
        assert!((60..80).contains(&age.as_secs()), "{age:?}");
        assert_eq!(clock.age(clock.now() + 100), Duration::ZERO);
        assert_eq!(Clock::scaled(0), Clock::default());
    }
}
