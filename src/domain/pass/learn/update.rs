//! Answers to an update.

use crate::api::{AttemptOutcome, Capabilities, Clearing, ManagementMode, Reason, UpdateMembers};
use crate::domain::capability;
use crate::domain::correction;
use crate::domain::failure::{Class, Failure};
use crate::domain::metadata::{self, Request};
use crate::domain::outcome::{CallError, Remark};
use crate::domain::pass::journal::{FollowUp, Nowhere};
use crate::domain::pass::state::State;
use crate::domain::refusal;
use crate::domain::registration::Registration;

impl State {
    /// The update cannot be sent.
    pub fn update_not_sent(&mut self, failure: Failure) {
        self.journal.refused = true;
        self.journal.failure = Some(failure);
    }

    /// The update was answered, or not.
    pub fn updated(&mut self, request: Request, answer: Result<Registration, CallError>) {
        let (Some((record, _)), Some(provider)) = (self.record(), self.provider().cloned()) else {
            return;
        };
        let hash = metadata::fingerprint(&request, &[&provider.fingerprint]);
        let (client_id, has_secret) = (record.client_id.clone(), record.client_secret.is_some());
        let cleared = record.cleared.clone();
        let with_secret = std::mem::take(&mut self.journal.with_secret);
        let error = match answer {
            // A hard stop. The update stays in flight, so that no later 401 is taken for the client's absence.
            Ok(answer) if answer.client_id != client_id => {
                self.close_update(hash);
                let text = "the provider answered an update with another client_id, and nothing was taken over; ask the provider's administrator, or \
                            delete the OAuthClient and create it again";
                self.journal.failure = Some(Failure::new(Class::Denied, Reason::InvalidResponse, text));
                return;
            }
            Ok(answer) => {
                self.close_update(hash);
                self.journal.answer = Some(Box::new((request, answer)));
                self.journal.accepted = true;
                return;
            }
            Err(error) => match correction::of_clearing(&error, &cleared) {
                Some(advised) => advised,
                None => correction::advised(error, &self.object.spec, &provider.target.knobs),
            },
        };
        if has_secret && !with_secret && refusal::wants_client_secret(&error) {
            self.journal.with_secret = true;
            return;
        }
        let clears = self.clears_otherwise(&request);
        // Sent again in this pass, it is another update, marked as one whose earlier one was not answered.
        self.journal.marked = None;
        if refusal::is_nowhere(&error) {
            // If the client can be read all the same, the provider offers no updates.
            self.journal.nowhere = Some(Box::new(Nowhere::Update(error, hash)));
            return;
        }
        // Some say 403 with a code to a registration access token that they do not accept. What a policy forbids has another reason.
        let forbids_token = error.remark == Some(Remark::Token)
            && error.failure.reason == Reason::CredentialsRejected
            && self
                .record()
                .is_some_and(|(record, _)| record.management.mode == ManagementMode::RegistrationAccessToken);
        let failure = if forbids_token {
            Failure::management_lost(&client_id)
        } else {
            refused_update(&error, &client_id)
        };
        if failure.reason == Reason::UpdateRejected && clears.is_some() {
            self.journal.clearing_refused = clears;
            return;
        }
        self.update_refused(failure, hash);
    }

    /// The mark of the update under way, if it clears a member in a way that another one can take the place of, so that its refusal is
    /// none of the manifest.
    fn clears_otherwise(&self, request: &Request) -> Option<String> {
        let ((record, _), provider) = (self.record()?, self.provider()?);
        let way = record.cleared.sending?;
        // Where all ways were tried, one of them is sent again.
        let only_clears = record.request == *request && !record.cleared.tried.contains(&way);
        let knobs = &provider.target.knobs;
        // Where an update lacks a member, a provider that demands all of them may refuse that.
        let demands = || knobs.update_members == UpdateMembers::All && !record.cleared.tried.contains(&way);
        let learns = knobs.clearing.is_none() && (way != Clearing::Omit || demands());
        (only_clears || learns).then(|| self.update_in_flight().map(str::to_owned))?
    }

    /// What the refusal of this update shows of its provider, if it asked for nothing but what had been accepted before, without the members
    /// that it was to clear.
    #[must_use]
    pub fn shown_by_refusal(&self, request: &Request) -> Option<Capabilities> {
        let (record, _) = self.record().filter(|(record, _)| record.request == *request)?;
        let refused = self.journal.clearing_refused.as_deref();
        let way = record.cleared.sending.filter(|_| refused == self.update_in_flight())?;
        refused.map(|_| capability::refused_clearing(way))
    }

    /// The client was read after its update was answered with 404.
    pub(super) fn read_after_update(
        &mut self,
        answer: Result<Registration, CallError>,
        refused: &CallError,
        hash: String,
    ) {
        let Some((record, _)) = self.record() else { return };
        let client_id = record.client_id.clone();
        let failure = match answer {
            Ok(found) if found.client_id == record.client_id => {
                let mut now = record.clone();
                now.absorb(found);
                if !now.same_credentials(record) {
                    self.journal.follow_up = Some(FollowUp::Save(Box::new(now)));
                }
                Failure::update_unsupported(&client_id, true)
            }
            Err(error) if refusal::is_client_refused(&error) => refused_update(&error, &client_id),
            Ok(_) | Err(_) => refused_update(refused, &client_id),
        };
        self.update_refused(failure, hash);
    }

    fn update_refused(&mut self, failure: Failure, hash: String) {
        let certain = self.record().is_some_and(|(record, _)| !record.token_is_in_doubt());
        // A token that is not accepted says nothing about an earlier update whose answer was lost: that one stays
        // in flight, so that no later 401 is taken for the client's absence.
        if failure.reason == Reason::ManagementLost && certain {
            self.journal.refused = true;
            self.journal.disowned = true;
            return;
        }
        if matches!(failure.reason, Reason::UpdateRejected | Reason::UpdateUnsupported) {
            self.journal.refused = true;
            // What a policy of the provider refused may be allowed there without a change here.
            let for_good = failure.class == Class::Invalid;
            self.close_update(if for_good { hash } else { String::new() });
        }
        self.journal.failure = Some(failure);
    }

    /// Notes the request of an answered update. How a later attempt of the marker ended stays known: it would be a doubt again.
    fn close_update(&mut self, request_hash: String) {
        let Some((record, _)) = self.record() else { return };
        let attempt = record.attempt.clone();
        let told = self.object.status.as_ref().and_then(|status| status.attempt.as_ref());
        let told = told.map(|told| (told.id.clone(), told.outcome));
        let marked = self.marked_attempt().filter(|marked| *marked != attempt);
        let ended = [self.journal.outcome.clone(), told]
            .into_iter()
            .flatten()
            .find(|(id, outcome)| {
                marked.as_ref() == Some(id) && matches!(outcome, AttemptOutcome::NotApplied | AttemptOutcome::Suspected)
            });
        let (id, outcome) = ended.unwrap_or((attempt, AttemptOutcome::Registered));
        self.close(&id, outcome, request_hash);
    }
}

/// A refusal for good gets a reason of its own; anything that may pass keeps the one it has.
fn refused_update(error: &CallError, client_id: &str) -> Failure {
    if refusal::is_unsupported(error) {
        return Failure::update_unsupported(client_id, true);
    }
    if refusal::is_client_refused(error) {
        return Failure::management_lost(client_id);
    }
    match error.failure.reason {
        Reason::RegistrationRejected => Failure {
            reason: Reason::UpdateRejected,
            ..error.failure.clone()
        },
        _ => error.failure.clone(),
    }
}
