//! JSON merge patches (RFC 7396) of those parts of a Secret that the operator patches. One of another part ends the run.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Applies a patch.
pub(super) fn patch(secret: &mut Secret, patch: &Value) {
    for (part, change) in members(patch) {
        match part.as_str() {
            "data" => map(secret.data.get_or_insert_default(), change),
            "metadata" => {
                for (part, change) in members(change) {
                    match part.as_str() {
                        "labels" => map(secret.labels_mut(), change),
                        "annotations" => map(secret.annotations_mut(), change),
                        "ownerReferences" => *secret.owner_references_mut() = decoded(change),
                        other => unimplemented!("a patch of metadata.{other}"),
                    }
                }
            }
            other => unimplemented!("a patch of {other}"),
        }
    }
}

fn map<V: DeserializeOwned>(target: &mut BTreeMap<String, V>, patch: &Value) {
    for (key, value) in members(patch) {
        if value.is_null() {
            target.remove(key);
        } else {
            target.insert(key.clone(), decoded(value));
        }
    }
}

fn members(patch: &Value) -> &Map<String, Value> {
    patch.as_object().unwrap()
}

fn decoded<T: DeserializeOwned>(value: &Value) -> T {
    T::deserialize(value).unwrap()
}
