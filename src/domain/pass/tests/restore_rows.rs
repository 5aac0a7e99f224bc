//! Part T: an object that was restored with a new UID.

use super::*;
use crate::domain::api_error::ApiError;
use crate::domain::pass::learn;
use crate::domain::restore::{Earlier, EarlierRecord, Listed, Unreadable};
use crate::domain::secret::SecretRevision;

fn revision(version: &str) -> SecretRevision {
    SecretRevision {
        uid: "r".into(),
        resource_version: version.into(),
    }
}

fn earlier(change: impl FnOnce(&mut Record)) -> Earlier {
    let mut record = stored();
    record.owner.uid = "old".into();
    record.namespace_uid = Some("n".into());
    change(&mut record);
    Earlier {
        records: vec![EarlierRecord {
            record,
            revision: revision("1"),
            restore_to: None,
        }],
        unreadable: vec![],
        namespace_uid: Some("n".into()),
    }
}

/// A restored object, whose earlier records were found so.
fn restored(change: impl FnOnce(&mut Record)) -> World {
    World::fresh().with(|w| {
        w.has_earlier = true;
        w.journal.object_read = true;
        w.journal.earlier = Some(Box::new(earlier(change)));
        w.object["metadata"]["finalizers"] = json!([names::FINALIZER]);
        w.object["metadata"]["annotations"] = json!({names::CREATE_PENDING: MARKER});
    })
}

/// The marker of an object that takes the client over.
const MARKER: &str = "u/a1/system/oauthclient-u";

#[test]
fn t3_nothing_is_registered_before_the_earlier_record_was_read() {
    let unread = restored(|_| ()).with(|w| (w.journal.object_read, w.journal.earlier) = (false, None));
    assert_eq!(unread.short(), "ReadObject");
    assert_eq!(
        restored(|_| ()).with(|w| w.journal.earlier = None).short(),
        "FindEarlier"
    );
    let own_attempt = restored(|_| ()).with(|w| {
        w.object["metadata"]["annotations"] = json!({names::CREATE_PENDING: "u/a2/system/oauthclient-u"});
        w.live = true;
    });
    assert_eq!(own_attempt.short(), "EnterSuspect", "it is no restored one");
}

#[test]
fn t3_an_object_without_earlier_records_or_with_an_attempt_of_this_pass_is_no_restored_one() {
    let bare = || restored(|_| ()).with(|w| w.object["metadata"]["annotations"] = json!({}));
    assert_eq!(bare().with(|w| w.has_earlier = false).short(), "ProveWritable");
    let opened = bare().with(|w| w.journal.attempt = Some("a2".into()));
    assert_ne!(opened.short(), "Mark");
    let copy = bare().with(|w| w.held = Some("start it with --cluster-id".into()));
    assert_eq!(
        copy.short(),
        "ManagedElsewhere",
        "the identity of the installation has changed"
    );
    let failed = bare().with(|w| w.journal.failure = Some(failure(Class::Transient)));
    assert_eq!(failed.short(), "ProviderUnavailable");
}

#[test]
fn t293_an_attempt_that_was_not_applied_does_not_bar_a_take_over() {
    let tried = |outcome: &str| {
        restored(|_| ()).with(|w| {
            w.object["metadata"]["annotations"] = json!({names::CREATE_PENDING: "u/a2/system/oauthclient-u"});
            w.object["status"] = json!({"attempt": {"id": "a2", "outcome": outcome, "requestHash": "h"}});
            w.live = true;
        })
    };
    assert_eq!(tried("NotApplied").short(), "Mark");
    assert_eq!(tried("Unknown").short(), "EnterSuspect");
    assert_eq!(tried("Registered").with(|w| w.live = false).short(), "ReadRecord");
}

#[test]
fn t3_whoever_gives_the_known_client_up_gets_one_of_its_own() {
    let known = |abandoned: &str| {
        restored(|_| ()).with(|w| {
            w.object["status"] = json!({"clientID": "c1"});
            w.object["metadata"]["annotations"] = json!({names::ABANDON: abandoned});
            w.live = true;
        })
    };
    assert_eq!(known("c2").short(), "Mark");
    assert_eq!(
        known("c1").short(),
        "EnterSuspect",
        "the client that is given up stays named"
    );
}

#[test]
fn t4_a_record_of_something_else_is_no_obstacle() {
    let unrelated: [fn(&mut Record); 2] = [|r| r.phase = Phase::Deleting, |r| r.owner.name = "other".into()];
    for change in unrelated {
        let unmarked = restored(change).with(|w| w.object["metadata"]["annotations"] = json!({}));
        assert_eq!(unmarked.short(), "ProveWritable");
    }
}

#[test]
fn t5_the_provider_has_to_be_the_same() {
    assert_eq!(restored(|_| ()).with(|w| w.resolved = false).short(), "ResolveProvider");
    let refused = restored(|_| ()).with(|w| w.provider = Err(failure(Class::Denied)));
    assert_eq!(refused.short(), "ProviderUnavailable");
    assert_eq!(
        restored(|_| ()).with(|w| w.endpoints = None).short(),
        "MarkEarlier",
        "the provider object states the issuer"
    );
    let at_q = |w: &mut World| w.provider.as_mut().unwrap().target.location = Location::MetadataUrl("https://q".into());
    let unknown = restored(|_| ()).with(at_q).with(|w| w.endpoints = None);
    assert_eq!(unknown.short(), "Discover");
    assert_eq!(restored(|_| ()).with(at_q).short(), "MarkEarlier");
    let other = restored(|r| r.endpoints.issuer = "https://before".into());
    assert_eq!(other.short(), "RestoreRefused");
}

#[test]
fn t6_what_is_not_sure_is_refused() {
    let world = restored(|r| r.in_flight = Some(InFlight::default()));
    assert_eq!(world.short(), "RestoreRefused");
    let world = restored(|r| r.namespace_uid = Some("m".into()));
    assert_eq!(world.short(), "RestoreRefused");
    let world = restored(|r| r.cluster_id = "other".into());
    assert_eq!(world.short(), "RestoreRefused", "the operator came before the backup");
    let bare = world.with(|w| w.object["metadata"]["finalizers"] = json!([]));
    assert_eq!(bare.short(), "AddFinalizer", "its deletion tells of the client");
    let found = |change: fn(&mut Earlier)| restored(|_| ()).with(|w| change(w.journal.earlier.as_mut().unwrap()));
    let two = found(|found| {
        let mut second = found.records[0].clone();
        second.record.owner.uid = "older".into();
        found.records.push(second);
    });
    assert_eq!(two.short(), "RestoreRefused");
    let unreadable = found(|found| {
        found.unreadable.push(Unreadable {
            name: "oauthclient-w".into(),
            schema: None,
        });
    });
    assert_eq!(unreadable.short(), "RestoreRefused");
    let namespaced = found(|found| found.namespace_uid = None);
    assert_eq!(namespaced.short(), "RestoreRefused");
    let allowed = found(|found| {
        found.namespace_uid = None;
        found.records[0].restore_to = Some("u".into());
    });
    assert_eq!(allowed.short(), "MarkEarlier");
}

#[test]
fn t7_to_t9_the_earlier_record_is_marked_before_the_new_one_is_created() {
    for marker in [
        json!({}),
        json!({names::CREATE_PENDING: "old/a1/system/oauthclient-old"}),
    ] {
        let unmarked = restored(|_| ()).with(|w| w.object["metadata"]["annotations"] = marker.clone());
        let Next::Do(Effect::Mark(marker)) = unmarked.next() else {
            panic!("{}", unmarked.short())
        };
        assert_eq!(marker.to_string(), MARKER);
    }
    let bare = restored(|_| ()).with(|w| w.object["metadata"]["finalizers"] = json!([]));
    assert_eq!(bare.short(), "Mark");
    let Next::Do(Effect::MarkEarlier(marked)) = restored(|_| ()).next() else {
        panic!("not marked")
    };
    assert_eq!(
        (marked.owner.uid.as_str(), marked.taken_by.as_deref()),
        ("old", Some("u"))
    );
    let Next::Do(Effect::TakeOver(record)) = restored(|r| r.taken_by = Some("u".into())).next() else {
        panic!("not taken over")
    };
    assert_eq!(
        (record.owner.uid.as_str(), record.taken_from.as_deref()),
        ("u", Some("old"))
    );
    assert!(record.taken_by.is_none() && record.same_credentials(&stored()));
    assert_eq!(
        (record.attempt, record.client_id, record.namespace_uid.as_deref()),
        ("a1".to_owned(), "id".to_owned(), Some("n"))
    );
    // An earlier restored object marked it, and is gone.
    assert_eq!(restored(|r| r.taken_by = Some("gone".into())).short(), "MarkEarlier");
}

#[test]
fn t1_the_object_of_a_marked_record_is_looked_for_first() {
    let marked = || World::kept().recorded(|r| r.taken_by = Some("new".into()));
    assert_eq!(marked().short(), "ReadObject");
    let there = marked().with(|w| w.journal.object_read = true);
    let Next::Do(Effect::SaveRecord(record)) = there.next() else {
        panic!("{}", there.short())
    };
    assert_eq!(record.taken_by, None);
    let dying = World::dying().recorded(|r| r.taken_by = Some("new".into()));
    assert_eq!(dying.short(), "ReadObject", "and nothing is deregistered before");
    let held = marked().with(|w| w.held = Some("start it with --cluster-id".into()));
    assert_eq!(held.with(|w| w.deep = true).short(), "ManagedElsewhere");
    let failed = marked().with(|w| w.journal.failure = Some(failure(Class::Transient)));
    assert_eq!(failed.short(), "ProviderUnavailable");
    // Whatever was read before the mark was seen says nothing.
    let operator = super::learned_rows::operator();
    let seen = super::learned_rows::observed(&operator, false);
    let mut state = super::learned_rows::state(&World::kept());
    state.journal.object_read = true;
    let mut secret = secret::record(marked().record.as_ref().unwrap(), "system").unwrap();
    (secret.metadata.uid, secret.metadata.resource_version) = (Some("r".into()), Some("2".into()));
    state.record_read(Ok(Some(secret)), &seen);
    assert!(!state.journal.object_read);
}

#[test]
fn t2_the_earlier_record_is_removed_before_anything_else() {
    let taken = |world: World| world.recorded(|r| r.taken_from = Some("old".into()));
    for world in [World::kept(), World::dying()] {
        assert_eq!(taken(world).short(), "FindEarlier");
    }
    let found =
        |change: fn(&mut Record)| taken(World::dying()).with(|w| w.journal.earlier = Some(Box::new(earlier(change))));
    assert_eq!(found(|r| r.taken_by = Some("u".into())).short(), "RemoveEarlier");
    let answered = found(|r| {
        r.taken_by = Some("u".into());
        r.registration_access_token = Some("rotated".into());
    });
    let Next::Do(Effect::SaveRecord(record)) = answered.next() else {
        panic!("{}", answered.short())
    };
    assert_eq!(
        (
            record.owner.uid.as_str(),
            record.taken_from.as_deref(),
            record.taken_by.as_deref()
        ),
        ("u", Some("old"), None),
        "an answer came after the take-over"
    );
    assert!(record.same_credentials(&answered.journal.earlier.as_ref().unwrap().records[0].record));
    for other in [
        found(|_| ()),
        found(|r| r.taken_by = Some("v".into())),
        taken(World::kept()).with(|w| w.journal.earlier = Some(Box::default())),
    ] {
        let Next::Do(Effect::SaveRecord(record)) = other.next() else {
            panic!("{}", other.short())
        };
        assert_eq!(record.taken_from, None);
    }
}

#[test]
fn t8_a_record_that_was_changed_meanwhile_is_read_again() {
    let mut state = super::learned_rows::state(&World::fresh());
    let record = |state: &State| state.journal.earlier.as_ref().unwrap().records[0].record.clone();
    state.earlier_found(Ok(earlier(|_| ())));
    let marked = record(&state);
    state.earlier_marked(&marked, Ok(revision("2")));
    assert_eq!(state.earlier("old"), Some(&revision("2")));
    state.earlier_marked(&marked, Err(ApiError::Conflict));
    assert!(state.journal.earlier.is_none() && state.journal.failure.is_none());
}

/// Records of two restored objects, the second of which took the client over and did not remove the record of the first.
fn handed_on(change: impl FnOnce(&mut Record)) -> World {
    let mut first = earlier(|r| r.taken_by = Some("second".into())).records;
    change(&mut first[0].record);
    let second = earlier(|r| {
        r.owner.uid = "second".into();
        r.taken_from = Some("old".into());
    });
    restored(|_| ()).with(|w| {
        w.journal.earlier = Some(Box::new(Earlier {
            records: [second.records.clone(), first].concat(),
            ..second
        }));
    })
}

#[test]
fn t294_of_two_records_of_one_client_the_earlier_one_goes() {
    let world = handed_on(|_| ());
    let Next::Do(Effect::RemoveEarlier(uid)) = world.next() else {
        panic!("{}", world.short())
    };
    assert_eq!(uid, "old");
    let mut state = super::learned_rows::state(&world);
    state.earlier_found(Ok(*world.journal.earlier.clone().unwrap()));
    state.earlier_removed("old", Ok(()));
    let left = world.with(|w| w.journal.earlier.clone_from(&state.journal.earlier));
    assert_eq!(left.short(), "MarkEarlier", "and the other one is taken over");
    let newer = handed_on(|r| r.registration_access_token = Some("rotated".into()));
    let Next::Do(Effect::MarkEarlier(record)) = newer.next() else {
        panic!("{}", newer.short())
    };
    assert_eq!(
        (record.owner.uid.as_str(), record.taken_from.as_deref()),
        ("second", Some("old"))
    );
}

#[test]
fn t295_of_a_record_that_cannot_be_read_a_label_has_to_say_that_it_is_of_this_name() {
    let secret: Secret = serde_json::from_value(json!({
        "metadata": {"name": "oauthclient-w", "uid": "s", "resourceVersion": "1"},
        "data": {"record.json": k8s_openapi::ByteString(br#"{"schemaVersion": 7}"#.to_vec())},
    }))
    .unwrap();
    let listed = |labelled| Listed {
        name: "oauthclient-w".into(),
        owner_uid: Some("w".into()),
        labelled,
    };
    let unreadable = |labelled| learn::earlier(vec![(listed(labelled), secret.clone())], None).unreadable;
    assert!(unreadable(false).is_empty());
    assert_eq!(unreadable(true)[0].schema, Some(7));
}

#[test]
fn t296_the_deletion_of_a_refused_object_tells_of_the_client_that_stays() {
    let dying = || {
        World::fresh().with(|w| {
            w.has_earlier = true;
            w.live = true;
            w.object["metadata"]["finalizers"] = json!([names::FINALIZER]);
            w.object["metadata"]["deletionTimestamp"] = json!("1970-01-12T13:45:40Z");
        })
    };
    assert_eq!(dying().short(), "FindEarlier");
    let found = dying().with(|w| w.journal.earlier = Some(Box::new(earlier(|_| ()))));
    assert_eq!(found.short(), "RemoveFinalizer");
    let operator = super::learned_rows::operator();
    let seen = super::learned_rows::observed(&operator, false);
    let mut state = super::learned_rows::state(&found);
    state.earlier_found(Ok(earlier(|_| ())));
    state.begin(&Effect::RemoveFinalizer, &seen);
    let notes = state.notes();
    let [Note::Warn(Reason::RestoreRefused, text)] = notes.as_slice() else {
        panic!("{notes:?}")
    };
    assert!(
        text.contains("client id of an earlier OAuthClient")
            && text.contains("suspects ack --unmatched oauthclient-old"),
        "{text}"
    );
}
