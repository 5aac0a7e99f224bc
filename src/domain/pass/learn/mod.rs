//! What is known after an answer: one method of [`State`] for each effect, with the type of its answer.
//!
//! Learning belongs to the call, not to the row that asked for it: whoever reads a record learns the same from it.

mod adopt;
mod compensate;
mod credentials;
mod deregister;
mod find;
mod object;
mod record;
mod register;
mod restore;
mod suspect;
mod update;

use std::time::Duration;

use crate::api::{Capabilities, Reason};
use crate::domain::capability;
use crate::domain::failure::{Class, Failure};
use crate::domain::probe::{Control, Probed};
use crate::domain::target::Endpoints;

use super::effect::Effect;
use super::journal::FollowUp;
use super::observed::Observed;
use super::state::State;

pub use record::stored;
pub use register::AnswerClaim;
pub use restore::earlier;

/// Pause between tries of storing what a provider has issued.
const STORE_AGAIN: Duration = Duration::from_secs(1);
/// The same after the API server has refused it.
const REFUSED_AGAIN: Duration = Duration::from_secs(10);

impl State {
    /// An effect is about to begin.
    pub fn begin(&mut self, effect: &Effect, seen: &Observed<'_>) {
        match effect {
            Effect::RemoveFinalizer => self.letting_go(seen),
            Effect::Update { .. } => {
                let record = self.record().map(|(record, _)| record);
                let in_flight = record.and_then(|record| record.in_flight.as_ref());
                self.journal.marked = in_flight.map(|update| update.attempt.clone());
            }
            _ => {}
        }
    }

    /// The time has passed.
    pub fn waited(&mut self) {
        let then = match self.journal.follow_up.take() {
            Some(FollowUp::Wait(_, then)) => then,
            _ => None,
        };
        self.journal.follow_up = then.map(|then| *then);
    }

    /// The provider was looked up.
    pub fn resolved(&mut self, answer: Result<std::sync::Arc<super::Provider>, Failure>) {
        self.provider = Some(answer);
    }

    /// Discovery ended.
    pub fn discovered(&mut self, answer: Result<Endpoints, Failure>) {
        match answer {
            Ok(endpoints) => self.endpoints = Some(Box::new(endpoints)),
            Err(failure) => self.journal.failure = Some(failure),
        }
    }

    /// What the registration in hand shows of its provider. A client that is taken over was asked for by others.
    #[must_use]
    pub fn shown_by_registration(&self) -> Option<Capabilities> {
        let made = self.journal.registration.as_ref().filter(|_| !self.adopts())?;
        Some(capability::of_own_registration(&self.journal.sent, made))
    }

    /// The client's own credentials were tried; `control`: another client's, where these were rejected.
    pub fn probed(&mut self, probed: Probed, control: Option<Control>) {
        if self.journal.disowned {
            self.journal.probed = Some(probed);
            self.journal.control = control;
        } else {
            self.journal.tried = Some(probed);
        }
    }

    /// What was prepared cannot be told any more after this pass knows another object or another client.
    fn forget_looks(&mut self) {
        self.journal.disowned = false;
        self.journal.probed = None;
        self.journal.control = None;
        self.journal.replaces = None;
    }
}

fn unstorable() -> Failure {
    Failure::new(
        Class::Bug,
        Reason::InternalError,
        "the registration could not be recorded; see the suspects",
    )
}
