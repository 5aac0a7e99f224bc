//! Part R of the table: a recorded client that the provider seems to have lost.
//!
//! A management token that is refused says nothing about the client: its own credentials at the token endpoint do. Only when
//! those are unknown too, twice and a while apart, is the client registered anew, and never many at once.

use std::time::Duration;

use crate::api::{OnUnknownOutcome, Reason};
use crate::domain::failure::{Class, Failure};
use crate::domain::metadata::Request;
use crate::domain::record::Record;

use super::{Effect, Known, Next, ProviderView, Verdict, View, create};

/// Two looks this far apart have to find the client unknown.
const CONFIRM_AFTER: Duration = Duration::from_mins(1);

/// The update of this pass was answered as if the client were gone.
pub(super) fn next(view: &View<'_>, record: &Record, request: Request) -> Next {
    match view.memory.known {
        // R1
        None => return Effect::Probe.into(),
        // R2
        Some(Known::Yes | Known::Unclear) if record.missing_since.is_some() => return missing_since(record, None),
        Some(Known::Yes | Known::Unclear) => return token_lost(),
        Some(Known::No) => {}
    }
    let Some(missing) = view.missing_for else {
        // R3
        return missing_since(record, Some(view.now));
    };
    // R4
    if let Some(rest) = CONFIRM_AFTER.checked_sub(missing).filter(|rest| !rest.is_zero()) {
        return missing_client(rest);
    }
    if view.memory.attempt.is_none() {
        // R4a
        if let Some(attempt) = held(view) {
            return create::unknown(&attempt);
        }
        // R5
        if let Some(rest) = view.recreations_barred.or(view.registrations_barred) {
            return missing_client(rest);
        }
        // R5a: the client that the provider seems to have lost stays named, with its token: its own credentials are void after this.
        if view.suspected(&record.client_id).is_none() {
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

fn token_lost() -> Next {
    let text = "the provider no longer accepts the token that manages this client; the client and its Secret are left as they are. Ask the provider's \
                administrator, or delete the OAuthClient and create it again";
    Next::Finish(Verdict::Failed(Failure::new(
        Class::Denied,
        Reason::ManagementLost,
        text,
    )))
}

fn missing_client(rest: Duration) -> Next {
    let text = "the provider no longer knows this client; if that stays so, it is registered again and its Secret gets the new credentials";
    Next::Finish(Verdict::Failed(
        Failure::new(Class::Transient, Reason::ClientMissing, text).after(Some(rest)),
    ))
}
