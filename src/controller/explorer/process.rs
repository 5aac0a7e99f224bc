//! One replica of the operator in the model's world: its caches, and every effect as a point at which something may go wrong.

use std::collections::BTreeMap;
use std::future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde_json::{Map, Value};

use crate::api::{AttemptOutcome, OAuthClient, OAuthClientStatus, Reason, names};
use crate::cluster::{ApiError, SecretMeta, SecretRevision};
use crate::domain::breaker::Counted;
use crate::domain::failure::Failure;
use crate::domain::marker::Marker;
use crate::domain::outcome::CallError;
use crate::domain::plan::{Here, Known, Provider};
use crate::domain::registration::Registration;
use crate::domain::target::Endpoints;
use crate::provider::{ManagementCall, ProbeCall};

use super::super::world::World;
use super::cluster::{Cluster, Name, named};
use super::provider::{self, busy, silence};
use super::schedule::{Choice, Schedule};

/// What all replicas share.
pub(super) struct Shared {
    pub cluster: Cluster,
    pub provider: provider::Provider,
    pub schedule: Schedule,
    pub now: i64,
    pub attempts: usize,
}

/// What one process knows, gone when it dies.
#[derive(Clone, Default)]
pub(super) struct Views {
    pub clients: BTreeMap<Name, Arc<OAuthClient>>,
    pub metas: BTreeMap<Name, Arc<SecretMeta>>,
    pub outcomes: BTreeMap<String, (String, AttemptOutcome)>,
    pub foreign_attempts: BTreeMap<String, i64>,
}

/// Runs what an interrupt asks for, in the middle of a pass.
pub(super) type Interrupt = Arc<dyn Fn(Choice) + Send + Sync>;

/// A replica.
pub(super) struct Process {
    pub shared: Arc<Mutex<Shared>>,
    pub views: Mutex<Views>,
    pub here: Here,
    pub provider: Arc<Provider>,
    pub interrupt: Option<Interrupt>,
    /// Name of the replica; it survives a crash, as a pod's does.
    pub identity: &'static str,
    pub plant: Option<Plant>,
    /// A Secret whose write a planted mistake delays.
    pub held_back: Mutex<Option<Secret>>,
    pub dead: Mutex<bool>,
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

impl Process {
    pub(super) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn views(&self) -> MutexGuard<'_, Views> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The watches catch up.
    pub(super) fn sync(&self) {
        let (clients, metas) = {
            let shared = self.shared();
            let clients = shared.cluster.clients.iter();
            (
                clients
                    .map(|(name, object)| (name.clone(), Arc::new(object.clone())))
                    .collect(),
                shared.cluster.metas(),
            )
        };
        let mut views = self.views();
        views.clients = clients;
        views.metas = metas;
    }

    /// Whether the watches have something to catch up with.
    pub(super) fn is_behind(&self) -> bool {
        let shared = self.shared();
        let views = self.views();
        let same = |(name, object): (&Name, &OAuthClient)| {
            views
                .clients
                .get(name)
                .is_some_and(|seen| seen.metadata.resource_version == object.metadata.resource_version)
        };
        views.clients.len() != shared.cluster.clients.len()
            || !shared.cluster.clients.iter().all(same)
            || views.metas != shared.cluster.metas()
    }

    fn die(&self) {
        *self.dead.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    pub(super) fn is_dead(&self) -> bool {
        *self.dead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A point before an effect; what happens there is chosen by the schedule.
    fn choose(&self, what: &'static str, offered: &[Choice]) -> Choice {
        let mut all = vec![Choice::Well];
        all.extend_from_slice(offered);
        if self.interrupt.is_some() {
            all.extend([Choice::OtherLeader, Choice::UserActs]);
        }
        let choice = self.shared().schedule.choose(what, &all);
        match (choice, &self.interrupt) {
            (Choice::OtherLeader | Choice::UserActs, Some(interrupt)) => {
                interrupt(choice);
                Choice::Well
            }
            _ => choice,
        }
    }

    /// A write to the API server.
    async fn write<T>(
        &self,
        what: &'static str,
        effect: impl FnOnce(&mut Cluster) -> Result<T, ApiError> + Send,
    ) -> Result<T, ApiError> {
        let faults = [
            Choice::DieBefore,
            Choice::DieAfter,
            Choice::LoseAnswer,
            Choice::LoseRequest,
        ];
        let lost = Err(ApiError::Unavailable {
            retry_after: None,
            message: "no answer".to_owned(),
        });
        match self.choose(what, &faults) {
            Choice::DieBefore => {
                self.die();
                future::pending().await
            }
            Choice::LoseRequest => lost,
            choice => {
                let result = effect(&mut self.shared().cluster);
                match choice {
                    Choice::DieAfter => {
                        self.die();
                        future::pending().await
                    }
                    Choice::LoseAnswer => lost,
                    _ => result,
                }
            }
        }
    }

    /// A call to the provider.
    async fn call<T>(
        &self,
        what: &'static str,
        effect: impl FnOnce(&mut Shared) -> Result<T, CallError> + Send,
    ) -> Result<T, CallError> {
        let faults = [
            Choice::DieBefore,
            Choice::DieAfter,
            Choice::LoseAnswer,
            Choice::LoseRequest,
            Choice::Unavailable,
        ];
        match self.choose(what, &faults) {
            Choice::DieBefore => {
                self.die();
                future::pending().await
            }
            Choice::DieAfter => {
                let _ = effect(&mut self.shared());
                self.die();
                future::pending().await
            }
            Choice::LoseAnswer => {
                let _ = effect(&mut self.shared());
                Err(silence())
            }
            Choice::LoseRequest => Err(silence()),
            Choice::Unavailable => Err(busy()),
            _ => effect(&mut self.shared()),
        }
    }

    /// A read of the API server.
    fn read<T>(&self, what: &'static str, read: impl FnOnce(&Cluster) -> T + Send) -> Result<T, ApiError> {
        match self.choose(what, &[Choice::LoseRequest]) {
            Choice::LoseRequest => Err(ApiError::Unavailable {
                retry_after: None,
                message: "no answer".to_owned(),
            }),
            _ => Ok(read(&self.shared().cluster)),
        }
    }

    /// Puts an own write into the view.
    fn note(&self, object: &OAuthClient) {
        self.views().clients.insert(named(object), Arc::new(object.clone()));
    }

    fn note_secret(&self, name: &Name) {
        let meta = self.shared().cluster.metas().remove(name);
        let mut views = self.views();
        match meta {
            Some(meta) => {
                views.metas.insert(name.clone(), meta);
            }
            None => {
                views.metas.remove(name);
            }
        }
    }

    fn metas(&self, fits: impl Fn(&SecretMeta) -> bool) -> Vec<Arc<SecretMeta>> {
        self.views().metas.values().filter(|meta| fits(meta)).cloned().collect()
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
        self.shared().now
    }

    fn age(&self, since: i64) -> Duration {
        Duration::from_secs(u64::try_from(self.shared().now - since).unwrap_or_default())
    }

    fn fresh_attempt(&self) -> String {
        let mut shared = self.shared();
        shared.attempts += 1;
        format!("{}-attempt-{}", self.identity, shared.attempts)
    }

    fn is_stopping(&self) -> bool {
        false
    }

    fn may_begin(&self) -> bool {
        true
    }

    fn foreign_attempt_age(&self, attempt: &str) -> Option<Duration> {
        if attempt.starts_with(self.identity) {
            return None;
        }
        let now = self.shared().now;
        let since = *self.views().foreign_attempts.entry(attempt.to_owned()).or_insert(now);
        Some(Duration::from_secs(u64::try_from(now - since).unwrap_or_default()))
    }

    fn barred(&self, _: &Provider, _: Counted) -> Option<Duration> {
        None
    }

    fn count(&self, _: &Provider, _: Counted) {}

    async fn pause(&self, time: Duration) {
        self.shared().now += i64::try_from(time.as_secs()).unwrap_or_default();
    }

    fn note_outcome(&self, object: &OAuthClient, attempt: &str, outcome: AttemptOutcome) {
        self.views()
            .outcomes
            .insert(object.uid().unwrap_or_default(), (attempt.to_owned(), outcome));
    }

    fn outcome_of(&self, object: &OAuthClient) -> Option<(String, AttemptOutcome)> {
        self.views().outcomes.get(object.metadata.uid.as_deref()?).cloned()
    }

    fn forget(&self, uid: &str) {
        self.views().outcomes.remove(uid);
    }

    fn warn(&self, _: &OAuthClient, _: Reason, _: &str) {}

    fn tell(&self, _: &OAuthClient, _: Reason, _: &str) {}

    fn is_terminating(&self, namespace: &str) -> bool {
        self.shared().cluster.terminating.contains(namespace)
    }

    fn is_alive(&self, uid: &str) -> bool {
        self.views()
            .clients
            .values()
            .any(|object| object.metadata.uid.as_deref() == Some(uid))
    }

    fn record(&self, uid: &str) -> Option<Arc<SecretMeta>> {
        let home = self.here.namespace.clone();
        let found = self.metas(|meta| {
            meta.role == crate::cluster::Role::Record
                && *meta.namespace == *home
                && meta.client_uid.as_deref() == Some(uid)
        });
        found.into_iter().next()
    }

    fn secret_at(&self, namespace: &str, name: &str) -> Option<Arc<SecretMeta>> {
        self.views().metas.get(&key(namespace, name)).cloned()
    }

    fn credentials_of(&self, uid: &str) -> Vec<Arc<SecretMeta>> {
        self.metas(|meta| meta.owner_uid() == Some(uid))
    }

    fn suspects_of(&self, uid: &str) -> Vec<Arc<SecretMeta>> {
        self.metas(|meta| meta.role == crate::cluster::Role::Suspect && meta.client_uid.as_deref() == Some(uid))
    }

    async fn get(&self, namespace: &str, name: &str) -> Result<Option<OAuthClient>, ApiError> {
        let name = key(namespace, name);
        self.read("get object", |cluster| cluster.clients.get(&name).cloned())
    }

    async fn open_attempt(&self, object: &OAuthClient, marker: &str) -> Result<OAuthClient, ApiError> {
        if self.plant == Some(Plant::FinalizerAfterPost) {
            return Ok(object.clone());
        }
        let written = self
            .write("marker", |cluster| {
                cluster.write(object, |object| {
                    add_finalizer(object);
                    object
                        .annotations_mut()
                        .insert(names::CREATE_PENDING.to_owned(), marker.to_owned());
                })
            })
            .await?;
        self.note(&written);
        Ok(written)
    }

    async fn add_finalizer(&self, object: &OAuthClient) -> Result<OAuthClient, ApiError> {
        let written = self
            .write("finalizer on", |cluster| cluster.write(object, add_finalizer))
            .await?;
        self.note(&written);
        Ok(written)
    }

    async fn remove_finalizer(&self, object: &OAuthClient) -> Result<Option<OAuthClient>, ApiError> {
        let written = self
            .write("finalizer off", |cluster| {
                cluster.write(object, |object| {
                    object.finalizers_mut().retain(|name| name != names::FINALIZER);
                })
            })
            .await;
        match written {
            Ok(object) if object.metadata.deletion_timestamp.is_some() && object.finalizers().is_empty() => {
                self.views().clients.remove(&named(&object));
                Ok(None)
            }
            Ok(object) => {
                self.note(&object);
                Ok(Some(object))
            }
            Err(ApiError::NotFound | ApiError::Invalid { uid_changed: true, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn write_status(&self, object: &OAuthClient, status: &OAuthClientStatus) -> Result<OAuthClient, ApiError> {
        let written = self
            .write("status", |cluster| {
                cluster.write_version(object, |object| object.status = Some(status.clone()))
            })
            .await?;
        self.note(&written);
        Ok(written)
    }

    async fn get_secret(&self, namespace: &str, name: &str) -> Result<Option<Secret>, ApiError> {
        let name = key(namespace, name);
        self.read("get secret", |cluster| cluster.secrets.get(&name).cloned())
    }

    async fn dry_run_create(&self, secret: &Secret) -> Result<(), ApiError> {
        self.read("dry run", |cluster| cluster.can_create(secret))?
    }

    async fn create_secret(&self, secret: &Secret) -> Result<SecretRevision, ApiError> {
        let role = secret.labels().get(names::SECRET_ROLE).map(String::as_str);
        if self.plant == Some(Plant::RecordAfterSecret) && role == Some("record") {
            *self.held_back.lock().unwrap_or_else(PoisonError::into_inner) = Some(secret.clone());
            return Ok(SecretRevision {
                uid: String::new(),
                resource_version: String::new(),
            });
        }
        let what = match secret.labels().get(names::SECRET_ROLE).map(String::as_str) {
            Some("record") => "create record",
            Some("suspect") => "create suspect",
            _ => "create secret",
        };
        let revision = self.write(what, |cluster| cluster.create(secret)).await?;
        self.note_secret(&key(&secret.namespace().unwrap_or_default(), &secret.name_any()));
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
        let revision = self
            .write("patch secret", |cluster| cluster.patch(&name, current, &patch))
            .await?;
        self.note_secret(&name);
        Ok(revision)
    }

    async fn delete_secret(&self, namespace: &str, name: &str, current: &SecretRevision) -> Result<(), ApiError> {
        let name = key(namespace, name);
        self.write("delete secret", |cluster| cluster.remove(&name, current))
            .await?;
        self.note_secret(&name);
        Ok(())
    }

    async fn resolve(&self, _: &OAuthClient) -> Result<Arc<Provider>, Failure> {
        Ok(self.provider.clone())
    }

    async fn permit(&self, _: &OAuthClient, _: &Provider) {}

    async fn discover(&self, _: &Provider) -> Result<Endpoints, CallError> {
        Ok(Endpoints {
            issuer: "https://provider.example".to_owned(),
            registration: provider::REGISTRATION.to_owned(),
            token: Some("https://provider.example/token".to_owned()),
            ..Endpoints::default()
        })
    }

    async fn register(
        &self,
        _: &Provider,
        _: &Endpoints,
        request: &Map<String, Value>,
    ) -> Result<Registration, CallError> {
        // The marker that the API server holds at this moment is what a later process will go by.
        let marker = {
            let shared = self.shared();
            let markers = shared
                .cluster
                .clients
                .values()
                .filter_map(|object| Marker::parse(object.annotations().get(names::CREATE_PENDING)?));
            let marker = markers.max_by_key(|marker| marker.attempt.clone());
            marker.map(|marker| (marker.uid, marker.attempt)).unwrap_or_default()
        };
        self.call("POST", |shared| shared.provider.register(marker, request))
            .await
    }

    async fn read(&self, call: &ManagementCall) -> Result<Registration, CallError> {
        self.call("GET", |shared| shared.provider.read(call)).await
    }

    async fn probe(&self, call: &ProbeCall) -> Known {
        let answer = self.call("probe", |shared| Ok(shared.provider.knows(call))).await;
        answer.unwrap_or(Known::Unclear)
    }

    async fn update(&self, call: &ManagementCall, request: &Map<String, Value>) -> Result<Registration, CallError> {
        let mut call = call.clone();
        if self.plant == Some(Plant::TokenAtAnotherUri) {
            call.uri.push_str("-of-another");
        }
        let call = &call;
        self.call("PUT", |shared| shared.provider.update(call, request)).await
    }

    async fn deregister(&self, call: &ManagementCall) -> Result<(), CallError> {
        self.call("DELETE", |shared| shared.provider.deregister(call)).await
    }
}

fn add_finalizer(object: &mut OAuthClient) {
    if !object.finalizers().iter().any(|name| name == names::FINALIZER) {
        object.finalizers_mut().push(names::FINALIZER.to_owned());
    }
}
