//! Row K10c: the record follows the provider.

use std::sync::Arc;

use super::*;

/// A deep look at a client that is Ready, whose provider is known to have these endpoints.
fn looked_at(change: impl FnOnce(&mut Endpoints)) -> World {
    World::kept().with(|w| {
        let wanted = secret::credentials(&w.parsed(), w.record.as_ref().unwrap());
        (w.secret, w.deep, w.endpoints) = (Held::Ours(Box::new(wanted)), true, None);
        let mut known = stored().endpoints;
        change(&mut known);
        w.provider.as_mut().unwrap().known = Some(Arc::new(known));
    })
}

fn moved(endpoints: &mut Endpoints) {
    endpoints.token = Some("https://p/token2".into());
}

/// The record that is saved.
fn saved(world: &World) -> Record {
    match world.next() {
        Next::Do(Effect::SaveRecord(record)) => *record,
        _ => panic!("{}", world.short()),
    }
}

#[test]
fn t251_k10c_endpoints_follow_into_the_record_and_then_into_the_secret() {
    assert_eq!(looked_at(|_| {}).short(), "Ready", "nothing has changed");
    let world = looked_at(moved);
    let record = saved(&world);
    assert_eq!(record.endpoints.token.as_deref(), Some("https://p/token2"));
    assert_eq!(
        record.credential_generation,
        stored().credential_generation,
        "the credentials are the same"
    );
    let world = world.with(|w| w.record = Some(record));
    assert_eq!(world.short(), "PatchCredentials");
    let wanted = secret::credentials(&world.parsed(), world.record.as_ref().unwrap());
    assert_eq!(world.with(|w| w.secret = Held::Ours(Box::new(wanted))).short(), "Ready");
}

#[test]
fn w113_k10c_other_authentication_methods_of_the_provider_change_no_record() {
    let world = looked_at(|endpoints| endpoints.auth_methods = Some(vec!["client_secret_post".into()]));
    assert_eq!(world.short(), "Ready");
    let moved = looked_at(|endpoints| {
        moved(endpoints);
        endpoints.auth_methods = Some(vec!["client_secret_post".into()]);
    });
    assert_eq!(saved(&moved).endpoints.auth_methods, None);
}

#[test]
fn t251_k10c_what_is_not_known_or_belongs_to_another_issuer_changes_nothing() {
    let unknown = looked_at(moved).with(|w| w.provider.as_mut().unwrap().known = None);
    assert_eq!(unknown.short(), "Ready");
    let at_rest = looked_at(moved).with(|w| w.deep = false);
    assert_eq!(at_rest.short(), "Ready", "only a deep look compares");
    let other = |endpoints: &mut Endpoints| {
        moved(endpoints);
        endpoints.issuer = "https://q".into();
    };
    assert_eq!(looked_at(other).short(), "Ready");
    let elsewhere = looked_at(moved).with(|w| {
        w.provider.as_mut().unwrap().target.location = Location::Issuer("https://q".into());
    });
    assert_eq!(elsewhere.short(), "Ready");
    let untold = looked_at(|_| {}).with(|w| {
        let provider = w.provider.as_mut().unwrap();
        provider.target.location = Location::MetadataUrl("https://q/metadata".into());
        (provider.known, provider.target.ca_bundle) = (None, Some("new".into()));
    });
    assert_eq!(
        untold.short(),
        "Ready",
        "nothing tells the issuer of the provider object"
    );
}

#[test]
fn t252_k10c_the_provider_object_decides_whom_to_trust_however_it_came_to_be() {
    let world = looked_at(|_| {}).with(|w| {
        let provider = w.provider.as_mut().unwrap();
        provider.uid = "made-anew".into();
        provider.target.ca_bundle = Some("new".into());
        provider.target.allowed_origins = vec!["https://api".into()];
        provider.target.knobs.management = crate::api::ManagementMode::Credentials;
        provider.known = None;
    });
    let management = saved(&world).management;
    assert_eq!(management.provider_uid, "made-anew");
    assert_eq!(management.ca_bundle.as_deref(), Some("new"));
    assert_eq!(management.allowed_origins, ["https://api"]);
    assert_eq!(management.mode, crate::api::ManagementMode::Credentials);
}

#[test]
fn t252_k10c_what_is_known_of_the_client_itself_stays_when_its_provider_is_followed() {
    let world = looked_at(|_| {}).recorded(|r| {
        r.management.members.insert("app_id".into(), "42".into());
        r.metadata.insert("app_id".into(), json!("43"));
        r.metadata.insert("tenant".into(), json!("t"));
    });
    assert_eq!(world.short(), "Ready");
    let world = world.with(|w| {
        let template = "https://p/{tenant}/{app_id}";
        w.provider.as_mut().unwrap().target.knobs.uri_template = template.into();
    });
    let record = saved(&world);
    let known = |name: &str| record.management.members[name].as_str();
    assert_eq!((known("app_id"), known("tenant")), ("42", "t"));
    assert_eq!(world.with(|w| w.record = Some(record)).short(), "Ready", "saved once");
}

#[test]
fn t252_k10c_a_template_that_cannot_lead_to_the_client_is_not_followed() {
    let world = looked_at(|_| {}).with(|w| {
        let knobs = &mut w.provider.as_mut().unwrap().target.knobs;
        knobs.management = crate::api::ManagementMode::Credentials;
        knobs.uri_template = "https://p/{app_id}".into();
    });
    let world = world.recorded(|r| r.metadata.insert("app_id".into(), json!("42")).map_or((), drop));
    let record = saved(&world);
    assert_eq!(record.management.uri_template, "https://p/{app_id}");
    let world = world.with(|w| w.record = Some(record));
    let mistyped = world.with(|w| w.provider.as_mut().unwrap().target.knobs.uri_template = "https://p/{appid}".into());
    assert_eq!(mistyped.short(), "Ready", "the one that leads there stays");
}

#[test]
fn t252_k10c_a_token_goes_to_its_uri_although_the_registration_endpoint_moves() {
    let moved = |endpoints: &mut Endpoints| endpoints.registration = "https://reg-b/reg".into();
    let before = |uri: &str| {
        let world = looked_at(moved).recorded(|r| r.endpoints.registration = "https://reg-a/reg".into());
        world.recorded(|r| r.registration_client_uri = Some(uri.into()))
    };
    let world = before("https://reg-a/reg/id");
    let record = saved(&world);
    assert_eq!(record.management.allowed_origins, ["https://reg-a"]);
    let again = world.with(|w| w.record = Some(record));
    assert_eq!(again.short(), "Ready", "it is saved once");
    // What was not trusted before is not now.
    assert!(
        saved(&before("https://elsewhere/reg/id"))
            .management
            .allowed_origins
            .is_empty()
    );
}

#[test]
fn t251_k10c_an_update_that_is_under_way_ends_first() {
    let world = looked_at(moved).recorded(|r| r.in_flight = Some(InFlight::default()));
    assert_eq!(world.short(), "Discover", "the update goes on");
    let updated = looked_at(moved).with(|w| {
        w.object["metadata"]["generation"] = json!(2);
        w.object["spec"]["redirectURIs"] = json!(["https://b/cb"]);
    });
    let record = saved(&updated);
    assert!(
        record.in_flight.is_none(),
        "the update rests on the record as it is then"
    );
    assert_eq!(updated.with(|w| w.record = Some(record)).short(), "PatchCredentials");
}

#[test]
fn t253_k3_the_secret_of_a_client_that_is_not_ready_is_read() {
    let failed = World::kept().with(|w| {
        w.object["status"]["conditions"] = json!([
            {"type": "Ready", "status": "False", "reason": "SecretWriteDenied", "lastTransitionTime": "", "observedGeneration": 1},
        ]);
    });
    assert_eq!(
        failed.short(),
        "ReadCredentials",
        "the record may have changed since it was written"
    );
}
