//! Each promise is broken once, and that is found.

use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

use super::*;

/// One object, Ready, with all that belongs to it.
fn sound() -> Leftovers {
    let uris = vec!["https://app.example/callback".to_owned()];
    Leftovers {
        objects: vec![Object {
            uid: "u".into(),
            namespace: "apps".into(),
            name: "app".into(),
            generation: 1,
            observed_generation: 1,
            ready: true,
            reason: "Registered".into(),
            deleting: false,
            client_id: Some("id".into()),
            secret_name: "app".into(),
            redirect_uris: uris.clone(),
        }],
        records: vec![recorded("u", "id")],
        secrets: vec![published("u", "id", Some("s3cret"))],
        ledger: [("id".to_owned(), issued(Some("a1")))].into(),
        ..Leftovers::default()
    }
}

fn recorded(uid: &str, id: &str) -> Recorded {
    Recorded {
        owner_uid: uid.into(),
        object: "apps/app".into(),
        client_id: id.into(),
        client_secret: Some("s3cret".into()),
        attempt: "a1".into(),
        phase: REGISTERED.into(),
    }
}

fn published(uid: &str, id: &str, secret: Option<&str>) -> Published {
    let id = ("client_id".to_owned(), id.into());
    let secret = secret.map(|secret| ("client_secret".to_owned(), secret.into()));
    Published {
        namespace: "apps".into(),
        name: "app".into(),
        owner_uid: Some(uid.into()),
        data: [id].into_iter().chain(secret).collect(),
    }
}

fn issued(attempt: Option<&str>) -> Issued {
    Issued {
        secret: Some("s3cret".into()),
        redirect_uris: Some(vec!["https://app.example/callback".into()]),
        attempt: attempt.map(Into::into),
        alive: true,
    }
}

fn suspect(attempt: &str, client_id: Option<&str>) -> Suspected {
    Suspected {
        object: "apps/app".into(),
        attempt: attempt.into(),
        client_id: client_id.map(Into::into),
    }
}

/// What is found after a change of what is sound.
#[track_caller]
fn finds(promise: &str, change: impl FnOnce(&mut Leftovers)) {
    let mut left = sound();
    change(&mut left);
    let found = broken(&left);
    assert!(
        found.iter().any(|text| text.starts_with(&format!("{promise}: "))),
        "{promise} is not among {found:?}"
    );
    assert!(!format!("{left:?}{found:?}").contains("s3cret"));
}

#[track_caller]
fn finds_nothing(change: impl FnOnce(&mut Leftovers)) {
    let mut left = sound();
    change(&mut left);
    assert_eq!(broken(&left), Vec::<String>::new());
}

#[test]
fn what_is_sound_breaks_nothing() {
    finds_nothing(|_| {});
}

#[test]
fn p1_ready_without_a_recorded_living_client_is_found() {
    finds("P1", |left| left.records.clear());
    finds("P1", |left| left.ledger.get_mut("id").unwrap().alive = false);
}

#[test]
fn p1_two_records_of_one_object_are_found() {
    finds("P1", |left| left.records.push(recorded("u", "id2")));
}

#[test]
fn p2_a_client_that_nothing_tells_of_is_found() {
    let stray = |left: &mut Leftovers, attempt| left.ledger.insert("stray".into(), issued(attempt));
    finds("P2", |left| {
        stray(left, Some("a2"));
    });
    finds("P2", |left| {
        stray(left, None);
    });
    finds("P2", |left| {
        stray(left, Some("a2"));
        left.suspects.push(suspect("a3", None));
        left.deadly_faults = 1;
    });
    for (attempt, entry) in [
        (Some("a2"), suspect("a2", None)),
        (None, suspect("a2", None)),
        (None, suspect("a2", Some("stray"))),
    ] {
        finds_nothing(|left| {
            stray(left, attempt);
            left.suspects.push(entry);
            left.deadly_faults = 1;
        });
    }
    finds_nothing(|left| {
        stray(left, None);
        left.their_clients.insert("stray".into(), issued(None));
    });
}

#[test]
fn p2_more_doubts_than_faults_are_found() {
    finds("P2", |left| left.suspects.push(suspect("a2", None)));
    finds("P2", |left| left.suspects.push(suspect("a2", Some("nobody"))));
    finds_nothing(|left| {
        left.ledger.insert("kept".into(), issued(None));
        left.suspects.push(suspect("a2", Some("kept")));
    });
}

#[test]
fn p3_half_a_credential_is_found() {
    finds("P3", |left| left.secrets[0] = published("u", "id", None));
    finds("P3", |left| left.secrets[0] = published("u", "nobody", Some("s3cret")));
    finds("P3", |left| {
        left.secrets[0].data.remove("client_id");
    });
    finds("P3", |left| {
        left.ledger.get_mut("id").unwrap().secret = None;
        left.secrets[0] = published("u", "id", Some("another"));
    });
    finds_nothing(|left| {
        left.ledger.get_mut("id").unwrap().secret = None;
        left.records[0].client_secret = None;
        left.secrets[0] = published("u", "id", None);
    });
}

#[test]
fn p3_the_secret_of_another_client_is_found() {
    finds("P3", |left| left.secrets[0] = published("u", "id", Some("another")));
}

#[test]
fn p4_a_touched_secret_or_client_of_others_is_found() {
    let theirs = || Published {
        name: "theirs".into(),
        data: [("key".to_owned(), "value".into())].into(),
        ..Published::default()
    };
    finds_nothing(|left| {
        left.their_secrets.push(theirs());
        left.secrets.push(theirs());
    });
    finds("P4", |left| left.their_secrets.push(theirs()));
    finds("P4", |left| {
        left.their_secrets.push(theirs());
        left.secrets.push(Published {
            owner_uid: Some("u".into()),
            ..theirs()
        });
    });
    finds("P4", |left| {
        left.their_clients.insert("theirs".into(), issued(None));
    });
}

#[test]
fn p9_a_deletion_that_does_not_end_is_found() {
    let deleting = |left: &mut Leftovers| {
        left.objects[0].deleting = true;
        left.objects[0].reason = "DeletionBlocked".into();
    };
    finds("P9", deleting);
    finds_nothing(|left| {
        deleting(left);
        left.excuses.insert("DeletionBlocked".into());
    });
    finds("P9", |left| {
        left.objects.clear();
        left.records[0].phase = DELETING.into();
    });
    let outlives = |left: &mut Leftovers| {
        left.objects.clear();
        left.secrets.clear();
    };
    finds("P9", outlives);
    finds_nothing(|left| {
        outlives(left);
        left.excuses.insert(OBJECT_VANISHED.into());
    });
    finds_nothing(|left| {
        outlives(left);
        left.records[0].phase = "Retained".into();
    });
}

#[test]
fn p10_a_wish_that_is_not_reached_is_found() {
    finds("P10", |left| left.objects[0].observed_generation = 0);
    finds("P10", |left| left.objects[0].ready = false);
    finds("P10", |left| left.objects[0].redirect_uris.clear());
    finds("P10", |left| left.secrets.clear());
    finds("P10", |left| left.secrets[0].owner_uid = None);
    finds("P10", |left| left.records[0].phase = DELETING.into());
    finds_nothing(|left| {
        left.objects[0].ready = false;
        left.objects[0].reason = "OutcomeUnknown".into();
        left.excuses.insert("OutcomeUnknown".into());
    });
}

#[test]
fn what_the_api_server_holds_is_read() {
    let secret = |value| serde_json::from_value::<Secret>(value).unwrap();
    let labels = |role: &str| json!({"oauth-client-operator.dev/role": role});
    let json = json!({
        "owner": {"uid": "u", "namespace": "apps", "name": "app"}, "clientId": "id", "clientSecret": "s3cret", "attempt": "a1",
        "phase": "Registered",
    });
    let bytes = k8s_openapi::ByteString(json.to_string().into_bytes());
    let record = secret(json!({"metadata": {"labels": labels("record")}, "data": {"record.json": bytes}}));
    let record = Recorded::from_secret(&record).unwrap();
    assert_eq!(
        (
            record.owner_uid.as_str(),
            record.object.as_str(),
            record.client_id.as_str()
        ),
        ("u", "apps/app", "id")
    );
    assert_eq!(record.client_secret.unwrap().expose_secret(), "s3cret");

    let data = json!({"attempt": "YTE=", "object": "YXBwcy9hcHA="});
    let entry = secret(json!({"metadata": {"labels": labels("suspect")}, "data": data}));
    let entry = Suspected::from_secret(&entry).unwrap();
    assert_eq!(
        (entry.attempt.as_str(), entry.object.as_str(), entry.client_id),
        ("a1", "apps/app", None)
    );

    let owners = json!([{"apiVersion": "v", "kind": "OAuthClient", "name": "app", "uid": "u", "controller": true}]);
    let held = secret(json!({"metadata": {"name": "app", "ownerReferences": owners}, "data": {"client_id": "aWQ="}}));
    let held = Published::from_secret(&held);
    assert_eq!(
        (held.owner_uid.as_deref(), held.text("client_id")),
        (Some("u"), Some("id"))
    );
    assert!(Recorded::from_secret(&secret(json!({}))).is_none());

    let object = Object::from_json(&json!({
        "metadata": {"name": "app", "namespace": "apps", "uid": "u", "generation": 2},
        "spec": {"redirectURIs": ["https://a.example"], "secret": {"name": "other"}},
        "status": {"observedGeneration": 2, "clientID": "id", "conditions": [
            {"type": "Ready", "status": "True", "reason": "Registered"},
        ]},
    }));
    assert!(object.is_ready() && !object.deleting);
    assert_eq!(
        (object.secret_name.as_str(), object.reason.as_str()),
        ("other", "Registered")
    );
    assert_eq!(object.redirect_uris, ["https://a.example"]);
}
