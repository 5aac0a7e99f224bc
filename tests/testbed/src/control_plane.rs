//! A real Kubernetes control plane: etcd, kube-apiserver, kube-controller-manager.
//!
//! No kubelet and no scheduler, so pods never run; everything else is as in a cluster: RBAC, admission,
//! garbage collection, terminating namespaces, deployments that make replica sets.
//!
//! Tests share one by [`ControlPlane::shared`] and take a [`Namespace`] each; tests that count metrics,
//! stop the API server or remove definitions start their own.
//!
//! ```no_run
//! # async fn example() -> Result<(), testbed::control_plane::ControlPlaneError> {
//! use testbed::control_plane::ControlPlane;
//!
//! let control_plane = ControlPlane::shared().await?;
//! let namespace = control_plane.namespace("create").await?;
//! let before = control_plane.audit()?.mark();
//! control_plane.kubectl(&["-n", namespace.name(), "create", "configmap", "one"]).await?.stdout()?;
//! let writes = control_plane.audit()?.since(before).await?.writes().in_namespace(namespace.name());
//! assert_eq!(writes.len(), 1, "{writes}");
//! # Ok(()) }
//! ```

pub mod audit;
mod cluster;
mod command;
mod namespace;
mod servers;

use std::path::PathBuf;

use tokio::sync::{Mutex, OnceCell};

pub use audit::Audit;
pub use cluster::{Cluster, Endpoint};
pub use command::CommandOutput;
pub use namespace::Namespace;

use crate::process::{Process, ProcessError, Scratch};
use crate::progress::Step;
use crate::provision::{Program, ProvisionError};
use crate::tls::TlsError;
use servers::{Programs, Servers};

/// Why the control plane, or a command against it, failed.
#[derive(Debug, thiserror::Error)]
pub enum ControlPlaneError {
    /// A program is not to be had.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    /// A server does not start.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The certificates cannot be made.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The API server refused a request.
    #[error("{what}: {source}")]
    Api {
        /// What was tried.
        what: String,
        /// The answer.
        source: Box<kube::Error>,
    },
    /// A kubeconfig file cannot be used.
    #[error("cannot use the kubeconfig file {path}: {source}", path = path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<kube::config::KubeconfigError>,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A command ended with an error.
    #[error("`{command}` ended with code {code}:\n{stderr}")]
    Command {
        /// The command line.
        command: String,
        /// Its exit code; -1 if a signal ended it.
        code: i32,
        /// What it said.
        stderr: String,
    },
    /// Something did not come about in time.
    #[error("{what} did not happen within {seconds} s")]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
    },
    /// The control plane was started without an audit log.
    #[error("there is no audit log: start the control plane with `audit: true`")]
    NoAudit,
}

impl ControlPlaneError {
    fn api(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        move |source| Self::Api {
            what: what.into(),
            source: Box::new(source),
        }
    }

    fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io {
            path: path.into(),
            source,
        }
    }
}

/// How a control plane is started. The default suits tests; see each field.
#[derive(Clone, Debug)]
pub struct ControlPlaneOptions {
    /// Writes an audit log, one line a request, that [`ControlPlane::audit`] reads; on by default.
    pub audit: bool,
    /// Lets etcd wait for the disk as in production. Off by default: tests do not survive a power cut
    /// anyway. Benchmarks turn it on.
    pub fsync: bool,
    /// Further arguments of kube-apiserver.
    pub apiserver_args: Vec<String>,
}

impl Default for ControlPlaneOptions {
    fn default() -> Self {
        Self {
            audit: true,
            fsync: false,
            apiserver_args: Vec::new(),
        }
    }
}

/// A running control plane, ended on drop. Everything that also works on a foreign cluster is in
/// [`Cluster`], which this dereferences to.
#[derive(Debug)]
pub struct ControlPlane {
    cluster: Cluster,
    audit: Option<Audit>,
    servers: Servers,
    // Fields drop in this order: each server before what it stands on.
    controller_manager: Process,
    apiserver: Mutex<Process>,
    etcd: Process,
    scratch: Scratch,
}

impl std::ops::Deref for ControlPlane {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl ControlPlane {
    /// Starts one; takes some seconds, and minutes when the programs must be built first.
    pub async fn start(options: ControlPlaneOptions) -> Result<Self, ControlPlaneError> {
        crate::tls::install();
        // etcd beside the others, which come from one build.
        let kubernetes = async {
            let apiserver = Program::KubeApiserver.find().await?;
            let controller_manager = Program::KubeControllerManager.find().await?;
            Ok::<_, ProvisionError>((apiserver, controller_manager, Program::Kubectl.find().await?))
        };
        let (etcd, (apiserver, controller_manager, kubectl)) = tokio::try_join!(Program::Etcd.find(), kubernetes)?;
        let programs = Programs {
            etcd,
            apiserver,
            controller_manager,
        };

        let step = Step::quiet("starting the control plane");
        let scratch = Scratch::new("control-plane")?;
        let servers = Servers::prepare(scratch.path(), &options, programs)?;
        let etcd = servers.etcd.spawn()?;
        let apiserver = servers.apiserver.spawn()?;
        let cluster = Cluster::open(&servers.kubeconfig(), kubectl).await?;
        cluster.wait_api_server(&apiserver).await?;
        let controller_manager = servers.controller_manager.spawn()?;
        cluster.wait_controllers(&controller_manager).await?;
        let audit = options
            .audit
            .then(|| Audit::new(servers.audit_log(), cluster.config.clone()));
        step.done();
        Ok(Self {
            cluster,
            audit,
            servers,
            controller_manager,
            apiserver: Mutex::new(apiserver),
            etcd,
            scratch,
        })
    }

    /// The control plane that all tests of this process share, with an audit log; started by the first.
    pub async fn shared() -> Result<&'static Self, ControlPlaneError> {
        static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
        SHARED
            .get_or_try_init(|| Self::start(ControlPlaneOptions::default()))
            .await
    }

    /// The audit log. Error: [`ControlPlaneError::NoAudit`].
    pub fn audit(&self) -> Result<&Audit, ControlPlaneError> {
        self.audit.as_ref().ok_or(ControlPlaneError::NoAudit)
    }

    /// Kills the API server, as an outage does; the store and the controllers stay.
    pub async fn stop_api_server(&self) -> Result<(), ControlPlaneError> {
        self.apiserver.lock().await.kill().await?;
        Ok(())
    }

    /// Ends an outage: starts the API server again, at the same address, and waits until it is ready.
    pub async fn start_api_server(&self) -> Result<(), ControlPlaneError> {
        let mut apiserver = self.apiserver.lock().await;
        *apiserver = self.servers.apiserver.spawn()?;
        self.cluster.wait_api_server(&apiserver).await
    }

    /// The running servers, for figures of what they use.
    pub async fn pids(&self) -> [(&'static str, u32); 3] {
        let apiserver = self.apiserver.lock().await.pid();
        [
            ("etcd", self.etcd.pid()),
            ("kube-apiserver", apiserver),
            ("kube-controller-manager", self.controller_manager.pid()),
        ]
    }

    /// Directory of the servers' logs and the audit log.
    #[must_use]
    pub fn log_dir(&self) -> &std::path::Path {
        self.scratch.path()
    }
}
