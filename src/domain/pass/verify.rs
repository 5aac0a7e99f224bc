//! Whether new credentials work, as they stand in the Secret: rows K15c to K15g and K16a.

use crate::api::Verify;
use crate::domain::asked;
use crate::domain::probe::Probed;
use crate::domain::record::Record;
use crate::domain::status;
use crate::domain::verification::{self, Outcome, Tried};

use super::effect::{Decision, Effect};
use super::row::Row;
use super::view::{ProviderView, RecordView, View};

/// K15c and K15f: credentials that were never tried, or whose rejection is to be confirmed.
pub(super) fn next(view: &View<'_>, record: &Record) -> Option<Decision> {
    if view.journal.tried.is_some() || !is_due(view, record) || untried(view, record).is_some() {
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
    let credentials = verification::digest(record);
    let before = verification::rejections(view.object.status.as_ref(), &credentials);
    let (rejections, rejected_for) = match view.journal.tried {
        Some(Probed::Rejected(_)) => (before + 1, view.seen.rejected_for.filter(|_| before > 0)),
        Some(_) => return None,
        None => (before, view.seen.rejected_for),
    };
    if rejections == 0 {
        return None;
    }
    let wait = verification::next_try(rejections, rejected_for.unwrap_or_default());
    Some(match wait {
        Some(wait) => Row::K16a.fails(verification::pending(&record.client_id, wait)),
        None => Row::K16b.fails(verification::rejected(&record.client_id)),
    })
}

/// What is known of the credentials after this pass, if that is news.
pub(super) fn tried(view: &View<'_>) -> Option<Tried> {
    let RecordView::Present(record) = view.record else {
        return None;
    };
    let outcome = match view.journal.tried {
        Some(probed) => verification::judged(probed),
        None if is_due(view, record) => Outcome::Unproven(untried(view, record)?),
        None => return None,
    };
    Some(Tried {
        credentials: verification::digest(record),
        outcome,
    })
}

/// Why the credentials are not tried at all.
fn untried(view: &View<'_>, record: &Record) -> Option<String> {
    if let ProviderView::Resolved(provider) = view.provider
        && provider.target.verify == Verify::Never
    {
        return Some("spec.verify of the provider object is Never".to_owned());
    }
    let found = view.endpoints.filter(|found| found.issuer == record.endpoints.issuer);
    verification::untried(record, found.unwrap_or(&record.endpoints))
}

/// Whether the credentials have to be tried: after each change, and as often as a rejection has to be confirmed. What is not accepted
/// is tried again when a user asks for it, what is rejected also when the provider object changes.
fn is_due(view: &View<'_>, record: &Record) -> bool {
    let status = view.object.status.as_ref();
    let Some(known) = status.and_then(|status| status.verification.as_deref()) else {
        // An earlier version has registered it, and nobody asks.
        let registered_now = view.journal.attempt.as_deref() == Some(record.attempt.as_str());
        let judged = view.known_client_id() == Some(record.client_id.as_str());
        return registered_now || view.journal.renewed || !judged;
    };
    let credentials = verification::digest(record);
    if known.credentials != credentials {
        return true;
    }
    let asked = asked::is_open(view.object) && !status::is_true(view.object, "Verified");
    match verification::rejections(status, &credentials) {
        0 => asked,
        rejections => {
            let rejected_for = view.seen.rejected_for.unwrap_or_default();
            let wait = verification::next_try(rejections, rejected_for);
            asked || wait.map_or(view.deep, |wait| wait.is_zero())
        }
    }
}
