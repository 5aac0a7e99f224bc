//! A client secret that expires: row K15e, and what does not hide it.

use super::*;

const EXPIRY: i64 = 1_000_000;

/// An object whose secret expires at [`EXPIRY`], so many seconds before that.
fn expiring(before: i64) -> World {
    World::kept()
        .recorded(|r| r.client_secret_expires_at = Some(EXPIRY))
        .with(|w| {
            w.object["status"]["secretExpiresAt"] = json!("1970-01-12T13:46:40Z");
            w.now = EXPIRY - before;
            w.record_sight = Some(RecordView::Unseen);
        })
}

/// The same when its record was read.
fn read(before: i64) -> World {
    expiring(before).with(|w| {
        w.record_sight = None;
        let wanted = secret::credentials(&w.parsed(), w.record.as_ref().unwrap());
        w.secret = Held::Ours(Box::new(wanted));
    })
}

/// The verdict of the expiry stands in the status.
fn told(world: World) -> World {
    world.with(|w| {
        w.object["status"]["conditions"][0]["status"] = json!("False");
        w.object["status"]["conditions"][0]["reason"] = json!("SecretExpired");
        let stalled = json!({"type": "Stalled", "status": "True", "reason": "SecretExpired", "lastTransitionTime": ""});
        w.object["status"]["conditions"].as_array_mut().unwrap().push(stalled);
    })
}

#[test]
fn t240_a9_nothing_is_read_before_the_expiry_and_none_after_the_verdict_about_it() {
    assert_eq!(expiring(1).short(), "Nothing");
    assert_eq!(expiring(0).short(), "ReadRecord");
    assert_eq!(told(expiring(0)).short(), "Nothing", "a start, days later");
    let renewed = told(expiring(1));
    assert_eq!(renewed.short(), "ReadRecord", "the provider extended it");
}

#[test]
fn t240_k15e_an_expired_secret_is_no_ready_client_and_asks_nothing_of_the_provider() {
    let unresolved = |world: World| world.with(|w| w.resolved = false).short();
    assert_eq!(unresolved(read(1)), "Ready");
    assert_eq!(unresolved(read(0)), "SecretExpired");
    assert_eq!(unresolved(told(read(-86_400))), "SecretExpired");
    let without_provider = told(read(0)).with(|w| {
        w.provider = Err(Failure::new(Class::Denied, Reason::ProviderNotFound, "x"));
        w.deep = true;
    });
    assert_eq!(
        without_provider.short(),
        "SecretExpired",
        "a missing provider object changes nothing"
    );
}

#[test]
fn t240_k15e_what_expired_at_once_is_not_tried() {
    let registered = read(0).with(|w| w.journal.attempt = Some("a1".into()));
    assert_eq!(registered.short(), "SecretExpired");
}

#[test]
fn t240_k10a_the_replace_annotation_leads_out_of_it() {
    let replaced = told(read(0)).with(|w| {
        w.object["metadata"]["annotations"][names::REPLACE] = json!("id");
    });
    assert_eq!(replaced.short(), "ReadObject");
    let kept = replaced.with(|w| w.journal.object_read = true);
    assert_eq!(kept.short(), "KeepSuspect");
}

#[test]
fn t240_an_update_whose_answer_names_another_time_leads_out_of_it() {
    let answered = told(read(0)).with(|w| {
        let later = Registration {
            client_secret_expires_at: Some(EXPIRY + 60),
            ..answer()
        };
        w.journal.answer = Some(Box::new((Request::new(), later)));
    });
    let Next::Do(Effect::SaveRecord(record)) = answered.next() else {
        panic!("{}", answered.short())
    };
    assert_eq!(record.client_secret_expires_at, Some(EXPIRY + 60));
    let saved = told(read(0)).recorded(|r| r.client_secret_expires_at = Some(EXPIRY + 60));
    assert_eq!(saved.short(), "Ready");
}
