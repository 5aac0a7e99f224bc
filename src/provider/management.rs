//! Management of a registered client (RFC 7592), at the URI that the provider gave and nowhere else.

use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use url::Url;

use crate::api::Reason;
use crate::domain::failure::{Class, Failure};
use crate::domain::outcome::{CallError, Deletion};
use crate::domain::registration::Registration;
use crate::domain::target::AuthScheme;

use super::calls::ManagementCall;
use super::exchange::{Answer, Body, Exchange, JSON};
use super::software_statement::stated;
use super::transport::{Transport, not_sent};
use super::verdict::{accepted_request, harmless, incomprehensible, refused};
use super::{auth, effect, limits, origin, wire};

impl ManagementCall {
    /// A refusal of a token that the operator has just bought is about the operator's rights, and says nothing about the client:
    /// without its status, nobody takes it for "gone or unauthorised".
    fn about_the_client(&self, error: CallError) -> CallError {
        let bought = matches!(self.scheme(), AuthScheme::ClientCredentials(_));
        match error.status {
            Some(401 | 403) if bought => CallError {
                status: None,
                code: None,
                ..error
            },
            _ => error,
        }
    }
}

impl Transport {
    /// Reads a client. The answer may hold rotated credentials.
    ///
    /// # Errors
    /// There is no answer, a refusal, or one that cannot be understood.
    pub async fn read(&self, call: &ManagementCall) -> Result<Registration, CallError> {
        let mut registration = self.manage(call, Method::GET, None).await.map_err(harmless)?;
        // Some providers show a digest here, which must not replace the secret.
        if registration
            .client_secret
            .as_ref()
            .is_some_and(|secret| wire::is_digest(secret.expose_secret()))
        {
            registration.client_secret = None;
        }
        Ok(registration)
    }

    /// Replaces a client's metadata: one PUT.
    ///
    /// # Errors
    /// There is no answer, a refusal, or one that cannot be understood.
    pub async fn update(&self, call: &ManagementCall, request: &Map<String, Value>) -> Result<Registration, CallError> {
        let url = self.address(call, call.uri()).map_err(not_sent)?;
        let route = call.route();
        let request = stated(request, route.statement(), &url, route.origins()).map_err(not_sent)?;
        self.manage(call, Method::PUT, Some(&request)).await
    }

    /// Deregisters a client: one DELETE.
    ///
    /// # Errors
    /// There is no answer, or a refusal.
    pub async fn delete(&self, call: &ManagementCall) -> Result<Deletion, CallError> {
        let mut spoken = call.route().spoken();
        let (answer, at) = self.answer(call, Method::DELETE, None, &mut spoken).await?;
        if (200..300).contains(&answer.status) {
            return Ok(effect::of_deletion(&answer));
        }
        let error = refused(&answer, call.asked(), &at, &spoken);
        Err(call.about_the_client(auth::discreet(error, &spoken)))
    }

    async fn manage(
        &self,
        call: &ManagementCall,
        method: Method,
        request: Option<&Map<String, Value>>,
    ) -> Result<Registration, CallError> {
        let mut spoken = call.route().spoken();
        spoken.extend(request.into_iter().flat_map(auth::written));
        let body = request.map(|request| Value::Object(request.clone()).to_string().into_bytes());
        let (answer, at) = self.answer(call, method, body, &mut spoken).await?;
        let status = answer.status;
        let body = accepted_request(answer, call.asked(), &at, &spoken, request)
            .map_err(|error| call.about_the_client(auth::discreet(error, &spoken)))?;
        let mut registration =
            wire::parse(&body).map_err(|error| incomprehensible(status, call.asked(), &at, &error.to_string()))?;
        wire::resolve_uri(&mut registration, call.uri());
        auth::discreet_answer(&mut registration, &spoken);
        // The address that answered is one that may be called; a client is not moved to one that may not.
        if let Some(uri) = &registration.registration_client_uri
            && let Err(error) = self.address(call, uri)
        {
            tracing::warn!(client_id = %registration.client_id, "a new registration_client_uri is not taken over: {}", error.message);
            registration.registration_client_uri = None;
        }
        Ok(registration)
    }

    /// Where a client may be managed: nowhere but at its provider.
    fn address(&self, call: &ManagementCall, uri: &str) -> Result<Url, Failure> {
        let url = origin::callable("the registration_client_uri", uri, &self.policy)?;
        if origin::is_among(&url, call.route().origins().iter().map(String::as_str)) {
            return Ok(url);
        }
        let at = origin::of(&url);
        let text = format!(
            "the provider wants this client to be managed at {at}, which is neither the issuer's origin nor one of spec.endpoints.allowedOrigins of the provider; \
             add it there if it belongs to the provider"
        );
        Err(Failure::new(Class::Denied, Reason::OriginNotAllowed, text))
    }

    async fn answer(
        &self,
        call: &ManagementCall,
        method: Method,
        body: Option<Vec<u8>>,
        spoken: &mut Vec<SecretString>,
    ) -> Result<(Answer, String), CallError> {
        let url = self.address(call, call.uri()).map_err(not_sent)?;
        let (at, route) = (origin::of(&url), call.route());
        let exchange = Exchange {
            method,
            url,
            body: body.map(Body::Json),
            credentials: route.credentials(),
            origins: route.origins(),
            uid: route.uid(),
            namespaced: route.namespaced(),
            ca_bundle: route.ca_bundle(),
            certificate: route.certificate(),
            deadlines: route.deadlines(),
            accept: JSON,
            limit: limits::REGISTRATION,
        };
        let answer = Box::pin(self.send_in_turn(exchange, &route.site(), call.asked(), spoken)).await?;
        Ok((answer, at))
    }
}

#[cfg(test)]
mod tests;
