//! Labels of records that an earlier version of the operator wrote: without them, nothing tells who uses a client.

use kube::ResourceExt;
use serde_json::json;

use crate::cluster::{Role, SecretMeta, SecretRevision};
use crate::controller::world::World;
use crate::domain::record::Record;
use crate::domain::restore;
use crate::domain::secret;

use super::{Look, text};

/// Whether a record lacks the label that names its client, or the one that names its object.
pub(super) fn is_missing(meta: &SecretMeta) -> bool {
    meta.role == Role::Record && (meta.client.is_none() || meta.object.is_none())
}

/// Adds the labels, and the UID of the namespace of an object that is there.
pub(super) async fn add<W: World>(world: &W, meta: &SecretMeta, record: &Record, revision: &SecretRevision) -> Look {
    let owner = &record.owner;
    let namespace_uid = world.namespace_uid(&owner.namespace);
    let completed = restore::completed(record, namespace_uid, world.is_alive(&owner.uid));
    let Ok(secret) = secret::record(completed.as_ref().unwrap_or(record), &meta.namespace) else {
        return Look::Nothing;
    };
    let patch = match completed {
        Some(_) => secret::record_patch(&secret),
        None => json!({"metadata": {"labels": secret.labels()}}),
    };
    match world.patch_secret(&meta.namespace, &meta.name, revision, patch).await {
        Ok(_) => Look::Done,
        Err(error) => Look::Later(error.failure(&text(meta))),
    }
}
