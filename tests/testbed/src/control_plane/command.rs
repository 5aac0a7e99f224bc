//! kubectl and helm against a cluster, as their users run them.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;

use super::servers::GOGC;
use super::{Cluster, ControlPlaneError};
use crate::provision::Program;

/// What a command left behind.
#[derive(Clone, Debug)]
pub struct CommandOutput {
    /// The command line, for error messages.
    pub command: String,
    /// Exit code; -1 if a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl CommandOutput {
    /// Whether it succeeded.
    #[must_use]
    pub fn success(&self) -> bool {
        self.code == 0
    }

    /// Its output, or [`ControlPlaneError::Command`] if it failed.
    pub fn stdout(self) -> Result<String, ControlPlaneError> {
        if self.success() {
            return Ok(self.stdout);
        }
        let stderr = if self.stderr.trim().is_empty() {
            self.stdout
        } else {
            self.stderr
        };
        Err(ControlPlaneError::Command {
            command: self.command,
            code: self.code,
            stderr,
        })
    }
}

/// What a command needs to reach the cluster, and to leave the user's own files alone.
#[derive(Clone, Debug)]
pub(super) struct Commands {
    pub(super) kubectl: PathBuf,
    pub(super) kubeconfig: PathBuf,
    pub(super) home: PathBuf,
}

impl Commands {
    async fn run(
        &self,
        name: &str,
        program: &PathBuf,
        args: &[&str],
        input: Option<&str>,
    ) -> Result<CommandOutput, ControlPlaneError> {
        let io = |source| ControlPlaneError::Io {
            path: program.clone(),
            source,
        };
        let mut child = tokio::process::Command::new(program)
            .args(args)
            .env("GOGC", GOGC)
            .env("KUBECONFIG", &self.kubeconfig)
            // Discovery caches are keyed by host and port, and ports come back with another server behind.
            .env("HOME", &self.home)
            .env("KUBECACHEDIR", self.home.join("kube-cache"))
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(io)?;
        if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
            // A command that fails before it has read everything tells why on stderr.
            let _ = pipe.write_all(input.as_bytes()).await;
        }
        let output = child.wait_with_output().await.map_err(io)?;
        Ok(CommandOutput {
            command: format!("{name} {}", args.join(" ")),
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    pub(super) async fn kubectl(&self, args: &[&str], input: Option<&str>) -> Result<CommandOutput, ControlPlaneError> {
        self.run("kubectl", &self.kubectl, args, input).await
    }
}

impl Cluster {
    /// Runs kubectl; a failure of the command itself is in the output, see [`CommandOutput::stdout`].
    pub async fn kubectl(&self, args: &[&str]) -> Result<CommandOutput, ControlPlaneError> {
        self.commands.kubectl(args, None).await
    }

    /// Runs kubectl with a text on its standard input, for `-f -`.
    pub async fn kubectl_with(&self, args: &[&str], input: &str) -> Result<CommandOutput, ControlPlaneError> {
        self.commands.kubectl(args, Some(input)).await
    }

    /// `kubectl apply -f -`; its output, or an error if it failed.
    pub async fn apply(&self, manifests: &str) -> Result<String, ControlPlaneError> {
        self.kubectl_with(&["apply", "-f", "-"], manifests).await?.stdout()
    }

    /// Runs helm 3, which is provided first if need be.
    pub async fn helm(&self, args: &[&str]) -> Result<CommandOutput, ControlPlaneError> {
        let helm = Program::Helm.find().await?;
        self.commands.run("helm", &helm, args, None).await
    }
}
