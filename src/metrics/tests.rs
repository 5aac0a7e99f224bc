use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::*;
use crate::domain::failure::{Class, Failure};
use crate::domain::outcome::{CallError, Effect};

/// Every value that can be looked up, and none of them 0.
fn everything() -> (Metrics, Snapshot) {
    let metrics = Metrics::default();
    metrics.reconciled(Outcome::Settled, Duration::from_millis(3));
    metrics.requested(Operation::Register, Answer::of(Some(201)), Duration::from_millis(7));
    metrics.changed(Change::Registered);
    metrics.write(Verb::Patch, Written::Status, true);
    metrics.watch_failed(Watched::Secret);
    metrics.suspect_settled(SuspectResult::Deregistered);
    let reason = |reason| ReasonLabel(Some(reason));
    let census = Census {
        clients: BTreeMap::from([
            ((true, reason(Reason::Registered)), 2),
            ((false, reason(Reason::InvalidSpec)), 1),
        ]),
        providers: BTreeMap::from([(
            (
                ProviderKind::ClusterOAuthProvider,
                false,
                reason(Reason::DiscoveryFailed),
            ),
            3,
        )]),
        secret_expiries: BTreeMap::from([(ProviderKind::OAuthProvider, 1_800_000_000)]),
        tokens: BTreeMap::from([(TokenState::Spare, 14)]),
        token_expiries: BTreeMap::from([(ProviderKind::OAuthProvider, 1_700_000_000)]),
        leftovers: Leftovers {
            suspects_with_record: 4,
            suspects_without_record: 5,
            left_clients: 8,
            tombstones: 6,
            unmatched: 7,
        },
    };
    let snapshot = Snapshot {
        leads: true,
        failing_watches: 1,
        watch_ages: BTreeMap::from([(Watched::Secret, Duration::from_millis(2500))]),
        work: BTreeMap::from([(Work::Backoff, (8, Duration::from_secs(9)))]),
        permits: BTreeMap::from([((Pool::Provider, Permitted::Waiting), 10)]),
        unknown_outcome_breakers: 11,
        recreation_breakers: 12,
        pauses: 13,
        census: Some(census),
    };
    (metrics, snapshot)
}

#[test]
fn names_and_labels_are_what_dashboards_expect() {
    let (metrics, snapshot) = everything();
    let text = metrics.encode(&snapshot);
    for line in [
        r#"oauth_client_operator_reconcile_total{outcome="Settled"} 1"#,
        r#"oauth_client_operator_registration_tokens{state="Spare"} 14"#,
        r#"oauth_client_operator_registration_tokens{state="InUse"} 0"#,
        r#"oauth_client_operator_registration_token_expiry_timestamp_seconds{kind="OAuthProvider"} 1700000000"#,
        r#"oauth_client_operator_reconcile_total{outcome="Bug"} 0"#,
        "oauth_client_operator_reconcile_duration_seconds_count 1",
        r#"oauth_client_operator_client_secret_expiry_timestamp_seconds{kind="OAuthProvider"} 1800000000"#,
        r#"oauth_client_operator_provider_requests_total{operation="Register",result="Success"} 1"#,
        r#"oauth_client_operator_provider_requests_total{operation="Token",result="Failed"} 0"#,
        r#"oauth_client_operator_provider_request_duration_seconds_count{operation="Register"} 1"#,
        r#"oauth_client_operator_client_changes_total{change="Registered"} 1"#,
        r#"oauth_client_operator_kubernetes_writes_total{verb="Patch",kind="Status",success="true"} 1"#,
        r#"oauth_client_operator_clients{ready="true",reason="Registered"} 2"#,
        r#"oauth_client_operator_clients{ready="false",reason="InvalidSpec"} 1"#,
        r#"oauth_client_operator_providers{kind="ClusterOAuthProvider",ready="false",reason="DiscoveryFailed"} 3"#,
        r#"oauth_client_operator_suspects{record="true"} 4"#,
        r#"oauth_client_operator_suspects{record="false"} 5"#,
        r#"oauth_client_operator_suspects_settled_total{result="Deregistered"} 1"#,
        "oauth_client_operator_left_clients 8",
        "oauth_client_operator_tombstones 6",
        "oauth_client_operator_unmatched_records 7",
        r#"oauth_client_operator_queue_depth{state="Backoff"} 8"#,
        r#"oauth_client_operator_queue_oldest_age_seconds{state="Backoff"} 9.0"#,
        r#"oauth_client_operator_permits{pool="Provider",state="Waiting"} 10"#,
        r#"oauth_client_operator_provider_breakers_open{cause="UnknownOutcome"} 11"#,
        r#"oauth_client_operator_provider_breakers_open{cause="Recreation"} 12"#,
        "oauth_client_operator_provider_pauses 13",
        r#"oauth_client_operator_watch_errors_total{kind="Secret"} 1"#,
        "oauth_client_operator_failing_watches 1",
        r#"oauth_client_operator_watch_last_event_age_seconds{kind="Secret"} 2.5"#,
        "oauth_client_operator_leader 1",
        concat!(
            r#"oauth_client_operator_build_info{version=""#,
            env!("CARGO_PKG_VERSION"),
            r#""} 1"#
        ),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
    }
}

#[test]
fn t190_what_is_counted_once_is_exported_by_the_leader_alone() {
    let (metrics, snapshot) = everything();
    let led = metrics.encode(&snapshot);
    let standby = metrics.encode(&Snapshot {
        leads: false,
        census: None,
        ..snapshot
    });
    for definition in DEFINITIONS {
        let begins = |text: &str| {
            text.lines()
                .any(|line| line.starts_with(&format!("# TYPE {} ", definition.name)))
        };
        assert!(begins(&led), "{}", definition.name);
        assert_eq!(
            begins(&standby),
            definition.scope == Scope::Replica,
            "{}",
            definition.name
        );
    }
}

#[test]
fn t190_a_reason_that_nobody_has_any_more_is_not_exported() {
    let (metrics, mut snapshot) = everything();
    assert!(metrics.encode(&snapshot).contains("InvalidSpec"));
    snapshot.census = Some(Census::default());
    let text = metrics.encode(&snapshot);
    assert!(!text.contains("InvalidSpec"), "{text}");
    assert!(text.contains(r#"oauth_client_operator_clients{ready="true",reason="Registered"} 0"#));
}

/// Every series has the name, the type, the help, the unit and the labels of a definition, with values that it lists.
#[test]
fn t194_what_is_exported_is_what_is_defined() {
    let (metrics, snapshot) = everything();
    let text = metrics.encode(&snapshot);
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| *line != "# EOF") {
        let word = |number: usize| line.split(' ').nth(number).unwrap_or_default();
        let by_name = |name: &str| DEFINITIONS.iter().find(|definition| definition.name == name);
        if line.starts_with('#') {
            let definition = by_name(word(2)).unwrap_or_else(|| panic!("{line}"));
            let rest = line.splitn(4, ' ').nth(3).unwrap_or_default();
            match word(1) {
                "HELP" => assert_eq!(rest, format!("{}.", definition.help)),
                "TYPE" => assert_eq!(rest, definition.kind.as_str()),
                _ => assert_eq!(Some(rest), definition.unit.map(Unit::as_str)),
            }
            continue;
        }
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let owns = |definition: &&&Definition| definition.samples().iter().any(|sample| sample == name);
        let definition = DEFINITIONS.iter().find(owns).unwrap_or_else(|| panic!("{line}"));
        seen.insert(definition.name);
        let mut found = BTreeSet::new();
        let labels = labels
            .trim_end_matches('}')
            .split(',')
            .filter(|label| !label.is_empty());
        for (label, value) in labels.map(|label| label.split_once('=').unwrap()) {
            if label == "le" {
                continue;
            }
            let known = definition.labels.iter().find(|known| known.name == label);
            let known = known.unwrap_or_else(|| panic!("{line}: {label}"));
            if let Values::Each(values) = known.values {
                assert!(values().contains(&value.trim_matches('"')), "{line}");
            }
            found.insert(label);
        }
        let wanted: BTreeSet<_> = definition.labels.iter().map(|label| label.name).collect();
        assert_eq!(found, wanted, "{line}");
    }
    assert_eq!(seen.len(), DEFINITIONS.len(), "every metric has a series: {seen:?}");
}

#[test]
fn answers_are_sorted_by_status() {
    assert_eq!(Answer::of(Some(204)), Answer::Success);
    assert_eq!(Answer::of(Some(302)), Answer::Refused);
    assert_eq!(Answer::of(Some(401)), Answer::Refused);
    assert_eq!(Answer::of(Some(503)), Answer::Failed);
    assert_eq!(Answer::of(None), Answer::None);
}

/// The alert `OAuthProviderCallsFail` counts `Failed` and `None`.
#[test]
fn t222_a_call_that_the_operator_withholds_is_no_failure_of_the_provider() {
    let failed = |status, effect, class, reason| {
        Answer::of_failure(&CallError {
            failure: Failure::new(class, reason, "x"),
            status,
            code: None,
            remark: None,
            fault: None,
            effect,
        })
    };
    for reason in [
        Reason::ConsentMissing,
        Reason::CredentialsMissing,
        Reason::AddressRefused,
        Reason::ProviderChanged,
    ] {
        let withheld = failed(None, Effect::NotApplied, Class::Denied, reason);
        assert_eq!(withheld, Answer::NotSent, "{reason:?}");
    }
    let provider = Reason::ProviderUnavailable;
    for (status, effect, class, reason, answer) in [
        // It cannot be reached, does not answer, and answers what nobody understands.
        (None, Effect::NotApplied, Class::Transient, provider, Answer::None),
        (None, Effect::Unknown, Class::Ambiguous, provider, Answer::None),
        (
            Some(200),
            Effect::Unknown,
            Class::Ambiguous,
            Reason::InvalidResponse,
            Answer::None,
        ),
        (
            None,
            Effect::NotApplied,
            Class::Denied,
            Reason::CertificateRejected,
            Answer::None,
        ),
        (
            Some(503),
            Effect::NotApplied,
            Class::Transient,
            provider,
            Answer::Failed,
        ),
        (
            Some(400),
            Effect::NotApplied,
            Class::Denied,
            Reason::RegistrationRejected,
            Answer::Refused,
        ),
        // The token endpoint refused the operator.
        (
            None,
            Effect::NotApplied,
            Class::Denied,
            Reason::CredentialsRejected,
            Answer::Refused,
        ),
    ] {
        assert_eq!(failed(status, effect, class, reason), answer, "{status:?} {reason:?}");
    }
}
