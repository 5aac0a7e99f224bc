//! One process of the operator in the model's world: its caches, and every effect as a point at which something may go wrong.

use std::future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as Waiting, Poll, Waker};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde_json::{Map, Value};

use crate::api::{AttemptOutcome, OAuthClient, OAuthClientStatus, Reason, names};
use crate::cluster::{ApiError, Role, SecretMeta, SecretRevision};
use crate::domain::breaker::Counted;
use crate::domain::failure::Failure;
use crate::domain::marker::Marker;
use crate::domain::outcome::CallError;
use crate::domain::plan::{Here, Known, Provider};
use crate::domain::registration::Registration;
use crate::domain::target::Endpoints;
use crate::provider::{ManagementCall, MarkedCall, ProbeCall, made_of};

use super::super::world::World;
use super::cluster::{Cluster, Name, named, secret_name};
use super::provider::REGISTRATION;
use super::scenario::Step;
use super::schedule::Choice;
use super::state::{Replica, State};
use super::{run, scenario};

/// A process.
pub(super) struct Process {
    pub state: Arc<Mutex<State>>,
    /// Its place among the replicas.
    pub who: usize,
    pub here: Arc<Here>,
    pub provider: Arc<Provider>,
    /// Whether others may act in the middle of its effects.
    pub interruptible: bool,
    /// A Secret whose write a planted mistake delays.
    pub held_back: Mutex<Option<Secret>>,
}

/// A mistake that the explorer has to find. It is made here, between the executor and the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plant {
    /// The record is written after the credentials Secret.
    RecordAfterSecret,
    /// Finalizer and marker are written after the registration.
    FinalizerAfterPost,
    /// The management token is shown to the URI of another client.
    TokenAtAnotherUri,
}

/// Everything that an API server may answer to a write instead of doing it, and everything that may happen around it.
const WRITE_FAULTS: [Choice; 8] = [
    Choice::DieBefore,
    Choice::DieAfter,
    Choice::LoseAnswer,
    Choice::LoseRequest,
    Choice::Throttled,
    Choice::Conflict,
    Choice::Forbidden,
    Choice::Invalid,
];

const CALL_FAULTS: [Choice; 9] = [
    Choice::DieBefore,
    Choice::DieAfter,
    Choice::LoseAnswer,
    Choice::LoseRequest,
    Choice::Garbled,
    Choice::Rejected,
    Choice::Unauthorized,
    Choice::Throttled,
    Choice::Unavailable,
];

const READ_FAULTS: [Choice; 2] = [Choice::LoseRequest, Choice::Forbidden];

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
        let mut all = vec![Choice::Well];
        all.extend_from_slice(faults);
        if self.interruptible {
            all.extend([Choice::OtherLeader, Choice::OtherLeaderStale, Choice::Paused]);
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
        state.rejected |= choice == Choice::Rejected;
        drop(state);
        match choice {
            Choice::OtherLeader | Choice::OtherLeaderStale | Choice::Paused | Choice::OtherInstallation => {
                run::interrupt(self, choice);
                Choice::Well
            }
            Choice::UserActs => {
                let mut state = self.state();
                let step = run::act(&mut state);
                // A start with other settings ends the process in the middle of whatever it does, and what a clone finds of
                // it is what a crash leaves.
                let restarts = matches!(step, Step::Narrow | Step::Widen);
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
            Choice::Well => self.cluster(effect),
            other => Err(refusal(other)),
        }
    }

    /// A call to the provider.
    async fn call<T: Send>(
        &self,
        what: &'static str,
        faults: &[Choice],
        effect: impl FnOnce(&mut State) -> Result<T, CallError> + Send,
    ) -> Result<T, CallError> {
        match self.choose(what, faults) {
            Choice::DieBefore => self.die().await,
            Choice::DieAfter => {
                let _ = effect(&mut self.state());
                self.die().await
            }
            Choice::LoseAnswer => {
                let _ = effect(&mut self.state());
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
            Choice::Unavailable => Err(made_of(Some(503), "")),
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
        let name = named(object);
        let kept = self.cluster(|cluster| cluster.clients.get(&name).cloned());
        self.me(|replica| match kept {
            Some(kept) => replica.view.clients.insert(name, kept),
            None => replica.view.clients.remove(&name),
        });
    }

    fn note_secret(&self, name: &Name) {
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

/// Whether a fault can leave a client, or the doubt of one, that nothing else knows of.
fn is_deadly(what: &str, choice: Choice) -> bool {
    match choice {
        Choice::DieBefore | Choice::DieAfter | Choice::Paused => true,
        Choice::LoseAnswer | Choice::LoseRequest | Choice::Garbled => matches!(what, "POST" | "PUT" | "DELETE"),
        _ => false,
    }
}

fn unanswered(retry_after: Option<Duration>) -> ApiError {
    ApiError::Unavailable {
        retry_after,
        message: "no answer".to_owned(),
    }
}

fn refusal(choice: Choice) -> ApiError {
    match choice {
        Choice::Throttled => unanswered(Some(Duration::from_secs(1))),
        Choice::Conflict => ApiError::Conflict,
        Choice::Forbidden => ApiError::Forbidden {
            message: "forbidden".to_owned(),
            terminating: false,
            quota: false,
        },
        Choice::Invalid => ApiError::Invalid {
            message: "invalid".to_owned(),
            uid_changed: false,
        },
        _ => unanswered(None),
    }
}

fn key(namespace: &str, name: &str) -> Name {
    (namespace.to_owned(), name.to_owned())
}

impl World for Process {
    type Permit = ();

    fn here(&self) -> &Here {
        &self.here
    }

    fn now(&self) -> i64 {
        self.state().now
    }

    fn age(&self, since: i64) -> Duration {
        Duration::from_secs(u64::try_from(self.state().now - since).unwrap_or_default())
    }

    /// The same until it is used, so that runs that differ in nothing else stay the same.
    fn fresh_attempt(&self) -> String {
        let state = self.state();
        format!("{}-attempt-{}", state.replicas[self.who].identity, state.attempts + 1)
    }

    fn is_stopping(&self) -> bool {
        false
    }

    fn may_begin(&self) -> bool {
        self.me(|replica| replica.leads)
    }

    fn foreign_attempt_age(&self, attempt: &str) -> Option<Duration> {
        let now = self.now();
        self.me(|replica| {
            if attempt.starts_with(replica.identity) {
                return None;
            }
            let since = *replica.foreign_attempts.entry(attempt.to_owned()).or_insert(now);
            Some(Duration::from_secs(u64::try_from(now - since).unwrap_or_default()))
        })
    }

    fn barred(&self, _: &Provider, _: Counted) -> Option<Duration> {
        None
    }

    fn count(&self, _: &Provider, _: Counted) {}

    async fn pause(&self, time: Duration) {
        self.state().now += i64::try_from(time.as_secs()).unwrap_or_default();
    }

    fn note_outcome(&self, object: &OAuthClient, attempt: &str, outcome: AttemptOutcome) {
        let uid = object.uid().unwrap_or_default();
        self.me(|replica| replica.outcomes.note(uid, attempt, outcome));
    }

    fn outcome_of(&self, object: &OAuthClient) -> Option<(String, AttemptOutcome)> {
        self.me(|replica| replica.outcomes.of(object))
    }

    fn forget(&self, uid: &str) {
        self.me(|replica| replica.outcomes.forget(uid));
    }

    fn warn(&self, _: &OAuthClient, reason: Reason, _: &str) {
        self.state().schedule.tell(|| format!("      warns: {reason}"));
    }

    fn tell(&self, _: &OAuthClient, _: Reason, _: &str) {}

    fn is_terminating(&self, namespace: &str) -> bool {
        let blind = self.state().scenario.namespaced;
        !blind && self.me(|replica| replica.view.terminating.contains(namespace))
    }

    fn is_alive(&self, uid: &str) -> bool {
        self.me(|replica| replica.sees(uid))
    }

    fn record(&self, uid: &str) -> Option<Arc<SecretMeta>> {
        let found = self.metas(|meta| self.at_home(meta, Role::Record, uid));
        found.into_iter().next()
    }

    fn secret_at(&self, namespace: &str, name: &str) -> Option<Arc<SecretMeta>> {
        let name = key(namespace, name);
        self.me(|replica| replica.view.secrets.get(&name).map(|kept| kept.meta.clone()))
    }

    fn credentials_of(&self, uid: &str) -> Vec<Arc<SecretMeta>> {
        self.metas(|meta| meta.role == Role::Credentials && meta.owner_uid() == Some(uid))
    }

    fn suspects_of(&self, uid: &str) -> Vec<Arc<SecretMeta>> {
        self.metas(|meta| self.at_home(meta, Role::Suspect, uid))
    }

    async fn get(&self, namespace: &str, name: &str) -> Result<Option<OAuthClient>, ApiError> {
        let name = key(namespace, name);
        let found = self
            .look("get object", |cluster| {
                cluster.clients.get(&name).map(|kept| kept.object.clone())
            })
            .await?;
        Ok(found.map(|object| OAuthClient::clone(&object)))
    }

    async fn open_attempt(&self, object: &OAuthClient, marker: &str) -> Result<OAuthClient, ApiError> {
        let opened = Marker::parse(marker).map(|marker| marker.attempt).unwrap_or_default();
        let plant = {
            let mut state = self.state();
            state.attempts += 1;
            state.replicas[self.who].opened = opened;
            state.plant
        };
        if plant == Some(Plant::FinalizerAfterPost) {
            return Ok(object.clone());
        }
        let written = self
            .write("marker", |cluster| cluster.open_attempt(object, marker))
            .await?;
        self.note(&written);
        Ok(OAuthClient::clone(&written))
    }

    async fn add_finalizer(&self, object: &OAuthClient) -> Result<OAuthClient, ApiError> {
        let written = self
            .write("finalizer on", |cluster| cluster.add_finalizer(object))
            .await?;
        self.note(&written);
        Ok(OAuthClient::clone(&written))
    }

    async fn remove_finalizer(&self, object: &OAuthClient) -> Result<Option<OAuthClient>, ApiError> {
        let written = self
            .write("finalizer off", |cluster| cluster.remove_finalizer(object))
            .await?;
        self.note(object);
        Ok(written.map(|object| OAuthClient::clone(&object)))
    }

    async fn write_status(&self, object: &OAuthClient, status: &OAuthClientStatus) -> Result<OAuthClient, ApiError> {
        let written = self
            .write("status", |cluster| cluster.apply_status(object, status))
            .await?;
        self.note(&written);
        Ok(OAuthClient::clone(&written))
    }

    async fn get_secret(&self, namespace: &str, name: &str) -> Result<Option<Secret>, ApiError> {
        let name = key(namespace, name);
        self.look("get secret", |cluster| {
            cluster.secrets.get(&name).map(|kept| kept.secret.clone())
        })
        .await
    }

    async fn dry_run_create(&self, secret: &Secret) -> Result<(), ApiError> {
        self.look("dry run", |cluster| cluster.can_create(secret)).await?
    }

    async fn create_secret(&self, secret: &Secret) -> Result<SecretRevision, ApiError> {
        let role = secret.labels().get(names::SECRET_ROLE).map(String::as_str);
        if self.state().plant == Some(Plant::RecordAfterSecret) && role == Some("record") {
            *self.held_back.lock().unwrap_or_else(PoisonError::into_inner) = Some(secret.clone());
            return Ok(SecretRevision {
                uid: String::new(),
                resource_version: String::new(),
            });
        }
        let what = match role {
            Some("record") => "create record",
            Some("suspect") => "create suspect",
            _ => "create secret",
        };
        let revision = self.write(what, |cluster| cluster.create(secret)).await?;
        self.note_secret(&secret_name(secret));
        let held_back = self.held_back.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(record) = held_back {
            self.write("create record", |cluster| cluster.create(&record)).await?;
        }
        Ok(revision)
    }

    async fn patch_secret(
        &self,
        namespace: &str,
        name: &str,
        current: &SecretRevision,
        patch: Value,
    ) -> Result<SecretRevision, ApiError> {
        let name = key(namespace, name);
        let what = if namespace == self.here.namespace {
            "patch record"
        } else {
            "patch secret"
        };
        let revision = self
            .write(what, |cluster| cluster.patch(&name, current, &patch))
            .await?;
        self.note_secret(&name);
        Ok(revision)
    }

    async fn delete_secret(&self, namespace: &str, name: &str, current: &SecretRevision) -> Result<(), ApiError> {
        let name = key(namespace, name);
        let what = if namespace == self.here.namespace {
            "delete record"
        } else {
            "delete secret"
        };
        self.write(what, |cluster| cluster.remove(&name, current)).await?;
        self.note_secret(&name);
        Ok(())
    }

    async fn resolve(&self, _: &OAuthClient) -> Result<Arc<Provider>, Failure> {
        Ok(self.provider.clone())
    }

    async fn provider_of_uid(&self, _: &str) -> Result<Arc<Provider>, Failure> {
        Ok(self.provider.clone())
    }

    async fn permit(&self, _: &OAuthClient, _: &Provider) {}

    async fn discover(&self, _: &Provider) -> Result<Endpoints, CallError> {
        self.call("discovery", &[Choice::Unavailable], |_| {
            Ok(Endpoints {
                issuer: scenario::ISSUER.to_owned(),
                registration: REGISTRATION.to_owned(),
                token: Some(scenario::TOKEN.to_owned()),
                ..Endpoints::default()
            })
        })
        .await
    }

    async fn register(
        &self,
        _: &Provider,
        _: &Endpoints,
        request: &Map<String, Value>,
    ) -> Result<Registration, CallError> {
        let attempt = self.me(|replica| replica.opened.clone());
        self.call("POST", &CALL_FAULTS, |state| state.provider.register(&attempt, request))
            .await
    }

    async fn marked(&self, call: &MarkedCall) -> Result<Option<String>, CallError> {
        // What cannot be read of a list is a failure like any other, and nothing in it is about metadata.
        let faults: Vec<Choice> = CALL_FAULTS
            .into_iter()
            .filter(|fault| !matches!(fault, Choice::Garbled | Choice::Rejected))
            .collect();
        self.call("list", &faults, |state| state.provider.marked(call)).await
    }

    async fn read(&self, call: &ManagementCall) -> Result<Registration, CallError> {
        self.call("GET", &CALL_FAULTS, |state| state.provider.read(call)).await
    }

    async fn probe(&self, call: &ProbeCall) -> Known {
        let faults = [Choice::DieBefore, Choice::LoseRequest];
        let answer = self
            .call("probe", &faults, |state| Ok(state.provider.knows(call)))
            .await;
        answer.unwrap_or(Known::Unclear)
    }

    async fn update(&self, call: &ManagementCall, request: &Map<String, Value>) -> Result<Registration, CallError> {
        let mut call = call.clone();
        if self.state().plant == Some(Plant::TokenAtAnotherUri) {
            call.uri.push_str("-of-another");
        }
        let call = &call;
        self.call("PUT", &CALL_FAULTS, |state| state.provider.update(call, request))
            .await
    }

    async fn deregister(&self, call: &ManagementCall) -> Result<(), CallError> {
        // What a success of a deletion says is not read, so it cannot be garbled.
        let faults: Vec<Choice> = CALL_FAULTS
            .into_iter()
            .filter(|fault| *fault != Choice::Garbled)
            .collect();
        self.call("DELETE", &faults, |state| state.provider.deregister(call))
            .await
    }
}
