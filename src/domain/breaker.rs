//! A breaker for each provider: what happens too often in a short time may not start again until that time is over.
//!
//! Occurrences in one namespace open it for that namespace only; it takes two namespaces to open it for all, so that one tenant
//! cannot stop another.

use std::collections::VecDeque;
use std::time::Duration;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BreakerKind {
    /// Registrations of which nobody knows whether they took effect.
    UnknownOutcome,
    /// Clients that were registered anew because the provider had lost them.
    Recreation,
}

/// So many within [`WINDOW`] open a breaker.
pub const MOST: usize = 3;
/// The time in which they are counted.
pub const WINDOW: Duration = Duration::from_mins(10);
/// How long an attempt is remembered, so that a late report of it is not counted again.
const REMEMBERED: Duration = Duration::from_hours(1);
/// Most attempts that are remembered.
const MOST_REMEMBERED: usize = 256;

/// Counts for one provider. Instants are the process's own, as the time since its start.
#[derive(Clone, Debug, Default)]
pub struct Breaker(VecDeque<Occurrence>);

#[derive(Clone, Debug)]
struct Occurrence {
    at: Duration,
    namespace: Box<str>,
    attempt: Box<str>,
}

impl Breaker {
    /// Notes that it happened to an attempt of an object in this namespace. An attempt counts once, whatever reports it.
    pub fn note(&mut self, now: Duration, namespace: &str, attempt: &str) {
        self.forget(now);
        if self.0.iter().any(|known| &*known.attempt == attempt) {
            return;
        }
        // What happened before a process led is reported late.
        let place = self.0.partition_point(|known| known.at <= now);
        let occurrence = Occurrence {
            at: now,
            namespace: namespace.into(),
            attempt: attempt.into(),
        };
        self.0.insert(place, occurrence);
        if self.0.len() > MOST_REMEMBERED {
            self.0.pop_front();
        }
    }

    /// How long nothing of the kind may start in this namespace; `None`: it may.
    #[must_use]
    pub fn open_for(&self, now: Duration, namespace: &str) -> Option<Duration> {
        let since = self.open_for_all().max(self.open_for_one(namespace))?;
        (since + WINDOW).checked_sub(now).filter(|rest| !rest.is_zero())
    }

    /// Whether it is open in any namespace.
    #[must_use]
    pub fn is_open(&self, now: Duration) -> bool {
        let mut namespaces = self.0.iter().map(|known| &*known.namespace);
        namespaces.any(|namespace| self.open_for(now, namespace).is_some())
    }

    /// Drops what is too old to matter; whether nothing is left.
    pub fn forget(&mut self, now: Duration) -> bool {
        self.0.retain(|known| known.at + REMEMBERED > now);
        self.0.is_empty()
    }

    /// The oldest of the newest occurrences that suffice to open it for every namespace.
    fn open_for_all(&self) -> Option<Duration> {
        let newest = self.0.back()?;
        let other = self
            .0
            .iter()
            .rev()
            .position(|known| known.namespace != newest.namespace)?;
        self.at(other.max(MOST - 1))
    }

    /// The same for one namespace.
    fn open_for_one(&self, namespace: &str) -> Option<Duration> {
        let own = self.0.iter().rev().filter(|known| &*known.namespace == namespace);
        own.map(|known| known.at).nth(MOST - 1)
    }

    /// When the occurrence happened after which so many others did.
    fn at(&self, later: usize) -> Option<Duration> {
        self.0.iter().rev().map(|known| known.at).nth(later)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(number: u64) -> Duration {
        Duration::from_mins(number)
    }

    fn after(occurrences: &[(u64, &str, &str)]) -> Breaker {
        let mut breaker = Breaker::default();
        for (at, namespace, attempt) in occurrences {
            breaker.note(minutes(*at), namespace, attempt);
        }
        breaker
    }

    #[test]
    fn three_within_ten_minutes_open_it_until_the_first_is_ten_minutes_old() {
        let mut breaker = after(&[(0, "a", "1"), (4, "a", "2")]);
        assert_eq!(breaker.open_for(minutes(5), "a"), None);
        breaker.note(minutes(6), "a", "3");
        assert_eq!(breaker.open_for(minutes(6), "a"), Some(minutes(4)));
        assert_eq!(breaker.open_for(minutes(10), "a"), None);
        breaker.note(minutes(11), "a", "4");
        assert_eq!(breaker.open_for(minutes(11), "a"), Some(minutes(3)));
        assert_eq!(breaker.open_for(minutes(14), "a"), None);
    }

    #[test]
    fn t105_one_namespace_opens_it_for_itself_and_two_open_it_for_all() {
        let one = after(&[(0, "a", "1"), (1, "a", "2"), (2, "a", "3")]);
        assert_eq!(one.open_for(minutes(2), "a"), Some(minutes(8)));
        assert_eq!(one.open_for(minutes(2), "b"), None);
        assert!(one.is_open(minutes(2)) && !one.is_open(minutes(10)));
        let two = after(&[(0, "a", "1"), (1, "a", "2"), (2, "b", "3")]);
        for namespace in ["a", "b", "c"] {
            assert_eq!(two.open_for(minutes(2), namespace), Some(minutes(8)), "{namespace}");
        }
        // Two namespaces suffice however the other one's are spread; what is older than the window does not count.
        let spread = after(&[(0, "b", "1"), (8, "a", "2"), (9, "a", "3"), (9, "a", "4")]);
        assert_eq!(spread.open_for(minutes(9), "c"), Some(minutes(1)));
        assert_eq!(spread.open_for(minutes(10), "c"), None);
        assert_eq!(spread.open_for(minutes(10), "a"), Some(minutes(8)));
    }

    #[test]
    fn t106_an_attempt_counts_once_whatever_reports_it() {
        let twice = after(&[
            (0, "a", "1"),
            (0, "a", "1"),
            (1, "b", "2"),
            (2, "a", "1"),
            (3, "b", "2"),
        ]);
        assert_eq!(twice.open_for(minutes(3), "a"), None);
        // Also long after the window.
        let late = after(&[(0, "a", "1"), (30, "a", "2"), (31, "a", "3"), (31, "a", "1")]);
        assert_eq!(late.open_for(minutes(31), "a"), None);
    }

    #[test]
    fn t206_what_is_reported_late_counts_at_the_time_when_it_happened() {
        let breaker = after(&[(8, "a", "3"), (1, "b", "1"), (4, "a", "2")]);
        assert_eq!(breaker.open_for(minutes(8), "c"), Some(minutes(3)));
        let one = after(&[(8, "a", "3"), (1, "a", "1"), (4, "a", "2")]);
        assert_eq!(one.open_for(minutes(8), "a"), Some(minutes(3)));
        assert_eq!(one.open_for(minutes(8), "b"), None);
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let mut breaker = after(&[(0, "a", "1")]);
        assert!(!breaker.forget(minutes(59)) && breaker.forget(minutes(60)));
        for attempt in 0..2 * MOST_REMEMBERED {
            breaker.note(minutes(60), "a", &attempt.to_string());
        }
        assert_eq!(breaker.0.len(), MOST_REMEMBERED);
    }
}
