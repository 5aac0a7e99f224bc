//! What the operator counts, in OpenMetrics text. Label values are closed lists: nothing that a user names becomes one.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::domain::failure::Class;

/// How a pass over one object ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Outcome {
    /// There was nothing more to do.
    Settled,
    /// [`Class::Invalid`].
    Invalid,
    /// [`Class::Denied`].
    Denied,
    /// [`Class::Transient`].
    Transient,
    /// [`Class::Conflict`].
    Conflict,
    /// [`Class::Ambiguous`].
    Ambiguous,
    /// [`Class::Bug`].
    Bug,
}

impl From<Class> for Outcome {
    fn from(class: Class) -> Self {
        match class {
            Class::Invalid => Self::Invalid,
            Class::Denied => Self::Denied,
            Class::Transient => Self::Transient,
            Class::Conflict => Self::Conflict,
            Class::Ambiguous => Self::Ambiguous,
            Class::Bug => Self::Bug,
        }
    }
}

/// What a provider is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Operation {
    /// Registration (RFC 7591).
    Register,
    /// Read of a client (RFC 7592).
    Read,
    /// Look through the clients for one whose answer was lost.
    Find,
    /// Question to the token endpoint whether it knows a client.
    Probe,
    /// Change of a client (RFC 7592).
    Update,
    /// Deletion of a client (RFC 7592).
    Delete,
}

/// How a provider answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Answer {
    /// As hoped.
    Success,
    /// With a status below 500 that is no success.
    Refused,
    /// With a status of 500 or above.
    Failed,
    /// Not at all, or not understandably.
    None,
}

impl Answer {
    /// The answer of a call by its HTTP status; `None`: there was none, or it was not understood.
    #[must_use]
    pub const fn of(status: Option<u16>) -> Self {
        match status {
            Some(200..=299) => Self::Success,
            Some(500..) => Self::Failed,
            Some(_) => Self::Refused,
            None => Self::None,
        }
    }
}

/// What is done to an object of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Verb {
    /// POST.
    Create,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
}

/// What is written in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Written {
    /// Finalizer and journal of an `OAuthClient`.
    Object,
    /// Status of one of the operator's kinds.
    Status,
    /// A Secret.
    Secret,
    /// An event.
    Event,
}

/// A kind of object that is watched. Secrets are watched by two labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelValue)]
pub enum Watched {
    /// `OAuthClient`.
    OAuthClient,
    /// `OAuthProvider`.
    OAuthProvider,
    /// `ClusterOAuthProvider`.
    ClusterOAuthProvider,
    /// Namespace.
    Namespace,
    /// Secrets that the operator wrote.
    Secret,
    /// Secrets that may be used as a provider's credentials.
    ProviderCredentials,
}

/// How the sweeper settled a suspect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum SuspectResult {
    /// Its client is deregistered.
    Deregistered,
    /// The record of an `OAuthClient` uses its client.
    InUse,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: Operation,
    result: Answer,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabel {
    operation: Operation,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    verb: Verb,
    kind: Written,
    success: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReadyLabel {
    ready: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: Watched,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RecordLabel {
    record: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SuspectLabel {
    result: SuspectResult,
}

type Durations<L> = Family<L, Histogram, fn() -> Histogram>;

/// Every metric of the operator.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: Family<OutcomeLabel, Counter>,
    reconcile_seconds: Histogram,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Durations<OperationLabel>,
    writes: Family<WriteLabels, Counter>,
    clients: Family<ReadyLabel, Gauge>,
    suspects: Family<RecordLabel, Gauge>,
    suspects_settled: Family<SuspectLabel, Counter>,
    tombstones: Gauge,
    unmatched_records: Gauge,
    watch_errors: Family<KindLabel, Counter>,
    failing_watches: Gauge,
    watch_ages: Family<KindLabel, Gauge<f64, AtomicU64>>,
    leader: Gauge,
}

/// Values that are looked up when they are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Number of `OAuthClient` objects with the condition Ready.
    pub ready: usize,
    /// Number of all others.
    pub not_ready: usize,
    /// What outlived its object.
    pub leftovers: Leftovers,
    /// Number of watches whose last word was an error.
    pub failing_watches: usize,
    /// For each kind, how long the watch that heard nothing for longest has heard nothing.
    pub watch_ages: BTreeMap<Watched, Duration>,
    /// Whether this process leads.
    pub leads: bool,
}

/// How many records and suspects outlived their object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Suspects that hold a record, so that the sweeper can try to deregister their client.
    pub suspects_with_record: usize,
    /// Suspects that only a person can settle.
    pub suspects_without_record: usize,
    /// Records of deletions that outlived their object.
    pub tombstones: usize,
    /// Records of clients that are registered, and whose object is not seen.
    pub unmatched: usize,
}

fn call_durations() -> Histogram {
    Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("oauth_client_operator"),
            reconciles: Family::default(),
            reconcile_seconds: call_durations(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(call_durations),
            writes: Family::default(),
            clients: Family::default(),
            suspects: Family::default(),
            suspects_settled: Family::default(),
            tombstones: Gauge::default(),
            unmatched_records: Gauge::default(),
            watch_errors: Family::default(),
            failing_watches: Gauge::default(),
            watch_ages: Family::default(),
            leader: Gauge::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "reconcile",
            "Passes over one object, by how they ended",
            self.reconciles.clone(),
        );
        registry.register(
            "reconcile_duration_seconds",
            "Duration of passes over one object",
            self.reconcile_seconds.clone(),
        );
        registry.register("provider_requests", "Calls to providers", self.requests.clone());
        registry.register(
            "provider_request_duration_seconds",
            "Duration of calls to providers",
            self.request_seconds.clone(),
        );
        registry.register(
            "kubernetes_writes",
            "Writes to the API server, dry runs not counted",
            self.writes.clone(),
        );
        registry.register(
            "clients",
            "OAuthClient objects, by their condition Ready",
            self.clients.clone(),
        );
        registry.register(
            "suspects",
            "Clients that may exist at a provider and that nothing owns, by whether a record is kept with which they can be deregistered",
            self.suspects.clone(),
        );
        registry.register(
            "suspects_settled",
            "Suspects that the operator removed, by what became of their client",
            self.suspects_settled.clone(),
        );
        registry.register(
            "tombstones",
            "Records of clients whose deletion outlived their OAuthClient and is not finished",
            self.tombstones.clone(),
        );
        registry.register(
            "unmatched_records",
            "Records of registered clients whose OAuthClient is not seen",
            self.unmatched_records.clone(),
        );
        registry.register(
            "watch_errors",
            "Failed lists and watches, and objects that do not decode",
            self.watch_errors.clone(),
        );
        registry.register(
            "failing_watches",
            "Watches whose last word was an error",
            self.failing_watches.clone(),
        );
        registry.register(
            "watch_last_event_age_seconds",
            "Time since the API server last said anything on a watch, bookmarks included; the longest of a kind",
            self.watch_ages.clone(),
        );
        registry.register(
            "leader",
            "1 if this process leads, so that it may begin something",
            self.leader.clone(),
        );
        registry.register(
            "build",
            "Version of the operator",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
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
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.clients
            .get_or_create(&ReadyLabel { ready: true })
            .set(number(snapshot.ready));
        self.clients
            .get_or_create(&ReadyLabel { ready: false })
            .set(number(snapshot.not_ready));
        let left = &snapshot.leftovers;
        for (record, count) in [(true, left.suspects_with_record), (false, left.suspects_without_record)] {
            self.suspects.get_or_create(&RecordLabel { record }).set(number(count));
        }
        self.tombstones.set(number(left.tombstones));
        self.unmatched_records.set(number(left.unmatched));
        self.failing_watches.set(number(snapshot.failing_watches));
        for (&kind, age) in &snapshot.watch_ages {
            self.watch_ages
                .get_or_create(&KindLabel { kind })
                .set(age.as_secs_f64());
        }
        self.leader.set(i64::from(snapshot.leads));
        let mut out = String::new();
        // Writing to a string cannot fail, and half an answer is better than none.
        let _ = text::encode(&mut out, &self.registry);
        out
    }
}

#[cfg(test)]
mod tests;
