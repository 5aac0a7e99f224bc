//! Objects of which one that cannot be decoded does not hide the others, and can be deleted all the same.

use std::borrow::Cow;
use std::fmt::Debug;

use kube::Resource;
use kube::core::{ObjectMeta, PartialObjectMeta};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::error::ApiError;
use crate::api::{DeletionPolicy, OAuthClient};

/// An object, or what can be told of one that cannot be decoded.
///
/// `kube::core::DeserializeGuard` makes a tree of every object and copies it, in case of an error; this keeps the text. It is
/// read from JSON only.
#[derive(Clone, Debug)]
pub(super) struct Guarded<K>(pub Result<K, Box<Undecodable>>);

/// An object that cannot be decoded.
#[derive(Clone, Debug)]
pub(super) struct Undecodable {
    pub error: String,
    pub metadata: ObjectMeta,
    /// The whole text of an object that is being deleted.
    text: Option<Box<RawValue>>,
}

impl<'de, K: Resource + DeserializeOwned> Deserialize<'de> for Guarded<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let decoded = match serde_json::from_str(text.get()) {
            Ok(object) => Ok(object),
            Err(error) => {
                let head: PartialObjectMeta<K> = serde_json::from_str(text.get()).map_err(D::Error::custom)?;
                let deleted = head.metadata.deletion_timestamp.is_some();
                Err(Box::new(Undecodable {
                    error: error.to_string(),
                    metadata: head.metadata,
                    text: deleted.then_some(text),
                }))
            }
        };
        Ok(Self(decoded))
    }
}

impl Guarded<OAuthClient> {
    /// The object. One that is being deleted and cannot be decoded is returned with the members that can be: its namespace
    /// would otherwise never end.
    pub(super) fn readable(self) -> Result<OAuthClient, Box<Undecodable>> {
        self.0.or_else(|invalid| salvaged(&invalid).ok_or(invalid))
    }
}

impl From<Box<Undecodable>> for ApiError {
    fn from(_: Box<Undecodable>) -> Self {
        Self::Unavailable {
            retry_after: None,
            message: "the answer cannot be decoded".into(),
        }
    }
}

fn salvaged(invalid: &Undecodable) -> Option<OAuthClient> {
    let whole: Value = serde_json::from_str(invalid.text.as_ref()?.get()).ok()?;
    let mut object = json!({
        "apiVersion": whole["apiVersion"],
        "kind": whole["kind"],
        "metadata": whole["metadata"],
        "spec": {"providerRef": {"name": ""}},
    });
    for part in ["spec", "status"] {
        for (name, value) in whole[part].as_object().unwrap_or(&Map::new()) {
            let mut next = object.clone();
            next[part][name] = value.clone();
            if OAuthClient::deserialize(&next).is_ok() {
                object = next;
            }
        }
    }
    let mut readable = OAuthClient::deserialize(&object).ok()?;
    let policy = &whole["spec"]["deletionPolicy"];
    if !whole["spec"].is_object() || !policy.is_null() && *policy != object["spec"]["deletionPolicy"] {
        // Nobody can tell what was wanted, and a client that is kept can still be deleted.
        readable.spec.deletion_policy = DeletionPolicy::Retain;
    }
    Some(readable)
}

impl<K: Resource> Resource for Guarded<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(dt)
    }

    fn group(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::group(dt)
    }

    fn version(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::version(dt)
    }

    fn plural(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(dt)
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.as_ref().map_or_else(|invalid| &invalid.metadata, K::meta)
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0
            .as_mut()
            .map_or_else(|invalid| &mut invalid.metadata, K::meta_mut)
    }
}

#[cfg(test)]
mod tests {
    use kube::api::{ObjectList, WatchEvent};
    use serde_json::{Value, json};

    use super::*;
    use crate::api::OAuthClient;

    fn object(spec: &Value) -> Value {
        json!({
            "apiVersion": "oauth-client-operator.dev/v1alpha1", "kind": "OAuthClient",
            "metadata": {"name": "app", "namespace": "shop"}, "spec": spec,
        })
    }

    #[test]
    fn one_object_that_cannot_be_decoded_hides_no_other() {
        let list = json!({
            "apiVersion": "v1", "kind": "List", "metadata": {},
            "items": [object(&json!({"providerRef": 7})), object(&json!({"providerRef": {"name": "p"}}))],
        });
        let list: ObjectList<Guarded<OAuthClient>> = serde_json::from_str(&list.to_string()).unwrap();
        let [bad, good] = list.items.as_slice() else {
            panic!("two objects");
        };
        assert_eq!(bad.meta().name.as_deref(), Some("app"));
        assert!(bad.0.as_ref().unwrap_err().error.contains("integer `7`"));
        assert_eq!(good.0.as_ref().unwrap().spec.provider_ref.name, "p");
    }

    fn deleted(spec: &Value) -> Result<OAuthClient, Box<Undecodable>> {
        let mut object = object(spec);
        object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        object["status"] = json!({"observedGeneration": 3, "conditions": 7});
        serde_json::from_str::<Guarded<OAuthClient>>(&object.to_string())
            .unwrap()
            .readable()
    }

    #[test]
    fn t122_an_object_that_is_being_deleted_is_read_as_far_as_it_can_be() {
        let spec = json!({"providerRef": {"name": "p"}, "redirectURIs": 7, "deletionTimeout": "1m"});
        let object = deleted(&spec).unwrap();
        assert_eq!(object.spec.provider_ref.name, "p");
        assert_eq!(object.spec.deletion_timeout.as_deref(), Some("1m"));
        assert_eq!(object.spec.deletion_policy, DeletionPolicy::Delete);
        assert_eq!(object.status.unwrap().observed_generation, Some(3));
        assert!(object.metadata.deletion_timestamp.is_some());
    }

    #[test]
    fn t122_a_client_whose_policy_cannot_be_read_is_kept() {
        for spec in [
            json!("no object"),
            json!({"providerRef": {"name": "p"}, "deletionPolicy": "Archive"}),
        ] {
            assert_eq!(deleted(&spec).unwrap().spec.deletion_policy, DeletionPolicy::Retain);
        }
        let alive = object(&json!({"providerRef": 7}));
        let alive: Guarded<OAuthClient> = serde_json::from_str(&alive.to_string()).unwrap();
        assert!(alive.readable().is_err(), "it is left alone while it lives");
    }

    #[test]
    fn an_event_of_a_watch_is_read_as_the_api_server_writes_it() {
        let object = object(&json!({"providerRef": 7}));
        let line = format!(r#"{{"type":"MODIFIED","object":{object}}}"#);
        let event: WatchEvent<Guarded<OAuthClient>> = serde_json::from_str(&line).unwrap();
        let WatchEvent::Modified(guarded) = event else {
            panic!("{event:?}");
        };
        assert_eq!(guarded.meta().namespace.as_deref(), Some("shop"));
        assert!(guarded.0.is_err());
    }
}
