//! Another process of the operator acts in the middle of this one's effects.

use super::process::Process;
use super::run::{compares, lock, one_pass, settle};
use super::schedule::Choice;
use super::state::State;

/// Time for which a paused leader is away: longer than its lease, and than any attempt that it began is waited for.
const PAUSE: i64 = 120;
/// Passes that the other leader makes meanwhile, at most.
const PASSES_IN_PAUSE: usize = 12;

/// Another process of the operator acts in the middle of this one's effects.
pub(super) fn interrupt(process: &Process, choice: Choice) {
    let shared = &process.state;
    let other = match choice {
        Choice::OtherInstallation => 2,
        _ => 1 - process.who,
    };
    let (objects, deep) = {
        let state = lock(shared);
        (state.scenario.objects(), compares(&state))
    };
    let calm = std::mem::replace(&mut lock(shared).schedule.calm, true);
    match choice {
        Choice::OtherLeaderStale => {
            for what in 0..objects {
                let end = one_pass(shared, (other, what), deep, false);
                settle(&mut lock(shared), (other, what), end.as_ref());
            }
        }
        Choice::OtherObject => {
            let both = (process.who, 1 - process.what);
            let end = one_pass(shared, both, false, false);
            settle(&mut lock(shared), both, end.as_ref());
        }
        Choice::Paused => {
            // It sees the attempt of the one that stops before the lease runs out.
            catch_up(&mut lock(shared), other);
            for round in 0..PASSES_IN_PAUSE {
                let mut timer = None;
                for what in 0..objects {
                    let end = one_pass(shared, (other, what), deep, false);
                    let mut state = lock(shared);
                    settle(&mut state, (other, what), end.as_ref());
                    timer = timer.max(state.replicas[other].work[what].timer.take());
                }
                let mut state = lock(shared);
                let wait = if round == 0 { PAUSE } else { 0 };
                state.now = (state.now + wait).max(timer.unwrap_or_default());
                let seen = catch_up(&mut state, other);
                if round > 0 && timer.is_none() && !seen {
                    break;
                }
            }
            lock(shared).replicas[process.who].leads = false;
        }
        _ => {
            catch_up(&mut lock(shared), other);
            for what in 0..objects {
                let end = one_pass(shared, (other, what), deep, false);
                settle(&mut lock(shared), (other, what), end.as_ref());
            }
        }
    }
    let mut state = lock(shared);
    state.schedule.calm = calm;
    if !state.replicas[other].active {
        for work in &mut state.replicas[other].work {
            work.timer = None;
        }
    }
}

/// The watches of a process catch up without a trigger; whether there was anything to see.
fn catch_up(state: &mut State, who: usize) -> bool {
    let now = state.now;
    let State {
        clusters,
        replicas,
        scenario,
        ..
    } = state;
    let cluster = &mut clusters[replicas[who].cluster];
    cluster.collect();
    cluster.terminate(now);
    let triggers = replicas[who].see(cluster, scenario, true, true);
    triggers.iter().any(Option::is_some)
}
