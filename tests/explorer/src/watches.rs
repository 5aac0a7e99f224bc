//! What the watches of a process show it, and when.

use std::sync::{Arc, Mutex};

use super::replica::Trigger;
use super::run::{lock, work};
use super::schedule::Choice;
use super::state::State;
use super::sweep::sweep;

/// The watches of a process catch up, or do not; whether a pass was made that did not wait for that.
pub(super) fn catch_up(shared: &Arc<Mutex<State>>, who: usize) -> bool {
    let mut state = lock(shared);
    if !state.replicas[who].active {
        return false;
    }
    if state.replicas[who].lag > 0 {
        state.replicas[who].lag -= 1;
        drop(state);
        work_on_all(shared, who);
        return true;
    }
    let cluster = state.replicas[who].cluster;
    let (objects, secrets) = {
        let State { clusters, replicas, .. } = &*state;
        replicas[who].is_behind(&clusters[cluster])
    };
    if !objects && !secrets {
        return false;
    }
    let mut offered = vec![
        Choice::Well,
        Choice::LoseTrigger,
        Choice::TriggerTwice,
        Choice::StaleForLong,
    ];
    offered.extend(objects.then_some(Choice::StaleObjects));
    offered.extend(secrets.then_some(Choice::StaleSecrets));
    offered.extend(state.replicas[who].sweepable().next().map(|_| Choice::SweepFirst));
    let choice = if state.schedule.is_open() {
        state.schedule.choose("watch", &offered)
    } else {
        Choice::Well
    };
    let see = |state: &mut State, objects, secrets| {
        let State {
            clusters,
            replicas,
            scenario,
            ..
        } = state;
        let triggers = replicas[who].see(&clusters[cluster], scenario, objects, secrets);
        for (what, trigger) in triggers.into_iter().enumerate() {
            if let Some(trigger) = trigger.filter(|_| choice != Choice::LoseTrigger) {
                replicas[who].pull(what, trigger);
            }
        }
    };
    let late = match choice {
        Choice::StaleForLong => {
            state.replicas[who].lag = 2;
            true
        }
        Choice::StaleObjects => {
            see(&mut state, false, true);
            true
        }
        Choice::StaleSecrets => {
            see(&mut state, true, false);
            true
        }
        Choice::SweepFirst => {
            see(&mut state, true, true);
            drop(state);
            sweep(shared, who);
            return true;
        }
        _ => {
            see(&mut state, true, true);
            false
        }
    };
    let triggered = state.replicas[who].work.iter().position(|work| work.trigger.is_some());
    let twice = triggered.filter(|_| choice == Choice::TriggerTwice);
    drop(state);
    if late {
        work_on_all(shared, who);
    }
    if let Some(what) = twice {
        work(shared, who, what);
        let trigger = Trigger {
            deep: false,
            anew: false,
        };
        let mut state = lock(shared);
        state.replicas[who].pull(what, trigger);
        // The pass was not the last thing of this turn.
        state.forks.clear();
    }
    late || twice.is_some()
}

/// Passes over all objects, whether anything triggers them or not.
fn work_on_all(shared: &Arc<Mutex<State>>, who: usize) {
    let objects = lock(shared).scenario.objects();
    for what in 0..objects {
        work(shared, who, what);
        if what + 1 < objects {
            // The pass was not the last thing of this turn.
            lock(shared).forks.clear();
        }
    }
}
