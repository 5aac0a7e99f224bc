use http::Method;
use serde_json::{Value, json};
use testbed::providers::{Keycloak, ProviderError, Realm, http};

use crate::{bearer, call, text};

/// A realm, the endpoint at which clients register there, and an HTTP client.
async fn realm(name: &str) -> (Realm, String, reqwest::Client) {
    let realm = Keycloak::shared().await.unwrap().realm(name).await.unwrap();
    let http = http(None);
    let document = format!("{}/.well-known/openid-configuration", realm.issuer());
    let (status, _, metadata) = call(&http, Method::GET, &document, None, None).await.unwrap();
    assert_eq!((status, text(&metadata, "issuer")), (200, realm.issuer().as_str()));
    let endpoint = text(&metadata, "registration_endpoint").to_owned();
    (realm, endpoint, http)
}

fn web(grants: &[&str]) -> Value {
    json!({
        "client_name": "shop",
        "redirect_uris": ["https://app.example/cb"],
        "grant_types": grants,
    })
}

#[tokio::test]
async fn clients_are_managed_and_each_update_rotates_the_token() {
    let (realm, endpoint, http) = realm("managed").await;
    let initial = realm.initial_access_token(1).await.unwrap();
    let wanted = web(&["client_credentials", "authorization_code"]);
    let (status, _, client) = call(&http, Method::POST, &endpoint, bearer(&initial), Some(&wanted))
        .await
        .unwrap();
    assert_eq!(status, 201);
    let (status, ..) = call(&http, Method::POST, &endpoint, bearer(&initial), Some(&wanted))
        .await
        .unwrap();
    assert_eq!(status, 401, "the initial access token is used up");
    let (id, secret) = (text(&client, "client_id"), text(&client, "client_secret"));
    assert!(realm.clients().await.unwrap().keys().eq([id]));
    assert!(!realm.token(id, secret).await.unwrap().is_empty());

    let uri = text(&client, "registration_client_uri");
    let old = text(&client, "registration_access_token");
    let mut changed = wanted;
    changed["client_id"] = id.into();
    changed["redirect_uris"] = json!(["https://app.example/new"]);
    let (status, _, updated) = call(&http, Method::PUT, uri, bearer(old), Some(&changed))
        .await
        .unwrap();
    assert_eq!(status, 200);
    let new = text(&updated, "registration_access_token");
    assert_ne!(old, new);
    assert_eq!(
        realm.clients().await.unwrap()[id]["redirect_uris"],
        json!(["https://app.example/new"])
    );
    let (status, ..) = call(&http, Method::GET, uri, bearer(old), None).await.unwrap();
    assert_eq!(status, 401);
    let (status, _, read) = call(&http, Method::GET, uri, bearer(new), None).await.unwrap();
    assert_eq!((status, text(&read, "client_id")), (200, id));
    let last = text(&read, "registration_access_token");
    let (status, ..) = call(&http, Method::DELETE, uri, bearer(last), None).await.unwrap();
    assert_eq!(status, 204);
    assert!(realm.clients().await.unwrap().is_empty());
    assert!(matches!(
        realm.token(id, secret).await,
        Err(ProviderError::Refused { status: 401, .. })
    ));
}

#[tokio::test]
async fn the_five_grant_types_register_but_not_for_strangers() {
    let (realm, endpoint, http) = realm("five-grants").await;
    let initial = realm.initial_access_token(5).await.unwrap();
    for grant in [
        "authorization_code",
        "implicit",
        "password",
        "client_credentials",
        "refresh_token",
    ] {
        let (status, _, client) = call(&http, Method::POST, &endpoint, bearer(&initial), Some(&web(&[grant])))
            .await
            .unwrap();
        assert_eq!(status, 201, "{grant}: {client}");
    }
    assert_eq!(realm.clients().await.unwrap().len(), 5);
    let (status, _, refused) = call(&http, Method::POST, &endpoint, None, Some(&web(&["implicit"])))
        .await
        .unwrap();
    assert_eq!((status, text(&refused, "error")), (403, "insufficient_scope"));
}
