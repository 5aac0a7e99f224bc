//! How the watches are, by what the API server says on their connections: bookmarks and ends count, so a watch of objects
//! that do not change is known to be alive.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use tokio::time::Instant;

use super::PATIENCE;
use crate::clock::Clock;
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
}

#[derive(Debug, Default)]
struct State {
    watches: Vec<Arc<Pulse>>,
    /// Whether triggers are passed on.
    open: bool,
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
    /// Whether it has listed once.
    listed: bool,
}

impl Health {
    pub(super) fn new(clock: Clock) -> Self {
        Self(Arc::new(Shared {
            clock,
            state: Mutex::default(),
        }))
    }

    /// Begins to look after a watch.
    pub(super) fn watch(&self, name: String, kind: Watched) -> Arc<Pulse> {
        let now = Instant::now();
        let pulse = Arc::new(Pulse {
            name,
            kind,
            beat: Mutex::new(Beat {
                heard: now,
                moved: now,
                failing: None,
                listed: false,
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

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pulse {
    /// The API server said something.
    fn heard(&self) {
        let now = Instant::now();
        let mut beat = self.lock();
        (beat.heard, beat.moved) = (now, now);
    }

    /// A watch was accepted. A list alone does not end a failure: it may be allowed where watches are not.
    fn works(&self) {
        if self.lock().failing.take().is_some() {
            tracing::info!(watch = self.name, "the watch works again");
        }
    }

    /// A try failed. Whether it is the first after a success.
    pub(super) fn failed(&self) -> bool {
        let now = Instant::now();
        let mut beat = self.lock();
        beat.moved = now;
        let first = beat.failing.is_none();
        beat.failing.get_or_insert(now);
        first
    }

    /// A list is complete. Whether it is the first.
    pub(super) fn listed(&self) -> bool {
        !std::mem::replace(&mut self.lock().listed, true)
    }

    /// A client whose answers are listened to.
    pub(super) fn listening(self: &Arc<Self>, client: &Client) -> Client {
        let (pulse, client) = (Arc::clone(self), client.clone());
        let namespace = client.default_namespace().to_owned();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (pulse, client) = (Arc::clone(&pulse), client.clone());
            async move {
                let watches = request.uri().query().is_some_and(|query| query.contains("watch=true"));
                let response: Response<Body> = client.send(request).await?;
                if response.status().is_success() {
                    pulse.heard();
                    if watches {
                        pulse.works();
                    }
                }
                Ok::<_, kube::Error>(response.map(|body| {
                    body.map_frame(move |frame| {
                        pulse.heard();
                        frame
                    })
                }))
            }
        });
        Client::new(service, namespace)
    }

    fn lock(&self) -> MutexGuard<'_, Beat> {
        self.beat.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(secrets.failed() && !secrets.failed());
        assert_eq!((health.ready(), health.failing()), (Ok(()), 1), "that may pass");
        tokio::time::advance(PATIENCE).await;
        assert_eq!(health.ready(), Err("failing: Secret".to_owned()));
        secrets.heard();
        assert_eq!(health.failing(), 1, "a list alone is not enough");
        secrets.works();
        assert_eq!((health.ready(), health.failing()), (Ok(()), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_is_away_is_no_reason_to_restart_and_silence_is() {
        let (health, secrets, clients) = two();
        for _ in 0..20 {
            tokio::time::advance(Duration::from_mins(1)).await;
            secrets.failed();
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
