//! Discovery: from what the provider object says to the provider's endpoints.

use http::Method;
use http::header::LOCATION;
use url::Url;

use crate::api::Reason;
use crate::domain::failure::{Class, Failure};
use crate::domain::outcome::CallError;
use crate::domain::target::{Credentials, Endpoints, Location, Target};

use super::auth;
use super::limits::{self, BodyError};
use super::metadata::{self, Metadata};
use super::origin;
use super::transport::{Answer, Exchange, Transport, not_sent};
use super::verdict::{harmless, silent, undiscovered};
use super::webfinger::{self, Resource};

/// What discovery found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    /// Issuer and endpoints.
    pub endpoints: Endpoints,
}

impl Transport {
    /// Finds a provider's endpoints.
    ///
    /// # Errors
    /// No document is found, it states another issuer than it should, it offers no registration, or its endpoint lies at an
    /// origin that is not allowed.
    pub async fn discover(&self, target: &Target) -> Result<Discovered, CallError> {
        let spoken = auth::spoken(&target.discovery);
        self.find(target).await.map_err(|error| auth::discreet(error, &spoken))
    }

    async fn find(&self, target: &Target) -> Result<Discovered, CallError> {
        let (document, from) = match &target.location {
            Location::Issuer(issuer) => self.at_issuer(target, issuer).await?,
            Location::WebFinger { resource, host } => {
                let issuer = self.finger(target, resource, host.as_deref()).await?;
                self.at_issuer(target, &issuer).await?
            }
            Location::MetadataUrl(url) => self.at_url(target, url).await?,
        };
        let registration = self.registration_endpoint(target, &document, &from).map_err(not_sent)?;
        Ok(Discovered {
            endpoints: Endpoints {
                issuer: document.issuer,
                registration,
                authorization: document.authorization,
                token: document.token,
                jwks: document.jwks,
                userinfo: document.userinfo,
                end_session: document.end_session,
            },
        })
    }

    /// Tries the well-known places of an issuer in their order. Only a place that has nothing leads to the next: a provider
    /// in trouble must not be taken for one that lacks a document.
    async fn at_issuer(&self, target: &Target, issuer: &str) -> Result<(Metadata, Url), CallError> {
        let wanted = target.expected_issuer.as_deref().unwrap_or(issuer);
        let base = origin::callable("the issuer", issuer, &self.policy).map_err(not_sent)?;
        let mut first_failure = None;
        for place in well_known(&base) {
            let what = format!("the metadata address {}", origin::shown(place.as_str()));
            let answer = self.fetch(target, place, limits::METADATA, &what).await?;
            match document(answer, &what) {
                Ok(found) => {
                    check_issuer(&found.issuer, wanted).map_err(not_sent)?;
                    return Ok((found, base));
                }
                Err(error) if is_absence(&error) => {
                    first_failure.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(first_failure.map_or_else(
            || silent("the issuer"),
            |mut error| {
                error
                    .failure
                    .message
                    .push_str("; the other well-known places have no document either. See spec.issuer of the provider");
                error
            },
        ))
    }

    async fn at_url(&self, target: &Target, url: &str) -> Result<(Metadata, Url), CallError> {
        let url = origin::callable("spec.metadataURL of the provider", url, &self.policy).map_err(not_sent)?;
        let what = format!("the metadata address {}", origin::shown(url.as_str()));
        let answer = self.fetch(target, url.clone(), limits::METADATA, &what).await?;
        let found = document(answer, &what)?;
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
        let answer = self.fetch(target, url.clone(), limits::WEBFINGER, &what).await?;
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
        let Some(endpoint) = &document.registration else {
            let text = format!(
                "the metadata of {} states no registration_endpoint: the provider offers no Dynamic Client Registration, or hides it; if it has one, \
                 set spec.endpoints.registration of the provider",
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
        Err(elsewhere("the registration endpoint", &url))
    }

    /// Gets a document. Redirects are followed a few times, without credentials once the origin is another.
    async fn fetch(&self, target: &Target, url: Url, limit: usize, what: &str) -> Result<Answer, CallError> {
        let none = Credentials::default();
        let mut next = url;
        let mut credentials = &target.discovery;
        let origins = [origin::of(&next)];
        for _ in 0..=limits::REDIRECTS {
            let here = next.clone();
            let answer = self
                .send(Exchange {
                    method: Method::GET,
                    url: next,
                    body: None,
                    credentials,
                    origins: &origins,
                    ca_bundle: target.ca_bundle.as_deref(),
                    deadlines: target.deadlines,
                    limit,
                })
                .await
                .map_err(harmless)?;
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
            }
            next = to;
        }
        let text = format!("{what} redirects more than {} times", limits::REDIRECTS);
        Err(not_sent(Failure::new(Class::Denied, Reason::DiscoveryFailed, text)))
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
        Err(BodyError::TooLarge) => {
            let text = format!("{what} sends more than any such document may have (256 KiB); it is not read");
            Err(not_sent(Failure::new(Class::Denied, Reason::InvalidResponse, text)))
        }
    }
}

fn document(answer: Answer, what: &str) -> Result<Metadata, CallError> {
    if !(200..300).contains(&answer.status) {
        return Err(undiscovered(&answer, what));
    }
    let status = answer.status;
    let body = body(answer, what)?;
    metadata::parse(&body).ok_or_else(|| {
        let text = format!("{what} answers with something else than a JSON object that states an issuer");
        let failure = Failure::new(Class::Denied, Reason::DiscoveryFailed, text);
        CallError {
            status: Some(status),
            ..not_sent(failure)
        }
    })
}

/// Whether a place simply has no document.
fn is_absence(error: &CallError) -> bool {
    error.failure.reason == Reason::DiscoveryFailed && matches!(error.status, Some(200..=299 | 400 | 404 | 405 | 410))
}

/// Issuers are compared byte for byte (RFC 8414 section 3.3).
fn check_issuer(found: &str, wanted: &str) -> Result<(), Failure> {
    if found == wanted {
        return Ok(());
    }
    Err(mismatch(found, &origin::shown(wanted)))
}

fn mismatch(found: &str, wanted: &str) -> Failure {
    let slash = if found.trim_end_matches('/') == wanted.trim_end_matches('/') {
        " (they differ by a slash at the end)"
    } else {
        ""
    };
    let text = format!(
        "the metadata states the issuer {} where {wanted} was expected{slash}; if that is right, set spec.expectedIssuer of the provider to exactly that string",
        origin::shown(found)
    );
    Failure::new(Class::Denied, Reason::IssuerMismatch, text)
}

fn elsewhere(what: &str, url: &Url) -> Failure {
    let text = format!(
        "{what} lies at {0}; if that is right, add {0} to spec.endpoints.allowedOrigins of the provider",
        origin::of(url)
    );
    Failure::new(Class::Denied, Reason::OriginNotAllowed, text)
}

#[cfg(test)]
mod tests;
