//! A client that cannot be recorded: it is deregistered, or else becomes a suspect; if not even that can be written, all of it is
//! tried again.
//!
//! A client of the chosen identifier is left alone: another replica may find and record it at any moment, and as long as nobody has,
//! its attempt stays open, so that it is looked up again. So is one that carries a mark, where there is no record: with one of
//! another client, nobody looks for it.

use crate::api::AttemptOutcome;
use crate::domain::identity::{self, Finds};
use crate::domain::outcome::{CallError, Deletion};
use crate::domain::pass::journal::{Compensation, FollowUp};
use crate::domain::pass::observed::{Note, Observed};
use crate::domain::pass::state::{State, StoredRecord};
use crate::domain::registration::Registration;
use crate::domain::uri_template::{self, Shown};

use super::{REFUSED_AGAIN, STORE_AGAIN};

impl State {
    /// A try of storing it may have succeeded although its answer was lost.
    pub(super) fn read_before_compensation(&mut self, failed: bool, seen: &Observed<'_>) {
        self.journal.failure = None;
        if failed {
            self.record = StoredRecord::Unseen;
            self.journal.follow_up = Some(FollowUp::Wait(STORE_AGAIN, None));
            return;
        }
        if self.yields_to_record() {
            return;
        }
        let Some(registration) = &self.journal.registration else {
            return;
        };
        self.journal.compensation = Compensation::Unrecorded;
        let rejects = self.journal.rejects.is_some();
        if rejects {
            // The leader has been through with this request, or comes to it: nobody looks for this client.
            if !seen.leads {
                self.journal.compensation = Compensation::Failed;
            }
            return;
        }
        if !self.left_alone(&registration.client_id, seen) {
            return;
        }
        if matches!(self.record, StoredRecord::Absent { .. }) {
            if let Some(attempt) = self.journal.attempt.clone() {
                self.close(&attempt, AttemptOutcome::Unknown, String::new());
            }
            self.compensated();
        } else {
            self.journal.compensation = Compensation::Failed;
        }
    }

    fn left_alone(&self, client_id: &str, seen: &Observed<'_>) -> bool {
        let Some(provider) = self.provider() else {
            return false;
        };
        match identity::finds(&provider.target.knobs) {
            Some(Finds::ByIdentifier) => self.is_chosen(client_id, seen),
            Some(Finds::ByMark(_)) => {
                let marks =
                    self.journal.adopted || identity::mark_of(&self.journal.sent, &provider.target.knobs).is_some();
                marks
                    && matches!(self.record, StoredRecord::Absent { .. })
                    && self.object.metadata.deletion_timestamp.is_none()
            }
            None => false,
        }
    }

    /// The client in hand was read at a URI that is made from a template. Unless it is there, nothing is deregistered, and it becomes a
    /// suspect.
    pub fn unrecorded_read(&mut self, answer: &Result<Registration, CallError>) {
        let client_id = self.journal.registration.as_ref().map(|found| found.client_id.as_str());
        let shown = client_id.and_then(|client_id| uri_template::shown(answer, client_id));
        self.journal.shown = shown;
        if shown != Some(Shown::Client) {
            self.journal.claimed = false;
            self.journal.compensation = Compensation::Failed;
        }
    }

    /// The deregistration of the client in hand ended.
    pub fn compensation_ended(&mut self, answer: &Result<Deletion, CallError>) {
        self.journal.claimed = false;
        if !matches!(answer, Ok(Deletion::Done)) {
            self.journal.compensation = Compensation::Failed;
            return;
        }
        if let Some(attempt) = self.journal.attempt.clone() {
            let rejected = self.journal.rejects.take().unwrap_or_default();
            self.close(&attempt, AttemptOutcome::NotApplied, rejected);
        }
        self.compensated();
    }

    /// The client in hand is a suspect now, or that could not be written either.
    pub(super) fn kept_instead(&mut self, client_id: &str, written: bool) {
        if !written && self.journal.rejects.is_some() {
            // A client that is rejected, and may be deregistered, is never recorded.
            self.journal.failure = None;
            return self.hold(client_id);
        }
        if !written {
            self.journal.failure = None;
            self.journal.unrecordable = None;
            self.journal.compensation = Compensation::Begin;
            return self.hold(client_id);
        }
        // Its entry may be settled before the next pass, which then is no doubt.
        let rejected = self.journal.rejects.take();
        let settles = rejected.is_some() || matches!(self.record, StoredRecord::Present { .. });
        if let (true, Some(attempt)) = (settles, self.journal.attempt.clone()) {
            self.close(&attempt, AttemptOutcome::Suspected, rejected.unwrap_or_default());
        }
        self.compensated();
    }

    /// What a provider has issued can be stored nowhere now, and is kept for the next try.
    pub(super) fn hold(&mut self, client_id: &str) {
        self.note(Note::Log(format!(
            "the API server refuses all that would tell of the registered client {client_id}; tried again"
        )));
        self.journal.follow_up = Some(FollowUp::Wait(REFUSED_AGAIN, None));
    }

    fn compensated(&mut self) {
        self.journal.compensation = Compensation::Begin;
        self.journal.registration = None;
        self.journal.attempt = None;
        self.journal.failure = self.journal.unrecordable.take();
    }
}
