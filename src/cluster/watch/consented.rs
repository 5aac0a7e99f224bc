//! The watches of Secrets, and of the ConfigMaps that provider objects may use: metadata only, by label.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Client;
use kube::core::PartialObjectMeta;

use super::super::consent::Consent;
use super::super::index::{Change, Family};
use super::super::key::Key;
use super::super::meta::SecretMeta;
use super::super::namespaced_cache::Put;
use super::super::provider_cache::Used;
use super::hub::{Hub, WatchEvent, key_of, within};
use super::{Cause, Watches};
use crate::metrics::Watched;

impl Hub {
    pub(super) fn secrets(self: &Arc<Self>, client: &Client, namespace: Option<&str>, kind: Watched, family: Family) {
        let only = namespace.map(str::to_owned);
        let mut epoch = 0;
        let pulse = self.pulse(kind, namespace);
        let api = within::<PartialObjectMeta<Secret>>(&self.listening(&pulse, client), namespace);
        self.follow(pulse, api, Some(family.selector()), move |hub, sight| {
            let index = &hub.watches.secrets;
            let changes = match sight {
                WatchEvent::Begin => {
                    epoch = index.begin(family);
                    Vec::new()
                }
                WatchEvent::Seen(object) => index.seen(family, object.metadata, epoch).into_iter().collect(),
                WatchEvent::Gone(object) => index.gone(family, &object.metadata).into_iter().collect(),
                WatchEvent::Complete => index.sweep(family, only.as_deref(), epoch),
            };
            for change in changes {
                hub.secret_changed(family, &change);
            }
        });
    }

    /// Watches the ConfigMaps that provider objects may use.
    pub(super) fn config_maps(self: &Arc<Self>, client: &Client, namespace: Option<&str>) {
        let only = namespace.map(str::to_owned);
        let mut epoch = 0;
        let pulse = self.pulse(Watched::ConfigMap, namespace);
        let api = within::<PartialObjectMeta<ConfigMap>>(&self.listening(&pulse, client), namespace);
        self.follow(pulse, api, Some(Family::Consented.selector()), move |hub, sight| {
            let held = hub.watches.providers.config_maps();
            let changed = match sight {
                WatchEvent::Begin => {
                    epoch = held.begin();
                    Vec::new()
                }
                WatchEvent::Seen(object) => {
                    let (key, consent) = (key_of(&object.metadata), Consent::of(&object.metadata));
                    match held.seen(&key, Arc::new(consent), epoch) {
                        Put::Stale | Put::Same => Vec::new(),
                        Put::Replaced(_) => vec![key],
                    }
                }
                WatchEvent::Gone(object) => {
                    let key = key_of(&object.metadata);
                    let version = object.metadata.resource_version.as_deref().unwrap_or_default();
                    if held.gone(&key, version) {
                        vec![key]
                    } else {
                        Vec::new()
                    }
                }
                WatchEvent::Complete => held.sweep(only.as_deref(), epoch),
            };
            for Key { namespace, name } in changed {
                hub.used_changed(&namespace, Used::ConfigMap(&name));
            }
        });
    }

    /// An object that provider objects may use came, changed or went.
    fn used_changed(&self, namespace: &str, used: Used<'_>) {
        let Watches { secrets, providers, .. } = &self.watches;
        secrets.note_consent();
        for provider in providers.using(namespace, used, &self.operator_namespace) {
            self.provider_changed(&provider);
        }
    }

    fn secret_changed(&self, family: Family, change: &Change) {
        let Some(meta) = change.new.as_ref().or(change.old.as_ref()) else {
            return;
        };
        match family {
            Family::Consented => {
                self.used_changed(&meta.namespace, Used::Secret(&meta.name));
            }
            Family::Written => {
                let whose = |meta: &Arc<SecretMeta>| {
                    self.watches
                        .clients
                        .by_uid(meta.concerns()?)
                        .map(|object| Key::of(&object))
                };
                let (before, after) = (change.old.as_ref().and_then(whose), change.new.as_ref().and_then(whose));
                if let Some(key) = before.filter(|key| Some(key) != after.as_ref()) {
                    self.trigger(key, Cause::Secret(None));
                }
                if let (Some(key), Some(meta)) = (after, &change.new) {
                    self.trigger(key, Cause::Secret(Some(meta.revision())));
                }
            }
        }
    }
}
