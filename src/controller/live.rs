//! The world as it is: caches, the API server and providers, behind what a pass may ask for.

mod attempts;
mod audit;
mod calling;
mod limits;
mod secrets;
mod waiting;

use std::ops::Deref;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use ring::rand::SecureRandom;
use serde_json::{Map, Value};

use crate::api::{AttemptOutcome, Capabilities, OAuthClient, OAuthClientStatus, ProviderKind, Reason};
use crate::cluster::{ApiError, Key, ProviderKey, SecretMeta, SecretRevision};
use crate::domain::breaker::BreakerKind;
use crate::domain::claim::Named;
use crate::domain::failure::Failure;
use crate::domain::identity::object_key;
use crate::domain::metadata::hex;
use crate::domain::outcome::{CallError, Deletion};
use crate::domain::pass::{Operator, Pause, Provider, Queued};
use crate::domain::probe::Probed;
use crate::domain::record::Record;
use crate::domain::registration::Registration;
use crate::domain::restore::Listed;
use crate::domain::target::Endpoints;
use crate::metrics::{Change, Operation};
use crate::provider::{ManagementCall, MarkedCall, ProbeCall};

use super::claims::Claim;
use super::context::{Context, lock};
use super::permits::Permit;
use super::world::{Answer, World};

use audit::Subject;

/// The world of one object's pass, or of the sweeper's look at one record.
pub(super) struct Live<'a> {
    /// What every pass shares.
    cx: &'a Context,
    /// Namespace on whose behalf the API server is called, whatever the namespace of what is called for: the records of all
    /// tenants lie in one.
    tenant: &'a str,
    /// The versions of Secrets that this pass wrote.
    written: Mutex<Vec<SecretRevision>>,
    /// The provider object that is called: its UID, and its key if the client names it.
    provider: Mutex<Option<(String, Option<ProviderKey>)>>,
    /// What is logged about it.
    subject: Mutex<Subject>,
    /// Number of the try, counted from 1.
    attempt: u32,
    /// Whether the pass waits for a permit or a turn.
    waits: AtomicBool,
    /// Whether the pass has sent something that changes the cluster or the provider.
    has_written: AtomicBool,
    /// What is known of the permits that the pass needs.
    permitting: limits::Permitting<'a>,
}

impl Deref for Live<'_> {
    type Target = Context;

    fn deref(&self) -> &Context {
        self.cx
    }
}

impl<'a> Live<'a> {
    /// A world in which nothing was written yet.
    pub(super) fn new(cx: &'a Context, tenant: &'a str) -> Self {
        Self {
            cx,
            tenant,
            written: Mutex::default(),
            provider: Mutex::default(),
            subject: Mutex::default(),
            attempt: 1,
            waits: AtomicBool::new(false),
            has_written: AtomicBool::new(false),
            permitting: limits::Permitting::default(),
        }
    }

    /// The versions of Secrets that this pass wrote: a watch that shows one of them says nothing new.
    pub(super) fn written(&self) -> Vec<SecretRevision> {
        std::mem::take(&mut lock(&self.written))
    }

    fn note(&self, revision: SecretRevision) -> SecretRevision {
        lock(&self.written).push(revision.clone());
        revision
    }

    /// Notes at which provider calls are made from now on.
    fn call_at(&self, provider: &Result<Arc<Provider>, Failure>, key: Option<ProviderKey>) {
        *lock(&self.provider) = provider.as_ref().ok().map(|provider| (provider.uid.clone(), key));
    }
}

impl World for Live<'_> {
    type Permit = Permit;
    // Thousands of passes wait without one.
    type Claim = Box<Claim>;

    fn here(&self) -> &Operator {
        &self.cx.here
    }

    fn now(&self) -> i64 {
        self.clock.now()
    }

    fn age(&self, since: i64) -> Duration {
        self.clock.age(since)
    }

    /// The digest of this process's identity, and eight random hexadecimal digits.
    fn fresh_attempt(&self) -> String {
        let mut bytes = [0_u8; 4];
        // Without the system's random numbers nothing in this process is safe; a repeated attempt merely looks like an old one.
        let _ = self.random.fill(&mut bytes);
        format!("{}{}", self.holder, hex(&bytes))
    }

    fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    fn may_begin(&self) -> bool {
        self.leadership.leads()
    }

    fn foreign_attempt_age(&self, attempt: &str) -> Option<Duration> {
        (!attempt.starts_with(&self.holder)).then(|| self.age_of_attempt(attempt))
    }

    fn denied(&self, provider: &Provider, namespace: &str, what: BreakerKind) -> Option<Duration> {
        self.breakers.denied(&provider.uid, namespace, what)
    }

    fn pause_of(&self, provider: &Provider) -> Option<Pause> {
        self.pauses.of(&provider.uid)
    }

    fn count(&self, provider: &Provider, namespace: &str, attempt: &str, what: BreakerKind) {
        self.breakers
            .count(&provider.uid, namespace, attempt, what, Duration::ZERO);
    }

    async fn pause(&self, time: Duration) {
        self.clock.sleep(time).await;
    }

    fn note_outcome(&self, object: &OAuthClient, attempt: &str, outcome: AttemptOutcome) {
        lock(&self.outcomes).note(object.uid().unwrap_or_default(), attempt, outcome);
    }

    fn outcome_of(&self, object: &OAuthClient) -> Option<(String, AttemptOutcome)> {
        lock(&self.outcomes).of(object)
    }

    fn forget(&self, uid: &str) {
        lock(&self.outcomes).forget(uid);
    }

    fn warn(&self, object: &OAuthClient, reason: Reason, note: &str) {
        self.events.warning(object, reason, note);
    }

    fn tell(&self, object: &OAuthClient, reason: Reason, note: &str) {
        self.events.normal(object, reason, note);
    }

    fn observed(&self, issuer: &str, seen: &Capabilities) {
        self.showed(issuer, seen);
    }

    fn is_terminating(&self, namespace: &str) -> bool {
        self.providers
            .namespace(namespace)
            .is_some_and(|namespace| namespace.terminating)
    }

    fn companions(&self, object: &OAuthClient) -> Vec<String> {
        self.newest_companions(object)
    }

    fn name_of(&self, uid: &str) -> Option<String> {
        Some(Key::of(&*self.clients.by_uid(uid)?).to_string())
    }

    fn is_alive(&self, uid: &str) -> bool {
        self.clients.by_uid(uid).is_some()
    }

    fn record(&self, uid: &str) -> Option<Arc<SecretMeta>> {
        self.index.record(uid)
    }

    fn secret_at(&self, namespace: &str, name: &str) -> Option<Arc<SecretMeta>> {
        self.index.at(namespace, name)
    }

    fn credentials_of(&self, uid: &str) -> Vec<Arc<SecretMeta>> {
        self.index.credentials(uid)
    }

    fn suspects_of(&self, uid: &str) -> Vec<Arc<SecretMeta>> {
        self.index.suspects(uid)
    }

    fn provider_revision(&self, uid: &str) -> Option<String> {
        self.cx.provider_revision(uid)
    }

    fn naming(&self, client: &str) -> Vec<Named> {
        self.index.naming(client)
    }

    fn is_labelled(&self) -> bool {
        self.index.is_labelled()
    }

    fn names_objects(&self) -> bool {
        self.index.names_objects()
    }

    fn registered_of(&self, namespace: &str, name: &str) -> u32 {
        self.index.registered_of(&object_key(namespace, name))
    }

    fn namespace_uid(&self, namespace: &str) -> Option<String> {
        Some(self.providers.namespace(namespace)?.uid.to_string())
    }

    fn records_of(&self, namespace: &str, name: &str) -> impl Answer<Result<Vec<Listed>, ApiError>> {
        self.registered_records(namespace, name)
    }

    fn read_namespace_uid(&self, namespace: &str) -> impl Answer<Result<Option<String>, ApiError>> {
        self.uid_of_namespace(namespace)
    }

    fn claim(&self, client: &str) -> Option<Box<Claim>> {
        self.claims.claim(client).map(Box::new)
    }

    async fn records_naming(&self, client: &str) -> Result<Vec<Named>, ApiError> {
        let _turn = self.turn().await;
        self.secrets.records_naming(&self.here.namespace, client).await
    }

    async fn get(&self, namespace: &str, name: &str) -> Result<Option<OAuthClient>, ApiError> {
        let _turn = self.turn().await;
        self.objects.get(namespace, name).await
    }

    async fn open_attempt(&self, object: &OAuthClient, marker: &str) -> Result<OAuthClient, ApiError> {
        self.about_registration(marker);
        let _turn = self.turn_to_write().await;
        self.objects.open_attempt(object, marker).await
    }

    async fn add_finalizer(&self, object: &OAuthClient) -> Result<OAuthClient, ApiError> {
        let _turn = self.turn_to_write().await;
        self.objects.add_finalizer(object).await
    }

    fn remove_finalizer(&self, object: &OAuthClient) -> impl Answer<Result<Option<OAuthClient>, ApiError>> {
        self.letting_go(object)
    }

    async fn write_status(&self, object: &OAuthClient, status: &OAuthClientStatus) -> Result<OAuthClient, ApiError> {
        let _turn = self.turn_to_write().await;
        self.objects.write_status(object, status).await
    }

    fn get_secret(&self, namespace: &str, name: &str) -> impl Answer<Result<Option<Secret>, ApiError>> {
        self.read_secret(namespace, name)
    }

    async fn dry_run_create(&self, secret: &Secret) -> Result<(), ApiError> {
        let _turn = self.turn().await;
        self.secrets.dry_run_create(secret).await
    }

    fn create_secret(&self, secret: &Secret) -> impl Answer<Result<SecretRevision, ApiError>> {
        self.create(secret)
    }

    fn patch_secret(
        &self,
        namespace: &str,
        name: &str,
        current: &SecretRevision,
        patch: Value,
    ) -> impl Answer<Result<SecretRevision, ApiError>> {
        self.change(namespace, name, current, patch)
    }

    fn delete_secret(
        &self,
        namespace: &str,
        name: &str,
        current: &SecretRevision,
    ) -> impl Answer<Result<(), ApiError>> {
        self.delete(namespace, name, current)
    }

    async fn resolve(&self, object: &OAuthClient) -> Result<Arc<Provider>, Failure> {
        let namespace = object.namespace().unwrap_or_default();
        let key = ProviderKey::of(&namespace, &object.spec.provider_ref);
        if key.kind == ProviderKind::ClusterOAuthProvider {
            self.check_namespace(&key, &namespace)?;
        }
        let provider = self.cx.provider(&key).await;
        self.call_at(&provider, Some(key));
        provider
    }

    async fn provider_for_deletion(&self, object: &OAuthClient, record: &Record) -> Result<Arc<Provider>, Failure> {
        self.about(record);
        let found = self.resolve(object).await;
        self.or_kept(record, found).await
    }

    async fn provider_of(&self, record: &Record) -> Result<Arc<Provider>, Failure> {
        self.about(record);
        let found = self.cx.provider_of(record).await;
        let provider = self.or_kept(record, found).await;
        self.call_at(&provider, None);
        provider
    }

    fn is_proven(&self, template: &str) -> bool {
        lock(&self.proven_templates).get(template).is_some()
    }

    fn prove(&self, template: &str) {
        lock(&self.proven_templates).insert(template.to_owned(), ());
    }

    fn permit(&self, object: &OAuthClient, provider: &Provider) -> impl Answer<Result<Permit, Queued>> {
        self.permitted(object, provider)
    }

    fn permit_for(&self, record: &Record, provider: Option<&Provider>) -> impl Answer<Option<Permit>> {
        self.permitted_soon(record, provider)
    }

    fn discover(&self, provider: &Provider) -> impl Answer<Result<Endpoints, CallError>> {
        self.discovering(provider)
    }

    async fn register(
        &self,
        provider: &Provider,
        endpoints: &Endpoints,
        request: &Map<String, Value>,
    ) -> Result<Registration, CallError> {
        self.begin();
        let begun = Instant::now();
        let call = self.transport.register(&provider.target, endpoints, request);
        let answer = self.calling(Operation::Register, call).await;
        self.audited(Change::Registered, begun, answer)
    }

    async fn marked(&self, call: &MarkedCall) -> Result<Option<String>, CallError> {
        self.calling(Operation::Find, self.transport.marked(call)).await
    }

    async fn read(&self, call: &ManagementCall) -> Result<Registration, CallError> {
        // Any answer may hold a new token, reads too.
        self.begin();
        self.calling(Operation::Read, self.transport.read(call)).await
    }

    async fn probe(&self, call: &ProbeCall) -> Probed {
        self.tried(call).await
    }

    fn answer_to(&self, call: &ProbeCall) -> impl Answer<Probed> {
        self.ask(call)
    }

    async fn update(&self, call: &ManagementCall, request: &Map<String, Value>) -> Result<Registration, CallError> {
        self.updating(call, request).await
    }

    async fn deregister(&self, call: &ManagementCall, counts: bool) -> Result<Deletion, CallError> {
        self.deregistering(call, counts).await
    }
}
