//! Real providers, each started on 127.0.0.1 and ended with the test.
//!
//! What a provider holds is read past the operator, so that a test can compare both.

mod django_oauth_toolkit;
mod idpyoidc;
mod keycloak;
mod mitreid;
mod oidc_provider;
mod scriptable;

pub use django_oauth_toolkit::DjangoOAuthToolkit;
pub use idpyoidc::{Idpyoidc, IdpyoidcOptions};
pub use keycloak::{Keycloak, Realm};
pub use mitreid::Mitreid;
pub use oidc_provider::{OidcFault, OidcFaultKind, OidcProvider, OidcProviderOptions, OidcRequest};
pub use scriptable::{
    ADMIN, DECEPTIVE, DIALECTS, Dialect, Fault, OPERATOR, Operation, PROFILES, Persona, Quirk, Reply,
    ScriptableProvider, Seen, Traffic,
};

use serde::Deserialize;
use serde_json::Value;

use crate::process::ProcessError;
use crate::provision::ProvisionError;

/// Why a provider could not be run or asked.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// Its program could not be had.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    /// Its process failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Its certificate could not be made.
    #[error(transparent)]
    Tls(#[from] crate::tls::TlsError),
    /// The proxy before it does not lead to it.
    #[error(transparent)]
    Proxy(#[from] crate::proxy::ProxyError),
    /// It could not listen.
    #[error("the provider cannot listen on 127.0.0.1: {0}")]
    Port(std::io::Error),
    /// It did not answer.
    #[error("the provider does not answer at {url}: {source}")]
    Silent {
        /// What was asked for.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// It answered with something else than was asked for.
    #[error("the provider answered {status} at {url}: {body}")]
    Refused {
        /// What was asked for.
        url: String,
        /// Status.
        status: u16,
        /// What it said.
        body: String,
    },
}

/// Sends a request and reads the JSON of a success.
pub(crate) async fn json(request: reqwest::RequestBuilder, url: &str) -> Result<Value, ProviderError> {
    let silent = |source| ProviderError::Silent {
        url: url.to_owned(),
        source,
    };
    let response = request.send().await.map_err(silent)?;
    let status = response.status();
    let body = response.text().await.map_err(silent)?;
    match (status.is_success(), serde_json::from_str(&body)) {
        (true, Ok(value)) => Ok(value),
        _ => Err(ProviderError::Refused {
            url: url.to_owned(),
            status: status.as_u16(),
            body,
        }),
    }
}

/// Where the start script of a server says that it listens: its port, and that of what is asked about it.
#[derive(Deserialize)]
struct Ports {
    port: u16,
    admin: u16,
}

impl Ports {
    fn find(log: &str) -> Option<Self> {
        let line = log.lines().find_map(|line| line.strip_prefix("listening "))?;
        serde_json::from_str(line).ok()
    }
}

/// A client that talks to providers as an application does. `ca` is a PEM authority to trust.
#[must_use]
pub fn http(ca: Option<&str>) -> reqwest::Client {
    crate::tls::install();
    // Tests with a runtime each share providers, and a kept connection would end with its runtime.
    let builder = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
    let ca = ca.and_then(|pem| reqwest::Certificate::from_pem(pem.as_bytes()).ok());
    let builder = match ca {
        Some(ca) => builder.tls_certs_only([ca]),
        None => builder,
    };
    builder.build().unwrap_or_default()
}

/// Gets an access token with the client credentials grant (RFC 6749 section 4.4), as an application does.
pub async fn token(
    http: &reqwest::Client,
    endpoint: &str,
    client_id: &str,
    client_secret: &str,
) -> Result<String, ProviderError> {
    let request = http
        .post(endpoint)
        .basic_auth(encoded(client_id), Some(encoded(client_secret)))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials");
    let answer = json(request, endpoint).await?;
    match answer["access_token"].as_str() {
        Some(token) if !token.is_empty() => Ok(token.to_owned()),
        _ => Err(ProviderError::Refused {
            url: endpoint.to_owned(),
            status: 200,
            body: "no access_token".to_owned(),
        }),
    }
}

/// Identifier and secret are form-encoded before they go into Basic (RFC 6749 section 2.3.1).
fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
