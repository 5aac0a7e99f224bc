//! What an answer that refuses a registration or an update leads to.

use super::learned_rows::{revision, state};
use super::*;
use crate::api::Clearing;
use crate::domain::outcome::{CallError, Effect as Applied, Fault, Remark};
use crate::domain::pass::state::State;

/// A refusal of metadata that says that the client exists.
fn exists() -> CallError {
    CallError {
        failure: Failure::new(Class::Invalid, Reason::RegistrationRejected, "refused"),
        status: Some(400),
        code: None,
        remark: Some(Remark::Exists),
        fault: Some(Fault::Unnamed),
        effect: Applied::NotApplied,
    }
}

/// A 403 with a code that speaks of a registration access token.
fn forbids_token(reason: Reason) -> CallError {
    CallError {
        failure: Failure::new(Class::Denied, reason, "forbidden"),
        status: Some(403),
        code: Some("forbidden".into()),
        remark: Some(Remark::Token),
        fault: None,
        effect: Applied::NotApplied,
    }
}

fn resolved(world: &World) -> State {
    let mut state = state(world);
    state.resolved(Ok(std::sync::Arc::new(provider())));
    state
}

#[test]
fn t273_t289_an_own_doubt_and_not_the_manifest_is_told_where_a_client_exists() {
    let told = |suspects: Vec<Suspect>, error: CallError| {
        let world = World::fresh();
        let mut state = resolved(&world);
        (state.suspects, state.journal.attempt) = (suspects, Some("a2".into()));
        state.registered(world.request(), world.request(), 1, Err(error));
        state.journal.failure.unwrap().message
    };
    let doubt = told(vec![suspect("a1", None)], exists());
    for part in [
        "refused. The response",
        "(attempt a1)",
        "oauth-client-operator.dev/reconcile=",
        "different spec.clientName",
    ] {
        assert!(doubt.contains(part), "{part}: {doubt}");
    }
    for blame in ["correct", "set another"] {
        assert!(!doubt.contains(blame), "{doubt}");
    }
    let advice = "refused; set another spec.clientName";
    assert_eq!(told(vec![], exists()), advice);
    assert_eq!(
        told(vec![suspect("a1", Some("known"))], exists()),
        advice,
        "that client is known, and was not lost"
    );
    let other = CallError {
        remark: None,
        ..exists()
    };
    let message = told(vec![suspect("a1", None)], other);
    assert_eq!(message, "refused; correct the client metadata in spec");
}

#[test]
fn w152_a_403_about_a_registration_access_token_ends_its_management_and_nothing_else_does() {
    let after = |error: CallError, mode: crate::api::ManagementMode| {
        let world = World::kept().recorded(|record| record.management.mode = mode);
        let mut state = resolved(&world);
        state.holds(Box::new(world.record.clone().unwrap()), revision("1"));
        state.updated(world.request(), Err(error));
        (
            state.journal.disowned,
            state.journal.failure.map(|failure| failure.reason),
        )
    };
    let own = crate::api::ManagementMode::RegistrationAccessToken;
    let refused = Reason::CredentialsRejected;
    assert_eq!(after(forbids_token(refused), own), (true, None));
    let admin = crate::api::ManagementMode::Credentials;
    assert_eq!(after(forbids_token(refused), admin), (false, Some(refused)));
    let policy = Reason::RegistrationRejected;
    assert_eq!(after(forbids_token(policy), own), (false, Some(Reason::UpdateRejected)));
    let rights = CallError {
        remark: None,
        ..forbids_token(refused)
    };
    assert_eq!(after(rights, own), (false, Some(refused)));
}

/// A client of which a member is cleared in this way while the answer to an earlier update is missing, and the pass after the provider
/// has refused that.
fn refused_in_doubt(sending: Clearing, tried: Vec<Clearing>) -> (World, State) {
    let world = World::kept().recorded(|record| {
        record.management.mode = crate::api::ManagementMode::RegistrationAccessToken;
        record.cleared.left.insert("client_uri".into(), json!("https://a/page"));
        record.cleared.clears.clone_from(&record.cleared.left);
        (record.cleared.sending, record.cleared.tried) = (Some(sending), tried);
        record.in_flight = Some(crate::domain::record::InFlight {
            attempt: "fresh".into(),
            ..crate::domain::record::InFlight::doubt()
        });
    });
    let mut state = resolved(&world);
    let record = world.record.clone().unwrap();
    let request = record.request.clone();
    state.holds(Box::new(record), revision("1"));
    let refused = CallError {
        remark: None,
        ..exists()
    };
    state.updated(request, Err(refused));
    (world, state)
}

/// With the answer a new token may have been lost: that is no reason to stop at the first way of clearing.
#[test]
fn w171_k11c_another_way_of_clearing_is_tried_while_the_token_is_in_doubt_and_the_doubt_stays() {
    let (mut world, state) = refused_in_doubt(Clearing::Null, Vec::new());
    assert_eq!(state.journal.clearing_refused.as_deref(), Some("fresh"));
    assert!(state.journal.failure.is_none() && !state.journal.refused);
    world.journal.clearing_refused = state.journal.clearing_refused;
    let Next::Do(Effect::SaveRecord(record)) = world.next() else {
        panic!("{}", world.short())
    };
    assert_eq!(record.cleared.tried, [Clearing::Null]);
    assert!(
        record.token_is_in_doubt(),
        "no later 401 is taken for the absence of the client"
    );
    // The next way is a mark of its own.
    (world.journal.clearing_refused, world.journal.marked) = (None, Some(record.in_flight.clone().unwrap().attempt));
    (world.record, world.journal.object_read) = (Some(*record), true);
    let Next::Do(Effect::MarkUpdate(record)) = world.next() else {
        panic!("{}", world.short())
    };
    assert!(record.token_is_in_doubt() && !record.in_flight.unwrap().attempt.is_empty());
}

/// Where every way was tried, one of them is sent again with the rest of the request. That it is refused too ends it.
#[test]
fn w171_a_way_of_clearing_that_was_tried_before_is_not_refused_for_ever() {
    let after = |tried| {
        let (_, state) = refused_in_doubt(Clearing::Omit, tried);
        (state.journal.clearing_refused.is_some(), state.journal.refused)
    };
    let all = vec![Clearing::Omit, Clearing::Null, Clearing::Empty, Clearing::Default];
    assert_eq!((after(Vec::new()), after(all)), ((true, false), (false, true)));
}
