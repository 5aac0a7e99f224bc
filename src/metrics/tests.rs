use super::*;

#[test]
fn names_and_labels_are_what_dashboards_expect() {
    let metrics = Metrics::default();
    metrics.reconciled(Outcome::Settled, Duration::from_millis(3));
    metrics.requested(Operation::Register, Answer::of(Some(201)), Duration::from_millis(7));
    metrics.write(Verb::Patch, Written::Status, true);
    metrics.watch_failed(Watched::Secret);
    metrics.suspect_settled(SuspectResult::Deregistered);
    let text = metrics.encode(&Snapshot {
        ready: 2,
        not_ready: 1,
        leftovers: Leftovers {
            suspects_with_record: 4,
            suspects_without_record: 5,
            tombstones: 6,
            unmatched: 7,
        },
        failing_watches: 1,
        watch_ages: BTreeMap::from([(Watched::Secret, Duration::from_millis(2500))]),
        leads: true,
    });
    for line in [
        r#"oauth_client_operator_reconcile_total{outcome="Settled"} 1"#,
        "oauth_client_operator_reconcile_duration_seconds_count 1",
        r#"oauth_client_operator_provider_requests_total{operation="Register",result="Success"} 1"#,
        r#"oauth_client_operator_provider_request_duration_seconds_count{operation="Register"} 1"#,
        r#"oauth_client_operator_kubernetes_writes_total{verb="Patch",kind="Status",success="true"} 1"#,
        r#"oauth_client_operator_clients{ready="true"} 2"#,
        r#"oauth_client_operator_clients{ready="false"} 1"#,
        r#"oauth_client_operator_suspects{record="true"} 4"#,
        r#"oauth_client_operator_suspects{record="false"} 5"#,
        r#"oauth_client_operator_suspects_settled_total{result="Deregistered"} 1"#,
        "oauth_client_operator_tombstones 6",
        "oauth_client_operator_unmatched_records 7",
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
fn answers_are_sorted_by_status() {
    assert_eq!(Answer::of(Some(204)), Answer::Success);
    assert_eq!(Answer::of(Some(302)), Answer::Refused);
    assert_eq!(Answer::of(Some(401)), Answer::Refused);
    assert_eq!(Answer::of(Some(503)), Answer::Failed);
    assert_eq!(Answer::of(None), Answer::None);
}
