//! Answers to a deregistration, and to what is found out before it.

use crate::api::{Capabilities, ManagementMode, Reason};
use crate::domain::capability;
use crate::domain::claim::{self, Claimed, Withheld};
use crate::domain::failure::Class;
use crate::domain::outcome::{CallError, Deletion};
use crate::domain::pass::journal::{Compensation, Deregistration, FollowUp, Nowhere};
use crate::domain::pass::observed::Note;
use crate::domain::pass::state::State;
use crate::domain::record::Record;
use crate::domain::refusal;
use crate::domain::registration::Registration;
use crate::domain::uri_template::{self, Shown};

impl State {
    /// A client was claimed for its deregistration. `compensates`: it is the registration in hand.
    pub fn claimed(&mut self, answer: Claimed, compensates: bool) {
        // What was read was about another client, or too long ago.
        self.journal.shown = None;
        if compensates {
            let free = claim::judge(answer, "").is_ok();
            self.journal.claimed = free;
            self.journal.compensation = if free {
                Compensation::Claimed
            } else {
                Compensation::Failed
            };
            return;
        }
        match claim::judge(answer, &self.record_name()) {
            Ok(()) => self.journal.claimed = true,
            Err(Withheld::InUse(_)) => {
                self.journal.deregistration = Some(Deregistration::HeldByAnother);
                let client_id = self.record().map(|(record, _)| record.client_id.clone());
                let text = format!(
                    "client {} was not deregistered: the record of another OAuthClient uses it",
                    client_id.unwrap_or_default()
                );
                self.deferred.push((Reason::AlreadyManaged, text));
            }
            Err(Withheld::Unknown(failure)) => self.journal.failure = Some(failure),
            Err(Withheld::NoCall) => {}
        }
    }

    /// Whether the URI of the claimed client is made from a template, and a read there did not show it.
    #[must_use]
    pub fn is_guessed(&self) -> bool {
        let is_templated = |record: &Record| record.management.mode == ManagementMode::Credentials;
        self.journal.shown.is_some_and(|shown| shown != Shown::Client)
            && self.record().is_none_or(|(record, _)| is_templated(record))
    }

    /// Whether the claimed client was read, so that it may have another token now.
    #[must_use]
    pub fn was_read(&self) -> bool {
        self.journal.shown.is_some()
    }

    /// The deregistration was answered, or not.
    pub fn deregistered(&mut self, answer: Result<Deletion, CallError>) {
        self.journal.claimed = false;
        let ended = match answer {
            Ok(Deletion::Done) if self.is_guessed() => Deregistration::Unproven,
            Ok(Deletion::Done) => {
                let text = "the provider deregistered the client".to_owned();
                self.note(Note::Tell(Reason::Deregistered, text));
                Deregistration::Done
            }
            Ok(Deletion::Unclear) => Deregistration::Refused,
            Err(error) if refusal::is_unsupported(&error) => Deregistration::Unsupported,
            // By a provider that has no such client, by one that offers no deletion, or by something before it that has lost its way.
            Err(error) if refusal::is_nowhere(&error) => {
                self.journal.nowhere = Some(Box::new(Nowhere::Deregistration(error)));
                return;
            }
            Err(error) if refusal::is_client_named(&error) => Deregistration::Refused,
            Err(error) => {
                self.journal.failure = Some(error.failure);
                return;
            }
        };
        self.journal.deregistration = Some(ended);
    }

    /// The client was read after a call of its own was answered with 404, or before its deregistration.
    pub fn client_read(&mut self, answer: Result<Registration, CallError>) {
        match self.journal.nowhere.take().map(|nowhere| *nowhere) {
            Some(Nowhere::Update(refused, hash)) => self.read_after_update(answer, &refused, hash),
            Some(Nowhere::Deregistration(refused)) => self.read_after_deregistration(answer, refused),
            None => self.read_before_deregistration(answer),
        }
    }

    /// What the provider does not offer, if this read shows the client: it answered a call for it with 404.
    #[must_use]
    pub fn unoffered_if_there(&self, answer: &Result<Registration, CallError>) -> Option<Capabilities> {
        let (record, _) = self.record()?;
        answer
            .as_ref()
            .ok()
            .filter(|found| found.client_id == record.client_id)?;
        match self.journal.nowhere.as_deref()? {
            Nowhere::Update(..) => Some(capability::no_updates()),
            Nowhere::Deregistration(_) => Some(capability::no_deletions()),
        }
    }

    /// The client was read at a URI that was made from a template, to find out whether it leads there.
    fn read_before_deregistration(&mut self, answer: Result<Registration, CallError>) {
        let Some((record, _)) = self.record() else { return };
        let told = uri_template::shown(&answer, &record.client_id);
        // Where the URI is no guess, only what may pass is worth another read.
        let is_asked_only =
            record.management.mode != ManagementMode::Credentials && answer.as_ref().is_err_and(is_final);
        let Some(shown) = told.or_else(|| is_asked_only.then_some(Shown::Nothing)) else {
            self.journal.failure = answer.err().map(|error| error.failure);
            return;
        };
        if let (Shown::Client, Ok(found)) = (shown, answer) {
            let mut now = record.clone();
            now.absorb(found);
            if !now.same_credentials(record) {
                self.journal.follow_up = Some(FollowUp::Save(Box::new(now)));
            }
        }
        self.journal.shown = Some(shown);
        if shown == Shown::Another {
            // That client is nobody's to deregister.
            self.journal.claimed = false;
            self.journal.deregistration = Some(Deregistration::Misdirected);
        }
    }

    fn read_after_deregistration(&mut self, answer: Result<Registration, CallError>, refused: CallError) {
        let Some((record, _)) = self.record() else { return };
        let ended = match answer {
            // What shows another client says nothing about this one.
            Ok(found) if found.client_id != record.client_id => Deregistration::Refused,
            Ok(found) => {
                let mut now = record.clone();
                now.absorb(found);
                if !now.same_credentials(record) {
                    self.journal.follow_up = Some(FollowUp::Save(Box::new(now)));
                }
                Deregistration::Unsupported
            }
            Err(error) if refusal::is_client_named(&error) => Deregistration::Refused,
            Err(_) if refusal::is_gone_or_unauthorised(&refused) => Deregistration::Refused,
            Err(_) => {
                self.journal.failure = Some(refused.failure);
                return;
            }
        };
        self.journal.deregistration = Some(ended);
    }
}

/// Whether the same request would get the same answer.
fn is_final(error: &CallError) -> bool {
    matches!(error.status, Some(400..=428)) && error.failure.class != Class::Transient
}
