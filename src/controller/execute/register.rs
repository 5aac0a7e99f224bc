//! From nothing to a recorded client: the order of these effects is what keeps clients from being lost.

use kube::ResourceExt;

use crate::api::{AttemptOutcome, names};
use crate::cluster::{ApiError, SecretRevision};
use crate::domain::breaker::Counted;
use crate::domain::failure::Class;
use crate::domain::identity::{self, Finds};
use crate::domain::marker::Marker;
use crate::domain::metadata::{self, Request};
use crate::domain::outcome::{Deletion, Effect as Applied};
use crate::domain::record::Record;
use crate::domain::{secret, suspect};

use super::super::pass::{Pass, Stored};
use super::super::world::World;
use super::super::{management, record_of};
use super::{REFUSED_AGAIN, STORE_AGAIN, claim, unstorable};

impl<W: World> Pass<'_, W> {
    pub(super) async fn prove_writable(&mut self) {
        let Some(Ok(provider)) = self.provider.clone() else {
            return;
        };
        if self.permit.is_none() {
            self.permit = Some(self.world.permit(&self.object, &provider).await);
        }
        // Nothing of this takes room while the permit is waited for.
        Box::pin(self.dry_run()).await;
    }

    async fn dry_run(&mut self) {
        let sample = record_of::sample(&self.object, self.world.here());
        let credentials = secret::credentials(&self.object, &sample);
        let Ok(record) = secret::record(&sample, &self.world.here().namespace) else {
            return;
        };
        let (credentials, record) = tokio::join!(
            self.world.dry_run_create(&credentials),
            self.world.dry_run_create(&record)
        );
        match (credentials, record) {
            (Ok(()), Ok(())) => self.memory.proven = true,
            (Err(ApiError::AlreadyExists), _) => self.read_credentials().await,
            (_, Err(ApiError::AlreadyExists)) => self.read_record().await,
            (Err(error), _) => self.fail(&error, &self.secret_text()),
            (_, Err(error)) => self.fail(&error, &self.record_text()),
        }
    }

    pub(super) async fn open_attempt(&mut self, marker: &Marker<'_>) {
        // A registration anew has no dry run, which takes it otherwise: nothing is waited for between marker and POST.
        if !self.has_permit().await {
            return;
        }
        match self.world.open_attempt(&self.object, &marker.to_string()).await {
            Ok(object) => {
                self.adopt(object);
                self.memory.attempt = Some(marker.attempt.to_string());
                if let Stored::Present { record, .. } = &self.record {
                    self.memory.replaces = Some(record.attempt.clone());
                }
            }
            Err(ApiError::Unavailable { .. }) => {
                // The patch may have been applied. Nothing was sent to the provider, so this attempt is no doubt.
                self.world
                    .note_outcome(&self.object, &marker.attempt, AttemptOutcome::NotApplied);
                self.memory.outcome = Some((marker.attempt.to_string(), AttemptOutcome::NotApplied));
                let error = ApiError::Unavailable {
                    retry_after: None,
                    message: String::new(),
                };
                self.fail(&error, &format!("OAuthClient {}", self.key));
            }
            other => self.object_written(other).await,
        }
    }

    pub(super) async fn register(&mut self, request: &Request) {
        let (Some(Ok(provider)), Some(endpoints), Some(attempt)) = (
            self.provider.clone(),
            self.endpoints.clone(),
            self.memory.attempt.clone(),
        ) else {
            return;
        };
        let hash = metadata::fingerprint(request, &[&provider.fingerprint]);
        let body = identity::choose(
            request,
            &provider.target.knobs,
            &self.world.here().cluster_id,
            self.uid(),
            &attempt,
        );
        let begun = self.world.now();
        let result = self.world.register(&provider, &endpoints, &body).await;
        // Counted before others may call: their passes are on their way already. One with a chosen identifier is looked up
        // first, and counts if it becomes a suspect.
        let doubtful = matches!(&result, Err(error) if error.effect == Applied::Unknown);
        if doubtful && provider.target.knobs.client_id_member.is_none() {
            self.count(&attempt, Counted::UnknownOutcome);
        }
        self.permit = None;
        self.sent.clone_from(request);
        match result {
            Ok(registration) => match self.take_in_hand(registration, &provider, &body, begun).await {
                Ok(()) => self.close(&attempt, AttemptOutcome::Registered, hash),
                // What could not be entered as a suspect stays an open attempt.
                Err(_) if self.memory.failure.is_some() => self.memory.attempt = None,
                Err(failure) => {
                    let refused = failure.class == Class::Denied;
                    let hash = if refused { hash } else { String::new() };
                    self.close(&attempt, AttemptOutcome::NotApplied, hash);
                    self.memory.attempt = None;
                    self.memory.failure = Some(failure);
                }
            },
            Err(error) => {
                let outcome = match error.effect {
                    Applied::NotApplied => AttemptOutcome::NotApplied,
                    Applied::Unknown => AttemptOutcome::Unknown,
                };
                // Only what the manifest has to change for is remembered as refused; everything else is tried again.
                let refused = error.failure.class == Class::Invalid;
                self.close(&attempt, outcome, if refused { hash } else { String::new() });
                self.memory.attempt = None;
                // What was absent before may be what the provider refuses this one for.
                self.memory.look_up = None;
                self.memory.failure = Some(error.failure);
            }
        }
    }

    /// The registration in hand as a record.
    fn record_in_hand(&self, request: Request) -> Option<Record> {
        let (Some(Ok(provider)), Some(endpoints), Some(attempt), Some(registration)) = (
            &self.provider,
            &self.endpoints,
            &self.memory.attempt,
            self.memory.registration.clone(),
        ) else {
            return None;
        };
        let origin = record_of::Origin {
            object: &self.object,
            here: self.world.here(),
            provider,
            endpoints,
            attempt,
            request,
            now: self.world.now(),
        };
        Some(record_of::registration(&origin, registration))
    }

    pub(super) async fn store_record(&mut self) {
        let Some(record) = self.record_in_hand(self.sent.clone()) else {
            return;
        };
        let Ok(secret) = secret::record(&record, &self.world.here().namespace) else {
            self.memory.unrecordable = Some(unstorable());
            return;
        };
        match self.world.create_secret(&secret).await {
            Ok(revision) => self.recorded(Box::new(record), revision),
            Err(ApiError::AlreadyExists) => self.settle_collision(&record).await,
            Err(
                error @ (ApiError::Forbidden { .. }
                | ApiError::Invalid { .. }
                | ApiError::NotFound
                | ApiError::Other { .. }),
            ) => {
                self.memory.unrecordable = Some(error.failure(&self.record_text()));
            }
            // The provider has issued a client and nothing else knows of it: try until it is stored.
            Err(_) => self.world.pause(STORE_AGAIN).await,
        }
    }

    pub(super) fn recorded(&mut self, record: Box<Record>, revision: SecretRevision) {
        self.memory.registration = None;
        self.claim = None;
        self.recorded_attempt = Some(record.attempt.clone());
        self.holds(record, revision);
    }

    /// Whether the record that was found is that of the registration in hand, or of the same client: then it counts, and the
    /// client is not deregistered. An identifier that the operator chose is that of an earlier registration too; what
    /// became of the credentials is then asked of the provider. The record that the registration in hand replaces does not
    /// count: its credentials are void.
    fn yields_to_record(&mut self, attempt: &str, client_id: &str) -> bool {
        let Stored::Present { record: found, .. } = &self.record else {
            return false;
        };
        if self.memory.replaces.as_ref() == Some(&found.attempt) {
            return false;
        }
        let (same, other) = (found.client_id == client_id, found.attempt != attempt);
        if other && !same {
            return false;
        }
        if other {
            self.memory.attempt = None;
        } else {
            self.recorded_attempt = Some(attempt.to_owned());
        }
        self.memory.registration = None;
        self.claim = None;
        self.memory.unrecordable = None;
        self.memory.refused = false;
        self.memory.disowned = false;
        self.memory.probed = None;
        self.memory.control = None;
        self.memory.replaces = None;
        true
    }

    /// Puts the registration in hand in the place of the record of the client that the provider has lost. What the Secret
    /// held stays there until this is stored.
    pub(super) async fn replace_record(&mut self) {
        let Some(mut wanted) = self.record_in_hand(self.sent.clone()) else {
            return;
        };
        let Stored::Present { record, revision } = &self.record else {
            return;
        };
        wanted.credential_generation = record.credential_generation + 1;
        wanted.other.clone_from(&record.other);
        wanted.replaced = self.object.annotations().get(names::REPLACE).cloned();
        let Ok(secret) = secret::record(&wanted, &self.world.here().namespace) else {
            self.memory.unrecordable = Some(unstorable());
            return;
        };
        let patch = secret::record_patch(&secret);
        let home = self.world.here().namespace.clone();
        match self
            .world
            .patch_secret(&home, &self.record_name(), revision, patch)
            .await
        {
            Ok(revision) => {
                self.memory.disowned = false;
                self.memory.replaces = None;
                self.count(&wanted.attempt, Counted::Recreation);
                self.recorded(Box::new(wanted), revision);
            }
            Err(ApiError::Conflict | ApiError::NotFound | ApiError::Invalid { uid_changed: true, .. }) => {
                self.settle_collision(&wanted).await;
            }
            Err(ApiError::Forbidden { .. } | ApiError::Invalid { .. } | ApiError::Other { .. })
                if self.is_chosen(&wanted.client_id) =>
            {
                self.hold(&wanted.client_id).await;
            }
            Err(error @ (ApiError::Forbidden { .. } | ApiError::Invalid { .. } | ApiError::Other { .. })) => {
                self.memory.unrecordable = Some(error.failure(&self.record_text()));
            }
            // The provider has issued a client and nothing else knows of it: try until it is stored.
            Err(_) => self.world.pause(STORE_AGAIN).await,
        }
    }

    /// Whether a client has the identifier that the operator chooses, and can be found again by it.
    fn is_chosen(&self, client_id: &str) -> bool {
        let Some(Ok(provider)) = &self.provider else {
            return false;
        };
        identity::finds(&provider.target.knobs) == Some(Finds::ByIdentifier)
            && client_id == identity::client_id(&self.world.here().cluster_id, self.uid())
    }

    /// Whether the client in hand is found again by the mark of its open attempt, and may be about to be.
    fn may_be_found(&self) -> bool {
        let Some(Ok(provider)) = &self.provider else {
            return false;
        };
        let marks = self.memory.adopted || identity::mark_of(&self.sent, &provider.target.knobs).is_some();
        marks
            && matches!(identity::finds(&provider.target.knobs), Some(Finds::ByMark(_)))
            && matches!(self.record, Stored::Absent { .. })
            && self.object.metadata.deletion_timestamp.is_none()
    }

    /// What a provider has issued can be stored nowhere now, and is kept for the next try.
    async fn hold(&self, client_id: &str) {
        tracing::warn!(object = %self.key, %client_id, "the API server refuses all that would tell of a registered client; tried again");
        self.world.pause(REFUSED_AGAIN).await;
    }

    /// The name of the record is taken: by an earlier try of this very attempt, or by another one.
    pub(super) async fn settle_collision(&mut self, record: &Record) {
        self.read_record().await;
        if self.memory.failure.take().is_some() {
            return self.world.pause(STORE_AGAIN).await;
        }
        if self.yields_to_record(&record.attempt, &record.client_id) {
            return;
        }
        match &self.record {
            // Only its version is another one.
            Stored::Present { record, .. } if self.memory.replaces.as_ref() == Some(&record.attempt) => {}
            Stored::Present { .. } | Stored::Unreadable => self.memory.unrecordable = Some(unstorable()),
            Stored::Unseen | Stored::Absent { .. } => {}
        }
    }

    /// Deregisters a client that cannot be recorded. If that fails too, a suspect entry tells of it; if not even that can be
    /// written, all of it is tried again.
    ///
    /// A client of the chosen identifier is left alone: another replica may find and record it at any moment, and as long as
    /// nobody has, its attempt stays open, so that it is looked up again. So is one that carries a mark, where there is no
    /// record: with one of another client, nobody looks for it.
    pub(super) async fn compensate(&mut self) {
        let (Some(record), Some(Ok(provider))) = (self.record_in_hand(Request::new()), self.provider.clone()) else {
            return;
        };
        let attempt = record.attempt.clone();
        // A try of storing it may have succeeded although its answer was lost.
        self.record = Stored::Unseen;
        self.read_record().await;
        self.memory.failure = None;
        if self.yields_to_record(&attempt, &record.client_id) {
            return;
        }
        match &self.record {
            Stored::Unseen | Stored::Absent { live: false } => return self.world.pause(STORE_AGAIN).await,
            Stored::Absent { live: true } | Stored::Unreadable | Stored::Present { .. } => {}
        }
        let left_alone = self.is_chosen(&record.client_id) || self.may_be_found();
        // The claim of the registration is one to deregister it, too.
        self.claim = None;
        let endpoints = self.endpoints.as_ref();
        let call = if left_alone {
            Ok(None)
        } else {
            management::call(self.world, &record, Some(&provider), endpoints).await
        };
        let deleted = match call {
            Ok(Some(call)) => match claim::to_deregister(self.world, &record, "").await {
                Ok(_claim) => matches!(self.world.deregister(&call).await, Ok(Deletion::Done)),
                Err(_) => false,
            },
            Ok(None) | Err(_) => false,
        };
        if deleted {
            self.close(&attempt, AttemptOutcome::NotApplied, String::new());
        } else if left_alone && matches!(self.record, Stored::Absent { .. }) {
            self.close(&attempt, AttemptOutcome::Unknown, String::new());
        } else {
            self.enter_suspect(suspect::of(&record), Some(&record)).await;
            if self.memory.failure.take().is_some() {
                self.memory.unrecordable = None;
                return self.hold(&record.client_id).await;
            }
            // Its entry may be settled before the next pass, which then is no doubt.
            if matches!(self.record, Stored::Present { .. }) {
                self.close(&attempt, AttemptOutcome::Suspected, String::new());
            }
        }
        self.memory.registration = None;
        self.memory.attempt = None;
        self.memory.failure = self.memory.unrecordable.take();
    }

    /// Counts it for the provider's breaker.
    pub(super) fn count(&self, attempt: &str, what: Counted) {
        if let Some(Ok(provider)) = &self.provider {
            self.world.count(provider, &self.key.namespace, attempt, what);
        }
    }
}
