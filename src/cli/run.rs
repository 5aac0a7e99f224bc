//! `run`: the operator itself.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;

use crate::clock::Clock;
use crate::controller::{self, Settings};
use crate::telemetry::{self, Format};

/// Arguments of `run`.
#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "independent switches of a command line")]
pub(super) struct Run {
    /// Namespace that the operator lives in: the registration records are kept there
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAMESPACE")]
    operator_namespace: String,
    /// Namespaces to serve, separated by commas; empty: all. Serving single namespaces needs Roles only, and serves no
    /// ClusterOAuthProvider
    #[arg(
        long,
        env = "WATCH_NAMESPACES",
        value_name = "NAMESPACES",
        default_value = "",
        hide_default_value = true
    )]
    namespaces: String,
    /// Serve the operator's own namespace too. A deletion of that namespace then takes the records along, and with them every
    /// management token: clients could no longer be changed or deregistered
    #[arg(long)]
    allow_same_namespace: bool,
    /// Talk to providers over plain http and at loopback addresses. For tests
    #[arg(long)]
    allow_insecure_origins: bool,
    /// Identity of this cluster in the records; found out from the API server if not given. Never the same for two clusters
    #[arg(long, value_name = "ID")]
    cluster_id: Option<String>,
    /// Address of /livez, /readyz and /metrics
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:8080")]
    admin_addr: SocketAddr,
    /// Name of this process among its replicas
    #[arg(long, env = "POD_NAME", value_name = "NAME", default_value = "oauth-client-operator")]
    identity: String,
    /// Whether replicas elect a leader by a Lease in the operator's namespace. Without, there must never be two
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    leader_election: bool,
    /// Form of the log
    #[arg(long, value_enum, default_value_t = Format::Json)]
    log_format: Format,
    /// Publish Normal events too; each is one more write to the API server
    #[arg(long)]
    normal_events: bool,
    /// Divides every interval but those of connections and of the lease. For tests
    #[arg(long, hide = true, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    time_scale: u32,
}

impl Run {
    /// Runs until SIGTERM or SIGINT, then until what is in flight is stored.
    pub(super) fn run(self) -> ExitCode {
        telemetry::init(self.log_format);
        // The work is to wait for answers. With more threads they wake each other for every one, and each keeps a heap of its own:
        // a third more processor time for the same calls.
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "cannot start the runtime");
                return ExitCode::FAILURE;
            }
        };
        match runtime.block_on(controller::run(self.settings())) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!("{error}");
                ExitCode::FAILURE
            }
        }
    }

    fn settings(self) -> Settings {
        let namespaces = self
            .namespaces
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        Settings {
            namespaces: namespaces.map(str::to_owned).collect(),
            operator_namespace: self.operator_namespace,
            allow_same_namespace: self.allow_same_namespace,
            allow_insecure_origins: self.allow_insecure_origins,
            cluster_id: self.cluster_id,
            admin: self.admin_addr,
            normal_events: self.normal_events,
            identity: self.identity,
            leader_election: self.leader_election,
            clock: Clock::scaled(self.time_scale),
        }
    }
}
