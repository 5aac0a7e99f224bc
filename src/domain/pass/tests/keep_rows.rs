//! Part K of the table.

use super::*;

#[test]
fn k1_a_finalizer_that_was_taken_off_comes_back() {
    assert_eq!(
        World::kept()
            .with(|w| w.object["metadata"]["finalizers"] = json!([]))
            .short(),
        "AddFinalizer"
    );
    let replaced = World::kept().with(|w| {
        w.object["metadata"]["finalizers"] = json!([]);
        w.object["metadata"]["annotations"] = json!({});
    });
    let Next::Do(Effect::Mark(marker)) = replaced.next() else {
        panic!("{}", replaced.short())
    };
    assert_eq!(marker.to_string(), "u/a1/system/oauthclient-u");
}

#[test]
fn k3_to_k6_the_secret_is_restored_from_the_record_without_the_provider() {
    let world = |secret| World::kept().with(|w| (w.secret, w.resolved) = (secret, false));
    assert_eq!(world(Held::Unseen(false)).short(), "ReadCredentials");
    assert_eq!(world(Held::Absent).short(), "CreateCredentials");
    assert_eq!(world(Held::Foreign).short(), "SecretConflict");
    assert_eq!(world(Held::Former).short(), "SecretBeingRemoved");
    let wanted = secret::credentials(&World::kept().parsed(), &World::kept().matching_record());
    assert_eq!(world(Held::Ours(Box::new(wanted.clone()))).short(), "Ready");
    let mut edited = wanted.clone();
    edited.data.as_mut().unwrap().remove("client_secret");
    assert_eq!(world(Held::Ours(Box::new(edited))).short(), "PatchCredentials");
    let frozen = Secret {
        immutable: Some(true),
        ..wanted
    };
    assert_eq!(world(Held::Ours(Box::new(frozen))).short(), "DeleteCredentials");
}

pub(super) fn changed() -> World {
    World::kept().with(|w| {
        w.object["metadata"]["generation"] = json!(2);
        w.object["spec"]["redirectURIs"] = json!(["https://b/cb"]);
        let wanted = secret::credentials(&w.parsed(), w.record.as_ref().unwrap());
        w.secret = Held::Ours(Box::new(wanted));
    })
}

#[test]
fn k8_to_k15_one_update_marked_before_it_is_sent() {
    let mut world = changed().with(|w| (w.resolved, w.endpoints) = (false, None));
    assert_eq!(world.short(), "ResolveProvider");
    world.resolved = true;
    assert_eq!(world.short(), "Discover");
    world.endpoints = Some(stored().endpoints);
    assert_eq!(world.short(), "ReadObject", "a stale view would undo a newer change");
    world.journal.object_read = true;
    let Next::Do(Effect::MarkUpdate(record)) = world.next() else {
        panic!("{}", world.short())
    };
    assert_eq!(record.in_flight.as_ref().unwrap().request_hash, world.hash());
    world.record = Some(*record);
    assert_eq!(world.short(), "MarkUpdate", "the mark of another pass is not its own");
    let Next::Do(mark) = world.next() else { unreachable!() };
    assert_eq!(
        mark.admission(),
        Admission::PermitAndLeadership,
        "a pass that ends between mark and update takes its own mark for an update without an answer"
    );
    world.journal.marked = Some("fresh".into());
    assert_eq!(world.short(), "Update");
}

#[test]
fn an_update_of_unknown_end_is_sent_again() {
    let sent = |age| {
        let hash = changed().hash();
        let in_flight = Some(InFlight {
            request_hash: hash,
            attempt: "a7".into(),
            ..InFlight::default()
        });
        let world = changed().recorded(|r| r.in_flight = in_flight);
        world.with(|w| (w.journal.object_read, w.foreign_update_age) = (true, age))
    };
    assert_eq!(sent(None).short(), "MarkUpdate", "under a mark of its own");
    // K14b
    assert_eq!(sent(Some(Duration::ZERO)).short(), "Progressing");
    assert_eq!(sent(Some(Duration::from_secs(15))).short(), "MarkUpdate");
    let again = |age| sent(age).recorded(|r| r.in_flight.as_mut().unwrap().unanswered = true);
    assert_eq!(
        again(None).short(),
        "Update",
        "a try that fails again leaves no mark each time"
    );
    assert_eq!(again(Some(Duration::from_secs(15))).short(), "MarkUpdate");
}

#[test]
fn k9_a_provider_that_was_deleted_changes_nothing_at_rest() {
    let deleted = || Err(Failure::new(Class::Denied, Reason::ProviderNotFound, "x"));
    assert_eq!(changed().with(|w| w.provider = deleted()).short(), "ProviderNotFound");
    assert_eq!(World::kept().with(|w| w.provider = deleted()).short(), "Ready");
}

#[test]
fn t147_k9_a_deep_look_at_an_unchanged_client_needs_no_provider() {
    let world = |class| {
        World::kept().with(|w| {
            let wanted = secret::credentials(&w.parsed(), w.record.as_ref().unwrap());
            (w.secret, w.deep) = (Held::Ours(Box::new(wanted)), true);
            w.provider = Err(Failure::new(class, Reason::ProviderNotFound, "x"));
        })
    };
    for class in [Class::Denied, Class::Invalid] {
        assert_eq!(world(class).short(), "Ready", "{class:?}");
        let in_flight = world(class).recorded(|r| r.in_flight = Some(InFlight::default()));
        assert_eq!(in_flight.short(), "ProviderNotFound", "an update in flight has to end");
    }
    let transient = world(Class::Transient).short();
    assert_eq!(transient, "ProviderNotFound", "it is looked at again");
}

#[test]
fn k7_only_what_was_judged_ready_asks_nothing_of_the_provider() {
    let in_step = |change: fn(&mut World)| {
        let world = World::kept().with(|w| {
            let wanted = secret::credentials(&w.parsed(), w.record.as_ref().unwrap());
            (w.secret, w.resolved) = (Held::Ours(Box::new(wanted)), false);
        });
        world.with(change).short()
    };
    assert_eq!(in_step(|_| ()), "Ready");
    let registered_now: fn(&mut World) = |w| (w.deep, w.journal.attempt) = (true, Some("a1".to_owned()));
    assert_eq!(in_step(registered_now), "Ready");
    let changes: [fn(&mut World); 7] = [
        |w| w.deep = true,
        |w| (w.deep, w.journal.attempt, w.journal.adopted) = (true, Some("a1".to_owned()), true),
        |w| w.object["metadata"]["generation"] = json!(2),
        |w| w.object["status"]["observedGeneration"] = json!(0),
        |w| w.object["status"]["conditions"][0]["status"] = json!("False"),
        |w| w.object["status"]["conditions"][0]["observedGeneration"] = json!(0),
        |w| w.object["status"]["conditions"][0]["type"] = json!("Registered"),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        assert_eq!(in_step(change), "ResolveProvider", "change {at}");
    }
    for type_ in ["Reconciling", "Stalled"] {
        let world = World::kept().with(|w| {
            let wanted = secret::credentials(&w.parsed(), w.record.as_ref().unwrap());
            (w.secret, w.resolved) = (Held::Ours(Box::new(wanted)), false);
            let ready = w.object["status"]["conditions"][0].clone();
            w.object["status"]["conditions"] = json!([ready, {
                "type": type_, "status": "True", "reason": "ProviderUnavailable", "lastTransitionTime": "", "observedGeneration": 1,
            }]);
        });
        assert_eq!(world.short(), "ResolveProvider", "{type_}");
    }
}

#[test]
fn k11_a_change_that_the_provider_does_not_see_needs_no_update() {
    let world = World::kept().with(|w| {
        w.object["metadata"]["generation"] = json!(2);
        w.object["spec"]["deletionTimeout"] = json!("1m");
        let wanted = secret::credentials(&w.parsed(), w.record.as_ref().unwrap());
        w.secret = Held::Ours(Box::new(wanted));
    });
    assert_eq!(world.short(), "Ready");
}

#[test]
fn t148_k13a_an_update_waits_for_the_end_of_a_pause() {
    let pause = Pause {
        rest: Duration::from_secs(30),
        until: 1_000_030,
    };
    let paused = changed().with(|w| (w.pause, w.journal.object_read) = (Some(pause), true));
    let Next::Finish(Verdict::Failed(failure)) = paused.next() else {
        panic!("{}", paused.short())
    };
    assert_eq!(
        (failure.reason, failure.retry_after),
        (Reason::RateLimited, Some(pause.rest))
    );
    assert!(failure.message.contains("1970-01-12T13:47:10Z"), "{}", failure.message);
    assert_eq!(World::kept().with(|w| w.pause = Some(pause)).short(), "Ready");
}

#[test]
fn t145_a_rejected_change_is_sent_again_when_that_is_asked_for() {
    let hash = changed().hash();
    let world = changed().with(|w| {
        w.object["status"]["attempt"]["requestHash"] = json!(hash);
        w.object["status"]["conditions"] =
            json!([{"type": "Stalled", "status": "True", "reason": "UpdateRejected", "lastTransitionTime": ""}]);
        w.object["metadata"]["annotations"] = json!({names::RECONCILE: "2"});
        w.journal.object_read = true;
    });
    assert_eq!(world.short(), "MarkUpdate");
    let handled = world.with(|w| w.object["status"]["handled"] = json!({"reconcile": "2"}));
    assert_eq!(handled.short(), "Nothing");
}

#[test]
fn k12_a_rejected_change_is_sent_once() {
    let hash = changed().hash();
    let world = changed().with(|w| {
        w.object["status"]["attempt"]["requestHash"] = json!(hash);
        w.object["status"]["conditions"] =
            json!([{"type": "Stalled", "status": "True", "reason": "UpdateRejected", "lastTransitionTime": ""}]);
        w.journal.object_read = true;
    });
    assert_eq!(world.short(), "Nothing");
    let since = world.with(|w| w.object["status"]["conditions"][0]["reason"] = json!("ManagementLost"));
    assert_eq!(since.short(), "MarkUpdate", "another failure since then is no refusal");
}

#[test]
fn k12_what_was_stopped_in_flight_is_not_sent_again() {
    let hash = changed().hash();
    let stopped = |in_flight: &str| {
        changed()
            .recorded(|r| {
                r.in_flight = Some(InFlight {
                    request_hash: in_flight.to_owned(),
                    ..InFlight::default()
                })
            })
            .with(|w| {
                w.journal.object_read = true;
                w.object["status"]["attempt"]["requestHash"] = json!(hash);
                w.object["status"]["conditions"] =
                    json!([{"type": "Stalled", "status": "True", "reason": "InvalidResponse", "lastTransitionTime": ""}]);
            })
    };
    assert_eq!(stopped(&hash).short(), "Nothing");
    assert_eq!(stopped("other").short(), "MarkUpdate");
}

#[test]
fn k2a_k15a_half_a_credential_is_never_written() {
    let lacking = |secret: Held| {
        World::kept().with(|w| w.secret = secret).recorded(|r| {
            r.client_secret = None;
            r.metadata
                .insert("token_endpoint_auth_method".into(), json!("client_secret_basic"));
        })
    };
    for held in [Held::Absent, Held::Unseen(false), Held::Foreign] {
        assert_eq!(lacking(held).short(), "SecretNotIssued");
    }
    let changed = changed().with(|w| w.journal.object_read = true).recorded(|r| {
        r.client_secret = None;
        r.metadata
            .insert("token_endpoint_auth_method".into(), json!("client_secret_basic"));
    });
    assert_eq!(changed.short(), "MarkUpdate", "a change of the manifest may cure it");
}

#[test]
fn k13_k14_updates_that_cannot_be() {
    assert_eq!(
        changed().recorded(|r| r.registration_access_token = None).short(),
        "UpdateUnsupported"
    );
    let other = Endpoints {
        issuer: "https://q".into(),
        ..Endpoints::default()
    };
    assert_eq!(changed().with(|w| w.endpoints = Some(other)).short(), "ProviderChanged");
}

#[test]
fn k16_the_former_secret_goes_after_the_status_names_the_new_one() {
    let renamed = |bound: &str| {
        World::kept().with(|w| {
            w.former.push("old".into());
            w.object["status"]["binding"]["name"] = json!(bound);
        })
    };
    assert_eq!(renamed("old").short(), "Ready");
    assert_eq!(renamed("app").short(), "DeleteFormer");
}

/// A recorded client that is Ready, of which a suspect holds a copy.
fn copied() -> World {
    World::kept().with(|w| {
        w.deep = true;
        w.suspects.push(suspect("a1", Some("id")));
        let wanted = secret::credentials(&w.parsed(), w.record.as_ref().unwrap());
        w.secret = Held::Ours(Box::new(wanted));
    })
}

#[test]
fn k15b_a_copy_of_the_record_goes_only_after_the_record_was_touched() {
    assert_eq!(copied().short(), "ConfirmRecord");
    let confirmed = || {
        copied().with(|w| {
            w.journal.confirmed = Some(crate::domain::secret::SecretRevision {
                uid: "s".into(),
                resource_version: "1".into(),
            });
        })
    };
    let Next::Do(Effect::SaveRecord(record)) = confirmed().next() else {
        panic!("{}", confirmed().short())
    };
    assert_eq!(
        record.touched.as_deref(),
        Some("fresh"),
        "a former leader has to see another version"
    );
    assert_eq!(confirmed().with(|w| w.journal.touched = true).short(), "RemoveSuspect");
    let of_another_attempt = confirmed().with(|w| w.suspects = vec![suspect("a0", Some("id"))]);
    assert_eq!(of_another_attempt.short(), "RemoveSuspect");
}

#[test]
fn k7_a_verdict_about_another_client_says_nothing_of_this_one() {
    let replaced = || {
        World::kept()
            .recorded(|r| {
                r.client_id = "new".into();
                r.request.clear();
            })
            .with(|w| {
                let wanted = secret::credentials(&w.parsed(), w.record.as_ref().unwrap());
                w.secret = Held::Ours(Box::new(wanted));
            })
    };
    assert_eq!(
        replaced().short(),
        "ReadObject",
        "its metadata may be those of an older manifest"
    );
    let judged = replaced().with(|w| w.object["status"]["clientID"] = json!("new"));
    assert_eq!(judged.short(), "Ready");
}

#[test]
fn t204_k13_k15a_a_client_whose_uri_cannot_be_made_is_reported() {
    let lacks = |r: &mut Record| {
        r.management.mode = crate::api::ManagementMode::Credentials;
        r.management.uri_template = "{registration_endpoint}/{app_id}".to_owned();
    };
    let kept = World::kept().recorded(lacks);
    let Next::Finish(Verdict::Failed(failure)) = kept.next() else {
        panic!("{}", kept.short())
    };
    assert_eq!(
        (failure.reason, failure.class),
        (Reason::InvalidResponse, Class::Denied)
    );
    assert!(failure.message.contains("{app_id}"), "{}", failure.message);
    let changed = World::kept().recorded(lacks).with(|w| {
        let knobs = &mut w.provider.as_mut().unwrap().target.knobs;
        knobs.management = crate::api::ManagementMode::Credentials;
        knobs.uri_template = "{registration_endpoint}/{app_id}".to_owned();
        w.object["metadata"]["generation"] = json!(2);
        w.object["spec"]["redirectURIs"] = json!(["https://b/cb"]);
        let wanted = secret::credentials(&w.parsed(), w.record.as_ref().unwrap());
        w.secret = Held::Ours(Box::new(wanted));
    });
    assert_eq!(changed.short(), "InvalidResponse", "before anything is sent");
    let known = World::kept().recorded(|r| {
        lacks(r);
        r.management.members.insert("app_id".into(), "42".into());
    });
    assert_eq!(known.short(), "Ready");
}
