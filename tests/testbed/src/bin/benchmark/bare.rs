//! A writer that makes the calls of a create in their order and does nothing else: what no operator can be faster than.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use testbed::control_plane::ControlPlane;
use testbed::site::Site;

use super::measure::{Figures, kind};
use super::{Failure, client};

/// The writer.
pub struct Writer {
    objects: Api<DynamicObject>,
    secrets: Api<Secret>,
    http: reqwest::Client,
    register: String,
    namespace: String,
    numbers: std::sync::atomic::AtomicUsize,
}

impl Writer {
    /// Writes into a namespace that no operator serves.
    pub fn new(plane: &ControlPlane, site: &Site, namespace: &str) -> Result<Self, Failure> {
        let kube: Client = plane.client()?;
        Ok(Self {
            objects: Api::namespaced_with(kube.clone(), namespace, &kind()),
            secrets: Api::namespaced(kube, namespace),
            http: testbed::providers::http(None),
            register: site.registration_endpoint(),
            namespace: namespace.to_owned(),
            numbers: std::sync::atomic::AtomicUsize::new(0),
        })
    }

    /// One chain after the other, from the creation of the object to its Secret.
    pub async fn singles(&self, count: usize) -> Result<Figures, Failure> {
        let mut durations = Vec::new();
        for _ in 0..count {
            let begun = Instant::now();
            let object = self.create().await?;
            let secret = self.chain(&object).await?;
            durations.push(secret.duration_since(begun));
        }
        Ok(Figures::new(durations))
    }

    /// Objects per second, creation of the objects included, as for the operator.
    pub async fn burst(&self, count: usize, concurrency: usize) -> Result<f64, Failure> {
        let begun = Instant::now();
        let chains = futures::stream::iter(0..count).map(|_| async {
            let object = self.create().await?;
            self.chain(&object).await
        });
        let done: Vec<Instant> = chains.buffer_unordered(concurrency).try_collect().await?;
        Ok(done.len() as f64 / begun.elapsed().max(Duration::from_millis(1)).as_secs_f64())
    }

    async fn create(&self) -> Result<DynamicObject, Failure> {
        let number = self.numbers.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let object = serde_json::from_value(client(&self.namespace, &format!("bare-{number}")))?;
        Ok(self.objects.create(&PostParams::default(), &object).await?)
    }

    /// The calls; when the Secret was there.
    async fn chain(&self, object: &DynamicObject) -> Result<Instant, Failure> {
        let name = object.name_any();
        let (secret, record) = (self.secret(&name)?, self.secret(&format!("record-{name}"))?);
        let dry = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        tokio::try_join!(self.secrets.create(&dry, &secret), self.secrets.create(&dry, &record))?;
        let marker = json!({"metadata": {
            "uid": object.uid(), "resourceVersion": object.resource_version(),
            "finalizers": ["benchmark.example/bare"], "annotations": {"benchmark.example/marker": name},
        }});
        let object = self
            .objects
            .patch(&name, &PatchParams::default(), &Patch::Merge(&marker))
            .await?;
        let request = json!({
            "client_name": name, "redirect_uris": ["https://app.example/callback"],
            "grant_types": ["authorization_code", "client_credentials"], "response_types": ["code"],
            "token_endpoint_auth_method": "client_secret_basic", "application_type": "web",
        });
        let post = self
            .http
            .post(&self.register)
            .header("content-type", "application/json")
            .body(request.to_string());
        let answer: Value = serde_json::from_str(&post.send().await?.error_for_status()?.text().await?)?;
        self.secrets.create(&PostParams::default(), &record).await?;
        self.secrets.create(&PostParams::default(), &secret).await?;
        let written = Instant::now();
        let status = json!({
            "apiVersion": "oauth-client-operator.dev/v1alpha1", "kind": "OAuthClient",
            "metadata": {"name": name, "resourceVersion": object.resource_version()},
            "status": {"observedGeneration": 1, "clientID": answer["client_id"]},
        });
        self.objects
            .patch_status(&name, &PatchParams::apply("bare").force(), &Patch::Apply(&status))
            .await?;
        Ok(written)
    }

    fn secret(&self, name: &str) -> Result<Secret, Failure> {
        Ok(serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": self.namespace, "labels": {"benchmark.example/bare": "true"}},
            "stringData": {"client_id": "x".repeat(40), "client_secret": "y".repeat(60), "issuer": "https://provider.example"},
        }))?)
    }
}
