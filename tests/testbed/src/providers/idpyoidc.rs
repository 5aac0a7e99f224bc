//! idpyoidc, from the Python Package Index, behind an adapter of ours that does what the views of its example do.
//!
//! Its habits: WebFinger answers only with `rel`; a registration without `jwks` is refused, but leaves a client
//! behind; clients can be read, but neither changed nor deleted; secrets expire after five days; the second token that a
//! client asks for by the client credentials grant is an error of its own (500).

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::{Ports, ProviderError, http, json};
use crate::process::{Process, Scratch, Spec};
use crate::provision::pip::{PYTHON, pip};
use crate::provision::write;
use crate::tls::Authority;

const VERSION: &str = "5.0.0";
const FILES: [(&str, &str); 2] = [
    (
        "requirements.txt",
        include_str!("../../providers/idpyoidc/requirements.txt"),
    ),
    ("server.py", include_str!("../../providers/idpyoidc/server.py")),
];

/// Time to become ready.
const READY_LIMIT: Duration = Duration::from_mins(1);

/// How it is started.
#[derive(Clone, Debug, Default)]
pub struct IdpyoidcOptions {
    /// Whether it serves https, as `localhost` with a private authority. Off by default.
    pub https: bool,
    /// How long secrets are good for; five days if unset.
    pub secret_lifetime: Option<Duration>,
}

/// A running idpyoidc.
#[derive(Debug)]
pub struct Idpyoidc {
    issuer: String,
    admin: String,
    ca: Option<String>,
    http: reqwest::Client,
    process: Process,
    _scratch: Scratch,
}

impl Idpyoidc {
    /// Its release.
    pub const VERSION: &str = VERSION;

    /// Starts one; about two seconds once it is installed.
    pub async fn start(options: IdpyoidcOptions) -> Result<Self, ProviderError> {
        let (dir, packages) = pip("idpyoidc", VERSION, &FILES).await?;
        let scratch = Scratch::new("idpyoidc")?;
        let mut spec = Spec::new("idpyoidc", PYTHON.program)
            .arg(dir.join("server.py"))
            .dir(scratch.path())
            .log(scratch.path().join("idpyoidc.log"))
            .env("PYTHONPATH", packages)
            .grace(Duration::from_millis(500));
        if let Some(lifetime) = options.secret_lifetime {
            spec = spec.env("TESTBED_SECRET_LIFETIME", lifetime.as_secs().to_string());
        }
        let mut ca = None;
        if options.https {
            let authority = Authority::new("idpyoidc")?;
            let identity = authority.issue(&["localhost", "127.0.0.1"])?;
            let (certificate, private) = (scratch.path().join("tls.crt"), scratch.path().join("tls.key"));
            write(&certificate, &identity.certificate_pem)?;
            write(&private, &identity.key_pem)?;
            spec = spec.env("TESTBED_CERTIFICATE", certificate).env("TESTBED_KEY", private);
            ca = Some(authority.pem().to_owned());
        }
        let process = spec.spawn()?;
        let listens = async || Ports::find(&process.log()).ok_or("it does not listen yet");
        let ports = process.ready(READY_LIMIT, listens).await?;
        let issuer = match ca {
            Some(_) => format!("https://localhost:{}", ports.port),
            None => format!("http://127.0.0.1:{}", ports.port),
        };
        Ok(Self {
            issuer,
            admin: format!("http://127.0.0.1:{}", ports.admin),
            http: http(ca.as_deref()),
            ca,
            process,
            _scratch: scratch,
        })
    }

    /// Issuer identifier, which is where it listens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// `host:port`, for WebFinger.
    #[must_use]
    pub fn host(&self) -> &str {
        self.issuer.split("//").nth(1).unwrap_or_default()
    }

    /// The authority that its certificate comes from.
    #[must_use]
    pub fn ca(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    /// Every client that it holds, by its identifier; those that it half made and refused, too.
    pub async fn clients(&self) -> Result<BTreeMap<String, Value>, ProviderError> {
        let url = format!("{}/clients", self.admin);
        let found = json(self.http.get(&url), &url).await?;
        Ok(found.as_object().cloned().unwrap_or_default().into_iter().collect())
    }

    /// An access token by the client credentials grant.
    pub async fn token(&self, client_id: &str, client_secret: &str) -> Result<String, ProviderError> {
        super::token(&self.http, &format!("{}/token", self.issuer), client_id, client_secret).await
    }

    /// Ends it, as an outage does.
    pub async fn stop(&self) -> Result<(), ProviderError> {
        self.process.kill().await?;
        Ok(())
    }
}
