//! Letting a client go.

use std::sync::Arc;

use kube::ResourceExt;

use crate::api::{OAuthClient, Reason, names};
use crate::cluster::ApiError;
use crate::domain::failure::Class;
use crate::domain::outcome::{CallError, Deletion};
use crate::domain::plan::{self, Deregistration};
use crate::domain::record::{Phase, Record};
use crate::provider::{self, ManagementCall};

use super::super::management;
use super::super::pass::{Pass, Stored};
use super::super::world::World;
use super::STORE_AGAIN;
use super::claim::{self, Withheld};

impl<W: World> Pass<'_, W> {
    pub(super) async fn resolve_for_deletion(&mut self) {
        if let Stored::Present { record, .. } = &self.record {
            self.provider = Some(self.world.provider_for_deletion(&self.object, record).await);
        }
    }

    pub(super) async fn deregister(&mut self) {
        let Stored::Present { record, .. } = &self.record else {
            return;
        };
        let record = record.clone();
        // The record holds all that a deletion needs; the provider object may know newer authorities and origins.
        let provider = match &self.provider {
            Some(provider) => provider.clone().ok(),
            None => self.world.provider_for_deletion(&self.object, &record).await.ok(),
        };
        let endpoints = self.endpoints.as_ref();
        let call = match management::call(self.world, &record, provider.as_deref(), endpoints).await {
            Ok(Some(call)) => call,
            Ok(None) => return,
            Err(failure) => {
                self.memory.failure = Some(failure);
                return;
            }
        };
        let _permit = match (self.permit.take(), &provider) {
            (None, Some(provider)) => Some(self.world.permit(&self.object, provider).await),
            (held, _) => held,
        };
        // A successor may have taken over while the permit was waited for.
        if !self.world.may_begin() {
            return;
        }
        let _claim = match claim::to_deregister(self.world, &record, &self.record_name()).await {
            Ok(claim) => claim,
            Err(Withheld::InUse(_)) => {
                self.memory.deregistration = Some(Deregistration::HeldByAnother);
                let text = format!(
                    "client {} was not deregistered: the record of another OAuthClient uses it",
                    record.client_id
                );
                self.news.push((Reason::AlreadyManaged, text));
                return;
            }
            Err(Withheld::Unknown(failure)) => {
                self.memory.failure = Some(failure);
                return;
            }
        };
        match self.world.deregister(&call).await {
            Ok(Deletion::Done) => {
                self.memory.deregistration = Some(Deregistration::Done);
                self.world.tell(
                    &self.object,
                    Reason::Deregistered,
                    "the provider deregistered the client",
                );
            }
            Ok(Deletion::Unclear) => self.memory.deregistration = Some(Deregistration::Refused),
            Err(error) if provider::is_unsupported(&error) => {
                self.memory.deregistration = Some(Deregistration::Unsupported);
            }
            Err(error) if provider::is_nowhere(&error) => self.look_whether_it_is_there(&call, &record, error).await,
            Err(error) if provider::is_gone_or_unauthorised(&error) => {
                self.memory.deregistration = Some(Deregistration::Refused);
            }
            Err(error) => self.memory.failure = Some(error.failure),
        }
    }

    /// A deletion was answered with 404: by a provider that has no such client, by one that offers no deletion, or by something
    /// before it that has lost its way. A read tells which.
    async fn look_whether_it_is_there(&mut self, call: &ManagementCall, record: &Record, refusal: CallError) {
        match self.world.read(call).await {
            // What shows another client says nothing about this one.
            Ok(found) if found.client_id != record.client_id => {
                self.memory.deregistration = Some(Deregistration::Refused);
            }
            Ok(found) => {
                self.memory.deregistration = Some(Deregistration::Unsupported);
                let mut record = record.clone();
                let before = record.clone();
                record.absorb(found);
                if !record.same_credentials(&before) {
                    self.save_record(Box::new(record)).await;
                }
            }
            Err(error) if provider::is_gone_or_unauthorised(&error) => {
                self.memory.deregistration = Some(Deregistration::Refused);
            }
            Err(_) if provider::is_gone_or_unauthorised(&refusal) => {
                self.memory.deregistration = Some(Deregistration::Refused);
            }
            Err(_) => self.memory.failure = Some(refusal.failure),
        }
    }

    pub(super) async fn remove_finalizer(&mut self) {
        if let Stored::Present { record, .. } = &self.record {
            let here = self.world.here();
            let others = here.held.is_some() || record.cluster_id != here.cluster_id;
            let left = match record.phase {
                Phase::Deleting | Phase::Registered if others => {
                    Some("it may be in use by the cluster that registered it, so do not remove it")
                }
                Phase::Deleting => Some("the operator keeps its record and keeps trying"),
                Phase::Registered => Some("its record could not be written; remove the client at the provider"),
                Phase::Deleted | Phase::Retained | Phase::Suspect => None,
            };
            if let Some(left) = left {
                let text = format!("client {} was not deregistered in time; {left}", record.client_id);
                self.world.warn(&self.object, Reason::DeletionTimedOut, &text);
            }
        }
        if matches!(self.record, Stored::Unreadable) {
            let id = self
                .object
                .status
                .as_ref()
                .and_then(|status| status.client_id.as_deref());
            let text = format!(
                "client {} was not deregistered, because its record in Secret {}/{} cannot be read; the Secret is kept. Remove the client at the provider, then \
                 the Secret",
                id.unwrap_or("(unknown)"),
                self.world.here().namespace,
                self.record_name()
            );
            self.world.warn(&self.object, Reason::DeletionTimedOut, &text);
        }
        if let (Stored::Absent { .. }, Some(failure)) = (&self.record, &self.memory.failure) {
            let text = format!(
                "a client may be left at the provider and could not be entered as a suspect: {}; look for it there",
                failure.message
            );
            self.world.warn(&self.object, Reason::DeletionTimedOut, &text);
        }
        match self.world.remove_finalizer(&self.object).await {
            Ok(Some(object)) => self.adopt(object),
            Ok(None) => {
                let mut object = OAuthClient::clone(&self.object);
                object
                    .finalizers_mut()
                    .retain(|finalizer| finalizer != names::FINALIZER);
                self.object = Arc::new(object);
            }
            Err(error) => self.object_written(Err(error)).await,
        }
        for (reason, text) in std::mem::take(&mut self.news) {
            self.world.warn(&self.object, reason, &text);
        }
    }

    pub(super) async fn remove_record(&mut self) {
        let Stored::Present { revision, .. } = &self.record else {
            return;
        };
        match self
            .world
            .delete_secret(&self.world.here().namespace, &self.record_name(), revision)
            .await
        {
            Ok(()) => self.record = Stored::Absent { live: true },
            Err(ApiError::Conflict) => self.read_record().await,
            Err(error) => self.fail(&error, &self.record_text()),
        }
    }

    /// Whether the object is gone of which this pass has recorded a client. Only a pass whose leadership has ended asks: its
    /// successor may have ended the deletion before the record was stored, or after it was, unknown to this pass, which then
    /// stored it again.
    pub(in crate::controller) async fn outlived_its_object(&mut self) -> bool {
        while let Some(record) = self.fresh_record() {
            match self.phase_without_object(&record.client_id).await {
                Ok(phase) => {
                    self.gone = phase.is_some();
                    return self.gone;
                }
                Err(_) => self.world.pause(STORE_AGAIN).await,
            }
        }
        false
    }

    /// The object vanished while its client was being registered: the record tells the sweeper to finish what the deletion would
    /// have done.
    pub(in crate::controller) async fn leave_tombstone(&mut self) {
        while let Some(record) = self.fresh_record() {
            let phase = match self.phase_without_object(&record.client_id).await {
                Ok(Some(phase)) if phase != Phase::Registered => phase,
                Ok(_) => return,
                Err(_) => {
                    self.world.pause(STORE_AGAIN).await;
                    continue;
                }
            };
            let tombstone = Box::new(Record {
                phase,
                ..record.clone()
            });
            tracing::warn!(object = %self.key, client_id = %tombstone.client_id, "the object vanished while its client was being registered");
            self.save_record(tombstone).await;
            match self.memory.failure.take() {
                Some(failure) if failure.class == Class::Transient => self.world.pause(STORE_AGAIN).await,
                Some(failure) => {
                    tracing::warn!(object = %self.key, "its record cannot be changed, and stays: {}", failure.message);
                    return;
                }
                None => {}
            }
        }
    }

    /// The record of the client that this pass has registered, as long as no deletion has begun.
    fn fresh_record(&self) -> Option<&Record> {
        let Stored::Present { record, .. } = &self.record else {
            return None;
        };
        let fresh = self.recorded_attempt.as_ref() == Some(&record.attempt);
        (fresh && record.phase == Phase::Registered).then_some(record)
    }

    /// Reads whether the object is gone, and which phase a record of its client then has. `None`: the object is there.
    pub(super) async fn phase_without_object(&self, client_id: &str) -> Result<Option<Phase>, ApiError> {
        let found = self.world.get(&self.key.namespace, &self.key.name).await?;
        Ok(plan::phase_without_object(&self.object, found.as_ref(), client_id))
    }
}
