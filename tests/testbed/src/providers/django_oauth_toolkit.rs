//! django-oauth-toolkit, from the Python Package Index.
//!
//! Its habits: the metadata is at a place that no specification names, addresses end with a slash, a client has one grant
//! type, `client_secret` is in no answer but that of the registration, and every update issues another token.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::{Ports, ProviderError, http, json};
use crate::process::{Process, Scratch, Spec};
use crate::provision::pip::{PYTHON, pip};

const FILES: [(&str, &str); 2] = [
    (
        "requirements.txt",
        include_str!("../../providers/django-oauth-toolkit/requirements.txt"),
    ),
    (
        "server.py",
        include_str!("../../providers/django-oauth-toolkit/server.py"),
    ),
];

/// Time to become ready.
const READY_LIMIT: Duration = Duration::from_mins(1);

/// A running django-oauth-toolkit.
#[derive(Debug)]
pub struct DjangoOAuthToolkit {
    issuer: String,
    admin: String,
    http: reqwest::Client,
    _process: Process,
    _scratch: Scratch,
}

impl DjangoOAuthToolkit {
    /// Its release.
    pub const VERSION: &str = "3.4.1";

    /// Starts one; about two seconds once it is installed.
    pub async fn start() -> Result<Self, ProviderError> {
        let (dir, packages) = pip("django-oauth-toolkit", Self::VERSION, &FILES).await?;
        let scratch = Scratch::new("django-oauth-toolkit")?;
        let process = Spec::new("django-oauth-toolkit", PYTHON.program)
            .arg(dir.join("server.py"))
            .dir(scratch.path())
            .log(scratch.path().join("django-oauth-toolkit.log"))
            .env("PYTHONPATH", packages)
            .grace(Duration::from_millis(500))
            .spawn()?;
        let listens = async || Ports::find(&process.log()).ok_or("it does not listen yet");
        let ports = process.ready(READY_LIMIT, listens).await?;
        Ok(Self {
            issuer: format!("http://127.0.0.1:{}/o", ports.port),
            admin: format!("http://127.0.0.1:{}", ports.admin),
            http: http(None),
            _process: process,
            _scratch: scratch,
        })
    }

    /// Issuer identifier.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Every client that it holds, by its identifier.
    pub async fn clients(&self) -> Result<BTreeMap<String, Value>, ProviderError> {
        let url = format!("{}/clients", self.admin);
        let found = json(self.http.get(&url), &url).await?;
        Ok(found.as_object().cloned().unwrap_or_default().into_iter().collect())
    }

    /// Removes a client behind everyone's back; false if there was none.
    pub async fn remove_client(&self, client_id: &str) -> Result<bool, ProviderError> {
        let url = format!("{}/clients/{client_id}", self.admin);
        Ok(json(self.http.delete(&url), &url).await? == true)
    }

    /// An access token by the client credentials grant.
    pub async fn token(&self, client_id: &str, client_secret: &str) -> Result<String, ProviderError> {
        super::token(&self.http, &format!("{}/token/", self.issuer), client_id, client_secret).await
    }
}
