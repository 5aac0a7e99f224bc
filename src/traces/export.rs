//! The way of the spans to the collector: a bounded queue, a thread that sends batches, and one line in the log for as long as that fails.
//!
//! Nothing waits for it: a span that finds the queue full is dropped, and so is a batch that the collector does not take.

use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfig, BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, Span, SpanData,
    SpanExporter as Export, SpanProcessor,
};
use reqwest::{Client, redirect};
use tokio::runtime::Handle;
use url::Url;

use crate::floods;

use super::TRACER;

/// Most spans that wait to be sent.
const QUEUE: usize = 2048;
/// Most spans in a request.
const BATCH: usize = 256;
/// How long a span waits for others.
const DELAY: Duration = Duration::from_secs(2);
/// Deadline of a request to the collector.
const REQUEST: Duration = Duration::from_secs(3);
/// Time for what waits to be sent when the operator stops. With that of the drain less than the pod's grace period.
const FLUSH: Duration = Duration::from_secs(3);
/// Bytes of an answer that are read, so that its connection can be used again.
const ANSWER: usize = 64 * 1024;

/// Where traces are sent to (OTLP over HTTP, protobuf).
#[derive(Clone, Debug)]
pub(crate) struct Collector(Url);

impl FromStr for Collector {
    type Err = &'static str;

    /// A URL without a path gets that of the protocol.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "write it as http://HOST:PORT or https://HOST:PORT, for example http://collector.monitoring:4318, with a path if it is not /v1/traces";
        let mut url = Url::parse(text).map_err(|_| wrong)?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Err(wrong);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "the URL must not contain credentials; set the environment variable OTEL_EXPORTER_OTLP_HEADERS",
            );
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong);
        }
        if url.path() == "/" {
            url.set_path("/v1/traces");
        }
        Ok(Self(url))
    }
}

/// The traces of this process, until they end.
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// Makes spans from now on. Once a process, and within the runtime that sends them.
    ///
    /// # Errors
    /// The exporter or its HTTP client cannot be made.
    pub(crate) fn start(collector: &Collector) -> Result<Self, String> {
        let wrong = |error: &dyn std::fmt::Display| format!("--otlp-endpoint: traces cannot be sent: {error}");
        let trouble = Arc::<Trouble>::default();
        let client = Client::builder()
            .user_agent(concat!("oauth-client-operator/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .redirect(redirect::Policy::none())
            .timeout(REQUEST)
            .build()
            .map_err(|error| wrong(&error))?;
        let sender = Sender {
            client,
            runtime: Handle::current(),
            trouble: Arc::clone(&trouble),
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(sender)
            .with_endpoint(collector.0.as_str())
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(REQUEST)
            .with_retry_policy(RetryPolicy::disabled())
            .build()
            .map_err(|error| wrong(&error))?;
        let batches = BatchSpanProcessor::builder(Counted {
            exporter,
            trouble: Arc::clone(&trouble),
        })
        .with_batch_config(batching())
        .build();
        let resource = Resource::builder()
            .with_service_name("oauth-client-operator")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(Bounded { batches, trouble })
            .with_sampler(Sampler::AlwaysOn)
            .with_resource(resource)
            .build();
        let _ = TRACER.set(provider.tracer("oauth-client-operator"));
        Ok(Self(provider))
    }

    /// Sends what waits, for a bounded time.
    pub(crate) async fn finish(self) {
        // The thread that sends needs this runtime, so it is not waited for here.
        let done = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(FLUSH));
        if !matches!(done.await, Ok(Ok(()))) {
            tracing::debug!("the last spans were not sent in time");
        }
    }
}

fn batching() -> BatchConfig {
    BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE)
        .with_max_export_batch_size(BATCH)
        .with_scheduled_delay(DELAY)
        .build()
}

/// What is known of spans that do not reach the collector.
#[derive(Debug, Default)]
struct Trouble {
    /// Spans that wait to be sent.
    waiting: AtomicUsize,
    /// Whether it was said that spans are dropped, and not yet that they are sent again.
    said: AtomicBool,
    /// Spans that were dropped since.
    dropped: AtomicU64,
}

impl Trouble {
    fn begins(&self, error: &str) {
        if self.said.load(Ordering::Relaxed) || !floods::admits("spans dropped") {
            tracing::debug!(error, "spans are not sent, as before");
            return;
        }
        self.said.store(true, Ordering::Relaxed);
        tracing::warn!(
            error,
            "spans are not sent to the collector of --otlp-endpoint; they are dropped until the collector accepts them"
        );
    }

    fn ends(&self) {
        if self.said.swap(false, Ordering::Relaxed) {
            let dropped = self.dropped.swap(0, Ordering::Relaxed);
            tracing::info!(dropped, "spans are sent again");
        }
    }

    fn lose(&self, spans: usize) {
        let spans = u64::try_from(spans).unwrap_or(u64::MAX);
        self.dropped.fetch_add(spans, Ordering::Relaxed);
    }
}

/// Queues spans, and knows of those that find no room.
#[derive(Debug)]
struct Bounded {
    batches: BatchSpanProcessor,
    trouble: Arc<Trouble>,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        let waiting = &self.trouble.waiting;
        if waiting.fetch_add(1, Ordering::Relaxed) >= QUEUE {
            waiting.fetch_sub(1, Ordering::Relaxed);
            self.trouble.lose(1);
            return self.trouble.begins("the queue of spans is full");
        }
        self.batches.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

/// Sends batches, and counts what was taken from the queue and what was dropped.
#[derive(Debug)]
struct Counted {
    exporter: SpanExporter,
    trouble: Arc<Trouble>,
}

impl Export for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.trouble.waiting.fetch_sub(spans, Ordering::Relaxed);
        let result = self.exporter.export(batch).await;
        if result.is_err() {
            self.trouble.lose(spans);
        }
        result
    }

    fn shutdown(&self) -> OTelSdkResult {
        self.exporter.shutdown()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Sends requests on the runtime of the operator.
#[derive(Clone, Debug)]
struct Sender {
    client: Client,
    runtime: Handle,
    trouble: Arc<Trouble>,
}

impl Sender {
    async fn send(self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        match self.status(request).await {
            Ok(status) => {
                if status.is_success() {
                    self.trouble.ends();
                } else {
                    self.trouble
                        .begins(&format!("the collector answers with HTTP {}", status.as_u16()));
                }
                let mut answer = Response::default();
                *answer.status_mut() = status;
                Ok(answer)
            }
            Err(error) => {
                let words = if error.is_timeout() {
                    "the collector does not answer in time"
                } else if error.is_connect() {
                    "the collector cannot be reached"
                } else {
                    "the connection to the collector breaks"
                };
                self.trouble.begins(words);
                Err(words.into())
            }
        }
    }

    /// Nothing in an answer matters but its status.
    async fn status(&self, request: Request<Bytes>) -> reqwest::Result<StatusCode> {
        let mut answer = self.client.execute(request.try_into()?).await?;
        let mut read = 0;
        while read < ANSWER
            && let Some(chunk) = answer.chunk().await?
        {
            read += chunk.len();
        }
        Ok(answer.status())
    }
}

impl HttpClient for Sender {
    // What `async fn` in this trait stands for.
    fn send_bytes<'a, 'f>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        'a: 'f,
        Self: 'f,
    {
        Box::pin(async move { self.runtime.spawn(self.clone().send(request)).await? })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use opentelemetry::trace::{Span as _, Tracer as _};

    use super::*;

    #[derive(Debug)]
    struct Stuck;

    impl Export for Stuck {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            std::future::pending().await
        }
    }

    #[test]
    fn t374_spans_that_find_the_queue_full_are_dropped_at_once() {
        let trouble = Arc::<Trouble>::default();
        let bounded = Bounded {
            batches: BatchSpanProcessor::builder(Stuck).with_batch_config(batching()).build(),
            trouble: Arc::clone(&trouble),
        };
        let provider = SdkTracerProvider::builder().with_span_processor(bounded).build();
        let tracer = provider.tracer("test");
        let begun = Instant::now();
        for _ in 0..3 * QUEUE {
            tracer.start("span").end();
        }
        assert!(begun.elapsed() < REQUEST, "{:?}", begun.elapsed());
        assert_eq!(trouble.dropped.load(Ordering::Relaxed), 2 * QUEUE as u64);
        assert!(trouble.said.load(Ordering::Relaxed));
        assert!(provider.shutdown_with_timeout(Duration::from_millis(50)).is_err());
        trouble.ends();
        assert_eq!(trouble.dropped.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn t373_an_endpoint_without_a_path_gets_that_of_the_protocol() {
        let of = |text: &str| text.parse::<Collector>().map(|collector| collector.0.to_string());
        assert_eq!(of("http://c:4318").unwrap(), "http://c:4318/v1/traces");
        assert_eq!(of("https://c/otlp/v1/traces").unwrap(), "https://c/otlp/v1/traces");
        for wrong in ["", "c:4318", "grpc://c:4317", "http://c?x=1", "http://user:canary@c"] {
            let error = of(wrong).unwrap_err();
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
