//! From a provider object to something that can be called: profile applied, credentials read, consent checked.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use secrecy::SecretString;

use crate::api::{Auth, ProviderSettings, Reason, names};
use crate::cluster::{ProviderKey, Secrets};
use crate::domain::failure::{Class, Failure};
use crate::domain::plan::Provider;
use crate::domain::target::{AuthScheme, Credentials, Deadlines, Location, Target};
use crate::domain::{duration, metadata, profile};

use super::permits::Limits;

const CONNECT: Duration = Duration::from_secs(5);
const REQUEST: Duration = Duration::from_secs(15);
const CONCURRENCY: usize = 16;

/// Credentials Secrets by name, each kept until its resource version changes.
#[derive(Debug, Default)]
pub(super) struct CredentialCache(Mutex<HashMap<(String, String), Arc<Held>>>);

/// One Secret's members.
#[derive(Debug)]
struct Held {
    resource_version: String,
    labelled: bool,
    allowed_origins: Option<Vec<String>>,
    data: BTreeMap<String, SecretString>,
}

/// Where a provider object's credentials are read.
pub(super) struct Source<'a> {
    pub secrets: &'a Secrets,
    pub cache: &'a CredentialCache,
    /// Namespace of the credentials Secrets.
    pub namespace: &'a str,
    /// Resource version of a Secret, as far as the watch knows it.
    pub version: &'a (dyn Fn(&str) -> Option<String> + Sync),
}

/// Resolves a provider object.
pub(super) async fn resolve(
    key: &ProviderKey,
    uid: &str,
    generation: i64,
    settings: &ProviderSettings,
    source: &Source<'_>,
) -> Result<Provider, Failure> {
    let mut versions = Vec::new();
    let discovery = credentials(
        key,
        "discoveryAuth",
        settings.discovery_auth.as_ref(),
        source,
        &mut versions,
    )
    .await?;
    let registration = credentials(
        key,
        "registrationAuth",
        settings.registration_auth.as_ref(),
        source,
        &mut versions,
    )
    .await?;
    let management = match &settings.management_auth {
        Some(auth) => credentials(key, "managementAuth", Some(auth), source, &mut versions).await?,
        None => registration.clone(),
    };
    let endpoints = settings.endpoints.clone().unwrap_or_default();
    let mut circumstances = vec![uid.to_owned(), generation.to_string()];
    circumstances.extend(versions);
    let fingerprint = metadata::fingerprint(
        &serde_json::Map::new(),
        &circumstances.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    Ok(Provider {
        target: Target {
            location: location(settings)?,
            expected_issuer: settings.expected_issuer.clone(),
            registration_endpoint: endpoints.registration,
            allowed_origins: endpoints.allowed_origins.unwrap_or_default(),
            discovery,
            registration,
            management,
            knobs: profile::settings(settings),
            on_unknown_outcome: settings.on_unknown_outcome,
            ca_bundle: settings.tls.as_ref().and_then(|tls| tls.ca_bundle.clone()),
            deadlines: deadlines(settings),
        },
        uid: uid.to_owned(),
        fingerprint,
    })
}

/// Bounds on calls to a provider.
pub(super) fn limits(settings: &ProviderSettings) -> Limits {
    let limit = settings.rate_limit.clone().unwrap_or_default();
    let per_minute = limit.per_minute.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
    let concurrency = limit.concurrency.and_then(|n| usize::try_from(n).ok());
    let concurrency = concurrency.unwrap_or(CONCURRENCY);
    Limits {
        concurrency,
        share: concurrency,
        spacing: per_minute.map_or(Duration::ZERO, |n| Duration::from_mins(1) / n),
    }
}

fn deadlines(settings: &ProviderSettings) -> Deadlines {
    let timeouts = settings.timeouts.clone().unwrap_or_default();
    let read = |text: Option<String>| text.as_deref().and_then(duration::parse).filter(|d| !d.is_zero());
    Deadlines {
        connect: read(timeouts.connect).unwrap_or(CONNECT),
        request: read(timeouts.request).unwrap_or(REQUEST),
    }
}

fn location(settings: &ProviderSettings) -> Result<Location, Failure> {
    match (&settings.issuer, &settings.web_finger, &settings.metadata_url) {
        (Some(issuer), None, None) => Ok(Location::Issuer(issuer.clone())),
        (None, Some(finger), None) => Ok(Location::WebFinger {
            resource: finger.resource.clone(),
            host: finger.host.clone(),
        }),
        (None, None, Some(url)) => Ok(Location::MetadataUrl(url.clone())),
        _ => Err(Failure::new(
            Class::Invalid,
            Reason::InvalidSpec,
            "the provider object has to set exactly one of issuer, webFinger and metadataURL",
        )),
    }
}

async fn credentials(
    key: &ProviderKey,
    field: &str,
    auth: Option<&Auth>,
    source: &Source<'_>,
    versions: &mut Vec<String>,
) -> Result<Credentials, Failure> {
    let Some(auth) = auth else {
        return Ok(Credentials::default());
    };
    let name = match (&auth.basic, &auth.bearer, &auth.header, &auth.client_credentials) {
        (Some(basic), None, None, None) => &basic.secret_ref.name,
        (None, Some(bearer), None, None) => &bearer.secret_ref.name,
        (None, None, Some(header), None) => &header.secret_ref.name,
        (None, None, None, Some(client)) => &client.secret_ref.name,
        _ => {
            let text =
                format!("{key}: spec.{field} has to set exactly one of basic, bearer, header and clientCredentials");
            return Err(Failure::new(Class::Invalid, Reason::InvalidSpec, text));
        }
    };
    let held = read(key, field, name, source).await?;
    check_consent(key, field, name, source.namespace, &held)?;
    versions.push(format!("{name}@{}", held.resource_version));
    let member = |member: &str| {
        held.data.get(member).cloned().ok_or_else(|| {
            let text = format!(
                "{key}: spec.{field} needs the key {member} in Secret {}/{name}; add it",
                source.namespace
            );
            Failure::new(Class::Denied, Reason::CredentialsMissing, text)
        })
    };
    let scheme = match (&auth.basic, &auth.header, &auth.client_credentials) {
        (Some(_), ..) => AuthScheme::Basic {
            username: member("username")?,
            password: member("password")?,
        },
        (None, Some(header), _) => AuthScheme::Header {
            name: header.name.clone(),
            value: member("value")?,
        },
        (None, None, Some(_)) => AuthScheme::ClientCredentials {
            client_id: member("client_id")?,
            client_secret: member("client_secret")?,
        },
        (None, None, None) => AuthScheme::Bearer(member("token")?),
    };
    Ok(Credentials {
        scheme,
        origins: held.allowed_origins.clone(),
    })
}

async fn read(key: &ProviderKey, field: &str, name: &str, source: &Source<'_>) -> Result<Arc<Held>, Failure> {
    let slot = (source.namespace.to_owned(), name.to_owned());
    if let Some(held) = source.cache.get(&slot)
        && (source.version)(name).as_deref() == Some(held.resource_version.as_str())
    {
        return Ok(held);
    }
    let what = format!("Secret {}/{name}", source.namespace);
    let secret = source
        .secrets
        .get(source.namespace, name)
        .await
        .map_err(|error| error.failure(&what))?
        .ok_or_else(|| {
            let text = format!("{key}: spec.{field} names {what}, which does not exist; create it");
            Failure::new(Class::Denied, Reason::CredentialsMissing, text)
        })?;
    let held = Arc::new(Held::of(secret));
    source.cache.put(slot, held.clone());
    Ok(held)
}

/// Without the owner's consent, whoever may create a provider could send any Secret of the namespace anywhere.
fn check_consent(key: &ProviderKey, field: &str, name: &str, namespace: &str, held: &Held) -> Result<(), Failure> {
    let missing = |command: String| {
        let text = format!(
            "{key}: spec.{field} uses Secret {namespace}/{name}, whose owner has not consented; if you own it: kubectl -n {namespace} {command}"
        );
        Err(Failure::new(Class::Denied, Reason::ConsentMissing, text))
    };
    if !held.labelled {
        return missing(format!("label secret {name} {}=true", names::PROVIDER_CREDENTIALS));
    }
    let namespaced = !key.namespace.is_empty();
    if namespaced && held.allowed_origins.as_ref().is_none_or(Vec::is_empty) {
        return missing(format!(
            "annotate secret {name} {}=https://ORIGIN-OF-THE-PROVIDER",
            names::ALLOWED_ORIGINS
        ));
    }
    Ok(())
}

impl Held {
    fn of(secret: Secret) -> Self {
        let origins = secret.annotations().get(names::ALLOWED_ORIGINS);
        Self {
            resource_version: secret.resource_version().unwrap_or_default(),
            labelled: secret
                .labels()
                .get(names::PROVIDER_CREDENTIALS)
                .is_some_and(|value| value == "true"),
            allowed_origins: origins.map(|text| text.split_whitespace().map(str::to_owned).collect()),
            data: secret
                .data
                .unwrap_or_default()
                .into_iter()
                // A value that is not text cannot be a header, user name or password.
                .filter_map(|(key, value)| Some((key, SecretString::from(String::from_utf8(value.0).ok()?))))
                .collect(),
        }
    }
}

impl CredentialCache {
    fn get(&self, slot: &(String, String)) -> Option<Arc<Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(slot).cloned()
    }

    fn put(&self, slot: (String, String), held: Arc<Held>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(slot, held);
    }
}
