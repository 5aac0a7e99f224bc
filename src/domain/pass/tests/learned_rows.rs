//! Rows that follow from answers.

use super::*;

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
