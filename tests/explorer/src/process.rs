//! One process of the operator in the model's world: its caches, and every effect as a point at which something may go wrong.

use std::future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as Waiting, Poll, Waker};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;

use oauth_client_operator::api::{OAuthClient, Reason};
use oauth_client_operator::cluster::{ApiError, Role, SecretMeta};
use oauth_client_operator::domain::failure::{Class, Failure};
use oauth_client_operator::domain::outcome::{CallError, Effect};
use oauth_client_operator::domain::pass::{self, Operator, Pause, Provider};
use oauth_client_operator::provider::testing::made_of;

use super::cluster::{Cluster, Name, named};
use super::replica::Replica;
use super::scenario::Answers;
use super::schedule::Choice;
use super::state::State;
use super::steps::{PAUSE, Step};
use super::{interrupt, run};

mod calls;
mod claim;
mod faults;
mod permit;
mod plant;
mod records;
mod world;

pub(super) use self::claim::Held;
pub(super) use self::faults::UNAVAILABLE;
use self::faults::{CALL_FAULTS, READ_FAULTS, WRITE_FAULTS, asks_pause, is_deadly, refusal, unanswered};
pub(super) use self::plant::Plant;

/// A process.
pub(super) struct Process {
    pub state: Arc<Mutex<State>>,
    /// Its place among the replicas.
    pub who: usize,
    /// The object that this pass is about.
    pub what: usize,
    pub here: Arc<Operator>,
    /// Whether others may act in the middle of its effects.
    pub interruptible: bool,
    /// A Secret whose write a planted mistake delays.
    pub held_back: Mutex<Option<Secret>>,
}

impl Process {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn me<T>(&self, look: impl FnOnce(&mut Replica) -> T) -> T {
        look(&mut self.state().replicas[self.who])
    }

    fn cluster<T>(&self, act: impl FnOnce(&mut Cluster) -> T) -> T {
        let mut state = self.state();
        let cluster = state.replicas[self.who].cluster;
        act(&mut state.clusters[cluster])
    }

    async fn die<T>(&self) -> T {
        self.me(|replica| replica.dead = true);
        future::pending().await
    }

    /// A point before an effect; what happens there is chosen by the schedule.
    fn choose(&self, what: &'static str, faults: &[Choice]) -> Choice {
        let mut state = self.state();
        let identity = state.replicas[self.who].identity;
        state.schedule.tell(|| format!("    {identity}"));
        if !state.schedule.is_open() {
            return state.schedule.choose(what, &[]);
        }
        let mut all = Vec::with_capacity(16);
        all.push(Choice::Well);
        all.extend_from_slice(faults);
        let (pauses, stops, interleaves) = {
            let scenario = state.scenario;
            (scenario.pauses, scenario.stops, scenario.interleaves)
        };
        if pauses && matches!(what, "POST" | "PUT" | "DELETE") {
            all.push(Choice::AsksPause);
        }
        if self.interruptible {
            all.extend([Choice::OtherLeader, Choice::OtherLeaderStale, Choice::Paused]);
            all.extend(interleaves.then_some(Choice::OtherObject));
            all.extend(stops.then_some(Choice::Stops));
            if faults.contains(&Choice::LoseAnswer) {
                all.push(Choice::PausedInCall);
            }
            if state.steps_left() > 0 {
                all.push(Choice::UserActs);
            }
            if state.scenario.second_installation {
                all.push(Choice::OtherInstallation);
            }
        }
        let choice = state.schedule.choose(what, &all);
        if choice == Choice::Well {
            return choice;
        }
        state.deadly += usize::from(is_deadly(what, choice));
        // What says that a client is somebody else's is lost with the entry that would name it.
        state.causes += usize::from(what == "create suspect" && state.scenario.answers != Answers::Fresh);
        // Whether the client is there, nobody knows after that, although another try may have deregistered it.
        state.causes += usize::from(matches!(what, "GET" | "DELETE") && choice == Choice::Unauthorized);
        state.rejected |= choice == Choice::Rejected;
        drop(state);
        match choice {
            Choice::Stops => {
                self.me(|replica| replica.stopping = true);
                Choice::Well
            }
            Choice::OtherLeader
            | Choice::OtherLeaderStale
            | Choice::OtherObject
            | Choice::Paused
            | Choice::OtherInstallation => {
                let before = self.state().tally();
                interrupt::interrupt(self, choice);
                let mut state = self.state();
                let after = state.tally();
                // What the other one deregistered, this one may take for refused; and what the other one takes for a doubt, this one may be
                // in the middle of.
                state.causes +=
                    before.living.saturating_sub(after.living) + after.suspects.saturating_sub(before.suspects);
                Choice::Well
            }
            Choice::UserActs => {
                let mut state = self.state();
                let step = run::act(&mut state);
                // A start with other settings ends the process in the middle of whatever it does, and what a clone finds of
                // it is what a crash leaves.
                let restarts = matches!(step, Step::Narrow | Step::Widen | Step::Hold | Step::Free);
                state.deadly += usize::from(restarts || step == Step::CloneCluster);
                if restarts { Choice::DieBefore } else { Choice::Well }
            }
            _ => choice,
        }
    }

    /// A write to the API server.
    async fn write<T: Send>(
        &self,
        what: &'static str,
        effect: impl FnOnce(&mut Cluster) -> Result<T, ApiError> + Send,
    ) -> Result<T, ApiError> {
        let choice = self.choose(what, &WRITE_FAULTS);
        match choice {
            Choice::DieBefore => self.die().await,
            Choice::DieAfter => {
                let _ = self.cluster(effect);
                self.die().await
            }
            Choice::LoseAnswer => {
                let _ = self.cluster(effect);
                Err(unanswered(None))
            }
            Choice::PausedInCall => {
                let _ = self.cluster(effect);
                interrupt::interrupt(self, Choice::Paused);
                Err(unanswered(None))
            }
            Choice::Well => self.cluster(effect),
            other => Err(refusal(other)),
        }
    }

    /// A call to the provider, unless it asked for a pause, which is taken in.
    async fn call<T: Send>(
        &self,
        what: &'static str,
        faults: &[Choice],
        effect: impl FnOnce(&mut State) -> Result<T, CallError> + Send,
    ) -> Result<T, CallError> {
        if let Some(pause) = self.pause_now() {
            return Err(CallError {
                failure: pause.failure(Reason::RateLimited),
                status: None,
                code: None,
                remark: None,
                fault: None,
                effect: Effect::NotApplied,
            });
        }
        // Compensations and looks may be made by whoever has something in hand.
        if matches!(what, "POST" | "PUT") && !self.me(|replica| replica.leads) {
            let text = format!("P5: a {what} was begun by a process that does not lead");
            self.state().trespasses.push(text);
        }
        let answer = self.answered(what, faults, |state| {
            let until = state.provider.pause_until.map_or(0, |until| until - state.now);
            if until > 0 {
                return Err(asks_pause(until));
            }
            effect(state)
        });
        let answer = answer.await;
        if let Err(error) = &answer
            && matches!(error.status, Some(429 | 503))
            && let Some(wait) = error.failure.retry_after
        {
            let until = self.state().now + i64::try_from(wait.as_secs()).unwrap_or_default();
            self.me(|replica| replica.pause_until = replica.pause_until.max(until));
        }
        answer
    }

    /// The pause that the provider asked this process for.
    fn pause_now(&self) -> Option<Pause> {
        let (until, now) = {
            let state = self.state();
            (state.replicas[self.who].pause_until, state.now)
        };
        let rest = u64::try_from(until - now).ok().filter(|rest| *rest > 0)?;
        Some(Pause {
            rest: Duration::from_secs(rest),
            until,
        })
    }

    async fn answered<T: Send>(
        &self,
        what: &'static str,
        faults: &[Choice],
        effect: impl FnOnce(&mut State) -> Result<T, CallError> + Send,
    ) -> Result<T, CallError> {
        match self.choose(what, faults) {
            Choice::AsksPause => Err(asks_pause(PAUSE)),
            Choice::DieBefore => self.die().await,
            Choice::DieAfter => {
                let _ = effect(&mut self.state());
                self.die().await
            }
            Choice::LoseAnswer => {
                let _ = effect(&mut self.state());
                Err(made_of(None, ""))
            }
            Choice::PausedInCall => {
                let _ = effect(&mut self.state());
                interrupt::interrupt(self, Choice::Paused);
                Err(made_of(None, ""))
            }
            Choice::Garbled => {
                effect(&mut self.state())?;
                Err(made_of(Some(201), ""))
            }
            Choice::LoseRequest => Err(made_of(None, "")),
            Choice::Rejected => Err(made_of(Some(400), r#"{"error": "invalid_client_metadata"}"#)),
            Choice::Unauthorized => Err(made_of(Some(401), r#"{"error": "invalid_token"}"#)),
            Choice::Throttled => Err(made_of(Some(429), "")),
            Choice::Unavailable => Err(made_of(Some(503), UNAVAILABLE)),
            _ => effect(&mut self.state()),
        }
    }

    /// A read of the API server.
    async fn look<T>(&self, what: &'static str, read: impl FnOnce(&Cluster) -> T + Send) -> Result<T, ApiError> {
        match self.choose(what, &READ_FAULTS) {
            Choice::Well => Ok(self.cluster(|cluster| read(cluster))),
            Choice::DieBefore => self.die().await,
            other => Err(refusal(other)),
        }
    }

    /// Puts an own write into the view.
    fn note(&self, object: &OAuthClient) {
        if self.plants(Plant::OwnWritesUnseen) {
            return;
        }
        let name = named(object);
        let kept = self.cluster(|cluster| cluster.clients.get(&name).cloned());
        self.me(|replica| match kept {
            Some(kept) => replica.view.clients.insert(name, kept),
            None => replica.view.clients.remove(&name),
        });
    }

    fn note_secret(&self, name: &Name) {
        if self.plants(Plant::OwnWritesUnseen) {
            return;
        }
        let kept = self.cluster(|cluster| cluster.secrets.get(name).cloned());
        self.me(|replica| match kept.filter(|kept| kept.meta.role != Role::Other) {
            Some(kept) => replica.view.secrets.insert(name.clone(), kept),
            None => replica.view.secrets.remove(name),
        });
    }

    fn metas(&self, fits: impl Fn(&SecretMeta) -> bool) -> Vec<Arc<SecretMeta>> {
        self.me(|replica| {
            let metas = replica.view.secrets.values().map(|kept| &kept.meta);
            metas.filter(|meta| fits(meta)).cloned().collect()
        })
    }

    /// The provider, unless it was removed. `kept`: what the process keeps of it counts, too.
    fn resolved(&self, kept: bool) -> Result<Arc<Provider>, Failure> {
        let (removed, now, provider) = {
            let state = self.state();
            (state.provider.removed, state.now, state.offered.read(state.scenario))
        };
        let Some(removed) = removed else {
            return Ok(provider);
        };
        let in_time = u64::try_from(now - removed).is_ok_and(|since| since < pass::DEFAULT_TIMEOUT.as_secs());
        if kept && in_time && self.me(|replica| replica.keeps) {
            return Ok(provider);
        }
        Err(Failure::new(Class::Denied, Reason::ProviderNotFound, "removed"))
    }

    fn at_home(&self, meta: &SecretMeta, role: Role, uid: &str) -> bool {
        meta.role == role && *meta.namespace == *self.here.namespace && meta.client_uid.as_deref() == Some(uid)
    }
}

/// Drives work of a process to its end. `None`: the process died in it; nothing else in this world is waited for.
pub(super) fn drive<T>(work: impl Future<Output = T>) -> Option<T> {
    match pin!(work).poll(&mut Waiting::from_waker(Waker::noop())) {
        Poll::Ready(end) => Some(end),
        Poll::Pending => None,
    }
}

fn key(namespace: &str, name: &str) -> Name {
    (namespace.to_owned(), name.to_owned())
}
