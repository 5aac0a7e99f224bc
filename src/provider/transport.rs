//! One request and its answer: no redirects, no retries, no proxies, bounded in time and size.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use reqwest::{Certificate, Client, redirect, retry};
use ring::digest::{SHA256, digest};

use crate::api::Reason;
use crate::bounded::Bounded;
use crate::domain::failure::{Class, Failure};
use crate::domain::outcome::{CallError, Effect};
use crate::domain::target::ClientCertificate;
use crate::metrics::Metrics;

use super::causes::{Causes, Tls};
use super::client_certificate::digest_of;
use super::egress::{EgressPolicy, Guard};
use super::exchange::{ANYTHING, Answer, Body, Exchange};
use super::limits;
use super::observed::{Counter, Seen};
use super::refusals::Refusals;
use super::tokens::Tokens;
use super::{auth, origin};

/// How long a connection may idle. A provider that closes it at the same moment would make a POST an unknown outcome.
const IDLE: Duration = Duration::from_secs(1);
/// Why no HTTP client can be made.
const NO_AUTHORITY: &str = "spec.tls.caBundle of the provider (or the Secret or ConfigMap of spec.tls.caBundleFrom) contains no usable certificate";
/// Most HTTP clients that are kept.
const MOST_CLIENTS: usize = 256;

/// HTTP clients by what tells their connections apart, with their deadline of connecting. Each has a pool and TLS sessions of its own:
/// what was connected for one provider object, or with one certificate, is never used for another, or without one.
type Clients = Bounded<ClientKey, (Duration, Client)>;

/// UID of the provider object, whether it is namespaced, digests of the authorities that are trusted and of the certificate that is shown.
type ClientKey = (String, bool, Option<Vec<u8>>, Option<Vec<u8>>);

/// Calls providers.
#[derive(Clone)]
pub struct Transport {
    pub(super) policy: EgressPolicy,
    clients: Arc<Mutex<Clients>>,
    pub(super) tokens: Tokens,
    /// Bearer tokens that were refused.
    pub(super) refusals: Refusals,
    /// Counts the calls that nobody else counts.
    pub(super) counter: Counter,
}

impl Transport {
    /// Calls under this policy.
    #[must_use]
    pub fn new(policy: EgressPolicy) -> Self {
        Self {
            policy,
            clients: Arc::new(Mutex::new(Bounded::new(MOST_CLIENTS))),
            tokens: Tokens::default(),
            refusals: Refusals::default(),
            counter: Counter::default(),
        }
    }

    /// The same, with discoveries and requests for tokens counted.
    #[must_use]
    pub fn counted(mut self, metrics: Arc<Metrics>) -> Self {
        self.counter = Counter::of(metrics);
        self
    }

    /// Which bearer tokens were refused.
    #[must_use]
    pub const fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// Sends a request and reads its answer, whatever its status. The credentials are sent as they are: for those that buy a
    /// token there is [`Transport::send_as`].
    ///
    /// # Errors
    /// There is no answer. Its effect is [`Effect::NotApplied`] only if no byte of the request was sent.
    pub(super) async fn send(&self, exchange: Exchange<'_>) -> Result<Answer, CallError> {
        self.send_if(exchange, &HeaderMap::new()).await
    }

    /// The same under conditions (RFC 9110 section 13.1).
    pub(super) async fn send_if(&self, exchange: Exchange<'_>, conditions: &HeaderMap) -> Result<Answer, CallError> {
        if exchange.method != Method::GET {
            return self.send_once_if(exchange, conditions).await;
        }
        // Not every server knows what it serves: what it calls it does not matter.
        let again = Exchange {
            accept: ANYTHING,
            ..exchange.clone()
        };
        match self.send_once_if(exchange, conditions).await {
            Ok(answer) if answer.status == 406 => self.send_once_if(again, conditions).await,
            result => result,
        }
    }

    /// The same, without a second try for other media types.
    pub(super) async fn send_once(&self, exchange: Exchange<'_>) -> Result<Answer, CallError> {
        self.send_once_if(exchange, &HeaderMap::new()).await
    }

    async fn send_once_if(&self, exchange: Exchange<'_>, conditions: &HeaderMap) -> Result<Answer, CallError> {
        let at = origin::of(&exchange.url);
        if exchange.namespaced {
            self.policy.namespaced.check(&exchange.url).map_err(not_sent)?;
        }
        let namespaced = exchange.namespaced;
        let policy = self.policy.of(namespaced);
        if policy.refuses_host(&exchange.url) {
            return Err(not_sent(address_refused(&at, &policy)));
        }
        let credentials = auth::header(exchange.credentials, &exchange.url, exchange.origins).map_err(not_sent)?;
        // A connection that cannot be made is no doubt about a request, so it has to fail before the whole call does.
        let connect = exchange.deadlines.connect.min(exchange.deadlines.request.mul_f32(0.8));
        if let Some(certificate) = exchange.certificate {
            certificate
                .check_consent(&exchange.url, exchange.origins)
                .map_err(not_sent)?;
        }
        let client = self.client(&exchange, connect).map_err(not_sent)?;
        let shown = exchange.certificate.is_some();
        let seen = Seen::of(&exchange, &at);
        let url = exchange.url.clone();
        let mut request = client
            .request(exchange.method, exchange.url)
            .header(ACCEPT, exchange.accept)
            .header(ACCEPT_ENCODING, "identity");
        for (name, value) in conditions {
            request = request.header(name, value);
        }
        if let Some((name, value)) = credentials {
            request = request.header(name, value);
        }
        if let Some(body) = exchange.body {
            let (kind, bytes) = match body {
                Body::Json(bytes) => ("application/json", bytes),
                Body::Form(bytes) => ("application/x-www-form-urlencoded", bytes),
            };
            request = request.header(CONTENT_TYPE, HeaderValue::from_static(kind)).body(bytes);
        }
        let (limit, begun) = (exchange.limit, Instant::now());
        let answered = async {
            let response = request.send().await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            Ok(Answer {
                url,
                status,
                headers,
                body: limits::read(response, limit).await,
            })
        };
        let result = match limits::within(exchange.deadlines.request, answered).await {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(error)) => Err(broken(&error, &at, shown, &policy, namespaced)),
            None => {
                let text = format!("{at} did not answer within {} s", exchange.deadlines.request.as_secs());
                Err(unanswered(text))
            }
        };
        self.counter.note_request(&seen, &at, &result, begun);
        result
    }

    fn client(&self, exchange: &Exchange<'_>, connect: Duration) -> Result<Client, Failure> {
        let Exchange {
            uid,
            namespaced,
            ca_bundle,
            certificate,
            ..
        } = *exchange;
        let digest = |pem: &str| digest(&SHA256, pem.as_bytes()).as_ref().to_vec();
        let key = (
            uid.to_owned(),
            namespaced,
            ca_bundle.map(digest),
            digest_of(certificate),
        );
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, client)) = clients.get(&key)
            && *of == connect
        {
            return Ok(client.clone());
        }
        let client = build(&self.policy.of(namespaced), ca_bundle, certificate, connect)?;
        clients.insert(key, (connect, client.clone()));
        Ok(client)
    }
}

/// An HTTP client that dials what the policy allows.
fn build(
    policy: &EgressPolicy,
    ca_bundle: Option<&str>,
    certificate: Option<&Arc<ClientCertificate>>,
    connect: Duration,
) -> Result<Client, Failure> {
    let mut builder = Client::builder()
        .user_agent(concat!("oauth-client-operator/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .connect_timeout(connect)
        .pool_idle_timeout(IDLE)
        .dns_resolver(Guard(policy.clone()));
    if let Some(pem) = ca_bundle {
        let found = Certificate::from_pem_bundle(pem.as_bytes()).unwrap_or_default();
        if found.is_empty() {
            return Err(Failure::new(Class::Denied, Reason::CertificateRejected, NO_AUTHORITY));
        }
        builder = builder.tls_certs_only(found);
    }
    if let Some(certificate) = certificate {
        builder = builder.identity(certificate.identity()?);
    }
    builder
        .build()
        .map_err(|_| Failure::new(Class::Denied, Reason::CertificateRejected, NO_AUTHORITY))
}

/// A failure before the first byte of a request.
#[must_use]
pub fn not_sent(failure: Failure) -> CallError {
    CallError {
        failure,
        status: None,
        code: None,
        remark: None,
        fault: None,
        effect: Effect::NotApplied,
    }
}

/// No answer, and nobody knows what became of the request.
pub(super) fn unanswered(text: String) -> CallError {
    let failure = Failure::new(Class::Ambiguous, Reason::ProviderUnavailable, text);
    CallError {
        failure,
        status: None,
        code: None,
        remark: None,
        fault: None,
        effect: Effect::Unknown,
    }
}

fn address_refused(at: &str, policy: &EgressPolicy) -> Failure {
    let bound = if policy.within.is_empty() {
        ""
    } else {
        "; for an OAuthProvider, so is every address outside of its flag --namespaced-provider-cidrs: use a ClusterOAuthProvider, or ask whoever installed the \
         operator to list the range"
    };
    let text = format!(
        "{at} has no address that the operator may contact: loopback, link-local and cloud metadata addresses are refused{bound}"
    );
    Failure::new(Class::Denied, Reason::AddressRefused, text)
}

/// What an error of the HTTP client means. Its own text is not shown: it differs from one try to the next.
/// `shown`: the operator has shown a client certificate.
fn broken(error: &reqwest::Error, at: &str, shown: bool, policy: &EgressPolicy, namespaced: bool) -> CallError {
    let causes = Causes::of(error);
    let denied = |reason, text: String| CallError {
        effect: if error.is_connect() {
            Effect::NotApplied
        } else {
            Effect::Unknown
        },
        ..not_sent(Failure::new(Class::Denied, reason, text))
    };
    if let Some(Tls::ClientCertificate) = causes.tls {
        // The server ends the handshake so, before it reads a request. With TLS 1.3 the client may have sent one by then.
        let text = if shown {
            format!(
                "{at} refused the client certificate of spec.tlsClientAuth of the provider; have its authority accepted there, or renew it if it has expired"
            )
        } else {
            format!("{at} demands a client certificate; set spec.tlsClientAuth of the provider")
        };
        return not_sent(Failure::new(Class::Denied, Reason::CertificateRejected, text));
    }
    if !error.is_connect() {
        return unanswered(format!("the connection to {at} broke before the answer was complete"));
    }
    if causes.refused {
        return not_sent(address_refused(at, policy));
    }
    let why = match causes.tls {
        Some(Tls::Other(why)) => why,
        _ if error.is_timeout() => "no connection in time",
        _ => causes.words,
    };
    if namespaced && causes.tell_of_ports() {
        tracing::debug!(origin = at, error = why, "an OAuthProvider cannot be reached");
        return not_sent(Failure::new(
            Class::Transient,
            Reason::ProviderUnavailable,
            format!(
                "{at} cannot be reached; for an OAuthProvider, the operator does not report why. Check the host, the port and the network policies"
            ),
        ));
    }
    match causes.tls {
        Some(Tls::Certificate(why)) => {
            let text = format!(
                "the certificate of {at} is not trusted ({why}); if a private authority issued it, put its certificate into spec.tls.caBundle of the provider, or into the Secret or ConfigMap of spec.tls.caBundleFrom"
            );
            return denied(Reason::CertificateRejected, text);
        }
        Some(Tls::Protocol(why) | Tls::Other(why)) => {
            let text = format!("the TLS handshake with {at} failed: {why}");
            return denied(Reason::CertificateRejected, text);
        }
        Some(Tls::ClientCertificate) | None => {}
    }
    not_sent(Failure::new(
        Class::Transient,
        Reason::ProviderUnavailable,
        format!("{at} cannot be reached: {why}"),
    ))
}

#[cfg(test)]
mod tests;
