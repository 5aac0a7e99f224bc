//! Traces: one of each pass, with a span for each call to a provider and each write to the API server.
//!
//! Off unless a collector is named: then no span is made and nothing is allocated. What a span says comes from closed lists, the name of the
//! object and the origin of the provider; paths, headers and bodies may hold what is secret and are not taken in.

mod export;
mod logged;

use std::fmt::Display;
use std::future::Future;
use std::sync::OnceLock;
use std::time::Instant;

use opentelemetry::context::{FutureExt as _, WithContext};
use opentelemetry::trace::{SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, ContextGuard, KeyValue, Value};
use opentelemetry_sdk::trace::SdkTracer;

use crate::metrics::{Verb, Written};

pub(crate) use export::{Collector, Traces};
pub(crate) use logged::WithIds;

/// Makes the spans, if there is a collector.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Number of the try, for the calls of a pass.
struct Attempt(u32);

/// What a provider is asked for.
struct Operation(&'static str);

/// A span, or nothing while traces are off. It ends when it is dropped.
pub(crate) struct Span(Option<(Context, Instant)>);

/// One look at an object: the root of a trace. `attempt`: number of the try, from 1.
pub(crate) fn pass(kind: &'static str, object: &impl Display, attempt: u32) -> Span {
    let Some(tracer) = TRACER.get() else { return Span(None) };
    let builder = tracer.span_builder(format!("reconcile {kind}")).with_attributes([
        KeyValue::new("kind", kind),
        KeyValue::new("object", object.to_string()),
        KeyValue::new("attempt", i64::from(attempt)),
    ]);
    let root = Context::new().with_value(Attempt(attempt));
    let span = tracer.build_with_context(builder, &root);
    Span(Some((root.with_span(span), Instant::now())))
}

/// One request to a provider. `operation`: what it asks for, where the request itself tells.
pub(crate) fn call(method: &http::Method, origin: &str, operation: Option<&'static str>) -> Span {
    let Some(tracer) = TRACER.get() else { return Span(None) };
    let around = Context::current();
    let operation = operation.or_else(|| around.get::<Operation>().map(|asked| asked.0));
    let mut attributes = vec![
        KeyValue::new("method", method.to_string()),
        KeyValue::new("origin", origin.to_owned()),
    ];
    attributes.extend(operation.map(|operation| KeyValue::new("operation", operation)));
    let attempt = around.get::<Attempt>();
    attributes.extend(attempt.map(|attempt| KeyValue::new("attempt", i64::from(attempt.0))));
    let builder = tracer.span_builder(operation.unwrap_or("Call"));
    let builder = builder.with_kind(SpanKind::Client).with_attributes(attributes);
    let span = tracer.build_with_context(builder, &around);
    Span(Some((around.with_span(span), Instant::now())))
}

/// Makes the requests of a future known as this operation.
pub(crate) fn asking<F: Future>(operation: &'static str, future: F) -> WithContext<F> {
    let context = match TRACER.get() {
        Some(_) => Context::current().with_value(Operation(operation)),
        None => Context::new(),
    };
    future.with_context(context)
}

/// One write to the API server.
pub(crate) async fn write<T, E>(verb: Verb, what: Written, write: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let span = match TRACER.get() {
        None => Span(None),
        Some(tracer) => {
            let around = Context::current();
            let builder = tracer.span_builder(format!("{} {}", verb.as_str(), what.as_str()));
            let builder = builder.with_kind(SpanKind::Client);
            let span = tracer.build_with_context(builder, &around);
            Span(Some((around.with_span(span), Instant::now())))
        }
    };
    let result = span.during(write).await;
    if result.is_err() {
        span.fail();
    }
    result
}

impl Span {
    /// Runs a future in the span: what it begins are children, and its lines in the log name the span.
    pub(crate) fn during<F: Future>(&self, future: F) -> WithContext<F> {
        future.with_context(self.context())
    }

    /// Until the guard is dropped, lines in the log name the span.
    pub(crate) fn enter(&self) -> ContextGuard {
        self.context().attach()
    }

    /// Says something of it. `value`: of a closed list, or a number.
    pub(crate) fn tell(&self, key: &'static str, value: impl Into<Value>) {
        if let Some((context, _)) = &self.0 {
            context.span().set_attribute(KeyValue::new(key, value));
        }
    }

    /// Marks it as failed.
    pub(crate) fn fail(&self) {
        if let Some((context, _)) = &self.0 {
            context.span().set_status(Status::error(""));
        }
    }

    /// Ends it before it is dropped.
    pub(crate) fn end(&self) {
        if let Some((context, begun)) = &self.0 {
            let duration_ms = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
            let span = context.span();
            if span.is_recording() {
                span.set_attribute(KeyValue::new("duration_ms", duration_ms));
                span.end();
            }
        }
    }

    fn context(&self) -> Context {
        self.0.as_ref().map(|(context, _)| context.clone()).unwrap_or_default()
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        self.end();
    }
}
