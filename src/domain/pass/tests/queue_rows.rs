//! Row B8: a pass that waits for its turn to call the provider.

use super::learned_rows::{away, observed, operator};
use super::*;
use crate::domain::secret::SecretRevision;

const HOURLY: Rate = Rate {
    count: 20,
    period: Duration::from_hours(1),
};

fn waits(world: World, rate: Option<Rate>) -> World {
    world.with(|w| {
        w.journal.queued = Some(Queued {
            rate: rate.map(|rate| (rate, w.now + 7200)),
        });
    })
}

/// The verdict of a pass that ends with one.
fn verdict(world: &World) -> Failure {
    match world.next() {
        Next::Finish(Verdict::Failed(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

/// The world after the verdict was written, a while later.
fn told(world: World) -> World {
    let said = verdict(&world);
    let condition = |type_: &str, status: &str| {
        json!({"type": type_, "status": status, "reason": said.reason.as_str(), "message": said.message,
            "lastTransitionTime": "", "observedGeneration": world.object["metadata"]["generation"]})
    };
    let conditions = json!([condition("Ready", "False"), condition("Reconciling", "True")]);
    world.with(|w| {
        w.object["status"]["conditions"] = conditions;
        w.now += 60;
        if let Some(Queued { rate: Some((_, until)) }) = &mut w.journal.queued {
            *until += 600;
        }
    })
}

#[test]
fn t362_b8_a_client_that_waits_for_the_rate_says_so_once() {
    assert_eq!(waits(World::fresh(), None).short(), "Rest", "a moment is not told");
    let world = waits(World::fresh(), Some(HOURLY));
    let first = verdict(&world);
    assert_eq!((first.class, first.reason), (Class::Transient, Reason::Progressing));
    assert_eq!(
        first.message,
        "the client waits for the rate limit of its provider: 20 calls per 1h. The call is expected at about 1970-01-12T15:46:40Z; to change the limit, \
         set spec.rateLimit of the provider object"
    );
    let later = told(world);
    assert_eq!(verdict(&later).message, first.message, "a later estimate is no news");
    let raised = Rate { count: 30, ..HOURLY };
    let raised = waits(later, Some(raised));
    assert!(verdict(&raised).message.contains("30 calls per 1h"));
}

#[test]
fn t362_b8_a_wait_takes_no_other_verdict_off_the_status() {
    let kept = |conditions: Value| {
        waits(
            World::kept().with(|w| w.object["status"]["conditions"] = conditions),
            Some(HOURLY),
        )
    };
    let condition = |type_: &str, status: &str, generation: i64| json!({"type": type_, "status": status, "reason": "X", "message": "x", "lastTransitionTime": "", "observedGeneration": generation});
    for judged in [
        json!([condition("Ready", "True", 1)]),
        json!([condition("Ready", "True", 0), condition("Stalled", "True", 1)]),
        json!([condition("Ready", "False", 1), condition("Reconciling", "True", 1)]),
    ] {
        assert_eq!(kept(judged.clone()).short(), "Rest", "{judged}");
    }
    let edited = json!([condition("Ready", "True", 0), condition("AsRequested", "True", 1)]);
    assert_eq!(
        kept(edited).short(),
        "Progressing",
        "nothing is said of this generation"
    );
}

#[test]
fn t360_b8_a_deletion_that_waits_is_judged_when_its_time_is_over() {
    let dying = || {
        let dying = World::dying().recorded(|record| record.phase = Phase::Deleting);
        // A deletion is another generation.
        dying.with(|w| w.object["metadata"]["generation"] = json!(2))
    };
    for rate in [None, Some(HOURLY)] {
        let waiting = waits(dying(), rate);
        let within = match waiting.next() {
            Next::Stop(End::Retry(failure)) if rate.is_none() => failure.look_within(),
            Next::Finish(Verdict::Failed(failure)) if rate.is_some() => {
                assert_eq!(failure.reason, Reason::DeletionBlocked);
                assert!(failure.message.contains("20 calls per 1h"), "{}", failure.message);
                failure.look_within()
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(within, Some(Duration::from_mins(3)), "one minute has passed");
        let over = waiting.with(|w| w.now += 180);
        assert_eq!(over.short(), "RemoveFinalizer", "{rate:?}");
    }
    let later = told(waits(dying(), Some(HOURLY)));
    let (said, again) = (
        later.object["status"]["conditions"][0]["message"].clone(),
        verdict(&later),
    );
    assert_eq!(json!(again.message), said);
    assert_eq!(again.look_within(), Some(Duration::from_mins(2)));
}

#[test]
fn t360_b8_a_deletion_without_record_goes_on_without_its_permit_when_its_time_is_over() {
    let world = World::dying().with(|w| {
        (w.record, w.live, w.object["status"]) = (None, true, json!({}));
        w.journal.object_read = true;
        w.provider.as_mut().unwrap().target.knobs = marking();
    });
    assert_eq!(world.short(), "FindMarked");
    let world = waits(world, None);
    assert!(matches!(world.next(), Next::Stop(End::Retry(_))), "{}", world.short());
    assert_eq!(world.with(|w| w.now += 180).short(), "EnterSuspect");
}

#[test]
fn t360_a_pass_that_waits_ends_with_no_timer_but_that_of_a_deletion() {
    let operator = operator();
    let seen = observed(&operator, false);
    let mut state = State::new(
        std::sync::Arc::new(World::fresh().parsed()),
        false,
        None,
        Watched::default(),
    );
    let queued = Queued {
        rate: Some((HOURLY, 2_000_000)),
    };
    assert!(!state.waits());
    state.queued(queued);
    let decision = next(&seen, &state);
    assert_eq!(decision.row, Row::B8);
    let Next::Finish(verdict) = decision.next else {
        panic!("{decision:?}")
    };
    assert_eq!(state.ends(verdict.clone(), &seen), Some(End::Rest));
    let status = state.status(&verdict, &seen);
    let answer = OAuthClient {
        status: Some(status.clone()),
        ..OAuthClient::clone(state.object())
    };
    state.status_written(&verdict, &status, Ok(answer));
    assert!(state.notes().is_empty(), "nothing has failed, so no event warns");
    let Verdict::Failed(waits) = verdict else { panic!() };
    let within = waits.within(Some(Duration::from_secs(9)));
    assert_eq!(
        state.ends(Verdict::Failed(within.clone()), &seen),
        Some(End::Retry(within))
    );
    assert!(state.waits());
    state.journal.failure = Some(failure(Class::Transient));
    let failed = failure(Class::Transient);
    assert_eq!(
        state.ends(Verdict::Failed(failed.clone()), &seen),
        Some(End::Retry(failed)),
        "it has failed beside that"
    );
}

/// The API server is away at that very moment.
#[test]
fn t364_a_finalizer_that_cannot_be_removed_when_the_time_is_over_is_removed_after_a_wait() {
    let operator = operator();
    let seen = Observed {
        deleting_for: Duration::from_hours(1),
        ..observed(&operator, false)
    };
    let world = World::dying();
    let record = world.matching_record();
    for (phase, cluster_id) in [
        (Phase::Deleting, "cluster"),
        (Phase::Deleted, "cluster"),
        (Phase::Registered, "other"),
    ] {
        let mut state = State::new(std::sync::Arc::new(world.parsed()), false, None, Watched::default());
        state.record = StoredRecord::Present {
            record: Box::new(Record {
                phase,
                cluster_id: cluster_id.into(),
                ..record.clone()
            }),
            revision: SecretRevision {
                uid: "r".into(),
                resource_version: "1".into(),
            },
        };
        state.journal.deregistration = None;
        state.queued(Queued { rate: None });
        let Next::Do(effect @ Effect::RemoveFinalizer) = next(&seen, &state).next else {
            panic!("{phase:?}: {:?}", next(&seen, &state))
        };
        state.begin(&effect, &seen);
        state.finalizer_removed(Err(away()));
        let Next::Finish(verdict @ Verdict::Failed(_)) = next(&seen, &state).next else {
            panic!("{phase:?}: {:?}", next(&seen, &state))
        };
        assert!(matches!(state.ends(verdict, &seen), Some(End::Retry(_))), "{phase:?}");
    }
}
