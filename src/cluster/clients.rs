//! Every `OAuthClient` that is watched, found by name, by UID, by namespace and by provider.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kube::ResourceExt;
use tokio::sync::Notify;

use super::census::Census;
use super::expiries::Expiries;
use super::key::{Key, ProviderKey};
use super::namespaced_cache::{NamespacedCache, Put, Source, Versioned};
use super::trigger::Cause;
use crate::api::{Condition, OAuthClient, ProviderKind, names};
use crate::metrics::ReasonLabel;

impl Versioned for Arc<OAuthClient> {
    fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }
    fn version(&self) -> &str {
        self.metadata.resource_version.as_deref().unwrap_or_default()
    }
}

/// The view of all `OAuthClient` objects.
///
/// Shared, and never locked across an await.
#[derive(Default)]
pub struct ClientCache {
    inner: RwLock<Inner>,
    /// Another secret expires before all others.
    expiry: Notify,
}

#[derive(Default)]
struct Inner {
    objects: NamespacedCache<Arc<OAuthClient>>,
    by_uid: HashMap<Box<str>, Key>,
    by_provider: HashMap<ProviderKey, HashSet<Key>>,
    /// Objects that do not decode; none of them is in `objects`.
    undecodable: HashSet<Key>,
    census: Census,
    expiries: Expiries,
    /// Whether another secret expires before all others, and nobody was told.
    sooner: bool,
}

impl ClientCache {
    /// The object as last seen or written, without managed fields.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<OAuthClient>> {
        let inner = self.read();
        inner.objects.get(namespace, name).cloned()
    }

    /// The object with this UID.
    #[must_use]
    pub fn by_uid(&self, uid: &str) -> Option<Arc<OAuthClient>> {
        let inner = self.read();
        let key = inner.by_uid.get(uid)?;
        inner.objects.get(&key.namespace, &key.name).cloned()
    }

    /// The objects that reference a provider.
    #[must_use]
    pub fn of_provider(&self, provider: &ProviderKey) -> Vec<Key> {
        let inner = self.read();
        inner.by_provider.get(provider).into_iter().flatten().cloned().collect()
    }

    /// The objects of a namespace.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Vec<Key> {
        let inner = self.read();
        inner
            .objects
            .in_namespace(namespace)
            .map(|(name, _)| Key {
                namespace: namespace.into(),
                name: Arc::clone(name),
            })
            .collect()
    }

    /// Names and UIDs of all objects.
    #[must_use]
    pub fn all(&self) -> Vec<Key> {
        let inner = self.read();
        inner
            .objects
            .iter()
            .map(|(namespace, name, _)| key(namespace, name))
            .collect()
    }

    /// How many objects are Ready or not, and why.
    #[must_use]
    pub fn census(&self) -> BTreeMap<(bool, ReasonLabel), usize> {
        self.read().census.counts()
    }

    /// When the next Ready object stops being that because its secret expires, in seconds since the epoch.
    #[must_use]
    pub fn next_expiry(&self) -> Option<i64> {
        self.read().expiries.next()
    }

    /// Waits until [`Self::next_expiry`] may be another one.
    pub async fn expiry_changed(&self) {
        self.expiry.notified().await;
    }

    /// The objects whose secrets have expired. Each is given out once, until it changes.
    #[must_use]
    pub fn take_expired(&self, now: i64) -> Vec<Key> {
        self.write().expiries.take(now)
    }

    /// For each kind of provider, when the secret of one of its clients expires next.
    #[must_use]
    pub fn soonest_expiries(&self, now: i64) -> BTreeMap<ProviderKind, i64> {
        self.read().expiries.soonest(now)
    }

    /// The objects whose UID falls into this part of `parts`.
    pub(super) fn part(&self, part: u64, parts: u64) -> Vec<Key> {
        let inner = self.read();
        inner
            .objects
            .iter()
            .filter(|(_, _, object)| hashed(object.uid()) % parts == part)
            .map(|(namespace, name, _)| key(namespace, name))
            .collect()
    }

    /// Puts in what the API server answered to an own write. It causes no trigger, and an older event does not take it
    /// back.
    pub(super) fn note_write(&self, object: OAuthClient) -> Arc<OAuthClient> {
        let object = Arc::new(slim(object));
        let key = Key::of(&object);
        let mut inner = self.write();
        // The operator creates none of these: what is not in view any more was deleted while the answer was on its way.
        if inner.objects.get(&key.namespace, &key.name).is_some() {
            let epoch = inner.objects.current();
            inner.put(&object, Source::Own, epoch);
        }
        self.tell(inner);
        object
    }

    /// Takes out an object whose last finalizer the operator removed.
    pub(super) fn note_delete(&self, object: &OAuthClient) {
        let mut inner = self.write();
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        if let Some(old) = inner.objects.remove_own(&Key::of(object), uid) {
            inner.unlink(&old);
        }
    }

    /// Begins a list.
    pub(super) fn begin(&self) -> u32 {
        self.write().objects.begin()
    }

    /// Takes in a listed object, or one that a watch event shows. Returns its key and the cause if the change is worth a
    /// look.
    pub(super) fn seen(&self, object: OAuthClient, epoch: u32) -> Option<(Key, Cause)> {
        let object = Arc::new(slim(object));
        let key = Key::of(&object);
        let mut inner = self.write();
        inner.undecodable.remove(&key);
        let cause = inner.put(&object, Source::Watch, epoch);
        self.tell(inner);
        Some((key, cause?))
    }

    /// Takes out an object that does not decode, so that nothing acts on what it was. Returns whether it is the first
    /// time.
    pub(super) fn undecodable(&self, key: &Key) -> bool {
        let mut inner = self.write();
        if let Some(old) = inner.objects.remove(key, "") {
            inner.unlink(&old);
        }
        inner.undecodable.insert(key.clone())
    }

    /// Takes out a deleted object. Returns whether it was there.
    pub(super) fn gone(&self, key: &Key, version: &str) -> bool {
        let mut inner = self.write();
        inner.undecodable.remove(key);
        match inner.objects.remove(key, version) {
            Some(old) => {
                inner.unlink(&old);
                true
            }
            None => false,
        }
    }

    /// Ends a list: what it lacked was deleted.
    pub(super) fn sweep(&self, namespace: Option<&str>, epoch: u32) -> Vec<Key> {
        let mut inner = self.write();
        let deleted = inner.objects.sweep(namespace, epoch);
        deleted
            .into_iter()
            .map(|(key, old)| {
                inner.unlink(&old);
                key
            })
            .collect()
    }

    /// Tells whoever waits for the next expiry.
    fn tell(&self, mut inner: RwLockWriteGuard<'_, Inner>) {
        if std::mem::take(&mut inner.sooner) {
            drop(inner);
            self.expiry.notify_one();
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Returns why the object is worth a look, if it is.
    fn put(&mut self, object: &Arc<OAuthClient>, source: Source, epoch: u32) -> Option<Cause> {
        let namespace = self
            .objects
            .intern(object.metadata.namespace.as_deref().unwrap_or_default());
        let key = Key {
            namespace,
            name: object.metadata.name.as_deref().unwrap_or_default().into(),
        };
        match self.objects.put(&key, Arc::clone(object), source, epoch) {
            Put::Stale | Put::Same => None,
            Put::Replaced(old) => {
                let cause = old.as_ref().map_or(Some(Cause::Spec), |old| cause(old, object));
                if let Some(old) = &old {
                    self.unlink(old);
                }
                self.link(&key, object);
                cause
            }
        }
    }

    fn link(&mut self, key: &Key, object: &OAuthClient) {
        self.by_uid
            .insert(object.metadata.uid.as_deref().unwrap_or_default().into(), key.clone());
        let provider = ProviderKey::of(&key.namespace, &object.spec.provider_ref);
        self.by_provider.entry(provider).or_default().insert(key.clone());
        self.census.add(conditions(object));
        self.sooner |= self.expiries.add(key, object);
    }

    fn unlink(&mut self, object: &OAuthClient) {
        let key = Key::of(object);
        self.by_uid.remove(object.metadata.uid.as_deref().unwrap_or_default());
        let provider = ProviderKey::of(&key.namespace, &object.spec.provider_ref);
        if let Some(keys) = self.by_provider.get_mut(&provider) {
            keys.remove(&key);
            if keys.is_empty() {
                self.by_provider.remove(&provider);
            }
        }
        self.census.remove(conditions(object));
        self.expiries.remove(&key, object);
    }
}

fn key(namespace: &Arc<str>, name: &Arc<str>) -> Key {
    Key {
        namespace: Arc::clone(namespace),
        name: Arc::clone(name),
    }
}

/// Why a change of an object is worth a look, if it is. The operator's own writes are not: a failing object would otherwise
/// wake itself up for ever, and their events may come before their answers.
#[must_use]
pub fn cause(old: &OAuthClient, new: &OAuthClient) -> Option<Cause> {
    let held = |object: &OAuthClient| object.finalizers().iter().any(|name| name == names::FINALIZER);
    let judged = |object: &OAuthClient| {
        let observed = object.status.as_ref().and_then(|status| status.observed_generation);
        observed.is_some_and(|observed| observed >= 0)
    };
    // What the operator adds and nobody but others takes away: its finalizer, and the status.
    let stripped = held(old) && !held(new) || judged(old) && !judged(new);
    if asked(old) != asked(new) {
        Some(Cause::Asked)
    } else if stripped || relevance(old) != relevance(new) {
        Some(Cause::Spec)
    } else {
        None
    }
}

/// Digest of what the operator reacts to.
fn relevance(object: &OAuthClient) -> u64 {
    let meta = &object.metadata;
    let others: Vec<&String> = object
        .finalizers()
        .iter()
        .filter(|finalizer| *finalizer != names::FINALIZER)
        .collect();
    hashed((&meta.uid, meta.generation, others, meta.deletion_timestamp.is_some()))
}

/// Digest of the annotations by which users ask for something.
fn asked(object: &OAuthClient) -> u64 {
    let annotation = |name| object.metadata.annotations.as_ref().and_then(|all| all.get(name));
    hashed((
        annotation(names::RECONCILE),
        annotation(names::ABANDON),
        annotation(names::REPLACE),
    ))
}

fn hashed(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn conditions(object: &OAuthClient) -> &[Condition] {
    object.status.as_ref().map_or(&[], |status| &status.conditions)
}

/// Drops what is large and decides nothing.
fn slim(mut object: OAuthClient) -> OAuthClient {
    object.metadata.managed_fields = None;
    if let Some(annotations) = &mut object.metadata.annotations {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        if annotations.is_empty() {
            object.metadata.annotations = None;
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(version: u32, finalizers: &[&str], generation: i64) -> OAuthClient {
        serde_json::from_value(json!({
            "apiVersion": names::API_VERSION, "kind": "OAuthClient",
            "metadata": {
                "name": "app", "namespace": "ns", "uid": "u", "resourceVersion": version.to_string(),
                "generation": generation, "finalizers": finalizers,
            },
            "spec": {"providerRef": {"name": "p"}},
        }))
        .unwrap()
    }

    /// A failing object would otherwise be tried again at once, whatever its provider asked for.
    #[test]
    fn the_operators_own_finalizer_causes_a_look_only_when_it_is_gone() {
        let cache = ClientCache::default();
        let epoch = cache.begin();
        let seen = |version, finalizers: &[&str], generation| {
            let seen = cache.seen(object(version, finalizers, generation), epoch);
            seen.map(|(_, cause)| cause)
        };
        assert!(matches!(seen(1, &[], 1), Some(Cause::Spec)));
        assert!(seen(2, &[names::FINALIZER], 1).is_none());
        assert!(matches!(seen(3, &[names::FINALIZER, "other"], 1), Some(Cause::Spec)));
        assert!(matches!(seen(4, &["other"], 1), Some(Cause::Spec)));
        assert!(matches!(seen(5, &[names::FINALIZER, "other"], 2), Some(Cause::Spec)));
    }
}
