//! `oauth-client-operator move`: moves a stopped installation to another namespace.
//!
//! It acts with the rights of its caller and asks the API server only. It is safe when killed at any step: both operators are locked
//! out until the same command has run to its end (see [`crate::cluster::Mover`]).

use std::cell::Cell;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::cluster::{self, MoveError, Mover, Report};
use crate::domain::relocation::Relocation;

/// Arguments of `move`.
#[derive(Args, Debug)]
pub(super) struct Move {
    /// Namespace of the operator as it is now
    #[arg(long, value_name = "NAMESPACE")]
    from: String,
    /// Namespace of the operator from now on. It has to exist
    #[arg(long, value_name = "NAMESPACE")]
    to: String,
    /// Seconds to wait for an operator that stops
    #[arg(long, value_name = "SECONDS", default_value_t = 90)]
    timeout: u64,
    /// Exit after this number of writes. For tests
    #[arg(long, hide = true, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    exit_after_writes: Option<u32>,
}

impl Move {
    pub(super) fn run(self) -> ExitCode {
        let runtime = match super::runtime() {
            Ok(runtime) => runtime,
            Err(code) => return code,
        };
        let (from, to) = (self.from.clone(), self.to.clone());
        match runtime.block_on(self.moved()) {
            Ok(report) if report == Report::default() => {
                println!("Nothing to move: everything of namespace {from} is in namespace {to}.");
                ExitCode::SUCCESS
            }
            Ok(report) => {
                println!(
                    "Moved {} records and suspects, {} Secrets with provider credentials and {} ConfigMaps with certificates of providers to \
                     namespace {to}; {} OAuthClients name it now. Start the operator in namespace {to}.",
                    report.records, report.credentials, report.config_maps, report.markers
                );
                ExitCode::SUCCESS
            }
            Err(text) => {
                eprintln!("{text}");
                ExitCode::FAILURE
            }
        }
    }

    async fn moved(self) -> Result<Report, String> {
        let client = cluster::connect().await.map_err(|error| error.to_string())?;
        let mover = Mover {
            client,
            relocation: Relocation {
                from: self.from,
                to: self.to,
            },
            patience: Duration::from_secs(self.timeout),
            writes: self.exit_after_writes.map(Cell::new),
        };
        mover.run().await.map_err(|error| match error {
            MoveError::Api { .. } => {
                format!("{error}. Repeat the command to complete the move; until then, no operator can start or lead")
            }
            other => other.to_string(),
        })
    }
}
