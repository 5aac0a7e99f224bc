//! What a pass may ask of the world outside, and do to it.
//!
//! The operator's own world is `Live`. The crash explorer runs the same passes in a world that it made
//! up, so nothing that decides may go around this trait.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use serde_json::{Map, Value};

use crate::api::{AttemptOutcome, Capabilities, OAuthClient, OAuthClientStatus, Reason};
use crate::cluster::{ApiError, SecretMeta, SecretRevision};
use crate::domain::breaker::BreakerKind;
use crate::domain::claim::Named;
use crate::domain::failure::Failure;
use crate::domain::outcome::{CallError, Deletion};
use crate::domain::pass::{Operator, Pause, Provider, Queued, Row};
use crate::domain::probe::Probed;
use crate::domain::record::Record;
use crate::domain::registration::Registration;
use crate::domain::restore::Listed;
use crate::domain::target::Endpoints;
use crate::provider::{ManagementCall, MarkedCall, ProbeCall};

/// An answer that takes its time.
pub trait Answer<T>: Future<Output = T> + Send {}

impl<T, F: Future<Output = T> + Send> Answer<T> for F {}

/// Everything outside of a pass.
pub trait World: Send + Sync {
    /// A permit to call a provider, given back on drop.
    type Permit: Send;
    /// A claim to a client, given up on drop.
    type Claim: Send;

    // --- This installation ---

    /// A row decided what comes next. The explorer notes which rows its schedules reach.
    fn decides(&self, _: Row) {}
    /// Who the operator is.
    fn here(&self) -> &Operator;
    /// Seconds since the epoch.
    fn now(&self) -> i64;
    /// How old something of that time is, in seconds since the epoch.
    fn age(&self, since: i64) -> Duration;
    /// An identifier that no attempt had before.
    fn fresh_attempt(&self) -> String;
    /// Whether nothing new may begin.
    fn is_stopping(&self) -> bool;
    /// Whether this process may begin something: it leads. What a provider has issued is stored all the same.
    fn may_begin(&self) -> bool;
    /// How long this process has known an attempt that another replica opened; `None`: it is one of its own.
    fn foreign_attempt_age(&self, attempt: &str) -> Option<Duration>;
    /// How long the provider's breaker keeps objects of this namespace from starting more of this.
    fn denied(&self, provider: &Provider, namespace: &str, what: BreakerKind) -> Option<Duration>;
    /// The pause that the provider asked for, while it lasts.
    fn pause_of(&self, provider: &Provider) -> Option<Pause>;
    /// Counts one more of this in the namespace; an attempt counts once.
    fn count(&self, provider: &Provider, namespace: &str, attempt: &str, what: BreakerKind);
    /// Waits.
    fn pause(&self, time: Duration) -> impl Answer<()>;
    /// Remembers how an attempt ended, until a status says so.
    fn note_outcome(&self, object: &OAuthClient, attempt: &str, outcome: AttemptOutcome);
    /// The outcome that this process knows and the status may not tell.
    fn outcome_of(&self, object: &OAuthClient) -> Option<(String, AttemptOutcome)>;
    /// Forgets an object that does not exist any more.
    fn forget(&self, uid: &str);
    /// Publishes an event of type Warning.
    fn warn(&self, object: &OAuthClient, reason: Reason, note: &str);
    /// A call at this issuer has shown this of the provider.
    fn observed(&self, _issuer: &str, _seen: &Capabilities) {}
    /// Publishes an event of type Normal, if those are wanted.
    fn tell(&self, object: &OAuthClient, reason: Reason, note: &str);

    // --- What the watches know, never older than an own write ---

    /// Whether a namespace is being deleted.
    fn is_terminating(&self, namespace: &str) -> bool;
    /// UIDs of other objects that are registered at the provider of this one, the newest first, and not many.
    fn companions(&self, object: &OAuthClient) -> Vec<String>;
    /// Namespace and name of the `OAuthClient` of this UID, joined by a slash.
    fn name_of(&self, uid: &str) -> Option<String>;
    /// Whether an `OAuthClient` of this UID exists.
    fn is_alive(&self, uid: &str) -> bool;
    /// The record of a client.
    fn record(&self, uid: &str) -> Option<Arc<SecretMeta>>;
    /// The operator's Secret of this name.
    fn secret_at(&self, namespace: &str, name: &str) -> Option<Arc<SecretMeta>>;
    /// Credentials Secrets of a client.
    fn credentials_of(&self, uid: &str) -> Vec<Arc<SecretMeta>>;
    /// Suspect entries of a client.
    fn suspects_of(&self, uid: &str) -> Vec<Arc<SecretMeta>>;
    /// Records and suspects that name the client of this key.
    fn naming(&self, client: &str) -> Vec<Named>;
    /// Whether every record carries the key of its client, so that [`Self::records_naming`] finds all.
    fn is_labelled(&self) -> bool;
    /// Whether every record carries the label that tells the namespace and name of its object.
    fn names_objects(&self) -> bool;
    /// How many records of registered clients belong to objects of this namespace and name.
    fn registered_of(&self, namespace: &str, name: &str) -> u32;
    /// UID of a namespace, where namespaces are watched.
    fn namespace_uid(&self, namespace: &str) -> Option<String>;
    /// Claims the client of this key for as long as its registration is stored, or its deregistration runs; `None`: another
    /// pass has it.
    fn claim(&self, client: &str) -> Option<Self::Claim>;

    // --- The API server ---

    /// The object as it is now.
    fn get(&self, namespace: &str, name: &str) -> impl Answer<Result<Option<OAuthClient>, ApiError>>;
    /// Finalizer and marker in one conditional patch.
    fn open_attempt(&self, object: &OAuthClient, marker: &str) -> impl Answer<Result<OAuthClient, ApiError>>;
    /// Adds the finalizer.
    fn add_finalizer(&self, object: &OAuthClient) -> impl Answer<Result<OAuthClient, ApiError>>;
    /// Removes the finalizer; `None`: the object is gone.
    fn remove_finalizer(&self, object: &OAuthClient) -> impl Answer<Result<Option<OAuthClient>, ApiError>>;
    /// Writes the status.
    fn write_status(
        &self,
        object: &OAuthClient,
        status: &OAuthClientStatus,
    ) -> impl Answer<Result<OAuthClient, ApiError>>;
    /// Records that name the client of this key, as the API server has them now.
    fn records_naming(&self, client: &str) -> impl Answer<Result<Vec<Named>, ApiError>>;
    /// Records of registered clients that belong to objects of this namespace and name, and those without the label that tells, as the
    /// API server has them now.
    fn records_of(&self, namespace: &str, name: &str) -> impl Answer<Result<Vec<Listed>, ApiError>>;
    /// UID of a namespace as the API server has it now; `None` where namespaces cannot be read.
    fn read_namespace_uid(&self, namespace: &str) -> impl Answer<Result<Option<String>, ApiError>>;
    /// Reads a Secret.
    fn get_secret(&self, namespace: &str, name: &str) -> impl Answer<Result<Option<Secret>, ApiError>>;
    /// Finds out whether a Secret could be created.
    fn dry_run_create(&self, secret: &Secret) -> impl Answer<Result<(), ApiError>>;
    /// Creates a Secret.
    fn create_secret(&self, secret: &Secret) -> impl Answer<Result<SecretRevision, ApiError>>;
    /// Patches this version of a Secret.
    fn patch_secret(
        &self,
        namespace: &str,
        name: &str,
        current: &SecretRevision,
        patch: Value,
    ) -> impl Answer<Result<SecretRevision, ApiError>>;
    /// Deletes this version of a Secret.
    fn delete_secret(&self, namespace: &str, name: &str, current: &SecretRevision)
    -> impl Answer<Result<(), ApiError>>;

    // --- The provider ---

    /// The provider of an object, ready to be called.
    fn resolve(&self, object: &OAuthClient) -> impl Answer<Result<Arc<Provider>, Failure>>;
    /// The provider of an object whose recorded client is to be deregistered. Credentials that vanished are used for as long as
    /// they are kept.
    fn provider_for_deletion(
        &self,
        object: &OAuthClient,
        record: &Record,
    ) -> impl Answer<Result<Arc<Provider>, Failure>>;
    /// The same for a recorded client that has no object any more.
    fn provider_of(&self, record: &Record) -> impl Answer<Result<Arc<Provider>, Failure>>;
    /// Changes whenever the provider object of this UID or one of its credentials does; `None`: there is none.
    fn provider_revision(&self, uid: &str) -> Option<String>;
    /// Whether a read at a URI that was made from this template has shown a client: see [`Record::template`].
    fn is_proven(&self, template: &str) -> bool;
    /// Notes that it has.
    fn prove(&self, template: &str);
    /// A permit to call it; an error: the pass ends here, and another one begins with the permit.
    fn permit(&self, object: &OAuthClient, provider: &Provider) -> impl Answer<Result<Self::Permit, Queued>>;
    /// A permit to call the provider of a recorded client, whose provider object may be gone; `None`: another look begins with the permit.
    fn permit_for(&self, record: &Record, provider: Option<&Provider>) -> impl Answer<Option<Self::Permit>>;
    /// Its endpoints.
    fn discover(&self, provider: &Provider) -> impl Answer<Result<Endpoints, CallError>>;
    /// Registers a client: one POST.
    fn register(
        &self,
        provider: &Provider,
        endpoints: &Endpoints,
        request: &Map<String, Value>,
    ) -> impl Answer<Result<Registration, CallError>>;
    /// The client that carries a mark, if the provider shows one.
    fn marked(&self, call: &MarkedCall) -> impl Answer<Result<Option<String>, CallError>>;
    /// Reads a client: one GET.
    fn read(&self, call: &ManagementCall) -> impl Answer<Result<Registration, CallError>>;
    /// Asks whether the provider accepts a client's own credentials.
    fn probe(&self, call: &ProbeCall) -> impl Answer<Probed>;
    /// What one kind of endpoint answers to these credentials, whatever that means elsewhere.
    fn answer_to(&self, call: &ProbeCall) -> impl Answer<Probed> {
        self.probe(call)
    }
    /// Changes a client: one PUT.
    fn update(
        &self,
        call: &ManagementCall,
        request: &Map<String, Value>,
    ) -> impl Answer<Result<Registration, CallError>>;
    /// Deregisters a client: one DELETE. `counts`: whether a success means that the client is gone, see [`Self::is_proven`].
    fn deregister(&self, call: &ManagementCall, counts: bool) -> impl Answer<Result<Deletion, CallError>>;
}
