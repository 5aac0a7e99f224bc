//! What is fuzzed: one function for each target, which takes any bytes and panics if something does not hold.
//!
//! The targets of `cargo fuzz` call them, and so does `tests/fuzz_seeds.rs` with every file of the corpus.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic is how a target tells what it found"
)]

mod answers;
mod bytes;
mod comparison;
mod planner;

use std::collections::BTreeMap;
use std::net::IpAddr;

use oauth_client_operator::api::{OAuthClient, OAuthClientSpec, OAuthProvider, Profile, names};
use oauth_client_operator::domain::marker::{self, Marker};
use oauth_client_operator::domain::profile::{knobs, settings};
use oauth_client_operator::domain::record::Record;
use oauth_client_operator::domain::{bundle, duration, metadata, secret, uri_template};
use oauth_client_operator::provider::{
    EgressPolicy, Resource, callable, check_certificates, check_signing_key, check_tls_key, is_key_of, is_refused,
    parse_error_body, parse_metadata, parse_registration, parse_webfinger, testing, unpack,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use self::bytes::Bytes;

/// Takes any bytes.
pub type Target = fn(&[u8]);

/// Every target by its name: that of its corpus.
pub const TARGETS: [(&str, Target); 17] = [
    ("address", address),
    ("answer", answers::refusal),
    ("comparison", comparison::requested),
    ("compressed", compressed),
    ("discovery", discovery),
    ("error_body", error_body),
    ("headers", answers::headers),
    ("keys", keys),
    ("marker", marker),
    ("objects", objects),
    ("planner_pass", planner::passes),
    ("planner_view", planner::view),
    ("record", record),
    ("registration", registration),
    ("template", template),
    ("token", answers::token),
    ("webfinger", webfinger),
];

/// Runs a target on some bytes.
pub fn run(name: &str, data: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).unwrap();
    target(data);
}

/// A compressed answer: what it becomes is no larger than allowed.
pub fn compressed(data: &[u8]) {
    const LIMIT: usize = 4096;
    for coding in ["gzip", "deflate", "br", ""] {
        if let Ok(body) = unpack(coding, data, LIMIT) {
            assert!(body.len() <= LIMIT);
        }
    }
}

/// A metadata document.
pub fn discovery(data: &[u8]) {
    let Some(found) = parse_metadata(data) else { return };
    assert!(!found.issuer.is_empty());
    for endpoint in [&found.registration, &found.authorization, &found.token] {
        assert_ne!(endpoint.as_deref(), Some(""));
    }
}

/// A `WebFinger` descriptor, and the same bytes as an identifier.
pub fn webfinger(data: &[u8]) {
    if let Some(issuer) = parse_webfinger(data) {
        let _ = callable("the issuer", &issuer, &EgressPolicy::default());
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(resource) = Resource::parse(text) {
        assert!(
            !resource.host.is_empty() && !resource.host.contains(['/', '?', '#']),
            "{resource:?}"
        );
        assert!(!resource.identifier.starts_with("http:"), "{resource:?}");
    }
}

/// The answer to a registration, and what the record takes over from it.
pub fn registration(data: &[u8]) {
    let Ok(answer) = parse_registration(data) else { return };
    assert!(!answer.client_id.is_empty() && !answer.client_id.chars().any(char::is_control));
    let filled = |secret: &secrecy::SecretString| !secret.expose_secret().is_empty();
    assert!(answer.client_secret.as_ref().is_none_or(filled));
    assert!(answer.client_secret_expires_at.is_none_or(|at| at >= 0));
    for issued in ["client_secret", "registration_access_token"] {
        assert!(!answer.metadata.contains_key(issued), "{issued} is no metadata");
    }
    absorbed(planner::stored(), &answer);
}

/// The body of a refusal: what is shown of it is short and printable.
pub fn error_body(data: &[u8]) {
    let told = parse_error_body(data);
    let plain =
        |text: &str, longest: usize| text.len() <= longest && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    assert!(told.code.is_none_or(|code| plain(&code, 64) && !code.contains(' ')));
    assert!(
        told.description
            .is_none_or(|text| !text.is_empty() && plain(&text, 200))
    );
}

/// Objects as they come from the API server, and the requests that are built from them.
pub fn objects(data: &[u8]) {
    if let Ok(provider) = serde_json::from_slice::<OAuthProvider>(data) {
        let _ = settings(&provider.spec.provider);
    }
    if let Ok(object) = serde_json::from_slice::<OAuthClient>(data) {
        if let Some(timeout) = &object.spec.deletion_timeout {
            let _ = duration::parse(timeout);
        }
        requested(&object.spec);
        published(&object);
    } else if let Ok(spec) = serde_json::from_slice::<OAuthClientSpec>(data) {
        requested(&spec);
    }
}

fn requested(spec: &OAuthClientSpec) {
    for profile in [Profile::Rfc7592, Profile::Wso2, Profile::Wso2Legacy, Profile::Keycloak] {
        let knobs = knobs(profile);
        let Ok(request) = metadata::request(spec, "ns/app", &knobs) else {
            continue;
        };
        for name in ["client_secret", "client_id", "registration_access_token", "localized"] {
            assert!(!request.contains_key(name), "{name} is sent");
        }
        assert!(knobs.omit_members.iter().all(|omitted| !request.contains_key(omitted)));
        let again: metadata::Request = serde_json::from_str(&Value::Object(request.clone()).to_string()).unwrap();
        assert_eq!(metadata::fingerprint(&again, &[]), metadata::fingerprint(&request, &[]));
    }
}

/// A Secret that was just written needs no repair.
fn published(object: &OAuthClient) {
    let record = planner::stored();
    let mut written = secret::credentials(object, &record);
    assert_eq!(secret::repair(&written, object, &record), secret::Repair::None);
    written.data = None;
    assert_ne!(secret::repair(&written, object, &record), secret::Repair::None);
}

/// URLs that may be called, and addresses that may be dialled.
pub fn address(data: &[u8]) {
    let mut bytes = Bytes(data);
    let address = IpAddr::from(bytes.array::<16>());
    let strict = EgressPolicy::default();
    for address in [address, IpAddr::from(bytes.array::<4>())] {
        if is_refused(address, true) {
            assert!(is_refused(address, false), "{address}: a flag allows more, never less");
        }
        if let IpAddr::V4(inner) = address {
            let mapped = IpAddr::V6(inner.to_ipv6_mapped());
            assert_eq!(is_refused(address, false), is_refused(mapped, false), "{address}");
        }
        let host = match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        let url = Url::parse(&format!("https://{host}/")).unwrap();
        assert_eq!(strict.refuses_host(&url), is_refused(address, false), "{address}");
    }
    let Ok(text) = std::str::from_utf8(bytes.0) else { return };
    match callable("the URL", text, &strict) {
        Ok(url) => {
            assert_eq!(url.scheme(), "https");
            assert!(url.username().is_empty() && url.password().is_none() && url.has_host());
            // What is called is what was judged.
            assert_eq!(Url::parse(url.as_str()).unwrap().origin(), url.origin());
        }
        Err(failure) => assert!(failure.message.bytes().all(|byte| matches!(byte, b' '..=b'~'))),
    }
}

/// Certificates and private keys from Secrets: the first as a chain and as a key, and the second as the key of the first. They are split
/// by a line of `--`.
pub fn keys(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (chain, key) = text.split_once("\n--\n").unwrap_or((&text, &text));
    let (chain, key): (SecretString, SecretString) = (chain.into(), key.into());
    if is_key_of(&key, &chain) {
        assert!(check_certificates(&chain).is_ok() && check_tls_key(&key).is_ok());
    }
    for pem in [&chain, &key] {
        if check_signing_key(pem).is_ok() {
            assert!(check_tls_key(pem).is_ok());
            let signed = testing::signed(pem).unwrap();
            let url_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            assert!(signed.expose_secret().bytes().all(url_safe) && signed.expose_secret().split('.').count() == 3);
        }
    }
}

/// A template of management URIs, a member of an answer, and what may be the address of a client: a line each.
pub fn template(data: &[u8]) {
    const ENDPOINT: &str = "https://provider.example/register";
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (template, value, address) = (line(), line(), line());
    let answer = serde_json::json!({"app_id": value, "number": 7});
    let members = uri_template::members(template, answer.as_object().unwrap());
    let expand = |client_id: &str| uri_template::expand(template, ENDPOINT, client_id, &members);
    if uri_template::lacking(template, &members).is_none() {
        // What the provider states cannot lead to another place than the template does.
        let marks = |text: &str| text.matches(['/', '?', '#', '@', ':', '\\']).count();
        let harmless = uri_template::expand(
            template,
            ENDPOINT,
            "x",
            &members.keys().map(|name| (name.clone(), "x".to_owned())).collect(),
        );
        assert_eq!(marks(&expand(value)), marks(&harmless), "{template:?}");
    }
    assert!(
        uri_template::needs_only_client_id(template) || uri_template::lacking(template, &BTreeMap::new()).is_some()
    );
    if uri_template::names_client_id(template) {
        assert_ne!(expand("one"), expand("another"), "{template:?}");
    }
    let stated = serde_json::json!({"client_id": "id", "registration_client_uri": address}).to_string();
    let Ok(mut answer) = parse_registration(stated.as_bytes()) else {
        return;
    };
    let before = answer.registration_client_uri.clone();
    testing::resolve(&mut answer, ENDPOINT);
    match (before, answer.registration_client_uri) {
        (Some(before), Some(resolved)) if before != resolved => assert!(Url::parse(&resolved).is_ok(), "{resolved:?}"),
        (before, resolved) => assert_eq!(before, resolved),
    }
}

/// A stored record and an answer that it takes over, split by a line of `--`.
pub fn record(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (stored, answer) = text.split_once("\n--\n").unwrap_or((&text, ""));
    let Ok(record) = Record::from_json(stored.as_bytes()) else {
        return;
    };
    let _ = record.management_uri();
    bundled(stored.as_bytes());
    let written = record.to_json().unwrap();
    let again = Record::from_json(&written).unwrap();
    assert_eq!(again.to_json().unwrap(), written, "a record is read as it was written");
    if let Ok(answer) = parse_registration(answer.as_bytes()) {
        absorbed(record, &answer);
    }
}

/// The bundle of a record is taken out of it and put back.
fn bundled(stored: &[u8]) {
    let value = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    let Some(detached) = bundle::detach(stored) else { return };
    assert_eq!(bundle::reference(&detached.record), Some(detached.digest));
    assert_eq!(bundle::attach(&detached.record, "another"), None);
    let mut expected = value(stored);
    // A record that has both is one that a bundle was put into.
    expected["management"].as_object_mut().unwrap().remove("caBundleDigest");
    assert_eq!(
        value(&bundle::attach(&detached.record, &detached.pem).unwrap()),
        expected
    );
}

/// What an answer states replaces what is stored, and what it does not state stays.
fn absorbed(mut record: Record, answer: &oauth_client_operator::domain::registration::Registration) {
    let before = record.clone();
    let changed = record.absorb(answer.clone());
    let text = |secret: &Option<secrecy::SecretString>| secret.as_ref().map(|text| text.expose_secret().to_owned());
    let or = |new: Option<String>, old: Option<String>| new.or(old);
    assert_eq!(record.client_id, before.client_id);
    assert_eq!(
        text(&record.client_secret),
        or(text(&answer.client_secret), text(&before.client_secret))
    );
    assert_eq!(
        text(&record.registration_access_token),
        or(
            text(&answer.registration_access_token),
            text(&before.registration_access_token)
        )
    );
    assert_eq!(changed, text(&record.client_secret) != text(&before.client_secret));
    assert_eq!(record.credential_generation != before.credential_generation, changed);
    assert!(!record.absorb(answer.clone()), "the same answer again changes nothing");
}

/// A marker, and the names that come from it.
pub fn marker(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(found) = Marker::parse(text) {
        assert_eq!(found.to_string(), text);
        assert!(marker::suspect_name(&found.uid, &found.attempt).contains(&*found.attempt));
        assert!(names::CREATE_PENDING.starts_with(names::GROUP));
    }
    let _ = duration::parse(text);
}
