//! From what a run met, and what the provider was seen to do, to results and settings.

use crate::api::{
    Clearing, DeleteSupport, Kept, ManagementMode, OmittedMembers, ProbeSupport, ReadSupport, Reason, Rotation,
    SecretInUpdate, UpdateMembers, UpdateSupport,
};

use super::{Feature, Run, Step, Verdict};

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
pub(super) fn core(run: &Run) -> Vec<Feature> {
    vec![
        of_step(run, "Discovery", &run.discovered),
        of_step(run, "Registration", &run.registered),
        of_step(run, "Credentials", &run.verified),
        wrong_secret(run),
    ]
}

fn of_step(run: &Run, name: &'static str, step: &Step) -> Feature {
    match step {
        Step::Done => feature(name, Verdict::Passed, ""),
        Step::Failed { reason, message } => {
            feature(name, Verdict::Failed, format!("{reason}: {message}")).set(remedy(run, reason))
        }
        Step::Skipped(why) => feature(name, Verdict::Skipped, why.clone()),
    }
}

/// The settings that answer a refusal.
fn remedy(run: &Run, reason: &str) -> Option<&'static str> {
    Some(match Reason::parse(reason)? {
        Reason::CredentialsMissing | Reason::ConsentMissing | Reason::CredentialsRejected => "spec.registrationAuth",
        Reason::RegistrationUnsupported => "spec.endpoints.registration",
        Reason::IssuerMismatch => "spec.expectedIssuer",
        // It may go to the origin of the issuer only.
        Reason::OriginNotAllowed if run.own_token => {
            "credentials from a Secret if the message names the ServiceAccount token; otherwise spec.endpoints.allowedOrigins"
        }
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
pub(super) fn extended(run: &Run) -> Vec<Feature> {
    let mut all = vec![requested(run), management(run)];
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
    let is_missing = is_managed_by_token(run) && run.capabilities.management == Some(ManagementMode::None);
    is_missing.then(|| "the provider returned no registration access token".to_owned())
}

/// Whether the provider object leaves management to the registration access token, so that a registration without one tells something.
fn is_managed_by_token(run: &Run) -> bool {
    run.knobs.management == ManagementMode::RegistrationAccessToken
}

fn management(run: &Run) -> Feature {
    const NAME: &str = "Management";
    let is_off = run.knobs.management == ManagementMode::None;
    match run.capabilities.management {
        None => feature(NAME, Verdict::Skipped, "no client was registered"),
        Some(ManagementMode::None) if run.knobs.management == ManagementMode::Credentials => {
            feature(NAME, Verdict::Skipped, "no call with managementAuth succeeded")
        }
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
            let setting = remedy(run, reason).filter(|_| !(all && reason == Reason::UpdateRejected.as_str()));
            feature(NAME, Verdict::Failed, format!("{reason}: {message}")).set(setting)
        }
        (_, Step::Skipped(why)) => feature(NAME, Verdict::Skipped, why.clone()),
        (_, Step::Done) => feature(NAME, Verdict::Supported, ""),
    }
}

fn cleared(run: &Run) -> Feature {
    const NAME: &str = "ClearedMembers";
    let ways = run.capabilities.clearing.clone().unwrap_or_default();
    let omitted = run.capabilities.omitted_members;
    // They are in the order in which the operator tries them.
    match ways.works.first() {
        Some(Clearing::Omit) => feature(NAME, Verdict::Supported, ""),
        Some(way) => {
            let (value, setting) = match way {
                Clearing::Omit | Clearing::Null => ("null", "spec.management.clearing: Null"),
                Clearing::Empty => ("an empty value", "spec.management.clearing: Empty"),
                Clearing::Default => ("the default value", "spec.management.clearing: Default"),
            };
            let note = format!("a member is removed by an update that has {value} for it");
            feature(NAME, Verdict::Deviates, note).set(Some(setting).filter(|_| run.knobs.clearing.is_none()))
        }
        None if !ways.fails.is_empty() || omitted == Some(OmittedMembers::Kept) => feature(
            NAME,
            Verdict::Deviates,
            "a member that is removed from the manifest stays at the provider",
        ),
        None if omitted == Some(OmittedMembers::Cleared) => feature(NAME, Verdict::Supported, ""),
        None => match &run.cleared {
            Step::Skipped(why) => feature(NAME, Verdict::Skipped, why.clone()),
            Step::Done | Step::Failed { .. } => feature(NAME, Verdict::Skipped, "the provider did not show the member"),
        },
    }
}

/// Whether the provider registers what is asked for.
fn requested(run: &Run) -> Feature {
    const NAME: &str = "RequestedValues";
    match run.capabilities.substitutes.as_deref() {
        None => feature(NAME, Verdict::Skipped, "no answer showed a member that was asked for"),
        Some([]) => feature(NAME, Verdict::Supported, ""),
        Some(members) => {
            let note = format!(
                "the provider registers other values of {}; status.effective of an OAuthClient shows them",
                members.join(", ")
            );
            feature(NAME, Verdict::Deviates, note)
        }
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
