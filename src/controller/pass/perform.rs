//! The effects, performed: one call each, and its answer handed back.

mod calls;
mod restore;
mod suspect;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::api::names;
use crate::cluster::{ApiError, SecretRevision};
use crate::domain::pass::Effect;
use crate::domain::record::{Record, made};
use crate::domain::secret;

use super::super::world::World;
use super::{Pass, observe};

impl<W: World> Pass<'_, W> {
    /// Does one thing.
    pub(super) async fn perform(&mut self, effect: Effect) {
        #[cfg(debug_assertions)]
        super::super::tripwire::step(&self.key, &effect);
        self.state
            .begin(&effect, &observe::observed(self.world, &self.state, ""));
        match effect {
            Effect::Wait(time) => {
                self.note();
                self.world.pause(time).await;
                self.state.waited();
            }
            Effect::StartOver => self.start_over().await,
            Effect::ReadObject => {
                let answer = self.world.get(&self.key.namespace, &self.key.name).await;
                self.state.object_read(answer);
            }
            Effect::ReadOwner => {
                let answer = self.world.get(&self.key.namespace, &self.key.name).await;
                self.state.owner_read(answer);
            }
            Effect::AddFinalizer => {
                let answer = self.world.add_finalizer(self.state.object()).await;
                self.state.object_written(answer);
            }
            Effect::Mark(marker) => {
                let answer = self.world.open_attempt(self.state.object(), &marker.to_string()).await;
                self.state.object_written(answer);
            }
            Effect::RemoveFinalizer => {
                self.note();
                let answer = self.world.remove_finalizer(self.state.object()).await;
                self.state.finalizer_removed(answer);
            }
            Effect::OpenAttempt(marker) => {
                let answer = self.world.open_attempt(self.state.object(), &marker.to_string()).await;
                self.state.attempt_opened(&marker.attempt, answer);
            }
            Effect::ReadRecord => self.read_record().await,
            Effect::ReadCredentials => self.read_credentials().await,
            Effect::ProveWritable => self.dry_run().await,
            Effect::StoreRecord(record) => self.store_record(record).await,
            Effect::ReplaceRecord(record) => self.replace_record(record).await,
            Effect::SaveRecord(record) | Effect::MarkUpdate(record) => self.save_record(record).await,
            Effect::RestoreRecord(record) => self.restore_record(&record).await,
            Effect::RemoveRecord => self.remove_record().await,
            Effect::CreateCredentials(secret) => {
                let answer = self.world.create_secret(&secret).await;
                self.state.credentials_created(secret, answer);
            }
            Effect::PatchCredentials(patch) => {
                if let Some(answer) = self.patch_credentials(patch).await {
                    self.state.credentials_patched(answer);
                }
            }
            Effect::DeleteCredentials => self.delete_credentials().await,
            Effect::DeleteFormer(name) => self.delete_former(&name).await,
            Effect::ReleaseCredentials => self.release_credentials().await,
            Effect::EnterSuspect(suspect) => self.enter_suspect(suspect, None).await,
            Effect::ReadAdoption => self.read_adoption().await,
            Effect::RemoveSuperseded(name) => self.remove_superseded(&name).await,
            Effect::KeepSuspect(record) => self.keep_suspect(&record).await,
            Effect::ConfirmRecord(attempt) => self.confirm_record(&attempt).await,
            Effect::RemoveSuspect(attempt) => self.remove_suspect(&attempt).await,
            effect
            @ (Effect::FindEarlier | Effect::MarkEarlier(_) | Effect::TakeOver(_) | Effect::RemoveEarlier(_)) => {
                self.restore(effect).await;
            }
            call => self.call_provider(call).await,
        }
    }

    async fn start_over(&mut self) {
        let answer = self.world.get(&self.key.namespace, &self.key.name).await;
        let object = answer.as_ref().ok().and_then(Option::as_ref);
        let watched = object.map(|object| observe::watched(self.world, object));
        let outcome = object.and_then(|object| self.world.outcome_of(object));
        self.state.started_over(answer, watched.unwrap_or_default(), outcome);
    }

    async fn read_record(&mut self) {
        let (home, name) = (&self.world.here().namespace, self.state.record_name());
        let answer = self.world.get_secret(home, &name).await;
        self.state
            .record_read(answer, &observe::observed(self.world, &self.state, ""));
    }

    async fn read_credentials(&mut self) {
        let (namespace, name) = observe::secret_of(self.state.object());
        let answer = self.world.get_secret(&namespace, &name).await;
        self.state.credentials_read(answer, |uid| self.world.is_alive(uid));
    }

    async fn dry_run(&mut self) {
        let sample = made::sample(self.state.object(), self.world.here());
        let credentials = secret::credentials(self.state.object(), &sample);
        let Some(record) = self.record_secret(&sample) else {
            return;
        };
        let (credentials, record) = tokio::join!(
            self.world.dry_run_create(&credentials),
            self.world.dry_run_create(&record)
        );
        let seen = observe::observed(self.world, &self.state, "");
        self.state.dry_run(credentials, record, &seen);
    }

    /// A record as its Secret. `None`: it cannot be made, which was noted.
    fn record_secret(&mut self, record: &Record) -> Option<Secret> {
        let made = secret::record(record, &self.world.here().namespace);
        if made.is_err() {
            self.state.unstorable();
        }
        made.ok()
    }

    async fn store_record(&mut self, record: Box<Record>) {
        let Some(secret) = self.record_secret(&record) else {
            return;
        };
        let answer = self.world.create_secret(&secret).await;
        let seen = observe::observed(self.world, &self.state, "");
        self.state.record_created(record, answer, &seen);
    }

    async fn replace_record(&mut self, record: Box<Record>) {
        let Some(answer) = self.patch_record(&record).await else {
            return;
        };
        let seen = observe::observed(self.world, &self.state, "");
        self.state.record_replaced(record, answer, &seen);
    }

    async fn save_record(&mut self, record: Box<Record>) {
        let Some(answer) = self.patch_record(&record).await else {
            return;
        };
        let seen = observe::observed(self.world, &self.state, "");
        self.state.record_saved(record, answer, &seen);
    }

    async fn patch_record(&mut self, record: &Record) -> Option<Result<SecretRevision, ApiError>> {
        let secret = self.record_secret(record)?;
        let (_, revision) = self.state.record()?;
        let patch = secret::record_patch(&secret);
        let (home, name) = (&self.world.here().namespace, self.state.record_name());
        Some(self.world.patch_secret(home, &name, revision, patch).await)
    }

    async fn restore_record(&mut self, record: &Record) {
        let Some(secret) = self.record_secret(record) else {
            return;
        };
        let answer = self.world.create_secret(&secret).await;
        self.state.record_restored(answer);
    }

    async fn remove_record(&mut self) {
        let Some((_, revision)) = self.state.record() else {
            return;
        };
        let (home, name) = (&self.world.here().namespace, self.state.record_name());
        let answer = self.world.delete_secret(home, &name, revision).await;
        let seen = observe::observed(self.world, &self.state, "");
        self.state.record_removed(answer, &seen);
    }

    async fn patch_credentials(&self, patch: Value) -> Option<Result<SecretRevision, ApiError>> {
        let (_, revision) = self.state.credentials()?;
        let (namespace, name) = observe::secret_of(self.state.object());
        Some(self.world.patch_secret(&namespace, &name, revision, patch).await)
    }

    async fn delete_credentials(&mut self) {
        let Some((_, revision)) = self.state.credentials() else {
            return;
        };
        let (namespace, name) = observe::secret_of(self.state.object());
        let answer = self.world.delete_secret(&namespace, &name, revision).await;
        self.state.credentials_deleted(answer);
    }

    async fn delete_former(&mut self, name: &str) {
        let answer = match self.world.secret_at(&self.key.namespace, name) {
            Some(meta) => {
                let revision = meta.revision();
                self.world.delete_secret(&self.key.namespace, name, &revision).await
            }
            None => Ok(()),
        };
        self.state.former_deleted(name, answer);
    }

    async fn release_credentials(&mut self) {
        let Some((secret, _)) = self.state.credentials() else {
            return;
        };
        let uid = self.state.object().uid().unwrap_or_default();
        let references = secret.owner_references().iter();
        let others: Vec<_> = references.filter(|reference| reference.uid != uid).collect();
        let patch = json!({"metadata": {"ownerReferences": others, "labels": {names::SECRET_ROLE: null}}});
        if let Some(answer) = self.patch_credentials(patch).await {
            self.state.credentials_released(answer);
        }
    }
}
