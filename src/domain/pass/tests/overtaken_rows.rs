//! Updates of a replica that had stopped, answered after its successor had begun one: rows A2a, A2f, K11.

use secrecy::ExposeSecret as _;

use super::learned_rows::{away, observed, operator, revision, state};
use super::*;
use crate::domain::api_error::ApiError;

/// A former leader's answer comes when the record tells of its successor's update.
#[test]
fn a2a_an_answer_that_comes_after_a_newer_update_is_not_forgotten() {
    let operator = operator();
    let seen = observed(&operator, false);
    let world = World::kept();
    let mut state = state(&world);
    state.holds(Box::new(world.matching_record()), revision("1"));
    state.journal.marked = Some("own".into());
    state.journal.answer = Some(Box::new((world.request(), answer())));
    let wanted = Box::new(world.matching_record());
    state.record_saved(wanted, Err(ApiError::Conflict), &seen);
    let mut newer = world.matching_record();
    newer.in_flight = Some(InFlight {
        attempt: "successor".into(),
        ..InFlight::default()
    });
    let newer = crate::domain::secret::record(&newer, "system").unwrap();
    state.record_read(Ok(Some(newer)), &seen);
    assert!(state.journal.answer.is_none());
    assert_eq!(state.journal.overtaken.as_deref(), Some("own"));
    assert!(
        state.holds_an_answer(),
        "it is told even after the leadership has ended"
    );
}

/// The same at a provider that rotates tokens: the successor's update was refused with the old one, so what came late is the only copy.
#[test]
fn a2f_a_token_that_came_after_a_newer_update_had_begun_is_stored() {
    let operator = operator();
    let seen = observed(&operator, false);
    let world = World::kept();
    let rotated = |token: &str| {
        let mut record = world.matching_record();
        record.registration_access_token = Some(token.into());
        record
    };
    for (stored, kept) in [("before", "late"), ("successor's", "successor's")] {
        let mut state = state(&world);
        state.holds(Box::new(rotated("before")), revision("1"));
        state.journal.marked = Some("own".into());
        state.journal.answer = Some(Box::new((world.request(), answer())));
        state.record_saved(Box::new(rotated("late")), Err(ApiError::Conflict), &seen);
        let mut newer = rotated(stored);
        newer.in_flight = Some(InFlight {
            attempt: "successor".into(),
            ..InFlight::default()
        });
        let newer = crate::domain::secret::record(&newer, "system").unwrap();
        state.record_read(Ok(Some(newer)), &seen);
        let decision = next(&seen, &state);
        assert_eq!(decision.row, Row::A2f);
        let Next::Do(Effect::SaveRecord(record)) = decision.next else {
            panic!("it is saved");
        };
        let token = record.registration_access_token.as_ref().unwrap();
        assert_eq!(token.expose_secret(), kept);
        assert_eq!(record.in_flight.as_ref().unwrap().attempt, "successor");

        if kept != "late" {
            continue;
        }
        // It stays in hand however the write fails. Where the record is gone, it is written anew.
        let mut fails = state.clone();
        fails.record_saved(record.clone(), Err(away()), &seen);
        assert!(matches!(fails.journal.follow_up, Some(FollowUp::Wait(..))) && fails.journal.brought.is_some());
        let mut removed = state.clone();
        removed.record_saved(record.clone(), Err(ApiError::NotFound), &seen);
        let mut removed_and_read = state.clone();
        removed_and_read.record_saved(record.clone(), Err(ApiError::Conflict), &seen);
        removed_and_read.record_read(Ok(None), &seen);
        for state in [removed, removed_and_read] {
            let Some(FollowUp::Vanished(wanted)) = &state.journal.follow_up else {
                panic!("{:?}", state.journal.follow_up)
            };
            assert!(wanted.same_credentials(&record));
        }
    }
}

#[test]
fn a2f_an_update_that_was_overtaken_is_told_to_the_successor() {
    let late = World::kept().with(|w| w.journal.overtaken = Some("a2".into()));
    let Next::Do(Effect::SaveRecord(record)) = late.next() else {
        panic!("{}", late.short())
    };
    let before = late.record.as_ref().unwrap();
    assert_eq!(record.overtaken.as_deref(), Some("a2"));
    assert_eq!(record.credential_generation, before.credential_generation + 1);
}

#[test]
fn k11_an_overtaken_update_is_sent_again() {
    let overtaken = || {
        World::kept().recorded(|r| r.overtaken = Some("a2".into())).with(|w| {
            let wanted = secret::credentials(&w.parsed(), w.record.as_ref().unwrap());
            w.secret = Held::Ours(Box::new(wanted));
        })
    };
    assert_eq!(overtaken().short(), "ReadObject");
    let Next::Do(Effect::MarkUpdate(marked)) = overtaken().with(|w| w.journal.object_read = true).next() else {
        panic!("{}", overtaken().short())
    };
    assert!(
        marked.overtaken.is_none() && marked.in_flight.is_some(),
        "the update that follows covers it"
    );
}
