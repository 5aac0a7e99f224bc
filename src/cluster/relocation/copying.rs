//! The Secrets and ConfigMaps of a move: copied, compared, removed.

use std::fmt::Debug;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{DeleteParams, ListParams, Preconditions};
use kube::core::NamespaceResourceScope;
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::super::connect::within;
use super::super::error::ApiError;
use super::super::heads::heads;
use super::super::secrets::SecretRevision;
use super::{MoveError, Mover, failed, params};
use crate::api::names;
use crate::domain::bundle;
use crate::domain::relocation::{BUNDLES, ROLES, Relocation, consents_to_the_same, same, trusts_the_same};

/// A kind whose objects are copied.
pub(super) trait Moved:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Serialize
{
}

impl Moved for Secret {}
impl Moved for ConfigMap {}

impl Mover {
    /// Copies the credentials of cluster providers that are not in the new namespace. The originals stay: they are not the operator's.
    pub(super) async fn copy_credentials(&self) -> Result<usize, MoveError> {
        let copy = |source: &Secret| self.relocation.copy_of_credentials(source);
        self.copy_consented("provider credentials", copy, consents_to_the_same)
            .await
    }

    /// The same for the ConfigMaps with their authorities.
    pub(super) async fn copy_config_maps(&self) -> Result<usize, MoveError> {
        let copy = |source: &ConfigMap| self.relocation.copy_of_config_map(source);
        self.copy_consented("certificates of a provider", copy, trusts_the_same)
            .await
    }

    async fn copy_consented<K: Moved>(
        &self,
        what: &str,
        copy: impl Fn(&K) -> K,
        same: impl Fn(&K, &K) -> bool,
    ) -> Result<usize, MoveError> {
        let selector = format!("{}=true", names::PROVIDER_CREDENTIALS);
        let (kind, api) = (K::kind(&()), self.api::<K>(&self.relocation.to));
        let mut count = 0;
        for name in self.list::<K>(&selector).await? {
            let Some(source) = self.original::<K>(&name).await? else {
                continue;
            };
            let copy = copy(&source);
            match within(api.create(&params(), &copy)).await {
                Ok(_) => {
                    self.written(true);
                    count += 1;
                    continue;
                }
                Err(ApiError::AlreadyExists) => {}
                Err(source) => return Err(self.not_copied::<K>(&name, source)),
            }
            // What is in the new namespace already may be used only if it is that of the old one: it may have been replaced, and the
            // consent withdrawn, since an earlier move.
            let existing = within(api.get(&name)).await;
            if !same(&existing.map_err(|error| self.not_copied::<K>(&name, error))?, &copy) {
                let Relocation { from, to } = &self.relocation;
                return Err(MoveError::Refused(format!(
                    "{kind} {name} with {what} exists in both namespaces and differs; compare the data, the label and the annotation {}, delete the \
                     one in namespace {to} if the one in namespace {from} is right, then repeat the command",
                    names::ALLOWED_ORIGINS
                )));
            }
        }
        Ok(count)
    }

    /// Makes every record, suspect and CA bundle of the old namespace exist in the new one, a bundle before what refers to it. The versions that were copied.
    pub(super) async fn copy_records(&self) -> Result<Vec<(String, SecretRevision)>, MoveError> {
        let mut copied = Vec::new();
        let mut names = self.list::<Secret>(BUNDLES).await?;
        names.extend(self.list::<Secret>(ROLES).await?);
        for name in names {
            if let Some(source) = self.original::<Secret>(&name).await? {
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
            Err(error) => return Err(self.not_copied::<Secret>(name, error)),
        }
        let existing = within(secrets.get(name)).await;
        let existing = existing.map_err(|error| self.not_copied::<Secret>(name, error))?;
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
        if self.original::<Secret>(name).await?.is_none() {
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

    /// Names of the objects of the old namespace.
    async fn list<K: Moved>(&self, selector: &str) -> Result<Vec<String>, MoveError> {
        let (from, kind) = (&self.relocation.from, K::kind(&()));
        let found = heads(&self.api::<K>(from), ListParams::default().labels(selector)).await;
        let found = found.map_err(|source| failed(format!("list {kind}s in namespace {from}"), source))?;
        Ok(found.iter().map(ResourceExt::name_any).collect())
    }

    async fn original<K: Moved>(&self, name: &str) -> Result<Option<K>, MoveError> {
        let (from, kind) = (&self.relocation.from, K::kind(&()));
        let found = within(self.api::<K>(from).get_opt(name)).await;
        found.map_err(|source| failed(format!("get {kind} {from}/{name}"), source))
    }

    fn api<K: Moved>(&self, namespace: &str) -> Api<K> {
        Api::namespaced(self.client.clone(), namespace)
    }

    fn not_copied<K: Moved>(&self, name: &str, source: ApiError) -> MoveError {
        let step = format!("copy {} {name} to namespace {}", K::kind(&()), self.relocation.to);
        failed(step, source)
    }
}
