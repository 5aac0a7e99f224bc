//! Metadata documents as they were read, with what is needed to ask for them again.
//!
//! A document that has not changed costs its provider one answer without a body (RFC 9110 section 13).

use std::time::Duration;

use http::header::{AGE, CACHE_CONTROL, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::api::Reason;
use crate::domain::failure::{Class, Failure};
use crate::domain::outcome::CallError;
use crate::provider::exchange::Answer;
use crate::provider::metadata::{self, Metadata};
use crate::provider::transport::not_sent;
use crate::provider::verdict::undiscovered;

use super::body;

/// How long a document is used if it says nothing, and the least time between two requests for it.
const SHORTEST: Duration = Duration::from_hours(1);
/// The longest time that a document may ask to be used.
const LONGEST: Duration = Duration::from_hours(24);
/// Longest validator that is kept.
const LONGEST_VALIDATOR: usize = 512;

/// A document that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    place: Url,
    etag: Option<HeaderValue>,
    last_modified: Option<HeaderValue>,
    /// How long it may be used by its own word.
    fresh_for: Option<Duration>,
    metadata: Metadata,
}

/// The documents of a discovery: those that the one before read, and those that this one reads.
pub(super) struct Documents<'a> {
    pub before: &'a [Document],
    pub now: Vec<Document>,
}

impl Documents<'_> {
    fn known(&self, place: &Url) -> Option<&Document> {
        self.before.iter().find(|document| document.place == *place)
    }

    /// The conditions under which a place is asked for its document.
    pub(super) fn conditions(&self, place: &Url) -> HeaderMap {
        let mut conditions = HeaderMap::new();
        if let Some(known) = self.known(place) {
            let validators = [(IF_NONE_MATCH, &known.etag), (IF_MODIFIED_SINCE, &known.last_modified)];
            for (name, value) in validators {
                if let Some(value) = value {
                    conditions.insert(name, value.clone());
                }
            }
        }
        conditions
    }

    /// The document that a place answered with, or that it said is still the one.
    pub(super) fn read(&mut self, place: &Url, answer: Answer, what: &str) -> Result<Metadata, CallError> {
        let status = answer.status;
        let known = self.known(place).filter(|_| status == 304).cloned();
        if !(200..300).contains(&status) && known.is_none() {
            return Err(undiscovered(&answer, what));
        }
        let fresh_for = fresh_for(&answer.headers);
        let validator = |name: HeaderName| {
            let value = answer.headers.get(name)?;
            (value.len() <= LONGEST_VALIDATOR).then(|| value.clone())
        };
        let (etag, last_modified) = (validator(ETAG), validator(LAST_MODIFIED));
        let document = match known {
            Some(known) => Document {
                etag: etag.or(known.etag),
                last_modified: last_modified.or(known.last_modified),
                fresh_for: fresh_for.or(known.fresh_for),
                ..known
            },
            None => Document {
                place: place.clone(),
                etag,
                last_modified,
                fresh_for,
                metadata: metadata::parse(&body(answer, what)?).ok_or_else(|| no_document(status, what))?,
            },
        };
        let metadata = document.metadata.clone();
        self.now.push(document);
        Ok(metadata)
    }
}

/// How long what these documents say is used.
pub(super) fn life(documents: &[Document]) -> Duration {
    life_of(
        documents
            .iter()
            .map(|document| document.fresh_for.unwrap_or_default())
            .min(),
    )
}

/// How long a document is used that may be used for so long by its own word.
pub(super) fn life_of(fresh_for: Option<Duration>) -> Duration {
    fresh_for.unwrap_or_default().clamp(SHORTEST, LONGEST)
}

/// How long an answer may be used by its own word (RFC 9111 section 4.2).
pub(super) fn fresh_for(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL).iter();
    let directives = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim);
    let mut longest = None;
    for directive in directives {
        if directive.eq_ignore_ascii_case("no-cache") || directive.eq_ignore_ascii_case("no-store") {
            return Some(Duration::ZERO);
        }
        if let Some((name, seconds)) = directive.split_once('=')
            && name.eq_ignore_ascii_case("max-age")
            && let Ok(seconds) = seconds.trim_matches('"').parse()
        {
            longest = Some(Duration::from_secs(seconds));
        }
    }
    let age = headers.get(AGE).and_then(|age| age.to_str().ok()?.trim().parse().ok());
    Some(longest?.saturating_sub(Duration::from_secs(age.unwrap_or_default())))
}

fn no_document(status: u16, what: &str) -> CallError {
    let text = format!("{what} answers with something else than a JSON object that states an issuer");
    let failure = Failure::new(Class::Denied, Reason::DiscoveryFailed, text);
    CallError {
        status: Some(status),
        ..not_sent(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh(values: &[&'static str], age: Option<&'static str>) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CACHE_CONTROL, HeaderValue::from_static(value));
        }
        if let Some(age) = age {
            headers.insert(AGE, HeaderValue::from_static(age));
        }
        fresh_for(&headers).map(|fresh| fresh.as_secs())
    }

    #[test]
    fn t250_a_document_says_how_long_it_may_be_used() {
        assert_eq!(fresh(&[], None), None);
        assert_eq!(fresh(&["public, max-age=7200"], None), Some(7200));
        assert_eq!(fresh(&["public", "Max-Age=\"7200\""], Some("200")), Some(7000));
        assert_eq!(fresh(&["max-age=7200"], Some("9000")), Some(0));
        assert_eq!(fresh(&["max-age=7200, no-cache"], None), Some(0));
        assert_eq!(fresh(&["max-age=soon"], None), None);
    }

    #[test]
    fn t250_a_document_is_asked_for_at_most_hourly_and_at_least_daily() {
        let life = |said: &[Option<u64>]| {
            let document = |fresh: &Option<u64>| Document {
                place: Url::parse("https://p").unwrap(),
                etag: None,
                last_modified: None,
                fresh_for: fresh.map(Duration::from_secs),
                metadata: Metadata::default(),
            };
            super::life(&said.iter().map(document).collect::<Vec<_>>()).as_secs()
        };
        assert_eq!([life(&[]), life(&[None]), life(&[Some(60)])], [3600; 3]);
        assert_eq!(life(&[Some(7200), Some(9000)]), 7200);
        assert_eq!(life(&[Some(7200), None]), 3600);
        assert_eq!(life(&[Some(u64::MAX)]), 24 * 3600);
    }
}
