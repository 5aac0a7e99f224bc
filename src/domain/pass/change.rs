//! Rows K1d and K11c to K15: the manifest asks for something else than the provider registered.

use std::time::Duration;

use crate::api::{Reason, SecretInUpdate, Substitutions};
use crate::domain::asked;
use crate::domain::clearing;
use crate::domain::failure::{Class, Failure};
use crate::domain::metadata::{Request, Unsent};
use crate::domain::record::{InFlight, Record, made};
use crate::domain::registration::Registration;
use crate::domain::status;
use crate::domain::substitution;
use crate::domain::uri_template;
use secrecy::ExposeSecret;

use super::adopt;
use super::create::{self, RECORDED_WITHIN};
use super::effect::{Decision, Effect, Next, Verdict};
use super::keep::{provider_changed, secret_step};
use super::row::Row;
use super::view::{Provider, ProviderView, View};

/// K1d: the provider substituted values of an update, so the former request is sent once more, before the application sees anything.
pub(super) fn take_back(view: &View<'_>, record: &Record) -> Option<Decision> {
    let rejected = record.rejected.as_ref()?;
    let former = rejected.former.clone()?;
    // The ways out of a lost management come first: the former request may never be answered.
    if view.replaces(record) {
        return None;
    }
    if matches!(view.provider, ProviderView::Resolved(_))
        && let Some(decision) = adopt::token(view, record)
    {
        return Some(decision);
    }
    if rejected.rotated
        && let Some(decision) = secret_step(view, record)
    {
        return Some(decision);
    }
    let is_refused = |provider: &Provider| {
        let hash = substitution::of_former(&former, provider);
        rejected.refusal(&hash).is_some() && !asked::is_open(view.object)
    };
    let decision = match view.provider {
        ProviderView::Unresolved => Row::K1d.does(Effect::ResolveProvider),
        ProviderView::Refused(failure) => Row::K1d.fails(failure.clone()),
        // Nothing is left to be done for a pass whose update was refused but to say so.
        ProviderView::Resolved(_) if view.journal.disowned => return None,
        // Nobody wants it any more, and by the time it is wanted again it may be old.
        ProviderView::Resolved(provider) if provider.target.substitutions == Substitutions::Accept => {
            return Some(Row::K1d.does(Effect::SaveRecord(Box::new(Record {
                rejected: None,
                ..record.clone()
            }))));
        }
        // K12a says so, unless the manifest asks for something else by now.
        ProviderView::Resolved(provider) if is_refused(provider) => return None,
        ProviderView::Resolved(provider) => update(view, record, provider, former),
    };
    match decision.next {
        Next::Do(_) => Some(decision),
        // The provider refused the former request: what the manifest asks for now decides.
        Next::Finish(Verdict::Nothing) => None,
        // As long as it cannot be sent, the Secret is kept as ever.
        Next::Finish(_) | Next::Stop(_) => secret_step(view, record).or(Some(decision)),
    }
}

/// What is not sent to this provider any more, although the manifest is the same.
pub(super) fn unsent<'a>(view: &View<'a>, record: &'a Record, provider: &'a Provider) -> Unsent<'a> {
    Unsent {
        spec: &view.object.spec,
        default_name: view.default_client_name(),
        chosen: record.auth_method.as_deref(),
        knobs: &provider.target.knobs,
    }
}

/// K12a: what the provider made of this very change is rejected, and nothing is left to be done about it, or the provider still has members
/// that only the change has set.
pub(super) fn taken_back(
    view: &View<'_>,
    record: &Record,
    provider: &Provider,
    request: &Request,
    clears: bool,
) -> Option<Decision> {
    let rejected = record.rejected.as_ref().filter(|_| !view.journal.disowned)?;
    let is_former = || rejected.refusal(&substitution::of_former(request, provider)).is_some();
    let is_rejected = rejected.hash == substitution::hash(&view.object.spec, request, provider)
        || is_former() && !asked::is_open(view.object);
    if !is_rejected {
        return None;
    }
    let own = create::fingerprint(&record.request, provider);
    // What was refused is not under way any more, even if the answer to an update before it is missing.
    let is_settled = |hash: &str| hash == own || rejected.refusal(hash).is_some();
    let is_own = record
        .in_flight
        .as_ref()
        .map(|in_flight| is_settled(&in_flight.request_hash));
    match is_own {
        Some(false) => None,
        Some(true) => Some(update(view, record, provider, record.request.clone())),
        // A replica that was stopped for long may have sent the rejected one after this.
        None if record.overtaken.is_some() || clears && rejected.former.is_none() => {
            Some(update(view, record, provider, record.request.clone()))
        }
        None => {
            let left: Vec<String> = record.cleared.left.keys().cloned().collect();
            Some(Row::K12a.fails(substitution::of_rejected(rejected, &left)))
        }
    }
}

/// K12 to K15: the manifest asks for something else than the record says was accepted.
pub(super) fn update(view: &View<'_>, record: &Record, provider: &Provider, request: Request) -> Decision {
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
    // says all that another one would. What only says that a token is in doubt is no mark.
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
        return Row::K15.does(Effect::MarkUpdate(Box::new(Record {
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
        let clears = unsent(view, record, provider).clearable(record.cleared.clears.clone());
        clearing::write(&mut body, &clears, way, knobs.clearing.is_none());
    }
    let with_secret = view.journal.with_secret || knobs.secret_in_update == SecretInUpdate::Include;
    if let (true, Some(secret)) = (with_secret, &record.client_secret) {
        // Some providers demand the current secret in an update, others refuse every update that holds it.
        body.insert("client_secret".to_owned(), secret.expose_secret().into());
    }
    Row::K15.does(Effect::Update { request, body })
}

/// K11c: the provider refused what was to clear a member, and the rest of the request may be accepted without it.
pub(super) fn clearing_refused(view: &View<'_>, record: &Record) -> Option<Decision> {
    let refused = view.journal.clearing_refused.as_ref()?;
    record
        .in_flight
        .as_ref()
        .filter(|in_flight| in_flight.attempt == *refused)?;
    // An earlier update whose answer was lost may have rotated the token all the same.
    let in_doubt = record.in_flight.as_ref().is_some_and(|in_flight| in_flight.unanswered);
    Some(Row::K11c.does(Effect::SaveRecord(Box::new(Record {
        in_flight: in_doubt.then(InFlight::doubt),
        cleared: record.cleared.refused(),
        ..record.clone()
    }))))
}

/// Another replica may be in the middle of it: what it sent must not arrive after what is sent now.
pub(super) fn under_way(wait: Duration) -> Failure {
    let text = "an update that another replica of the operator began may still be in progress; the operator waits until it has ended";
    Failure::new(Class::Transient, Reason::Progressing, text).after(Some(wait))
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
