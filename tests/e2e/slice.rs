//! The whole slice, one body for every provider: discover, register, use, update, repair, delete. What a provider cannot do
//! shows as the documented condition.

use std::collections::BTreeMap;

use serde_json::json;
use testbed::site::Site;

use crate::stage::{Stage, eventually, is};

type Data = BTreeMap<String, String>;

fn app(site: &Site, redirect: &str) -> String {
    let spec = "clientName: Slice\ngrantTypes: [authorization_code, client_credentials]";
    site.client("app", &format!("{spec}\nredirectURIs: ['{redirect}']"))
}

async fn slice(name: &str, site: Site) {
    let stage = Stage::new(name).await;
    stage.apply(&site.manifests).await;
    let secret = registers(&stage, &site).await;
    changes(&stage, &site, &secret).await;
    repairs(&stage, &site, &secret).await;
    deletes(&stage, &site, &secret).await;
    assert!(
        !stage.operator.log().contains(&secret["client_secret"]),
        "the log shows a secret"
    );
}

/// Registered, recorded, written, usable.
async fn registers(stage: &Stage, site: &Site) -> Data {
    stage.apply(&app(site, "https://app.example/one")).await;
    let object = stage.ready("app").await;
    let secret = stage.secret("app").await.unwrap();
    assert_eq!(Some(&secret["client_id"]), object.status.unwrap().client_id.as_ref());
    let clients = site.clients().await.unwrap();
    assert_eq!(clients.keys().collect::<Vec<_>>(), [&secret["client_id"]]);
    assert_eq!(
        clients[&secret["client_id"]]["redirect_uris"],
        json!(["https://app.example/one"])
    );
    if site.abilities.token {
        let token = site
            .token(&secret["client_id"], &secret["client_secret"])
            .await
            .unwrap();
        assert!(!token.is_empty());
    }
    secret
}

/// A change of the manifest arrives, or the condition says that it cannot.
async fn changes(stage: &Stage, site: &Site, secret: &Data) {
    stage.apply(&app(site, "https://app.example/two")).await;
    if site.abilities.update {
        stage.ready("app").await;
        let clients = site.clients().await.unwrap();
        assert_eq!(clients.len(), 1);
        assert_eq!(
            clients[&secret["client_id"]]["redirect_uris"],
            json!(["https://app.example/two"])
        );
        return;
    }
    let message = stage.failed("app", "UpdateUnsupported").await;
    assert!(message.contains("revert the change"), "{message}");
    let object = stage.oauth_client("app").await;
    assert!(
        is(&object, "SecretSynced", "True") && is(&object, "Stalled", "True"),
        "{:?}",
        object.status
    );
    stage.apply(&app(site, "https://app.example/one")).await;
    stage.ready("app").await;
}

/// The Secret is put right from the record, edited or deleted, without the provider.
async fn repairs(stage: &Stage, site: &Site, secret: &Data) {
    let before = site.clients().await.unwrap();
    let edit = r#"{"stringData":{"client_secret":"wrong","extra":"theirs"}}"#;
    stage.kubectl(&["patch", "secret", "app", "-p", edit]).await;
    let repaired = eventually("the edited Secret is put right", async || {
        let found = stage.secret("app").await?;
        (found.get("client_secret") == secret.get("client_secret")).then_some(found)
    });
    assert_eq!(
        repaired.await.get("extra").map(String::as_str),
        Some("theirs"),
        "what others add stays"
    );
    stage.kubectl(&["delete", "secret", "app"]).await;
    eventually("the deleted Secret is back", async || {
        stage.secret("app").await.filter(|found| found == secret)
    })
    .await;
    assert_eq!(site.clients().await.unwrap(), before);
    stage.ready("app").await;
}

/// Gone here and there, or told to be left.
async fn deletes(stage: &Stage, site: &Site, secret: &Data) {
    stage.kubectl(&["delete", "oauthclient", "app", "--timeout=30s"]).await;
    stage.gone("app").await;
    stage.no_records().await;
    let suspects = stage.suspects().await;
    if site.abilities.delete {
        assert!(site.clients().await.unwrap().is_empty());
        assert!(suspects.is_empty());
        return;
    }
    let data = suspects
        .first()
        .and_then(|suspect| suspect.data.clone())
        .unwrap_or_default();
    assert_eq!(
        data.get("client_id").map(|id| id.0.as_slice()),
        Some(secret["client_id"].as_bytes())
    );
    assert!(
        stage
            .warned("app", "DeletionUnsupported")
            .await
            .contains(&secret["client_id"])
    );
}

#[tokio::test]
async fn the_slice_at_oidc_provider() {
    slice("slice-oidc", Site::oidc_provider().await.unwrap()).await;
}

#[tokio::test]
async fn the_slice_at_keycloak() {
    slice("slice-keycloak", Site::keycloak("slice").await.unwrap()).await;
}

/// No token of a registration is used: whoever manages the realm's clients manages this one.
#[tokio::test]
async fn the_slice_at_keycloak_with_a_service_account() {
    let site = Site::keycloak_with_service_account("slice-managed", None)
        .await
        .unwrap();
    slice("slice-managed", site).await;
}

#[tokio::test]
async fn the_slice_at_idpyoidc() {
    slice("slice-idpyoidc", Site::idpyoidc().await.unwrap()).await;
}

#[tokio::test]
async fn the_slice_at_wso2() {
    slice("slice-wso2", Site::wso2_v1_1().await.unwrap()).await;
}

#[tokio::test]
async fn the_slice_at_legacy_wso2() {
    slice("slice-legacy", Site::wso2_legacy().await.unwrap()).await;
}

#[tokio::test]
async fn the_slice_at_a_provider_that_keeps_to_the_specifications() {
    slice("slice-plain", Site::scriptable().await.unwrap()).await;
}
