//! The crash explorer: the real planner and the real executor in a made-up world, over every schedule with up to two faults.
//!
//! A run is one scenario with one schedule. Before each effect the process may die, its request or the answer to it may be
//! lost, the other side may refuse it in every way that it can, another replica may work, or the user may act; watches may be
//! late, and a process that starts may be served an old list. What is left when all has come to rest is judged by the promises
//! in `testbed::promises` and in [`oracle`]. `docs/testing.md` tells how to read and replay what it finds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod cluster;
mod digest;
mod fork;
mod interrupt;
mod merge;
mod offered;
mod oracle;
mod process;
mod provider;
mod replica;
mod restored;
mod rows;
mod run;
mod scenario;
mod schedule;
mod search;
mod state;
mod steps;
mod sweep;
mod watches;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use self::process::Plant;
use self::scenario::Scenario;
use self::schedule::Choice;
use self::search::{Found, explore, explore_after};

/// Most faults of one run. Two take an optimised build.
const FAULTS: usize = if cfg!(debug_assertions) { 1 } else { 2 };
/// Variable that sets another number, for a quick look or a long one.
const FAULTS_VARIABLE: &str = "EXPLORER_FAULTS";
/// Variable that names one scenario to explore.
const SCENARIO_VARIABLE: &str = "EXPLORER_SCENARIO";
/// Variable that names one schedule to run.
const REPLAY_VARIABLE: &str = "EXPLORER_REPLAY";
/// Stack of a thread that explores: every turn of a run is a call.
const STACK: usize = 256 << 20;

/// Explores the scenarios until one of them ends in what is `enough`.
fn explored(faults: usize, plant: Option<Plant>, enough: impl Fn(&Found) -> bool + Sync) -> Vec<Found> {
    let only = std::env::var(SCENARIO_VARIABLE).ok();
    // The long ones are at the end of the list, and come first.
    let chosen = scenario::ALL
        .iter()
        .rev()
        .filter(|scenario| only.as_ref().is_none_or(|only| scenario.name == only));
    // A planted mistake, and whoever asks for a number, gets all faults everywhere.
    let narrows = faults == FAULTS && FAULTS > 1 && std::env::var_os(FAULTS_VARIABLE).is_none();
    let waiting = Mutex::new(chosen);
    let over = AtomicBool::new(false);
    let work = || {
        let mut done = Vec::new();
        loop {
            let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(scenario) = next.filter(|_| !over.load(Ordering::Relaxed)) else {
                return done;
            };
            let found = explore(
                scenario,
                faults.saturating_sub(usize::from(narrows && scenario.wide)),
                plant,
            );
            println!(
                "{:40} {:10} schedules {:9} passes {:8} states, digest {:016x}",
                scenario.name,
                found.schedules,
                found.passes,
                found.states.len(),
                found.digest()
            );
            if let Some(violation) = &found.violation {
                println!("{violation}");
            }
            over.fetch_or(enough(&found), Ordering::Relaxed);
            done.push(found);
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                std::thread::Builder::new()
                    .stack_size(STACK)
                    .spawn_scoped(scope, work)
                    .unwrap()
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    })
}

#[test]
fn every_schedule_keeps_every_promise() {
    let faults = std::env::var(FAULTS_VARIABLE).map_or(FAULTS, |faults| faults.parse().unwrap());
    let (mut schedules, mut passes, mut states, mut broken) = (0, 0, 0, Vec::new());
    for found in explored(faults, None, |_| false) {
        schedules += found.schedules;
        passes += found.passes;
        states += found.states.len();
        broken.extend(found.violation);
    }
    println!("{schedules} schedules with up to {faults} faults, {passes} passes, {states} states");
    let unreached = rows::unreached();
    println!("rows that no schedule reached: {unreached:?}");
    assert!(
        broken.is_empty(),
        "{} scenarios break a promise:\n{}",
        broken.len(),
        broken.join("\n")
    );
    // A shorter exploration reaches fewer.
    if faults >= 2 && std::env::var_os(SCENARIO_VARIABLE).is_none() {
        assert_eq!(unreached, rows::SHOWN_ELSEWHERE);
    }
}

/// What a run does not do again must have been the same.
#[test]
fn a_run_that_goes_on_from_a_fork_is_the_run_of_the_whole_turn() {
    let faults = [
        ("create", 2),
        ("create and delete", 1),
        ("update with rotation", 1),
        ("provider lost", 1),
        // A change of the provider object is acted on by deep passes.
        ("provider leaves a member out", 1),
    ];
    for (name, faults) in faults {
        let found = search::explore_and_compare(Scenario::named(name).unwrap(), faults, None);
        assert!(found.violation.is_none(), "{name}");
        assert!(found.compared.is_some_and(|compared| compared > 100), "{name}");
    }
    // A planted mistake holds a Secret back from one step to a later one.
    for plant in [Plant::RecordAfterSecret, Plant::FinalizerAfterPost] {
        let found = search::explore_and_compare(Scenario::named("create").unwrap(), 1, Some(plant));
        assert!(found.compared.is_some_and(|compared| compared > 0));
    }
}

/// Runs the schedule that `EXPLORER_REPLAY` names, `scenario: 0,0,3`; without that, an ordinary create.
#[test]
fn replay() {
    let asked = std::env::var(REPLAY_VARIABLE).unwrap_or_else(|_| "create: ".to_owned());
    let (name, numbers) = asked.rsplit_once(':').expect("scenario: numbers");
    let scenario = Scenario::named(name.trim()).expect("the name of a scenario");
    let numbers = numbers.split(',').map(str::trim).filter(|number| !number.is_empty());
    let given: Vec<u8> = numbers.map(|number| number.parse().unwrap()).collect();
    let broken = search::replay(scenario, &given);
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Mistakes that an operator of this kind can make, each of which has to be found.
mod planted {
    use super::*;

    fn found(plant: Plant) -> String {
        let broken = |found: &Found| found.violation.is_some();
        let all = (0..=1).flat_map(|faults| explored(faults, Some(plant), broken));
        let mut violations = all.filter_map(|found| found.violation);
        violations.next().unwrap_or_else(|| panic!("{plant:?} was not found"))
    }

    /// The same in one scenario that shows it, where those that come before it take long.
    fn found_in(scenario: &str, plant: Plant) -> String {
        let found = explore(Scenario::named(scenario).unwrap(), 1, Some(plant));
        found.violation.unwrap_or_else(|| panic!("{plant:?} was not found"))
    }

    #[test]
    fn a_record_written_after_the_secret_is_found() {
        println!("{}", found(Plant::RecordAfterSecret));
    }

    #[test]
    fn a_finalizer_set_after_the_post_is_found() {
        println!("{}", found(Plant::FinalizerAfterPost));
    }

    /// A living client that nothing names, and not only a broken rule beside it.
    fn loses_a_client(plant: Plant) {
        let is_lost = |text: &String| text.contains("P2: nothing tells of the client");
        let all = explored(0, Some(plant), |found| found.violation.as_ref().is_some_and(is_lost));
        let texts: Vec<_> = all.into_iter().filter_map(|found| found.violation).collect();
        let lost = texts.iter().find(|text| is_lost(text));
        println!(
            "{}",
            lost.unwrap_or_else(|| panic!("{plant:?} was not found: {texts:#?}"))
        );
    }

    #[test]
    fn a_refusal_that_counts_as_gone_is_found() {
        loses_a_client(Plant::RefusalCountsAsGone);
    }

    #[test]
    fn an_old_client_that_is_forgotten_is_found() {
        loses_a_client(Plant::OldClientForgotten);
    }

    #[test]
    fn a_token_used_at_another_clients_uri_is_found() {
        println!("{}", found(Plant::TokenAtAnotherUri));
    }

    #[test]
    fn a_client_that_two_objects_own_is_found() {
        println!("{}", found(Plant::OneClientForTwo));
    }

    #[test]
    fn credentials_of_today_at_the_provider_of_yesterday_are_found() {
        println!("{}", found(Plant::CredentialsToYesterday));
    }

    #[test]
    fn a_change_that_only_a_running_process_sees_is_found() {
        println!("{}", found(Plant::EdgesOnly));
    }

    #[test]
    fn a_leadership_that_is_asked_for_before_the_permit_is_found() {
        println!("{}", found_in("client replaced", Plant::LeadershipBeforePermit));
    }

    #[test]
    fn an_attempt_that_is_lost_with_its_status_is_found() {
        println!(
            "{}",
            found_in("record corrupted, and delete", Plant::AttemptLostWithStatus)
        );
    }

    #[test]
    fn an_answer_that_is_not_saved_is_found() {
        println!("{}", found(Plant::AnswerNotSaved));
    }

    #[test]
    fn a_view_without_own_writes_is_found() {
        println!("{}", found(Plant::OwnWritesUnseen));
    }

    /// What the other one's answer brings is stored whoever began later, so one fault does no harm.
    #[test]
    fn an_attempt_of_another_replica_taken_for_an_own_one_is_found() {
        let scenario = Scenario::named("token and secret regenerated").unwrap();
        let found = explore_after(scenario, Choice::OtherLeader, Some(Plant::OthersAttemptsAreOwn));
        println!("{}", found.violation.expect("it is not found"));
    }

    #[test]
    fn a_foreign_secret_that_is_taken_over_is_found() {
        println!("{}", found(Plant::ForeignSecretTaken));
    }

    #[test]
    fn a_record_that_goes_before_its_client_is_found() {
        println!("{}", found(Plant::RecordGoesFirst));
    }

    #[test]
    fn a_template_that_is_believed_is_found() {
        loses_a_client(Plant::TemplateBelieved);
    }

    #[test]
    fn an_earlier_record_that_goes_before_its_successor_is_stored_is_found() {
        println!(
            "{}",
            found_in("restored where namespaces cannot be read", Plant::EarlierGoesFirst)
        );
    }

    #[test]
    fn an_earlier_record_without_a_mark_is_found() {
        println!("{}", found(Plant::NoMark));
    }

    #[test]
    fn t360_a_deletion_that_waits_for_its_permit_past_its_timeout_is_found() {
        println!("{}", found(Plant::DeafToTheTimeout));
    }

    #[test]
    fn a_lost_client_that_is_replaced_against_the_policy_is_found() {
        println!("{}", found(Plant::LostClientReplaced));
    }
}
