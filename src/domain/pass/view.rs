//! What the planner sees.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use super::journal::Journal;
use super::observed::Observed;
use super::state::{State, StoredCredentials, StoredRecord};
use crate::api::{AttemptOutcome, OAuthClient, Reason, Suspect, names};
use crate::domain::asked;
use crate::domain::expiry;
use crate::domain::failure::Failure;
use crate::domain::marker::{self, Marker};
pub use crate::domain::operator::Operator;
pub use crate::domain::provider::{Pause, Provider, Queued, Rate};
use crate::domain::record::Record;
use crate::domain::status;
use crate::domain::target::Endpoints;

/// Everything that a decision rests on.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// What is outside of the pass.
    pub seen: Observed<'a>,
    /// The object, as fresh as the pass knows it.
    pub object: &'a OAuthClient,
    /// Whether more than metadata has to be compared: the provider changed, or the user asked for it.
    pub deep: bool,
    /// The registration record.
    pub record: RecordView<'a, Record>,
    /// The Secret that the application reads.
    pub credentials: CredentialsView<'a>,
    /// Names of further credentials Secrets of this object.
    pub former_names: &'a [String],
    /// The provider.
    pub provider: ProviderView<'a>,
    /// Its endpoints, once discovered.
    pub endpoints: Option<&'a Endpoints>,
    /// Suspected stray clients of this object.
    pub suspects: &'a [Suspect],
    /// Whether a record belongs to an earlier object of this name.
    pub has_earlier: bool,
    /// UID of the object's namespace, if it is known.
    pub namespace_uid: Option<&'a str>,
    /// What this pass has done.
    pub journal: &'a Journal,
}

/// What is known about a stored thing.
#[derive(Debug)]
pub enum RecordView<'a, T> {
    /// It exists by its metadata, but has not been read.
    Unseen,
    /// It does not exist; `live` if the API server itself said so in this pass.
    Absent {
        /// Whether this is more than the watch's word.
        live: bool,
    },
    /// It exists and is not what it should be.
    Unreadable,
    /// It was read.
    Present(&'a T),
}

impl<T> Clone for RecordView<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for RecordView<'_, T> {}

/// The credentials Secret of the name that the manifest asks for.
#[derive(Clone, Copy)]
pub enum CredentialsView<'a> {
    /// There is none.
    Absent,
    /// There is one, known by metadata only.
    Unseen {
        /// Whether its metadata is exactly what the status says of the operator's last write, and of the record's
        /// generation.
        as_written: bool,
        /// Generation of the credentials that it says it holds.
        generation: Option<u64>,
    },
    /// It was read and is controlled by this object.
    Ours(&'a Secret),
    /// It was read and is controlled by an earlier object of the same name.
    Former,
    /// It was read and is somebody else's.
    Foreign,
}

/// The provider of an object.
#[derive(Clone, Copy, Debug)]
pub enum ProviderView<'a> {
    /// Not looked up in this pass.
    Unresolved,
    /// It cannot be used.
    Refused(&'a Failure),
    /// It can.
    Resolved(&'a Provider),
}

/// How an attempt ended, by this process's memory or the status. `None`: no process saw it end.
pub(super) fn outcome(journal: &Journal, object: &OAuthClient, attempt: &str) -> Option<AttemptOutcome> {
    let in_memory = journal.outcome.as_ref().filter(|(id, _)| id == attempt);
    let in_status = || {
        let status = object.status.as_ref()?.attempt.as_ref()?;
        (status.id == attempt).then_some(status.outcome)
    };
    in_memory.map(|(_, outcome)| *outcome).or_else(in_status)
}

impl View<'_> {
    pub(super) fn uid(&self) -> &str {
        self.object.metadata.uid.as_deref().unwrap_or_default()
    }

    pub(super) fn has_finalizer(&self) -> bool {
        self.object
            .finalizers()
            .iter()
            .any(|finalizer| finalizer == names::FINALIZER)
    }

    /// The marker, if it was written for this very object.
    pub(super) fn marker(&self) -> Option<Marker<'_>> {
        let marker = Marker::parse(self.object.annotations().get(names::CREATE_PENDING)?)?;
        (marker.uid == self.uid()).then_some(marker)
    }

    /// The marker of this object and of this attempt.
    pub(super) fn marker_of(&self, attempt: &str) -> Marker<'static> {
        Marker {
            uid: self.uid().to_owned().into(),
            attempt: attempt.to_owned().into(),
            record_namespace: self.seen.operator.namespace.clone().into(),
            record_name: marker::record_name(self.uid()).into(),
        }
    }

    /// Whether the object carries the finalizer and this marker.
    pub(super) fn is_marked(&self, marker: &Marker<'_>) -> bool {
        let carried = self.object.annotations().get(names::CREATE_PENDING);
        self.has_finalizer() && carried.is_some_and(|carried| *carried == marker.to_string())
    }

    /// The attempt that the marker tells of, if nobody knows how it ended, or if it registered a client that nothing holds:
    /// asked only where no record is, or one of another attempt.
    pub(super) fn open_attempt(&self) -> Option<String> {
        let attempt = self.marker()?.attempt;
        let known = self.journal.outcome.as_ref().filter(|(id, _)| **id == *attempt);
        let open = match (known, self.outcome(&attempt)) {
            // The status does not know it yet, so the work on it was cut off.
            (Some((_, AttemptOutcome::Registered)), _) | (_, None | Some(AttemptOutcome::Unknown)) => true,
            (_, Some(AttemptOutcome::NotApplied | AttemptOutcome::Registered | AttemptOutcome::Suspected)) => false,
        };
        open.then(|| attempt.into_owned())
    }

    /// The attempt that the marker tells of, if it is known to have registered a client.
    pub(super) fn registered_attempt(&self) -> Option<String> {
        let attempt = self.marker()?.attempt;
        (self.outcome(&attempt) == Some(AttemptOutcome::Registered)).then(|| attempt.into_owned())
    }

    /// How an attempt ended, by this process's memory or the status.
    pub(super) fn outcome(&self, attempt: &str) -> Option<AttemptOutcome> {
        outcome(self.journal, self.object, attempt)
    }

    /// Whether another cluster registered the client, so that it is not this one's to change.
    pub(super) fn is_of_another_cluster(&self, record: &Record) -> bool {
        record.cluster_id != self.seen.operator.cluster_id
    }

    /// Identifier that the status says the client has.
    pub(super) fn known_client_id(&self) -> Option<&str> {
        self.object.status.as_ref()?.client_id.as_deref()
    }

    /// Whether the user gave up what this value names.
    pub(super) fn abandons(&self, value: &str) -> bool {
        self.object
            .annotations()
            .get(names::ABANDON)
            .is_some_and(|abandoned| abandoned == value)
    }

    /// Whether the user asks to have the client of this record replaced, and that was not done.
    pub(super) fn replaces(&self, record: &Record) -> bool {
        let asked = self.object.annotations().get(names::REPLACE);
        asked.is_some_and(|id| *id == record.client_id) && asked != record.replaced.as_ref()
    }

    pub(super) fn is_suspect(&self, attempt: &str, client_id: Option<&str>) -> bool {
        self.suspects.iter().any(|suspect| match client_id {
            Some(client_id) => suspect.client_id.as_deref() == Some(client_id),
            None => suspect.attempt == attempt,
        })
    }

    /// Whether the provider accepted the credentials of the recorded client once.
    pub(super) fn was_verified(&self, record: &Record) -> bool {
        let told = self
            .object
            .status
            .as_ref()
            .and_then(|status| status.verified_at.as_ref());
        record.accepted.is_some() || told.is_some()
    }

    /// The suspect entry that names this client.
    pub(super) fn suspected(&self, client_id: &str) -> Option<&Suspect> {
        self.suspects
            .iter()
            .find(|suspect| suspect.client_id.as_deref() == Some(client_id))
    }

    /// Whether this generation was judged Ready, or would be if the client secret had not expired.
    pub(super) fn stands(&self) -> bool {
        status::stands(self.object)
    }

    /// Whether the status says of an expired secret that it has expired, and of no other.
    fn is_told_of_expiry(&self) -> bool {
        let stated = expiry::stated(self.object.status.as_ref());
        expiry::has_passed(stated, self.seen.now) == status::is_judged_expired(self.object)
    }

    /// Row A9: metadata alone shows that nothing has changed since the object was judged Ready, or its secret expired.
    pub(super) fn is_settled(&self) -> bool {
        !self.deep
            && self.stands()
            && self.is_told_of_expiry()
            && status::names_suspects(self.object.status.as_ref(), self.suspects.len())
            && status::unanswered_since(self.object.status.as_ref()).is_none()
            && self.has_finalizer()
            && self.former_names.is_empty()
            && self
                .object
                .annotations()
                .get(names::REPLACE)
                .map(String::as_str)
                .is_none_or(|id| Some(id) != self.known_client_id())
            && matches!(self.record, RecordView::Unseen)
            && matches!(self.credentials, CredentialsView::Unseen { as_written: true, .. })
    }

    /// Whether the last attempt that the status tells of registered a client.
    pub(super) fn was_registered(&self) -> bool {
        let attempt = self.object.status.as_ref().and_then(|status| status.attempt.as_ref());
        attempt.is_some_and(|attempt| attempt.outcome == AttemptOutcome::Registered)
    }

    /// Whether exactly this request was refused for good by exactly this provider, and nobody asked for another try since; its
    /// fingerprint is asked for if anything was.
    pub(super) fn was_rejected(&self, fingerprint: impl FnOnce() -> String) -> bool {
        // Another failure since then, of a later step or a later try, is no refusal.
        let refusals = [
            Reason::RegistrationRejected,
            Reason::UpdateRejected,
            Reason::UpdateUnsupported,
            Reason::InvalidResponse,
            Reason::AlreadyManaged,
        ];
        self.is_stalled_for(&refusals) && self.asked_before(fingerprint)
    }

    /// Whether a client was given up because exactly this provider substituted values of exactly this request, and nobody asked for
    /// another try since. After an update, the last request was the one to go back to.
    /// Each try leaves a client behind, so a failure of another kind since then ends nothing: the digest is like no other.
    pub(super) fn was_substituted(&self, hash: impl FnOnce() -> String) -> bool {
        self.asked_before(hash)
    }

    /// Whether the status says that the object is stalled for one of these reasons.
    pub(super) fn is_stalled_for(&self, reasons: &[Reason]) -> bool {
        let refused = |reason: &str| Reason::parse(reason).is_some_and(|reason| reasons.contains(&reason));
        let conditions = self.object.status.iter().flat_map(|status| &status.conditions);
        conditions
            .into_iter()
            .any(|c| c.type_ == "Stalled" && c.status == "True" && refused(&c.reason))
    }

    /// Whether the last attempt or update had this digest, and nobody asked for another try since.
    fn asked_before(&self, digest: impl FnOnce() -> String) -> bool {
        let attempt = self.object.status.as_ref().and_then(|status| status.attempt.as_ref());
        !asked::is_open(self.object) && attempt.is_some_and(|attempt| attempt.request_hash == digest())
    }

    /// Namespace and name, joined by a dot: a namespace holds none, and there are providers that allow nothing more special.
    pub(super) fn default_client_name(&self) -> String {
        format!(
            "{}.{}",
            self.object.namespace().unwrap_or_default(),
            self.object.name_any()
        )
    }
}

impl<'a> View<'a> {
    /// Everything that a decision rests on.
    pub(super) fn of(seen: &Observed<'a>, state: &'a State) -> Self {
        Self {
            seen: *seen,
            object: &state.object,
            deep: state.deep || asked::is_open(&state.object),
            record: match &state.record {
                StoredRecord::Unseen => RecordView::Unseen,
                StoredRecord::Absent { live } => RecordView::Absent { live: *live },
                StoredRecord::Unreadable => RecordView::Unreadable,
                StoredRecord::Present { record, .. } => RecordView::Present(record),
            },
            credentials: match &state.credentials {
                StoredCredentials::Absent => CredentialsView::Absent,
                StoredCredentials::Unseen {
                    as_written, generation, ..
                } => CredentialsView::Unseen {
                    as_written: *as_written,
                    generation: *generation,
                },
                StoredCredentials::Ours { secret, .. } => CredentialsView::Ours(secret),
                StoredCredentials::Former => CredentialsView::Former,
                StoredCredentials::Foreign => CredentialsView::Foreign,
            },
            former_names: &state.former_names,
            provider: match &state.provider {
                None => ProviderView::Unresolved,
                Some(Err(failure)) => ProviderView::Refused(failure),
                Some(Ok(provider)) => ProviderView::Resolved(provider),
            },
            endpoints: state.endpoints.as_deref(),
            suspects: &state.suspects,
            has_earlier: state.has_earlier,
            namespace_uid: state.namespace_uid.as_deref(),
            journal: &state.journal,
        }
    }
}
