//! How many calls a provider gets.

use crate::api::ProviderSettings;
use crate::cluster::ProviderKey;
use crate::controller::context::Context;
use crate::controller::permits::Limits;
use crate::controller::resolve;

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
