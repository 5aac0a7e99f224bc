//! One owner: of all that names a client of an issuer, at most one record may count it as its own.
//!
//! Providers that look for an equal client before they register one answer a registration with a client that exists, which may
//! be another object's.

use std::time::Duration;

use crate::api::Reason;

use super::api_error::ApiError;
use super::failure::{Class, Failure};
use super::marker;
use super::record::Phase;
use super::registration::Registration;

/// How far the clocks of a provider's machines may be apart.
const TOLERANCE: Duration = Duration::from_mins(5);

/// A record or a suspect entry that names a client, by its metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Name of the Secret.
    pub secret: String,
    /// UID of the object.
    pub owner_uid: String,
    /// Phase of a record, as its label says; `Suspect` or `None` for a suspect, `None` for a record without the label.
    pub phase: Option<Phase>,
}

/// Whose client a registration was answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// Nothing shows that the client was there before.
    Ours,
    /// It is named by a record or a suspect of another object, the one of this UID.
    Another(String),
    /// It is named by the record of another object that is being deregistered: this passes by itself.
    Leaving,
    /// It was issued before this object ever asked for one.
    Earlier,
}

/// What is known of a registration's answer.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// UID of the object that registered.
    pub uid: &'a str,
    /// All that names the client.
    pub named: &'a [Named],
    /// How long before the answer the client was issued, by the provider's own clock, if it says.
    pub issued_ago: Option<Duration>,
    /// How long ago the first attempt of this object began that may have registered it.
    pub first_attempt_ago: Duration,
    /// Whether the answer repeats a value that only this object sends.
    pub echoed: bool,
    /// Whether the object was told to take over a client that exists. What others gave up is no obstacle then.
    pub adopts: bool,
}

/// What was found out before a deregistration.
#[derive(Clone, Debug)]
pub enum Claimed {
    /// The call cannot be made; without a failure, there is no call.
    NotCallable(Option<Failure>),
    /// Another pass is about to record or deregister the client.
    Busy,
    /// Not every record carries the label by which it is found.
    Unlabelled,
    /// The client is claimed, and these records name it by a live list.
    Named(Result<Vec<Named>, ApiError>),
}

/// Why no DELETE may be sent for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// The record of the object of this UID uses the client.
    InUse(String),
    /// It cannot be told yet, or the call cannot be made.
    Unknown(Failure),
    /// There is no call that deregisters it.
    NoCall,
}

/// Whether a client may be deregistered, by what was found out before. `own` is the Secret that says it is to go.
///
/// # Errors
/// Why it may not.
pub fn judge(found: Claimed, own: &str) -> Result<(), Withheld> {
    let busy = |text: &str| Withheld::Unknown(Failure::new(Class::Transient, Reason::ProgressingWithRetry, text));
    match found {
        Claimed::NotCallable(Some(failure)) => Err(Withheld::Unknown(failure)),
        Claimed::NotCallable(None) => Err(Withheld::NoCall),
        Claimed::Busy => Err(busy("another object is about to record or deregister the same client")),
        Claimed::Unlabelled => Err(busy(
            "records that an earlier version of the operator wrote are being labelled; nothing is deregistered before that is done",
        )),
        Claimed::Named(Err(error)) => Err(Withheld::Unknown(error.failure("the registration records"))),
        Claimed::Named(Ok(records)) if is_kept(&records, own) => Err(busy(
            "the record was changed while its deletion waited; it is read again",
        )),
        Claimed::Named(Ok(records)) => match in_use(&records, own) {
            Some(user) => Err(Withheld::InUse(user.owner_uid.clone())),
            None => Ok(()),
        },
    }
}

/// Whether a record or an entry names a client that its object does not use any more: kept by the wish of its owner, or a suspect.
#[must_use]
pub fn is_given_up(named: &Named) -> bool {
    marker::is_suspect_name(&named.secret) || matches!(named.phase, Some(Phase::Retained | Phase::Suspect))
}

/// Seconds by which times may differ that are rounded to a second each.
const ROUNDING: i64 = 1;

/// Whether an answer shows that its own registration made the client, so that nobody else can use it: the client was issued while the call
/// lasted. `begun` and `now`: of the call, in seconds since the epoch; the provider's clock counts, if the answer states its time.
#[must_use]
pub(crate) fn is_new(answer: &Registration, begun: i64, now: i64) -> bool {
    let answered = answer.answered_at.unwrap_or(now);
    let first = answered - now.saturating_sub(begun).max(0) - ROUNDING;
    let issued = answer.client_id_issued_at.filter(|issued| *issued > 0);
    issued.is_some_and(|issued| (first..=answered + ROUNDING).contains(&issued))
}

/// Judges whose client it is.
#[must_use]
pub fn provenance(answer: &Answer<'_>) -> Provenance {
    // What is deregistered names nothing that exists, whatever identifier the provider gives next.
    let names = |named: &&Named| {
        let given_up = answer.adopts && is_given_up(named);
        named.owner_uid != answer.uid && named.phase != Some(Phase::Deleted) && !given_up
    };
    let mut others = answer.named.iter().filter(names);
    if let Some(other) = others.clone().find(|named| named.phase != Some(Phase::Deleting)) {
        return Provenance::Another(other.owner_uid.clone());
    }
    if others.next().is_some() {
        return Provenance::Leaving;
    }
    let earlier = answer
        .issued_ago
        .is_some_and(|ago| ago > answer.first_attempt_ago + TOLERANCE);
    if earlier && !answer.echoed && !answer.adopts {
        return Provenance::Earlier;
    }
    Provenance::Ours
}

/// The record because of which a client is not deregistered, although the Secret `own` says so: somebody uses the client.
#[must_use]
pub fn in_use<'a>(records: &'a [Named], own: &str) -> Option<&'a Named> {
    let uses = |phase: Option<Phase>| matches!(phase, None | Some(Phase::Registered | Phase::Retained));
    records.iter().find(|record| record.secret != own && uses(record.phase))
}

/// Whether the record `own` is one that is kept, so that whoever takes it for one to be deregistered saw an earlier version.
#[must_use]
pub fn is_kept(records: &[Named], own: &str) -> bool {
    let kept = |phase: Option<Phase>| matches!(phase, Some(Phase::Registered | Phase::Retained));
    records.iter().any(|record| record.secret == own && kept(record.phase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w116_a_client_is_new_that_was_issued_with_its_answer() {
        let is_new = |issued: Option<i64>, answered: Option<i64>| {
            let answer = Registration {
                client_id: "c".into(),
                client_secret: None,
                client_secret_expires_at: None,
                client_id_issued_at: issued,
                answered_at: answered,
                registration_access_token: None,
                registration_client_uri: None,
                metadata: serde_json::Map::new(),
            };
            super::is_new(&answer, 1996, 2000)
        };
        assert!(is_new(Some(1000), Some(1000)) && is_new(Some(1000), Some(1005)));
        assert!(!is_new(Some(1000), Some(1006)), "before the call began");
        // Somebody else's, of a minute ago: two clusters that apply one manifest at a provider that deduplicates.
        assert!(!is_new(Some(1000), Some(1060)));
        assert!(
            !is_new(Some(4_102_444_800), Some(1000)),
            "milliseconds, or another clock"
        );
        assert!(!is_new(None, Some(1000)) && !is_new(Some(0), Some(0)) && !is_new(Some(1000), None));
        assert!(
            is_new(Some(1999), None) && !is_new(Some(1994), None),
            "the operator's clock"
        );
    }

    fn named(owner_uid: &str, phase: Option<Phase>) -> Named {
        Named {
            secret: format!("oauthclient-{owner_uid}"),
            owner_uid: owner_uid.to_owned(),
            phase,
        }
    }

    fn answer(named: &[Named]) -> Answer<'_> {
        Answer {
            uid: "u",
            named,
            issued_ago: None,
            first_attempt_ago: Duration::from_secs(10),
            echoed: false,
            adopts: false,
        }
    }

    #[test]
    fn a_client_that_another_object_names_is_not_ours() {
        assert_eq!(
            provenance(&answer(&[named("v", Some(Phase::Deleting))])),
            Provenance::Leaving
        );
        let others = [named("u", None), named("v", Some(Phase::Registered))];
        assert_eq!(provenance(&answer(&others)), Provenance::Another("v".to_owned()));
        assert_eq!(provenance(&answer(&others[..1])), Provenance::Ours);
        assert_eq!(
            provenance(&answer(&[named("v", Some(Phase::Deleted))])),
            Provenance::Ours
        );
        let echoed = Answer {
            echoed: true,
            adopts: false,
            ..answer(&others)
        };
        assert_eq!(provenance(&echoed), Provenance::Another("v".to_owned()));
    }

    #[test]
    fn a_client_issued_before_the_first_attempt_is_not_ours() {
        let issued = |seconds| Answer {
            issued_ago: Some(Duration::from_secs(seconds)),
            ..answer(&[])
        };
        assert_eq!(provenance(&issued(0)), Provenance::Ours);
        assert_eq!(provenance(&issued(310)), Provenance::Ours, "within the tolerance");
        assert_eq!(provenance(&issued(311)), Provenance::Earlier);
        let echoed = Answer {
            echoed: true,
            adopts: false,
            ..issued(86_400)
        };
        assert_eq!(provenance(&echoed), Provenance::Ours);
        let old = Answer {
            first_attempt_ago: Duration::from_hours(24),
            ..issued(86_400)
        };
        assert_eq!(provenance(&old), Provenance::Ours, "an attempt whose answer was lost");
    }

    #[test]
    fn a_client_in_use_elsewhere_is_not_deregistered() {
        let own = named("u", Some(Phase::Registered));
        assert!(is_kept(std::slice::from_ref(&own), &own.secret));
        assert!(!is_kept(
            &[named("u", Some(Phase::Deleting)), named("v", Some(Phase::Retained))],
            &own.secret
        ));
        for (phase, used) in [
            (None, true),
            (Some(Phase::Registered), true),
            (Some(Phase::Retained), true),
            (Some(Phase::Deleting), false),
            (Some(Phase::Deleted), false),
            (Some(Phase::Suspect), false),
        ] {
            let records = [own.clone(), named("v", phase)];
            assert_eq!(in_use(&records, &own.secret).is_some(), used, "{phase:?}");
        }
    }
}
