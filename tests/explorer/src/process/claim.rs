//! Claims to clients: dropping one gives it up.

use std::sync::{Arc, Mutex, PoisonError};

use super::super::state::State;
use super::Process;

/// A claim to a client.
pub(crate) struct Held {
    pub(super) client: String,
    pub(super) at: Option<(Arc<Mutex<State>>, usize)>,
}

impl Held {
    /// The same claim, held by a process of this world; nowhere, nothing is given back.
    pub(crate) fn held_in(&self, shared: Option<&Arc<Mutex<State>>>, who: usize) -> Self {
        Self {
            client: self.client.clone(),
            at: shared.map(|shared| (shared.clone(), who)),
        }
    }
}

impl Process {
    /// Claims a client, unless another pass of the process has.
    pub(super) fn claimed(&self, client: &str) -> Option<Held> {
        let alone = self.state().scenario.objects() == 1;
        let free = alone || self.me(|replica| replica.claims.insert(client.to_owned()));
        free.then(|| Held {
            client: client.to_owned(),
            at: (!alone).then(|| (self.state.clone(), self.who)),
        })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some((shared, who)) = &self.at {
            let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
            state.replicas[*who].claims.remove(&self.client);
        }
    }
}
