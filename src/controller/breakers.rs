//! The breakers of the providers. What they count is kept by the entries of suspects, so that a process that takes over counts what
//! happened before it.

use std::sync::Mutex;
use std::time::Duration;

use kube::ResourceExt;
use tokio::time::Instant;

use crate::api::OAuthClient;
use crate::bounded::Bounded;
use crate::clock::Clock;
use crate::cluster::{ProviderKey, Role, SecretMeta};
use crate::domain::breaker::{self, Breaker, BreakerKind};
use crate::domain::marker;

use super::context::{Context, MOST_BREAKERS, lock};

/// Time before the process began that its own instants reach back to.
const BEFORE: Duration = Duration::from_hours(1);

/// Breakers by the UID of the provider object.
pub(super) struct Breakers {
    kept: Mutex<Bounded<(String, BreakerKind), Breaker>>,
    begun: Instant,
    clock: Clock,
}

impl Breakers {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            kept: Mutex::new(Bounded::new(MOST_BREAKERS)),
            begun: Instant::now(),
            clock,
        }
    }

    /// How long a breaker keeps objects of this namespace from starting more of this.
    pub(super) fn denied(&self, provider: &str, namespace: &str, what: BreakerKind) -> Option<Duration> {
        let mut kept = lock(&self.kept);
        kept.get(&(provider.to_owned(), what))?.open_for(self.now(), namespace)
    }

    /// Counts one more of this, which happened so long ago; an attempt counts once.
    pub(super) fn count(&self, provider: &str, namespace: &str, attempt: &str, what: BreakerKind, age: Duration) {
        let mut kept = lock(&self.kept);
        if let Some(breaker) = kept.get_or_insert_with((provider.to_owned(), what), Breaker::default) {
            breaker.note(self.now().saturating_sub(age), namespace, attempt);
        }
    }

    /// How many of a kind are open.
    pub(super) fn open(&self, what: BreakerKind) -> usize {
        let (kept, now) = (lock(&self.kept), self.now());
        let of_kind = kept.iter().filter(|((_, of), _)| *of == what);
        of_kind.filter(|(_, breaker)| breaker.is_open(now)).count()
    }

    pub(super) fn retain(&self, exists: impl Fn(&str) -> bool) {
        lock(&self.kept).retain(|(provider, _)| exists(provider));
    }

    fn now(&self) -> Duration {
        self.clock.since(self.begun) + BEFORE
    }
}

impl Context {
    /// Counts what the entries of suspects tell of the time before this process led.
    pub(super) fn restore_breakers(&self) {
        let entries = self.index.records_and_suspects();
        for entry in entries.iter().filter(|entry| entry.role == Role::Suspect) {
            self.count_suspect(entry);
        }
    }

    fn count_suspect(&self, entry: &SecretMeta) -> Option<()> {
        let age = self.clock.age(entry.created?);
        let uid = entry.client_uid.as_deref()?;
        let object = self.clients.by_uid(uid).filter(|_| age < breaker::WINDOW)?;
        let namespace = object.namespace().unwrap_or_default();
        let key = ProviderKey::of(&namespace, &object.spec.provider_ref);
        let (provider, _, _) = self.provider_object(&key).ok()?;
        let (what, attempt) = occurrence(entry, uid, &object)?;
        self.breakers.count(&provider, &namespace, attempt, what, age);
        Some(())
    }
}

/// What an entry tells of, and the attempt that it is counted by: one of which nobody knows whether it registered a client, or the one
/// that registered a client in the place of another.
fn occurrence<'a>(entry: &'a SecretMeta, uid: &str, object: &'a OAuthClient) -> Option<(BreakerKind, &'a str)> {
    if entry.client_id.is_none() {
        let attempt = entry.name.strip_prefix(&marker::suspect_name(uid, ""))?;
        return Some((BreakerKind::UnknownOutcome, attempt));
    }
    let status = object.status.as_ref()?;
    let replaced = entry.phase.is_some() && entry.client_id.as_deref() != Some(status.client_id.as_deref()?);
    replaced.then_some((BreakerKind::Recreation, status.attempt.as_ref()?.id.as_str()))
}
