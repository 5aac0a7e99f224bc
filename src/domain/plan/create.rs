//! Part C of the table: a client that has no record.

use std::time::Duration;

use crate::api::{OnUnknownOutcome, Reason, Suspect};
use crate::domain::failure::{Class, Failure};
use crate::domain::identity::{self, Finds};
use crate::domain::marker::{self, Marker};
use crate::domain::{metadata, secret};

use super::{
    Credentials, Effect, LookUp, Next, Pause, ProviderView, Sight, Verdict, View, failed, foreign_secret,
    former_secret, lost,
};

/// Time after a provider's answer within which another replica has recorded it.
pub(super) const RECORDED_WITHIN: Duration = Duration::from_secs(15);

/// Digest of a request and of everything beside it that decides whether a provider accepts it.
pub(super) fn fingerprint(request: &metadata::Request, provider: &super::Provider) -> String {
    metadata::fingerprint(request, &[&provider.fingerprint])
}

pub(super) fn next(view: &View<'_>, live: bool) -> Next {
    let open = view.open_attempt();
    let client_id = view.known_client_id();
    let ours = matches!(view.credentials, Credentials::Ours(_) | Credentials::Unseen { .. });
    // C1
    if !live && (view.marker().is_some() || client_id.is_some() || ours) && view.memory.attempt.is_none() {
        return Effect::ReadRecord.into();
    }
    match client_id {
        Some(client_id) if view.abandons(client_id) => {
            let attempt = view
                .object
                .status
                .as_ref()
                .and_then(|s| s.attempt.as_ref())
                .map_or_else(|| identity::unknown_attempt(client_id), |a| a.id.clone());
            // C3
            if !view.is_suspect(&attempt, Some(client_id)) {
                return Effect::EnterSuspect(Suspect {
                    attempt,
                    client_id: Some(client_id.to_owned()),
                })
                .into();
            }
        }
        // C2
        Some(_) => return lost(),
        None if ours => return own_secret(view),
        None => {}
    }
    let provider = match view.provider {
        // C4
        ProviderView::Unresolved => return Effect::ResolveProvider.into(),
        // C5
        ProviderView::Refused(failure) => return Next::Finish(Verdict::Failed(failure.clone())),
        ProviderView::Resolved(provider) => provider,
    };
    if let Some(attempt) = open.filter(|attempt| view.memory.attempt.as_ref() != Some(attempt)) {
        // C5a
        let deadline = provider.target.deadlines.request + RECORDED_WITHIN;
        if let Some(wait) = view
            .foreign_attempt_age
            .and_then(|age| deadline.checked_sub(age))
            .filter(|wait| !wait.is_zero())
        {
            return under_way(wait);
        }
        // C5b and C5c
        if let Some(next) = look_up(view, provider, &attempt) {
            return next;
        }
        let absent = view.memory.look_up == Some(LookUp::Absent);
        // C6
        if !absent && !view.is_suspect(&attempt, None) {
            return Effect::EnterSuspect(Suspect {
                attempt,
                client_id: None,
            })
            .into();
        }
        let others = view
            .suspects
            .iter()
            .any(|suspect| suspect.attempt != attempt && suspect.client_id.is_none());
        let hold = provider.target.on_unknown_outcome == OnUnknownOutcome::Hold || others;
        // C7
        if hold && !absent && !view.abandons(&attempt) {
            return unknown(&attempt);
        }
    }
    let request = match metadata::request(&view.object.spec, &view.default_client_name(), &provider.target.knobs) {
        // C8
        Err(failure) => return Next::Finish(Verdict::Failed(failure)),
        Ok(request) => request,
    };
    // C9
    if !view.was_registered() && view.was_rejected(|| fingerprint(&request, provider)) {
        return Next::Finish(Verdict::Nothing);
    }
    // C9a
    if let (Some(pause), None) = (view.pause, &view.memory.attempt) {
        return paused(pause);
    }
    // C10
    if view.endpoints.is_none() {
        return Effect::Discover.into();
    }
    match view.credentials {
        // C11
        Credentials::Foreign => return foreign_secret(&secret::name(view.object)),
        Credentials::Former => return former_secret(&secret::name(view.object)),
        Credentials::Absent | Credentials::Unseen { .. } | Credentials::Ours(_) => {}
    }
    // C11a
    if let (Some(rest), None) = (view.registrations_barred, &view.memory.attempt) {
        return barred(rest);
    }
    // C12
    if !view.memory.proven {
        return Effect::ProveWritable.into();
    }
    // C13
    if view.memory.attempt.is_none() {
        return open_attempt(view);
    }
    // C14
    Effect::Register(request).into()
}

/// The marker of a fresh attempt.
pub(super) fn open_attempt(view: &View<'_>) -> Next {
    Effect::OpenAttempt(Marker {
        uid: view.uid().to_owned().into(),
        attempt: view.fresh_attempt.to_owned().into(),
        record_namespace: view.here.namespace.clone().into(),
        record_name: marker::record_name(view.uid()).into(),
    })
    .into()
}

/// The way to the client of this open attempt, if it can be looked up and was not.
pub(super) fn look_up(view: &View<'_>, provider: &super::Provider, attempt: &str) -> Option<Next> {
    match identity::finds(&provider.target.knobs)? {
        // Whoever gave the attempt up need not wait until the provider can be asked.
        Finds::ByMark(_) if view.abandons(attempt) => return None,
        Finds::ByMark(_) | Finds::ByIdentifier => {}
    }
    let known = view.endpoints.is_some();
    let next = if known { Effect::LookUp } else { Effect::Discover };
    view.memory.look_up.is_none().then(|| next.into())
}

/// Whether a registration of this provider can be found again by the identifier that the operator chose.
pub(super) fn chooses_id(provider: &super::Provider) -> bool {
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
        && matches!(view.record, Sight::Absent { .. })
        && view.memory.failure.as_ref().is_some_and(rejected)
        && view.memory.outcome.is_some()
        && view.memory.look_up.is_none()
}

/// Too many registrations at this provider ended unknown in a short while.
pub(super) fn barred(rest: Duration) -> Next {
    let text = "several registrations at this provider ended without an answer, so no other is begun for a while; see the suspects";
    Next::Finish(Verdict::Failed(
        Failure::new(Class::Transient, Reason::ProviderUnavailable, text).after(Some(rest)),
    ))
}

/// The provider asked for a pause.
pub(super) fn paused(pause: Pause) -> Next {
    Next::Finish(Verdict::Failed(pause.failure(Reason::RateLimited)))
}

/// Our Secret is there and nothing tells whose credentials it holds: whether it is ours has to be read first, for a name
/// alone proves nothing.
fn own_secret(view: &View<'_>) -> Next {
    match view.credentials {
        Credentials::Unseen { .. } => Effect::ReadCredentials.into(),
        _ => lost(),
    }
}

/// Another replica may be in the middle of it: its record is waited for before anybody doubts.
pub(super) fn under_way(wait: Duration) -> Next {
    let text =
        "a registration that another replica of the operator began may still be under way; its record is waited for";
    Next::Finish(Verdict::Failed(
        Failure::new(Class::Transient, Reason::Progressing, text).after(Some(wait)),
    ))
}

pub(super) fn unknown(attempt: &str) -> Next {
    failed(
        Class::Denied,
        Reason::OutcomeUnknown,
        format!(
            "it is unknown whether the provider registered a client in attempt {attempt}; look for it there, then have the client registered with: kubectl \
             annotate --overwrite oauthclient NAME {}={attempt}",
            crate::api::names::ABANDON
        ),
    )
}
