//! What a client's own credentials tell about it, when its management token is refused: nothing else does.
//!
//! Invariant: a rejection counts as absence only if the same kind of look accepts another client at the same time, because a provider
//! that has failed over to an older store, or that is in trouble, rejects everybody.

use std::time::Duration;

use super::record::{Phase, Record};

/// Where a look is made, and what is sent there cannot succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProbeKind {
    /// The revocation endpoint, with a token that was never issued: it authenticates the client first (RFC 7009 section 2.1) and
    /// then answers 200 (section 2.2).
    Revocation,
    /// The introspection endpoint, with such a token (RFC 7662). It authenticates a resource server, so it never rejects a client.
    Introspection,
    /// The token endpoint, with an authorization code that was never issued (RFC 6749 section 5.2).
    Token,
}

/// How a look ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probed {
    /// The provider accepts the client's credentials.
    Accepted(ProbeKind),
    /// It does not know them.
    Rejected(ProbeKind),
    /// It accepts a client that nobody ever registered as well, so its acceptance tells nothing.
    AcceptsAnybody(ProbeKind),
    /// Its answer tells neither.
    Unclear,
}

/// Whether the same kind of look accepts another client at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// It does.
    Accepted,
    /// It does not: whatever is wrong is not this client's absence.
    NotAccepted,
    /// There is no other client to look at.
    Missing,
}

/// What a try of credentials leads to next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Nothing: it tells this.
    Told(Probed),
    /// They are accepted by this kind of look; whether that means anything, the answer to a client that nobody registered tells.
    Accepted(ProbeKind),
    /// The token endpoint is asked as well.
    AskTokenEndpoint,
}

/// Reads the first answer to a try of credentials.
#[must_use]
pub const fn read(answer: Probed) -> Reading {
    match answer {
        Probed::Accepted(kind) => Reading::Accepted(kind),
        // It authenticates a resource server, so it rejects only what is no client at all.
        Probed::Rejected(ProbeKind::Introspection) => Reading::Told(Probed::Unclear),
        // That endpoint may know another method of authentication only. Applications use the token endpoint.
        Probed::Rejected(ProbeKind::Revocation) => Reading::AskTokenEndpoint,
        Probed::Rejected(ProbeKind::Token) | Probed::AcceptsAnybody(_) | Probed::Unclear => Reading::Told(answer),
    }
}

/// What credentials are that the revocation endpoint rejected, by what the token endpoint tells of them.
#[must_use]
pub const fn rejected_unless_accepted(token: Probed) -> Probed {
    match token {
        Probed::Accepted(_) => token,
        _ => Probed::Rejected(ProbeKind::Revocation),
    }
}

/// Whether a kind of look rejects a client that nobody ever registered, by the answer to one; `None`: the answer tells neither.
#[must_use]
pub const fn tells_clients_apart(made_up: Probed) -> Option<bool> {
    match made_up {
        Probed::Rejected(_) => Some(true),
        Probed::Accepted(_) | Probed::AcceptsAnybody(_) => Some(false),
        Probed::Unclear => None,
    }
}

/// Time over which a client has to be rejected where another client is accepted meanwhile.
pub const CONFIRMED_BY_CONTROL: Duration = Duration::from_mins(1);
/// The same where there is no other client.
pub const CONFIRMED_ALONE: Duration = Duration::from_hours(1);
/// Time between two looks, at most.
pub const LOOK_AGAIN: Duration = Duration::from_mins(15);

/// What is known of a client whose management call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It exists, or nothing tells that it does not.
    Keep,
    /// It was rejected so far; over this time it has to be.
    Rejected(Duration),
}

/// Weighs a look. `verified`: the credentials were accepted once, so that a rejection means something.
#[must_use]
pub fn weigh(probed: Probed, control: Control, verified: bool) -> Standing {
    match (probed, control) {
        (Probed::Rejected(ProbeKind::Revocation | ProbeKind::Token), Control::Accepted) if verified => {
            Standing::Rejected(CONFIRMED_BY_CONTROL)
        }
        (Probed::Rejected(ProbeKind::Revocation | ProbeKind::Token), Control::Missing) if verified => {
            Standing::Rejected(CONFIRMED_ALONE)
        }
        _ => Standing::Keep,
    }
}

/// Whether another client can be looked at in comparison with this one, and whether its acceptance proves something: only where it
/// was recorded after this one was last accepted, for a store that lags behind may know older ones only.
#[must_use]
pub fn compares(own: &Record, accepted: Option<i64>, other: &Record) -> Option<bool> {
    let same_provider = other.endpoints.issuer == own.endpoints.issuer && other.client_id != own.client_id;
    let comparable = other.phase == Phase::Registered && same_provider;
    comparable.then(|| accepted.is_some_and(|accepted| other.registered_at >= accepted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t245_what_the_revocation_endpoint_rejects_is_asked_at_the_token_endpoint() {
        let (revocation, token) = (ProbeKind::Revocation, ProbeKind::Token);
        assert_eq!(read(Probed::Rejected(revocation)), Reading::AskTokenEndpoint);
        assert_eq!(read(Probed::Rejected(token)), Reading::Told(Probed::Rejected(token)));
        let no_client = Probed::Rejected(ProbeKind::Introspection);
        assert_eq!(read(no_client), Reading::Told(Probed::Unclear));
        assert_eq!(read(Probed::Accepted(token)), Reading::Accepted(token));
        let accepted = Probed::Accepted(token);
        assert_eq!(rejected_unless_accepted(accepted), accepted);
        for other in [Probed::AcceptsAnybody(token), Probed::Unclear, Probed::Rejected(token)] {
            assert_eq!(rejected_unless_accepted(other), Probed::Rejected(revocation));
        }
    }

    #[test]
    fn t246_an_acceptance_tells_something_only_where_a_made_up_client_is_rejected() {
        let kind = ProbeKind::Token;
        assert_eq!(tells_clients_apart(Probed::Rejected(kind)), Some(true));
        assert_eq!(tells_clients_apart(Probed::Accepted(kind)), Some(false));
        assert_eq!(tells_clients_apart(Probed::Unclear), None);
    }

    #[test]
    fn a_rejection_counts_only_beside_another_client_that_is_accepted_or_for_an_hour() {
        let rejected = Probed::Rejected(ProbeKind::Revocation);
        assert_eq!(
            weigh(rejected, Control::Accepted, true),
            Standing::Rejected(CONFIRMED_BY_CONTROL)
        );
        assert_eq!(
            weigh(rejected, Control::Missing, true),
            Standing::Rejected(CONFIRMED_ALONE)
        );
        assert_eq!(
            weigh(rejected, Control::NotAccepted, true),
            Standing::Keep,
            "a failover"
        );
        assert_eq!(
            weigh(rejected, Control::Accepted, false),
            Standing::Keep,
            "never accepted"
        );
    }

    #[test]
    fn nothing_else_is_absence() {
        for probed in [
            Probed::Unclear,
            Probed::Accepted(ProbeKind::Token),
            Probed::AcceptsAnybody(ProbeKind::Revocation),
            Probed::Rejected(ProbeKind::Introspection),
        ] {
            assert_eq!(weigh(probed, Control::Accepted, true), Standing::Keep, "{probed:?}");
        }
    }
}
