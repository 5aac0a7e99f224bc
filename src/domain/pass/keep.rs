//! Part K of the table: a client that is registered and recorded.

use std::time::Duration;

use crate::api::{Reason, SecretInUpdate, Substitutions, Suspect, Verify};
use crate::domain::auth_method;
use crate::domain::clearing;
use crate::domain::expiry;
use crate::domain::failure::{Class, Failure};
use crate::domain::identity;
use crate::domain::metadata::{self, Request, Unsent};
use crate::domain::record::{InFlight, Record, made};
use crate::domain::registration::Registration;
use crate::domain::secret::{self, Repair};
use crate::domain::status;
use crate::domain::substitution;
use crate::domain::uri_template;
use secrecy::ExposeSecret;

use super::create::{self, RECORDED_WITHIN};
use super::effect::{Decision, Effect, Next, Verdict};
use super::first::{foreign_secret, former_secret};
use super::row::Row;
use super::view::{CredentialsView, Provider, ProviderView, RecordView, View};
use super::{UNDER_WAY, adopt, recreate};

pub(super) fn next(view: &View<'_>) -> Option<Decision> {
    let RecordView::Present(record) = view.record else {
        return None;
    };
    if !view.has_finalizer() {
        return Some(Row::K1.does(Effect::AddFinalizer));
    }
    let decision = doubt(view, record)
        .or_else(|| take_back(view, record))
        .or_else(|| secret_step(view, record))
        .or_else(|| request_step(view, record));
    Some(decision.unwrap_or_else(|| finish(view, record)))
}

/// K1a to K1c: a client was registered anew, and nothing tells whether the provider did it.
fn doubt(view: &View<'_>, record: &Record) -> Option<Decision> {
    let attempt = view
        .open_attempt()
        .filter(|attempt| *attempt != record.attempt && view.journal.attempt.as_ref() != Some(attempt))?;
    if let Some(wait) = view.seen.foreign_attempt_age.and_then(|age| UNDER_WAY.checked_sub(age)) {
        return Some(Row::K1a.fails(create::under_way(wait)));
    }
    if record.client_id == identity::client_id(&view.seen.operator.cluster_id, view.uid()) {
        return find(view);
    }
    (!view.is_suspect(&attempt, None)).then(|| {
        Row::K1b.does(Effect::EnterSuspect(Suspect {
            attempt,
            client_id: None,
        }))
    })
}

/// K1c: whatever became of that attempt, its client has the recorded identifier, and perhaps another secret.
fn find(view: &View<'_>) -> Option<Decision> {
    let effect = match view.provider {
        ProviderView::Unresolved => Effect::ResolveProvider,
        ProviderView::Resolved(provider) if create::chooses_id(provider) && view.journal.look_up.is_none() => {
            match view.endpoints {
                Some(_) => create::by_identifier(view),
                None => Effect::Discover,
            }
        }
        ProviderView::Resolved(_) | ProviderView::Refused(_) => return None,
    };
    Some(Row::K1c.does(effect))
}

/// K1d: the provider substituted values of an update, so the former request is sent once more, before the application sees anything.
fn take_back(view: &View<'_>, record: &Record) -> Option<Decision> {
    let former = record.rejected.as_ref()?.former.clone()?;
    let decision = match view.provider {
        ProviderView::Unresolved => Row::K1d.does(Effect::ResolveProvider),
        ProviderView::Refused(failure) => Row::K1d.fails(failure.clone()),
        // Nothing is left to be done for a pass whose update was refused but to say so.
        ProviderView::Resolved(_) if view.journal.disowned => return None,
        ProviderView::Resolved(provider) if provider.target.substitutions == Substitutions::Accept => return None,
        ProviderView::Resolved(provider) => update(view, record, provider, former),
    };
    match decision.next {
        Next::Do(_) => Some(decision),
        // As long as it cannot be sent, the Secret is kept as ever.
        Next::Finish(_) | Next::Stop(_) => secret_step(view, record).or(Some(decision)),
    }
}

/// K2 to K6: the application's Secret first, which needs no provider.
fn secret_step(view: &View<'_>, record: &Record) -> Option<Decision> {
    // K2a
    if record.lacks_secret() {
        return None;
    }
    let name = || secret::name(view.object);
    match view.credentials {
        // K2
        CredentialsView::Unseen { as_written: true, .. } if view.is_judged() && !view.deep => None,
        CredentialsView::Unseen { .. } => Some(Row::K3.does(Effect::ReadCredentials)),
        CredentialsView::Absent => {
            let wanted = Box::new(secret::credentials(view.object, record));
            Some(Row::K4.does(Effect::CreateCredentials(wanted)))
        }
        CredentialsView::Foreign => Some(Row::K5.fails(foreign_secret(&name()))),
        CredentialsView::Former => Some(Row::K5.fails(former_secret(&name()))),
        CredentialsView::Ours(actual) => match secret::repair(actual, view.object, record) {
            Repair::None => None,
            Repair::Patch(patch) => Some(Row::K6.does(Effect::PatchCredentials(patch))),
            // The watch tells when it is gone.
            Repair::Replace if actual.metadata.deletion_timestamp.is_some() => Some(Row::K6.fails(held(view))),
            Repair::Replace => Some(Row::K6.does(Effect::DeleteCredentials)),
        },
    }
}

/// The Secret is deleted already, and kept by a finalizer that is not ours.
fn held(view: &View<'_>) -> Failure {
    let namespace = view.object.metadata.namespace.as_deref().unwrap_or_default();
    let text = format!(
        "Secret {namespace}/{} is being deleted, and finalizers of something else keep it; the operator creates it again once they are removed",
        secret::name(view.object)
    );
    Failure::new(Class::Transient, Reason::SecretBeingRemoved, text)
}

/// K7 to K15: the client at the provider.
fn request_step(view: &View<'_>, record: &Record) -> Option<Decision> {
    // K7: a record that was created in this pass holds the very request that the manifest asks for, unless its client was found.
    let registered_now = view.journal.attempt.as_deref() == Some(record.attempt.as_str()) && !view.journal.adopted;
    let replaces = view.replaces(record);
    let settled = record.in_flight.is_none() && record.overtaken.is_none();
    // A verdict about another client says nothing of this one: a former leader may have put it in the place of that.
    let judged = view.stands() && view.known_client_id() == Some(record.client_id.as_str());
    if settled && !replaces && (registered_now || judged && !view.deep) {
        return None;
    }
    let provider = match view.provider {
        ProviderView::Unresolved => return Some(Row::K8.does(Effect::ResolveProvider)),
        // K9
        ProviderView::Refused(failure) if view.stands() && record.in_flight.is_none() && failure.is_settled() => {
            return None;
        }
        ProviderView::Refused(failure) => return Some(Row::K9.fails(failure.clone())),
        ProviderView::Resolved(provider) => provider,
    };
    let (spec, name, knobs) = (&view.object.spec, view.default_client_name(), &provider.target.knobs);
    let request = match metadata::request(spec, &name, knobs) {
        Err(failure) => return Some(Row::K10.fails(failure)),
        Ok(request) => request,
    };
    let request = match auth_method::keep(request, spec, record.former_auth_method(), knobs, view.endpoints) {
        Err(failure) => return Some(Row::K10c.fails(failure)),
        Ok(request) => request,
    };
    if replaces {
        return Some(replace(view, record, provider, request));
    }
    if let Some(decision) = adopt::token(view, record) {
        return Some(decision);
    }
    if let Some(saved) = clearing_refused(view, record) {
        return Some(saved);
    }
    let rejected = record
        .rejected
        .as_ref()
        .filter(|_| record.in_flight.is_none() && !view.journal.disowned);
    if let Some(rejected) = rejected.filter(|rejected| rejected.hash == substitution::hash(spec, &request, provider)) {
        return Some(Row::K12a.fails(substitution::of_rejected(rejected)));
    }
    // K11
    let is_fixed = record.management_uri().is_none();
    let unsent = unsent(view, record, provider);
    let clears = !is_fixed && record.cleared.goes_on(knobs.clearing, &unsent);
    if settled && !view.journal.disowned && !clears && unsent.is_same(&record.request, &request, is_fixed) {
        // What was missed before is no first look of a later change.
        let found = || {
            Row::K11b.does(Effect::SaveRecord(Box::new(Record {
                missing_since: None,
                ..record.clone()
            })))
        };
        return record.missing_since.is_some().then(found);
    }
    if view.journal.disowned {
        return Some(recreate::next(view, record, provider, request));
    }
    Some(update(view, record, provider, request))
}

/// What is not sent to this provider any more, although the manifest is the same.
fn unsent<'a>(view: &View<'a>, record: &'a Record, provider: &'a Provider) -> Unsent<'a> {
    Unsent {
        spec: &view.object.spec,
        default_name: view.default_client_name(),
        chosen: record.auth_method.as_deref(),
        knobs: &provider.target.knobs,
    }
}

/// K12 to K15: the manifest asks for something else than the record says was accepted.
fn update(view: &View<'_>, record: &Record, provider: &Provider, request: Request) -> Decision {
    let fingerprint = || create::fingerprint(&request, provider);
    let other_in_flight = |in_flight: &InFlight| in_flight.request_hash != fingerprint();
    if view.was_rejected(fingerprint) && !record.in_flight.as_ref().is_some_and(other_in_flight) {
        return Row::K12.ends(Verdict::Nothing);
    }
    if let Some(member) = record.lacks_member() {
        return Row::K13.fails(uri_template::unmanageable(member, &record.client_id));
    }
    if record.management_uri().is_none() {
        return Row::K13.fails(Failure::update_unsupported(&record.client_id, false));
    }
    if let (Some(pause), None) = (view.seen.pause, &view.journal.marked) {
        return Row::K13a.fails(create::paused(pause));
    }
    match view.endpoints {
        None => return Row::K14.does(Effect::Discover),
        Some(found) if found.issuer != record.endpoints.issuer => {
            return Row::K14.fails(provider_changed(&found.issuer, &record.endpoints.issuer));
        }
        Some(_) => {}
    }
    if !view.journal.object_read {
        return Row::K14a.does(Effect::ReadObject);
    }
    let deadline = provider.target.deadlines.request + RECORDED_WITHIN;
    let age = view.seen.foreign_update_age;
    let rest = age.and_then(|age| deadline.checked_sub(age));
    if let Some(wait) = rest.filter(|wait| !wait.is_zero()) {
        return Row::K14b.fails(under_way(wait));
    }
    let (hash, knobs) = (fingerprint(), &provider.target.knobs);
    // The mark is this pass's own, so that nobody else's update is taken for it; or an earlier pass of this process left it, and it
    // says all that another one would.
    let marked = record.in_flight.as_ref().is_some_and(|in_flight| {
        let left = age.is_none() && in_flight.unanswered && !in_flight.attempt.is_empty();
        in_flight.request_hash == hash && (left || view.journal.marked.as_ref() == Some(&in_flight.attempt))
    });
    if !marked {
        let in_flight = Some(InFlight {
            request_hash: hash,
            attempt: view.seen.fresh_attempt.to_owned(),
            unanswered: record.in_flight.is_some(),
        });
        return Row::K15.does(Effect::SaveRecord(Box::new(Record {
            in_flight,
            overtaken: None,
            cleared: record.cleared.before(
                &record.request,
                &request,
                knobs.clearing,
                &unsent(view, record, provider),
            ),
            accepted: record
                .accepted
                .or_else(|| status::verified_at(view.object.status.as_ref())),
            ..record.clone()
        })));
    }
    let mut body = made::update_body(&request, record, knobs);
    if let Some(way) = record.cleared.sending {
        clearing::write(&mut body, &record.cleared.clears, way);
    }
    let with_secret = view.journal.with_secret || knobs.secret_in_update == SecretInUpdate::Include;
    if let (true, Some(secret)) = (with_secret, &record.client_secret) {
        // Some providers demand the current secret in an update, others refuse every update that holds it.
        body.insert("client_secret".to_owned(), secret.expose_secret().into());
    }
    Row::K15.does(Effect::Update { request, body })
}

/// K11c: the provider refused what was to clear a member, and the rest of the request may be accepted without it.
fn clearing_refused(view: &View<'_>, record: &Record) -> Option<Decision> {
    let refused = view.journal.clearing_refused.as_ref()?;
    record
        .in_flight
        .as_ref()
        .filter(|in_flight| in_flight.attempt == *refused)?;
    Some(Row::K11c.does(Effect::SaveRecord(Box::new(Record {
        in_flight: None,
        cleared: record.cleared.refused(),
        ..record.clone()
    }))))
}

/// K10a: the user wants another client in the place of this one.
fn replace(view: &View<'_>, record: &Record, provider: &Provider, request: Request) -> Decision {
    if view.journal.attempt.is_none() && view.was_rejected(|| create::fingerprint(&request, provider)) {
        return Row::K10a.ends(Verdict::Nothing);
    }
    match view.endpoints {
        None => Row::K10a.does(Effect::Discover),
        Some(found) if found.issuer != record.endpoints.issuer => {
            Row::K10a.fails(provider_changed(&found.issuer, &record.endpoints.issuer))
        }
        Some(_) if !view.journal.object_read => Row::K10a.does(Effect::ReadObject),
        Some(_) => recreate::replace(view, record, provider, request),
    }
}

/// Another replica may be in the middle of it: what it sent must not arrive after what is sent now.
pub(super) fn under_way(wait: Duration) -> Failure {
    let text = "an update that another replica of the operator began may still be under way; its end is waited for";
    Failure::new(Class::Transient, Reason::Progressing, text).after(Some(wait))
}

fn finish(view: &View<'_>, record: &Record) -> Decision {
    if record.lacks_secret() {
        return Row::K15a.fails(half_a_credential(record));
    }
    if let Some(member) = record.lacks_member() {
        return Row::K15a.fails(uri_template::unmanageable(member, &record.client_id));
    }
    if let Some(expired) = expiry::failure(Some(record), None, view.seen.now) {
        return Row::K15e.fails(expired);
    }
    // Once after a registration it is found out whether its credentials are accepted, so that a later rejection means something.
    let registered_now = view.journal.attempt.as_deref() == Some(record.attempt.as_str());
    let verifies = matches!(view.provider, ProviderView::Resolved(provider) if provider.target.verify == Verify::Auto);
    if registered_now && verifies && view.journal.probed.is_none() {
        return Row::K15c.does(Effect::Probe);
    }
    // The client that was registered anew is the one that was given up, so it is no suspect.
    if let Some(suspect) = view.suspected(&record.client_id) {
        // A former leader may be about to put another client in the place of this one: it keeps the record again before it does, if
        // that is another version.
        let is_copy = suspect.attempt == record.attempt;
        return Row::K15b.does(match &view.journal.confirmed {
            None => Effect::ConfirmRecord(suspect.attempt.clone()),
            Some(_) if is_copy && !view.journal.touched => Effect::SaveRecord(Box::new(Record {
                touched: Some(view.seen.fresh_attempt.to_owned()),
                ..record.clone()
            })),
            Some(_) => Effect::RemoveSuspect(suspect.attempt.clone()),
        });
    }
    if let Some(name) = view.journal.superseded.first() {
        return Row::K15d.does(Effect::RemoveSuperseded(name.clone()));
    }
    let bound = view
        .object
        .status
        .as_ref()
        .and_then(|status| status.binding.as_ref())
        .map(|binding| binding.name.as_str());
    match view.former_names.first() {
        Some(former) if bound == Some(secret::name(view.object).as_str()) => {
            Row::K16.does(Effect::DeleteFormer(former.clone()))
        }
        _ => match contradiction(view, record) {
            Some(failure) => Row::K15f.fails(failure),
            None => Row::K17.ends(Verdict::Ready),
        },
    }
}

/// The application authenticates by the method that its manifest sets, and the provider registered another one.
fn contradiction(view: &View<'_>, record: &Record) -> Option<Failure> {
    let wanted = view.object.spec.metadata.token_endpoint_auth_method.as_deref()?;
    let stated = record.stated_auth_method().filter(|stated| *stated != wanted)?;
    let text = format!(
        "the provider registered tokenEndpointAuthMethod {stated} instead of {wanted}, so an application that uses {wanted} cannot authenticate. Set \
         spec.tokenEndpointAuthMethod to {stated} and configure the application for it, or ask the administrator of the provider to allow {wanted}"
    );
    Some(Failure::new(Class::Denied, Reason::AuthMethodSubstituted, text))
}

/// The record after an accepted update: everything that the answer states, and nothing in flight.
pub(super) fn after_update(record: &Record, request: &Request, answer: &Registration) -> Record {
    let mut record = Record {
        request: request.clone(),
        in_flight: None,
        missing_since: None,
        cleared: record.cleared.after(&record.request, request, &answer.metadata),
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
    Failure::new(Class::Denied, Reason::SecretNotIssued, text)
}

pub(super) fn provider_changed(now: &str, before: &str) -> Failure {
    Failure::new(
        Class::Denied,
        Reason::ProviderChanged,
        format!(
            "the client is registered at the issuer {before} and its provider object now leads to {now}; undo that change, or create another OAuthClient"
        ),
    )
}
