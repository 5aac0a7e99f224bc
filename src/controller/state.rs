//! What the admin port tells.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::admin::AdminState;
use crate::api::ProviderKind;
use crate::cluster::{DefinitionsState, Watches};
use crate::domain::breaker::BreakerKind;
use crate::domain::leftover::{self, Kind};
use crate::metrics::{Census, Leftovers, Metrics, Permitted, Pool, Snapshot};
use crate::telemetry;

use super::context::Context;

/// What the admin port tells.
pub(super) struct State {
    pub watches: Watches,
    pub definitions: DefinitionsState,
    pub metrics: Arc<Metrics>,
    /// Once there is one: the cluster's identity is found out before.
    pub context: OnceLock<Arc<Context>>,
}

impl State {
    /// What is counted once in a cluster, by what the watches show: by the leader, when all of them have listed. Every record looks
    /// unmatched before.
    fn census(&self) -> Option<Census> {
        let leads = self.context.get().is_some_and(|cx| cx.leadership.leads());
        (leads && self.watches.health.is_open()).then(|| Census {
            clients: self.watches.clients.census(),
            providers: self.watches.providers.census(),
            secret_expiries: self.secret_expiries(),
            tokens: self.watches.providers.tokens(),
            token_expiries: self.watches.providers.token_expiries(),
            leftovers: self.leftovers(),
        })
    }

    fn secret_expiries(&self) -> BTreeMap<ProviderKind, i64> {
        let now = self.context.get().map(|cx| cx.clock.now());
        now.map(|now| self.watches.clients.soonest_expiries(now))
            .unwrap_or_default()
    }

    fn leftovers(&self) -> Leftovers {
        let mut left = Leftovers::default();
        for meta in self.watches.secrets.records_and_suspects() {
            let uid = meta.client_uid.as_deref().unwrap_or_default();
            let found = leftover::kind(meta.held(), meta.phase, || self.watches.clients.by_uid(uid).is_some());
            match found {
                Some(Kind::Suspect) if meta.phase.is_some() => left.suspects_with_record += 1,
                Some(Kind::Suspect) => left.suspects_without_record += 1,
                Some(Kind::Left) => left.left_clients += 1,
                Some(Kind::Tombstone) => left.tombstones += 1,
                Some(Kind::Unmatched) => left.unmatched += 1,
                None => {}
            }
        }
        left
    }
}

impl Context {
    /// What is looked up of the process itself.
    fn snapshot(&self) -> Snapshot {
        let pools = [(Pool::Provider, &self.permits), (Pool::ApiServer, &self.turns)];
        let permits = pools.map(|(pool, permits)| {
            let (in_use, waiting) = permits.counts();
            [
                ((pool, Permitted::InUse), in_use),
                ((pool, Permitted::Waiting), waiting),
            ]
        });
        Snapshot {
            leads: self.leadership.leads(),
            work: self.queue.counts(),
            permits: permits.into_iter().flatten().collect::<BTreeMap<_, _>>(),
            unknown_outcome_breakers: self.breakers.open(BreakerKind::UnknownOutcome),
            recreation_breakers: self.breakers.open(BreakerKind::Recreation),
            pauses: self.pauses.count(),
            ..Snapshot::default()
        }
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
        let process = self.context.get().map(|cx| cx.snapshot());
        self.metrics.encode(&Snapshot {
            failing_watches: self.watches.health.failing(),
            watch_ages: self.watches.health.ages(),
            census: self.census(),
            ..process.unwrap_or_default()
        })
    }

    fn log_level(&self) -> String {
        telemetry::filter()
    }

    fn set_log_level(&self, level: &str) -> Result<(), String> {
        telemetry::set_level(level).map_err(|error| error.to_string())
    }
}
