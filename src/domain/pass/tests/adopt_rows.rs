//! Rows C8a, K10b and K15d: clients and tokens that are taken over.

use super::*;
use crate::domain::adoption::Adoption;
use crate::domain::secret as secrets;

fn token_secret(token: &str) -> Secret {
    serde_json::from_value(json!({
        "metadata": {
            "labels": {names::PROVIDER_CREDENTIALS: "true"},
            "annotations": {names::ALLOWED_ORIGINS: "https://p"},
        },
        "stringData": {},
        "data": {"token": k8s_openapi::ByteString(token.as_bytes().to_vec())},
    }))
    .unwrap()
}

fn adopts(world: World, uri: Option<&str>) -> World {
    world.with(|w| {
        w.object["spec"]["adopt"] = json!({"registrationAccessTokenRef": {"name": "t"}});
        if let Some(uri) = uri {
            w.object["spec"]["adopt"]["registrationClientURI"] = json!(uri);
        }
    })
}

fn adoption(world: &World, token: &str) -> Adoption {
    Adoption::of(
        world.parsed().spec.adopt.as_ref().unwrap(),
        "ns",
        Some(&token_secret(token)),
    )
    .unwrap()
}

/// The same world after the Secret was read.
fn read(world: World, token: &str) -> World {
    let adoption = adoption(&world, token);
    world.with(|w| w.journal.adoption = Some(Box::new(Ok(adoption))))
}

fn allowed(world: World) -> World {
    world.with(|w| w.provider.as_mut().unwrap().target.knobs.allow_adoption = true)
}

fn adopted() -> crate::api::Adopt {
    serde_json::from_value(json!({"registrationAccessTokenRef": {"name": "t"}})).unwrap()
}

/// A recorded client whose manifest has changed.
fn changed() -> World {
    World::kept().with(|w| {
        w.object["metadata"]["generation"] = json!(2);
        w.secret = Held::Unseen(true);
        w.deep = true;
        w.object["spec"]["redirectURIs"] = json!(["https://a/changed"]);
        let parsed = w.parsed();
        w.secret = Held::Ours(Box::new(secrets::credentials(&parsed, w.record.as_ref().unwrap())));
    })
}

#[test]
fn k10b_a_token_is_taken_over_once_and_its_secret_may_go_then() {
    let world = adopts(changed(), None);
    assert_eq!(world.short(), "ReadAdoption");
    let unread = read(adopts(changed(), None), "new");
    assert_eq!(
        unread.short(),
        "ReadObject",
        "a view that lags behind must not undo a newer token"
    );
    let changed = || changed().with(|w| w.journal.object_read = true);
    let token_known = read(adopts(changed(), None), "new");
    assert_eq!(token_known.short(), "Adopt");
    let elsewhere = read(adopts(changed(), None), "new").with(|w| w.foreign_update_age = Some(Duration::from_secs(1)));
    assert_eq!(elsewhere.short(), "Progressing");
    let Next::Do(Effect::Adopt(adoption)) = token_known.next() else {
        panic!("{}", token_known.short())
    };
    assert_eq!(
        adoption.uri,
        token_known.record.as_ref().unwrap().registration_client_uri
    );
    let done = || adopts(changed(), None).recorded(|r| r.adopted = Some(adoption.digest.clone()));
    assert_ne!(read(done(), "new").short(), "Adopt", "once");
    assert_eq!(read(done(), "newer").short(), "Adopt", "another token");
    let lost = Failure::new(Class::Denied, Reason::CredentialsMissing, "x");
    let gone = done().with(|w| w.journal.adoption = Some(Box::new(Err(lost.clone()))));
    assert_eq!(gone.short(), "MarkUpdate", "the update goes on");
    let replaced =
        adopts(changed(), None).recorded(|r| r.adopted = Some(crate::domain::adoption::set_aside(&adopted())));
    assert_eq!(
        replaced.short(),
        "MarkUpdate",
        "a replaced client has nothing to do with that token"
    );
    let never = adopts(changed(), None).with(|w| w.journal.adoption = Some(Box::new(Err(lost.clone()))));
    assert_eq!(never.short(), "CredentialsMissing");
}

#[test]
fn c8a_a_client_is_taken_over_instead_of_being_registered() {
    let uri = Some("https://p/c");
    let world = || adopts(World::fresh(), uri).with(|w| w.live = true);
    assert_eq!(world().short(), "AdoptionNotAllowed");
    assert_eq!(allowed(world()).short(), "ReadAdoption");
    let ready = || read(allowed(world()), "token");
    assert_eq!(ready().with(|w| w.endpoints = None).short(), "Discover");
    assert_eq!(ready().short(), "ProveWritable");
    let proven = || ready().with(|w| w.journal.proven = true);
    assert_eq!(proven().short(), "AddFinalizer");
    let held = proven().with(|w| w.object["metadata"]["finalizers"] = json!([names::FINALIZER]));
    assert_eq!(held.short(), "Adopt", "and never a POST");
    let nowhere = read(allowed(adopts(World::fresh(), None)), "token");
    assert_eq!(nowhere.short(), "InvalidSpec", "no address is known");
}

#[test]
fn k15d_what_others_gave_up_of_an_adopted_client_is_removed() {
    let world = World::kept().with(|w| {
        w.deep = true;
        let parsed = w.parsed();
        w.secret = Held::Ours(Box::new(secrets::credentials(&parsed, w.record.as_ref().unwrap())));
        w.journal.superseded = vec!["oauthclient-old".to_owned()];
    });
    assert_eq!(world.short(), "RemoveSuperseded");
}
