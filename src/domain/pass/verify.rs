//! Whether new credentials work, as they stand in the Secret: rows K15c, K15f, K16a and K16b.

use std::time::Duration;

use crate::api::Verify;
use crate::domain::asked;
use crate::domain::failure::Failure;
use crate::domain::probe::Probed;
use crate::domain::record::Record;
use crate::domain::status;
use crate::domain::verification::{self, Outcome, Tried};

use super::effect::{Decision, Effect};
use super::row::Row;
use super::view::{ProviderView, RecordView, View};

/// K15c and K15f: credentials that were never tried, or whose rejection is to be confirmed.
pub(super) fn next(view: &View<'_>, record: &Record) -> Option<Decision> {
    // What a look at a client that may be lost asks is another question.
    if view.journal.tried.is_some() || view.journal.disowned || !is_due(view, record) || untried(view, record).is_some()
    {
        return None;
    }
    match view.provider {
        ProviderView::Unresolved => Some(Row::K15f.does(Effect::ResolveProvider)),
        ProviderView::Resolved(provider) if provider.target.verify == Verify::Auto => {
            Some(Row::K15c.does(Effect::Probe))
        }
        // Without a provider nothing is found out now.
        ProviderView::Resolved(_) | ProviderView::Refused(_) => None,
    }
}

/// K16a and K16b: credentials that are rejected make no Ready client.
pub(super) fn verdict(view: &View<'_>, record: &Record) -> Option<Decision> {
    let (status, credentials) = (view.object.status.as_ref(), verification::digest(record));
    let before = verification::rejections(status, &credentials);
    let since = view.seen.rejected_for.filter(|_| before > 0).unwrap_or_default();
    let (rejections, wait) = match tried(view).map(|tried| tried.outcome) {
        Some(Outcome::Rejected) => {
            let rejections = verification::rejected_again(status, &credentials);
            (rejections, verification::next_try(rejections, since))
        }
        Some(_) => return None,
        // It is too early for another try, or nothing can be tried now.
        None => {
            let wait = verification::next_try(before, since);
            (
                before,
                wait.map(|wait| if wait.is_zero() { verification::LATER } else { wait }),
            )
        }
    };
    (rejections > 0).then(|| match wait {
        Some(wait) => Row::K16a.fails(verification::pending(&record.client_id, wait)),
        None => Row::K16b.fails(verification::rejected(record)),
    })
}

/// The next try of credentials that the provider did not answer about.
pub(super) fn again(view: &View<'_>) -> Option<Failure> {
    let RecordView::Present(record) = view.record else {
        return None;
    };
    let for_long = || {
        let since = status::unanswered_since(view.object.status.as_ref());
        Duration::from_secs(since.map_or(0, |since| u64::try_from(view.seen.now - since).unwrap_or_default()))
    };
    (view.journal.tried == Some(Probed::NoAnswer)).then(|| verification::unanswered(&record.client_id, for_long()))
}

/// What is known of the credentials after this pass, if that is news.
pub(super) fn tried(view: &View<'_>) -> Option<Tried> {
    let RecordView::Present(record) = view.record else {
        return None;
    };
    let credentials = verification::digest(record);
    let outcome = match view.journal.tried {
        // The rejections before it still stand.
        Some(Probed::NoAnswer) if verification::rejections(view.object.status.as_ref(), &credentials) > 0 => {
            return None;
        }
        Some(probed) => verification::judged(probed),
        None if !is_due(view, record) => return None,
        None => match untried(view, record) {
            Some(why) => Outcome::Unproven(why),
            // What is known is about these.
            None if verification::last(view.object.status.as_ref(), &credentials).is_some() => return None,
            None => Outcome::Awaited,
        },
    };
    Some(Tried { credentials, outcome })
}

/// Why the credentials are not tried at all.
fn untried(view: &View<'_>, record: &Record) -> Option<String> {
    if is_never(view) {
        return Some("spec.verify of the provider object is Never".to_owned());
    }
    let found = view.endpoints.filter(|found| found.issuer == record.endpoints.issuer);
    verification::untried(record, found.unwrap_or(&record.endpoints))
}

fn is_never(view: &View<'_>) -> bool {
    matches!(view.provider, ProviderView::Resolved(provider) if provider.target.verify == Verify::Never)
}

/// Whether the credentials have to be tried: after each change, and as often as a rejection has to be confirmed. What is not accepted
/// is tried again when a user asks for it, and never else: providers lock clients that show a wrong secret.
fn is_due(view: &View<'_>, record: &Record) -> bool {
    let status = view.object.status.as_ref();
    let Some(known) = status.and_then(|status| status.verification.as_deref()) else {
        let registered_now = view.journal.attempt.as_deref() == Some(record.attempt.as_str());
        // An earlier version has registered it, and judged it Ready. A pass that ended before it could try them did not.
        let judged = view.known_client_id() == Some(record.client_id.as_str()) && status::is_true(view.object, "Ready");
        return registered_now || view.journal.renewed || !judged || asked::is_open(view.object);
    };
    let credentials = verification::digest(record);
    if known.credentials != credentials {
        return true;
    }
    let asked = asked::is_open(view.object) && !status::is_true(view.object, "Verified");
    match verification::rejections(status, &credentials) {
        0 => asked || status::unanswered_since(status).is_some(),
        rejections => {
            let rejected_for = view.seen.rejected_for.unwrap_or_default();
            let wait = verification::next_try(rejections, rejected_for);
            // Where nothing may be tried, no rejection counts.
            asked || is_never(view) || wait.is_some_and(|wait| wait.is_zero())
        }
    }
}
