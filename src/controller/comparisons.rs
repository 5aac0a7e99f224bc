//! Which clients were compared with what their provider object says now.
//!
//! Invariant: a revision enters the status of a provider object only after every client that rests on that object has been looked
//! at with it, or says by its own status that it is not settled. A start compares the revision, so it makes no difference whether
//! anybody saw the change. Of a provider object at rest nothing is kept but the last revision.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::cluster::{Cause, Key, ProviderKey, Trigger};

use super::context::lock;

/// The comparisons that are under way.
pub(super) struct Comparisons {
    triggers: mpsc::UnboundedSender<Trigger>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    open: HashMap<ProviderKey, Open>,
    /// The revision that this process last compared the clients of a provider object with, and whether the status of that
    /// object holds it: the view of that status may be older.
    last: HashMap<ProviderKey, (String, bool)>,
}

struct Open {
    begun: Instant,
    rest: HashSet<Key>,
    done: watch::Sender<bool>,
}

/// A comparison; dropping it gives it up.
pub(super) struct Comparison<'a> {
    comparisons: &'a Comparisons,
    provider: ProviderKey,
    begun: Instant,
    done: watch::Receiver<bool>,
    /// What the clients are compared with.
    pub revision: String,
}

impl Comparisons {
    /// Comparisons whose clients are looked at by whoever receives these triggers.
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Trigger>) {
        let (triggers, receiver) = mpsc::unbounded_channel();
        let inner = Mutex::default();
        (Self { triggers, inner }, receiver)
    }

    /// Whether the clients of a provider object have to be compared. `stated`: the revision that its status holds.
    pub(super) fn is_due(&self, provider: &ProviderKey, revision: &str, stated: Option<&str>) -> bool {
        let inner = lock(&self.inner);
        match inner.last.get(provider) {
            Some((last, written)) => last != revision || !written,
            None => stated != Some(revision),
        }
    }

    /// The revision that this process last compared the clients of a provider object with.
    pub(super) fn last(&self, provider: &ProviderKey) -> Option<String> {
        let inner = lock(&self.inner);
        inner.last.get(provider).map(|(last, _)| last.clone())
    }

    /// Takes in that the status of a provider object holds this revision.
    pub(super) fn written(&self, provider: &ProviderKey, revision: &str) {
        if let Some((last, written)) = lock(&self.inner).last.get_mut(provider) {
            *written = last == revision;
        }
    }

    /// Has all clients of a provider object looked at. Those that say by themselves that they are not settled are looked at by
    /// every start, so only the others are waited for: each client comes with whether it is.
    pub(super) fn begin(&self, provider: &ProviderKey, revision: String, clients: Vec<(Key, bool)>) -> Comparison<'_> {
        let begun = Instant::now();
        let settled = clients.iter().filter(|(_, settled)| *settled);
        let rest: HashSet<Key> = settled.map(|(key, _)| key.clone()).collect();
        let (done, receiver) = watch::channel(rest.is_empty());
        let mut inner = lock(&self.inner);
        inner.last.insert(provider.clone(), (revision.clone(), false));
        inner.open.insert(provider.clone(), Open { begun, rest, done });
        drop(inner);
        self.look_at(clients.into_iter().map(|(key, _)| key));
        Comparison {
            comparisons: self,
            provider: provider.clone(),
            begun,
            done: receiver,
            revision,
        }
    }

    /// Has clients looked at.
    pub(super) fn look_at(&self, clients: impl IntoIterator<Item = Key>) {
        for key in clients {
            // Nobody listens any more when the operator stops.
            let _ = self.triggers.send(Trigger {
                key,
                cause: Cause::Provider,
            });
        }
    }

    /// Has clients looked at whose secrets have expired.
    pub(super) fn expired(&self, clients: impl IntoIterator<Item = Key>) {
        for key in clients {
            let cause = Cause::Expired;
            let _ = self.triggers.send(Trigger { key, cause });
        }
    }

    /// Takes in that a client was compared by a pass that began then, or is gone.
    pub(super) fn compared(&self, client: &Key, since: Instant) {
        let mut inner = lock(&self.inner);
        for open in inner.open.values_mut() {
            // An earlier pass may have looked at what the provider object said before.
            if since >= open.begun && open.rest.remove(client) && open.rest.is_empty() {
                open.done.send_replace(true);
            }
        }
    }

    /// Forgets the provider objects that do not exist any more.
    pub(super) fn retain(&self, exists: impl Fn(&ProviderKey) -> bool) {
        lock(&self.inner).last.retain(|provider, _| exists(provider));
    }
}

impl Comparison<'_> {
    /// Whether every client was compared.
    pub(super) fn is_done(&self) -> bool {
        *self.done.borrow()
    }

    /// Waits until every client was compared.
    pub(super) async fn done(&self) {
        if self.done.clone().wait_for(|done| *done).await.is_err() {
            // Another one has taken its place.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Comparison<'_> {
    fn drop(&mut self) {
        let mut inner = lock(&self.comparisons.inner);
        if inner
            .open
            .get(&self.provider)
            .is_some_and(|open| open.begun == self.begun)
        {
            inner.open.remove(&self.provider);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn provider() -> ProviderKey {
        ProviderKey::namespaced("ns", "p")
    }

    #[tokio::test(start_paused = true)]
    async fn t146_a_comparison_is_done_when_every_settled_client_was_looked_at_since_it_began() {
        let (comparisons, mut triggers) = Comparisons::new();
        let [a, b, c] = ["a", "b", "c"].map(|name| Key::new("ns", name));
        let earlier = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        let clients = vec![(a.clone(), true), (b.clone(), true), (c, false)];
        let comparison = comparisons.begin(&provider(), "2".to_owned(), clients);
        for name in ["ns/a", "ns/b", "ns/c"] {
            let trigger = triggers.try_recv().unwrap();
            assert_eq!(
                (trigger.key.to_string().as_str(), trigger.cause),
                (name, Cause::Provider)
            );
        }
        comparisons.compared(&a, Instant::now());
        comparisons.compared(&b, earlier);
        assert!(!comparison.is_done(), "a pass that began before saw what was before");
        comparisons.compared(&b, Instant::now());
        comparison.done().await;
        drop(comparison);
        assert!(
            lock(&comparisons.inner).open.is_empty(),
            "at rest nothing is kept of the clients"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn t146_what_was_changed_back_is_compared_again() {
        let (comparisons, _triggers) = Comparisons::new();
        let due = |revision| comparisons.is_due(&provider(), revision, Some("1"));
        assert!(!due("1") && due("2"));
        assert!(comparisons.is_due(&provider(), "1", None));
        drop(comparisons.begin(&provider(), "2".to_owned(), Vec::new()));
        assert!(due("2"), "given up before the status said so");
        assert!(due("1"), "clients may have been judged by the other one");
        drop(comparisons.begin(&provider(), "1".to_owned(), Vec::new()));
        assert!(due("1"));
        comparisons.written(&provider(), "1");
        assert!(!due("1") && due("2"));
        assert!(
            !comparisons.is_due(&provider(), "1", Some("2")),
            "the view of the status lags behind"
        );
        comparisons.retain(|_| false);
        assert!(lock(&comparisons.inner).last.is_empty());
    }
}
