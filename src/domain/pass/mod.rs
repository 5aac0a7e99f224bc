//! The machine of a pass: from what is known of one object to the one thing to do next, and from an answer to what is known then.
//!
//! The controller observes ([`Observed`]), asks [`next`], performs the one [`Effect`], and hands the answer back to the method of
//! [`State`] that belongs to it; nothing outside decides what becomes of a client. The parts are asked in the order of `PARTS`;
//! each is a tree of one subject in a file of its own, and its rows are those of `docs/decisions.md`, which is generated from
//! [`Row`].
//!
//! Invariants: what a provider has issued is handed over to a record before anything else happens. No POST is sent without a marker
//! that was written before it. No answer proves that a client is absent but those of [`super::probe`] and a deletion that
//! succeeded.

mod adopt;
mod before;
mod change;
mod create;
mod delete;
mod effect;
mod ending;
mod first;
mod gone;
mod hand_over;
mod journal;
mod keep;
mod learn;
mod observed;
mod queue;
mod recreate;
mod restore;
mod row;
mod state;
mod template;
#[cfg(test)]
mod tests;
mod verify;
mod view;

use std::time::Duration;

pub use super::claim::Claimed;
pub use delete::{CONFIRM_AFTER, DEFAULT_TIMEOUT, lacks_credentials, timeout as deletion_timeout};
pub use effect::{Admission, Decision, Effect, End, Next, Verdict};
pub use ending::AfterStatus;
pub use gone::phase_without_object;
pub use journal::{Answered, Compensation, Deregistration, Disputed, FollowUp, Journal, LookUp, Nowhere};
pub use learn::{AnswerClaim, earlier, stored};
pub use observed::{Note, Observed, SecretOwner, Watched, WatchedSecret};
pub use row::{Part, Row};
pub use state::{State, StoredRecord};
pub use view::{CredentialsView, Operator, Pause, Provider, ProviderView, Queued, Rate, RecordView, View};

/// Time in which a registration that another replica began has ended and is recorded, whatever its provider's deadline.
const UNDER_WAY: Duration = Duration::from_mins(1);

/// What is asked of every object, in this order. The last part has an answer for everything.
const PARTS: [fn(&View<'_>) -> Option<Decision>; 9] = [
    hand_over::next,
    first::elsewhere,
    restore::finish,
    delete::next,
    queue::next,
    first::next,
    keep::next,
    restore::begin,
    create::next,
];

/// Decides what comes next.
#[must_use]
pub fn next(seen: &Observed<'_>, state: &State) -> Decision {
    before::next(seen, state).unwrap_or_else(|| decide(&View::of(seen, state)))
}

/// The same without part B, which is about the pass and not about the object.
#[must_use]
pub fn decide(view: &View<'_>) -> Decision {
    let decision = PARTS.iter().find_map(|part| part(view));
    decision.unwrap_or_else(|| Row::A9.ends(Verdict::Nothing))
}
