//! Answers on the way to a client that is taken over.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use crate::api::Reason;
use crate::domain::adoption::Adoption;
use crate::domain::api_error::ApiError;
use crate::domain::failure::{Class, Failure};
use crate::domain::metadata::Request;
use crate::domain::outcome::CallError;
use crate::domain::pass::journal::Answered;
use crate::domain::pass::observed::Observed;
use crate::domain::pass::state::State;
use crate::domain::refusal;
use crate::domain::registration::Registration;

impl State {
    /// The Secret of the token was read.
    pub fn adoption_read(&mut self, answer: Result<Option<Secret>, ApiError>) {
        let Some(adopt) = self.object.spec.adopt.clone() else {
            return;
        };
        let namespace = self.object.namespace().unwrap_or_default();
        match answer {
            Ok(found) => {
                let adoption = Adoption::of(&adopt, &namespace, found.as_ref());
                self.journal.adoption = Some(Box::new(adoption));
            }
            Err(error) => {
                let name = &adopt.registration_access_token_ref.name;
                self.fail(&error, &format!("Secret {namespace}/{name}"));
            }
        }
    }

    /// The client was read with the token of an adoption, or the call cannot be made. What is recorded stays as it is unless this very
    /// client is shown.
    pub fn adopted(&mut self, adoption: Adoption, answer: Result<Registration, CallError>, seen: &Observed<'_>) {
        let mut found = match answer {
            Ok(found) => found,
            Err(error) => {
                self.journal.failure = Some(refused(error));
                return;
            }
        };
        found.registration_access_token.get_or_insert(adoption.token);
        // The owner of the token consented to this origin, and to no other.
        let consented = |uri: &String| adoption.uri.as_deref().map(origin) == Some(origin(uri));
        found.registration_client_uri = found.registration_client_uri.filter(consented).or(adoption.uri.clone());
        let Some((record, _)) = self.record() else {
            // It is claimed and recorded like the answer of a registration.
            self.journal.adopts = Some(adoption.digest);
            self.journal.attempt = Some(seen.fresh_attempt.to_owned());
            self.journal.adopted = true;
            self.journal.sent = Request::new();
            self.journal.answered = Some(Box::new(Answered {
                registration: found,
                sent: Request::new(),
                begun: seen.now,
                hash: String::new(),
            }));
            return;
        };
        if found.client_id != record.client_id {
            let text = format!(
                "the token of spec.adopt manages client {}, and this OAuthClient is client {}; nothing was changed. Use a token of that client",
                found.client_id, record.client_id
            );
            self.journal.failure = Some(Failure::new(Class::Denied, Reason::InvalidResponse, text));
            return;
        }
        // What became of an update in flight is not known, so all is stated again.
        let request = record
            .in_flight
            .as_ref()
            .map_or_else(|| record.request.clone(), |_| Request::new());
        self.journal.adopts = Some(adoption.digest);
        self.journal.answer = Some(Box::new((request, found)));
        self.journal.refused = false;
        self.forget_looks();
    }
}

/// Scheme, host and port of an address.
fn origin(uri: &str) -> &str {
    let end = uri.match_indices('/').nth(2).map_or(uri.len(), |(end, _)| end);
    uri.get(..end).unwrap_or_default()
}

fn refused(error: CallError) -> Failure {
    if !refusal::is_client_refused(&error) {
        return error.failure;
    }
    let text = "the provider does not accept the token of spec.adopt at the address of the client, so nothing was taken over; check both, and put a valid \
                token into the Secret";
    Failure::new(Class::Denied, Reason::ManagementLost, text)
}
