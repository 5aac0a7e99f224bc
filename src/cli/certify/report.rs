//! The report, as text and as JSON.

mod features;

use std::fmt::Write as _;

use serde::Serialize;

use crate::api::Capabilities;
use crate::domain::target::Knobs;

use features::{core, extended};

/// How a step of the run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// As it should.
    Done,
    /// It failed.
    Failed {
        /// Reason of the condition.
        reason: String,
        /// Its message.
        message: String,
    },
    /// It was not done; why.
    Skipped(String),
}

/// What a run met.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// Kind and name of the provider object.
    pub provider: String,
    /// Name of its profile.
    pub profile: String,
    /// Settings of the profile, with what the object overrides.
    pub knobs: Knobs,
    /// Whether the provider object uses the operator's own ServiceAccount token.
    pub own_token: bool,
    /// Whether credentials are tried at all.
    pub tries: bool,
    pub issuer: Option<String>,
    /// Identifier of the throw-away client.
    pub client_id: Option<String>,
    pub discovered: Step,
    pub registered: Step,
    /// Whether the provider accepts the credentials in the Secret.
    pub verified: Step,
    pub changed: Step,
    pub cleared: Step,
    pub deleted: Step,
    pub capabilities: Capabilities,
}

/// How a provider does in one thing.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It does what the operator needs.
    Passed,
    /// It does not.
    Failed,
    /// It offers this part of the specifications.
    Supported,
    /// It offers it in a way of its own.
    Deviates,
    /// It does not offer it.
    Unsupported,
    /// Nothing tells.
    Skipped,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Supported => "supported",
            Self::Deviates => "deviates",
            Self::Unsupported => "unsupported",
            Self::Skipped => "skipped",
        }
    }
}

/// One thing that a provider does or does not.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(super) struct Feature {
    pub name: &'static str,
    pub result: Verdict,
    /// What was seen.
    pub note: String,
    /// The setting of the provider object that answers a deviation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setting: Option<&'static str>,
}

/// What is told about a provider.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub provider: String,
    pub profile: String,
    pub issuer: Option<String>,
    #[serde(rename = "clientID")]
    pub client_id: Option<String>,
    /// Whether no part of the core failed.
    pub passed: bool,
    pub core: Vec<Feature>,
    pub extended: Vec<Feature>,
    pub skipped: Vec<Feature>,
    pub capabilities: Capabilities,
}

impl Report {
    pub(super) fn of(run: &Run) -> Self {
        let (core, extended) = (core(run), extended(run));
        let passed = core.iter().all(|feature| feature.result != Verdict::Failed);
        let is_told = |feature: &Feature| feature.result != Verdict::Skipped;
        let all = core.iter().chain(&extended);
        let skipped = all.filter(|feature| !is_told(feature)).cloned().collect();
        Self {
            provider: run.provider.clone(),
            profile: run.profile.clone(),
            issuer: run.issuer.clone(),
            client_id: run.client_id.clone(),
            passed,
            core: core.into_iter().filter(is_told).collect(),
            extended: extended.into_iter().filter(is_told).collect(),
            skipped,
            capabilities: run.capabilities.clone(),
        }
    }

    /// For programs.
    pub(super) fn json(&self) -> String {
        // All members have names that are text, so there is nothing that cannot be written.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let unknown = || "<unknown>".to_owned();
        let mut text = String::new();
        for (name, value) in [
            ("Provider", self.provider.clone()),
            ("Profile", self.profile.clone()),
            ("Issuer", self.issuer.clone().unwrap_or_else(unknown)),
            ("Client ID", self.client_id.clone().unwrap_or_else(unknown)),
            ("Core", if self.passed { "passed" } else { "failed" }.to_owned()),
        ] {
            let _ = writeln!(text, "{:<11}{}", format!("{name}:"), printable(&value));
        }
        for (heading, features) in [
            ("Core", &self.core),
            ("Extended", &self.extended),
            ("Skipped", &self.skipped),
        ] {
            if features.is_empty() {
                continue;
            }
            let _ = writeln!(text, "\n{heading}");
            for feature in features {
                let line = format!(
                    "  {:<12}{:<22}{}",
                    feature.result.word(),
                    feature.name,
                    printable(&feature.note)
                );
                text += &(line.trim_end().to_owned() + "\n");
                if let Some(setting) = feature.setting {
                    let _ = writeln!(text, "{:36}setting: {setting}", "");
                }
            }
        }
        text
    }
}

/// A provider chooses identifiers, which may hold escape sequences of a terminal.
fn printable(text: &str) -> String {
    let shown = |letter: char| if letter.is_control() { '\u{fffd}' } else { letter };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests;
