//! The condition `Verified`: whether the provider accepts the credentials as they are in the Secret.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use crate::api::{OAuthClientStatus, Reason, Verification};
use crate::domain::verification::{self, Outcome, Tried};

use super::{Conditions, Facts, rfc3339};

/// When the credentials that were tried last were rejected first, in seconds since the epoch.
#[must_use]
pub fn rejected_since(status: Option<&OAuthClientStatus>) -> Option<i64> {
    let since = status?.verification.as_ref()?.rejected_since.as_deref()?;
    Some(since.parse::<Timestamp>().ok()?.as_second())
}

/// Notes how a try of the credentials ended.
pub(super) fn note(status: &mut OAuthClientStatus, facts: &Facts<'_>) {
    let (Some(Tried { credentials, outcome }), Some(record)) = (&facts.tried, facts.record) else {
        return;
    };
    let before = verification::last(Some(&*status), credentials);
    let since = before.and_then(|before| before.rejected_since.clone());
    let rejections = verification::rejections(Some(&*status), credentials) + 1;
    let rejected = *outcome == Outcome::Rejected;
    status.verification = Some(Box::new(Verification {
        credentials: credentials.clone(),
        rejections: rejected.then(|| i32::try_from(rejections.min(16)).unwrap_or(1)),
        rejected_since: rejected.then(|| since.unwrap_or_else(|| rfc3339(facts.now))),
    }));
    status.verified_at = (*outcome == Outcome::Accepted).then(|| rfc3339(facts.now));
    let mut conditions = Conditions {
        status: &mut status.conditions,
        generation: facts.generation,
        now: facts.now,
    };
    match outcome {
        Outcome::Accepted => conditions.set(
            "Verified",
            "True",
            Reason::Verified,
            "the provider accepts the credentials in the Secret, and rejects those of a client that nobody registered",
        ),
        Outcome::Unproven(why) => conditions.set("Verified", "Unknown", Reason::NotVerifiable, why),
        Outcome::Rejected if verification::next_try(rejections, Duration::ZERO).is_some() => {
            let pending = verification::pending(&record.client_id, Duration::ZERO);
            conditions.set("Verified", "Unknown", pending.reason, &pending.message);
        }
        Outcome::Rejected => {
            let rejected = verification::rejected(&record.client_id);
            conditions.set("Verified", "False", rejected.reason, &rejected.message);
        }
    }
}
