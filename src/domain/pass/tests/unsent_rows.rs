//! Registrations that are refused before any call: rows C8, C8c, C9, C10a.

use super::*;

#[test]
fn c8_a_manifest_that_cannot_work_is_not_sent() {
    let world = World::fresh().with(|w| w.object["spec"]["extraMetadata"] = json!({"client_id": "x"}));
    assert_eq!(world.short(), "InvalidSpec");
}

#[test]
fn w112_c10a_a_method_that_the_metadata_excludes_is_refused_before_any_call() {
    let listing = |method: Option<&str>, listed: &[&str]| {
        let listed = listed.iter().map(|method| (*method).to_owned()).collect();
        World::fresh().with(|w| {
            w.object["spec"]["tokenEndpointAuthMethod"] = json!(method);
            w.endpoints.as_mut().unwrap().auth_methods = Some(listed);
        })
    };
    assert_eq!(
        listing(Some("client_secret_jwt"), &["client_secret_post"]).short(),
        "AuthMethodUnsupported"
    );
    assert_eq!(listing(Some("none"), &["client_secret_post"]).short(), "ProveWritable");
    assert_eq!(listing(None, &["none"]).short(), "AuthMethodUnsupported");
    assert_eq!(listing(Some("none"), &["none"]).short(), "ProveWritable");
    let chosen = listing(None, &["client_secret_post"]).with(|w| {
        (w.journal.proven, w.journal.attempt) = (true, Some("a1".into()));
    });
    let Next::Do(Effect::Register { request, body }) = chosen.next() else {
        panic!("{}", chosen.short())
    };
    assert_eq!(request["token_endpoint_auth_method"], "client_secret_post");
    assert_eq!(body["token_endpoint_auth_method"], "client_secret_post");
}

/// The refused request is known again without discovery, whichever method was chosen for it.
#[test]
fn w112_c9_a_rejected_request_is_known_by_every_method_that_may_be_chosen() {
    let mut request = World::fresh().request();
    request.insert("token_endpoint_auth_method".into(), json!("client_secret_post"));
    let hash = create::fingerprint(&request, &provider());
    let world = World::fresh().with(|w| {
        w.endpoints = None;
        w.object["status"] = json!({
            "attempt": {"id": "a1", "outcome": "NotApplied", "requestHash": hash},
            "conditions": [{"type": "Stalled", "status": "True", "reason": "RegistrationRejected", "lastTransitionTime": ""}],
        });
    });
    assert_eq!(world.short(), "Nothing");
    let set = world.with(|w| w.object["spec"]["tokenEndpointAuthMethod"] = json!("client_secret_basic"));
    assert_eq!(set.short(), "Discover");
}

#[test]
fn w116_c8c_what_cannot_be_deregistered_cannot_be_rejected() {
    use crate::api::{ManagementMode, Substitutions};

    let world = |substitutions, management| {
        World::fresh().with(|w| {
            let target = &mut w.provider.as_mut().unwrap().target;
            (target.substitutions, target.knobs.management) = (substitutions, management);
        })
    };
    assert_eq!(
        world(Substitutions::Reject, ManagementMode::None).short(),
        "InvalidSpec"
    );
    assert_eq!(
        world(Substitutions::Accept, ManagementMode::None).short(),
        "ProveWritable"
    );
    let managed = world(Substitutions::Reject, ManagementMode::RegistrationAccessToken);
    assert_eq!(managed.short(), "ProveWritable");
}
