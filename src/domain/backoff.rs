//! When to try again.

use std::time::Duration;

use super::failure::{Class, Failure};

/// Longest wait between two tries of one object.
pub const LONGEST: Duration = Duration::from_mins(5);
/// First wait after a failure that may pass.
pub const SHORTEST: Duration = Duration::from_secs(1);
/// How often conditions that no watch can clear are looked at again: a foreign Secret, a quota, a missing permission.
pub const RECHECK: Duration = Duration::from_mins(1);
/// Longest wait that another side may impose.
pub const LONGEST_WISH: Duration = Duration::from_hours(1);

/// How long a suspect is left alone once it is met.
const FIRST_SUSPICION: Duration = Duration::from_mins(10);
/// First wait between two tries of a suspect.
const SUSPECT_AGAIN: Duration = Duration::from_hours(24);
/// Longest wait between two tries of a suspect.
const SUSPECT_LONGEST: Duration = Duration::from_hours(30 * 24);

/// Wait before the next try of deregistering a suspect that was refused `refusals` times: a day, then twice as long each time, up
/// to a month. `random` is in `0.0..1.0`.
#[must_use]
pub fn suspect_delay(refusals: u32, random: f64) -> Duration {
    let spread = 0.75 + random.clamp(0.0, 1.0) / 4.0;
    let wait = match refusals {
        0 => FIRST_SUSPICION,
        refusals => SUSPECT_AGAIN
            .saturating_mul(1 << (refusals - 1).min(8))
            .min(SUSPECT_LONGEST),
    };
    wait.mul_f64(spread)
}

/// Wait before the next try of an object that has failed `failures` times in a row (1 or more), or `None` if only a change
/// of the manifest, the provider or a Secret can help. `random` is in `0.0..1.0`.
#[must_use]
pub fn delay(failure: &Failure, failures: u32, random: f64) -> Option<Duration> {
    let spread = 0.5 + random.clamp(0.0, 1.0) / 2.0;
    match failure.class {
        Class::Invalid => None,
        Class::Conflict => Some(SHORTEST.mul_f64(spread)),
        Class::Denied | Class::Bug => Some(RECHECK.mul_f64(spread)),
        Class::Transient | Class::Ambiguous => {
            let doubled = SHORTEST
                .saturating_mul(1 << failures.saturating_sub(1).min(12))
                .min(LONGEST);
            let wish = failure.retry_after.unwrap_or_default().min(LONGEST_WISH);
            Some(doubled.mul_f64(spread).max(wish))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Reason;

    fn failure(class: Class) -> Failure {
        Failure::new(class, Reason::ProviderUnavailable, "x")
    }

    #[test]
    fn a_rejected_manifest_is_not_tried_again() {
        assert_eq!(delay(&failure(Class::Invalid), 1, 0.5), None);
    }

    #[test]
    fn a_suspect_is_tried_daily_at_first_and_monthly_in_the_end() {
        let hours = |refusals| suspect_delay(refusals, 1.0).as_secs() / 3600;
        assert_eq!(suspect_delay(0, 1.0), FIRST_SUSPICION);
        assert_eq!([1, 2, 3, 9, 99].map(hours), [24, 48, 96, 720, 720]);
        assert_eq!(suspect_delay(1, 0.0), Duration::from_hours(18));
    }

    #[test]
    fn waits_double_up_to_the_bound() {
        let wait = |n| delay(&failure(Class::Transient), n, 1.0).unwrap();
        assert_eq!(wait(1), Duration::from_secs(1));
        assert_eq!(wait(4), Duration::from_secs(8));
        assert_eq!(wait(40), LONGEST);
    }

    #[test]
    fn t162_what_no_watch_tells_is_looked_at_every_minute() {
        for class in [Class::Denied, Class::Bug] {
            let seconds = |n| delay(&failure(class), n, 1.0).unwrap().as_secs();
            assert_eq!([1, 2, 6, 40].map(seconds), [60; 4], "{class:?}");
        }
        assert_eq!(delay(&failure(Class::Denied), 1, 0.0), Some(RECHECK / 2));
    }

    #[test]
    fn t63_the_wish_of_the_provider_counts_up_to_an_hour() {
        let wish = |seconds| {
            delay(
                &failure(Class::Transient).after(Some(Duration::from_secs(seconds))),
                1,
                0.0,
            )
            .unwrap()
            .as_secs()
        };
        assert_eq!((wish(120), wish(1_000_000_000)), (120, 3600));
    }
}
