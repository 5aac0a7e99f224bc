//! How many calls a provider gets.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kube::ResourceExt;

use crate::api::{OAuthClient, ProviderSettings};
use crate::cluster::{Key, ProviderKey};
use crate::controller::context::{Context, lock};
use crate::controller::permits::{Calls, Limits, Permit, Turn};
use crate::controller::resolve;
use crate::controller::sweeper::Places;
use crate::domain::pass::{Provider, Queued, Rate};
use crate::domain::record::Record;

use super::Live;

/// Longest time that a pass stays open for a permit. Afterwards it begins anew when the permit comes: hours later the object may be
/// another, and thousands of passes that wait take room.
const PATIENCE: Duration = Duration::from_secs(5);
/// A wait for the rate that is not longer is not told.
const UNTOLD: Duration = Duration::from_secs(2);

/// What is known of the permits that a pass needs.
#[derive(Default)]
pub(super) struct Permitting<'a> {
    /// The object's place in the queue.
    turn: Mutex<Option<Arc<Turn>>>,
    /// Who is called when the permit comes; `None`: the pass has to wait for it.
    calls: Mutex<Option<Calls>>,
    /// For the sweeper: its places, and the name of the Secret of the record.
    record: Option<(&'a Places, &'a str)>,
    /// Whether the pass has had a permit.
    called: AtomicBool,
}

impl Context {
    /// Bounds on calls to the provider of this key.
    pub(super) fn limits(&self, key: &ProviderKey) -> Limits {
        let settings = self.provider_object(key).map(|(_, _, settings)| settings);
        self.limits_of(&settings.unwrap_or_default())
    }

    /// Bounds on calls to the provider object of this UID; the default ones if it is gone.
    pub(in crate::controller) fn limits_by_uid(&self, uid: &str) -> Limits {
        let objects = self.providers.keys().into_iter();
        let mut objects = objects.filter_map(|key| self.provider_object(&key).ok());
        let settings = objects.find_map(|(found, _, settings)| (found == uid).then_some(settings));
        self.limits_of(&settings.unwrap_or_default())
    }

    /// The rate that the provider of this key allows.
    fn rate(&self, key: &ProviderKey) -> Option<Rate> {
        let (_, _, settings) = self.provider_object(key).ok()?;
        resolve::rate(&settings)
    }

    fn limits_of(&self, settings: &ProviderSettings) -> Limits {
        let limits = resolve::limits(settings);
        Limits {
            spacing: self.clock.real(limits.spacing),
            ..limits
        }
    }
}

impl<'a> Live<'a> {
    /// A permit to call a provider for an object; an error: the pass ends, and another one begins with the permit. A pass that has called
    /// the provider knows what the next one would not, so it waits until there is room; the rate has counted its first call.
    pub(super) async fn permitted(&self, object: &OAuthClient, provider: &Provider) -> Result<Permit, Queued> {
        let namespace: Arc<str> = object.namespace().unwrap_or_default().into();
        let key = ProviderKey::of(&namespace, &object.spec.provider_ref);
        let limits = self.limits(&key);
        let lane: Arc<str> = provider.uid.as_str().into();
        let _waiting = self.waiting();
        if self.permitting.called.load(Ordering::Relaxed) {
            return Ok(self.permits.acquire_further(&lane, &namespace, limits).await);
        }
        let permit = self.first_permit(&lane, &namespace, limits).await;
        let permit = permit.map_err(|until| Queued {
            rate: until.and_then(|until| Some((self.rate(&key)?, self.told_at(until)?))),
        });
        self.permitting.called.store(permit.is_ok(), Ordering::Relaxed);
        permit
    }

    /// The end of a wait that is worth a word, in seconds since the epoch.
    fn told_at(&self, wait: Duration) -> Option<i64> {
        (wait > self.clock.real(UNTOLD))
            .then(|| self.clock.now() + i64::try_from(wait.as_secs()).unwrap_or_default() + 1)
    }

    /// An error: about how long the rate makes it wait.
    async fn first_permit(
        &self,
        lane: &Arc<str>,
        namespace: &Arc<str>,
        limits: Limits,
    ) -> Result<Permit, Option<Duration>> {
        let kept = lock(&self.permitting.turn).take().filter(|turn| turn.is_of(lane));
        let is_new = kept.is_none();
        let turn = if let Some(turn) = kept {
            self.permits.rebound(lane, limits);
            turn
        } else {
            self.permits.enqueue(lane, namespace, limits)
        };
        let calls = lock(&self.permitting.calls).clone();
        let Some(calls) = calls else {
            return Ok(turn.wait().await);
        };
        let until = || self.permits.until_turn(&turn, namespace);
        let patience = if is_new { patience(until()) } else { Duration::ZERO };
        if let Some(permit) = turn.wait_within(patience).await {
            return Ok(permit);
        }
        turn.or_call(calls).ok_or_else(|| {
            let until = self.permits.until_turn(&turn, namespace);
            *lock(&self.permitting.turn) = Some(turn);
            until
        })
    }

    /// The pass is about an object that has this place in the queue for a permit, and that is called back when one comes.
    pub(in crate::controller) fn with_turn(self, turn: Option<Arc<Turn>>, calls: Calls) -> Self {
        *lock(&self.permitting.turn) = turn;
        *lock(&self.permitting.calls) = Some(calls);
        self
    }

    /// The place in the queue of a pass that has ended to wait for its permit.
    pub(in crate::controller) fn left_for(&self) -> Option<Arc<Turn>> {
        lock(&self.permitting.turn).take()
    }

    /// A permit to call the provider of a record; `None`: the look ends, and another one begins with the permit.
    pub(super) async fn permitted_soon(&self, record: &Record, provider: Option<&Provider>) -> Option<Permit> {
        let uid = provider.map_or(&record.management.provider_uid, |provider| &provider.uid);
        let lane: Arc<str> = uid.as_str().into();
        let limits = self.limits_by_uid(uid);
        let _waiting = self.waiting();
        let kept = lock(&self.permitting.turn).take().filter(|turn| turn.is_of(&lane));
        if let Some(permit) = kept.and_then(|turn| turn.take()) {
            return Some(permit);
        }
        let (places, name) = self.permitting.record.as_ref()?;
        let record = Key::new(&record.owner.namespace, name);
        if places.joins(&lane, &record) {
            return None;
        }
        let turn = Places::enqueue(&self.permits, &lane, limits);
        let until = Places::until_turn(&self.permits, &turn);
        if let Some(permit) = turn.wait_within(patience(until)).await {
            return Some(permit);
        }
        places.wait(turn, &record);
        None
    }

    /// The world is for a look at the record in the Secret of this name, which may have a place whose permit has come.
    pub(in crate::controller) fn for_record(
        mut self,
        places: &'a Places,
        name: &'a str,
        turn: Option<Arc<Turn>>,
    ) -> Self {
        self.permitting.record = Some((places, name));
        *lock(&self.permitting.turn) = turn;
        self
    }
}

/// How long a pass or a look stays open for a permit that is expected after this time, as far as a rate tells.
fn patience(until: Option<Duration>) -> Duration {
    match until {
        Some(until) if until > PATIENCE => Duration::ZERO,
        _ => PATIENCE,
    }
}
