//! Part C of the table.

use super::*;

#[test]
fn c5a_an_attempt_of_another_replica_is_waited_for() {
    let open = |age| {
        World::fresh().with(|w| {
            w.object["metadata"]["annotations"] = json!({names::CREATE_PENDING: "u/a1/system/oauthclient-u"});
            (w.live, w.journal.object_read) = (true, true);
            w.foreign_attempt_age = age;
        })
    };
    assert_eq!(open(Some(Duration::ZERO)).short(), "Progressing");
    assert_eq!(open(Some(Duration::from_secs(15))).short(), "EnterSuspect");
    assert_eq!(open(None).short(), "EnterSuspect", "its own attempt is nobody else's");
}

fn marked(attempt: &str) -> World {
    World::fresh().with(|w| {
        (w.live, w.journal.object_read) = (true, true);
        w.object["metadata"]["annotations"] = json!({names::CREATE_PENDING: format!("u/{attempt}/system/r")});
    })
}

#[test]
fn c6_a_client_that_was_registered_and_that_nothing_holds_is_a_suspect() {
    let registered = marked("a1").with(|w| w.journal.outcome = Some(("a1".into(), AttemptOutcome::Registered)));
    assert_eq!(registered.short(), "EnterSuspect");
}

#[test]
fn c1_traces_of_an_attempt_call_for_a_live_read() {
    assert_eq!(marked("a").with(|w| w.live = false).short(), "ReadRecord");
    assert_eq!(
        World::fresh()
            .with(|w| w.object["status"] = json!({"clientID": "id"}))
            .short(),
        "ReadRecord"
    );
    assert_eq!(
        World::fresh().with(|w| w.secret = Held::Unseen(false)).short(),
        "ReadRecord"
    );
}

#[test]
fn c2_a_lost_record_is_never_answered_by_a_new_registration() {
    let lost = || World::fresh().with(|w| (w.live, w.object["status"]) = (true, json!({"clientID": "id"})));
    assert_eq!(lost().short(), "RecordLost");
    let ours = Held::Ours(Box::default());
    assert_eq!(
        World::fresh().with(|w| (w.live, w.secret) = (true, ours)).short(),
        "RecordLost"
    );
    let unseen = Held::Unseen(true);
    assert_eq!(
        World::fresh().with(|w| (w.live, w.secret) = (true, unseen)).short(),
        "ReadCredentials",
        "a name alone proves nothing"
    );
}

#[test]
fn c3_an_abandoned_client_becomes_a_suspect_and_makes_room() {
    let abandoned = || {
        World::fresh().with(|w| {
            w.live = true;
            w.object["status"] = json!({"clientID": "id"});
            w.object["metadata"]["annotations"] = json!({names::ABANDON: "id"});
        })
    };
    assert_eq!(abandoned().short(), "EnterSuspect");
    assert_eq!(
        abandoned().with(|w| w.suspects.push(suspect("", Some("id")))).short(),
        "ProveWritable"
    );
    assert_eq!(
        abandoned()
            .with(|w| w.object["metadata"]["annotations"] = json!({names::ABANDON: "other"}))
            .short(),
        "RecordLost"
    );
}

#[test]
fn c4_c5_the_provider_comes_first() {
    assert_eq!(World::fresh().with(|w| w.resolved = false).short(), "ResolveProvider");
    let refused = Failure::new(Class::Denied, Reason::ConsentMissing, "x");
    assert_eq!(
        World::fresh().with(|w| w.provider = Err(refused)).short(),
        "ConsentMissing"
    );
}

#[test]
fn c6_an_open_attempt_becomes_a_suspect_before_the_next() {
    assert_eq!(marked("a").short(), "EnterSuspect");
    assert_eq!(
        marked("a").with(|w| w.suspects.push(suspect("a", None))).short(),
        "ProveWritable"
    );
}

#[test]
fn c5d_an_attempt_is_doubted_only_by_what_the_api_server_shows() {
    let lagging = marked("a").with(|w| w.journal.object_read = false);
    assert_eq!(lagging.short(), "ReadObject");
}

#[test]
fn an_attempt_with_a_known_end_is_no_suspect() {
    let closed = marked("a").with(|w| w.journal.outcome = Some(("a".into(), AttemptOutcome::NotApplied)));
    assert_eq!(closed.short(), "ProveWritable");
    let told = json!({"attempt": {"id": "a", "outcome": "NotApplied", "requestHash": ""}});
    assert_eq!(marked("a").with(|w| w.object["status"] = told).short(), "ProveWritable");
    let unknown = json!({"attempt": {"id": "a", "outcome": "Unknown", "requestHash": ""}});
    assert_eq!(
        marked("a").with(|w| w.object["status"] = unknown).short(),
        "EnterSuspect"
    );
}

#[test]
fn c7_a_second_doubt_or_the_policy_holds() {
    let second = || marked("b").with(|w| w.suspects.extend([suspect("a", None), suspect("b", None)]));
    assert_eq!(second().short(), "OutcomeUnknown");
    let hold = marked("a").with(|w| {
        w.suspects.push(suspect("a", None));
        w.provider.as_mut().unwrap().target.on_unknown_outcome = crate::api::OnUnknownOutcome::Hold;
    });
    assert_eq!(hold.short(), "OutcomeUnknown");
    let released = second().with(|w| w.object["metadata"]["annotations"][names::ABANDON] = json!("b"));
    assert_eq!(released.short(), "ProveWritable");
}

#[test]
fn c9_a_rejected_request_is_sent_once() {
    let rejected = |hash: &str| {
        World::fresh().with(|w| {
            w.object["status"] = json!({
                "attempt": {"id": "a", "outcome": "NotApplied", "requestHash": hash},
                "conditions": [{"type": "Stalled", "status": "True", "reason": "RegistrationRejected", "lastTransitionTime": ""}],
            });
        })
    };
    let hash = World::fresh().hash();
    assert_eq!(rejected(&hash).short(), "Nothing");
    assert_eq!(
        rejected(&hash)
            .with(|w| w.object["spec"]["redirectURIs"] = json!(["https://b/cb"]))
            .short(),
        "ProveWritable"
    );
    assert_eq!(
        rejected(&hash)
            .with(|w| w.provider.as_mut().unwrap().fingerprint = "g".into())
            .short(),
        "ProveWritable"
    );
    let lost = rejected(&hash).with(|w| {
        w.live = true;
        w.object["status"]["clientID"] = json!("id");
        w.object["status"]["attempt"]["outcome"] = json!("Registered");
        w.object["metadata"]["annotations"] = json!({names::ABANDON: "id"});
        w.suspects.push(suspect("a", Some("id")));
    });
    assert_eq!(
        lost.short(),
        "ProveWritable",
        "a client that is given up was not rejected"
    );
}

#[test]
fn c10_to_c14_the_order_of_a_registration() {
    let mut world = World::fresh().with(|w| w.endpoints = None);
    assert_eq!(world.short(), "Discover");
    world.endpoints = Some(stored().endpoints);
    assert_eq!(world.short(), "ProveWritable");
    world.journal.proven = true;
    let Next::Do(Effect::OpenAttempt(marker)) = world.next() else {
        panic!("{}", world.short())
    };
    assert_eq!(marker.to_string(), "u/fresh/system/oauthclient-u");
    world.object["metadata"]["annotations"] = json!({names::CREATE_PENDING: marker.to_string()});
    world.journal.attempt = Some("fresh".into());
    assert_eq!(world.short(), "Register");
}

#[test]
fn c11_a_secret_that_is_not_ours_stops_everything() {
    assert_eq!(
        World::fresh().with(|w| w.secret = Held::Foreign).short(),
        "SecretConflict"
    );
    assert_eq!(
        World::fresh().with(|w| w.secret = Held::Former).short(),
        "SecretBeingRemoved"
    );
}

/// An open attempt at a provider that lets a registration choose its identifier.
fn chosen() -> World {
    marked("a").with(|w| w.provider.as_mut().unwrap().target.knobs = knobs(Profile::Wso2))
}

#[test]
fn c5b_c5c_a_chosen_identifier_is_looked_up_instead_of_doubted() {
    assert_eq!(chosen().with(|w| w.endpoints = None).short(), "Discover");
    assert_eq!(chosen().short(), "LookUp");
    let by_token = chosen().with(|w| {
        w.provider.as_mut().unwrap().target.knobs.management = crate::api::ManagementMode::RegistrationAccessToken;
    });
    assert_eq!(by_token.short(), "EnterSuspect", "without credentials nobody can look");
    let absent = chosen().with(|w| {
        w.journal.look_up = Some(LookUp::Absent);
        w.provider.as_mut().unwrap().target.on_unknown_outcome = crate::api::OnUnknownOutcome::Hold;
    });
    assert_eq!(
        absent.short(),
        "ProveWritable",
        "neither a suspect nor a reason to hold"
    );
    let found = chosen().with(|w| {
        w.journal.look_up = Some(LookUp::Found);
        w.journal.attempt = Some("a".to_owned());
        w.journal.registration = Some(registration());
    });
    assert_eq!(found.short(), "StoreRecord");
}

/// An open attempt at a provider that shows marks to its administrators.
fn searched() -> World {
    marked("a").with(|w| w.provider.as_mut().unwrap().target.knobs = marking())
}

#[test]
fn c5b_c5c_a_mark_is_looked_up_before_anything_is_doubted() {
    assert_eq!(searched().with(|w| w.endpoints = None).short(), "Discover");
    assert_eq!(searched().short(), "FindMarked");
    let waiting = searched().with(|w| w.foreign_attempt_age = Some(Duration::ZERO));
    assert_eq!(waiting.short(), "Progressing");
    let found = searched().with(|w| {
        w.journal.look_up = Some(LookUp::Found);
        w.journal.attempt = Some("a".to_owned());
        w.journal.registration = Some(registration());
    });
    assert_eq!(found.short(), "StoreRecord");
    let failed = searched().with(|w| w.journal.failure = Some(failure(Class::Transient)));
    assert_eq!(failed.short(), "ProviderUnavailable", "nothing is registered meanwhile");
    let bare = searched().with(|w| {
        w.provider.as_mut().unwrap().target.knobs.management = crate::api::ManagementMode::RegistrationAccessToken;
    });
    assert_eq!(bare.short(), "EnterSuspect", "nobody may list the clients");
}

#[test]
fn c6_c7_a_mark_that_is_not_seen_proves_nothing() {
    let unseen = || searched().with(|w| w.journal.look_up = Some(LookUp::NotSeen));
    assert_eq!(unseen().short(), "EnterSuspect");
    let entered = || unseen().with(|w| w.suspects.push(suspect("a", None)));
    assert_eq!(entered().short(), "ProveWritable");
    let hold = entered().with(|w| {
        w.provider.as_mut().unwrap().target.on_unknown_outcome = crate::api::OnUnknownOutcome::Hold;
    });
    assert_eq!(hold.short(), "OutcomeUnknown");
    let again = entered().with(|w| w.journal.look_up = None);
    assert_eq!(again.short(), "FindMarked", "it may have come since");
}

#[test]
fn c5b_an_attempt_that_was_given_up_is_not_looked_up() {
    let abandoned = || searched().with(|w| w.object["metadata"]["annotations"][names::ABANDON] = json!("a"));
    assert_eq!(abandoned().short(), "EnterSuspect");
    let entered = abandoned().with(|w| w.suspects.push(suspect("a", None)));
    assert_eq!(entered.short(), "ProveWritable");
}

#[test]
fn a7a_a_mark_is_taken_by_nobody() {
    let rejected = searched().with(|w| {
        w.journal.failure = Some(Failure::new(Class::Invalid, Reason::RegistrationRejected, "x"));
        w.journal.outcome = Some(("a".to_owned(), AttemptOutcome::NotApplied));
    });
    assert_eq!(rejected.short(), "RegistrationRejected");
}

#[test]
fn a7a_a_rejection_may_mean_that_the_chosen_identifier_is_taken() {
    let rejected = || {
        chosen().with(|w| {
            let text = "in use";
            w.journal.failure = Some(Failure::new(Class::Invalid, Reason::RegistrationRejected, text));
            w.journal.outcome = Some(("a".to_owned(), AttemptOutcome::NotApplied));
        })
    };
    assert_eq!(rejected().short(), "LookUp");
    let absent = rejected().with(|w| w.journal.look_up = Some(LookUp::Absent));
    assert_eq!(absent.short(), "RegistrationRejected");
    let plain = rejected().with(|w| w.provider = Ok(provider()));
    assert_eq!(plain.short(), "RegistrationRejected");
}

#[test]
fn c11a_too_many_unknown_outcomes_bar_the_next_registration() {
    let denied = World::fresh().with(|w| w.registrations_denied = Some(Duration::from_mins(4)));
    let Next::Finish(Verdict::Failed(failure)) = denied.next() else {
        panic!("{}", denied.short())
    };
    assert_eq!(
        (failure.reason, failure.retry_after),
        (Reason::ProviderUnavailable, Some(Duration::from_mins(4)))
    );
    let begun = denied.with(|w| w.journal.attempt = Some("fresh".to_owned()));
    assert_eq!(begun.short(), "ProveWritable", "what was begun is finished");
}

#[test]
fn t148_c9a_nothing_is_registered_during_a_pause() {
    let pause = Pause {
        rest: Duration::from_secs(30),
        until: 1_000_030,
    };
    let paused = |proven| World::fresh().with(|w| (w.pause, w.journal.proven) = (Some(pause), proven));
    for proven in [false, true] {
        assert_eq!(paused(proven).short(), "RateLimited");
    }
    let opened = paused(true).with(|w| w.journal.attempt = Some("a1".to_owned()));
    assert_eq!(
        opened.short(),
        "Register",
        "the registration follows its marker without a wait"
    );
}
