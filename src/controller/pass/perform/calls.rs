//! Calls of a provider, and what is looked up before them.

use kube::ResourceExt;

use crate::api::{Capabilities, ManagementMode};
use crate::controller::world::World;
use crate::controller::{claim, management, probe};
use crate::domain::adoption::Adoption;
use crate::domain::capability;
use crate::domain::failure::Failure;
use crate::domain::identity::{self, Finds};
use crate::domain::metadata::Request;
use crate::domain::pass::{AnswerClaim, Claimed, Effect};
use crate::domain::record::Record;
use crate::provider::{self, ManagementCall, MarkedCall};

use super::super::{Pass, observe};

impl<W: World> Pass<'_, W> {
    pub(super) async fn call_provider(&mut self, effect: Effect) {
        match effect {
            Effect::ResolveProvider => {
                let answer = self.world.resolve(self.state.object()).await;
                self.state.resolved(answer);
            }
            Effect::ResolveForDeletion => {
                if let Some((record, _)) = self.state.record() {
                    let answer = self.world.provider_for_deletion(self.state.object(), record).await;
                    self.state.resolved(answer);
                }
            }
            Effect::Discover => {
                if let Some(provider) = self.state.provider() {
                    let answer = self.world.discover(provider).await;
                    self.state.discovered(answer.map_err(|error| error.failure));
                }
            }
            Effect::Register { request, body } => self.register(request, body).await,
            Effect::ClaimAnswer => self.claim_answer(),
            Effect::FindMarked(attempt) => self.find_marked(&attempt).await,
            Effect::LookUp(client_id) => self.look_up(&client_id).await,
            Effect::Probe => {
                if let Some((probed, control)) = probe::look(self.world, &self.state).await {
                    self.state.probed(probed, control);
                }
            }
            Effect::Adopt(adoption) => self.adopt(*adoption).await,
            Effect::Claim { record, compensates } => self.claim_client(&record, compensates).await,
            Effect::Compensate => self.compensate().await,
            Effect::Deregister => self.deregister().await,
            Effect::Update { request, body } => self.update(request, &body).await,
            Effect::ReadClient => self.read_client().await,
            Effect::ReadUnrecorded => self.read_unrecorded().await,
            // The API server's, see `perform`.
            _ => {}
        }
    }

    async fn register(&mut self, request: Request, body: Request) {
        let (Some(provider), Some(endpoints)) = (self.state.provider(), self.state.endpoints()) else {
            return;
        };
        let begun = self.world.now();
        let answer = self.world.register(provider, endpoints, &body).await;
        self.world
            .observed(&endpoints.issuer, &capability::of_registration(&answer));
        self.state.registered(request, body, begun, answer);
    }

    /// One claim for each client in the process serialises its deregistration with storing a registration's answer.
    fn claim_answer(&mut self) {
        let (Some(answered), Some(endpoints)) = (self.state.answered(), self.state.endpoints()) else {
            return;
        };
        let key = identity::client_key(&endpoints.issuer, &answered.registration.client_id);
        self.claim = self.world.claim(&key);
        let uid = self.state.object().uid().unwrap_or_default();
        let doubts = !self.world.suspects_of(&uid).is_empty();
        let claim = AnswerClaim {
            // An unlabelled record may name what is to be taken over.
            claimed: self.claim.is_some() && (self.world.is_labelled() || !self.state.adopts()),
            named: self.world.naming(&key),
            first_attempt_ago: self.world.age(self.state.first_attempt(answered.begun, doubts)),
        };
        let seen = observe::observed(self.world, &self.state, "");
        self.state.answer_claimed(&claim, &seen, |uid| self.world.name_of(uid));
        if let (Some(shown), Some(endpoints)) = (self.state.shown_by_registration(), self.state.endpoints()) {
            self.world.observed(&endpoints.issuer, &shown);
        }
    }

    async fn adopt(&mut self, adoption: Adoption) {
        let (Some(provider), Some(endpoints)) = (self.state.provider(), self.state.endpoints()) else {
            return;
        };
        let answer = match ManagementCall::adopt(&provider.target, endpoints, &adoption) {
            Ok(call) => self.world.read(&call).await,
            Err(failure) => Err(provider::not_sent(failure)),
        };
        let attempt = self.world.fresh_attempt();
        let seen = observe::observed(self.world, &self.state, &attempt);
        self.state.adopted(adoption, answer, &seen);
    }

    async fn find_marked(&mut self, attempt: &str) {
        let (Some(provider), Some(endpoints)) = (self.state.provider(), self.state.endpoints()) else {
            return;
        };
        let Some(Finds::ByMark(mark)) = identity::finds(&provider.target.knobs) else {
            return;
        };
        let uid = self.state.object().uid().unwrap_or_default();
        let value = identity::mark(&self.world.here().cluster_id, &uid, attempt);
        let answer = match MarkedCall::of(&provider.target, endpoints, &mark, value) {
            // This may be many pages.
            Ok(Some(call)) => self.world.marked(&call).await.map_err(|error| error.failure),
            Ok(None) => {
                tracing::warn!(object = %self.key, issuer = %endpoints.issuer, "the issuer has not the form from which the address of its clients is made");
                Ok(None)
            }
            Err(failure) => Err(failure),
        };
        self.state.marked_found(attempt, answer);
    }

    async fn look_up(&mut self, client_id: &str) {
        let (Some(provider), Some(endpoints)) = (self.state.provider(), self.state.endpoints()) else {
            return;
        };
        match ManagementCall::look_up(&provider.target, endpoints, client_id) {
            Ok(Some(call)) => {
                let answer = self.world.read(&call).await;
                self.state.looked_up(client_id, answer);
            }
            Ok(None) => {}
            Err(failure) => self.state.look_up_not_sent(failure),
        }
    }

    /// The call that manages this client. The record holds all that a deletion needs; the provider object may know newer authorities
    /// and origins.
    async fn management(&self, record: &Record) -> Result<Option<ManagementCall>, Failure> {
        let provider = match self.state.provider() {
            // What is kept of it counts too: a certificate, for example.
            None if !self.state.asked_for_provider() => {
                let object = self.state.object();
                self.world.provider_for_deletion(object, record).await.ok()
            }
            known => known.cloned(),
        };
        management::call(self.world, record, provider.as_deref(), self.state.endpoints()).await
    }

    async fn claim_client(&mut self, record: &Record, compensates: bool) {
        // The claim of a registration is one to deregister it, too.
        (self.claim, self.call) = (None, None);
        let own = if compensates {
            String::new()
        } else {
            self.state.record_name()
        };
        let found = match self.management(record).await {
            Ok(Some(call)) => {
                self.call = Some(Box::new(call));
                let (claim, found) = claim::claim(self.world, record).await;
                self.claim = claim;
                found
            }
            Ok(None) => Claimed::NotCallable(None),
            Err(failure) => Claimed::NotCallable(Some(failure)),
        };
        debug_assert!(compensates == own.is_empty());
        self.state.claimed(found, compensates);
    }

    async fn compensate(&mut self) {
        let Some(call) = self.call.take() else { return };
        let answer = self.world.deregister(&call, true).await;
        self.claim = None;
        self.state.compensation_ended(&answer);
    }

    async fn read_unrecorded(&mut self) {
        let Some(call) = &self.call else { return };
        let answer = self.world.read(call).await;
        self.state.unrecorded_read(&answer);
    }

    async fn deregister(&mut self) {
        if self.state.was_read()
            && let Some((record, _)) = self.state.record()
            && record.management.mode == ManagementMode::RegistrationAccessToken
            && let Ok(Some(call)) = self.management(record).await
        {
            self.call = Some(Box::new(call));
        }
        let Some(call) = &self.call else { return };
        let counts = !self.state.is_guessed();
        let answer = self.world.deregister(call, counts).await;
        self.saw(|record| capability::of_deletion(record, counts, &answer));
        self.claim = None;
        self.state.deregistered(answer);
    }

    async fn update(&mut self, request: Request, body: &Request) {
        let Some((record, _)) = self.state.record() else { return };
        match self.management(record).await {
            Ok(Some(call)) => {
                let answer = self.world.update(&call, body).await;
                self.saw(|record| capability::of_update(record, &request, body, &answer));
                self.call = Some(Box::new(call));
                self.state.updated(request.clone(), answer);
                if let Some(shown) = self.state.shown_by_refusal(&request) {
                    self.saw(|_| shown);
                }
            }
            Ok(None) => {}
            Err(failure) => self.state.update_not_sent(failure),
        }
    }

    async fn read_client(&mut self) {
        let Some(call) = &self.call else { return };
        let Some((record, _)) = self.state.record() else { return };
        let answer = management::read(self.world, call, &record.client_id).await;
        self.saw(|record| capability::of_read(record, &answer));
        if let Some(unoffered) = self.state.unoffered_if_there(&answer) {
            self.saw(|_| unoffered);
        }
        self.state.client_read(answer);
    }

    /// Tells what an answer about the recorded client shows of its provider.
    fn saw(&self, tells: impl FnOnce(&Record) -> Capabilities) {
        if let Some((record, _)) = self.state.record() {
            self.world.observed(&record.endpoints.issuer, &tells(record));
        }
    }
}
