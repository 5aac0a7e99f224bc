//! The middle of a pass, where runs part: what lies before is the same for all of them, and is not done again for each.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use k8s_openapi::api::core::v1::Secret;

use oauth_client_operator::controller::Pass;
use oauth_client_operator::domain::pass::End;

use super::process::{Process, drive};
use super::run::{lock, process};
use super::scenario;
use super::schedule::Schedule;
use super::state::State;

/// A world for passes that wait in a fork. Nothing happens in it.
static NOWHERE: LazyLock<Process> = LazyLock::new(|| {
    let state = State::new(&scenario::ALL[0], Schedule::default(), None);
    process(&Arc::new(Mutex::new(state)), (0, 0), false)
});

/// All that there is before a step of a pass that is the last thing of its turn.
pub(super) struct Fork {
    pub state: State,
    pub who: usize,
    pub what: usize,
    pub deep: bool,
    pass: Pass<'static, Process>,
    held_back: Option<Secret>,
}

impl Fork {
    fn before_step(state: &State, process: &Process, pass: &Pass<'_, Process>, deep: bool) -> Self {
        let held_back = process.held_back.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            state: State {
                forks: Vec::new(),
                ..state.clone()
            },
            who: process.who,
            what: process.what,
            deep,
            pass: moved(pass, &NOWHERE, None),
            held_back: held_back.clone(),
        }
    }

    /// Number of the next point of the run.
    pub(super) fn at(&self) -> usize {
        self.state.schedule.taken.len()
    }

    /// The rest of the pass, in a state that goes on from that of this fork.
    pub(super) fn go_on(&self, shared: &Arc<Mutex<State>>) -> Option<End> {
        let process = process(shared, (self.who, self.what), true);
        process
            .held_back
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone_from(&self.held_back);
        steps(moved(&self.pass, &process, Some(shared)), self.deep)
    }
}

/// Runs a pass to its end, and leaves a fork before each of its steps from which a run with a further fault may begin. `None`:
/// the process died in it.
pub(super) fn steps(mut pass: Pass<'_, Process>, deep: bool) -> Option<End> {
    let (process, ..) = pass.held();
    loop {
        {
            let mut state = lock(&process.state);
            if state.schedule.may_part() {
                let fork = Fork::before_step(&state, process, &pass, deep);
                state.forks.push(Arc::new(fork));
            }
        }
        if let Some(end) = drive(pass.step())? {
            return Some(end);
        }
    }
}

/// The same pass in another world, in which it holds what it held; nowhere, nothing is given back.
fn moved<'w>(pass: &Pass<'_, Process>, world: &'w Process, shared: Option<&Arc<Mutex<State>>>) -> Pass<'w, Process> {
    let (_, permit, claim) = pass.held();
    let claim = claim.map(|claim| claim.held_in(shared, world.who));
    pass.moved(world, permit.copied(), claim)
}
