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
        // What a crash cut off tells nothing of the provider.
        entry.unknown.then_some(())?;
        let attempt = entry.name.strip_prefix(&marker::suspect_name(uid, ""))?;
        return Some((BreakerKind::UnknownOutcome, attempt));
    }
    let status = object.status.as_ref()?;
    let replaced = entry.phase.is_some() && entry.client_id.as_deref() != Some(status.client_id.as_deref()?);
    replaced.then_some((BreakerKind::Recreation, status.attempt.as_ref()?.id.as_str()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::{AttemptOutcome, Suspect, names};
    use crate::domain::record::Record;
    use crate::domain::record::tests::record;
    use crate::domain::suspect::{self, Entry};

    fn entry(suspect: &Suspect, outcome: Option<AttemptOutcome>, kept: Option<&Record>) -> SecretMeta {
        let record = record();
        let entry = Entry {
            owner: &record.owner,
            suspect,
            issuer: None,
            provider: None,
            record: kept,
            left: false,
            outcome,
            now: 0,
        };
        let secret = suspect::secret(&entry, "system").unwrap();
        SecretMeta::of(secret.metadata, "system".into())
    }

    /// The object, of which the status says that this attempt registered this client.
    fn object(attempt: &str, client_id: &str) -> OAuthClient {
        serde_json::from_value(json!({
            "apiVersion": names::API_VERSION, "kind": "OAuthClient", "metadata": {"name": "app"},
            "spec": {"providerRef": {"name": "p"}},
            "status": {"clientID": client_id, "attempt": {"id": attempt, "outcome": "Registered", "requestHash": ""}},
        }))
        .unwrap()
    }

    #[test]
    fn t206_entries_tell_what_the_breakers_count() {
        let record = record();
        let of = |entry: &SecretMeta, client_id: &str| {
            let object = object("later", client_id);
            occurrence(entry, &record.owner.uid, &object).map(|(what, attempt)| (what, attempt.to_owned()))
        };
        let doubt = Suspect {
            attempt: "a2".to_owned(),
            client_id: None,
        };
        let unknown = entry(&doubt, Some(AttemptOutcome::Unknown), None);
        let counted = Some((BreakerKind::UnknownOutcome, "a2".to_owned()));
        assert_eq!(of(&unknown, "id"), counted);
        let kept = entry(&suspect::of(&record), None, Some(&record));
        let recreated = Some((BreakerKind::Recreation, "later".to_owned()));
        assert_eq!(of(&kept, "another"), recreated);
        assert_eq!(of(&kept, &record.client_id), None, "nothing has taken its place yet");
    }

    #[test]
    fn t06_an_entry_of_an_attempt_that_a_crash_cut_off_counts_for_nothing() {
        let doubt = Suspect {
            attempt: "a2".to_owned(),
            client_id: None,
        };
        let record = record();
        let entry = entry(&doubt, None, None);
        assert_eq!(occurrence(&entry, &record.owner.uid, &object("a1", "id")), None);
    }
}
