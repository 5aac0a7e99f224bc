//! A turn of the sweeper.

use std::sync::{Arc, Mutex};

use oauth_client_operator::controller::sweeper;

use super::process::drive;
use super::run::{lock, process, restart, take_office};
use super::state::State;

/// The sweeper of a process looks at every record that is due.
pub(super) fn sweep(shared: &Arc<Mutex<State>>, who: usize) {
    let process = process(shared, (who, 0), true);
    let (records, mut looks, clock) = {
        let state = lock(shared);
        state
            .schedule
            .tell(|| format!("  sweeper of {}", state.replicas[who].identity));
        let records: Vec<_> = state.replicas[who].sweepable().cloned().collect();
        (records, state.replicas[who].looks.clone(), state.clock())
    };
    looks.retain(|name, _| records.iter().any(|meta| *meta.name == **name));
    for meta in records {
        if sweeper::due(&process, &meta, &looks).is_some_and(|at| at <= clock) {
            let done = drive(sweeper::sweep(&process, &meta, &mut looks, clock, 1.0));
            let Some(settled) = done else {
                restart(&mut lock(shared), who);
                return;
            };
            if settled.is_some() {
                // The status of its object names one suspect less.
                lock(shared).replicas[who].pull_owner(&meta);
            }
        }
    }
    let mut state = lock(shared);
    state.replicas[who].looks = looks;
    take_office(&mut state, who);
}
