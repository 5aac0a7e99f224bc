//! Entries of suspects, written and removed.

use std::sync::Arc;

use kube::ResourceExt;

use crate::api::Suspect;
use crate::cluster::{ApiError, SecretMeta, SecretRevision};
use crate::controller::suspect_entry;
use crate::controller::world::World;
use crate::domain::record::Record;
use crate::domain::{identity, marker, suspect};

use super::super::{Pass, observe};

impl<W: World> Pass<'_, W> {
    pub(super) async fn keep_suspect(&mut self, record: &Record) {
        self.enter_suspect(suspect::of(record), Some(record)).await;
    }

    /// Writes the entry of a suspect; one that was made from a record holds it whole.
    pub(super) async fn enter_suspect(&mut self, suspect: Suspect, record: Option<&Record>) {
        let seen = observe::observed(self.world, &self.state, "");
        let Ok(entry) = self.state.suspect_entry(&suspect, record, &seen) else {
            return self.state.unstorable();
        };
        let answer = match self.world.create_secret(&entry).await {
            // A doubt about the same attempt may stand there, without the record.
            Err(ApiError::AlreadyExists) if record.is_some() => suspect_entry::complete(self.world, &entry).await,
            Ok(_) | Err(ApiError::AlreadyExists) => Ok(()),
            Err(error) => Err(error),
        };
        let seen = observe::observed(self.world, &self.state, "");
        self.state.suspect_entered(suspect, record.is_some(), answer, &seen);
    }

    pub(super) async fn read_adoption(&mut self) {
        let Some(adopt) = &self.state.object().spec.adopt else {
            return;
        };
        let name = adopt.registration_access_token_ref.name.clone();
        let answer = self.world.get_secret(&self.key.namespace, &name).await;
        self.state.adoption_read(answer);
    }

    pub(super) async fn remove_superseded(&mut self, name: &str) {
        let home = &self.world.here().namespace;
        let answer = match self.world.get_secret(home, name).await {
            Ok(Some(found)) => {
                let revision = SecretRevision::of(&found);
                self.world.delete_secret(home, name, &revision).await
            }
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        let seen = observe::observed(self.world, &self.state, "");
        self.state.superseded_removed(name, answer, &seen);
    }

    /// Lists the records that name the recorded client, by the API server.
    pub(super) async fn confirm_record(&mut self, attempt: &str) {
        let entry = self.entry_of(attempt).map(|meta| meta.revision());
        let Some((record, _)) = self.state.record() else { return };
        let key = identity::client_key(&record.endpoints.issuer, &record.client_id);
        let answer = self.world.records_naming(&key).await;
        let seen = observe::observed(self.world, &self.state, "");
        self.state.record_confirmed(attempt, entry, answer, &seen);
    }

    /// The entry of this attempt, as the watch knows it.
    fn entry_of(&self, attempt: &str) -> Option<Arc<SecretMeta>> {
        let uid = self.state.object().uid().unwrap_or_default();
        let name = marker::suspect_name(&uid, attempt);
        let entries = self.world.suspects_of(&uid);
        entries
            .into_iter()
            .find(|meta| *meta.name == *name && self.state.is_of_record(meta.client))
    }

    pub(super) async fn remove_suspect(&mut self, attempt: &str) {
        // What was confirmed was so with this version, or with none.
        let revision = self.state.confirmed().cloned();
        let revision = revision.or_else(|| self.entry_of(attempt).map(|meta| meta.revision()));
        let uid = self.state.object().uid().unwrap_or_default();
        let answer = match revision {
            Some(revision) => {
                let name = marker::suspect_name(&uid, attempt);
                let home = &self.world.here().namespace;
                self.world.delete_secret(home, &name, &revision).await
            }
            None => Ok(()),
        };
        let seen = observe::observed(self.world, &self.state, "");
        self.state.suspect_removed(attempt, answer, &seen);
    }
}
