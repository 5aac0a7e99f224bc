//! The admin port: `/livez`, `/readyz` and `/metrics`, and for callers on this host `/log-level`.
//!
//! A pod has no shell, and a signal needs one. `kubectl port-forward` comes from the loopback address of the pod and needs a right
//! that the API server checks, so this address alone may change the level.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// Connections at the same time. One more ends the oldest: a probe is answered in a moment, so the oldest is never one.
const CONNECTIONS: usize = 64;
/// Time to send a request's head.
const HEAD: Duration = Duration::from_secs(5);
/// Time that a connection may live. Each is closed after one answer.
const LIFE: Duration = Duration::from_secs(15);
/// Pause after a connection could not be accepted, for want of file descriptors for example.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// Bytes that a request's head may have.
const BUFFER: usize = 16 * 1024;

/// What is told on the admin port.
pub(crate) trait AdminState: Send + Sync + 'static {
    /// Whether the operator can work.
    ///
    /// # Errors
    /// Why it cannot yet.
    fn ready(&self) -> Result<(), String>;

    /// Whether a restart would not help.
    ///
    /// # Errors
    /// What has stopped for good.
    fn alive(&self) -> Result<(), String>;

    /// Every metric, in OpenMetrics text.
    fn metrics(&self) -> String;

    /// What is logged.
    fn log_level(&self) -> String;

    /// Changes what is logged.
    ///
    /// # Errors
    /// There is no such level.
    fn set_log_level(&self, level: &str) -> Result<(), String>;
}

/// The port cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the admin port {address}; choose another with --admin-addr: {source}")]
pub struct AdminError {
    /// The address.
    address: SocketAddr,
    /// Why.
    source: std::io::Error,
}

/// The open port.
#[derive(Debug)]
pub(crate) struct AdminPort(TcpListener);

/// Opens the port.
///
/// # Errors
/// The port cannot be opened.
pub(crate) async fn bind(address: SocketAddr) -> Result<AdminPort, AdminError> {
    bind_with(address, TcpListener::bind).await.map(AdminPort)
}

/// `[::]` stands for every address; where IPv6 is off, that is 0.0.0.0.
async fn bind_with<T>(address: SocketAddr, bind: impl AsyncFn(SocketAddr) -> io::Result<T>) -> Result<T, AdminError> {
    let source = match bind(address).await {
        Ok(listener) => return Ok(listener),
        Err(source) => source,
    };
    let elsewhere = matches!(
        source.kind(),
        io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
    );
    if address.ip() != Ipv6Addr::UNSPECIFIED || elsewhere {
        return Err(AdminError { address, source });
    }
    let fallback = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
    tracing::info!(error = %source, "the admin port listens on {fallback}, because {address} is not available");
    bind(fallback).await.map_err(|source| AdminError {
        address: fallback,
        source,
    })
}

impl AdminPort {
    /// Serves for as long as the process runs.
    pub(crate) async fn serve(self, state: Arc<impl AdminState>) -> Infallible {
        let mut connections: VecDeque<AbortHandle> = VecDeque::new();
        loop {
            let Ok((stream, peer)) = self.0.accept().await else {
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            };
            connections.retain(|connection| !connection.is_finished());
            if connections.len() >= CONNECTIONS
                && let Some(oldest) = connections.pop_front()
            {
                oldest.abort();
            }
            let local = stream.local_addr().map_or(peer, |local| local);
            let asker = asker(local.ip(), peer.ip());
            let served = tokio::time::timeout(LIFE, connection(stream, asker, Arc::clone(&state)));
            connections.push_back(tokio::spawn(served).abort_handle());
        }
    }
}

async fn connection(stream: TcpStream, peer: IpAddr, state: Arc<impl AdminState>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer(request.method(), request.uri().path(), peer, &*state);
        async move { Ok::<_, Infallible>(answer) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .keep_alive(false)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection to the admin port broke");
    }
}

fn answer(method: &Method, path: &str, peer: IpAddr, state: &impl AdminState) -> Response<Full<Bytes>> {
    if let Some(level) = path.strip_prefix("/log-level") {
        return log_level(method, level, peer, state);
    }
    if method != Method::GET && method != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here\n".to_owned());
    }
    match path {
        "/livez" => health(state.alive()),
        "/readyz" => health(state.ready()),
        "/metrics" => {
            let mut response = text(StatusCode::OK, state.metrics());
            let open_metrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            response
                .headers_mut()
                .insert(CONTENT_TYPE, http::HeaderValue::from_static(open_metrics));
            response
        }
        _ => text(
            StatusCode::NOT_FOUND,
            "/livez, /readyz and /metrics are answered here\n".to_owned(),
        ),
    }
}

/// Who asks: of a connection that only one end says is local, the other end. A service mesh delivers what comes from the network from
/// an address of the loopback network, to the address of the pod.
fn asker(local: IpAddr, peer: IpAddr) -> IpAddr {
    if local.to_canonical().is_loopback() {
        peer
    } else {
        local
    }
}

/// `GET /log-level` shows what is logged, `PUT /log-level/debug` changes it.
fn log_level(method: &Method, level: &str, peer: IpAddr, state: &impl AdminState) -> Response<Full<Bytes>> {
    if !peer.to_canonical().is_loopback() {
        let why = "/log-level is served to the loopback address only; use kubectl port-forward\n";
        return text(StatusCode::FORBIDDEN, why.to_owned());
    }
    match (method, level.strip_prefix('/')) {
        (&Method::GET, None) if level.is_empty() => text(StatusCode::OK, state.log_level() + "\n"),
        (&Method::PUT, Some(level)) => match state.set_log_level(level) {
            Ok(()) => text(StatusCode::OK, state.log_level() + "\n"),
            Err(why) => text(StatusCode::BAD_REQUEST, why + "\n"),
        },
        _ => text(
            StatusCode::METHOD_NOT_ALLOWED,
            "GET /log-level shows what is logged, PUT /log-level/LEVEL changes it\n".to_owned(),
        ),
    }
}

fn health(health: Result<(), String>) -> Response<Full<Bytes>> {
    match health {
        Ok(()) => text(StatusCode::OK, "ok\n".to_owned()),
        Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, why + "\n"),
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        http::HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    struct Starting;

    impl AdminState for Starting {
        fn ready(&self) -> Result<(), String> {
            Err("not listed yet: Secret".to_owned())
        }
        fn alive(&self) -> Result<(), String> {
            Ok(())
        }
        fn metrics(&self) -> String {
            "# EOF\n".to_owned()
        }
        fn log_level(&self) -> String {
            "info".to_owned()
        }
        fn set_log_level(&self, level: &str) -> Result<(), String> {
            if level == "debug" {
                Ok(())
            } else {
                Err("no such level".to_owned())
            }
        }
    }

    #[test]
    fn an_operator_that_starts_is_alive_and_not_ready() {
        let peer = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));
        let status = |path| answer(&Method::GET, path, peer, &Starting).status();
        assert_eq!(status("/livez"), StatusCode::OK);
        assert_eq!(status("/readyz"), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(status("/metrics"), StatusCode::OK);
        assert_eq!(status("/"), StatusCode::NOT_FOUND);
        assert_eq!(
            answer(&Method::POST, "/livez", peer, &Starting).status(),
            StatusCode::METHOD_NOT_ALLOWED
        );
    }

    #[test]
    fn t193_only_this_host_may_change_what_is_logged() {
        let of = |method, path, peer: &str| answer(&method, path, peer.parse().unwrap(), &Starting).status();
        let ends = |local: &str, peer: &str| asker(local.parse().unwrap(), peer.parse().unwrap()).to_string();
        assert_eq!(
            ends("10.0.0.7", "127.0.0.6"),
            "10.0.0.7",
            "a service mesh delivers what the network sends"
        );
        assert_eq!(ends("127.0.0.1", "127.0.0.1"), "127.0.0.1");
        for peer in ["10.0.0.7", "fd00::7", "::ffff:10.0.0.7"] {
            assert_eq!(of(Method::GET, "/log-level", peer), StatusCode::FORBIDDEN, "{peer}");
            assert_eq!(
                of(Method::PUT, "/log-level/debug", peer),
                StatusCode::FORBIDDEN,
                "{peer}"
            );
        }
        for peer in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(of(Method::GET, "/log-level", peer), StatusCode::OK, "{peer}");
            assert_eq!(of(Method::PUT, "/log-level/debug", peer), StatusCode::OK, "{peer}");
            assert_eq!(of(Method::PUT, "/log-level/all", peer), StatusCode::BAD_REQUEST);
            assert_eq!(
                of(Method::GET, "/log-level/debug", peer),
                StatusCode::METHOD_NOT_ALLOWED
            );
        }
    }

    /// An open port, and where it is.
    async fn port() -> (tokio::task::JoinHandle<Infallible>, SocketAddr) {
        let port = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let address = port.0.local_addr().unwrap();
        (tokio::spawn(port.serve(Arc::new(Starting))), address)
    }

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn the_port_answers_and_closes_the_connection() {
        let (server, address) = port().await;
        let answer = get(address, "/readyz").await;
        assert!(
            answer.starts_with("HTTP/1.1 503") && answer.contains("Secret"),
            "{answer}"
        );
        server.abort();
    }

    #[tokio::test]
    async fn t119_connections_that_are_held_open_do_not_keep_a_probe_from_its_answer() {
        let (server, address) = port().await;
        let mut held = Vec::new();
        for number in 0..CONNECTIONS * 2 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // Some send nothing, some half of a request, and some never read the answer.
            let sent: &[u8] = match number % 3 {
                0 => b"",
                1 => b"GET /metrics HT",
                _ => b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
            };
            stream.write_all(sent).await.unwrap();
            held.push(stream);
        }
        let answer = tokio::time::timeout(HEAD / 2, get(address, "/livez")).await;
        assert!(answer.unwrap().starts_with("HTTP/1.1 200"));
        drop(held);
        server.abort();
    }

    #[tokio::test]
    async fn t119_where_ipv6_is_off_the_port_is_opened_for_ipv4() {
        let every: SocketAddr = "[::]:8080".parse().unwrap();
        let without_ipv6 = async |address: SocketAddr| match address {
            SocketAddr::V4(_) => Ok(address),
            SocketAddr::V6(_) => Err(io::Error::from_raw_os_error(97)),
        };
        let bound = bind_with(every, without_ipv6).await.unwrap();
        assert_eq!(bound, "0.0.0.0:8080".parse().unwrap());
        let local: SocketAddr = "[::1]:8080".parse().unwrap();
        let error = bind_with(local, without_ipv6).await.unwrap_err();
        assert!(error.to_string().contains("[::1]:8080"), "{error}");
        let taken = async |_| Err::<SocketAddr, _>(io::ErrorKind::AddrInUse.into());
        let error = bind_with(every, taken).await.unwrap_err();
        assert!(error.to_string().contains("[::]:8080"), "{error}");
    }
}
