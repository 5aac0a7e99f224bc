//! What a pass asks of the model's world, and does to it.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde_json::{Map, Value};

use oauth_client_operator::api::{AttemptOutcome, OAuthClient, OAuthClientStatus, Reason, names};
use oauth_client_operator::cluster::{ApiError, Role, SecretMeta, SecretRevision};
use oauth_client_operator::domain::breaker::Counted;
use oauth_client_operator::domain::claim::Named;
use oauth_client_operator::domain::failure::Failure;
use oauth_client_operator::domain::marker::Marker;
use oauth_client_operator::domain::outcome::{CallError, Deletion};
use oauth_client_operator::domain::pass::{Operator, Pause, Provider, Row};
use oauth_client_operator::domain::probe::Probed;
use oauth_client_operator::domain::record::{DATA_KEY, Record};
use oauth_client_operator::domain::registration::Registration;
use oauth_client_operator::domain::target::Endpoints;
use oauth_client_operator::provider::{ManagementCall, MarkedCall, ProbeCall};

use oauth_client_operator::controller::World;

use super::super::cluster::secret_name;
use super::super::provider::{REGISTRATION, Sent};
use super::super::rows;
use super::super::scenario;
use super::super::schedule::Choice;
use super::{CALL_FAULTS, Plant, Process, key};

impl World for Process {
    type Permit = ();
    type Claim = ();

    fn decides(&self, row: Row) {
        rows::reached(row);
    }

    fn here(&self) -> &Operator {
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

    fn barred(&self, _: &Provider, _: &str, _: Counted) -> Option<Duration> {
        None
    }

    fn pause_of(&self, _: &Provider) -> Option<Pause> {
        None
    }

    fn count(&self, _: &Provider, _: &str, _: &str, _: Counted) {}

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

    fn companions(&self, _: &OAuthClient) -> Vec<String> {
        Vec::new()
    }

    fn name_of(&self, _: &str) -> Option<String> {
        None
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

    fn provider_revision(&self, _: &str) -> Option<String> {
        Some(self.state().provider.revision.to_string())
    }

    fn naming(&self, client: &str) -> Vec<Named> {
        let key = u128::from_str_radix(client, 16).ok();
        let found = self.metas(|meta| {
            let kept = matches!(meta.role, Role::Record | Role::Suspect);
            kept && *meta.namespace == *self.here.namespace && meta.client == key
        });
        found.iter().map(|meta| meta.named()).collect()
    }

    fn is_labelled(&self) -> bool {
        true
    }

    fn claim(&self, _: &str) -> Option<()> {
        Some(())
    }

    async fn records_naming(&self, client: &str) -> Result<Vec<Named>, ApiError> {
        let key = u128::from_str_radix(client, 16).ok();
        let home = self.here.namespace.clone();
        self.look("list records", |cluster| {
            let metas = cluster.secrets.values().map(|kept| &kept.meta);
            metas
                .filter(|meta| meta.role == Role::Record && *meta.namespace == *home && meta.client == key)
                .map(|meta| meta.named())
                .collect()
        })
        .await
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
        let opened = Marker::parse(marker)
            .map(|marker| marker.attempt.into_owned())
            .unwrap_or_default();
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
        self.state().stated.extend(status.client_id.clone());
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
        let keeps_a_record = secret.data.as_ref().is_some_and(|data| data.contains_key(DATA_KEY));
        if self.state().plant == Some(Plant::OldClientForgotten) && role == Some("suspect") && keeps_a_record {
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
        self.resolved(false)
    }

    async fn provider_for_deletion(&self, _: &OAuthClient, _: &Record) -> Result<Arc<Provider>, Failure> {
        self.resolved(true)
    }

    async fn provider_of(&self, _: &Record) -> Result<Arc<Provider>, Failure> {
        self.resolved(true)
    }

    async fn permit(&self, _: &OAuthClient, _: &Provider) {}

    async fn permit_for(&self, _: &Record, _: Option<&Provider>) -> Option<()> {
        Some(())
    }

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
        self.call("GET", &CALL_FAULTS, |state| state.provider.read(&Sent::of(call)))
            .await
    }

    async fn probe(&self, call: &ProbeCall) -> Probed {
        let faults = [Choice::DieBefore, Choice::LoseRequest];
        let answer = self
            .call("probe", &faults, |state| Ok(state.provider.knows(call)))
            .await;
        answer.unwrap_or(Probed::Unclear)
    }

    async fn update(&self, call: &ManagementCall, request: &Map<String, Value>) -> Result<Registration, CallError> {
        let mut uri = call.uri().to_owned();
        if self.state().plant == Some(Plant::TokenAtAnotherUri) {
            uri.push_str("-of-another");
        }
        let call = Sent {
            uri: &uri,
            scheme: call.scheme(),
        };
        self.call("PUT", &CALL_FAULTS, |state| state.provider.update(&call, request))
            .await
    }

    async fn deregister(&self, call: &ManagementCall) -> Result<Deletion, CallError> {
        let ended = self
            .call("DELETE", &CALL_FAULTS, |state| {
                state.provider.deregister(&Sent::of(call))
            })
            .await;
        match ended {
            Ok(()) => Ok(Deletion::Done),
            Err(error) if self.state().plant == Some(Plant::RefusalCountsAsGone) && error.status == Some(401) => {
                Ok(Deletion::Done)
            }
            // Garbled: a success that proves nothing.
            Err(error) if error.status == Some(201) => Ok(Deletion::Unclear),
            Err(error) => Err(error),
        }
    }
}
