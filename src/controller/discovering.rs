//! What is known of a provider's endpoints, and when the provider is asked for them again.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::outcome::CallError;
use crate::domain::pass::Provider;
use crate::provider::{Discovered, may_pass};

use super::context::Context;
use super::pauses;

/// Part of the time between two looks by which the second may come later: providers that were found together are not asked together
/// for ever.
const SPREAD: f64 = 0.1;

impl Context {
    /// What discovery finds now, or found a while ago. A pause that the provider asked for is kept to.
    pub(super) async fn look(&self, provider: &Provider) -> Result<Arc<Discovered>, CallError> {
        if self.until_look(provider).is_none_or(|rest| rest.is_zero())
            && let Some(pause) = self.pauses.of(&provider.uid)
        {
            return Err(pauses::withheld(pause));
        }
        let (uid, fingerprint) = (&provider.uid, &provider.fingerprint);
        let found = self.discovery.look(&self.transport, uid, fingerprint, &provider.target);
        found.await.map_err(|error| self.pauses.noted(uid, error))
    }

    /// The endpoints that count: what the look found, or what was found before if the look failed in a way that may pass.
    pub(super) fn or_known(
        &self,
        provider: &Provider,
        looked: Result<Arc<Discovered>, CallError>,
    ) -> Result<Arc<Discovered>, CallError> {
        looked.or_else(|error| {
            let known = self.discovery.known(&provider.uid, &provider.fingerprint);
            let known = known.filter(|_| may_pass(&error));
            known.map(|(found, _)| found).ok_or(error)
        })
    }

    /// How much longer what was found is used before the provider is asked again; `None`: nothing is known.
    fn until_look(&self, provider: &Provider) -> Option<Duration> {
        let known = self.discovery.known(&provider.uid, &provider.fingerprint);
        known.map(|(_, rest)| rest)
    }

    /// When the provider is to be asked again.
    pub(super) fn next_look(&self, provider: &Provider) -> Option<Duration> {
        let known = self.discovery.known(&provider.uid, &provider.fingerprint);
        known.map(|(found, rest)| rest + found.life().mul_f64(SPREAD * self.chance()))
    }
}
