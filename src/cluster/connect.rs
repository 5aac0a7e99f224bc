//! The connection to the API server, and the deadline of every call over it.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use http::header::{HeaderValue, USER_AGENT};
use kube::{Client, Config};
use secrecy::SecretString;

use super::error::ApiError;

/// Deadline of one call, from the first byte sent to the last byte read.
const CALL: Duration = Duration::from_secs(10);
/// Deadline of making a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// Why there is no client for the API server.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Neither a kubeconfig nor a pod's environment was found, or what was found cannot be used.
    #[error("no usable cluster configuration (set KUBECONFIG, or run in a pod with a ServiceAccount token): {source}")]
    Config {
        /// What was tried.
        source: Box<kube::config::InferConfigError>,
    },
    /// The configuration was found, and a client cannot be made of it.
    #[error("the cluster configuration cannot be used: {source}")]
    Client {
        /// Why.
        source: Box<kube::Error>,
    },
}

/// A client for the cluster that the kubeconfig or the pod's environment names.
///
/// # Errors
/// No configuration is found, or it names certificates that cannot be read. The API server is not contacted.
pub async fn connect() -> Result<Client, ConnectError> {
    let mut config = Config::infer().await.map_err(|source| ConnectError::Config {
        source: Box::new(source),
    })?;
    // kube's own retry repeats POSTs and hides an outage for minutes; the planner decides what is tried again.
    config.default_retry = false;
    // kube takes HTTPS_PROXY from the environment, and refuses to start without its proxy support.
    if let Some(proxy) = config.proxy_url.take() {
        let proxy = proxy.host().unwrap_or_default();
        tracing::info!(
            proxy,
            "the API server is called directly; the configured proxy is ignored for it"
        );
    }
    config.connect_timeout = Some(CONNECT);
    config.headers.push((
        USER_AGENT,
        HeaderValue::from_static(concat!("oauth-client-operator/", env!("CARGO_PKG_VERSION"))),
    ));
    Client::try_from(config).map_err(|source| ConnectError::Client {
        source: Box::new(source),
    })
}

/// The bearer token that the calls of the API server carry; none if they carry another kind of credentials.
#[derive(Debug, Default)]
pub struct ApiToken {
    file: Option<PathBuf>,
    fixed: Option<SecretString>,
}

impl ApiToken {
    /// The token of the configuration that [`connect`] uses.
    pub async fn infer() -> Self {
        let auth = Config::infer().await.map(|config| config.auth_info).unwrap_or_default();
        Self {
            file: auth.token_file.map(PathBuf::from),
            fixed: auth.token,
        }
    }

    /// A token that is in this file.
    #[cfg(test)]
    pub(crate) const fn in_file(file: PathBuf) -> Self {
        Self {
            file: Some(file),
            fixed: None,
        }
    }

    /// The token as it is now: one in a file is replaced from time to time.
    #[must_use]
    pub fn read(&self) -> Option<SecretString> {
        match &self.file {
            Some(file) => std::fs::read_to_string(file).ok().map(SecretString::from),
            None => self.fixed.clone(),
        }
    }
}

/// Runs one call under a deadline of ten seconds.
///
/// # Errors
/// Whatever the call ended with; [`ApiError::Unavailable`] after the deadline, when the outcome of a write is unknown.
pub async fn within<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, ApiError> {
    match tokio::time::timeout(CALL, call).await {
        Ok(result) => result.map_err(ApiError::from),
        Err(_) => Err(ApiError::Unavailable {
            retry_after: None,
            message: format!("no answer within {} s", CALL.as_secs()),
        }),
    }
}
