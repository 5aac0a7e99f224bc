//! Provider objects: are they usable, and what was found. Their status helps whoever set them up; clients do not wait for it. It
//! also holds what their clients were compared with. And their credentials are kept for deregistrations.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::api::{ProviderKind, ProviderStatus, TokenStatus};
use crate::cluster::{ApiError, ProviderKey};
use crate::domain::capability;
use crate::domain::failure::Failure;
use crate::domain::target::Endpoints;
use crate::domain::{backoff, status};
use crate::metrics::Outcome;
use crate::traces;

use super::comparisons::Comparison;
use super::context::Context;
use super::looks::Looks;
use super::{revision, tokens};

/// Takes the provider objects that were judged, and how long they are left alone.
type Resting = mpsc::UnboundedSender<(ProviderKey, Duration)>;

/// The task of a provider object.
struct Working {
    task: tokio::task::AbortHandle,
    /// Whether it has judged the provider, and at most keeps credentials still.
    judged: Arc<AtomicBool>,
}

impl Working {
    /// Whether it takes in what passes find out now.
    fn is_judging(&self) -> bool {
        !self.task.is_finished() && !self.judged.load(Ordering::Relaxed)
    }
}

/// Works on provider objects as they change, each in a task of its own. `learned`: those of which a pass found something else than
/// their status says.
pub(super) async fn run(
    cx: Arc<Context>,
    tasks: TaskTracker,
    mut changed: mpsc::UnboundedReceiver<ProviderKey>,
    mut learned: mpsc::UnboundedReceiver<ProviderKey>,
) {
    // A change while the task works or waits replaces it: what it found is out of date.
    let mut working: HashMap<ProviderKey, Working> = HashMap::new();
    let mut leadership = cx.leadership.clone();
    let mut expiry = std::pin::pin!(cx.clock.sleep(tokens::EVERY));
    let (rests, mut resting) = mpsc::unbounded_channel();
    let mut looks = Looks::default();
    let mut expiring = std::pin::pin!(cx.kept.expire(cx.clock));
    loop {
        let keys = tokio::select! {
            () = cx.stopping.cancelled() => return,
            Some((key, rest)) = resting.recv() => {
                looks.plan(key, cx.clock.real(rest));
                Vec::new()
            }
            () = &mut expiring => return,
            // No provider object may be left that uses it.
            () = cx.index.consent_changed() => cx.kept.vanished(),
            () = leadership.next_term() => if cx.is_complete() { cx.providers.keys() } else { Vec::new() },
            () = &mut expiry => {
                expiry.set(cx.clock.sleep(tokens::EVERY));
                if cx.leadership.leads() { cx.with_expired_tokens() } else { Vec::new() }
            }
            key = changed.recv() => match key {
                Some(key) => vec![key],
                None => return,
            },
            key = next_question(&mut learned, &mut looks) => {
                // Whoever judges it now takes that in, and says when the next look is.
                let judging = working.get(&key).is_some_and(Working::is_judging);
                if judging { Vec::new() } else { vec![key] }
            }
        };
        if keys.iter().any(|key| cx.provider_object(key).is_err()) {
            cx.forget_the_gone();
        }
        working.retain(|_, working| !working.task.is_finished());
        for key in keys {
            if let Some(old) = working.remove(&key) {
                old.task.abort();
            }
            looks.forget(&key);
            let (cx, own_key, judged) = (cx.clone(), key.clone(), Arc::<AtomicBool>::default());
            let (done, rests) = (Arc::clone(&judged), rests.clone());
            let task = tasks.spawn(async move {
                tokio::select! {
                    () = cx.stopping.cancelled() => {}
                    () = work(&cx, &own_key, &done, &rests) => {}
                }
            });
            let task = task.abort_handle();
            working.insert(key, Working { task, judged });
        }
    }
}

/// The next provider object of which something else was learned, or that is to be looked at again.
async fn next_question(learned: &mut mpsc::UnboundedReceiver<ProviderKey>, looks: &mut Looks) -> ProviderKey {
    tokio::select! {
        Some(key) = learned.recv() => key,
        key = looks.due() => key,
    }
}

/// First wait before a status that was refused is written again.
const REFUSED: Duration = Duration::from_millis(200);

/// Wait after a status was refused so many times in a row. A view that lags behind follows soon; if the rights end with the object, it
/// never shows that the object is gone.
fn until_written(refusals: u32) -> Duration {
    let doubled = REFUSED.saturating_mul(1 << refusals.saturating_sub(1).min(12));
    doubled.min(backoff::LONGEST)
}

/// Whether the API server refused the write itself. A view that is out of date can be the cause.
const fn is_refusal(error: &ApiError) -> bool {
    matches!(
        error,
        ApiError::Conflict | ApiError::Forbidden { .. } | ApiError::Invalid { .. }
    )
}

/// Keeps the credentials of a provider, as every replica does, and judges it, as the leader does.
async fn work(cx: &Context, key: &ProviderKey, judged: &AtomicBool, rests: &Resting) {
    // First, because it takes the credentials for both from the API server, and nothing else.
    let kept = cx.keep_credentials(key).await;
    let judge = async {
        let rest = until_judged(cx, key).await;
        judged.store(true, Ordering::Relaxed);
        if let Some(rest) = rest {
            // Nobody listens any more when the operator stops.
            let _ = rests.send((key.clone(), rest));
        }
    };
    tokio::join!(judge, until_kept(cx, key, kept));
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

/// Looks at a provider until there is nothing more to find out by looking again for a while, and its clients are compared. How long
/// that while is, if it ends.
async fn until_judged(cx: &Context, key: &ProviderKey) -> Option<Duration> {
    if cx.provider_object(key).is_err() {
        // What waits for it says so.
        cx.comparisons.look_at(cx.clients.of_provider(key));
        return None;
    }
    let (mut failures, mut refusals_in_a_row): (u32, u32) = (0, 0);
    let mut comparison = None;
    while cx.leadership.leads() {
        let uid = cx.provider_object(key).map(|(uid, _, _)| uid).unwrap_or_default();
        let refusals = cx.transport.refusals().version(&uid);
        let span = look_begins(key, failures.saturating_add(1));
        let provider = span.during(cx.provider_with_tokens(key)).await;
        let tokens = cx.token_statuses(key, &provider);
        let found = match &provider {
            Ok(provider) => span.during(cx.look(provider)).await.map_err(|error| error.failure),
            Err(failure) => Err(failure.clone()),
        };
        let endpoints = found.as_ref().map(|found| &*found.endpoints);
        let compared = match span.during(revision::of(cx, key, &provider, endpoints.ok())).await {
            Ok(revision) => {
                compare(cx, key, revision, &mut comparison);
                Ok(())
            }
            Err(failure) => Err(failure),
        };
        let done = comparison.as_ref().filter(|comparison| comparison.is_done());
        let revision = done.map(|comparison| comparison.revision.clone());
        let writing = write(cx, key, endpoints, revision.as_deref(), tokens.as_deref());
        let written = span.during(writing).await;
        tell(
            &span,
            found.as_ref().err().or(compared.as_ref().err()),
            written.as_ref().err(),
        );
        drop(span);
        refusals_in_a_row = match &written {
            Err(error) if is_refusal(error) => refusals_in_a_row.saturating_add(1),
            _ => 0,
        };
        if let (Err(error), 1) = (&written, refusals_in_a_row) {
            say_refused(key, error);
        }
        if let (Ok(()), Some(revision)) = (&written, &revision) {
            cx.comparisons.written(key, revision);
            comparison = None;
        }
        let failure = match written {
            Err(ApiError::NotFound) => return None,
            Err(error) if is_refusal(&error) => None,
            Err(error) => Some(error.failure(&key.to_string())),
            Ok(()) => match found.map(|_| ()).and(compared) {
                Ok(())
                    if comparison.is_none()
                        && cx.transport.refusals().version(&uid) == refusals
                        && !cx.unwritten.has(&uid) =>
                {
                    return cx.next_look(provider.as_ref().ok()?);
                }
                Ok(()) if comparison.is_none() => continue,
                Ok(()) => {
                    compared_all(open_since(comparison.as_ref(), revision.as_deref())).await;
                    continue;
                }
                Err(failure) => Some(failure),
            },
        };
        failures += u32::from(failure.is_some());
        let wait = match &failure {
            None => Some(until_written(refusals_in_a_row)),
            Some(failure) => backoff::delay(failure, failures, cx.chance()),
        };
        match wait {
            Some(wait) => tokio::select! {
                () = cx.clock.sleep(wait) => {}
                () = compared_all(open_since(comparison.as_ref(), revision.as_deref())) => {}
            },
            None => match open_since(comparison.as_ref(), revision.as_deref()) {
                Some(open) => open.done().await,
                None => return None,
            },
        }
    }
    None
}

/// Says once that the status of a provider object is refused: nobody can read it there. A conflict passes.
fn say_refused(key: &ProviderKey, error: &ApiError) {
    if !matches!(error, ApiError::Conflict) {
        let error = error.failure(&format!("the status of {key}")).message;
        tracing::warn!(provider = %key, %error, "status not written; the operator keeps trying");
    }
}

/// The span of one look at a provider.
fn look_begins(key: &ProviderKey, attempt: u32) -> traces::Span {
    let (namespace, name) = (&key.namespace, &key.name);
    match key.kind {
        ProviderKind::OAuthProvider => traces::pass("OAuthProvider", &format_args!("{namespace}/{name}"), attempt),
        ProviderKind::ClusterOAuthProvider => traces::pass("ClusterOAuthProvider", name, attempt),
    }
}

/// Says in its span how a look at a provider ended.
fn tell(span: &traces::Span, failed: Option<&Failure>, unwritten: Option<&ApiError>) {
    let outcome = match (failed, unwritten) {
        (Some(failure), _) => failure.class.into(),
        (None, Some(ApiError::Conflict)) => Outcome::Conflict,
        // The object was deleted meanwhile.
        (None, None | Some(ApiError::NotFound)) => Outcome::Settled,
        (None, Some(_)) => Outcome::Transient,
    };
    span.tell("outcome", outcome.as_str());
    if let Some(failure) = failed {
        span.tell("reason", failure.reason.as_str());
    }
    if outcome != Outcome::Settled {
        span.fail();
    }
}

/// Begins to compare the clients of a provider object with its revision, if that is due.
fn compare<'a>(cx: &'a Context, key: &ProviderKey, revision: String, comparison: &mut Option<Comparison<'a>>) {
    if comparison
        .as_ref()
        .is_some_and(|comparison| comparison.revision == revision)
    {
        return;
    }
    *comparison = None;
    let stated = cx.provider_status(key).and_then(|(status, _)| status.compared_revision);
    if !cx.comparisons.is_due(key, &revision, stated.as_deref()) {
        return;
    }
    let clients = cx.clients.of_provider(key).into_iter();
    let settled =
        |object: Arc<crate::api::OAuthClient>| object.metadata.deletion_timestamp.is_none() && status::stands(&object);
    let clients = clients.map(|client| {
        let settled = cx.object(&client).is_some_and(settled);
        (client, settled)
    });
    *comparison = Some(cx.comparisons.begin(key, revision, clients.collect()));
}

/// The comparison whose end is still to be written: one that has ended since the status was made counts, or nobody would wake up for it.
fn open_since<'a, 'b>(comparison: Option<&'b Comparison<'a>>, written: Option<&str>) -> Option<&'b Comparison<'a>> {
    comparison.filter(|_| written.is_none())
}

/// Waits for the end of a comparison; without one, for ever.
async fn compared_all(comparison: Option<&Comparison<'_>>) {
    match comparison {
        Some(comparison) => comparison.done().await,
        None => std::future::pending().await,
    }
}

async fn write(
    cx: &Context,
    key: &ProviderKey,
    found: Result<&Endpoints, &Failure>,
    revision: Option<&str>,
    tokens: Option<&[TokenStatus]>,
) -> Result<(), ApiError> {
    let uid = cx.provider_object(key).map(|(uid, _, _)| uid).unwrap_or_default();
    let seen = cx.unwritten.of(&uid);
    let judged = |previous: Option<&ProviderStatus>, generation| {
        let previous = previous.cloned().unwrap_or_default();
        let mut next = status::of_provider(&previous, found, generation, cx.clock.now());
        if let Some(revision) = revision {
            next.compared_revision = Some(revision.to_owned());
        }
        if let Some(tokens) = tokens {
            next.registration_tokens = tokens.to_vec();
        }
        capability::show(&previous, &mut next, seen.as_ref());
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
    if let Some(seen) = seen {
        cx.unwritten.written(&uid, &seen);
    }
    Ok(())
}
