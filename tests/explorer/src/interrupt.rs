//! Another process of the operator acts in the middle of this one's effects.

use super::process::Process;
use super::run::{lock, one_pass, settle};
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
    let calm = std::mem::replace(&mut lock(shared).schedule.calm, true);
    match choice {
        Choice::OtherLeaderStale => {
            let end = one_pass(shared, other, false, false);
            settle(&mut lock(shared), other, end.as_ref());
        }
        Choice::Paused => {
            // It sees the attempt of the one that stops before the lease runs out.
            catch_up(&mut lock(shared), other);
            for round in 0..PASSES_IN_PAUSE {
                let end = one_pass(shared, other, false, false);
                let mut state = lock(shared);
                settle(&mut state, other, end.as_ref());
                if round == 0 {
                    state.now += PAUSE;
                }
                let timer = state.replicas[other].timer.take();
                state.now = state.now.max(timer.unwrap_or_default());
                let seen = catch_up(&mut state, other);
                if round > 0 && timer.is_none() && !seen {
                    break;
                }
            }
            lock(shared).replicas[process.who].leads = false;
        }
        _ => {
            catch_up(&mut lock(shared), other);
            let end = one_pass(shared, other, false, false);
            settle(&mut lock(shared), other, end.as_ref());
        }
    }
    let mut state = lock(shared);
    state.schedule.calm = calm;
    if !state.replicas[other].active {
        state.replicas[other].timer = None;
    }
}

/// The watches of a process catch up without a trigger; whether there was anything to see.
fn catch_up(state: &mut State, who: usize) -> bool {
    let now = state.now;
    let State { clusters, replicas, .. } = state;
    let cluster = &mut clusters[replicas[who].cluster];
    cluster.collect();
    cluster.terminate(now);
    replicas[who].see(cluster, true, true).is_some()
}
