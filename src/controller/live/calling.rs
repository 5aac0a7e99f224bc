//! What every call to a provider has in common: it is counted, and it keeps to a pause that the provider asked for. And looks at
//! clients' own credentials, with what they are compared with.

use std::future::Future;
use std::time::Instant;

use kube::ResourceExt;
use serde_json::{Map, Value};

use crate::api::{Capabilities, OAuthClient};
use crate::cluster::{ApiError, ProviderKey};
use crate::controller::context::{Context, lock};
use crate::controller::pauses;
use crate::domain::outcome::{CallError, Deletion};
use crate::domain::pass::Provider;
use crate::domain::probe::{self, ProbeKind, Probed, Reading};
use crate::domain::registration::Registration;
use crate::domain::target::Endpoints;
use crate::metrics::{Answer, Change, Operation};
use crate::provider::{ManagementCall, ProbeCall};
use crate::traces;

use super::Live;

/// Other clients that are looked at to compare with.
const MOST_COMPANIONS: usize = 3;

impl Context {
    /// Counts a call to a provider.
    pub(super) fn counted<T>(
        &self,
        operation: Operation,
        begun: Instant,
        result: Result<T, CallError>,
    ) -> Result<T, CallError> {
        let answer = match &result {
            Ok(_) => Answer::Success,
            Err(error) => Answer::of_failure(error),
        };
        self.metrics.requested(operation, answer, begun.elapsed());
        result
    }
}

impl Live<'_> {
    /// Calls the provider, unless it asked for a pause, and takes in the pause that its answer asks for.
    pub(super) async fn calling<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        self.unless_paused()?;
        let begun = Instant::now();
        let before = self.refusals();
        let result = traces::asking(operation.as_str(), call).await;
        let result = result.map_err(|error| self.noted(error));
        self.note_tokens(before.as_ref());
        self.counted(operation, begun, result)
    }

    /// Takes in what a call at this issuer has shown of the provider object that is called.
    pub(super) fn showed(&self, issuer: &str, capabilities: &Capabilities) {
        if let Some((uid, Some(key))) = &*lock(&self.provider) {
            self.seen(key, uid, issuer, capabilities);
        }
    }

    /// Removes the finalizer of an object whose deletion has ended.
    pub(super) async fn letting_go(&self, object: &OAuthClient) -> Result<Option<OAuthClient>, ApiError> {
        let _turn = self.turn_to_write().await;
        let answer = self.objects.remove_finalizer(object).await?;
        self.let_go(object);
        Ok(answer)
    }

    /// Changes a client, and logs that the provider confirmed it.
    pub(super) async fn updating(
        &self,
        call: &ManagementCall,
        request: &Map<String, Value>,
    ) -> Result<Registration, CallError> {
        self.begin();
        let begun = Instant::now();
        let answer = self
            .calling(Operation::Update, self.transport.update(call, request))
            .await;
        self.audited(Change::Updated, begun, answer)
    }

    /// Deregisters a client, and logs that the provider confirmed it, if that counts.
    pub(super) async fn deregistering(&self, call: &ManagementCall, counts: bool) -> Result<Deletion, CallError> {
        self.begin();
        let begun = Instant::now();
        let deletion = self.calling(Operation::Delete, self.transport.delete(call)).await?;
        if counts && deletion == Deletion::Done {
            self.audit(Change::Deregistered, begun);
        }
        Ok(deletion)
    }

    /// The endpoints of the provider, unless it asked for a pause.
    pub(super) async fn discovering(&self, provider: &Provider) -> Result<Endpoints, CallError> {
        self.unless_paused()?;
        let found = self.cx.look(provider).await;
        if let Some((uid, Some(key))) = &*lock(&self.provider)
            && *uid == provider.uid
        {
            let found = found.as_ref().map(|found| &*found.endpoints);
            self.learn(key, found.map_err(|error| &error.failure));
        }
        let found = self.or_known(provider, found)?;
        Ok(Endpoints::clone(&found.endpoints))
    }

    /// UID of the provider object that is called, and the version of what is known of its tokens.
    fn refusals(&self) -> Option<(String, u64)> {
        let uid = lock(&self.provider).as_ref().map(|(uid, _)| uid.clone())?;
        let version = self.transport.refusals().version(&uid);
        Some((uid, version))
    }

    /// Has the provider object judged again, if a token was refused or accepted since then.
    fn note_tokens(&self, before: Option<&(String, u64)>) {
        let now = self.refusals();
        if before == now.as_ref() {
            return;
        }
        let Some((uid, _)) = now else { return };
        let keys = self.cx.providers.keys().into_iter();
        let is_called = |key: &ProviderKey| self.cx.provider_object(key).is_ok_and(|(of, _, _)| of == uid);
        for key in keys.filter(is_called) {
            // Nobody listens any more when the operator stops.
            let _ = self.learned.send(key);
        }
    }

    pub(super) fn unless_paused(&self) -> Result<(), CallError> {
        let provider = lock(&self.provider).clone();
        match provider.and_then(|(provider, _)| self.pauses.of(&provider)) {
            Some(pause) => Err(pauses::withheld(pause)),
            None => Ok(()),
        }
    }

    /// Takes in the pause that an answer asks for.
    fn noted(&self, error: CallError) -> CallError {
        let provider = lock(&self.provider).as_ref().map(|(uid, _)| uid.clone());
        match provider {
            Some(provider) => self.pauses.noted(&provider, error),
            None => error,
        }
    }

    /// Whether the provider accepts a client's credentials.
    pub(super) async fn tried(&self, call: &ProbeCall) -> Probed {
        match probe::read(self.ask(call).await) {
            Reading::Told(probed) => probed,
            Reading::Accepted(kind) => self.weighed(call, kind).await,
            Reading::AskTokenEndpoint => {
                let call = call.only(ProbeKind::Token);
                let token = match self.ask(&call).await {
                    Probed::Accepted(kind) => self.weighed(&call, kind).await,
                    answer => answer,
                };
                probe::rejected_unless_accepted(token)
            }
        }
    }

    /// During a pause that the provider asked for, nothing is sent and nothing is told.
    pub(super) async fn ask(&self, call: &ProbeCall) -> Probed {
        self.begin();
        self.calling(Operation::Probe, self.transport.probe(call))
            .await
            .unwrap_or_else(|error| probe::without_answer(error.failure.class))
    }

    /// What an acceptance means: whether this kind of look rejects a client that nobody registered. It is asked once for each provider
    /// object and kind, because a tenant's object may lead elsewhere under the same issuer, and again where nothing told.
    pub(super) async fn weighed(&self, call: &ProbeCall, kind: ProbeKind) -> Probed {
        let uid = lock(&self.provider).as_ref().map(|(uid, _)| uid.clone());
        let key = (uid.unwrap_or_default(), kind);
        let known = lock(&self.probe_controls).get(&key).copied();
        let tells = if let Some(tells) = known {
            tells
        } else {
            let made_up = self.ask(&call.made_up().only(kind)).await;
            match probe::tells_clients_apart(made_up) {
                Some(tells) => tells,
                None => return probe::unweighed(made_up),
            }
        };
        lock(&self.probe_controls).insert(key, tells);
        if tells {
            Probed::Accepted(kind)
        } else {
            Probed::AcceptsAnybody(kind)
        }
    }

    /// UIDs of other objects of this provider, the newest first.
    pub(super) fn newest_companions(&self, object: &OAuthClient) -> Vec<String> {
        let key = ProviderKey::of(&object.namespace().unwrap_or_default(), &object.spec.provider_ref);
        let others = self.clients.of_provider(&key).into_iter();
        let mut known: Vec<_> = others
            .filter_map(|key| {
                let other = self.clients.get(&key.namespace, &key.name)?;
                let uid = other.uid().filter(|uid| Some(uid) != object.uid().as_ref())?;
                Some((other.status.as_ref()?.registered_at.clone()?, uid))
            })
            .collect();
        // Times of RFC 3339 in UTC sort as texts.
        known.sort();
        known
            .into_iter()
            .rev()
            .take(MOST_COMPANIONS)
            .map(|(_, uid)| uid)
            .collect()
    }
}
