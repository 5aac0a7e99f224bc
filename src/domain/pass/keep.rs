//! Part K of the table: a client that is registered and recorded.

use crate::api::{Reason, Suspect, names};
use crate::domain::expiry;
use crate::domain::failure::{Class, Failure};
use crate::domain::identity;
use crate::domain::metadata::{self, Request};
use crate::domain::record::{self, Record};
use crate::domain::secret::{self, Repair};
use crate::domain::uri_template;
use crate::domain::{asked, auth_method};

use super::create;
use super::effect::{Decision, Effect, Verdict};
use super::first::{foreign_secret, former_secret};
use super::row::Row;
use super::view::{CredentialsView, Provider, ProviderView, RecordView, View};
use super::{UNDER_WAY, adopt, change, recreate, verify};

pub(super) fn next(view: &View<'_>) -> Option<Decision> {
    let RecordView::Present(record) = view.record else {
        return None;
    };
    if !view.has_finalizer() {
        // Another marker may tell of an attempt that is open.
        return Some(Row::K1.does(if view.marker().is_none() {
            Effect::Mark(view.marker_of(&record.attempt))
        } else {
            Effect::AddFinalizer
        }));
    }
    let decision = doubt(view, record)
        .or_else(|| change::clearing_refused(view, record))
        .or_else(|| change::take_back(view, record))
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

/// K2 to K6: the application's Secret first, which needs no provider.
pub(super) fn secret_step(view: &View<'_>, record: &Record) -> Option<Decision> {
    // K2a
    if record.lacks_secret() {
        return None;
    }
    let name = || secret::name(view.object);
    match view.credentials {
        // K2
        // A failure may have come between the record and the Secret.
        CredentialsView::Unseen { as_written: true, .. } if view.stands() && !view.deep => None,
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
    if settled && !replaces && (registered_now && record.rejected.is_none() || judged && !view.deep) {
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
    if replaces {
        return Some(replace(view, record, provider, request));
    }
    let bare = request.clone();
    let request = match auth_method::keep(request, spec, record.former_auth_method(), knobs, view.endpoints) {
        Err(failure) => return Some(Row::K10d.fails(failure)),
        Ok(request) => request,
    };
    if let Some(decision) = adopt::token(view, record) {
        return Some(decision);
    }
    let found = view.endpoints.or(provider.known.as_deref());
    if settled && let Some(followed) = record::followed(record, provider, found) {
        return Some(Row::K10c.does(Effect::SaveRecord(Box::new(followed))));
    }
    let is_fixed = record.management_uri().is_none();
    let unsent = change::unsent(view, record, provider);
    let clears = !is_fixed && record.cleared.may_clear(knobs.clearing, &unsent);
    if let Some(decision) = change::taken_back(view, record, provider, &request, clears) {
        return Some(decision);
    }
    // K11
    let again = !is_fixed && asks_again(view, record);
    if settled && !view.journal.disowned && !clears && !again && unsent.is_same(&record.request, &request, is_fixed) {
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
        return Some(recreate::next(view, record, provider, bare));
    }
    Some(change::update(view, record, provider, request))
}

/// Whether a user asks for another try of a method that the provider registered otherwise, and it was not made.
fn asks_again(view: &View<'_>, record: &Record) -> bool {
    asked::is_open(view.object) && !view.journal.accepted && contradiction(view, record).is_some()
}

/// K10a: the user wants another client in the place of this one.
fn replace(view: &View<'_>, record: &Record, provider: &Provider, request: Request) -> Decision {
    if view.journal.attempt.is_none() && was_rejected(view, record, provider, &request) {
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

/// Whether the request for another client was rejected. Which authentication method it has is known only after discovery.
fn was_rejected(view: &View<'_>, record: &Record, provider: &Provider, request: &Request) -> bool {
    let (spec, knobs) = (&view.object.spec, &provider.target.knobs);
    let kept = auth_method::anew(request.clone(), spec, record.former_auth_method(), knobs, None);
    auth_method::possible(request, spec)
        .chain(kept)
        .any(|request| view.was_rejected(|| create::fingerprint(&request, provider)))
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
    if let Some(decision) = verify::next(view, record) {
        return decision;
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
        _ => verify::verdict(view, record)
            .or_else(|| contradiction(view, record).map(|failure| Row::K16c.fails(failure)))
            .unwrap_or_else(|| Row::K17.ends(Verdict::Ready)),
    }
}

/// The application authenticates by the method that its manifest sets, and the provider registered another one.
fn contradiction(view: &View<'_>, record: &Record) -> Option<Failure> {
    let set = view.object.spec.metadata.token_endpoint_auth_method.as_deref();
    let wanted = set.or(record.auth_method.as_deref())?;
    let stated = record.stated_auth_method().filter(|stated| *stated != wanted)?;
    // Where the provider may choose, an application can use whatever needs nothing but what the Secret holds.
    let is_usable = stated.starts_with("client_secret_") || stated == "none" && record.client_secret.is_some();
    if auth_method::are_alike(wanted, stated) || set.is_none() && is_usable {
        return None;
    }
    let text = format!(
        "the provider registered tokenEndpointAuthMethod {stated} instead of {wanted}, so an application that uses {wanted} cannot authenticate. Set \
         spec.tokenEndpointAuthMethod to {stated} and configure the application for it, or ask the administrator of the provider to allow {wanted}, and then set the annotation {} to a new value",
        names::RECONCILE
    );
    Some(Failure::new(Class::Denied, Reason::AuthMethodSubstituted, text))
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
