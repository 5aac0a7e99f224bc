//! Discovery: from what the provider object says to the provider's endpoints.

mod documents;
mod fetch;
mod missed;

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderMap;
use url::Url;

use crate::api::Reason;
use crate::domain::failure::{Class, Failure};
use crate::domain::outcome::CallError;
use crate::domain::target::{Endpoints, Location, Target};
use crate::metrics::Operation;
use crate::traces;

use self::documents::{Document, Documents};
use self::fetch::Kind;
use self::missed::Missed;
use super::auth;
use super::exchange::Answer;
use super::limits::BodyError;
use super::metadata::Metadata;
use super::origin;
use super::transport::{Transport, not_sent};
use super::verdict::{silent, undiscovered};
use super::webfinger::{self, Resource};

/// What discovery found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    /// Issuer and endpoints.
    pub endpoints: Arc<Endpoints>,
    /// The documents that say so.
    documents: Vec<Document>,
}

/// How long a document with these headers is used.
pub(super) fn life(headers: &HeaderMap) -> Duration {
    documents::life_of(documents::fresh_for(headers))
}

impl Discovered {
    /// How long it is used before the provider is asked again.
    #[must_use]
    pub fn life(&self) -> Duration {
        documents::life(&self.documents)
    }
}

impl Transport {
    /// Finds a provider's endpoints.
    ///
    /// # Errors
    /// No document is found, it states another issuer than it should, it offers no registration, or its endpoint lies at an
    /// origin that is not allowed.
    pub async fn discover(&self, target: &Target) -> Result<Discovered, CallError> {
        self.discover_again(target, None).await
    }

    /// The same where it is known what the last discovery of this very target found: documents that have not changed are not sent again.
    ///
    /// # Errors
    /// As [`Transport::discover`].
    pub async fn discover_again(&self, target: &Target, before: Option<&Discovered>) -> Result<Discovered, CallError> {
        let spoken = auth::spoken(&target.discovery);
        let begun = Instant::now();
        let mut documents = Documents {
            before: before.map_or(&[], |before| &before.documents),
            now: Vec::new(),
        };
        let result = traces::asking(Operation::Discover.as_str(), self.find(target, &mut documents)).await;
        self.counter.note_discovery(&result, begun);
        result.map_err(|error| auth::discreet(error, &spoken))
    }

    async fn find(&self, target: &Target, documents: &mut Documents<'_>) -> Result<Discovered, CallError> {
        let (document, from, refusal) = match &target.location {
            Location::Issuer(issuer) => {
                pasted(issuer).map_or(Ok(()), Err).map_err(not_sent)?;
                self.at_issuer(target, issuer, documents).await?
            }
            Location::WebFinger { resource, host } => {
                let issuer = self.finger(target, resource, host.as_deref()).await?;
                self.at_issuer(target, &issuer, documents).await?
            }
            Location::MetadataUrl(url) => {
                let (document, from) = self.at_url(target, url, documents).await?;
                (document, from, None)
            }
        };
        let registration = match (self.registration_endpoint(target, &document, &from), refusal) {
            // The place that refused the operator may name one.
            (Err(failure), Some(mut refusal)) if failure.reason == Reason::RegistrationUnsupported => {
                let rest = "; the metadata that was found has no registration_endpoint. If the provider has one, set spec.endpoints.registration of the provider";
                refusal.failure.message.push_str(rest);
                return Err(refusal);
            }
            (found, _) => found.map_err(not_sent)?,
        };
        Ok(Discovered {
            documents: std::mem::take(&mut documents.now),
            endpoints: Arc::new(Endpoints {
                issuer: document.issuer,
                registration,
                authorization: document.authorization,
                token: document.token,
                revocation: document.revocation,
                introspection: document.introspection,
                jwks: document.jwks,
                userinfo: document.userinfo,
                end_session: document.end_session,
                auth_methods: document.auth_methods,
            }),
        })
    }

    /// Tries the well-known places of an issuer in their order, until its documents name a registration endpoint. A provider in
    /// trouble must not be taken for one that lacks a document, so only a place that has none leads to the next. With what was found
    /// comes the first refusal of another place.
    async fn at_issuer(
        &self,
        target: &Target,
        issuer: &str,
        documents: &mut Documents<'_>,
    ) -> Result<(Metadata, Url, Option<CallError>), CallError> {
        let wanted = target.expected_issuer.as_deref().unwrap_or(issuer);
        let base = origin::callable("the issuer", issuer, &self.policy).map_err(not_sent)?;
        let mut found: Option<Metadata> = None;
        let mut missed = Missed::default();
        for place in well_known(&base) {
            let what = format!("the metadata address {}", origin::shown(place.as_str()));
            let conditions = documents.conditions(&place);
            let answer = match self
                .fetch(target, place.clone(), Kind::Metadata, &what, &conditions)
                .await
            {
                // The document that is there counts; what this place leads to may not be called.
                Err(error) if found.is_some() && error.failure.class == Class::Denied => {
                    missed.refusal.get_or_insert(error);
                    continue;
                }
                answer => answer?,
            };
            match documents.read(&place, answer, &what) {
                Ok(other) if other.issuer != wanted => {
                    missed.mismatch.get_or_insert(not_sent(mismatch(&other.issuer, wanted)));
                }
                Ok(other) => match &mut found {
                    Some(found) => found.complete(other),
                    None => found = Some(other),
                },
                Err(error) if is_refusal(&error) => {
                    missed.refusal.get_or_insert(error);
                }
                Err(error) if is_absence(&error) => {
                    missed.absence.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
            let is_enough = |found: &Metadata| target.registration_endpoint.is_some() || found.registration.is_some();
            if found.as_ref().is_some_and(is_enough) {
                break;
            }
        }
        match found {
            Some(found) => Ok((found, base, missed.refusal)),
            None => Err(missed.told()),
        }
    }

    async fn at_url(
        &self,
        target: &Target,
        url: &str,
        documents: &mut Documents<'_>,
    ) -> Result<(Metadata, Url), CallError> {
        let url = origin::callable("spec.metadataURL of the provider", url, &self.policy).map_err(not_sent)?;
        let what = format!("the metadata address {}", origin::shown(url.as_str()));
        let conditions = documents.conditions(&url);
        let answer = self
            .fetch(target, url.clone(), Kind::Metadata, &what, &conditions)
            .await?;
        let found = documents.read(&url, answer, &what)?;
        match &target.expected_issuer {
            Some(wanted) => check_issuer(&found.issuer, wanted).map_err(not_sent)?,
            None if !origin::is_among(&url, [found.issuer.as_str()]) => {
                return Err(not_sent(mismatch(
                    &found.issuer,
                    &format!("one of the origin {}", origin::of(&url)),
                )));
            }
            None => {}
        }
        Ok((found, url))
    }

    /// Asks `WebFinger` for the issuer.
    async fn finger(&self, target: &Target, resource: &str, host: Option<&str>) -> Result<String, CallError> {
        let resource = Resource::parse(resource).map_err(not_sent)?;
        let url = resource.url("https", host).map_err(not_sent)?;
        let at = origin::of(&url);
        let what = format!("WebFinger at {at}");
        let none = HeaderMap::new();
        let answer = self.fetch(target, url.clone(), Kind::WebFinger, &what, &none).await?;
        let failed = |text: String| not_sent(Failure::new(Class::Denied, Reason::DiscoveryFailed, text));
        let status = answer.status;
        let body = body(answer, &what)?;
        if status == 404 {
            return Err(failed(format!(
                "{what} knows nothing of {}; see spec.webFinger of the provider",
                resource.identifier
            )));
        }
        let issuer = webfinger::issuer(&body)
            .ok_or_else(|| failed(format!("{what} links {} to no issuer", resource.identifier)))?;
        let link = origin::callable("the issuer that WebFinger links to", &issuer, &self.policy).map_err(not_sent)?;
        if link.query().is_some() || link.fragment().is_some() {
            return Err(failed(format!(
                "{what} links to {}, which has a query or fragment and is no issuer",
                origin::shown(&issuer)
            )));
        }
        let own = [at.as_str()].into_iter().chain(target.expected_issuer.as_deref());
        if !origin::is_among(&link, own.chain(target.allowed_origins.iter().map(String::as_str))) {
            return Err(not_sent(elsewhere("the issuer that WebFinger links to", &link)));
        }
        Ok(issuer)
    }

    fn registration_endpoint(&self, target: &Target, document: &Metadata, from: &Url) -> Result<String, Failure> {
        if let Some(own) = &target.registration_endpoint {
            origin::callable("spec.endpoints.registration of the provider", own, &self.policy)?;
            return Ok(own.clone());
        }
        let usual = target.knobs.registration_path;
        let usual = usual.map(|path| format!("{}{path}", document.issuer.trim_end_matches('/')));
        let Some(endpoint) = document.registration.as_ref().or(usual.as_ref()) else {
            let text = format!(
                "the metadata of {} has no registration_endpoint. Enable dynamic client registration at the provider, or set \
                 spec.endpoints.registration of the provider if it has one",
                document.issuer
            );
            return Err(Failure::new(Class::Denied, Reason::RegistrationUnsupported, text));
        };
        let url = origin::callable("the registration endpoint", endpoint, &self.policy)?;
        let origins = [document.issuer.as_str(), from.as_str()];
        if origin::is_among(
            &url,
            origins
                .into_iter()
                .chain(target.allowed_origins.iter().map(String::as_str)),
        ) {
            return Ok(endpoint.clone());
        }
        // To list the origin would not help.
        if target.registration.issuer_only {
            auth::check_consent(&target.registration, &url, &[])?;
        }
        Err(elsewhere("the registration endpoint", &url))
    }
}

/// Well-known places of an issuer's metadata: OpenID Connect Discovery section 4, RFC 8414 sections 3 and 5, and the place
/// where servers below a prefix put it against the specification.
fn well_known(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().trim_end_matches('/').to_owned();
    let mut places: Vec<Url> = Vec::new();
    for place in [
        format!("{path}/.well-known/openid-configuration"),
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("/.well-known/openid-configuration{path}"),
        format!("{path}/.well-known/oauth-authorization-server"),
    ] {
        let mut url = issuer.clone();
        url.set_path(&place);
        url.set_query(None);
        url.set_fragment(None);
        if !places.contains(&url) {
            places.push(url);
        }
    }
    places
}

fn body(answer: Answer, what: &str) -> Result<Vec<u8>, CallError> {
    let absent = matches!(answer.status, 404);
    if !absent && !(200..300).contains(&answer.status) {
        return Err(undiscovered(&answer, what));
    }
    match answer.body {
        Ok(body) => Ok(body),
        Err(_) if absent => Ok(Vec::new()),
        Err(BodyError::Broken) => Err(silent(what)),
        Err(BodyError::Packed) => {
            let text = format!(
                "{what} uses a Content-Encoding that the operator does not support; configure the provider or its proxy to send it uncompressed"
            );
            Err(not_sent(Failure::new(Class::Denied, Reason::InvalidResponse, text)))
        }
        Err(BodyError::TooLarge) => {
            let text = format!("{what} sends more than any such document may have (256 KiB); it is not read");
            Err(not_sent(Failure::new(Class::Denied, Reason::InvalidResponse, text)))
        }
    }
}

/// Whether a place simply has no document: any 4xx that does not ask for patience, or a success that is something else.
fn is_absence(error: &CallError) -> bool {
    let absent = matches!(error.status, Some(200..=299 | 400..=499));
    error.failure.reason == Reason::DiscoveryFailed && absent
}

/// Whether a place refused the operator. Gateways answer so for every path that they do not know.
fn is_refusal(error: &CallError) -> bool {
    matches!(error.status, Some(401 | 403))
}

/// Whether the address of a metadata document was given in place of the issuer, and what to write instead.
fn pasted(issuer: &str) -> Option<Failure> {
    let (before, after) = issuer.split_once("/.well-known/")?;
    let tenant = ["openid-configuration", "oauth-authorization-server"]
        .iter()
        .find_map(|name| after.strip_prefix(name))?;
    let text = format!(
        "spec.issuer of the provider is the address of a metadata document; set it to {}, or set spec.metadataURL to this address instead of spec.issuer",
        origin::shown(&format!("{before}{tenant}"))
    );
    Some(Failure::new(Class::Denied, Reason::DiscoveryFailed, text))
}

/// Issuers are compared byte for byte (RFC 8414 section 3.3).
fn check_issuer(found: &str, wanted: &str) -> Result<(), Failure> {
    if found == wanted {
        return Ok(());
    }
    Err(mismatch(found, wanted))
}

fn mismatch(found: &str, wanted: &str) -> Failure {
    let wanted = origin::shown(wanted);
    let slash = found.trim_end_matches('/') == wanted.trim_end_matches('/');
    let found = origin::shown(found);
    let text = if slash {
        format!(
            "the metadata states the issuer {found} where {wanted} was expected (they differ by a slash at the end); set spec.issuer, or \
             spec.expectedIssuer if it is set, of the provider to {found}"
        )
    } else {
        format!(
            "the metadata states the issuer {found} where {wanted} was expected; if that is right, set spec.expectedIssuer of the provider to exactly that \
             string"
        )
    };
    Failure::new(Class::Denied, Reason::IssuerMismatch, text)
}

fn elsewhere(what: &str, url: &Url) -> Failure {
    let text = format!(
        "{what} is at {0}, which is not an allowed origin; if that is right, add {0} to spec.endpoints.allowedOrigins of the provider",
        origin::of(url)
    );
    Failure::new(Class::Denied, Reason::OriginNotAllowed, text)
}

#[cfg(test)]
mod tests;
