//! Objects of a watch of which one that cannot be decoded does not hide the others.

use std::borrow::Cow;
use std::fmt::Debug;

use kube::Resource;
use kube::core::{ObjectMeta, PartialObjectMeta};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// An object, or what can be told of one that cannot be decoded.
///
/// `kube::core::DeserializeGuard` makes a tree of every object and copies it, in case of an error; this keeps the text. It is
/// read from JSON only.
#[derive(Clone, Debug)]
pub(super) struct Guarded<K>(pub Result<K, Undecodable>);

/// An object that cannot be decoded.
#[derive(Clone, Debug)]
pub(super) struct Undecodable {
    pub error: String,
    pub metadata: ObjectMeta,
}

impl<'de, K: Resource + DeserializeOwned> Deserialize<'de> for Guarded<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let decoded = match serde_json::from_str(text.get()) {
            Ok(object) => Ok(object),
            Err(error) => {
                let head: PartialObjectMeta<K> = serde_json::from_str(text.get()).map_err(D::Error::custom)?;
                Err(Undecodable {
                    error: error.to_string(),
                    metadata: head.metadata,
                })
            }
        };
        Ok(Self(decoded))
    }
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
