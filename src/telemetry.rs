//! Logs. What is secret lives in types that cannot be printed, so nothing here has to filter it.

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// What is logged without `RUST_LOG`.
const DEFAULT: &str = "info,kube=warn,hyper=warn,reqwest=warn,rustls=warn";

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
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let _ = match format {
        Format::Json => lines.json().flatten_event(true).try_init(),
        Format::Text => lines.with_ansi(false).try_init(),
    };
}
