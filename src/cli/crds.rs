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
            let yaml = serde_yaml::to_string(&crd)?;
            match &self.output {
                Some(directory) => std::fs::write(directory.join(api::file_name(&crd)), format!("{HEADER}{yaml}"))?,
                None => println!("---\n{yaml}"),
            }
        }
        Ok(())
    }
}
