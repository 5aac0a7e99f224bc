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

    /// Whether the program can be started and is of this major version or a newer one: the first number that it
    /// prints.
    ///
    /// Errors: [`ProvisionError::MissingTool`] if it is not there, [`ProvisionError::Unfit`] if it is too old.
    pub async fn require_major(&self, wanted: u32) -> Result<(), ProvisionError> {
        let line = self.version().await?;
        if major(&line).is_some_and(|major| major >= wanted) {
            return Ok(());
        }
        Err(ProvisionError::Unfit {
            what: format!(
                "{} is too old, it says {line:?}: install {}",
                self.program, self.install
            ),
        })
    }

    /// The line in which the program says its version.
    pub async fn version(&self) -> Result<String, ProvisionError> {
        self.require().await?;
        let said = tokio::process::Command::new(self.program)
            .args(self.version_args)
            .output()
            .await
            .map_err(ProvisionError::io("run", Path::new(self.program)))?;
        let said = [said.stdout, said.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        // Java first tells which options it found in the environment.
        let line = said.lines().find(|line| !line.starts_with("Picked up "));
        Ok(line.unwrap_or_default().to_owned())
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

fn major(line: &str) -> Option<u32> {
    let digits = line.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_the_first_number() {
        assert_eq!(major("v20.20.2"), Some(20));
        assert_eq!(major(r#"openjdk version "17.0.15" 2025-04-15"#), Some(17));
        assert_eq!(major("unknown"), None);
    }
}
