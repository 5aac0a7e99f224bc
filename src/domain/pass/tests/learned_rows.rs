//! Rows that follow from answers.

use super::*;
use crate::domain::api_error::ApiError;
use crate::domain::breaker::BreakerKind;
use crate::domain::pass::journal::Disputed;
use crate::domain::secret::SecretRevision;

pub(super) fn operator() -> Operator {
    Operator {
        namespace: "system".into(),
        cluster_id: "cluster".into(),
        held: None,
        serves_own_namespace: false,
    }
}

pub(super) fn observed(operator: &Operator, stopping: bool) -> Observed<'_> {
    Observed {
        operator,
        leads: true,
        stopping,
        namespace_terminating: false,
        registrations_denied: None,
        recreations_denied: None,
        pause: None,
        foreign_attempt_age: None,
        foreign_update_age: None,
        deleting_for: Duration::from_secs(1),
        template_proven: false,
        rejected_for: None,
        missing_for: None,
        fresh_attempt: "fresh",
        now: 1_000_000,
    }
}

pub(super) fn state(world: &World) -> State {
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
    let unread = registered().with(|w| w.secret = Held::Unseen(true));
    assert_eq!(stored(unread), 2, "its metadata tells as much");
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

#[test]
fn a2d_what_a_read_brought_survives_a_write_that_fails() {
    let operator = operator();
    let seen = observed(&operator, false);
    let world = World::kept();
    let rotated = || {
        let mut record = world.matching_record();
        record.registration_access_token = Some("rotated".into());
        Box::new(record)
    };
    let token = |state: &State| match state.journal.follow_up.as_ref() {
        Some(FollowUp::Save(record)) => record.registration_access_token.clone(),
        _ => None,
    };
    let mut state = state(&world);
    state.holds(Box::new(world.matching_record()), revision("1"));
    state.journal.follow_up = Some(FollowUp::Save(rotated()));
    state.record_saved(rotated(), Err(away()), &seen);
    assert!(state.holds_an_answer() && matches!(state.journal.follow_up, Some(FollowUp::Wait(..))));
    state.waited();
    assert!(token(&state).is_some(), "after the wait it is saved again");
    state.record_saved(rotated(), Err(ApiError::Conflict), &seen);
    assert!(state.holds_an_answer());
    let mut other = world.matching_record();
    other.accepted = Some(7);
    let other = crate::domain::secret::record(&other, "system").unwrap();
    state.record_read(Ok(Some(other)), &seen);
    let Some(FollowUp::Save(merged)) = &state.journal.follow_up else {
        panic!("the newer record has the older token")
    };
    assert_eq!(merged.accepted, Some(7), "what others wrote stays");
    assert!(token(&state).is_some());
}

/// A client that was to be taken over is not ours to deregister.
#[test]
fn c8a_a_client_that_is_taken_over_is_never_compensated() {
    let operator = operator();
    let seen = observed(&operator, false);
    let world = World::fresh();
    for adopts in [false, true] {
        let mut state = state(&world);
        state.journal.registration = Some(answer());
        state.journal.adopts = adopts.then(|| "r.t".to_owned());
        let refused = ApiError::Forbidden {
            message: "quota".into(),
            terminating: false,
            quota: true,
        };
        state.record_created(Box::new(world.matching_record()), Err(refused), &seen);
        assert_eq!(state.journal.unrecordable.is_some(), !adopts);
        assert!(state.holds_an_answer());
    }
}

pub(super) fn away() -> ApiError {
    ApiError::Unavailable {
        retry_after: None,
        message: String::new(),
    }
}

pub(super) fn revision(resource_version: &str) -> crate::domain::secret::SecretRevision {
    crate::domain::secret::SecretRevision {
        uid: "r".into(),
        resource_version: resource_version.into(),
    }
}

#[test]
fn t06_only_an_attempt_that_a_process_saw_end_counts_for_the_breaker() {
    let operator = operator();
    let seen = observed(&operator, false);
    let entered = |attempt: &str, outcome: Option<&str>, in_memory: bool| {
        let world = World::kept().with(|w| {
            w.object["status"]["attempt"] =
                json!({"id": attempt, "outcome": outcome.unwrap_or("Registered"), "requestHash": ""});
        });
        let mut state = state(&world);
        if in_memory {
            state.journal.outcome = Some(("a2".to_owned(), AttemptOutcome::Unknown));
        }
        state.suspect_entered(suspect("a2", None), false, Ok(()), &seen);
        let notes = state.notes();
        let counts = |note: &Note| matches!(note, Note::Count(of, BreakerKind::UnknownOutcome) if of == "a2");
        notes.iter().any(counts)
    };
    assert!(!entered("a1", None, false), "a crash cut it off");
    assert!(!entered("a1", Some("Unknown"), false), "that was another attempt");
    assert!(entered("a2", Some("Unknown"), false), "the status tells");
    assert!(entered("a1", None, true), "this process knows");
}

#[test]
fn w172_a1a_the_answer_in_dispute_stays_in_hand_until_its_entry_is_written() {
    let operator = operator();
    let seen = observed(&operator, false);
    let after = |answer: Result<(), ApiError>| {
        let mut state = state(&World::kept());
        state.journal.attempt = Some("a2".into());
        state.journal.disputed = Some(Box::new(Disputed {
            failure: Failure::new(Class::Denied, Reason::AlreadyManaged, "it was there before"),
            suspect: Some(Box::new(super::answer())),
            hash: "h".into(),
        }));
        state.suspect_entered(suspect("a2", Some("id")), true, answer, &seen);
        state
    };
    let waits = after(Err(away()));
    assert!(waits.holds_an_answer() && matches!(waits.journal.follow_up, Some(FollowUp::Wait(..))));
    let written = after(Ok(()));
    assert!(
        !written.holds_an_answer() && !written.journal.kept,
        "the recorded client is another one"
    );
    assert_eq!(written.closed.as_ref().unwrap().request_hash, "h");
    let refused = after(Err(ApiError::Forbidden {
        message: "no".into(),
        terminating: false,
        quota: false,
    }));
    assert!(
        !refused.holds_an_answer() && refused.closed.is_none(),
        "the attempt stays open"
    );
}

/// What is claimed for another object, or was registered by somebody else, may state anything.
#[test]
fn t355_only_a_registration_of_its_own_tells_what_the_provider_substitutes() {
    let mut state = state(&World::fresh());
    assert_eq!(state.shown_by_registration(), None);
    state.journal.sent = World::fresh().request();
    let mut made = registration();
    made.metadata.insert("client_name".into(), json!("other"));
    state.journal.registration = Some(made);
    let shown = state.shown_by_registration().unwrap();
    assert_eq!(shown.substitutes, Some(vec!["client_name".to_owned()]));
    state.journal.adopts = Some("client".into());
    assert_eq!(state.shown_by_registration(), None);
}

#[test]
fn t355_a_refusal_tells_of_a_way_of_clearing_only_if_nothing_else_was_asked_for() {
    let world = World::kept().recorded(|record| {
        record.in_flight = Some(InFlight {
            attempt: "fresh".into(),
            ..InFlight::default()
        });
        record.cleared.sending = Some(crate::api::Clearing::Null);
    });
    let mut state = state(&world);
    state.record = StoredRecord::Present {
        record: Box::new(world.record.clone().unwrap()),
        revision: SecretRevision {
            uid: "r".into(),
            resource_version: "1".into(),
        },
    };
    let request = world.request();
    assert_eq!(state.shown_by_refusal(&request), None, "it was not refused for that");
    state.journal.clearing_refused = Some("earlier".into());
    assert_eq!(state.shown_by_refusal(&request), None, "another update");
    state.journal.clearing_refused = Some("fresh".into());
    let shown = state.shown_by_refusal(&request).unwrap().clearing.unwrap();
    assert_eq!((shown.works.len(), shown.fails), (0, vec![crate::api::Clearing::Null]));
    let mut other = request;
    other.insert("client_name".into(), json!("other"));
    assert_eq!(
        state.shown_by_refusal(&other),
        None,
        "it may be the name that was refused"
    );
}
