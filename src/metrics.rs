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
    suspects: Gauge,
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
    /// Number of suspect entries.
    pub suspects: usize,
    /// Number of watches whose last word was an error.
    pub failing_watches: usize,
    /// For each kind, how long the watch that heard nothing for longest has heard nothing.
    pub watch_ages: BTreeMap<Watched, Duration>,
    /// Whether this process leads.
    pub leads: bool,
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
            suspects: Gauge::default(),
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
            "Clients that may exist at a provider and that nothing owns",
            self.suspects.clone(),
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
        self.suspects.set(number(snapshot.suspects));
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
mod tests {
    use super::*;

    #[test]
    fn names_and_labels_are_what_dashboards_expect() {
        let metrics = Metrics::default();
        metrics.reconciled(Outcome::Settled, Duration::from_millis(3));
        metrics.requested(Operation::Register, Answer::of(Some(201)), Duration::from_millis(7));
        metrics.write(Verb::Patch, Written::Status, true);
        metrics.watch_failed(Watched::Secret);
        let text = metrics.encode(&Snapshot {
            ready: 2,
            not_ready: 1,
            suspects: 4,
            failing_watches: 1,
            watch_ages: BTreeMap::from([(Watched::Secret, Duration::from_millis(2500))]),
            leads: true,
        });
        for line in [
            r#"oauth_client_operator_reconcile_total{outcome="Settled"} 1"#,
            "oauth_client_operator_reconcile_duration_seconds_count 1",
            r#"oauth_client_operator_provider_requests_total{operation="Register",result="Success"} 1"#,
            r#"oauth_client_operator_provider_request_duration_seconds_count{operation="Register"} 1"#,
            r#"oauth_client_operator_kubernetes_writes_total{verb="Patch",kind="Status",success="true"} 1"#,
            r#"oauth_client_operator_clients{ready="true"} 2"#,
            r#"oauth_client_operator_clients{ready="false"} 1"#,
            "oauth_client_operator_suspects 4",
            r#"oauth_client_operator_watch_errors_total{kind="Secret"} 1"#,
            "oauth_client_operator_failing_watches 1",
            r#"oauth_client_operator_watch_last_event_age_seconds{kind="Secret"} 2.5"#,
            "oauth_client_operator_leader 1",
            concat!(
                r#"oauth_client_operator_build_info{version=""#,
                env!("CARGO_PKG_VERSION"),
                r#""} 1"#
            ),
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
        }
    }

    #[test]
    fn answers_are_sorted_by_status() {
        assert_eq!(Answer::of(Some(204)), Answer::Success);
        assert_eq!(Answer::of(Some(302)), Answer::Refused);
        assert_eq!(Answer::of(Some(401)), Answer::Refused);
        assert_eq!(Answer::of(Some(503)), Answer::Failed);
        assert_eq!(Answer::of(None), Answer::None);
    }
}
