//! `oauth-client-operator suspects`: what outlived its object in the operator's namespace, for people.
//!
//! It acts with the rights of its caller and asks the API server only. No value of a credential leaves it: an entry is read into
//! [`entry::Entry`], which has no member for one.

mod act;
mod cluster;
mod entry;
mod print;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use cluster::{Cluster, Problem};
use entry::Entry;

#[derive(Args, Debug)]
pub(super) struct Suspects {
    #[command(subcommand)]
    command: Command,
    /// Namespace of the operator; that of the kubeconfig's context if not given, or else oauth-client-operator-system
    #[arg(long, short, global = true, value_name = "NAMESPACE")]
    namespace: Option<String>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// List suspects, clients that a deletion left, unfinished deletions (tombstones) and records without an OAuthClient (unmatched)
    List {
        #[command(flatten)]
        filter: Filter,
        /// Form of the output
        #[arg(long, short, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Show everything about one entry, and what to do. Credentials are named, never shown
    Show {
        /// Name of the entry, from the list
        name: String,
        /// Form of the output
        #[arg(long, short, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Remove entries after you have looked at the provider. A record that the entry holds is removed with it
    Ack {
        #[command(flatten)]
        selection: Selection,
        /// Remove records of registered clients without an OAuthClient, too
        #[arg(long)]
        unmatched: bool,
    },
    /// Ask the running operator to deregister the clients of entries now
    Retry {
        #[command(flatten)]
        selection: Selection,
    },
}

/// Which entries are meant.
#[derive(Args, Debug)]
struct Selection {
    /// Names of entries, from the list
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "NAME")]
    names: Vec<String>,
    /// All suspects of a provider or an issuer
    #[arg(long, requires = "filter")]
    all: bool,
    /// With --all: instead of suspects, all clients that a deletion left at a provider that deregisters none
    #[arg(long, requires = "all")]
    left: bool,
    #[command(flatten)]
    filter: Filter,
}

#[derive(Args, Debug)]
#[group(id = "filter", multiple = true)]
struct Filter {
    /// Only entries of this provider object: its name, or its kind and name as the list shows them
    #[arg(long, value_name = "PROVIDER")]
    provider: Option<String>,
    /// Only entries of this issuer
    #[arg(long, value_name = "ISSUER")]
    issuer: Option<String>,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    /// For people
    Table,
    /// For programs
    Json,
}

impl Filter {
    fn fits(&self, entry: &Entry) -> bool {
        let named = |wanted: &str| {
            let provider = entry.provider.as_deref();
            provider.is_some_and(|provider| provider == wanted || provider.rsplit(' ').next() == Some(wanted))
        };
        self.provider.as_deref().is_none_or(named)
            && (self.issuer.as_deref()).is_none_or(|wanted| entry.issuer.as_deref() == Some(wanted))
    }
}

impl Suspects {
    pub(super) fn run(self) -> ExitCode {
        let runtime = match super::runtime() {
            Ok(runtime) => runtime,
            Err(code) => return code,
        };
        match runtime.block_on(self.answer()) {
            Ok(said) => {
                // A reader such as `head` may have left.
                let _ = std::io::stdout().write_all(said.as_bytes());
                ExitCode::SUCCESS
            }
            Err(Problem(text)) => {
                eprintln!("{text}");
                ExitCode::FAILURE
            }
        }
    }

    async fn answer(self) -> Result<String, Problem> {
        let cluster = Cluster::connect(self.namespace).await?;
        match self.command {
            Command::List { filter, output } => {
                let mut entries = cluster.entries().await?;
                entries.retain(|entry| filter.fits(entry));
                Ok(match output {
                    Output::Json => print::json(&entries),
                    Output::Table if entries.is_empty() => {
                        eprintln!("No entries found in namespace {}.", cluster.namespace);
                        String::new()
                    }
                    Output::Table => print::table(&entries),
                })
            }
            Command::Show { name, output } => {
                let entry = cluster.entry(&name).await?;
                Ok(match output {
                    Output::Json => print::json(&entry),
                    Output::Table => print::details(&entry, &cluster.namespace),
                })
            }
            Command::Ack { selection, unmatched } => act::acknowledge(&cluster, &selection, unmatched).await,
            Command::Retry { selection } => act::retry(&cluster, &selection).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser, Debug)]
    struct Line {
        #[command(flatten)]
        suspects: Suspects,
    }

    fn parses(line: &str) -> bool {
        Line::try_parse_from(format!("test {line}").split_whitespace()).is_ok()
    }

    #[test]
    fn t151_every_command_of_the_page_is_understood() {
        let page = include_str!("../../docs/suspects.md");
        let lines = page
            .lines()
            .filter_map(|line| line.split_once("oauth-client-operator suspects "));
        let lines: Vec<_> = lines.filter(|(before, _)| !before.contains('`')).collect();
        assert!(lines.len() >= 6, "{}", lines.len());
        for (_, line) in lines {
            assert!(parses(line), "{line}");
        }
    }

    #[test]
    fn t151_all_needs_a_filter_and_excludes_names() {
        for line in [
            "ack a b",
            "ack --all --provider p",
            "retry --all --issuer i",
            "list --provider p",
        ] {
            assert!(parses(line), "{line}");
        }
        for line in ["ack", "ack --all", "ack a --all --provider p", "retry --all", "show"] {
            assert!(!parses(line), "{line}");
        }
    }
}
