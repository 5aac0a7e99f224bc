//! Registration of a client (RFC 7591 section 3): one POST.

use std::time::Instant;

use http::Method;
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::api::Reason;
use crate::clock::Clock;
use crate::domain::failure::{Class, Failure};
use crate::domain::outcome::CallError;
use crate::domain::registration::Registration;
use crate::domain::target::{AuthScheme, Credentials, Deadlines, Endpoints, Target};

use super::asked::Asked;
use super::calls::Located;
use super::exchange::{Answer, Body, Exchange, JSON};
use super::software_statement::stated;
use super::token::Site;
use super::transport::{Transport, not_sent};
use super::verdict::{accepted, incomprehensible, refusal_of_credentials};
use super::{auth, limits, origin, wait, wire};

impl Transport {
    /// Registers a client: exactly one POST that the provider may have applied. A refusal of a bearer token proves that it did nothing;
    /// the next token of the list is then used.
    ///
    /// # Errors
    /// [`CallError::effect`] says whether a client may have been registered all the same.
    pub async fn register(
        &self,
        target: &Target,
        endpoints: &Endpoints,
        request: &Map<String, Value>,
    ) -> Result<Registration, CallError> {
        let url =
            origin::callable("the registration endpoint", &endpoints.registration, &self.policy).map_err(not_sent)?;
        let at = origin::of(&url);
        let mut spoken = auth::spoken(&target.registration);
        spoken.extend(auth::spoken(&target.discovery));
        spoken.extend(auth::spoken(&target.management));
        let origins = Located::discovered(target, endpoints).map_err(not_sent)?.origins();
        let statement = target.presented.software_statement.as_ref();
        let request = stated(request, statement, &url, &origins).map_err(not_sent)?;
        spoken.extend(auth::written(&request));
        let exchange = Exchange {
            method: Method::POST,
            url,
            body: Some(Body::Json(Value::Object(request).to_string().into_bytes())),
            credentials: &target.registration,
            origins: &origins,
            uid: &target.uid,
            ca_bundle: target.ca_bundle.as_deref(),
            certificate: target.presented.certificate.as_ref(),
            deadlines: target.deadlines,
            accept: JSON,
            limit: limits::REGISTRATION,
        };
        let site = Site {
            token_endpoint: endpoints.token.as_deref(),
            issuer: &endpoints.issuer,
            allowed_origins: &target.allowed_origins,
        };
        let answer = self.send_in_turn(exchange, &site, &target.uid, &mut spoken).await?;
        let status = answer.status;
        let answered_at = wait::date(&answer.headers);
        let body =
            accepted(answer, Asked::Registration, &at, &spoken).map_err(|error| auth::discreet(error, &spoken))?;
        let mut registration = wire::parse(&body)
            .map_err(|error| incomprehensible(status, Asked::Registration, &at, &error.to_string()))?;
        wire::resolve_uri(&mut registration, &endpoints.registration);
        auth::discreet_answer(&mut registration, &spoken);
        Ok(Registration {
            answered_at,
            ..registration
        })
    }

    /// Sends a registration with its credentials, and where the provider refuses a token, with the next one. All have the time of one
    /// request together.
    async fn send_in_turn(
        &self,
        exchange: Exchange<'_>,
        site: &Site<'_>,
        uid: &str,
        spoken: &mut Vec<SecretString>,
    ) -> Result<Answer, CallError> {
        let turn = exchange.credentials.in_turn(Clock::default().now());
        let begun = Instant::now();
        let mut last = None;
        for credentials in &turn {
            let request = exchange.deadlines.request.saturating_sub(begun.elapsed());
            if let Some(answer) = last
                && request < exchange.deadlines.request / 2
            {
                return Ok(answer);
            }
            let exchange = Exchange {
                credentials,
                deadlines: Deadlines {
                    request,
                    ..exchange.deadlines
                },
                ..exchange.clone()
            };
            let answered = self.send_as(exchange, site).await?;
            spoken.extend(answered.spoken);
            if !self.note_token(uid, credentials, &answered.answer, spoken) {
                return Ok(answered.answer);
            }
            last = Some(answered.answer);
        }
        last.ok_or_else(|| not_sent(Failure::new(Class::Bug, Reason::InternalError, "no credentials")))
    }

    /// Notes whether the provider accepted a bearer token. Whether it refused it.
    fn note_token(&self, uid: &str, credentials: &Credentials, answer: &Answer, spoken: &[SecretString]) -> bool {
        let AuthScheme::Bearer(token) = &credentials.scheme else {
            return false;
        };
        if let Some(words) = refusal_of_credentials(answer, spoken) {
            self.refusals.note(uid, token, words);
            return true;
        }
        if (200..300).contains(&answer.status) {
            self.refusals.forget(uid, token);
        }
        false
    }
}
