//! `oauth-client-operator crds`: the CustomResourceDefinitions as YAML.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::api;

const HEADER: &str = "# Generated from the Rust types by `oauth-client-operator crds`. Do not edit.\n";

#[derive(Args, Debug)]
pub(super) struct Crds {
    /// Directory that receives one file a definition; without it they are printed
    #[arg(long)]
    output: Option<PathBuf>,
}

impl Crds {
    pub(super) fn run(self) -> ExitCode {
        match self.write() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("cannot write the CustomResourceDefinitions: {error}");
                ExitCode::FAILURE
            }
        }
    }

    fn write(&self) -> Result<(), Box<dyn std::error::Error>> {
        for crd in api::crds() {
            let yaml = quoted(&serde_yaml::to_string(&crd)?);
            match &self.output {
                Some(directory) => std::fs::write(directory.join(api::file_name(&crd)), format!("{HEADER}{yaml}"))?,
                None => println!("---\n{yaml}"),
            }
        }
        Ok(())
    }
}

/// YAML 1.1, which kubectl reads, takes the keys `n` and `y` of a JSON Web Key for false and true.
fn quoted(yaml: &str) -> String {
    let lines = yaml.lines().map(|line| match line.trim_start() {
        key @ ("n:" | "y:") => {
            let indent = &line[..line.len() - key.len()];
            format!("{indent}\"{}\":\n", &key[..1])
        }
        _ => format!("{line}\n"),
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t123_keys_that_yaml_takes_for_truth_values_are_quoted() {
        assert_eq!(
            quoted("a:\n  n:\n    type: string\n  kty: n\n"),
            "a:\n  \"n\":\n    type: string\n  kty: n\n"
        );
    }
}
