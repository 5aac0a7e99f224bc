//! The operator's real binary, run as in a pod: with the token of its ServiceAccount and the rights that its
//! manifests grant.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use testbed::control_plane::ControlPlane;
//! use testbed::operator::{Operator, OperatorOptions, chart_manifests};
//!
//! let control_plane = ControlPlane::shared().await?;
//! let apps = control_plane.namespace("apps").await?;
//! let home = control_plane.namespace("operator").await?;
//! let watched = [apps.name().to_owned()];
//! let options = OperatorOptions {
//!     // In an integration test of the root crate: env!("CARGO_BIN_EXE_oauth-client-operator").into()
//!     binary: testbed::operator::build(false).await?,
//!     manifests: vec![chart_manifests(control_plane, "charts/oauth-client-operator".as_ref(), home.name(), &watched).await?],
//!     ..OperatorOptions::new(home.name(), &watched)
//! };
//! let mut operator = Operator::start(control_plane, options).await?;
//! operator.kill9().await?;
//! operator.restart().await?;
//! # Ok(()) }
//! ```

mod usage;

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use crate::control_plane::{Cluster, ControlPlaneError, Endpoint};
use crate::process::{KillSwitch, Process, ProcessError, Scratch, Signal, Spec, free_port};
use crate::provision::Tool;

pub use usage::cpu_time;

/// Name of the binary, of the ServiceAccount and of the Helm release.
pub const NAME: &str = "oauth-client-operator";

/// Time to become ready.
const READY_LIMIT: Duration = Duration::from_mins(1);
/// Time between SIGTERM and SIGKILL: as `terminationGracePeriodSeconds` of the pod.
const GRACE: Duration = Duration::from_mins(1);

/// Why the operator could not be run.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The control plane refused something.
    #[error(transparent)]
    ControlPlane(#[from] ControlPlaneError),
    /// The process failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The binary could not be built.
    #[error(transparent)]
    Provision(#[from] crate::provision::ProvisionError),
    /// The admin port did not answer.
    #[error("the operator's admin port does not answer at {url}: {source}")]
    Admin {
        /// What was asked for.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// Figures of the process cannot be read.
    #[error("cannot read /proc/{pid}/{file} of the operator: has it ended?")]
    Usage {
        /// The process.
        pid: u32,
        /// The file.
        file: &'static str,
    },
}

/// How the operator is run.
#[derive(Clone, Debug)]
pub struct OperatorOptions {
    /// The program.
    pub binary: PathBuf,
    /// Its own namespace, where the records go; made if it is not there.
    pub operator_namespace: String,
    /// Namespaces to watch; empty for all.
    pub namespaces: Vec<String>,
    /// Its ServiceAccount in its own namespace; made if the manifests do not.
    pub service_account: String,
    /// YAML texts that are applied first: the rights. [`chart_manifests`] and [`Cluster::kubectl`]'s
    /// `kustomize` render ours.
    pub manifests: Vec<String>,
    /// Where it sees the API server; a proxy's endpoint to be in between. Absent: the API server itself.
    pub via: Option<Endpoint>,
    /// Whether it may talk to providers on plain http and loopback; on by default.
    pub insecure_origins: bool,
    /// Further arguments of `run`.
    pub args: Vec<String>,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// Armed with each process that is started; hand a clone to a proxy's rule.
    pub kill_switch: KillSwitch,
}

impl OperatorOptions {
    /// Options for an operator that lives in a namespace and watches others. `binary` is to be set: the
    /// default is found in `PATH`.
    #[must_use]
    pub fn new(operator_namespace: &str, namespaces: &[String]) -> Self {
        Self {
            binary: NAME.into(),
            operator_namespace: operator_namespace.to_owned(),
            namespaces: namespaces.to_vec(),
            service_account: NAME.to_owned(),
            manifests: Vec::new(),
            via: None,
            insecure_origins: true,
            args: Vec::new(),
            env: Vec::new(),
            kill_switch: KillSwitch::default(),
        }
    }
}

/// An operator that was started; killed on drop.
#[derive(Debug)]
pub struct Operator {
    spec: Spec,
    process: Process,
    kill_switch: KillSwitch,
    admin: String,
    user: String,
    scratch: Scratch,
}

impl Operator {
    /// Installs its rights, starts it and waits until it is ready.
    pub async fn start(cluster: &Cluster, options: OperatorOptions) -> Result<Self, OperatorError> {
        let operator = Self::launch(cluster, options).await?;
        operator.ready().await?;
        Ok(operator)
    }

    /// Installs its rights and starts it, but does not wait: for runs in which it dies early.
    pub async fn launch(cluster: &Cluster, options: OperatorOptions) -> Result<Self, OperatorError> {
        let scratch = Scratch::new("operator")?;
        let OperatorOptions {
            operator_namespace: namespace,
            service_account: account,
            ..
        } = &options;
        cluster.create_namespace(namespace).await?;
        for manifest in &options.manifests {
            cluster
                .kubectl_with(&["apply", "--server-side", "-f", "-"], manifest)
                .await?
                .stdout()?;
        }
        cluster.create_service_account(namespace, account).await?;
        let token = cluster.service_account_token(namespace, account).await?;
        let via = options.via.clone().unwrap_or_else(|| cluster.endpoint());
        let kubeconfig = cluster.kubeconfig_with_token(&format!("{namespace}-{account}"), &token, &via)?;

        let address = format!("127.0.0.1:{}", free_port()?);
        let mut spec = Spec::new(NAME, &options.binary)
            .log(scratch.path().join("operator.log"))
            .grace(GRACE)
            .args(["run", "--operator-namespace", namespace, "--admin-addr", &address])
            .env("KUBECONFIG", &kubeconfig)
            .env("POD_NAMESPACE", namespace)
            // A container that is started again keeps the name of its pod.
            .env("POD_NAME", NAME);
        if !options.namespaces.is_empty() {
            spec = spec.args(["--namespaces", &options.namespaces.join(",")]);
        }
        if options.insecure_origins {
            spec = spec.arg("--allow-insecure-origins");
        }
        spec = options
            .env
            .iter()
            .fold(spec.args(&options.args), |spec, (key, value)| spec.env(key, value));

        let process = spec.spawn()?;
        options.kill_switch.arm(&process);
        let user = format!("system:serviceaccount:{namespace}:{account}");
        Ok(Self {
            spec,
            process,
            kill_switch: options.kill_switch,
            admin: format!("http://{address}"),
            user,
            scratch,
        })
    }

    /// Waits until `/readyz` says ok.
    pub async fn ready(&self) -> Result<(), OperatorError> {
        self.process
            .ready(READY_LIMIT, async || self.get("/readyz").await)
            .await?;
        Ok(())
    }

    /// SIGKILL; returns when it is gone.
    pub async fn kill9(&self) -> Result<(), OperatorError> {
        self.process.kill().await?;
        Ok(())
    }

    /// SIGTERM, then waits for its end, at most as long as a pod would have. It may be started again.
    pub async fn stop(&self) -> Result<ExitStatus, OperatorError> {
        Ok(self.process.stop().await?)
    }

    /// Waits until it has ended by itself or by a [`KillSwitch`].
    pub async fn ended(&self, limit: Duration) -> Result<ExitStatus, OperatorError> {
        Ok(self.process.wait(limit).await?)
    }

    /// Starts it again, as it was, and waits until it is ready; one that still runs is killed first.
    pub async fn restart(&mut self) -> Result<(), OperatorError> {
        self.relaunch().await?;
        self.ready().await
    }

    /// Like [`Operator::restart`], without waiting.
    pub async fn relaunch(&mut self) -> Result<(), OperatorError> {
        self.kill9().await?;
        self.process = self.spec.spawn()?;
        self.kill_switch.arm(&self.process);
        Ok(())
    }

    /// SIGSTOP: it stands still, with its connections open.
    pub fn pause(&self) {
        self.process.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Kills the process that runs when it is used.
    #[must_use]
    pub fn kill_switch(&self) -> KillSwitch {
        self.kill_switch.clone()
    }

    /// Whether it runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.process.status().is_none()
    }

    /// Everything that it has logged, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// File of its log.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.scratch.path().join("operator.log")
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its user name in the audit log.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Its metrics, as text.
    pub async fn metrics(&self) -> Result<String, OperatorError> {
        self.get("/metrics").await
    }

    /// Host and port of its admin port.
    #[must_use]
    pub fn admin_address(&self) -> &str {
        self.admin.trim_start_matches("http://")
    }

    /// A page of its admin port; an error unless the status is 2xx.
    pub async fn get(&self, path: &str) -> Result<String, OperatorError> {
        crate::tls::install();
        let url = format!("{}{path}", self.admin);
        let fetched = async { reqwest::get(&url).await?.error_for_status()?.text().await };
        fetched.await.map_err(|source| OperatorError::Admin {
            url: url.clone(),
            source,
        })
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // The drain of a pod's end is for Operator::stop; here nobody looks any more.
        self.process.signal(Signal::KILL);
    }
}

/// The manifests of our Helm chart that grant rights, rendered for an operator in `operator_namespace`
/// that watches `namespaces`, or all if there are none.
///
/// `chart` is the chart's directory. The names of cluster-wide objects hold `operator_namespace`, so that several
/// operators fit into one cluster; the ServiceAccount is [`NAME`].
pub async fn chart_manifests(
    cluster: &Cluster,
    chart: &Path,
    operator_namespace: &str,
    namespaces: &[String],
) -> Result<String, OperatorError> {
    render(cluster, chart, operator_namespace, namespaces, false).await
}

/// As [`chart_manifests`] for chosen namespaces, with the rights that outlive them.
pub async fn chart_manifests_for_terminating(
    cluster: &Cluster,
    chart: &Path,
    operator_namespace: &str,
    namespaces: &[String],
) -> Result<String, OperatorError> {
    render(cluster, chart, operator_namespace, namespaces, true).await
}

async fn render(
    cluster: &Cluster,
    chart: &Path,
    operator_namespace: &str,
    namespaces: &[String],
    terminating: bool,
) -> Result<String, OperatorError> {
    let chart = chart.to_string_lossy();
    let watched = format!("watch.namespaces={{{}}}", namespaces.join(","));
    let name = format!("fullnameOverride={NAME}-{operator_namespace}");
    let account = format!("serviceAccount.name={NAME}");
    let mut args = vec!["template", NAME, &chart, "--namespace", operator_namespace];
    args.extend([
        // A Helm built without its linker flags takes every cluster for one of 2020.
        "--kube-version",
        "1.36.0",
        "--set",
        &account,
        "--set",
        "crds.enabled=false",
        "-s",
        "templates/serviceaccount.yaml",
        "-s",
        "templates/rbac-lease.yaml",
    ]);
    if namespaces.is_empty() {
        args.extend(["--set", &name, "-s", "templates/rbac-cluster.yaml"]);
    } else {
        args.extend([
            "--set",
            &name,
            "--set",
            &watched,
            "-s",
            "templates/rbac-namespaced.yaml",
        ]);
    }
    if terminating {
        let finish = "rbac.finishTerminatingNamespaces=true";
        args.extend(["--set", finish, "-s", "templates/rbac-terminating.yaml"]);
    }
    Ok(cluster.helm(&args).await?.stdout()?)
}

/// Builds the operator in the workspace that this crate stands in, and says where it is.
///
/// For programs that are no tests of the root crate; those have `CARGO_BIN_EXE_oauth-client-operator`.
/// Release mode is for benchmarks.
pub async fn build(release: bool) -> Result<PathBuf, OperatorError> {
    const CARGO: Tool = Tool {
        program: "cargo",
        version_args: &["--version"],
        install: "Rust with cargo (rustup)",
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let step = crate::progress::Step::quiet("building the operator");
    let mut spec = Spec::new("cargo build", "cargo").args(["build", "--locked", "-p", NAME, "--bin", NAME]);
    if release {
        spec = spec.arg("--release");
    }
    CARGO.run(&root, spec).await?;
    step.done();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join(if release { "release" } else { "debug" }).join(NAME))
}
