//! The condition `Verified`: whether the provider accepts the credentials as they are in the Secret.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use crate::api::{Condition, OAuthClientStatus, Reason, Verification};
use crate::domain::verification::{self, Outcome, Tried};

use super::{Conditions, Facts, rfc3339};

/// When the credentials that were tried last were rejected first, in seconds since the epoch.
#[must_use]
pub fn rejected_since(status: Option<&OAuthClientStatus>) -> Option<i64> {
    let since = status?.verification.as_ref()?.rejected_since.as_deref()?;
    Some(since.parse::<Timestamp>().ok()?.as_second())
}

/// Since when the provider has not answered about the credentials, in seconds since the epoch; `None`: it did, or was not asked.
#[must_use]
pub fn unanswered_since(status: Option<&OAuthClientStatus>) -> Option<i64> {
    let mut conditions = status?.conditions.iter();
    let unavailable = Reason::ProviderUnavailable.as_str();
    let fits = |c: &&Condition| c.type_ == "Verified" && c.status == "Unknown" && c.reason == unavailable;
    let since = &conditions.find(fits)?.last_transition_time;
    Some(since.parse::<Timestamp>().map_or(0, Timestamp::as_second))
}

/// Notes how a try of the credentials ended, or that there was none yet.
pub(super) fn note(status: &mut OAuthClientStatus, facts: &Facts<'_>) {
    let (Some(Tried { credentials, outcome }), Some(record)) = (&facts.tried, facts.record) else {
        return;
    };
    let since = verification::last(Some(&*status), credentials).and_then(|last| last.rejected_since.clone());
    let again = verification::rejected_again(Some(&*status), credentials);
    let (pending, rejected) = (
        verification::pending(&record.client_id, Duration::ZERO),
        verification::rejected(record),
    );
    let (condition, reason, message) = match outcome {
        Outcome::Accepted => (
            "True",
            Reason::Verified,
            "the provider accepts the credentials in the Secret, and rejects those of a client that nobody registered",
        ),
        Outcome::Unanswered => ("Unknown", Reason::ProviderUnavailable, verification::UNANSWERED),
        Outcome::Unproven(why) => ("Unknown", Reason::NotVerifiable, why.as_str()),
        Outcome::Awaited => (
            "Unknown",
            Reason::Progressing,
            "the client has other credentials than those that were tried last; they were not tried yet",
        ),
        Outcome::Rejected if verification::next_try(again, Duration::ZERO).is_some() => {
            ("Unknown", pending.reason, pending.message.as_str())
        }
        Outcome::Rejected => ("False", rejected.reason, rejected.message.as_str()),
    };
    let mut conditions = Conditions {
        status: &mut status.conditions,
        generation: facts.generation,
        now: facts.now,
    };
    let awaited = *outcome == Outcome::Awaited;
    if !awaited || conditions.has("Verified") {
        conditions.set("Verified", condition, reason, message);
    }
    status.verified_at = (*outcome == Outcome::Accepted).then(|| rfc3339(facts.now));
    if !awaited {
        let rejected = *outcome == Outcome::Rejected;
        status.verification = Some(Box::new(Verification {
            credentials: credentials.clone(),
            rejections: rejected.then(|| i32::try_from(again).unwrap_or(1)),
            rejected_since: rejected.then(|| since.unwrap_or_else(|| rfc3339(facts.now))),
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Verdict, after};
    use super::*;
    use crate::domain::record::tests::record;

    fn noted(previous: &OAuthClientStatus, credentials: &str, outcome: Outcome, now: i64) -> OAuthClientStatus {
        let record = record();
        let facts = Facts {
            generation: Some(1),
            record: Some(&record),
            tried: Some(Tried {
                credentials: credentials.to_owned(),
                outcome,
            }),
            now,
            ..Facts::default()
        };
        after(previous, &Verdict::Ready, &facts)
    }

    fn told(status: &OAuthClientStatus) -> Option<(&str, &str)> {
        let mut conditions = status.conditions.iter();
        let found: Option<&Condition> = conditions.find(|condition| condition.type_ == "Verified");
        found.map(|found| (found.status.as_str(), found.reason.as_str()))
    }

    #[test]
    fn t245_rejections_are_counted_to_four_from_the_first_one_on() {
        let mut status = OAuthClientStatus::default();
        for (count, now, condition) in [
            (1, 100, "Unknown"),
            (2, 105, "Unknown"),
            (3, 120, "Unknown"),
            (4, 180, "False"),
            (4, 9000, "False"),
        ] {
            status = noted(&status, "a", Outcome::Rejected, now);
            assert_eq!(told(&status), Some((condition, "SecretRejected")), "{now}");
            let known = status.verification.as_deref().unwrap();
            assert_eq!(known.rejections, Some(count), "{now}");
            assert_eq!(rejected_since(Some(&status)), Some(100));
        }
        let other = noted(&status, "b", Outcome::Rejected, 9001);
        assert_eq!(other.verification.as_deref().unwrap().rejections, Some(1));
        assert_eq!(
            (told(&other).unwrap().0, rejected_since(Some(&other))),
            ("Unknown", Some(9001))
        );
        let accepted = noted(&status, "a", Outcome::Accepted, 9002);
        assert_eq!(told(&accepted), Some(("True", "Verified")));
        assert_eq!(accepted.verification.as_deref().unwrap().rejections, None);
    }

    #[test]
    fn t244_other_credentials_that_were_not_tried_are_neither_verified_nor_rejected() {
        let never_tried = noted(&OAuthClientStatus::default(), "a", Outcome::Awaited, 100);
        assert_eq!((told(&never_tried), &never_tried.verification), (None, &None));
        let accepted = noted(&OAuthClientStatus::default(), "a", Outcome::Accepted, 100);
        assert!(accepted.verified_at.is_some());
        let rotated = noted(&accepted, "b", Outcome::Awaited, 200);
        assert_eq!(told(&rotated), Some(("Unknown", "Progressing")));
        assert_eq!(rotated.verified_at, None);
        assert_eq!(
            rotated.verification, accepted.verification,
            "the new ones are still to be tried"
        );
    }

    #[test]
    fn t244_credentials_that_the_provider_did_not_answer_about_say_since_when() {
        let away = noted(&OAuthClientStatus::default(), "c", Outcome::Unanswered, 100);
        assert_eq!(told(&away), Some(("Unknown", "ProviderUnavailable")));
        assert_eq!(unanswered_since(Some(&away)), Some(100));
        let still = noted(&away, "c", Outcome::Unanswered, 200);
        assert_eq!(still, away, "another try that is not answered is no write");
        let unclear = noted(&away, "c", Outcome::Unproven("why".to_owned()), 200);
        assert_eq!(unanswered_since(Some(&unclear)), None);
        let accepted = noted(&away, "c", Outcome::Accepted, 200);
        assert_eq!(
            (told(&accepted).unwrap().0, unanswered_since(Some(&accepted))),
            ("True", None)
        );
    }
}
