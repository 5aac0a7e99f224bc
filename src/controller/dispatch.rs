//! Which object is worked on, and when: one tracked task an object, later triggers join it, failures come back after a wait.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tokio_util::time::DelayQueue;

use crate::api::Reason;
use crate::cluster::{Cause, Key, SecretRevision, Trigger};
use crate::domain::backoff;
use crate::domain::failure::{Class, Failure};
use crate::domain::resumption::{self, Resumption};
use crate::domain::status;
use crate::metrics::{Outcome, Work};
use crate::traces;

use super::context::Context;
use super::fair_queue::FairQueue;
use super::live::Live;
use super::pass::{End, Pass};
use super::permits::{Calls, Turn};
use super::slot::{After, Slot};

/// Decides which object is worked on next.
pub(super) struct Dispatcher {
    cx: Arc<Context>,
    tasks: TaskTracker,
    /// Only objects that are worked on or waited for: at rest this is empty.
    slots: HashMap<Key, Slot>,
    ready: FairQueue,
    timers: DelayQueue<Key>,
    /// Objects for which a permit has come.
    permitted: mpsc::UnboundedSender<Key>,
    permits: mpsc::UnboundedReceiver<Key>,
    ended: mpsc::UnboundedSender<Ended>,
    endings: mpsc::UnboundedReceiver<Ended>,
    /// Whether the breakers know what happened before this process led.
    restored: bool,
}

/// A task that came to its end.
struct Ended {
    key: Key,
    end: End,
    /// The place in the queue for the permit for which it ended.
    turn: Option<Arc<Turn>>,
    written: Vec<SecretRevision>,
    /// When the pass began.
    begun: Instant,
    /// The span of the pass, for what is logged about its end.
    span: traces::Span,
}

impl Dispatcher {
    pub(super) fn new(cx: Arc<Context>, tasks: TaskTracker) -> Self {
        let (ended, endings) = mpsc::unbounded_channel();
        let (permitted, permits) = mpsc::unbounded_channel();
        Self {
            cx,
            tasks,
            slots: HashMap::new(),
            ready: FairQueue::default(),
            timers: DelayQueue::new(),
            permitted,
            permits,
            ended,
            endings,
            restored: false,
        }
    }

    /// Works until told to stop. Tasks that are under way go on: the tracker tells when they are done.
    ///
    /// `comparing`: clients whose provider changed.
    pub(super) async fn run(
        mut self,
        mut triggers: mpsc::UnboundedReceiver<Trigger>,
        mut comparing: mpsc::UnboundedReceiver<Trigger>,
    ) {
        let stopping = self.cx.stopping.clone();
        let mut leadership = self.cx.leadership.clone();
        loop {
            tokio::select! {
                biased;
                () = stopping.cancelled() => return,
                Some(ended) = self.endings.recv() => self.end(ended),
                Some(key) = self.permits.recv() => self.permit_came(key),
                () = leadership.next_term() => self.take_office(),
                Some(expired) = self.timers.next(), if !self.timers.is_empty() => self.timer_rang(expired.into_inner()),
                Some(trigger) = comparing.recv() => self.trigger(trigger),
                trigger = triggers.recv() => match trigger {
                    Some(trigger) => self.trigger(trigger),
                    None => return,
                },
                () = std::future::ready(()), if !self.ready.is_empty() => {
                    self.start_next();
                    // Passes that are under way go on before another begins: thousands that begin at once would hold them up.
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    /// Looks at everything: what happened under another leader caused no work here.
    fn take_office(&mut self) {
        self.restored = false;
        if !self.cx.is_complete() {
            // The watches trigger everything when they are complete.
            return;
        }
        self.slots.values_mut().for_each(Slot::resume_wait);
        for key in self.cx.clients.all() {
            self.trigger(Trigger {
                key,
                cause: Cause::Spec,
            });
        }
    }

    /// Drops triggers while this replica does not lead: it looks at every object when its term begins. An object that is queued before would
    /// not continue its wait.
    fn trigger(&mut self, trigger: Trigger) {
        if !self.cx.leadership.leads() {
            return;
        }
        if trigger.cause == Cause::Spec && self.is_left_alone(&trigger.key) {
            return;
        }
        let slot = self.slots.entry(trigger.key.clone()).or_default();
        if slot.on_trigger(trigger.cause) {
            if let Some(timer) = slot.timer.take() {
                self.timers.try_remove(&timer);
            }
            self.queue(trigger.key);
        }
    }

    /// Whether an object that no pass has looked at since this process began to lead continues the wait that it had before: otherwise,
    /// all failing objects would call their providers at once.
    fn is_left_alone(&mut self, key: &Key) -> bool {
        let known = self.slots.get(key);
        if known.is_some_and(|slot| !slot.is_resumed()) {
            return false;
        }
        let (clock, chance) = (self.cx.clock, self.cx.chance());
        let object = self.cx.object(key).filter(|object| self.cx.is_as_left(object));
        let resumption = object.and_then(|object| resumption::of(&object, |since| clock.age(since), chance));
        let Some(Resumption { failures, wait }) = resumption else {
            return false;
        };
        if known.is_none() {
            let mut slot = Slot::default();
            slot.resume(failures);
            let wait = clock.real(wait).max(Duration::from_millis(10));
            slot.timer = Some(self.timers.insert(key.clone(), wait));
            self.slots.insert(key.clone(), slot);
            self.cx.queue.enter(key, Work::Backoff);
        }
        true
    }

    fn timer_rang(&mut self, key: Key) {
        if self.slots.get_mut(&key).is_some_and(Slot::on_timer) {
            self.queue(key);
        }
    }

    fn permit_came(&mut self, key: Key) {
        let Some(slot) = self.slots.get_mut(&key) else { return };
        if slot.on_permit() {
            if let Some(timer) = slot.timer.take() {
                self.timers.try_remove(&timer);
            }
            self.queue(key);
        }
    }

    fn queue(&mut self, key: Key) {
        self.cx.queue.enter(&key, Work::Queued);
        self.ready.push(key);
    }

    /// Forgets an object that is at rest.
    fn rest(&mut self, key: &Key) {
        self.cx.queue.leave(key);
        self.slots.remove(key);
    }

    fn start_next(&mut self) {
        let Some(key) = self.ready.pop() else { return };
        let object = self.cx.object(&key);
        if object.is_none() {
            self.cx.comparisons.compared(&key, Instant::now());
        }
        let Some(object) = object.filter(|_| self.cx.leadership.leads()) else {
            return self.rest(&key);
        };
        if !self.restored && self.cx.is_complete() {
            self.restored = true;
            self.cx.restore_breakers();
        }
        self.cx.queue.enter(&key, Work::Running);
        let slot = self.slots.entry(key.clone()).or_default();
        let (deep, attempt) = (slot.start(), slot.failures().saturating_add(1));
        let (cx, ended) = (self.cx.clone(), self.ended.clone());
        let turn = slot.turn.take();
        let calls = Calls {
            key: key.clone(),
            sender: self.permitted.clone(),
        };
        self.tasks.spawn(async move {
            let begun = Instant::now();
            let span = traces::pass("OAuthClient", &key, attempt);
            let world = Live::new(&cx, &key.namespace)
                .for_object(&key, &object, attempt)
                .with_turn(turn, calls);
            let mut pass = Pass::new(&world, object, deep);
            let end = tokio::select! {
                biased;
                end = span.during(AssertUnwindSafe(pass.run()).catch_unwind()) => end,
                () = world.given_up() => Ok(End::Rest),
            };
            // What a panic says may hold anything, so it is not repeated.
            let end = end.unwrap_or_else(|_| {
                End::Retry(Failure::new(
                    Class::Bug,
                    Reason::InternalError,
                    "the operator failed while working on this object",
                ))
            });
            let turn = world.left_for().filter(|_| pass.waits() && end != End::Gone);
            let outcome = outcome(&end, turn.is_some());
            cx.metrics.reconciled(outcome, begun.elapsed());
            span.tell("outcome", outcome.as_str());
            if let Some(failure) = failure(&end, turn.is_some()) {
                span.tell("reason", failure.reason.as_str());
                span.fail();
            }
            span.end();
            let written = world.written();
            let _ = ended.send(Ended {
                key,
                end,
                turn,
                written,
                begun,
                span,
            });
        });
    }

    fn end(&mut self, ended: Ended) {
        let Ended {
            key,
            end,
            turn,
            written,
            begun,
            span,
        } = ended;
        let _logged = span.enter();
        let Some(slot) = self.slots.get_mut(&key) else { return };
        let failed = failure(&end, turn.is_some()).is_some();
        let settled = matches!(&end, End::Retry(failure) if is_settled(failure));
        let after = slot.finish(failed, written);
        // A failure that its status does not show would be forgotten by a restart.
        let unsettled = || {
            let object = self.cx.object(&key);
            object.is_none_or(|object| !status::stands(&object))
        };
        if let Some(turn) = turn {
            slot.leave(turn);
            if after == After::Pass || slot.on_permit() {
                return self.queue(key);
            }
            self.cx.queue.enter(&key, Work::Waiting);
            // A deletion is judged when its time is over, wherever it stands in the queue.
            let wait = |failure: &Failure| {
                let within = failure.look_within();
                within.or_else(|| backoff::delay(failure, slot.failures(), self.cx.chance()))
            };
            if let End::Retry(failure) = &end
                && let Some(wait) = wait(failure)
            {
                let wait = self.cx.clock.real(wait).max(Duration::from_millis(10));
                slot.timer = Some(self.timers.insert(key, wait));
            }
            return;
        }
        if slot.looked_deep() && (!failed || settled || unsettled()) {
            self.cx.comparisons.compared(&key, begun);
        }
        if after == After::Pass {
            return self.queue(key);
        }
        match end {
            End::Rest | End::Gone => {
                let failures = slot.failures();
                if slot.logged.take().is_some() {
                    tracing::debug!(object = %key, failures, "reconcile succeeded again");
                }
                self.rest(&key);
            }
            End::Retry(failure) => {
                let (failures, chance) = (slot.in_a_row(failure.class), self.cx.chance());
                let wait = match after {
                    After::Soon => Some(backoff::delay_of_news(&failure, failures, chance)),
                    After::End | After::Pass => backoff::delay(&failure, failures, chance),
                };
                slot.log_failure(&key, &failure, wait);
                match wait {
                    Some(wait) => {
                        self.cx.queue.enter(&key, Work::Backoff);
                        let wait = self.cx.clock.real(wait).max(Duration::from_millis(10));
                        slot.timer = Some(self.timers.insert(key, wait));
                    }
                    None => self.rest(&key),
                }
            }
        }
    }
}

/// Whether nothing but the secret's expiry, or another try of the credentials, is left to do.
fn is_settled(failure: &Failure) -> bool {
    matches!(failure.reason, Reason::SecretExpired | Reason::NotVerifiable)
}

/// How a pass ended, which may have ended to wait for its permit.
fn outcome(end: &End, waits: bool) -> Outcome {
    match failure(end, waits) {
        None => Outcome::Settled,
        Some(failure) => failure.class.into(),
    }
}

/// What the pass failed by. Whoever waits has not failed, but is looked at within a time.
fn failure(end: &End, waits: bool) -> Option<&Failure> {
    match end {
        End::Rest | End::Gone => None,
        End::Retry(failure) => Some(failure).filter(|failure| !waits || failure.look_within().is_none()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::pass::State;

    fn size<F>(_: impl Fn(&'static mut Pass<'static, Live<'static>>) -> F) -> usize {
        size_of::<Pass<'static, Live<'static>>>() + size_of::<State>() + size_of::<F>()
    }

    /// In a burst of thousands, most passes wait for a permit.
    #[test]
    fn a_pass_that_waits_takes_little_room() {
        let bytes = size(Pass::run);
        assert!(bytes < 2 * 1024, "{bytes} bytes");
    }
}
