//! The credentials of a provider object, read from Secrets whose owners have consented.
//!
//! Consent is looked for in metadata, before any value is read. Of a Secret only the named keys are kept, in a cache with a bound.

mod all;
mod bearer;
mod cached;
mod presented;
mod service_account;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::SecretString;
use tokio::sync::Semaphore;

use crate::api::{Auth, BearerAuth, HeaderAuth, Reason, SecretBacked, ServiceAccountAuth, TokenAuthMethod, names};
use crate::bounded::Bounded;
use crate::cluster::{ApiError, ProviderKey, SecretMeta, Secrets};
use crate::domain::failure::{Class, Failure};
use crate::domain::target::{AuthScheme, ClientGrant, ClientProof, Credentials};
use crate::provider::Refusals;

use cached::{AUTHORITY, CachedSecret, PRIVATE_KEY, TLS_CERTIFICATE, TLS_KEY, Value};

pub(super) use all::{AllRead, Unread, read_all};
pub(super) use presented::{authorities, presented};
pub(super) use service_account::ServiceTokens;

/// What the cached credentials weigh at most, in bytes.
const MOST_BYTES: usize = 2 * 1024 * 1024;
/// The same of authorities, which are much longer: they must not drive credentials out.
const MOST_BYTES_OF_AUTHORITIES: usize = 2 * 1024 * 1024;
/// Secrets that are read at the same time: each may be as large as the API server allows.
const READERS: usize = 4;

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

/// Namespace and name of a Secret, and its keys that are of use.
type Named = (String, String, Members);

type Values = Bounded<Named, Arc<CachedSecret>>;

/// Values of credentials Secrets, each kept until its resource version changes.
#[derive(Debug)]
pub(super) struct CredentialCache {
    credentials: Mutex<Values>,
    authorities: Mutex<Values>,
    readers: Semaphore,
}

impl Default for CredentialCache {
    fn default() -> Self {
        Self {
            credentials: Mutex::new(Bounded::new(MOST_BYTES)),
            authorities: Mutex::new(Bounded::new(MOST_BYTES_OF_AUTHORITIES)),
            readers: Semaphore::new(READERS),
        }
    }
}

/// Where a provider object's credentials are read.
pub(super) struct Source<'a> {
    pub secrets: &'a Secrets,
    pub cache: &'a CredentialCache,
    /// Namespace of the credentials Secrets.
    pub namespace: &'a str,
    /// A labelled Secret, as far as the watch knows it.
    pub known: &'a (dyn Fn(&str) -> Option<Arc<SecretMeta>> + Sync),
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
    let held = read(key, field, name, members, source).await?;
    versions.push(format!("{name}@{}", held.resource_version));
    let secret = format!("{}/{name}", source.namespace);
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

async fn read(
    key: &ProviderKey,
    field: &str,
    name: &str,
    members: &'static [&'static str],
    source: &Source<'_>,
) -> Result<Arc<CachedSecret>, Failure> {
    let slot = (source.namespace.to_owned(), name.to_owned(), members);
    let what = format!("Secret {}/{name}", source.namespace);
    let absent = || {
        let text = format!("{key}: spec.{field} names {what}, which does not exist; create it");
        Failure::new(Class::Denied, Reason::CredentialsMissing, text)
    };
    let consents = |labelled, listed| {
        check_consent(key, field, name, source.namespace, labelled, listed).inspect_err(|_| source.cache.remove(&slot))
    };
    let kept_copy = || {
        source.cache.remove(&slot);
        source.kept.and_then(|kept| kept.secrets.of(&slot)).ok_or_else(absent)
    };
    let unread = |error: ApiError| match error {
        ApiError::Forbidden { .. } if source.kept.is_some_and(|kept| kept.provider_gone) => kept_copy(),
        error => Err(error.failure(&what)),
    };

    if let Some(meta) = (source.known)(name) {
        consents(meta.provider_credentials, meta.allowed_origins)?;
        if let Some(held) = source.cache.get(&slot)
            && held.resource_version == *meta.resource_version
        {
            return Ok(held);
        }
    } else {
        // The watch may lag behind.
        let head = match source.secrets.head(source.namespace, name).await {
            Ok(Some(head)) => head,
            Ok(None) => return kept_copy(),
            Err(error) => return unread(error),
        };
        let meta = SecretMeta::of(head, source.namespace.into());
        consents(meta.provider_credentials, meta.allowed_origins)?;
    }
    let found = {
        // It is never closed.
        let _reader = source.cache.readers.acquire().await;
        let secret = match source.secrets.get(source.namespace, name).await {
            Ok(Some(secret)) => secret,
            Ok(None) => return kept_copy(),
            Err(error) => return unread(error),
        };
        // It may have changed since its metadata was looked at.
        let meta = SecretMeta::of(secret.metadata.clone(), source.namespace.into());
        consents(meta.provider_credentials, meta.allowed_origins)?;
        CachedSecret::of(&secret, members)
    };
    let held = Arc::new(found);
    source.cache.put(slot, &held);
    Ok(held)
}

/// Without the owner's consent, whoever may create a provider could send any Secret of the namespace anywhere.
fn check_consent(
    key: &ProviderKey,
    field: &str,
    name: &str,
    namespace: &str,
    labelled: bool,
    lists_origins: bool,
) -> Result<(), Failure> {
    let missing = |command: String| {
        let text = format!(
            "{key}: spec.{field} uses Secret {namespace}/{name}, whose owner has not consented; if you own it: kubectl -n {namespace} {command}"
        );
        Err(Failure::new(Class::Denied, Reason::ConsentMissing, text))
    };
    if !labelled {
        return missing(format!("label secret {name} {}=true", names::PROVIDER_CREDENTIALS));
    }
    let namespaced = !key.namespace.is_empty();
    if namespaced && !lists_origins {
        return missing(format!(
            "annotate secret {name} {}=https://ORIGIN-OF-THE-PROVIDER",
            names::ALLOWED_ORIGINS
        ));
    }
    Ok(())
}

impl CredentialCache {
    fn get(&self, slot: &Named) -> Option<Arc<CachedSecret>> {
        let mut kept = self.values(slot);
        kept.get(slot).map(|held| held.clone())
    }

    fn put(&self, slot: Named, held: &Arc<CachedSecret>) {
        let mut kept = self.values(&slot);
        kept.insert_weighing(slot, held.clone(), held.weight());
    }

    fn remove(&self, slot: &Named) {
        self.values(slot).remove(slot);
    }

    /// Forgets the Secrets that do not exist any more.
    pub(super) fn retain(&self, exists: impl Fn(&str, &str) -> bool) {
        for kept in [&self.credentials, &self.authorities] {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.retain(|(namespace, name, _)| exists(namespace, name));
        }
    }

    fn values(&self, (_, _, members): &Named) -> MutexGuard<'_, Values> {
        let kept = if *members == AUTHORITIES {
            &self.authorities
        } else {
            &self.credentials
        };
        kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;
    use k8s_openapi::api::core::v1::Secret;
    use secrecy::ExposeSecret as _;

    use super::*;

    fn secret(data: &[(&str, &[u8])]) -> Secret {
        let data = data
            .iter()
            .map(|(key, value)| ((*key).to_owned(), ByteString(value.to_vec())));
        Secret {
            data: Some(data.collect()),
            ..Secret::default()
        }
    }

    #[test]
    fn t99_only_the_named_keys_of_a_secret_are_kept() {
        let large = vec![b'x'; 900_000];
        let held = CachedSecret::of(&secret(&[("token", b"t0ken"), ("other", &large)]), BEARER);
        assert!(held.weight() < 1024, "{}", held.weight());
        assert!(matches!(&held.values[..], [Value::Usable(token)] if token.expose_secret() == "t0ken"));
        let held = CachedSecret::of(&secret(&[("token", &large)]), BEARER);
        assert!(held.weight() < 1024, "{}", held.weight());
        assert!(matches!(held.values[..], [Value::TooLong(900_000, _)]));
    }

    #[test]
    fn t99_the_cache_keeps_no_more_than_its_bound_and_forgets_what_is_gone() {
        let cache = CredentialCache::default();
        let long = vec![b'x'; 16 * 1024];
        let held = Arc::new(CachedSecret::of(&secret(&[("token", &long)]), BEARER));
        let slot = |number: usize| ("ns".to_owned(), format!("s{number}"), BEARER);
        for number in 0..1000 {
            cache.put(slot(number), &held);
        }
        let kept = |cache: &CredentialCache| (0..1000).filter(|number| cache.get(&slot(*number)).is_some()).count();
        assert_eq!(kept(&cache), MOST_BYTES / held.weight());
        cache.retain(|_, name| name == "s999");
        assert_eq!(kept(&cache), 1);
        cache.remove(&slot(999));
        assert_eq!(kept(&cache), 0);
    }

    #[test]
    fn t287_authorities_drive_no_credentials_out_of_the_cache() {
        let cache = CredentialCache::default();
        let token = Arc::new(CachedSecret::of(&secret(&[("token", b"t0ken")]), BEARER));
        let slot = ("ns".to_owned(), "token".to_owned(), BEARER);
        cache.put(slot.clone(), &token);
        let certificate = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n".repeat(4000);
        let bundle = Arc::new(CachedSecret::of(
            &secret(&[("ca.crt", certificate.as_bytes())]),
            AUTHORITIES,
        ));
        assert!(bundle.weight() > 200_000, "{}", bundle.weight());
        let bundles: Vec<Named> = (0..50)
            .map(|number| ("ns".to_owned(), format!("ca{number}"), AUTHORITIES))
            .collect();
        for slot in &bundles {
            cache.put(slot.clone(), &bundle);
        }
        assert!(cache.get(&slot).is_some());
        let kept = bundles.iter().filter(|slot| cache.get(slot).is_some()).count();
        assert_eq!(kept, MOST_BYTES_OF_AUTHORITIES / bundle.weight());
        cache.remove(&bundles[49]);
        assert!(cache.get(&bundles[49]).is_none() && cache.get(&bundles[48]).is_some());
        cache.retain(|_, name| name == "token");
        assert!(cache.get(&bundles[48]).is_none() && cache.get(&slot).is_some());
    }
}
