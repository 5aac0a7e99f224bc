//! One pass over one object: look, ask the planner, do the one thing, look again.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use crate::api::{Attempt, AttemptOutcome, OAuthClient, OAuthClientStatus, Reason, SecretVersion, Suspect, names};
use crate::cluster::{ApiError, Key, SecretMeta, SecretRevision};
use crate::domain::breaker::Counted;
use crate::domain::failure::{Class, Failure};
use crate::domain::marker::{self, Marker};
use crate::domain::metadata::Request;
use crate::domain::plan::{self, Credentials, Memory, Next, Provider, ProviderView, Sight, Verdict, View};
use crate::domain::record::Record;
use crate::domain::secret;
use crate::domain::status::{self, Facts};
use crate::domain::target::Endpoints;

use super::world::World;

/// More steps than any pass needs; a planner that goes in circles is stopped here and reported.
const MOST_STEPS: u32 = 64;
/// Times that a pass starts over because the object changed under it.
const MOST_CONFLICTS: u32 = 5;

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
    pub(super) conflicts: u32,
    pub(super) gone: bool,
    /// The request that was sent in this pass.
    pub(super) sent: Request,
}

/// The record, as this pass knows it.
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
            conflicts: 0,
            gone: false,
            sent: Request::new(),
            object,
        };
        pass.look();
        pass
    }

    /// Runs until the planner has nothing more to do.
    pub(super) async fn run(mut self) -> End {
        let mut steps = 0;
        while steps < MOST_STEPS {
            // What a provider has issued is worked on until it is stored, however long the API server is away.
            steps += u32::from(!self.holds_an_answer());
            if self.gone && !self.holds_an_answer() {
                Box::pin(self.leave_tombstone()).await;
                self.world
                    .forget(self.object.metadata.uid.as_deref().unwrap_or_default());
                return End::Gone;
            }
            if !self.world.may_begin() && !self.holds_an_answer() {
                self.note_unsent();
                return End::Rest;
            }
            if self.world.is_stopping() && !self.has_something_in_hand() {
                return End::Rest;
            }
            let attempt = self.world.fresh_attempt();
            let end = match plan::next(&self.view(&attempt)) {
                Next::Do(effect) => {
                    tracing::debug!(object = %self.key, effect = ?effect.kind(), "step");
                    self.execute(effect).await;
                    None
                }
                Next::Finish(verdict) => Box::pin(self.finish(verdict)).await,
            };
            if let Some(end) = end {
                return end;
            }
        }
        tracing::error!(object = %self.key, "the planner does not come to an end; this is a defect of the operator");
        End::Retry(Failure::new(
            Class::Bug,
            Reason::InternalError,
            "the operator could not come to a decision",
        ))
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
    fn holds_an_answer(&self) -> bool {
        self.memory.registration.is_some() || self.memory.answer.is_some()
    }

    /// Takes over what the watches know.
    pub(super) fn look(&mut self) {
        let uid = self.object.uid().unwrap_or_default();
        let status = self.object.status.clone().unwrap_or_default();
        let record = self.world.record(&uid);
        if !matches!(self.record, Stored::Present { .. }) {
            self.record = if record.is_some() {
                Stored::Unseen
            } else {
                Stored::Absent { live: false }
            };
        }
        let name = secret::name(&self.object);
        self.credentials = match self.world.secret_at(&self.key.namespace, &name) {
            None => Held::Absent,
            Some(meta) if meta.owner_uid() == Some(uid.as_str()) => {
                let version = SecretVersion {
                    uid: meta.uid.to_string(),
                    resource_version: meta.resource_version.to_string(),
                };
                let same_generation = meta.generation.is_some() && meta.generation == record.and_then(|r| r.generation);
                Held::Unseen {
                    as_written: same_generation && status.secret.as_ref() == Some(&version),
                    version,
                }
            }
            Some(meta) if meta.owner_uid().is_some_and(|owner| !self.world.is_alive(owner)) => Held::Former,
            Some(_) => Held::Foreign,
        };
        self.former_names = self
            .world
            .credentials_of(&uid)
            .into_iter()
            .filter(|meta| *meta.namespace == *self.key.namespace && *meta.name != *name && !meta.deleting)
            .map(|meta| meta.name.to_string())
            .collect();
        self.suspects = known_suspects(&uid, &self.world.suspects_of(&uid), &status.suspects);
    }

    fn view<'v>(&'v self, fresh_attempt: &'v str) -> View<'v> {
        View {
            object: &self.object,
            here: self.world.here(),
            namespace_terminating: self.world.is_terminating(&self.key.namespace),
            deep: self.deep,
            record: match &self.record {
                Stored::Unseen => Sight::Unseen,
                Stored::Absent { live } => Sight::Absent { live: *live },
                Stored::Unreadable => Sight::Unreadable,
                Stored::Present { record, .. } => Sight::Present(record),
            },
            credentials: match &self.credentials {
                Held::Absent => Credentials::Absent,
                Held::Unseen { as_written, .. } => Credentials::Unseen {
                    as_written: *as_written,
                },
                Held::Ours { secret, .. } => Credentials::Ours(secret),
                Held::Former => Credentials::Former,
                Held::Foreign => Credentials::Foreign,
            },
            former_names: &self.former_names,
            provider: match &self.provider {
                None => ProviderView::Unresolved,
                Some(Err(failure)) => ProviderView::Refused(failure),
                Some(Ok(provider)) => ProviderView::Resolved(provider),
            },
            endpoints: self.endpoints.as_ref(),
            suspects: &self.suspects,
            memory: &self.memory,
            registrations_barred: self.barred(Counted::UnknownOutcome),
            recreations_barred: self.barred(Counted::Recreation),
            foreign_attempt_age: self.foreign_attempt_age(),
            foreign_update_age: self.foreign_update_age(),
            deleting_for: self.deleting_for(),
            missing_for: self.missing_for(),
            fresh_attempt,
            now: self.world.now(),
        }
    }

    fn barred(&self, what: Counted) -> Option<Duration> {
        match &self.provider {
            Some(Ok(provider)) => self.world.barred(provider, what),
            _ => None,
        }
    }

    fn foreign_attempt_age(&self) -> Option<Duration> {
        let marker = Marker::parse(self.object.annotations().get(names::CREATE_PENDING)?)?;
        self.world.foreign_attempt_age(&marker.attempt)
    }

    fn deleting_for(&self) -> Duration {
        let since = self.object.metadata.deletion_timestamp.as_ref();
        since.map_or(Duration::ZERO, |since| self.world.age(since.0.as_second()))
    }

    fn missing_for(&self) -> Option<Duration> {
        match &self.record {
            Stored::Present { record, .. } => Some(self.world.age(record.missing_since?)),
            _ => None,
        }
    }

    fn foreign_update_age(&self) -> Option<Duration> {
        let Stored::Present { record, .. } = &self.record else {
            return None;
        };
        let attempt = &record.in_flight.as_ref()?.attempt;
        // Without one, an earlier version of the operator marked it, which ended before this one began.
        if attempt.is_empty() {
            return None;
        }
        self.world.foreign_attempt_age(attempt)
    }

    /// Writes the verdict if it says something new. `None`: the world changed, go on.
    async fn finish(&mut self, verdict: Verdict) -> Option<End> {
        self.permit = None;
        let previous = self.object.status.clone().unwrap_or_default();
        let facts = self.facts();
        let next = status::after(&previous, &verdict, &facts);
        let first_ready = verdict == Verdict::Ready && !self.former_names.is_empty();
        if next != previous {
            match self.world.write_status(&self.object, &next).await {
                Ok(object) => {
                    self.announce(&previous, &next);
                    self.adopt(object);
                    if first_ready {
                        return None;
                    }
                }
                Err(ApiError::NotFound) => return Some(End::Gone),
                Err(ApiError::Conflict | ApiError::Invalid { uid_changed: true, .. }) => {
                    return self.start_over().await;
                }
                Err(error) => return Some(End::Retry(error.failure(&format!("OAuthClient {}", self.key)))),
            }
        }
        Some(match verdict {
            Verdict::Failed(failure) => End::Retry(failure),
            Verdict::Gone => End::Gone,
            Verdict::Nothing | Verdict::Suspended | Verdict::Ready => End::Rest,
        })
    }

    fn facts(&self) -> Facts<'_> {
        let secret = match (&self.credentials, &self.record) {
            (Held::Ours { secret, revision }, Stored::Present { record, .. }) => {
                let wanted = secret::credentials(&self.object, record);
                let equal = secret::repair(secret, &wanted) == secret::Repair::None;
                equal.then(|| SecretVersion {
                    uid: revision.uid.clone(),
                    resource_version: revision.resource_version.clone(),
                })
            }
            (
                Held::Unseen {
                    version,
                    as_written: true,
                },
                _,
            ) => Some(version.clone()),
            _ => None,
        };
        Facts {
            generation: self.object.metadata.generation,
            record: match &self.record {
                Stored::Present { record, .. } => Some(record),
                _ => None,
            },
            secret: secret.map(|version| (secret::name(&self.object), version)),
            attempt: self.closed.clone(),
            suspects: &self.suspects,
            now: self.world.now(),
        }
    }

    /// Looks at the object itself again, because it is not what this pass took it for.
    pub(super) async fn start_over(&mut self) -> Option<End> {
        self.conflicts += 1;
        if self.conflicts > MOST_CONFLICTS {
            let text = "the object keeps changing; the operator looks again";
            return Some(End::Retry(Failure::new(
                Class::Conflict,
                Reason::ProgressingWithRetry,
                text,
            )));
        }
        match self.world.get(&self.key.namespace, &self.key.name).await {
            Ok(Some(object)) if object.uid() == self.object.uid() => {
                self.memory.failure = None;
                self.memory.refused = false;
                self.memory.disowned = false;
                self.memory.known = None;
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
                self.memory.outcome = self.world.outcome_of(&object);
                self.adopt(object);
                self.look();
                None
            }
            Ok(_) => Some(End::Gone),
            Err(error) => Some(End::Retry(error.failure(&format!("OAuthClient {}", self.key)))),
        }
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

    fn announce(&mut self, previous: &OAuthClientStatus, next: &OAuthClientStatus) {
        let ready = |status: &OAuthClientStatus| {
            let condition = status.conditions.iter().find(|condition| condition.type_ == "Ready");
            condition.map(|condition| {
                (
                    condition.status.clone(),
                    condition.reason.clone(),
                    condition.message.clone(),
                )
            })
        };
        let (before, after) = (ready(previous), ready(next));
        if let Some((status, reason, message)) = &after {
            let changed = before.as_ref().is_none_or(|(s, r, _)| s != status || r != reason);
            let reason = Reason::parse(reason).unwrap_or(Reason::InternalError);
            match status.as_str() {
                "False" if changed => self.world.warn(&self.object, reason, message),
                "True" if changed => self.world.tell(&self.object, reason, message),
                _ => {}
            }
        }
        for (reason, text) in std::mem::take(&mut self.news) {
            self.world.warn(&self.object, reason, &text);
        }
    }
}

/// Suspects of an object: every entry that is still there, with the identifiers that the status knows.
fn known_suspects(uid: &str, entries: &[Arc<SecretMeta>], told: &[Suspect]) -> Vec<Suspect> {
    let prefix = marker::suspect_name(uid, "");
    let attempts = entries
        .iter()
        .filter_map(|entry| entry.name.strip_prefix(&prefix).map(str::to_owned));
    attempts
        .map(|attempt| {
            let known = told.iter().find(|suspect| suspect.attempt == attempt).cloned();
            known.unwrap_or(Suspect {
                attempt,
                client_id: None,
            })
        })
        .collect()
}
