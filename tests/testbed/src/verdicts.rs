//! What tools of others say about objects: the library kstatus, by which Flux and Helm wait, and a health script for Argo CD in
//! the interpreter that Argo CD uses. It asks [`Program::Verdict`].

use std::path::Path;
use std::process::Stdio;

use serde::Deserialize;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use crate::provision::{Program, ProvisionError};

/// What the tools say about one object.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The status of kstatus: `Current`, `InProgress`, `Failed` or `Terminating`.
    pub kstatus: String,
    /// Its message.
    pub message: String,
    /// The health code of the script, or what Argo CD says without asking it.
    #[serde(default)]
    pub health: String,
    /// The message beside it.
    #[serde(default)]
    pub health_message: String,
}

/// Why the tools could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum VerdictError {
    /// The program cannot be built.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    /// The program cannot be run.
    #[error("cannot run the verdict program: {0}")]
    Io(#[from] std::io::Error),
    /// The program refused an object or the script failed.
    #[error("the verdict program failed: {0}")]
    Failed(String),
    /// The program answered with something else than JSON.
    #[error("the verdict program answered with {answer:?}: {source}")]
    Answer {
        /// The line.
        answer: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// What the tools say about each of the objects, with a health script.
pub async fn verdicts(objects: &[Value], script: &Path) -> Result<Vec<Verdict>, VerdictError> {
    let mut child = tokio::process::Command::new(Program::Verdict.find().await?)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let lines = objects
        .iter()
        .fold(String::new(), |text, object| text + &object.to_string() + "\n");
    if let Some(mut pipe) = child.stdin.take() {
        // A program that fails before it has read everything tells why on stderr.
        let _ = pipe.write_all(lines.as_bytes()).await;
    }
    let output = child.wait_with_output().await?;
    if !output.status.success() {
        return Err(VerdictError::Failed(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ));
    }
    let answers = String::from_utf8_lossy(&output.stdout).into_owned();
    let decoded = answers.lines().map(|answer| {
        serde_json::from_str(answer).map_err(|source| VerdictError::Answer {
            answer: answer.to_owned(),
            source,
        })
    });
    decoded.collect()
}
