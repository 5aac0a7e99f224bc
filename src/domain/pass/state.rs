//! What a pass knows: the object, what was read, and the journal. Its fields are private to [`super`], so that nothing outside
//! decides what becomes of a client.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use crate::api::{Attempt, AttemptOutcome, OAuthClient, Reason, SecretVersion, Suspect, names};
use crate::domain::api_error::ApiError;
use crate::domain::failure::Failure;
use crate::domain::marker::{self, Marker};
use crate::domain::record::{Phase, Record};
use crate::domain::secret::{self, SecretRevision};
use crate::domain::target::Endpoints;
use crate::domain::verification;

use super::journal::{FollowUp, Journal};
use super::observed::{Note, Observed, SecretOwner, Watched};
use super::view::Provider;

/// The record, as a pass knows it.
#[derive(Clone)]
pub enum StoredRecord {
    /// It exists by its metadata, but has not been read.
    Unseen,
    /// It does not exist.
    Absent {
        /// Whether this is more than the watch's word.
        live: bool,
    },
    /// It exists and is not what it should be.
    Unreadable,
    /// It was read.
    Present {
        /// The record.
        record: Box<Record>,
        /// Its version.
        revision: SecretRevision,
    },
}

/// The credentials Secret, as a pass knows it.
#[derive(Clone)]
pub(super) enum StoredCredentials {
    Absent,
    Unseen {
        version: SecretVersion,
        as_written: bool,
        generation: Option<u64>,
    },
    Ours {
        secret: Box<Secret>,
        revision: SecretRevision,
    },
    Former,
    Foreign,
}

/// What an object that is gone leaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Remains {
    /// It was not asked yet.
    Unknown,
    /// Nothing that has to be ended.
    Nothing,
    /// The record of its client, which then has this phase.
    Record(Phase),
}

/// All that a pass knows.
#[derive(Clone)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct State {
    pub(super) object: Arc<OAuthClient>,
    pub(super) deep: bool,
    pub(super) journal: Journal,
    pub(super) record: StoredRecord,
    pub(super) credentials: StoredCredentials,
    pub(super) former_names: Vec<String>,
    pub(super) provider: Option<Result<Arc<Provider>, Failure>>,
    pub(super) endpoints: Option<Box<Endpoints>>,
    pub(super) suspects: Vec<Suspect>,
    /// Whether a record belongs to an earlier object of this name.
    pub(super) has_earlier: bool,
    /// UID of the object's namespace, if it is known.
    pub(super) namespace_uid: Option<String>,
    /// The attempt that this pass closed, for the status.
    pub(super) closed: Option<Attempt>,
    /// The attempt of this pass whose client it has recorded.
    pub(super) recorded_attempt: Option<String>,
    pub(super) gone: bool,
    /// What an object that is gone leaves.
    pub(super) remains: Remains,
    /// Whether the doubts that let the object go were told.
    pub(super) told_left: bool,
    pub(super) conflicts: u16,
    pub(super) steps: u16,
    /// Warnings that wait for the write which makes them true.
    pub(super) deferred: Vec<(Reason, String)>,
    notes: Vec<Note>,
}

impl State {
    /// A pass over `object`; `deep`: more than metadata has to be compared. `outcome`: the attempt whose end this process knows.
    #[must_use]
    pub fn new(
        object: Arc<OAuthClient>,
        deep: bool,
        outcome: Option<(String, AttemptOutcome)>,
        watched: Watched,
    ) -> Self {
        let mut state = Self {
            object,
            deep,
            journal: Journal {
                outcome,
                ..Journal::default()
            },
            record: StoredRecord::Absent { live: false },
            credentials: StoredCredentials::Absent,
            former_names: Vec::new(),
            provider: None,
            endpoints: None,
            suspects: Vec::new(),
            has_earlier: false,
            namespace_uid: None,
            closed: None,
            recorded_attempt: None,
            gone: false,
            remains: Remains::Unknown,
            told_left: false,
            conflicts: 0,
            steps: 0,
            deferred: Vec::new(),
            notes: Vec::new(),
        };
        state.look(watched);
        state
    }

    /// Takes over what the watches know.
    pub(super) fn look(&mut self, watched: Watched) {
        let status = self.object.status.as_ref();
        if !matches!(self.record, StoredRecord::Present { .. }) {
            self.record = if watched.record.is_some() {
                StoredRecord::Unseen
            } else {
                StoredRecord::Absent { live: false }
            };
        }
        self.credentials = match watched.credentials {
            None => StoredCredentials::Absent,
            Some(found) => match found.owner {
                SecretOwner::This => {
                    let same = found.generation.is_some() && Some(found.generation) == watched.record;
                    let told = status.and_then(|status| status.secret.as_ref());
                    StoredCredentials::Unseen {
                        as_written: same && told == Some(&found.version),
                        version: found.version,
                        generation: found.generation,
                    }
                }
                SecretOwner::Former => StoredCredentials::Former,
                SecretOwner::Foreign => StoredCredentials::Foreign,
            },
        };
        self.former_names = watched.former_names;
        self.has_earlier = watched.has_earlier;
        self.namespace_uid = watched.namespace_uid;
        let told: &[Suspect] = status.map_or(&[], |status| &status.suspects);
        let known = |attempt: &str| {
            // The status knows what entries of an earlier version do not say in their metadata.
            let suspect = told.iter().find(|suspect| suspect.attempt == attempt)?;
            suspect.client_id.clone()
        };
        let suspects = watched.suspects.into_iter().map(|(attempt, client_id)| Suspect {
            client_id: client_id.or_else(|| known(&attempt)),
            attempt,
        });
        self.suspects = suspects.collect();
    }

    /// Takes in what is outside before a step is decided.
    pub fn see(&mut self, seen: &Observed<'_>) {
        // What a provider has issued is worked on until it is stored, however long the API server is away.
        let counts = !self.holds_an_answer() && !self.gone && seen.leads;
        self.steps += u16::from(counts);
        if seen.leads || self.holds_an_answer() {
            return;
        }
        // The leadership ended between a marker and its registration: nothing was sent, so that attempt is no doubt.
        let Some(attempt) = self.journal.attempt.clone() else {
            return;
        };
        if self.journal.outcome.as_ref().is_none_or(|(id, _)| *id != attempt) {
            self.note(Note::Outcome(attempt, AttemptOutcome::NotApplied));
        }
    }

    /// What the last answer brought about beside the state.
    pub fn notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    pub(super) fn note(&mut self, note: Note) {
        self.notes.push(note);
    }

    /// The object, as fresh as the pass knows it.
    #[must_use]
    pub fn object(&self) -> &Arc<OAuthClient> {
        &self.object
    }

    /// The provider, if it was looked up and can be used.
    #[must_use]
    pub fn provider(&self) -> Option<&Arc<Provider>> {
        self.provider.as_ref()?.as_ref().ok()
    }

    /// Whether the provider was looked up in this pass.
    #[must_use]
    pub fn asked_for_provider(&self) -> bool {
        self.provider.is_some()
    }

    /// Its endpoints, once discovered.
    #[must_use]
    pub fn endpoints(&self) -> Option<&Endpoints> {
        self.endpoints.as_deref()
    }

    /// The record and its version, if it was read.
    #[must_use]
    pub fn record(&self) -> Option<(&Record, &SecretRevision)> {
        match &self.record {
            StoredRecord::Present { record, revision } => Some((record, revision)),
            _ => None,
        }
    }

    /// The version of the credentials Secret, if it was read and is this object's.
    #[must_use]
    pub fn credentials(&self) -> Option<(&Secret, &SecretRevision)> {
        match &self.credentials {
            StoredCredentials::Ours { secret, revision } => Some((secret, revision)),
            _ => None,
        }
    }

    /// The registration's answer that waits for its claim: the client, and when it was asked for.
    #[must_use]
    pub fn answered(&self) -> Option<&super::journal::Answered> {
        self.journal.answered.as_deref()
    }

    /// The attempt that the marker tells of, whoever wrote it.
    #[must_use]
    pub fn marked_attempt(&self) -> Option<String> {
        Some(self.marker()?.attempt.into_owned())
    }

    /// The marker, whoever wrote it.
    pub(super) fn marker(&self) -> Option<Marker<'_>> {
        Marker::parse(self.object.annotations().get(names::CREATE_PENDING)?)
    }

    /// The attempt of the update that the record marks as in flight. Without one, an earlier version of the operator marked it,
    /// which ended before this one began.
    #[must_use]
    pub fn update_in_flight(&self) -> Option<&str> {
        let (record, _) = self.record()?;
        let attempt = record.in_flight.as_ref()?.attempt.as_str();
        (!attempt.is_empty()).then_some(attempt)
    }

    /// The entry of a suspect as it was before a live list confirmed that it may go.
    #[must_use]
    pub fn confirmed(&self) -> Option<&SecretRevision> {
        self.journal.confirmed.as_ref()
    }

    /// The record of the earlier object that this one replaces, and its version.
    #[must_use]
    pub fn earlier(&self, uid: &str) -> Option<&SecretRevision> {
        self.journal.earlier.as_ref()?.of(uid).map(|earlier| &earlier.revision)
    }

    /// Whether the client in hand is one that exists and is taken over.
    #[must_use]
    pub fn adopts(&self) -> bool {
        self.journal.adopts.is_some()
    }

    /// Whether the provider rejected the credentials of a client whose management token it refused, so that another client is to be
    /// looked at in comparison.
    #[must_use]
    pub fn wants_control(&self) -> bool {
        self.journal.disowned
    }

    /// Whether a provider has issued something that is stored nowhere yet.
    #[must_use]
    pub fn holds_an_answer(&self) -> bool {
        self.journal.registration.is_some()
            || self.journal.answer.is_some()
            || self.journal.answered.is_some()
            || self.journal.disputed.is_some()
            || self.journal.nowhere.is_some()
            || self.journal.overtaken.is_some()
            || self.journal.follow_up.as_ref().is_some_and(FollowUp::holds_credentials)
    }

    /// Whether the client that this pass has claimed is still to be recorded or deregistered.
    #[must_use]
    pub fn needs_claim(&self) -> bool {
        self.journal.claimed
            || self.journal.registration.is_some()
            || self.journal.answered.is_some()
            || self.journal.disputed.is_some()
    }

    pub(super) fn uid(&self) -> &str {
        self.object.metadata.uid.as_deref().unwrap_or_default()
    }

    /// Name of the record's Secret.
    #[must_use]
    pub fn record_name(&self) -> String {
        marker::record_name(self.uid())
    }

    pub(super) fn object_text(&self) -> String {
        let namespace = self.object.namespace().unwrap_or_default();
        format!("OAuthClient {namespace}/{}", self.object.name_any())
    }

    pub(super) fn record_text(&self, seen: &Observed<'_>) -> String {
        format!("Secret {}/{}", seen.operator.namespace, self.record_name())
    }

    pub(super) fn secret_text(&self) -> String {
        let namespace = self.object.namespace().unwrap_or_default();
        format!("Secret {namespace}/{}", secret::name(&self.object))
    }

    pub(super) fn fail(&mut self, error: &ApiError, what: &str) {
        self.journal.failure = Some(error.failure(what));
    }

    /// Takes the answer of an own write for the object's newest state.
    pub fn adopt(&mut self, object: OAuthClient) {
        self.object = Arc::new(object);
    }

    /// Closes the attempt of this pass.
    pub(super) fn close(&mut self, id: &str, outcome: AttemptOutcome, request_hash: String) {
        self.journal.outcome = Some((id.to_owned(), outcome));
        self.note(Note::Outcome(id.to_owned(), outcome));
        self.closed = Some(Attempt {
            id: id.to_owned(),
            outcome,
            request_hash,
        });
    }

    /// Takes a record that was just stored for the newest. If it holds other credentials or endpoints than before, or another way to use
    /// them, what the watch says of the Secret no longer tells that it is right.
    pub(super) fn holds(&mut self, record: Box<Record>, revision: SecretRevision) {
        if let Some((before, _)) = self.record()
            && verification::digest(before) != verification::digest(&record)
        {
            (self.journal.tried, self.journal.renewed) = (None, true);
        }
        let is_shown = |before: &Record| {
            verification::digest(before) == verification::digest(&record) && before.endpoints == record.endpoints
        };
        if !self.record().is_some_and(|(before, _)| is_shown(before))
            && let StoredCredentials::Unseen { as_written, .. } = &mut self.credentials
        {
            *as_written = false;
        }
        self.record = StoredRecord::Present { record, revision };
    }

    /// The record of the client that this pass has registered, as long as no deletion has begun.
    pub(super) fn fresh_record(&self) -> Option<&Record> {
        let (record, _) = self.record()?;
        // A restored object has taken it over.
        let fresh = self.recorded_attempt.as_ref() == Some(&record.attempt) && record.taken_by.is_none();
        (fresh && record.phase == Phase::Registered).then_some(record)
    }
}
