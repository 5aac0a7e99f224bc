#![allow(clippy::needless_pass_by_value, reason = "json! literals read best by value")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::{Value, json};

use super::credentials::BASIC_AUTH;
use super::*;
use crate::domain::record::tests::record as stored;

fn object(secret: Value) -> OAuthClient {
    serde_json::from_value(json!({
        "apiVersion": names::API_VERSION, "kind": "OAuthClient",
        "metadata": {"name": "app", "namespace": "ns", "uid": "u"},
        "spec": {"providerRef": {"name": "p"}, "secret": secret},
    }))
    .unwrap()
}

fn keys(secret: &Secret) -> Vec<&str> {
    secret.data.iter().flatten().map(|(key, _)| key.as_str()).collect()
}

#[test]
fn the_default_secret_holds_credentials_and_known_endpoints() {
    let secret = credentials(&object(json!({})), &stored());
    assert_eq!(keys(&secret), ["client_id", "client_secret", "issuer"]);
    assert_eq!(
        (secret.name_any().as_str(), secret.namespace().as_deref()),
        ("app", Some("ns"))
    );
    assert_eq!(owner(&secret.metadata, "u"), Owner::This);
    assert_eq!(owner(&secret.metadata, "v"), Owner::Other("u".into()));
    assert_eq!(owner(&ObjectMeta::default(), "u"), Owner::Foreign);
}

#[test]
fn an_owner_of_ours_is_one_of_our_kind_and_group() {
    let owned = |api_version: &str, kind: &str| {
        let reference = OwnerReference {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            uid: "v".to_owned(),
            controller: Some(true),
            ..OwnerReference::default()
        };
        let meta = ObjectMeta {
            owner_references: Some(vec![reference]),
            ..ObjectMeta::default()
        };
        owner(&meta, "u")
    };
    assert_eq!(owned(names::API_VERSION, "OAuthClient"), Owner::Other("v".into()));
    assert_eq!(owned(names::API_VERSION, "OAuthProvider"), Owner::Foreign);
    assert_eq!(owned("v1", "OAuthClient"), Owner::Foreign);
}

#[test]
fn a_record_is_found_by_name_and_labels_and_holds_everything() {
    let secret = record(&stored(), "system").unwrap();
    let uid = stored().owner.uid;
    assert_eq!(secret.name_any(), format!("oauthclient-{uid}"));
    assert_eq!(secret.namespace().as_deref(), Some("system"));
    assert_eq!(secret.labels()[names::SECRET_ROLE], "record");
    assert_eq!(secret.labels()[names::MANAGED_BY], names::FIELD_MANAGER);
    assert_eq!(secret.labels()[names::CLIENT_UID], uid);
    assert_eq!(secret.annotations()[names::CREDENTIAL_GENERATION], "1");
    assert_eq!(secret.type_.as_deref(), Some(names::RECORD_TYPE));
    let data = &secret.data.unwrap()[super::super::record::DATA_KEY].0;
    assert!(Record::from_json(data).unwrap().same_credentials(&stored()));
}

#[test]
fn w17_a_public_client_has_no_secret_key() {
    let public = Record {
        client_secret: None,
        ..stored()
    };
    assert_eq!(
        keys(&credentials(&object(json!({"includeProvider": false})), &public)),
        ["client_id"]
    );
    let mut told = object(json!({"includeProvider": false}));
    told.spec.metadata.token_endpoint_auth_method = Some("none".to_owned());
    assert_eq!(
        keys(&credentials(&told, &stored())),
        ["client_id"],
        "not even one that the provider issued all the same"
    );
    let mut made_confidential = stored();
    let method = json!("client_secret_post");
    made_confidential
        .metadata
        .insert("token_endpoint_auth_method".into(), method);
    assert_eq!(
        keys(&credentials(&told, &made_confidential)),
        ["client_id", "client_secret"]
    );
}

#[test]
fn names_and_type_are_the_users() {
    let named = object(
        json!({"name": "other", "includeProvider": false, "keyNames": {"clientID": "ID", "clientSecret": "KEY"}}),
    );
    let secret = credentials(&named, &stored());
    assert_eq!(
        (secret.name_any().as_str(), keys(&secret)),
        ("other", vec!["ID", "KEY"])
    );
    let basic = object(json!({"includeProvider": false, "template": {"type": BASIC_AUTH}}));
    let secret = credentials(&basic, &stored());
    assert_eq!(keys(&secret), ["password", "username"]);
    assert_eq!(secret.type_.as_deref(), Some(BASIC_AUTH));
}

#[test]
fn repair_restores_ours_keeps_theirs_and_clears_what_is_no_longer_wanted() {
    let asked = object(json!({"template": {"labels": {"team": "a"}}}));
    let wanted = credentials(&asked, &stored());
    assert_eq!(repair(&wanted, &asked, &stored()), Repair::None);

    let mut edited = wanted.clone();
    edited
        .data
        .as_mut()
        .unwrap()
        .insert("client_secret".into(), ByteString(b"tampered".to_vec()));
    edited
        .data
        .as_mut()
        .unwrap()
        .insert("theirs".into(), ByteString(b"x".to_vec()));
    let Repair::Patch(patch) = repair(&edited, &asked, &stored()) else {
        panic!("no patch")
    };
    assert_eq!(patch, json!({"data": {"client_secret": "czNjcmV0"}}));

    let renamed = object(json!({"keyNames": {"clientID": "ID"}}));
    let Repair::Patch(patch) = repair(&wanted, &renamed, &stored()) else {
        panic!("no patch")
    };
    assert_eq!(patch["data"], json!({"ID": "aWQ=", "client_id": null}));
    assert_eq!(patch["metadata"]["labels"], json!({"team": null}));

    let typed = object(json!({"template": {"type": BASIC_AUTH}}));
    assert_eq!(repair(&wanted, &typed, &stored()), Repair::Replace);
    let frozen = Secret {
        immutable: Some(true),
        ..wanted.clone()
    };
    assert_eq!(repair(&frozen, &asked, &stored()), Repair::Replace);
}

#[test]
fn t110_a_secret_whose_keys_collide_is_never_written_half() {
    let right = object(json!({}));
    let before = credentials(&right, &stored());
    let colliding = object(json!({"keyNames": {"clientID": "OIDC", "clientSecret": "OIDC"}}));
    assert_eq!(
        repair(&before, &colliding, &stored()),
        Repair::None,
        "the application keeps what it has"
    );
    let anew = credentials(&colliding, &stored());
    assert_eq!(keys(&anew), keys(&before), "complete, under the default keys");
    assert_eq!(anew.data, before.data);
}
