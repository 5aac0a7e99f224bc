//! Whether new credentials work: rows K15c, K15f, K16a and K16b.

use super::*;
use crate::api::Verify;
use crate::domain::probe::{ProbeKind, Probed};
use crate::domain::verification::{self, Outcome};

const REJECTED: Option<Probed> = Some(Probed::Rejected(ProbeKind::Token));

/// A client in step whose credentials were tried, with this status of the condition and so many rejections.
fn tried(condition: &str, rejections: i32) -> World {
    let world = World::kept().recorded(|r| r.endpoints.token = Some("https://p/token".into()));
    world.with(|w| {
        let record = w.record.as_ref().unwrap();
        let wanted = secret::credentials(&w.parsed(), record);
        let mut known = json!({"credentials": verification::digest(record)});
        if rejections > 0 {
            known["rejections"] = json!(rejections);
            known["rejectedSince"] = json!("1970-01-12T13:46:40Z");
        }
        w.object["status"]["verification"] = known;
        let verified = json!({"type": "Verified", "status": condition, "reason": "x", "lastTransitionTime": ""});
        w.object["status"]["conditions"].as_array_mut().unwrap().push(verified);
        w.endpoints = Some(record.endpoints.clone());
        w.secret = Held::Ours(Box::new(wanted));
        w.now = 1_000_000;
    })
}

fn asked(world: World) -> World {
    world.with(|w| w.object["metadata"]["annotations"][names::RECONCILE] = json!("1"))
}

fn outcome(world: &World) -> Option<Outcome> {
    let object = world.parsed();
    let mut found = None;
    world.looked(&object, |view| found = Some(verify::tried(view)));
    found.flatten().map(|tried| tried.outcome)
}

#[test]
fn t244_k15c_new_credentials_are_tried_once_and_known_ones_are_not() {
    assert_eq!(tried("True", 0).short(), "Ready");
    let rotated = tried("True", 0).recorded(|r| r.credential_generation += 1);
    let rotated = rotated.with(|w| {
        let wanted = secret::credentials(&w.parsed(), w.record.as_ref().unwrap());
        w.secret = Held::Ours(Box::new(wanted));
    });
    assert_eq!(rotated.short(), "Probe");
    assert_eq!(
        rotated
            .with(|w| w.journal.tried = Some(Probed::Accepted(ProbeKind::Token)))
            .short(),
        "Ready"
    );
    let unresolved = tried("True", 0).with(|w| {
        w.object["status"]["verification"]["credentials"] = json!("older");
        w.resolved = false;
    });
    assert_eq!(unresolved.short(), "ResolveProvider", "K15f");
}

#[test]
fn t244_k15c_a_client_of_an_earlier_version_is_not_tried_before_its_credentials_change() {
    let before = || tried("True", 0).with(|w| w.object["status"]["verification"] = Value::Null);
    assert_eq!(before().short(), "Ready");
    assert_eq!(before().with(|w| w.deep = true).short(), "Ready");
    assert_eq!(asked(before()).short(), "Probe");
    assert_eq!(before().with(|w| w.journal.renewed = true).short(), "Probe");
    assert_eq!(
        before().with(|w| w.journal.attempt = Some("a1".into())).short(),
        "Probe"
    );
    let cut_off = before().with(|w| w.object["status"]["clientID"] = Value::Null);
    assert_eq!(
        cut_off.short(),
        "Probe",
        "the process died before the status of a registration"
    );
}

#[test]
fn t245_k16a_a_rejection_is_confirmed_three_times_before_it_counts() {
    let first = tried("True", 0).with(|w| {
        w.object["status"]["verification"] = Value::Null;
        (w.journal.attempt, w.journal.tried) = (Some("a1".into()), REJECTED);
    });
    let wait = |world: &World| match world.next() {
        Next::Finish(Verdict::Failed(failure)) => (failure.class, failure.retry_after.map(|wait| wait.as_secs())),
        _ => panic!("{}", world.short()),
    };
    assert_eq!(wait(&first), (Class::Transient, Some(5)));
    for (rejections, due, then) in [(1, 5, Some(15)), (2, 20, Some(60)), (3, 80, None)] {
        let early = tried("Unknown", rejections).with(|w| w.now += due - 1);
        assert_eq!(
            wait(&early),
            (Class::Transient, Some(1)),
            "a pass that comes too early tries nothing"
        );
        let in_time = early.with(|w| w.now += 1);
        assert_eq!(in_time.short(), "Probe", "{rejections}");
        let again = in_time.with(|w| w.journal.tried = REJECTED);
        let class = if then.is_some() {
            Class::Transient
        } else {
            Class::Denied
        };
        assert_eq!(wait(&again), (class, then), "{rejections}");
        let accepted = again.with(|w| w.journal.tried = Some(Probed::Accepted(ProbeKind::Token)));
        assert_eq!(accepted.short(), "Ready");
    }
}

#[test]
fn t245_k16b_what_is_rejected_for_good_is_tried_only_when_somebody_asks() {
    let rejected = || tried("False", 4).with(|w| w.now += 86_400);
    assert_eq!(rejected().short(), "SecretRejected");
    assert_eq!(asked(rejected()).short(), "Probe");
    assert_eq!(
        rejected().with(|w| w.deep = true).short(),
        "SecretRejected",
        "a resync and a change of the provider object try nothing"
    );
    assert_eq!(
        asked(tried("True", 0)).short(),
        "Ready",
        "what is accepted is not tried again"
    );
    assert_eq!(asked(tried("Unknown", 0)).short(), "Probe");
    assert_eq!(tried("Unknown", 0).with(|w| w.deep = true).short(), "Ready");
}

#[test]
fn t246_what_cannot_be_tried_is_ready_and_says_why() {
    let new = |change: fn(&mut World)| {
        let world = tried("True", 0).with(|w| w.object["status"]["verification"] = Value::Null);
        world.with(|w| w.journal.attempt = Some("a1".into())).with(change)
    };
    let never = new(|w| w.provider.as_mut().unwrap().target.verify = Verify::Never);
    let nowhere = new(|w| w.endpoints.as_mut().unwrap().token = None);
    for (world, why) in [(never, "Never"), (nowhere, "names no endpoint")] {
        assert_eq!(world.short(), "Ready");
        let Some(Outcome::Unproven(text)) = outcome(&world) else {
            panic!("{why}")
        };
        assert!(text.contains(why), "{text}");
    }
    for probed in [Probed::Unclear, Probed::AcceptsAnybody(ProbeKind::Revocation)] {
        let world = new(|_| {}).with(|w| w.journal.tried = Some(probed));
        assert_eq!(world.short(), "Ready");
        assert!(matches!(outcome(&world), Some(Outcome::Unproven(_))), "{probed:?}");
    }
    assert_eq!(outcome(&tried("True", 0)), None, "nothing new");
}

#[test]
fn t246_a_rejection_is_forgotten_where_nothing_may_be_tried_any_more() {
    for rejections in [2, 4] {
        let never = tried("False", rejections).with(|w| {
            w.provider.as_mut().unwrap().target.verify = Verify::Never;
            w.now += 86_400;
        });
        assert_eq!(never.short(), "Ready", "{rejections}");
        assert!(matches!(outcome(&never), Some(Outcome::Unproven(_))), "{rejections}");
    }
}

#[test]
fn t245_k16a_a_try_that_is_due_and_cannot_be_made_is_no_busy_loop() {
    let failure = Failure::new(Class::Denied, Reason::ProviderNotFound, "x");
    let refused = tried("Unknown", 2).with(|w| {
        (w.now, w.provider) = (w.now + 3600, Err(failure));
    });
    let object = refused.parsed();
    let mut decision = None;
    refused.looked(&object, |view| {
        let RecordView::Present(record) = view.record else {
            panic!("a record")
        };
        decision = verify::verdict(view, record);
    });
    let Some(Next::Finish(Verdict::Failed(failure))) = decision.map(|decision| decision.next) else {
        panic!("rejected credentials are not Ready")
    };
    assert_eq!(failure.retry_after, Some(verification::LATER));
}

#[test]
fn t244_what_was_known_of_other_credentials_is_not_said_of_these() {
    let rotated = || tried("True", 0).recorded(|r| r.credential_generation += 1);
    assert_eq!(outcome(&rotated()), Some(Outcome::Awaited));
    let accepted = rotated().with(|w| w.journal.tried = Some(Probed::Accepted(ProbeKind::Token)));
    assert_eq!(outcome(&accepted), Some(Outcome::Accepted));
    let again = tried("Unknown", 1).with(|w| w.now += 5);
    assert_eq!(outcome(&again), None, "the same credentials, before the next try");
}

#[test]
fn t244_k15c_a_pass_that_ended_before_the_try_leaves_it_to_the_next_one() {
    let untried = |ready: &str| {
        tried("True", 0).with(|w| {
            w.object["status"]["verification"] = json!(null);
            w.object["status"]["conditions"][0]["status"] = json!(ready);
        })
    };
    assert_eq!(untried("False").short(), "Probe");
    assert_eq!(untried("True").short(), "Ready", "an earlier version judged it");
    // A client that may be lost is asked about for another reason.
    let renewed = || untried("True").with(|w| w.journal.renewed = true);
    assert_eq!(renewed().short(), "Probe");
    assert_eq!(renewed().with(|w| w.journal.disowned = true).short(), "Ready");
}

/// A client in step about whose credentials the provider has not answered for 40 seconds.
fn unanswered() -> World {
    tried("Unknown", 0).with(|w| {
        let conditions = w.object["status"]["conditions"].as_array_mut().unwrap();
        let verified = conditions.last_mut().unwrap();
        verified["reason"] = json!("ProviderUnavailable");
        verified["lastTransitionTime"] = json!("1970-01-12T13:46:00Z");
    })
}

#[test]
fn t244_credentials_are_tried_until_the_provider_answers() {
    assert_eq!(unanswered().short(), "Probe");
    let again = |probed: Probed| {
        let world = unanswered().with(|w| w.journal.tried = Some(probed));
        assert_eq!(world.short(), "Ready", "{probed:?}");
        let object = world.parsed();
        let mut again = None;
        world.looked(&object, |view| again = verify::again(view));
        (
            outcome(&world),
            again.map(|failure| (failure.class, failure.retry_after.unwrap().as_secs())),
        )
    };
    let away = (Some(Outcome::Unanswered), Some((Class::Transient, 40)));
    assert_eq!(again(Probed::NoAnswer), away);
    let (accepted, wait) = again(Probed::Accepted(ProbeKind::Token));
    assert_eq!((accepted, wait), (Some(Outcome::Accepted), None));
    assert_eq!(
        again(Probed::Unclear).1,
        None,
        "an answer that tells nothing is an answer"
    );
}

#[test]
fn t244_an_outage_takes_no_rejection_back() {
    let rejected = tried("Unknown", 2).with(|w| {
        w.now += 20;
        w.journal.tried = Some(Probed::NoAnswer);
    });
    assert_eq!(outcome(&rejected), None, "what is known stays");
    assert_eq!(rejected.short(), "SecretRejected");
}
