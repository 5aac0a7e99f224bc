//! What every pass shares.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::api::{OAuthClient, ProviderKind, ProviderSettings, ProviderStatus, Reason};
use crate::bounded::Bounded;
use crate::clock::Clock;
use crate::cluster::{
    ClientCache, ConfigMaps, Events, Health, Key, Leadership, Objects, ProviderCache, ProviderKey, SecretIndex, Secrets,
};
use crate::domain::failure::{Class, Failure};
use crate::domain::pass::{Operator, Provider};
use crate::domain::probe::ProbeKind;
use crate::domain::record::Record;
use crate::domain::secret;
use crate::domain::status;
use crate::domain::target::Endpoints;
use crate::metrics::Metrics;
use crate::provider::{DiscoveryCache, Transport};

use super::breakers::Breakers;
use super::bundles::Bundles;
use super::capabilities::Unwritten;
use super::claims::Claims;
use super::comparisons::Comparisons;
use super::credentials::{CredentialCache, ServiceTokens, Source};
use super::kept_credentials::KeptCredentials;
use super::outcomes::Outcomes;
use super::pauses::Pauses;
use super::permits::{Limits, Permit, Permits};
use super::queue::Queue;
use super::resolve;
use super::revision::RevisionKey;

/// Calls to the API server at the same time. What waits for a turn costs it nothing, and a tenant with thousands of objects
/// waits behind itself: beside others, its share keeps an API server of few cores busy and not more.
const TURNS: Limits = Limits {
    concurrency: 16,
    share: 2,
    spacing: Duration::ZERO,
};

/// Most breakers that are kept.
pub(super) const MOST_BREAKERS: usize = 4096;
/// Most attempts of other replicas that are remembered.
pub(super) const MOST_FOREIGN_ATTEMPTS: usize = 4096;

/// What every pass shares.
pub(super) struct Context {
    pub here: Operator,
    pub clock: Clock,
    /// Whether only namespaces are watched, and no cluster-wide provider is served.
    pub namespaced: bool,
    pub objects: Objects,
    pub secrets: Secrets,
    pub config_maps: ConfigMaps,
    pub index: Arc<SecretIndex>,
    pub clients: Arc<ClientCache>,
    pub providers: Arc<ProviderCache>,
    pub events: Events,
    pub metrics: Arc<Metrics>,
    pub transport: Transport,
    pub discovery: DiscoveryCache,
    pub permits: Permits,
    /// Pauses that providers asked for.
    pub pauses: Pauses,
    /// What is worked on and what waits.
    pub queue: Queue,
    /// Turns at the API server, dealt over the namespaces whose objects need it.
    pub turns: Permits,
    /// Breakers by the UID of the provider object.
    pub breakers: Breakers,
    pub credentials: CredentialCache,
    /// The operator's own tokens for providers.
    pub service_tokens: ServiceTokens,
    /// Credentials of providers whose clients only they can deregister.
    pub kept: KeptCredentials,
    pub health: Health,
    pub leadership: Leadership,
    /// Digest of this process's identity, with which its attempts begin.
    pub holder: String,
    /// Whether a kind of look at clients' own credentials tells clients apart, by the UID of the provider object and kind.
    pub probe_controls: Mutex<Bounded<(String, ProbeKind), bool>>,
    /// Templates of management URIs that have shown a client.
    pub proven_templates: Mutex<Bounded<String, ()>>,
    /// Clients that are being compared with their provider objects.
    pub comparisons: Comparisons,
    pub revision_key: RevisionKey,
    /// Takes the provider objects of which a pass found something else than their status says.
    pub learned: mpsc::UnboundedSender<ProviderKey>,
    /// What calls have shown of providers and no status says yet.
    pub unwritten: Unwritten,
    /// Clients that a pass is storing or deregistering.
    pub claims: Claims,
    /// Digests of attempts of other replicas, and when each was first seen.
    pub foreign_attempts: Mutex<Bounded<String, Instant>>,
    pub stopping: CancellationToken,
    /// CA bundles that records refer to.
    pub bundles: Bundles,
    pub random: SystemRandom,
    /// Outcomes of attempts that no status holds yet.
    pub outcomes: Mutex<Outcomes>,
}

impl Context {
    /// The object as last seen or written.
    pub(super) fn object(&self, key: &Key) -> Option<Arc<OAuthClient>> {
        self.clients.get(&key.namespace, &key.name)
    }

    /// Whether the views are complete, so that everything in them may be looked at.
    pub(super) fn is_complete(&self) -> bool {
        self.health.is_open()
    }

    /// Waits for a turn at the API server on behalf of a namespace; the turn ends when it is dropped.
    pub(super) async fn turn(&self, namespace: &str) -> Permit {
        self.turns.acquire(&"api-server".into(), &namespace.into(), TURNS).await
    }

    /// A random number in `0.0..1.0`, for jitter.
    pub(super) fn chance(&self) -> f64 {
        let mut bytes = [0_u8; 4];
        let _ = self.random.fill(&mut bytes);
        f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
    }

    /// A provider object, ready to be called.
    pub(super) async fn provider(&self, key: &ProviderKey) -> Result<Arc<Provider>, Failure> {
        let (uid, generation, settings) = self.provider_object(key)?;
        let source = Source {
            uid: &uid,
            issuer: settings.expected_issuer.as_deref().or(settings.issuer.as_deref()),
            ..self.source(key)
        };
        let mut provider = resolve::resolve(key, &uid, generation, &settings, &source).await?;
        let known = self.discovery.known(&provider.uid, &provider.fingerprint);
        provider.known = known.map(|(found, _)| Arc::clone(&found.endpoints));
        Ok(Arc::new(provider))
    }

    /// Where the credentials of a provider object are read, without what the object itself says.
    pub(super) fn source<'a>(&'a self, key: &'a ProviderKey) -> Source<'a> {
        Source {
            secrets: &self.secrets,
            config_maps: &self.config_maps,
            index: &self.index,
            providers: &self.providers,
            cache: &self.credentials,
            namespace: self.credentials_namespace(key),
            kept: None,
            uid: "",
            refusals: self.transport.refusals(),
            now: self.clock.now(),
            issuer: None,
            service_tokens: &self.service_tokens,
        }
    }

    /// Namespace of the Secrets and ConfigMaps of a provider object.
    fn credentials_namespace<'a>(&'a self, key: &'a ProviderKey) -> &'a str {
        match key.kind {
            ProviderKind::OAuthProvider => &key.namespace,
            ProviderKind::ClusterOAuthProvider => &self.here.namespace,
        }
    }

    /// Changes whenever the provider object of this UID or one of its Secrets and ConfigMaps does.
    pub(super) fn provider_revision(&self, uid: &str) -> Option<String> {
        let keys = self.providers.keys().into_iter();
        let (key, (_, generation, settings)) = keys
            .filter_map(|key| Some((self.provider_object(&key).ok()?, key)))
            .map(|(object, key)| (key, object))
            .find(|(_, (found, _, _))| found == uid)?;
        let namespace = self.credentials_namespace(&key);
        let secrets = settings.secrets().map(|name| {
            let meta = self.index.provider_credentials(namespace, name);
            meta.map(|meta| meta.resource_version.clone()).unwrap_or_default()
        });
        let config_maps = settings.config_maps().map(|name| {
            let consent = self.providers.config_map(namespace, name);
            consent
                .map(|consent| consent.resource_version.clone())
                .unwrap_or_default()
        });
        let mut revision = generation.to_string();
        for version in secrets.chain(config_maps) {
            revision.push('/');
            revision.push_str(&version);
        }
        Some(revision)
    }

    /// The provider object of a recorded client, ready to be called: the one that registered it, or else one that the namespace
    /// may use and that states the same issuer, because a provider object may be deleted and created again.
    pub(super) async fn provider_of(&self, record: &Record) -> Result<Arc<Provider>, Failure> {
        let keys = self.providers.keys();
        let is_of_record = |key: &&ProviderKey| {
            let object = self.provider_object(key);
            object.is_ok_and(|(uid, _, _)| uid == record.management.provider_uid)
        };
        if let Some(key) = keys.iter().find(is_of_record) {
            return self.provider(key).await;
        }
        let mut failure = Failure::new(
            Class::Denied,
            Reason::ProviderNotFound,
            "the provider object that holds the credentials for this deletion is gone",
        );
        for key in keys.iter().filter(|key| self.replaces(key, record)) {
            match self.provider(key).await {
                Ok(provider) => return Ok(provider),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Whether a provider object serves the namespace of a recorded client and states the issuer of that client.
    fn replaces(&self, key: &ProviderKey, record: &Record) -> bool {
        let served = match key.kind {
            ProviderKind::OAuthProvider => *key.namespace == *record.owner.namespace,
            ProviderKind::ClusterOAuthProvider => self.check_namespace(key, &record.owner.namespace).is_ok(),
        };
        let stated = |settings: ProviderSettings| settings.expected_issuer.or(settings.issuer);
        let object = self.provider_object(key).ok().filter(|_| served);
        object.and_then(|(_, _, settings)| stated(settings)) == Some(record.endpoints.issuer.clone())
    }

    /// Whether what an object needs in the cluster is as the last pass left it: its provider object, its record and its Secret.
    pub(super) fn is_as_left(&self, object: &OAuthClient) -> bool {
        let status = object.status.as_ref();
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        let written = status.and_then(|status| status.secret.as_ref());
        let found = self.index.at(namespace, &secret::name(object));
        let is_same = match (written, &found) {
            (Some(written), Some(found)) => {
                *found.uid == *written.uid && *found.resource_version == *written.resource_version
            }
            (written, found) => written.is_none() && found.is_none(),
        };
        let registered = status.is_some_and(|status| status.client_id.is_some());
        let key = ProviderKey::of(namespace, &object.spec.provider_ref);
        is_same && (!registered || self.index.record(uid).is_some()) && self.provider_object(&key).is_ok()
    }

    pub(super) fn provider_object(&self, key: &ProviderKey) -> Result<(String, i64, ProviderSettings), Failure> {
        let missing = || {
            Failure::new(
                Class::Denied,
                Reason::ProviderNotFound,
                format!("{key} does not exist; create it or correct spec.providerRef"),
            )
        };
        let identity = |metadata: &kube::api::ObjectMeta| {
            (
                metadata.uid.clone().unwrap_or_default(),
                metadata.generation.unwrap_or_default(),
            )
        };
        match key.kind {
            ProviderKind::OAuthProvider => {
                let object = self.providers.provider(&key.namespace, &key.name).ok_or_else(missing)?;
                let (uid, generation) = identity(&object.metadata);
                Ok((uid, generation, object.spec.provider.clone()))
            }
            ProviderKind::ClusterOAuthProvider if self.namespaced => Err(Failure::new(
                Class::Denied,
                Reason::ProviderKindUnavailable,
                "this installation of the operator watches single namespaces and serves no ClusterOAuthProvider; set spec.providerRef.kind to OAuthProvider",
            )),
            ProviderKind::ClusterOAuthProvider => {
                let object = self.providers.cluster_provider(&key.name).ok_or_else(missing)?;
                let (uid, generation) = identity(&object.metadata);
                Ok((uid, generation, object.spec.provider.clone()))
            }
        }
    }

    /// Status and generation of a provider object.
    pub(super) fn provider_status(&self, key: &ProviderKey) -> Option<(ProviderStatus, Option<i64>)> {
        let (status, generation) = match key.kind {
            ProviderKind::OAuthProvider => {
                let object = self.providers.provider(&key.namespace, &key.name)?;
                (object.status.clone(), object.metadata.generation)
            }
            ProviderKind::ClusterOAuthProvider => {
                let object = self.providers.cluster_provider(&key.name)?;
                (object.status.clone(), object.metadata.generation)
            }
        };
        Some((status.unwrap_or_default(), generation))
    }

    /// Has a provider object judged again, if what a pass found is not what its status says.
    pub(super) fn learn(&self, key: &ProviderKey, found: Result<&Endpoints, &Failure>) {
        let known = self.provider_status(key);
        if known.is_some_and(|(status, generation)| status::is_news(&status, found, generation)) {
            // Nobody listens any more when the operator stops.
            let _ = self.learned.send(key.clone());
        }
    }

    /// Forgets what is kept of provider objects, Secrets and ConfigMaps that do not exist any more.
    pub(super) fn forget_the_gone(&self) {
        let uid = |key: &ProviderKey| self.provider_object(key).ok().map(|(uid, _, _)| uid);
        let uids: HashSet<String> = self.providers.keys().iter().filter_map(uid).collect();
        self.note_vanished(|uid, _| !uids.contains(uid));
        self.discovery.retain(|uid| uids.contains(uid));
        self.permits.retain(|uid| uids.contains(uid));
        self.pauses.retain(|uid| uids.contains(uid));
        self.comparisons.retain(|key| self.provider_object(key).is_ok());
        self.breakers.retain(|uid| uids.contains(uid));
        self.credentials.forget_the_gone(&self.index, &self.providers);
    }

    pub(super) fn check_namespace(&self, key: &ProviderKey, namespace: &str) -> Result<(), Failure> {
        let Some(provider) = self.providers.cluster_provider(&key.name) else {
            return Ok(());
        };
        let allowed = &provider.spec.allowed_namespaces;
        let by_name = allowed
            .names
            .iter()
            .flatten()
            .any(|name| name == "*" || name == namespace);
        let by_labels = allowed.match_labels.as_ref().is_some_and(|wanted| {
            let labels = self
                .providers
                .namespace(namespace)
                .map(|known| known.labels.clone())
                .unwrap_or_default();
            !wanted.is_empty()
                && wanted
                    .iter()
                    .all(|(key, value)| labels.get(key.as_str()).is_some_and(|found| **found == *value.0))
        });
        if by_name || by_labels {
            return Ok(());
        }
        Err(Failure::new(
            Class::Denied,
            Reason::NamespaceNotAllowed,
            format!(
                "{key} does not allow namespace {namespace}; ask its owner to add the namespace to spec.allowedNamespaces"
            ),
        ))
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while one of these is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
