//! Logs. What is secret lives in types that cannot be printed, so nothing here has to filter it.

use clap::ValueEnum;
use tracing::Metadata;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry};

/// What is logged without `RUST_LOG`.
const DEFAULT: &str = "info";

/// What the libraries log, unless `RUST_LOG` names the target itself.
const LIBRARIES: [(&str, &str); 6] = [
    ("kube", "warn"),
    ("hyper", "warn"),
    ("reqwest", "warn"),
    ("rustls", "warn"),
    // An error for each failed request, without its cause; whoever made the request logs the cause.
    ("kube_client::client::builder", "off"),
    // A warning for each refused list and watch; the watches of the operator log them once.
    ("kube_runtime::watcher", "off"),
];

/// This module logs the text of answers that it cannot decode, and of others at its lower levels: they may be Secrets.
const NEVER: &str = "kube_client::client";

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// Lines for people.
    Text,
}

/// Starts logging to standard error; `RUST_LOG` says what, in the syntax of `EnvFilter`. Once a process: later calls change
/// nothing.
pub fn init(format: Format) {
    let chosen = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let filter = directives(&chosen)
        .parse()
        .unwrap_or_else(|_| EnvFilter::new(directives("")));
    let filter = filter.and(filter_fn(is_no_answer));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        Format::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
        Format::Text => lines.with_ansi(false).with_filter(filter).boxed(),
    };
    let _ = Registry::default().with(lines).try_init();
}

/// The chosen directives, with those of the libraries that they say nothing about.
fn directives(chosen: &str) -> String {
    let mut all = if chosen.trim().is_empty() { DEFAULT } else { chosen }.to_owned();
    let named = |target: &str| {
        let mut directives = chosen.split(',').map(str::trim);
        directives.any(|directive| directive.split(['=', '[']).next() == Some(target))
    };
    for (target, level) in LIBRARIES.into_iter().filter(|(target, _)| !named(target)) {
        all.push(',');
        all.push_str(target);
        all.push('=');
        all.push_str(level);
    }
    all
}

/// Whether a line cannot hold the text of an answer of the API server.
fn is_no_answer(line: &Metadata<'_>) -> bool {
    line.target() != NEVER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t120_libraries_are_quiet_unless_they_are_named() {
        let quiet = "kube_client::client::builder=off";
        assert!(directives("").starts_with("info,") && directives("").contains(quiet));
        assert!(directives("debug,oauth_client_operator=trace").contains(quiet));
        let named = directives("info,kube_client::client::builder=debug,kube=info");
        assert!(!named.contains(quiet) && !named.contains("kube=warn"), "{named}");
        assert!(named.parse::<EnvFilter>().is_ok());
    }
}
