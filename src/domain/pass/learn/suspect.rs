//! Answers about entries of suspects: written before what they stand for is forgotten, removed when it is settled.

use k8s_openapi::api::core::v1::Secret;

use crate::api::{AttemptOutcome, Reason, Suspect};
use crate::domain::api_error::ApiError;
use crate::domain::breaker::BreakerKind;
use crate::domain::claim::Named;
use crate::domain::failure::{Class, Failure};
use crate::domain::identity;
use crate::domain::marker;
use crate::domain::pass::journal::{Compensation, Deregistration, FollowUp};
use crate::domain::pass::observed::{Note, Observed};
use crate::domain::pass::state::{State, StoredRecord};
use crate::domain::pass::view;
use crate::domain::record::{Phase, Record, made};
use crate::domain::secret::SecretRevision;
use crate::domain::suspect::{self, Entry};

use super::{STORE_AGAIN, unstorable};

impl State {
    /// The entry of a suspect as a Secret; one that was made from a record holds it whole.
    ///
    /// # Errors
    /// If the record cannot be written as JSON, which none of its members allows.
    pub fn suspect_entry(
        &self,
        suspect: &Suspect,
        record: Option<&Record>,
        seen: &Observed<'_>,
    ) -> Result<Secret, Failure> {
        let issuer = self.object.status.as_ref().and_then(|status| status.issuer.as_deref());
        let reference = &self.object.spec.provider_ref;
        let provider = format!("{:?} {}", reference.kind, reference.name);
        let entry = Entry {
            owner: &made::owner(&self.object),
            suspect,
            issuer,
            provider: Some(&provider),
            record,
            left: record.is_some_and(|record| self.is_left(record)),
            outcome: view::outcome(&self.journal, &self.object, &suspect.attempt),
            now: seen.now,
        };
        suspect::secret(&entry, &seen.operator.namespace).map_err(|_| unstorable())
    }

    /// Whether the deletion of this client found that its provider deregisters none.
    fn is_left(&self, record: &Record) -> bool {
        let unsupported = self.journal.deregistration == Some(Deregistration::Unsupported);
        record.phase == Phase::Deleting && (unsupported || record.is_unmanaged())
    }

    /// The entry of a suspect was written; `kept`: it holds the record.
    pub fn suspect_entered(&mut self, suspect: Suspect, kept: bool, answer: Result<(), ApiError>, seen: &Observed<'_>) {
        let failure = answer.err().map(|error| {
            let name = marker::suspect_name(self.uid(), &suspect.attempt);
            error.failure(&format!("Secret {}/{name}", seen.operator.namespace))
        });
        let compensates = kept && self.journal.compensation == Compensation::Failed;
        let client_id = suspect.client_id.clone();
        let written = failure.is_none();
        if written {
            self.journal.kept |= kept && self.journal.disputed.is_none();
            self.entered(suspect, seen);
        }
        if compensates {
            return self.kept_instead(client_id.as_deref().unwrap_or_default(), written);
        }
        match (failure, self.journal.disputed.take()) {
            (None, None) => {}
            // A client is in hand that takes the place of the one to be kept: all of it is tried again.
            (Some(_), None) if self.journal.registration.is_some() => {
                self.journal.follow_up = Some(FollowUp::Wait(STORE_AGAIN, None));
            }
            (None, Some(disputed)) => self.concluded(*disputed),
            // The token of the client is in hand.
            (Some(failure), Some(disputed)) if matches!(failure.class, Class::Transient | Class::Conflict) => {
                self.journal.disputed = Some(disputed);
                self.journal.follow_up = Some(FollowUp::Wait(STORE_AGAIN, None));
            }
            (Some(failure), disputed) => {
                if disputed.is_some() {
                    // What could not be entered as a suspect stays an open attempt.
                    self.journal.attempt = None;
                }
                self.journal.failure = Some(failure);
            }
        }
    }

    fn entered(&mut self, suspect: Suspect, seen: &Observed<'_>) {
        if suspect.client_id.is_none() {
            // What a crash cut off tells nothing of the provider.
            if view::outcome(&self.journal, &self.object, &suspect.attempt) == Some(AttemptOutcome::Unknown) {
                self.note(Note::Count(suspect.attempt.clone(), BreakerKind::UnknownOutcome));
            }
            if matches!(self.record, StoredRecord::Present { .. }) {
                self.close(&suspect.attempt, AttemptOutcome::Suspected, String::new());
            }
        }
        let warning = self.warning_of(&suspect, seen);
        self.deferred.push(warning);
        self.suspects.retain(|known| known.attempt != suspect.attempt);
        self.suspects.push(suspect);
    }

    /// The records that name the recorded client were listed. `entry`: the entry of this attempt, as it was before.
    pub fn record_confirmed(
        &mut self,
        attempt: &str,
        entry: Option<SecretRevision>,
        answer: Result<Vec<Named>, ApiError>,
        seen: &Observed<'_>,
    ) {
        let own = self.record_name();
        let records = match answer {
            Ok(records) => records,
            Err(error) => return self.fail(&error, &self.record_text(seen)),
        };
        let named = |named: &Named| named.secret == own && named.phase == Some(Phase::Registered);
        if !records.iter().any(named) {
            // The record that this pass has read is out of date.
            self.record = StoredRecord::Unseen;
        } else if entry.is_some() {
            self.journal.confirmed = entry;
        } else {
            // It is gone.
            self.suspects.retain(|suspect| suspect.attempt != attempt);
        }
    }

    /// Whether an entry that carries this digest of its client is about the recorded one. An entry of another issuer is about
    /// another client, although the identifier may be the same.
    #[must_use]
    pub fn is_of_record(&self, client: Option<u128>) -> bool {
        let Some((record, _)) = self.record() else {
            return true;
        };
        let key = identity::client_key(&record.endpoints.issuer, &record.client_id);
        let key = u128::from_str_radix(&key, 16).ok();
        client.is_none() || key.is_none() || client == key
    }

    /// The entry of this attempt was removed: its client is deregistered, or the record of this object names it.
    pub fn suspect_removed(&mut self, attempt: &str, answer: Result<(), ApiError>, seen: &Observed<'_>) {
        self.journal.confirmed = None;
        self.journal.touched = false;
        if let Err(error) = answer {
            let name = marker::suspect_name(self.uid(), attempt);
            return self.fail(&error, &format!("Secret {}/{name}", seen.operator.namespace));
        }
        self.suspects.retain(|suspect| suspect.attempt != attempt);
    }

    /// A record or an entry of the client that was taken over was removed.
    pub fn superseded_removed(&mut self, name: &str, answer: Result<(), ApiError>, seen: &Observed<'_>) {
        match answer {
            Ok(()) | Err(ApiError::NotFound) => self.journal.superseded.retain(|known| known != name),
            Err(error) => self.fail(&error, &format!("Secret {}/{name}", seen.operator.namespace)),
        }
    }

    /// Whether the operator of another namespace holds the record.
    fn is_elsewhere(&self, seen: &Observed<'_>) -> bool {
        self.marker()
            .is_some_and(|marker| marker.record_namespace != seen.operator.namespace)
    }

    fn warning_of(&self, suspect: &Suspect, seen: &Observed<'_>) -> (Reason, String) {
        let deleting = self.object.metadata.deletion_timestamp.is_some();
        let Some(client_id) = &suspect.client_id else {
            let text = format!(
                "attempt {} may have left a client at the provider; look for it there",
                suspect.attempt
            );
            return (Reason::SuspectedOrphan, text);
        };
        let at_template = match self.journal.deregistration {
            Some(Deregistration::Unproven) => {
                Some("the provider answered that it deregistered it, but a GET at the same URI did not show it before")
            }
            Some(Deregistration::Misdirected) => {
                Some("its management URI returned a different client, so nothing was deregistered")
            }
            _ => None,
        };
        if let Some(cause) = at_template {
            let text = format!(
                "client {client_id} may still exist at the provider: {cause}; check management.uriTemplate of the provider object. Its record is kept as a \
                 suspect, and the operator tries again from time to time"
            );
            return (Reason::SuspectedOrphan, text);
        }
        if self.journal.deregistration == Some(Deregistration::Refused) {
            let text = format!(
                "the provider refused to deregister client {client_id}, which may still exist there; its record is kept as a suspect, and the operator tries \
                 again from time to time"
            );
            return (Reason::SuspectedOrphan, text);
        }
        if deleting && self.is_elsewhere(seen) {
            let text = format!(
                "client {client_id} was registered by the operator of another namespace and is not deregistered here; deregister it there, or remove it at the \
                 provider"
            );
            return (Reason::SuspectedOrphan, text);
        }
        if deleting && let Some(Err(failure)) = &self.provider {
            let text = format!(
                "client {client_id} could not be deregistered and may stay at the provider: {}; its record is kept as a suspect, and the operator tries again \
                 from time to time",
                failure.message
            );
            return (Reason::SuspectedOrphan, text);
        }
        if deleting {
            let text =
                format!("client {client_id} could not be deregistered and stays at the provider; remove it there");
            return (Reason::DeletionUnsupported, text);
        }
        let text = format!("client {client_id} may be left at the provider; check it there");
        (Reason::SuspectedOrphan, text)
    }
}
