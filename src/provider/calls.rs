//! Calls that carry credentials to a registered client. Each is built here, from a record together with the provider object as it
//! is now, and nowhere else: the fields are private, so that nothing can pair the credentials of one provider with the address of
//! another.
//!
//! The credentials of a provider object are sent only where that object leads: to the issuer of the record, if the object still
//! names that issuer, at an origin of that provider. A registration access token is sent only to the URI that came with it.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;

use crate::api::{ManagementMode, Reason};
use crate::domain::adoption::Adoption;
use crate::domain::failure::{Class, Failure};
use crate::domain::identity;
use crate::domain::record::{Access, Record};
use crate::domain::target::{AuthScheme, Credentials, Deadlines, Endpoints, Mark, Target};
use crate::domain::uri_template;

use super::asked::Asked;

mod located;
mod probe;
mod route;

pub use located::Located;
pub use probe::{ClientAuth, ProbeCall};
pub(super) use route::Route;

/// A call to the configuration endpoint of one client.
#[derive(Clone, Debug)]
pub struct ManagementCall {
    uri: String,
    /// What the URI of a recorded client was made from.
    template: Option<String>,
    route: Route,
    asked: Asked,
}

impl ManagementCall {
    /// How a recorded client is reached. `provider`: the provider object, if it exists and its issuer is known. `None`: nothing
    /// manages the client.
    ///
    /// # Errors
    /// [`Reason::ProviderChanged`]: the client is managed with credentials of the provider object, and that object now leads
    /// elsewhere. [`Reason::ProviderNotFound`]: it is managed with such credentials, and there are none.
    /// [`Reason::ConsentMissing`]: the owner of the credentials does not allow the origin.
    pub fn of(record: &Record, provider: Option<Located<'_>>) -> Result<Option<Self>, Failure> {
        let Some(uri) = record.management_uri() else {
            return Ok(None);
        };
        let (route, asked) = match (record.management.mode, &record.registration_access_token) {
            (ManagementMode::None, _) | (ManagementMode::RegistrationAccessToken, None) => return Ok(None),
            (ManagementMode::RegistrationAccessToken, Some(token)) => {
                let credentials = Credentials {
                    scheme: AuthScheme::Bearer(token.clone()),
                    ..Credentials::default()
                };
                (
                    Route::own(record, credentials).refreshed(provider),
                    Asked::OwnManagement,
                )
            }
            (ManagementMode::Credentials, _) => {
                let provider = provider.ok_or_else(|| unmanaged(record))?;
                let provider = provider.leads_to(&record.endpoints.issuer)?;
                let mut route = provider.route(record.endpoints.token.as_ref());
                route.known.extend(issued(record));
                route.check(&uri)?;
                (route, Asked::Management)
            }
        };
        Ok(Some(Self {
            uri,
            template: record.template(),
            route,
            asked,
        }))
    }

    /// How a client without a record is reached by its identifier. `None`: not with credentials of the provider.
    ///
    /// # Errors
    /// As [`ManagementCall::of`].
    pub fn look_up(target: &Target, endpoints: &Endpoints, client_id: &str) -> Result<Option<Self>, Failure> {
        let knobs = &target.knobs;
        if knobs.management != ManagementMode::Credentials {
            return Ok(None);
        }
        let uri = uri_template::expand(
            &knobs.uri_template,
            &endpoints.registration,
            client_id,
            &BTreeMap::new(),
        );
        let route = Located::discovered(target, endpoints)?.route(None);
        route.check(&uri)?;
        let asked = Asked::Management;
        Ok(Some(Self {
            uri,
            template: None,
            route,
            asked,
        }))
    }

    /// How a client is reached by the token that its owner gave, at an origin of the provider that the owner of the token consents to.
    ///
    /// # Errors
    /// As [`ManagementCall::of`].
    pub fn adopt(target: &Target, endpoints: &Endpoints, adoption: &Adoption) -> Result<Self, Failure> {
        let uri = adoption.uri.clone().unwrap_or_default();
        let mut route = Located::discovered(target, endpoints)?.route(None);
        route.known.push(adoption.token.clone());
        route.credentials = Credentials {
            scheme: AuthScheme::Bearer(adoption.token.clone()),
            origins: Some(adoption.origins.clone()),
            ..Credentials::default()
        };
        route.check(&uri)?;
        let asked = Asked::OwnManagement;
        Ok(Self {
            uri,
            template: None,
            route,
            asked,
        })
    }

    /// Client configuration endpoint, verbatim.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// What the URI of a recorded client was made from, if it was made from a template: see [`Record::template`].
    #[must_use]
    pub fn template(&self) -> Option<&str> {
        self.template.as_deref()
    }

    /// Registration access token, or the provider's management credentials.
    #[must_use]
    pub const fn scheme(&self) -> &AuthScheme {
        &self.route.credentials.scheme
    }

    /// What is asked for: whose credentials these are decides what a refusal of them says.
    pub(super) const fn asked(&self) -> Asked {
        self.asked
    }

    pub(super) const fn route(&self) -> &Route {
        &self.route
    }
}

/// A search for the client that carries a mark.
#[derive(Clone, Debug)]
pub struct MarkedCall {
    listing: String,
    attribute: &'static str,
    value: String,
    route: Route,
}

impl MarkedCall {
    /// How the client of this mark is found. `None`: the issuer has not the form from which the address of its clients is made.
    ///
    /// # Errors
    /// As [`ManagementCall::of`].
    pub fn of(target: &Target, endpoints: &Endpoints, mark: &Mark, value: String) -> Result<Option<Self>, Failure> {
        let Some(listing) = identity::listing(&endpoints.issuer, mark) else {
            return Ok(None);
        };
        let route = Located::discovered(target, endpoints)?.route(None);
        route.check(&listing)?;
        Ok(Some(Self {
            listing,
            attribute: mark.attribute,
            value,
            route,
        }))
    }

    /// Address at which the clients are listed.
    pub(super) fn listing(&self) -> &str {
        &self.listing
    }

    /// The attribute that holds the mark.
    pub(super) const fn attribute(&self) -> &'static str {
        self.attribute
    }

    /// The mark.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    pub(super) const fn route(&self) -> &Route {
        &self.route
    }
}

/// The credentials that a provider issued for a client.
fn issued(record: &Record) -> Vec<SecretString> {
    let issued = record.client_secret.iter().chain(&record.registration_access_token);
    issued.cloned().collect()
}

/// Every credential of a provider object.
fn secrets(target: &Target) -> Vec<SecretString> {
    let of = |credentials: &Credentials| match &credentials.scheme {
        AuthScheme::None => None,
        AuthScheme::Basic { password: secret, .. }
        | AuthScheme::Bearer(secret)
        | AuthScheme::Header { value: secret, .. } => Some(secret.clone()),
        AuthScheme::ClientCredentials(grant) => Some(grant.proof.secret().clone()),
    };
    let all = [&target.discovery, &target.registration, &target.management];
    let listed = all.into_iter().flat_map(|credentials| &credentials.tokens);
    let listed = listed.filter_map(|token| token.value.as_ref().ok().cloned());
    all.into_iter().filter_map(of).chain(listed).collect()
}

fn deadlines(access: &Access) -> Deadlines {
    Deadlines {
        connect: Duration::from_millis(access.connect_timeout_ms),
        request: Duration::from_millis(access.request_timeout_ms),
    }
}

/// The credentials of the provider object are not for the issuer of the client.
fn changed(before: &str, now: &str) -> Failure {
    let (before, now) = (issuer_shown(before), issuer_shown(now));
    let text = format!(
        "the client is registered at the issuer {before} and its provider object now leads to {now}, whose credentials are not sent to {before}; undo that \
         change of the provider object, or remove the client at {before} yourself"
    );
    Failure::new(Class::Denied, Reason::ProviderChanged, text)
}

fn unmanaged(record: &Record) -> Failure {
    let text = format!(
        "the client is managed at {} with credentials of its provider object, which does not exist or cannot be used; create or correct it, or remove the \
         client there yourself",
        issuer_shown(&record.endpoints.issuer)
    );
    Failure::new(Class::Denied, Reason::ProviderNotFound, text)
}

/// An issuer for an error, with its scheme.
fn issuer_shown(issuer: &str) -> String {
    issuer.chars().filter(char::is_ascii_graphic).take(200).collect()
}

#[cfg(test)]
pub(crate) mod tests;
