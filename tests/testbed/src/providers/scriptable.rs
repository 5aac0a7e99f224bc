//! A provider that does what no real one does on demand. It is a double: use it only where nothing real serves.
//!
//! It behaves as its [`Persona`] says; a script looks at each request first and may let it fail in any way.

mod administrator;
mod authentication;
mod dialect;
mod dialects;
mod exchange;
mod payload;
mod plain;
mod profiles;
mod quirk;
mod serve;
mod truth;
mod wso2;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use authentication::{access_token, is_authenticated};
pub use dialects::{DECEPTIVE, DIALECTS};
pub use exchange::{Fault, Reply, Seen};
use exchange::{decoded, unescaped};
use payload::Payload;
pub use profiles::PROFILES;
pub use quirk::{Dialect, OPERATOR, Operation, Quirk};
pub use truth::Traffic;

use super::ProviderError;
use crate::tls::Authority;

/// Whom the double imitates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persona {
    /// The specifications, and nothing else: RFC 8414, RFC 7591, RFC 7592.
    Plain,
    /// WSO2 Identity Server with `/identity/connect/register`.
    Wso2Legacy,
    /// WSO2 Identity Server with DCR v1.1.
    Wso2,
}

/// User name and password of the WSO2 personas.
pub const ADMIN: (&str, &str) = ("admin", "admin");

type Script = Box<dyn FnMut(&Seen) -> Option<Fault> + Send>;

/// What the double holds.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "independent habits of a provider")]
struct State {
    url: String,
    clients: BTreeMap<String, Value>,
    tokens: BTreeMap<String, String>,
    /// User name and password that manage every client of the plain persona, and the access tokens that they bought.
    administrator: Option<(String, String)>,
    bought: BTreeSet<String>,
    rotate: bool,
    rotate_secret: bool,
    rotate_on_read: bool,
    /// How long a secret is good for, and until when each one is, in seconds since 1970.
    lifetime: Option<Duration>,
    expiry: BTreeMap<String, u64>,
    /// Members that replace those of the metadata; null removes one.
    metadata: Map<String, Value>,
    only_oauth: bool,
    /// Names that WSO2's old registration has taken.
    applications: BTreeSet<String>,
    seen: Vec<Seen>,
    dialect: Option<&'static Dialect>,
    script: Option<Script>,
    tls: Option<TlsAcceptor>,
}

impl State {
    /// When a secret that is issued now expires; 0 for never (RFC 7591 section 3.2.1).
    fn expires(&mut self, client_id: &str) -> u64 {
        self.expiry.remove(client_id);
        let Some(lifetime) = self.lifetime else { return 0 };
        let at = now() + lifetime.as_secs();
        self.expiry.insert(client_id.to_owned(), at);
        at
    }

    fn is_expired(&self, client_id: &str) -> bool {
        self.expiry.get(client_id).is_some_and(|&at| at <= now())
    }

    fn is_administrator(&self, seen: &Seen) -> bool {
        let basic = self.administrator.is_some() && seen.basic() == self.administrator;
        basic || seen.bearer().is_some_and(|token| self.bought.contains(token))
    }
}

/// A value that no double of this process issued before: a new one may get the port, and so the issuer, of one that has ended.
fn fresh(kind: &str) -> String {
    static ISSUED: AtomicU64 = AtomicU64::new(0);
    let issued = ISSUED.fetch_add(1, Ordering::Relaxed) + 1;
    format!(
        "{kind}-{issued}-{:08x}",
        issued.wrapping_mul(2_654_435_761) & 0xffff_ffff
    )
}

/// The double; ended on drop.
pub struct ScriptableProvider {
    url: String,
    ca: Option<String>,
    state: Arc<Mutex<State>>,
    server: JoinHandle<()>,
    http: reqwest::Client,
    persona: Persona,
}

impl std::fmt::Debug for ScriptableProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScriptableProvider")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl ScriptableProvider {
    /// Starts one: the plain persona over http, those of WSO2 over https with a private authority.
    pub async fn start(persona: Persona) -> Result<Self, ProviderError> {
        Self::start_with(persona, persona != Persona::Plain).await
    }

    /// Starts one over http or https.
    pub async fn start_with(persona: Persona, https: bool) -> Result<Self, ProviderError> {
        let host = if https { "localhost" } else { "127.0.0.1" };
        Self::listen(persona, https, IpAddr::V4(Ipv4Addr::LOCALHOST), host).await
    }

    /// Starts one over https on an address of this machine that is not loopback, as an operator for production reaches it.
    pub async fn start_outside(persona: Persona) -> Result<Self, ProviderError> {
        // Nothing is sent: the system only chooses the address that it would send from.
        let socket = UdpSocket::bind("0.0.0.0:0").await.map_err(ProviderError::Port)?;
        socket.connect("198.51.100.1:9").await.map_err(ProviderError::Port)?;
        let address = socket.local_addr().map_err(ProviderError::Port)?.ip();
        Self::listen(persona, true, address, &address.to_string()).await
    }

    async fn listen(persona: Persona, https: bool, address: IpAddr, host: &str) -> Result<Self, ProviderError> {
        let listener = TcpListener::bind((address, 0)).await.map_err(ProviderError::Port)?;
        let port = listener.local_addr().map_err(ProviderError::Port)?.port();
        let (tls, ca) = if https {
            let authority = Authority::new("scriptable provider")?;
            let names = ["localhost", "127.0.0.1", &address.to_string()].map(str::to_owned);
            let config = authority
                .issue(&names.each_ref().map(String::as_str))?
                .server_config()?;
            (Some(TlsAcceptor::from(config)), Some(authority.pem().to_owned()))
        } else {
            (None, None)
        };
        let scheme = if https { "https" } else { "http" };
        let url = format!("{scheme}://{host}:{port}");
        let state = Arc::new(Mutex::new(State {
            url: url.clone(),
            tls,
            ..State::default()
        }));
        let server = tokio::spawn(serve::serve(listener, persona, state.clone()));
        let http = super::http(ca.as_deref());
        Ok(Self {
            url,
            ca,
            state,
            server,
            http,
            persona,
        })
    }

    /// Where it listens; the issuer of the plain persona.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `host:port`.
    #[must_use]
    pub fn host(&self) -> &str {
        self.url.split("//").nth(1).unwrap_or_default()
    }

    /// The authority that its certificate comes from.
    #[must_use]
    pub fn ca(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    /// Every client that it holds, by its identifier.
    #[must_use]
    pub fn clients(&self) -> BTreeMap<String, Value> {
        self.lock().clients.clone()
    }

    /// Every request so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.lock().seen.clone()
    }

    /// Requests of a method whose path ends so.
    #[must_use]
    pub fn count(&self, method: &str, end: &str) -> usize {
        self.lock()
            .seen
            .iter()
            .filter(|seen| seen.method == method && seen.path.ends_with(end))
            .count()
    }

    /// From now on the script looks at every request first.
    pub fn script(&self, script: impl FnMut(&Seen) -> Option<Fault> + Send + 'static) {
        self.lock().script = Some(Box::new(script));
    }

    /// From now on the plain persona deviates as a dialect does.
    pub fn speak(&self, dialect: &'static Dialect) {
        self.lock().dialect = Some(dialect);
    }

    /// Ends the script.
    pub fn behave(&self) {
        self.lock().script = None;
    }

    /// Whether each update issues a new registration access token.
    pub fn rotate(&self, on: bool) {
        self.lock().rotate = on;
    }

    /// Whether each update at the plain persona issues a new secret.
    pub fn rotate_secret(&self, on: bool) {
        self.lock().rotate_secret = on;
    }

    /// From now on new connections are served with these settings: another certificate, for example. It has to be one over
    /// https.
    pub fn serve_with(&self, tls: Arc<rustls::ServerConfig>) {
        self.lock().tls = Some(TlsAcceptor::from(tls));
    }

    /// Whether the plain persona issues a new registration access token with each read, too.
    pub fn rotate_on_read(&self, on: bool) {
        self.lock().rotate_on_read = on;
    }

    /// Secrets that the plain persona issues from now on are good for so long; `None`, as at first: for ever.
    pub fn secret_lifetime(&self, lifetime: Option<Duration>) {
        self.lock().lifetime = lifetime;
    }

    /// Whether the plain persona has its metadata at the place of RFC 8414 only.
    pub fn only_oauth(&self, on: bool) {
        self.lock().only_oauth = on;
    }

    /// From now on these manage every client of the plain persona, by HTTP Basic or with an access token of the client credentials
    /// grant.
    pub fn administrator(&self, name: &str, password: &str) {
        self.lock().administrator = Some((name.to_owned(), password.to_owned()));
    }

    /// Replaces a member of the metadata; null removes it. For documents that lie or lack something.
    pub fn metadata(&self, member: &str, value: Value) {
        self.lock().metadata.insert(member.to_owned(), value);
    }

    /// An access token by the client credentials grant.
    pub async fn token(&self, client_id: &str, client_secret: &str) -> Result<String, ProviderError> {
        let endpoint = match self.persona {
            Persona::Plain => format!("{}/token", self.url),
            Persona::Wso2Legacy | Persona::Wso2 => format!("{}/oauth2/token", self.url),
        };
        super::token(&self.http, &endpoint, client_id, client_secret).await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for ScriptableProvider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

fn error(status: u16, code: &str, description: &str) -> Reply {
    Reply::json(status, &json!({"error": code, "error_description": description}))
}

/// A metadata document, as it was replaced in parts.
fn document(state: &State, mut document: Value) -> Reply {
    for (member, value) in &state.metadata {
        if let (Some(members), true) = (document.as_object_mut(), value.is_null()) {
            members.remove(member);
        } else {
            document[member] = value.clone();
        }
    }
    Reply::json(200, &document)
}
