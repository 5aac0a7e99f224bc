//! How many calls a provider gets.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kube::ResourceExt;

use crate::api::{OAuthClient, ProviderSettings};
use crate::cluster::ProviderKey;
use crate::controller::context::{Context, lock};
use crate::controller::permits::{Calls, Limits, Permit, Turn};
use crate::controller::resolve;
use crate::domain::pass::Provider;
use crate::domain::record::Record;

use super::Live;

/// Longest time that a pass stays open for a permit. Afterwards it begins anew when the permit comes: hours later the object may be
/// another, and thousands of passes that wait take room.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest wait of the sweeper for a permit: the records of other providers wait meanwhile.
const PERMIT: Duration = Duration::from_secs(5);

/// What is known of the permits that a pass needs.
#[derive(Default)]
pub(super) struct Permitting {
    /// The object's place in the queue.
    turn: Mutex<Option<Arc<Turn>>>,
    /// Who is called when the permit comes; `None`: the pass has to wait for it.
    calls: Mutex<Option<Calls>>,
    /// Whether the pass has had a permit.
    called: AtomicBool,
    /// Whether the pass ends because it waits for one.
    leaves: AtomicBool,
}

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
    /// A permit to call a provider for an object; `None`: the pass ends, and another one begins with the permit. A pass that has called the
    /// provider knows what the next one would not, so it waits until there is room; the rate has counted its first call.
    pub(super) async fn permitted(&self, object: &OAuthClient, provider: &Provider) -> Option<Permit> {
        let namespace: Arc<str> = object.namespace().unwrap_or_default().into();
        let limits = self.limits(&ProviderKey::of(&namespace, &object.spec.provider_ref));
        let lane: Arc<str> = provider.uid.as_str().into();
        let _waiting = self.waiting();
        if self.permitting.called.load(Ordering::Relaxed) {
            return Some(self.permits.acquire_further(&lane, &namespace, limits).await);
        }
        let permit = self.first_permit(&lane, &namespace, limits).await;
        self.permitting.called.store(permit.is_some(), Ordering::Relaxed);
        permit
    }

    async fn first_permit(&self, lane: &Arc<str>, namespace: &Arc<str>, limits: Limits) -> Option<Permit> {
        let kept = lock(&self.permitting.turn).take().filter(|turn| turn.is_of(lane));
        let patience = if kept.is_some() { Duration::ZERO } else { PATIENCE };
        let turn = match kept {
            Some(turn) => {
                self.permits.rebound(lane, limits);
                turn
            }
            None => self.permits.enqueue(lane, namespace, limits),
        };
        let calls = lock(&self.permitting.calls).clone();
        let Some(calls) = calls else {
            return Some(turn.wait().await);
        };
        if let Some(permit) = turn.wait_within(patience).await {
            return Some(permit);
        }
        let permit = turn.or_call(calls);
        if permit.is_none() {
            *lock(&self.permitting.turn) = Some(turn);
            self.permitting.leaves.store(true, Ordering::Relaxed);
        }
        permit
    }

    /// The pass is about an object that has this place in the queue for a permit, and that is called back when one comes.
    pub(in crate::controller) fn with_turn(self, turn: Option<Arc<Turn>>, calls: Calls) -> Self {
        *lock(&self.permitting.turn) = turn;
        *lock(&self.permitting.calls) = Some(calls);
        self
    }

    /// The place in the queue for the permit for which the pass ended.
    pub(in crate::controller) fn left_for(&self) -> Option<Arc<Turn>> {
        let turn = lock(&self.permitting.turn).take();
        turn.filter(|_| self.permitting.leaves.load(Ordering::Relaxed))
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
