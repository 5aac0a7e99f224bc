//! Leader election: writes the Lease, and says until when this process leads.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease as Object, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connect::within;
use super::error::ApiError;
use super::trouble::Trouble;
use crate::domain::lease::{Candidate, DURATION, LOOK, Lease, RETRY, Step};
use crate::domain::relocation;

/// Name of the Lease in the operator's namespace.
pub(super) const NAME: &str = "oauth-client-operator";

/// Whether this process leads. It gates the beginning of every effect; what has begun is completed whoever leads.
#[derive(Clone, Debug)]
pub struct Leadership {
    start: Instant,
    /// Milliseconds since `start` until which it leads; 0: it does not.
    until: Arc<AtomicU64>,
    terms: watch::Receiver<u64>,
}

impl Leadership {
    /// Leadership without an election: there is one process by the installer's word.
    #[must_use]
    pub fn unrivalled() -> Self {
        let (sender, terms) = watch::channel(1);
        drop(sender);
        Self {
            start: Instant::now(),
            until: Arc::new(AtomicU64::new(u64::MAX)),
            terms,
        }
    }

    /// Whether something new may begin now. True for no longer than the lease is known to hold, also after the process was
    /// stopped for a while.
    #[must_use]
    pub fn leads(&self) -> bool {
        millis(self.start.elapsed()) < self.until.load(Ordering::SeqCst)
    }

    /// Waits for the beginning of the next term.
    pub async fn next_term(&mut self) {
        if self.terms.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Takes part in the election until `resigning` is cancelled, then gives the lease back if it holds it. The future is to be
/// run as a task.
pub fn elect(
    client: Client,
    namespace: &str,
    identity: &str,
    resigning: CancellationToken,
) -> (Leadership, impl Future<Output = ()> + Send + use<>) {
    let (terms, receiver) = watch::channel(0);
    let leadership = Leadership {
        start: Instant::now(),
        until: Arc::new(AtomicU64::new(0)),
        terms: receiver,
    };
    let election = Election {
        api: Api::namespaced(client, namespace),
        candidate: Candidate::new(identity),
        leadership: leadership.clone(),
        terms,
        trouble: Trouble::new(
            "the Lease cannot be read or written",
            "the Lease is read and written again",
            "",
        ),
        closed: None,
    };
    (leadership, election.run(resigning))
}

struct Election {
    api: Api<Object>,
    candidate: Candidate,
    leadership: Leadership,
    terms: watch::Sender<u64>,
    trouble: Trouble,
    /// The move that holds the Lease, once it is logged.
    closed: Option<String>,
}

impl Election {
    async fn run(mut self, resigning: CancellationToken) {
        loop {
            let deadline = RETRY * 2;
            let round = tokio::time::timeout(deadline, self.round()).await;
            let pause = match round {
                Ok(Ok(pause)) => {
                    self.trouble.works();
                    pause
                }
                Ok(Err(error)) => {
                    self.trouble.failed(&error);
                    RETRY
                }
                Err(_) => {
                    self.trouble
                        .failed(&format!("no answer within {} s", deadline.as_secs()));
                    RETRY
                }
            };
            tokio::select! {
                () = resigning.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.leadership.until.store(0, Ordering::SeqCst);
        if let Err(error) = self.resign().await {
            tracing::warn!(%error, "the Lease could not be released; it expires by itself");
        }
    }

    fn now(&self) -> Duration {
        self.leadership.start.elapsed()
    }

    /// One look, and what it leads to. The time until the next one.
    async fn round(&mut self) -> Result<Duration, ApiError> {
        let object = within(self.api.get_opt(NAME)).await?;
        let begun = self.now();
        let seen = object.as_ref().map(read);
        self.log_closed(seen.as_ref());
        let written = match self.candidate.look(seen, begun) {
            Step::Wait(left) => {
                self.stand_down();
                return Ok(left.min(LOOK));
            }
            Step::Create => {
                let lease = Lease {
                    holder: self.candidate.identity().to_owned(),
                    duration: DURATION,
                    ..Lease::default()
                };
                within(self.api.create(&PostParams::default(), &object_of(&lease, None))).await
            }
            Step::Write(lease) => {
                let next = object_of(&lease, object);
                within(self.api.replace(NAME, &PostParams::default(), &next)).await
            }
        };
        match written {
            Ok(_) => {
                self.candidate.held(begun);
                self.lead();
                Ok(RETRY)
            }
            Err(ApiError::Conflict | ApiError::AlreadyExists) => {
                self.candidate.lost();
                self.stand_down();
                Ok(LOOK)
            }
            // Whether the write took place is unknown. The deadline of the last renewal stands.
            Err(error) => Err(error),
        }
    }

    /// Says once that a move holds the Lease: it waits for a person, not for time.
    fn log_closed(&mut self, lease: Option<&Lease>) {
        let closed = lease
            .map(|lease| &lease.holder)
            .filter(|holder| relocation::is_closed(holder));
        if let Some(holder) = closed.filter(|holder| self.closed.as_ref() != Some(holder)) {
            tracing::error!("this installation is {holder}, so this replica changes nothing; see docs/move.md");
        }
        self.closed = closed.cloned();
    }

    fn lead(&mut self) {
        let until = self.candidate.leads_until().map_or(0, millis);
        if extend(&self.leadership.until, until, || millis(self.now())) {
            tracing::info!("became leader");
            self.terms.send_modify(|terms| *terms += 1);
        }
    }

    fn stand_down(&mut self) {
        if self.leadership.until.swap(0, Ordering::SeqCst) > 0 {
            tracing::warn!("lost the leadership to another replica");
        }
    }

    async fn resign(&mut self) -> Result<(), ApiError> {
        let Some(object) = within(self.api.get_opt(NAME)).await? else {
            return Ok(());
        };
        if let Some(lease) = self.candidate.released(&read(&object)) {
            within(
                self.api
                    .replace(NAME, &PostParams::default(), &object_of(&lease, Some(object))),
            )
            .await?;
        }
        Ok(())
    }
}

/// Moves the end of a term. Whether a new term begins: the time is read after the change, so if anybody saw that the former term was over, this sees
/// it too.
fn extend(until: &AtomicU64, next: u64, now: impl FnOnce() -> u64) -> bool {
    let before = until.swap(next, Ordering::SeqCst);
    before <= now()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn read(object: &Object) -> Lease {
    let spec = object.spec.clone().unwrap_or_default();
    Lease {
        holder: spec.holder_identity.unwrap_or_default(),
        duration: Duration::from_secs(
            spec.lease_duration_seconds
                .and_then(|s| u64::try_from(s).ok())
                .unwrap_or_default(),
        ),
        version: object.metadata.resource_version.clone().unwrap_or_default(),
        transitions: spec.lease_transitions.unwrap_or_default(),
    }
}

/// The object to write; with the version of `old`, so that it replaces no newer one.
pub(super) fn object_of(lease: &Lease, old: Option<Object>) -> Object {
    let now = MicroTime(Timestamp::now());
    let old = old.unwrap_or_default();
    let before = old.spec.unwrap_or_default();
    let same = before.holder_identity.as_deref() == Some(lease.holder.as_str());
    Object {
        metadata: ObjectMeta {
            name: Some(NAME.to_owned()),
            managed_fields: None,
            ..old.metadata
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(lease.holder.clone()),
            lease_duration_seconds: i32::try_from(lease.duration.as_secs()).ok(),
            acquire_time: if same { before.acquire_time } else { Some(now.clone()) },
            renew_time: Some(now),
            lease_transitions: Some(lease.transitions),
            ..LeaseSpec::default()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t40_a_term_that_ends_while_it_is_extended_is_followed_by_a_new_one() {
        let until = AtomicU64::new(10);
        assert!(!extend(&until, 20, || 9));
        // It ends at the last moment at which somebody can see the former time.
        let ends = extend(&until, 30, || {
            assert_eq!(until.load(Ordering::SeqCst), 30, "nobody sees the former time any more");
            20
        });
        assert!(ends);
        assert!(extend(&AtomicU64::new(0), 30, || 0), "the first");
    }
}
