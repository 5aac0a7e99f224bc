//! What is known of one object that is worked on or waited for: what came while its pass ran, and how often it failed.

use tokio_util::time::delay_queue;

use crate::cluster::{Cause, SecretRevision};

/// One object between and during its passes.
#[derive(Default)]
pub(super) struct Slot {
    running: bool,
    /// A trigger that came while the pass ran, and whether it asks for a deep look.
    again: Option<bool>,
    /// Versions of Secrets that the watch showed while the pass ran. Some are the pass's own writes: the event of a write may
    /// come before its answer.
    shown: Vec<SecretRevision>,
    /// What the last pass wrote.
    written: Vec<SecretRevision>,
    failures: u32,
    /// The timer that ends the wait for the next try.
    pub(super) timer: Option<delay_queue::Key>,
}

impl Slot {
    /// Takes in a trigger. A pass is to begin now if it returns whether that is to look deep.
    pub(super) fn hears(&mut self, cause: Cause) -> Option<bool> {
        let deep = matches!(cause, Cause::Provider | Cause::Asked | Cause::Resync);
        if matches!(cause, Cause::Spec | Cause::Provider | Cause::Asked) {
            self.failures = 0;
        }
        match cause {
            Cause::Secret(Some(revision)) if self.running => self.shown.push(revision),
            Cause::Secret(Some(revision)) if self.written.contains(&revision) => {}
            _ if self.running => self.again = Some(deep || self.again == Some(true)),
            _ => return Some(deep),
        }
        None
    }

    /// The wait is over. Whether a pass is to begin now.
    pub(super) fn rings(&mut self) -> bool {
        self.timer = None;
        !self.running
    }

    /// A pass begins.
    pub(super) fn begins(&mut self) {
        self.running = true;
    }

    /// The pass ended, having written these versions of Secrets. Another is to begin at once if it returns whether that is to
    /// look deep.
    ///
    /// A failure counts even then, or the wait for a failing object would not grow.
    pub(super) fn ends(&mut self, failed: bool, written: Vec<SecretRevision>) -> Option<bool> {
        self.running = false;
        self.failures = self.failures.saturating_add(u32::from(failed));
        let news = self.shown.drain(..).any(|revision| !written.contains(&revision));
        self.written = written;
        self.again.take().or(news.then_some(false))
    }

    /// Passes that failed since something changed that may help.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(resource_version: &str) -> SecretRevision {
        SecretRevision {
            uid: "u".into(),
            resource_version: resource_version.into(),
        }
    }

    fn shows(resource_version: &str) -> Cause {
        Cause::Secret(Some(version(resource_version)))
    }

    fn at_work() -> Slot {
        let mut slot = Slot::default();
        assert_eq!(slot.hears(Cause::Spec), Some(false));
        slot.begins();
        slot
    }

    #[test]
    fn a_trigger_during_a_pass_calls_for_one_more() {
        for (cause, deep) in [
            (Cause::Spec, false),
            (Cause::Secret(None), false),
            (shows("1"), false),
            (Cause::Provider, true),
            (Cause::Asked, true),
            (Cause::Resync, true),
        ] {
            let mut slot = at_work();
            assert_eq!(slot.hears(cause.clone()), None, "one pass at a time: {cause:?}");
            assert_eq!(slot.ends(false, Vec::new()), Some(deep), "{cause:?}");
            slot.begins();
            assert_eq!(slot.ends(false, Vec::new()), None, "once: {cause:?}");
        }
    }

    #[test]
    fn a_deep_look_is_not_forgotten_for_a_trigger_that_needs_none() {
        let mut slot = at_work();
        for cause in [Cause::Provider, Cause::Spec, shows("1")] {
            slot.hears(cause);
        }
        assert_eq!(slot.ends(false, Vec::new()), Some(true));
    }

    #[test]
    fn the_event_of_an_own_write_calls_for_nothing_whether_it_comes_early_or_late() {
        let mut slot = at_work();
        slot.hears(shows("1"));
        assert_eq!(slot.ends(true, vec![version("1"), version("2")]), None);
        assert_eq!(slot.hears(shows("2")), None);
        assert_eq!(slot.hears(shows("3")), Some(false), "somebody else's");
    }

    #[test]
    fn what_somebody_else_wrote_between_own_writes_is_looked_at() {
        let mut slot = at_work();
        slot.hears(shows("1"));
        slot.hears(shows("2"));
        assert_eq!(slot.ends(true, vec![version("1")]), Some(false));
    }

    #[test]
    fn failures_count_although_a_trigger_calls_back_and_until_something_changes_that_may_help() {
        let mut slot = at_work();
        for failures in 1..4 {
            slot.hears(shows("1"));
            slot.ends(true, Vec::new());
            assert_eq!(slot.failures(), failures);
            slot.begins();
        }
        for cause in [Cause::Spec, Cause::Provider, Cause::Asked] {
            let mut slot = at_work();
            slot.ends(true, Vec::new());
            slot.hears(cause.clone());
            assert_eq!(slot.failures(), 0, "{cause:?}");
        }
    }
}
