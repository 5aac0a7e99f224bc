//! What is counted of calls to providers here: discoveries and requests for tokens. What a pass asks for is counted where it
//! asks.

use std::sync::Arc;
use std::time::Instant;

use http::Method;

use crate::domain::outcome::CallError;
use crate::metrics::{Answer as Status, Metrics, Operation};
use crate::traces::{self, Span};

use super::exchange::{Answer, Body, Exchange};

/// What a request for a token begins with. No other request of the operator does.
const TOKEN: [&[u8]; 2] = [
    b"grant_type=client_credentials",
    b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer",
];

/// What is noted of a request that is sent. Its path may hold what is secret, so it is not.
pub(super) struct Seen {
    method: Method,
    operation: Option<Operation>,
    span: Span,
}

impl Seen {
    /// `origin`: where it is sent.
    pub(super) fn of(exchange: &Exchange<'_>, origin: &str) -> Self {
        let operation = match &exchange.body {
            Some(Body::Form(form)) if TOKEN.iter().any(|token| form.starts_with(token)) => Some(Operation::Token),
            _ => None,
        };
        Self {
            span: traces::call(&exchange.method, origin, operation.map(Operation::as_str)),
            method: exchange.method.clone(),
            operation,
        }
    }
}

/// Counts the calls that nobody else counts, if anybody wants to know.
#[derive(Clone, Default)]
pub(super) struct Counter(Option<Arc<Metrics>>);

impl Counter {
    pub(super) fn of(metrics: Arc<Metrics>) -> Self {
        Self(Some(metrics))
    }

    fn count(&self, operation: Operation, answer: Status, begun: Instant) {
        if let Some(metrics) = &self.0 {
            metrics.requested(operation, answer, begun.elapsed());
        }
    }

    /// Notes how a request ended.
    pub(super) fn note_request(&self, seen: &Seen, origin: &str, result: &Result<Answer, CallError>, begun: Instant) {
        let Seen {
            method,
            operation,
            span,
        } = seen;
        let _logged = span.enter();
        if let Some(operation) = operation {
            let answer = match result {
                Ok(answer) => Status::of(Some(answer.status)),
                Err(error) => Status::of_failure(error),
            };
            self.count(*operation, answer, begun);
        }
        let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        match result {
            Ok(Answer { status, .. }) => {
                span.tell("status", i64::from(*status));
                tracing::debug!(%method, origin, status, duration_ms, "provider answered");
            }
            Err(error) => {
                span.tell("reason", error.failure.reason.as_str());
                span.fail();
                let error = &error.failure.message;
                tracing::debug!(%method, origin, error, duration_ms, "provider did not answer");
            }
        }
    }

    /// Counts a discovery that ended. It sends nothing if what it is to ask may not be called.
    pub(super) fn note_discovery<T>(&self, result: &Result<T, CallError>, begun: Instant) {
        let answer = match result {
            Ok(_) => Status::Success,
            Err(error) => Status::of_failure(error),
        };
        self.count(Operation::Discover, answer, begun);
    }
}

#[cfg(test)]
mod tests;
