//! Letting a client go.

use std::sync::Arc;

use kube::ResourceExt;

use crate::api::{DeletionPolicy, OAuthClient, Reason, names};
use crate::cluster::ApiError;
use crate::domain::plan::Deregistration;
use crate::domain::record::{Phase, Record};
use crate::provider;

use super::super::pass::{Pass, Stored};
use super::super::record_of;
use super::super::world::World;

impl<W: World> Pass<'_, W> {
    pub(super) async fn deregister(&mut self) {
        let Stored::Present { record, .. } = &self.record else {
            return;
        };
        let provider = self.provider.clone().and_then(Result::ok);
        let Some(call) = record_of::management_call(record, provider.as_deref()) else {
            return;
        };
        let _permit = match &provider {
            Some(provider) => Some(self.world.permit(&self.object, provider).await),
            None => None,
        };
        match self.world.deregister(&call).await {
            Ok(()) => self.memory.deregistration = Some(Deregistration::Done),
            Err(error) if provider::is_unsupported(&error) => {
                self.memory.deregistration = Some(Deregistration::Unsupported);
            }
            Err(error) if provider::is_gone_or_unauthorised(&error) => {
                self.memory.deregistration = Some(Deregistration::GoneOrUnauthorised);
            }
            Err(error) => self.memory.failure = Some(error.failure),
        }
    }

    pub(super) async fn remove_finalizer(&mut self) {
        if let Stored::Present { record, .. } = &self.record {
            let left = match record.phase {
                Phase::Deleting => Some("the operator keeps its record and keeps trying"),
                Phase::Registered => Some("its record could not be written; remove the client at the provider"),
                Phase::Deleted | Phase::Retained => None,
            };
            if let Some(left) = left {
                let text = format!("client {} was not deregistered in time; {left}", record.client_id);
                self.world.warn(&self.object, Reason::DeletionTimedOut, &text);
            }
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

    /// The object vanished while its client was being registered, its finalizer taken off by somebody: the record tells the
    /// sweeper to finish what the deletion would have done.
    pub(in crate::controller) async fn leave_tombstone(&mut self) {
        let Stored::Present { record, .. } = &self.record else {
            return;
        };
        if record.phase != Phase::Registered || self.memory.attempt.as_deref() != Some(record.attempt.as_str()) {
            return;
        }
        let phase = match self.object.spec.deletion_policy {
            DeletionPolicy::Delete => Phase::Deleting,
            DeletionPolicy::Retain => Phase::Retained,
        };
        let tombstone = Box::new(Record {
            phase,
            ..Record::clone(record)
        });
        tracing::warn!(object = %self.key, client_id = %tombstone.client_id, "the object vanished while its client was being registered");
        self.save_record(tombstone).await;
    }
}
