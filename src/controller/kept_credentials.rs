//! Credentials that are kept for deregistrations after they vanished.
//!
//! `kubectl delete -f`, `helm uninstall` and the deletion of a namespace remove the provider object and its credentials Secret
//! moments before the clients. Every replica therefore reads the named keys of the Secrets of every provider in mode
//! `Credentials` or with a client certificate, at the start and whenever they change. It keeps them in memory, and writes them nowhere, until the deletion
//! timeout of the provider's clients has passed since the object or a Secret vanished. Only a deregistration gets them, for a
//! record that names the UID of the provider object. A Secret that exists always counts itself: a withdrawn consent is a refusal,
//! and ends the keeping at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::api::{ManagementMode, ProviderSettings, Reason};
use crate::bounded::Bounded;
use crate::clock::Clock;
use crate::cluster::ProviderKey;
use crate::domain::failure::Failure;
use crate::domain::pass::{self, Provider};
use crate::domain::profile;
use crate::domain::record::Record;

use super::context::Context;
use super::credentials::{self, AllRead, Source, StandIn, Unread};
use super::resolve;

/// What everything that is kept weighs at most, in bytes, but for authorities.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// The same of authorities, which are much longer: they must not drive credentials out.
const MOST_BYTES_OF_AUTHORITIES: usize = 4 * 1024 * 1024;
/// What an entry weighs beside the values of its Secrets: the settings of a provider object.
const ENTRY: usize = 2 * 1024;

/// Credentials by the UID of the provider object.
#[derive(Debug)]
pub(super) struct KeptCredentials {
    kept: Mutex<Bounded<String, Kept>>,
    authorities: Mutex<Bounded<String, Authorities>>,
    /// Something has a time limit that had none before.
    limited: Notify,
}

/// What is kept of one provider object.
#[derive(Clone, Debug)]
struct Kept {
    key: ProviderKey,
    generation: i64,
    settings: Arc<ProviderSettings>,
    secrets: AllRead,
    /// Whether it is of no use without authorities, which are kept apart.
    needs_authorities: bool,
    vanished: Option<Vanished>,
}

/// Authorities of one provider object, which it states itself or names a Secret for.
#[derive(Clone, Debug)]
struct Authorities {
    inline: Option<String>,
    read: AllRead,
}

/// When the provider object or one of its Secrets was first missed, and for how long they are kept since.
#[derive(Clone, Copy, Debug)]
struct Vanished {
    since: Instant,
    kept_for: Duration,
}

impl Default for KeptCredentials {
    fn default() -> Self {
        Self {
            kept: Mutex::new(Bounded::new(MOST_BYTES)),
            authorities: Mutex::new(Bounded::new(MOST_BYTES_OF_AUTHORITIES)),
            limited: Notify::new(),
        }
    }
}

impl Kept {
    /// How long it is still kept; `None`: without limit.
    fn left(&self, clock: Clock) -> Option<Duration> {
        let vanished = self.vanished?;
        Some(vanished.kept_for.saturating_sub(clock.since(vanished.since)))
    }
}

impl KeptCredentials {
    /// Forgets what has been kept for long enough, for as long as the operator runs.
    pub(super) async fn expire(&self, clock: Clock) {
        loop {
            match self.forget_expired(clock) {
                Some(next) => tokio::select! {
                    () = clock.sleep(next) => {}
                    () = self.limited.notified() => {}
                },
                None => self.limited.notified().await,
            }
        }
    }

    /// Forgets what has been kept for long enough. When the next will have been.
    fn forget_expired(&self, clock: Clock) -> Option<Duration> {
        let mut kept = self.lock();
        let limits = kept.iter().map(|(uid, kept)| (uid.clone(), kept.left(clock)));
        let limits: Vec<_> = limits.filter_map(|(uid, left)| Some((uid, left?))).collect();
        for (uid, _) in limits.iter().filter(|(_, left)| left.is_zero()) {
            kept.remove(uid);
            self.authorities().remove(uid);
        }
        limits
            .into_iter()
            .map(|(_, left)| left)
            .filter(|left| !left.is_zero())
            .min()
    }

    fn put(&self, uid: String, mut kept: Kept) {
        let read = kept.secrets.take_authorities();
        let has_inline = kept.settings.tls.as_ref().is_some_and(|tls| tls.ca_bundle.is_some());
        let inline = if has_inline {
            let tls = Arc::make_mut(&mut kept.settings).tls.as_mut();
            tls.and_then(|tls| tls.ca_bundle.take())
        } else {
            None
        };
        let weight = read.weight() + inline.as_ref().map_or(0, String::len);
        if weight > 0 {
            kept.needs_authorities = true;
            let authorities = Authorities { inline, read };
            self.authorities().insert_weighing(uid.clone(), authorities, weight);
        }
        let weight = ENTRY + kept.secrets.weight();
        self.lock().insert_weighing(uid, kept, weight);
    }

    /// The same with its authorities; `None`: there was no room for them.
    fn whole(&self, uid: &str, mut kept: Kept) -> Option<Kept> {
        if !kept.needs_authorities {
            return Some(kept);
        }
        let Authorities { inline, read } = self.authorities().get(uid).cloned()?;
        kept.secrets.add(read);
        if inline.is_some() {
            Arc::make_mut(&mut kept.settings).tls.get_or_insert_default().ca_bundle = inline;
        }
        Some(kept)
    }

    /// Forgets a provider object, because the owner of its credentials wants it.
    fn forget(&self, uid: &str) {
        self.lock().remove(uid);
        self.authorities().remove(uid);
    }

    /// Keys of the provider objects that vanished, or a Secret of which did.
    pub(super) fn vanished(&self) -> Vec<ProviderKey> {
        let kept = self.lock();
        let found = kept.iter().filter(|(_, kept)| kept.vanished.is_some());
        found.map(|(_, kept)| kept.key.clone()).collect()
    }

    /// What is kept of provider objects of this name.
    fn of(&self, key: &ProviderKey) -> Vec<(String, Kept)> {
        let kept = self.lock();
        let found = kept.iter().filter(|(_, kept)| kept.key == *key);
        let whole = |(uid, kept): (&String, &Kept)| Some((uid.clone(), self.whole(uid, kept.clone())?));
        found.filter_map(whole).collect()
    }

    fn get(&self, uid: &str, clock: Clock) -> Option<Kept> {
        let kept = self.lock().get(uid).cloned()?;
        let is_in_time = kept.left(clock).is_none_or(|left| !left.is_zero());
        is_in_time.then(|| self.whole(uid, kept)).flatten()
    }

    /// Limits the time of those that vanished. What was missed before keeps its limit.
    fn limit(&self, vanished: impl Fn(&str, &ProviderKey) -> bool, kept_for: impl Fn(&ProviderKey) -> Duration) {
        let mut kept = self.lock();
        let found: Vec<_> = kept
            .iter()
            .filter(|(uid, kept)| kept.vanished.is_none() && vanished(uid, &kept.key))
            .map(|(uid, kept)| (uid.clone(), kept_for(&kept.key)))
            .collect();
        let since = Instant::now();
        for (uid, kept_for) in found {
            if let Some(kept) = kept.get(&uid) {
                kept.vanished = Some(Vanished { since, kept_for });
            }
        }
        self.limited.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Bounded<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn authorities(&self) -> MutexGuard<'_, Bounded<String, Authorities>> {
        self.authorities.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Context {
    /// Reads the credentials of a provider in mode `Credentials`, or notes that they vanished.
    ///
    /// # Errors
    /// The API server did not tell. What was kept before stays.
    pub(super) async fn keep_credentials(&self, key: &ProviderKey) -> Result<(), Failure> {
        let object = self.provider_object(key).ok();
        let now = object.as_ref().map(|(uid, _, _)| uid.clone());
        self.note_vanished(|uid, of| of == key && Some(uid) != now.as_deref());
        let source = self.source(key);
        let former = self.kept.of(key).into_iter();
        for (uid, kept) in former.filter(|(uid, _)| Some(uid) != now.as_ref()) {
            match credentials::read_all(key, &kept.settings, &source).await {
                // The owner may have replaced them since.
                Ok(secrets) => self.kept.put(uid, Kept { secrets, ..kept }),
                Err(Unread::Withdrawn) => self.withdrawn(key, &uid),
                Err(Unread::Gone) => {}
                Err(Unread::Failed(failure)) => return Err(failure),
            }
        }
        let Some((uid, generation, settings)) = object else {
            return Ok(());
        };
        if !is_needed(&settings) {
            self.kept.forget(&uid);
            return Ok(());
        }
        match credentials::read_all(key, &settings, &source).await {
            Ok(secrets) => {
                let kept = Kept {
                    key: key.clone(),
                    generation,
                    settings: Arc::new(settings),
                    secrets,
                    needs_authorities: false,
                    vanished: None,
                };
                self.kept.put(uid, kept);
                tracing::debug!(provider = %key, "credentials kept for deregistrations");
            }
            Err(Unread::Gone) => self.note_vanished(|kept, _| kept == uid),
            Err(Unread::Withdrawn) => self.withdrawn(key, &uid),
            Err(Unread::Failed(failure)) => return Err(failure),
        }
        Ok(())
    }

    fn withdrawn(&self, key: &ProviderKey, uid: &str) {
        self.kept.forget(uid);
        tracing::debug!(provider = %key, "credentials no longer kept: they exist and must not or cannot be used");
    }

    /// From now on the credentials of these provider objects are kept for as long as the deletion of a client may take.
    pub(super) fn note_vanished(&self, vanished: impl Fn(&str, &ProviderKey) -> bool) {
        self.kept.limit(vanished, |key| {
            let clients = self.clients.of_provider(key).into_iter();
            let timeouts = clients.filter_map(|client| Some(pass::deletion_timeout(&*self.object(&client)?)));
            timeouts.max().unwrap_or(pass::DEFAULT_TIMEOUT)
        });
    }

    /// The provider of a recorded client that is to be deregistered: what was found, or else what is kept of it.
    ///
    /// # Errors
    /// Nothing was found, and nothing is kept.
    pub(super) async fn or_kept(
        &self,
        record: &Record,
        found: Result<Arc<Provider>, Failure>,
    ) -> Result<Arc<Provider>, Failure> {
        let uid = record.management.provider_uid.as_str();
        let failure = match found {
            Err(failure) if record.management.mode != ManagementMode::None => failure,
            other => return other,
        };
        match failure.reason {
            Reason::ProviderNotFound | Reason::CredentialsMissing => {}
            Reason::ConsentMissing => {
                self.kept.forget(uid);
                return Err(failure);
            }
            _ => return Err(failure),
        }
        let Some(kept) = self.kept.get(uid, self.clock) else {
            return Err(failure);
        };
        // An object that exists counts itself.
        let living = self
            .provider_object(&kept.key)
            .ok()
            .filter(|(living, _, _)| living == uid);
        let provider_gone = living.is_none();
        let (generation, settings) = match living {
            Some((_, generation, settings)) => (generation, Arc::new(settings)),
            None => (kept.generation, kept.settings),
        };
        let source = Source {
            kept: Some(StandIn {
                secrets: &kept.secrets,
                provider_gone,
            }),
            uid,
            issuer: settings.expected_issuer.as_deref().or(settings.issuer.as_deref()),
            ..self.source(&kept.key)
        };
        match resolve::resolve(&kept.key, uid, generation, &settings, &source).await {
            Ok(provider) => {
                tracing::info!(provider = %kept.key, client_id = %record.client_id,
                    "the provider's credentials are gone; the client is deregistered with those that were kept");
                Ok(Arc::new(provider))
            }
            Err(failure) => {
                if failure.reason == Reason::ConsentMissing {
                    self.kept.forget(uid);
                }
                Err(failure)
            }
        }
    }
}

/// Whether clients of a provider cannot be deregistered without its Secrets: they are managed with its credentials, or a
/// certificate has to be shown.
fn is_needed(settings: &ProviderSettings) -> bool {
    profile::settings(settings).management == ManagementMode::Credentials || settings.tls_client_auth.is_some()
}

#[cfg(test)]
mod tests;
