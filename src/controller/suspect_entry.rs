//! Writing the entry of a suspect that exists already.
//!
//! Invariant: each write makes another version of the entry, so that nobody who has seen the one before removes it.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde_json::json;

use super::world::World;
use crate::api::names;
use crate::cluster::{ApiError, SecretRevision};

/// Writes an entry that exists again, with the record.
///
/// # Errors
///
/// `Conflict` if it is gone or was written meanwhile; otherwise what the API server answered.
pub(super) async fn complete<W: World>(world: &W, entry: &Secret) -> Result<(), ApiError> {
    let (namespace, name) = (&world.here().namespace, entry.name_any());
    let Some(found) = world.get_secret(namespace, &name).await? else {
        return Err(ApiError::Conflict);
    };
    let mut annotations = entry.annotations().clone();
    annotations.insert(names::RENEWED.to_owned(), world.fresh_attempt());
    let patch = json!({
        "metadata": {"labels": entry.labels(), "annotations": annotations},
        "data": entry.data,
    });
    let revision = SecretRevision::of(&found);
    world.patch_secret(namespace, &name, &revision, patch).await.map(|_| ())
}
