//! A provider that does what no real one does on demand. It is a double: use it only where nothing real serves.
//!
//! It behaves as its [`Persona`] says; a script looks at each request first and may let it fail in any way.

mod plain;
mod wso2;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

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

/// A request that came in.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Method.
    pub method: String,
    /// Path without query.
    pub path: String,
    /// Query, decoded.
    pub query: BTreeMap<String, String>,
    /// Headers by their lower-case names.
    pub headers: BTreeMap<String, String>,
    /// Body.
    pub body: Vec<u8>,
}

impl Seen {
    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// User name and password, if they were sent.
    #[must_use]
    pub fn basic(&self) -> Option<(String, String)> {
        let encoded = self.headers.get("authorization")?.strip_prefix("Basic ")?;
        let pair = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
        let (user, password) = pair.split_once(':')?;
        Some((user.to_owned(), password.to_owned()))
    }

    /// The bearer token, if one was sent.
    #[must_use]
    pub fn bearer(&self) -> Option<&str> {
        self.headers.get("authorization")?.strip_prefix("Bearer ")
    }

    fn is_admin(&self) -> bool {
        self.basic()
            .is_some_and(|(user, password)| (user.as_str(), password.as_str()) == ADMIN)
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Reply {
    /// JSON.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        Self::text(status, "application/json", body.to_string())
    }

    /// Any text.
    #[must_use]
    pub fn text(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), kind.to_owned())],
            body: body.into(),
        }
    }

    /// No body at all.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// With one header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// What a script does to a request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Answers so; nothing else happens.
    Answer(Reply),
    /// Does what was asked for and closes the connection without an answer.
    LoseAnswer,
    /// Closes the connection; nothing else happens.
    LoseRequest,
    /// Does what was asked for and answers so late.
    Delay(Duration),
}

type Script = Box<dyn FnMut(&Seen) -> Option<Fault> + Send>;

/// What the double holds.
#[derive(Default)]
struct State {
    url: String,
    clients: BTreeMap<String, Value>,
    tokens: BTreeMap<String, String>,
    issued: u64,
    rotate: bool,
    seen: Vec<Seen>,
    script: Option<Script>,
}

impl State {
    fn fresh(&mut self, kind: &str) -> String {
        self.issued += 1;
        format!(
            "{kind}-{}-{:08x}",
            self.issued,
            self.issued.wrapping_mul(2_654_435_761) & 0xffff_ffff
        )
    }
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
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(ProviderError::Port)?;
        let port = listener.local_addr().map_err(ProviderError::Port)?.port();
        let (tls, ca) = if https {
            let authority = Authority::new("scriptable provider")?;
            let config = authority.issue(&["localhost", "127.0.0.1"])?.server_config()?;
            (Some(TlsAcceptor::from(config)), Some(authority.pem().to_owned()))
        } else {
            (None, None)
        };
        let url = if https {
            format!("https://localhost:{port}")
        } else {
            format!("http://127.0.0.1:{port}")
        };
        let state = Arc::new(Mutex::new(State {
            url: url.clone(),
            ..State::default()
        }));
        let server = tokio::spawn(serve(listener, tls, persona, state.clone()));
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

    /// Ends the script.
    pub fn behave(&self) {
        self.lock().script = None;
    }

    /// Whether each update issues a new registration access token.
    pub fn rotate(&self, on: bool) {
        self.lock().rotate = on;
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

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, persona: Persona, state: Arc<Mutex<State>>) {
    // Connections end with the double.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, state) = (tls.clone(), state.clone());
        connections.spawn(async move {
            let service = service_fn(move |request| answer(request, persona, state.clone()));
            let _ = match tls {
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => {
                        http1::Builder::new()
                            .serve_connection(TokioIo::new(stream), service)
                            .await
                    }
                    Err(_) => return,
                },
                None => {
                    http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await
                }
            };
        });
        while connections.try_join_next().is_some() {}
    }
}

/// An error closes the connection.
async fn answer(
    request: Request<Incoming>,
    persona: Persona,
    state: Arc<Mutex<State>>,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let seen = Seen {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: decoded(head.uri.query().unwrap_or_default()),
        headers: headers.collect(),
        body: body.to_vec(),
    };
    let (reply, fault) = {
        let mut state = lock(&state);
        state.seen.push(seen.clone());
        let fault = state.script.as_mut().and_then(|script| script(&seen));
        let reply = match &fault {
            Some(Fault::Answer(reply)) => Some(reply.clone()),
            Some(Fault::LoseRequest) => None,
            Some(Fault::LoseAnswer | Fault::Delay(_)) | None => Some(match persona {
                Persona::Plain => plain::answer(&mut state, &seen),
                Persona::Wso2Legacy => wso2::answer(&mut state, &seen, wso2::Release::Legacy),
                Persona::Wso2 => wso2::answer(&mut state, &seen, wso2::Release::V1_1),
            }),
        };
        (reply, fault)
    };
    match (reply, fault) {
        (None, _) | (_, Some(Fault::LoseAnswer)) => Err(io::Error::other("lost")),
        (Some(reply), fault) => {
            if let Some(Fault::Delay(time)) = fault {
                tokio::time::sleep(time).await;
            }
            let mut response = Response::builder().status(reply.status);
            for (name, value) in &reply.headers {
                response = response.header(name, value);
            }
            response
                .body(Full::new(Bytes::from(reply.body)))
                .map_err(io::Error::other)
        }
    }
}

fn decoded(query: &str) -> BTreeMap<String, String> {
    let pairs = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (unescaped(name), unescaped(value))).collect()
}

fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        if let Some(byte) = code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            out.push(byte);
            at += 3;
        } else {
            out.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The token endpoint: client credentials and password grants of clients that it holds.
fn access_token(state: &mut State, seen: &Seen) -> Reply {
    let form = decoded(&String::from_utf8_lossy(&seen.body));
    let known = seen.basic().is_some_and(|(id, secret)| {
        let client = state.clients.get(&unescaped(&id));
        client.is_some_and(|client| client["client_secret"] == unescaped(&secret).as_str())
    });
    if !known {
        return Reply::json(401, &json!({"error": "invalid_client"}));
    }
    match form.get("grant_type").map(String::as_str) {
        Some("client_credentials" | "password") => {
            let token = state.fresh("access");
            Reply::json(
                200,
                &json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600}),
            )
        }
        _ => Reply::json(400, &json!({"error": "unsupported_grant_type"})),
    }
}

fn error(status: u16, code: &str, description: &str) -> Reply {
    Reply::json(status, &json!({"error": code, "error_description": description}))
}
