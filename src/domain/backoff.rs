//! When to try again.

use std::time::Duration;

use crate::api::Reason;

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
    let wait = match failure.class {
        Class::Invalid => None,
        // Nothing but another secret ends it, and that comes with a change of the object.
        Class::Denied if failure.reason == Reason::SecretExpired => None,
        // The view may stay out of date: the right to watch can end with the object.
        Class::Conflict => {
            let doubled = SHORTEST.saturating_mul(1 << failures.saturating_sub(1).min(12));
            Some(doubled.min(RECHECK).mul_f64(spread))
        }
        Class::Denied if is_unwatched(failure.reason) => Some(RECHECK.mul_f64(spread)),
        Class::Denied | Class::Bug => Some(slow(failures).mul_f64(spread)),
        Class::Transient | Class::Ambiguous => {
            let doubled = SHORTEST
                .saturating_mul(1 << failures.saturating_sub(1).min(12))
                .min(LONGEST);
            let wish = failure.retry_after.unwrap_or_default().min(LONGEST_WISH);
            Some(doubled.mul_f64(spread).max(wish))
        }
    };
    match failure.look_within() {
        Some(bound) => wait.map(|wait| wait.min(bound)),
        None => wait,
    }
}

/// The same where something changed meanwhile that may help.
#[must_use]
pub fn delay_of_news(failure: &Failure, failures: u32, random: f64) -> Duration {
    let passing = Failure {
        class: Class::Transient,
        ..failure.clone()
    };
    let soon = delay(&passing, failures, random).unwrap_or(LONGEST);
    delay(failure, failures, random).map_or(soon, |wait| wait.min(soon))
}

/// Whether no watch tells when the cause is gone: a Secret of somebody else, a quota, a missing right. A look costs the provider
/// nothing.
const fn is_unwatched(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::SecretConflict | Reason::SecretWriteDenied | Reason::RestoreRefused
    )
}

/// Something beside the manifest has to change, and a watch usually tells; this is for what no watch sees.
fn slow(failures: u32) -> Duration {
    RECHECK.saturating_mul(1 << failures.saturating_sub(1).min(4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(class: Class) -> Failure {
        Failure::new(class, Reason::ProviderUnavailable, "x")
    }

    #[test]
    fn a_rejected_manifest_is_not_tried_again() {
        assert_eq!(delay(&failure(Class::Invalid), 1, 0.5), None);
    }

    #[test]
    fn t240_an_expired_secret_is_not_looked_at_again() {
        let expired = Failure::new(Class::Denied, Reason::SecretExpired, "x");
        assert_eq!(delay(&expired, 1, 0.5), None);
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
    fn t74_a_view_that_stays_wrong_is_tried_ever_more_seldom() {
        let seconds = |n| delay(&failure(Class::Conflict), n, 1.0).unwrap().as_secs();
        assert_eq!([1, 2, 3, 6, 7, 40].map(seconds), [1, 2, 4, 32, 60, 60]);
    }

    #[test]
    fn t144_no_wait_is_longer_than_the_time_until_the_next_decision() {
        let bound = Some(Duration::from_secs(30));
        for class in [Class::Transient, Class::Denied] {
            assert_eq!(delay(&failure(class).within(bound), 40, 1.0), bound, "{class:?}");
        }
        let asked = failure(Class::Transient).after(Some(Duration::from_mins(10)));
        assert_eq!(delay(&asked.within(bound), 1, 1.0), bound);
        let both = failure(Class::Transient)
            .within(Some(Duration::from_secs(2)))
            .within(bound);
        assert_eq!(delay(&both, 40, 1.0), Some(Duration::from_secs(2)));
    }

    #[test]
    fn t162_what_no_watch_tells_is_looked_at_every_minute_and_a_provider_ever_more_seldom() {
        let denied = |reason| Failure::new(Class::Denied, reason, "x");
        for reason in [
            Reason::SecretConflict,
            Reason::SecretWriteDenied,
            Reason::RestoreRefused,
        ] {
            let seconds = |n| delay(&denied(reason), n, 1.0).unwrap().as_secs();
            assert_eq!([1, 2, 6, 40].map(seconds), [60; 4], "{reason}");
        }
        for class in [Class::Denied, Class::Bug] {
            let minutes = |n| delay(&failure(class), n, 1.0).unwrap().as_secs() / 60;
            assert_eq!([1, 2, 3, 5, 6, 40].map(minutes), [1, 2, 4, 16, 16, 16], "{class:?}");
        }
        assert_eq!(delay(&failure(Class::Denied), 1, 0.0), Some(RECHECK / 2));
    }

    #[test]
    fn t149_what_may_have_helped_is_tried_soon_and_ever_more_seldom() {
        for class in [Class::Invalid, Class::Denied, Class::Transient] {
            let seconds = |n| delay_of_news(&failure(class), n, 1.0).as_secs();
            assert_eq!([1, 2, 4].map(seconds), [1, 2, 8], "{class:?}");
        }
        let asked = failure(Class::Transient).after(Some(LONGEST_WISH));
        assert_eq!(delay_of_news(&asked, 1, 1.0), LONGEST_WISH);
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
