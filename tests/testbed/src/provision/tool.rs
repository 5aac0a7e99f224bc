//! Programs of the machine that builds need: a compiler, a package manager.

use std::path::Path;

use super::{BUILD_LIMIT, ProvisionError};
use crate::process::{ProcessError, Scratch, Spec};

/// A program that must be installed, and what to install if it is not.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// Its name in `PATH`.
    pub program: &'static str,
    /// Arguments that make it print its version; only whether it starts is looked at.
    pub version_args: &'static [&'static str],
    /// What to install, shown to people.
    pub install: &'static str,
}

impl Tool {
    /// Runs a build step in `dir`; its output is shown only when it fails.
    ///
    /// Errors: [`ProvisionError::MissingTool`] if the program is not there, [`ProvisionError::Process`] with
    /// the end of the output if it fails.
    pub async fn run(&self, dir: &Path, spec: Spec) -> Result<(), ProvisionError> {
        let scratch = Scratch::new(self.program)?;
        let outcome = spec.dir(dir).log(scratch.path().join("log")).run(BUILD_LIMIT).await;
        outcome.map_err(|error| self.explain(error))
    }

    /// Whether the program can be started.
    pub async fn require(&self) -> Result<(), ProvisionError> {
        let spec = Spec::new(self.program, self.program).args(self.version_args);
        spec.run(BUILD_LIMIT).await.map_err(|error| self.explain(error))
    }

    fn explain(&self, error: ProcessError) -> ProvisionError {
        match error {
            ProcessError::Spawn { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                ProvisionError::MissingTool {
                    program: self.program.to_owned(),
                    install: self.install.to_owned(),
                }
            }
            other => other.into(),
        }
    }
}
