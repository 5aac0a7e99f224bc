//! The report: from what a run met, and what the provider was seen to do, to results and settings.

use std::fmt::Write as _;

use serde::Serialize;

use crate::api::{
    Capabilities, DeleteSupport, Kept, ManagementMode, OmittedMembers, ProbeSupport, ReadSupport, Reason, Rotation,
    SecretInUpdate, UpdateMembers, UpdateSupport,
};
use crate::domain::target::Knobs;

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

fn feature(name: &'static str, result: Verdict, note: impl Into<String>) -> Feature {
    Feature {
        name,
        result,
        note: note.into(),
        setting: None,
    }
}

impl Feature {
    fn set(self, setting: Option<&'static str>) -> Self {
        Self { setting, ..self }
    }
}

/// Without these no application can use a client.
fn core(run: &Run) -> Vec<Feature> {
    vec![
        of_step("Discovery", &run.discovered),
        of_step("Registration", &run.registered),
        of_step("Credentials", &run.verified),
        wrong_secret(run),
    ]
}

fn of_step(name: &'static str, step: &Step) -> Feature {
    match step {
        Step::Done => feature(name, Verdict::Passed, ""),
        Step::Failed { reason, message } => {
            feature(name, Verdict::Failed, format!("{reason}: {message}")).set(remedy(reason))
        }
        Step::Skipped(why) => feature(name, Verdict::Skipped, why.clone()),
    }
}

/// The settings that answer a refusal.
fn remedy(reason: &str) -> Option<&'static str> {
    Some(match Reason::parse(reason)? {
        Reason::CredentialsMissing | Reason::ConsentMissing | Reason::CredentialsRejected => "spec.registrationAuth",
        Reason::RegistrationUnsupported => "spec.endpoints.registration",
        Reason::IssuerMismatch => "spec.expectedIssuer",
        Reason::OriginNotAllowed => "spec.endpoints.allowedOrigins",
        Reason::CertificateRejected => "spec.tls.caBundle",
        Reason::NamespaceNotAllowed => "spec.allowedNamespaces",
        Reason::DiscoveryFailed => "spec.issuer, spec.webFinger or spec.metadataURL",
        Reason::RateLimited => "spec.rateLimit",
        Reason::RegistrationRejected => "spec.omitMembers or spec.omitDefaults",
        Reason::UpdateRejected => "spec.management.updateMembers: All",
        Reason::UpdateUnsupported => "spec.management.mode: None",
        _ => return None,
    })
}

/// What a wrong secret meets, where it was tried.
fn wrong_secret(run: &Run) -> Feature {
    const NAME: &str = "WrongSecretRejected";
    let probes = run.capabilities.probes.clone().unwrap_or_default();
    let told = probes.revocation.max(probes.introspection).max(probes.token);
    match told {
        Some(ProbeSupport::AcceptsAnybody) => feature(
            NAME,
            Verdict::Failed,
            "the provider accepts clients that were never registered, so an accepted secret proves nothing",
        )
        .set(Some("spec.verify: Never").filter(|_| run.tries)),
        Some(ProbeSupport::AcceptsAnySecret) => feature(
            NAME,
            Verdict::Failed,
            "the provider accepts a wrong secret of the client",
        )
        .set(Some("spec.verify: Never").filter(|_| run.tries)),
        Some(ProbeSupport::TellsSecrets) => feature(NAME, Verdict::Passed, ""),
        Some(ProbeSupport::TellsClients) | None => feature(
            NAME,
            Verdict::Skipped,
            "no answer of the provider tells a wrong secret from the right one",
        ),
    }
}

/// What the operator copes without.
fn extended(run: &Run) -> Vec<Feature> {
    let mut all = vec![management(run)];
    if let Some(why) = unmanaged(run) {
        for name in [
            "Read",
            "Update",
            "ClearedMembers",
            "Deletion",
            "StableToken",
            "StableSecret",
        ] {
            all.push(feature(name, Verdict::Skipped, why.clone()));
        }
        return all;
    }
    all.extend([
        read(run),
        update(run),
        cleared(run),
        deletion(run),
        stable(
            "StableToken",
            run.capabilities.registration_access_token.as_ref(),
            "the operator stores the new registration access token",
        ),
        stable(
            "StableSecret",
            run.capabilities.client_secret.as_ref(),
            "the operator writes the new secret into the Secret, and applications have to reload it",
        ),
    ]);
    all
}

/// Why no client is managed at this provider.
fn unmanaged(run: &Run) -> Option<String> {
    if run.registered != Step::Done {
        return Some("no client was registered".to_owned());
    }
    if run.knobs.management == ManagementMode::None {
        return Some("management.mode is None".to_owned());
    }
    let offered = run.capabilities.management != Some(ManagementMode::None);
    (!offered).then(|| "the provider returned no registration access token".to_owned())
}

fn management(run: &Run) -> Feature {
    const NAME: &str = "Management";
    let is_off = run.knobs.management == ManagementMode::None;
    match run.capabilities.management {
        None => feature(NAME, Verdict::Skipped, "no client was registered"),
        Some(ManagementMode::None) => feature(
            NAME,
            Verdict::Unsupported,
            "registrations return no registration access token and URI",
        )
        .set(Some("spec.management.mode: None").filter(|_| !is_off)),
        Some(ManagementMode::RegistrationAccessToken) if is_off => feature(
            NAME,
            Verdict::Supported,
            "by registration access token, which is not used here",
        ),
        Some(ManagementMode::RegistrationAccessToken) => {
            feature(NAME, Verdict::Supported, "by registration access token")
        }
        Some(ManagementMode::Credentials) => feature(NAME, Verdict::Supported, "by managementAuth"),
    }
}

fn read(run: &Run) -> Feature {
    match run.capabilities.read {
        Some(ReadSupport::Supported) => feature("Read", Verdict::Supported, ""),
        Some(ReadSupport::Unsupported) => feature("Read", Verdict::Unsupported, "reads are not needed"),
        None => feature("Read", Verdict::Skipped, "no read showed the client"),
    }
}

fn update(run: &Run) -> Feature {
    const NAME: &str = "Update";
    let includes = run.knobs.secret_in_update == SecretInUpdate::Include;
    match (run.capabilities.update, &run.changed) {
        (Some(UpdateSupport::PutWithSecret), Step::Done) => feature(
            NAME,
            Verdict::Deviates,
            "updates are accepted with the client secret in them",
        )
        .set(Some("spec.management.secretInUpdate: Include").filter(|_| !includes)),
        (Some(UpdateSupport::Unsupported), _) => {
            let deletes = run.capabilities.delete == Some(DeleteSupport::Supported);
            let note = "a changed manifest needs another client: annotation oauth-client-operator.dev/replace";
            feature(NAME, Verdict::Unsupported, note).set(Some("spec.management.mode: None").filter(|_| !deletes))
        }
        (_, Step::Failed { reason, message }) => {
            let all = run.knobs.update_members == UpdateMembers::All;
            let setting = remedy(reason).filter(|_| !(all && reason == Reason::UpdateRejected.as_str()));
            feature(NAME, Verdict::Failed, format!("{reason}: {message}")).set(setting)
        }
        (_, Step::Skipped(why)) => feature(NAME, Verdict::Skipped, why.clone()),
        (_, Step::Done) => feature(NAME, Verdict::Supported, ""),
    }
}

fn cleared(run: &Run) -> Feature {
    const NAME: &str = "ClearedMembers";
    match (run.capabilities.omitted_members, &run.cleared) {
        (Some(OmittedMembers::Cleared), _) => feature(NAME, Verdict::Supported, ""),
        (Some(OmittedMembers::Kept), _) => feature(
            NAME,
            Verdict::Deviates,
            "a member that is removed from the manifest stays at the provider",
        ),
        (None, Step::Skipped(why)) => feature(NAME, Verdict::Skipped, why.clone()),
        (None, _) => feature(NAME, Verdict::Skipped, "the provider did not show the member"),
    }
}

fn deletion(run: &Run) -> Feature {
    const NAME: &str = "Deletion";
    match (run.capabilities.delete, &run.deleted) {
        (_, Step::Failed { reason, message }) => feature(NAME, Verdict::Failed, format!("{reason}: {message}")),
        (Some(DeleteSupport::Supported), _) => feature(NAME, Verdict::Supported, ""),
        (Some(DeleteSupport::Unproven), _) => feature(
            NAME,
            Verdict::Deviates,
            "the answer proves nothing; the client may be left at the provider, and `suspects list` names it",
        ),
        (Some(DeleteSupport::Unsupported), _) => feature(
            NAME,
            Verdict::Unsupported,
            "the client of a deleted OAuthClient stays at the provider, and `suspects list` names it",
        ),
        (None, _) => feature(
            NAME,
            Verdict::Skipped,
            "the provider neither confirmed the deregistration nor said that it offers none; `suspects list` names the client",
        ),
    }
}

fn stable(name: &'static str, seen: Option<&Rotation>, copes: &str) -> Feature {
    let Some(seen) = seen else {
        return feature(name, Verdict::Skipped, "no read and no update succeeded");
    };
    let on = [("read", seen.on_read), ("update", seen.on_update)];
    let changed: Vec<&str> = on
        .into_iter()
        .filter_map(|(on, kept)| (kept == Some(Kept::Changed)).then_some(on))
        .collect();
    if changed.is_empty() {
        return feature(name, Verdict::Supported, "");
    }
    let note = format!("another one after each {}; {copes}", changed.join(" and "));
    feature(name, Verdict::Deviates, note)
}

#[cfg(test)]
mod tests;
