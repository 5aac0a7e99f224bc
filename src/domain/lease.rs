//! Leadership by a Lease (coordination.k8s.io/v1), after the rules of client-go.
//!
//! Clocks of different machines are never compared: another holder's lease counts as expired when *this* process has seen it
//! unchanged for its duration. Instants are a process's own, as the time since its start.

use std::time::Duration;

/// How long a leader that is not heard of stays leader.
pub(crate) const DURATION: Duration = Duration::from_secs(15);
/// How long a leader works after the last renewal that it knows of. Less than `DURATION`, so that it stops before anybody
/// else begins.
pub(crate) const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Time between two renewals.
pub(crate) const RETRY: Duration = Duration::from_secs(2);
/// Time between two looks of those who wait: a lease that is given back is taken within it.
pub(crate) const LOOK: Duration = Duration::from_secs(1);

/// The lease as the API server shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lease {
    /// Who holds it; empty: nobody.
    pub holder: String,
    /// How long it holds.
    pub duration: Duration,
    /// Its resource version.
    pub version: String,
    /// How often it changed hands.
    pub transitions: i32,
}

/// What a candidate knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Candidate {
    /// Identity of this process.
    identity: String,
    /// The lease as last seen, and when it was first seen so.
    seen: Option<(Lease, Duration)>,
    /// When the last renewal that succeeded was sent.
    renewed: Option<Duration>,
}

/// What a candidate does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Create the lease.
    Create,
    /// Write this lease over the version that was seen.
    Write(Lease),
    /// Look again, after this time at the latest: then the lease has ended, if nobody renews it.
    Wait(Duration),
}

impl Candidate {
    /// A candidate of this identity.
    #[must_use]
    pub(crate) fn new(identity: &str) -> Self {
        Self {
            identity: identity.to_owned(),
            ..Self::default()
        }
    }

    /// Its identity.
    #[must_use]
    pub(crate) fn identity(&self) -> &str {
        &self.identity
    }

    /// Decides what to do about the lease as it is, `None` if there is none.
    pub(crate) fn look(&mut self, lease: Option<Lease>, now: Duration) -> Step {
        let Some(lease) = lease else {
            self.seen = None;
            return Step::Create;
        };
        let unchanged = self.seen.as_ref().is_some_and(|(seen, _)| *seen == lease);
        if !unchanged {
            self.seen = Some((lease.clone(), now));
        }
        let since = self.seen.as_ref().map_or(now, |(_, since)| *since);
        let own = lease.holder == self.identity;
        let left = lease.duration.saturating_sub(now.saturating_sub(since));
        if !own && !lease.holder.is_empty() && !left.is_zero() {
            return Step::Wait(left);
        }
        Step::Write(Lease {
            holder: self.identity.clone(),
            duration: DURATION,
            transitions: lease.transitions + i32::from(!own),
            version: lease.version,
        })
    }

    /// A write that was begun at `begun` succeeded.
    pub(crate) fn held(&mut self, begun: Duration) {
        self.renewed = Some(begun);
    }

    /// A write was refused: somebody else was faster.
    pub(crate) fn lost(&mut self) {
        self.renewed = None;
    }

    /// Until when this process may begin something new; `None`: it does not lead.
    #[must_use]
    pub(crate) fn leads_until(&self) -> Option<Duration> {
        self.renewed.map(|renewed| renewed + RENEW_DEADLINE)
    }

    /// The lease given back, if this process holds it: nobody has to wait for its end.
    #[must_use]
    pub(crate) fn released(&self, lease: &Lease) -> Option<Lease> {
        (lease.holder == self.identity).then(|| Lease {
            holder: String::new(),
            duration: Duration::from_secs(1),
            ..lease.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[allow(clippy::unnecessary_wraps, reason = "a lease as a look finds it")]
    fn held_by(holder: &str, version: &str) -> Option<Lease> {
        Some(Lease {
            holder: holder.to_owned(),
            duration: DURATION,
            version: version.to_owned(),
            transitions: 0,
        })
    }

    fn writes(step: &Step) -> bool {
        matches!(step, Step::Write(lease) if lease.holder == "me")
    }

    #[test]
    fn nobody_waits_for_a_lease_that_is_not_there_or_given_back() {
        let mut me = Candidate::new("me");
        assert_eq!(me.look(None, at(0)), Step::Create);
        assert!(writes(&me.look(held_by("", "1"), at(1))));
        assert!(
            writes(&me.look(held_by("me", "2"), at(2))),
            "a restart goes on where it was"
        );
    }

    #[test]
    fn another_holder_is_waited_for_as_long_as_it_renews() {
        let mut me = Candidate::new("me");
        for second in (0..100).step_by(2) {
            assert_eq!(
                me.look(held_by("other", &second.to_string()), at(second)),
                Step::Wait(DURATION)
            );
        }
        assert_eq!(me.look(held_by("other", "98"), at(98 + 14)), Step::Wait(at(1)));
        assert!(writes(&me.look(held_by("other", "98"), at(98 + 15))));
    }

    #[test]
    fn a_leader_stops_before_anybody_else_may_begin() {
        let mut me = Candidate::new("me");
        assert_eq!(me.leads_until(), None);
        me.held(at(5));
        assert_eq!(me.leads_until(), Some(at(15)));
        assert!(RENEW_DEADLINE < DURATION);
        me.lost();
        assert_eq!(me.leads_until(), None);
    }

    #[test]
    fn only_the_holder_gives_the_lease_back_and_a_change_of_hands_is_counted() {
        let mut me = Candidate::new("me");
        let lease = held_by("me", "1").unwrap();
        assert_eq!(me.identity(), "me");
        let released = me.released(&lease).unwrap();
        assert_eq!((released.holder.as_str(), released.duration), ("", at(1)));
        assert_eq!(me.released(&held_by("other", "1").unwrap()), None);
        let Step::Write(next) = me.look(held_by("", "1"), at(0)) else {
            panic!()
        };
        assert_eq!((next.transitions, next.version.as_str()), (1, "1"));
    }
}
