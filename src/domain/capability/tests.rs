use serde_json::{Map, Value, json};

use super::*;
use crate::api::{OmittedMembers, Reason};
use crate::domain::failure::{Class, Failure};
use crate::domain::outcome::Effect;
use crate::domain::record::tests::record;

fn members(json: &Value) -> Map<String, Value> {
    json.as_object().unwrap().clone()
}

/// An answer about the client of [`record`].
#[allow(clippy::unnecessary_wraps, reason = "it stands where a call's answer does")]
fn answer(secret: Option<&str>, token: Option<&str>, metadata: &Value) -> Result<Registration, CallError> {
    Ok(Registration {
        client_id: "id".to_owned(),
        client_secret: secret.map(Into::into),
        client_secret_expires_at: None,
        client_id_issued_at: None,
        answered_at: None,
        registration_access_token: token.map(Into::into),
        registration_client_uri: token.map(|_| "https://p/reg/id".to_owned()),
        metadata: members(metadata),
    })
}

fn refused<T>(status: Option<u16>) -> Result<T, CallError> {
    Err(CallError {
        failure: Failure::new(Class::Denied, Reason::ManagementLost, "no"),
        status,
        code: None,
        remark: None,
        fault: None,
        effect: Effect::NotApplied,
    })
}

fn of_issuer(issuer: &str, capabilities: Capabilities) -> ProviderStatus {
    ProviderStatus {
        issuer: Some(issuer.to_owned()),
        capabilities: Some(capabilities),
        ..ProviderStatus::default()
    }
}

fn put() -> Capabilities {
    Capabilities {
        update: Some(UpdateSupport::Put),
        ..Capabilities::default()
    }
}

#[test]
fn t299_a_registration_tells_whether_clients_can_be_managed_by_a_token() {
    let management = |token| of_registration(&answer(Some("s"), token, &json!({}))).management;
    assert_eq!(management(Some("t")), Some(ManagementMode::RegistrationAccessToken));
    assert_eq!(management(None), Some(ManagementMode::None));
    let mut half = answer(None, Some("t"), &json!({})).unwrap();
    half.registration_client_uri = None;
    assert_eq!(
        of_registration(&Ok(half)).management,
        Some(ManagementMode::None),
        "a token without its URI is no use"
    );
    assert_eq!(of_registration(&refused(Some(400))), Capabilities::default());
}

#[test]
fn t299_an_update_tells_its_form_and_what_is_new_after_it() {
    let seen = of_update(
        &record(),
        &Request::new(),
        &Request::new(),
        &answer(Some("s3cret"), Some("other"), &json!({})),
    );
    assert_eq!(seen.update, Some(UpdateSupport::Put));
    assert_eq!(seen.client_secret.unwrap().on_update, Some(Kept::Same));
    let token = seen.registration_access_token.unwrap();
    assert_eq!((token.on_update, token.on_read), (Some(Kept::Changed), None));
    let body = members(&json!({"client_secret": "s3cret"}));
    let seen = of_update(
        &record(),
        &Request::new(),
        &body,
        &answer(Some("other"), None, &json!({})),
    );
    assert_eq!(seen.update, Some(UpdateSupport::PutWithSecret));
    assert_eq!(seen.client_secret.unwrap().on_update, Some(Kept::Changed));
    assert_eq!(
        seen.registration_access_token.unwrap().on_update,
        Some(Kept::Same),
        "what an answer does not repeat stays"
    );
    let mut public = record();
    public.client_secret = None;
    let seen = of_update(
        &public,
        &Request::new(),
        &Request::new(),
        &answer(None, None, &json!({})),
    );
    assert_eq!(seen.client_secret, None, "there is none that could change");
}

#[test]
fn t299_a_refusal_tells_something_only_if_it_says_that_the_operation_is_not_offered() {
    for (status, offered) in [
        (Some(405), false),
        (Some(501), false),
        (Some(401), true),
        (Some(404), true),
        (Some(400), true),
        (Some(500), true),
        (None, true),
    ] {
        let update = of_update(&record(), &Request::new(), &Request::new(), &refused(status));
        let read = of_read(&record(), &refused(status));
        let delete = of_deletion(&record(), true, &refused(status));
        let expected = |unsupported: Capabilities| if offered { Capabilities::default() } else { unsupported };
        assert_eq!(update, expected(no_updates()), "{status:?}");
        assert_eq!(delete, expected(no_deletions()), "{status:?}");
        assert_eq!(read.read.is_none(), offered, "{status:?}");
    }
    let mut other = answer(None, None, &json!({})).unwrap();
    other.client_id = "another".to_owned();
    assert_eq!(of_read(&record(), &Ok(other.clone())), Capabilities::default());
    assert_eq!(
        of_update(&record(), &Request::new(), &Request::new(), &Ok(other)),
        Capabilities::default(),
        "an answer about another client tells nothing"
    );
}

#[test]
fn t299_only_a_confirmed_deregistration_counts_as_one() {
    let delete = |counts, answer| of_deletion(&record(), counts, &Ok(answer)).delete;
    assert_eq!(delete(true, Deletion::Done), Some(DeleteSupport::Supported));
    assert_eq!(delete(false, Deletion::Done), Some(DeleteSupport::Unproven));
    assert_eq!(delete(true, Deletion::Unclear), Some(DeleteSupport::Unproven));
}

#[test]
fn t299_a_member_that_an_update_leaves_out_is_cleared_or_kept() {
    let mut record = record();
    record.request = members(&json!({"client_name": "a", "policy_uri": "https://a/"}));
    record.metadata = record.request.clone();
    let body = members(&json!({"client_name": "a"}));
    let after = |record: &Record, metadata: Value| {
        of_update(record, &body, &body, &answer(None, None, &metadata)).omitted_members
    };
    let kept = after(&record, json!({"client_name": "a", "policy_uri": "https://a/"}));
    assert_eq!(kept, Some(OmittedMembers::Kept));
    for gone in [
        json!({"client_name": "a"}),
        json!({"client_name": "a", "policy_uri": null}),
        json!({"client_name": "a", "policy_uri": ""}),
    ] {
        assert_eq!(after(&record, gone.clone()), Some(OmittedMembers::Cleared), "{gone}");
    }
    assert_eq!(
        after(&record, json!({})),
        None,
        "an answer that shows no member tells nothing"
    );
    let default = json!({"client_name": "a", "policy_uri": "https://the-servers/"});
    assert_eq!(after(&record, default), None, "a default of the server is neither");
    record.metadata.remove("policy_uri");
    assert_eq!(
        after(&record, json!({"client_name": "a"})),
        None,
        "the provider never showed it"
    );
}

#[test]
fn t299_a_try_of_credentials_tells_what_its_endpoint_is_good_for() {
    let at = |probed| of_probe(probed).probes;
    let revocation = at(Probed::Accepted(ProbeKind::Revocation)).unwrap();
    assert_eq!(revocation.revocation, Some(ProbeSupport::TellsClients));
    assert_eq!((revocation.introspection, revocation.token), (None, None));
    let token = at(Probed::AcceptsAnybody(ProbeKind::Token)).unwrap();
    assert_eq!(token.token, Some(ProbeSupport::AcceptsAnybody));
    assert_eq!(at(Probed::Rejected(ProbeKind::Token)), None);
    assert_eq!(at(Probed::Unclear), None);
}

#[test]
fn t300_two_observations_merge_to_the_same_in_either_order_and_then_nothing_is_news() {
    let all = [
        of_registration(&answer(None, None, &json!({}))),
        of_registration(&answer(None, Some("t"), &json!({}))),
        of_update(
            &record(),
            &Request::new(),
            &Request::new(),
            &answer(Some("new"), Some("t0ken"), &json!({})),
        ),
        of_update(
            &record(),
            &Request::new(),
            &Request::new(),
            &answer(Some("s3cret"), Some("new"), &json!({})),
        ),
        no_updates(),
        of_read(&record(), &answer(Some("new"), None, &json!({}))),
        of_read(&record(), &refused(Some(405))),
        of_deletion(&record(), true, &Ok(Deletion::Unclear)),
        of_deletion(&record(), true, &Ok(Deletion::Done)),
        of_probe(Probed::Accepted(ProbeKind::Token)),
        of_probe(Probed::AcceptsAnybody(ProbeKind::Revocation)),
        worked(Clearing::Null),
        worked(Clearing::Omit),
        refused_clearing(Clearing::Omit),
        refused_clearing(Clearing::Empty),
        substituting(&[]),
        substituting(&["scope"]),
        substituting(&["client_name", "scope"]),
    ];
    let mut known = Capabilities::default();
    for one in &all {
        for other in &all {
            assert_eq!(merged(one, other), merged(other, one), "{one:?} {other:?}");
        }
        assert_eq!(merged(one, one), *one);
        known = merged(&known, one);
    }
    let status = of_issuer("https://p", known.clone());
    for one in all {
        let seen = Seen {
            issuer: "https://p".to_owned(),
            capabilities: one.clone(),
            certified: None,
        };
        assert_eq!(news(&status, None, seen.clone()), None, "{one:?}");
        let unknown = ProviderStatus::default();
        let first = news(&unknown, None, seen.clone()).unwrap();
        assert_eq!(news(&unknown, Some(&first), seen), None, "it waits to be written");
    }
    assert_eq!(
        known.update,
        Some(UpdateSupport::Put),
        "an update that succeeded is proof"
    );
    assert_eq!(known.delete, Some(DeleteSupport::Supported));
    let secret = known.client_secret.unwrap();
    assert_eq!(secret.on_update, Some(Kept::Changed), "one change is proof");
    assert_eq!(
        known.clearing,
        Some(ClearingWays {
            works: vec![Clearing::Null],
            fails: vec![Clearing::Omit, Clearing::Empty],
        }),
        "a way that failed once does not work"
    );
}

fn worked(way: Clearing) -> Capabilities {
    Capabilities {
        clearing: Some(ClearingWays {
            works: vec![way],
            fails: vec![],
        }),
        ..Capabilities::default()
    }
}

fn substituting(names: &[&str]) -> Capabilities {
    Capabilities {
        substitutes: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        ..Capabilities::default()
    }
}

#[test]
fn t355_what_contradicts_an_earlier_observation_replaces_it() {
    let status = of_issuer("https://p", merged(&worked(Clearing::Omit), &substituting(&[])));
    let seen = |capabilities: Capabilities| Seen {
        issuer: "https://p".to_owned(),
        capabilities,
        certified: None,
    };
    let shown = |capabilities: Capabilities| {
        let news = news(&status, None, seen(capabilities)).unwrap();
        let mut next = status.clone();
        show(&status, &mut next, Some(&news));
        next.capabilities.unwrap()
    };
    let failed = shown(refused_clearing(Clearing::Omit)).clearing.unwrap();
    assert_eq!((failed.works, failed.fails), (vec![], vec![Clearing::Omit]));
    let other = shown(worked(Clearing::Null)).clearing.unwrap();
    assert_eq!(other.works, [Clearing::Omit, Clearing::Null]);
    let scope = shown(substituting(&["scope"]));
    assert_eq!(scope.substitutes, substituting(&["scope"]).substitutes);
    let unchanged = substituting(&[]);
    assert_eq!(
        news(&of_issuer("https://p", scope), None, seen(unchanged)),
        None,
        "another client did not ask for a value that the provider changes"
    );
}

#[test]
fn t355_an_update_and_a_registration_tell_what_became_of_the_members() {
    let request = members(&json!({"client_name": "a", "scope": "x y"}));
    let stated = json!({"client_name": "a", "scope": "x"});
    let scope = substituting(&["scope"]);
    let made = answer(None, None, &stated).unwrap();
    assert_eq!(of_own_registration(&request, &made), scope);
    assert_eq!(
        of_registration(&Ok(made)).substitutes,
        None,
        "it may be about another client"
    );
    let mut record = record();
    record.metadata = members(&json!({"client_name": "a", "logo_uri": "l"}));
    record.cleared.sending = Some(Clearing::Null);
    record.cleared.clears = members(&json!({"logo_uri": "l"}));
    let mut body = request.clone();
    body.insert("logo_uri".to_owned(), Value::Null);
    let seen = of_update(&record, &request, &body, &answer(None, None, &stated));
    assert_eq!(seen.substitutes, scope.substitutes);
    assert_eq!(seen.clearing, worked(Clearing::Null).clearing);
}

#[test]
fn t301_what_another_issuer_showed_is_not_said_of_this_one() {
    let seen = |issuer: &str| Seen {
        issuer: issuer.to_owned(),
        capabilities: put(),
        certified: None,
    };
    let shown = |previous: &ProviderStatus, issuer: &str, seen: Option<&Seen>| {
        let mut next = ProviderStatus {
            issuer: Some(issuer.to_owned()),
            ..previous.clone()
        };
        show(previous, &mut next, seen);
        next.capabilities
    };
    let first = of_issuer("https://p", no_deletions());
    assert_eq!(news(&first, None, seen("https://other")), None);
    assert!(news(&first, None, seen("https://p")).is_some());
    assert_eq!(shown(&first, "https://other", None), None, "it is learned anew");
    assert_eq!(shown(&first, "https://other", Some(&seen("https://p"))), None);
    assert_eq!(
        shown(&first, "https://other", Some(&seen("https://other"))),
        Some(put())
    );
    assert_eq!(
        shown(&first, "https://p", Some(&seen("https://p"))),
        Some(merged(&no_deletions(), &put()))
    );
    assert_eq!(shown(&first, "https://p", None), first.capabilities);
}

#[test]
fn t302_a_wrong_secret_tells_more_of_its_endpoint_and_the_end_of_a_certification_is_told_once() {
    let told = |answer| {
        of_wrong_secret(ProbeKind::Token, answer)
            .probes
            .and_then(|probes| probes.token)
    };
    let rejected = Probed::Rejected(ProbeKind::Token);
    assert_eq!(told(rejected), Some(ProbeSupport::TellsSecrets));
    assert_eq!(
        told(Probed::Accepted(ProbeKind::Token)),
        Some(ProbeSupport::AcceptsAnySecret)
    );
    assert_eq!(told(Probed::Unclear), None);
    let both = merged(
        &of_probe(Probed::Accepted(ProbeKind::Token)),
        &of_wrong_secret(ProbeKind::Token, rejected),
    );
    assert_eq!(both.probes.unwrap().token, Some(ProbeSupport::TellsSecrets));

    let status = of_issuer("https://p", put());
    let ended = |uid: &str| Seen {
        issuer: "https://p".to_owned(),
        certified: Some(uid.to_owned()),
        ..Seen::default()
    };
    let first = news(&status, None, ended("u1")).unwrap();
    assert_eq!(news(&status, Some(&first), ended("u1")), None);
    let mut next = status.clone();
    show(&status, &mut next, Some(&first));
    assert_eq!(
        (next.certified.as_deref(), &next.capabilities),
        (Some("u1"), &status.capabilities)
    );
    assert_eq!(news(&next, None, ended("u1")), None);
    let second = news(&next, None, ended("u2")).unwrap();
    assert_eq!(second.certified.as_deref(), Some("u2"));
}
