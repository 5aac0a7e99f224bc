//! A breaker for each provider: what happens too often in a short while is not begun again for the rest of that while.

use std::collections::VecDeque;
use std::time::Duration;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counted {
    /// Registrations of which nobody knows whether they took effect.
    UnknownOutcome,
    /// Clients that were registered anew because the provider had lost them.
    Recreation,
}

/// So many within [`WINDOW`] open a breaker.
pub const MOST: usize = 3;
/// The time in which they are counted.
pub const WINDOW: Duration = Duration::from_mins(10);

/// Counts for one provider. Instants are the process's own, as the time since its start.
#[derive(Clone, Debug, Default)]
pub struct Breaker(VecDeque<Duration>);

impl Breaker {
    /// Notes that it happened.
    pub fn note(&mut self, now: Duration) {
        self.0.push_back(now);
        if self.0.len() > MOST {
            self.0.pop_front();
        }
    }

    /// How long nothing of the kind may begin; `None`: it may.
    #[must_use]
    pub fn open_for(&self, now: Duration) -> Option<Duration> {
        let oldest = self.0.front().filter(|_| self.0.len() >= MOST)?;
        (*oldest + WINDOW).checked_sub(now).filter(|rest| !rest.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(number: u64) -> Duration {
        Duration::from_mins(number)
    }

    #[test]
    fn three_within_ten_minutes_open_it_until_the_first_is_ten_minutes_old() {
        let mut breaker = Breaker::default();
        breaker.note(minutes(0));
        breaker.note(minutes(4));
        assert_eq!(breaker.open_for(minutes(5)), None);
        breaker.note(minutes(6));
        assert_eq!(breaker.open_for(minutes(6)), Some(minutes(4)));
        assert_eq!(breaker.open_for(minutes(10)), None);
        breaker.note(minutes(11));
        assert_eq!(breaker.open_for(minutes(11)), Some(minutes(3)));
        assert_eq!(breaker.open_for(minutes(14)), None);
    }
}
