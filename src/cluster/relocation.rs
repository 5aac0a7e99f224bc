//! Moves an installation to another namespace: its identity, its records and suspects, the credentials and authorities of its
//! `ClusterOAuthProvider` objects, and the markers of the `OAuthClient` objects, which name the namespace of the record.
//!
//! Invariants, whatever step the process is killed at:
//! - At most one operator may act, and none while a move is incomplete. Both namespaces are closed before anything is copied: by the
//!   Lease ([`super::fence`]), which replicas of every version obey, and by the identity, without which no process starts, also one
//!   without leader election. The old namespace stays closed, the new one is opened by the last write.
//! - A record is in the old namespace, in the new one or in both, and never in neither: it is removed only where all markers name the
//!   new namespace, and only in the version that was copied. One that an operator wrote after it was copied is copied again.
//! - A copy is written again only while its original exists, that is, before any operator can have used the copy.
//!
//! Every step looks at what is there and does what is missing, so a move that was killed is completed by the same command. No other
//! move continues it: what is written on both sides names the other side.

mod copying;

use std::cell::Cell;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Pod, Secret};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::connect::within;
use super::error::ApiError;
use super::fence::{Fence, Refused};
use super::heads::heads;
use super::identity::{self, Identifier, IdentityError};
use super::secrets::SecretRevision;
use crate::api::{OAuthClient, names};
use crate::domain::installation::Kept;
use crate::domain::lease::LOOK;
use crate::domain::relocation::{Holder, ROLES, Relocation};

/// Pods of an operator that are there, whether they lead or not.
const PODS: &str = "app.kubernetes.io/name=oauth-client-operator";
/// Rounds of copying until nothing changes any more: nobody writes, but what a replica began may end late.
const ROUNDS: usize = 5;

/// Why a move ended before its end. It can be repeated.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The API server refused a step or did not answer.
    #[error("cannot {step}: {source}")]
    Api {
        /// What was to be done.
        step: String,
        /// Its answer.
        source: ApiError,
    },
    /// The identity of the installation cannot be read, or belongs to another one.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// What is there does not allow the move.
    #[error("{0}")]
    Refused(String),
}

/// What was moved by this run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Records and suspects.
    pub records: usize,
    /// `OAuthClient` objects whose marker was changed.
    pub markers: usize,
    /// Secrets with the credentials of cluster providers.
    pub credentials: usize,
    /// ConfigMaps with their authorities.
    pub config_maps: usize,
}

/// How far an earlier run of the same move came.
enum Progress {
    /// Something is left to do in the new namespace.
    Begun,
    /// Everything is there, and the identity is opened; the Lease is not.
    Opening,
    /// The operator of the new namespace may lead, and is left alone.
    Complete,
}

/// One move.
pub struct Mover {
    /// The connection to the API server.
    pub client: Client,
    /// From where to where.
    pub relocation: Relocation,
    /// How long to wait for an operator that stops.
    pub patience: Duration,
    /// Writes after which the process exits, for tests.
    pub writes: Option<Cell<u32>>,
}

impl Mover {
    /// Moves what is not moved yet.
    ///
    /// # Errors
    /// Nothing is lost then, and both operators stay locked out if anything was copied.
    pub async fn run(&self) -> Result<Report, MoveError> {
        let Relocation { from, to } = &self.relocation;
        if from == to {
            return Err(MoveError::Refused("the two namespaces are the same".to_owned()));
        }
        self.target_exists().await?;
        self.no_pods(from).await?;
        let (stored, Kept { cluster_id, uids }) = self.source_identity().await?;
        let is_closed = identity::closed(&stored).as_ref() == Some(&self.relocation.source_closed());
        let progress = self.progress(&cluster_id).await?;
        if is_closed && matches!(progress, Progress::Complete) {
            return Ok(Report::default());
        }
        self.no_pods(to).await?;
        self.close_source().await?;
        // One may have been created between the look and the end of the closing.
        self.no_pods(from).await?;
        if !(is_closed && matches!(progress, Progress::Opening)) {
            self.close_target(&cluster_id, uids.kube_system.as_deref()).await?;
        }
        let mut report = Report {
            credentials: self.copy_credentials().await?,
            config_maps: self.copy_config_maps().await?,
            ..Report::default()
        };
        for _ in 0..ROUNDS {
            let originals = self.copy_records().await?;
            report.markers += self.rewrite_markers().await?;
            if !self.markers().await?.is_empty() || self.remove(&originals, &mut report.records).await? {
                continue;
            }
            self.open_target().await?;
            return Ok(report);
        }
        Err(MoveError::Refused(format!(
            "records in namespace {from} or markers still change; stop every operator that uses this namespace, then repeat the command"
        )))
    }

    async fn target_exists(&self) -> Result<(), MoveError> {
        let to = &self.relocation.to;
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        match within(namespaces.get_opt(to)).await {
            Ok(Some(found)) if found.metadata.deletion_timestamp.is_some() => {
                Err(MoveError::Refused(format!("namespace {to} is being deleted")))
            }
            Ok(None) => Err(MoveError::Refused(format!(
                "namespace {to} does not exist; create it first: kubectl create namespace {to}"
            ))),
            Ok(Some(_)) | Err(ApiError::Forbidden { .. }) => Ok(()),
            Err(source) => Err(failed(format!("get namespace {to}"), source)),
        }
    }

    /// The Lease says nothing about an operator without leader election.
    async fn no_pods(&self, namespace: &str) -> Result<(), MoveError> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let begun = Instant::now();
        loop {
            let found = within(pods.list_metadata(&ListParams::default().labels(PODS))).await;
            let found = found.map_err(|source| failed(format!("list pods in namespace {namespace}"), source))?;
            let Some(pod) = found.items.first() else {
                return Ok(());
            };
            if begun.elapsed() >= self.patience {
                return Err(MoveError::Refused(format!(
                    "pod {} of an operator is in namespace {namespace}; remove or scale down its Deployment, wait until its pods are gone, then repeat \
                     the command",
                    pod.name_any()
                )));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The identity of the installation. A copy of an installation is not moved.
    async fn source_identity(&self) -> Result<(Secret, Kept), MoveError> {
        let from = &self.relocation.from;
        let identifier = Identifier {
            client: &self.client,
            home: from,
            given: None,
            reads_namespaces: true,
        };
        identifier.kept().await?.ok_or_else(|| {
            MoveError::Refused(format!(
                "Secret {from}/{} does not exist or holds no identity; no operator has run in namespace {from}",
                names::IDENTITY
            ))
        })
    }

    /// Locks the operator of the old namespace out for good.
    async fn close_source(&self) -> Result<(), MoveError> {
        let (from, text) = (&self.relocation.from, self.relocation.source_closed());
        let judge = |holder: &str| self.relocation.source_holder(holder);
        self.take(from, &text, judge).await?;
        let (stored, _) = self.source_identity().await?;
        if identity::closed(&stored).as_ref() != Some(&text) {
            let step = format!("close namespace {from}");
            self.patch(&stored, identity::close(Some(&text)), &step).await?;
        }
        Ok(())
    }

    async fn take(&self, namespace: &str, holder: &str, judge: impl Fn(&str) -> Holder) -> Result<(), MoveError> {
        match Fence::new(&self.client, namespace)
            .close(holder, judge, self.patience)
            .await
        {
            Ok(written) => {
                self.written(written);
                Ok(())
            }
            Err(Refused::HeldBy(holder)) => Err(MoveError::Refused(format!(
                "{holder} leads in namespace {namespace}; stop the operator there, then repeat the command. After an operator that was killed, wait for 75 s"
            ))),
            Err(Refused::OtherMove(text)) => Err(MoveError::Refused(format!(
                "the installation in namespace {namespace} is {text}; complete that move first, by its own command"
            ))),
            Err(Refused::Api(source)) => Err(failed(format!("take the Lease in namespace {namespace}"), source)),
        }
    }

    /// How far an earlier run came.
    async fn progress(&self, cluster_id: &str) -> Result<Progress, MoveError> {
        let Relocation { from, to } = &self.relocation;
        let step = || format!("look at namespace {to}");
        let stored = within(self.secrets(to).get_opt(names::IDENTITY)).await;
        let Some(stored) = stored.map_err(|source| failed(step(), source))? else {
            return Ok(Progress::Begun);
        };
        let holder = Fence::new(&self.client, to).holder().await;
        let holder = holder.map_err(|source| failed(step(), source))?;
        let is_held = holder.as_ref() == Some(&self.relocation.target_closed());
        let left = heads(&self.secrets(from), ListParams::default().labels(ROLES)).await;
        let left = left.map_err(|source| failed(format!("list Secrets in namespace {from}"), source))?;
        let same = identity::cluster_id(&stored).as_deref() == Some(cluster_id);
        let is_open = identity::closed(&stored).is_none();
        if !(is_open && same && left.is_empty() && self.markers().await?.is_empty()) {
            return Ok(Progress::Begun);
        }
        Ok(if is_held { Progress::Opening } else { Progress::Complete })
    }

    /// Locks the operator of the new namespace out until everything is there, and gives it the identity.
    async fn close_target(&self, cluster_id: &str, kube_system: Option<&str>) -> Result<(), MoveError> {
        let to = &self.relocation.to;
        let text = self.relocation.target_closed();
        let judge = |holder: &str| self.relocation.target_holder(holder);
        self.take(to, &text, judge).await?;
        let (secrets, step) = (self.secrets(to), format!("store the identity in namespace {to}"));
        let wanted = identity::moved(cluster_id, kube_system, &text);
        let stored = within(secrets.get_opt(names::IDENTITY)).await;
        let Some(stored) = stored.map_err(|source| failed(step.clone(), source))? else {
            let made = within(secrets.create(&params(), &wanted)).await;
            made.map_err(|source| failed(step, source))?;
            self.written(true);
            return Ok(());
        };
        let of_another = identity::cluster_id(&stored).is_some_and(|id| id != cluster_id);
        if of_another {
            let kept = heads(&secrets, ListParams::default().labels(ROLES)).await;
            let kept = kept.map_err(|source| failed(format!("list Secrets in namespace {to}"), source))?;
            if !kept.is_empty() {
                return Err(MoveError::Refused(format!(
                    "namespace {to} holds the records of another installation; move to another namespace"
                )));
            }
        }
        if of_another || identity::closed(&stored).as_ref() != Some(&text) {
            let mut patch = identity::close(Some(&text));
            patch["data"]["cluster-id"] = json!(wanted.data.as_ref().and_then(|data| data.get("cluster-id")));
            self.patch(&stored, patch, &step).await?;
        }
        Ok(())
    }

    /// Has the markers name the new namespace.
    async fn rewrite_markers(&self) -> Result<usize, MoveError> {
        let mut count = 0;
        for (object, marker) in self.markers().await? {
            let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
            let patch = json!({"metadata": {
                "uid": object.metadata.uid,
                "resourceVersion": object.metadata.resource_version,
                "annotations": {names::CREATE_PENDING: marker},
            }});
            let objects: Api<OAuthClient> = Api::namespaced(self.client.clone(), &namespace);
            let patched = within(objects.patch_metadata(&name, &patching(), &Patch::Merge(patch))).await;
            match patched {
                Ok(_) => {
                    self.written(true);
                    count += 1;
                }
                // The next round looks at it again.
                Err(ApiError::Conflict | ApiError::NotFound | ApiError::Invalid { uid_changed: true, .. }) => {}
                Err(source) => {
                    return Err(failed(format!("patch OAuthClient {namespace}/{name}"), source));
                }
            }
        }
        Ok(count)
    }

    /// The objects whose marker names the old namespace, and the marker that each has to carry.
    async fn markers(&self) -> Result<Vec<(kube::core::PartialObjectMeta<OAuthClient>, String)>, MoveError> {
        let all = heads(&Api::<OAuthClient>::all(self.client.clone()), ListParams::default()).await;
        let all = all.map_err(|source| match source {
            ApiError::NotFound => MoveError::Refused(
                "the cluster does not serve OAuthClients; apply the CustomResourceDefinitions first".to_owned(),
            ),
            source => failed("list the OAuthClients of all namespaces".to_owned(), source),
        })?;
        let marked = all.into_iter().filter_map(|object| {
            let marker = self
                .relocation
                .marker(object.annotations().get(names::CREATE_PENDING)?)?;
            Some((object, marker))
        });
        Ok(marked.collect())
    }

    /// Lets the operator of the new namespace lead.
    async fn open_target(&self) -> Result<(), MoveError> {
        let to = &self.relocation.to;
        let step = format!("open namespace {to}");
        let stored = within(self.secrets(to).get(names::IDENTITY)).await;
        let stored = stored.map_err(|source| failed(step.clone(), source))?;
        if identity::closed(&stored).is_some() {
            self.patch(&stored, identity::close(None), &step).await?;
        }
        let opened = Fence::new(&self.client, to)
            .open(&self.relocation.target_closed())
            .await;
        self.written(opened.map_err(|source| failed(step, source))?);
        Ok(())
    }

    fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }

    async fn patch(&self, current: &Secret, mut patch: Value, step: &str) -> Result<(), MoveError> {
        let SecretRevision { uid, resource_version } = SecretRevision::of(current);
        patch["metadata"]["uid"] = json!(uid);
        patch["metadata"]["resourceVersion"] = json!(resource_version);
        let namespace = current.namespace().unwrap_or_default();
        let secrets = self.secrets(&namespace);
        let patched = within(secrets.patch_metadata(&current.name_any(), &patching(), &Patch::Merge(patch))).await;
        patched.map_err(|source| failed(step.to_owned(), source))?;
        self.written(true);
        Ok(())
    }

    /// In a test the process ends after a number of writes, as if it were killed.
    fn written(&self, written: bool) {
        if let Some(left) = self.writes.as_ref().filter(|_| written) {
            left.set(left.get().saturating_sub(1));
            if left.get() == 0 {
                eprintln!("exits as requested");
                std::process::exit(EXITED);
            }
        }
    }
}

/// Exit code of a process that was to exit after a number of writes.
const EXITED: i32 = 137;

fn failed(step: String, source: ApiError) -> MoveError {
    MoveError::Api { step, source }
}

fn params() -> PostParams {
    PostParams {
        field_manager: Some(names::FIELD_MANAGER.into()),
        ..PostParams::default()
    }
}

fn patching() -> PatchParams {
    PatchParams {
        field_manager: Some(names::FIELD_MANAGER.into()),
        ..PatchParams::default()
    }
}
