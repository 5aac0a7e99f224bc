//! Answers about the object itself.

use std::sync::Arc;

use kube::ResourceExt;

use crate::api::{AttemptOutcome, OAuthClient, Reason, names};
use crate::domain::api_error::ApiError;
use crate::domain::failure::{Class, Failure};
use crate::domain::pass::gone::phase_without_object;
use crate::domain::pass::journal::FollowUp;
use crate::domain::pass::observed::{Note, Observed, Watched};
use crate::domain::pass::state::{Remains, State, StoredRecord};
use crate::domain::record::{Phase, Record};
use crate::domain::restore;

use super::STORE_AGAIN;

/// Times that a pass starts over because the object changed under it.
const MOST_CONFLICTS: u16 = 5;

impl State {
    /// The object was read, and is what the API server has under this name.
    pub fn object_read(&mut self, answer: Result<Option<OAuthClient>, ApiError>) {
        match answer {
            Ok(Some(object)) if object.uid() == self.object.uid() => {
                self.journal.object_read = true;
                self.adopt(object);
            }
            Ok(_) => self.is_gone(),
            Err(error) => self.fail(&error, &self.object_text()),
        }
    }

    /// The same in order to begin anew. `watched` and `outcome` are about the object that was read.
    pub fn started_over(
        &mut self,
        answer: Result<Option<OAuthClient>, ApiError>,
        watched: Watched,
        outcome: Option<(String, AttemptOutcome)>,
    ) {
        let told = matches!(self.journal.follow_up.take(), Some(FollowUp::StartOver { told: true }));
        match answer {
            Ok(Some(object)) if object.uid() == self.object.uid() => {
                self.journal.failure = None;
                self.journal.not_let_go = false;
                self.journal.queued = None;
                self.journal.refused = false;
                self.journal.kept = false;
                self.journal.confirmed = None;
                self.journal.touched = false;
                self.journal.claimed = false;
                self.journal.with_secret = false;
                self.journal.nowhere = None;
                self.journal.adoption = None;
                self.journal.earlier = None;
                if !self.holds_an_answer() {
                    self.journal.adopts = None;
                }
                self.forget_looks();
                if let Some(closed) = &mut self.closed {
                    // What was refused before may get another answer now.
                    closed.request_hash.clear();
                }
                if matches!(self.record, StoredRecord::Present { .. }) {
                    // The registration of this pass was one of the manifest before.
                    self.journal.attempt = None;
                }
                self.provider = None;
                // They are those of the provider object as it was.
                self.endpoints = None;
                self.journal.outcome = outcome;
                self.adopt(object);
                self.look(watched);
            }
            Ok(_) => self.is_gone(),
            Err(error) => {
                let failure = error.failure(&self.object_text());
                self.cannot_start_over(failure, told);
            }
        }
    }

    /// The object is not what this pass takes it for. `told`: its status was about to be written.
    pub(in crate::domain::pass) fn start_over(&mut self, told: bool) {
        self.conflicts += 1;
        if self.conflicts > MOST_CONFLICTS {
            let text = "the object keeps changing; the operator looks again";
            let failure = Failure::new(Class::Conflict, Reason::ProgressingWithRetry, text);
            return self.cannot_start_over(failure, told);
        }
        self.journal.follow_up = Some(FollowUp::StartOver { told });
    }

    fn cannot_start_over(&mut self, failure: Failure, told: bool) {
        if told {
            self.journal.follow_up = Some(FollowUp::Stop(failure));
        } else {
            self.journal.failure = Some(failure);
        }
    }

    pub(in crate::domain::pass) fn is_gone(&mut self) {
        self.gone = true;
        self.remains = Remains::Unknown;
    }

    /// Finalizer or marker was written, or the finalizer removed.
    pub fn object_written(&mut self, answer: Result<OAuthClient, ApiError>) {
        match answer {
            Ok(object) => self.adopt(object),
            Err(ApiError::NotFound) => self.is_gone(),
            Err(ApiError::Conflict | ApiError::Invalid { uid_changed: true, .. }) => self.start_over(false),
            Err(error) => self.fail(&error, &self.object_text()),
        }
    }

    /// Finalizer and marker of this attempt were written.
    pub fn attempt_opened(&mut self, attempt: &str, answer: Result<OAuthClient, ApiError>) {
        match answer {
            Ok(object) => {
                self.adopt(object);
                self.journal.attempt = Some(attempt.to_owned());
                if let Some((record, _)) = self.record() {
                    self.journal.replaces = Some(record.attempt.clone());
                }
            }
            Err(ApiError::Unavailable { .. }) => {
                // The patch may have been applied. Nothing was sent to the provider, so this attempt is no doubt.
                self.note(Note::Outcome(attempt.to_owned(), AttemptOutcome::NotApplied));
                self.journal.outcome = Some((attempt.to_owned(), AttemptOutcome::NotApplied));
                let error = ApiError::Unavailable {
                    retry_after: None,
                    message: String::new(),
                };
                self.fail(&error, &self.object_text());
            }
            other => self.object_written(other),
        }
    }

    /// What remains when the finalizer is removed is told once, before that.
    pub(super) fn letting_go(&mut self, seen: &Observed<'_>) {
        if std::mem::replace(&mut self.told_left, true) {
            return;
        }
        let text = match (&self.record, &self.journal.failure) {
            (StoredRecord::Present { record, .. }, _) => {
                let others = seen.operator.held.is_some() || record.cluster_id != seen.operator.cluster_id;
                left_of(record, others)
            }
            (StoredRecord::Unreadable, _) => {
                let status = self.object.status.as_ref();
                let id = status.and_then(|status| status.client_id.as_deref());
                Some(format!(
                    "client {} was not deregistered, because its record in {} cannot be read; the Secret is kept. Remove the client at the provider, then \
                     the Secret",
                    id.unwrap_or("(unknown)"),
                    self.record_text(seen)
                ))
            }
            (StoredRecord::Absent { .. }, Some(failure)) => Some(format!(
                "a client may be left at the provider and could not be entered as a suspect: {}; look for it there",
                failure.message
            )),
            (StoredRecord::Unseen, Some(failure)) => Some(format!(
                "a client may be left at the provider, and its record in {} could not be read: {}; look for it there",
                self.record_text(seen),
                failure.message
            )),
            (StoredRecord::Absent { .. } | StoredRecord::Unseen, None) => return self.tell_of_earlier(seen),
        };
        if let Some(text) = text {
            self.note(Note::Warn(Reason::DeletionTimedOut, text));
        }
    }

    /// The client of an earlier object that this one did not take over stays registered.
    fn tell_of_earlier(&mut self, seen: &Observed<'_>) {
        let Some(found) = self.journal.earlier.take() else {
            return;
        };
        let (namespace, name) = (self.object.namespace().unwrap_or_default(), self.object.name_any());
        let uid = self.uid().to_owned();
        for earlier in found.concerning(&uid, &namespace, &name) {
            let text = restore::stays(&earlier.record, &seen.operator.namespace);
            self.note(Note::Warn(Reason::RestoreRefused, text));
        }
    }

    /// The finalizer was removed; `None`: the object is gone.
    pub fn finalizer_removed(&mut self, answer: Result<Option<OAuthClient>, ApiError>) {
        match answer {
            Ok(Some(object)) => self.adopt(object),
            Ok(None) => {
                let mut object = OAuthClient::clone(&self.object);
                object
                    .finalizers_mut()
                    .retain(|finalizer| finalizer != names::FINALIZER);
                self.object = Arc::new(object);
            }
            Err(error) => {
                self.object_written(Err(error));
                self.journal.not_let_go = self.journal.failure.is_some();
            }
        }
        self.tell_deferred();
    }

    /// What the API server has under the object's name was read, to find out whether the object is gone.
    pub fn owner_read(&mut self, answer: Result<Option<OAuthClient>, ApiError>) {
        let wanted = match self.journal.follow_up.take() {
            Some(FollowUp::Vanished(wanted)) => Some(wanted),
            _ => None,
        };
        let client_id = match (&wanted, self.record()) {
            (Some(wanted), _) => wanted.client_id.clone(),
            (None, Some((record, _))) => record.client_id.clone(),
            (None, None) => return,
        };
        let Ok(found) = answer else {
            let then = wanted.map(|wanted| Box::new(FollowUp::Vanished(wanted)));
            self.journal.follow_up = Some(FollowUp::Wait(STORE_AGAIN, then));
            return;
        };
        let phase = phase_without_object(&self.object, found.as_ref(), &client_id);
        match wanted {
            Some(mut wanted) => {
                wanted.phase = phase.unwrap_or(wanted.phase);
                self.journal.follow_up = Some(FollowUp::Restore {
                    wanted,
                    gone: phase.is_some(),
                });
            }
            None if phase.is_some() && !self.gone => self.is_gone(),
            None => self.remains = phase.map_or(Remains::Nothing, Remains::Record),
        }
    }
}

/// What a record leaves at the provider when the finalizer of its object is removed.
fn left_of(record: &Record, others: bool) -> Option<String> {
    let left = match record.phase {
        Phase::Deleting | Phase::Registered if others => {
            "it may be in use by the cluster that registered it, so do not remove it"
        }
        Phase::Deleting => "the operator keeps its record and keeps trying",
        Phase::Registered => "its record could not be written; remove the client at the provider",
        Phase::Deleted | Phase::Retained | Phase::Suspect => return None,
    };
    Some(format!(
        "client {} was not deregistered in time; {left}",
        record.client_id
    ))
}
