//! From settings to a running operator, and its end: the list of tasks, by name.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use ring::rand::SystemRandom;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{self, AdminError};
use crate::bounded::Bounded;
use crate::cluster::{
    self, ConfigMaps, ConnectError, Definitions, Events, Identifier, IdentityError, Leadership, Objects, ProviderKey,
    Scope, Secrets, Streams, Watches,
};
use crate::domain::installation::Installation;
use crate::domain::metadata;
use crate::domain::pass::Operator;
use crate::metrics::Metrics;
use crate::provider::{DiscoveryCache, EgressPolicy, Transport};
use crate::supervisor::{Endings, Supervisor, TaskEnded};

use super::breakers::Breakers;
use super::bundles::{self, Bundles};
use super::capabilities::Unwritten;
use super::claims::Claims;
use super::comparisons::Comparisons;
use super::context::{self, Context};
use super::credentials::{CredentialCache, ServiceTokens};
use super::dispatch::Dispatcher;
use super::kept_credentials::KeptCredentials;
use super::pauses::Pauses;
use super::permits::Permits;
use super::queue::Queue;
use super::revision::RevisionKey;
use super::settings::Settings;
use super::state::State;
use super::{expiries, provider_status, sweeper};

/// Time for what is in flight at a shutdown: the deadline of a provider call, and of storing what it answered. Less than the
/// pod's grace period.
pub(super) const DRAIN: Duration = Duration::from_secs(50);

/// Pause between two tries to learn the identity of the cluster.
const IDENTIFY_AGAIN: Duration = Duration::from_secs(5);

/// Time to give the lease back.
const RESIGN: Duration = Duration::from_secs(5);

/// Why the operator does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No connection to the cluster can be made.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The identity of the cluster is unknown.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The admin port cannot be opened.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// Signals cannot be received.
    #[error("cannot receive signals: {0}")]
    Signals(#[from] std::io::Error),
    /// A task ended that has to run as long as the process does.
    #[error("stopped because a task ended: {0}")]
    Task(#[from] TaskEnded),
}

/// Runs until SIGTERM or SIGINT, or until one of its tasks ends by itself; then until everything in flight is stored.
///
/// # Errors
/// It cannot begin, or a task has ended.
pub async fn run(mut settings: Settings) -> Result<(), RunError> {
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(version, namespaces = ?settings.namespaces, identity = settings.identity, "starting");
    let stopping = CancellationToken::new();
    let (tasks, mut endings) = Supervisor::new(stopping.clone());
    tasks.spawn("signals", stop_on_signals(stopping.clone())?);

    let client = cluster::connect().await?;
    let (scope, home) = (settings.scope(), settings.operator_namespace.clone());
    let metrics = Arc::new(Metrics::default());
    let (watches, streams) = cluster::start(&client, &scope, &home, Arc::clone(&metrics), settings.clock, &tasks);
    let (definitions, definitions_state) = Definitions::new(client.clone(), &scope);
    tasks.spawn("CRD check", definitions.run(watches.health.clone()));
    let state = Arc::new(State {
        watches: watches.clone(),
        definitions: definitions_state.clone(),
        metrics: Arc::clone(&metrics),
        context: OnceLock::new(),
    });
    let admin = admin::bind(settings.admin).await?;
    // The probes are answered to the end: until the process exits.
    tasks.spawn("admin port", admin.serve(Arc::clone(&state)));

    // Nothing below begins before the cluster is known and serves what this version needs.
    let installation = tokio::select! {
        () = stopping.cancelled() => return Ok(()),
        ended = endings.first() => return Err(ended.into()),
        known = cluster_is_known(&client, &settings, definitions_state) => known?,
    };
    tracing::info!(cluster_id = installation.cluster_id, "cluster identified");
    if let Some(held) = &installation.held {
        tracing::error!("{held}");
    }
    let resigning = CancellationToken::new();
    let (leadership, election) = if settings.leader_election {
        let (leadership, election) = cluster::elect(client.clone(), &home, &settings.identity, resigning.clone());
        (leadership, Some(tasks.spawn("leader election", election)))
    } else {
        (Leadership::unrivalled(), None)
    };
    let (comparisons, comparing) = Comparisons::new();
    let service_tokens = ServiceTokens::of(std::mem::take(&mut settings.service_tokens)).await;
    let (learned, learning) = mpsc::unbounded_channel();
    let cx = Arc::new(context(
        client,
        settings,
        installation,
        watches,
        leadership,
        metrics,
        stopping.clone(),
        comparisons,
        learned,
        service_tokens,
    ));
    let _ = state.context.set(Arc::clone(&cx));
    let passes = TaskTracker::new();
    let Streams { clients, providers } = streams;
    let workers = [
        tasks.spawn(
            "clients",
            Dispatcher::new(Arc::clone(&cx), passes.clone()).run(clients, comparing),
        ),
        tasks.spawn(
            "providers",
            provider_status::run(Arc::clone(&cx), passes.clone(), providers, learning),
        ),
        tasks.spawn("CA bundles", bundles::run(Arc::clone(&cx))),
        tasks.spawn("expiries", expiries::run(Arc::clone(&cx))),
        tasks.spawn("sweeper", sweeper::run(cx)),
    ];

    let ended = until_stopped(&stopping, &mut endings).await;
    drain(workers, passes).await;
    resigning.cancel();
    if let Some(election) = election {
        let _ = tokio::time::timeout(RESIGN, election).await;
    }
    ended.map_or(Ok(()), |ended| Err(ended.into()))
}

/// Waits for the end: by a signal, or by the first task that ended by itself.
async fn until_stopped(stopping: &CancellationToken, endings: &mut Endings) -> Option<TaskEnded> {
    tokio::select! {
        () = stopping.cancelled() => None,
        ended = endings.first() => {
            stopping.cancel();
            Some(ended)
        }
    }
}

/// Waits for what is in flight.
async fn drain(workers: [JoinHandle<()>; 5], passes: TaskTracker) {
    let drained = async {
        for worker in workers {
            let _ = worker.await;
        }
        passes.close();
        tracing::info!(in_flight = passes.len(), "stopping");
        passes.wait().await;
    };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        tracing::error!(
            in_flight = passes.len(),
            "stopped before everything was stored; the next start finds it open"
        );
    }
}

/// The identity of the installation, once the cluster serves the operator's kinds. Waits for an API server that cannot be reached.
async fn cluster_is_known(
    client: &kube::Client,
    settings: &Settings,
    mut definitions: cluster::DefinitionsState,
) -> Result<Installation, RunError> {
    let identifier = Identifier {
        client,
        home: &settings.operator_namespace,
        given: settings.cluster_id.as_deref(),
        reads_namespaces: settings.scope() == Scope::All,
    };
    let id = loop {
        match identifier.identify().await {
            Ok(id) => break id,
            // The watches say that the API server is away.
            Err(error) if error.may_pass() => tracing::debug!(%error, "the cluster is not identified yet"),
            Err(error) => return Err(error.into()),
        }
        settings.clock.sleep(IDENTIFY_AGAIN).await;
    };
    definitions.served().await;
    Ok(id)
}

/// What every pass shares.
#[allow(clippy::too_many_arguments, reason = "each is made elsewhere and used once")]
fn context(
    client: kube::Client,
    settings: Settings,
    installation: Installation,
    watches: Watches,
    leadership: Leadership,
    metrics: Arc<Metrics>,
    stopping: CancellationToken,
    comparisons: Comparisons,
    learned: mpsc::UnboundedSender<ProviderKey>,
    service_tokens: ServiceTokens,
) -> Context {
    Context {
        clock: settings.clock,
        namespaced: settings.scope() != Scope::All,
        here: Operator {
            namespace: settings.operator_namespace,
            cluster_id: installation.cluster_id,
            held: installation.held,
            serves_own_namespace: settings.allow_same_namespace,
        },
        objects: Objects::new(client.clone(), Arc::clone(&watches.clients), Arc::clone(&metrics)),
        secrets: Secrets::new(client.clone(), Arc::clone(&watches.secrets), Arc::clone(&metrics)),
        config_maps: ConfigMaps::new(client.clone()),
        health: watches.health,
        leadership,
        holder: holder(&settings.identity),
        foreign_attempts: Mutex::new(Bounded::new(context::MOST_FOREIGN_ATTEMPTS)),
        index: watches.secrets,
        clients: watches.clients,
        providers: watches.providers,
        events: Events::new(client, &settings.identity, settings.normal_events, Arc::clone(&metrics)),
        transport: Transport::new(EgressPolicy {
            allow_insecure_origins: settings.allow_insecure_origins,
            refused: api_server_address().into_iter().collect(),
            namespaced: settings.namespaced_providers.clone(),
            within: Vec::new(),
        })
        .counted(Arc::clone(&metrics)),
        metrics,
        discovery: DiscoveryCache::new(settings.clock),
        permits: Permits::default(),
        pauses: Pauses::new(settings.clock),
        queue: Queue::default(),
        turns: Permits::default(),
        breakers: Breakers::new(settings.clock),
        credentials: CredentialCache::default(),
        proven_templates: Mutex::new(Bounded::new(context::MOST_BREAKERS)),
        service_tokens,
        probe_controls: Mutex::new(Bounded::new(context::MOST_BREAKERS)),
        kept: KeptCredentials::default(),
        comparisons,
        revision_key: RevisionKey::default(),
        learned,
        unwritten: Unwritten::default(),
        claims: Claims::default(),
        bundles: Bundles::default(),
        stopping,
        random: SystemRandom::new(),
        outcomes: Mutex::default(),
    }
}

/// Address of the API server inside of the cluster, where no provider is.
fn api_server_address() -> Option<IpAddr> {
    std::env::var("KUBERNETES_SERVICE_HOST").ok()?.parse().ok()
}

/// What the attempts of this process begin with: eight hexadecimal digits of its identity's digest.
fn holder(identity: &str) -> String {
    let mut digest = metadata::fingerprint(&serde_json::Map::new(), &[identity]);
    digest.truncate(8);
    digest
}

/// Receives signals from now on; the future ends with the first one that asks the operator to stop.
fn stop_on_signals(stopping: CancellationToken) -> Result<impl Future<Output = ()> + Send, std::io::Error> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stopping.cancel();
    })
}
