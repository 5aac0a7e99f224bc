use http::Method;
use serde_json::json;
use testbed::providers::{Mitreid, http};

use crate::{bearer, call, machine, text};

#[tokio::test]
async fn a_client_is_found_registered_changed_and_deleted() {
    let provider = Mitreid::start().await.unwrap();
    let http = http(Some(provider.ca()));
    let root = provider.issuer();
    let finger = format!(
        "{root}.well-known/webfinger?resource=acct%3Aadmin%40{}&rel=http%3A%2F%2Fopenid.net%2Fspecs%2Fconnect%2F1.0%2Fissuer",
        provider.host()
    );
    let (status, _, found) = call(&http, Method::GET, &finger, None, None).await.unwrap();
    assert_eq!((status, &found["links"][0]["href"]), (200, &json!(root)));
    let endpoint = format!("{root}register");
    let client = machine("by hand");
    let (status, _, made) = call(&http, Method::POST, &endpoint, None, Some(&client)).await.unwrap();
    assert_eq!(status, 201, "{made}");
    let (id, uri) = (text(&made, "client_id"), text(&made, "registration_client_uri"));
    let token = bearer(text(&made, "registration_access_token"));
    provider.token(id, text(&made, "client_secret")).await.unwrap();
    assert_eq!(provider.clients().await.unwrap()[id]["clientName"], "by hand");
    let (status, _, refused) = call(&http, Method::GET, uri, bearer("wrong"), None).await.unwrap();
    assert_eq!((status, text(&refused, "error")), (401, "invalid_token"));
    // What it was sent is in what it says.
    assert!(text(&refused, "error_description").ends_with(": wrong"), "{refused}");
    let mut changed = machine("changed");
    changed["client_id"] = json!(id);
    let (status, ..) = call(&http, Method::PUT, uri, token.clone(), Some(&changed))
        .await
        .unwrap();
    assert_eq!(status, 200);
    assert_eq!(provider.clients().await.unwrap()[id]["clientName"], "changed");
    let (status, ..) = call(&http, Method::DELETE, uri, token, None).await.unwrap();
    assert_eq!(status, 204);
    assert!(provider.clients().await.unwrap().is_empty());
}
