//! Keeping a recorded client right: its Secret, its record, and its metadata at the provider.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::api::{AttemptOutcome, Reason, names};
use crate::cluster::{ApiError, SecretRevision};
use crate::domain::failure::{Class, Failure};
use crate::domain::metadata::{self, Request};
use crate::domain::outcome::CallError;
use crate::domain::record::Record;
use crate::domain::secret;
use crate::provider::{self, ManagementCall};

use super::super::management;
use super::super::pass::{Held, Pass, Stored};
use super::super::record_of;
use super::super::world::World;
use super::{STORE_AGAIN, unstorable};

impl<W: World> Pass<'_, W> {
    pub(super) async fn create_credentials(&mut self, secret: Secret) {
        match self.world.create_secret(&secret).await {
            Ok(revision) => {
                // The status names the Secret of an earlier pass.
                if self
                    .object
                    .status
                    .as_ref()
                    .is_some_and(|status| status.secret.is_some())
                {
                    let text = format!("{} was created again from the registration record", self.secret_text());
                    self.world.tell(&self.object, Reason::SecretRestored, &text);
                }
                self.credentials = Held::Ours {
                    secret: Box::new(secret),
                    revision,
                }
            }
            Err(ApiError::AlreadyExists) => self.read_credentials().await,
            Err(error) => self.fail(&error, &self.secret_text()),
        }
    }

    pub(super) async fn patch_credentials(&mut self, patch: Value) {
        let (Held::Ours { revision, .. }, Stored::Present { record, .. }) = (&self.credentials, &self.record) else {
            return;
        };
        let wanted = secret::credentials(&self.object, record);
        match self
            .world
            .patch_secret(&self.key.namespace, &wanted.name_any(), revision, patch)
            .await
        {
            Ok(revision) => {
                self.credentials = Held::Ours {
                    secret: Box::new(wanted),
                    revision,
                }
            }
            Err(ApiError::Conflict | ApiError::NotFound | ApiError::Invalid { uid_changed: true, .. }) => {
                self.read_credentials().await;
            }
            Err(error) => self.fail(&error, &self.secret_text()),
        }
    }

    pub(super) async fn replace_credentials(&mut self, secret: Secret) {
        let Held::Ours { revision, secret: old } = &self.credentials else {
            return;
        };
        // Deleted already, and kept by a finalizer that is not ours: the watch tells when it is gone.
        if old.metadata.deletion_timestamp.is_some() {
            let text = format!(
                "{} is being deleted, and finalizers of something else keep it; the operator creates it again once they are removed",
                self.secret_text()
            );
            self.memory.failure = Some(Failure::new(Class::Transient, Reason::SecretBeingRemoved, text));
            return;
        }
        match self
            .world
            .delete_secret(&self.key.namespace, &secret.name_any(), revision)
            .await
        {
            Ok(()) => {
                self.credentials = Held::Absent;
                self.create_credentials(secret).await;
            }
            Err(ApiError::Conflict) => self.read_credentials().await,
            Err(error) => self.fail(&error, &self.secret_text()),
        }
    }

    pub(super) async fn delete_former(&mut self, name: &str) {
        if let Some(meta) = self.world.secret_at(&self.key.namespace, name) {
            let revision = SecretRevision {
                uid: meta.uid.to_string(),
                resource_version: meta.resource_version.to_string(),
            };
            if let Err(error) = self.world.delete_secret(&self.key.namespace, name, &revision).await {
                return self.fail(&error, &format!("Secret {}/{name}", self.key.namespace));
            }
        }
        self.former_names.retain(|former| former != name);
    }

    /// The Secret stays with the application: neither the garbage collector nor the operator touches it any more.
    pub(super) async fn release_credentials(&mut self) {
        let Held::Ours { secret, revision } = &self.credentials else {
            return;
        };
        let uid = self.object.uid().unwrap_or_default();
        let others: Vec<_> = secret
            .owner_references()
            .iter()
            .filter(|reference| reference.uid != uid)
            .collect();
        let patch = json!({"metadata": {"ownerReferences": others, "labels": {names::SECRET_ROLE: null}}});
        match self
            .world
            .patch_secret(&self.key.namespace, &secret.name_any(), revision, patch)
            .await
        {
            Ok(_) | Err(ApiError::NotFound) => self.credentials = Held::Foreign,
            Err(ApiError::Conflict) => self.read_credentials().await,
            Err(error) => self.fail(&error, &self.secret_text()),
        }
    }

    pub(super) async fn save_record(&mut self, wanted: Box<Record>) {
        let Stored::Present { revision, .. } = &self.record else {
            return;
        };
        let Ok(secret) = secret::record(&wanted, &self.world.here().namespace) else {
            self.memory.failure = Some(unstorable());
            return;
        };
        let patch = secret::record_patch(&secret);
        match self
            .world
            .patch_secret(&self.world.here().namespace, &self.record_name(), revision, patch)
            .await
        {
            Ok(revision) => {
                self.memory.marked = wanted.in_flight.as_ref().map(|update| update.attempt.clone());
                if self.memory.answer.take().is_some() {
                    let text = format!(
                        "the provider accepted the changed metadata of client {}",
                        wanted.client_id
                    );
                    self.world.tell(&self.object, Reason::Updated, &text);
                }
                self.holds(wanted, revision);
            }
            // The planner merges what it has to save into what it then sees.
            Err(ApiError::Conflict | ApiError::Invalid { uid_changed: true, .. }) => {
                self.read_record().await;
                match self.record {
                    Stored::Absent { .. } if self.memory.answer.is_some() => self.restore_record(wanted).await,
                    _ => self.settle_answer(&wanted),
                }
            }
            Err(ApiError::NotFound) if self.memory.answer.is_some() => self.restore_record(wanted).await,
            // What a provider has issued is kept until it is stored.
            Err(_) if self.memory.answer.is_some() => self.world.pause(STORE_AGAIN).await,
            Err(error) => self.fail(&error, &self.record_text()),
        }
    }

    /// The record went while an update was under way: with the deletion of its object, or by somebody's hand. What the provider
    /// answered is the only copy of the credentials then, and becomes a record again; one whose object is gone is a tombstone,
    /// with which the sweeper deletes the client.
    async fn restore_record(&mut self, mut wanted: Box<Record>) {
        let Ok(phase) = self.phase_without_object(&wanted.client_id).await else {
            return self.world.pause(STORE_AGAIN).await;
        };
        let gone = phase.is_some();
        wanted.phase = phase.unwrap_or(wanted.phase);
        let Ok(secret) = secret::record(&wanted, &self.world.here().namespace) else {
            self.memory.failure = Some(unstorable());
            return;
        };
        match self.world.create_secret(&secret).await {
            Ok(revision) => {
                (self.memory.answer, self.memory.marked) = (None, None);
                self.holds(wanted, revision);
                self.gone |= gone;
            }
            Err(ApiError::AlreadyExists) => {
                self.read_record().await;
                self.settle_answer(&wanted);
                self.gone |= gone && !self.holds_an_answer();
            }
            Err(_) => self.world.pause(STORE_AGAIN).await,
        }
    }

    /// There is a record that this pass did not expect where it had an answer to store. It holds that answer already, if the
    /// reply to an earlier write was lost. Or another replica waited for the end of this update, took it for lost, and marked
    /// its own: what this one brought is out of date.
    fn settle_answer(&mut self, wanted: &Record) {
        let Stored::Present { record, .. } = &self.record else {
            return;
        };
        if record.is(wanted) {
            self.memory.answer = None;
            self.memory.marked = wanted.in_flight.as_ref().map(|update| update.attempt.clone());
            return;
        }
        let ours = record.in_flight.as_ref().map(|update| &update.attempt) == self.memory.marked.as_ref();
        if self.memory.answer.is_some() && !ours {
            tracing::warn!(object = %self.key, "the answer to an update came after a newer update, and is dropped");
            (self.memory.answer, self.memory.marked) = (None, None);
        }
    }

    pub(super) async fn update(&mut self, request: &Request) {
        let (Stored::Present { record, .. }, Some(Ok(provider))) = (&self.record, self.provider.clone()) else {
            return;
        };
        let endpoints = self.endpoints.as_ref();
        let call = match management::call(self.world, record, Some(&provider), endpoints).await {
            Ok(Some(call)) => call,
            Ok(None) => return,
            Err(failure) => {
                // Nothing was sent.
                self.memory.refused = true;
                self.memory.failure = Some(failure);
                return;
            }
        };
        let client_id = record.client_id.clone();
        let (attempt, hash) = (
            record.attempt.clone(),
            metadata::fingerprint(request, &[&provider.fingerprint]),
        );
        let certain = !record.token_is_in_doubt();
        self.memory.marked = record.in_flight.as_ref().map(|update| update.attempt.clone());
        let mut body = record_of::update_body(request, &record.client_id);
        // One that this pass holds already is enough: where the provider allows one call at a time, a second one never comes.
        let permit = match self.permit.take() {
            Some(permit) => permit,
            None => self.world.permit(&self.object, &provider).await,
        };
        // A successor may have sent its own while the permit was waited for.
        if !self.world.may_begin() {
            return;
        }
        let mut result = self.world.update(&call, &body).await;
        if let (Err(error), Some(secret)) = (&result, &record.client_secret)
            && provider::wants_client_secret(error)
        {
            // Some providers demand the current secret in an update, others refuse every update that holds it.
            body.insert("client_secret".to_owned(), secret.expose_secret().into());
            result = self.world.update(&call, &body).await;
        }
        drop(permit);
        match result {
            // A hard stop. The update stays in flight, so that no later 401 is taken for the client's absence.
            Ok(answer) if answer.client_id != record.client_id => {
                self.close_update(&attempt, hash);
                let text = "the provider answered an update with another client_id, and nothing was taken over; ask the provider's administrator, or \
                            delete the OAuthClient and create it again";
                self.memory.failure = Some(Failure::new(Class::Denied, Reason::InvalidResponse, text));
            }
            Ok(answer) => {
                self.close_update(&attempt, hash);
                self.memory.answer = Some((request.clone(), answer));
            }
            Err(error) => {
                // Sent again in this pass, it is another update, marked as one whose earlier one was not answered.
                self.memory.marked = None;
                let failure = if provider::is_nowhere(&error) {
                    self.look_whether_only_updates_are_missing(&call, &error).await
                } else {
                    refused_update(&error, &client_id)
                };
                // A token that is not accepted says nothing about an earlier update whose answer was lost: that one stays
                // in flight, so that no later 401 is taken for the client's absence.
                if failure.reason == Reason::ManagementLost && certain {
                    self.memory.refused = true;
                    self.memory.disowned = true;
                    return;
                }
                if matches!(failure.reason, Reason::UpdateRejected | Reason::UpdateUnsupported) {
                    self.memory.refused = true;
                    // What a policy of the provider refused may be allowed there without a change here.
                    let for_good = failure.class == Class::Invalid;
                    let hash = if for_good { hash } else { String::new() };
                    self.close_update(&attempt, hash);
                }
                self.memory.failure = Some(failure);
            }
        }
    }
}

impl<W: World> Pass<'_, W> {
    /// Notes the request of an answered update. How a later attempt of the marker ended stays known: it would be a doubt again.
    fn close_update(&mut self, attempt: &str, request_hash: String) {
        let told = self.object.status.as_ref().and_then(|status| status.attempt.as_ref());
        let told = told.map(|told| (told.id.clone(), told.outcome));
        let marked = self.interrupted_attempt().filter(|marked| marked != attempt);
        let ended = [self.memory.outcome.clone(), told]
            .into_iter()
            .flatten()
            .find(|(id, outcome)| {
                marked.as_ref() == Some(id) && matches!(outcome, AttemptOutcome::NotApplied | AttemptOutcome::Suspected)
            });
        let (id, outcome) = ended.unwrap_or_else(|| (attempt.to_owned(), AttemptOutcome::Registered));
        self.close(&id, outcome, request_hash);
    }

    /// An update was answered with 404. If the client can be read all the same, the provider offers no updates.
    async fn look_whether_only_updates_are_missing(&mut self, call: &ManagementCall, refusal: &CallError) -> Failure {
        let Stored::Present { record, .. } = &self.record else {
            return refused_update(refusal, "");
        };
        let mut record = record.clone();
        match self.world.read(call).await {
            Ok(found) if found.client_id == record.client_id => {
                let before = record.clone();
                record.absorb(found);
                if !record.same_credentials(&before) {
                    self.save_record(record).await;
                }
                unsupported_update()
            }
            Err(error) if provider::is_client_refused(&error) => refused_update(&error, &record.client_id),
            Ok(_) | Err(_) => refused_update(refusal, &record.client_id),
        }
    }
}

/// A refusal for good gets a reason of its own; anything that may pass keeps the one it has.
fn refused_update(error: &CallError, client_id: &str) -> Failure {
    if provider::is_unsupported(error) {
        return unsupported_update();
    }
    if provider::is_client_refused(error) {
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

fn unsupported_update() -> Failure {
    let text = "the provider does not change registered clients; undo the change of the manifest, or delete the OAuthClient and create it again";
    Failure::new(Class::Invalid, Reason::UpdateUnsupported, text)
}
