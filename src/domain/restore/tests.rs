//! Tests of the judgement about records of earlier objects.

use super::*;
use crate::domain::record::InFlight;
use crate::domain::record::tests::record;

const ASKING: Asking<'_> = Asking {
    uid: "new",
    namespace: "ns",
    name: "app",
    cluster_id: "cluster",
    operator_namespace: "system",
};

fn earlier(change: impl FnOnce(&mut EarlierRecord)) -> EarlierRecord {
    let mut earlier = EarlierRecord {
        record: Record {
            namespace_uid: Some("n".to_owned()),
            ..record()
        },
        revision: SecretRevision {
            uid: "s".to_owned(),
            resource_version: "1".to_owned(),
        },
        restore_to: None,
    };
    change(&mut earlier);
    earlier
}

fn found(records: Vec<EarlierRecord>, namespace_uid: Option<&str>) -> Earlier {
    Earlier {
        records,
        unreadable: Vec::new(),
        namespace_uid: namespace_uid.map(str::to_owned),
    }
}

fn refused(found: &Earlier) -> String {
    match found.judge(&ASKING) {
        Judgement::Refused(text) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn t210_a_record_is_taken_over_in_the_same_namespace_of_the_same_installation() {
    let same = found(vec![earlier(|_| ())], Some("n"));
    assert!(matches!(same.judge(&ASKING), Judgement::TakesOver(_)));
    let unrelated: [fn(&mut Record); 4] = [
        |r| r.phase = Phase::Deleting,
        |r| r.owner.name = "other".to_owned(),
        |r| r.owner.namespace = "other".to_owned(),
        |r| r.owner.uid = "new".to_owned(),
    ];
    for (number, change) in unrelated.into_iter().enumerate() {
        let found = found(vec![earlier(|e| change(&mut e.record))], Some("n"));
        assert!(matches!(found.judge(&ASKING), Judgement::Unrelated), "{number}");
    }
    assert!(matches!(found(vec![], Some("n")).judge(&ASKING), Judgement::Unrelated));
}

#[test]
fn t292_a_record_of_another_cluster_is_refused_with_what_to_do() {
    let others = found(vec![earlier(|e| e.record.cluster_id = "before".to_owned())], Some("n"));
    let text = refused(&others);
    for part in [
        "record system/oauthclient-u",
        "the client is registered by cluster before, and this is cluster cluster",
        "start it with --cluster-id before",
        "suspects ack --unmatched oauthclient-u --namespace system",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn t211_another_namespace_needs_a_permission_that_names_this_object() {
    for (recorded, now) in [
        (Some("n"), Some("m")),
        (None, Some("n")),
        (Some("n"), None),
        (None, None),
    ] {
        let with = |restore_to: Option<&str>| {
            let record = earlier(|e| {
                e.record.namespace_uid = recorded.map(str::to_owned);
                e.restore_to = restore_to.map(str::to_owned);
            });
            found(vec![record], now)
        };
        let text = refused(&with(None));
        assert!(
            text.contains("kubectl -n system annotate secret oauthclient-u oauth-client-operator.dev/restore-to=new")
                && text.contains("suspects ack --unmatched oauthclient-u --namespace system"),
            "{text}"
        );
        assert_eq!(refused(&with(Some("another"))), text);
        assert!(matches!(with(Some("new")).judge(&ASKING), Judgement::TakesOver(_)));
    }
}

#[test]
fn t211_what_cannot_be_told_is_refused_with_what_to_do() {
    let in_flight = found(
        vec![earlier(|e| {
            e.record.in_flight = Some(InFlight::default());
            e.restore_to = Some("new".to_owned());
        })],
        Some("n"),
    );
    assert!(refused(&in_flight).contains("its last update was not answered"));
    let two = found(
        vec![earlier(|_| ()), earlier(|e| e.record.owner.uid = "v".to_owned())],
        Some("n"),
    );
    assert!(refused(&two).starts_with("2 records"));
    let unreadable = Earlier {
        unreadable: vec![Unreadable {
            name: "oauthclient-w".to_owned(),
            schema: None,
        }],
        ..found(vec![], Some("n"))
    };
    let text = refused(&unreadable);
    assert!(
        text.contains("record system/oauthclient-w") && text.contains("suspects ack --unmatched oauthclient-w"),
        "{text}"
    );
}

#[test]
fn t295_nobody_is_told_to_delete_the_client_of_a_record_of_a_newer_version() {
    let newer = Earlier {
        unreadable: vec![Unreadable {
            name: "oauthclient-w".to_owned(),
            schema: Some(7),
        }],
        ..found(vec![], Some("n"))
    };
    let text = refused(&newer);
    assert!(
        text.contains("(schema 7); upgrade the operator; do not delete or abandon it")
            && !text.contains("suspects ack")
            && !text.contains("delete its client"),
        "{text}"
    );
}

#[test]
fn t293_of_records_without_the_label_those_of_living_objects_are_not_read() {
    let listed = |name: &str, labelled| Listed {
        name: marker::record_name(name),
        owner_uid: Some(name.to_owned()),
        labelled,
    };
    let all = vec![
        listed("own", true),
        listed("a", true),
        listed("b", true),
        listed("c", true),
        listed("d", true),
        listed("right", true),
        listed("living", false),
        listed("old", false),
        Listed {
            name: "oauthclient-unknown".to_owned(),
            ..Listed::default()
        },
    ];
    let read = to_read(all, "oauthclient-own", |uid| ["living", "right"].contains(&uid));
    let names: Vec<_> = read.iter().map(|listed| listed.name.as_str()).collect();
    assert_eq!(
        names,
        ["a", "b", "c", "d", "right", "old", "unknown"].map(|uid| format!("oauthclient-{uid}"))
    );
}

#[test]
fn t294_two_records_of_one_client_are_known_by_what_both_say() {
    let pair = |change: fn(&mut Record)| {
        let first = earlier(|e| e.record.taken_by = Some("v".to_owned()));
        let mut next = earlier(|e| {
            e.record.owner.uid = "v".to_owned();
            e.record.taken_from = Some("u".to_owned());
        });
        change(&mut next.record);
        found(vec![next, first], Some("n"))
    };
    let both = pair(|_| ());
    let (first, next) = both.handed_on(&ASKING).unwrap();
    assert_eq!(
        (first.record.owner.uid.as_str(), next.record.owner.uid.as_str()),
        ("u", "v")
    );
    let others: [fn(&mut Record); 5] = [
        |r| r.client_id = "another".to_owned(),
        |r| r.endpoints.issuer = "https://another".to_owned(),
        |r| r.taken_from = None,
        |r| r.cluster_id = "another".to_owned(),
        |r| r.owner.uid = "w".to_owned(),
    ];
    for (number, change) in others.into_iter().enumerate() {
        assert!(pair(change).handed_on(&ASKING).is_none(), "{number}");
    }
}

#[test]
fn a_record_gets_the_uid_of_its_namespace_while_its_object_is_there() {
    let bare = record();
    let uid = |completed: Option<Record>| completed.and_then(|record| record.namespace_uid);
    assert_eq!(uid(completed(&bare, Some("n".to_owned()), true)).as_deref(), Some("n"));
    assert!(completed(&bare, Some("n".to_owned()), false).is_none());
    assert!(completed(&bare, None, true).is_none());
    let known = earlier(|_| ()).record;
    assert!(completed(&known, Some("m".to_owned()), true).is_none());
}
