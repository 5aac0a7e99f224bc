//! oidc-provider, from npm.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Ports, ProviderError, http, json};
use crate::process::{Process, Scratch, Spec};
use crate::provision::npm::{NODE, npm};

const VERSION: &str = "9.13.3";
const FILES: [(&str, &str); 5] = [
    (
        "package.json",
        include_str!("../../providers/oidc-provider/package.json"),
    ),
    (
        "package-lock.json",
        include_str!("../../providers/oidc-provider/package-lock.json"),
    ),
    ("server.mjs", include_str!("../../providers/oidc-provider/server.mjs")),
    ("store.mjs", include_str!("../../providers/oidc-provider/store.mjs")),
    ("wire.mjs", include_str!("../../providers/oidc-provider/wire.mjs")),
];

/// Time to become ready.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// How it is started.
#[derive(Clone, Debug)]
pub struct OidcProviderOptions {
    /// Token that a registration needs; `None`: registration is open.
    pub initial_access_token: Option<String>,
    /// Whether a registration needs a token that [`OidcProvider::initial_access_token`] made.
    pub issued_initial_access: bool,
    /// Whether every update issues a new registration access token.
    pub rotate: bool,
    /// Whether registered clients can be changed and deleted.
    pub management: bool,
    /// The URL that it goes by, if something stands before it.
    pub issuer: Option<String>,
    /// What client identifiers begin with.
    pub id_prefix: String,
    /// What client secrets begin with: a mark to search for where no secret may be.
    pub secret_prefix: String,
}

impl Default for OidcProviderOptions {
    fn default() -> Self {
        Self {
            initial_access_token: None,
            issued_initial_access: false,
            rotate: false,
            management: true,
            issuer: None,
            id_prefix: String::new(),
            secret_prefix: String::new(),
        }
    }
}

impl OidcProviderOptions {
    /// A server that issues another registration access token with each update.
    #[must_use]
    pub fn rotating() -> Self {
        Self {
            rotate: true,
            ..Self::default()
        }
    }

    /// A server that offers neither updates nor deregistration.
    #[must_use]
    pub fn unmanaged() -> Self {
        Self {
            management: false,
            ..Self::default()
        }
    }

    /// As the start script reads them.
    fn to_json(&self) -> Value {
        let token = self.initial_access_token.as_ref().map(|token| serde_json::json!(token));
        serde_json::json!({
            "issuer": self.issuer,
            "initialAccessToken": token.unwrap_or(self.issued_initial_access.into()),
            "rotate": self.rotate,
            "management": self.management,
            "idPrefix": self.id_prefix,
            "secretPrefix": self.secret_prefix,
        })
    }
}

/// A request that it got.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct OidcRequest {
    /// Method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Status of the answer; 0 if none was sent.
    pub status: u16,
}

/// Something that goes wrong on the way to it or back.
#[derive(Clone, Debug, Serialize)]
pub struct OidcFault {
    /// Method of the requests that it meets; all if absent.
    pub method: Option<String>,
    /// What the path of the requests begins with.
    pub path: String,
    /// How many requests it meets.
    pub times: u32,
    /// What happens.
    #[serde(flatten)]
    pub kind: OidcFaultKind,
}

/// What goes wrong.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum OidcFaultKind {
    /// This is the answer, and nothing is done.
    Answer {
        /// Status code.
        status: u16,
        /// Headers.
        headers: BTreeMap<String, String>,
        /// Body.
        body: String,
    },
    /// The connection ends and nothing is done.
    LoseRequest,
    /// It is done, and the connection ends without an answer.
    LoseAnswer,
    /// It is done later.
    Delay {
        /// How much later, in milliseconds.
        ms: u64,
    },
}

/// A running oidc-provider.
#[derive(Debug)]
pub struct OidcProvider {
    issuer: String,
    url: String,
    admin: String,
    http: reqwest::Client,
    process: Process,
    _scratch: Scratch,
}

impl OidcProvider {
    /// Its release.
    pub const VERSION: &str = VERSION;

    /// Starts one; less than a second once it is installed.
    pub async fn start(options: OidcProviderOptions) -> Result<Self, ProviderError> {
        NODE.require_major(20).await?;
        let dir = npm("oidc-provider", VERSION, &FILES).await?;
        let scratch = Scratch::new("oidc-provider")?;
        let process = Spec::new("oidc-provider", "node")
            .arg("server.mjs")
            .dir(dir)
            .log(scratch.path().join("oidc-provider.log"))
            .env("TESTBED_OPTIONS", options.to_json().to_string())
            .grace(Duration::from_millis(500))
            .spawn()?;
        let listens = async || Ports::find(&process.log()).ok_or("it does not listen yet");
        let ports = process.ready(READY_LIMIT, listens).await?;
        let url = format!("http://127.0.0.1:{}", ports.port);
        Ok(Self {
            issuer: options.issuer.unwrap_or_else(|| url.clone()),
            url,
            admin: format!("http://127.0.0.1:{}", ports.admin),
            http: http(None),
            process,
            _scratch: scratch,
        })
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
        self.ask(http::Method::GET, "clients", None).await
    }

    /// Removes a client behind everyone's back; false if there was none.
    pub async fn remove_client(&self, client_id: &str) -> Result<bool, ProviderError> {
        let path = format!("clients/{}", super::encoded(client_id));
        self.ask(http::Method::DELETE, &path, None).await
    }

    /// Every request that it got, in order of arrival.
    pub async fn requests(&self) -> Result<Vec<OidcRequest>, ProviderError> {
        self.ask(http::Method::GET, "requests", None).await
    }

    /// A new initial access token, good for any number of registrations within an hour, if
    /// [`OidcProviderOptions::issued_initial_access`] is on.
    pub async fn initial_access_token(&self) -> Result<String, ProviderError> {
        self.ask(http::Method::POST, "initial-access-token", None).await
    }

    /// From now on this goes wrong; what was to go wrong before is forgotten.
    pub async fn faults(&self, faults: &[OidcFault]) -> Result<(), ProviderError> {
        let faults = serde_json::json!(faults);
        self.ask(http::Method::POST, "faults", Some(&faults)).await
    }

    /// Makes it unreachable: connections are closed and refused. Unlike after [`OidcProvider::stop`], its clients stay.
    pub async fn go_down(&self) -> Result<(), ProviderError> {
        self.ask(http::Method::POST, "down", None).await
    }

    /// Makes it reachable again, at the same address.
    pub async fn come_up(&self) -> Result<(), ProviderError> {
        self.ask(http::Method::POST, "up", None).await
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

    /// A call of the start script's admin port.
    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        method: http::Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, ProviderError> {
        let url = format!("{}/{path}", self.admin);
        let mut request = self.http.request(method, &url);
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let answer = json(request, &url).await?;
        serde_json::from_value(answer).map_err(|error| ProviderError::Refused {
            url,
            status: 200,
            body: error.to_string(),
        })
    }
}
