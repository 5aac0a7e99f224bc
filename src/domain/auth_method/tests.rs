use serde_json::json;

use super::*;
use crate::api::Profile;
use crate::domain::metadata;
use crate::domain::profile::knobs;
use crate::domain::record::tests::record;

fn spec(method: Option<&str>) -> OAuthClientSpec {
    let spec = json!({
        "providerRef": {"name": "p"}, "redirectURIs": ["https://a/cb"], "tokenEndpointAuthMethod": method,
    });
    serde_json::from_value(spec).unwrap()
}

fn request(spec: &OAuthClientSpec) -> Request {
    metadata::request(spec, "n", &knobs(Profile::Rfc7592)).unwrap()
}

fn listing(methods: &[&str]) -> Endpoints {
    Endpoints {
        auth_methods: Some(methods.iter().map(|method| (*method).to_owned()).collect()),
        ..Endpoints::default()
    }
}

/// The method of a first registration, or what is wrong.
fn settled(method: Option<&str>, listed: Option<&[&str]>) -> Result<String, String> {
    let spec = spec(method);
    let endpoints = listed.map(listing);
    settle(request(&spec), &spec, &knobs(Profile::Rfc7592), endpoints.as_ref())
        .map(|request| request[MEMBER].as_str().unwrap().to_owned())
        .map_err(|failure| failure.message)
}

#[test]
fn w112_the_first_preference_that_the_metadata_lists_is_chosen() {
    for (listed, chosen) in [
        (None, "client_secret_basic"),
        (Some(&[] as &[&str]), "client_secret_basic"),
        (
            Some(&["client_secret_post", "client_secret_basic"]),
            "client_secret_basic",
        ),
        (Some(&["none", "client_secret_post"]), "client_secret_post"),
        (Some(&["client_secret_jwt", "private_key_jwt"]), "client_secret_jwt"),
    ] {
        assert_eq!(settled(None, listed).as_deref(), Ok(chosen), "{listed:?}");
    }
    let message = settled(None, Some(&["none", "tls_client_auth"])).unwrap_err();
    assert!(message.contains("none, tls_client_auth"), "{message}");
    let mut with_keys = spec(None);
    with_keys.rare.get_or_insert_default().jwks_uri = Some("https://a/jwks".into());
    let endpoints = listing(&["private_key_jwt"]);
    let settled = settle(
        request(&with_keys),
        &with_keys,
        &knobs(Profile::Rfc7592),
        Some(&endpoints),
    )
    .unwrap();
    assert_eq!(settled[MEMBER], "private_key_jwt");
}

#[test]
fn w112_a_method_that_the_metadata_excludes_is_refused_with_the_field_and_the_values() {
    let listed: Option<&[&str]> = Some(&["client_secret_post", "none"]);
    assert_eq!(settled(Some("none"), listed).as_deref(), Ok("none"));
    let message = settled(Some("private_key_jwt"), listed).unwrap_err();
    for part in [
        "spec.tokenEndpointAuthMethod:",
        "private_key_jwt",
        "client_secret_post, none",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(settled(Some("private_key_jwt"), None).as_deref(), Ok("private_key_jwt"));
}

#[test]
fn w112_the_provider_object_overrides_the_metadata() {
    let endpoints = listing(&["client_secret_post"]);
    let mut own = knobs(Profile::Rfc7592);
    assert_eq!(supported(&own, Some(&endpoints)).unwrap(), ["client_secret_post"]);
    own.auth_methods = Some(vec!["none".into()]);
    assert_eq!(supported(&own, Some(&endpoints)).unwrap(), ["none"]);
    own.auth_methods = Some(Vec::new());
    assert_eq!(supported(&own, Some(&endpoints)), None, "nothing is known");
    let mut omitted = request(&spec(Some("x")));
    omitted.remove(MEMBER);
    own.auth_methods = None;
    let settled = settle(omitted, &spec(Some("x")), &own, Some(&endpoints)).unwrap();
    assert_eq!(settled.get(MEMBER), None, "what is not sent is not checked");
}

#[test]
fn w113_a_registered_client_keeps_its_method_whatever_the_metadata_says() {
    let kept = |method: Option<&str>, before: &str, chosen: Option<&str>| {
        let (spec, mut record) = (spec(method), record());
        record.request.insert(MEMBER.into(), before.into());
        record.auth_method = chosen.map(str::to_owned);
        let endpoints = listing(&["client_secret_jwt"]);
        keep(
            request(&spec),
            &spec,
            record.former_auth_method(),
            &knobs(Profile::Rfc7592),
            Some(&endpoints),
        )
        .map(|request| request[MEMBER].as_str().unwrap().to_owned())
        .map_err(|failure| failure.reason)
    };
    assert_eq!(
        kept(None, "client_secret_post", Some("client_secret_post")).as_deref(),
        Ok("client_secret_post")
    );
    let earlier = kept(None, "client_secret_basic", None);
    assert_eq!(
        earlier.as_deref(),
        Ok("client_secret_basic"),
        "a record of an earlier version"
    );
    assert_eq!(
        kept(Some("none"), "none", None).as_deref(),
        Ok("none"),
        "unchanged, it is not checked again"
    );
    assert_eq!(
        kept(Some("private_key_jwt"), "client_secret_post", None),
        Err(Reason::AuthMethodUnsupported)
    );
    assert_eq!(
        kept(Some("none"), "client_secret_post", None).as_deref(),
        Ok("none"),
        "Keycloak registers public clients and lists no such method"
    );
    let (spec, mut adopted) = (spec(None), record());
    adopted.metadata.insert(MEMBER.into(), "client_secret_post".into());
    let taken_over = keep(
        request(&spec),
        &spec,
        adopted.former_auth_method(),
        &knobs(Profile::Rfc7592),
        None,
    )
    .unwrap();
    assert_eq!(taken_over[MEMBER], "client_secret_post", "a client that was taken over");
    let removed = kept(None, "none", None);
    assert_eq!(
        removed.as_deref(),
        Ok("client_secret_jwt"),
        "taken out of the manifest, one is chosen"
    );
}

#[test]
fn w112_what_may_be_chosen_is_known_without_the_metadata() {
    let unset = spec(None);
    let methods: Vec<_> = possible(&request(&unset), &unset)
        .map(|request| request[MEMBER].clone())
        .collect();
    assert_eq!(methods, WITH_SECRET);
    let set = spec(Some("none"));
    assert_eq!(possible(&request(&set), &set).collect::<Vec<_>>(), [request(&set)]);
}
