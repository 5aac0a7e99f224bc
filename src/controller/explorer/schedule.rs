//! Which way a run takes: the choices that it was given, then the ordinary one every time.

use std::fmt;

/// What may happen at one point of a run. The first that a point offers is the ordinary one; every other is a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Choice {
    /// All goes well.
    Well,
    /// The process dies before the effect.
    DieBefore,
    /// The process dies after the effect.
    DieAfter,
    /// The effect takes place and the answer is lost.
    LoseAnswer,
    /// The effect does not take place, and the process learns no more than that there was no answer.
    LoseRequest,
    /// The other side says that it cannot serve now.
    Unavailable,
    /// The other replica, which takes itself for the leader, runs a whole pass first.
    OtherLeader,
    /// The user's next step comes now.
    UserActs,
    /// The pass begins with the view of the pass before.
    StaleView,
}

/// One point of a run at which something was chosen.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub what: &'static str,
    pub offered: Vec<Choice>,
    pub taken: usize,
}

/// The choices of one run.
#[derive(Clone, Debug, Default)]
pub(super) struct Schedule {
    given: Vec<usize>,
    pub points: Vec<Point>,
    /// Whether further points offer nothing but the ordinary way.
    pub calm: bool,
}

impl Schedule {
    /// A run that takes these choices, then always the ordinary one.
    pub(super) fn of(given: Vec<usize>) -> Self {
        Self {
            given,
            ..Self::default()
        }
    }

    /// What happens at the next point.
    pub(super) fn choose(&mut self, what: &'static str, offered: &[Choice]) -> Choice {
        if self.calm {
            return Choice::Well;
        }
        let taken = self
            .given
            .get(self.points.len())
            .copied()
            .unwrap_or_default()
            .min(offered.len() - 1);
        self.points.push(Point {
            what,
            offered: offered.to_vec(),
            taken,
        });
        offered[taken]
    }

    /// Number of faults that were taken.
    pub(super) fn faults(&self) -> usize {
        self.points.iter().filter(|point| point.taken > 0).count()
    }

    /// Faults that may leave a client at the provider that nobody knows of.
    pub(super) fn deadly(&self) -> usize {
        let deadly = |choice| {
            matches!(
                choice,
                Choice::DieBefore | Choice::DieAfter | Choice::LoseAnswer | Choice::LoseRequest | Choice::Unavailable
            )
        };
        self.points
            .iter()
            .filter(|point| deadly(point.offered[point.taken]))
            .count()
    }

    /// Every run that differs from this one by one more fault, later than those it was given.
    pub(super) fn further(&self) -> Vec<Vec<usize>> {
        let mut further = Vec::new();
        for (at, point) in self.points.iter().enumerate().skip(self.given.len()) {
            for alternative in 1..point.offered.len() {
                let mut given: Vec<usize> = self.points[..at].iter().map(|point| point.taken).collect();
                given.push(alternative);
                further.push(given);
            }
        }
        further
    }
}

/// A script that says at which points a run left the ordinary way, and the numbers that replay it.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, point) in self.points.iter().enumerate().filter(|(_, point)| point.taken > 0) {
            writeln!(f, "  at {at:3} {:20} {:?}", point.what, point.offered[point.taken])?;
        }
        let last = self
            .points
            .iter()
            .rposition(|point| point.taken > 0)
            .map_or(0, |last| last + 1);
        let numbers: Vec<String> = self.points[..last]
            .iter()
            .map(|point| point.taken.to_string())
            .collect();
        write!(f, "  replay: {}", numbers.join(","))
    }
}
