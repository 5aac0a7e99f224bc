//! Calls of the provider, as they are sent.

use oauth_client_operator::domain::outcome::{CallError, Deletion};
use oauth_client_operator::domain::probe::Probed;
use oauth_client_operator::domain::registration::Registration;
use oauth_client_operator::domain::target::Endpoints;
use oauth_client_operator::provider::{ManagementCall, MarkedCall, ProbeCall};
use serde_json::{Map, Value};

use super::super::provider::Sent;
use super::super::schedule::Choice;
use super::{CALL_FAULTS, Plant, Process};

impl Process {
    pub(super) async fn send_register(
        &self,
        endpoints: &Endpoints,
        request: &Map<String, Value>,
    ) -> Result<Registration, CallError> {
        let attempt = self.me(|replica| replica.work[self.what].opened.clone());
        let at = &endpoints.registration;
        self.call("POST", &CALL_FAULTS, |state| {
            state.provider.now = state.now;
            state.provider.register(at, &attempt, request)
        })
        .await
    }

    pub(super) async fn send_marked(&self, call: &MarkedCall) -> Result<Option<String>, CallError> {
        // What cannot be read of a list is a failure like any other, and nothing in it is about metadata.
        let faults: Vec<Choice> = CALL_FAULTS
            .into_iter()
            .filter(|fault| !matches!(fault, Choice::Garbled | Choice::Rejected))
            .collect();
        self.call("list", &faults, |state| state.provider.marked(call)).await
    }

    pub(super) async fn send_read(&self, call: &ManagementCall) -> Result<Registration, CallError> {
        self.call("GET", &CALL_FAULTS, |state| state.provider.read(&Sent::of(call)))
            .await
    }

    pub(super) async fn send_probe(&self, call: &ProbeCall) -> Probed {
        let faults = [Choice::DieBefore, Choice::LoseRequest];
        let answer = self
            .call("probe", &faults, |state| Ok(state.provider.knows(call)))
            .await;
        answer.unwrap_or(Probed::Unclear)
    }

    pub(super) async fn send_update(
        &self,
        call: &ManagementCall,
        request: &Map<String, Value>,
    ) -> Result<Registration, CallError> {
        let mut uri = call.uri().to_owned();
        if self.state().plant == Some(Plant::TokenAtAnotherUri) {
            uri.push_str("-of-another");
        }
        let call = Sent {
            uri: &uri,
            scheme: call.scheme(),
        };
        let answer = self
            .call("PUT", &CALL_FAULTS, |state| state.provider.update(&call, request))
            .await;
        self.me(|replica| replica.answered = answer.is_ok());
        answer
    }

    pub(super) async fn send_deregister(&self, call: &ManagementCall) -> Result<Deletion, CallError> {
        self.drop_record();
        let ended = self
            .call("DELETE", &CALL_FAULTS, |state| {
                state.provider.deregister(&Sent::of(call))
            })
            .await;
        match ended {
            Ok(()) => Ok(Deletion::Done),
            Err(error) if self.state().plant == Some(Plant::RefusalCountsAsGone) && error.status == Some(401) => {
                Ok(Deletion::Done)
            }
            // Garbled: a success that proves nothing.
            Err(error) if error.status == Some(201) => Ok(Deletion::Unclear),
            Err(error) => Err(error),
        }
    }
}
