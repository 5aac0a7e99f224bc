//! The command line, one file a command.

mod certify;
mod check;
mod crds;
mod relocate;
mod run;
mod suspects;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

/// Registers OAuth 2.0 and OpenID Connect clients declaratively.
#[derive(Parser, Debug)]
#[command(name = "oauth-client-operator", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the operator
    Run(run::Run),
    /// Check that the kinds are served and that no right of the operator is missing
    Check(check::Check),
    /// Show what a provider does, on a throw-away OAuthClient, and which settings it needs
    Certify(certify::Certify),
    /// List, show, acknowledge and retry clients that may have been left at a provider
    Suspects(suspects::Suspects),
    /// Move a stopped installation to another namespace of the cluster
    Move(relocate::Move),
    /// Print the CustomResourceDefinitions, or write them to a directory
    Crds(crds::Crds),
}

/// Parses the command line and runs the command that it names.
#[must_use]
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Certify(command) => command.run(),
        Command::Suspects(command) => command.run(),
        Command::Move(command) => command.run(),
        Command::Crds(command) => command.run(),
    }
}

/// The runtime of every command. The work is to wait for answers: with more threads they wake each other for each of them, and
/// each thread keeps a heap of its own, which costs a third more processor time for the same calls.
///
/// # Errors
/// The exit code, if the system refuses a runtime. The reason is printed.
fn runtime() -> Result<Runtime, ExitCode> {
    Builder::new_current_thread().enable_all().build().map_err(|error| {
        eprintln!("cannot start the runtime: {error}");
        ExitCode::FAILURE
    })
}
