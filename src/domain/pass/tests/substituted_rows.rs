//! Rows about values that a provider substituted and its object rejects: C9, K1d, K12a.

use super::keep_rows::changed;
use super::learned_rows::{observed, operator, state};
use super::*;
use crate::domain::secret::SecretRevision;
use crate::domain::substitution;

/// A client whose update was substituted at a provider that rejects that. `former`: the request to go back to is not accepted again yet.
fn substituted(former: bool) -> World {
    let mut world = changed().with(|w| w.journal.object_read = true);
    let provider = world.provider.as_mut().unwrap();
    provider.target.substitutions = crate::api::Substitutions::Reject;
    let request = world.request();
    let hash = crate::domain::substitution::hash(&world.parsed().spec, &request, world.provider.as_ref().unwrap());
    world.recorded(|r| {
        let accepted = r.request.clone();
        r.rejected = Some(crate::domain::record::Rejected {
            hash,
            members: [("scope".into(), "other".into())].into(),
            former: former.then_some(accepted),
            kept: false,
            rotated: false,
            refused: None,
        });
        if former {
            r.request = request;
        }
    })
}

fn told(world: &World) -> String {
    let Next::Finish(Verdict::Failed(failure)) = world.next() else {
        panic!("{}", world.short())
    };
    assert_eq!(failure.reason, Reason::SubstitutionRejected);
    failure.message
}

#[test]
fn w117_k12a_a_member_that_only_the_rejected_update_has_set_is_cleared_or_named() {
    let mut world = substituted(false).recorded(|r| {
        r.cleared.left.insert("client_uri".into(), json!("https://a/page"));
        r.cleared.tried = vec![crate::api::Clearing::Omit];
    });
    let former = world.record.as_ref().unwrap().request.clone();
    let mut sent = Vec::new();
    while let Next::Do(Effect::MarkUpdate(record)) = world.next() {
        (world.record, world.journal.marked) = (Some(*record), Some("fresh".into()));
        let Next::Do(Effect::Update { request, body }) = world.next() else {
            panic!("{}", world.short())
        };
        assert_eq!(request, former, "never the rejected one");
        sent.push(body["client_uri"].clone());
        // A2: the provider keeps it.
        let mut kept = answer();
        kept.metadata.insert("client_uri".into(), json!("https://a/page"));
        world.journal.answer = Some(Box::new((request, kept)));
        let Next::Do(Effect::SaveRecord(record)) = world.next() else {
            panic!("{}", world.short())
        };
        let wanted = secret::credentials(&world.parsed(), &record);
        (world.record, world.secret) = (Some(*record), Held::Ours(Box::new(wanted)));
        (world.journal.answer, world.journal.marked) = (None, None);
        assert!(sent.len() < 5, "{sent:?}");
    }
    assert_eq!(sent, [json!(null), json!(""), json!("")]);
    let message = told(&world);
    assert!(
        message.contains("keeps the rejected values of spec.clientURI"),
        "{message}"
    );
}

#[test]
fn w117_a7_k12a_a_former_request_that_is_refused_is_told_as_long_as_that_is_so() {
    let mut world = substituted(true);
    let Next::Do(Effect::MarkUpdate(record)) = world.next() else {
        panic!("{}", world.short())
    };
    (world.record, world.journal.refused) = (Some(*record), true);
    let refused = |class| Failure::new(class, Reason::UpdateRejected, "the logo is unknown");
    let saved = |class| {
        let world = World {
            record: world.record.clone(),
            ..substituted(true)
        };
        let world = world.with(|w| (w.journal.refused, w.journal.failure) = (true, Some(refused(class))));
        let Next::Do(Effect::SaveRecord(record)) = world.next() else {
            panic!("{}", world.short())
        };
        assert!(record.in_flight.is_none());
        *record
    };
    assert_eq!(
        saved(Class::Denied).rejected.unwrap().refused,
        None,
        "it may be allowed"
    );
    let record = saved(Class::Invalid);
    let after = || {
        let wanted = secret::credentials(&substituted(true).parsed(), &record);
        substituted(true).with(|w| (w.record, w.secret) = (Some(record.clone()), Held::Ours(Box::new(wanted))))
    };
    let message = told(&after());
    for part in ["the provider keeps them", "the logo is unknown"] {
        assert!(message.contains(part), "{message}");
    }
    let asked = after().with(|w| w.object["metadata"]["annotations"][names::RECONCILE] = json!("1"));
    assert_eq!(asked.short(), "MarkUpdate", "a user asks for another try");
    let edited = after().with(|w| w.provider.as_mut().unwrap().fingerprint = "another".into());
    assert_eq!(edited.short(), "MarkUpdate", "another provider may accept it");
    let reverted = after().with(|w| w.object["spec"] = World::kept().object["spec"].clone());
    assert!(told(&reverted).contains("the logo is unknown"));
    // The manifest asks for something else: what is substituted then is taken back to what was accepted first.
    let mut third = after().with(|w| w.object["spec"]["scopes"] = json!(["b"]));
    assert_eq!(third.short(), "MarkUpdate");
    let mut answered = answer();
    answered.metadata.insert("scope".into(), json!("other"));
    third.journal.answer = Some(Box::new((third.request(), answered)));
    let Next::Do(Effect::SaveRecord(next)) = third.next() else {
        panic!("{}", third.short())
    };
    let former = |record: &Record| record.rejected.as_ref().unwrap().former.clone();
    assert_eq!(former(&next), former(&record));
}

/// C9: each try would leave one more client behind.
#[test]
fn w116_c9_what_was_substituted_is_not_sent_again_whatever_has_failed_since() {
    let rejecting = || {
        let mut world = World::fresh();
        world.provider.as_mut().unwrap().target.substitutions = crate::api::Substitutions::Reject;
        world
    };
    let hash = substitution::hash(&rejecting().parsed().spec, &rejecting().request(), &provider());
    let stalled = |reason: &str| {
        rejecting().with(|w| {
            w.object["status"] = json!({
                "attempt": {"id": "a", "outcome": "NotApplied", "requestHash": hash},
                "conditions": [{"type": "Stalled", "status": "True", "reason": reason, "lastTransitionTime": ""}],
            });
        })
    };
    assert_eq!(stalled("SubstitutionRejected").short(), "Nothing");
    assert_eq!(
        stalled("CertificateRejected").short(),
        "SubstitutionRejected",
        "it is told again"
    );
    let asked = stalled("SubstitutionRejected").with(|w| {
        w.object["metadata"]["annotations"][names::RECONCILE] = json!("1");
    });
    assert_eq!(asked.short(), "ProveWritable");
    let edited = stalled("SubstitutionRejected").with(|w| w.provider.as_mut().unwrap().fingerprint = "another".into());
    assert_eq!(edited.short(), "ProveWritable");
}

/// A7: the pass goes on after the first refusal of the former request, and ends with any other refusal.
#[test]
fn w117_a7_a_refusal_ends_the_pass_unless_it_is_news_about_the_former_request() {
    let operator = operator();
    let seen = observed(&operator, false);
    let world = substituted(true);
    let before = world.record.clone().unwrap();
    let refused = Failure::new(Class::Invalid, Reason::UpdateRejected, "the logo is unknown");
    let with_refusal = |message: &str| {
        let mut record = before.clone();
        let rejected = record.rejected.as_mut().unwrap();
        rejected.refused = Some(crate::domain::record::RefusedFormer {
            hash: "h".into(),
            message: message.into(),
        });
        record
    };
    let ends = |held: &Record, saved: Record| {
        let mut state = state(&world);
        let revision = SecretRevision {
            uid: "r".into(),
            resource_version: "1".into(),
        };
        state.record = StoredRecord::Present {
            record: Box::new(held.clone()),
            revision: revision.clone(),
        };
        (state.journal.refused, state.journal.failure) = (true, Some(refused.clone()));
        state.record_saved(Box::new(saved), Ok(revision), &seen);
        state.journal.refused && state.journal.failure.is_some()
    };
    assert!(!ends(&before, with_refusal("no")), "K12a says it");
    assert!(
        ends(&with_refusal("no"), with_refusal("no")),
        "another request was refused"
    );
    assert!(ends(&before, before.clone()));
}

#[test]
fn w117_a2_k1d_an_application_gets_another_secret_before_the_former_request_is_sent() {
    let rotates = |secret: &str| {
        let mut world = substituted(false).recorded(|r| (r.rejected, r.client_secret) = (None, Some("s1".into())));
        let mut answered = answer();
        answered.client_secret = Some(secret.into());
        answered
            .metadata
            .insert("redirect_uris".into(), json!(["https://other"]));
        world.journal.answer = Some(Box::new((world.request(), answered)));
        let Next::Do(Effect::SaveRecord(record)) = world.next() else {
            panic!("{}", world.short())
        };
        record.rejected.unwrap().rotated
    };
    assert!(rotates("s2") && !rotates("s1"));
    let first = |rotated: bool| {
        let world = substituted(true).recorded(|r| r.rejected.as_mut().unwrap().rotated = rotated);
        world.with(|w| w.secret = Held::Absent).short()
    };
    assert_eq!(
        (first(true), first(false)),
        ("CreateCredentials".into(), "MarkUpdate".into())
    );
}

/// The answer to the take-back before was lost, so its token is in doubt; that the former request is refused is no doubt.
#[test]
fn w173_a7_k12a_a_refused_take_back_is_remembered_while_the_token_is_in_doubt() {
    let mut world = substituted(true);
    world.record.as_mut().unwrap().management.mode = crate::api::ManagementMode::RegistrationAccessToken;
    let provider = provider_of(&world);
    let former = world
        .record
        .as_ref()
        .unwrap()
        .rejected
        .as_ref()
        .unwrap()
        .former
        .clone()
        .unwrap();
    let hash = substitution::of_former(&former, &provider);
    let mut world = world.recorded(|r| {
        r.in_flight = Some(crate::domain::record::InFlight {
            request_hash: hash.clone(),
            attempt: "fresh".into(),
            unanswered: true,
        });
    });
    world.journal.marked = Some("fresh".into());
    let refusal = Failure::new(Class::Invalid, Reason::UpdateRejected, "no");
    (world.journal.refused, world.journal.failure) = (true, Some(refusal));
    let Next::Do(Effect::SaveRecord(record)) = world.next() else {
        panic!("{}", world.short())
    };
    assert!(record.token_is_in_doubt());
    assert!(record.rejected.as_ref().unwrap().refusal(&hash).is_some());
    // What the provider has accepted is sent once more, so that the doubt ends; the former request is not.
    world.record = Some(*record);
    (world.journal.refused, world.journal.failure) = (false, None);
    let own = world.record.as_ref().unwrap().request.clone();
    let Next::Do(Effect::MarkUpdate(record)) = world.next() else {
        panic!("{}", world.short())
    };
    let marked = record.in_flight.as_ref().unwrap();
    assert_eq!(
        marked.request_hash,
        crate::domain::metadata::fingerprint(&own, &[&provider.fingerprint])
    );
    // Refused once more, nothing is left to be saved.
    world.record = Some(*record);
    let refusal = Failure::new(Class::Invalid, Reason::UpdateRejected, "no");
    (world.journal.refused, world.journal.failure) = (true, Some(refusal));
    assert_eq!(world.short(), "UpdateRejected");
}

fn provider_of(world: &World) -> Provider {
    world.provider.clone().unwrap()
}
