//! Finding out what became of a client: by the identifier that the operator chose, or by the client's own credentials.

use crate::api::names;
use crate::api::{AttemptOutcome, Reason};
use crate::domain::failure::{Class, Failure};
use crate::domain::identity;
use crate::domain::marker::Marker;
use crate::domain::metadata::{self, Request};
use crate::domain::plan::{Known, LookUp};
use crate::provider;
use kube::ResourceExt;

use super::super::pass::{Pass, Stored};
use super::super::record_of;
use super::super::world::World;

impl<W: World> Pass<'_, W> {
    /// Asks for the client of the chosen identifier. If it is there, it becomes the registration in hand.
    pub(super) async fn look_up(&mut self) {
        let (Some(Ok(provider)), Some(endpoints)) = (self.provider.clone(), self.endpoints.clone()) else {
            return;
        };
        let client_id = identity::client_id(&self.world.here().cluster_id, self.uid());
        let Some(call) = record_of::look_up_call(&provider, &endpoints, &client_id) else {
            return;
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
                self.memory.look_up = Some(LookUp::Absent);
                return;
            }
            Err(error) => {
                // Nothing that this says is about the manifest.
                let class = match error.failure.class {
                    Class::Invalid => Class::Transient,
                    class => class,
                };
                self.memory.failure = Some(Failure { class, ..error.failure });
                return;
            }
        };
        if found.client_secret.is_none() && !metadata::is_public(&self.object.spec) {
            let text = format!(
                "the provider holds the client {client_id} of an interrupted registration and does not show its secret; remove that client there"
            );
            return self.doubt(Reason::OutcomeUnknown, &text);
        }
        let Some(attempt) = self.interrupted_attempt() else {
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

    /// The attempt that the marker tells of.
    fn interrupted_attempt(&self) -> Option<String> {
        let marker = Marker::parse(self.object.annotations().get(names::CREATE_PENDING)?)?;
        Some(marker.attempt)
    }

    fn doubt(&mut self, reason: Reason, text: &str) {
        self.memory.failure = Some(Failure::new(Class::Denied, reason, text));
    }

    /// Asks the token endpoint whether it knows the recorded client.
    pub(super) async fn probe(&mut self) {
        let Stored::Present { record, .. } = &self.record else {
            return;
        };
        self.memory.known = Some(match record_of::probe_call(record) {
            Some(call) => self.world.probe(&call).await,
            None => Known::Unclear,
        });
    }
}
