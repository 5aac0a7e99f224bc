//! Provider objects and namespaces, and the ConfigMaps that provider objects may use: few, so that each is held by its name alone.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kube::Resource;
use kube::core::ObjectMeta;
use serde::de::DeserializeOwned;

use super::census::standing;
use super::consent::Consent;
use super::key::{Key, ProviderKey};
use super::namespaced_cache::{NamespacedCache, Put, Source, Versioned};
use crate::api::{ClusterOAuthProvider, OAuthProvider, ProviderKind, ProviderSettings, ProviderStatus, TokenState};
use crate::domain::bearer;
use crate::metrics::ReasonLabel;

/// What is known of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceMeta {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// UID.
    pub uid: Box<str>,
    resource_version: Box<str>,
}

impl NamespaceMeta {
    pub(super) fn of(meta: ObjectMeta) -> Self {
        Self {
            labels: meta.labels.unwrap_or_default(),
            terminating: meta.deletion_timestamp.is_some(),
            uid: meta.uid.unwrap_or_default().into(),
            resource_version: meta.resource_version.unwrap_or_default().into(),
        }
    }

    /// Whether clients of the namespace have to be looked at when it changes from `old` to this.
    pub(super) fn differs(&self, old: &Self) -> bool {
        self.labels != old.labels || self.terminating != old.terminating || self.uid != old.uid
    }
}

impl Versioned for Arc<NamespaceMeta> {
    fn uid(&self) -> &str {
        &self.uid
    }
    fn version(&self) -> &str {
        &self.resource_version
    }
}

/// The two kinds of provider object.
pub(super) trait ProviderObject:
    Resource<DynamicType = ()> + DeserializeOwned + Clone + Send + Sync + 'static
{
    fn settings(&self) -> &ProviderSettings;
    fn key(namespace: &str, name: &str) -> ProviderKey;
}

impl ProviderObject for OAuthProvider {
    fn settings(&self) -> &ProviderSettings {
        &self.spec.provider
    }
    fn key(namespace: &str, name: &str) -> ProviderKey {
        ProviderKey::namespaced(namespace, name)
    }
}

impl ProviderObject for ClusterOAuthProvider {
    fn settings(&self) -> &ProviderSettings {
        &self.spec.provider
    }
    fn key(_: &str, name: &str) -> ProviderKey {
        ProviderKey::cluster(name)
    }
}

impl<P: ProviderObject> Versioned for Arc<P> {
    fn uid(&self) -> &str {
        self.meta().uid.as_deref().unwrap_or_default()
    }
    fn version(&self) -> &str {
        self.meta().resource_version.as_deref().unwrap_or_default()
    }
}

/// A shared view of the objects of one kind, never locked across an await. Cluster-scoped objects stand under the empty
/// namespace.
pub(super) struct Store<T>(RwLock<NamespacedCache<T>>);

impl<T> Default for Store<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T: Versioned + Clone> Store<T> {
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<T> {
        self.read().get(namespace, name).cloned()
    }

    pub(super) fn in_namespace(&self, namespace: &str) -> Vec<(Key, T)> {
        let space = self.read();
        let found = space.in_namespace(namespace);
        found
            .map(|(name, value)| (Key::new(namespace, name), value.clone()))
            .collect()
    }

    pub(super) fn all(&self) -> Vec<Key> {
        let space = self.read();
        let found = space.iter();
        found
            .map(|(namespace, name, _)| Key {
                namespace: Arc::clone(namespace),
                name: Arc::clone(name),
            })
            .collect()
    }

    fn values(&self) -> Vec<T> {
        let space = self.read();
        space.iter().map(|(_, _, value)| value.clone()).collect()
    }

    pub(super) fn begin(&self) -> u32 {
        self.write().begin()
    }

    /// Takes in a listed object, or one that a watch event shows.
    pub(super) fn seen(&self, key: &Key, value: T, epoch: u32) -> Put<T> {
        self.write().put(key, value, Source::Watch, epoch)
    }

    pub(super) fn gone(&self, key: &Key, version: &str) -> bool {
        self.write().remove(key, version).is_some()
    }

    pub(super) fn sweep(&self, namespace: Option<&str>, epoch: u32) -> Vec<Key> {
        self.write()
            .sweep(namespace, epoch)
            .into_iter()
            .map(|(key, _)| key)
            .collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, NamespacedCache<T>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, NamespacedCache<T>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An object that provider objects take credentials or authorities from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Used<'a> {
    /// The Secret of this name.
    Secret(&'a str),
    /// The ConfigMap of this name.
    ConfigMap(&'a str),
}

impl Used<'_> {
    fn is_of(self, settings: &ProviderSettings) -> bool {
        match self {
            Self::Secret(name) => settings.secrets().any(|used| used == name),
            Self::ConfigMap(name) => settings.config_maps().any(|used| used == name),
        }
    }
}

/// The view of both kinds of provider object, of namespaces, and of the ConfigMaps that may be used.
#[derive(Default)]
pub struct ProviderCache {
    namespaced: Store<Arc<OAuthProvider>>,
    cluster: Store<Arc<ClusterOAuthProvider>>,
    namespaces: Store<Arc<NamespaceMeta>>,
    config_maps: Store<Arc<Consent>>,
}

/// Where the objects of one kind of provider stand.
pub(super) trait Stores<P> {
    fn shelf(&self) -> &Store<Arc<P>>;
}

impl Stores<OAuthProvider> for ProviderCache {
    fn shelf(&self) -> &Store<Arc<OAuthProvider>> {
        &self.namespaced
    }
}

impl Stores<ClusterOAuthProvider> for ProviderCache {
    fn shelf(&self) -> &Store<Arc<ClusterOAuthProvider>> {
        &self.cluster
    }
}

impl ProviderCache {
    /// An `OAuthProvider`.
    #[must_use]
    pub fn provider(&self, namespace: &str, name: &str) -> Option<Arc<OAuthProvider>> {
        self.namespaced.get(namespace, name)
    }

    /// A `ClusterOAuthProvider`.
    #[must_use]
    pub fn cluster_provider(&self, name: &str) -> Option<Arc<ClusterOAuthProvider>> {
        self.cluster.get("", name)
    }

    /// A namespace; always `None` where namespaces are not watched.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<Arc<NamespaceMeta>> {
        self.namespaces.get("", name)
    }

    /// A ConfigMap that provider objects may use.
    #[must_use]
    pub fn config_map(&self, namespace: &str, name: &str) -> Option<Arc<Consent>> {
        self.config_maps.get(namespace, name)
    }

    /// Every provider object.
    #[must_use]
    pub fn keys(&self) -> Vec<ProviderKey> {
        let namespaced = self
            .namespaced
            .all()
            .into_iter()
            .map(|key| ProviderKey::namespaced(&key.namespace, &key.name));
        let cluster = self
            .cluster
            .all()
            .into_iter()
            .map(|key| ProviderKey::cluster(&key.name));
        namespaced.chain(cluster).collect()
    }

    /// How many provider objects are Ready or not, and why.
    #[must_use]
    pub fn census(&self) -> BTreeMap<(ProviderKind, bool, ReasonLabel), usize> {
        let mut counts = BTreeMap::new();
        let mut count = |kind, status: Option<&ProviderStatus>| {
            let (ready, reason) = standing(status.map_or(&[], |status| &status.conditions));
            *counts.entry((kind, ready, reason)).or_default() += 1;
        };
        for object in self.namespaced.values() {
            count(ProviderKind::OAuthProvider, object.status.as_ref());
        }
        for object in self.cluster.values() {
            count(ProviderKind::ClusterOAuthProvider, object.status.as_ref());
        }
        counts
    }

    fn statuses(&self) -> Vec<(ProviderKind, Option<ProviderStatus>)> {
        let namespaced = self.namespaced.values().into_iter();
        let namespaced = namespaced.map(|object| (ProviderKind::OAuthProvider, object.status.clone()));
        let cluster = self.cluster.values().into_iter();
        let cluster = cluster.map(|object| (ProviderKind::ClusterOAuthProvider, object.status.clone()));
        namespaced.chain(cluster).collect()
    }

    /// How many tokens for registrations are in which state.
    #[must_use]
    pub fn tokens(&self) -> BTreeMap<TokenState, usize> {
        let mut counts = BTreeMap::new();
        for (_, status) in self.statuses() {
            for token in status.unwrap_or_default().registration_tokens {
                *counts.entry(token.state).or_default() += 1;
            }
        }
        counts
    }

    /// When the first provider object of each kind runs out of tokens for registrations, in seconds since the epoch.
    #[must_use]
    pub fn token_expiries(&self) -> BTreeMap<ProviderKind, i64> {
        let mut first = BTreeMap::new();
        for (kind, status) in self.statuses() {
            if let Some(at) = bearer::runs_out(&status.unwrap_or_default().registration_tokens) {
                let known = first.entry(kind).or_insert(at);
                *known = at.min(*known);
            }
        }
        first
    }

    /// The provider objects that use an object of this namespace.
    pub(super) fn using(&self, namespace: &str, used: Used<'_>, operator_namespace: &str) -> Vec<ProviderKey> {
        let namespaced = self.namespaced.in_namespace(namespace).into_iter();
        let namespaced = namespaced.filter(|(_, provider)| used.is_of(provider.settings()));
        let mut found: Vec<_> = namespaced
            .map(|(key, _)| ProviderKey::namespaced(&key.namespace, &key.name))
            .collect();
        if namespace == operator_namespace {
            let cluster = self.cluster.in_namespace("").into_iter();
            let cluster = cluster.filter(|(_, provider)| used.is_of(provider.settings()));
            found.extend(cluster.map(|(key, _)| ProviderKey::cluster(&key.name)));
        }
        found
    }

    pub(super) const fn config_maps(&self) -> &Store<Arc<Consent>> {
        &self.config_maps
    }

    pub(super) const fn namespaces(&self) -> &Store<Arc<NamespaceMeta>> {
        &self.namespaces
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::api::Auth;

    use super::*;

    #[test]
    fn t100_every_kind_of_credentials_names_its_secret() {
        for kind in ["basic", "bearer", "header", "clientCredentials"] {
            let auth: Auth =
                serde_json::from_value(json!({kind: {"name": "X-Key", "secretRef": {"name": "s"}}})).unwrap();
            assert_eq!(auth.secrets().collect::<Vec<_>>(), ["s"], "{kind}");
        }
        for field in ["tlsClientAuth", "softwareStatement"] {
            let settings: ProviderSettings =
                serde_json::from_value(json!({field: {"secretRef": {"name": "s"}}})).unwrap();
            assert_eq!(settings.secrets().collect::<Vec<_>>(), ["s"], "{field}");
        }
        let settings: ProviderSettings =
            serde_json::from_value(json!({"tls": {"caBundleFrom": {"secretRef": {"name": "s"}}}})).unwrap();
        assert_eq!(settings.secrets().collect::<Vec<_>>(), ["s"]);
        assert_eq!(settings.config_maps().count(), 0);
        let settings: ProviderSettings =
            serde_json::from_value(json!({"tls": {"caBundleFrom": {"configMapRef": {"name": "m"}}}})).unwrap();
        assert_eq!(settings.config_maps().collect::<Vec<_>>(), ["m"]);
        assert_eq!(settings.secrets().count(), 0);
    }
}
