//! A provider object, and the issuer that it leads to.

use crate::domain::failure::Failure;
use crate::domain::target::{Endpoints, Location, Target};

use super::changed;

/// A provider object together with the issuer that it leads to now.
#[derive(Clone, Copy, Debug)]
pub struct Located<'a> {
    pub(super) target: &'a Target,
    pub(super) issuer: &'a str,
    pub(super) endpoints: Option<&'a Endpoints>,
}

impl<'a> Located<'a> {
    /// A provider object that states its issuer itself. `None`: only discovery tells the issuer.
    #[must_use]
    pub fn stated(target: &'a Target) -> Option<Self> {
        Some(Self {
            target,
            issuer: target.stated_issuer()?,
            endpoints: None,
        })
    }

    /// A provider object with the endpoints that its discovery found.
    ///
    /// # Errors
    /// `ProviderChanged`: the endpoints belong to another issuer than the object states.
    pub fn discovered(target: &'a Target, endpoints: &'a Endpoints) -> Result<Self, Failure> {
        if let Some(stated) = target.stated_issuer()
            && stated != endpoints.issuer
        {
            return Err(changed(&endpoints.issuer, stated));
        }
        Ok(Self {
            target,
            issuer: &endpoints.issuer,
            endpoints: Some(endpoints),
        })
    }

    /// The same provider, if a client that is registered at `issuer` is one of its clients.
    pub(super) fn leads_to(self, issuer: &str) -> Result<Self, Failure> {
        if self.issuer == issuer {
            return Ok(self);
        }
        Err(changed(issuer, self.issuer))
    }

    /// Origins that the credentials of the provider object may be sent to, unless their owner allows fewer.
    pub(in crate::provider) fn origins(self) -> Vec<String> {
        let named = match &self.target.location {
            Location::Issuer(issuer) => Some(issuer.as_str()),
            Location::WebFinger { .. } | Location::MetadataUrl(_) => None,
        };
        let found = self.endpoints.map(|endpoints| endpoints.registration.as_str());
        [
            Some(self.issuer),
            named,
            found,
            self.target.registration_endpoint.as_deref(),
        ]
        .into_iter()
        .flatten()
        .chain(self.target.allowed_origins.iter().map(String::as_str))
        .map(str::to_owned)
        .collect()
    }
}
