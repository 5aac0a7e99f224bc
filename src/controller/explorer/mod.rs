//! The crash explorer: the real planner and the real executor in a made-up world, over every schedule with up to two faults.
//!
//! A run is one scenario with one schedule. Each effect is a point at which the process may die before or after it, its
//! answer or request may be lost, another replica may run a whole pass, or the user may act. What is left when all has come
//! to rest is judged by the promises in [`oracle`].

mod cluster;
mod oracle;
mod process;
mod provider;
mod scenario;
mod schedule;

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as Waiting, Poll, Waker};

use crate::api::Profile;
use crate::domain::backoff;
use crate::domain::plan::{Here, Provider};
use crate::domain::profile;
use crate::domain::target::{Credentials, Deadlines, Location, Target};

use super::pass::{End, Pass};

use self::cluster::Cluster;
use self::oracle::Outcome;
use self::process::{Interrupt, Plant, Process, Shared, Views};
use self::scenario::{HOME, Scenario, Step};
use self::schedule::{Choice, Schedule};

/// Most faults of one run.
const FAULTS: usize = 2;
/// Most passes of one scenario; more would be a livelock.
const MOST_PASSES: usize = 400;
/// Passes without a write after which all is taken to rest.
const STILL: usize = 4;
/// As `STILL`, while a deletion runs into its timeout.
const DELETION_PATIENCE: usize = 30;

/// One run.
struct Run {
    scenario: Scenario,
    plant: Option<Plant>,
    shared: Arc<Mutex<Shared>>,
    steps: Arc<Mutex<VecDeque<Step>>>,
    provider: Arc<Provider>,
}

/// What came of a run.
struct Report {
    schedule: Schedule,
    broken: Vec<String>,
    passes: usize,
}

impl Run {
    fn new(scenario: Scenario, schedule: Schedule, plant: Option<Plant>) -> Self {
        let shared = Shared {
            cluster: Cluster::default(),
            provider: provider::Provider {
                rotates: scenario.rotates,
                unmanaged: scenario.unmanaged,
                chosen: scenario.chosen,
                ..provider::Provider::default()
            },
            schedule,
            now: 1_000_000,
            attempts: 0,
        };
        Self {
            scenario,
            plant,
            shared: Arc::new(Mutex::new(shared)),
            steps: Arc::new(Mutex::new(scenario.steps.iter().copied().collect())),
            provider: Arc::new(resolved(scenario)),
        }
    }

    fn process(&self, identity: &'static str, interrupt: Option<Interrupt>) -> Process {
        Process {
            shared: self.shared.clone(),
            views: Mutex::new(Views::default()),
            here: Here {
                namespace: HOME.to_owned(),
                cluster_id: "cluster".to_owned(),
                serves_own_namespace: false,
            },
            provider: self.provider.clone(),
            interrupt,
            identity,
            plant: self.plant,
            held_back: Mutex::new(None),
            dead: Mutex::new(false),
        }
    }

    /// What happens in the middle of a pass: the other replica's pass, or the user's next step.
    fn interrupt(&self) -> Interrupt {
        let other = Arc::new(self.process("b", None));
        let (shared, steps, scenario) = (self.shared.clone(), self.steps.clone(), self.scenario);
        Arc::new(move |choice| match choice {
            Choice::OtherLeader => {
                let calm = std::mem::replace(&mut lock(&shared).schedule.calm, true);
                other.sync();
                pass(&other);
                lock(&shared).schedule.calm = calm;
            }
            _ => act(scenario, &shared, lock(&steps).pop_front()),
        })
    }

    /// Runs to the end.
    fn finish(self) -> Report {
        let interrupt = self.interrupt();
        let mut process = self.process("a", Some(interrupt.clone()));
        let mut passes = 0;
        loop {
            let step = lock(&self.steps).pop_front();
            let over = step.is_none();
            act(self.scenario, &self.shared, step);
            self.settle(&mut process, &interrupt, &mut passes);
            if over && lock(&self.steps).is_empty() {
                break;
            }
        }
        let before = lock(&self.shared).cluster.writes;
        lock(&self.shared).schedule.calm = true;
        process.sync();
        pass(&process);
        let shared = lock(&self.shared);
        let outcome = Outcome {
            scenario: &self.scenario,
            cluster: &shared.cluster,
            provider: &shared.provider,
            deadly: shared.schedule.deadly(),
            faults: shared.schedule.faults(),
            writes_at_rest: shared.cluster.writes - before,
        };
        let mut broken = oracle::broken(&outcome);
        if passes >= MOST_PASSES {
            broken.push("P10: it does not come to rest".to_owned());
        }
        Report {
            schedule: shared.schedule.clone(),
            broken,
            passes,
        }
    }

    /// Passes until nothing is written any more.
    fn settle(&self, process: &mut Process, interrupt: &Interrupt, passes: &mut usize) {
        let (mut still, mut failures) = (0, 0);
        while *passes < MOST_PASSES {
            *passes += 1;
            let writes = {
                let mut shared = lock(&self.shared);
                let now = shared.now;
                shared.cluster.collect();
                shared.cluster.terminate(now);
                shared.cluster.writes
            };
            if !process.is_behind()
                || lock(&self.shared)
                    .schedule
                    .choose("view", &[Choice::Well, Choice::StaleView])
                    == Choice::Well
            {
                process.sync();
            }
            let end = pass(process);
            if process.is_dead() {
                *process = self.process("a", Some(interrupt.clone()));
                process.sync();
                still = 0;
                continue;
            }
            let mut shared = lock(&self.shared);
            still = if shared.cluster.writes == writes { still + 1 } else { 0 };
            let mut wait = None;
            if let Some(End::Retry(failure)) = &end {
                failures += 1;
                wait = backoff::delay(failure, failures, 1.0);
            } else {
                failures = 0;
            }
            let deleting = shared
                .cluster
                .clients
                .values()
                .any(|object| object.metadata.deletion_timestamp.is_some());
            let patience = if deleting { DELETION_PATIENCE } else { STILL };
            // A provider that refuses everything is asked again and again, so this never comes to rest.
            let endless = shared.provider.refuses && failures > 4;
            match wait {
                Some(_) if endless => return,
                Some(wait) if still < patience => {
                    shared.now += i64::try_from(wait.as_secs().max(1)).unwrap_or_default();
                }
                Some(_) => return,
                None if still >= 2 => return,
                None => {}
            }
        }
    }
}

/// One pass over the object, if there is one and the process lives to see its end.
fn pass(process: &Process) -> Option<End> {
    let object = process.views().clients.get(&scenario::name()).cloned()?;
    let pass = Pass::new(process, object, false).run();
    // Nothing in this world waits for anything but death.
    match pin!(pass).poll(&mut Waiting::from_waker(Waker::noop())) {
        Poll::Ready(end) => Some(end),
        Poll::Pending => None,
    }
}

fn act(scenario: Scenario, shared: &Arc<Mutex<Shared>>, step: Option<Step>) {
    if let Some(step) = step {
        let mut shared = lock(shared);
        let Shared {
            cluster, provider, now, ..
        } = &mut *shared;
        scenario.act(step, cluster, provider, *now);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn resolved(scenario: Scenario) -> Provider {
    Provider {
        target: Target {
            location: Location::Issuer("https://provider.example".to_owned()),
            expected_issuer: None,
            registration_endpoint: None,
            allowed_origins: Vec::new(),
            discovery: Credentials::default(),
            registration: Credentials::default(),
            management: Credentials::default(),
            knobs: profile::knobs(if scenario.chosen {
                Profile::Wso2
            } else {
                Profile::Rfc7592
            }),
            on_unknown_outcome: scenario.policy,
            ca_bundle: None,
            deadlines: Deadlines {
                connect: std::time::Duration::ZERO,
                request: std::time::Duration::ZERO,
            },
        },
        uid: "provider".to_owned(),
        fingerprint: "1".to_owned(),
    }
}

/// All schedules of a scenario with up to so many faults. The first violation ends it.
fn explore(scenario: Scenario, faults: usize, plant: Option<Plant>) -> (usize, usize, Option<String>) {
    let (mut runs, mut passes) = (0, 0);
    let mut waiting = vec![Vec::new()];
    while let Some(given) = waiting.pop() {
        let report = Run::new(scenario, Schedule::of(given), plant).finish();
        runs += 1;
        passes += report.passes;
        if !report.broken.is_empty() {
            let text = format!(
                "scenario {:?}\n{}\n  {}",
                scenario.name,
                report.schedule,
                report.broken.join("\n  ")
            );
            return (runs, passes, Some(text));
        }
        if report.schedule.faults() < faults {
            waiting.extend(report.schedule.further());
        }
    }
    (runs, passes, None)
}

#[test]
fn every_schedule_keeps_every_promise() {
    let (mut runs, mut passes, mut broken) = (0, 0, Vec::new());
    let waiting = Mutex::new(scenario::ALL.iter());
    let work = || {
        let mut done = Vec::new();
        loop {
            let Some(scenario) = lock(&waiting).next() else {
                return done;
            };
            done.push((scenario.name, explore(*scenario, FAULTS, None)));
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let done: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    for (name, (more, worked, violation)) in done {
        println!("{name:40} {more:8} schedules {worked:9} passes");
        runs += more;
        passes += worked;
        broken.extend(violation);
    }
    println!("{runs} schedules, {passes} passes");
    assert!(
        broken.is_empty(),
        "{} scenarios break a promise:\n{}",
        broken.len(),
        broken.join("\n")
    );
}

/// Three mistakes that an operator of this kind can make, each of which has to be found.
mod planted {
    use super::*;

    fn found(plant: Plant) -> String {
        let violations = scenario::ALL
            .iter()
            .filter_map(|scenario| explore(*scenario, 1, Some(plant)).2);
        violations
            .into_iter()
            .next()
            .unwrap_or_else(|| panic!("{plant:?} was not found"))
    }

    #[test]
    fn a_record_written_after_the_secret_is_found() {
        println!("{}", found(Plant::RecordAfterSecret));
    }

    #[test]
    fn a_finalizer_set_after_the_post_is_found() {
        println!("{}", found(Plant::FinalizerAfterPost));
    }

    #[test]
    fn a_token_used_at_another_clients_uri_is_found() {
        println!("{}", found(Plant::TokenAtAnotherUri));
    }
}
