//! How the watches are, by what the API server says on their connections: bookmarks and ends count, so a watch of objects
//! that do not change is known to be alive.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::runtime::watcher;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::PATIENCE;
use super::backoff::status_of;
use crate::clock::Clock;
use crate::cluster::error::{chain, shortened};
use crate::cluster::trouble::Trouble;
use crate::metrics::Watched;

/// Time in which at least one watch hears something or fails; else the process is stuck, and only a restart helps.
const STUCK: Duration = Duration::from_mins(10);

/// How the watches are.
#[derive(Clone, Debug)]
pub struct Health(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    state: Mutex<State>,
    /// Rung when the API server does not serve a kind.
    kind_is_missing: Notify,
}

#[derive(Debug)]
struct State {
    watches: Vec<Arc<Pulse>>,
    /// Whether triggers are passed on.
    open: bool,
    /// Of all watches together: an API server that is away is reported once.
    api_server: Trouble,
}

/// How one watch is.
#[derive(Debug)]
pub(super) struct Pulse {
    pub name: String,
    pub kind: Watched,
    beat: Mutex<Beat>,
}

#[derive(Debug)]
struct Beat {
    /// When the API server last said something.
    heard: Instant,
    /// When it last did, or a try failed.
    moved: Instant,
    /// Since when tries fail.
    failing: Option<Instant>,
    /// Whether they fail because the API server does not answer or cannot work.
    unreachable: bool,
    /// Whether it has listed once.
    listed: bool,
    /// When the watch that is open was accepted.
    opened: Option<Instant>,
    /// What this watch alone meets.
    trouble: Trouble,
}

impl Health {
    pub(super) fn new(clock: Clock) -> Self {
        Self(Arc::new(Shared {
            clock,
            state: Mutex::new(State {
                watches: Vec::new(),
                open: false,
                api_server: Trouble::new("the API server cannot be reached", "the API server answers again", ""),
            }),
            kind_is_missing: Notify::new(),
        }))
    }

    /// Begins to look after a watch.
    pub(super) fn watch(&self, name: String, kind: Watched) -> Arc<Pulse> {
        let now = Instant::now();
        let trouble = Trouble::new("a watch fails", "the watch works again", name.as_str());
        let pulse = Arc::new(Pulse {
            name,
            kind,
            beat: Mutex::new(Beat {
                heard: now,
                moved: now,
                failing: None,
                unreachable: false,
                listed: false,
                opened: None,
                trouble,
            }),
        });
        self.lock().watches.push(Arc::clone(&pulse));
        pulse
    }

    /// Whether every view is complete and kept up to date.
    ///
    /// # Errors
    /// Names of the watches that have not listed yet, or that have failed for longer than may pass by itself.
    pub fn ready(&self) -> Result<(), String> {
        let names = |fits: &dyn Fn(&Beat) -> bool| {
            let state = self.lock();
            let found = state.watches.iter().filter(|pulse| fits(&pulse.lock()));
            found.map(|pulse| pulse.name.clone()).collect::<Vec<_>>()
        };
        let waiting = names(&|beat| !beat.listed);
        if !waiting.is_empty() {
            return Err(format!("not listed yet: {}", waiting.join(", ")));
        }
        let failing = names(&|beat| beat.failing.is_some_and(|since| self.0.clock.since(since) >= PATIENCE));
        if failing.is_empty() {
            return Ok(());
        }
        Err(format!("failing: {}", failing.join(", ")))
    }

    /// Whether the watches move at all. An API server that is away does not end this: a restart would not help.
    ///
    /// # Errors
    /// What has stopped.
    pub fn alive(&self) -> Result<(), String> {
        let state = self.lock();
        let last = state.watches.iter().map(|pulse| pulse.lock().moved).max();
        match last {
            Some(last) if self.0.clock.since(last) >= STUCK => {
                Err(format!("no watch has moved for {} s", last.elapsed().as_secs()))
            }
            _ => Ok(()),
        }
    }

    /// Whether the views are taken for complete, so that triggers are passed on.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.lock().open
    }

    pub(super) fn open(&self) {
        self.lock().open = true;
    }

    /// Whether every watch has listed once.
    pub(super) fn is_complete(&self) -> bool {
        self.lock().watches.iter().all(|pulse| pulse.lock().listed)
    }

    /// Waits until a watch finds that its kind is not served.
    pub async fn kind_is_missing(&self) {
        self.0.kind_is_missing.notified().await;
    }

    /// Number of watches whose last word was an error.
    #[must_use]
    pub fn failing(&self) -> usize {
        let state = self.lock();
        state
            .watches
            .iter()
            .filter(|pulse| pulse.lock().failing.is_some())
            .count()
    }

    /// For each kind, how long ago the API server last said something on the watch that heard nothing for longest.
    #[must_use]
    pub fn ages(&self) -> BTreeMap<Watched, Duration> {
        let mut ages = BTreeMap::new();
        for pulse in &self.lock().watches {
            let age: &mut Duration = ages.entry(pulse.kind).or_default();
            *age = pulse.lock().heard.elapsed().max(*age);
        }
        ages
    }

    /// A watch was accepted. A list alone does not end a failure: it may be allowed where watches are not.
    pub(super) fn works(&self, pulse: &Pulse) {
        {
            let mut beat = pulse.lock();
            beat.opened = Some(Instant::now());
            beat.unreachable = false;
            beat.failing = None;
            beat.trouble.works();
        }
        let mut state = self.lock();
        if state.watches.iter().all(|pulse| !pulse.lock().unreachable) {
            state.api_server.works();
        }
    }

    /// A try failed.
    pub(super) fn failed(&self, pulse: &Pulse, error: &watcher::Error) {
        let unreachable = is_unreachable(error);
        let cause = explained(pulse.kind, error);
        {
            let now = Instant::now();
            let mut beat = pulse.lock();
            beat.moved = now;
            beat.failing.get_or_insert(now);
            beat.unreachable = unreachable;
            if !unreachable {
                beat.trouble.failed(&cause);
            }
        }
        if unreachable {
            self.lock().api_server.failed(&cause);
        }
        if status_of(error).is_some_and(|status| status.code == 404) {
            self.0.kind_is_missing.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pulse {
    /// The API server said something.
    pub(super) fn heard(&self) {
        let now = Instant::now();
        let mut beat = self.lock();
        (beat.heard, beat.moved) = (now, now);
    }

    /// How long the watch that has just failed was open.
    pub(super) fn take_open_time(&self) -> Duration {
        self.lock()
            .opened
            .take()
            .map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// The API server no longer has the version to go on from. That is no failure.
    pub(super) fn expired(&self) {
        self.lock().moved = Instant::now();
    }

    /// A list is complete. Whether it is the first.
    pub(super) fn listed(&self) -> bool {
        !std::mem::replace(&mut self.lock().listed, true)
    }

    fn lock(&self) -> MutexGuard<'_, Beat> {
        self.beat.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the API server does not answer, or cannot work, so that every watch fails alike.
fn is_unreachable(error: &watcher::Error) -> bool {
    match status_of(error) {
        Some(status) => matches!(status.code, 401 | 429 | 500..),
        None => !is_undecodable(error),
    }
}

fn is_undecodable(error: &watcher::Error) -> bool {
    use watcher::Error as E;
    match error {
        E::InitialListFailed(error) | E::WatchStartFailed(error) | E::WatchFailed(error) => {
            matches!(error, kube::Error::SerdeError(_) | kube::Error::FromUtf8(_))
        }
        E::WatchError(_) | E::NoResourceVersion => false,
    }
}

/// What went wrong, with all its causes, and what to do where that is known.
fn explained(kind: Watched, error: &watcher::Error) -> String {
    match status_of(error) {
        Some(status)
            if status.code == 404
                && !matches!(
                    kind,
                    Watched::Secret | Watched::ProviderCredentials | Watched::ConfigMap | Watched::Namespace
                ) =>
        {
            format!("the API server does not serve {kind:?}; install the CRDs")
        }
        Some(status) if status.code == 403 => shortened(&format!("{}; check the operator's RBAC", status.message)),
        Some(status) => shortened(&format!("the API server answered {}: {}", status.code, status.message)),
        // The decoder's text can quote the answer.
        None if is_undecodable(error) => "the answer cannot be decoded".to_owned(),
        None => shortened(&chain(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> watcher::Error {
        let status = serde_json::json!({"status": "Failure", "code": 403, "message": "secrets is forbidden"});
        let status: kube::core::Status = serde_json::from_value(status).unwrap();
        watcher::Error::WatchStartFailed(kube::Error::Api(status.boxed()))
    }

    fn two() -> (Health, Arc<Pulse>, Arc<Pulse>) {
        let health = Health::new(Clock::scaled(1));
        let watch = |kind| health.watch(format!("{kind:?}"), kind);
        let pulses = (watch(Watched::Secret), watch(Watched::OAuthClient));
        (health, pulses.0, pulses.1)
    }

    #[tokio::test(start_paused = true)]
    async fn readiness_names_what_is_missing_and_what_has_failed_for_long() {
        let (health, secrets, clients) = two();
        assert!(secrets.listed() && !secrets.listed());
        assert_eq!(health.ready(), Err("not listed yet: OAuthClient".to_owned()));
        clients.listed();
        assert_eq!(health.ready(), Ok(()));
        health.failed(&secrets, &refused());
        assert_eq!((health.ready(), health.failing()), (Ok(()), 1), "that may pass");
        tokio::time::advance(PATIENCE).await;
        assert_eq!(health.ready(), Err("failing: Secret".to_owned()));
        secrets.heard();
        assert_eq!(health.failing(), 1, "a list alone is not enough");
        health.works(&secrets);
        assert_eq!((health.ready(), health.failing()), (Ok(()), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_is_away_is_no_reason_to_restart_and_silence_is() {
        let (health, secrets, clients) = two();
        for _ in 0..20 {
            tokio::time::advance(Duration::from_mins(1)).await;
            health.failed(&secrets, &refused());
        }
        assert_eq!(health.alive(), Ok(()));
        tokio::time::advance(STUCK).await;
        assert!(health.alive().is_err());
        clients.heard();
        assert_eq!(health.alive(), Ok(()));
        assert_eq!(health.ages()[&Watched::OAuthClient], Duration::ZERO);
        assert!(health.ages()[&Watched::Secret] > STUCK);
    }
}
