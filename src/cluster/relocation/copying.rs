//! The Secrets of a move: copied, compared, removed.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Preconditions};
use serde_json::json;

use super::super::connect::within;
use super::super::error::ApiError;
use super::super::heads::heads;
use super::super::secrets::SecretRevision;
use super::{MoveError, Mover, failed, params};
use crate::api::names;
use crate::domain::bundle;
use crate::domain::relocation::{BUNDLES, ROLES, Relocation, consents_to_the_same, same};

impl Mover {
    /// Copies the credentials of cluster providers that are not in the new namespace. The originals stay: they are not the operator's.
    pub(super) async fn copy_credentials(&self) -> Result<usize, MoveError> {
        let selector = format!("{}=true", names::PROVIDER_CREDENTIALS);
        let mut count = 0;
        for head in self.list(&selector).await? {
            let Some(source) = self.original(&head).await? else {
                continue;
            };
            let copy = self.relocation.copy_of_credentials(&source);
            match within(self.secrets(&self.relocation.to).create(&params(), &copy)).await {
                Ok(_) => {
                    self.written(true);
                    count += 1;
                }
                Err(ApiError::AlreadyExists) => self.check_credentials(&head, &copy).await?,
                Err(source) => return Err(self.not_copied(&head, source)),
            }
        }
        Ok(count)
    }

    /// Credentials that are in the new namespace already may be used only if they are those of the old one: a token may have been
    /// replaced, and a consent withdrawn, since an earlier move.
    async fn check_credentials(&self, name: &str, copy: &Secret) -> Result<(), MoveError> {
        let existing = within(self.secrets(&self.relocation.to).get(name)).await;
        let existing = existing.map_err(|error| self.not_copied(name, error))?;
        if consents_to_the_same(&existing, copy) {
            return Ok(());
        }
        let Relocation { from, to } = &self.relocation;
        Err(MoveError::Refused(format!(
            "Secret {name} with provider credentials exists in both namespaces and differs; compare the data, the label and the annotation \
             {}, delete the one in namespace {to} if the one in namespace {from} is right, then repeat the command",
            names::ALLOWED_ORIGINS
        )))
    }

    /// Makes every record, suspect and CA bundle of the old namespace exist in the new one, a bundle before what refers to it. The versions that were copied.
    pub(super) async fn copy_records(&self) -> Result<Vec<(String, SecretRevision)>, MoveError> {
        let mut copied = Vec::new();
        let mut names = self.list(BUNDLES).await?;
        names.extend(self.list(ROLES).await?);
        for name in names {
            if let Some(source) = self.original(&name).await? {
                self.copy(&name, &source).await?;
                copied.push((name, SecretRevision::of(&source)));
            }
        }
        Ok(copied)
    }

    async fn copy(&self, name: &str, source: &Secret) -> Result<(), MoveError> {
        let secrets = self.secrets(&self.relocation.to);
        let copy = self.relocation.copy(source);
        match within(secrets.create(&params(), &copy)).await {
            Ok(_) => {
                self.written(true);
                return Ok(());
            }
            Err(ApiError::AlreadyExists) => {}
            Err(error) => return Err(self.not_copied(name, error)),
        }
        let existing = within(secrets.get(name)).await;
        let existing = existing.map_err(|error| self.not_copied(name, error))?;
        if same(&existing, &copy) {
            return Ok(());
        }
        if !self.relocation.is_copy_of(&existing, source) {
            let Relocation { from, to } = &self.relocation;
            return Err(MoveError::Refused(format!(
                "Secret {name} exists in both namespaces and differs, so two operators may have registered a client for the same OAuthClient; compare \
                 them, delete the one in namespace {from} or {to} that is wrong, then repeat the command"
            )));
        }
        // The copy that was just read is older than this look, and the original still exists: no operator has used the copy.
        if self.original(name).await?.is_none() {
            return Ok(());
        }
        let patch = json!({
            "metadata": {"labels": copy.metadata.labels, "annotations": copy.metadata.annotations},
            "data": copy.data,
        });
        self.patch(&existing, patch, &format!("copy Secret {name}")).await
    }

    /// Removes originals in the version that was copied. Whether one has changed since.
    pub(super) async fn remove(
        &self,
        originals: &[(String, SecretRevision)],
        count: &mut usize,
    ) -> Result<bool, MoveError> {
        let (from, mut changed) = (&self.relocation.from, false);
        // In the other order: a bundle goes after what refers to it.
        for (name, revision) in originals.iter().rev() {
            let params = DeleteParams {
                preconditions: Some(Preconditions {
                    uid: Some(revision.uid.clone()),
                    resource_version: Some(revision.resource_version.clone()),
                }),
                ..DeleteParams::default()
            };
            match within(self.secrets(from).delete(name, &params)).await {
                Ok(_) => {
                    self.written(true);
                    *count += usize::from(!name.starts_with(&bundle::name("")));
                }
                Err(ApiError::NotFound) => {}
                Err(ApiError::Conflict) => changed = true,
                Err(source) => return Err(failed(format!("delete Secret {from}/{name}"), source)),
            }
        }
        Ok(changed)
    }

    /// Names of the Secrets of the old namespace.
    async fn list(&self, selector: &str) -> Result<Vec<String>, MoveError> {
        let from = &self.relocation.from;
        let found = heads(&self.secrets(from), ListParams::default().labels(selector)).await;
        let found = found.map_err(|source| failed(format!("list Secrets in namespace {from}"), source))?;
        Ok(found.iter().map(ResourceExt::name_any).collect())
    }

    async fn original(&self, name: &str) -> Result<Option<Secret>, MoveError> {
        let from = &self.relocation.from;
        let found = within(self.secrets(from).get_opt(name)).await;
        found.map_err(|source| failed(format!("get Secret {from}/{name}"), source))
    }

    fn not_copied(&self, name: &str, source: ApiError) -> MoveError {
        failed(
            format!("copy Secret {name} to namespace {}", self.relocation.to),
            source,
        )
    }
}
