use http::Method;
use serde_json::json;
use testbed::providers::{DjangoOAuthToolkit, http};

use crate::{bearer, call, machine, text};

#[tokio::test]
async fn a_client_is_registered_changed_and_deleted_at_addresses_with_a_slash() {
    let provider = DjangoOAuthToolkit::start().await.unwrap();
    let http = http(None);
    let issuer = provider.issuer();
    let metadata = async |path: &str| {
        let url = path.replace('I', issuer);
        let (status, _, body) = call(&http, Method::GET, &url, None, None).await.unwrap();
        (status, body)
    };
    // Only where no specification has it.
    assert_eq!(metadata("I/.well-known/openid-configuration").await.0, 404);
    let (status, found) = metadata("I/.well-known/oauth-authorization-server").await;
    assert_eq!((status, text(&found, "issuer")), (200, issuer));
    let endpoint = text(&found, "registration_endpoint").to_owned();
    let client = machine("by hand");
    let (status, _, made) = call(&http, Method::POST, &endpoint, None, Some(&client)).await.unwrap();
    assert_eq!(status, 201, "{made}");
    let (id, uri) = (text(&made, "client_id"), text(&made, "registration_client_uri"));
    assert!(uri.ends_with(&format!("{id}/")), "{uri}");
    provider.token(id, text(&made, "client_secret")).await.unwrap();
    let token = bearer(text(&made, "registration_access_token"));
    let mut changed = machine("changed");
    changed["client_id"] = json!(id);
    let (status, _, body) = call(&http, Method::PUT, uri, token.clone(), Some(&changed))
        .await
        .unwrap();
    assert_eq!((status, body.get("client_secret")), (200, None));
    assert_eq!(provider.clients().await.unwrap()[id]["client_name"], "changed");
    let (status, ..) = call(&http, Method::DELETE, uri, token, None).await.unwrap();
    assert_eq!(status, 401, "the update issued another token");
    let token = bearer(text(&body, "registration_access_token"));
    let (status, ..) = call(&http, Method::DELETE, uri, token, None).await.unwrap();
    assert_eq!(status, 204);
    assert!(!provider.remove_client(id).await.unwrap());
}
