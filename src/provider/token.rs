//! Access tokens by the client credentials grant (RFC 6749 section 4.4): asked for when they are needed, kept until shortly
//! before they expire.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use http::Method;
use ring::digest::{self, SHA256};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use crate::api::{Reason, TokenReuse};
use crate::domain::failure::{Class, Failure};
use crate::domain::metadata::hex;
use crate::domain::outcome::CallError;
use crate::domain::target::{AuthScheme, Credentials};

use super::client_certificate::digest_of;
use super::egress::EgressPolicy;
use super::exchange::{ANYTHING, Answer, Exchange};
use super::tokens::{CachedToken, Slot, Token, Tokens};
use super::transport::{Transport, not_sent};
use super::verdict::harmless;
use super::wire::Object;
use super::{auth, origin};

mod request;

use request::{TokenRequest, refused};

/// Lifetime of a token that does not state one, which RFC 6749 section 5.1 allows.
const UNSTATED: Duration = Duration::from_mins(1);
/// A token is replaced so long before it expires, or after three quarters of its time if that is later.
const EARLY: Duration = Duration::from_secs(30);
/// Longest lifetime that is believed.
const LONGEST: Duration = Duration::from_hours(24);

/// Where tokens may be asked for.
pub(super) struct Site<'a> {
    /// Token endpoint, if the metadata names one.
    pub token_endpoint: Option<&'a str>,
    /// Issuer of the provider.
    pub issuer: &'a str,
    /// Further origins that the endpoint may have.
    pub allowed_origins: &'a [String],
}

/// An answer, and the token that was sent for it, in every form in which a provider might repeat it.
pub(super) struct Answered {
    pub answer: Answer,
    pub spoken: Vec<SecretString>,
}

/// The token endpoint as it may be called: at the issuer's origin or an allowed one, and with credentials that are for the issuer only there.
///
/// # Errors
/// It lies elsewhere, or is no URL that may be called.
pub(super) fn endpoint(
    text: &str,
    site: &Site<'_>,
    credentials: &Credentials,
    policy: &EgressPolicy,
) -> Result<Url, Failure> {
    let url = origin::callable("the token endpoint", text, policy)?;
    if credentials.issuer_only {
        return auth::check_consent(credentials, &url, &[]).map(|()| url);
    }
    let allowed = site.allowed_origins.iter().map(String::as_str);
    if origin::is_among(&url, [site.issuer].into_iter().chain(allowed)) {
        return Ok(url);
    }
    let text = format!(
        "the token endpoint is at {}, which is neither the issuer's origin nor one of spec.endpoints.allowedOrigins of the provider",
        origin::of(&url)
    );
    Err(Failure::new(Class::Denied, Reason::OriginNotAllowed, text))
}

impl Transport {
    /// Sends a request with its credentials, or with the token that those buy. A kept token that is refused is replaced once: it
    /// may have been revoked, and the rights that it states are those of the time when it was issued.
    ///
    /// # Errors
    /// There is no answer, or no token; without one the request was not sent.
    pub(super) async fn send_as(&self, exchange: Exchange<'_>, site: &Site<'_>) -> Result<Answered, CallError> {
        match &exchange.credentials.scheme {
            AuthScheme::ClientCredentials(grant) if grant.reuse == TokenReuse::Never => {
                return self.send_with_a_token_each(exchange, site).await;
            }
            AuthScheme::ClientCredentials(_) => {}
            _ => {
                let answer = self.send(exchange).await?;
                let spoken = Vec::new();
                return Ok(Answered { answer, spoken });
            }
        }
        let (token, kept) = self.token(&exchange, site, None).await?;
        let first = self.send_with(exchange.clone(), token.clone(), false).await?;
        if !kept || !matches!(first.answer.status, 401 | 403) {
            return Ok(first);
        }
        let (token, _) = self.token(&exchange, site, Some(&token)).await?;
        self.send_with(exchange, token, false).await
    }

    /// The same where each token is good for one request only.
    async fn send_with_a_token_each(&self, exchange: Exchange<'_>, site: &Site<'_>) -> Result<Answered, CallError> {
        let token = self.ask_for_token(&exchange, site).await?.value;
        let first = self.send_with(exchange.clone(), token, true).await?;
        if exchange.method != Method::GET || first.answer.status != 406 {
            return Ok(first);
        }
        let token = self.ask_for_token(&exchange, site).await?.value;
        let again = Exchange {
            accept: ANYTHING,
            ..exchange
        };
        self.send_with(again, token, true).await
    }

    /// `once`: the token is good for one request.
    async fn send_with(&self, exchange: Exchange<'_>, token: SecretString, once: bool) -> Result<Answered, CallError> {
        let credentials = Credentials {
            scheme: AuthScheme::Bearer(token),
            origins: exchange.credentials.origins.clone(),
            issuer_only: exchange.credentials.issuer_only,
            ..Credentials::default()
        };
        let exchange = Exchange {
            credentials: &credentials,
            ..exchange
        };
        let answer = if once {
            self.send_once(exchange).await?
        } else {
            self.send(exchange).await?
        };
        let spoken = auth::spoken(&credentials);
        Ok(Answered { answer, spoken })
    }

    /// A token for the credentials of a request, and whether it was asked for earlier. `refused`: one that is of no use.
    async fn token(
        &self,
        exchange: &Exchange<'_>,
        site: &Site<'_>,
        refused: Option<&SecretString>,
    ) -> Result<(SecretString, bool), CallError> {
        let begun = Instant::now();
        let slot = self.tokens.slot(exchange, site);
        let mut held = slot.lock().await;
        let useless = refused.map(ExposeSecret::expose_secret);
        if let Some(token) = &held.token
            && Instant::now() < token.until
            && useless != Some(token.value.expose_secret())
        {
            return Ok((token.value.clone(), true));
        }
        // Whoever waited for somebody else's try takes its end for the own one: a provider that hangs is not asked in turn.
        if let Some((at, error)) = &held.failed
            && begun <= *at
        {
            return Err(error.clone());
        }
        match self.ask_for_token(exchange, site).await {
            Ok(token) => {
                let value = token.value.clone();
                *held = CachedToken {
                    token: Some(token),
                    failed: None,
                };
                Ok((value, false))
            }
            Err(error) => {
                let failed = Some((Instant::now(), error.clone()));
                *held = CachedToken { token: None, failed };
                Err(error)
            }
        }
    }

    async fn ask_for_token(&self, exchange: &Exchange<'_>, site: &Site<'_>) -> Result<Token, CallError> {
        let AuthScheme::ClientCredentials(grant) = &exchange.credentials.scheme else {
            let failure = Failure::new(Class::Bug, Reason::InternalError, "other credentials");
            return Err(no_token("clientCredentials", failure));
        };
        let kind = grant.proof.kind();
        let no_token = |failure| no_token(kind, failure);
        let Some(text) = site.token_endpoint else {
            let text = format!(
                "the provider's metadata names no token endpoint, which {kind} needs; use basic, bearer or header"
            );
            return Err(no_token(Failure::new(Class::Denied, Reason::DiscoveryFailed, text)));
        };
        let url = endpoint(text, site, exchange.credentials, &self.policy).map_err(no_token)?;
        let at = origin::of(&url);
        let request = TokenRequest::new(grant, exchange, &url, site).map_err(no_token)?;
        let asked = Instant::now();
        let answer = self
            .send(request.exchange(exchange, url))
            .await
            .map_err(|error| no_token(harmless(error).failure))?;
        if !(200..300).contains(&answer.status) {
            let mut spoken = auth::spoken(exchange.credentials);
            spoken.extend(request.spoken.iter().flat_map(auth::forms));
            return Err(no_token(refused(grant, &answer, &at, &spoken)));
        }
        let (value, lifetime) = answer.body.ok().as_deref().and_then(read).ok_or_else(|| {
            let text = format!("the answer of {at} does not contain a Bearer access_token");
            no_token(Failure::new(Class::Transient, Reason::InvalidResponse, text))
        })?;
        let early = EARLY.min(lifetime / 4);
        Ok(Token {
            value,
            until: asked + lifetime.saturating_sub(early),
        })
    }
}

impl Tokens {
    fn slot(&self, exchange: &Exchange<'_>, site: &Site<'_>) -> Arc<Slot> {
        let mut key = digest::Context::new(&SHA256);
        let mut add = |part: &str| {
            // With its length, so that no two lists of parts look the same.
            key.update(&part.len().to_be_bytes());
            key.update(part.as_bytes());
        };
        add(site.token_endpoint.unwrap_or_default());
        add(site.issuer);
        add(exchange.uid);
        add(exchange.ca_bundle.unwrap_or_default());
        // A provider may bind a token to the certificate that it was bought with (RFC 8705 section 3).
        add(&hex(&digest_of(exchange.certificate).unwrap_or_default()));
        if let AuthScheme::ClientCredentials(grant) = &exchange.credentials.scheme {
            add(grant.client_id.expose_secret());
            add(&format!("{:?}", std::mem::discriminant(&grant.proof)));
            add(grant.proof.secret().expose_secret());
            add(&format!("{:?} {:?} {:?}", grant.scopes, grant.audience, grant.resource));
        }
        let key = key.finish().as_ref().to_vec();
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots.get_or_insert_with(key, Arc::default).cloned().unwrap_or_default()
    }
}

/// Without a token nothing was sent to the endpoint that matters, and nothing is known of what is there: the status of the token
/// endpoint's answer must not be taken for one of that endpoint.
fn no_token(kind: &str, mut failure: Failure) -> CallError {
    failure.message = format!("the operator got no access token for its {kind}: {}", failure.message);
    not_sent(failure)
}

/// Token and lifetime of an access token response (RFC 6749 section 5.1).
pub(super) fn read(body: &[u8]) -> Option<(SecretString, Duration)> {
    let object = Object::parse(body)?;
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    // Any other type is sent in another way (RFC 6749 section 7.1). Some servers leave out that it is this one.
    if !matches!(object.get("token_type"), None | Some(Value::Null)) {
        text("token_type").filter(|kind| kind.eq_ignore_ascii_case("Bearer"))?;
    }
    let token =
        text("access_token").filter(|token| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()))?;
    let seconds = match object.get("expires_in") {
        Some(Value::Number(seconds)) => seconds.as_f64(),
        Some(Value::String(seconds)) => seconds.parse().ok(),
        _ => None,
    };
    let stated = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Some((token.into(), stated.unwrap_or(UNSTATED).min(LONGEST)))
}

#[cfg(test)]
mod tests;
