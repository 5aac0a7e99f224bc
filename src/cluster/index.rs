//! What the Secret watches know: metadata only, found by name, by owner and by client.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kube::core::ObjectMeta;
use tokio::sync::Notify;

use super::key::Key;
use super::meta::{Role, SecretMeta};
use crate::domain::claim::Named;
use crate::domain::record::Phase;

use super::namespaced_cache::{NamespacedCache, Put, Source, Versioned};

impl Versioned for Arc<SecretMeta> {
    fn uid(&self) -> &str {
        &self.uid
    }
    fn version(&self) -> &str {
        &self.resource_version
    }
}

/// The two label selectors under which Secrets are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Secrets that the operator wrote, by their role label.
    Written,
    /// Secrets that the operator may use as a provider's credentials, by the consent label.
    Consented,
}

/// Metadata of every Secret that concerns the operator.
///
/// Shared, and never locked across an await.
pub struct SecretIndex {
    operator_namespace: Box<str>,
    inner: RwLock<Inner>,
    consent_changed: Notify,
}

#[derive(Default)]
struct Inner {
    written: NamespacedCache<Arc<SecretMeta>>,
    consented: NamespacedCache<Arc<SecretMeta>>,
    /// Credentials Secrets by the UID of the `OAuthClient` that controls them.
    by_owner: HashMap<Box<str>, Vec<Arc<SecretMeta>>>,
    /// Records and suspects of the operator's namespace by the client's UID.
    by_client: HashMap<Box<str>, Vec<Arc<SecretMeta>>>,
    /// Records and suspects of the operator's namespace by the client that they name.
    by_key: HashMap<u128, Vec<Arc<SecretMeta>>>,
    /// How many records of registered clients there are by the object's namespace and name.
    by_object: HashMap<u64, u32>,
    /// Records without the label that names their client: an earlier version wrote them.
    unlabelled: usize,
    /// Records without the label that names their object, likewise.
    unnamed: usize,
}

/// How a Secret changed: what it was, what it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub old: Option<Arc<SecretMeta>>,
    pub new: Option<Arc<SecretMeta>>,
}

impl SecretIndex {
    /// An empty index. Records and suspects count only in the operator's namespace: a tenant cannot forge them.
    #[must_use]
    pub fn new(operator_namespace: &str) -> Self {
        Self {
            operator_namespace: operator_namespace.into(),
            inner: RwLock::default(),
            consent_changed: Notify::new(),
        }
    }

    /// Waits until a Secret or ConfigMap that provider objects may use comes, changes or goes. Whoever awaits it is the only one.
    pub async fn consent_changed(&self) {
        self.consent_changed.notified().await;
    }

    /// Notes such a change.
    pub(super) fn note_consent(&self) {
        self.consent_changed.notify_one();
    }

    /// The registration record of a client.
    #[must_use]
    pub fn record(&self, client_uid: &str) -> Option<Arc<SecretMeta>> {
        let inner = self.read();
        let found = inner.by_client.get(client_uid)?;
        found.iter().find(|meta| meta.role == Role::Record).cloned()
    }

    /// The credentials Secrets that the `OAuthClient` of this UID controls. More than one while the name changes.
    ///
    /// The caller compares the namespace: an owner reference that points into another one means nothing.
    #[must_use]
    pub fn credentials(&self, owner_uid: &str) -> Vec<Arc<SecretMeta>> {
        self.read().by_owner.get(owner_uid).cloned().unwrap_or_default()
    }

    /// The Secret of this name, if it carries one of the operator's labels.
    #[must_use]
    pub fn at(&self, namespace: &str, name: &str) -> Option<Arc<SecretMeta>> {
        let inner = self.read();
        let found = inner.written.get(namespace, name);
        found.or_else(|| inner.consented.get(namespace, name)).cloned()
    }

    /// The suspect entries of a client.
    #[must_use]
    pub fn suspects(&self, client_uid: &str) -> Vec<Arc<SecretMeta>> {
        let inner = self.read();
        let found = inner.by_client.get(client_uid).into_iter().flatten();
        found.filter(|meta| meta.role == Role::Suspect).cloned().collect()
    }

    /// Every registration record and suspect, for the sweeper and the metrics.
    #[must_use]
    pub fn records_and_suspects(&self) -> Vec<Arc<SecretMeta>> {
        let inner = self.read();
        let found = inner.written.in_namespace(&self.operator_namespace);
        found
            .filter(|(_, meta)| matches!(meta.role, Role::Record | Role::Suspect))
            .map(|(_, meta)| Arc::clone(meta))
            .collect()
    }

    /// Records and suspects that name the client of this key.
    #[must_use]
    pub fn naming(&self, client: &str) -> Vec<Named> {
        let key = u128::from_str_radix(client, 16).unwrap_or_default();
        let inner = self.read();
        inner
            .by_key
            .get(&key)
            .into_iter()
            .flatten()
            .map(|meta| meta.named())
            .collect()
    }

    /// How many records of registered clients belong to objects of this namespace and name, as the digest says.
    #[must_use]
    pub fn registered_of(&self, object: &str) -> u32 {
        let key = u64::from_str_radix(object, 16).unwrap_or_default();
        self.read().by_object.get(&key).copied().unwrap_or_default()
    }

    /// Whether every record carries the label that names its client.
    #[must_use]
    pub fn is_labelled(&self) -> bool {
        self.read().unlabelled == 0
    }

    /// Whether every record carries the label that names its object.
    #[must_use]
    pub fn names_objects(&self) -> bool {
        self.read().unnamed == 0
    }

    /// A Secret that may be used as a provider's credentials.
    #[must_use]
    pub fn provider_credentials(&self, namespace: &str, name: &str) -> Option<Arc<SecretMeta>> {
        self.read().consented.get(namespace, name).cloned()
    }

    /// Puts in what the API server answered to an own write; an older event does not take it back.
    pub(super) fn note_write(&self, head: ObjectMeta) -> Arc<SecretMeta> {
        let mut inner = self.write();
        let meta = Arc::new(inner.meta(head));
        for family in [Family::Written, Family::Consented] {
            if family.covers(&meta) {
                let epoch = inner.space(family).current();
                self.put(&mut inner, family, Arc::clone(&meta), Source::Own, epoch);
            }
        }
        meta
    }

    /// Takes out a Secret that the operator deleted.
    pub(super) fn note_delete(&self, namespace: &str, name: &str, uid: &str) {
        let mut inner = self.write();
        let key = Key::new(namespace, name);
        for family in [Family::Written, Family::Consented] {
            if let Some(meta) = inner.space(family).remove_own(&key, uid) {
                self.unlink(&mut inner, family, &meta);
            }
        }
    }

    /// Begins a list of one of the watches.
    pub(super) fn begin(&self, family: Family) -> u32 {
        self.write().space(family).begin()
    }

    /// Takes in a listed Secret, or one that a watch event shows.
    pub(super) fn seen(&self, family: Family, head: ObjectMeta, epoch: u32) -> Option<Change> {
        let mut inner = self.write();
        let meta = Arc::new(inner.meta(head));
        match self.put(&mut inner, family, Arc::clone(&meta), Source::Watch, epoch) {
            Put::Stale | Put::Same => None,
            Put::Replaced(old) => Some(Change { old, new: Some(meta) }),
        }
    }

    /// Takes out a Secret that is deleted or no longer carries the label.
    pub(super) fn gone(&self, family: Family, head: &ObjectMeta) -> Option<Change> {
        let mut inner = self.write();
        let key = Key::new(
            head.namespace.as_deref().unwrap_or_default(),
            head.name.as_deref().unwrap_or_default(),
        );
        let old = inner
            .space(family)
            .remove(&key, head.resource_version.as_deref().unwrap_or_default())?;
        self.unlink(&mut inner, family, &old);
        Some(Change {
            old: Some(old),
            new: None,
        })
    }

    /// Ends a list: what it lacked was deleted.
    pub(super) fn sweep(&self, family: Family, namespace: Option<&str>, epoch: u32) -> Vec<Change> {
        let mut inner = self.write();
        let deleted = inner.space(family).sweep(namespace, epoch);
        deleted
            .into_iter()
            .map(|(_, old)| {
                self.unlink(&mut inner, family, &old);
                Change {
                    old: Some(old),
                    new: None,
                }
            })
            .collect()
    }

    fn put(
        &self,
        inner: &mut Inner,
        family: Family,
        meta: Arc<SecretMeta>,
        source: Source,
        epoch: u32,
    ) -> Put<Arc<SecretMeta>> {
        let key = Key {
            namespace: Arc::clone(&meta.namespace),
            name: Arc::clone(&meta.name),
        };
        let put = inner.space(family).put(&key, Arc::clone(&meta), source, epoch);
        if let Put::Replaced(old) = &put {
            if let Some(old) = old {
                self.unlink(inner, family, old);
            }
            self.link(inner, family, meta);
        }
        put
    }

    fn link(&self, inner: &mut Inner, family: Family, meta: Arc<SecretMeta>) {
        if family != Family::Written {
            return;
        }
        if self.counts_as(&meta, Role::Record) {
            inner.unlabelled += usize::from(meta.client.is_none());
            inner.unnamed += usize::from(meta.object.is_none());
        }
        if let Some(object) = self.object_of(&meta) {
            *inner.by_object.entry(object).or_default() += 1;
        }
        if let Some(client) = self.client_of(&meta) {
            let list = inner.by_key.entry(client).or_default();
            list.push(Arc::clone(&meta));
            list.shrink_to_fit();
        }
        if let Some(table) = self.table(inner, &meta)
            && let Some(uid) = meta.concerns()
        {
            let list = table.entry(uid.into()).or_default();
            list.push(meta);
            list.shrink_to_fit();
        }
    }

    fn unlink(&self, inner: &mut Inner, family: Family, meta: &Arc<SecretMeta>) {
        if family != Family::Written {
            return;
        }
        if self.counts_as(meta, Role::Record) {
            inner.unlabelled -= usize::from(meta.client.is_none());
            inner.unnamed -= usize::from(meta.object.is_none());
        }
        if let Some(object) = self.object_of(meta)
            && let Some(count) = inner.by_object.get_mut(&object)
        {
            *count -= 1;
            if *count == 0 {
                inner.by_object.remove(&object);
            }
        }
        if let Some(client) = self.client_of(meta)
            && let Some(list) = inner.by_key.get_mut(&client)
        {
            list.retain(|other| !Arc::ptr_eq(other, meta));
            if list.is_empty() {
                inner.by_key.remove(&client);
            }
        }
        if let Some(table) = self.table(inner, meta)
            && let Some(uid) = meta.concerns()
            && let Some(list) = table.get_mut(uid)
        {
            list.retain(|other| !Arc::ptr_eq(other, meta));
            if list.is_empty() {
                table.remove(uid);
            }
        }
    }

    fn table<'a>(
        &self,
        inner: &'a mut Inner,
        meta: &SecretMeta,
    ) -> Option<&'a mut HashMap<Box<str>, Vec<Arc<SecretMeta>>>> {
        match meta.role {
            Role::Credentials => Some(&mut inner.by_owner),
            Role::Record | Role::Suspect if *meta.namespace == *self.operator_namespace => Some(&mut inner.by_client),
            Role::Record | Role::Suspect | Role::Other => None,
        }
    }

    fn client_of(&self, meta: &SecretMeta) -> Option<u128> {
        let kept = self.counts_as(meta, Role::Record) || self.counts_as(meta, Role::Suspect);
        meta.client.filter(|_| kept)
    }

    fn object_of(&self, meta: &SecretMeta) -> Option<u64> {
        let kept = self.counts_as(meta, Role::Record) && meta.phase == Some(Phase::Registered);
        meta.object.filter(|_| kept)
    }

    fn counts_as(&self, meta: &SecretMeta, role: Role) -> bool {
        meta.role == role && *meta.namespace == *self.operator_namespace
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn space(&mut self, family: Family) -> &mut NamespacedCache<Arc<SecretMeta>> {
        match family {
            Family::Written => &mut self.written,
            Family::Consented => &mut self.consented,
        }
    }

    fn meta(&mut self, head: ObjectMeta) -> SecretMeta {
        let namespace = self.written.intern(head.namespace.as_deref().unwrap_or_default());
        SecretMeta::of(head, namespace)
    }
}

impl Family {
    /// The label selector of the watch.
    pub(super) const fn selector(self) -> &'static str {
        match self {
            Self::Written => "oauth-client-operator.dev/role in (credentials,record,suspect)",
            Self::Consented => "oauth-client-operator.dev/provider-credentials=true",
        }
    }

    fn covers(self, meta: &SecretMeta) -> bool {
        match self {
            Self::Written => meta.role != Role::Other,
            Self::Consented => meta.provider_credentials,
        }
    }
}

#[cfg(test)]
mod tests;
