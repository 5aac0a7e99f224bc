//! oidc-provider, from npm.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::{ProviderError, http, json};
use crate::process::{Process, Scratch, Spec, free_port};
use crate::provision::npm::{NODE, npm};

const VERSION: &str = "9.13.3";
const FILES: [(&str, &str); 3] = [
    (
        "package.json",
        include_str!("../../providers/oidc-provider/package.json"),
    ),
    (
        "package-lock.json",
        include_str!("../../providers/oidc-provider/package-lock.json"),
    ),
    ("server.mjs", include_str!("../../providers/oidc-provider/server.mjs")),
];

/// Time to become ready.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// How it is started.
#[derive(Clone, Debug)]
pub struct OidcProviderOptions {
    /// Token that a registration needs; `None`: registration is open.
    pub initial_access_token: Option<String>,
    /// Whether every update issues a new registration access token.
    pub rotate: bool,
    /// Whether registered clients can be changed and deleted.
    pub management: bool,
    /// The URL that it goes by, if something stands before it.
    pub issuer: Option<String>,
}

impl Default for OidcProviderOptions {
    fn default() -> Self {
        Self {
            initial_access_token: None,
            rotate: false,
            management: true,
            issuer: None,
        }
    }
}

/// A running oidc-provider.
#[derive(Debug)]
pub struct OidcProvider {
    issuer: String,
    url: String,
    http: reqwest::Client,
    process: Process,
    _scratch: Scratch,
}

impl OidcProvider {
    /// Starts one; less than a second once it is installed.
    pub async fn start(options: OidcProviderOptions) -> Result<Self, ProviderError> {
        NODE.require().await?;
        let dir = npm("oidc-provider", VERSION, &FILES).await?;
        let scratch = Scratch::new("oidc-provider")?;
        let port = free_port()?;
        let url = format!("http://127.0.0.1:{port}");
        let issuer = options.issuer.unwrap_or_else(|| url.clone());
        let on_off = |on| if on { "on" } else { "off" };
        let process = Spec::new("oidc-provider", "node")
            .arg("server.mjs")
            .dir(dir)
            .log(scratch.path().join("oidc-provider.log"))
            .env("PORT", port.to_string())
            .env("ISSUER", &issuer)
            .env("INITIAL_ACCESS_TOKEN", options.initial_access_token.unwrap_or_default())
            .env("ROTATE", on_off(options.rotate))
            .env("MANAGEMENT", on_off(options.management))
            .grace(Duration::from_millis(500))
            .spawn()?;
        let provider = Self {
            issuer,
            url,
            http: http(None),
            process,
            _scratch: scratch,
        };
        let ready = async || provider.clients().await;
        provider.process.ready(READY_LIMIT, ready).await?;
        Ok(provider)
    }

    /// Issuer identifier.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Every client that it holds, by its identifier.
    pub async fn clients(&self) -> Result<BTreeMap<String, Value>, ProviderError> {
        let url = format!("{}/_testbed/clients", self.url);
        let found = json(self.http.get(&url), &url).await?;
        Ok(found.as_object().cloned().unwrap_or_default().into_iter().collect())
    }

    /// An access token by the client credentials grant.
    pub async fn token(&self, client_id: &str, client_secret: &str) -> Result<String, ProviderError> {
        super::token(&self.http, &format!("{}/token", self.url), client_id, client_secret).await
    }

    /// Ends it, as an outage does.
    pub async fn stop(&self) -> Result<(), ProviderError> {
        self.process.kill().await?;
        Ok(())
    }
}
