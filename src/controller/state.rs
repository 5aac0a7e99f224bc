//! What the admin port tells.

use std::sync::{Arc, OnceLock};

use crate::admin::AdminState;
use crate::cluster::{DefinitionsState, Leadership, Watches};
use crate::metrics::{Metrics, Snapshot};

/// What the admin port tells.
pub(super) struct State {
    pub watches: Watches,
    pub definitions: DefinitionsState,
    pub metrics: Arc<Metrics>,
    /// Once there is one: the cluster's identity is found out before.
    pub leadership: OnceLock<Leadership>,
}

impl AdminState for State {
    fn ready(&self) -> Result<(), String> {
        let definitions = self.definitions.ready();
        if let Err(Some(problem)) = definitions {
            return Err(problem);
        }
        self.watches.health.ready()?;
        definitions.map_err(|_| "the CRDs have not been checked yet".to_owned())
    }

    fn alive(&self) -> Result<(), String> {
        self.watches.health.alive()
    }

    fn metrics(&self) -> String {
        let (all, ready) = self.watches.clients.counts();
        self.metrics.encode(&Snapshot {
            ready,
            not_ready: all - ready,
            suspects: self.watches.secrets.all_suspects_len(),
            failing_watches: self.watches.health.failing(),
            watch_ages: self.watches.health.ages(),
            leads: self.leadership.get().is_some_and(Leadership::leads),
        })
    }
}
