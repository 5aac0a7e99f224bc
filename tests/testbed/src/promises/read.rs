//! Readers of what the API server holds. Names are spelled out: they are the operator's API.

use k8s_openapi::api::core::v1::Secret;
use secrecy::SecretString;
use serde_json::Value;

use super::{Object, Published, Recorded, Suspected};

impl Object {
    /// Reads an `OAuthClient`.
    #[must_use]
    pub fn from_json(object: &Value) -> Self {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default();
        let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
        let ready = conditions.and_then(|all| all.iter().find(|condition| condition["type"] == "Ready"));
        let uris = object.pointer("/spec/redirectURIs").and_then(Value::as_array);
        let name = text("/metadata/name").unwrap_or_default();
        Self {
            uid: text("/metadata/uid").unwrap_or_default(),
            namespace: text("/metadata/namespace").unwrap_or_default(),
            secret_name: text("/spec/secret/name").unwrap_or_else(|| name.clone()),
            name,
            generation: number("/metadata/generation"),
            observed_generation: number("/status/observedGeneration"),
            ready: ready.is_some_and(|condition| condition["status"] == "True"),
            reason: ready
                .and_then(|condition| condition["reason"].as_str())
                .unwrap_or_default()
                .to_owned(),
            deleting: object.pointer("/metadata/deletionTimestamp").is_some(),
            client_id: text("/status/clientID"),
            redirect_uris: uris
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        }
    }
}

impl Recorded {
    /// Reads a record. `None` if the Secret is none, or cannot be read.
    #[must_use]
    pub fn from_secret(secret: &Secret) -> Option<Self> {
        let bytes = role(secret, "record").then_some(secret.data.as_ref()?.get("record.json")?)?;
        let record: Value = serde_json::from_slice(&bytes.0).ok()?;
        let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            owner_uid: text("/owner/uid")?,
            object: format!("{}/{}", text("/owner/namespace")?, text("/owner/name")?),
            client_id: text("/clientId")?,
            client_secret: text("/clientSecret").map(Into::into),
            attempt: text("/attempt")?,
            phase: text("/phase")?,
        })
    }
}

impl Suspected {
    /// Reads an entry of a possible stray client. `None` if the Secret is none.
    #[must_use]
    pub fn from_secret(secret: &Secret) -> Option<Self> {
        role(secret, "suspect").then_some(())?;
        let data = Published::from_secret(secret);
        Some(Self {
            object: data.text("object")?.to_owned(),
            attempt: data.text("attempt")?.to_owned(),
            client_id: data.text("client_id").map(str::to_owned),
        })
    }
}

impl Published {
    /// Reads a Secret.
    #[must_use]
    pub fn from_secret(secret: &Secret) -> Self {
        let owners = secret.metadata.owner_references.iter().flatten();
        let mut controllers = owners.filter(|owner| owner.controller == Some(true));
        let text = |bytes: &[u8]| SecretString::from(String::from_utf8_lossy(bytes).into_owned());
        Self {
            namespace: secret.metadata.namespace.clone().unwrap_or_default(),
            name: secret.metadata.name.clone().unwrap_or_default(),
            owner_uid: controllers.next().map(|owner| owner.uid.clone()),
            data: secret
                .data
                .iter()
                .flatten()
                .map(|(key, value)| (key.clone(), text(&value.0)))
                .collect(),
        }
    }
}

fn role(secret: &Secret, wanted: &str) -> bool {
    let labels = secret.metadata.labels.as_ref();
    labels
        .and_then(|labels| labels.get("oauth-client-operator.dev/role"))
        .is_some_and(|role| role == wanted)
}
