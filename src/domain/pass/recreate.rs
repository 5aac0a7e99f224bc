//! Part R of the table: a recorded client that the provider seems to have lost.
//!
//! A management token that is refused says nothing about the client: its own credentials do. Only when those are rejected too, over a
//! minute in which another client is accepted, or over an hour where there is no other, is the client registered anew, and never
//! many at once. Before that, the old client becomes a suspect.

use std::time::Duration;

use crate::api::{OnClientLost, OnUnknownOutcome, Reason, Verify, names};
use crate::domain::auth_method;
use crate::domain::failure::{Class, Failure};
use crate::domain::metadata::Request;
use crate::domain::probe::{self, Control, Standing};
use crate::domain::record::Record;

use super::create;
use super::effect::{Decision, Effect};
use super::row::Row;
use super::view::{Provider, ProviderView, View};

/// The update of this pass was answered as if the client were gone.
pub(super) fn next(view: &View<'_>, record: &Record, provider: &Provider, request: Request) -> Decision {
    let Some(probed) = view.journal.probed else {
        return Row::R1.does(Effect::Probe);
    };
    let verified = provider.target.verify == Verify::Auto && view.was_verified(record);
    let control = view.journal.control.unwrap_or(Control::NotAccepted);
    let over = match probe::weigh(probed, control, verified) {
        Standing::Keep if record.missing_since.is_some() => return Row::R2.does(missing_since(record, None)),
        Standing::Keep => return Row::R2.fails(Failure::management_lost(&record.client_id)),
        Standing::Rejected(over) => over,
    };
    let Some(missing) = view.seen.missing_for else {
        return Row::R3.does(missing_since(record, Some(view.seen.now)));
    };
    if let Some(rest) = over.checked_sub(missing).filter(|rest| !rest.is_zero()) {
        return Row::R4.fails(missing_client(rest.min(probe::LOOK_AGAIN)));
    }
    if provider.target.on_client_lost == OnClientLost::Hold && view.journal.attempt.is_none() {
        return Row::R4b.fails(lost(&record.client_id));
    }
    let denied = view.seen.recreations_denied.or(view.seen.registrations_denied);
    if let (Some(rest), None) = (denied, &view.journal.attempt) {
        return Row::R5.fails(missing_client(rest));
    }
    replace(view, record, provider, request)
}

/// Registers another client in the place of the recorded one, which stays named. `request`: without an authentication method that was
/// chosen.
pub(super) fn replace(view: &View<'_>, record: &Record, provider: &Provider, request: Request) -> Decision {
    let (spec, knobs) = (&view.object.spec, &provider.target.knobs);
    let request = match auth_method::anew(request, spec, record.former_auth_method(), knobs, view.endpoints) {
        Err(failure) => return Row::R4c.fails(failure),
        Ok(request) => request,
    };
    if view.journal.attempt.is_some() {
        return Row::R7.does(create::register(view, provider, request));
    }
    if let Some(attempt) = held(view) {
        return Row::R4a.fails(create::unknown(&attempt));
    }
    if let Some(rest) = view.seen.registrations_denied {
        return Row::R5.fails(create::denied(rest));
    }
    // The client that the provider seems to have lost stays named, with its token: its own credentials are void after this. An entry
    // that stands there already is written again, so that whoever is about to remove it does not.
    if !view.journal.kept {
        return Row::R5a.does(Effect::KeepSuspect(Box::new(record.clone())));
    }
    Row::R6.does(create::open_attempt(view))
}

/// Attempt of this object that ended unknown, if no more than these are to be risked.
fn held(view: &View<'_>) -> Option<String> {
    let ProviderView::Resolved(provider) = view.provider else {
        return None;
    };
    let doubts = || view.suspects.iter().filter(|suspect| suspect.client_id.is_none());
    let most = usize::from(provider.target.on_unknown_outcome == OnUnknownOutcome::Register);
    if doubts().count() <= most || doubts().any(|suspect| view.abandons(&suspect.attempt)) {
        return None;
    }
    doubts().next_back().map(|suspect| suspect.attempt.clone())
}

fn missing_since(record: &Record, missing_since: Option<i64>) -> Effect {
    Effect::SaveRecord(Box::new(Record {
        missing_since,
        ..record.clone()
    }))
}

fn missing_client(rest: Duration) -> Failure {
    let text = "the provider no longer knows this client; if that stays so, it is registered again and its Secret gets the new credentials";
    Failure::new(Class::Transient, Reason::ClientMissing, text).after(Some(rest))
}

/// The loss is confirmed, and the owner of the provider object wants to decide what comes of it.
fn lost(client_id: &str) -> Failure {
    let text = format!(
        "the provider no longer knows client {client_id}. The provider object has onClientLost: Hold, so no other client is registered, and the Secret \
         stays as it is. To register another client in its place: kubectl annotate --overwrite oauthclient NAME {}={client_id}. If the client is restored at \
         the provider with a new registration access token, give the operator that token by spec.adopt. To re-register lost clients automatically, \
         set onClientLost: Register in the provider object",
        names::REPLACE
    );
    Failure::new(Class::Denied, Reason::ClientLost, text)
}
