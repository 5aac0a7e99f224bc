//! Part R of the table: a recorded client that the provider seems to have lost.
//!
//! A management token that is refused says nothing about the client: its own credentials do. Only when those are rejected too, over a
//! minute in which another client is accepted, or over an hour where there is no other, is the client registered anew, and never
//! many at once. Before that, the old client becomes a suspect.

use std::time::Duration;

use crate::api::{OnUnknownOutcome, Reason, Verify};
use crate::domain::failure::{Class, Failure};
use crate::domain::metadata::Request;
use crate::domain::probe::{self, Control, Standing};
use crate::domain::record::Record;

use super::{Effect, Next, ProviderView, Verdict, View, create};

/// The update of this pass was answered as if the client were gone.
pub(super) fn next(view: &View<'_>, record: &Record, request: Request) -> Next {
    let Some(probed) = view.memory.probed else {
        // R1
        return Effect::Probe.into();
    };
    let asked = matches!(view.provider, ProviderView::Resolved(provider) if provider.target.verify == Verify::Auto);
    let verified = asked && view.was_verified(record);
    let control = view.memory.control.unwrap_or(Control::NotAccepted);
    let over = match probe::weigh(probed, control, verified) {
        // R2
        Standing::Keep if record.missing_since.is_some() => return missing_since(record, None),
        Standing::Keep => return token_lost(record),
        Standing::Rejected(over) => over,
    };
    let Some(missing) = view.missing_for else {
        // R3
        return missing_since(record, Some(view.now));
    };
    // R4
    if let Some(rest) = over.checked_sub(missing).filter(|rest| !rest.is_zero()) {
        return missing_client(rest.min(probe::LOOK_AGAIN));
    }
    // R5
    let barred = view.recreations_barred.or(view.registrations_barred);
    if let (Some(rest), None) = (barred, &view.memory.attempt) {
        return missing_client(rest);
    }
    replace(view, record, request)
}

/// Registers another client in the place of the recorded one, which stays named.
pub(super) fn replace(view: &View<'_>, record: &Record, request: Request) -> Next {
    if view.memory.attempt.is_none() {
        // R4a
        if let Some(attempt) = held(view) {
            return create::unknown(&attempt);
        }
        // R5
        if let Some(rest) = view.registrations_barred {
            return create::barred(rest);
        }
        // R5a: the client that the provider seems to have lost stays named, with its token: its own credentials are void after this.
        // An entry that stands there already is written again, so that whoever is about to remove it does not.
        if !view.memory.kept {
            return Effect::KeepSuspect(Box::new(record.clone())).into();
        }
        // R6
        return create::open_attempt(view);
    }
    // R7
    Effect::Register(request).into()
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

fn missing_since(record: &Record, missing_since: Option<i64>) -> Next {
    Effect::SaveRecord(Box::new(Record {
        missing_since,
        ..record.clone()
    }))
    .into()
}

/// The token is refused, and the client may well exist.
pub(super) fn token_lost(record: &Record) -> Next {
    Next::Finish(Verdict::Failed(Failure::management_lost(&record.client_id)))
}

fn missing_client(rest: Duration) -> Next {
    let text = "the provider no longer knows this client; if that stays so, it is registered again and its Secret gets the new credentials";
    Next::Finish(Verdict::Failed(
        Failure::new(Class::Transient, Reason::ClientMissing, text).after(Some(rest)),
    ))
}
