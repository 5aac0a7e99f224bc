//! Where everything that the watches see comes together.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::{NamespaceResourceScope, ObjectMeta, PartialObjectMeta};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};

use super::super::guard::Guarded;
use super::super::index::Family;
use super::super::key::{Key, ProviderKey};
use super::super::namespaced_cache::Put;
use super::super::provider_cache::{NamespaceMeta, ProviderCache, ProviderObject, Stores};
use super::backoff::{Backoff, is_expired};
use super::health::Pulse;
use super::listening::listening;
use super::{Cause, PAGE, Scope, Trigger, WATCH, Watches};
use crate::api::{ClusterOAuthProvider, OAuthClient, OAuthProvider};
use crate::clock::Clock;
use crate::metrics::{Metrics, Watched};
use crate::supervisor::Supervisor;

/// A watch that was open for so long was no mere try.
const SETTLED: Duration = Duration::from_secs(2);

/// Where everything that the watches see comes together.
pub(super) struct Hub {
    pub operator_namespace: String,
    pub watches: Watches,
    pub clients: mpsc::UnboundedSender<Trigger>,
    pub providers: mpsc::UnboundedSender<ProviderKey>,
    /// Whether triggers are passed on.
    pub open: watch::Sender<bool>,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
    pub tasks: Supervisor,
}

/// What a watch sees.
pub(super) enum WatchEvent<K> {
    /// A list begins.
    Begin,
    /// An object was listed or changed.
    Seen(K),
    /// An object is gone.
    Gone(K),
    /// A list is complete.
    Complete,
}

impl Hub {
    pub(super) fn watch_all(self: &Arc<Self>, client: &Client, scope: &Scope) {
        match scope {
            Scope::All => {
                self.watch_in(client, None);
                let pulse = self.pulse(Watched::ClusterOAuthProvider, None);
                let api = Api::all(self.listening(&pulse, client));
                self.providers::<ClusterOAuthProvider>(Watched::ClusterOAuthProvider, None, pulse, api);
                self.namespaces(client);
            }
            Scope::Namespaces(namespaces) => {
                for namespace in namespaces {
                    self.watch_in(client, Some(namespace));
                }
                if !namespaces.contains(&self.operator_namespace) {
                    self.secrets(client, Some(&self.operator_namespace), Watched::Secret, Family::Written);
                }
            }
        }
    }

    /// Watches what lies in one namespace, or in all.
    fn watch_in(self: &Arc<Self>, client: &Client, namespace: Option<&str>) {
        self.clients(client, namespace);
        let pulse = self.pulse(Watched::OAuthProvider, namespace);
        let api = within(&self.listening(&pulse, client), namespace);
        self.providers::<OAuthProvider>(Watched::OAuthProvider, namespace, pulse, api);
        self.secrets(client, namespace, Watched::Secret, Family::Written);
        self.secrets(client, namespace, Watched::ProviderCredentials, Family::Consented);
        self.config_maps(client, namespace);
    }

    fn clients(self: &Arc<Self>, client: &Client, namespace: Option<&str>) {
        let only = namespace.map(str::to_owned);
        let mut epoch = 0;
        let pulse = self.pulse(Watched::OAuthClient, namespace);
        let api = within::<Guarded<OAuthClient>>(&self.listening(&pulse, client), namespace);
        self.follow(pulse, api, None, move |hub, sight| match sight {
            WatchEvent::Begin => epoch = hub.watches.clients.begin(),
            WatchEvent::Seen(object) => match object.readable() {
                Ok(object) => {
                    if let Some((key, cause)) = hub.watches.clients.seen(object, epoch) {
                        hub.trigger(key, cause);
                    }
                }
                Err(invalid) => {
                    let key = key_of(&invalid.metadata);
                    if hub.watches.clients.undecodable(&key) {
                        hub.undecodable(Watched::OAuthClient, &key, &invalid.error);
                    }
                }
            },
            WatchEvent::Gone(guard) => {
                let metadata = guard.meta();
                let version = metadata.resource_version.clone().unwrap_or_default();
                let key = key_of(metadata);
                if hub.watches.clients.gone(&key, &version) {
                    hub.trigger(key, Cause::Spec);
                }
            }
            WatchEvent::Complete => {
                for key in hub.watches.clients.sweep(only.as_deref(), epoch) {
                    hub.trigger(key, Cause::Spec);
                }
            }
        });
    }

    fn providers<P: ProviderObject + Debug>(
        self: &Arc<Self>,
        kind: Watched,
        namespace: Option<&str>,
        pulse: Arc<Pulse>,
        api: Api<Guarded<P>>,
    ) where
        ProviderCache: Stores<P>,
    {
        let only = namespace.map(str::to_owned);
        let mut epoch = 0;
        self.follow(pulse, api, None, move |hub, sight| {
            let held = hub.watches.providers.shelf();
            match sight {
                WatchEvent::Begin => epoch = held.begin(),
                WatchEvent::Seen(Guarded(Ok(mut object))) => {
                    object.meta_mut().managed_fields = None;
                    let key = key_of(object.meta());
                    let (uid, generation) = (object.meta().uid.clone(), object.meta().generation);
                    if let Put::Replaced(old) = held.seen(&key, Arc::new(object), epoch)
                        && old.is_none_or(|old: Arc<P>| old.meta().uid != uid || old.meta().generation != generation)
                    {
                        hub.provider_changed(&P::key(&key.namespace, &key.name));
                    }
                }
                WatchEvent::Seen(Guarded(Err(invalid))) => {
                    let key = key_of(&invalid.metadata);
                    held.gone(&key, "");
                    hub.undecodable(kind, &key, &invalid.error);
                }
                WatchEvent::Gone(guard) => {
                    let key = key_of(guard.meta());
                    if held.gone(&key, guard.meta().resource_version.as_deref().unwrap_or_default()) {
                        hub.provider_changed(&P::key(&key.namespace, &key.name));
                    }
                }
                WatchEvent::Complete => {
                    for key in held.sweep(only.as_deref(), epoch) {
                        hub.provider_changed(&P::key(&key.namespace, &key.name));
                    }
                }
            }
        });
    }

    fn namespaces(self: &Arc<Self>, client: &Client) {
        let mut epoch = 0;
        let pulse = self.pulse(Watched::Namespace, None);
        let api: Api<PartialObjectMeta<Namespace>> = Api::all(self.listening(&pulse, client));
        self.follow(pulse, api, None, move |hub, sight| {
            let held = hub.watches.providers.namespaces();
            match sight {
                WatchEvent::Begin => epoch = held.begin(),
                WatchEvent::Seen(object) => {
                    let key = key_of(&object.metadata);
                    let new = Arc::new(NamespaceMeta::of(object.metadata));
                    if let Put::Replaced(Some(old)) = held.seen(&key, Arc::clone(&new), epoch)
                        && new.differs(&old)
                    {
                        for client in hub.watches.clients.in_namespace(&key.name) {
                            hub.trigger(client, Cause::Provider);
                        }
                    }
                }
                WatchEvent::Gone(object) => {
                    held.gone(
                        &key_of(&object.metadata),
                        object.metadata.resource_version.as_deref().unwrap_or_default(),
                    );
                }
                WatchEvent::Complete => {
                    held.sweep(None, epoch);
                }
            }
        });
    }

    /// Begins to look after the watch of a kind in one namespace, or in all.
    pub(super) fn pulse(&self, kind: Watched, namespace: Option<&str>) -> Arc<Pulse> {
        let name = match namespace {
            Some(namespace) => format!("{kind:?} in {namespace}"),
            None => format!("{kind:?}"),
        };
        self.watches.health.watch(name, kind)
    }

    /// Runs one watch for as long as the operator runs.
    pub(super) fn follow<K, F>(self: &Arc<Self>, pulse: Arc<Pulse>, api: Api<K>, labels: Option<&str>, mut see: F)
    where
        K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
        F: FnMut(&Hub, WatchEvent<K>) + Send + 'static,
    {
        let open_for = self.clock.real(WATCH).as_secs().max(1);
        let mut config = watcher::Config::default()
            .page_size(PAGE)
            .timeout(u32::try_from(open_for).unwrap_or(u32::MAX));
        config.label_selector = labels.map(str::to_owned);
        let hub = Arc::clone(self);
        let name = format!("watch of {}", pulse.name);
        self.tasks.spawn(name, async move {
            let stopping = hub.tasks.stopping();
            let mut backoff = Backoff::default();
            let mut events = watcher::watcher(api.clone(), config.clone()).boxed();
            loop {
                let event = tokio::select! {
                    () = stopping.cancelled() => return,
                    event = events.next() => event,
                };
                let event = match event {
                    None => return,
                    Some(Ok(event)) => event,
                    Some(Err(error)) => {
                        let wait = if is_expired(&error) {
                            pulse.expired();
                            events = watcher::watcher(api.clone(), config.clone()).boxed();
                            backoff.expired()
                        } else {
                            if pulse.take_open_time() >= SETTLED {
                                backoff.reset();
                            }
                            hub.metrics.watch_failed(pulse.kind);
                            hub.watches.health.failed(&pulse, &error);
                            backoff.failed(&error)
                        };
                        tokio::select! {
                            () = stopping.cancelled() => return,
                            () = tokio::time::sleep(wait) => continue,
                        }
                    }
                };
                let listed = matches!(event, Event::InitDone);
                see(
                    &hub,
                    match event {
                        Event::Init => WatchEvent::Begin,
                        Event::InitApply(object) | Event::Apply(object) => WatchEvent::Seen(object),
                        Event::Delete(object) => WatchEvent::Gone(object),
                        Event::InitDone => WatchEvent::Complete,
                    },
                );
                if listed && pulse.listed() && hub.watches.health.is_complete() {
                    hub.open();
                }
            }
        });
    }

    /// A client for the watch that is looked after.
    pub(super) fn listening(&self, pulse: &Arc<Pulse>, client: &Client) -> Client {
        listening(&self.watches.health, pulse, client)
    }

    fn undecodable(&self, kind: Watched, key: &Key, error: &str) {
        self.metrics.watch_failed(kind);
        // The text of the error quotes values of the manifest, which are no secrets.
        tracing::warn!(?kind, object = %key, error, "an object cannot be read and is left alone; correct its manifest");
    }

    /// Passes triggers on from now on, beginning with everything there is.
    pub(super) fn open(&self) {
        if self.open.send_replace(true) {
            return;
        }
        self.watches.health.open();
        for key in self.watches.providers.keys() {
            let _ = self.providers.send(key);
        }
        for key in self.watches.clients.all() {
            self.trigger(key, Cause::Spec);
        }
    }

    pub(super) fn trigger(&self, key: Key, cause: Cause) {
        if *self.open.borrow() {
            // Nobody listens any more when the operator stops.
            let _ = self.clients.send(Trigger { key, cause });
        }
    }

    /// A provider object, or something that it takes from, may not be what it was. Whoever works on provider objects compares
    /// their clients.
    pub(super) fn provider_changed(&self, key: &ProviderKey) {
        if !*self.open.borrow() {
            return;
        }
        let _ = self.providers.send(key.clone());
    }
}

pub(super) fn key_of(metadata: &ObjectMeta) -> Key {
    Key::new(
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default(),
    )
}

/// Objects of one namespace, or of all.
pub(super) fn within<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}
