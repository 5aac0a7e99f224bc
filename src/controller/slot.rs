//! What is known of one object that is worked on or waited for: what came while its pass ran, and how often it failed.

mod logged;

use std::sync::Arc;

use tokio_util::time::delay_queue;

use crate::cluster::{Cause, SecretRevision};
use crate::domain::failure::Class;

use super::permits::Turn;

/// Most versions of Secrets that are remembered while a pass runs.
const MOST_SHOWN: usize = 128;

/// One object between and during its passes.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts of an object")]
pub(super) struct Slot {
    running: bool,
    /// Whether it stands in the queue of those whose pass is to begin.
    queued: bool,
    /// Whether there is a reason for another pass, and whether that is to look deep.
    again: Option<bool>,
    /// Whether the pass that runs looks deep.
    deep: bool,
    /// Whether a pass that was to look deep failed, so that the next one has to.
    owed: bool,
    /// Whether a Secret was taken away while the pass ran, or more were shown than are remembered.
    stirred: bool,
    /// Versions of Secrets that the watch showed while the pass ran. Some are the pass's own writes: the event of a write may
    /// come before its answer.
    shown: Vec<SecretRevision>,
    /// What the last pass wrote.
    written: Vec<SecretRevision>,
    failures: u32,
    /// The last of them that ended with a conflict, in a row.
    conflicts: u32,
    /// Whether it waits as it did before this process began to lead, and no pass has looked at it since.
    resumed: bool,
    /// Digest of the failure that was logged last.
    pub(super) logged: Option<u64>,
    /// Its place in the queue for a permit to call its provider.
    pub(super) turn: Option<Arc<Turn>>,
    /// The timer that ends the wait for the next try.
    pub(super) timer: Option<delay_queue::Key>,
}

/// What follows a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// Another one, at once: the object is to be queued.
    Pass,
    /// What its end asks for.
    End,
    /// It failed, and Secrets changed meanwhile, perhaps by a write of its own whose answer was lost: the next pass comes as soon
    /// as after a failure that may pass, and no sooner, or the two would follow each other without a wait.
    Soon,
}

impl Slot {
    /// Takes in a trigger. Whether the object is to be queued for it.
    #[must_use]
    pub(super) fn on_trigger(&mut self, cause: Cause) -> bool {
        if matches!(cause, Cause::Spec | Cause::Provider | Cause::Asked) {
            (self.failures, self.conflicts) = (0, 0);
        }
        let deep = matches!(cause, Cause::Provider | Cause::Asked | Cause::Resync);
        match cause {
            Cause::Secret(Some(revision)) if self.running && self.shown.len() < MOST_SHOWN => self.shown.push(revision),
            // A pass writes few: among more there is somebody else's.
            Cause::Secret(_) if self.running => self.stirred = true,
            Cause::Secret(Some(revision)) if self.written.contains(&revision) => {}
            _ => return self.enqueue(deep),
        }
        false
    }

    /// The object failed so often under another process. Triggers from now on have their usual effect.
    pub(super) fn resume(&mut self, failures: u32) {
        (self.failures, self.resumed) = (failures, true);
    }

    /// This process leads again: an object that waits for its next try goes on to wait.
    pub(super) fn resume_wait(&mut self) {
        self.resumed = self.timer.is_some() && !self.queued && !self.running;
    }

    /// Whether it waits as it did before this process began to lead.
    pub(super) fn is_resumed(&self) -> bool {
        self.resumed && !self.queued
    }

    /// The wait is over. Whether the object is to be queued.
    #[must_use]
    pub(super) fn on_timer(&mut self) -> bool {
        self.timer = None;
        self.enqueue(false)
    }

    /// A permit has come for the object. Whether it is to be queued: not if a pass has taken the place in the queue meanwhile, which knows
    /// of the permit, or has given it up and failed since.
    #[must_use]
    pub(super) fn on_permit(&mut self) -> bool {
        let waits = self.turn.as_ref().is_some_and(|turn| turn.has_come());
        waits && self.enqueue(false)
    }

    /// The pass that ended did so to wait for a permit. If it was to look deep, the next one has to.
    pub(super) fn leave(&mut self, turn: Arc<Turn>) {
        self.turn = Some(turn);
        self.owed |= self.deep;
    }

    /// A pass begins. Whether it is to look deep.
    pub(super) fn start(&mut self) -> bool {
        (self.running, self.queued, self.resumed) = (true, false, false);
        self.deep = self.again.take() == Some(true) || std::mem::take(&mut self.owed);
        self.deep
    }

    /// Whether the last pass looked deep, and nothing has asked for that since.
    pub(super) fn looked_deep(&self) -> bool {
        self.deep && self.again != Some(true)
    }

    /// The pass ended, having written these versions of Secrets.
    ///
    /// A failure counts even if another pass follows at once, or the wait for a failing object would not grow.
    #[must_use]
    pub(super) fn finish(&mut self, failed: bool, written: Vec<SecretRevision>) -> After {
        self.running = false;
        self.failures = self.failures.saturating_add(u32::from(failed));
        self.owed = failed && self.deep;
        let others = self.shown.drain(..).any(|revision| !written.contains(&revision));
        let changed = std::mem::take(&mut self.stirred) || others;
        self.written = written;
        match self.again {
            None if !changed => After::End,
            None if failed => After::Soon,
            again => {
                let queue = self.enqueue(again == Some(true));
                if queue { After::Pass } else { After::End }
            }
        }
    }

    /// There is a reason for a pass. Whether the object is to be queued: it stands there once, and never while its pass runs.
    fn enqueue(&mut self, deep: bool) -> bool {
        self.again = Some(deep || self.again == Some(true));
        let queue = !self.running && !self.queued;
        self.queued |= queue;
        queue
    }

    /// Passes that failed since something changed that may help.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Takes in how a pass failed. How many failures its wait is for: a conflict after an outage is no reason to wait for long.
    pub(super) fn in_a_row(&mut self, class: Class) -> u32 {
        if class == Class::Conflict {
            self.conflicts = self.conflicts.saturating_add(1);
            return self.conflicts;
        }
        self.conflicts = 0;
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t74_a_conflict_after_other_failures_is_the_first_of_its_row() {
        let mut slot = Slot::default();
        let mut thrice = |class| {
            [(); 3].map(|()| {
                let _ = slot.start();
                let _ = slot.finish(true, Vec::new());
                slot.in_a_row(class)
            })
        };
        assert_eq!(thrice(Class::Transient), [1, 2, 3]);
        assert_eq!(thrice(Class::Conflict), [1, 2, 3]);
        assert_eq!(thrice(Class::Transient), [7, 8, 9]);
        assert_eq!(thrice(Class::Conflict), [1, 2, 3]);
        assert!(slot.on_trigger(Cause::Spec));
        let _ = slot.start();
        let _ = slot.finish(true, Vec::new());
        assert_eq!(slot.in_a_row(Class::Conflict), 1);
    }

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
        assert!(slot.on_trigger(Cause::Spec));
        assert!(!slot.start());
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
            assert!(!slot.on_trigger(cause.clone()), "one pass at a time: {cause:?}");
            assert_eq!(slot.finish(false, Vec::new()), After::Pass, "{cause:?}");
            assert_eq!(slot.start(), deep, "{cause:?}");
            assert_eq!(slot.finish(false, Vec::new()), After::End, "once: {cause:?}");
        }
    }

    #[test]
    fn an_object_is_queued_once() {
        let mut slot = Slot::default();
        assert!(slot.on_trigger(Cause::Spec));
        assert!(!slot.on_trigger(Cause::Provider) && !slot.on_timer());
        assert!(slot.start(), "the pass looks as deep as the second trigger asked");
        assert_eq!(slot.finish(false, Vec::new()), After::End);
    }

    #[test]
    fn a_deep_look_is_not_forgotten_for_a_trigger_that_needs_none() {
        let mut slot = at_work();
        for cause in [Cause::Provider, Cause::Spec, shows("1")] {
            assert!(!slot.on_trigger(cause));
        }
        assert_eq!(slot.finish(false, Vec::new()), After::Pass);
        assert!(slot.start());
    }

    #[test]
    fn t146_a_deep_look_that_failed_is_made_again() {
        let mut slot = at_work();
        assert!(!slot.on_trigger(Cause::Provider));
        assert_eq!(slot.finish(false, Vec::new()), After::Pass);
        for _ in 0..2 {
            assert!(slot.start());
            assert_eq!(slot.finish(true, Vec::new()), After::End);
            assert!(slot.on_timer());
        }
        assert!(slot.start());
        assert_eq!(slot.finish(false, Vec::new()), After::End);
        assert!(slot.on_trigger(Cause::Spec));
        assert!(!slot.start(), "it has succeeded");
    }

    #[test]
    fn a_wait_that_is_over_calls_for_a_pass_that_looks_at_what_is_known() {
        let mut slot = at_work();
        assert_eq!(slot.finish(true, Vec::new()), After::End);
        assert!(slot.on_timer());
        assert!(!slot.start());
        assert!(!slot.on_timer(), "never two passes at once");
    }

    #[test]
    fn the_event_of_an_own_write_calls_for_nothing_whether_it_comes_early_or_late() {
        let mut slot = at_work();
        assert!(!slot.on_trigger(shows("1")));
        assert_eq!(slot.finish(true, vec![version("1"), version("2")]), After::End);
        assert!(!slot.on_trigger(shows("2")));
        assert!(slot.on_trigger(shows("3")), "somebody else's");
    }

    #[test]
    fn t99_versions_that_come_without_end_take_no_room_and_call_for_a_pass() {
        let mut slot = at_work();
        for version in 0..10_000 {
            assert!(!slot.on_trigger(shows(&version.to_string())));
        }
        assert_eq!(slot.shown.len(), MOST_SHOWN);
        let written = (0..MOST_SHOWN).map(|own| version(&own.to_string())).collect();
        assert_eq!(slot.finish(false, written), After::Pass);
    }

    #[test]
    fn what_somebody_else_wrote_between_own_writes_is_looked_at() {
        let mut slot = at_work();
        assert!(!slot.on_trigger(shows("1")) && !slot.on_trigger(shows("2")));
        assert_eq!(slot.finish(false, vec![version("1")]), After::Pass);
    }

    /// The answer to a write was lost, and its event shows that it was done.
    #[test]
    fn t149_own_secrets_do_not_call_a_failing_pass_back_at_once() {
        for cause in [shows("1"), Cause::Secret(None)] {
            let mut slot = at_work();
            assert!(!slot.on_trigger(cause.clone()));
            assert_eq!(slot.finish(true, Vec::new()), After::Soon, "{cause:?}");
        }
    }

    #[test]
    fn failures_count_until_something_changes_that_may_help() {
        let mut slot = at_work();
        for failures in 1..4 {
            assert!(!slot.on_trigger(shows("1")));
            assert_eq!(slot.finish(true, Vec::new()), After::Soon);
            assert_eq!(slot.failures(), failures);
            assert!(slot.on_timer());
            slot.start();
        }
        for cause in [Cause::Spec, Cause::Provider, Cause::Asked] {
            let mut slot = at_work();
            assert_eq!(slot.finish(true, Vec::new()), After::End);
            assert!(slot.on_trigger(cause.clone()));
            assert_eq!(slot.failures(), 0, "{cause:?}");
        }
    }

    fn places() -> (super::super::permits::Permit, Arc<Turn>) {
        let limits = super::super::permits::Limits {
            concurrency: 1,
            share: 1,
            spacing: std::time::Duration::ZERO,
        };
        let permits = super::super::permits::Permits::default();
        let first = permits.enqueue(&"p".into(), &"a".into(), limits);
        (first.take().unwrap(), permits.enqueue(&"p".into(), &"a".into(), limits))
    }

    #[test]
    fn t256_a_deep_look_that_ended_to_wait_for_a_permit_is_made_when_the_permit_comes() {
        let (first, turn) = places();
        let mut slot = Slot::default();
        assert!(slot.on_trigger(Cause::Provider));
        assert!(slot.start());
        assert_eq!(slot.finish(false, Vec::new()), After::End);
        slot.leave(turn);
        assert!(!slot.on_permit(), "it has not come");
        drop(first);
        assert!(slot.on_permit() && !slot.on_permit(), "it stands in the queue once");
        assert!(slot.start());
        assert_eq!(slot.failures(), 0);
    }

    /// The pass that a trigger began has taken the place, and failed before it needed the permit.
    #[test]
    fn t363_a_permit_that_comes_late_ends_no_wait_after_a_failure() {
        let (first, turn) = places();
        let mut slot = at_work();
        assert_eq!(slot.finish(false, Vec::new()), After::End);
        slot.leave(turn);
        assert!(slot.on_trigger(shows("1")));
        slot.start();
        let taken = slot.turn.take().unwrap();
        drop(first);
        assert!(taken.has_come());
        assert!(!slot.on_permit());
        assert_eq!(
            slot.finish(true, Vec::new()),
            After::End,
            "no other pass follows at once"
        );
        assert!(!slot.on_permit(), "it waits for its next try");
        assert!(slot.on_timer());
    }
}
