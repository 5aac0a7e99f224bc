//! Part T: an object that was restored with a new UID.

use super::*;
use crate::domain::api_error::ApiError;
use crate::domain::restore::{Earlier, EarlierRecord};
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
    })
}

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
    let others = restored(|_| ()).with(|w| {
        w.object["metadata"]["annotations"] = json!({names::CREATE_PENDING: "old/a1/system/oauthclient-old"});
    });
    assert_eq!(others.short(), "MarkEarlier", "the backup has the old marker");
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
    assert_eq!(known("c2").short(), "MarkEarlier");
    assert_eq!(
        known("c1").short(),
        "EnterSuspect",
        "the client that is given up stays named"
    );
}

#[test]
fn t4_a_record_of_something_else_is_no_obstacle() {
    let unrelated: [fn(&mut Record); 3] = [
        |r| r.cluster_id = "other".into(),
        |r| r.phase = Phase::Deleting,
        |r| r.owner.name = "other".into(),
    ];
    for change in unrelated {
        assert_eq!(restored(change).short(), "ProveWritable");
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
}

#[test]
fn t7_to_t9_the_earlier_record_is_marked_before_the_new_one_is_created() {
    let bare = restored(|_| ()).with(|w| w.object["metadata"]["finalizers"] = json!([]));
    assert_eq!(bare.short(), "AddFinalizer");
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
