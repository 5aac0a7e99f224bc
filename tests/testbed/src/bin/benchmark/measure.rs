//! Creating clients, and seeing when their Secrets and verdicts arrive.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams, WatchEvent, WatchParams};
use kube::{Client, ResourceExt};
use tokio::sync::Notify;

use super::{Burst, Failure, client};

/// Longest time that anything may take.
const LIMIT: Duration = Duration::from_mins(10);

/// Durations, sorted.
pub struct Figures(Vec<Duration>);

impl Figures {
    /// Takes durations in any order.
    pub fn new(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        Self(durations)
    }

    /// The middle one.
    pub fn p50(&self) -> Duration {
        self.at(50)
    }

    /// The one that 99 of 100 do not exceed.
    pub fn p99(&self) -> Duration {
        self.at(99)
    }

    fn at(&self, percent: usize) -> Duration {
        let last = self.0.len().saturating_sub(1);
        self.0
            .get((self.0.len() * percent).div_ceil(100).saturating_sub(1).min(last))
            .copied()
            .unwrap_or_default()
    }
}

/// When each name was first seen.
#[derive(Clone, Default)]
struct Arrivals(Arc<(Mutex<HashMap<String, Instant>>, Notify)>);

impl Arrivals {
    fn note(&self, name: String) {
        self.0
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(name)
            .or_insert_with(Instant::now);
        self.0.1.notify_waiters();
    }

    fn of(&self, prefix: &str) -> HashMap<String, Instant> {
        let seen = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter()
            .filter(|(name, _)| name.starts_with(prefix))
            .map(|(name, at)| (name.clone(), *at))
            .collect()
    }

    async fn until(&self, prefix: &str, count: usize) -> Result<HashMap<String, Instant>, Failure> {
        let wait = async {
            loop {
                let more = self.0.1.notified();
                let seen = self.of(prefix);
                if seen.len() >= count {
                    return seen;
                }
                // Whatever arrived between the look and the wait is seen a moment later.
                let _ = tokio::time::timeout(Duration::from_millis(100), more).await;
            }
        };
        let late = |_| format!("{} of {count} after {} s", self.of(prefix).len(), LIMIT.as_secs());
        Ok(tokio::time::timeout(LIMIT, wait).await.map_err(late)?)
    }
}

/// Clients of one namespace.
pub struct Objects {
    api: Api<DynamicObject>,
    namespace: String,
    secrets: Arrivals,
    ready: Arrivals,
}

impl Objects {
    /// Watches from now on.
    pub fn new(kube: Client, namespace: &str) -> Self {
        let (secrets, ready) = (Arrivals::default(), Arrivals::default());
        let api = Api::namespaced_with(kube.clone(), namespace, &kind());
        let secret = GroupVersionKind::gvk("", "v1", "Secret");
        let secret_api = Api::namespaced_with(kube, namespace, &ApiResource::from_gvk(&secret));
        let written = WatchParams::default().labels("oauth-client-operator.dev/role=credentials");
        tokio::spawn(follow(secret_api, written, secrets.clone(), |_| true));
        tokio::spawn(follow(api.clone(), WatchParams::default(), ready.clone(), is_ready));
        Self {
            api,
            namespace: namespace.to_owned(),
            secrets,
            ready,
        }
    }

    /// Applies one after the other; the time to each Secret.
    pub async fn singles(&self, prefix: &str, count: usize) -> Result<Figures, Failure> {
        let mut durations = Vec::new();
        for number in 0..count {
            let name = format!("{prefix}-{number}-");
            let begun = Instant::now();
            self.create(&name).await?;
            let seen = self.secrets.until(&name, 1).await?;
            durations.extend(seen.values().map(|at| at.duration_since(begun)));
            self.ready.until(&name, 1).await?;
        }
        Ok(Figures::new(durations))
    }

    /// Applies all at once.
    pub async fn burst(&self, prefix: &str, count: usize, concurrency: usize) -> Result<Burst, Failure> {
        let begun = Instant::now();
        let tasks = futures::stream::iter(0..count).map(|number| async move {
            let name = format!("{prefix}-{number}-");
            let at = Instant::now();
            self.create(&name).await.map(|()| (name, at))
        });
        let created: HashMap<String, Instant> = tasks.buffer_unordered(concurrency).try_collect().await?;
        let ready = self.ready.until(prefix, count).await?;
        let secrets = self.secrets.until(prefix, count).await?;
        let last = ready.values().max().copied().unwrap_or(begun);
        let durations = created
            .iter()
            .filter_map(|(name, at)| Some(secrets.get(name)?.duration_since(*at)));
        Ok(Burst {
            all_ready: last.duration_since(begun),
            secrets: Figures::new(durations.collect()),
        })
    }

    async fn create(&self, name: &str) -> Result<(), Failure> {
        let object = serde_json::from_value(client(&self.namespace, name.trim_end_matches('-')))?;
        self.api.create(&PostParams::default(), &object).await?;
        Ok(())
    }
}

/// The kind `OAuthClient`.
pub fn kind() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(
        "oauth-client-operator.dev",
        "v1alpha1",
        "OAuthClient",
    ))
}

fn is_ready(object: &DynamicObject) -> bool {
    let conditions = object.data["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    conditions
        .iter()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// Notes the names of objects that fit, with a dash at the end so that no name begins another.
async fn follow(api: Api<DynamicObject>, params: WatchParams, arrivals: Arrivals, fits: fn(&DynamicObject) -> bool) {
    loop {
        if let Ok(events) = api.watch(&params, "0").await {
            let mut events = pin!(events);
            while let Some(Ok(event)) = events.next().await {
                if let WatchEvent::Added(object) | WatchEvent::Modified(object) = event
                    && fits(&object)
                {
                    arrivals.note(object.name_any() + "-");
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
