//! One pass over one object: look, ask the planner, do the one thing, look again.

mod ending;
mod sight;

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use crate::api::{Attempt, AttemptOutcome, OAuthClient, Reason, SecretVersion, Suspect};
use crate::cluster::{Key, SecretRevision};
use crate::domain::failure::{Class, Failure};
use crate::domain::metadata::Request;
use crate::domain::plan::{self, Memory, Next, Provider};
use crate::domain::record::Record;
use crate::domain::target::Endpoints;

use super::world::World;

/// More steps than any pass needs; a planner that goes in circles is stopped here and reported.
const MOST_STEPS: u16 = 64;
/// Times that a pass starts over because the object changed under it.
const MOST_CONFLICTS: u16 = 5;

/// One pass over one object.
pub(super) struct Pass<'a, W: World> {
    pub(super) world: &'a W,
    pub(super) key: Key,
    pub(super) object: Arc<OAuthClient>,
    pub(super) deep: bool,
    pub(super) memory: Memory,
    pub(super) record: Stored,
    pub(super) credentials: Held,
    pub(super) former_names: Vec<String>,
    pub(super) provider: Option<Result<Arc<Provider>, Failure>>,
    pub(super) endpoints: Option<Endpoints>,
    pub(super) suspects: Vec<Suspect>,
    pub(super) closed: Option<Attempt>,
    pub(super) news: Vec<(Reason, String)>,
    pub(super) permit: Option<W::Permit>,
    /// The client in hand is this pass's to record.
    pub(super) claim: Option<W::Claim>,
    pub(super) conflicts: u16,
    pub(super) gone: bool,
    /// The request that was sent in this pass.
    pub(super) sent: Request,
    /// The attempt of this pass whose client it has recorded.
    pub(super) recorded_attempt: Option<String>,
    pub(super) steps: u16,
}

/// The record, as this pass knows it.
#[derive(Clone)]
pub(super) enum Stored {
    Unseen,
    Absent {
        live: bool,
    },
    Unreadable,
    Present {
        record: Box<Record>,
        revision: SecretRevision,
    },
}

/// The credentials Secret, as this pass knows it.
#[derive(Clone)]
pub(super) enum Held {
    Absent,
    Unseen {
        version: SecretVersion,
        as_written: bool,
    },
    Ours {
        secret: Box<Secret>,
        revision: SecretRevision,
    },
    Former,
    Foreign,
}

/// How a pass ended.
#[derive(Debug)]
pub(super) enum End {
    /// Nothing more to do until something changes.
    Rest,
    /// Something failed; the object is looked at again by the rules of its class.
    Retry(Failure),
    /// The object does not exist any more.
    Gone,
}

impl<'a, W: World> Pass<'a, W> {
    /// A pass over `object`, with what the watches know of its surroundings.
    pub(super) fn new(world: &'a W, object: Arc<OAuthClient>, deep: bool) -> Self {
        let key = Key::of(&object);
        let mut pass = Self {
            world,
            key,
            deep,
            memory: Memory {
                outcome: world.outcome_of(&object),
                ..Memory::default()
            },
            record: Stored::Absent { live: false },
            credentials: Held::Absent,
            former_names: Vec::new(),
            provider: None,
            endpoints: None,
            suspects: Vec::new(),
            closed: None,
            news: Vec::new(),
            permit: None,
            claim: None,
            conflicts: 0,
            gone: false,
            sent: Request::new(),
            recorded_attempt: None,
            steps: 0,
            object,
        };
        pass.look();
        pass
    }

    /// Runs until the planner has nothing more to do.
    pub(super) async fn run(&mut self) -> End {
        loop {
            if let Some(end) = self.step().await {
                return end;
            }
        }
    }

    /// Does what the planner decides, once. `Some`: that was all.
    pub(super) async fn step(&mut self) -> Option<End> {
        // What a provider has issued is worked on until it is stored, however long the API server is away.
        self.steps += u16::from(!self.holds_an_answer());
        if self.steps > MOST_STEPS {
            tracing::error!(object = %self.key, "the planner does not come to an end; this is a defect of the operator");
            return Some(End::Retry(Failure::new(
                Class::Bug,
                Reason::InternalError,
                "the operator could not come to a decision",
            )));
        }
        if self.gone && !self.holds_an_answer() {
            Box::pin(self.leave_tombstone()).await;
            self.world
                .forget(self.object.metadata.uid.as_deref().unwrap_or_default());
            return Some(End::Gone);
        }
        if !self.world.may_begin() && !self.holds_an_answer() {
            self.note_unsent();
            let gone = Box::pin(self.outlived_its_object()).await;
            return (!gone).then_some(End::Rest);
        }
        if self.world.is_stopping() && !self.has_something_in_hand() {
            return Some(End::Rest);
        }
        // Decided before the match, which would keep what the decision was made of for as long as the step takes.
        let next = plan::next(&self.view(&self.world.fresh_attempt()));
        match next {
            Next::Do(effect) => {
                tracing::debug!(object = %self.key, effect = ?effect.kind(), "step");
                self.execute(effect).await;
                None
            }
            Next::Finish(verdict) => Box::pin(self.finish(verdict)).await,
        }
    }

    /// The leadership ended between a marker and its registration: nothing was sent, so that attempt is no doubt.
    fn note_unsent(&self) {
        let Some(attempt) = &self.memory.attempt else { return };
        if self.memory.outcome.as_ref().is_none_or(|(id, _)| id != attempt) {
            self.world
                .note_outcome(&self.object, attempt, AttemptOutcome::NotApplied);
        }
    }

    /// Whether stopping now would lose something that the provider issued, or leave a doubt that need not be.
    fn has_something_in_hand(&self) -> bool {
        self.holds_an_answer() || self.memory.attempt.is_some() || self.memory.marked.is_some()
    }

    /// Whether a provider has issued something that is stored nowhere yet.
    pub(super) fn holds_an_answer(&self) -> bool {
        self.memory.registration.is_some() || self.memory.answer.is_some()
    }

    /// Looks at the object itself again, because it is not what this pass took it for.
    pub(super) async fn start_over(&mut self) -> Result<(), Failure> {
        self.conflicts += 1;
        if self.conflicts > MOST_CONFLICTS {
            let text = "the object keeps changing; the operator looks again";
            return Err(Failure::new(Class::Conflict, Reason::ProgressingWithRetry, text));
        }
        match self.world.get(&self.key.namespace, &self.key.name).await {
            Ok(Some(object)) if object.uid() == self.object.uid() => {
                self.memory.failure = None;
                self.memory.refused = false;
                self.memory.disowned = false;
                self.memory.kept = false;
                self.memory.probed = None;
                self.memory.control = None;
                self.memory.replaces = None;
                if let Some(closed) = &mut self.closed {
                    // What was refused before may get another answer now.
                    closed.request_hash.clear();
                }
                if matches!(self.record, Stored::Present { .. }) {
                    // The registration of this pass was one of the manifest before.
                    self.memory.attempt = None;
                }
                self.provider = None;
                // They are those of the provider object as it was.
                self.endpoints = None;
                self.memory.outcome = self.world.outcome_of(&object);
                self.adopt(object);
                self.look();
            }
            Ok(_) => self.gone = true,
            Err(error) => return Err(error.failure(&format!("OAuthClient {}", self.key))),
        }
        Ok(())
    }

    /// Takes a record that was just stored for the newest. If it holds other credentials than before, what the watch says of
    /// the Secret no longer tells that it is right.
    pub(super) fn holds(&mut self, record: Box<Record>, revision: SecretRevision) {
        let before = match &self.record {
            Stored::Present { record, .. } => Some(record.credential_generation),
            _ => None,
        };
        if before != Some(record.credential_generation)
            && let Held::Unseen { as_written, .. } = &mut self.credentials
        {
            *as_written = false;
        }
        self.record = Stored::Present { record, revision };
    }

    /// Takes the answer of an own write for the object's newest state.
    pub(super) fn adopt(&mut self, object: OAuthClient) {
        self.object = Arc::new(object);
    }

    /// Closes the attempt of this pass.
    pub(super) fn close(&mut self, id: &str, outcome: AttemptOutcome, request_hash: String) {
        self.memory.outcome = Some((id.to_owned(), outcome));
        self.world.note_outcome(&self.object, id, outcome);
        self.closed = Some(Attempt {
            id: id.to_owned(),
            outcome,
            request_hash,
        });
    }
}
