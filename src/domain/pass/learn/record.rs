//! Answers about the record.

use k8s_openapi::api::core::v1::Secret;

use crate::api::Reason;
use crate::domain::api_error::ApiError;
use crate::domain::failure::Class;
use crate::domain::pass::journal::{Deregistration, FollowUp};
use crate::domain::pass::observed::{Note, Observed};
use crate::domain::pass::state::{Remains, State, StoredRecord};
use crate::domain::record::{self, Record};
use crate::domain::secret::SecretRevision;

use super::STORE_AGAIN;

/// A record as its Secret holds it.
#[must_use]
pub fn stored(secret: &Secret) -> StoredRecord {
    let revision = SecretRevision::of(secret);
    match record::json_in(secret).and_then(|json| Record::from_json(json).ok()) {
        Some(record) if record.schema_version <= record::SCHEMA_VERSION => StoredRecord::Present {
            record: Box::new(record),
            revision,
        },
        _ => StoredRecord::Unreadable,
    }
}

/// The version of the record's form, if a newer program wrote it.
pub(super) fn newer_schema(secret: &Secret) -> Option<u32> {
    let json = record::json_in(secret)?;
    Record::schema_version_of(json).filter(|version| *version > record::SCHEMA_VERSION)
}

impl State {
    /// The record was read.
    pub fn record_read(&mut self, answer: Result<Option<Secret>, ApiError>, seen: &Observed<'_>) {
        let failure = match answer {
            Ok(found) => {
                self.journal.newer_schema = found.as_ref().and_then(newer_schema);
                self.record = found.as_ref().map_or(StoredRecord::Absent { live: true }, stored);
                None
            }
            Err(error) => Some(error.failure(&self.record_text(seen))),
        };
        let holds = self.journal.answer.is_some() || self.journal.brought.is_some();
        if matches!(self.record, StoredRecord::Absent { .. } | StoredRecord::Unreadable) {
            (self.journal.overtaken, self.journal.brought) = (None, None);
        }
        // Whether the object is still the one that this pass has read is to be found out again.
        self.journal.object_read &= self.record().is_none_or(|(record, _)| record.taken_by.is_none());
        match self.journal.follow_up.take() {
            Some(FollowUp::Collided) => self.collision_read(failure.is_some()),
            Some(FollowUp::Reread(wanted)) => {
                let vanished = failure.is_none() && matches!(self.record, StoredRecord::Absent { .. });
                if vanished && holds {
                    self.journal.follow_up = Some(FollowUp::Vanished(wanted));
                } else {
                    self.settle_answer(&wanted);
                }
                self.journal.failure = failure.or(self.journal.failure.take());
            }
            Some(FollowUp::Restored { wanted, gone }) if failure.is_some() => {
                let then = Box::new(FollowUp::Restored { wanted, gone });
                self.journal.follow_up = Some(FollowUp::Wait(STORE_AGAIN, Some(then)));
            }
            Some(FollowUp::Merge(read)) => self.merge(read, failure.is_some()),
            Some(FollowUp::Restored { wanted, gone }) => {
                self.settle_answer(&wanted);
                if gone && !self.holds_an_answer() {
                    self.is_gone();
                }
                self.journal.failure = failure.or(self.journal.failure.take());
            }
            _ if self.journal.unrecordable.is_some() => self.read_before_compensation(failure.is_some(), seen),
            _ => self.journal.failure = failure.or(self.journal.failure.take()),
        }
    }

    /// The record was replaced by this one.
    pub fn record_saved(&mut self, wanted: Box<Record>, answer: Result<SecretRevision, ApiError>, seen: &Observed<'_>) {
        let read_back = matches!(self.journal.follow_up.take(), Some(FollowUp::Save(_)));
        match answer {
            Ok(revision) => {
                self.journal.marked = wanted.in_flight.as_ref().map(|update| update.attempt.clone());
                self.journal.touched |= wanted.touched.is_some() && self.journal.confirmed.is_some();
                self.journal.clearing_refused = None;
                (self.journal.overtaken, self.journal.brought, self.journal.base) = (None, None, None);
                if self.journal.answer.take().is_some() {
                    let text = format!(
                        "the provider accepted the changed metadata of client {}",
                        wanted.client_id
                    );
                    self.note(Note::Tell(Reason::Updated, text));
                }
                let known = self.record().and_then(|(before, _)| before.refused_former());
                if wanted.refused_former().is_some() && wanted.refused_former() != known {
                    // K12a says what the manifest can do about it, and another request may be accepted.
                    (self.journal.refused, self.journal.failure) = (false, None);
                }
                self.holds(wanted, revision);
            }
            Err(ApiError::Conflict | ApiError::Invalid { uid_changed: true, .. }) if read_back => {
                self.journal.follow_up = Some(FollowUp::Merge(wanted));
            }
            Err(ApiError::Unavailable { .. }) if read_back => {
                let then = Box::new(FollowUp::Save(wanted));
                self.journal.follow_up = Some(FollowUp::Wait(STORE_AGAIN, Some(then)));
            }
            // What has to be saved is merged into what is then read.
            Err(ApiError::Conflict | ApiError::Invalid { uid_changed: true, .. }) => {
                self.journal.follow_up = Some(FollowUp::Reread(wanted));
                if let (Some(_), None, StoredRecord::Present { record, .. }) =
                    (&self.journal.answer, &self.journal.base, &self.record)
                {
                    self.journal.base = Some(record.clone());
                }
                (self.journal.confirmed, self.journal.touched) = (None, false);
                self.remains = Remains::Unknown;
            }
            Err(ApiError::NotFound) if self.journal.answer.is_some() || self.journal.brought.is_some() => {
                self.journal.follow_up = Some(FollowUp::Vanished(wanted));
            }
            // What a provider has issued is kept until it is stored.
            Err(_) if self.journal.answer.is_some() || self.journal.brought.is_some() => {
                self.journal.follow_up = Some(FollowUp::Wait(STORE_AGAIN, None));
            }
            Err(error) if self.gone => self.tombstone_failed(&error, seen),
            // The client is deregistered, or an update overtaken, and nothing but this pass knows it.
            Err(ApiError::Unavailable { .. })
                if self.journal.deregistration == Some(Deregistration::Done) || self.journal.overtaken.is_some() =>
            {
                self.journal.follow_up = Some(FollowUp::Wait(STORE_AGAIN, None));
            }
            // The refusal that the read was made for counts more.
            Err(_) if read_back && self.journal.failure.is_some() => {}
            Err(error) => {
                self.journal.refused = false;
                self.journal.overtaken = None;
                self.fail(&error, &self.record_text(seen));
            }
        }
    }

    /// Credentials that a read brought are put into the record as it is now.
    fn merge(&mut self, read: Box<Record>, failed: bool) {
        if failed {
            let then = Box::new(FollowUp::Merge(read));
            self.journal.follow_up = Some(FollowUp::Wait(STORE_AGAIN, Some(then)));
            return;
        }
        let Some((record, _)) = self.record() else { return };
        // Another replica may have stored newer ones meanwhile.
        if record.client_id != read.client_id || record.credential_generation > read.credential_generation {
            return;
        }
        let merged = Record {
            client_secret: read.client_secret,
            client_secret_expires_at: read.client_secret_expires_at,
            registration_access_token: read.registration_access_token,
            registration_client_uri: read.registration_client_uri,
            credential_generation: read.credential_generation,
            metadata: read.metadata,
            ..record.clone()
        };
        self.journal.follow_up = Some(FollowUp::Save(Box::new(merged)));
    }

    /// The object vanished, and its record cannot be made a tombstone.
    fn tombstone_failed(&mut self, error: &ApiError, seen: &Observed<'_>) {
        let failure = error.failure(&self.record_text(seen));
        if failure.class == Class::Transient {
            self.journal.follow_up = Some(FollowUp::Wait(STORE_AGAIN, None));
            self.remains = Remains::Unknown;
        } else {
            self.note(Note::Log(format!(
                "its record cannot be changed, and stays: {}",
                failure.message
            )));
            self.remains = Remains::Nothing;
        }
    }

    /// The record that went while its update was under way was created anew. It went with the deletion of its object, or by
    /// somebody's hand; what the provider answered is the only copy of the credentials then.
    pub fn record_restored(&mut self, answer: Result<SecretRevision, ApiError>) {
        let Some(FollowUp::Restore { wanted, gone }) = self.journal.follow_up.take() else {
            return;
        };
        match answer {
            Ok(revision) => {
                (self.journal.answer, self.journal.marked) = (None, None);
                self.holds(wanted, revision);
                if gone {
                    self.is_gone();
                }
            }
            Err(ApiError::AlreadyExists) => {
                self.journal.follow_up = Some(FollowUp::Restored { wanted, gone });
            }
            Err(_) => {
                let then = Box::new(FollowUp::Restore { wanted, gone });
                self.journal.follow_up = Some(FollowUp::Wait(STORE_AGAIN, Some(then)));
            }
        }
    }

    /// There is a record that this pass did not expect where it had an answer to store. It holds that answer already, if the
    /// reply to an earlier write was lost. Or another replica waited for the end of this update, took it for lost, and marked
    /// its own: what this one brought is out of date.
    fn settle_answer(&mut self, wanted: &Record) {
        let StoredRecord::Present { record, .. } = &self.record else {
            return;
        };
        if record.is(wanted) {
            self.journal.answer = None;
            self.journal.marked = wanted.in_flight.as_ref().map(|update| update.attempt.clone());
            return;
        }
        let ours = record.in_flight.as_ref().map(|update| &update.attempt) == self.journal.marked.as_ref();
        if self.journal.answer.is_some() && !ours {
            // Which of the two updates the provider carried out last, nobody knows. What it issued is stored all the same, unless another
            // answer brought credentials meanwhile: where it issued a new token, the other update was refused with the old one.
            let text = "the answer to an update came after a newer update had begun, so the metadata is sent again";
            let base = self.journal.base.take();
            let is_newest = base.is_some_and(|base| base.same_credentials(record) && !base.same_credentials(wanted));
            self.journal.brought = is_newest.then(|| Box::new(wanted.clone()));
            self.note(Note::Log(text.to_owned()));
            self.journal.overtaken = self.journal.marked.take().or_else(|| Some(String::new()));
            (self.journal.answer, self.journal.adopts) = (None, None);
        }
    }

    /// The record was removed.
    pub fn record_removed(&mut self, answer: Result<(), ApiError>, seen: &Observed<'_>) {
        match answer {
            Ok(()) => self.record = StoredRecord::Absent { live: true },
            Err(ApiError::Conflict) => self.journal.follow_up = Some(FollowUp::ReadRecord),
            Err(error) => self.fail(&error, &self.record_text(seen)),
        }
    }
}
