//! Answers about the credentials Secret.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use crate::api::Reason;
use crate::domain::api_error::ApiError;
use crate::domain::pass::journal::FollowUp;
use crate::domain::pass::observed::{Note, Observed};
use crate::domain::pass::state::{State, StoredCredentials};
use crate::domain::secret::{self, SecretRevision};

impl State {
    /// The credentials Secret was read. `is_alive`: whether an object of this UID is there.
    pub fn credentials_read(&mut self, answer: Result<Option<Secret>, ApiError>, is_alive: impl Fn(&str) -> bool) {
        self.journal.follow_up = None;
        let uid = self.object.uid().unwrap_or_default();
        match answer {
            Ok(None) => self.credentials = StoredCredentials::Absent,
            Ok(Some(found)) => {
                self.credentials = match secret::owner(&found.metadata, &uid) {
                    secret::Owner::This => StoredCredentials::Ours {
                        revision: SecretRevision::of(&found),
                        secret: Box::new(found),
                    },
                    secret::Owner::Other(owner) if is_alive(&owner) => StoredCredentials::Foreign,
                    secret::Owner::Other(_) => StoredCredentials::Former,
                    secret::Owner::Foreign => StoredCredentials::Foreign,
                };
            }
            Err(error) => self.fail(&error, &self.secret_text()),
        }
    }

    /// The dry runs ended: of the credentials Secret, and of the record.
    pub fn dry_run(&mut self, credentials: Result<(), ApiError>, record: Result<(), ApiError>, seen: &Observed<'_>) {
        // The Secret of a client that was given up is there, and is patched (K6).
        let credentials = match (credentials, &self.credentials) {
            (Err(ApiError::AlreadyExists), StoredCredentials::Ours { .. }) => Ok(()),
            (credentials, _) => credentials,
        };
        match (credentials, record) {
            (Ok(()), Ok(())) => self.journal.proven = true,
            (Err(ApiError::AlreadyExists), _) => self.journal.follow_up = Some(FollowUp::ReadCredentials),
            (_, Err(ApiError::AlreadyExists)) => self.journal.follow_up = Some(FollowUp::ReadRecord),
            (Err(error), _) => self.fail(&error, &self.secret_text()),
            (_, Err(error)) => self.fail(&error, &self.record_text(seen)),
        }
    }

    /// The credentials Secret was created.
    pub fn credentials_created(&mut self, secret: Box<Secret>, answer: Result<SecretRevision, ApiError>) {
        match answer {
            Ok(revision) => {
                // The status names the Secret of an earlier pass.
                if self
                    .object
                    .status
                    .as_ref()
                    .is_some_and(|status| status.secret.is_some())
                {
                    let text = format!("{} was created again from the registration record", self.secret_text());
                    self.note(Note::Tell(Reason::SecretRestored, text));
                }
                self.credentials = StoredCredentials::Ours { secret, revision };
            }
            Err(ApiError::AlreadyExists) => self.journal.follow_up = Some(FollowUp::ReadCredentials),
            Err(error) => self.fail(&error, &self.secret_text()),
        }
    }

    /// The credentials Secret was patched.
    pub fn credentials_patched(&mut self, answer: Result<SecretRevision, ApiError>) {
        match answer {
            Ok(revision) => {
                let Some((record, _)) = self.record() else { return };
                self.credentials = StoredCredentials::Ours {
                    secret: Box::new(secret::credentials(&self.object, record)),
                    revision,
                };
            }
            Err(ApiError::Conflict | ApiError::NotFound | ApiError::Invalid { uid_changed: true, .. }) => {
                self.journal.follow_up = Some(FollowUp::ReadCredentials);
            }
            Err(error) => self.fail(&error, &self.secret_text()),
        }
    }

    /// The credentials Secret was deleted.
    pub fn credentials_deleted(&mut self, answer: Result<(), ApiError>) {
        match answer {
            Ok(()) => self.credentials = StoredCredentials::Absent,
            Err(ApiError::Conflict) => self.journal.follow_up = Some(FollowUp::ReadCredentials),
            Err(error) => self.fail(&error, &self.secret_text()),
        }
    }

    /// The credentials Secret of a former name was deleted.
    pub fn former_deleted(&mut self, name: &str, answer: Result<(), ApiError>) {
        if let Err(error) = answer {
            let namespace = self.object.namespace().unwrap_or_default();
            return self.fail(&error, &format!("Secret {namespace}/{name}"));
        }
        self.former_names.retain(|former| former != name);
    }

    /// The owner reference was taken off the credentials Secret: neither the garbage collector nor the operator touches it any more.
    pub fn credentials_released(&mut self, answer: Result<SecretRevision, ApiError>) {
        match answer {
            Ok(_) | Err(ApiError::NotFound) => self.credentials = StoredCredentials::Foreign,
            Err(ApiError::Conflict) => self.journal.follow_up = Some(FollowUp::ReadCredentials),
            Err(error) => self.fail(&error, &self.secret_text()),
        }
    }
}
