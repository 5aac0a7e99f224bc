//! The call that asks whether a provider knows a client.

use ring::rand::{SecureRandom, SystemRandom};
use secrecy::SecretString;

use crate::domain::metadata::hex;
use crate::domain::probe::ProbeKind;
use crate::domain::record::Record;
use crate::domain::target::{AuthScheme, Credentials};
use crate::provider::auth;

use super::{Located, Route};

/// How a client authenticates, of the ways that can be tried with what a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// `client_secret_basic`.
    Basic,
    /// `client_secret_post`.
    Post,
}

impl ClientAuth {
    /// The method of this name (RFC 7591 section 2), if it can be tried. A public client proves nothing by naming itself.
    #[must_use]
    pub fn parse(method: &str) -> Option<Self> {
        match method {
            "client_secret_basic" => Some(Self::Basic),
            "client_secret_post" => Some(Self::Post),
            _ => None,
        }
    }
}

/// The question whether a provider knows a client, by that client's own credentials.
#[derive(Clone, Debug)]
pub struct ProbeCall {
    revocation: Option<String>,
    introspection: Option<String>,
    token: Option<String>,
    client_id: String,
    client_secret: SecretString,
    method: ClientAuth,
    route: Route,
}

impl ProbeCall {
    /// How the provider is asked about a client that authenticates by this method. `None`: that cannot be tried.
    #[must_use]
    pub fn of(record: &Record, method: Option<&str>, provider: Option<Located<'_>>) -> Option<Self> {
        let method = ClientAuth::parse(method.unwrap_or("client_secret_basic"))?;
        let client_secret = record.client_secret.clone()?;
        Some(Self {
            revocation: record.endpoints.revocation.clone(),
            introspection: record.endpoints.introspection.clone(),
            token: record.endpoints.token.clone(),
            client_id: record.client_id.clone(),
            method,
            route: Route::own(record, client_credentials(method, &record.client_id, &client_secret))
                .refreshed(provider),
            client_secret,
        })
    }

    /// The same question about a client that nobody ever registered. An endpoint that accepts it accepts anybody.
    #[must_use]
    pub fn made_up(&self) -> Self {
        let mut bytes = [0; 24];
        let _ = SystemRandom::new().fill(&mut bytes);
        let (client_id, client_secret) = (hex(&bytes[..12]), SecretString::from(hex(&bytes[12..])));
        let mut call = self.clone();
        call.route.credentials = client_credentials(self.method, &client_id, &client_secret);
        (call.client_id, call.client_secret) = (client_id, client_secret);
        call
    }

    /// The same question about the same client with a secret that it does not have. An endpoint that accepts it does not look at secrets.
    #[must_use]
    pub fn with_wrong_secret(&self) -> Self {
        let mut bytes = [0; 24];
        let _ = SystemRandom::new().fill(&mut bytes);
        let wrong = SecretString::from(hex(&bytes));
        let mut call = self.clone();
        call.route.credentials = client_credentials(self.method, &self.client_id, &wrong);
        call.client_secret = wrong;
        call
    }

    /// Where it is asked, in this order, and as which kind of look.
    pub(in crate::provider) fn endpoints(&self) -> impl Iterator<Item = (ProbeKind, &str)> {
        let places = [
            (ProbeKind::Revocation, &self.revocation),
            (ProbeKind::Introspection, &self.introspection),
            (ProbeKind::Token, &self.token),
        ];
        places.into_iter().filter_map(|(kind, at)| Some((kind, at.as_deref()?)))
    }

    /// The same question at this kind of endpoint only.
    #[must_use]
    pub fn only(&self, kind: ProbeKind) -> Self {
        let keep = |own: ProbeKind, at: &Option<String>| at.clone().filter(|_| own == kind);
        Self {
            revocation: keep(ProbeKind::Revocation, &self.revocation),
            introspection: keep(ProbeKind::Introspection, &self.introspection),
            token: keep(ProbeKind::Token, &self.token),
            ..self.clone()
        }
    }

    /// Issuer of the client.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.route.issuer
    }

    /// Client identifier.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    pub(in crate::provider) const fn client_secret(&self) -> &SecretString {
        &self.client_secret
    }

    pub(in crate::provider) const fn method(&self) -> ClientAuth {
        self.method
    }

    pub(in crate::provider) const fn route(&self) -> &Route {
        &self.route
    }
}

/// How a client authenticates in the header, if it does it there.
fn client_credentials(method: ClientAuth, client_id: &str, client_secret: &SecretString) -> Credentials {
    let scheme = match method {
        ClientAuth::Basic => auth::client_basic(client_id, client_secret),
        ClientAuth::Post => AuthScheme::None,
    };
    Credentials {
        scheme,
        ..Credentials::default()
    }
}
