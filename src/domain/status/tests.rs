use super::*;
use crate::domain::record::tests::record;

mod as_requested;

fn condition<'a>(status: &'a OAuthClientStatus, type_: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|condition| condition.type_ == type_)
}

fn ready() -> OAuthClientStatus {
    let record = record();
    let facts = Facts {
        generation: Some(1),
        record: Some(&record),
        secret: Some(("app".to_owned(), SecretVersion::default())),
        now: 100,
        ..Facts::default()
    };
    after(&OAuthClientStatus::default(), &Verdict::Ready, &facts)
}

fn failed(previous: &OAuthClientStatus, class: Class, reason: Reason) -> OAuthClientStatus {
    let record = record();
    let facts = Facts {
        generation: Some(2),
        record: Some(&record),
        unsynced: true,
        now: 200,
        ..Facts::default()
    };
    after(previous, &Verdict::Failed(Failure::new(class, reason, "why")), &facts)
}

#[test]
fn ready_says_everything_that_is_so() {
    let status = ready();
    assert_eq!(status.observed_generation, Some(1));
    assert_eq!(status.client_id.as_deref(), Some("id"));
    assert_eq!(status.binding.as_ref().unwrap().name, "app");
    for type_ in ["Ready", "Registered", "SecretSynced"] {
        assert_eq!(condition(&status, type_).unwrap().status, "True", "{type_}");
    }
    assert!(condition(&status, "Reconciling").is_none() && condition(&status, "Stalled").is_none());
    assert_eq!(
        condition(&status, "Ready").unwrap().last_transition_time,
        "1970-01-01T00:01:40Z"
    );
}

/// The status write that closed the attempt failed: the next one names the attempt by the record.
#[test]
fn t139_an_attempt_that_no_status_holds_is_named_by_the_record() {
    let attempt = ready().attempt.unwrap();
    assert_eq!(
        (attempt.id, attempt.outcome),
        (record().attempt, AttemptOutcome::Registered)
    );
    let mut before = ready();
    before.attempt.as_mut().unwrap().id = "later".to_owned();
    let after = failed(&before, Class::Transient, Reason::ProviderUnavailable);
    assert_eq!(after.attempt.unwrap().id, "later", "what a status holds stays");
}

#[test]
fn the_same_verdict_changes_nothing() {
    let record = record();
    let facts = Facts {
        generation: Some(1),
        record: Some(&record),
        secret: Some(("app".to_owned(), SecretVersion::default())),
        now: 9999,
        ..Facts::default()
    };
    assert_eq!(after(&ready(), &Verdict::Ready, &facts), ready());
}

#[test]
fn a_provider_that_is_down_leaves_ready_alone() {
    let status = failed(&ready(), Class::Transient, Reason::ProviderUnavailable);
    assert_eq!(condition(&status, "Ready").unwrap().status, "True");
    assert_eq!(
        condition(&status, "Reconciling").unwrap().reason,
        "ProgressingWithRetry"
    );
    assert_eq!(
        status.observed_generation,
        Some(1),
        "there is no verdict for generation 2"
    );
}

#[test]
fn a_rejected_update_is_not_ready_and_stalled_while_the_secret_stays() {
    let record = record();
    let facts = Facts {
        generation: Some(2),
        record: Some(&record),
        secret: Some(("app".to_owned(), SecretVersion::default())),
        now: 200,
        ..Facts::default()
    };
    let failure = Failure::new(Class::Invalid, Reason::UpdateRejected, "why");
    let status = after(&ready(), &Verdict::Failed(failure), &facts);
    assert_eq!(condition(&status, "Ready").unwrap().status, "False");
    assert_eq!(condition(&status, "Stalled").unwrap().reason, "UpdateRejected");
    assert_eq!(condition(&status, "SecretSynced").unwrap().status, "True");
    assert_eq!(status.observed_generation, Some(2));
}

/// What a suspended object says at a generation with this spec.
fn suspended(before: &OAuthClientStatus, generation: i64, spec: &OAuthClientSpec) -> OAuthClientStatus {
    let facts = Facts {
        generation: Some(generation),
        spec: Some(spec),
        now: 300,
        ..Facts::default()
    };
    after(before, &Verdict::Suspended, &facts)
}

fn spec(name: &str, suspend: bool) -> OAuthClientSpec {
    serde_json::from_value(serde_json::json!({
        "providerRef": {"name": "p"}, "clientName": name, "suspend": suspend,
    }))
    .unwrap()
}

/// Ready for generation 1 of a spec.
fn ready_with(spec: &OAuthClientSpec) -> OAuthClientStatus {
    let record = record();
    let facts = Facts {
        generation: Some(1),
        spec: Some(spec),
        record: Some(&record),
        secret: Some(("app".to_owned(), SecretVersion::default())),
        now: 100,
        ..Facts::default()
    };
    after(&OAuthClientStatus::default(), &Verdict::Ready, &facts)
}

#[test]
fn suspension_is_a_condition_and_ready_keeps_what_it_said() {
    let fresh = suspended(&OAuthClientStatus::default(), 1, &spec("a", true));
    let said = condition(&fresh, "Ready").unwrap();
    assert_eq!((said.status.as_str(), said.reason.as_str()), ("Unknown", "Suspended"));
    assert_eq!(condition(&fresh, "Suspended").unwrap().status, "True");
    let rejected = failed(&ready(), Class::Invalid, Reason::UpdateRejected);
    let rested = suspended(&rejected, 2, &spec("a", true));
    assert_eq!(condition(&rested, "Ready"), condition(&rejected, "Ready"));
    assert!(condition(&rejected, "Stalled").is_some() && condition(&rested, "Stalled").is_none());
    assert_eq!(
        suspended(&rested, 2, &spec("a", true)),
        rested,
        "another pass changes nothing"
    );
    for resumed in [
        failed(&rested, Class::Invalid, Reason::UpdateRejected),
        failed(&rested, Class::Transient, Reason::DeletionBlocked),
        after(&rested, &Verdict::Ready, &Facts::default()),
    ] {
        assert!(condition(&resumed, "Suspended").is_none());
    }
}

#[test]
fn t181_a_generation_is_observed_while_suspended_only_if_nothing_else_has_changed() {
    let (before, changed) = (spec("a", false), spec("b", false));
    let ready = ready_with(&before);
    let generations = |status: &OAuthClientStatus| {
        let ready = condition(status, "Ready").unwrap().observed_generation;
        (status.observed_generation, ready)
    };
    let told = |status: &OAuthClientStatus| condition(status, "Suspended").unwrap().message.contains("not applied");

    let alone = suspended(&ready, 2, &spec("a", true));
    assert_eq!((generations(&alone), told(&alone)), ((Some(2), Some(2)), false));
    let edited = suspended(&alone, 3, &spec("b", true));
    assert_eq!((generations(&edited), told(&edited)), ((Some(2), Some(2)), true));
    let reverted = suspended(&edited, 4, &spec("a", true));
    assert_eq!((generations(&reverted), told(&reverted)), ((Some(4), Some(4)), false));
    let together = suspended(&ready, 2, &spec("b", true));
    assert_eq!((generations(&together), told(&together)), ((Some(1), Some(1)), true));

    // The provider was down when the spec changed: there is no verdict about the change.
    let record = record();
    let facts = Facts {
        generation: Some(2),
        spec: Some(&changed),
        record: Some(&record),
        ..Facts::default()
    };
    for class in [Class::Transient, Class::Conflict, Class::Ambiguous] {
        let down = Verdict::Failed(Failure::new(class, Reason::ProviderUnavailable, "why"));
        let waiting = suspended(&after(&ready, &down, &facts), 3, &spec("b", true));
        assert_eq!(
            (waiting.observed_generation, told(&waiting)),
            (Some(1), true),
            "{class:?}"
        );
    }

    // An object that was never reconciled, and one whose status holds no digest.
    let unobserved = OAuthClientStatus {
        observed_generation: Some(-1),
        ..OAuthClientStatus::default()
    };
    assert_eq!(
        suspended(&unobserved, 1, &spec("a", true)).observed_generation,
        Some(-1)
    );
    let mut undigested = ready;
    undigested.observed_spec = None;
    assert_eq!(suspended(&undigested, 2, &spec("a", true)).observed_generation, Some(1));
}

#[test]
fn a_failure_that_may_pass_takes_the_place_of_a_stall_and_back() {
    let stalled = failed(&ready(), Class::Invalid, Reason::UpdateRejected);
    assert!(condition(&stalled, "Reconciling").is_none());
    let passing = failed(&stalled, Class::Transient, Reason::ProviderUnavailable);
    assert!(condition(&passing, "Stalled").is_none());
    assert_eq!(
        condition(&passing, "Ready").unwrap().status,
        "False",
        "what was not Ready does not become so"
    );
    assert_eq!(condition(&passing, "Ready").unwrap().reason, "ProviderUnavailable");
    let again = failed(&passing, Class::Invalid, Reason::UpdateRejected);
    assert!(condition(&again, "Reconciling").is_none());
}

#[test]
fn a_secret_is_not_out_of_step_because_its_record_is_lost() {
    let lost = failed(&ready(), Class::Denied, Reason::RecordLost);
    assert_eq!(condition(&lost, "SecretSynced").unwrap().status, "True");
    let foreign = failed(&ready(), Class::Denied, Reason::SecretConflict);
    assert_eq!(condition(&foreign, "SecretSynced").unwrap().reason, "SecretConflict");
}

#[test]
fn t147_a_failure_that_may_pass_says_nothing_of_what_is_there() {
    let unseen = Facts {
        generation: Some(1),
        now: 200,
        ..Facts::default()
    };
    let absent = Facts {
        unrecorded: true,
        unsynced: true,
        ..unseen.clone()
    };
    let after = |class, facts: &Facts<'_>| {
        let failure = Failure::new(class, Reason::ProviderUnavailable, "why");
        super::after(&ready(), &Verdict::Failed(failure), facts)
    };
    let said = |status: &OAuthClientStatus| {
        ["Registered", "SecretSynced"].map(|type_| condition(status, type_).unwrap().status == "True")
    };
    for class in [Class::Transient, Class::Conflict] {
        assert_eq!(said(&after(class, &absent)), [true, true], "{class:?}");
    }
    assert_eq!(said(&after(Class::Denied, &unseen)), [true, true], "nothing was seen");
    assert_eq!(said(&after(Class::Denied, &absent)), [false, false]);
}

#[test]
fn t145_a_value_is_handled_with_a_verdict_and_not_with_a_failure_that_may_pass() {
    let record = record();
    let facts = Facts {
        record: Some(&record),
        asked: Some("now".to_owned()),
        ..Facts::default()
    };
    let handled = |verdict: &Verdict| after(&ready(), verdict, &facts).handled.unwrap_or_default().reconcile;
    let failed = |class| Verdict::Failed(Failure::new(class, Reason::InternalError, "why"));
    for verdict in [Verdict::Ready, failed(Class::Invalid), failed(Class::Denied)] {
        assert_eq!(handled(&verdict).as_deref(), Some("now"), "{verdict:?}");
    }
    for verdict in [
        Verdict::Nothing,
        Verdict::Suspended,
        failed(Class::Transient),
        failed(Class::Conflict),
    ] {
        assert_eq!(handled(&verdict), None, "{verdict:?}");
    }
}

#[test]
fn a_provider_tells_its_endpoints_or_what_is_wrong() {
    let endpoints = record().endpoints;
    let found = of_provider(&ProviderStatus::default(), Ok(&endpoints), Some(3), 100);
    assert_eq!(found.issuer.as_deref(), Some(endpoints.issuer.as_str()));
    assert_eq!(
        found.registration_endpoint.as_deref(),
        Some(endpoints.registration.as_str())
    );
    assert_eq!(
        (found.token_endpoint.clone(), found.observed_generation),
        (endpoints.token, Some(3))
    );
    let ready = |status: &ProviderStatus| status.conditions.iter().find(|c| c.type_ == "Ready").unwrap().clone();
    assert_eq!(ready(&found).reason, "Discovered");
    let away = |class| {
        of_provider(
            &found,
            Err(&Failure::new(class, Reason::ProviderUnavailable, "x")),
            Some(4),
            200,
        )
    };
    assert_eq!(
        (
            ready(&away(Class::Transient)).status.as_str(),
            away(Class::Transient).observed_generation
        ),
        ("True", Some(3))
    );
    assert_eq!(
        (
            ready(&away(Class::Denied)).status.as_str(),
            away(Class::Denied).observed_generation
        ),
        ("False", Some(4))
    );
    let cured = of_provider(&away(Class::Denied), Ok(&record().endpoints), Some(5), 300);
    assert_eq!(cured.conditions.len(), 1, "nothing is left of the failure");
}

#[test]
fn waiting_for_another_object_is_not_stalled() {
    let status = failed(&OAuthClientStatus::default(), Class::Denied, Reason::ProviderNotFound);
    assert!(condition(&status, "Stalled").is_none());
    assert_eq!(condition(&status, "Ready").unwrap().reason, "ProviderNotFound");
}

#[test]
fn long_messages_are_cut_between_characters() {
    assert_eq!(truncated(&"é".repeat(600)).len(), 1024);
    assert_eq!(truncated(&format!("x{}", "é".repeat(600))).len(), 1023);
}

/// An alert counts those that fail.
#[test]
fn t362_a_ready_client_that_waits_for_its_turn_does_not_fail() {
    let status = failed(&ready(), Class::Transient, Reason::Progressing);
    let told = |type_: &str| {
        let condition = condition(&status, type_).unwrap();
        (condition.status.clone(), condition.reason.clone())
    };
    assert_eq!(told("Ready").0, "True");
    assert_eq!(told("Reconciling"), ("True".to_owned(), "Progressing".to_owned()));
}

#[test]
fn t240_nothing_that_may_pass_keeps_an_expired_secret_ready() {
    let record = record();
    let expired = Failure::new(Class::Denied, Reason::SecretExpired, "expired");
    let facts = Facts {
        generation: Some(1),
        record: Some(&record),
        expired: Some(expired.clone()),
        now: 200,
        ..Facts::default()
    };
    let away = Failure::new(Class::Transient, Reason::ProviderUnavailable, "away");
    let status = after(&ready(), &Verdict::Failed(away), &facts);
    let told = condition(&status, "Ready").unwrap();
    assert_eq!((told.status.as_str(), told.reason.as_str()), ("False", "SecretExpired"));
    assert_eq!(condition(&status, "Reconciling").unwrap().message, "away");
    let status = after(&ready(), &Verdict::Failed(expired), &facts);
    assert_eq!(condition(&status, "Ready").unwrap().reason, "SecretExpired");
    assert_eq!(condition(&status, "Stalled").unwrap().status, "True");
    assert_eq!(condition(&status, "Registered").unwrap().status, "True");
}
