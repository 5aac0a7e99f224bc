//! Parts B and E of the table: what the last answer calls for, what ends a pass, and an object that is gone.

use crate::api::{AttemptOutcome, Reason};
use crate::domain::failure::{Class, Failure};
use crate::domain::record::{Phase, Record};

use super::effect::{Decision, Effect, End};
use super::journal::{Deregistration, FollowUp};
use super::observed::Observed;
use super::row::Row;
use super::state::{Remains, State};

/// More steps than any pass needs; a planner that goes in circles is stopped here and reported.
const MOST_STEPS: u16 = 64;

pub(super) fn next(seen: &Observed<'_>, state: &State) -> Option<Decision> {
    follow_up(state).or_else(|| gone(state)).or_else(|| gates(seen, state))
}

/// B1 to B3, B7, and what belongs to the hand-over of an answer.
fn follow_up(state: &State) -> Option<Decision> {
    Some(match state.journal.follow_up.as_ref()? {
        FollowUp::Wait(time, _) => Row::B1.does(Effect::Wait(*time)),
        FollowUp::StartOver { .. } => Row::B2.does(Effect::StartOver),
        FollowUp::ReadCredentials => Row::B3.does(Effect::ReadCredentials),
        FollowUp::ReadRecord => Row::B3.does(Effect::ReadRecord),
        FollowUp::Stop(failure) => Row::B7.stops(End::Retry(failure.clone())),
        FollowUp::Collided => Row::A1b.does(Effect::ReadRecord),
        FollowUp::Reread(_) | FollowUp::Restored { .. } | FollowUp::Merge(_) => Row::A2a.does(Effect::ReadRecord),
        FollowUp::Vanished(_) => Row::A2b.does(Effect::ReadOwner),
        FollowUp::Restore { wanted, .. } => Row::A2c.does(Effect::RestoreRecord(wanted.clone())),
        FollowUp::Save(record) => Row::A2d.does(Effect::SaveRecord(record.clone())),
    })
}

/// Part E: the record of a client that this pass has registered tells the sweeper to finish what the deletion would have done.
fn gone(state: &State) -> Option<Decision> {
    if !state.gone || state.holds_an_answer() {
        return None;
    }
    let Some(record) = state.fresh_record() else {
        return Some(Row::E3.stops(End::Gone));
    };
    Some(match state.remains {
        Remains::Unknown => Row::E2.does(Effect::ReadOwner),
        Remains::Nothing | Remains::Record(Phase::Registered) => Row::E3.stops(End::Gone),
        Remains::Record(phase) => Row::E2a.does(Effect::SaveRecord(Box::new(Record {
            phase,
            ..record.clone()
        }))),
    })
}

/// Whether stopping now would lose something that the provider issued, or leave a doubt that need not be. A deregistration of which no
/// record tells would be refused the next time, because the client is gone; an attempt without effect of which no status tells would be
/// a suspect.
fn has_something_in_hand(state: &State) -> bool {
    let is_saved = || state.record().is_none_or(|(record, _)| record.phase != Phase::Deleting);
    let journal = &state.journal;
    let told = state.object.status.as_ref().and_then(|status| status.attempt.as_ref());
    let untold = state.closed.as_ref().is_some_and(|closed| {
        closed.outcome == AttemptOutcome::NotApplied && told.is_none_or(|told| told.id != closed.id)
    });
    state.holds_an_answer()
        || journal.attempt.is_some()
        || journal.marked.is_some()
        || journal.deregistration == Some(Deregistration::Done) && !is_saved()
        || untold
}

/// B4 to B6.
fn gates(seen: &Observed<'_>, state: &State) -> Option<Decision> {
    if !seen.leads && !state.holds_an_answer() {
        // The successor may have ended the deletion before the record was stored, or after it was, unknown to this pass.
        return Some(match (state.fresh_record(), state.remains) {
            (Some(_), Remains::Unknown) => Row::E1.does(Effect::ReadOwner),
            _ => Row::B5.stops(End::Rest),
        });
    }
    if seen.stopping && !has_something_in_hand(state) {
        return Some(Row::B6.stops(End::Rest));
    }
    (state.steps > MOST_STEPS).then(|| {
        Row::B4.stops(End::Retry(Failure::new(
            Class::Bug,
            Reason::InternalError,
            "the operator reached no decision within the steps of one pass. This is a fault of the operator: please report it with the log of this pass",
        )))
    })
}
