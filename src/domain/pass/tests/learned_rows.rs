//! Rows that follow from answers.

use super::*;
use crate::domain::api_error::ApiError;
use crate::domain::secret::SecretRevision;

fn operator() -> Operator {
    Operator {
        namespace: "system".into(),
        cluster_id: "cluster".into(),
        held: None,
        serves_own_namespace: false,
    }
}

fn observed(operator: &Operator, stopping: bool) -> Observed<'_> {
    Observed {
        operator,
        leads: true,
        stopping,
        namespace_terminating: false,
        registrations_barred: None,
        recreations_barred: None,
        pause: None,
        foreign_attempt_age: None,
        foreign_update_age: None,
        deleting_for: Duration::from_secs(1),
        missing_for: None,
        fresh_attempt: "fresh",
        now: 1_000_000,
    }
}

fn state(world: &World) -> State {
    State::new(std::sync::Arc::new(world.parsed()), false, None, Watched::default())
}

#[test]
fn c12_the_secret_of_a_client_that_was_given_up_is_no_obstacle() {
    let operator = operator();
    let seen = observed(&operator, false);
    let world = World::kept();
    let mut state = state(&world);
    state.dry_run(Err(ApiError::AlreadyExists), Ok(()), &seen);
    assert!(!state.journal.proven, "whose it is has to be read");
    let mut own = secret::credentials(&world.parsed(), &world.matching_record());
    (own.metadata.uid, own.metadata.resource_version) = (Some("s".into()), Some("1".into()));
    state.credentials_read(Ok(Some(own.clone())), |_| true);
    state.dry_run(Err(ApiError::AlreadyExists), Ok(()), &seen);
    assert!(state.journal.proven && state.journal.follow_up.is_none());
    own.metadata.owner_references = None;
    state.journal.proven = false;
    state.credentials_read(Ok(Some(own)), |_| true);
    state.dry_run(Err(ApiError::AlreadyExists), Ok(()), &seen);
    assert!(!state.journal.proven, "another's");
}

#[test]
fn a1d_credentials_of_another_client_do_not_look_as_if_they_were_the_new_ones() {
    let stored = |world: World| match world.next() {
        Next::Do(Effect::StoreRecord(record)) => record.credential_generation,
        other => panic!("{other:?}"),
    };
    let registered = || {
        World::fresh().with(|w| {
            w.journal.attempt = Some("a1".into());
            w.journal.registration = Some(registration());
        })
    };
    assert_eq!(stored(registered()), 1);
    let world = World::kept();
    let own = secret::credentials(&world.parsed(), &world.matching_record());
    assert_eq!(stored(registered().with(|w| w.secret = Held::Ours(Box::new(own)))), 2);
}

#[test]
fn d14_a_record_that_could_not_be_read_is_told_of() {
    let operator = operator();
    let seen = observed(&operator, false);
    let mut state = state(&World::dying());
    state.record = StoredRecord::Unseen;
    state.journal.failure = Some(failure(Class::Denied));
    state.begin(&Effect::RemoveFinalizer, &seen);
    let notes = state.notes();
    assert!(
        matches!(&notes[..], [Note::Warn(Reason::DeletionTimedOut, text)] if text.contains("Secret system/oauthclient-u")),
        "{notes:?}"
    );
}

#[test]
fn b6_an_attempt_without_effect_is_told_before_the_operator_stops() {
    let operator = operator();
    let seen = observed(&operator, true);
    let mut state = state(&World::fresh());
    assert_eq!(next(&seen, &state).row, Row::B6);
    state.close("a1", AttemptOutcome::NotApplied, String::new());
    state.journal.failure = Some(failure(Class::Denied));
    assert_eq!(next(&seen, &state).row, Row::A8);
    let mut object = OAuthClient::clone(state.object());
    object.status =
        serde_json::from_value(json!({"attempt": {"id": "a1", "outcome": "NotApplied", "requestHash": ""}})).unwrap();
    state.adopt(object);
    assert_eq!(next(&seen, &state).row, Row::B6);
}

#[test]
fn b6_a_deregistration_is_saved_before_the_operator_stops() {
    let operator = operator();
    let seen = observed(&operator, true);
    let world = World::dying().recorded(|record| record.phase = Phase::Deleting);
    let mut state = state(&world);
    state.record = StoredRecord::Present {
        record: Box::new(world.record.clone().unwrap()),
        revision: SecretRevision {
            uid: "r".into(),
            resource_version: "1".into(),
        },
    };
    assert_eq!(next(&seen, &state).row, Row::B6);
    state.journal.deregistration = Some(Deregistration::Done);
    let decision = next(&seen, &state);
    assert_eq!(decision.row, Row::D12);
    let Next::Do(Effect::SaveRecord(record)) = decision.next else {
        panic!("the record tells of it");
    };
    state.record_saved(
        record,
        Ok(SecretRevision {
            uid: "r".into(),
            resource_version: "2".into(),
        }),
        &seen,
    );
    assert_eq!(next(&seen, &state).row, Row::B6);
}
