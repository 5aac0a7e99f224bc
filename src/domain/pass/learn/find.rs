//! Answers that tell what became of a client: by the identifier that the operator chose, or by the mark that its registration
//! carried.

use serde_json::Value;

use crate::api::{AttemptOutcome, OAuthClientSpec, Reason, names};
use crate::domain::failure::{Class, Failure};
use crate::domain::metadata::{self, Request};
use crate::domain::outcome::CallError;
use crate::domain::pass::journal::LookUp;
use crate::domain::pass::state::State;
use crate::domain::refusal;
use crate::domain::registration::Registration;

impl State {
    /// The provider was asked for the client that carries the mark of this attempt.
    pub fn marked_found(&mut self, attempt: &str, answer: Result<Option<String>, Failure>) {
        match answer {
            Ok(Some(client_id)) => self.journal.marked_client = Some(client_id),
            Ok(None) => self.journal.look_up = Some(LookUp::NotSeen),
            Err(failure) => self.cannot_look(failure, Some(attempt)),
        }
    }

    /// The provider could not be asked for a client: the call cannot be made.
    pub fn look_up_not_sent(&mut self, failure: Failure) {
        let attempt = self.marked_attempt();
        self.cannot_look(failure, attempt.as_deref());
    }

    /// The provider was asked for the client of this identifier. If it is there, it becomes the registration in hand.
    pub fn looked_up(&mut self, client_id: &str, answer: Result<Registration, CallError>) {
        let by_mark = self.journal.marked_client.take().is_some();
        let attempt = self.marked_attempt();
        let found = match answer {
            Ok(found) if found.client_id == client_id => found,
            Ok(_) => {
                return self.doubt(
                    Reason::InvalidResponse,
                    "the provider returned a different client from the one that was asked for",
                );
            }
            Err(error) if refusal::is_gone_or_unauthorised(&error) => {
                let unseen = if by_mark { LookUp::NotSeen } else { LookUp::Absent };
                self.journal.look_up = Some(unseen);
                return;
            }
            Err(error) => return self.cannot_look(error.failure, attempt.filter(|_| by_mark).as_deref()),
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
        self.journal.attempt = Some(attempt);
        self.journal.look_up = Some(LookUp::Found);
        self.journal.adopted = true;
        if let Some((record, _)) = self.record() {
            self.journal.replaces = Some(record.attempt.clone());
        }
        self.journal.failure = None;
        // What the interrupted registration asked for is not known, so the next step states all of it again.
        self.journal.sent = Request::new();
        self.journal.registration = Some(found);
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
        self.journal.failure = Some(Failure {
            class,
            message,
            ..failure
        });
    }

    fn doubt(&mut self, reason: Reason, text: &str) {
        self.journal.failure = Some(Failure::new(Class::Denied, reason, text));
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
