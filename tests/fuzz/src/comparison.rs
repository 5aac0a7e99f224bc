//! What an answer says of a request.

use oauth_client_operator::api::{OAuthClientSpec, Profile};
use oauth_client_operator::domain::clearing::Cleared;
use oauth_client_operator::domain::effective::{differences, left, shown};
use oauth_client_operator::domain::metadata::{Request, Unsent};
use oauth_client_operator::domain::profile::knobs;
use oauth_client_operator::domain::record::Record;
use oauth_client_operator::provider::parse_registration;
use secrecy::ExposeSecret;
use serde_json::json;

use super::planner;

/// Most members and most bytes of a value that a status shows.
const MOST: (usize, usize) = (16, 4 * 256 + 8);

/// A request and an answer, split by a line of `--`.
pub(crate) fn requested(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Some((request, answer)) = text.split_once("\n--\n") else {
        return;
    };
    let (Ok(request), Ok(answer)) = (
        serde_json::from_str::<Request>(request),
        parse_registration(answer.as_bytes()),
    ) else {
        return;
    };
    let spec: OAuthClientSpec = serde_json::from_value(json!({"providerRef": {"name": "p"}})).unwrap();
    let knobs = knobs(Profile::Rfc7592);
    let mut record = planner::stored();
    record.request = request;
    record.absorb(answer);
    discreet(&record, &spec);
    let repeated = Record {
        metadata: record.request.clone(),
        ..record.clone()
    };
    let missed = differences(&repeated, &spec);
    assert!(
        missed.iter().all(|member| !record.request.contains_key(&member.member)),
        "an answer that repeats the request differs: {missed:?}"
    );
    let unsent = Unsent {
        spec: &spec,
        default_name: "ns/app".to_owned(),
        chosen: None,
        knobs: &knobs,
    };
    // The manifest sets nothing any more, and the provider answers the same to everything.
    let (mut cleared, wanted) = (Cleared::default(), Request::new());
    for round in 0.. {
        assert!(round < 6, "clearing does not end: {cleared:?}");
        let before = if round == 0 { &record.request } else { &wanted };
        cleared = cleared
            .before(before, &wanted, None, &unsent)
            .after(before, &wanted, &record.metadata);
        if !cleared.may_clear(None, &unsent) {
            break;
        }
    }
}

/// What the status shows is bounded, and holds no credential.
fn discreet(record: &Record, spec: &OAuthClientSpec) {
    let all = shown(record, &left(record, spec), &differences(record, spec));
    assert!(all.len() <= MOST.0);
    let credentials = [&record.client_secret, &record.registration_access_token];
    let credentials: Vec<&str> = credentials
        .into_iter()
        .flatten()
        .map(ExposeSecret::expose_secret)
        .collect();
    for member in all {
        assert!(member.member.len() <= MOST.1);
        for value in member.requested.iter().chain(&member.registered) {
            assert!(value.len() <= MOST.1);
        }
        let registered = member.registered.unwrap_or_default();
        for credential in &credentials {
            let withheld = registered.starts_with("(withheld");
            assert!(withheld || !registered.contains(credential), "{registered}");
        }
    }
}
