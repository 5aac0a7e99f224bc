//! Logs. What is secret lives in types that cannot be printed, so nothing here has to filter it.

use std::sync::OnceLock;

use clap::ValueEnum;
use tracing::Metadata;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::fmt::format::{self, JsonFields};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, reload};

use crate::traces::WithIds;

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

/// Levels that can be set while the operator runs.
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// What is logged, and by what it is changed.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// The level of the log cannot be set.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LevelError {
    /// There is no such level.
    #[error("there is no log level {0:?}; use error, warn, info, debug or trace")]
    Unknown(String),
    /// Nothing is logged.
    #[error("the log was not started")]
    NotStarted,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON object a line.
    Json,
    /// Lines for people.
    Text,
}

/// Starts logging to standard error; `RUST_LOG` says what, in the syntax of `EnvFilter`. Once a process: later calls change
/// nothing.
pub(crate) fn init(format: Format) {
    let chosen = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let filter = directives(&chosen)
        .parse()
        .unwrap_or_else(|_| EnvFilter::new(directives("")));
    let (filter, handle) = reload::Layer::new(filter);
    let filter = filter.and(filter_fn(is_no_answer));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        Format::Json => {
            let json = format::Format::default().json().flatten_event(true);
            let json = WithIds {
                lines: json,
                json: true,
            };
            let lines = lines.event_format(json).fmt_fields(JsonFields::new());
            lines.with_filter(filter).boxed()
        }
        Format::Text => {
            let text = format::Format::default().with_ansi(false);
            let text = WithIds {
                lines: text,
                json: false,
            };
            lines.with_ansi(false).event_format(text).with_filter(filter).boxed()
        }
    };
    if Registry::default().with(lines).try_init().is_ok() {
        let _ = FILTER.set(handle);
    }
}

/// What is logged now, in the syntax of `EnvFilter`.
#[must_use]
pub(crate) fn filter() -> String {
    let shown = |handle: &reload::Handle<EnvFilter, Registry>| handle.with_current(ToString::to_string).ok();
    FILTER.get().and_then(shown).unwrap_or_default()
}

/// Changes the level of the operator's own lines. The libraries stay quiet: what they log can be chosen by `RUST_LOG` alone.
///
/// # Errors
/// There is no such level, or nothing is logged.
pub(crate) fn set_level(level: &str) -> Result<(), LevelError> {
    if !LEVELS.contains(&level) {
        // Whoever sent it may have sent anything.
        return Err(LevelError::Unknown(level.chars().take(32).collect()));
    }
    let handle = FILTER.get().ok_or(LevelError::NotStarted)?;
    let filter = EnvFilter::new(directives(level));
    handle.reload(filter).map_err(|_| LevelError::NotStarted)?;
    // Seen at every level, but for those at which nothing of the kind is.
    tracing::warn!(new_level = level, "log level changed");
    Ok(())
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

    #[test]
    fn t193_only_a_level_can_be_set_while_the_operator_runs() {
        for wrong in ["", "DEBUG", "debug,kube_client=trace", "kube_client::client=trace"] {
            assert_eq!(set_level(wrong), Err(LevelError::Unknown(wrong.to_owned())));
        }
    }
}
