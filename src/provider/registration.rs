//! Registration of a client (RFC 7591 section 3): one POST.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Map, Value};
use url::Url;

use crate::api::ManagementMode;
use crate::domain::failure::Failure;
use crate::domain::outcome::CallError;
use crate::domain::registration::Registration;
use crate::domain::target::{Endpoints, Target};
use crate::domain::uri_template;

use super::asked::Asked;
use super::calls::Located;
use super::exchange::{Body, Exchange, JSON};
use super::software_statement::stated;
use super::token::Site;
use super::transport::{Transport, not_sent};
use super::verdict::{accepted_request, incomprehensible};
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
        let located = Located::discovered(target, endpoints).map_err(not_sent)?;
        let origins = located.origins();
        self.check_reach(target, located, &url).map_err(not_sent)?;
        let statement = target.presented.software_statement.as_ref();
        let request = stated(request, statement, &url, &origins).map_err(not_sent)?;
        spoken.extend(auth::written(&request));
        let exchange = Exchange {
            method: Method::POST,
            url,
            body: Some(Body::Json(Value::Object(request.clone()).to_string().into_bytes())),
            credentials: &target.registration,
            origins: &origins,
            uid: &target.uid,
            namespaced: target.namespaced,
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
        let answer = Box::pin(self.send_in_turn(exchange, &site, Asked::Registration, &mut spoken)).await?;
        let status = answer.status;
        let answered_at = wait::date(&answer.headers);
        let body = accepted_request(answer, Asked::Registration, &at, &spoken, Some(&request))
            .map_err(|error| auth::discreet(error, &spoken))?;
        let mut registration = wire::parse(&body)
            .map_err(|error| incomprehensible(status, Asked::Registration, &at, &error.to_string()))?;
        wire::resolve_uri(&mut registration, &endpoints.registration);
        auth::discreet_answer(&mut registration, &spoken);
        Ok(Registration {
            answered_at,
            ..registration
        })
    }

    /// Whether the credentials may go to the registration endpoint at `url` and, if they also manage the client that is to be registered, to
    /// where that is done: nothing is registered that could never be changed or deregistered.
    fn check_reach(&self, target: &Target, provider: Located<'_>, url: &Url) -> Result<(), Failure> {
        if target.registration.issuer_only {
            auth::check_consent(&target.registration, url, &[])?;
        }
        if target.knobs.management != ManagementMode::Credentials {
            return Ok(());
        }
        let template = &target.knobs.uri_template;
        let uri = uri_template::expand(template, url.as_str(), "id", &BTreeMap::new());
        provider.route(None).check_all(&uri, &self.policy).map_err(|failure| {
            let text = "nothing was registered, because the client could not be managed with spec.managementAuth of the provider, or with \
                        spec.registrationAuth where that is not set";
            Failure {
                message: format!("{text}: {}", failure.message),
                ..failure
            }
        })
    }
}

#[cfg(test)]
mod tests;
