//! What is shown to whoever may not read Secrets holds none.

use std::collections::BTreeMap;

use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ListParams};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use testbed::promises::{Leftovers, Published};

use super::Case;

impl Case {
    /// No secret and no token is in a log, status or event.
    pub(super) async fn no_secret_is_shown(&self, left: &Leftovers) {
        let issued = left
            .ledger
            .iter()
            .filter_map(|(id, issued)| Some((id, issued.secret.as_ref()?)));
        let mut canaries: BTreeMap<String, String> = issued
            .map(|(id, secret)| (secret.expose_secret().to_owned(), format!("secret of {id}")))
            .collect();
        for secret in self.kept("record").await {
            let record: Value = serde_json::from_slice(&secret.data.unwrap()["record.json"].0).unwrap();
            for member in ["clientSecret", "registrationAccessToken"] {
                if let Some(value) = record[member].as_str() {
                    canaries.insert(value.to_owned(), format!("{member} of {}", record["clientId"]));
                }
            }
        }
        let labelled = ListParams::default().labels("oauth-client-operator.dev/provider-credentials=true");
        for secret in self.stage.secrets().list(&labelled).await.unwrap() {
            let published = Published::from_secret(&secret);
            for (key, value) in published.data {
                // What names an account or a certificate is public.
                if !matches!(key.as_str(), "client_id" | "username" | "tls.crt" | "ca.crt") {
                    let origin = format!("{key} of Secret {}", published.name);
                    canaries.insert(value.expose_secret().to_owned(), origin);
                }
            }
        }
        canaries.retain(|canary, _| canary.len() > 7);
        let events: Api<Event> = Api::namespaced(self.stage.client.clone(), self.stage.apps.name());
        let all = ListParams::default();
        let mut shown = vec![
            ("the log".to_owned(), self.stage.operator.log()),
            ("the metrics".to_owned(), self.stage.operator.metrics().await.unwrap()),
        ];
        for event in events.list(&all).await.unwrap() {
            let place = format!("the event {}", event.metadata.name.as_deref().unwrap_or_default());
            shown.push((place, serde_json::to_string(&event).unwrap()));
        }
        for client in self.stage.clients().list(&all).await.unwrap() {
            let name = client.metadata.name.as_deref().unwrap_or_default();
            let written = json!([client.metadata, client.spec]);
            shown.push((format!("the manifest of client {name}"), written.to_string()));
            let status = serde_json::to_value(&client.status).unwrap();
            for (member, value) in status.as_object().into_iter().flatten() {
                shown.push((format!("status.{member} of client {name}"), value.to_string()));
            }
        }
        for provider in self.stage.providers().list(&all).await.unwrap() {
            let place = format!("the provider {}", provider.metadata.name.as_deref().unwrap_or_default());
            shown.push((place, serde_json::to_string(&provider).unwrap()));
        }
        for (place, text) in &shown {
            for (canary, origin) in &canaries {
                assert!(!text.contains(canary.as_str()), "{place} holds the {origin}");
            }
        }
    }
}
