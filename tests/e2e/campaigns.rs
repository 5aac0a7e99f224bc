//! Short forms of the campaigns; `cargo campaign` runs them at full size.

use std::path::Path;
use std::time::Duration;

use testbed::campaign::{Report, certify, kills, rates, replicas};

use crate::stage::{BINARY, plane};

fn assert_kept(report: &Report) {
    assert!(report.violations.is_empty(), "{report:#?}");
}

#[tokio::test]
async fn t06_random_kills_under_load_lose_nothing_silently() {
    let plan = kills::Plan {
        kills: 20,
        objects: 20,
        seed: 1,
        time_scale: 20,
        rest: Duration::from_mins(2),
        quiet: Duration::from_secs(15),
    };
    assert_kept(&kills::run(plane().await, Path::new(BINARY), plan).await.unwrap());
}

#[tokio::test]
async fn t330_runs_of_certify_that_are_killed_at_random_leave_nothing_unnamed() {
    let plan = certify::Plan {
        kills: 12,
        seed: 1,
        time_scale: 20,
        keycloak: false,
        rest: Duration::from_mins(4),
    };
    assert_kept(&certify::run(plane().await, Path::new(BINARY), plan).await.unwrap());
}

#[tokio::test]
async fn t41_a_leader_that_stood_still_under_load_writes_nothing_old() {
    let plan = replicas::Plan {
        pauses: 1,
        objects: 20,
        seed: 1,
        rest: Duration::from_mins(4),
    };
    assert_kept(&replicas::run(plane().await, Path::new(BINARY), plan).await.unwrap());
}

#[tokio::test]
async fn t254_a_fleet_at_a_provider_of_twenty_registrations_an_hour_is_ready_in_the_time_that_the_limit_allows() {
    let plan = rates::Plan {
        objects: 40,
        an_hour: 20,
        time_scale: 60,
        refused: 3,
        ratio: 2.0,
    };
    let report = rates::run(plane().await, Path::new(BINARY), plan).await.unwrap();
    println!("{report:#?}");
    assert_kept(&report);
}
