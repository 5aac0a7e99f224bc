//! Part R of the table, and what leads to it.

use super::*;
use crate::domain::probe::{Control, ProbeKind, Probed};

/// A changed manifest whose update was answered as if the client were gone.
fn disowned() -> World {
    World::kept().with(|w| {
        w.object["metadata"]["generation"] = json!(2);
        w.object["spec"]["redirectURIs"] = json!(["https://b/cb"]);
        let wanted = secret::credentials(&w.parsed(), w.record.as_ref().unwrap());
        w.secret = Held::Ours(Box::new(wanted));
        w.journal.disowned = true;
        w.journal.refused = true;
    })
}

/// The same, and the old client is a suspect already.
fn suspected(missing_since: Option<i64>) -> World {
    unknown(missing_since).with(|w| {
        w.suspects.push(suspect("a1", Some("id")));
        w.journal.kept = true;
    })
}

fn unknown(missing_since: Option<i64>) -> World {
    disowned().recorded(|r| r.missing_since = missing_since).with(|w| {
        w.journal.probed = Some(Probed::Rejected(ProbeKind::Token));
        w.journal.control = Some(Control::Accepted);
        w.object["status"]["verifiedAt"] = json!("1970-01-01T00:00:00Z");
    })
}

#[test]
fn r1_the_token_endpoint_is_asked_when_nothing_is_in_flight_any_more() {
    let in_flight = disowned().recorded(|r| {
        r.in_flight = Some(InFlight {
            request_hash: "h".into(),
            ..InFlight::default()
        });
    });
    assert_eq!(in_flight.short(), "SaveRecord");
    assert_eq!(disowned().short(), "Probe");
}

#[test]
fn r2_a_client_that_is_known_keeps_its_secret_and_is_not_registered_again() {
    for known in [Probed::Accepted(ProbeKind::Token), Probed::Unclear] {
        assert_eq!(
            disowned().with(|w| w.journal.probed = Some(known)).short(),
            "ManagementLost"
        );
        let noted = disowned()
            .recorded(|r| r.missing_since = Some(999_000))
            .with(|w| w.journal.probed = Some(known));
        let Next::Do(Effect::SaveRecord(record)) = noted.next() else {
            panic!("{}", noted.short())
        };
        assert_eq!(record.missing_since, None, "an old note is no first look");
    }
}

#[test]
fn r3_r4_it_has_to_be_unknown_twice() {
    let Next::Do(Effect::SaveRecord(record)) = unknown(None).next() else {
        panic!("{}", unknown(None).short())
    };
    assert_eq!(record.missing_since, Some(1_000_000));
    let Next::Finish(Verdict::Failed(failure)) = unknown(Some(999_970)).next() else {
        panic!("believed too early")
    };
    assert_eq!(
        (failure.reason, failure.class, failure.retry_after),
        (Reason::ClientMissing, Class::Transient, Some(Duration::from_secs(30)))
    );
}

#[test]
fn r2_a_rejection_means_nothing_where_others_are_rejected_too_or_nothing_was_ever_accepted() {
    let rejected = |change: &dyn Fn(&mut World)| unknown(None).with(|w| change(w)).short();
    assert_eq!(rejected(&|_| {}), "SaveRecord", "noted");
    assert_eq!(
        rejected(&|w| w.journal.control = Some(Control::NotAccepted)),
        "ManagementLost"
    );
    assert_eq!(
        rejected(&|w| w.object["status"]["verifiedAt"] = json!(null)),
        "ManagementLost"
    );
    let never = |w: &mut World| w.provider.as_mut().unwrap().target.verify = crate::api::Verify::Never;
    assert_eq!(rejected(&never), "ManagementLost");
    let recorded = unknown(None)
        .recorded(|r| r.accepted = Some(1))
        .with(|w| w.object["status"]["verifiedAt"] = json!(null));
    assert_eq!(recorded.short(), "SaveRecord", "the record knows it too");
}

#[test]
fn r4_alone_a_client_has_to_be_rejected_for_an_hour() {
    let alone =
        |missing_since: i64| suspected(Some(missing_since)).with(|w| w.journal.control = Some(Control::Missing));
    let Next::Finish(Verdict::Failed(failure)) = alone(1_000_000 - 3599).next() else {
        panic!("believed too early")
    };
    assert_eq!(failure.retry_after, Some(Duration::from_secs(1)));
    let Next::Finish(Verdict::Failed(failure)) = alone(999_999).next() else {
        panic!("believed at once")
    };
    assert_eq!(
        failure.retry_after,
        Some(Duration::from_mins(15)),
        "it is looked at again and again"
    );
    assert_eq!(alone(1_000_000 - 3600).short(), "OpenAttempt");
}

#[test]
fn t202_r4b_a_lost_client_is_held_where_the_provider_object_says_so() {
    let policy = |w: &mut World| w.provider.as_mut().unwrap().target.on_client_lost = crate::api::OnClientLost::Hold;
    let held = suspected(Some(1)).with(policy);
    let Next::Finish(Verdict::Failed(failure)) = held.next() else {
        panic!("{}", held.short())
    };
    assert_eq!((failure.reason, failure.class), (Reason::ClientLost, Class::Denied));
    for way_out in [
        "oauth-client-operator.dev/replace=id",
        "spec.adopt",
        "onClientLost: Register",
    ] {
        assert!(failure.message.contains(way_out), "{}", failure.message);
    }
    assert!(failure.message.len() < 1024, "a condition would cut it off");
    let early = |at| suspected(at).with(policy).short();
    assert_eq!(
        (early(None), early(Some(999_999))),
        ("SaveRecord".to_owned(), "ClientMissing".to_owned()),
        "it is not said before it is proven"
    );
    let known = suspected(Some(1))
        .with(policy)
        .with(|w| w.journal.probed = Some(Probed::Accepted(ProbeKind::Token)));
    assert_eq!(
        known.short(),
        "SaveRecord",
        "a client that came back is no longer missing"
    );
    let replaced = held.with(|w| {
        w.object["metadata"]["annotations"][names::REPLACE] = json!("id");
        w.journal.disowned = false;
        w.journal.object_read = true;
    });
    assert_eq!(replaced.short(), "OpenAttempt", "the annotation goes through");
}

#[test]
fn r4a_a_second_unknown_outcome_is_held() {
    let doubted = |count: usize| {
        suspected(Some(1)).with(|w| w.suspects.extend((0..count).map(|n| suspect(&format!("x{n}"), None))))
    };
    assert_eq!(doubted(1).short(), "OpenAttempt");
    assert_eq!(doubted(2).short(), "OutcomeUnknown");
    let hold = doubted(1).with(|w| {
        w.provider.as_mut().unwrap().target.on_unknown_outcome = crate::api::OnUnknownOutcome::Hold;
    });
    assert_eq!(hold.short(), "OutcomeUnknown");
    let released = doubted(2).with(|w| w.object["metadata"]["annotations"][names::ABANDON] = json!("x1"));
    assert_eq!(released.short(), "OpenAttempt");
}

#[test]
fn r5_breakers_keep_a_fleet_from_being_registered_anew() {
    let rest = Some(Duration::from_mins(3));
    for denied in [
        unknown(Some(1)).with(|w| w.recreations_denied = rest),
        unknown(Some(1)).with(|w| w.registrations_denied = rest),
    ] {
        let Next::Finish(Verdict::Failed(failure)) = denied.next() else {
            panic!("{}", denied.short())
        };
        assert_eq!((failure.reason, failure.retry_after), (Reason::ClientMissing, rest));
    }
}

#[test]
fn r6_r7_then_it_is_registered_anew_and_its_record_replaced() {
    let Next::Do(Effect::KeepSuspect(record)) = unknown(Some(999_940)).next() else {
        panic!("the old client is forgotten")
    };
    assert_eq!(record.client_id, "id");
    let entered_before = suspected(Some(999_940)).with(|w| w.journal.kept = false);
    assert_eq!(
        entered_before.short(),
        "KeepSuspect",
        "written again, so that nobody removes it meanwhile"
    );
    assert_eq!(suspected(Some(999_940)).short(), "OpenAttempt");
    let opened = suspected(Some(999_940)).with(|w| {
        w.object["metadata"]["annotations"] = json!({names::CREATE_PENDING: "u/fresh/system/oauthclient-u"});
        w.journal.attempt = Some("fresh".to_owned());
        w.journal.replaces = Some("a1".to_owned());
        w.recreations_denied = Some(Duration::from_mins(3));
    });
    assert_eq!(opened.short(), "Register");
    let registered = opened.with(|w| w.journal.registration = Some(registration()));
    assert_eq!(registered.short(), "ReplaceRecord");
    let met_another = World {
        journal: Journal {
            kept: false,
            ..registered.journal.clone()
        },
        ..registered
    };
    let Next::Do(Effect::KeepSuspect(kept)) = met_another.next() else {
        panic!("A1i: {}", met_another.short())
    };
    assert_eq!(
        kept.client_id, "id",
        "A1i: the record that was read is another version than was kept"
    );
    let registered = met_another.with(|w| w.journal.kept = true);
    let elsewise = registered.with(|w| w.journal.replaces = Some("another".to_owned()));
    assert_eq!(elsewise.short(), "StoreRecord", "that record is not the lost client's");
}

#[test]
fn k1a_k1b_an_interrupted_recreation_is_a_doubt_once() {
    let open = || {
        World::kept().with(|w| {
            w.object["metadata"]["generation"] = json!(2);
            w.object["metadata"]["annotations"] = json!({names::CREATE_PENDING: "u/other/system/oauthclient-u"});
        })
    };
    let foreign = open().with(|w| w.foreign_attempt_age = Some(Duration::from_secs(5)));
    assert_eq!(foreign.short(), "Progressing");
    assert_eq!(open().short(), "EnterSuspect");
    let entered = open().with(|w| w.suspects.push(suspect("other", None)));
    assert_ne!(entered.short(), "EnterSuspect");
    let told = open().with(|w| {
        w.object["status"]["attempt"] = json!({"id": "other", "outcome": "Suspected", "requestHash": ""});
    });
    assert_ne!(
        told.short(),
        "EnterSuspect",
        "a suspect that somebody has looked at stays away"
    );
}

#[test]
fn k1b_an_interrupted_recreation_with_a_mark_is_a_suspect() {
    let world = World::kept().with(|w| {
        w.object["metadata"]["generation"] = json!(2);
        w.object["metadata"]["annotations"] = json!({names::CREATE_PENDING: "u/other/system/oauthclient-u"});
        w.provider.as_mut().unwrap().target.knobs = marking();
    });
    assert_eq!(world.short(), "EnterSuspect");
}

#[test]
fn k1c_an_interrupted_recreation_with_a_chosen_identifier_is_looked_up() {
    let mut world = World::kept()
        .recorded(|r| r.client_id = crate::domain::identity::client_id("cluster", "u"))
        .with(|w| {
            w.object["metadata"]["generation"] = json!(2);
            w.object["metadata"]["annotations"] = json!({names::CREATE_PENDING: "u/other/system/oauthclient-u"});
            w.provider.as_mut().unwrap().target.knobs = knobs(Profile::Wso2);
            (w.resolved, w.endpoints) = (false, None);
        });
    assert_eq!(world.short(), "ResolveProvider");
    world.resolved = true;
    assert_eq!(world.short(), "Discover");
    world.endpoints = Some(stored().endpoints);
    assert_eq!(
        world.short(),
        "LookUp",
        "it may have another secret than the record says"
    );
    world.journal.look_up = Some(LookUp::Absent);
    assert_eq!(world.short(), "ReadCredentials");
}

/// A registered client whose owner asks for another one in its place.
fn to_be_replaced() -> World {
    World::kept().with(|w| {
        w.object["metadata"]["annotations"][names::REPLACE] = json!("id");
        let wanted = secret::credentials(&w.parsed(), w.record.as_ref().unwrap());
        w.secret = Held::Ours(Box::new(wanted));
        w.journal.object_read = true;
    })
}

#[test]
fn k10a_a_client_is_replaced_once_by_its_owners_wish_and_stays_named() {
    assert_eq!(to_be_replaced().short(), "KeepSuspect");
    let kept = |w: &mut World| {
        w.suspects.push(suspect("a1", Some("id")));
        w.journal.kept = true;
    };
    assert_eq!(to_be_replaced().with(kept).short(), "OpenAttempt");
    let unread = to_be_replaced().with(|w| w.journal.object_read = false);
    assert_eq!(unread.short(), "ReadObject");
    let done = to_be_replaced().recorded(|r| r.replaced = Some("id".to_owned()));
    assert_eq!(done.short(), "Ready", "the provider answered with the same client");
    let another = to_be_replaced().with(|w| w.object["metadata"]["annotations"][names::REPLACE] = json!("other"));
    assert_eq!(another.short(), "Ready", "the value names no client of this object");
    let unseen = to_be_replaced().with(|w| {
        w.record_sight = Some(RecordView::Unseen);
        w.secret = Held::Unseen(true);
    });
    assert_eq!(
        unseen.short(),
        "ReadRecord",
        "metadata alone does not tell that it is done"
    );
    let denied = to_be_replaced().with(|w| w.registrations_denied = Some(Duration::from_mins(1)));
    assert_eq!(denied.short(), "ProviderUnavailable");
}

#[test]
fn k11b_what_was_missed_before_is_no_first_look_of_a_later_change() {
    let reverted = World::kept().recorded(|r| r.missing_since = Some(1)).with(|w| {
        w.deep = true;
        w.secret = Held::Ours(Box::new(secret::credentials(&w.parsed(), w.record.as_ref().unwrap())));
    });
    let Next::Do(Effect::SaveRecord(record)) = reverted.next() else {
        panic!("{}", reverted.short())
    };
    assert_eq!(record.missing_since, None);
}

#[test]
fn w113_r4c_another_client_gets_no_method_that_the_provider_no_longer_supports() {
    let sent = |set: Option<&str>, listed: &[&str]| {
        let mut world = to_be_replaced();
        world.object["spec"]["tokenEndpointAuthMethod"] = json!(set);
        let listed = listed.iter().map(|method| (*method).to_owned()).collect();
        world.endpoints.as_mut().unwrap().auth_methods = Some(listed);
        world.journal.attempt = Some("fresh".into());
        let world = world.recorded(|r| {
            r.auth_method = set.is_none().then(|| "client_secret_post".into());
            r.request
                .insert("token_endpoint_auth_method".into(), json!("client_secret_post"));
        });
        let wanted = secret::credentials(&world.parsed(), world.record.as_ref().unwrap());
        let world = world.with(|w| w.secret = Held::Ours(Box::new(wanted)));
        match world.next() {
            Next::Do(Effect::Register { request, .. }) => {
                request["token_endpoint_auth_method"].as_str().unwrap().to_owned()
            }
            _ => world.short(),
        }
    };
    let both = ["client_secret_basic", "client_secret_post"];
    assert_eq!(
        sent(None, &both),
        "client_secret_post",
        "its application can authenticate as before"
    );
    assert_eq!(sent(None, &["client_secret_basic"]), "client_secret_basic");
    assert_eq!(sent(None, &["none"]), "AuthMethodUnsupported");
    assert_eq!(sent(Some("client_secret_post"), &both), "client_secret_post");
    assert_eq!(
        sent(Some("client_secret_post"), &["client_secret_basic"]),
        "AuthMethodUnsupported"
    );
}

#[test]
fn w117_r7_k12a_another_client_with_other_values_is_handed_over_and_not_ready() {
    let mut opened = suspected(Some(999_940)).with(|w| {
        w.object["metadata"]["annotations"] = json!({names::CREATE_PENDING: "u/fresh/system/oauthclient-u"});
        w.object["spec"]["scopes"] = json!(["a"]);
        w.journal.attempt = Some("fresh".to_owned());
        w.journal.replaces = Some("a1".to_owned());
    });
    opened.provider.as_mut().unwrap().target.substitutions = crate::api::Substitutions::Reject;
    let mut answered = registration();
    answered.client_secret = Some("s3cret".into());
    answered.metadata.insert("scope".into(), json!("b s3cret"));
    let registered = opened.with(|w| {
        w.journal.sent = w.request();
        w.journal.registration = Some(answered);
    });
    let Next::Do(Effect::ReplaceRecord(record)) = registered.next() else {
        panic!("{}", registered.short())
    };
    let rejected = record.rejected.clone().unwrap();
    assert!(rejected.kept && rejected.former.is_none());
    let told = format!("{:?}", rejected.members);
    assert!(told.contains("scope") && told.contains("withheld"), "{told}");
}
