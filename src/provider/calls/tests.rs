use crate::api::{OnClientLost, OnUnknownOutcome, Profile};
use crate::domain::profile;
use crate::domain::record::tests::record as stored;
use crate::domain::target::Location;
use secrecy::ExposeSecret as _;

use super::super::double::{PATIENT, bearer};
use super::*;
use crate::domain::probe::ProbeKind;

/// A provider object that names this issuer, with this token for management.
pub(in crate::provider) fn target(issuer: &str, token: &str) -> Target {
    Target {
        uid: "provider".to_owned(),
        namespaced: false,
        location: Location::Issuer(issuer.to_owned()),
        expected_issuer: None,
        registration_endpoint: None,
        allowed_origins: Vec::new(),
        discovery: Credentials::default(),
        registration: Credentials::default(),
        management: bearer(token),
        knobs: profile::knobs(Profile::Rfc7592),
        on_unknown_outcome: OnUnknownOutcome::Register,
        on_client_lost: OnClientLost::Register,
        substitutions: crate::api::Substitutions::Accept,
        verify: crate::api::Verify::Auto,
        ca_bundle: None,
        presented: crate::domain::target::Presented::default(),
        deadlines: PATIENT,
    }
}

/// The record of a client at this issuer, which is managed in this mode.
pub(in crate::provider) fn record(issuer: &str, mode: ManagementMode) -> Record {
    let mut record = stored();
    record.endpoints = endpoints(issuer);
    record.registration_client_uri = Some(format!("{issuer}/reg/id"));
    record.management = Access {
        mode,
        uri_template: "{registration_endpoint}/{client_id}".to_owned(),
        connect_timeout_ms: 10_000,
        request_timeout_ms: 20_000,
        ..Access::default()
    };
    record
}

fn endpoints(issuer: &str) -> Endpoints {
    Endpoints {
        issuer: issuer.to_owned(),
        registration: format!("{issuer}/reg"),
        token: Some(format!("{issuer}/token")),
        ..Endpoints::default()
    }
}

const A: &str = "https://a.example";
const B: &str = "https://b.example";

fn managed(record: &Record, target: &Target) -> Result<ManagementCall, Failure> {
    ManagementCall::of(record, Located::stated(target)).map(Option::unwrap)
}

fn token_of(call: &ManagementCall) -> &str {
    let AuthScheme::Bearer(token) = call.scheme() else {
        panic!("no token")
    };
    token.expose_secret()
}

fn reason<T: std::fmt::Debug>(result: Result<T, Failure>) -> Reason {
    let failure = result.unwrap_err();
    assert_eq!(failure.class, Class::Denied, "{failure}");
    failure.reason
}

fn listing(origins: &[&str]) -> Credentials {
    Credentials {
        origins: Some(origins.iter().map(|origin| (*origin).to_owned()).collect()),
        ..bearer("of-the-operator")
    }
}

#[test]
fn t98_credentials_of_a_provider_object_go_only_to_the_issuer_that_it_names() {
    let record = record(A, ManagementMode::Credentials);
    let call = managed(&record, &target(A, "of-a")).unwrap();
    assert_eq!((call.uri(), token_of(&call)), ("https://a.example/reg/id", "of-a"));

    let failure = managed(&record, &target(B, "of-b")).unwrap_err();
    assert_eq!(
        (failure.class, failure.reason),
        (Class::Denied, Reason::ProviderChanged)
    );
    assert!(failure.message.contains(A) && failure.message.contains(B), "{failure}");
    assert!(!failure.message.contains("of-b"), "{failure}");

    // An issuer is compared whole: one host may have many.
    assert_eq!(
        reason(managed(&record, &target(&format!("{A}/other"), "t"))),
        Reason::ProviderChanged
    );
    assert_eq!(reason(ManagementCall::of(&record, None)), Reason::ProviderNotFound);
}

#[test]
fn t98_the_issuer_is_the_one_that_discovery_has_to_find() {
    let record = record(A, ManagementMode::Credentials);
    let mut elsewhere = target(B, "of-b");
    elsewhere.expected_issuer = Some(A.to_owned());
    assert!(managed(&record, &elsewhere).is_ok(), "found at B, and of issuer A");
    elsewhere.expected_issuer = Some(B.to_owned());
    assert_eq!(reason(managed(&record, &elsewhere)), Reason::ProviderChanged);

    let mut unknown = target(A, "t");
    unknown.location = Location::MetadataUrl(format!("{A}/metadata"));
    assert!(Located::stated(&unknown).is_none());
    for (issuer, same) in [(A, true), (B, false)] {
        let found = endpoints(issuer);
        let located = Located::discovered(&unknown, &found).unwrap();
        assert_eq!(ManagementCall::of(&record, Some(located)).is_ok(), same, "{issuer}");
    }
    // Endpoints that were found before the object was edited.
    assert_eq!(
        reason(Located::discovered(&target(B, "of-b"), &endpoints(A))),
        Reason::ProviderChanged
    );
}

#[test]
fn t98_a_call_without_a_record_uses_endpoints_of_this_provider_object_only() {
    let marking = |issuer: &str| Target {
        knobs: profile::knobs(Profile::Keycloak),
        ..target(issuer, "t")
    };
    let mark = marking(A).knobs.mark.unwrap();
    let realm = |origin: &str| format!("{origin}/realms/apps");
    let of = |target: &Target, endpoints: &Endpoints| MarkedCall::of(target, endpoints, &mark, "m".to_owned());
    assert!(of(&marking(&realm(A)), &endpoints(&realm(A))).unwrap().is_some());
    assert_eq!(
        reason(of(&marking(&realm(B)), &endpoints(&realm(A)))),
        Reason::ProviderChanged
    );

    let mut managing = target(A, "t");
    assert!(
        ManagementCall::look_up(&managing, &endpoints(A), "id")
            .unwrap()
            .is_none()
    );
    managing.knobs.management = ManagementMode::Credentials;
    assert!(
        ManagementCall::look_up(&managing, &endpoints(A), "id")
            .unwrap()
            .is_some()
    );
    assert_eq!(
        reason(ManagementCall::look_up(&managing, &endpoints(B), "id")),
        Reason::ProviderChanged
    );
}

#[test]
fn t98_an_origin_that_is_no_longer_the_providers_gets_no_credentials() {
    let mut record = record(A, ManagementMode::Credentials);
    record.endpoints.registration = "https://dcr.example/reg".to_owned();
    record.management.allowed_origins = vec!["https://dcr.example".to_owned()];
    let mut target = target(A, "t");
    assert_eq!(
        reason(managed(&record, &target)),
        Reason::ProviderChanged,
        "withdrawn since the registration"
    );
    target.allowed_origins = vec!["https://dcr.example".to_owned()];
    assert!(managed(&record, &target).is_ok());
    target.allowed_origins.clear();
    target.registration_endpoint = Some("https://dcr.example/v2".to_owned());
    assert!(managed(&record, &target).is_ok());
}

#[test]
fn t98_the_owner_of_the_credentials_has_the_last_word() {
    let record = record(A, ManagementMode::Credentials);
    let mut target = target(A, "t");
    for (origins, allowed) in [(&[A][..], true), (&[B], false), (&[], false)] {
        target.management = listing(origins);
        let result = managed(&record, &target);
        assert_eq!(result.is_ok(), allowed, "{origins:?}");
        if !allowed {
            assert_eq!(reason(result), Reason::ConsentMissing);
        }
    }
}

#[test]
fn t98_a_registration_access_token_goes_to_its_own_uri_wherever_the_provider_object_leads() {
    let mut record = record(A, ManagementMode::RegistrationAccessToken);
    record.management.ca_bundle = Some("authority of A".to_owned());
    let mut moved = target(B, "of-b");
    moved.ca_bundle = Some("authority of B".to_owned());
    moved.allowed_origins = vec![B.to_owned()];
    for provider in [None, Located::stated(&moved)] {
        let call = ManagementCall::of(&record, provider).unwrap().unwrap();
        assert_eq!((call.uri(), token_of(&call)), ("https://a.example/reg/id", "t0ken"));
        let route = call.route();
        assert_eq!(route.ca_bundle(), Some("authority of A"));
        assert!(!route.origins().contains(&B.to_owned()));
        assert_eq!(route.known.len(), 2, "secret and token of the client");
    }
    let mut same = target(A, "of-a");
    same.ca_bundle = Some("new authority of A".to_owned());
    same.allowed_origins = vec!["https://dcr.example".to_owned()];
    let call = ManagementCall::of(&record, Located::stated(&same)).unwrap().unwrap();
    assert_eq!(token_of(&call), "t0ken");
    assert_eq!(call.route().ca_bundle(), Some("new authority of A"));
    assert!(call.route().origins().contains(&"https://dcr.example".to_owned()));
    assert_eq!(call.route().known.len(), 3);
}

#[test]
fn t98_a_client_is_asked_for_with_its_own_credentials() {
    let record = record(A, ManagementMode::Credentials);
    let moved = target(B, "of-b");
    for provider in [None, Located::stated(&moved)] {
        let call = ProbeCall::of(&record, record.auth_method(), provider).unwrap();
        assert_eq!(
            call.endpoints().last(),
            Some((ProbeKind::Token, "https://a.example/token"))
        );
        let AuthScheme::Basic { username, password } = &call.route().credentials().scheme else {
            panic!("no Basic")
        };
        assert_eq!((username.expose_secret(), password.expose_secret()), ("id", "s3cret"));
    }
    let unmanaged = self::record(A, ManagementMode::None);
    assert!(ManagementCall::of(&unmanaged, None).unwrap().is_none());
}
