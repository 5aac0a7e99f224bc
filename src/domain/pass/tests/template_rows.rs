//! Deregistrations at a URI that is made from a template.

use super::learned_rows::{observed, operator, state};
use super::*;
use crate::domain::outcome::{CallError, Deletion, Effect as Known};
use crate::domain::secret::SecretRevision;
use crate::domain::uri_template::Shown;

/// A client that is managed with credentials of the provider object, claimed for its deregistration.
fn templated() -> World {
    let mut world = World::dying().recorded(|r| {
        r.phase = Phase::Deleting;
        r.management.mode = crate::api::ManagementMode::Credentials;
        r.management.uri_template = "{registration_endpoint}/{client_id}".to_owned();
    });
    world.journal.claimed = true;
    world
}

#[test]
fn t203_d16a_a_template_is_proven_by_a_read_before_a_deregistration_counts() {
    assert_eq!(templated().short(), "ReadClient");
    for proven in [
        templated().with(|w| w.template_proven = true),
        templated().with(|w| w.journal.shown = Some(Shown::Client)),
        templated().with(|w| w.journal.shown = Some(Shown::Nothing)),
    ] {
        assert_eq!(proven.short(), "Deregister");
    }
    for ended in [journal::Deregistration::Unproven, journal::Deregistration::Misdirected] {
        let unproven = |missing: Option<i64>| {
            templated()
                .recorded(|r| r.missing_since = missing)
                .with(|w| w.journal.deregistration = Some(ended))
        };
        assert_eq!(unproven(None).short(), "SaveRecord");
        let Next::Finish(Verdict::Failed(waits)) = unproven(Some(999_990)).next() else {
            panic!("{}", unproven(Some(999_990)).short())
        };
        assert_eq!(waits.reason, Reason::DeletionBlocked);
        assert!(waits.message.contains("management.uriTemplate"), "{}", waits.message);
        assert_eq!(unproven(Some(1)).short(), "KeepSuspect");
    }
}

/// The state of a pass that has read this record and claimed its client.
fn claimed() -> State {
    claimed_in(&templated())
}

fn claimed_in(world: &World) -> State {
    let mut state = state(world);
    state.record = StoredRecord::Present {
        record: Box::new(world.record.clone().unwrap()),
        revision: SecretRevision {
            uid: "r".into(),
            resource_version: "1".into(),
        },
    };
    state.provider = Some(Ok(std::sync::Arc::new(provider())));
    state.journal.claimed = true;
    state
}

fn refused(status: Option<u16>) -> CallError {
    CallError {
        failure: failure(Class::Transient),
        status,
        code: None,
        fault: None,
        remark: None,
        effect: Known::NotApplied,
    }
}

#[test]
fn t203_d16a_only_a_read_that_shows_the_client_lets_a_deregistration_count() {
    let (operator, client_id) = (operator(), stored().client_id);
    let seen = observed(&operator, false);
    let shows = |client_id: &str| Registration {
        client_id: client_id.to_owned(),
        registration_access_token: None,
        ..answer()
    };
    let cases = [
        (Ok(shows(&client_id)), Deregistration::Done),
        (Err(refused(Some(404))), Deregistration::Unproven),
        (Err(refused(Some(401))), Deregistration::Unproven),
        (Err(refused(Some(405))), Deregistration::Unproven),
    ];
    for (read, ended) in cases {
        let mut state = claimed();
        assert_eq!(next(&seen, &state).row, Row::D16a);
        state.client_read(read);
        assert_eq!(next(&seen, &state).row, Row::D17);
        state.deregistered(Ok(Deletion::Done));
        assert_eq!(state.journal.deregistration, Some(ended));
    }
    let mut state = claimed();
    state.client_read(Ok(shows("another")));
    assert_eq!(state.journal.deregistration, Some(Deregistration::Misdirected));
    assert_eq!(next(&seen, &state).row, Row::D13, "nothing is sent there");
    for passing in [None, Some(200), Some(429), Some(500), Some(503)] {
        let mut state = claimed();
        state.client_read(Err(refused(passing)));
        assert_eq!(next(&seen, &state).row, Row::D15, "{passing:?} tells nothing");
    }
}

/// The throw-away client of `certify`, managed by its token.
fn throw_away() -> World {
    templated()
        .recorded(|r| r.management.mode = crate::api::ManagementMode::RegistrationAccessToken)
        .with(|w| w.object["metadata"]["labels"] = json!({crate::api::names::CERTIFY: "true"}))
}

#[test]
fn t306_d16a_a_throw_away_client_is_read_first_and_deregistered_whatever_the_read_shows() {
    let (operator, client_id) = (operator(), stored().client_id);
    let seen = observed(&operator, false);
    let mut other = throw_away();
    other.object["metadata"]["labels"] = json!({});
    assert_eq!(other.short(), "Deregister", "no other client is read");
    for read in [
        Ok(Registration { client_id, ..answer() }),
        Err(refused(Some(401))),
        Err(refused(Some(405))),
        Err(CallError {
            failure: failure(Class::Denied),
            ..refused(Some(400))
        }),
    ] {
        let mut state = claimed_in(&throw_away());
        assert_eq!(next(&seen, &state).row, Row::D16a);
        state.client_read(read);
        state.journal.follow_up = None;
        assert_eq!(next(&seen, &state).row, Row::D17);
        state.deregistered(Ok(Deletion::Done));
        assert_eq!(
            state.journal.deregistration,
            Some(Deregistration::Done),
            "its URI is no guess"
        );
    }
    for passing in [None, Some(429), Some(503)] {
        let mut state = claimed_in(&throw_away());
        state.client_read(Err(refused(passing)));
        assert_eq!(next(&seen, &state).row, Row::D15, "{passing:?} may pass");
    }
}

#[test]
fn t203_a1j_a_client_in_hand_is_deregistered_only_where_a_read_shows_it() {
    let compensating = |management| {
        World::fresh().with(|w| {
            w.provider.as_mut().unwrap().target.knobs.management = management;
            w.journal.attempt = Some("a1".to_owned());
            w.journal.registration = Some(registration());
            w.journal.unrecordable = Some(failure(Class::Denied));
            w.journal.compensation = Compensation::Claimed;
        })
    };
    let by_token = compensating(crate::api::ManagementMode::RegistrationAccessToken);
    assert_eq!(by_token.short(), "Compensate");
    let guessed = || compensating(crate::api::ManagementMode::Credentials);
    assert_eq!(guessed().short(), "ReadUnrecorded");
    let proven = guessed().with(|w| w.template_proven = true);
    assert_eq!(proven.short(), "ReadUnrecorded", "that was another client");
    let in_hand = |read: Result<Registration, CallError>| {
        let mut state = state(&World::fresh());
        state.journal.registration = Some(registration());
        state.journal.compensation = Compensation::Claimed;
        state.unrecorded_read(&read);
        guessed().with(|w| {
            w.journal.shown = state.journal.shown;
            w.journal.compensation = state.journal.compensation;
        })
    };
    assert_eq!(in_hand(Ok(registration())).short(), "Compensate");
    for read in [Ok(answer()), Err(refused(Some(404))), Err(refused(None))] {
        assert_eq!(in_hand(read).short(), "KeepSuspect");
    }
}
