//! The admin port: `/livez`, `/readyz` and `/metrics`.

use std::convert::Infallible;
use std::net::SocketAddr;
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
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Connections at the same time; what comes on top waits.
const CONNECTIONS: usize = 16;
/// Time to send a request's head.
const HEAD: Duration = Duration::from_secs(5);
/// Time that a connection may live.
const LIFE: Duration = Duration::from_mins(1);
/// Bytes that a request's head may have.
const BUFFER: usize = 16 * 1024;

/// What is told on the admin port.
pub trait Told: Send + Sync + 'static {
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

/// Serves until `stopping` is cancelled.
///
/// # Errors
/// The port cannot be opened.
pub async fn serve(
    address: SocketAddr,
    told: Arc<impl Told>,
    stopping: CancellationToken,
) -> Result<JoinHandle<()>, AdminError> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| AdminError { address, source })?;
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    Ok(tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = stopping.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let (Ok((stream, _)), Ok(permit)) = (accepted, Arc::clone(&permits).acquire_owned().await) else {
                // Out of file descriptors, for example: that passes, and spinning would not help.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let told = Arc::clone(&told);
            tokio::spawn(async move {
                let _ = tokio::time::timeout(LIFE, connection(stream, told)).await;
                drop(permit);
            });
        }
    }))
}

async fn connection(stream: TcpStream, told: Arc<impl Told>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer(request.method(), request.uri().path(), &*told);
        async move { Ok::<_, Infallible>(answer) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection to the admin port broke");
    }
}

fn answer(method: &Method, path: &str, told: &impl Told) -> Response<Full<Bytes>> {
    if method != Method::GET && method != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here\n".to_owned());
    }
    match path {
        "/livez" => health(told.alive()),
        "/readyz" => health(told.ready()),
        "/metrics" => {
            let mut response = text(StatusCode::OK, told.metrics());
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
    use super::*;

    struct Starting;

    impl Told for Starting {
        fn ready(&self) -> Result<(), String> {
            Err("not listed yet: Secret".to_owned())
        }
        fn alive(&self) -> Result<(), String> {
            Ok(())
        }
        fn metrics(&self) -> String {
            "# EOF\n".to_owned()
        }
    }

    #[test]
    fn an_operator_that_starts_is_alive_and_not_ready() {
        let status = |path| answer(&Method::GET, path, &Starting).status();
        assert_eq!(status("/livez"), StatusCode::OK);
        assert_eq!(status("/readyz"), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(status("/metrics"), StatusCode::OK);
        assert_eq!(status("/"), StatusCode::NOT_FOUND);
        assert_eq!(
            answer(&Method::POST, "/livez", &Starting).status(),
            StatusCode::METHOD_NOT_ALLOWED
        );
    }

    #[tokio::test]
    async fn the_port_answers_until_it_is_told_to_stop() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let stopping = CancellationToken::new();
        let free = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let server = serve(free, Arc::new(Starting), stopping.clone()).await.unwrap();
        let mut stream = TcpStream::connect(free).await.unwrap();
        stream
            .write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 503") && answer.contains("Secret"),
            "{answer}"
        );
        stopping.cancel();
        server.await.unwrap();
    }
}
