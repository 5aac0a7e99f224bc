//! What the operator counts, in OpenMetrics text.

mod definitions;
mod labels;
mod process;
mod snapshot;

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit as RegisteredUnit};

use crate::api::{ProviderKind, Reason, TokenState};

pub use definitions::{DEFINITIONS, Definition, Kind, Scope, Unit};
pub use labels::{
    Answer, Change, Label, Operation, Outcome, Permitted, Pool, ReasonLabel, SuspectResult, Values, Verb, Watched,
    Work, Written,
};
pub use snapshot::{Census, Leftovers, Snapshot};

use definitions as define;
use labels::{
    BreakerLabel, BreakerLabels, ChangeLabel, ClientLabels, KindLabel, KindOfProviderLabel, OperationLabel,
    OutcomeLabel, PermitLabels, ProviderKindLabel, ProviderLabels, RecordLabel, RequestLabels, SuspectLabel,
    TokenLabel, TokenLabels, WorkLabel, WriteLabels,
};
use process::Process;

type Durations<L> = Family<L, Histogram, fn() -> Histogram>;

/// Where metrics are registered.
#[derive(Debug, Default)]
struct Registries {
    /// Of each process.
    replica: Registry,
    /// Of the leader alone.
    leader: Registry,
}

impl Registries {
    fn add(&mut self, definition: &Definition, metric: impl Metric) {
        let registry = match definition.scope {
            Scope::Replica => &mut self.replica,
            Scope::Leader => &mut self.leader,
        };
        let (name, help) = (definition.name, definition.help);
        let Some(unit) = definition.unit else {
            return registry.register(name, help, metric);
        };
        // The registry adds the unit to the name.
        let stem = name.trim_end_matches(unit.as_str()).trim_end_matches('_');
        let unit = match unit {
            Unit::Seconds => RegisteredUnit::Seconds,
            Unit::Bytes => RegisteredUnit::Bytes,
        };
        registry.register_with_unit(stem, help, unit, metric);
    }
}

/// Every metric of the operator.
#[derive(Debug)]
pub struct Metrics {
    registries: Registries,
    reconciles: Family<OutcomeLabel, Counter>,
    reconcile_seconds: Histogram,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Durations<OperationLabel>,
    changes: Family<ChangeLabel, Counter>,
    writes: Family<WriteLabels, Counter>,
    clients: Family<ClientLabels, Gauge>,
    providers: Family<ProviderLabels, Gauge>,
    secret_expiries: Family<KindOfProviderLabel, Gauge>,
    registration_tokens: Family<TokenLabels, Gauge>,
    token_expiries: Family<KindOfProviderLabel, Gauge>,
    suspects: Family<RecordLabel, Gauge>,
    suspects_settled: Family<SuspectLabel, Counter>,
    left_clients: Gauge,
    tombstones: Gauge,
    unmatched_records: Gauge,
    breakers: Family<BreakerLabels, Gauge>,
    pauses: Gauge,
    queue: Family<WorkLabel, Gauge>,
    queue_age: Family<WorkLabel, Gauge<f64, AtomicU64>>,
    permits: Family<PermitLabels, Gauge>,
    watch_errors: Family<KindLabel, Counter>,
    failing_watches: Gauge,
    watch_ages: Family<KindLabel, Gauge<f64, AtomicU64>>,
    leader: Gauge,
    process: Process,
}

fn call_durations() -> Histogram {
    Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registries: Registries::default(),
            reconciles: Family::default(),
            reconcile_seconds: call_durations(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(call_durations),
            changes: Family::default(),
            writes: Family::default(),
            clients: Family::default(),
            providers: Family::default(),
            secret_expiries: Family::default(),
            registration_tokens: Family::default(),
            token_expiries: Family::default(),
            suspects: Family::default(),
            suspects_settled: Family::default(),
            left_clients: Gauge::default(),
            tombstones: Gauge::default(),
            unmatched_records: Gauge::default(),
            breakers: Family::default(),
            pauses: Gauge::default(),
            queue: Family::default(),
            queue_age: Family::default(),
            permits: Family::default(),
            watch_errors: Family::default(),
            failing_watches: Gauge::default(),
            watch_ages: Family::default(),
            leader: Gauge::default(),
            process: Process::default(),
        };
        metrics.register();
        metrics.begin();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registries = &mut self.registries;
        registries.add(&define::CLIENTS, self.clients.clone());
        registries.add(&define::PROVIDERS, self.providers.clone());
        registries.add(&define::SECRET_EXPIRY, self.secret_expiries.clone());
        registries.add(&define::REGISTRATION_TOKENS, self.registration_tokens.clone());
        registries.add(&define::TOKEN_EXPIRY, self.token_expiries.clone());
        registries.add(&define::SUSPECTS, self.suspects.clone());
        registries.add(&define::LEFT_CLIENTS, self.left_clients.clone());
        registries.add(&define::TOMBSTONES, self.tombstones.clone());
        registries.add(&define::UNMATCHED, self.unmatched_records.clone());
        registries.add(&define::CHANGES, self.changes.clone());
        registries.add(&define::SUSPECTS_SETTLED, self.suspects_settled.clone());
        registries.add(&define::REQUESTS, self.requests.clone());
        registries.add(&define::REQUEST_SECONDS, self.request_seconds.clone());
        registries.add(&define::BREAKERS, self.breakers.clone());
        registries.add(&define::PAUSES, self.pauses.clone());
        registries.add(&define::RECONCILES, self.reconciles.clone());
        registries.add(&define::RECONCILE_SECONDS, self.reconcile_seconds.clone());
        registries.add(&define::QUEUE, self.queue.clone());
        registries.add(&define::QUEUE_AGE, self.queue_age.clone());
        registries.add(&define::PERMITS, self.permits.clone());
        registries.add(&define::WRITES, self.writes.clone());
        registries.add(&define::WATCH_ERRORS, self.watch_errors.clone());
        registries.add(&define::FAILING_WATCHES, self.failing_watches.clone());
        registries.add(&define::WATCH_AGE, self.watch_ages.clone());
        registries.add(&define::LEADER, self.leader.clone());
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registries.add(&define::BUILD, version);
        self.process.register(registries);
    }

    /// Counters begin at 0: the first increase of one that does not exist before would be seen by no query.
    fn begin(&self) {
        for &outcome in Outcome::ALL {
            let _ = self.reconciles.get_or_create(&OutcomeLabel { outcome });
        }
        for &operation in Operation::ALL {
            let _ = self.request_seconds.get_or_create(&OperationLabel { operation });
            for &result in Answer::ALL {
                let _ = self.requests.get_or_create(&RequestLabels { operation, result });
            }
        }
        for &change in Change::ALL {
            let _ = self.changes.get_or_create(&ChangeLabel { change });
        }
        for &result in SuspectResult::ALL {
            let _ = self.suspects_settled.get_or_create(&SuspectLabel { result });
        }
        for &kind in Watched::ALL {
            let _ = self.watch_errors.get_or_create(&KindLabel { kind });
        }
        for &kind in Written::ALL {
            let verbs: &[Verb] = match kind {
                Written::Secret => Verb::ALL,
                Written::Event => &[Verb::Create],
                Written::Object | Written::Status => &[Verb::Patch],
            };
            for (&verb, success) in verbs.iter().flat_map(|verb| [(verb, true), (verb, false)]) {
                let _ = self.writes.get_or_create(&WriteLabels { verb, kind, success });
            }
        }
    }

    /// Counts a pass over one object.
    pub fn reconciled(&self, outcome: Outcome, took: Duration) {
        self.reconciles.get_or_create(&OutcomeLabel { outcome }).inc();
        self.reconcile_seconds.observe(took.as_secs_f64());
    }

    /// Counts a call to a provider.
    pub fn requested(&self, operation: Operation, result: Answer, took: Duration) {
        self.requests.get_or_create(&RequestLabels { operation, result }).inc();
        let durations = self.request_seconds.get_or_create(&OperationLabel { operation });
        durations.observe(took.as_secs_f64());
    }

    /// Counts what a provider confirmed to have done.
    pub fn changed(&self, change: Change) {
        self.changes.get_or_create(&ChangeLabel { change }).inc();
    }

    /// Counts a write to the API server.
    pub fn write(&self, verb: Verb, kind: Written, success: bool) {
        self.writes.get_or_create(&WriteLabels { verb, kind, success }).inc();
    }

    /// Counts a failure of a watch.
    pub fn watch_failed(&self, kind: Watched) {
        self.watch_errors.get_or_create(&KindLabel { kind }).inc();
    }

    /// Counts a suspect that the sweeper settled.
    pub fn suspect_settled(&self, result: SuspectResult) {
        self.suspects_settled.get_or_create(&SuspectLabel { result }).inc();
    }

    /// Everything in OpenMetrics text, with the values of `snapshot`.
    #[must_use]
    pub fn encode(&self, snapshot: &Snapshot) -> String {
        self.look(snapshot);
        let mut out = String::new();
        // Writing to a string cannot fail, and half an answer is better than none.
        if let Some(census) = &snapshot.census {
            self.count(census);
            let _ = text::encode_registry(&mut out, &self.registries.leader);
        }
        let _ = text::encode_registry(&mut out, &self.registries.replica);
        let _ = text::encode_eof(&mut out);
        out
    }

    fn look(&self, snapshot: &Snapshot) {
        self.leader.set(i64::from(snapshot.leads));
        self.failing_watches.set(number(snapshot.failing_watches));
        for (&kind, age) in &snapshot.watch_ages {
            self.watch_ages
                .get_or_create(&KindLabel { kind })
                .set(age.as_secs_f64());
        }
        for &state in Work::ALL {
            let (count, oldest) = snapshot.work.get(&state).copied().unwrap_or_default();
            self.queue.get_or_create(&WorkLabel { state }).set(number(count));
            let age = self.queue_age.get_or_create(&WorkLabel { state });
            age.set(oldest.as_secs_f64());
        }
        for (&pool, &state) in Pool::ALL
            .iter()
            .flat_map(|pool| Permitted::ALL.iter().map(move |state| (pool, state)))
        {
            let count = snapshot.permits.get(&(pool, state)).copied().unwrap_or_default();
            let permits = self.permits.get_or_create(&PermitLabels { pool, state });
            permits.set(number(count));
        }
        let open = [snapshot.unknown_outcome_breakers, snapshot.recreation_breakers];
        for (counted, count) in BreakerLabel::ALL.into_iter().zip(open) {
            let cause = BreakerLabel(counted);
            self.breakers.get_or_create(&BreakerLabels { cause }).set(number(count));
        }
        self.pauses.set(number(snapshot.pauses));
        self.process.look();
    }

    fn count(&self, census: &Census) {
        // A combination that exists no more is not exported any more.
        self.clients.clear();
        self.providers.clear();
        self.secret_expiries.clear();
        let registered = ClientLabels {
            ready: true,
            reason: ReasonLabel(Some(Reason::Registered)),
        };
        self.clients.get_or_create(&registered).set(0);
        let discovered = ProviderLabels {
            kind: ProviderKindLabel(ProviderKind::OAuthProvider),
            ready: true,
            reason: ReasonLabel(Some(Reason::Discovered)),
        };
        self.providers.get_or_create(&discovered).set(0);
        for (&(ready, reason), &count) in &census.clients {
            let labels = ClientLabels { ready, reason };
            self.clients.get_or_create(&labels).set(number(count));
        }
        for (&(kind, ready, reason), &count) in &census.providers {
            let kind = ProviderKindLabel(kind);
            let labels = ProviderLabels { kind, ready, reason };
            self.providers.get_or_create(&labels).set(number(count));
        }
        for (&kind, &at) in &census.secret_expiries {
            let kind = ProviderKindLabel(kind);
            self.secret_expiries
                .get_or_create(&KindOfProviderLabel { kind })
                .set(at);
        }
        for state in TokenState::ALL {
            let count = census.tokens.get(&state).copied().unwrap_or_default();
            let labels = TokenLabels {
                state: TokenLabel(state),
            };
            self.registration_tokens.get_or_create(&labels).set(number(count));
        }
        self.token_expiries.clear();
        for (&kind, &at) in &census.token_expiries {
            let kind = ProviderKindLabel(kind);
            self.token_expiries.get_or_create(&KindOfProviderLabel { kind }).set(at);
        }
        let left = &census.leftovers;
        for (record, count) in [(true, left.suspects_with_record), (false, left.suspects_without_record)] {
            self.suspects.get_or_create(&RecordLabel { record }).set(number(count));
        }
        self.left_clients.set(number(left.left_clients));
        self.tombstones.set(number(left.tombstones));
        self.unmatched_records.set(number(left.unmatched));
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
