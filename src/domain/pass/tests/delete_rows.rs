//! Part D of the table.

use super::*;

#[test]
fn d1_without_finalizer_only_the_record_is_left_to_remove() {
    let bare = || World::dying().with(|w| w.object["metadata"]["finalizers"] = json!([]));
    assert_eq!(bare().short(), "Gone");
    assert_eq!(bare().recorded(|r| r.phase = Phase::Deleted).short(), "RemoveRecord");
}

#[test]
fn d2_to_d5_what_is_not_recorded_is_not_forgotten() {
    let unrecorded = |status: Value| World::dying().with(|w| (w.record, w.object["status"]) = (None, status));
    assert_eq!(unrecorded(json!({})).short(), "ReadRecord");
    let seen = |status| unrecorded(status).with(|w| w.live = true);
    assert_eq!(
        seen(json!({})).short(),
        "ReadObject",
        "an object that is gone by now is no doubt"
    );
    let live = |status| seen(status).with(|w| w.journal.object_read = true);
    let elsewhere = live(json!({})).with(|w| w.foreign_attempt_age = Some(Duration::from_secs(59)));
    assert_eq!(
        elsewhere.short(),
        "DeletionBlocked",
        "another replica may be storing its record"
    );
    assert_eq!(live(json!({})).short(), "EnterSuspect", "the marker's attempt is open");
    assert_eq!(
        live(json!({})).with(|w| w.suspects.push(suspect("a1", None))).short(),
        "RemoveFinalizer"
    );
    let known = json!({"clientID": "id", "attempt": {"id": "a1", "outcome": "Registered", "requestHash": ""}});
    assert_eq!(live(known.clone()).short(), "EnterSuspect");
    assert_eq!(
        live(known).with(|w| w.suspects.push(suspect("a1", Some("id")))).short(),
        "RemoveFinalizer"
    );
    let nameless = json!({"attempt": {"id": "a1", "outcome": "Registered", "requestHash": ""}});
    assert_eq!(
        live(nameless.clone()).short(),
        "EnterSuspect",
        "registered, and neither record nor status names it"
    );
    assert_eq!(
        live(nameless).with(|w| w.suspects.push(suspect("a1", None))).short(),
        "RemoveFinalizer"
    );
    let rejected = json!({"attempt": {"id": "a1", "outcome": "NotApplied", "requestHash": ""}});
    assert_eq!(live(rejected).short(), "RemoveFinalizer");
}

#[test]
fn d3c_an_open_attempt_with_a_mark_is_looked_up_while_there_is_time() {
    let interrupted = || {
        World::dying().with(|w| {
            (w.record, w.live, w.object["status"]) = (None, true, json!({}));
            w.journal.object_read = true;
            w.provider.as_mut().unwrap().target.knobs = marking();
            (w.resolved, w.endpoints) = (false, None);
        })
    };
    let mut world = interrupted();
    world.foreign_attempt_age = Some(Duration::from_secs(59));
    assert_eq!(world.short(), "DeletionBlocked");
    world.foreign_attempt_age = None;
    assert_eq!(world.short(), "ResolveProvider");
    world.resolved = true;
    assert_eq!(world.short(), "Discover");
    world.endpoints = Some(stored().endpoints);
    assert_eq!(world.short(), "FindMarked");
    let found = |w: &mut World| {
        (w.journal.look_up, w.journal.attempt) = (Some(LookUp::Found), Some("a1".into()));
        w.journal.registration = Some(registration());
    };
    world.journal.look_up = Some(LookUp::NotSeen);
    assert_eq!(world.short(), "EnterSuspect");
    world.journal.look_up = None;
    assert_eq!(world.with(found).short(), "StoreRecord");
    let known = |change: &dyn Fn(&mut World)| {
        interrupted().with(|w| {
            (w.resolved, w.endpoints) = (true, Some(stored().endpoints));
            change(w);
        })
    };
    assert_eq!(
        known(&|w| w.now += 3600).short(),
        "EnterSuspect",
        "it was tried long enough"
    );
    let abandon = |w: &mut World| w.object["metadata"]["annotations"][names::ABANDON] = json!("a1");
    assert_eq!(known(&abandon).short(), "EnterSuspect");
    let no_provider = Failure::new(Class::Denied, Reason::ProviderNotFound, "x");
    assert_eq!(
        known(&|w| w.provider = Err(no_provider.clone())).short(),
        "EnterSuspect"
    );
    assert_eq!(
        known(&|w| w.suspects.push(suspect("a1", None))).short(),
        "RemoveFinalizer"
    );
    let chosen = |w: &mut World| w.provider.as_mut().unwrap().target.knobs = knobs(Profile::Wso2);
    assert_eq!(
        known(&chosen).short(),
        "EnterSuspect",
        "its next object takes another identifier"
    );
}

#[test]
fn d6_an_unreadable_record_blocks_until_the_timeout() {
    let unreadable = || World::dying().with(|w| w.record_sight = Some(RecordView::Unreadable));
    assert_eq!(unreadable().short(), "DeletionBlocked");
    let late = || unreadable().with(|w| w.now += 3600);
    let Next::Do(Effect::EnterSuspect(entered)) = late().next() else {
        panic!("nothing else would name its client");
    };
    assert_eq!(entered, suspect("a1", Some("id")));
    assert_eq!(
        late().with(|w| w.suspects.push(entered.clone())).short(),
        "RemoveFinalizer"
    );
    let unmarked = late().with(|w| w.object["metadata"]["annotations"] = json!({}));
    assert_eq!(unmarked.short(), "EnterSuspect");
    let unknown = late().with(|w| w.object["status"] = json!({}));
    assert_eq!(unknown.short(), "EnterSuspect", "the attempt of its marker");
    let refused = late().with(|w| w.journal.failure = Some(failure(Class::Transient)));
    assert_eq!(refused.short(), "DeletionBlocked", "the entry is tried again");
}

#[test]
fn d6a_a_client_of_another_cluster_is_not_deregistered() {
    let cloned = |phase| World::dying().recorded(|r| (r.phase, r.cluster_id) = (phase, "production".into()));
    for phase in [Phase::Registered, Phase::Deleting] {
        assert_eq!(cloned(phase).short(), "DeletionBlocked");
        assert_eq!(cloned(phase).with(|w| w.now += 3600).short(), "RemoveFinalizer");
    }
    assert_eq!(cloned(Phase::Deleted).short(), "RemoveFinalizer");
    let abandoned =
        cloned(Phase::Registered).with(|w| w.object["metadata"]["annotations"][names::ABANDON] = json!("id"));
    assert_eq!(abandoned.short(), "ReadCredentials", "given up: as with Retain");
}

#[test]
fn t163_d8_a_client_is_given_up_while_it_is_being_deregistered() {
    let abandoned = World::dying()
        .recorded(|r| r.phase = Phase::Deleting)
        .with(|w| w.object["metadata"]["annotations"][names::ABANDON] = json!("id"));
    assert_eq!(abandoned.short(), "ReadCredentials");
    let released = abandoned.with(|w| w.secret = Held::Foreign);
    assert!(matches!(released.next(), Next::Do(Effect::SaveRecord(saved)) if saved.phase == Phase::Retained));
    let done = released.with(|w| w.journal.deregistration = Some(Deregistration::Done));
    assert!(matches!(done.next(), Next::Do(Effect::SaveRecord(saved)) if saved.phase == Phase::Deleted));
}

#[test]
fn d7_d9_d12_d16_the_order_of_a_deletion() {
    assert_eq!(World::dying().short(), "SaveRecord");
    let deleting = || World::dying().recorded(|r| r.phase = Phase::Deleting);
    assert_eq!(deleting().short(), "Claim");
    let claimed = deleting().with(|w| w.journal.claimed = true);
    assert_eq!(claimed.short(), "Deregister", "D17");
    let done = deleting().with(|w| w.journal.deregistration = Some(Deregistration::Done));
    let Next::Do(Effect::SaveRecord(record)) = done.next() else {
        panic!("{}", done.short())
    };
    assert_eq!(record.phase, Phase::Deleted);
    assert_eq!(
        World::dying().recorded(|r| r.phase = Phase::Deleted).short(),
        "RemoveFinalizer"
    );
    assert_eq!(
        World::dying().recorded(|r| r.phase = Phase::Retained).short(),
        "RemoveFinalizer"
    );
}

#[test]
fn d8_a_retained_client_keeps_its_secret() {
    let retained =
        |secret| World::dying().with(|w| (w.secret, w.object["spec"]["deletionPolicy"]) = (secret, json!("Retain")));
    assert_eq!(retained(Held::Unseen(true)).short(), "ReadCredentials");
    assert_eq!(retained(Held::Ours(Box::default())).short(), "ReleaseCredentials");
    let Next::Do(Effect::SaveRecord(record)) = retained(Held::Foreign).next() else {
        panic!("no record")
    };
    assert_eq!(record.phase, Phase::Retained);
    assert_eq!(
        retained(Held::Absent).with(|w| w.terminating = true).short(),
        "SaveRecord"
    );
    let abandoned = World::dying().with(|w| w.object["metadata"]["annotations"][names::ABANDON] = json!("id"));
    assert_eq!(abandoned.short(), "ReadCredentials");
}

#[test]
fn t160_d8_the_secret_of_a_retained_client_outlives_the_garbage_collector() {
    let retained =
        |secret| World::dying().with(|w| (w.secret, w.object["spec"]["deletionPolicy"]) = (secret, json!("Retain")));
    let Next::Do(Effect::CreateCredentials(again)) = retained(Held::Absent).next() else {
        panic!("not created again")
    };
    assert_eq!(again.metadata.owner_references, None, "nothing collects it");
    let terminating: k8s_openapi::api::core::v1::Secret =
        serde_json::from_value(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})).unwrap();
    let deleted = || retained(Held::Ours(Box::new(terminating.clone())));
    assert_eq!(deleted().short(), "DeletionBlocked");
    assert_eq!(deleted().with(|w| w.now += 3600).short(), "ReleaseCredentials");
}

#[test]
fn d4_a_client_whose_attempt_is_unknown_is_a_suspect_with_a_valid_name() {
    let nameless = World::dying().with(|w| {
        (w.record, w.live, w.journal.object_read) = (None, true, true);
        w.object["metadata"]["annotations"] = json!({});
        w.object["status"] = json!({"clientID": "id"});
    });
    let Next::Do(Effect::EnterSuspect(suspect)) = nameless.next() else {
        panic!("{}", nameless.short())
    };
    assert_eq!(suspect.attempt, crate::domain::identity::unknown_attempt("id"));
    assert!(suspect.attempt.len() > "client-".len());
}

#[test]
fn a3_a_deletion_of_what_another_installation_registered_ends_by_the_timeout_with_a_suspect() {
    let moved = || {
        World::dying().with(|w| {
            w.record = None;
            w.object["metadata"]["annotations"] = json!({names::CREATE_PENDING: "u/a1/elsewhere/oauthclient-u"});
        })
    };
    assert_eq!(moved().short(), "DeletionBlocked");
    let late = |change: &dyn Fn(&mut World)| {
        moved().with(|w| {
            w.now += 3600;
            change(w);
        })
    };
    assert_eq!(late(&|_| {}).short(), "ReadObject");
    let read = |w: &mut World| w.journal.object_read = true;
    let Next::Do(Effect::EnterSuspect(entered)) = late(&read).next() else {
        panic!("{}", late(&read).short())
    };
    assert_eq!(
        (entered.attempt.as_str(), entered.client_id.as_deref()),
        ("a1", Some("id"))
    );
    let told = |w: &mut World| {
        w.journal.object_read = true;
        w.suspects.push(suspect("a1", Some("id")));
    };
    assert_eq!(late(&told).short(), "RemoveFinalizer");
    let bare = |w: &mut World| w.object["metadata"]["finalizers"] = json!([]);
    assert_eq!(late(&bare).short(), "Gone");
}

#[test]
fn d14_d15_failures_block_until_the_timeout() {
    let failing = || {
        World::dying()
            .recorded(|r| r.phase = Phase::Deleting)
            .with(|w| w.journal.failure = Some(failure(Class::Transient)))
    };
    assert_eq!(failing().short(), "DeletionBlocked");
    assert_eq!(
        failing()
            .with(|w| w.object["spec"]["deletionTimeout"] = json!("30s"))
            .short(),
        "RemoveFinalizer"
    );
    assert_eq!(failing().with(|w| w.now += 3600).short(), "RemoveFinalizer");
}

/// After a day without operator the first step that fails is no reason to let the object go without its client.
#[test]
fn d14_a_client_without_tombstone_outlives_the_timeout_of_a_failure_that_passes() {
    let failing = |class| {
        World::dying()
            .with(|w| w.now += 86_400)
            .with(|w| w.journal.failure = Some(failure(class)))
    };
    for class in [Class::Transient, Class::Ambiguous] {
        assert_eq!(failing(class).short(), "DeletionBlocked", "{class:?}");
        let unread = failing(class).with(|w| w.record_sight = Some(RecordView::Unseen));
        assert_eq!(unread.short(), "DeletionBlocked", "{class:?}");
        let again = failing(class).with(|w| w.object["status"]["conditions"][0]["reason"] = json!("DeletionBlocked"));
        assert_eq!(again.short(), "DeletionBlocked", "{class:?}: however often");
    }
    for class in [Class::Denied, Class::Invalid, Class::Bug] {
        assert_eq!(
            failing(class).short(),
            "DeletionBlocked",
            "{class:?}: once is not enough"
        );
        let again = failing(class).with(|w| w.object["status"]["conditions"][0]["reason"] = json!("DeletionBlocked"));
        assert_eq!(again.short(), "RemoveFinalizer", "{class:?}");
    }
}

#[test]
fn d15_a_world_that_changed_is_looked_at_again_whatever_the_timeout() {
    let failing = World::dying()
        .recorded(|r| r.phase = Phase::Deleting)
        .with(|w| w.now += 86_400)
        .with(|w| w.journal.failure = Some(failure(Class::Conflict)));
    assert_eq!(failing.short(), "ProviderUnavailable");
}
