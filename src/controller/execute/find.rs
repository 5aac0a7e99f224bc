//! Finding out what became of a client: by the identifier that the operator chose, or by the mark that its registration carried.

use crate::api::names;
use crate::api::{AttemptOutcome, OAuthClientSpec, Reason};
use crate::domain::failure::{Class, Failure};
use crate::domain::identity::{self, Finds};
use crate::domain::marker::Marker;
use crate::domain::metadata::{self, Request};
use crate::domain::outcome::CallError;
use crate::domain::plan::{LookUp, Provider};
use crate::domain::registration::Registration;
use crate::domain::target::{Endpoints, Mark};
use crate::provider::{self, ManagementCall, MarkedCall};
use kube::ResourceExt;
use serde_json::Value;

use super::super::pass::{Pass, Stored};
use super::super::world::World;

impl<W: World> Pass<'_, W> {
    /// Asks for the client of the chosen identifier, or of the open attempt's mark. If it is there, it becomes the registration
    /// in hand.
    pub(super) async fn look_up(&mut self) {
        let (Some(Ok(provider)), Some(endpoints)) = (self.provider.clone(), self.endpoints.clone()) else {
            return;
        };
        let attempt = self.interrupted_attempt();
        let (client_id, unseen) = match identity::finds(&provider.target.knobs) {
            Some(Finds::ByIdentifier) => {
                let client_id = identity::client_id(&self.world.here().cluster_id, self.uid());
                (client_id, LookUp::Absent)
            }
            Some(Finds::ByMark(mark)) => match self.marked(&provider, &endpoints, &mark, attempt.as_deref()).await {
                Ok(Some(client_id)) => (client_id, LookUp::NotSeen),
                Ok(None) => {
                    self.memory.look_up = Some(LookUp::NotSeen);
                    return;
                }
                Err(error) => return self.cannot_look(error.failure, attempt.as_deref()),
            },
            None => return,
        };
        let call = match ManagementCall::look_up(&provider.target, &endpoints, &client_id) {
            Ok(Some(call)) => call,
            Ok(None) => return,
            Err(failure) => return self.cannot_look(failure, attempt.as_deref()),
        };
        let found = match self.world.read(&call).await {
            Ok(found) if found.client_id == client_id => found,
            Ok(_) => {
                return self.doubt(
                    Reason::InvalidResponse,
                    "the provider shows another client than was asked for",
                );
            }
            Err(error) if provider::is_gone_or_unauthorised(&error) => {
                self.memory.look_up = Some(unseen);
                return;
            }
            Err(error) => {
                let by_mark = attempt.filter(|_| unseen == LookUp::NotSeen);
                return self.cannot_look(error.failure, by_mark.as_deref());
            }
        };
        if lacks_secret(&found, &self.object.spec) {
            let text = format!(
                "the provider holds the client {client_id} of an interrupted registration and does not show its secret; remove that client there"
            );
            return self.doubt(Reason::OutcomeUnknown, &text);
        }
        let Some(attempt) = attempt else {
            return;
        };
        self.close(&attempt, AttemptOutcome::Registered, String::new());
        self.memory.attempt = Some(attempt);
        self.memory.look_up = Some(LookUp::Found);
        self.memory.adopted = true;
        if let Stored::Present { record, .. } = &self.record {
            self.memory.replaces = Some(record.attempt.clone());
        }
        self.memory.failure = None;
        // What the interrupted registration asked for is not known, so the next step states all of it again.
        self.sent = Request::new();
        self.memory.registration = Some(found);
    }

    /// The client that carries the mark of this attempt, if the provider shows one.
    async fn marked(
        &mut self,
        provider: &Provider,
        endpoints: &Endpoints,
        mark: &Mark,
        attempt: Option<&str>,
    ) -> Result<Option<String>, CallError> {
        let Some(attempt) = attempt else {
            return Ok(None);
        };
        let value = identity::mark(&self.world.here().cluster_id, self.uid(), attempt);
        let call = MarkedCall::of(&provider.target, endpoints, mark, value).map_err(provider::not_sent)?;
        let Some(call) = call else {
            tracing::warn!(object = %self.key, issuer = %endpoints.issuer, "the issuer has not the form from which the address of its clients is made");
            return Ok(None);
        };
        // This may be many pages.
        let _permit = match &self.permit {
            Some(_) => None,
            None => Some(self.world.permit(&self.object, provider).await),
        };
        self.world.marked(&call).await
    }

    /// The provider could not be asked, and nothing that it says is about the manifest. `given_up`: the attempt that a user may
    /// give up instead of waiting.
    fn cannot_look(&mut self, failure: Failure, given_up: Option<&str>) {
        let class = match failure.class {
            Class::Invalid => Class::Transient,
            class => class,
        };
        let message = match given_up {
            Some(attempt) => format!(
                "{}; the operator looks there for the client of attempt {attempt}, whose answer was lost. To have the client registered without that: kubectl \
                 annotate --overwrite oauthclient NAME {}={attempt}",
                failure.message,
                names::ABANDON
            ),
            None => failure.message,
        };
        self.memory.failure = Some(Failure {
            class,
            message,
            ..failure
        });
    }

    /// The attempt that the marker tells of.
    pub(super) fn interrupted_attempt(&self) -> Option<String> {
        let marker = Marker::parse(self.object.annotations().get(names::CREATE_PENDING)?)?;
        Some(marker.attempt.into_owned())
    }

    fn doubt(&mut self, reason: Reason, text: &str) {
        self.memory.failure = Some(Failure::new(Class::Denied, reason, text));
    }
}

/// Whether the client authenticates by a secret that the provider does not show again.
fn lacks_secret(found: &Registration, spec: &OAuthClientSpec) -> bool {
    let stated = found.metadata.get("token_endpoint_auth_method").and_then(Value::as_str);
    let asked = spec.metadata.token_endpoint_auth_method.as_deref();
    let method = stated.or(asked).unwrap_or("client_secret_basic");
    found.client_secret.is_none() && !metadata::is_public(spec) && method.starts_with("client_secret")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_client_that_needs_a_secret_lacks_one() {
        let lacks = |asked: Option<&str>, stated: Option<&str>| {
            let spec = serde_json::json!({"providerRef": {"name": "p"}, "tokenEndpointAuthMethod": asked});
            let metadata = serde_json::json!({"token_endpoint_auth_method": stated});
            let found = Registration {
                client_id: "id".to_owned(),
                client_secret: None,
                client_secret_expires_at: None,
                client_id_issued_at: None,
                answered_at: None,
                registration_access_token: None,
                registration_client_uri: None,
                metadata: metadata.as_object().unwrap().clone(),
            };
            lacks_secret(&found, &serde_json::from_value(spec).unwrap())
        };
        assert!(lacks(None, None));
        assert!(lacks(Some("client_secret_post"), None));
        assert!(!lacks(Some("none"), None));
        assert!(!lacks(Some("private_key_jwt"), None));
        assert!(!lacks(None, Some("private_key_jwt")));
    }
}
