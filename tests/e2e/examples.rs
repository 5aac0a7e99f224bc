//! docs/examples, applied as they stand to a real API server and a real provider.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize as _;
use serde_json::Value;
use testbed::providers::OidcProviderOptions;
use testbed::site::Site;

use crate::stage::{Stage, eventually};

const TOKEN: &str = "initial-access-token-of-the-examples";
const ISSUER: &str = "https://id.example.com";

fn examples() -> Vec<(String, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples");
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|file| file.extension().is_some_and(|ending| ending == "yaml"))
        .map(|file| {
            let name = file.file_stem().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(file).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// Whether the provider holds what the manifest asks for, and the Secret what the application needs.
async fn fulfilled(stage: &Stage, site: &Site, manifest: &Value) {
    let (name, spec) = (manifest["metadata"]["name"].as_str().unwrap(), &manifest["spec"]);
    let id = stage.ready(name).await.status.unwrap().client_id.unwrap();
    let client = site.clients().await.unwrap().remove(&id).unwrap();
    let texts = |value: &Value| -> BTreeSet<String> {
        let listed = value.as_array().into_iter().flatten();
        listed.map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    for (field, member) in [
        ("redirectURIs", "redirect_uris"),
        ("postLogoutRedirectURIs", "post_logout_redirect_uris"),
        ("grantTypes", "grant_types"),
    ] {
        if spec.get(field).is_some() {
            assert_eq!(texts(&spec[field]), texts(&client[member]), "{name}: {client}");
        }
    }
    assert_eq!(spec["clientName"], client["client_name"]);
    assert_eq!(spec["tokenEndpointAuthMethod"], client["token_endpoint_auth_method"]);

    let secret = &spec["secret"];
    let key = |field: &str, usual: &str| secret["keyNames"][field].as_str().unwrap_or(usual).to_owned();
    let (id_key, secret_key) = (key("clientID", "client_id"), key("clientSecret", "client_secret"));
    let data = stage.secret(secret["name"].as_str().unwrap_or(name)).await.unwrap();
    assert_eq!(data[&id_key], id);
    assert_eq!(data["issuer"], site.oidc().unwrap().issuer());
    let public = spec["tokenEndpointAuthMethod"] == "none";
    assert_eq!(data.contains_key(&secret_key), !public, "{name}");
    if texts(&spec["grantTypes"]).contains("client_credentials") {
        assert!(!site.token(&id, &data[&secret_key]).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn t131_every_example_is_accepted_and_leads_to_a_client_that_works() {
    let options = OidcProviderOptions {
        initial_access_token: Some(TOKEN.to_owned()),
        ..OidcProviderOptions::default()
    };
    let site = Site::oidc_provider_with(options).await.unwrap();
    let stage = Stage::new("examples").await;
    let examples = examples();
    let names: Vec<_> = examples.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["machine", "mcp-server", "native-app", "single-page-app", "web-app"]
    );
    for (name, text) in &examples {
        assert!(
            text.contains(ISSUER) && text.contains("YOUR_INITIAL_ACCESS_TOKEN"),
            "{name}"
        );
        let text = text
            .replace(ISSUER, site.oidc().unwrap().issuer())
            .replace("YOUR_INITIAL_ACCESS_TOKEN", TOKEN);
        stage.apply(&text).await;
        let documents = serde_yaml::Deserializer::from_str(&text).map(|document| Value::deserialize(document).unwrap());
        let clients: Vec<_> = documents.filter(|object| object["kind"] == "OAuthClient").collect();
        assert!(!clients.is_empty(), "{name}");
        for client in &clients {
            fulfilled(&stage, &site, client).await;
        }
    }
    stage
        .kubectl(&["delete", "oauthclients", "--all", "--timeout=60s"])
        .await;
    eventually("every client is deregistered", async || {
        site.clients().await.unwrap().is_empty().then_some(())
    })
    .await;
}
