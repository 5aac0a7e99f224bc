//! The way to the server that the proxy stands before.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::ProxyError;
use super::body::Body;
use crate::tls::client_config;

/// Where requests go.
pub(super) struct Upstream {
    address: String,
    host: String,
    tls: Option<Arc<ClientConfig>>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Upstream {
    pub(super) fn parse(url: &str, ca_pem: Option<&str>) -> Result<Self, ProxyError> {
        let wrong = || ProxyError::Upstream(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let (port, tls) = match uri.scheme_str() {
            Some("http") => (80, None),
            Some("https") => (443, Some(client_config(ca_pem.unwrap_or_default())?)),
            _ => return Err(wrong()),
        };
        let host = uri.host().ok_or_else(wrong)?.to_owned();
        Ok(Self {
            address: format!("{host}:{}", uri.port_u16().unwrap_or(port)),
            host,
            tls,
        })
    }

    /// Sends a request over a connection of its own.
    pub(super) async fn send(&self, head: Parts, body: Bytes) -> io::Result<Response<Body>> {
        let stream = TcpStream::connect(&self.address).await?;
        let _ = stream.set_nodelay(true);
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(stream),
            Some(config) => {
                let name = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
                Box::new(TlsConnector::from(config.clone()).connect(name, stream).await?)
            }
        };
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        tokio::spawn(connection);
        let request = Request::from_parts(head, Full::new(body));
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        Ok(response.map(|body| {
            // The connection lives as long as its answer is read.
            body.map_err(move |error| {
                let _sender = &sender;
                io::Error::other(error)
            })
            .boxed()
        }))
    }
}
