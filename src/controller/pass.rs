//! One pass over one object: observe, decide, admit, perform, note.
//!
//! Invariant: nothing is decided here. [`pass::next`] says what comes next, and the method of [`State`] that belongs to an effect
//! learns from its answer. What a pass adds are the things that an answer cannot be: the permit, the claim, the call with its
//! credentials.

mod observe;
mod perform;

use std::sync::Arc;

use crate::api::OAuthClient;
use crate::cluster::Key;
use crate::domain::pass::{self, Admission, AfterStatus, Effect, Next, Note, Row, State, Verdict};
use crate::provider::ManagementCall;

use super::world::World;

pub(super) use crate::domain::pass::End;

/// One pass over one object.
pub struct Pass<'a, W: World> {
    world: &'a W,
    key: Key,
    state: Box<State>,
    permit: Option<W::Permit>,
    /// The client in hand is this pass's to record, or to deregister.
    claim: Option<W::Claim>,
    /// The call that the claim was taken for, or that was answered with 404.
    call: Option<Box<ManagementCall>>,
}

impl<'a, W: World> Pass<'a, W> {
    /// A pass over `object`, with what the watches know of its surroundings.
    pub fn new(world: &'a W, object: Arc<OAuthClient>, deep: bool) -> Self {
        let watched = observe::watched(world, &object);
        let outcome = world.outcome_of(&object);
        Self {
            world,
            key: Key::of(&object),
            state: Box::new(State::new(object, deep, outcome, watched)),
            permit: None,
            claim: None,
            call: None,
        }
    }

    /// The same pass in another world, which has its permit and its claim.
    #[doc(hidden)]
    pub fn moved<'w>(&self, world: &'w W, permit: Option<W::Permit>, claim: Option<W::Claim>) -> Pass<'w, W> {
        Pass {
            world,
            key: self.key.clone(),
            state: self.state.clone(),
            permit,
            claim,
            call: self.call.clone(),
        }
    }

    /// What it holds of its world.
    #[doc(hidden)]
    pub const fn held(&self) -> (&'a W, Option<&W::Permit>, Option<&W::Claim>) {
        (self.world, self.permit.as_ref(), self.claim.as_ref())
    }

    /// Whether it ended, or ends, because its permit to call the provider has not come.
    pub(super) fn waits(&self) -> bool {
        self.state.waits()
    }

    /// Runs until there is nothing more to do.
    pub(super) async fn run(&mut self) -> End {
        loop {
            if let Some(end) = self.step().await {
                return end;
            }
        }
    }

    /// Does what is decided, once. `Some`: that was all.
    pub async fn step(&mut self) -> Option<End> {
        // Decided before the match, which would keep what the decision was made of for as long as the step takes.
        let decision = self.decide();
        self.note();
        self.world.decides(decision.row);
        tracing::debug!(object = %self.key, row = ?decision.row, next = ?decision.next, "step");
        match decision.next {
            Next::Do(effect) => {
                if self.admits(&effect).await {
                    Box::pin(self.perform(effect)).await;
                    self.note();
                    if !self.state.needs_claim() {
                        self.claim = None;
                    }
                }
                None
            }
            Next::Finish(verdict) => Box::pin(self.finish(verdict)).await,
            Next::Stop(end) => {
                if decision.row == Row::B4 {
                    tracing::error!(object = %self.key, "the planner does not come to an end; this is a defect of the operator");
                }
                if end == End::Gone {
                    let uid = self.state.object().metadata.uid.as_deref();
                    self.world.forget(uid.unwrap_or_default());
                }
                Some(end)
            }
        }
    }

    fn decide(&mut self) -> pass::Decision {
        let fresh = self.world.fresh_attempt();
        let seen = observe::observed(self.world, &self.state, &fresh);
        self.state.see(&seen);
        pass::next(&seen, &self.state)
    }

    /// Takes what the effect needs, last thing before it begins. Whether it may.
    ///
    /// Thousands of passes may wait here for a permit at the same time, so nothing of an effect takes room yet.
    async fn admits(&mut self, effect: &Effect) -> bool {
        let admission = effect.admission();
        if admission == Admission::Free {
            self.permit = None;
            return true;
        }
        if self.permit.is_none()
            && let Some(provider) = Box::pin(self.provider_to_ask()).await
        {
            match Box::pin(self.world.permit(self.state.object(), &provider)).await {
                Ok(permit) => self.permit = Some(permit),
                Err(queued) => {
                    self.state.queued(queued);
                    return false;
                }
            }
        }
        admission != Admission::PermitAndLeadership || self.world.may_begin()
    }

    /// The provider whose permit is needed; that of a client which is managed without its credentials is looked up here.
    async fn provider_to_ask(&self) -> Option<Arc<pass::Provider>> {
        match self.state.provider() {
            None if !self.state.asked_for_provider() => self.world.resolve(self.state.object()).await.ok(),
            known => known.cloned(),
        }
    }

    /// Tells what the last answer brought about.
    fn note(&mut self) {
        for note in self.state.notes() {
            let object = self.state.object();
            match note {
                Note::Warn(reason, text) => self.world.warn(object, reason, &text),
                Note::Tell(reason, text) => self.world.tell(object, reason, &text),
                Note::Outcome(attempt, outcome) => self.world.note_outcome(object, &attempt, outcome),
                Note::Count(attempt, what) => {
                    if let Some(provider) = self.state.provider() {
                        self.world.count(provider, &self.key.namespace, &attempt, what);
                    }
                }
                Note::Log(text) => tracing::warn!(object = %self.key, "{text}"),
            }
        }
    }

    /// Writes the verdict if it says something new. `None`: the world changed, go on.
    async fn finish(&mut self, verdict: Verdict) -> Option<End> {
        self.permit = None;
        let next = self
            .state
            .status(&verdict, &observe::observed(self.world, &self.state, ""));
        if next != self.state.object().status.clone().unwrap_or_default() {
            let answer = self.world.write_status(self.state.object(), &next).await;
            let after = self.state.status_written(&verdict, &next, answer);
            self.note();
            match after {
                AfterStatus::Ends => {}
                AfterStatus::GoesOn => return None,
                AfterStatus::Failed(failure) => return Some(End::Retry(failure)),
            }
        }
        self.state
            .ends(verdict, &observe::observed(self.world, &self.state, ""))
    }
}
