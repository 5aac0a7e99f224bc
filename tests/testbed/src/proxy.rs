//! A fault proxy before the API server: it lets single requests fail at an exact moment, or ends the operator there.
//!
//! ```no_run
//! # async fn example(cluster: &testbed::control_plane::Cluster) -> Result<(), testbed::proxy::ProxyError> {
//! use testbed::process::KillSwitch;
//! use testbed::proxy::{Action, Proxy};
//!
//! let (proxy, kill) = (Proxy::before(cluster).await?, KillSwitch::default());
//! let rule = proxy.once(|asked| asked.verb == "create" && asked.resource == "secrets" && !asked.dry_run, Action::KillAfter(kill));
//! // … run an operator with `via: Some(proxy.endpoint())` and that kill switch …
//! assert_eq!(rule.hits(), 1);
//! # Ok(()) }
//! ```

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::control_plane::{Cluster, Endpoint};
use crate::process::KillSwitch;
use crate::tls::{Authority, TlsError, client_config};

/// Why the proxy does not run.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Its certificate could not be made.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// It could not listen.
    #[error("the proxy cannot listen on 127.0.0.1: {0}")]
    Port(#[from] io::Error),
    /// The API server's address is none.
    #[error("the API server's address {0} is no URL with host and port")]
    Upstream(String),
}

/// A request to the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Verb of RBAC.
    pub verb: &'static str,
    /// Plural resource.
    pub resource: String,
    /// Subresource, or empty.
    pub subresource: String,
    /// Namespace, or empty.
    pub namespace: String,
    /// Name, or empty.
    pub name: String,
    /// Whether nothing is to be stored.
    pub dry_run: bool,
}

impl Asked {
    /// Whether it is to change something, dry runs apart.
    #[must_use]
    pub fn is_write(&self) -> bool {
        matches!(self.verb, "create" | "update" | "patch" | "delete") && !self.dry_run
    }
}

/// What happens to a request.
#[derive(Clone, Debug)]
pub enum Action {
    /// The operator is killed, and the request goes nowhere.
    KillBefore(KillSwitch),
    /// The request takes place, then the operator is killed.
    KillAfter(KillSwitch),
    /// The request takes place, and the connection closes without an answer.
    LoseAnswer,
    /// The connection closes, and the request goes nowhere.
    LoseRequest,
    /// This status, and the request goes nowhere.
    Status(StatusCode),
    /// The request waits so long.
    Delay(Duration),
}

type Fits = Box<dyn Fn(&Asked) -> bool + Send>;

struct Rule {
    fits: Fits,
    action: Action,
    left: usize,
    hits: Arc<AtomicUsize>,
}

/// Tells how often a rule was used.
#[derive(Clone, Debug)]
pub struct Hits(Arc<AtomicUsize>);

impl Hits {
    /// The number.
    #[must_use]
    pub fn hits(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    asked: Vec<Asked>,
}

type Shared = Arc<Mutex<State>>;

/// The proxy; ended on drop.
pub struct Proxy {
    endpoint: Endpoint,
    state: Shared,
    server: JoinHandle<()>,
}

impl Proxy {
    /// Starts one before the API server of a cluster.
    pub async fn before(cluster: &Cluster) -> Result<Self, ProxyError> {
        let upstream = cluster.endpoint();
        let uri: Uri = upstream
            .url
            .parse()
            .map_err(|_| ProxyError::Upstream(upstream.url.clone()))?;
        let authority = uri
            .authority()
            .ok_or_else(|| ProxyError::Upstream(upstream.url.clone()))?;
        let upstream = Upstream {
            address: format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(443)),
            host: authority.host().to_owned(),
            tls: client_config(upstream.ca_pem.as_deref().unwrap_or_default())?,
        };
        let own = Authority::new("fault proxy")?;
        let acceptor = TlsAcceptor::from(own.issue(&["127.0.0.1", "localhost"])?.server_config()?);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = Endpoint {
            url: format!("https://127.0.0.1:{}", listener.local_addr()?.port()),
            ca_pem: Some(own.pem().to_owned()),
        };
        let state = Shared::default();
        let server = tokio::spawn(serve(listener, acceptor, Arc::new(upstream), state.clone()));
        Ok(Self {
            endpoint,
            state,
            server,
        })
    }

    /// Where it listens: `via` of an operator's options.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    /// Does this to the next request that fits.
    pub fn once(&self, fits: impl Fn(&Asked) -> bool + Send + 'static, action: Action) -> Hits {
        self.times(1, fits, action)
    }

    /// Does this to the next so many requests that fit.
    pub fn times(&self, times: usize, fits: impl Fn(&Asked) -> bool + Send + 'static, action: Action) -> Hits {
        let hits = Arc::new(AtomicUsize::new(0));
        let rule = Rule {
            fits: Box::new(fits),
            action,
            left: times,
            hits: hits.clone(),
        };
        lock(&self.state).rules.push(rule);
        Hits(hits)
    }

    /// Ends every rule.
    pub fn clear(&self) {
        lock(&self.state).rules.clear();
    }

    /// Every request so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.state).asked.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

struct Upstream {
    address: String,
    host: String,
    tls: Arc<ClientConfig>,
}

fn lock(state: &Shared) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, upstream: Arc<Upstream>, state: Shared) {
    // Connections end with the proxy.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, upstream, state) = (acceptor.clone(), upstream.clone(), state.clone());
        connections.spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = service_fn(move |request| pass(request, upstream.clone(), state.clone()));
            let _ = server::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
                .await;
        });
        while connections.try_join_next().is_some() {}
    }
}

type Body = BoxBody<Bytes, io::Error>;

/// Passes a request on, by the first rule that fits. An error closes the connection.
async fn pass(request: Request<Incoming>, upstream: Arc<Upstream>, state: Shared) -> Result<Response<Body>, io::Error> {
    let asked = parse(&request);
    let action = {
        let mut state = lock(&state);
        let rule = state.rules.iter_mut().find(|rule| rule.left > 0 && (rule.fits)(&asked));
        let action = rule.map(|rule| {
            rule.left -= 1;
            rule.hits.fetch_add(1, Ordering::SeqCst);
            rule.action.clone()
        });
        state.asked.push(asked);
        action
    };
    match action {
        None => forward(request, &upstream).await,
        Some(Action::KillBefore(kill)) => {
            let _ = kill.kill();
            Err(io::Error::other("killed"))
        }
        Some(Action::KillAfter(kill)) => {
            finish(forward(request, &upstream).await?).await?;
            let _ = kill.kill();
            Err(io::Error::other("killed"))
        }
        Some(Action::LoseAnswer) => {
            finish(forward(request, &upstream).await?).await?;
            Err(io::Error::other("lost"))
        }
        Some(Action::LoseRequest) => Err(io::Error::other("lost")),
        Some(Action::Status(status)) => {
            let mut response = Response::new(Full::new(Bytes::new()).map_err(|never| match never {}).boxed());
            *response.status_mut() = status;
            Ok(response)
        }
        Some(Action::Delay(time)) => {
            tokio::time::sleep(time).await;
            forward(request, &upstream).await
        }
    }
}

/// Reads an answer to its end, so that what was asked for has taken place.
async fn finish(response: Response<Body>) -> Result<(), io::Error> {
    response.into_body().collect().await.map(drop)
}

async fn forward(request: Request<Incoming>, upstream: &Upstream) -> Result<Response<Body>, io::Error> {
    let stream = TcpStream::connect(&upstream.address).await?;
    let name = ServerName::try_from(upstream.host.clone()).map_err(io::Error::other)?;
    let stream = TlsConnector::from(upstream.tls.clone()).connect(name, stream).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(io::Error::other)?;
    Ok(response.map(|body| {
        // The connection lives as long as its answer is read.
        let _sender = sender;
        body.map_err(io::Error::other).boxed()
    }))
}

/// What a path of the API server means.
fn parse(request: &Request<Incoming>) -> Asked {
    let query = request.uri().query().unwrap_or_default();
    let (resource, subresource, namespace, name) = path(request.uri().path());
    let verb = match request.method().as_str() {
        "GET" if query.split('&').any(|part| matches!(part, "watch=true" | "watch=1")) => "watch",
        "GET" if name.is_empty() => "list",
        "GET" => "get",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "other",
    };
    Asked {
        verb,
        resource,
        subresource,
        namespace,
        name,
        dry_run: query.contains("dryRun="),
    }
}

/// Resource, subresource, namespace and name.
fn path(path: &str) -> (String, String, String, String) {
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    // `/api/VERSION/…` and `/apis/GROUP/VERSION/…`
    let prefix = if parts.first() == Some(&"apis") { 3 } else { 2 };
    parts.drain(..prefix.min(parts.len()));
    let mut namespace = String::new();
    if parts.first() == Some(&"namespaces") && parts.len() > 2 {
        parts[1].clone_into(&mut namespace);
        parts.drain(..2);
    }
    let part = |at: usize| parts.get(at).copied().unwrap_or_default().to_owned();
    (part(0), part(2), namespace, part(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_understood() {
        let found = |text: &str| {
            let (resource, subresource, namespace, name) = path(text);
            [resource, subresource, namespace, name].join(" ")
        };
        assert_eq!(found("/api/v1/namespaces/shop/secrets/app"), "secrets  shop app");
        assert_eq!(found("/api/v1/namespaces/shop/secrets"), "secrets  shop ");
        assert_eq!(found("/api/v1/namespaces/shop"), "namespaces   shop");
        assert_eq!(found("/api/v1/secrets"), "secrets   ");
        assert_eq!(
            found("/apis/oauth-client-operator.dev/v1alpha1/namespaces/shop/oauthclients/app/status"),
            "oauthclients status shop app"
        );
    }
}
