//! Every schedule of a scenario, each state explored once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::fork::Fork;
use super::process::Plant;
use super::scenario::Scenario;
use super::schedule::{Choice, Point, Schedule};
use super::state::{End, State};
use super::{oracle, run};

/// Most turns of one run; more would be a livelock.
const MOST_TURNS: usize = 400;

/// What an exploration covered and found.
#[derive(Default)]
pub(super) struct Found {
    /// Schedules, those included that led into a state from which all was explored before.
    pub schedules: u64,
    /// Passes that were run.
    pub passes: u64,
    /// States of cluster and provider that were met between effects.
    pub states: HashSet<u64>,
    /// The first violation.
    pub violation: Option<String>,
    /// Schedules from each state on; `None`: under way.
    explored: HashMap<u64, Option<u64>>,
    /// Whether what goes on from a fork is compared with the whole turn, and how often it was.
    pub compared: Option<u64>,
}

/// Explores every schedule of a scenario with up to so many faults. The first violation ends it.
pub(super) fn explore(scenario: &'static Scenario, faults: usize, plant: Option<Plant>) -> Found {
    Found::default().of(scenario, Schedule::with(faults), plant)
}

/// Explores those schedules with up to two faults whose first is of this kind.
pub(super) fn explore_after(scenario: &'static Scenario, first: Choice, plant: Option<Plant>) -> Found {
    let two = Schedule {
        first: Some(first),
        ..Schedule::with(2)
    };
    Found::default().of(scenario, two, plant)
}

/// As [`explore`], and does every turn as a whole too. Panics if it ends differently.
pub(super) fn explore_and_compare(scenario: &'static Scenario, faults: usize, plant: Option<Plant>) -> Found {
    let found = Found {
        compared: Some(0),
        ..Found::default()
    };
    found.of(scenario, Schedule::with(faults), plant)
}

impl Found {
    /// Equal for explorations that met the same states. It is printed, so that two versions of the operator can be compared.
    pub(super) fn digest(&self) -> u64 {
        self.states.iter().fold(0, |digest, state| digest ^ state)
    }

    fn of(mut self, scenario: &'static Scenario, schedule: Schedule, plant: Option<Plant>) -> Self {
        self.schedules = self.from(&State::new(scenario, schedule, plant));
        self
    }

    /// Number of schedules from a state on.
    fn from(&mut self, state: &State) -> u64 {
        let key = state.key();
        match self.explored.get(&key) {
            Some(Some(schedules)) => return *schedules,
            Some(None) => {
                self.violation = Some(told(state, &["P10: it goes in circles".to_owned()]));
                return 0;
            }
            None => self.explored.insert(key, None),
        };
        let mut schedules = 0;
        let mut waiting: Vec<(Option<Arc<Fork>>, _)> = vec![(None, state.schedule.taken.clone())];
        while let Some((fork, given)) = waiting.pop() {
            if self.violation.is_some() {
                return schedules;
            }
            let mut next = match fork {
                Some(fork) => {
                    let next = run::rest_of_turn(&fork, given.clone());
                    if let Some(compared) = &mut self.compared {
                        *compared += 1;
                        assert_eq!(facts(&next), facts(&run::turn(state, given)), "{}", next.schedule);
                    }
                    next
                }
                None => run::turn(state, given),
            };
            self.passes += (next.passes - state.passes) as u64;
            self.states.insert(next.stored());
            let forks = std::mem::take(&mut next.forks);
            let before = |point: usize| forks.iter().rfind(|fork: &&Arc<Fork>| fork.at() <= point).cloned();
            waiting.extend(next.schedule.further().map(|given| (before(given.len() - 1), given)));
            if matches!(next.end, End::Over(_)) || next.turns > MOST_TURNS {
                schedules += 1;
                let broken = oracle::broken(&next);
                if !broken.is_empty() {
                    self.violation = Some(told(&next, &broken));
                }
            } else {
                schedules += self.from(&next);
            }
        }
        self.explored.insert(key, Some(schedules));
        schedules
    }
}

/// Everything by which two states that the same choices led to can differ.
fn facts(state: &State) -> (u64, usize, usize, i64, &[u8], &[Point]) {
    let schedule = &state.schedule;
    (
        state.key(),
        state.passes,
        state.writes(),
        state.now,
        &schedule.taken,
        &schedule.points,
    )
}

/// Runs one schedule and prints every step of it.
pub(super) fn replay(scenario: &'static Scenario, given: &[u8]) -> Vec<String> {
    let schedule = Schedule {
        most: given.iter().filter(|choice| **choice > 0).count(),
        told: true,
        ..Schedule::default()
    };
    let mut state = State::new(scenario, schedule, None);
    while !matches!(state.end, End::Over(_)) && state.turns <= MOST_TURNS {
        state = run::turn(&state, given.to_vec());
    }
    oracle::broken(&state)
}

/// A violation as a script, and the line that replays it.
fn told(state: &State, broken: &[String]) -> String {
    let name = state.scenario.name;
    let planted = state
        .plant
        .map(|plant| format!(", planted {plant:?}"))
        .unwrap_or_default();
    format!(
        "scenario {name:?}{planted}\n{}  {}\n  replay: EXPLORER_REPLAY='{name}: {}' cargo test -p explorer replay -- --nocapture",
        state.schedule,
        broken.join("\n  "),
        state.schedule.replay(),
    )
}
