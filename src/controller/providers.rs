//! Provider objects: are they usable, and what was found. Their status helps whoever set them up; clients do not wait for it. And
//! their credentials are kept for deregistrations.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::api::{ProviderKind, ProviderStatus};
use crate::cluster::{ApiError, ProviderKey};
use crate::domain::failure::Failure;
use crate::domain::{backoff, status};
use crate::provider::Discovered;

use super::context::Context;

/// Works on provider objects as they change, each in a task of its own.
pub(super) async fn run(cx: Arc<Context>, tasks: TaskTracker, mut changed: mpsc::UnboundedReceiver<ProviderKey>) {
    // A change while the task works or waits replaces it: what it found is out of date.
    let mut working: HashMap<ProviderKey, tokio::task::AbortHandle> = HashMap::new();
    let mut leadership = cx.leadership.clone();
    let mut expiring = std::pin::pin!(cx.kept.expire(cx.clock));
    loop {
        let keys = tokio::select! {
            () = cx.stopping.cancelled() => return,
            () = &mut expiring => return,
            // No provider object may be left that uses it.
            () = cx.index.consent_changed() => cx.kept.vanished(),
            () = leadership.next_term() => if cx.is_complete() { cx.providers.keys() } else { Vec::new() },
            key = changed.recv() => match key {
                Some(key) => vec![key],
                None => return,
            },
        };
        if keys.iter().any(|key| cx.provider_object(key).is_err()) {
            cx.forget_the_gone();
        }
        working.retain(|_, task| !task.is_finished());
        for key in keys {
            if let Some(old) = working.remove(&key) {
                old.abort();
            }
            let (cx, own_key) = (cx.clone(), key.clone());
            let task = tasks.spawn(async move {
                tokio::select! {
                    () = cx.stopping.cancelled() => {}
                    () = work(&cx, &own_key) => {}
                }
            });
            working.insert(key, task.abort_handle());
        }
    }
}

/// Keeps the credentials of a provider, as every replica does, and judges it, as the leader does.
async fn work(cx: &Context, key: &ProviderKey) {
    // First, because it takes the credentials for both from the API server, and nothing else.
    let kept = cx.keep_credentials(key).await;
    tokio::join!(until_judged(cx, key), until_kept(cx, key, kept));
}

/// Tries to keep the credentials of a provider until it is known what there is to keep.
async fn until_kept(cx: &Context, key: &ProviderKey, mut kept: Result<(), Failure>) {
    let mut failures = 0;
    while let Err(failure) = kept {
        failures += 1;
        match backoff::delay(&failure, failures, cx.chance()) {
            Some(wait) => cx.clock.sleep(wait).await,
            None => return,
        }
        kept = cx.keep_credentials(key).await;
    }
}

/// Looks at a provider until there is nothing more to find out by looking again.
async fn until_judged(cx: &Context, key: &ProviderKey) {
    let mut failures = 0;
    while cx.leadership.leads() {
        let found = discover(cx, key).await;
        let failure = match write(cx, key, found.as_ref().map(|found| &**found)).await {
            Err(ApiError::NotFound) => return,
            Err(ApiError::Conflict) => None,
            Err(error) => Some(error.failure(&key.to_string())),
            Ok(()) => match found {
                Ok(_) => return,
                Err(failure) => Some(failure),
            },
        };
        failures += 1;
        let wait = match &failure {
            None => Some(Duration::from_millis(200)),
            Some(failure) => backoff::delay(failure, failures, cx.chance()),
        };
        match wait {
            Some(wait) => cx.clock.sleep(wait).await,
            None => return,
        }
    }
}

async fn discover(cx: &Context, key: &ProviderKey) -> Result<Arc<Discovered>, Failure> {
    let provider = cx.provider(key).await?;
    cx.discover(&provider).await.map_err(|error| error.failure)
}

async fn write(cx: &Context, key: &ProviderKey, found: Result<&Discovered, &Failure>) -> Result<(), ApiError> {
    let endpoints = found.map(|found| &found.endpoints);
    let judged = |previous: Option<&ProviderStatus>, generation| {
        let previous = previous.cloned().unwrap_or_default();
        let next = status::of_provider(&previous, endpoints, generation, cx.clock.now());
        (next != previous).then_some(next)
    };
    match key.kind {
        ProviderKind::OAuthProvider => {
            let Some(object) = cx.providers.provider(&key.namespace, &key.name) else {
                return Err(ApiError::NotFound);
            };
            if let Some(next) = judged(object.status.as_ref(), object.metadata.generation) {
                cx.objects.write_provider_status(&object, &next).await?;
            }
        }
        ProviderKind::ClusterOAuthProvider => {
            let Some(object) = cx.providers.cluster_provider(&key.name) else {
                return Err(ApiError::NotFound);
            };
            if let Some(next) = judged(object.status.as_ref(), object.metadata.generation) {
                cx.objects.write_cluster_provider_status(&object, &next).await?;
            }
        }
    }
    Ok(())
}
