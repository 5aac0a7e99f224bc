//! The watches: each keeps one view up to date and says which objects are worth a look.
//!
//! Every watch is a stream of its own with its own backoff: one that fails disturbs no other. Nothing is said before every
//! watch has listed once, so that no decision rests on half a view; one that cannot list does not hold up the rest for
//! longer than [`PATIENCE`].

mod backoff;
mod consented;
mod health;
mod hub;
mod listening;
mod pace;

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::{mpsc, watch};

use super::clients::ClientCache;
use super::index::SecretIndex;
use super::key::ProviderKey;
use super::provider_cache::ProviderCache;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::supervisor::Supervisor;

pub use self::health::Health;
use self::hub::Hub;
pub use super::trigger::{Cause, Trigger};

/// How long a watch that cannot list holds up the others.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time in which every client is looked at once although nothing happened.
const RESYNC: Duration = Duration::from_hours(10);
/// Parts into which that is divided.
const PARTS: u64 = 600;
/// How long the API server keeps one watch open. One that is silent for longer is dead, and begun anew.
const WATCH: Duration = Duration::from_secs(290);
/// Objects of one page of a list.
const PAGE: u32 = 500;

/// What the operator watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every namespace, and what lies outside of namespaces.
    All,
    /// These namespaces and nothing else.
    Namespaces(Vec<String>),
}

/// What the watches say.
#[derive(Debug)]
pub struct Streams {
    /// Clients worth a look.
    pub clients: mpsc::UnboundedReceiver<Trigger>,
    /// Provider objects worth a look.
    pub providers: mpsc::UnboundedReceiver<ProviderKey>,
}

/// The views, and how the watches are.
#[derive(Clone)]
pub struct Watches {
    /// Every `OAuthClient`.
    pub clients: Arc<ClientCache>,
    /// Providers and namespaces.
    pub providers: Arc<ProviderCache>,
    /// Secrets.
    pub secrets: Arc<SecretIndex>,
    /// How the watches are.
    pub health: Health,
}

/// Starts every watch of `scope`. Records and suspects are watched in `operator_namespace`.
#[must_use]
pub fn start(
    client: &Client,
    scope: &Scope,
    operator_namespace: &str,
    metrics: Arc<Metrics>,
    clock: Clock,
    tasks: &Supervisor,
) -> (Watches, Streams) {
    let (clients, client_triggers) = mpsc::unbounded_channel();
    let (providers, provider_triggers) = mpsc::unbounded_channel();
    let (open, _) = watch::channel(false);
    let hub = Arc::new(Hub {
        operator_namespace: operator_namespace.to_owned(),
        watches: Watches {
            clients: Arc::default(),
            providers: Arc::default(),
            secrets: Arc::new(SecretIndex::new(operator_namespace)),
            health: Health::new(clock),
        },
        clients,
        providers,
        open,
        metrics,
        clock,
        tasks: tasks.clone(),
    });
    hub.watch_all(client, scope);
    let resync = Arc::clone(&hub);
    tasks.spawn("resync", async move {
        resync.open_in_time().await;
        resync.resync().await;
    });
    (
        hub.watches.clone(),
        Streams {
            clients: client_triggers,
            providers: provider_triggers,
        },
    )
}
