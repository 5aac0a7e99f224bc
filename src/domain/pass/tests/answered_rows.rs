//! Rows about what a provider made of a request: K10d, K11c, K16c, and which members an update has.

use super::keep_rows::changed;
use super::*;

/// The application would fail: the manifest sets one method, and the provider registered another one.
#[test]
fn w111_k16c_a_method_that_the_provider_replaced_is_not_ready() {
    let world = |set: Option<&str>, stated: Value| {
        let mut world = World::kept().with(|w| w.object["spec"]["tokenEndpointAuthMethod"] = json!(set));
        let mut record = world.matching_record();
        record.metadata.insert("token_endpoint_auth_method".into(), stated);
        let wanted = secret::credentials(&world.parsed(), &record);
        (world.record, world.secret) = (Some(record), Held::Ours(Box::new(wanted)));
        world
    };
    for (set, stated) in [
        ("none", json!("client_secret_basic")),
        ("private_key_jwt", json!("client_secret_basic")),
        ("client_secret_basic", json!(["private_key_jwt"])),
    ] {
        let world = world(Some(set), stated);
        let Next::Finish(Verdict::Failed(failure)) = world.next() else {
            panic!("{}", world.short())
        };
        assert_eq!(failure.reason, Reason::AuthMethodSubstituted);
        assert!(
            failure.message.contains(&format!("instead of {set}")),
            "{}",
            failure.message
        );
    }
    for (set, stated) in [
        (Some("none"), json!("none")),
        (Some("none"), json!(["none"])),
        (Some("none"), json!(7)),
        (None, json!("client_secret_post")),
        // The operator chose the former.
        (None, json!("none")),
        // Keycloak states the former for both, and takes both.
        (Some("client_secret_post"), json!("client_secret_basic")),
    ] {
        assert_eq!(world(set, stated).short(), "Ready", "{set:?}");
    }
}

#[test]
fn w111_k16c_a_method_that_needs_more_than_the_secret_holds_is_not_ready_whoever_chose() {
    let with = |stated: &str, secret: Option<&str>| {
        let mut world = World::kept();
        let mut record = world.matching_record();
        record.auth_method = Some("client_secret_basic".into());
        record.client_secret = secret.map(Into::into);
        record
            .metadata
            .insert("token_endpoint_auth_method".into(), json!(stated));
        let wanted = secret::credentials(&world.parsed(), &record);
        (world.record, world.secret) = (Some(record), Held::Ours(Box::new(wanted)));
        world.short()
    };
    assert_eq!(with("private_key_jwt", Some("s")), "AuthMethodSubstituted");
    assert_eq!(with("client_secret_jwt", Some("s")), "Ready");
    assert_eq!(with("none", Some("s")), "Ready");
}

#[test]
fn w111_k11_a_user_who_asks_has_a_request_sent_once_more_whose_values_were_substituted() {
    let world = |stated: &str| {
        let mut world = World::kept().with(|w| {
            w.object["spec"]["tokenEndpointAuthMethod"] = json!("none");
            w.object["metadata"]["annotations"] = json!({names::RECONCILE: "1"});
            w.journal.object_read = true;
            w.deep = true;
        });
        let mut record = world.matching_record();
        record
            .metadata
            .insert("token_endpoint_auth_method".into(), stated.into());
        let wanted = secret::credentials(&world.parsed(), &record);
        (world.record, world.secret) = (Some(record), Held::Ours(Box::new(wanted)));
        world
    };
    assert_eq!(world("client_secret_basic").short(), "MarkUpdate");
    let sent = world("client_secret_basic").with(|w| w.journal.accepted = true);
    assert_eq!(sent.short(), "AuthMethodSubstituted", "once");
    assert_eq!(world("none").short(), "Ready", "nothing is to be changed");
}

#[test]
fn w113_k10d_other_metadata_gives_a_registered_client_no_other_method() {
    let world = |method: Option<&str>, listed: &[&str]| {
        let mut world = changed();
        world.object["spec"]["tokenEndpointAuthMethod"] = json!(method);
        let listed = listed.iter().map(|method| (*method).to_owned()).collect();
        world.endpoints.as_mut().unwrap().auth_methods = Some(listed);
        let record = world.record.as_mut().unwrap();
        record.auth_method = Some("client_secret_post".into());
        record
            .request
            .insert("token_endpoint_auth_method".into(), json!("client_secret_post"));
        let wanted = secret::credentials(&world.parsed(), world.record.as_ref().unwrap());
        (world.secret, world.journal.object_read) = (Held::Ours(Box::new(wanted)), true);
        world
    };
    let unset = world(None, &["client_secret_jwt"]);
    let Next::Do(Effect::MarkUpdate(record)) = unset.next() else {
        panic!("{}", unset.short())
    };
    let sent = unset.with(|w| (w.record, w.journal.marked) = (Some(*record), Some("fresh".into())));
    let Next::Do(Effect::Update { body, .. }) = sent.next() else {
        panic!("{}", sent.short())
    };
    assert_eq!(body["token_endpoint_auth_method"], "client_secret_post");
    assert_eq!(
        world(Some("private_key_jwt"), &["client_secret_jwt"]).short(),
        "AuthMethodUnsupported"
    );
    assert_eq!(world(Some("none"), &["none"]).short(), "MarkUpdate");
}

/// A client whose manifest no longer sets a member that the provider has.
fn without_page() -> World {
    let mut world = changed();
    let record = world.record.as_mut().unwrap();
    record.request.insert("client_uri".into(), json!("https://a/page"));
    let request = world.request();
    let kept = record_with(&world, |r| {
        r.cleared.left.insert("client_uri".into(), json!("https://a/page"));
        r.request = request;
    });
    world.with(|w| (w.record, w.journal.object_read) = (Some(kept), true))
}

fn record_with(world: &World, change: impl FnOnce(&mut Record)) -> Record {
    let mut record = world.record.clone().unwrap();
    change(&mut record);
    record
}

#[test]
fn w114_k11_a_member_that_is_left_is_cleared_in_the_next_way_until_none_is_left() {
    let mut world = without_page();
    let mut sent = Vec::new();
    while let Next::Do(Effect::MarkUpdate(record)) = world.next() {
        (world.record, world.journal.marked) = (Some(*record), Some("fresh".into()));
        let Next::Do(Effect::Update { body, .. }) = world.next() else {
            panic!("{}", world.short())
        };
        sent.push(body.get("client_uri").cloned());
        // K11c: the provider refuses each of them.
        world.journal.clearing_refused = Some("fresh".into());
        let Next::Do(Effect::SaveRecord(record)) = world.next() else {
            panic!("{}", world.short())
        };
        assert!(record.in_flight.is_none() && record.cleared.sending.is_none());
        (world.record, world.journal.clearing_refused, world.journal.marked) = (Some(*record), None, None);
    }
    assert_eq!(sent, [None, Some(json!(null)), Some(json!("")), Some(json!(""))]);
    assert_eq!(
        world.short(),
        "Ready",
        "what no way clears keeps nothing from being Ready"
    );
    world.provider.as_mut().unwrap().target.knobs.clearing = Some(crate::api::Clearing::Null);
    assert_eq!(world.short(), "Ready", "that way was tried");
}

#[test]
fn w117_k1d_k12a_a_substituted_update_is_taken_back_before_the_secret_is_looked_at_and_then_refused() {
    let mut world = changed().with(|w| w.journal.object_read = true);
    world.provider.as_mut().unwrap().target.substitutions = crate::api::Substitutions::Reject;
    let former = world.record.as_ref().unwrap().request.clone();
    let rejected = crate::domain::record::Rejected {
        hash: crate::domain::substitution::hash(&world.parsed().spec, &world.request(), &provider()),
        members: [("scope".into(), "other".into())].into(),
        former: Some(former.clone()),
        kept: false,
        rotated: false,
        refused: None,
    };
    let request = world.request();
    world.secret = Held::Absent;
    let mut world = world.recorded(|r| (r.rejected, r.request) = (Some(rejected.clone()), request));
    let Next::Do(Effect::MarkUpdate(record)) = world.next() else {
        panic!("{}", world.short())
    };
    (world.record, world.journal.marked) = (Some(*record), Some("fresh".into()));
    let Next::Do(Effect::Update { request, .. }) = world.next() else {
        panic!("{}", world.short())
    };
    assert_eq!(request, former);
    // A2: what the former request brings is no reason to go back again.
    world.journal.answer = Some(Box::new((former.clone(), answer())));
    let Next::Do(Effect::SaveRecord(record)) = world.next() else {
        panic!("{}", world.short())
    };
    assert_eq!(
        (&record.request, &record.rejected),
        (&former, &Some(rejected.settled()))
    );
    (world.record, world.journal.answer) = (Some(*record), None);
    assert_eq!(world.short(), "CreateCredentials");
    let wanted = secret::credentials(&world.parsed(), world.record.as_ref().unwrap());
    world.secret = Held::Ours(Box::new(wanted));
    assert_eq!(world.short(), "SubstitutionRejected");
    world.provider.as_mut().unwrap().fingerprint = "another".into();
    assert_eq!(world.short(), "MarkUpdate", "another provider may accept it");
}

/// Nothing that keeps the former request from being sent keeps the Secret from being restored.
#[test]
fn w117_k1d_the_secret_is_kept_while_the_former_request_cannot_be_sent() {
    let rejected = crate::domain::record::Rejected {
        hash: "h".into(),
        members: [("scope".into(), "other".into())].into(),
        former: Some(World::kept().record.unwrap().request),
        kept: false,
        rotated: false,
        refused: None,
    };
    let world = || {
        let mut world = changed().with(|w| w.journal.object_read = true);
        world.provider.as_mut().unwrap().target.substitutions = crate::api::Substitutions::Reject;
        let request = world.request();
        world.secret = Held::Absent;
        world.recorded(|r| (r.rejected, r.request) = (Some(rejected.clone()), request))
    };
    assert_eq!(world().short(), "MarkUpdate", "the mark of the update");
    assert_eq!(
        Effect::MarkUpdate(Box::new(World::kept().record.unwrap())).admission(),
        Admission::PermitAndLeadership,
        "a pass that ended after the mark would take its update for one without an answer"
    );
    let unmanaged = world().recorded(|r| r.management.mode = crate::api::ManagementMode::None);
    assert_eq!(unmanaged.short(), "CreateCredentials");
    let unmanaged = world().recorded(|r| r.management.mode = crate::api::ManagementMode::None);
    let restored = |mut world: World| {
        let wanted = secret::credentials(&world.parsed(), world.record.as_ref().unwrap());
        world.secret = Held::Ours(Box::new(wanted));
        world
    };
    assert_eq!(restored(unmanaged).short(), "UpdateUnsupported");
    // A token that the provider accepts no more would be sent for ever, and nothing could help.
    let replaced = world().with(|w| w.object["metadata"]["annotations"][names::REPLACE] = json!("id"));
    assert_ne!(restored(replaced).short(), "MarkUpdate");
    // Nobody wants it to be taken back any more.
    let accepted = restored(world()).with(|w| {
        w.provider.as_mut().unwrap().target.substitutions = crate::api::Substitutions::Accept;
    });
    let Next::Do(Effect::SaveRecord(record)) = accepted.next() else {
        panic!("{}", accepted.short())
    };
    assert_eq!(record.rejected, None, "it would be old by the time it is wanted again");
    assert_eq!(accepted.with(|w| w.record = Some(*record)).short(), "Ready");
}

#[test]
fn w117_a2_only_what_an_update_brought_about_is_taken_back() {
    use crate::api::Substitutions;
    let after = |before: Option<&str>, wanted: &str, stated: &str, substitutions| {
        let mut world = World::kept().with(|w| w.object["spec"]["scopes"] = json!([wanted]));
        let mut request = world.request();
        request.insert("tos_uri".into(), json!("https://a/tos"));
        let mut answered = answer();
        answered.metadata.insert("scope".into(), json!(stated));
        world.provider.as_mut().unwrap().target.substitutions = substitutions;
        world.journal.answer = Some(Box::new((request, answered)));
        let world = world.recorded(|r| {
            match before {
                Some(before) => drop(r.request.insert("scope".into(), json!(before))),
                None => r.request.clear(),
            }
            r.metadata.insert("scope".into(), json!("other"));
        });
        let Next::Do(Effect::SaveRecord(record)) = world.next() else {
            panic!("{}", world.short())
        };
        record.rejected
    };
    let rejected = |before, wanted, stated, substitutions| after(Some(before), wanted, stated, substitutions);
    let taken_back = rejected("a", "b", "other", Substitutions::Reject).unwrap();
    assert_eq!(taken_back.members, [("scope".to_owned(), "other".to_owned())].into());
    assert!(taken_back.former.is_some() && !taken_back.kept);
    // Of a client that was taken over, no former request is known: it keeps the values, and is told.
    let taken_over = after(None, "b", "other", Substitutions::Reject).unwrap();
    assert!(taken_over.former.is_none() && taken_over.kept);
    assert_eq!(taken_over.members, taken_back.members);
    assert_eq!(
        rejected("a", "a", "other", Substitutions::Reject),
        None,
        "it was so before"
    );
    assert_eq!(rejected("a", "b", "b", Substitutions::Reject), None);
    assert_eq!(rejected("a", "b", "other", Substitutions::Accept), None);
}
