//! `oauth-client-operator certify`: what a provider does and does not, shown on a throw-away client.
//!
//! The client is an ordinary `OAuthClient` with a label of its own, so the running operator does to it what it does to every other
//! one, with the same record and the same deletion. This command only writes manifests, with the rights of its caller, and reads what
//! the statuses say. If it is killed, the object stays, and the next run or `kubectl delete` ends it.

mod cluster;
mod drive;
mod report;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::api::ProviderKind;

use cluster::Cluster;
use report::Report;

#[derive(Args, Debug)]
pub(super) struct Certify {
    /// Name of the provider object
    #[arg(value_name = "PROVIDER")]
    provider: String,
    /// Kind of the provider object
    #[arg(long, value_enum, default_value_t = Kind::OAuthProvider)]
    kind: Kind,
    /// Namespace of the throw-away OAuthClient, and of an OAuthProvider; that of the kubeconfig's context if not given
    #[arg(long, short, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Name of the throw-away OAuthClient and of its Secret; certify-PROVIDER if not given
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Redirect URI of the throw-away OAuthClient, for providers that accept certain hosts only
    #[arg(long, value_name = "URI", default_value = "https://certify.example/callback")]
    redirect_uri: String,
    /// Grant types of the throw-away OAuthClient, separated by commas; those of every OAuthClient if not given
    #[arg(long, value_name = "GRANTS", value_delimiter = ',')]
    grant_types: Vec<String>,
    /// Seconds that each step may take
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    timeout: u64,
    /// Form of the report
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
#[value(rename_all = "PascalCase")]
enum Kind {
    /// In the namespace
    #[value(name = "OAuthProvider")]
    OAuthProvider,
    /// Of the cluster
    #[value(name = "ClusterOAuthProvider")]
    ClusterOAuthProvider,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Why there is no report, for people.
#[derive(Debug)]
struct Problem(String);

impl Certify {
    pub(super) fn run(self) -> ExitCode {
        let runtime = match super::runtime() {
            Ok(runtime) => runtime,
            Err(code) => return code,
        };
        match runtime.block_on(self.report()) {
            Ok(report) => {
                let said = match self.output {
                    Output::Text => report.text(),
                    Output::Json => report.json(),
                };
                // A reader such as `head` may have left.
                let _ = std::io::stdout().write_all(said.as_bytes());
                if report.passed {
                    ExitCode::SUCCESS
                } else {
                    ExitCode::FAILURE
                }
            }
            Err(Problem(text)) => {
                eprintln!("{text}");
                ExitCode::FAILURE
            }
        }
    }

    async fn report(&self) -> Result<Report, Problem> {
        let name = self
            .name
            .clone()
            .unwrap_or_else(|| format!("certify-{}", self.provider));
        let kind = match self.kind {
            Kind::OAuthProvider => ProviderKind::OAuthProvider,
            Kind::ClusterOAuthProvider => ProviderKind::ClusterOAuthProvider,
        };
        let cluster = Cluster::connect(self.namespace.clone(), kind, &self.provider, name).await?;
        let plan = drive::Plan {
            redirect_uri: self.redirect_uri.clone(),
            grant_types: self.grant_types.clone(),
            limit: Duration::from_secs(self.timeout),
        };
        Ok(Report::of(&drive::drive(&cluster, &plan).await?))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser, Debug)]
    struct Line {
        #[command(flatten)]
        certify: Certify,
    }

    #[test]
    fn t304_every_command_of_the_page_is_understood() {
        let page = include_str!("../../docs/certify.md");
        let lines = page.lines().map(str::trim);
        let lines: Vec<&str> = lines
            .filter_map(|line| line.strip_prefix("oauth-client-operator certify "))
            .collect();
        assert!(lines.len() >= 3, "{lines:?}");
        for line in lines {
            let parsed = Line::try_parse_from(format!("test {line}").split_whitespace());
            assert!(parsed.is_ok(), "{line}: {parsed:?}");
        }
    }
}
