//! What a pass asks of the model's world, and does to it.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde_json::{Map, Value};

use oauth_client_operator::api::{AttemptOutcome, OAuthClient, OAuthClientStatus, Reason, names};
use oauth_client_operator::cluster::{ApiError, Role, SecretMeta, SecretRevision};
use oauth_client_operator::controller::World;
use oauth_client_operator::domain::breaker::BreakerKind;
use oauth_client_operator::domain::claim::Named;
use oauth_client_operator::domain::failure::{Class, Failure};
use oauth_client_operator::domain::marker::Marker;
use oauth_client_operator::domain::outcome::{CallError, Deletion};
use oauth_client_operator::domain::pass::{Operator, Pause, Provider, Queued, Row};
use oauth_client_operator::domain::probe::Probed;
use oauth_client_operator::domain::record::Record;
use oauth_client_operator::domain::registration::Registration;
use oauth_client_operator::domain::restore::Listed;
use oauth_client_operator::domain::target::Endpoints;
use oauth_client_operator::provider::{ManagementCall, MarkedCall, ProbeCall};

use super::super::{cluster::secret_name, offered, rows, schedule::Choice};
use super::{Held, Plant, Process, key};

impl World for Process {
    type Permit = ();
    type Claim = Held;

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
        self.me(|replica| replica.stopping)
    }

    fn may_begin(&self) -> bool {
        self.plants(Plant::LeadershipBeforePermit) || self.me(|replica| replica.leads)
    }

    fn foreign_attempt_age(&self, attempt: &str) -> Option<Duration> {
        let (now, owns) = (self.now(), self.plants(Plant::OthersAttemptsAreOwn));
        (!owns).then(|| self.me(|replica| replica.foreign_attempt_age(attempt, now)))?
    }

    fn denied(&self, _: &Provider, namespace: &str, what: BreakerKind) -> Option<Duration> {
        let clock = self.state().clock();
        self.me(|replica| replica.breaker(what).open_for(clock, namespace))
    }

    fn pause_of(&self, _: &Provider) -> Option<Pause> {
        self.pause_now()
    }

    fn count(&self, _: &Provider, namespace: &str, attempt: &str, what: BreakerKind) {
        let clock = self.state().clock();
        self.me(|replica| replica.breaker(what).note(clock, namespace, attempt));
    }

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
        let mut state = self.state();
        state.let_go |= reason == Reason::DeletionTimedOut;
        state.schedule.tell(|| format!("      warns: {reason}"));
    }

    fn tell(&self, _: &OAuthClient, _: Reason, _: &str) {}

    fn is_terminating(&self, namespace: &str) -> bool {
        let blind = self.state().scenario.namespaced;
        !blind && self.me(|replica| replica.view.terminating.contains(namespace))
    }

    fn companions(&self, object: &OAuthClient) -> Vec<String> {
        self.me(|replica| replica.others(object))
    }

    fn name_of(&self, uid: &str) -> Option<String> {
        self.me(|replica| replica.name_of(uid))
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

    fn provider_revision(&self, uid: &str) -> Option<String> {
        let state = self.state();
        (state.offered.uid() == uid).then(|| state.provider.revision.to_string())
    }

    fn naming(&self, client: &str) -> Vec<Named> {
        self.known_to_name(client)
    }

    fn is_labelled(&self) -> bool {
        self.all_records(|meta| meta.client.is_some())
    }

    fn names_objects(&self) -> bool {
        self.all_records(|meta| meta.object.is_some())
    }

    fn registered_of(&self, namespace: &str, name: &str) -> u32 {
        let found = self.metas(|meta| self.is_registered(meta, namespace, name));
        u32::try_from(found.len()).unwrap_or_default()
    }

    fn namespace_uid(&self, namespace: &str) -> Option<String> {
        let state = self.state();
        (!state.scenario.namespaced).then(|| state.clusters[0].namespace_uid(namespace))
    }

    async fn records_of(&self, namespace: &str, name: &str) -> Result<Vec<Listed>, ApiError> {
        self.list_registered(namespace, name).await
    }

    async fn read_namespace_uid(&self, namespace: &str) -> Result<Option<String>, ApiError> {
        let blind = self.state().scenario.namespaced;
        self.look("get namespace", |cluster| {
            (!blind).then(|| cluster.namespace_uid(namespace))
        })
        .await
    }

    fn claim(&self, client: &str) -> Option<Held> {
        self.claimed(client)
    }

    async fn records_naming(&self, client: &str) -> Result<Vec<Named>, ApiError> {
        self.list_naming(client).await
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
        let (plant, again) = {
            let mut state = self.state();
            let known = std::mem::replace(&mut state.replicas[self.who].work[self.what].opened, opened.clone());
            state.attempts += usize::from(known != opened);
            (state.plant, known == opened)
        };
        // The marker of an attempt that was opened before comes back with the finalizer.
        if plant == Some(Plant::FinalizerAfterPost) && !again {
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
        self.ends_in_time(object);
        self.note(object);
        Ok(written.map(|object| OAuthClient::clone(&object)))
    }

    async fn write_status(&self, object: &OAuthClient, status: &OAuthClientStatus) -> Result<OAuthClient, ApiError> {
        let written = self
            .write("status", |cluster| cluster.apply_status(object, status))
            .await;
        self.me(|replica| replica.work[self.what].untold = written.is_err());
        let written = written?;
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
        let blind = self.plants(Plant::ForeignSecretTaken);
        self.look(
            "dry run",
            |cluster| if blind { Ok(()) } else { cluster.can_create(secret) },
        )
        .await?
    }

    async fn create_secret(&self, secret: &Secret) -> Result<SecretRevision, ApiError> {
        let nameless = self.without_attempt(secret);
        let secret = nameless.as_ref().unwrap_or(secret);
        let role = secret.labels().get(names::SECRET_ROLE).map(String::as_str);
        if self.holds_back(secret) || self.forgets(secret) {
            return Ok(SecretRevision {
                uid: String::new(),
                resource_version: String::new(),
            });
        }
        self.take_over(secret);
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
        if what == "patch record" && self.plants(Plant::AnswerNotSaved) && self.me(|replica| replica.answered) {
            return Ok(current.clone());
        }
        if let Some(planted) = self.marks_badly(&name, &patch) {
            return Ok(planted);
        }
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
        Ok(self.never_waits(self.resolved(false)?))
    }

    async fn provider_for_deletion(&self, _: &OAuthClient, record: &Record) -> Result<Arc<Provider>, Failure> {
        let provider = self.resolved(true)?;
        Ok(self.of_yesterday(&provider, record).unwrap_or(provider))
    }

    async fn provider_of(&self, record: &Record) -> Result<Arc<Provider>, Failure> {
        let provider = self.resolved(true)?;
        if provider.uid == record.management.provider_uid
            || provider.target.stated_issuer() == Some(record.endpoints.issuer.as_str())
        {
            return Ok(provider);
        }
        Err(Failure::new(Class::Denied, Reason::ProviderNotFound, "made anew"))
    }

    fn is_proven(&self, _: &str) -> bool {
        self.plants(Plant::TemplateBelieved)
    }

    fn prove(&self, _: &str) {}

    async fn permit(&self, _: &OAuthClient, _: &Provider) -> Result<(), Queued> {
        self.permitted()
    }

    async fn permit_for(&self, _: &Record, _: Option<&Provider>) -> Option<()> {
        (!self.is_crowded()).then_some(())
    }

    async fn discover(&self, provider: &Provider) -> Result<Endpoints, CallError> {
        self.call("discovery", &[Choice::Unavailable], |_| {
            Ok(offered::endpoints(provider))
        })
        .await
    }

    async fn register(
        &self,
        _: &Provider,
        endpoints: &Endpoints,
        request: &Map<String, Value>,
    ) -> Result<Registration, CallError> {
        self.send_register(endpoints, request).await
    }

    async fn marked(&self, call: &MarkedCall) -> Result<Option<String>, CallError> {
        self.send_marked(call).await
    }

    async fn read(&self, call: &ManagementCall) -> Result<Registration, CallError> {
        self.send_read(call).await
    }

    async fn probe(&self, call: &ProbeCall) -> Probed {
        self.send_probe(call).await
    }

    async fn update(&self, call: &ManagementCall, request: &Map<String, Value>) -> Result<Registration, CallError> {
        self.send_update(call, request).await
    }

    async fn deregister(&self, call: &ManagementCall, _: bool) -> Result<Deletion, CallError> {
        self.send_deregister(call).await
    }
}
