//! The loop: observe, ask the planner, do one thing, observe again.

mod claims;
mod context;
mod credentials;
mod dispatch;
mod execute;
#[cfg(test)]
mod explorer;
mod live;
mod management;
mod outcomes;
mod pass;
mod permits;
mod providers;
mod record_of;
mod resolve;
mod rounds;
mod slot;
mod sweeper;
#[cfg(debug_assertions)]
mod tripwire;
mod world;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use ring::rand::SystemRandom;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{self, AdminError, Told};
use crate::bounded::Bounded;
use crate::clock::Clock;
use crate::cluster::{
    self, ClusterId, ConnectError, Events, IdentityError, Leadership, Objects, Scope, Secrets, Streams, Watches,
};
use crate::domain::metadata;
use crate::domain::plan::Here;
use crate::metrics::{Metrics, Snapshot};
use crate::provider::{DiscoveryCache, EgressPolicy, Transport};

use self::claims::Claims;
use self::context::Context;
use self::credentials::CredentialCache;
use self::dispatch::Dispatcher;
use self::permits::Permits;

/// Time for what is in flight at a shutdown: the deadline of a provider call, and of storing what it answered. Less than the
/// pod's grace period.
const DRAIN: Duration = Duration::from_secs(50);

/// Pause between two tries to learn the identity of the cluster.
const IDENTIFY_AGAIN: Duration = Duration::from_secs(5);

/// Time to give the lease back.
const RESIGN: Duration = Duration::from_secs(5);

/// How the operator runs.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "independent switches")]
pub struct Settings {
    /// Namespace of the records.
    pub operator_namespace: String,
    /// Namespaces to serve; empty: all.
    pub namespaces: Vec<String>,
    /// Whether objects in the operator's own namespace are served.
    pub allow_same_namespace: bool,
    /// Whether plain http and loopback addresses are allowed.
    pub allow_insecure_origins: bool,
    /// Identity of the cluster, if it is not to be found out.
    pub cluster_id: Option<String>,
    /// Address of the admin port.
    pub admin: SocketAddr,
    /// Whether Normal events are published.
    pub normal_events: bool,
    /// Name of this process among the replicas.
    pub identity: String,
    /// Whether replicas elect a leader.
    pub leader_election: bool,
    /// How fast the operator lives.
    pub clock: Clock,
}

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
}

/// Runs until SIGTERM or SIGINT, then until everything in flight is stored.
///
/// # Errors
/// If it cannot begin. Once it runs, it goes on whatever fails.
pub async fn run(settings: Settings) -> Result<(), RunError> {
    let stopping = CancellationToken::new();
    stop_on_signals(&stopping)?;
    let client = cluster::connect().await?;
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(version, namespaces = ?settings.namespaces, "starting");

    let metrics = Arc::new(Metrics::default());
    let scope = match settings.namespaces.as_slice() {
        [] => Scope::All,
        namespaces => Scope::Namespaces(namespaces.to_vec()),
    };
    let home = &settings.operator_namespace;
    let (watches, streams) = cluster::start(
        &client,
        &scope,
        home,
        Arc::clone(&metrics),
        settings.clock,
        stopping.clone(),
    );
    let told = Arc::new(Operator {
        watches: watches.clone(),
        metrics: Arc::clone(&metrics),
        leadership: OnceLock::new(),
    });
    let admin = admin::serve(settings.admin, Arc::clone(&told), CancellationToken::new()).await?;
    let Some(cluster_id) = cluster_id(&client, &settings, &stopping).await? else {
        return Ok(());
    };
    tracing::info!(cluster_id, "this cluster is known");
    let resigning = CancellationToken::new();
    let (leadership, election) = if settings.leader_election {
        let (leadership, election) = cluster::elect(client.clone(), home, &settings.identity, resigning.clone());
        (leadership, Some(election))
    } else {
        (Leadership::unrivalled(), None)
    };
    let _ = told.leadership.set(leadership.clone());
    let cx = Context {
        clock: settings.clock,
        here: Here {
            namespace: home.clone(),
            cluster_id,
            serves_own_namespace: settings.allow_same_namespace,
        },
        namespaced: scope != Scope::All,
        objects: Objects::new(client.clone(), Arc::clone(&watches.clients), Arc::clone(&metrics)),
        secrets: Secrets::new(client.clone(), Arc::clone(&watches.secrets), Arc::clone(&metrics)),
        health: watches.health,
        leadership,
        holder: holder(&settings.identity),
        foreign_attempts: Mutex::new(Bounded::new(context::MOST_FOREIGN_ATTEMPTS)),
        index: watches.secrets,
        clients: watches.clients,
        providers: watches.providers,
        events: Events::new(client, &settings.identity, settings.normal_events, Arc::clone(&metrics)),
        metrics,
        transport: Transport::new(EgressPolicy {
            allow_insecure_origins: settings.allow_insecure_origins,
            refused: api_server_address().into_iter().collect(),
        }),
        discovery: DiscoveryCache::new(settings.clock),
        permits: Permits::default(),
        turns: Permits::default(),
        breakers: Mutex::new(Bounded::new(context::MOST_BREAKERS)),
        begun: tokio::time::Instant::now(),
        credentials: CredentialCache::default(),
        claims: Claims::default(),
        stopping,
        random: SystemRandom::new(),
        outcomes: Mutex::default(),
    };
    work(Arc::new(cx), streams).await;
    resigning.cancel();
    if let Some(election) = election {
        let _ = tokio::time::timeout(RESIGN, election).await;
    }
    // The probes are answered to the end.
    admin.abort();
    Ok(())
}

/// The identity of the cluster; an API server that is away is waited for. `None`: told to stop meanwhile.
async fn cluster_id(
    client: &kube::Client,
    settings: &Settings,
    stopping: &CancellationToken,
) -> Result<Option<String>, RunError> {
    loop {
        match cluster::cluster_id(client, identity(settings)).await {
            Ok(id) => return Ok(Some(id)),
            Err(error) if error.may_pass() => tracing::warn!(%error, "tried again"),
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = stopping.cancelled() => return Ok(None),
            () = settings.clock.sleep(IDENTIFY_AGAIN) => {}
        }
    }
}

/// Works until told to stop, then waits for what is in flight.
async fn work(cx: Arc<Context>, streams: Streams) {
    let tasks = TaskTracker::new();
    let dispatcher = Dispatcher::new(Arc::clone(&cx), tasks.clone());
    tokio::join!(
        dispatcher.run(streams.clients),
        providers::run(Arc::clone(&cx), tasks.clone(), streams.providers),
        sweeper::run(cx),
    );
    tasks.close();
    tracing::info!(in_flight = tasks.len(), "stopping");
    if tokio::time::timeout(DRAIN, tasks.wait()).await.is_err() {
        tracing::error!(
            in_flight = tasks.len(),
            "stopped before everything was stored; the next start finds it open"
        );
    }
}

/// What the admin port tells.
struct Operator {
    watches: Watches,
    metrics: Arc<Metrics>,
    /// Once there is one: the cluster's identity is found out before.
    leadership: OnceLock<Leadership>,
}

impl Told for Operator {
    fn ready(&self) -> Result<(), String> {
        self.watches.health.ready()
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

fn identity(settings: &Settings) -> ClusterId {
    match (&settings.cluster_id, settings.namespaces.is_empty()) {
        (Some(id), _) => ClusterId::Given(id.clone()),
        (None, true) => ClusterId::KubeSystem,
        (None, false) => ClusterId::ServiceAccount,
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

fn stop_on_signals(stopping: &CancellationToken) -> Result<(), std::io::Error> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stopping = stopping.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stopping.cancel();
    });
    Ok(())
}
