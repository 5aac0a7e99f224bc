//! As whom a call is made, and where it may go.

use std::sync::Arc;

use secrecy::SecretString;
use url::Url;

use crate::api::Reason;
use crate::domain::failure::{Class, Failure};
use crate::domain::record::Record;
use crate::domain::target::{AuthScheme, ClientCertificate, Credentials, Deadlines, SoftwareStatement};
use crate::provider::egress::EgressPolicy;
use crate::provider::token::{self, Site};
use crate::provider::{auth, origin};

use super::{Located, deadlines, issued, secrets};

impl Located<'_> {
    /// How the provider is called with the credentials of its management. `token`: where they buy a token, if discovery did not
    /// tell.
    pub(in crate::provider) fn route(self, token: Option<&String>) -> Route {
        let found = self.endpoints.and_then(|endpoints| endpoints.token.as_ref());
        Route {
            credentials: self.target.management.clone(),
            known: secrets(self.target),
            issuer: self.issuer.to_owned(),
            origins: self.origins(),
            allowed_origins: self.target.allowed_origins.clone(),
            token_endpoint: found.or(token).cloned(),
            uid: self.target.uid.clone(),
            namespaced: self.target.namespaced,
            ca_bundle: self.target.ca_bundle.clone(),
            certificate: self.target.presented.certificate.clone(),
            statement: self.target.presented.software_statement.clone(),
            deadlines: self.target.deadlines,
        }
    }
}

/// As whom a call is made, and where it may go.
#[derive(Clone, Debug)]
pub(in crate::provider) struct Route {
    pub(super) credentials: Credentials,
    pub(super) known: Vec<SecretString>,
    pub(super) issuer: String,
    pub(super) origins: Vec<String>,
    pub(super) allowed_origins: Vec<String>,
    pub(super) token_endpoint: Option<String>,
    pub(super) uid: String,
    pub(super) namespaced: bool,
    pub(super) ca_bundle: Option<String>,
    pub(super) certificate: Option<Arc<ClientCertificate>>,
    pub(super) statement: Option<Arc<SoftwareStatement>>,
    pub(super) deadlines: Deadlines,
}

impl Route {
    /// What a record alone tells. What authenticates is the client's own, and never the provider object's.
    pub(super) fn own(record: &Record, credentials: Credentials) -> Self {
        let access = &record.management;
        Self {
            credentials,
            known: issued(record),
            issuer: record.endpoints.issuer.clone(),
            origins: [&record.endpoints.issuer, &record.endpoints.registration]
                .into_iter()
                .chain(&access.allowed_origins)
                .cloned()
                .collect(),
            allowed_origins: access.allowed_origins.clone(),
            token_endpoint: record.endpoints.token.clone(),
            uid: access.provider_uid.clone(),
            // Where nobody knows, the narrower rule holds.
            namespaced: access.namespaced.unwrap_or(true),
            ca_bundle: access.ca_bundle.clone(),
            certificate: None,
            statement: None,
            deadlines: deadlines(access),
        }
    }

    /// The same with what the provider object says today, if it is the provider of the record: an authority or an allowed origin
    /// may have been added since.
    pub(super) fn refreshed(mut self, provider: Option<Located<'_>>) -> Self {
        let Some(Located { target, .. }) = provider.filter(|provider| provider.issuer == self.issuer) else {
            return self;
        };
        self.origins.extend(target.allowed_origins.iter().cloned());
        self.allowed_origins.extend(target.allowed_origins.iter().cloned());
        self.uid.clone_from(&target.uid);
        self.namespaced = target.namespaced;
        self.ca_bundle.clone_from(&target.ca_bundle);
        self.certificate.clone_from(&target.presented.certificate);
        self.statement.clone_from(&target.presented.software_statement);
        self.deadlines = target.deadlines;
        self.known.extend(secrets(target));
        self
    }

    /// Whether the provider's credentials may go to this address.
    pub(super) fn check(&self, uri: &str) -> Result<(), Failure> {
        let Ok(url) = Url::parse(uri) else {
            // It is never called, and whoever tries says why.
            return Ok(());
        };
        let is_listed = origin::is_among(&url, self.origins.iter().map(String::as_str));
        if !is_listed && !self.credentials.issuer_only {
            let text = format!(
                "the client is managed at {}, which is no origin of its provider now, so the provider's credentials are not sent there; add the origin to \
                 spec.endpoints.allowedOrigins of the provider, or remove the client at the provider yourself",
                origin::of(&url)
            );
            return Err(Failure::new(Class::Denied, Reason::ProviderChanged, text));
        }
        auth::check_turn(&self.credentials, &url, &self.origins)
    }

    /// Whether the provider's credentials may go wherever the management of a client at this address needs them.
    ///
    /// # Errors
    /// They may not, or the address may not be called.
    pub(in crate::provider) fn check_all(&self, uri: &str, policy: &EgressPolicy) -> Result<(), Failure> {
        // A host that only an answer tells is checked when it is known.
        let is_known = |url: &Url| !origin::of(url).contains('{');
        if Url::parse(uri).is_ok_and(|url| is_known(&url)) {
            let url = origin::callable("the address of the client", uri, policy)?;
            let is_listed = origin::is_among(&url, self.origins.iter().map(String::as_str));
            if !is_listed && !self.credentials.issuer_only {
                return auth::check_origin(auth::PROVIDER_CREDENTIALS, None, &url, &self.origins);
            }
            auth::check_turn(&self.credentials, &url, &self.origins)?;
        }
        if let (AuthScheme::ClientCredentials(_), Some(token)) = (&self.credentials.scheme, &self.token_endpoint) {
            let site = self.site();
            let url = token::endpoint(token, &site, &self.credentials, policy)?;
            auth::check_consent(&self.credentials, &url, &self.origins)?;
        }
        Ok(())
    }

    pub(in crate::provider) const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Every credential that an answer might repeat, in every form in which it might: none may reach a message.
    pub(in crate::provider) fn spoken(&self) -> Vec<SecretString> {
        let mut spoken = auth::spoken(&self.credentials);
        spoken.extend(self.known.iter().flat_map(auth::forms));
        spoken
    }

    /// Where the credentials may go.
    pub(in crate::provider) fn origins(&self) -> &[String] {
        &self.origins
    }

    /// Where credentials that buy a token buy it.
    pub(in crate::provider) fn site(&self) -> Site<'_> {
        Site {
            token_endpoint: self.token_endpoint.as_deref(),
            issuer: &self.issuer,
            allowed_origins: &self.allowed_origins,
        }
    }

    /// UID of the provider object.
    pub(in crate::provider) fn uid(&self) -> &str {
        &self.uid
    }

    /// Whether the provider object is namespaced.
    pub(in crate::provider) const fn namespaced(&self) -> bool {
        self.namespaced
    }

    pub(in crate::provider) fn ca_bundle(&self) -> Option<&str> {
        self.ca_bundle.as_deref()
    }

    /// The client certificate of its connections.
    pub(in crate::provider) const fn certificate(&self) -> Option<&Arc<ClientCertificate>> {
        self.certificate.as_ref()
    }

    /// What is sent with an update.
    pub(in crate::provider) const fn statement(&self) -> Option<&Arc<SoftwareStatement>> {
        self.statement.as_ref()
    }

    pub(in crate::provider) const fn deadlines(&self) -> Deadlines {
        self.deadlines
    }
}
