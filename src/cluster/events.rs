//! Events (events.k8s.io/v1). Nobody waits for one, and a lost one changes nothing: conditions are the record.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client, Resource};
use tokio::sync::Semaphore;

use super::connect::within;
use crate::api::{OAuthClient, Reason, names};
use crate::floods;
use crate::metrics::{Metrics, Verb, Written};

/// Limit of the API server for `note`, in bytes.
const NOTE: usize = 1024;
/// Events in flight at the same time; what comes on top is dropped.
const IN_FLIGHT: usize = 32;

/// Publishes events about `OAuthClient` objects.
#[derive(Clone)]
pub struct Events {
    client: Client,
    instance: Arc<str>,
    normal: bool,
    permits: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

impl Events {
    /// `instance` names this process, its pod for example. Normal events are published only with `normal`: each is one
    /// write more on the way to Ready.
    #[must_use]
    pub fn new(client: Client, instance: &str, normal: bool, metrics: Arc<Metrics>) -> Self {
        Self {
            client,
            instance: clipped(instance, 128).into(),
            normal,
            permits: Arc::new(Semaphore::new(IN_FLIGHT)),
            metrics,
        }
    }

    /// Publishes a warning.
    pub fn warning(&self, object: &OAuthClient, reason: Reason, note: &str) {
        self.publish(object, "Warning", reason, note);
    }

    /// Publishes an event of type Normal, if those are wanted.
    pub fn normal(&self, object: &OAuthClient, reason: Reason, note: &str) {
        if self.normal {
            self.publish(object, "Normal", reason, note);
        }
    }

    fn publish(&self, object: &OAuthClient, kind: &str, reason: Reason, note: &str) {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            if floods::admits("event dropped") {
                tracing::warn!(%reason, "too many events at once, one was dropped");
            }
            return;
        };
        let event = event(object, kind, reason, note, &self.instance, Timestamp::now());
        let api: Api<Event> = Api::namespaced(
            self.client.clone(),
            event.metadata.namespace.as_deref().unwrap_or_default(),
        );
        let metrics = Arc::clone(&self.metrics);
        tokio::spawn(async move {
            let result = within(api.create(&PostParams::default(), &event)).await;
            metrics.write(Verb::Create, Written::Event, result.is_ok());
            if let Err(error) = result {
                tracing::debug!(%reason, %error, "an event was not published");
            }
            drop(permit);
        });
    }
}

fn event(object: &OAuthClient, kind: &str, reason: Reason, note: &str, instance: &str, now: Timestamp) -> Event {
    let meta = &object.metadata;
    let name = meta.name.as_deref().unwrap_or_default();
    Event {
        metadata: ObjectMeta {
            // The name of an object may have 253 characters, and so may that of its event.
            name: Some(format!("{}.{:x}", clipped(name, 236), now.as_nanosecond())),
            namespace: meta.namespace.clone(),
            ..ObjectMeta::default()
        },
        regarding: Some(ObjectReference {
            api_version: Some(OAuthClient::api_version(&()).into_owned()),
            kind: Some(OAuthClient::kind(&()).into_owned()),
            name: meta.name.clone(),
            namespace: meta.namespace.clone(),
            uid: meta.uid.clone(),
            resource_version: meta.resource_version.clone(),
            field_path: None,
        }),
        type_: Some(kind.into()),
        reason: Some(reason.as_str().into()),
        action: Some("Reconcile".into()),
        note: Some(clipped(note, NOTE).into()),
        event_time: Some(MicroTime(now)),
        reporting_controller: Some(names::GROUP.into()),
        reporting_instance: Some(instance.into()),
        ..Event::default()
    }
}

/// The longest beginning of at most `bytes` bytes that ends between characters.
fn clipped(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_cut_between_characters() {
        assert_eq!(clipped("aé", 2), "a");
        assert_eq!(clipped("aé", 3), "aé");
        assert_eq!(clipped("", 3), "");
    }

    #[test]
    fn an_event_says_what_it_is_about_within_the_limits() {
        let object: OAuthClient = serde_json::from_value(serde_json::json!({
            "apiVersion": "oauth-client-operator.dev/v1alpha1", "kind": "OAuthClient",
            "metadata": {"name": "n".repeat(253), "namespace": "shop", "uid": "u", "resourceVersion": "3"},
            "spec": {"providerRef": {"name": "p"}},
        }))
        .unwrap();
        let event = event(
            &object,
            "Warning",
            Reason::RecordLost,
            &"ä".repeat(2000),
            "pod",
            Timestamp::now(),
        );
        assert!(event.metadata.name.unwrap().len() <= 253);
        assert_eq!(event.note.unwrap().len(), NOTE);
        assert_eq!(event.regarding.unwrap().uid.as_deref(), Some("u"));
        assert_eq!(event.reason.as_deref(), Some("RecordLost"));
    }
}
