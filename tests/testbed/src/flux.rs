//! Flux's kustomize-controller as a plain process before a control plane, and repositories whose commits it applies.
//!
//! There is no source-controller: a [`Repository`] serves an archive of its files and writes the status of a `GitRepository` as that
//! controller does after it has fetched a commit. So this shows nothing about Git.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::control_plane::{ControlPlane, ControlPlaneError, Namespace};
use crate::process::{Process, ProcessError, Scratch, Spec, free_port};
use crate::provision::{Program, ProvisionError, Tool, flux_definitions};

/// Time to become ready.
const READY_LIMIT: Duration = Duration::from_mins(1);
const TAR: Tool = Tool {
    program: "tar",
    version_args: &["--version"],
    install: "GNU tar with gzip",
};

/// Why Flux could not be run, or a commit not be published.
#[derive(Debug, thiserror::Error)]
pub enum FluxError {
    /// A part cannot be had.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    /// The controller does not start.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The control plane refused something.
    #[error(transparent)]
    ControlPlane(#[from] ControlPlaneError),
    /// A file or a port cannot be used.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
}

impl FluxError {
    fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}

/// A kustomize-controller that was started; killed on drop.
#[derive(Debug)]
pub struct Flux {
    process: Process,
    _scratch: Scratch,
}

impl Flux {
    /// Installs the definitions and starts the controller for all namespaces, with the rights of an administrator.
    pub async fn start(plane: &ControlPlane) -> Result<Self, FluxError> {
        let definitions = flux_definitions().await?;
        let definitions = definitions.to_string_lossy();
        let apply = ["apply", "--server-side", "-f", &definitions];
        plane.kubectl(&apply).await?.stdout()?;
        let established = [
            "wait",
            "--for=condition=Established",
            "--timeout=60s",
            "-f",
            &definitions,
        ];
        plane.kubectl(&established).await?.stdout()?;

        let scratch = Scratch::new("flux")?;
        let health = format!("127.0.0.1:{}", free_port()?);
        let process = Spec::new("kustomize-controller", Program::KustomizeController.find().await?)
            .log(scratch.path().join("kustomize-controller.log"))
            .grace(Duration::ZERO)
            .args(["--events-addr=", "--metrics-addr=127.0.0.1:0"])
            .arg(format!("--health-addr={health}"))
            // Intervals as they are written, and failures that are tried again soon.
            .args([
                "--interval-jitter-percentage=0",
                "--requeue-dependency=1s",
                "--http-retry=1",
            ])
            .args(["--min-retry-delay=200ms", "--max-retry-delay=2s"])
            .env("KUBECONFIG", plane.kubeconfig())
            .env("RUNTIME_NAMESPACE", "flux-system")
            .env("TMPDIR", scratch.path())
            .spawn()?;
        crate::tls::install();
        let url = format!("http://{health}/readyz");
        process
            .ready(READY_LIMIT, async || reqwest::get(&url).await?.error_for_status())
            .await?;
        Ok(Self {
            process,
            _scratch: scratch,
        })
    }

    /// Everything that the controller has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }
}

/// A `GitRepository` whose commits a test makes.
#[derive(Debug)]
pub struct Repository {
    name: String,
    url: String,
    archive: Arc<Mutex<Vec<u8>>>,
    scratch: Scratch,
    server: JoinHandle<()>,
    commits: u32,
}

impl Repository {
    /// Serves the commits of the `GitRepository` of this name, which is to be applied before the first one.
    pub async fn new(name: &str) -> Result<Self, FluxError> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .map_err(FluxError::io("listen"))?;
        let address = listener.local_addr().map_err(FluxError::io("listen"))?;
        let archive = Arc::new(Mutex::new(Vec::new()));
        Ok(Self {
            name: name.to_owned(),
            url: format!("http://{address}"),
            server: tokio::spawn(serve(listener, archive.clone())),
            archive,
            scratch: Scratch::new("repository")?,
            commits: 0,
        })
    }

    /// Makes a commit of these files, which replace all others, and publishes it; the revision.
    pub async fn commit(&mut self, namespace: &Namespace, files: &[(&str, &str)]) -> Result<String, FluxError> {
        self.commits += 1;
        let tree = self.scratch.path().join(format!("tree-{}", self.commits));
        for (path, text) in files {
            crate::provision::write(&tree.join(path), text)?;
        }
        let bytes = std::fs::read(pack(&tree).await?).map_err(FluxError::io("read the archive"))?;
        let digest = hex(ring::digest::digest(&ring::digest::SHA256, &bytes).as_ref());
        let revision = format!("main@sha1:{:040}", self.commits);
        *self.archive.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
        let now = "2026-01-01T00:00:00Z";
        let file = format!("{}.tar.gz", self.commits);
        let status = json!({"status": {
            "observedGeneration": 1,
            "artifact": {
                "url": format!("{}/{file}", self.url), "path": file, "revision": revision,
                "digest": format!("sha256:{digest}"), "lastUpdateTime": now,
            },
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "Succeeded", "message": "stored artifact",
                "lastTransitionTime": now, "observedGeneration": 1,
            }],
        }});
        let status = status.to_string();
        let patch = [
            "patch",
            "gitrepository",
            &self.name,
            "--subresource=status",
            "--type=merge",
        ];
        // Flux takes fields of a manager that is called kubectl for a person's, and reverts them.
        let manager = ["--field-manager=source-controller", "-p", &status];
        namespace.kubectl(&[&patch[..], &manager].concat()).await?.stdout()?;
        Ok(revision)
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn pack(tree: &Path) -> Result<PathBuf, FluxError> {
    let file = tree.with_extension("tar.gz");
    let spec = Spec::new("tar", "tar")
        .arg("-czf")
        .arg(&file)
        .arg("-C")
        .arg(tree)
        .arg(".");
    TAR.run(tree, spec).await?;
    Ok(file)
}

/// Answers every request with the newest archive.
async fn serve(listener: TcpListener, archive: Arc<Mutex<Vec<u8>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let bytes = archive.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // A controller that hangs up asks again.
        let _ = answer(stream, &bytes).await;
    }
}

async fn answer(mut stream: TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let head = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        bytes.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(bytes).await?;
    stream.shutdown().await
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
