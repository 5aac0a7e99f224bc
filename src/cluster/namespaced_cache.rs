//! A view of the objects of one kind that a watch keeps up to date and that the operator's own writes enter at once.
//!
//! A watch lags behind. For [`HOLD`] after an own write nothing older takes the written object's place; afterwards the
//! watch is right again whatever it says, because a restore of the cluster's store turns versions back.
//!
//! A new list does not empty the view: objects that it lacks are removed when it is complete, and returned, so that a
//! deletion missed while the watch was broken is seen after all.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::key::{Key, older};

/// How long an own write stands against an older event.
const HOLD: Duration = Duration::from_secs(10);
/// Number of unconfirmed own writes above which expired ones are cleared out.
const CROWD: usize = 1024;

/// What the view needs to know of an object.
pub(super) trait Versioned {
    fn uid(&self) -> &str;
    fn version(&self) -> &str;
}

/// Where a version of an object comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A list or a watch event.
    Watch,
    /// The answer to a write of the operator.
    Own,
}

/// What became of a version offered to the view.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Put<T> {
    /// It is older than an own write and was dropped.
    Stale,
    /// The view held this very version.
    Same,
    /// It replaced this one, or is the first.
    Replaced(Option<T>),
}

struct Slot<T> {
    value: T,
    /// The list that this version was part of or came after.
    epoch: u32,
}

/// An own write that no event has confirmed yet.
struct Unconfirmed {
    at: Instant,
    /// UID of an object that was deleted; `None` after a write.
    deleted: Option<Box<str>>,
}

impl Unconfirmed {
    fn holds(&self) -> bool {
        self.at.elapsed() < HOLD
    }
}

/// The view.
pub(super) struct NamespacedCache<T> {
    names: HashMap<Arc<str>, HashMap<Arc<str>, Slot<T>>>,
    unconfirmed: HashMap<Key, Unconfirmed>,
    epoch: u32,
}

impl<T> Default for NamespacedCache<T> {
    fn default() -> Self {
        Self {
            names: HashMap::new(),
            unconfirmed: HashMap::new(),
            epoch: 0,
        }
    }
}

impl<T: Versioned + Clone> NamespacedCache<T> {
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<&T> {
        self.names.get(namespace)?.get(name).map(|slot| &slot.value)
    }

    pub(super) fn in_namespace(&self, namespace: &str) -> impl Iterator<Item = (&Arc<str>, &T)> {
        self.names
            .get(namespace)
            .into_iter()
            .flat_map(|names| names.iter().map(|(name, slot)| (name, &slot.value)))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>, &T)> {
        self.names
            .iter()
            .flat_map(|(namespace, names)| names.iter().map(move |(name, slot)| (namespace, name, &slot.value)))
    }

    /// The shared text of a namespace's name.
    pub(super) fn intern(&mut self, namespace: &str) -> Arc<str> {
        if let Some((shared, _)) = self.names.get_key_value(namespace) {
            return Arc::clone(shared);
        }
        let shared: Arc<str> = namespace.into();
        self.names.insert(Arc::clone(&shared), HashMap::new());
        shared
    }

    /// Number of the last list that began.
    pub(super) fn current(&self) -> u32 {
        self.epoch
    }

    /// Begins a list; the number goes to [`Self::sweep`] and to each [`Self::put`] of the list.
    pub(super) fn begin(&mut self) -> u32 {
        self.epoch = self.epoch.wrapping_add(1);
        self.epoch
    }

    /// Offers a version. `epoch` is that of the list, or of the last list for a watch event.
    pub(super) fn put(&mut self, key: &Key, value: T, source: Source, epoch: u32) -> Put<T> {
        if source == Source::Watch && self.is_stale(key, &value) {
            if let Some(slot) = self.slot(key) {
                slot.epoch = epoch;
            }
            return Put::Stale;
        }
        // The answer to an own write may come after the event of a newer change, which would never be told again.
        let overtaken = source == Source::Own
            && self
                .get(&key.namespace, &key.name)
                .is_some_and(|held| held.uid() == value.uid() && older(value.version(), held.version()));
        if overtaken {
            return Put::Stale;
        }
        self.settle(key, source, None);
        let names = self.names.entry(Arc::clone(&key.namespace)).or_default();
        match names.entry(Arc::clone(&key.name)) {
            Entry::Vacant(entry) => {
                entry.insert(Slot { value, epoch });
                Put::Replaced(None)
            }
            Entry::Occupied(mut entry) => {
                let slot = entry.get_mut();
                slot.epoch = epoch;
                if slot.value.uid() == value.uid() && slot.value.version() == value.version() {
                    return Put::Same;
                }
                Put::Replaced(Some(std::mem::replace(&mut slot.value, value)))
            }
        }
    }

    /// Removes an object that a watch says is deleted, unless an own write made it anew since.
    pub(super) fn remove(&mut self, key: &Key, version: &str) -> Option<T> {
        let held = self.unconfirmed.get(key).is_some_and(Unconfirmed::holds);
        if held && self.slot(key).is_some_and(|slot| older(version, slot.value.version())) {
            return None;
        }
        self.unconfirmed.remove(key);
        self.take(key)
    }

    /// Removes an object that the operator deleted; late events about the UID are dropped for a while.
    pub(super) fn remove_own(&mut self, key: &Key, uid: &str) -> Option<T> {
        self.settle(key, Source::Own, Some(uid.into()));
        if self.slot(key).is_some_and(|slot| slot.value.uid() != uid) {
            return None;
        }
        self.take(key)
    }

    /// Removes what the list that began with `epoch` did not show, in one namespace or everywhere.
    pub(super) fn sweep(&mut self, namespace: Option<&str>, epoch: u32) -> Vec<(Key, T)> {
        let mut gone = Vec::new();
        for (space, names) in &mut self.names {
            if namespace.is_some_and(|only| only != &**space) {
                continue;
            }
            names.retain(|name, slot| {
                let key = Key {
                    namespace: Arc::clone(space),
                    name: Arc::clone(name),
                };
                let keep = slot.epoch == epoch || self.unconfirmed.get(&key).is_some_and(Unconfirmed::holds);
                if !keep {
                    gone.push((key, slot.value.clone()));
                }
                keep
            });
        }
        self.names.retain(|_, names| !names.is_empty());
        gone
    }

    fn slot(&mut self, key: &Key) -> Option<&mut Slot<T>> {
        self.names.get_mut(&key.namespace)?.get_mut(&key.name)
    }

    fn take(&mut self, key: &Key) -> Option<T> {
        let names = self.names.get_mut(&key.namespace)?;
        let slot = names.remove(&key.name)?;
        if names.is_empty() {
            self.names.remove(&key.namespace);
        }
        Some(slot.value)
    }

    fn is_stale(&self, key: &Key, value: &T) -> bool {
        let Some(own) = self.unconfirmed.get(key).filter(|own| own.holds()) else {
            return false;
        };
        match &own.deleted {
            Some(uid) => **uid == *value.uid(),
            None => self
                .get(&key.namespace, &key.name)
                .is_some_and(|held| older(value.version(), held.version())),
        }
    }

    /// Notes an own write, or takes an event for its confirmation.
    fn settle(&mut self, key: &Key, source: Source, deleted: Option<Box<str>>) {
        if source == Source::Watch {
            self.unconfirmed.remove(key);
            return;
        }
        if self.unconfirmed.len() >= CROWD {
            self.unconfirmed.retain(|_, own| own.holds());
        }
        self.unconfirmed.insert(
            key.clone(),
            Unconfirmed {
                at: Instant::now(),
                deleted,
            },
        );
    }
}

#[cfg(test)]
mod tests;
