//! The flow that this operator began with, at real servers: WebFinger, discovery, registration of the five grant types, use,
//! and a refusal.

use serde_json::{Value, json};
use testbed::providers::Keycloak;
use testbed::site::{Site, oauth_client};

use crate::seed::GRANTS;
use crate::stage::{Stage, condition};

async fn grants(stage: &Stage, site: &Site) {
    stage.apply(&site.manifests).await;
    let clients: String = GRANTS
        .iter()
        .map(|(grant, spec)| oauth_client(grant, &format!("clientName: {grant}\n{spec}")))
        .collect();
    stage.apply(&clients).await;
}

async fn credentials(stage: &Stage, name: &str) -> (String, String) {
    let mut secret = stage.secret(name).await.unwrap();
    (
        secret.remove("client_id").unwrap(),
        secret.remove("client_secret").unwrap(),
    )
}

#[tokio::test]
async fn w103_the_five_grant_types_at_keycloak_and_those_without_a_browser_used() {
    let site = Site::keycloak("grants").await.unwrap();
    let stage = Stage::new("grants").await;
    grants(&stage, &site).await;
    for (grant, _) in GRANTS {
        stage.ready(grant).await;
    }
    let clients = site.clients().await.unwrap();
    assert_eq!(clients.len(), GRANTS.len());
    let switches = [
        ("authorization-code", "standardFlowEnabled"),
        ("implicit", "implicitFlowEnabled"),
        ("password", "directAccessGrantsEnabled"),
        ("client-credentials", "serviceAccountsEnabled"),
        ("refresh-token", "standardFlowEnabled"),
    ];
    for (grant, switch) in switches {
        let (id, secret) = credentials(&stage, grant).await;
        let client = &clients[&id];
        assert_eq!(client[switch], true, "{grant}");
        assert_eq!(client["name"], grant);
        assert_eq!(client["redirect_uris"], json!(["https://app.example/callback"]));
        // The machine's grant is on where it was asked for, and nowhere else.
        let used = site.token(&id, &secret).await;
        assert_eq!(used.is_ok(), grant == "client-credentials", "{grant}: {used:?}");
    }
    let realm = Keycloak::shared().await.unwrap().existing("grants");
    realm.user("ada", "ada's password").await.unwrap();
    let (id, secret) = credentials(&stage, "password").await;
    let token = realm
        .password_token((&id, &secret), ("ada", "ada's password"))
        .await
        .unwrap();
    assert!(!token.is_empty());
}

/// It offers no password grant, so that one is refused, and four are registered.
#[tokio::test]
async fn w103_the_grant_types_at_oidc_provider() {
    let site = Site::oidc_provider().await.unwrap();
    let stage = Stage::new("grants-oidc").await;
    grants(&stage, &site).await;
    for (grant, _) in GRANTS.iter().filter(|(grant, _)| *grant != "password") {
        stage.ready(grant).await;
    }
    let message = stage.failed("password", "RegistrationRejected").await;
    assert!(message.contains("invalid_client_metadata"), "{message}");
    let clients = site.clients().await.unwrap();
    assert_eq!(clients.len(), 4);
    let types = async |name: &str| {
        let (id, _) = credentials(&stage, name).await;
        clients[&id]["grant_types"].clone()
    };
    assert_eq!(types("authorization-code").await, json!(["authorization_code"]));
    assert_eq!(types("implicit").await, json!(["implicit"]));
    assert_eq!(types("client-credentials").await, json!(["client_credentials"]));
    assert_eq!(
        types("refresh-token").await,
        json!(["authorization_code", "refresh_token"])
    );
    let (id, secret) = credentials(&stage, "client-credentials").await;
    site.token(&id, &secret).await.unwrap();
}

#[tokio::test]
async fn w101_a_refusal_of_a_first_registration_is_one_post_and_is_shown() {
    let site = Site::oidc_provider().await.unwrap();
    let stage = Stage::new("refused-first").await;
    stage.apply(&site.manifests).await;
    let bad = "scopes: [nobody-has-this]\nredirectURIs: ['https://app.example/callback']";
    stage.apply(&oauth_client("app", bad)).await;
    let message = stage.failed("app", "RegistrationRejected").await;
    assert!(message.contains("invalid_client_metadata"), "{message}");
    assert!(
        message.contains("scope must only contain Authorization Server supported scope values"),
        "{message}"
    );
    let object = stage.oauth_client("app").await;
    assert_eq!(condition(&object, "Stalled").unwrap().status, "True");
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let requests = site.oidc().unwrap().requests().await.unwrap();
    let posts: Vec<u16> = requests
        .iter()
        .filter(|request| request.method == "POST" && request.path == "/reg")
        .map(|request| request.status)
        .collect();
    assert_eq!(posts, [400]);
    assert!(stage.secret("app").await.is_none() && stage.suspects().await.is_empty());
}

#[tokio::test]
async fn w102_web_finger_to_registration_at_mitreid_connect() {
    let site = Site::mitreid().await.unwrap();
    let stage = Stage::new("mitreid").await;
    grants(&stage, &site).await;
    for (grant, _) in GRANTS.iter().filter(|(grant, _)| *grant != "password") {
        stage.ready(grant).await;
    }
    // Its answer names the member and why; it registers no such client by itself.
    let message = stage.failed("password", "RegistrationRejected").await;
    assert!(
        message.contains("invalid_client_metadata")
            && message.contains("The password grant type is not allowed in dynamic registration on this server."),
        "{message}"
    );
    let clients = site.clients().await.unwrap();
    assert_eq!(clients.len(), 4);
    let secret = stage.secret("client-credentials").await.unwrap();
    // The issuer, with the slash at its end, as WebFinger and the metadata have it.
    assert_eq!(format!("{}register", secret["issuer"]), site.registration_endpoint());
    let client: &Value = &clients[&secret["client_id"]];
    assert_eq!(client["grant_types"], json!(["client_credentials"]));
    site.token(&secret["client_id"], &secret["client_secret"])
        .await
        .unwrap();
    let status = stage.providers().get("provider").await.unwrap().status.unwrap();
    assert_eq!(status.issuer.as_ref(), Some(&secret["issuer"]));
}
