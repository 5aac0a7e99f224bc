//! A pass that has to wait for its turn to call the provider: it ends, and another one begins with the permit.

use crate::api::Reason;
use crate::domain::failure::{Class, Failure};
use crate::domain::provider::WAITS;

use super::delete;
use super::effect::{Decision, Effect, End};
use super::row::Row;
use super::state::State;
use super::view::{Queued, View};

/// B8 of an object that is not being deleted.
pub(super) fn next(view: &View<'_>) -> Option<Decision> {
    let queued = view.journal.queued?;
    let Some(told) = told(view, queued) else {
        return Some(Row::B8.stops(End::Rest));
    };
    let (Told::Before(text) | Told::Now(text)) = told;
    Some(Row::B8.fails(Failure::new(Class::Transient, Reason::Progressing, text)))
}

/// The same of one that is. The record tells the sweeper of the client when the time is over; without a record nothing is called then.
pub(super) fn deletion(view: &View<'_>) -> Option<Decision> {
    let queued = view.journal.queued?;
    let left = delete::timeout(view.object).checked_sub(view.seen.deleting_for);
    let Some(left) = left.filter(|left| !left.is_zero()) else {
        let lets_go = || Row::D14.does(Effect::RemoveFinalizer);
        return delete::has_tombstone(view).then(|| delete::stopped(view).unwrap_or_else(lets_go));
    };
    Some(match told(view, queued) {
        Some(Told::Before(text)) => Row::B8.fails(Failure::new(Class::Transient, Reason::DeletionBlocked, text)),
        Some(Told::Now(text)) => Row::B8.fails(delete::blocked(&text, None)),
        None => Row::B8.stops(End::Retry(delete::blocked(WAITS, None).within(Some(left)))),
    })
}

/// What the status says of a wait.
enum Told {
    /// The message that it has.
    Before(String),
    /// Why the call waits, and about until when.
    Now(String),
}

/// What the status says of the wait; `None`: nothing, because it lasts a moment only, or because the status has another verdict on this
/// generation. A client that is called again and again, such as one that the provider has lost, would otherwise change between the two.
fn told(view: &View<'_>, queued: Queued) -> Option<Told> {
    let (rate, until) = queued.rate?;
    let conditions = view.object.status.iter().flat_map(|status| &status.conditions);
    let mut verdicts = conditions.filter(|condition| {
        let is_verdict = matches!(condition.type_.as_str(), "Ready" | "Reconciling" | "Stalled");
        is_verdict && condition.observed_generation == view.object.metadata.generation
    });
    let now = || Told::Now(rate.waits_until(until));
    let Some(verdict) = verdicts.next() else {
        return Some(now());
    };
    let message = &verdict.message;
    if message.contains(&rate.waits()) {
        return Some(Told::Before(message.clone()));
    }
    // The limit has changed.
    message.contains(WAITS).then(now)
}

impl State {
    /// The permit to call the provider has not come yet.
    pub fn queued(&mut self, queued: Queued) {
        self.journal.queued = Some(queued);
    }

    /// Whether the pass waits for that permit.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.journal.queued.is_some()
    }
}
