//! The credentials and authorities of a provider object, read from Secrets and ConfigMaps whose owners have consented.
//!
//! Consent is looked for in metadata, before any value is read. Of an object only the named keys are kept, in a cache with a bound.

mod all;
mod bearer;
mod cache;
mod cached;
mod presented;
mod reading;
mod service_account;

use std::sync::Arc;

use secrecy::SecretString;

use crate::api::{Auth, BearerAuth, HeaderAuth, Reason, SecretBacked, ServiceAccountAuth, TokenAuthMethod};
use crate::cluster::{ConfigMaps, Consent, ProviderCache, ProviderKey, SecretIndex, Secrets};
use crate::domain::failure::{Class, Failure};
use crate::domain::target::{AuthScheme, ClientGrant, ClientProof, Credentials};
use crate::provider::Refusals;

use cached::{AUTHORITY, CachedObject, PRIVATE_KEY, TLS_CERTIFICATE, TLS_KEY, Value};
use reading::read;

pub(super) use all::{AllRead, Unread, read_all};
pub(super) use cache::CredentialCache;
pub(super) use presented::{authorities, presented};
pub(super) use service_account::ServiceTokens;

/// Keys of the Secret, by how they are sent.
const BASIC: &[&str] = &["username", "password"];
const BEARER: &[&str] = &["token"];
const HEADER: &[&str] = &["value"];
const CLIENT: &[&str] = &["client_id", "client_secret"];
const CLIENT_KEY: &[&str] = &["client_id", PRIVATE_KEY];
const TLS: &[&str] = &[TLS_CERTIFICATE, TLS_KEY];
const STATEMENT: &[&str] = &["software_statement"];
const AUTHORITIES: &[&str] = &[AUTHORITY];

/// Keys of a Secret that are of use.
type Members = &'static [&'static str];

/// What is of use of an object, by its kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Wanted {
    /// These keys of a Secret.
    Secret(Members),
    /// This key of a ConfigMap. It holds authorities.
    ConfigMap(String),
}

impl Wanted {
    /// The kind as the API server names it.
    const fn kind(&self) -> &'static str {
        match self {
            Self::Secret(_) => "Secret",
            Self::ConfigMap(_) => "ConfigMap",
        }
    }

    fn holds_authorities(&self) -> bool {
        match self {
            Self::Secret(members) => *members == AUTHORITIES,
            Self::ConfigMap(_) => true,
        }
    }
}

/// Namespace and name of an object, and what is of use of it.
type Named = (String, String, Wanted);

/// What the watches know of an object that provider objects may use.
fn known(index: &SecretIndex, providers: &ProviderCache, (namespace, name, wanted): &Named) -> Option<Arc<Consent>> {
    match wanted {
        Wanted::Secret(_) => Some(Arc::new(index.provider_credentials(namespace, name)?.consent())),
        Wanted::ConfigMap(_) => providers.config_map(namespace, name),
    }
}

/// Where a provider object's credentials are read.
pub(super) struct Source<'a> {
    pub secrets: &'a Secrets,
    pub config_maps: &'a ConfigMaps,
    /// Secrets, as far as the watches know them.
    pub index: &'a SecretIndex,
    /// ConfigMaps, as far as the watch knows them.
    pub providers: &'a ProviderCache,
    pub cache: &'a CredentialCache,
    /// Namespace of the Secrets and ConfigMaps.
    pub namespace: &'a str,
    /// What stands in for Secrets that do not exist any more. Only a deregistration may use it.
    pub kept: Option<StandIn<'a>>,
    /// UID of the provider object.
    pub uid: &'a str,
    /// Bearer tokens that were refused.
    pub refusals: &'a Refusals,
    /// Seconds since the epoch.
    pub now: i64,
    /// The issuer, as far as the provider object states it: discovery accepts no other.
    pub issuer: Option<&'a str>,
    /// The operator's own tokens.
    pub service_tokens: &'a ServiceTokens,
}

/// What was read of a provider object's Secrets before they vanished.
#[derive(Clone, Copy)]
pub(super) struct StandIn<'a> {
    pub secrets: &'a AllRead,
    /// Whether the provider object is gone. A Secret that must not be read is then taken to be gone, too: the deletion of a
    /// namespace removes the Role of the operator as well.
    pub provider_gone: bool,
}

/// The credentials in a field of a provider object. The versions of the Secrets that were read are added to `versions`.
pub(super) async fn credentials(
    key: &ProviderKey,
    field: &str,
    auth: Option<&Auth>,
    source: &Source<'_>,
    versions: &mut Vec<String>,
) -> Result<Credentials, Failure> {
    let Some(auth) = auth else {
        return Ok(Credentials::default());
    };
    if let Some(auth) = own(auth) {
        return service_account::credentials(key, field, auth, source);
    }
    let exclusive = named(auth);
    if let (Some(_), Some(bearer)) = (&exclusive, &auth.bearer) {
        return bearer::tokens(key, field, bearer, source, versions).await;
    }
    let (name, members) = exclusive.ok_or_else(|| {
        let text = format!("{key}: spec.{field} has to set exactly one of basic, bearer, header, clientCredentials and serviceAccountToken");
        Failure::new(Class::Invalid, Reason::InvalidSpec, text)
    })?;
    let held = read(key, field, name, Wanted::Secret(members), source).await?;
    versions.push(format!("{name}@{}", held.resource_version));
    let secret = format!("Secret {}/{name}", source.namespace);
    let value = |index: usize| held.value(key, field, &secret, (index, members[index]));
    let scheme = match (&auth.header, members) {
        (_, BASIC) => AuthScheme::Basic {
            username: value(0)?,
            password: value(1)?,
        },
        (_, CLIENT | CLIENT_KEY) => client_grant(auth, value(0)?, value(1)?),
        (Some(header), _) => AuthScheme::Header {
            name: header.name.clone(),
            value: value(0)?,
        },
        (None, _) => AuthScheme::Bearer(value(0)?),
    };
    Ok(Credentials {
        scheme,
        origins: held.allowed_origins.clone(),
        ..Credentials::default()
    })
}

fn client_grant(auth: &Auth, client_id: SecretString, secret: SecretString) -> AuthScheme {
    let auth = auth.client_credentials.clone().unwrap_or_default();
    let proof = match auth.auth_method.unwrap_or_default() {
        TokenAuthMethod::ClientSecretBasic => ClientProof::Basic(secret),
        TokenAuthMethod::ClientSecretPost => ClientProof::Post(secret),
        TokenAuthMethod::PrivateKeyJwt => ClientProof::PrivateKeyJwt {
            key: secret,
            key_id: auth.key_id,
            audience: auth.assertion_audience.unwrap_or_default(),
        },
    };
    AuthScheme::ClientCredentials(Box::new(ClientGrant {
        client_id,
        proof,
        scopes: auth.scopes.unwrap_or_default(),
        audience: auth.audience,
        resource: auth.resource,
        reuse: auth.token_reuse.unwrap_or_default(),
    }))
}

/// The Secret of credentials, of bearer tokens the first, and the keys that hold them. `None`: there is not exactly one kind.
fn named(auth: &Auth) -> Option<(&str, &'static [&'static str])> {
    let Auth {
        basic,
        bearer,
        header,
        client_credentials,
        service_account_token,
    } = auth;
    if service_account_token.is_some() {
        return None;
    }
    match (basic, bearer, header, client_credentials) {
        (Some(SecretBacked { secret_ref }), None, None, None) => Some((&secret_ref.name, BASIC)),
        (None, Some(BearerAuth { secret_ref, .. }), None, None) => Some((&secret_ref.name, BEARER)),
        (None, None, Some(HeaderAuth { secret_ref, .. }), None) => Some((&secret_ref.name, HEADER)),
        (None, None, None, Some(client)) => {
            let members = match client.auth_method.unwrap_or_default() {
                TokenAuthMethod::ClientSecretBasic | TokenAuthMethod::ClientSecretPost => CLIENT,
                TokenAuthMethod::PrivateKeyJwt => CLIENT_KEY,
            };
            Some((&client.secret_ref.name, members))
        }
        _ => None,
    }
}

/// The operator's own token, if no other kind of credentials is set.
fn own(auth: &Auth) -> Option<&ServiceAccountAuth> {
    let own = auth.service_account_token.as_ref();
    own.filter(|_| auth.secrets().next().is_none())
}
