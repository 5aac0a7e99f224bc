//! The effects of the planner, done. Every way in which one can end leads back into what the planner sees.

pub(super) mod claim;
mod delete;
mod find;
mod keep;
mod probe;
mod register;
mod suspect;

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use crate::api::{OAuthClient, Reason};
use crate::cluster::{ApiError, SecretRevision};
use crate::domain::failure::{Class, Failure};
use crate::domain::marker;
use crate::domain::plan::Effect;
use crate::domain::record::{self, Record};
use crate::domain::secret;
use crate::domain::suspect as suspects;

use super::pass::{Held, Pass, Stored};
use super::world::World;

/// Pause between tries of storing what a provider has issued.
const STORE_AGAIN: Duration = Duration::from_secs(1);
/// The same after the API server has refused it.
const REFUSED_AGAIN: Duration = Duration::from_secs(10);

impl<W: World> Pass<'_, W> {
    /// Does one thing.
    ///
    /// Thousands of passes may wait for a permit at the same time, in the dry runs. The room that other steps need is taken
    /// when they come, and not by every pass that waits.
    pub(super) async fn execute(&mut self, effect: Effect) {
        #[cfg(debug_assertions)]
        super::tripwire::step(&self.key, &effect);
        match effect {
            Effect::ProveWritable => self.prove_writable().await,
            other => Box::pin(self.act(other)).await,
        }
    }

    async fn act(&mut self, effect: Effect) {
        match effect {
            Effect::ReadRecord => self.read_record().await,
            Effect::ReadCredentials => self.read_credentials().await,
            Effect::ReadObject => self.read_object().await,
            Effect::ResolveProvider => self.provider = Some(self.world.resolve(&self.object).await),
            Effect::ResolveForDeletion => self.resolve_for_deletion().await,
            Effect::Discover => self.discover().await,
            // Not here, see above.
            Effect::ProveWritable => {}
            Effect::EnterSuspect(suspect) => self.enter_suspect(suspect, None).await,
            Effect::KeepSuspect(record) => self.enter_suspect(suspects::of(&record), Some(&record)).await,
            Effect::RemoveSuspect(attempt) => self.remove_suspect(&attempt).await,
            Effect::OpenAttempt(marker) => self.open_attempt(&marker).await,
            Effect::Register(request) => self.register(&request).await,
            Effect::LookUp => self.look_up().await,
            Effect::Probe => self.probe().await,
            Effect::StoreRecord => self.store_record().await,
            Effect::ReplaceRecord => self.replace_record().await,
            Effect::Compensate => self.compensate().await,
            Effect::AddFinalizer => {
                let result = self.world.add_finalizer(&self.object).await;
                self.object_written(result).await;
            }
            Effect::CreateCredentials(secret) => self.create_credentials(*secret).await,
            Effect::PatchCredentials(patch) => self.patch_credentials(patch).await,
            Effect::ReplaceCredentials(secret) => self.replace_credentials(*secret).await,
            Effect::DeleteFormer(name) => self.delete_former(&name).await,
            Effect::ReleaseCredentials => self.release_credentials().await,
            Effect::SaveRecord(record) => self.save_record(record).await,
            Effect::Update(request) => self.update(&request).await,
            Effect::Deregister => self.deregister().await,
            Effect::RemoveFinalizer => self.remove_finalizer().await,
            Effect::RemoveRecord => self.remove_record().await,
        }
    }

    /// Waits for a permit of the provider, if this pass has none. False: it may not begin anything any more.
    async fn has_permit(&mut self) -> bool {
        if let (None, Some(Ok(provider))) = (&self.permit, self.provider.clone()) {
            self.permit = Some(self.world.permit(&self.object, &provider).await);
        }
        self.world.may_begin()
    }

    fn fail(&mut self, error: &ApiError, what: &str) {
        self.memory.failure = Some(error.failure(what));
    }

    fn uid(&self) -> &str {
        self.object.metadata.uid.as_deref().unwrap_or_default()
    }

    fn record_name(&self) -> String {
        marker::record_name(self.uid())
    }

    fn record_text(&self) -> String {
        format!("Secret {}/{}", self.world.here().namespace, self.record_name())
    }

    fn secret_text(&self) -> String {
        format!("Secret {}/{}", self.key.namespace, secret::name(&self.object))
    }

    async fn read_record(&mut self) {
        match self
            .world
            .get_secret(&self.world.here().namespace, &self.record_name())
            .await
        {
            Ok(found) => {
                self.memory.newer_schema = found.as_ref().and_then(newer_schema);
                self.record = found.as_ref().map_or(Stored::Absent { live: true }, stored);
            }
            Err(error) => self.fail(&error, &self.record_text()),
        }
    }

    async fn read_credentials(&mut self) {
        let uid = self.object.uid().unwrap_or_default();
        match self
            .world
            .get_secret(&self.key.namespace, &secret::name(&self.object))
            .await
        {
            Ok(None) => self.credentials = Held::Absent,
            Ok(Some(found)) => {
                self.credentials = match secret::owner(&found.metadata, &uid) {
                    secret::Owner::This => Held::Ours {
                        revision: SecretRevision::of(&found),
                        secret: Box::new(found),
                    },
                    secret::Owner::Other(owner) if self.world.is_alive(&owner) => Held::Foreign,
                    secret::Owner::Other(_) => Held::Former,
                    secret::Owner::Foreign => Held::Foreign,
                };
            }
            Err(error) => self.fail(&error, &self.secret_text()),
        }
    }

    async fn read_object(&mut self) {
        let uid = self.object.uid();
        match self.world.get(&self.key.namespace, &self.key.name).await {
            Ok(Some(object)) if object.uid() == uid => {
                self.memory.object_read = true;
                self.adopt(object);
            }
            Ok(_) => self.gone = true,
            Err(error) => self.fail(&error, &format!("OAuthClient {}", self.key)),
        }
    }

    async fn discover(&mut self) {
        let Some(Ok(provider)) = self.provider.clone() else {
            return;
        };
        match self.world.discover(&provider).await {
            Ok(endpoints) => self.endpoints = Some(endpoints),
            Err(error) => self.memory.failure = Some(error.failure),
        }
    }

    async fn object_written(&mut self, result: Result<OAuthClient, ApiError>) {
        match result {
            Ok(object) => self.adopt(object),
            Err(ApiError::NotFound) => self.gone = true,
            Err(ApiError::Conflict | ApiError::Invalid { uid_changed: true, .. }) => {
                if let Err(failure) = self.start_over().await {
                    self.memory.failure = Some(failure);
                }
            }
            Err(error) => self.fail(&error, &format!("OAuthClient {}", self.key)),
        }
    }
}

pub(super) fn stored(secret: &Secret) -> Stored {
    let revision = SecretRevision::of(secret);
    let bytes = secret.data.as_ref().and_then(|data| data.get(record::DATA_KEY));
    match bytes.and_then(|bytes| Record::from_json(&bytes.0).ok()) {
        Some(record) if record.schema_version <= record::SCHEMA_VERSION => Stored::Present {
            record: Box::new(record),
            revision,
        },
        _ => Stored::Unreadable,
    }
}

/// The version of the record's form, if a newer program wrote it.
fn newer_schema(secret: &Secret) -> Option<u32> {
    let bytes = secret.data.as_ref()?.get(record::DATA_KEY)?;
    Record::schema_version_of(&bytes.0).filter(|version| *version > record::SCHEMA_VERSION)
}

fn unstorable() -> Failure {
    Failure::new(
        Class::Bug,
        Reason::InternalError,
        "the registration could not be recorded; see the suspects",
    )
}
