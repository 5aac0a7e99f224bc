//! How a document is got.

use http::header::LOCATION;
use http::{HeaderMap, Method};
use url::Url;

use crate::api::Reason;
use crate::domain::failure::{Class, Failure};
use crate::domain::outcome::CallError;
use crate::domain::target::{Credentials, Target};
use crate::provider::exchange::{Answer, Exchange, JSON};
use crate::provider::transport::{Transport, not_sent};
use crate::provider::verdict::harmless;
use crate::provider::{limits, origin};

use super::elsewhere;

/// What is fetched.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Metadata,
    WebFinger,
}

impl Kind {
    const fn accept(self) -> &'static str {
        match self {
            Self::Metadata => JSON,
            // RFC 7033 section 4.2 names the first; many servers know only the second.
            Self::WebFinger => "application/jrd+json, application/json",
        }
    }

    const fn limit(self) -> usize {
        match self {
            Self::Metadata => limits::METADATA,
            Self::WebFinger => limits::WEBFINGER,
        }
    }
}

impl Transport {
    /// Gets a document. Redirects are followed a few times, without credentials once the origin is another.
    pub(super) async fn fetch(
        &self,
        target: &Target,
        url: Url,
        kind: Kind,
        what: &str,
        conditions: &HeaderMap,
    ) -> Result<Answer, CallError> {
        let none = Credentials::default();
        let mut next = url;
        let mut credentials = &target.discovery;
        let mut certificate = target.presented.certificate.as_ref();
        let origins = [origin::of(&next)];
        for _ in 0..=limits::REDIRECTS {
            let here = next.clone();
            let exchange = Exchange {
                method: Method::GET,
                url: next,
                body: None,
                credentials,
                origins: &origins,
                uid: &target.uid,
                namespaced: target.namespaced,
                ca_bundle: target.ca_bundle.as_deref(),
                certificate,
                deadlines: target.deadlines,
                accept: kind.accept(),
                limit: kind.limit(),
            };
            let answer = self.send_if(exchange, conditions).await.map_err(harmless)?;
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let to = answer
                .headers
                .get(LOCATION)
                .and_then(|to| to.to_str().ok())
                .and_then(|to| here.join(to).ok());
            let Some(to) = to else { return Ok(answer) };
            let to =
                origin::callable(&format!("where {what} redirects to"), to.as_str(), &self.policy).map_err(not_sent)?;
            if here.scheme() == "https" && to.scheme() != "https" {
                return Err(not_sent(elsewhere(&format!("where {what} redirects to"), &to)));
            }
            if to.origin() != here.origin() {
                credentials = &none;
                certificate = None;
            }
            next = to;
        }
        let text = format!("{what} redirects more than {} times", limits::REDIRECTS);
        Err(not_sent(Failure::new(Class::Denied, Reason::DiscoveryFailed, text)))
    }
}
