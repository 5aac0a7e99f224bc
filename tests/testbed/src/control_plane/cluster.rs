//! A cluster as its users see it, be it ours or a foreign one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::api::{Api, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use secrecy::{ExposeSecret as _, SecretString};

use super::command::Commands;
use super::{ControlPlaneError, servers};
use crate::process::{Process, Scratch};
use crate::provision::Program;

/// How long a server may take to start; generous, for machines that are busy with other tests.
const START_LIMIT: Duration = Duration::from_mins(3);
/// Lifetime of ServiceAccount tokens: longer than any test run.
const TOKEN_SECONDS: i64 = 24 * 3600;

/// Where an API server, or a proxy before it, listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// URL without a path.
    pub url: String,
    /// Authority to trust; the system's if absent.
    pub ca_pem: Option<String>,
}

/// A cluster that a kubeconfig file leads to.
#[derive(Debug)]
pub struct Cluster {
    pub(super) config: kube::Config,
    pub(super) commands: Commands,
    scratch: Scratch,
}

impl Cluster {
    /// A cluster that exists already, with the current context of the file.
    pub async fn existing(kubeconfig: &Path) -> Result<Self, ControlPlaneError> {
        crate::tls::install();
        Self::open(kubeconfig, Program::Kubectl.find().await?).await
    }

    pub(super) async fn open(kubeconfig: &Path, kubectl: PathBuf) -> Result<Self, ControlPlaneError> {
        let unusable = |source| ControlPlaneError::Kubeconfig {
            path: kubeconfig.to_owned(),
            source: Box::new(source),
        };
        let content = Kubeconfig::read_from(kubeconfig).map_err(unusable)?;
        let mut config = kube::Config::from_custom_kubeconfig(content, &KubeConfigOptions::default())
            .await
            .map_err(unusable)?;
        // A test wants to see each answer, not the last of several.
        config.default_retry = false;
        let scratch = Scratch::new("client")?;
        let commands = Commands {
            kubectl,
            kubeconfig: kubeconfig.to_owned(),
            home: scratch.path().to_owned(),
        };
        Ok(Self {
            config,
            commands,
            scratch,
        })
    }

    /// A new client with the rights of the kubeconfig file.
    ///
    /// It works on the async runtime of the caller alone, so tests do not share one.
    pub fn client(&self) -> Result<kube::Client, ControlPlaneError> {
        kube::Client::try_from(self.config.clone()).map_err(ControlPlaneError::api("cannot make a client"))
    }

    /// The kubeconfig file.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.commands.kubeconfig
    }

    /// Where the API server listens.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        use base64::Engine as _;
        let ca_pem = self.config.root_cert.as_ref().map(|certificates| {
            let block = |der: &Vec<u8>| {
                let body = base64::engine::general_purpose::STANDARD.encode(der);
                format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
            };
            certificates.iter().map(block).collect::<String>()
        });
        Endpoint {
            url: self.config.cluster_url.to_string().trim_end_matches('/').to_owned(),
            ca_pem,
        }
    }

    /// Makes a ServiceAccount; one that is there already is fine.
    pub async fn create_service_account(&self, namespace: &str, name: &str) -> Result<(), ControlPlaneError> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client()?, namespace);
        let mut account = ServiceAccount::default();
        account.metadata.name = Some(name.to_owned());
        match accounts.create(&PostParams::default(), &account).await {
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            other => other.map(drop).map_err(ControlPlaneError::api(format!(
                "cannot create ServiceAccount {namespace}/{name}"
            ))),
        }
    }

    /// A token of a ServiceAccount, as a pod would have it.
    pub async fn service_account_token(&self, namespace: &str, name: &str) -> Result<SecretString, ControlPlaneError> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client()?, namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                expiration_seconds: Some(TOKEN_SECONDS),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await;
        let answer = answer.map_err(ControlPlaneError::api(format!(
            "cannot get a token of ServiceAccount {namespace}/{name}"
        )))?;
        Ok(answer.status.map(|status| status.token).unwrap_or_default().into())
    }

    /// Writes a kubeconfig file that holds a token; it goes with this [`Cluster`].
    ///
    /// `via` is [`Cluster::endpoint`] or that of a proxy; `name` names the user in the file and the file itself.
    pub fn kubeconfig_with_token(
        &self,
        name: &str,
        token: &SecretString,
        via: &Endpoint,
    ) -> Result<PathBuf, ControlPlaneError> {
        let path = self.scratch.path().join(format!("{name}.kubeconfig"));
        let text = servers::kubeconfig(&via.url, via.ca_pem.as_deref(), name, token.expose_secret());
        std::fs::write(&path, text).map_err(ControlPlaneError::io(&path))?;
        Ok(path)
    }

    pub(super) async fn wait_api_server(&self, process: &Process) -> Result<(), ControlPlaneError> {
        let client = self.client()?;
        let ready = async || {
            let request = http::Request::get("/readyz")
                .body(Vec::new())
                .map_err(kube::Error::HttpError)?;
            client.request_text(request).await
        };
        process.ready(START_LIMIT, ready).await?;
        Ok(())
    }

    /// Waits until two controllers have done their first work.
    pub(super) async fn wait_controllers(&self, process: &Process) -> Result<(), ControlPlaneError> {
        let client = self.client()?;
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
        let config_maps: Api<ConfigMap> = Api::namespaced(client, "default");
        let ready = async || {
            accounts.get("default").await?;
            config_maps.get("kube-root-ca.crt").await
        };
        process.ready(START_LIMIT, ready).await?;
        Ok(())
    }
}
