//! Answers on the way of a record to a restored object.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use crate::api::names;
use crate::domain::api_error::ApiError;
use crate::domain::pass::journal::FollowUp;
use crate::domain::pass::observed::{Note, Observed};
use crate::domain::pass::state::{State, StoredRecord};
use crate::domain::record::Record;
use crate::domain::restore::{Earlier, EarlierRecord, Listed, Unreadable};
use crate::domain::secret::SecretRevision;

use super::record::{newer_schema, stored};

/// What the read records of earlier objects are. Of one without labels that cannot be read, nothing tells that it is of this name.
#[must_use]
pub fn earlier(read: Vec<(Listed, Secret)>, namespace_uid: Option<String>) -> Earlier {
    let mut found = Earlier {
        namespace_uid,
        ..Earlier::default()
    };
    for (listed, secret) in read {
        match stored(&secret) {
            StoredRecord::Present { record, revision } => found.records.push(EarlierRecord {
                record: *record,
                revision,
                restore_to: secret.annotations().get(names::RESTORE_TO).cloned(),
            }),
            _ if listed.labelled => found.unreadable.push(Unreadable {
                name: listed.name,
                schema: newer_schema(&secret),
            }),
            _ => {}
        }
    }
    found
}

impl State {
    /// The records of earlier objects of this name were read.
    pub fn earlier_found(&mut self, answer: Result<Earlier, ApiError>) {
        match answer {
            Ok(found) => self.journal.earlier = Some(Box::new(found)),
            Err(error) => self.fail(&error, "the registration records"),
        }
    }

    /// The record of the earlier object was marked as taken over.
    pub fn earlier_marked(&mut self, record: &Record, answer: Result<SecretRevision, ApiError>) {
        let uid = &record.owner.uid;
        let found = self.journal.earlier.iter_mut().flat_map(|found| &mut found.records);
        match answer {
            Ok(revision) => {
                for earlier in found.filter(|earlier| earlier.record.owner.uid == *uid) {
                    earlier.revision = revision.clone();
                    earlier.record = record.clone();
                }
            }
            // Whoever changed it knows more than was read.
            Err(ApiError::Conflict | ApiError::NotFound | ApiError::Invalid { uid_changed: true, .. }) => {
                self.journal.earlier = None;
            }
            Err(error) => self.fail(&error, "the record of the earlier OAuthClient"),
        }
    }

    /// The record of this object was created from the one of the earlier object.
    pub fn taken_over(&mut self, record: Box<Record>, answer: Result<SecretRevision, ApiError>, seen: &Observed<'_>) {
        match answer {
            Ok(revision) => {
                let from = record.taken_from.as_deref().unwrap_or_default();
                self.note(Note::Log(format!(
                    "client {} of the earlier OAuthClient of this name, UID {from}, is taken over",
                    record.client_id
                )));
                self.recorded_attempt = Some(record.attempt.clone());
                self.holds(record, revision);
            }
            Err(ApiError::AlreadyExists) => self.journal.follow_up = Some(FollowUp::ReadRecord),
            Err(error) => self.fail(&error, &self.record_text(seen)),
        }
    }

    /// The record of the earlier object was removed.
    pub fn earlier_removed(&mut self, uid: &str, answer: Result<(), ApiError>) {
        match answer {
            Ok(()) => {
                let found = self.journal.earlier.get_or_insert_default();
                found.records.retain(|earlier| earlier.record.owner.uid != uid);
            }
            Err(ApiError::Conflict | ApiError::Invalid { uid_changed: true, .. }) => self.journal.earlier = None,
            Err(error) => self.fail(&error, "the record of the earlier OAuthClient"),
        }
    }
}
