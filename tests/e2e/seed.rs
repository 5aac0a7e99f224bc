//! The flow that this operator began with, literally: WSO2 Identity Server, `admin:admin`, WebFinger, discovery,
//! registration.

use serde_json::json;
use testbed::providers::Seen;
use testbed::site::{Site, oauth_client};

use crate::stage::{Stage, condition};

/// The five grant types, each with what else it needs.
pub const GRANTS: [(&str, &str); 5] = [
    (
        "authorization-code",
        "grantTypes: [authorization_code]\nredirectURIs: ['https://app.example/callback']",
    ),
    (
        "implicit",
        "grantTypes: [implicit]\nresponseTypes: ['id_token token']\nredirectURIs: ['https://app.example/callback']",
    ),
    (
        "password",
        "grantTypes: [password]\nredirectURIs: ['https://app.example/callback']",
    ),
    (
        "client-credentials",
        "grantTypes: [client_credentials]\nredirectURIs: ['https://app.example/callback']",
    ),
    (
        "refresh-token",
        "grantTypes: [authorization_code, refresh_token]\nredirectURIs: ['https://app.example/callback']",
    ),
];

const CLIENT: &str = "clientName: seed-client\ngrantTypes: [authorization_code, refresh_token]\nredirectURIs: ['https://app.example/callback']\n\
                      extraMetadata: {ext_param_owner: admin}";

async fn flow(name: &str, site: Site, registration: &str) {
    let stage = Stage::new(name).await;
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    stage.ready("app").await;

    let double = site.double().unwrap();
    let seen = double.seen();
    let of = |method: &str, path: &str| {
        let fits = |request: &&Seen| request.method == method && request.path == path;
        let found: Vec<&Seen> = seen.iter().filter(fits).collect();
        assert!(!found.is_empty(), "no {method} {path}");
        found
    };
    let finger = of("GET", "/.well-known/webfinger")[0];
    assert_eq!(finger.query["resource"], "acct:admin@localhost");
    assert_eq!(finger.query["rel"], "http://openid.net/specs/connect/1.0/issuer");
    let discovery = of("GET", "/oauth2/oidcdiscovery/.well-known/openid-configuration")[0];
    let posts = of("POST", registration);
    assert_eq!(posts.len(), 1);
    for request in [finger, discovery, posts[0]] {
        assert_eq!(
            request.basic(),
            Some(("admin".to_owned(), "admin".to_owned())),
            "{}",
            request.path
        );
    }
    let body = posts[0].json();
    assert_eq!(body["redirect_uris"], json!(["https://app.example/callback"]));
    assert_eq!(body["client_name"], "seed-client");
    assert_eq!(body["ext_param_owner"], "admin");
    assert_eq!(body["grant_types"], json!(["authorization_code", "refresh_token"]));

    let secret = stage.secret("app").await.unwrap();
    let client = &double.clients()[&secret["client_id"]];
    assert_eq!(client["client_secret"], secret["client_secret"].as_str());
    assert_eq!(secret["issuer"], format!("{}/oauth2/token", double.url()));

    rejected(&stage, &site, registration).await;
    for (grant, spec) in GRANTS {
        stage
            .apply(&oauth_client(grant, &format!("clientName: {grant}\n{spec}")))
            .await;
        stage.ready(grant).await;
    }
}

/// A 400 shows code and description, and is one POST until something changes.
async fn rejected(stage: &Stage, site: &Site, registration: &str) {
    let double = site.double().unwrap();
    let before = double.count("POST", registration);
    let bad = "clientName: bad\ngrantTypes: [authorization_code]\nredirectURIs: ['https://refused.example/callback']";
    stage.apply(&oauth_client("bad", bad)).await;
    let message = stage.failed("bad", "RegistrationRejected").await;
    assert!(message.contains("invalid_redirect_uri"), "{message}");
    assert!(message.contains("Redirect URI is invalid"), "{message}");
    assert!(message.contains("spec.redirectURIs"), "{message}");
    let object = stage.oauth_client("bad").await;
    assert_eq!(
        condition(&object, "Stalled").map(|stalled| stalled.status.as_str()),
        Some("True")
    );
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert_eq!(double.count("POST", registration), before + 1);
    assert!(stage.secret("bad").await.is_none());
    let good = bad
        .replace("refused", "accepted")
        .replace("clientName: bad", "clientName: good");
    stage.apply(&oauth_client("bad", &good)).await;
    stage.ready("bad").await;
    assert_eq!(double.count("POST", registration), before + 2);
}

#[tokio::test]
async fn the_seed_at_legacy_registration() {
    flow(
        "seed-legacy",
        Site::wso2_legacy().await.unwrap(),
        "/identity/connect/register",
    )
    .await;
}

#[tokio::test]
async fn the_seed_at_dcr_v1_1() {
    flow(
        "seed-v11",
        Site::wso2_v1_1().await.unwrap(),
        "/api/identity/oauth2/dcr/v1.1/register",
    )
    .await;
}
