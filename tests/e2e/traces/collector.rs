//! A collector: takes OTLP over HTTP and decodes it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use oauth_client_operator::domain::metadata::hex;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How it meets a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Takes,
    Refuses,
    NeverAnswers,
}

/// A span that came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub name: String,
    pub trace: String,
    pub id: String,
    /// Empty: it is a root.
    pub parent: String,
    pub attributes: Vec<(String, Value)>,
}

impl Seen {
    fn value(&self, key: &str) -> Option<&Value> {
        self.attributes
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    /// A text; empty: there is none.
    pub fn text(&self, key: &str) -> &str {
        match self.value(key) {
            Some(Value::StringValue(text)) => text,
            _ => "",
        }
    }

    pub fn number(&self, key: &str) -> Option<i64> {
        match self.value(key) {
            Some(Value::IntValue(number)) => Some(*number),
            _ => None,
        }
    }
}

#[derive(Default)]
struct Received {
    spans: Vec<Seen>,
    bytes: Vec<u8>,
    authorization: String,
}

/// The collector; ended on drop.
pub struct Collector {
    url: String,
    manner: Arc<Mutex<Manner>>,
    received: Arc<Mutex<Received>>,
    server: JoinHandle<()>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Collector {
    pub async fn open(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::<Mutex<Received>>::default();
        let manner = Arc::new(Mutex::new(manner));
        let (shared, met) = (Arc::clone(&received), Arc::clone(&manner));
        let server = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (received, manner) = (Arc::clone(&shared), Arc::clone(&met));
                tokio::spawn(async move {
                    let service = service_fn(|request| {
                        let manner = *manner.lock().unwrap();
                        serve(request, manner, Arc::clone(&received))
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            url,
            manner,
            received,
            server,
        }
    }

    /// Without a path.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on it meets requests so.
    pub fn meet(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// The header that came last.
    pub fn authorization(&self) -> String {
        self.received.lock().unwrap().authorization.clone()
    }

    pub fn spans(&self) -> Vec<Seen> {
        self.received.lock().unwrap().spans.clone()
    }

    /// Everything that came, as it came, where it is text.
    pub fn received(&self) -> String {
        String::from_utf8_lossy(&self.received.lock().unwrap().bytes).into_owned()
    }
}

async fn serve(
    request: Request<Incoming>,
    manner: Manner,
    received: Arc<Mutex<Received>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    match manner {
        Manner::NeverAnswers => return std::future::pending().await,
        Manner::Refuses => {
            let mut response = Response::default();
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            return Ok(response);
        }
        Manner::Takes => {}
    }
    assert_eq!(request.uri().path(), "/v1/traces");
    assert_eq!(request.headers()["content-type"], "application/x-protobuf");
    let authorization = request.headers().get("authorization");
    let authorization = authorization.map(|value| value.to_str().unwrap().to_owned());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let decoded = ExportTraceServiceRequest::decode(body.clone()).unwrap();
    let scopes = decoded.resource_spans.into_iter().flat_map(|spans| spans.scope_spans);
    let spans = scopes.flat_map(|spans| spans.spans).map(|span| Seen {
        name: span.name,
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        attributes: span
            .attributes
            .into_iter()
            .filter_map(|pair| Some((pair.key, pair.value?.value?)))
            .collect(),
    });
    let mut received = received.lock().unwrap();
    received.authorization = authorization.unwrap_or_default();
    received.spans.extend(spans);
    received.bytes.extend_from_slice(&body);
    Ok(Response::default())
}
