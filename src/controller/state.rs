//! What the admin port tells.

use std::sync::{Arc, OnceLock};

use crate::admin::AdminState;
use crate::cluster::{DefinitionsState, Leadership, Role, Watches};
use crate::domain::leftover::{self, Kind};
use crate::metrics::{Leftovers, Metrics, Snapshot};

/// What the admin port tells.
pub(super) struct State {
    pub watches: Watches,
    pub definitions: DefinitionsState,
    pub metrics: Arc<Metrics>,
    /// Once there is one: the cluster's identity is found out before.
    pub leadership: OnceLock<Leadership>,
}

impl State {
    /// What outlived its object, by what the watches show. Until all of them have listed, every record looks unmatched.
    fn leftovers(&self) -> Leftovers {
        let mut left = Leftovers::default();
        if !self.watches.health.is_open() {
            return left;
        }
        for meta in self.watches.secrets.records_and_suspects() {
            let uid = meta.client_uid.as_deref().unwrap_or_default();
            let found = leftover::kind(meta.role == Role::Suspect, meta.phase, || {
                self.watches.clients.by_uid(uid).is_some()
            });
            match found {
                Some(Kind::Suspect) if meta.phase.is_some() => left.suspects_with_record += 1,
                Some(Kind::Suspect) => left.suspects_without_record += 1,
                Some(Kind::Tombstone) => left.tombstones += 1,
                Some(Kind::Unmatched) => left.unmatched += 1,
                None => {}
            }
        }
        left
    }
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
            leftovers: self.leftovers(),
            failing_watches: self.watches.health.failing(),
            watch_ages: self.watches.health.ages(),
            leads: self.leadership.get().is_some_and(Leadership::leads),
        })
    }
}
