#![allow(clippy::needless_pass_by_value, reason = "json! literals read best by value")]

use serde_json::{Value, json};

use super::*;

/// Status after a verdict about a client whose manifest, request and answer are these.
fn answered(spec: Value, request: Value, answer: Value, verdict: &Verdict) -> OAuthClientStatus {
    answered_by(spec, request, answer, verdict, |_| {})
}

/// The same with another record.
fn answered_by(
    spec: Value,
    request: Value,
    answer: Value,
    verdict: &Verdict,
    change: impl FnOnce(&mut Record),
) -> OAuthClientStatus {
    let mut base = json!({"providerRef": {"name": "p"}});
    base.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    let spec: OAuthClientSpec = serde_json::from_value(base).unwrap();
    let mut record = record();
    record.request = request.as_object().unwrap().clone();
    record.metadata = answer.as_object().unwrap().clone();
    change(&mut record);
    let facts = Facts {
        generation: Some(1),
        spec: Some(&spec),
        record: Some(&record),
        now: 100,
        ..Facts::default()
    };
    after(&OAuthClientStatus::default(), verdict, &facts)
}

#[test]
fn w110_as_requested_names_the_fields_that_the_manifest_sets() {
    let request = json!({"scope": "a b", "client_name": "n", "grant_types": ["authorization_code"], "x": 1});
    for (spec, answer, expected, part) in [
        (
            json!({"scopes": ["a", "b"], "extraMetadata": {"x": 1}}),
            json!({"scope": "b a", "client_name": "n", "x": 1}),
            "True",
            "the manifest sets",
        ),
        (
            json!({"scopes": ["a", "b"]}),
            json!({"scope": "a", "client_name": "n", "x": 1}),
            "False",
            "of spec.scopes than",
        ),
        (
            json!({"scopes": ["a", "b"], "extraMetadata": {"x": 1}}),
            json!({"scope": "a b c", "x": 2}),
            "False",
            "spec.scopes, spec.extraMetadata.x",
        ),
        (
            json!({"scopes": ["a", "b"], "clientName": "n"}),
            json!({"scope": "a b"}),
            "Unknown",
            "spec.clientName",
        ),
        (
            json!({"scopes": ["a", "b"]}),
            json!({"unrelated": 1}),
            "Unknown",
            "none of the requested members",
        ),
        (
            json!({"scopes": ["a", "b"], "extraMetadata": {"x": 1}}),
            json!({"scope": "a b", "client_name": "other", "x": 1}),
            "True",
            "the manifest sets",
        ),
    ] {
        let status = answered(spec.clone(), request.clone(), answer.clone(), &Verdict::Ready);
        let told = condition(&status, "AsRequested").unwrap();
        assert_eq!(told.status, expected, "{spec} {answer}");
        assert!(told.message.contains(part), "{}", told.message);
        assert_eq!(condition(&status, "Ready").unwrap().status, "True");
    }
    // A default that the provider chose otherwise is shown, too.
    let status = answered(
        json!({"scopes": ["a", "b"], "extraMetadata": {"x": 1}}),
        request,
        json!({"client_name": "other", "scope": "a b", "x": 1}),
        &Verdict::Ready,
    );
    assert_eq!(status.effective.len(), 1);
    assert_eq!(status.effective[0].registered.as_deref(), Some("other"));
}

/// The provider object omits what the manifest sets.
#[test]
fn w110_what_is_not_sent_is_no_value_that_the_provider_confirmed() {
    let request = json!({"scope": "a"});
    let told = |manifest: Value, answer: Value| {
        let status = answered(manifest, request.clone(), answer, &Verdict::Ready);
        let told = condition(&status, "AsRequested").unwrap();
        (told.status.clone(), told.message.clone(), status.effective.clone())
    };
    let native = || json!({"scopes": ["a"], "applicationType": "native"});
    let (status, message, _) = told(native(), json!({"scope": "a"}));
    assert_eq!(status, "Unknown");
    assert!(
        message.contains("does not send spec.applicationType to this"),
        "{message}"
    );
    let (status, message, effective) = told(native(), json!({"scope": "a", "application_type": "web"}));
    assert_eq!(status, "False");
    assert!(
        message.contains("does not send spec.applicationType to this"),
        "{message}"
    );
    let shown = &effective[0];
    assert_eq!((&shown.requested, shown.registered.as_deref()), (&None, Some("web")));
    let extra = json!({"scopes": ["a"], "extraMetadata": {"x": 1}});
    assert_eq!(told(extra, json!({"scope": "a"})).0, "Unknown");
    assert_eq!(
        told(native(), json!({"scope": "a", "application_type": "native"})).0,
        "True"
    );
    // A server that states nothing registers the default.
    let web = json!({"scopes": ["a"], "applicationType": "web"});
    assert_eq!(told(web, json!({"scope": "a"})).0, "True");
}

#[test]
fn w110_a_member_that_is_left_is_named_beside_what_was_substituted() {
    let status = answered_by(
        json!({"scopes": ["a"]}),
        json!({"scope": "a"}),
        json!({"scope": "b", "logo_uri": "https://l"}),
        &Verdict::Ready,
        |record| drop(record.cleared.left.insert("logo_uri".to_owned(), json!("https://l"))),
    );
    let told = condition(&status, "AsRequested").unwrap();
    assert_eq!(told.status, "False");
    assert!(
        told.message.contains("spec.logoURI") && told.message.contains("spec.scopes"),
        "{}",
        told.message
    );
}

#[test]
fn w110_a_refused_update_says_nothing_of_the_answer() {
    let refused = Verdict::Failed(Failure::new(Class::Invalid, Reason::UpdateRejected, "why"));
    let status = answered(
        json!({"scopes": ["a"]}),
        json!({"scope": "a"}),
        json!({"scope": "a"}),
        &refused,
    );
    assert!(condition(&status, "AsRequested").is_none() && status.effective.is_empty());
    let replaced = Verdict::Failed(Failure::new(Class::Denied, Reason::AuthMethodSubstituted, "why"));
    let status = answered(
        json!({"scopes": ["a"]}),
        json!({"scope": "a"}),
        json!({"scope": "b"}),
        &replaced,
    );
    assert_eq!(condition(&status, "AsRequested").unwrap().status, "False");
}
