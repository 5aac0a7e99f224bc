//! The rows that come first of all.

use super::*;

#[test]
fn a1_what_was_issued_is_stored_before_anything_else() {
    for world in [
        World::fresh(),
        World::dying(),
        World::fresh().with(|w| w.terminating = true),
    ] {
        let mut world = world.with(|w| w.journal.registration = Some(answer()));
        world.journal.attempt = Some("a1".to_owned());
        world.journal.failure = Some(failure(Class::Transient));
        assert_eq!(world.short(), "StoreRecord");
        world.journal.unrecordable = Some(failure(Class::Denied));
        for (compensation, effect) in [
            (Compensation::Begin, "ReadRecord"),
            (Compensation::Unrecorded, "Claim"),
            (Compensation::Claimed, "Compensate"),
            (Compensation::Failed, "KeepSuspect"),
        ] {
            world.journal.compensation = compensation;
            assert_eq!(world.short(), effect);
        }
    }
}

#[test]
fn a2_the_answer_of_an_update_is_saved_with_its_token() {
    for world in [World::kept(), World::dying()] {
        let request = world.request();
        let world = world
            .recorded(|r| {
                r.request.clear();
                r.in_flight = Some(InFlight::default());
                r.missing_since = Some(1);
            })
            .with(|w| w.journal.answer = Some(Box::new((request.clone(), answer()))));
        let Next::Do(Effect::SaveRecord(record)) = world.next() else {
            panic!("{}", world.short())
        };
        let token = record
            .registration_access_token
            .as_ref()
            .map(|t| secrecy::ExposeSecret::expose_secret(t).to_owned());
        assert_eq!(token.as_deref(), Some("rotated"));
        assert_eq!((record.in_flight, record.missing_since), (None, None));
        assert_eq!(record.request, request);
    }
}

#[test]
fn an_effect_shows_its_kind_and_nothing_that_it_carries() {
    let world = World::kept();
    assert_eq!(
        format!(
            "{:?}",
            Effect::Update {
                request: world.request(),
                body: world.request()
            }
        ),
        "Update"
    );
}

#[test]
fn a3_another_operators_object_is_left_alone() {
    let world =
        World::fresh().with(|w| w.object["metadata"]["annotations"] = json!({names::CREATE_PENDING: "u/a/other/r"}));
    assert_eq!(world.short(), "ManagedElsewhere");
}

#[test]
fn a_marker_of_another_uid_is_void() {
    let world =
        World::fresh().with(|w| w.object["metadata"]["annotations"] = json!({names::CREATE_PENDING: "v/a/other/r"}));
    assert_eq!(world.short(), "ProveWritable");
}

#[test]
fn a5_nothing_is_created_in_a_namespace_that_goes() {
    assert_eq!(World::fresh().with(|w| w.terminating = true).short(), "Nothing");
}

#[test]
fn a5_the_operators_own_namespace_is_served_only_on_demand() {
    let home = |serves| {
        World::fresh().with(|w| {
            w.object["metadata"]["namespace"] = json!("system");
            w.serves_own_namespace = serves;
        })
    };
    assert_eq!(home(false).short(), "NamespaceNotAllowed");
    assert_eq!(home(true).short(), "ProveWritable");
}

#[test]
fn a6_suspended_objects_rest() {
    assert_eq!(
        World::fresh()
            .with(|w| w.object["spec"]["suspend"] = json!(true))
            .short(),
        "Suspended"
    );
    assert_ne!(
        World::dying()
            .with(|w| w.object["spec"]["suspend"] = json!(true))
            .short(),
        "Suspended"
    );
}

#[test]
fn a7_a_refused_update_is_no_longer_in_flight() {
    let world = World::kept()
        .recorded(|r| {
            r.in_flight = Some(InFlight {
                request_hash: "h".into(),
                ..InFlight::default()
            })
        })
        .with(|w| {
            w.journal.refused = true;
            w.journal.failure = Some(failure(Class::Invalid));
        });
    assert!(matches!(world.next(), Next::Do(Effect::SaveRecord(saved)) if saved.in_flight.is_none()));
    let doubted = world.recorded(|r| r.in_flight.as_mut().unwrap().unanswered = true);
    assert_eq!(
        doubted.short(),
        "ProviderUnavailable",
        "the refusal says nothing about the update before, which may have rotated the token"
    );
    let certain = doubted.recorded(|r| r.management.mode = crate::api::ManagementMode::Credentials);
    assert_eq!(
        certain.short(),
        "SaveRecord",
        "those credentials are rotated by no update"
    );
}

#[test]
fn a8_a_failed_step_ends_the_pass() {
    assert_eq!(
        World::fresh()
            .with(|w| w.journal.failure = Some(failure(Class::Transient)))
            .short(),
        "ProviderUnavailable"
    );
}

#[test]
fn a9_metadata_alone_shows_that_nothing_changed() {
    let settled = || World::kept().with(|w| w.record_sight = Some(RecordView::Unseen));
    assert_eq!(settled().short(), "Nothing");
    assert_eq!(settled().with(|w| w.deep = true).short(), "ReadRecord");
    assert_eq!(settled().with(|w| w.secret = Held::Unseen(false)).short(), "ReadRecord");
    assert_eq!(settled().with(|w| w.former.push("old".into())).short(), "ReadRecord");
    assert_eq!(
        settled()
            .with(|w| w.object["metadata"]["generation"] = json!(2))
            .short(),
        "ReadRecord"
    );
}

#[test]
fn a9_what_the_status_has_yet_to_say_is_looked_for() {
    let settled = || World::kept().with(|w| w.record_sight = Some(RecordView::Unseen));
    let told = |w: &mut World| w.object["status"]["suspects"] = json!([{"attempt": "a0", "clientID": "old"}]);
    let entered = |w: &mut World| w.suspects.push(suspect("a0", Some("old")));
    assert_eq!(settled().with(told).with(entered).short(), "Nothing");
    assert_eq!(settled().with(told).short(), "ReadRecord", "the sweeper has removed it");
    assert_eq!(settled().with(entered).short(), "ReadRecord");
    let verified = |reason: &str| {
        let condition = json!({"type": "Verified", "status": "Unknown", "reason": reason, "lastTransitionTime": "1970-01-12T13:46:00Z"});
        settled().with(|w| w.object["status"]["conditions"].as_array_mut().unwrap().push(condition))
    };
    assert_eq!(verified("NotVerifiable").short(), "Nothing");
    assert_eq!(verified("ProviderUnavailable").short(), "ReadRecord");
}

#[test]
fn t156_a9a_a_copy_changes_nothing_at_a_provider() {
    let held = |world: World| world.with(|w| w.held = Some("start it with --cluster-id".into()));
    for world in [World::fresh(), World::kept().with(|w| w.deep = true)] {
        assert_eq!(held(world).short(), "ManagedElsewhere");
    }
    let settled = World::kept().with(|w| w.record_sight = Some(RecordView::Unseen));
    assert_eq!(held(settled).short(), "Nothing", "nothing to do, nothing to say");
    for phase in [Phase::Registered, Phase::Deleting] {
        let dying = || held(World::dying().recorded(|r| r.phase = phase));
        assert_eq!(dying().short(), "DeletionBlocked");
        assert_eq!(dying().with(|w| w.now += 3600).short(), "RemoveFinalizer");
    }
}

#[test]
fn a11_a12a_records_that_cannot_be_used() {
    assert_eq!(
        World::kept()
            .with(|w| w.record_sight = Some(RecordView::Unreadable))
            .short(),
        "InternalError"
    );
    assert_eq!(
        World::kept().recorded(|r| r.phase = Phase::Deleted).short(),
        "RecordLost"
    );
}

#[test]
fn t157_t163_what_cannot_be_used_names_a_remedy_that_works() {
    let said = |world: World| match world.next() {
        Next::Finish(Verdict::Failed(failure)) => failure.message,
        _ => panic!("{}", world.short()),
    };
    let unreadable = |world: World| world.with(|w| w.record_sight = Some(RecordView::Unreadable));
    let newer = |world: World| unreadable(world).with(|w| w.journal.newer_schema = Some(7));
    for world in [newer(World::kept()), newer(World::dying())] {
        let said = said(world);
        assert!(
            said.contains("(schema 7); upgrade the operator; do not delete or abandon it"),
            "{said}"
        );
    }
    for world in [
        unreadable(World::kept()),
        World::kept().recorded(|r| r.phase = Phase::Deleting),
    ] {
        let said = said(world);
        assert!(
            !said.contains(names::ABANDON),
            "this row does not look at the annotation: {said}"
        );
    }
}

#[test]
fn a12_a_client_of_another_cluster_is_left_alone() {
    let cloned = World::kept()
        .recorded(|r| r.cluster_id = "production".into())
        .with(|w| w.deep = true);
    assert_eq!(cloned.short(), "ManagedElsewhere");
    let Next::Finish(Verdict::Failed(failure)) = cloned.next() else {
        panic!("no failure")
    };
    assert!(
        failure.message.contains("--cluster-id production"),
        "{}",
        failure.message
    );
}
