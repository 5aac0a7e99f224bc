//! What the command asks the API server for.

use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::api::{
    ClusterOAuthProvider, OAuthClient, OAuthProvider, ProviderKind, ProviderSettings, ProviderStatus, names,
};
use crate::cluster::{self, ApiError, within};

use super::Problem;

impl Problem {
    /// A refused or failed call.
    fn of(error: &ApiError, verb: &str, what: &str) -> Self {
        Self(match error {
            ApiError::Forbidden { message, .. } => {
                format!("you may not {verb} {what}; ask an administrator of the cluster for the right: {message}")
            }
            other => format!("cannot {verb} {what}: {other}"),
        })
    }
}

/// A provider object as it is now.
pub(super) struct Provider {
    pub settings: ProviderSettings,
    pub generation: Option<i64>,
    pub status: ProviderStatus,
}

/// The cluster, the provider object in it, and the name of the throw-away client.
pub(super) struct Cluster {
    client: Client,
    namespace: String,
    kind: ProviderKind,
    provider: String,
    name: String,
}

impl Cluster {
    pub(super) async fn connect(
        namespace: Option<String>,
        kind: ProviderKind,
        provider: &str,
        name: String,
    ) -> Result<Self, Problem> {
        let client = cluster::connect().await.map_err(|error| Problem(error.to_string()))?;
        Ok(Self {
            namespace: namespace.unwrap_or_else(|| client.default_namespace().to_owned()),
            client,
            kind,
            provider: provider.to_owned(),
            name,
        })
    }

    /// The provider object, for a sentence.
    pub(super) fn provider_text(&self) -> String {
        match self.kind {
            ProviderKind::OAuthProvider => format!("OAuthProvider {}/{}", self.namespace, self.provider),
            ProviderKind::ClusterOAuthProvider => format!("ClusterOAuthProvider {}", self.provider),
        }
    }

    /// The throw-away client, for a sentence.
    pub(super) fn text(&self) -> String {
        format!("OAuthClient {}/{}", self.namespace, self.name)
    }

    fn clients(&self) -> Api<OAuthClient> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The provider object.
    pub(super) async fn provider(&self) -> Result<Provider, Problem> {
        let (client, text) = (self.client.clone(), self.provider_text());
        let problem = |error: ApiError| match error {
            ApiError::NotFound => Problem(format!(
                "{text} does not exist; --kind and --namespace say where it is looked for"
            )),
            error => Problem::of(&error, "get", &text),
        };
        match self.kind {
            ProviderKind::OAuthProvider => {
                let api = Api::<OAuthProvider>::namespaced(client, &self.namespace);
                let object = within(api.get(&self.provider)).await.map_err(problem)?;
                Ok(Provider {
                    settings: object.spec.provider,
                    generation: object.metadata.generation,
                    status: object.status.unwrap_or_default(),
                })
            }
            ProviderKind::ClusterOAuthProvider => {
                let api = Api::<ClusterOAuthProvider>::all(client);
                let object = within(api.get(&self.provider)).await.map_err(problem)?;
                Ok(Provider {
                    settings: object.spec.provider,
                    generation: object.metadata.generation,
                    status: object.status.unwrap_or_default(),
                })
            }
        }
    }

    /// The throw-away client, if it exists.
    pub(super) async fn object(&self) -> Result<Option<OAuthClient>, Problem> {
        let found = within(self.clients().get_opt(&self.name)).await;
        found.map_err(|error| Problem::of(&error, "get", &self.text()))
    }

    /// Creates the throw-away client.
    pub(super) async fn create(&self, mut spec: Value) -> Result<OAuthClient, Problem> {
        spec["providerRef"] = json!({"kind": self.kind, "name": self.provider});
        spec["clientName"] = json!(self.name);
        let manifest = json!({
            "apiVersion": names::API_VERSION,
            "kind": "OAuthClient",
            "metadata": {"name": self.name, "labels": {names::CERTIFY: "true"}},
            "spec": spec,
        });
        let object: OAuthClient = serde_json::from_value(manifest)
            .map_err(|error| Problem(format!("{} cannot be made: {error}", self.text())))?;
        let created = within(self.clients().create(&PostParams::default(), &object)).await;
        created.map_err(|error| Problem::of(&error, "create", &self.text()))
    }

    /// Changes the spec of exactly this object.
    pub(super) async fn change(&self, uid: &str, spec: &Value) -> Result<OAuthClient, Problem> {
        let patch = Patch::Merge(json!({"metadata": {"uid": uid}, "spec": spec}));
        let patched = within(self.clients().patch(&self.name, &PatchParams::default(), &patch)).await;
        patched.map_err(|error| Problem::of(&error, "patch", &self.text()))
    }

    /// Deletes exactly this object. That it is gone already is success.
    pub(super) async fn delete(&self, uid: &str) -> Result<(), Problem> {
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match within(self.clients().delete(&self.name, &params)).await {
            Ok(_) | Err(ApiError::NotFound) => Ok(()),
            Err(error) => Err(Problem::of(&error, "delete", &self.text())),
        }
    }
}
