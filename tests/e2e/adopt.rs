//! Ways out of `ManagementLost` at a real provider, after an administrator regenerated the registration access token of a client.

use testbed::site::{Site, consented, oauth_client};

use crate::stage::{Stage, eventually};

const CLIENT: &str =
    "grantTypes: [authorization_code, client_credentials]\nredirectURIs: ['https://app.example/callback']";

/// The manifest with another redirect URI, and what is added to it.
fn edited(path: &str, added: &str) -> String {
    oauth_client("app", &format!("{}\n{added}", CLIENT.replace("callback", path)))
}

async fn has_redirect(site: &Site, client_id: &str, path: &str) {
    let wanted = serde_json::json!([format!("https://app.example/{path}")]);
    eventually("the change arrives", async || {
        let clients = site.clients().await.ok()?;
        (clients[client_id]["redirect_uris"] == wanted).then_some(())
    })
    .await;
}

#[tokio::test]
async fn t200_a_regenerated_token_is_taken_over_at_keycloak() {
    let site = Site::keycloak("adopt").await.unwrap();
    let stage = Stage::new("adopt").await;
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    stage.ready("app").await;
    let before = stage.secret("app").await.unwrap();
    let id = &before["client_id"];
    let realm = site.realm().unwrap();
    let token = realm.regenerate_token(id).await.unwrap();
    assert!(!token.is_empty());
    stage.apply(&edited("edited", "")).await;
    let message = stage.failed("app", "ManagementLost").await;
    assert!(message.contains(id) && message.contains("spec.adopt"), "{message}");

    let adopt = "adopt:\n  registrationAccessTokenRef:\n    name: new-token\n";
    stage.apply(&edited("edited", adopt)).await;
    let message = stage.failed("app", "CredentialsMissing").await;
    assert!(message.contains("/new-token, which does not exist"), "{message}");
    stage
        .apply(&consented("new-token", realm.keycloak(), &[("token", &token)]))
        .await;
    stage
        .kubectl(&[
            "annotate",
            "oauthclient",
            "app",
            "oauth-client-operator.dev/reconcile=1",
        ])
        .await;
    stage.ready("app").await;
    has_redirect(&site, id, "edited").await;
    let after = stage.secret("app").await.unwrap();
    assert_eq!(
        (&after["client_id"], &after["client_secret"]),
        (id, &before["client_secret"]),
        "what applications use stays as it is"
    );
    site.token(id, &after["client_secret"]).await.unwrap();

    // The token is recorded: its Secret is needed no more, and the client can be changed and deregistered.
    stage.kubectl(&["delete", "secret", "new-token"]).await;
    stage.apply(&edited("again", adopt)).await;
    stage.ready("app").await;
    has_redirect(&site, id, "again").await;
    assert!(stage.suspects().await.is_empty());
    stage.kubectl(&["delete", "oauthclient", "app", "--timeout=30s"]).await;
    assert!(site.clients().await.unwrap().is_empty());
}

#[tokio::test]
async fn t200_a_client_whose_token_was_regenerated_is_replaced_at_keycloak() {
    let site = Site::keycloak("replace").await.unwrap();
    let stage = Stage::new("replace").await;
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    stage.ready("app").await;
    let before = stage.secret("app").await.unwrap();
    let id = before["client_id"].clone();
    site.realm().unwrap().regenerate_token(&id).await.unwrap();
    stage.apply(&edited("edited", "")).await;
    stage.failed("app", "ManagementLost").await;
    let replace = format!("oauth-client-operator.dev/replace={id}");
    stage.kubectl(&["annotate", "oauthclient", "app", &replace]).await;
    stage.ready("app").await;
    let after = stage.secret("app").await.unwrap();
    assert_ne!(after["client_id"], id);
    let clients = site.clients().await.unwrap();
    assert_eq!(clients.len(), 2);
    assert!(clients.contains_key(&id) && clients.contains_key(&after["client_id"]));
    let suspects = stage.suspects().await;
    let named = suspects
        .iter()
        .filter_map(|suspect| suspect.data.as_ref()?.get("client_id"));
    assert_eq!(named.map(|id| id.0.clone()).collect::<Vec<_>>(), [id.into_bytes()]);
}
