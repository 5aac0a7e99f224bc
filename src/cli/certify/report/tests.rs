use super::*;
use crate::api::{
    Clearing, ClearingWays, DeleteSupport, Kept, ManagementMode, OmittedMembers, ProbeSupport, Probes, Profile,
    ReadSupport, Reason, Rotation, SecretInUpdate, UpdateSupport,
};
use crate::domain::profile::knobs;

/// A run at a provider that does everything as the specifications say.
fn run() -> Run {
    Run {
        provider: "OAuthProvider shop/id".to_owned(),
        profile: "rfc7592".to_owned(),
        knobs: knobs(Profile::Rfc7592),
        own_token: false,
        tries: true,
        issuer: Some("https://p".to_owned()),
        client_id: Some("id".to_owned()),
        discovered: Step::Done,
        registered: Step::Done,
        verified: Step::Done,
        changed: Step::Done,
        cleared: Step::Done,
        deleted: Step::Done,
        capabilities: Capabilities {
            management: Some(ManagementMode::RegistrationAccessToken),
            read: Some(ReadSupport::Supported),
            update: Some(UpdateSupport::Put),
            delete: Some(DeleteSupport::Supported),
            omitted_members: Some(OmittedMembers::Cleared),
            clearing: Some(ways(&[Clearing::Omit], &[])),
            substitutes: Some(Vec::new()),
            registration_access_token: Some(same()),
            client_secret: Some(same()),
            probes: probes(ProbeSupport::TellsSecrets),
        },
    }
}

fn ways(works: &[Clearing], fails: &[Clearing]) -> ClearingWays {
    ClearingWays {
        works: works.to_vec(),
        fails: fails.to_vec(),
    }
}

fn same() -> Rotation {
    Rotation {
        on_read: Some(Kept::Same),
        on_update: Some(Kept::Same),
    }
}

#[allow(clippy::unnecessary_wraps, reason = "the form of the member")]
fn probes(revocation: ProbeSupport) -> Option<Probes> {
    Some(Probes {
        revocation: Some(revocation),
        ..Probes::default()
    })
}

fn with(change: impl FnOnce(&mut Run)) -> Run {
    let mut run = run();
    change(&mut run);
    run
}

/// Result and setting of one thing.
fn told(run: &Run, name: &str) -> (Verdict, Option<&'static str>) {
    let report = Report::of(run);
    let all = report.core.iter().chain(&report.extended).chain(&report.skipped);
    let found: Vec<&Feature> = all.filter(|feature| feature.name == name).collect();
    assert_eq!(found.len(), 1, "{name}: {report:#?}");
    (found[0].result, found[0].setting)
}

fn failed(reason: Reason) -> Step {
    Step::Failed {
        reason: reason.as_str().to_owned(),
        message: "no".to_owned(),
    }
}

#[test]
fn t303_a_provider_that_does_as_the_specifications_say_needs_no_setting() {
    let report = Report::of(&run());
    assert!(report.passed && report.skipped.is_empty(), "{report:#?}");
    assert_eq!((report.core.len(), report.extended.len()), (4, 8));
    assert!(report.core.iter().all(|feature| feature.result == Verdict::Passed));
    assert!(
        report
            .extended
            .iter()
            .all(|feature| feature.result == Verdict::Supported)
    );
    assert!(!report.text().contains("setting:"));
}

#[test]
fn t303_each_deviation_names_the_setting_that_answers_it() {
    let seen = |change: fn(&mut Capabilities)| with(|run| change(&mut run.capabilities));
    let include = Some("spec.management.secretInUpdate: Include");
    let none = Some("spec.management.mode: None");
    let never = Some("spec.verify: Never");
    for (run, name, expected) in [
        (
            seen(|c| c.update = Some(UpdateSupport::PutWithSecret)),
            "Update",
            (Verdict::Deviates, include),
        ),
        (
            seen(|c| {
                c.update = Some(UpdateSupport::Unsupported);
                c.delete = Some(DeleteSupport::Unsupported);
            }),
            "Update",
            (Verdict::Unsupported, none),
        ),
        (
            seen(|c| c.update = Some(UpdateSupport::Unsupported)),
            "Update",
            (Verdict::Unsupported, None),
        ),
        (
            seen(|c| c.management = Some(ManagementMode::None)),
            "Management",
            (Verdict::Unsupported, none),
        ),
        (
            seen(|c| c.delete = Some(DeleteSupport::Unproven)),
            "Deletion",
            (Verdict::Deviates, None),
        ),
        (
            seen(|c| {
                c.omitted_members = Some(OmittedMembers::Kept);
                c.clearing = None;
            }),
            "ClearedMembers",
            (Verdict::Deviates, None),
        ),
        (
            seen(|c| c.client_secret.as_mut().unwrap().on_update = Some(Kept::Changed)),
            "StableSecret",
            (Verdict::Deviates, None),
        ),
        (
            seen(|c| c.registration_access_token.as_mut().unwrap().on_read = Some(Kept::Changed)),
            "StableToken",
            (Verdict::Deviates, None),
        ),
        (
            seen(|c| c.probes = probes(ProbeSupport::AcceptsAnybody)),
            "WrongSecretRejected",
            (Verdict::Failed, never),
        ),
        (
            seen(|c| c.probes = probes(ProbeSupport::AcceptsAnySecret)),
            "WrongSecretRejected",
            (Verdict::Failed, never),
        ),
        (
            seen(|c| c.probes = probes(ProbeSupport::TellsClients)),
            "WrongSecretRejected",
            (Verdict::Skipped, None),
        ),
        (
            with(|run| {
                run.changed = failed(Reason::UpdateRejected);
                run.capabilities.update = None;
            }),
            "Update",
            (Verdict::Failed, Some("spec.management.updateMembers: All")),
        ),
    ] {
        assert_eq!(told(&run, name), expected, "{name}: {:?}", run.capabilities);
    }
}

#[test]
fn t303_a_setting_that_is_made_already_is_not_proposed() {
    let mut run = with(|run| run.capabilities.update = Some(UpdateSupport::PutWithSecret));
    run.knobs.secret_in_update = SecretInUpdate::Include;
    assert_eq!(told(&run, "Update"), (Verdict::Deviates, None));
    let mut run = with(|run| run.capabilities.management = Some(ManagementMode::None));
    run.knobs.management = ManagementMode::None;
    assert_eq!(told(&run, "Management"), (Verdict::Unsupported, None));
    assert_eq!(told(&run, "Deletion"), (Verdict::Skipped, None));
    let run = with(|run| {
        run.tries = false;
        run.capabilities.probes = probes(ProbeSupport::AcceptsAnybody);
    });
    assert_eq!(told(&run, "WrongSecretRejected"), (Verdict::Failed, None));
}

#[test]
fn t303_only_the_core_decides_and_its_refusals_name_a_setting() {
    for (reason, setting) in [
        (Reason::CertificateRejected, Some("spec.tls.caBundle")),
        (Reason::CredentialsRejected, Some("spec.registrationAuth")),
        (Reason::IssuerMismatch, Some("spec.expectedIssuer")),
        (Reason::ProviderUnavailable, None),
    ] {
        let run = with(|run| run.discovered = failed(reason));
        assert_eq!(told(&run, "Discovery"), (Verdict::Failed, setting));
        assert!(!Report::of(&run).passed);
    }
    let unregistered = with(|run| {
        run.registered = failed(Reason::RegistrationRejected);
        run.verified = Step::Skipped("the credentials were not tried".to_owned());
    });
    assert_eq!(told(&unregistered, "Registration").0, Verdict::Failed);
    assert_eq!(told(&unregistered, "Credentials").0, Verdict::Skipped);
    assert_eq!(told(&unregistered, "Update").0, Verdict::Skipped);
    let extended = with(|run| run.deleted = failed(Reason::DeletionBlocked));
    assert_eq!(told(&extended, "Deletion").0, Verdict::Failed);
    assert!(Report::of(&extended).passed, "an extension decides nothing");
}

#[test]
fn t303_text_and_json_tell_the_same_and_what_a_provider_chose_cannot_steer_the_terminal() {
    let run = with(|run| {
        run.client_id = Some("a\u{1b}[2J".to_owned());
        run.capabilities.update = Some(UpdateSupport::PutWithSecret);
    });
    let report = Report::of(&run);
    let (text, json) = (report.text(), report.json());
    assert!(
        !text.contains('\u{1b}') && text.contains("setting: spec.management.secretInUpdate: Include"),
        "{text}"
    );
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["passed"], true);
    assert_eq!(json["clientID"], "a\u{1b}[2J");
    for heading in ["core", "extended"] {
        for feature in json[heading].as_array().unwrap() {
            let line = format!(
                "  {:<12}{}",
                feature["result"].as_str().unwrap().to_lowercase(),
                feature["name"].as_str().unwrap()
            );
            assert!(text.contains(&line), "{line}: {text}");
        }
    }
}

/// Whoever followed the advice to manage nothing would leave clients at a provider that only refused some credentials.
#[test]
fn t303_a_refused_management_auth_is_no_provider_without_management() {
    let refused = with(|run| {
        run.knobs.management = ManagementMode::Credentials;
        run.capabilities = Capabilities {
            management: Some(ManagementMode::None),
            ..Capabilities::default()
        };
        run.changed = failed(Reason::CredentialsRejected);
        run.cleared = Step::Skipped("the provider accepts no update".to_owned());
    });
    assert_eq!(told(&refused, "Management"), (Verdict::Skipped, None));
    assert_eq!(told(&refused, "Update").0, Verdict::Failed);
    let by_token = with(|run| run.capabilities.management = Some(ManagementMode::None));
    let setting = Some("spec.management.mode: None");
    assert_eq!(told(&by_token, "Management"), (Verdict::Unsupported, setting));
    assert_eq!(told(&by_token, "Update"), (Verdict::Skipped, None));
}

#[test]
fn t355_the_way_of_clearing_and_what_is_substituted_are_told() {
    use Clearing::{Default, Empty, Null, Omit};
    let cleared = |works: &[Clearing], fails: &[Clearing]| {
        with(|run| {
            run.capabilities.omitted_members = Some(OmittedMembers::Kept);
            run.capabilities.clearing = Some(ways(works, fails));
        })
    };
    for (works, fails, setting) in [
        (&[Null][..], &[Omit][..], Some("spec.management.clearing: Null")),
        (&[Empty], &[Omit, Null], Some("spec.management.clearing: Empty")),
        (
            &[Default],
            &[Omit, Null, Empty],
            Some("spec.management.clearing: Default"),
        ),
        (&[], &[Omit, Null, Empty, Default], None),
    ] {
        let mut run = cleared(works, fails);
        assert_eq!(told(&run, "ClearedMembers"), (Verdict::Deviates, setting));
        run.knobs.clearing = works.first().copied();
        assert_eq!(told(&run, "ClearedMembers").1, None, "it is set already");
    }
    let unseen = with(|run| (run.capabilities.clearing, run.capabilities.omitted_members) = (None, None));
    assert_eq!(told(&unseen, "ClearedMembers").0, Verdict::Skipped);

    let substitutes = |members: Option<&[&str]>| {
        let names = |members: &[&str]| members.iter().map(|name| (*name).to_owned()).collect();
        with(|run| run.capabilities.substitutes = members.map(names))
    };
    assert_eq!(told(&substitutes(None), "RequestedValues").0, Verdict::Skipped);
    let changed = substitutes(Some(&["client_name", "scope"]));
    assert_eq!(told(&changed, "RequestedValues"), (Verdict::Deviates, None));
    assert!(Report::of(&changed).text().contains("client_name, scope"));
    let mut unmanaged = changed;
    unmanaged.knobs.management = ManagementMode::None;
    assert_eq!(
        told(&unmanaged, "RequestedValues").0,
        Verdict::Deviates,
        "a registration tells it"
    );
}

#[test]
fn t359_no_setting_is_proposed_that_does_not_apply_to_the_token_of_the_service_account() {
    let elsewhere = |own_token| {
        with(|run| {
            run.own_token = own_token;
            run.registered = failed(Reason::OriginNotAllowed);
        })
    };
    let setting = |own_token| told(&elsewhere(own_token), "Registration").1.unwrap();
    assert_eq!(setting(false), "spec.endpoints.allowedOrigins");
    assert!(setting(true).starts_with("credentials from a Secret if the message names the ServiceAccount token"));
}
