//! How the operator runs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::clock::Clock;
use crate::cluster::Scope;
use crate::provider::NamespacedProviders;

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
    /// What namespaced providers may reach.
    pub namespaced_providers: NamespacedProviders,
    /// Identity of the installation, if it is given: it replaces the one that is kept.
    pub cluster_id: Option<String>,
    /// Address of the admin port.
    pub admin: SocketAddr,
    /// Whether Normal events are published.
    pub normal_events: bool,
    /// Name of this process among the replicas.
    pub identity: String,
    /// Whether replicas elect a leader.
    pub leader_election: bool,
    /// Files with ServiceAccount tokens of the operator, by their audience.
    pub service_tokens: BTreeMap<String, PathBuf>,
    /// How fast the operator lives.
    pub clock: Clock,
}

impl Settings {
    /// What is watched.
    pub(super) fn scope(&self) -> Scope {
        match self.namespaces.as_slice() {
            [] => Scope::All,
            namespaces => Scope::Namespaces(namespaces.to_vec()),
        }
    }
}
