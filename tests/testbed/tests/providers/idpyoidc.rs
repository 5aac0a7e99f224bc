use http::Method;
use serde_json::{Value, json};
use testbed::providers::{Idpyoidc, IdpyoidcOptions, ProviderError, http};

use crate::{bearer, call, text};

fn web(keys: bool) -> Value {
    let mut client = json!({
        "client_name": "shop",
        "redirect_uris": ["https://app.example/cb"],
        "grant_types": ["client_credentials", "authorization_code"],
    });
    if keys {
        let key = json!({
            "kty": "EC", "crv": "P-256", "use": "sig",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        });
        client["jwks"] = json!({"keys": [key]});
    }
    client
}

#[tokio::test]
async fn clients_are_found_by_web_finger_registered_and_read() {
    let provider = Idpyoidc::start(IdpyoidcOptions {
        https: true,
        ..IdpyoidcOptions::default()
    })
    .await
    .unwrap();
    let http = http(provider.ca());
    let get = async |url: &str, authorization: Option<String>| {
        let (status, _, body) = call(&http, Method::GET, url, authorization, None).await.unwrap();
        (status, body)
    };
    let finger = format!(
        "{}/.well-known/webfinger?resource=acct%3Aada%40{}",
        provider.issuer(),
        provider.host()
    );
    assert_eq!(get(&finger, None).await.0, 400, "rel is missing");
    let rel = "&rel=http%3A%2F%2Fopenid.net%2Fspecs%2Fconnect%2F1.0%2Fissuer";
    let (status, descriptor) = get(&(finger + rel), None).await;
    let issuer = text(&descriptor["links"][0], "href");
    assert_eq!((status, issuer), (200, provider.issuer()));
    let (_, metadata) = get(&format!("{issuer}/.well-known/openid-configuration"), None).await;
    assert_eq!(text(&metadata, "issuer"), issuer);

    let endpoint = text(&metadata, "registration_endpoint");
    let (status, _, client) = call(&http, Method::POST, endpoint, None, Some(&web(true)))
        .await
        .unwrap();
    assert_eq!(status, 201, "{client}");
    let (id, secret) = (text(&client, "client_id"), text(&client, "client_secret"));
    assert!(client["client_secret_expires_at"].as_u64().unwrap() > 0);
    assert!(provider.clients().await.unwrap().keys().eq([id]));
    assert!(!provider.token(id, secret).await.unwrap().is_empty());
    assert!(matches!(
        provider.token(id, "wrong").await,
        Err(ProviderError::Refused { status: 401, .. })
    ));

    let uri = text(&client, "registration_client_uri");
    let token = text(&client, "registration_access_token");
    let (status, read) = get(uri, Some(bearer(token))).await;
    assert_eq!((status, text(&read, "client_secret")), (200, secret));
    assert_eq!(get(uri, Some(bearer("wrong"))).await.0, 401);
    let mut changed = web(true);
    changed["client_id"] = id.into();
    let (status, ..) = call(&http, Method::PUT, uri, bearer(token), Some(&changed))
        .await
        .unwrap();
    assert_eq!(status, 405);
    let (status, ..) = call(&http, Method::DELETE, uri, bearer(token), None).await.unwrap();
    assert_eq!(status, 400);
    assert_eq!(provider.clients().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_refused_registration_leaves_a_client_behind() {
    let provider = Idpyoidc::start(IdpyoidcOptions::default()).await.unwrap();
    let endpoint = format!("{}/registration", provider.issuer());
    let (status, _, refused) = call(&http(None), Method::POST, &endpoint, None, Some(&web(false)))
        .await
        .unwrap();
    assert_eq!(
        (status, text(&refused, "error")),
        (400, "invalid_configuration_request")
    );
    assert_eq!(provider.clients().await.unwrap().len(), 1);
}
