//! Part D of the table: what becomes of the client, D10 to D13.

use kube::ResourceExt as _;

use super::learned_rows::{observed, operator, state};
use super::*;
use crate::api::ManagementMode;

/// The record was written as a suspect in this pass.
fn kept_by_this_pass(world: &mut World) {
    world.suspects.push(suspect("a1", Some("id")));
    world.journal.kept = true;
}

#[test]
fn d10_an_entry_that_exists_is_written_again_with_the_record() {
    let before = World::dying()
        .recorded(|r| (r.phase, r.registration_access_token) = (Phase::Deleting, None))
        .with(|w| w.suspects.push(suspect("a1", Some("id"))));
    assert_eq!(
        before.short(),
        "KeepSuspect",
        "it may lack the record, or hold an older token"
    );
}

#[test]
fn d10_d11_a_client_that_cannot_be_deleted_is_reported() {
    let unmanaged = || World::dying().recorded(|r| (r.phase, r.registration_access_token) = (Phase::Deleting, None));
    assert_eq!(unmanaged().short(), "KeepSuspect");
    assert_eq!(unmanaged().with(kept_by_this_pass).short(), "SaveRecord");
    let refused = World::dying()
        .recorded(|r| r.phase = Phase::Deleting)
        .with(|w| w.journal.deregistration = Some(Deregistration::Unsupported));
    assert_eq!(refused.short(), "KeepSuspect");
    let with_credentials = || {
        World::dying().recorded(|r| {
            (r.phase, r.management.mode) = (Phase::Deleting, ManagementMode::Credentials);
        })
    };
    assert_eq!(
        with_credentials().with(|w| w.resolved = false).short(),
        "ResolveForDeletion",
        "credentials that vanished may be kept"
    );
    assert_eq!(with_credentials().short(), "Claim");
    let refused = with_credentials()
        .with(|w| w.provider = Err(Failure::new(Class::Denied, Reason::ProviderKindUnavailable, "x")))
        .with(|w| w.now += 86_400);
    assert_eq!(refused.short(), "RemoveFinalizer", "the tombstone stays");
}

#[test]
fn t140_d11a_credentials_that_vanished_may_return_until_the_timeout_and_then_the_client_is_a_suspect() {
    let without = |reason, seconds: i64| {
        World::dying()
            .recorded(|r| (r.phase, r.management.mode) = (Phase::Deleting, ManagementMode::Credentials))
            .with(|w| w.provider = Err(Failure::new(Class::Denied, reason, "it is not there")))
            // It is being deleted since a minute.
            .with(|w| w.now += seconds - 60)
    };
    let waits = |world: &World| match world.next() {
        Next::Finish(Verdict::Failed(failure)) if failure.reason == Reason::DeletionBlocked => {
            assert!(failure.message.contains("it is not there"), "{}", failure.message);
            let within = failure.look_within();
            assert_eq!(failure.retry_after, within, "it is looked at when that is over");
            within.map(|wait| wait.as_secs())
        }
        _ => None,
    };
    for reason in [
        Reason::ProviderNotFound,
        Reason::CredentialsMissing,
        Reason::ConsentMissing,
    ] {
        let terminating = |seconds| without(reason, seconds).with(|w| w.terminating = true);
        assert_eq!(waits(&without(reason, 0)), Some(240), "{reason}");
        assert_eq!(waits(&without(reason, 239)), Some(1), "{reason}");
        assert_eq!(waits(&terminating(0)), Some(60), "{reason}: nobody can create them");
        assert_eq!(waits(&terminating(59)), Some(1), "{reason}");
        for late in [without(reason, 240), terminating(60), without(reason, 86_400)] {
            let Next::Do(Effect::KeepSuspect(record)) = late.next() else {
                panic!("{reason}: {}", late.short())
            };
            assert_eq!(record.client_id, "id");
        }
        let kept = without(reason, 240).with(kept_by_this_pass);
        assert_eq!(kept.short(), "SaveRecord", "{reason}");
        let stated = |seconds| {
            without(reason, seconds)
                .with(|w| (w.terminating, w.object["spec"]["deletionTimeout"]) = (true, json!("20s")))
        };
        assert_eq!(waits(&stated(5)), Some(15), "{reason}: the shorter of both");
        assert_eq!(stated(20).short(), "KeepSuspect", "{reason}");
    }
    // A token file that the kubelet is about to replace is read again at once, also where others would be given up.
    let unreadable = |seconds| {
        without(Reason::CredentialsMissing, seconds).with(|w| {
            w.terminating = true;
            w.provider = Err(Failure::new(
                Class::Transient,
                Reason::CredentialsMissing,
                "it is not there",
            ));
        })
    };
    let Next::Finish(Verdict::Failed(soon)) = unreadable(0).next() else {
        panic!("{}", unreadable(0).short())
    };
    assert_eq!(
        soon.retry_after, None,
        "it waits no longer than after other failures that pass"
    );
    assert_eq!(unreadable(60).short(), "DeletionBlocked");
}

#[test]
fn t144_a_deletion_is_looked_at_when_its_timeout_has_passed() {
    let bound = |world: World| match world.next() {
        Next::Finish(Verdict::Failed(failure)) => failure.look_within().map(|wait| wait.as_secs()),
        _ => panic!("{}", world.short()),
    };
    let failing = || {
        World::dying()
            .recorded(|r| r.phase = Phase::Deleting)
            .with(|w| w.journal.failure = Some(failure(Class::Transient)))
    };
    assert_eq!(bound(failing()), Some(180), "four minutes, of which one is over");
    let patient = failing().with(|w| w.object["spec"]["deletionTimeout"] = json!("1h"));
    assert_eq!(bound(patient), Some(3540));
    let untimed = World::dying().with(|w| {
        (w.now, w.journal.failure) = (w.now + 86_400, Some(failure(Class::Transient)));
    });
    assert_eq!(
        bound(untimed),
        None,
        "what passes by itself outlives the timeout without a tombstone"
    );
    let moved = World::dying().with(|w| {
        w.record = None;
        w.object["metadata"]["annotations"] = json!({names::CREATE_PENDING: "u/a1/elsewhere/oauthclient-u"});
    });
    assert_eq!(bound(moved), Some(180));
}

#[test]
fn d13_a_refused_deletion_leaves_a_suspect_after_a_second_look() {
    let doubtful = |since: Option<i64>| {
        World::dying()
            .recorded(|r| (r.phase, r.missing_since) = (Phase::Deleting, since))
            .with(|w| w.journal.deregistration = Some(Deregistration::Refused))
    };
    let Next::Do(Effect::SaveRecord(record)) = doubtful(None).next() else {
        panic!("not noted")
    };
    assert_eq!((record.phase, record.missing_since), (Phase::Deleting, Some(1_000_000)));
    assert_eq!(doubtful(Some(999_970)).short(), "DeletionBlocked");
    let Next::Do(Effect::KeepSuspect(record)) = doubtful(Some(999_940)).next() else {
        panic!("forgotten")
    };
    assert_eq!((record.client_id.as_str(), record.attempt.as_str()), ("id", "a1"));
    let kept = doubtful(Some(999_940)).with(kept_by_this_pass);
    let Next::Do(Effect::SaveRecord(record)) = kept.next() else {
        panic!("{}", kept.short())
    };
    assert_eq!(record.phase, Phase::Deleted);
    let rotating = doubtful(Some(0)).recorded(|r| {
        r.in_flight = Some(InFlight {
            request_hash: "h".into(),
            ..InFlight::default()
        })
    });
    assert_eq!(
        rotating.short(),
        "KeepSuspect",
        "a token that may have been rotated proves nothing, and blocks nothing"
    );
}

#[test]
fn d12_a_deregistered_client_is_no_suspect() {
    let done = World::dying().recorded(|r| r.phase = Phase::Deleting).with(|w| {
        w.journal.deregistration = Some(Deregistration::Done);
        w.suspects.push(suspect("a1", Some("id")));
    });
    assert_eq!(done.short(), "RemoveSuspect");
}

#[test]
fn d12a_a_client_that_another_record_uses_is_let_go_without_a_suspect() {
    let used = World::dying()
        .recorded(|r| r.phase = Phase::Deleting)
        .with(|w| w.journal.deregistration = Some(Deregistration::HeldByAnother));
    let Next::Do(Effect::SaveRecord(record)) = used.next() else {
        panic!("{}", used.short())
    };
    assert_eq!(record.phase, Phase::Deleted);
}

/// What the provider could deregister is in doubt, whatever is wrong with the setting that leads there.
#[test]
fn t310_only_a_client_that_its_provider_cannot_deregister_is_left() {
    let operator = operator();
    let seen = observed(&operator, false);
    let is_left = |deregistration, change: &dyn Fn(&mut Record)| {
        let world = World::dying();
        let mut record = world.record.clone().unwrap();
        record.phase = Phase::Deleting;
        change(&mut record);
        let mut state = state(&world);
        state.journal.deregistration = deregistration;
        let entry = state.suspect_entry(&suspect("a1", Some("id")), Some(&record), &seen);
        entry.unwrap().labels().contains_key(names::LEFT)
    };
    assert!(is_left(Some(Deregistration::Unsupported), &|_| {}));
    assert!(is_left(None, &|r| r.registration_access_token = None));
    assert!(is_left(None, &|r| r.management.mode = ManagementMode::None));
    assert!(!is_left(Some(Deregistration::Refused), &|_| {}));
    assert!(!is_left(None, &|r| {
        r.management.mode = ManagementMode::Credentials;
        r.management.uri_template = "{registration_endpoint}/{app_id}".to_owned();
    }));
    let replaced = |r: &mut Record| (r.phase, r.registration_access_token) = (Phase::Registered, None);
    assert!(
        !is_left(None, &replaced),
        "it may be gone, which is why another one was registered"
    );
}
