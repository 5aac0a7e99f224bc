//! Part C of the table: a client that has no record.

use std::time::Duration;

use crate::api::{OnUnknownOutcome, Reason, Suspect, names};
use crate::domain::failure::{Class, Failure};
use crate::domain::identity::{self, Finds};
use crate::domain::{auth_method, metadata, secret, substitution};

use super::adopt;
use super::effect::{Decision, Effect, Verdict};
use super::first::{foreign_secret, former_secret, lost};
use super::journal::LookUp;
use super::row::Row;
use super::view::{CredentialsView, Pause, Provider, ProviderView, RecordView, View};

/// Time after a provider's answer within which another replica has recorded it.
pub(super) const RECORDED_WITHIN: Duration = Duration::from_secs(15);

/// Digest of a request and of everything beside it that decides whether a provider accepts it.
pub(super) fn fingerprint(request: &metadata::Request, provider: &Provider) -> String {
    metadata::fingerprint(request, &[&provider.fingerprint])
}

pub(super) fn next(view: &View<'_>) -> Option<Decision> {
    let RecordView::Absent { live } = view.record else {
        return None;
    };
    Some(decide(view, live))
}

fn decide(view: &View<'_>, live: bool) -> Decision {
    let open = view.open_attempt();
    let client_id = view.known_client_id();
    let ours = matches!(
        view.credentials,
        CredentialsView::Ours(_) | CredentialsView::Unseen { .. }
    );
    if !live && (view.marker().is_some() || client_id.is_some() || ours) && view.journal.attempt.is_none() {
        return Row::C1.does(Effect::ReadRecord);
    }
    match client_id {
        Some(client_id) if view.abandons(client_id) => {
            if let Some(decision) = given_up(view, client_id) {
                return decision;
            }
        }
        // A lost record is recovered by a token of its client.
        _ if view.object.spec.adopt.is_some() => {}
        Some(_) => return Row::C2.fails(lost()),
        None if ours => return own_secret(view),
        None => {}
    }
    let provider = match view.provider {
        ProviderView::Unresolved => return Row::C4.does(Effect::ResolveProvider),
        ProviderView::Refused(failure) => return Row::C5.fails(failure.clone()),
        ProviderView::Resolved(provider) => provider,
    };
    if let Some(attempt) = open.filter(|attempt| view.journal.attempt.as_ref() != Some(attempt)) {
        let deadline = provider.target.deadlines.request + RECORDED_WITHIN;
        if let Some(wait) = view
            .seen
            .foreign_attempt_age
            .and_then(|age| deadline.checked_sub(age))
            .filter(|wait| !wait.is_zero())
        {
            return Row::C5a.fails(under_way(wait));
        }
        if let Some(effect) = look_up(view, provider, &attempt) {
            let row = if view.endpoints.is_some() { Row::C5c } else { Row::C5b };
            return row.does(effect);
        }
        let absent = view.journal.look_up == Some(LookUp::Absent);
        if !absent && !view.is_suspect(&attempt, None) {
            if !view.journal.object_read {
                return Row::C5d.does(Effect::ReadObject);
            }
            return Row::C6.does(Effect::EnterSuspect(Suspect {
                attempt,
                client_id: None,
            }));
        }
        let others = view
            .suspects
            .iter()
            .any(|suspect| suspect.attempt != attempt && suspect.client_id.is_none());
        let hold = provider.target.on_unknown_outcome == OnUnknownOutcome::Hold || others;
        if hold && !absent && !view.abandons(&attempt) {
            return Row::C7.fails(unknown(&attempt));
        }
    }
    let request = match metadata::request(&view.object.spec, &view.default_client_name(), &provider.target.knobs) {
        Err(failure) => return Row::C8.fails(failure),
        Ok(request) => request,
    };
    if let Some(decision) = adopt::client(view, provider) {
        return decision;
    }
    if let Some(failure) = substitution::unsupported(provider) {
        return Row::C8c.fails(failure);
    }
    if let Some(decision) = rejected_before(view, &request, provider) {
        return decision;
    }
    if let (Some(pause), None) = (view.seen.pause, &view.journal.attempt) {
        return Row::C9a.fails(paused(pause));
    }
    if view.endpoints.is_none() {
        return Row::C10.does(Effect::Discover);
    }
    let request = match auth_method::settle(request, &view.object.spec, &provider.target.knobs, view.endpoints) {
        Err(failure) => return Row::C10a.fails(failure),
        Ok(request) => request,
    };
    if let Some(failure) = name_taken(view) {
        return Row::C11.fails(failure);
    }
    if let (Some(rest), None) = (view.seen.registrations_denied, &view.journal.attempt) {
        return Row::C11a.fails(denied(rest));
    }
    if !view.journal.proven {
        return Row::C12.does(Effect::ProveWritable);
    }
    if view.journal.attempt.is_none() {
        return Row::C13.does(open_attempt(view));
    }
    Row::C14.does(register(view, provider, request))
}

/// C3: the known client is given up, and stays named.
fn given_up(view: &View<'_>, client_id: &str) -> Option<Decision> {
    let told = view.object.status.as_ref().and_then(|status| status.attempt.as_ref());
    let attempt = told.map_or_else(|| identity::unknown_attempt(client_id), |attempt| attempt.id.clone());
    let client = Some(client_id);
    (!view.is_suspect(&attempt, client)).then(|| {
        Row::C3.does(Effect::EnterSuspect(Suspect {
            attempt,
            client_id: client.map(str::to_owned),
        }))
    })
}

/// Why the credentials Secret could not be written.
fn name_taken(view: &View<'_>) -> Option<Failure> {
    let name = || secret::name(view.object);
    match view.credentials {
        CredentialsView::Foreign => Some(foreign_secret(&name())),
        CredentialsView::Former => Some(former_secret(&name())),
        CredentialsView::Absent | CredentialsView::Unseen { .. } | CredentialsView::Ours(_) => None,
    }
}

/// C9: the request was refused, or its client was. Which authentication method is chosen for it is known only after discovery.
fn rejected_before(view: &View<'_>, request: &metadata::Request, provider: &Provider) -> Option<Decision> {
    if view.was_registered() {
        return None;
    }
    let spec = &view.object.spec;
    let any = |test: &dyn Fn(&metadata::Request) -> bool| auth_method::possible(request, spec).any(|one| test(&one));
    if any(&|one| view.was_rejected(|| fingerprint(one, provider))) {
        return Some(Row::C9.ends(Verdict::Nothing));
    }
    if !any(&|one| view.was_substituted(|| substitution::hash(spec, one, provider))) {
        return None;
    }
    Some(if view.is_stalled_for(&[Reason::SubstitutionRejected]) {
        Row::C9.ends(Verdict::Nothing)
    } else {
        Row::C9.fails(substitution::of_former_attempt())
    })
}

/// The marker of a fresh attempt.
pub(super) fn open_attempt(view: &View<'_>) -> Effect {
    Effect::OpenAttempt(view.marker_of(view.seen.fresh_attempt))
}

/// The one POST of the open attempt.
pub(super) fn register(view: &View<'_>, provider: &Provider, request: metadata::Request) -> Effect {
    let attempt = view.journal.attempt.as_deref().unwrap_or_default();
    let cluster = &view.seen.operator.cluster_id;
    let body = identity::choose(&request, &provider.target.knobs, cluster, view.uid(), attempt);
    Effect::Register { request, body }
}

/// The way to the client of this open attempt, if it can be looked up and was not.
pub(super) fn look_up(view: &View<'_>, provider: &Provider, attempt: &str) -> Option<Effect> {
    let by_mark = match identity::finds(&provider.target.knobs)? {
        // Whoever gave the attempt up need not wait until the provider can be asked.
        Finds::ByMark(_) if view.abandons(attempt) => return None,
        Finds::ByMark(_) => true,
        Finds::ByIdentifier => false,
    };
    if view.journal.look_up.is_some() {
        return None;
    }
    if view.endpoints.is_none() {
        return Some(Effect::Discover);
    }
    Some(match &view.journal.marked_client {
        Some(client_id) if by_mark => Effect::LookUp(client_id.clone()),
        _ if by_mark => Effect::FindMarked(attempt.to_owned()),
        _ => by_identifier(view),
    })
}

/// Asks for the client of the identifier that the operator chose.
pub(super) fn by_identifier(view: &View<'_>) -> Effect {
    Effect::LookUp(identity::client_id(&view.seen.operator.cluster_id, view.uid()))
}

/// Whether a registration of this provider can be found again by the identifier that the operator chose.
pub(super) fn chooses_id(provider: &Provider) -> bool {
    identity::finds(&provider.target.knobs) == Some(Finds::ByIdentifier)
}

/// Whether the registration of this pass may have been rejected because an earlier one, whose answer was lost, has taken the
/// chosen identifier.
pub(super) fn may_be_in_use(view: &View<'_>) -> bool {
    let ProviderView::Resolved(provider) = view.provider else {
        return false;
    };
    let rejected = |failure: &Failure| failure.reason == Reason::RegistrationRejected;
    chooses_id(provider)
        && matches!(view.record, RecordView::Absent { .. })
        && view.journal.failure.as_ref().is_some_and(rejected)
        && view.journal.outcome.is_some()
        && view.journal.look_up.is_none()
}

/// Too many registrations at this provider ended unknown in a short while.
pub(super) fn denied(rest: Duration) -> Failure {
    let text = "several registrations at this provider ended without an answer, so no other is begun for a while; see the suspects";
    Failure::new(Class::Transient, Reason::ProviderUnavailable, text).after(Some(rest))
}

/// The provider asked for a pause.
pub(super) fn paused(pause: Pause) -> Failure {
    pause.failure(Reason::RateLimited)
}

/// Our Secret is there and nothing tells whose credentials it holds: whether it is ours has to be read first, for a name
/// alone proves nothing.
fn own_secret(view: &View<'_>) -> Decision {
    match view.credentials {
        CredentialsView::Unseen { .. } => Row::C2a.does(Effect::ReadCredentials),
        _ => Row::C2.fails(lost()),
    }
}

/// Another replica may be in the middle of it. Its record may still come, so the outcome is not yet called unknown.
pub(super) fn under_way(wait: Duration) -> Failure {
    let text = "a registration that another replica of the operator began may still be in progress; the operator waits for its record";
    Failure::new(Class::Transient, Reason::Progressing, text).after(Some(wait))
}

pub(super) fn unknown(attempt: &str) -> Failure {
    let text = format!(
        "it is unknown whether the provider registered a client in attempt {attempt}; look for it there, then have the client registered with: kubectl \
         annotate --overwrite oauthclient NAME {}={attempt}",
        names::ABANDON
    );
    Failure::new(Class::Denied, Reason::OutcomeUnknown, text)
}
