//! A run, turn by turn. A turn is the next thing that happens: a pass, a look of the sweeper, or the user's next step.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oauth_client_operator::domain::backoff;

use oauth_client_operator::controller::Pass;
use oauth_client_operator::controller::sweeper;
use oauth_client_operator::domain::pass;

use super::fork::{self, Fork};
use super::oracle;
use super::process::{Plant, Process};
use super::replica::{Trigger, View};
use super::scenario;
use super::schedule::Choice;
use super::state::{End, State};
use super::steps::{self, Step};
use super::sweep::sweep;
use super::watches;

/// Tries after which a failure that is tried again and again is taken for rest.
const STILL: u32 = 5;
/// As `STILL`, while a deletion runs into its timeout.
const DELETION_PATIENCE: u32 = 24;

/// The state after the next turn, which takes the choices of `given`, a list from the beginning of the run.
pub(super) fn turn(state: &State, given: Vec<u8>) -> State {
    let mut next = state.clone();
    next.turns += 1;
    let mut next = with(next, given, happens);
    if next.schedule.script.len() > state.schedule.script.len() {
        next.tries = 0;
    }
    next
}

/// As [`turn`], of which all before the fork has happened. It takes a fault that the turn did not.
pub(super) fn rest_of_turn(fork: &Fork, given: Vec<u8>) -> State {
    let mut next = with(fork.state.clone(), given, |shared| {
        let end = fork.go_on(shared);
        after_pass(shared, (fork.who, fork.what), fork.deep, end.as_ref());
    });
    next.tries = 0;
    next
}

fn with(mut state: State, given: Vec<u8>, act: impl FnOnce(&Arc<Mutex<State>>)) -> State {
    state.schedule.given = given;
    state.schedule.points.clear();
    state.forks.clear();
    let shared = Arc::new(Mutex::new(state));
    act(&shared);
    Arc::try_unwrap(shared).map_or_else(
        |shared| lock(&shared).clone(),
        |only| only.into_inner().unwrap_or_else(PoisonError::into_inner),
    )
}

/// Does the next thing.
fn happens(shared: &Arc<Mutex<State>>) {
    controllers(&mut lock(shared));
    let replicas = lock(shared).replicas.len();
    for who in 0..replicas {
        if watches::catch_up(shared, who) {
            return;
        }
    }
    for who in 0..replicas {
        let triggered = {
            let state = lock(shared);
            let replica = &state.replicas[who];
            let first = replica.work.iter().position(|work| work.trigger.is_some());
            first.filter(|_| replica.active)
        };
        if let Some(what) = triggered {
            return work(shared, who, what);
        }
    }
    if !wait(shared) {
        rest(&mut lock(shared));
    }
}

/// The garbage collector and the namespace controller.
fn controllers(state: &mut State) {
    let now = state.now;
    for cluster in &mut state.clusters {
        cluster.collect();
        cluster.terminate(now);
    }
}

/// One pass of a process over an object, and what comes of it: a death and a start, or a timer.
pub(super) fn work(shared: &Arc<Mutex<State>>, who: usize, what: usize) {
    let trigger = lock(shared).replicas[who].work[what].trigger.take();
    let owed = std::mem::take(&mut lock(shared).replicas[who].work[what].owed);
    let deep = owed || trigger.is_some_and(|trigger| trigger.deep);
    let end = one_pass(shared, (who, what), deep, true);
    after_pass(shared, (who, what), deep, end.as_ref());
}

fn after_pass(shared: &Arc<Mutex<State>>, (who, what): (usize, usize), deep: bool, end: Option<&pass::End>) {
    let mut state = lock(shared);
    // Whoever ends by a failure is looked at again, and its verdict says so.
    let compared = deep && end.is_some() && state.replicas[who].leads;
    state.uncompared &= !compared;
    state.replicas[who].work[what].owed = deep && matches!(end, Some(pass::End::Retry(_)));
    settle(&mut state, (who, what), end);
    take_office(&mut state, who);
    if state.replicas[who].dead || state.replicas[who].stopping {
        restart(&mut state, who);
    }
}

/// A process that was paused leads again, and looks at everything.
pub(super) fn take_office(state: &mut State, who: usize) {
    let deep = compares(state);
    let replica = &mut state.replicas[who];
    if !replica.leads {
        replica.leads = true;
        replica.pull_all(Trigger { deep, anew: true });
    }
}

/// Whether a process that begins to lead looks at everything: it compares what the status of the provider object says of its clients
/// with what that object is.
pub(super) fn compares(state: &State) -> bool {
    state.uncompared && state.plant != Some(Plant::EdgesOnly)
}

/// What a pass leaves behind in its process.
pub(super) fn settle(state: &mut State, (who, what): (usize, usize), end: Option<&pass::End>) {
    let now = state.now;
    let deaf = state.plant == Some(Plant::DeafToTheTimeout);
    let work = &mut state.replicas[who].work[what];
    work.timer = None;
    let queued = work.queued.take();
    let within = match end {
        Some(pass::End::Retry(failure)) => failure.look_within(),
        _ => None,
    };
    if let Some(until) = queued
        && (within.is_some() || matches!(end, Some(pass::End::Rest)))
    {
        let within = within.filter(|_| !deaf).map(|within| now + seconds(within));
        work.timer = Some(within.map_or(until, |within| within.min(until)));
    } else if let Some(pass::End::Retry(failure)) = end {
        work.failures += 1;
        let wait = backoff::delay(failure, work.failures, 1.0);
        work.timer = wait.map(|wait| now + seconds(wait));
    } else {
        work.failures = 0;
    }
    state.schedule.tell(|| format!("      ends: {end:?}"));
}

pub(super) fn one_pass(
    shared: &Arc<Mutex<State>>,
    (who, what): (usize, usize),
    deep: bool,
    interruptible: bool,
) -> Option<pass::End> {
    let process = process(shared, (who, what), interruptible);
    let object = {
        let mut state = lock(shared);
        state.passes += 1;
        let work = &mut state.replicas[who].work[what];
        (work.permitted, work.queued) = (false, None);
        let State { replicas, schedule, .. } = &*state;
        schedule.tell(|| {
            format!(
                "  pass of {}{}",
                replicas[who].identity,
                if deep { ", deep" } else { "" }
            )
        });
        let name = state.scenario.object(what);
        replicas[who].view.clients.get(&name)?.object.clone()
    };
    fork::steps(Pass::new(&process, object, deep), deep)
}

pub(super) fn process(shared: &Arc<Mutex<State>>, (who, what): (usize, usize), interruptible: bool) -> Process {
    let state = lock(shared);
    Process {
        state: shared.clone(),
        who,
        what,
        here: state.replicas[who].here.clone(),
        // The second installation and the clone are never interrupted: what they do in between is the fault of others.
        interruptible: interruptible && state.replicas[who].identity != "c",
        held_back: Mutex::new(None),
    }
}

/// A process starts again after a death, or the other replica goes on in its place.
pub(super) fn restart(state: &mut State, who: usize) {
    let cluster = state.replicas[who].cluster;
    state.replicas[who] = state.replicas[who].restarted(&state.provider);
    state.schedule.tell(|| "  a process starts".to_owned());
    let mut offered = vec![Choice::Well, Choice::OldList];
    if who < 2 {
        offered.push(Choice::OtherTakesOver);
    }
    let choice = if state.schedule.is_open() {
        state.schedule.choose("start", &offered)
    } else {
        Choice::Well
    };
    let mut now = who;
    if choice == Choice::OtherTakesOver {
        now = 1 - who;
        state.replicas[who].active = false;
        state.replicas[now].active = true;
        state.replicas[now].work[0].failures = 0;
    }
    let deep = compares(state);
    let State {
        clusters,
        replicas,
        before_step,
        ..
    } = state;
    let replica = &mut replicas[now];
    replica.view = if choice == Choice::OldList && cluster == 0 {
        let mut old = before_step.as_ref().clone();
        if replica.narrowed {
            old.clients.clear();
        }
        old
    } else {
        replica.what_is_to_see(&clusters[cluster])
    };
    replica.pull_all(Trigger { deep, anew: true });
}

/// Nothing is triggered: time passes until a timer rings or the sweeper finds something due. Whether it did.
fn wait(shared: &Arc<Mutex<State>>) -> bool {
    let mut sweeps = Vec::new();
    let mut timers = Vec::new();
    let replicas = lock(shared).replicas.len();
    for who in 0..replicas {
        let process = process(shared, (who, 0), false);
        let (records, looks, active, work, expiries) = {
            let state = lock(shared);
            let replica = &state.replicas[who];
            let records: Vec<_> = replica.sweepable().cloned().collect();
            let work = [0, 1].map(|what| replica.work[what].timer);
            let objects = 0..state.scenario.objects();
            let expiries = objects.map(|what| replica.expiry(&state.scenario.object(what), what));
            let expiries: Vec<_> = expiries.collect();
            (records, replica.looks.clone(), replica.active, work, expiries)
        };
        if active {
            let due = records.iter().filter_map(|meta| sweeper::due(&process, meta, &looks));
            sweeps.extend(due.min().map(|at| (at, who)));
            let work = work.into_iter().enumerate();
            timers.extend(work.filter_map(|(what, timer)| Some((timer?, who, what, None))));
            let expiries = expiries.into_iter().enumerate();
            timers.extend(
                expiries.filter_map(|(what, expiry)| expiry.map(|(at, version)| (at, who, what, Some(version)))),
            );
        }
    }
    let mut state = lock(shared);
    let clock = state.clock();
    let deleting = state.clusters.iter().flat_map(|cluster| cluster.clients.values());
    let deleting = deleting
        .into_iter()
        .any(|kept| kept.object.metadata.deletion_timestamp.is_some());
    // Two objects share the tries.
    let objects = u32::try_from(state.scenario.objects()).unwrap_or(1);
    let patience = objects * if deleting { DELETION_PATIENCE } else { STILL } + state.scenario.tries();
    // What fails again and again is at rest, although each try may write.
    if state.tries >= patience {
        return false;
    }
    let sweep_at = sweeps.into_iter().min();
    let timer_at = timers.into_iter().min();
    let sweep_in = sweep_at.map(|(at, _)| at.saturating_sub(clock));
    let timer_in = timer_at
        .as_ref()
        .map(|(at, ..)| Duration::from_secs(u64::try_from(at - state.now).unwrap_or_default()));
    match (sweep_in, timer_in) {
        (None, None) => false,
        (Some(wait), timer) if timer.is_none_or(|timer| wait <= timer) => {
            state.now += seconds(wait);
            state.tries += 1;
            drop(state);
            sweep(shared, sweep_at.map_or(0, |(_, who)| who));
            true
        }
        (_, wait) => {
            state.now += seconds(wait.unwrap_or_default());
            let (who, what, expired) = timer_at.map_or((0, 0, None), |(_, who, what, expired)| (who, what, expired));
            let due = &mut state.replicas[who].work[what];
            due.timer = None;
            due.expired = expired.or(due.expired.take());
            state.tries += 1;
            drop(state);
            work(shared, who, what);
            true
        }
    }
}

/// All is at rest: the user's next step, or the end.
fn rest(state: &mut State) {
    if state.steps_left() > 0 {
        act(state);
        return;
    }
    if state.end == End::Open {
        state.unfinished = oracle::unfinished(state);
        // What the lost trigger would have begun begins now.
        if state.schedule.took(Choice::LoseTrigger) {
            state.tries = 0;
        }
    }
    let writes = state.writes();
    state.end = match state.end {
        End::Open => End::Resync,
        End::Resync => End::Rest(writes),
        End::Rest(before) | End::Over(before) => End::Over(writes - before),
    };
    if let End::Over(_) = state.end {
        return;
    }
    state.schedule.calm = true;
    state.schedule.tell(|| "  everything is looked at again".to_owned());
    for replica in state.replicas.iter_mut().filter(|replica| replica.active) {
        replica.pull_all(Trigger {
            deep: true,
            anew: false,
        });
    }
}

/// The user's next step.
pub(super) fn act(state: &mut State) -> Step {
    let step = state.scenario.steps[state.steps];
    state.steps += 1;
    state.tries = 0;
    state.schedule.tell(|| format!("  user: {step:?}"));
    state.before_step = Arc::new(View::of(&state.clusters[0]));
    // The replica that does not lead knows the world as it is before the step.
    for who in 0..2 {
        if !state.replicas[who].active {
            let view = state.replicas[who].what_is_to_see(&state.clusters[0]);
            state.replicas[who].view = view;
        }
    }
    state.causes += usize::from(matches!(step, Step::WipeStatus | Step::LoseProvider | Step::LoseFirst));
    if step == Step::DeleteSecret {
        see_in_passing(state);
    }
    steps::act(step, state);
    step
}

/// A Secret that a watch has yet to see and that is deleted now comes and goes in two events: the view ends as it was, and
/// the object is triggered all the same.
fn see_in_passing(state: &mut State) {
    let name = scenario::name();
    if !state.clusters[0].secrets.contains_key(&name) {
        return;
    }
    let unseen = state.replicas.iter_mut().filter(|replica| replica.active);
    for replica in unseen.filter(|replica| !replica.view.secrets.contains_key(&name)) {
        let trigger = Trigger {
            deep: false,
            anew: false,
        };
        replica.pull(0, trigger);
    }
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis().div_ceil(1000))
        .unwrap_or_default()
        .max(1)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
