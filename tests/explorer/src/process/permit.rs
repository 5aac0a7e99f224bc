//! Permits to call the provider, and what a deletion that waits for one promises.

use std::time::Duration;

use oauth_client_operator::api::OAuthClient;
use oauth_client_operator::domain::pass::{self, Queued, Rate};

use super::super::schedule::Choice;
use super::super::steps::CROWDED;
use super::Process;

/// The limit that makes a pass wait.
const RATE: Rate = Rate {
    count: 20,
    period: Duration::from_hours(1),
};

/// How much later than its timeout a deletion may end that nothing else disturbs, in seconds.
const LATENESS: i64 = 5;

impl Process {
    /// A permit for a pass. One that has had a permit waits for a moment only.
    pub(super) fn permitted(&self) -> Result<(), Queued> {
        if !self.state().scenario.queues {
            return Ok(());
        }
        let waits = !self.me(|replica| replica.work[self.what].permitted);
        if waits && !self.is_crowded() && self.choose("permit", &[Choice::NoPermit]) == Choice::NoPermit {
            let mut state = self.state();
            state.crowded_until = state.now + CROWDED;
        }
        if !waits {
            self.choose("permit", &[]);
        }
        let until = self.state().crowded_until;
        if waits && self.is_crowded() {
            self.me(|replica| replica.work[self.what].queued = Some(until));
            return Err(Queued {
                rate: Some((RATE, until)),
            });
        }
        self.me(|replica| replica.work[self.what].permitted = true);
        Ok(())
    }

    /// Whether no permit comes now.
    pub(super) fn is_crowded(&self) -> bool {
        let state = self.state();
        state.crowded_until > state.now
    }

    /// The finalizer of an object is removed: a deletion that waits for nothing but its permit ends with its timeout.
    pub(super) fn ends_in_time(&self, object: &OAuthClient) {
        let mut state = self.state();
        let mut taken = state.schedule.script.iter().map(|(_, _, choice)| *choice);
        let disturbed = taken.any(|choice| choice != Choice::NoPermit);
        let deleted = object
            .metadata
            .deletion_timestamp
            .as_ref()
            .map(|time| time.0.as_second());
        let (Some(deleted), true, false) = (deleted, state.scenario.queues, disturbed) else {
            return;
        };
        let late = state.now - deleted - i64::try_from(pass::deletion_timeout(object).as_secs()).unwrap_or_default();
        if late > LATENESS {
            let text = format!("P9: a deletion that waited for its permit ended {late} s after its timeout");
            state.trespasses.push(text);
        }
    }
}
