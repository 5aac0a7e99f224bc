//! Labels of records that an earlier version of the operator wrote: without them, nothing tells who uses a client.

use kube::ResourceExt;
use serde_json::json;

use crate::cluster::{Role, SecretMeta, SecretRevision};
use crate::controller::world::World;
use crate::domain::record::Record;
use crate::domain::secret;

use super::{Look, text};

/// Whether a record lacks the label that names its client.
pub(super) fn is_missing(meta: &SecretMeta) -> bool {
    meta.role == Role::Record && meta.client.is_none()
}

/// Adds the labels, and nothing else.
pub(super) async fn add<W: World>(world: &W, meta: &SecretMeta, record: &Record, revision: &SecretRevision) -> Look {
    let Ok(secret) = secret::record(record, &meta.namespace) else {
        return Look::Nothing;
    };
    let patch = json!({"metadata": {"labels": secret.labels()}});
    match world.patch_secret(&meta.namespace, &meta.name, revision, patch).await {
        Ok(_) => Look::Done,
        Err(error) => Look::Later(error.failure(&text(meta))),
    }
}
