//! How many calls a provider gets.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;

use crate::api::{OAuthClient, ProviderSettings};
use crate::cluster::ProviderKey;
use crate::controller::context::Context;
use crate::controller::permits::{Limits, Permit};
use crate::controller::resolve;
use crate::domain::pass::Provider;
use crate::domain::record::Record;

use super::Live;

/// Longest wait of the sweeper for a permit: the records of other providers wait meanwhile.
const PERMIT: Duration = Duration::from_secs(5);

impl Context {
    /// Bounds on calls to the provider of this key.
    pub(super) fn limits(&self, key: &ProviderKey) -> Limits {
        let settings = self.provider_object(key).map(|(_, _, settings)| settings);
        self.limits_of(&settings.unwrap_or_default())
    }

    /// Bounds on calls to the provider object of this UID; the default ones if it is gone.
    pub(super) fn limits_by_uid(&self, uid: &str) -> Limits {
        let objects = self.providers.keys().into_iter();
        let mut objects = objects.filter_map(|key| self.provider_object(&key).ok());
        let settings = objects.find_map(|(found, _, settings)| (found == uid).then_some(settings));
        self.limits_of(&settings.unwrap_or_default())
    }

    fn limits_of(&self, settings: &ProviderSettings) -> Limits {
        let limits = resolve::limits(settings);
        Limits {
            spacing: self.clock.real(limits.spacing),
            ..limits
        }
    }
}

impl Live<'_> {
    /// Waits for a permit to call a provider for an object.
    pub(super) async fn permitted(&self, object: &OAuthClient, provider: &Provider) -> Permit {
        let namespace: Arc<str> = object.namespace().unwrap_or_default().into();
        let limits = self.limits(&ProviderKey::of(&namespace, &object.spec.provider_ref));
        let _waiting = self.waiting();
        self.permits
            .acquire(&provider.uid.as_str().into(), &namespace, limits)
            .await
    }

    /// The same for a record, with bounded patience.
    pub(super) async fn permitted_soon(&self, record: &Record, provider: Option<&Provider>) -> Option<Permit> {
        let uid = provider.map_or(&record.management.provider_uid, |provider| &provider.uid);
        let lane: Arc<str> = uid.as_str().into();
        let namespace: Arc<str> = record.owner.namespace.as_str().into();
        let limits = self.limits_by_uid(uid);
        let _waiting = self.waiting();
        self.permits.acquire_within(&lane, &namespace, limits, PERMIT).await
    }
}
