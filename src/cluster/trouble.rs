//! A failure that lasts: one log line when it begins, one when its cause changes, one when it is over. What repeats is
//! counted.

use std::fmt::Display;

use tokio::time::Instant;

/// Most causes of one failure that are logged.
const CAUSES: usize = 3;

/// What fails, and since when.
#[derive(Debug)]
pub(super) struct Trouble {
    /// What fails, as in "the Lease cannot be read or written".
    message: &'static str,
    /// What is said when it is over.
    over: &'static str,
    /// What it is about, if there are several of its kind.
    about: String,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    since: Instant,
    failures: u32,
    causes: Vec<String>,
}

impl Trouble {
    /// `message` is logged when it begins, `over` when it ends.
    pub(super) fn new(message: &'static str, over: &'static str, about: impl Into<String>) -> Self {
        Self {
            message,
            over,
            about: about.into(),
            open: None,
        }
    }

    /// Counts a failure. Logs it if its cause is a new one; returns whether it did.
    pub(super) fn failed(&mut self, cause: &impl Display) -> bool {
        let open = self.open.get_or_insert_with(|| Open {
            since: Instant::now(),
            failures: 0,
            causes: Vec::new(),
        });
        open.failures = open.failures.saturating_add(1);
        let cause = cause.to_string();
        if open.causes.len() >= CAUSES || open.causes.contains(&cause) {
            return false;
        }
        if self.about.is_empty() {
            tracing::warn!(error = cause, "{}; the operator keeps trying", self.message);
        } else {
            tracing::warn!(
                about = self.about,
                error = cause,
                "{}; the operator keeps trying",
                self.message
            );
        }
        open.causes.push(cause);
        true
    }

    /// It works. Logs the end of a failure; returns the number of failures if there were any.
    pub(super) fn works(&mut self) -> Option<u32> {
        let open = self.open.take()?;
        let seconds = open.since.elapsed().as_secs();
        if self.about.is_empty() {
            tracing::info!(failures = open.failures, seconds, "{}", self.over);
        } else {
            tracing::info!(about = self.about, failures = open.failures, seconds, "{}", self.over);
        }
        Some(open.failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t120_a_failure_is_logged_once_a_cause_and_counted() {
        let mut trouble = Trouble::new("it cannot be reached", "it answers again", "");
        assert_eq!(trouble.works(), None);
        let logged = ["refused", "refused", "unknown issuer", "refused", "reset", "timeout"];
        let logged = logged.map(|cause| trouble.failed(&cause));
        assert_eq!(logged, [true, false, true, false, true, false]);
        assert_eq!(trouble.works(), Some(6));
        assert!(trouble.failed(&"refused"), "the next one is a new one");
    }
}
