use super::*;
use crate::domain::profile::knobs;
use crate::domain::target::Knobs;

pub(crate) fn record() -> Record {
    Record {
        schema_version: SCHEMA_VERSION,
        phase: Phase::Registered,
        cluster_id: "cluster".to_owned(),
        owner: Owner {
            uid: "u".to_owned(),
            namespace: "ns".to_owned(),
            name: "app".to_owned(),
        },
        attempt: "a1".to_owned(),
        credential_generation: 1,
        client_id: "id".to_owned(),
        client_secret: Some("s3cret".into()),
        client_secret_expires_at: None,
        registration_access_token: Some("t0ken".into()),
        registration_client_uri: Some("https://p/reg/id".to_owned()),
        registered_at: 1,
        request: Map::new(),
        metadata: Map::new(),
        endpoints: Endpoints {
            issuer: "https://p".to_owned(),
            registration: "https://p/reg".to_owned(),
            ..Endpoints::default()
        },
        management: Access::default(),
        in_flight: None,
        replaced: None,
        adopted: None,
        auth_method: None,
        cleared: Cleared::default(),
        rejected: None,
        overtaken: None,
        touched: None,
        accepted: None,
        missing_since: None,
        in_dispute: false,
        namespace_uid: None,
        taken_by: None,
        taken_from: None,
        other: Map::new(),
        nested: Nested::default(),
    }
}

fn answer() -> Registration {
    Registration {
        client_id: "id".to_owned(),
        client_secret: None,
        client_secret_expires_at: None,
        client_id_issued_at: None,
        answered_at: None,
        registration_access_token: None,
        registration_client_uri: None,
        metadata: Map::new(),
    }
}

#[test]
fn an_answer_without_credentials_changes_none() {
    let mut record = record();
    assert!(!record.absorb(answer()));
    assert_eq!(record.client_secret.unwrap().expose_secret(), "s3cret");
    assert_eq!(record.registration_access_token.unwrap().expose_secret(), "t0ken");
    assert_eq!(record.credential_generation, 1);
}

#[test]
fn a_rotated_secret_counts_and_a_rotated_token_does_not() {
    let mut record = record();
    assert!(!record.absorb(Registration {
        registration_access_token: Some("t2".into()),
        ..answer()
    }));
    assert_eq!(record.registration_access_token.as_ref().unwrap().expose_secret(), "t2");
    assert!(record.absorb(Registration {
        client_secret: Some("n3w".into()),
        ..answer()
    }));
    assert_eq!(record.credential_generation, 2);
}

#[test]
fn w32_what_an_answer_leaves_out_is_kept() {
    let mut record = record();
    record.client_secret_expires_at = Some(100);
    let before = record.clone();
    record.absorb(answer());
    assert!(record.same_credentials(&before));
    assert_eq!(record.client_secret_expires_at, Some(100));
}

#[test]
fn w33_every_rotated_credential_is_taken_over() {
    let mut record = record();
    record.client_secret_expires_at = Some(100);
    record.absorb(Registration {
        client_secret: Some("n3w".into()),
        registration_access_token: Some("t2".into()),
        registration_client_uri: Some("https://p/reg/2".to_owned()),
        ..answer()
    });
    assert_eq!(record.client_secret.as_ref().unwrap().expose_secret(), "n3w");
    assert_eq!(record.registration_access_token.as_ref().unwrap().expose_secret(), "t2");
    assert_eq!(record.registration_client_uri.as_deref(), Some("https://p/reg/2"));
    assert_eq!(
        record.client_secret_expires_at, None,
        "the old secret's expiry is not the new one's"
    );
}

#[test]
fn credentials_are_the_same_if_each_is() {
    let edits: [fn(&mut Record); 3] = [
        |record| record.client_secret = Some("n3w".into()),
        |record| record.registration_access_token = None,
        |record| record.registration_client_uri = Some("https://p/reg/2".to_owned()),
    ];
    assert!(record().same_credentials(&record()));
    for edit in edits {
        let mut edited = record();
        edit(&mut edited);
        assert!(!edited.same_credentials(&record()));
    }
}

#[test]
fn w17_a_confidential_client_lacks_a_secret_and_no_other_does() {
    let lacks = |stated: Value, asked: &str, secret: Option<&str>| {
        let mut record = record();
        record.client_secret = secret.map(Into::into);
        record.request.insert("token_endpoint_auth_method".into(), asked.into());
        if !stated.is_null() {
            record.metadata.insert("token_endpoint_auth_method".into(), stated);
        }
        record.lacks_secret()
    };
    assert!(lacks(Value::Null, "client_secret_basic", None));
    assert!(lacks("client_secret_post".into(), "none", None));
    assert!(lacks(serde_json::json!(["client_secret_basic"]), "none", None));
    assert!(!lacks(serde_json::json!(["client_secret_basic", "none"]), "none", None));
    assert!(!lacks(serde_json::json!([]), "none", None));
    assert!(!lacks(Value::Null, "none", None));
    assert!(!lacks("none".into(), "client_secret_basic", None));
    assert!(!lacks("private_key_jwt".into(), "client_secret_basic", None));
    assert!(!lacks("client_secret_post".into(), "none", Some("s")));
    assert!(!lacks(7.into(), "private_key_jwt", None));
}

#[test]
fn unknown_members_survive_and_debug_shows_no_secret() {
    let mut json: Value = serde_json::from_slice(&record().to_json().unwrap()).unwrap();
    json["futureMember"] = Value::from(7);
    let again = Record::from_json(json.to_string().as_bytes()).unwrap();
    let written: Value = serde_json::from_slice(&again.to_json().unwrap()).unwrap();
    assert_eq!(written["futureMember"], 7);
    assert_eq!(written["clientSecret"], "s3cret");
    let shown = format!("{again:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("t0ken"), "{shown}");
}

#[test]
fn the_uri_of_a_client_is_the_providers_own_or_made_from_the_template() {
    let mut record = record();
    assert_eq!(record.management_uri().as_deref(), Some("https://p/reg/id"));
    record.management.mode = ManagementMode::Credentials;
    record.management.uri_template = "{registration_endpoint}/{client_id}".to_owned();
    record.client_id = "a b/c".to_owned();
    assert_eq!(record.management_uri().as_deref(), Some("https://p/reg/a%20b%2Fc"));
    record.management.mode = ManagementMode::None;
    assert_eq!(record.management_uri(), None);
}

#[test]
fn a_record_is_another_only_if_every_member_is_the_same() {
    assert!(record().is(&record()));
    let changes: [fn(&mut Record); 5] = [
        |record| record.client_secret = Some("another".into()),
        |record| record.registration_access_token = None,
        |record| record.phase = Phase::Deleting,
        |record| record.in_flight = Some(InFlight::default()),
        |record| drop(record.request.insert("client_name".to_owned(), "x".into())),
    ];
    for change in changes {
        let mut other = record();
        change(&mut other);
        assert!(!record().is(&other) && !other.is(&record()), "{other:?}");
    }
}

#[test]
fn t158_an_expiry_of_zero_means_never_and_replaces_the_old_one() {
    let mut record = record();
    record.client_secret_expires_at = Some(100);
    record.absorb(Registration {
        client_secret_expires_at: Some(0),
        ..answer()
    });
    assert_eq!(record.client_secret_expires_at, None);
}

#[test]
fn t157_a_downgrade_keeps_what_a_newer_version_wrote_into_every_structure() {
    let mut written: Value = serde_json::from_slice(&record().to_json().unwrap()).unwrap();
    written["inFlight"] = serde_json::json!({"requestHash": "h", "attempt": "u1", "op": "Update"});
    for name in ["owner", "endpoints", "management"] {
        written[name]["new"] = serde_json::json!({"member": [name]});
    }
    written["newer"] = serde_json::json!({"whole": true});
    let bytes = serde_json::to_vec(&written).unwrap();
    let mut read = Record::from_json(&bytes).unwrap();
    let again = |record: &Record| serde_json::from_slice::<Value>(&record.to_json().unwrap()).unwrap();
    for name in ["owner", "endpoints", "management", "inFlight", "newer"] {
        for (member, value) in written[name].as_object().unwrap() {
            assert_eq!(&again(&read)[name][member], value, "{name}.{member}");
        }
    }
    // Another update is not the one of which the newer version said more; the maps of the protocol lose what is removed.
    read.in_flight.as_mut().unwrap().attempt = "u2".into();
    assert_eq!(again(&read)["inFlight"].get("op"), None);
    read.request.insert("scope".into(), "openid".into());
    let mut stored = Record::from_json(&read.to_json().unwrap()).unwrap();
    stored.request.clear();
    assert_eq!(again(&stored)["request"], serde_json::json!({}));
    read.in_flight = None;
    assert_eq!(again(&read).get("inFlight"), None);
}

#[test]
fn t157_the_version_of_a_record_can_be_read_when_nothing_else_can() {
    assert_eq!(
        Record::schema_version_of(br#"{"schemaVersion": 7, "clients": []}"#),
        Some(7)
    );
    assert_eq!(Record::schema_version_of(b"no json"), None);
}

#[test]
fn t275_an_update_of_all_members_repeats_what_the_provider_added_and_clears_what_the_manifest_took_back() {
    let stated = serde_json::json!({
        "added": "x", "contacts": ["a@b"], "scope": "openid", "null": null, "client_secret_expires_at": 0,
    });
    let asked = serde_json::json!({"contacts": ["a@b"], "scope": "openid"});
    let mut record = Record {
        request: asked.as_object().unwrap().clone(),
        metadata: stated.as_object().unwrap().clone(),
        ..record()
    };
    let wanted = serde_json::json!({"scope": "profile"});
    let body = |knobs: &Knobs| Value::Object(made::update_body(wanted.as_object().unwrap(), &record, knobs));
    let mut knobs = knobs(crate::api::Profile::Rfc7592);
    let requested = serde_json::json!({"client_id": "id", "scope": "profile"});
    assert_eq!(body(&knobs), requested);
    knobs.update_members = crate::api::UpdateMembers::All;
    let all = serde_json::json!({"added": "x", "client_id": "id", "scope": "profile"});
    assert_eq!(body(&knobs), all);
    knobs.omit_members = vec!["added".to_owned()];
    assert_eq!(body(&knobs), requested, "what the provider object never sends");
    knobs.omit_members.clear();
    record.cleared.left.insert("added".to_owned(), "x".into());
    let left = Value::Object(made::update_body(wanted.as_object().unwrap(), &record, &knobs));
    assert_eq!(left, requested, "what a manifest asked for before the last update");
}

#[test]
fn w170_an_application_uses_the_method_that_its_manifest_sets_where_the_provider_states_an_alike_one() {
    let applied = |set: Option<&str>, chosen: Option<&str>, stated: Option<&str>| {
        let mut record = record();
        for (members, method) in [(&mut record.request, set.or(chosen)), (&mut record.metadata, stated)] {
            members.remove("token_endpoint_auth_method");
            if let Some(method) = method {
                members.insert("token_endpoint_auth_method".into(), method.into());
            }
        }
        record.auth_method = chosen.map(str::to_owned);
        record.applied_auth_method().map(str::to_owned)
    };
    let (basic, post) = (Some("client_secret_basic"), Some("client_secret_post"));
    for (set, chosen, stated, expected) in [
        (post, None, basic, post),
        (basic, None, post, basic),
        (post, None, post, post),
        (post, None, None, post),
        // The Secret names the method to an application whose manifest leaves it open.
        (None, basic, post, post),
        // It cannot use that one at all.
        (post, None, Some("private_key_jwt"), Some("private_key_jwt")),
        (Some("none"), None, basic, basic),
        (None, None, basic, basic),
        (None, None, None, None),
    ] {
        let found = applied(set, chosen, stated);
        assert_eq!(found.as_deref(), expected, "{set:?} {chosen:?} {stated:?}");
    }
}
