//! Which way a run takes: the choices that it was given, then the ordinary one every time.

use std::fmt;
use std::ops::Range;

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
    /// 403: the API server refuses.
    Forbidden,
    /// 422: the API server takes it for invalid.
    Invalid,
    /// 409: another version, or the name is taken.
    Conflict,
    /// 429: slow down.
    Throttled,
    /// 400: the provider rejects the metadata.
    Rejected,
    /// 401: the provider does not accept the token.
    Unauthorized,
    /// 503 with an OAuth error: the provider did nothing.
    Unavailable,
    /// A success that cannot be decoded, or one that proves nothing of a deletion.
    Garbled,
    /// The other replica, which takes itself for the leader too, runs a whole pass first.
    OtherLeader,
    /// As `OtherLeader`, on a view from before the user's last step.
    OtherLeaderStale,
    /// This leader stops for longer than its lease. The other one works until nothing is left to do, then this one goes on.
    Paused,
    /// As `Paused`, after the effect and before its answer, whose deadline passes meanwhile.
    PausedInCall,
    /// The other installation of the operator runs a whole pass first.
    OtherInstallation,
    /// The same process works on the other object meanwhile.
    OtherObject,
    /// 429, with a `Retry-After`: the provider asks for a pause.
    AsksPause,
    /// The permit does not come for longer than a deletion waits.
    NoPermit,
    /// The process is told to stop.
    Stops,
    /// The user's next step comes now.
    UserActs,
    /// A pass begins before the watch of the objects has caught up.
    StaleObjects,
    /// A pass begins before the watch of the Secrets has caught up.
    StaleSecrets,
    /// No watch catches up for three passes.
    StaleForLong,
    /// The change is seen and the trigger that it should be is lost.
    LoseTrigger,
    /// The trigger comes twice.
    TriggerTwice,
    /// The sweeper is faster.
    SweepFirst,
    /// A process that starts is served a list from before the user's last step.
    OldList,
    /// The other replica goes on in place of the one that died.
    OtherTakesOver,
}

/// A point of the run's present turn at which something was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub at: usize,
    /// Which of what it offered other runs take.
    pub faults: Range<usize>,
}

/// The choices of one run.
#[derive(Clone, Debug, Default)]
pub(super) struct Schedule {
    /// Choices to take, from the beginning of the run.
    pub given: Vec<u8>,
    /// Choices taken so far.
    pub taken: Vec<u8>,
    /// Where a fault was taken, and which.
    pub script: Vec<(usize, &'static str, Choice)>,
    /// Points of the present turn, for as long as a further fault is allowed.
    pub points: Vec<Point>,
    /// Most faults of a run.
    pub most: usize,
    /// The first of them, if every run is to begin with one of that kind.
    pub first: Option<Choice>,
    /// Whether further points offer nothing but the ordinary way.
    pub calm: bool,
    /// Whether to print what happens.
    pub told: bool,
}

impl Schedule {
    /// The ordinary run, from which others with up to so many faults part.
    pub(super) fn with(faults: usize) -> Self {
        Self {
            most: faults,
            ..Self::default()
        }
    }

    /// Whether a point can lead anywhere but the ordinary way.
    pub(super) fn is_open(&self) -> bool {
        !self.calm && (self.script.len() < self.most || self.taken.len() < self.given.len())
    }

    /// Whether another run may part from this one at the next point.
    pub(super) fn may_part(&self) -> bool {
        !self.calm && self.script.len() < self.most && self.taken.len() >= self.given.len()
    }

    /// What happens at the next point.
    pub(super) fn choose(&mut self, what: &'static str, offered: &[Choice]) -> Choice {
        if !self.is_open() {
            self.tell(|| format!("      {what}"));
            return Choice::Well;
        }
        let at = self.taken.len();
        let taken = self.given.get(at).copied().unwrap_or_default();
        let choice = offered.get(usize::from(taken)).copied().unwrap_or(Choice::Well);
        if self.may_part() {
            let faults = self.faults(offered);
            self.points.push(Point { at, faults });
        }
        self.taken.push(taken);
        if choice != Choice::Well {
            self.script.push((at, what, choice));
        }
        self.tell(|| {
            format!(
                "{at:5} {what}{}",
                if choice == Choice::Well {
                    String::new()
                } else {
                    format!(": {choice:?}")
                }
            )
        });
        choice
    }

    /// Which of what a point offers other runs take there.
    fn faults(&self, offered: &[Choice]) -> Range<usize> {
        match self.first.filter(|_| self.script.is_empty()) {
            None => 1..offered.len(),
            Some(first) => {
                let place = offered.iter().position(|choice| *choice == first);
                place.map_or(0..0, |place| place..place + 1)
            }
        }
    }

    /// Whether the run took this choice anywhere.
    pub(super) fn took(&self, wanted: Choice) -> bool {
        self.script.iter().any(|(_, _, choice)| *choice == wanted)
    }

    /// Prints a line of a replay.
    pub(super) fn tell(&self, line: impl FnOnce() -> String) {
        if self.told {
            println!("{}", line());
        }
    }

    /// Every run that differs from this one by one more fault in this turn, later than those it was given.
    pub(super) fn further(&self) -> impl Iterator<Item = Vec<u8>> {
        self.points.iter().flat_map(|point| {
            point.faults.clone().map(|alternative| {
                let mut given = self.taken[..point.at].to_vec();
                given.push(u8::try_from(alternative).unwrap());
                given
            })
        })
    }

    /// The numbers that replay the run.
    pub(super) fn replay(&self) -> String {
        let last = self
            .taken
            .iter()
            .rposition(|taken| *taken > 0)
            .map_or(0, |last| last + 1);
        let numbers: Vec<String> = self.taken[..last].iter().map(u8::to_string).collect();
        numbers.join(",")
    }
}

/// A script that says at which points a run left the ordinary way.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, what, choice) in &self.script {
            writeln!(f, "  at point {at:3}, {what}: {choice:?}")?;
        }
        Ok(())
    }
}
