//! What each metric is: one definition, from which `/metrics` and `docs/metrics.md` come.

use super::labels::{
    Answer, BreakerLabel, Change, Label, Operation, Outcome, Permitted, Pool, ProviderKindLabel, ReasonLabel,
    SuspectResult, TokenLabel, Values, Verb, Watched, Work, Written,
};

/// The type of a metric, in the terms of OpenMetrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations in buckets.
    Histogram,
    /// Always 1; its labels tell something.
    Info,
}

/// The unit of a metric. It ends its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
}

/// Which replicas export a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Each one: it is about the process, so that sums over the replicas are right.
    Replica,
    /// The leader: it is about the objects of the cluster, which are counted once.
    Leader,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Name of the family, with the unit and without `_total`, `_info` or `_bucket`.
    pub name: &'static str,
    /// Type.
    pub kind: Kind,
    /// Unit.
    pub unit: Option<Unit>,
    /// Labels.
    pub labels: &'static [Label],
    /// Who exports it.
    pub scope: Scope,
    /// What it is, in one sentence without its full stop.
    pub help: &'static str,
}

impl Unit {
    /// How it is written in a name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
        }
    }
}

impl Kind {
    /// How OpenMetrics writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }
}

impl Definition {
    /// Names of its samples, as queries use them.
    #[must_use]
    pub fn samples(&self) -> Vec<String> {
        let suffixes: &[&str] = match self.kind {
            Kind::Counter => &["_total"],
            Kind::Gauge => &[""],
            Kind::Histogram => &["_bucket", "_sum", "_count"],
            Kind::Info => &["_info"],
        };
        suffixes.iter().map(|suffix| format!("{}{suffix}", self.name)).collect()
    }
}

const fn label(name: &'static str, values: fn() -> Vec<&'static str>) -> Label {
    Label {
        name,
        values: Values::Each(values),
    }
}

fn bools() -> Vec<&'static str> {
    vec!["false", "true"]
}

const READY: Label = label("ready", bools);
const REASON: Label = label("reason", ReasonLabel::names);
const WATCHED: Label = label("kind", Watched::names);
const STATE: Label = label("state", Work::names);
const OPERATION: Label = label("operation", Operation::names);

macro_rules! definitions {
    ($($constant:ident = $name:literal, $kind:ident, $unit:expr, $scope:ident, [$($label:expr),*], $help:literal;)+) => {
        $(
            pub(super) const $constant: Definition = Definition {
                name: $name,
                kind: Kind::$kind,
                unit: $unit,
                labels: &[$($label),*],
                scope: Scope::$scope,
                help: $help,
            };
        )+

        /// Every metric, in the order of the documentation.
        pub const DEFINITIONS: &[&Definition] = &[$(&$constant),+];
    };
}

definitions! {
    CLIENTS = "oauth_client_operator_clients", Gauge, None, Leader, [READY, REASON],
        "OAuthClients, by whether the condition Ready is True, and by its reason; a client that is Ready while a change is retried has the reason ProgressingWithRetry";
    PROVIDERS = "oauth_client_operator_providers", Gauge, None, Leader,
        [label("kind", ProviderKindLabel::names), READY, REASON],
        "Provider objects, by whether the condition Ready is True, and by its reason; a provider that is Ready while discovery is retried has the reason ProgressingWithRetry";
    SECRET_EXPIRY = "oauth_client_operator_client_secret_expiry_timestamp_seconds", Gauge, Some(Unit::Seconds), Leader,
        [label("kind", ProviderKindLabel::names)],
        "Time at which the next client secret expires, in seconds since the epoch, by the kind of its provider; absent where no secret expires. A client whose secret has expired is counted by the reason SecretExpired";
    REGISTRATION_TOKENS = "oauth_client_operator_registration_tokens", Gauge, None, Leader,
        [label("state", TokenLabel::names)],
        "Tokens of registrationAuth of provider objects: InUse, Spare, Refused (by the provider), Expired, Unusable (its Secret)";
    TOKEN_EXPIRY = "oauth_client_operator_registration_token_expiry_timestamp_seconds", Gauge, Some(Unit::Seconds), Leader,
        [label("kind", ProviderKindLabel::names)],
        "When the first provider object of this kind is left without a valid token for registrations, in seconds since the epoch; not exported if no expiry is known";
    SUSPECTS = "oauth_client_operator_suspects", Gauge, None, Leader, [label("record", bools)],
        "Clients that may exist at a provider and that nothing owns, by whether a record is kept with which they can be deregistered";
    LEFT_CLIENTS = "oauth_client_operator_left_clients", Gauge, None, Leader, [],
        "Clients that the deletion of their OAuthClient left at a provider that deregisters none";
    TOMBSTONES = "oauth_client_operator_tombstones", Gauge, None, Leader, [],
        "Records of clients whose deletion outlived their OAuthClient and is not finished";
    UNMATCHED = "oauth_client_operator_unmatched_records", Gauge, None, Leader, [],
        "Records of registered clients whose OAuthClient is not seen";
    CHANGES = "oauth_client_operator_client_changes", Counter, None, Replica, [label("change", Change::names)],
        "Registrations, updates and deregistrations that a provider confirmed";
    SUSPECTS_SETTLED = "oauth_client_operator_suspects_settled", Counter, None, Replica,
        [label("result", SuspectResult::names)],
        "Suspects that the operator removed, by what became of their client";
    REQUESTS = "oauth_client_operator_provider_requests", Counter, None, Replica,
        [OPERATION, label("result", Answer::names)],
        "Calls to providers, by operation and result: Success, Refused (a status below 500, or no access token for the operator), Failed (500 or above), None (no answer, or none that was understood), NotSent (the operator withheld the call: consent, address or issuer do not fit). A discovery counts once, however many documents it reads";
    REQUEST_SECONDS = "oauth_client_operator_provider_request_duration_seconds", Histogram, Some(Unit::Seconds), Replica,
        [OPERATION],
        "Duration of calls to providers";
    BREAKERS = "oauth_client_operator_provider_breakers_open", Gauge, None, Replica,
        [label("cause", BreakerLabel::names)],
        "Provider objects for which registrations are paused in at least one namespace, because of repeated registrations with an unknown outcome or repeated registrations of lost clients";
    PAUSES = "oauth_client_operator_provider_pauses", Gauge, None, Replica, [],
        "Provider objects that are not called for a while, because the provider asked for a pause (Retry-After)";
    RECONCILES = "oauth_client_operator_reconcile", Counter, None, Replica, [label("outcome", Outcome::names)],
        "Reconciles of one OAuthClient, by how they ended";
    RECONCILE_SECONDS = "oauth_client_operator_reconcile_duration_seconds", Histogram, Some(Unit::Seconds), Replica, [],
        "Duration of reconciles of one OAuthClient";
    QUEUE = "oauth_client_operator_queue_depth", Gauge, None, Replica, [STATE],
        "OAuthClients that are not at rest: Queued (before the reconcile), Running (during it), Waiting (for a permit to call the provider), Backoff (before the next try)";
    QUEUE_AGE = "oauth_client_operator_queue_oldest_age_seconds", Gauge, Some(Unit::Seconds), Replica, [STATE],
        "Time for which the oldest OAuthClient has been in this state; 0 if there is none";
    PERMITS = "oauth_client_operator_permits", Gauge, None, Replica,
        [label("pool", Pool::names), label("state", Permitted::names)],
        "Permits for calls to providers and to the API server that are in use or waited for";
    WRITES = "oauth_client_operator_kubernetes_writes", Counter, None, Replica,
        [label("verb", Verb::names), label("kind", Written::names), label("success", bools)],
        "Writes to the API server, dry runs and the Lease not counted";
    WATCH_ERRORS = "oauth_client_operator_watch_errors", Counter, None, Replica, [WATCHED],
        "Failed lists and watches, and objects that do not decode";
    FAILING_WATCHES = "oauth_client_operator_failing_watches", Gauge, None, Replica, [],
        "Watches whose last answer was an error";
    WATCH_AGE = "oauth_client_operator_watch_last_event_age_seconds", Gauge, Some(Unit::Seconds), Replica, [WATCHED],
        "Time since the API server last sent anything on a watch, bookmarks included; the longest of a kind";
    LEADER = "oauth_client_operator_leader", Gauge, None, Replica, [],
        "1 if this replica is the leader, otherwise 0";
    BUILD = "oauth_client_operator_build", Info, None, Replica,
        [Label { name: "version", values: Values::Described("version of the operator") }],
        "Version of the operator";
    PROCESS_CPU = "process_cpu_seconds", Counter, Some(Unit::Seconds), Replica, [],
        "Processor time of the process, in user and system mode";
    PROCESS_RESIDENT = "process_resident_memory_bytes", Gauge, Some(Unit::Bytes), Replica, [],
        "Resident memory of the process";
    PROCESS_VIRTUAL = "process_virtual_memory_bytes", Gauge, Some(Unit::Bytes), Replica, [],
        "Virtual memory of the process";
    PROCESS_OPEN_FDS = "process_open_fds", Gauge, None, Replica, [],
        "Open file descriptors of the process";
    PROCESS_MAX_FDS = "process_max_fds", Gauge, None, Replica, [],
        "Most file descriptors that the process may open";
    PROCESS_START = "process_start_time_seconds", Gauge, Some(Unit::Seconds), Replica, [],
        "Start of the process, in seconds since the epoch";
}
