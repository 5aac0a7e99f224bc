//! `cargo campaign`: long campaigns against the real binary. Ends with an error if a promise was broken.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use testbed::campaign::{Failure, Report, certify, define, fairness, kills, rates, replicas, sick, soak};
use testbed::control_plane::{ControlPlane, ControlPlaneOptions};
use testbed::operator;
use testbed::progress::say;

/// Long campaigns against the real binary: faults by the hundred under load.
#[derive(Parser)]
#[command(name = "cargo campaign")]
struct Arguments {
    /// The operator's binary; built in release mode if not given
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    #[command(subcommand)]
    campaign: Campaign,
}

#[derive(Subcommand)]
enum Campaign {
    /// Random kills over objects in mixed operations, with rotation of registration access tokens
    Kills {
        /// Kills
        #[arg(long, default_value_t = 200)]
        kills: usize,
        /// Objects
        #[arg(long, default_value_t = 200)]
        objects: u64,
        /// Repeats the same doings and the same times
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many times as fast the operator lives
        #[arg(long, default_value_t = 10)]
        time_scale: u32,
    },
    /// Random kills of runs of certify and of the operator beside them, at several providers
    Certify {
        /// Kills
        #[arg(long, default_value_t = 200)]
        kills: usize,
        /// Repeats the same victims and the same times
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many times as fast the operator lives
        #[arg(long, default_value_t = 20)]
        time_scale: u32,
        /// Leaves out Keycloak, which takes a while to start
        #[arg(long)]
        without_keycloak: bool,
    },
    /// The leader of two stands still past its lease and goes on, repeatedly, under load
    Replicas {
        /// Pauses
        #[arg(long, default_value_t = 10)]
        pauses: usize,
        /// Objects
        #[arg(long, default_value_t = 100)]
        objects: u64,
        /// Repeats the same doings and the same times
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// The provider answers 401 for everything during an hour of operator time
    Sick {
        /// Objects
        #[arg(long, default_value_t = 100)]
        objects: u64,
        /// How many times as fast the operator lives
        #[arg(long, default_value_t = 60)]
        time_scale: u32,
    },
    /// A tenant beside one with broken clients, and beside one whose provider hangs
    Fairness {
        /// Clients that are measured
        #[arg(long, default_value_t = 200)]
        objects: u64,
        /// Broken clients beside them
        #[arg(long, default_value_t = 5000)]
        broken: u64,
    },
    /// A fleet at a provider that allows few registrations an hour
    Rates {
        /// Clients
        #[arg(long, default_value_t = 1000)]
        objects: u64,
        /// Registrations an hour
        #[arg(long, default_value_t = 20)]
        an_hour: u32,
        /// How many times as fast operator and provider live; what the machine delays a call by counts so many times
        #[arg(long, default_value_t = 120)]
        time_scale: u32,
    },
    /// Hours of operator time under mixed load
    Soak {
        /// Hours of operator time
        #[arg(long, default_value_t = 24)]
        hours: u32,
        /// Objects
        #[arg(long, default_value_t = 100)]
        objects: u64,
        /// Repeats the same doings
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many times as fast the operator lives
        #[arg(long, default_value_t = 288)]
        time_scale: u32,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(report) => {
            for line in &report.figures {
                println!("{line}");
            }
            for line in &report.violations {
                println!("VIOLATION: {line}");
            }
            println!("{} violations", report.violations.len());
            ExitCode::from(u8::from(!report.violations.is_empty()))
        }
        Err(error) => {
            say(format!("the campaign could not be run to its end: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<Report, Failure> {
    let binary = match arguments.binary {
        Some(binary) => binary,
        None => operator::build(true).await?,
    };
    let plane = ControlPlane::start(ControlPlaneOptions::default()).await?;
    define(&plane).await?;
    match arguments.campaign {
        Campaign::Kills {
            kills,
            objects,
            seed,
            time_scale,
        } => {
            let rest = Duration::from_mins(5);
            let plan = kills::Plan {
                kills,
                objects,
                seed,
                time_scale,
                rest,
                quiet: Duration::from_secs(45),
            };
            kills::run(&plane, &binary, plan).await
        }
        Campaign::Certify {
            kills,
            seed,
            time_scale,
            without_keycloak,
        } => {
            let plan = certify::Plan {
                kills,
                seed,
                time_scale,
                keycloak: !without_keycloak,
                rest: Duration::from_mins(2),
            };
            certify::run(&plane, &binary, plan).await
        }
        Campaign::Replicas { pauses, objects, seed } => {
            let rest = Duration::from_mins(5);
            let plan = replicas::Plan {
                pauses,
                objects,
                seed,
                rest,
            };
            replicas::run(&plane, &binary, plan).await
        }
        Campaign::Sick { objects, time_scale } => {
            let burst = 1.0;
            let plan = sick::Plan {
                objects,
                time_scale,
                burst,
            };
            sick::run(&plane, &binary, plan).await
        }
        Campaign::Fairness { objects, broken } => {
            let ratio = 2.0;
            let plan = fairness::Plan { objects, broken, ratio };
            fairness::run(&plane, &binary, plan).await
        }
        Campaign::Rates {
            objects,
            an_hour,
            time_scale,
        } => {
            let plan = rates::Plan {
                objects,
                an_hour,
                time_scale,
                refused: 3,
                ratio: 1.1,
            };
            rates::run(&plane, &binary, plan).await
        }
        Campaign::Soak {
            hours,
            objects,
            seed,
            time_scale,
        } => {
            let plan = soak::Plan {
                hours,
                objects,
                seed,
                time_scale,
            };
            soak::run(&plane, &binary, plan).await
        }
    }
}
