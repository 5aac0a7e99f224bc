//! Entries of suspects: written before what they stand for is forgotten, removed when it is settled.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde_json::json;

use crate::api::{AttemptOutcome, Reason, Suspect, names};
use crate::cluster::{ApiError, SecretMeta, SecretRevision};
use crate::domain::breaker::Counted;
use crate::domain::identity;
use crate::domain::marker::{self, Marker};
use crate::domain::plan::Deregistration;
use crate::domain::record::{Phase, Record};
use crate::domain::suspect::{self, Entry};

use super::super::pass::{Pass, Stored};
use super::super::record_of;
use super::super::world::World;
use super::unstorable;

impl<W: World> Pass<'_, W> {
    /// Writes the entry of a suspect; one that was made from a record holds it whole.
    pub(super) async fn enter_suspect(&mut self, suspect: Suspect, record: Option<&Record>) {
        let issuer = self.object.status.as_ref().and_then(|status| status.issuer.as_deref());
        let reference = &self.object.spec.provider_ref;
        let provider = format!("{:?} {}", reference.kind, reference.name);
        let entry = Entry {
            owner: &record_of::owner(&self.object),
            suspect: &suspect,
            issuer,
            provider: Some(&provider),
            record,
            now: self.world.now(),
        };
        let Ok(entry) = suspect::secret(&entry, &self.world.here().namespace) else {
            self.memory.failure = Some(unstorable());
            return;
        };
        let written = match self.world.create_secret(&entry).await {
            // A doubt about the same attempt may stand there, without the record.
            Err(ApiError::AlreadyExists) if record.is_some() => self.complete_suspect(&entry).await,
            Ok(_) | Err(ApiError::AlreadyExists) => Ok(()),
            Err(error) => Err(error),
        };
        match written {
            Ok(()) => {
                self.memory.kept |= record.is_some();
                self.entered(suspect);
            }
            Err(error) => self.fail(
                &error,
                &format!("Secret {}/{}", self.world.here().namespace, entry.name_any()),
            ),
        }
    }

    /// Writes an entry that exists again, with the record.
    async fn complete_suspect(&self, entry: &Secret) -> Result<(), ApiError> {
        let (namespace, name) = (&self.world.here().namespace, entry.name_any());
        let Some(found) = self.world.get_secret(namespace, &name).await? else {
            return Err(ApiError::Conflict);
        };
        let mut annotations = entry.annotations().clone();
        // Makes another version of it in any case: nobody who has seen the one before may remove it.
        annotations.insert(names::RENEWED.to_owned(), self.world.fresh_attempt());
        let patch = json!({
            "metadata": {"labels": entry.labels(), "annotations": annotations},
            "data": entry.data,
        });
        let revision = SecretRevision::of(&found);
        self.world.patch_secret(namespace, &name, &revision, patch).await?;
        Ok(())
    }

    fn entered(&mut self, suspect: Suspect) {
        if suspect.client_id.is_none() {
            self.count(&suspect.attempt, Counted::UnknownOutcome);
            if matches!(self.record, Stored::Present { .. }) {
                self.close(&suspect.attempt, AttemptOutcome::Suspected, String::new());
            }
        }
        let news = self.news_of(&suspect);
        self.news.push(news);
        self.suspects.retain(|known| known.attempt != suspect.attempt);
        self.suspects.push(suspect);
    }

    /// The client that the entry of this attempt stands for is deregistered, or the record of this object names it. The record
    /// that this pass has read may be out of date, so what says so is read again.
    pub(super) async fn remove_suspect(&mut self, attempt: &str) {
        if self.memory.deregistration != Some(Deregistration::Done) {
            match self.is_recorded().await {
                Ok(true) => {}
                Ok(false) => {
                    self.record = Stored::Unseen;
                    return;
                }
                Err(error) => return self.fail(&error, &self.record_text()),
            }
        }
        let name = marker::suspect_name(self.uid(), attempt);
        let entries = self.world.suspects_of(self.uid());
        // An entry of another issuer is about another client, although the identifier may be the same.
        let key = match &self.record {
            Stored::Present { record, .. } => {
                let key = identity::client_key(&record.endpoints.issuer, &record.client_id);
                u128::from_str_radix(&key, 16).ok()
            }
            _ => None,
        };
        let of_client = |meta: &SecretMeta| meta.client.is_none() || key.is_none() || meta.client == key;
        if let Some(meta) = entries.into_iter().find(|meta| *meta.name == *name && of_client(meta)) {
            let revision = SecretRevision {
                uid: meta.uid.to_string(),
                resource_version: meta.resource_version.to_string(),
            };
            let namespace = self.world.here().namespace.clone();
            if let Err(error) = self.world.delete_secret(&namespace, &name, &revision).await {
                return self.fail(&error, &format!("Secret {namespace}/{name}"));
            }
        }
        self.suspects.retain(|suspect| suspect.attempt != attempt);
    }

    /// Whether the operator of another namespace holds the record.
    fn is_elsewhere(&self) -> bool {
        let marker = self.object.annotations().get(names::CREATE_PENDING);
        let marker = marker.and_then(|text| Marker::parse(text));
        marker.is_some_and(|marker| marker.record_namespace != self.world.here().namespace)
    }

    /// Whether the record of this object names its client at this moment, by the API server.
    async fn is_recorded(&self) -> Result<bool, ApiError> {
        let Stored::Present { record, .. } = &self.record else {
            return Ok(false);
        };
        let key = identity::client_key(&record.endpoints.issuer, &record.client_id);
        let records = self.world.records_naming(&key).await?;
        let own = self.record_name();
        Ok(records
            .iter()
            .any(|named| named.secret == own && named.phase == Some(Phase::Registered)))
    }

    fn news_of(&self, suspect: &Suspect) -> (Reason, String) {
        let deleting = self.object.metadata.deletion_timestamp.is_some();
        match &suspect.client_id {
            Some(client_id) if self.memory.deregistration == Some(Deregistration::Refused) => (
                Reason::SuspectedOrphan,
                format!(
                    "the provider refused to deregister client {client_id}, which may still exist there; its record is kept as a suspect, and the operator \
                     tries again from time to time"
                ),
            ),
            Some(client_id) if deleting && self.is_elsewhere() => (
                Reason::SuspectedOrphan,
                format!(
                    "client {client_id} was registered by the operator of another namespace and is not deregistered here; deregister it there, or remove it \
                     at the provider"
                ),
            ),
            Some(client_id) if deleting && let Some(Err(failure)) = &self.provider => (
                Reason::SuspectedOrphan,
                format!(
                    "client {client_id} could not be deregistered and may stay at the provider: {}; its record is kept as a suspect, and the operator tries \
                     again from time to time",
                    failure.message
                ),
            ),
            Some(client_id) if deleting => (
                Reason::DeletionUnsupported,
                format!("client {client_id} could not be deregistered and stays at the provider; remove it there"),
            ),
            Some(client_id) => (
                Reason::SuspectedOrphan,
                format!("client {client_id} may be left at the provider; check it there"),
            ),
            None => (
                Reason::SuspectedOrphan,
                format!(
                    "attempt {} may have left a client at the provider; look for it there",
                    suspect.attempt
                ),
            ),
        }
    }
}
