//! `run`: the operator itself.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::clock::Clock;
use crate::controller::{self, Settings};
use crate::domain::metadata::hex;
use crate::provider::{Mode, NamespacedProviders};
use crate::telemetry::{self, Format};
use crate::traces::{Collector, Traces};

/// Arguments of `run`.
#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "independent switches of a command line")]
pub(super) struct Run {
    /// Namespace of the operator: the registration records are kept there
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
    /// Serve the operator's own namespace too. A deletion of that namespace then also deletes the records, and with them every
    /// management token: clients could no longer be changed or deregistered
    #[arg(long)]
    allow_same_namespace: bool,
    /// Allow providers over plain http and at loopback addresses. For tests
    #[arg(long)]
    allow_insecure_origins: bool,
    /// Which OAuthProviders the operator calls. Tenants can create OAuthProviders and so choose where the operator connects to. With an
    /// allow list: only the origins and address ranges of the next two flags. ClusterOAuthProviders are not restricted
    #[arg(long, value_enum, value_name = "MODE", default_value_t = Mode::Enabled)]
    namespaced_providers: Mode,
    /// Origins that OAuthProviders may use, as `https://host` or `https://host:port`, separated by commas; empty: all
    #[arg(long, value_name = "ORIGINS", default_value = "", hide_default_value = true)]
    namespaced_provider_origins: String,
    /// Ranges of addresses that OAuthProviders may use, such as 192.0.2.0/24, separated by commas; empty: all. If both lists are set, a
    /// call must match both
    #[arg(long, value_name = "CIDRS", default_value = "", hide_default_value = true)]
    namespaced_provider_cidrs: String,
    /// Identity of this installation in the records. If it is not given, the one kept in Secret oauth-client-operator-identity is used. An
    /// identity that is given replaces the kept one. Never the same for two installations
    #[arg(long, value_name = "ID")]
    cluster_id: Option<String>,
    /// Address of /livez, /readyz and /metrics
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:8080")]
    admin_addr: SocketAddr,
    /// Name of this process among its replicas; without one, a unique name is made of the host's name
    #[arg(
        long,
        env = "POD_NAME",
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    identity: String,
    /// Whether replicas elect a leader by a Lease in the operator's namespace. Without, there must never be two
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    leader_election: bool,
    /// A ServiceAccount token of the operator for ClusterOAuthProviders of this issuer: a file of a projected volume whose audience is the
    /// issuer. Can be given several times
    #[arg(long, value_name = "ISSUER=FILE", value_parser = service_token)]
    service_account_token: Vec<(String, PathBuf)>,
    /// Form of the log
    #[arg(long, value_enum, default_value_t = Format::Json)]
    log_format: Format,
    /// Send a trace of each reconcile to this collector, by OTLP over HTTP (protobuf): http://HOST:PORT or https://HOST:PORT, with a path if
    /// it is not /v1/traces. Off by default
    #[arg(long, value_name = "URL")]
    otlp_endpoint: Option<String>,
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
        // Not parsed with the other arguments: an error of theirs shows the whole text, which may hold credentials.
        let collector = self.otlp_endpoint.as_deref().map(str::parse).transpose();
        let collector = collector.map_err(|error| format!("--otlp-endpoint: {error}"));
        let (collector, settings) = match collector.and_then(|collector| Ok((collector, self.settings()?))) {
            Ok(known) => known,
            Err(error) => {
                tracing::error!("{error}");
                return ExitCode::FAILURE;
            }
        };
        let runtime = match super::runtime() {
            Ok(runtime) => runtime,
            Err(code) => return code,
        };
        let ended = runtime.block_on(traced(collector, settings));
        // What was to be stored is stored. A look-up of a name that goes on would hold the end up.
        runtime.shutdown_background();
        match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!("{error}");
                ExitCode::FAILURE
            }
        }
    }

    fn settings(self) -> Result<Settings, String> {
        let namespaced_providers = NamespacedProviders::new(
            self.namespaced_providers,
            &self.namespaced_provider_origins,
            &self.namespaced_provider_cidrs,
        )?;
        let namespaces = self
            .namespaces
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        Ok(Settings {
            namespaces: namespaces.map(str::to_owned).collect(),
            operator_namespace: self.operator_namespace,
            allow_same_namespace: self.allow_same_namespace,
            allow_insecure_origins: self.allow_insecure_origins,
            namespaced_providers,
            cluster_id: self.cluster_id,
            admin: self.admin_addr,
            normal_events: self.normal_events,
            identity: identity(self.identity, self.leader_election),
            leader_election: self.leader_election,
            service_tokens: self.service_account_token.into_iter().collect(),
            clock: Clock::scaled(self.time_scale),
        })
    }
}

/// Runs the operator, with traces if there is a collector for them.
async fn traced(collector: Option<Collector>, settings: Settings) -> Result<(), String> {
    let traces = collector.as_ref().map(Traces::start).transpose()?;
    let ended = controller::run(settings).await;
    if let Some(traces) = traces {
        traces.finish().await;
    }
    ended.map_err(|error| error.to_string())
}

/// Issuer and file. A file name may hold an equals sign, and an issuer no query.
fn service_token(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((issuer, file)) if issuer.contains("://") && file.starts_with('/') => Ok((issuer.to_owned(), file.into())),
        _ => Err(
            "write it as ISSUER=FILE, for example https://id.example.com=/var/run/secrets/oauth-client-operator/0"
                .to_owned(),
        ),
    }
}

/// Two replicas of one name would both lead, so a replica without a name makes a unique one. It is another one after a restart:
/// the Lease of the last one then has to expire first.
fn identity(given: String, leader_election: bool) -> String {
    if !given.is_empty() {
        return given;
    }
    if !leader_election {
        return "oauth-client-operator".to_owned();
    }
    let mut suffix = [0_u8; 4];
    // Without the system's random numbers nothing in this process is safe.
    let _ = SystemRandom::new().fill(&mut suffix);
    let name = format!("{}-{}", host_name(), hex(&suffix));
    tracing::warn!(
        identity = name,
        "neither POD_NAME nor --identity is set, so this replica uses a random name"
    );
    name
}

/// The name of the pod, where the operator runs in one.
fn host_name() -> String {
    let name =
        std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::env::var("HOSTNAME").map_err(drop));
    let name = name.unwrap_or_default();
    match name.trim() {
        "" => "oauth-client-operator".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t121_replicas_without_a_name_have_different_ones() {
        let name = || identity(String::new(), true);
        assert_ne!(name(), name());
        assert!(name().starts_with(&host_name()), "{}", name());
        assert_eq!(identity("pod-1".to_owned(), true), "pod-1");
        assert_eq!(identity(String::new(), false), identity(String::new(), false));
    }
}
