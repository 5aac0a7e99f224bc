//! Part K of the table: a client that is registered and recorded.

use std::time::Duration;

use crate::api::{Reason, Suspect, Verify};
use crate::domain::failure::{Class, Failure};
use crate::domain::identity;
use crate::domain::metadata::{self, Request};
use crate::domain::record::{InFlight, Record};
use crate::domain::registration::Registration;
use crate::domain::secret::{self, Repair};
use crate::domain::status;

use super::create::RECORDED_WITHIN;
use super::{
    Credentials, Effect, Next, Provider, ProviderView, Verdict, View, create, foreign_secret, former_secret, recreate,
};

/// Time in which a registration that another replica began has ended and is recorded, whatever its provider's deadline.
const UNDER_WAY: Duration = Duration::from_mins(1);

pub(super) fn next(view: &View<'_>, record: &Record) -> Next {
    // K1
    if !view.has_finalizer() {
        return Effect::AddFinalizer.into();
    }
    doubt(view, record)
        .or_else(|| secret_step(view, record))
        .or_else(|| request_step(view, record))
        .unwrap_or_else(|| finish(view, record))
}

/// K1a to K1c: a client was registered anew, and nothing tells whether the provider did it.
fn doubt(view: &View<'_>, record: &Record) -> Option<Next> {
    let attempt = view
        .open_attempt()
        .filter(|attempt| *attempt != record.attempt && view.memory.attempt.as_ref() != Some(attempt))?;
    // K1a
    if let Some(wait) = view.foreign_attempt_age.and_then(|age| UNDER_WAY.checked_sub(age)) {
        return Some(create::under_way(wait));
    }
    if record.client_id == identity::client_id(&view.here.cluster_id, view.uid()) {
        return find(view);
    }
    // K1b
    (!view.is_suspect(&attempt, None)).then(|| {
        Effect::EnterSuspect(Suspect {
            attempt,
            client_id: None,
        })
        .into()
    })
}

/// K1c: whatever became of that attempt, its client has the recorded identifier, and perhaps another secret.
fn find(view: &View<'_>) -> Option<Next> {
    match view.provider {
        ProviderView::Unresolved => Some(Effect::ResolveProvider.into()),
        ProviderView::Resolved(provider) if create::chooses_id(provider) && view.memory.look_up.is_none() => {
            let known = view.endpoints.is_some();
            Some(if known { Effect::LookUp } else { Effect::Discover }.into())
        }
        ProviderView::Resolved(_) | ProviderView::Refused(_) => None,
    }
}

/// K2 to K6: the application's Secret first, which needs no provider.
fn secret_step(view: &View<'_>, record: &Record) -> Option<Next> {
    // K2a
    if record.lacks_secret() {
        return None;
    }
    let name = secret::name(view.object);
    let wanted = || Box::new(secret::credentials(view.object, record));
    match view.credentials {
        // K2
        Credentials::Unseen { as_written: true } if view.is_judged() && !view.deep => None,
        // K3
        Credentials::Unseen { .. } => Some(Effect::ReadCredentials.into()),
        // K4
        Credentials::Absent => Some(Effect::CreateCredentials(wanted()).into()),
        // K5
        Credentials::Foreign => Some(foreign_secret(&name)),
        Credentials::Former => Some(former_secret(&name)),
        // K6
        Credentials::Ours(actual) => match secret::repair(actual, view.object, record) {
            Repair::None => None,
            Repair::Patch(patch) => Some(Effect::PatchCredentials(patch).into()),
            Repair::Replace => Some(Effect::ReplaceCredentials(wanted()).into()),
        },
    }
}

/// K7 to K15: the client at the provider.
fn request_step(view: &View<'_>, record: &Record) -> Option<Next> {
    // K7: a record that was created in this pass holds the very request that the manifest asks for, unless its client was found.
    let registered_now = view.memory.attempt.as_deref() == Some(record.attempt.as_str()) && !view.memory.adopted;
    let replaces = view.replaces(record);
    if record.in_flight.is_none() && !replaces && (registered_now || view.is_judged_ready() && !view.deep) {
        return None;
    }
    let provider = match view.provider {
        // K8
        ProviderView::Unresolved => return Some(Effect::ResolveProvider.into()),
        // K9
        ProviderView::Refused(failure)
            if view.is_judged_ready() && record.in_flight.is_none() && needs_somebody(failure) =>
        {
            return None;
        }
        ProviderView::Refused(failure) => return Some(Next::Finish(Verdict::Failed(failure.clone()))),
        ProviderView::Resolved(provider) => provider,
    };
    let request = match metadata::request(&view.object.spec, &view.default_client_name(), &provider.target.knobs) {
        // K10
        Err(failure) => return Some(Next::Finish(Verdict::Failed(failure))),
        Ok(request) => request,
    };
    // K10a
    if replaces {
        return Some(replace(view, record, provider, request));
    }
    // K11
    if record.in_flight.is_none() && record.request == request {
        // K11b: what was missed before is no first look of a later change.
        let missed = record.missing_since.is_some();
        return missed.then(|| {
            Effect::SaveRecord(Box::new(Record {
                missing_since: None,
                ..record.clone()
            }))
            .into()
        });
    }
    // K11a
    if view.memory.disowned {
        return Some(recreate::next(view, record, request));
    }
    let fingerprint = || create::fingerprint(&request, provider);
    // K12
    let other_in_flight = |in_flight: &InFlight| in_flight.request_hash != fingerprint();
    if view.was_rejected(fingerprint) && !record.in_flight.as_ref().is_some_and(other_in_flight) {
        return Some(Next::Finish(Verdict::Nothing));
    }
    // K13
    if record.management_uri().is_none() {
        return Some(Next::Finish(Verdict::Failed(unsupported())));
    }
    // K13a
    if let (Some(pause), None) = (view.pause, &view.memory.marked) {
        return Some(create::paused(pause));
    }
    // K14
    match view.endpoints {
        None => return Some(Effect::Discover.into()),
        Some(endpoints) if endpoints.issuer != record.endpoints.issuer => {
            return Some(Next::Finish(Verdict::Failed(provider_changed(
                &endpoints.issuer,
                &record.endpoints.issuer,
            ))));
        }
        Some(_) => {}
    }
    // K14a
    if !view.memory.object_read {
        return Some(Effect::ReadObject.into());
    }
    // K14b
    let deadline = provider.target.deadlines.request + RECORDED_WITHIN;
    let age = view.foreign_update_age;
    if let Some(wait) = age
        .and_then(|age| deadline.checked_sub(age))
        .filter(|wait| !wait.is_zero())
    {
        return Some(under_way(wait));
    }
    let hash = fingerprint();
    // K15: the mark is this pass's own, so that nobody else's update is taken for it; or an earlier pass of this process left
    // it, and it says all that another one would.
    let marked = record.in_flight.as_ref().is_some_and(|in_flight| {
        let left = age.is_none() && in_flight.unanswered && !in_flight.attempt.is_empty();
        in_flight.request_hash == hash && (left || view.memory.marked.as_ref() == Some(&in_flight.attempt))
    });
    if !marked {
        let in_flight = Some(InFlight {
            request_hash: hash,
            attempt: view.fresh_attempt.to_owned(),
            unanswered: record.in_flight.is_some(),
        });
        return Some(
            Effect::SaveRecord(Box::new(Record {
                in_flight,
                accepted: record
                    .accepted
                    .or_else(|| status::verified_at(view.object.status.as_ref())),
                ..record.clone()
            }))
            .into(),
        );
    }
    Some(Effect::Update(request).into())
}

/// K10a: the user wants another client in the place of this one.
fn replace(view: &View<'_>, record: &Record, provider: &Provider, request: Request) -> Next {
    if view.memory.attempt.is_none() && view.was_rejected(|| create::fingerprint(&request, provider)) {
        return Next::Finish(Verdict::Nothing);
    }
    match view.endpoints {
        None => Effect::Discover.into(),
        Some(found) if found.issuer != record.endpoints.issuer => Next::Finish(Verdict::Failed(provider_changed(
            &found.issuer,
            &record.endpoints.issuer,
        ))),
        Some(_) if !view.memory.object_read => Effect::ReadObject.into(),
        Some(_) => recreate::replace(view, record, request),
    }
}

/// Whether a look at the provider cannot succeed before somebody changes something. One that may succeed is made again.
const fn needs_somebody(failure: &Failure) -> bool {
    matches!(failure.class, Class::Invalid | Class::Denied)
}

/// Another replica may be in the middle of it: what it sent must not arrive after what is sent now.
fn under_way(wait: Duration) -> Next {
    let text = "an update that another replica of the operator began may still be under way; its end is waited for";
    Next::Finish(Verdict::Failed(
        Failure::new(Class::Transient, Reason::Progressing, text).after(Some(wait)),
    ))
}

fn finish(view: &View<'_>, record: &Record) -> Next {
    // K15a
    if record.lacks_secret() {
        return Next::Finish(Verdict::Failed(half_a_credential(record)));
    }
    // K15c: once after a registration it is found out whether its credentials are accepted, so that a later rejection means something.
    let registered_now = view.memory.attempt.as_deref() == Some(record.attempt.as_str());
    let verifies = matches!(view.provider, ProviderView::Resolved(provider) if provider.target.verify == Verify::Auto);
    if registered_now && verifies && view.memory.probed.is_none() {
        return Effect::Probe.into();
    }
    // K15b: the client that was registered anew is the one that was given up, so it is no suspect.
    if let Some(suspect) = view.suspected(&record.client_id) {
        return Effect::RemoveSuspect(suspect.attempt.clone()).into();
    }
    let bound = view
        .object
        .status
        .as_ref()
        .and_then(|status| status.binding.as_ref())
        .map(|binding| binding.name.as_str());
    match view.former_names.first() {
        // K16
        Some(former) if bound == Some(secret::name(view.object).as_str()) => {
            Effect::DeleteFormer(former.clone()).into()
        }
        // K17
        _ => Next::Finish(Verdict::Ready),
    }
}

/// The record after an accepted update: everything that the answer states, and nothing in flight.
pub(super) fn after_update(record: &Record, request: &Request, answer: &Registration) -> Record {
    let mut record = Record {
        request: request.clone(),
        in_flight: None,
        missing_since: None,
        ..record.clone()
    };
    record.absorb(answer.clone());
    record
}

/// What an application got would be half a credential.
fn half_a_credential(record: &Record) -> Failure {
    let text = format!(
        "the provider issued no usable client_secret for a client that authenticates by {}, so the Secret is not written; set \
         spec.tokenEndpointAuthMethod to a method that the provider supports, or delete the OAuthClient and create it again",
        record.auth_method().unwrap_or_default()
    );
    Failure::new(Class::Denied, Reason::InvalidResponse, text)
}

/// The provider offers no way to change a registered client.
fn unsupported() -> Failure {
    Failure::new(
        Class::Invalid,
        Reason::UpdateUnsupported,
        "the provider offers no way to change a registered client; undo the change of the manifest, or delete the OAuthClient and create it again",
    )
}

fn provider_changed(now: &str, before: &str) -> Failure {
    Failure::new(
        Class::Denied,
        Reason::ProviderChanged,
        format!(
            "the client is registered at the issuer {before} and its provider object now leads to {now}; undo that change, or create another OAuthClient"
        ),
    )
}
