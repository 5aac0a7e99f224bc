//! A provider as the calls need it: the provider object with its profile applied and its credentials resolved.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

pub use crate::api::Mark;
use crate::api::{
    AssertionAudience, Clearing, ManagementMode, OnClientLost, OnUnknownOutcome, SecretInUpdate, Substitutions,
    TokenReuse, UpdateMembers, Verify,
};

use super::bearer::{self, ListedToken};

/// Where the provider's metadata is found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Location {
    /// Well-known places of this issuer (OpenID Connect Discovery section 4, RFC 8414 section 3).
    Issuer(String),
    /// WebFinger for this resource, at this host if given (OpenID Connect Discovery section 2).
    WebFinger {
        /// Identifier as the user wrote it.
        resource: String,
        /// `host` or `host:port`.
        host: Option<String>,
    },
    /// This very document.
    MetadataUrl(String),
}

/// Credentials for one kind of call.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// How they are sent.
    pub scheme: AuthScheme,
    /// Origins that they may be sent to, as the Secret's owner listed them; `None`: those of the provider.
    pub origins: Option<Vec<String>>,
    /// The bearer tokens that `scheme` is one of, in the order of their use.
    pub tokens: Vec<ListedToken>,
    /// Whether they are the operator's own and may be sent only to the origin of the issuer, which `origins` holds.
    pub issuer_only: bool,
}

impl Credentials {
    /// The credentials of a registration that begins at `now`, in the order in which they are tried: the next are tried where the
    /// provider refuses those before them.
    #[must_use]
    pub fn in_turn(&self, now: i64) -> Vec<Self> {
        let listed = Self::of_tokens(&self.tokens, now);
        if listed.is_empty() { vec![self.clone()] } else { listed }
    }

    /// The tokens of a list that are tried at `now`, in this order.
    #[must_use]
    pub fn of_tokens(tokens: &[ListedToken], now: i64) -> Vec<Self> {
        let candidates = bearer::candidates(tokens, now);
        let credentials = |(token, origins): (&SecretString, Option<&Vec<String>>)| Self {
            scheme: AuthScheme::Bearer(token.clone()),
            origins: origins.cloned(),
            ..Self::default()
        };
        candidates.map(credentials).collect()
    }
}

/// How credentials are sent.
#[derive(Clone, Debug, Default)]
pub enum AuthScheme {
    /// Not at all.
    #[default]
    None,
    /// HTTP Basic (RFC 7617).
    Basic {
        /// User name.
        username: SecretString,
        /// Password.
        password: SecretString,
    },
    /// Bearer token (RFC 6750).
    Bearer(SecretString),
    /// A bearer token that the token endpoint issues to this client (RFC 6749 section 4.4).
    ClientCredentials(Box<ClientGrant>),
    /// A header of the provider's own.
    Header {
        /// Header name.
        name: String,
        /// Header value.
        value: SecretString,
    },
}

/// A client, and the access token that it asks for.
#[derive(Clone, Debug)]
pub struct ClientGrant {
    /// The client.
    pub client_id: SecretString,
    /// How it authenticates.
    pub proof: ClientProof,
    /// Scopes that are asked for.
    pub scopes: Vec<String>,
    /// `audience` of the request.
    pub audience: Option<String>,
    /// `resource` of the request (RFC 8707).
    pub resource: Option<String>,
    /// For how many requests a token is used.
    pub reuse: TokenReuse,
}

/// How a client authenticates at a token endpoint.
#[derive(Clone, Debug)]
pub enum ClientProof {
    /// With this secret, by HTTP Basic.
    Basic(SecretString),
    /// With this secret, in the request body.
    Post(SecretString),
    /// With an assertion (RFC 7523).
    PrivateKeyJwt {
        /// Private key, PEM.
        key: SecretString,
        /// Key identifier in its header.
        key_id: Option<String>,
        /// Whom it is for.
        audience: AssertionAudience,
    },
    /// Not at all: this token is the grant (RFC 7523 section 2.1).
    AuthorizationGrant(SecretString),
    /// With this token of the operator's ServiceAccount as assertion (RFC 7523 section 2.2).
    ClientAssertion(SecretString),
}

impl ClientProof {
    /// The secret or the private key.
    #[must_use]
    pub const fn secret(&self) -> &SecretString {
        match self {
            Self::Basic(secret)
            | Self::Post(secret)
            | Self::PrivateKeyJwt { key: secret, .. }
            | Self::AuthorizationGrant(secret)
            | Self::ClientAssertion(secret) => secret,
        }
    }

    /// The kind of credentials in a provider object.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Basic(_) | Self::Post(_) | Self::PrivateKeyJwt { .. } => "clientCredentials",
            Self::AuthorizationGrant(_) | Self::ClientAssertion(_) => "serviceAccountToken",
        }
    }

    /// The key of the Secret that holds it.
    #[must_use]
    pub const fn member(&self) -> &'static str {
        match self {
            Self::Basic(_) | Self::Post(_) => "client_secret",
            Self::PrivateKeyJwt { .. } => "private_key",
            Self::AuthorizationGrant(_) | Self::ClientAssertion(_) => "token",
        }
    }
}

/// What is special about a provider: a profile's settings with the object's overrides applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knobs {
    /// Wire names of members that are never sent.
    pub omit_members: Vec<String>,
    /// Wire names of members that are sent only where the manifest sets them.
    pub omit_defaults: Vec<String>,
    /// Wire names that `extraMetadata` may not set.
    pub reserved_members: Vec<String>,
    /// Member by which a registration chooses its own `client_id`.
    pub client_id_member: Option<String>,
    /// How a registration is marked, so that an administrator finds its client again.
    pub mark: Option<Mark>,
    /// How registered clients are managed.
    pub management: ManagementMode,
    /// Template of a client's URI in mode `Credentials`.
    pub uri_template: String,
    /// Which members an update sends.
    pub update_members: UpdateMembers,
    /// Whether an update contains the current secret.
    pub secret_in_update: SecretInUpdate,
    /// Path of the registration endpoint below the issuer, where the metadata names none.
    pub registration_path: Option<&'static str>,
    /// Whether clients that exist may be taken over.
    pub allow_adoption: bool,
    /// Authentication methods of the token endpoint, in place of those of the metadata; empty: nothing is known.
    pub auth_methods: Option<Vec<String>>,
    /// How an update takes out a member that the manifest no longer sets; `None`: it is learned.
    pub clearing: Option<Clearing>,
}

/// Deadlines of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Deadlines {
    /// Until connected.
    pub connect: Duration,
    /// Until the whole answer is read.
    pub request: Duration,
}

/// Everything that a call to a provider needs to know.
#[derive(Clone, Debug)]
pub struct Target {
    /// UID of the provider object.
    pub uid: String,
    /// Whether the provider object is namespaced, so that calls go only where the installer lets such objects lead.
    pub namespaced: bool,
    /// Where metadata is found.
    pub location: Location,
    /// Exact issuer string that the metadata must state, if it differs from the one used to find it.
    pub expected_issuer: Option<String>,
    /// Registration endpoint that overrides the metadata's.
    pub registration_endpoint: Option<String>,
    /// Origins besides the issuer's that endpoints may have.
    pub allowed_origins: Vec<String>,
    /// Credentials for discovery.
    pub discovery: Credentials,
    /// Credentials for registration.
    pub registration: Credentials,
    /// Credentials for management in mode `Credentials`.
    pub management: Credentials,
    /// Profile settings.
    pub knobs: Knobs,
    /// Policy for unknown outcomes.
    pub on_unknown_outcome: OnUnknownOutcome,
    /// Policy for clients that the provider has lost.
    pub on_client_lost: OnClientLost,
    /// Policy for values that the provider substitutes.
    pub substitutions: Substitutions,
    /// Whether a registration's credentials are tried once.
    pub verify: Verify,
    /// PEM authorities to trust instead of the system's.
    pub ca_bundle: Option<String>,
    /// Deadlines.
    pub deadlines: Deadlines,
    /// What is shown beside the credentials.
    pub presented: Presented,
}

/// What the operator shows to a provider beside credentials.
#[derive(Clone, Debug, Default)]
pub struct Presented {
    /// Client certificate of connections.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// Software statement of registrations and updates.
    pub software_statement: Option<Arc<SoftwareStatement>>,
}

/// A software statement (RFC 7591 section 2.3).
#[derive(Clone, Debug)]
pub struct SoftwareStatement {
    /// The statement, a JWT.
    pub jwt: SecretString,
    /// Origins that it may be sent to, as the Secret's owner listed them; `None`: those of the provider.
    pub origins: Option<Vec<String>>,
}

/// A client certificate (mutual TLS).
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// The certificate and those that its authority needs to be found, PEM.
    pub chain: SecretString,
    /// Its private key, PEM.
    pub key: SecretString,
    /// Origins that it may be shown to, as the Secret's owner listed them; `None`: those of the provider.
    pub origins: Option<Vec<String>>,
}

impl Target {
    /// The issuer, as far as the provider object states it itself: discovery accepts no other. `None`: only discovery tells.
    #[must_use]
    pub fn stated_issuer(&self) -> Option<&str> {
        match (&self.expected_issuer, &self.location) {
            (Some(issuer), _) | (None, Location::Issuer(issuer)) => Some(issuer),
            (None, Location::WebFinger { .. } | Location::MetadataUrl(_)) => None,
        }
    }
}

/// What discovery found.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct Endpoints {
    /// Issuer identifier, verbatim.
    pub issuer: String,
    /// Registration endpoint (RFC 7591 section 3).
    pub registration: String,
    /// Authorization endpoint.
    pub authorization: Option<String>,
    /// Token endpoint.
    pub token: Option<String>,
    /// Revocation endpoint (RFC 7009).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation: Option<String>,
    /// Introspection endpoint (RFC 7662).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection: Option<String>,
    /// JWK Set document.
    pub jwks: Option<String>,
    /// `UserInfo` endpoint.
    pub userinfo: Option<String>,
    /// End session endpoint (RP-Initiated Logout).
    pub end_session: Option<String>,
    /// Methods by which clients authenticate at the token endpoint, as the metadata lists them. Records do not keep them: the method of a
    /// client that is registered does not follow them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_methods: Option<Vec<String>>,
}

impl Endpoints {
    /// As a record keeps them.
    #[must_use]
    pub fn recorded(&self) -> Self {
        Self {
            auth_methods: None,
            ..self.clone()
        }
    }
}
