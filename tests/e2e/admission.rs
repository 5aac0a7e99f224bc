//! What the API server itself refuses, and what it says.

use testbed::control_plane::Namespace;
use testbed::site::{oauth_client, oauth_provider};

use crate::stage::{Stage, plane};

fn client(spec: &str) -> String {
    oauth_client("refused", spec)
}

async fn is_refused(namespace: &Namespace, manifest: &str, said: &str) {
    let output = plane()
        .await
        .kubectl_with(&["-n", namespace.name(), "apply", "-f", "-"], manifest)
        .await
        .unwrap();
    assert!(!output.success(), "accepted: {manifest}");
    assert!(
        output.stderr.contains(said),
        "{manifest}\nwas refused with\n{}",
        output.stderr
    );
}

#[tokio::test]
async fn what_can_never_work_is_refused_with_the_name_of_the_field() {
    let plane = plane().await;
    let apps = plane.namespace("admission").await.unwrap();
    for (spec, said) in [
        (
            "grantTypes: [authorization_code]",
            "redirectURIs: at least one is required",
        ),
        (
            "redirectURIs: ['https://a/cb', '/relative']",
            "spec.redirectURIs[1]: Invalid value: \"/relative\": redirectURIs: must be an absolute URI without fragment, whitespace",
        ),
        (
            "redirectURIs: ['https://a/cb#fragment']",
            "spec.redirectURIs[0]: Invalid value: \"https://a/cb#fragment\": redirectURIs: must be an absolute URI",
        ),
        (
            "redirectURIs: ['javascript:alert(1)']",
            "redirectURIs: the schemes javascript",
        ),
        (
            "grantTypes: [implicit]\nredirectURIs: ['https://a/cb']",
            "responseTypes: the implicit grant needs",
        ),
        (
            "grantTypes: [client_credentials]\nresponseTypes: [code]",
            "responseTypes: code needs the grant type authorization_code",
        ),
        (
            "grantTypes: [client_credentials]\ntokenEndpointAuthMethod: none",
            "tokenEndpointAuthMethod: none cannot be used",
        ),
        (
            "redirectURIs: ['https://a/cb']\njwks: {keys: [{\"kty\": RSA, \"n\": a, \"e\": b}]}\njwksURI: https://a/jwks",
            "set either jwks or jwksURI, not both",
        ),
        (
            "redirectURIs: ['https://a/cb']\nextraMetadata: {client_name: typed}",
            "extraMetadata",
        ),
        (
            "redirectURIs: ['https://a/cb']\nextraMetadata: {client_id: mine}",
            "extraMetadata",
        ),
        (
            "redirectURIs: ['https://a/cb']\nsecret: {template: {labels: {app.kubernetes.io/managed-by: x}}}",
            "labels of the domains kubernetes.io",
        ),
        ("redirectURIs: ['https://a/cb']\nunknownMember: 1", "unknown field"),
    ] {
        is_refused(&apps, &client(spec), said).await;
    }
}

#[tokio::test]
async fn a_provider_that_can_never_work_is_refused_with_the_name_of_the_field() {
    let plane = plane().await;
    let apps = plane.namespace("admission-provider").await.unwrap();
    let bearer = "bearer: {secretRef: {name: a}}";
    let bought = "clientCredentials: {secretRef: {name: a}}";
    for (spec, said) in [
        (
            format!("discoveryAuth: {{{bought}}}"),
            "discoveryAuth cannot be clientCredentials: the token endpoint is known only after discovery",
        ),
        (
            format!("managementAuth: {{{bearer}, {bought}}}"),
            "set exactly one of basic, bearer, header, clientCredentials and serviceAccountToken",
        ),
        ("registrationAuth: {}".to_owned(), "set exactly one of basic, bearer"),
    ] {
        let provider = oauth_provider(&format!("issuer: https://p.example\n{spec}"));
        is_refused(&apps, &provider, said).await;
    }
}

#[tokio::test]
async fn every_field_explains_itself() {
    let plane = plane().await;
    for kind in ["oauthclients", "oauthproviders", "clusteroauthproviders"] {
        let text = plane
            .kubectl(&["explain", &format!("{kind}.spec"), "--recursive"])
            .await
            .unwrap()
            .stdout()
            .unwrap();
        assert!(text.contains("FIELDS"), "{text}");
    }
    let text = plane
        .kubectl(&["explain", "oac.spec.redirectURIs"])
        .await
        .unwrap()
        .stdout()
        .unwrap();
    assert!(
        text.contains("DESCRIPTION") && text.to_lowercase().contains("redirect"),
        "{text}"
    );
    let listed = plane.kubectl(&["get", "oauth", "-A"]).await.unwrap();
    assert!(listed.success(), "{}", listed.stderr);
}

#[tokio::test]
async fn a_client_without_its_provider_says_so_and_waits() {
    let stage = Stage::new("waits").await;
    stage
        .apply(&client("redirectURIs: ['https://app.example/callback']"))
        .await;
    let message = stage.failed("refused", "ProviderNotFound").await;
    assert!(
        message.contains("OAuthProvider") && message.contains("/provider does not exist"),
        "{message}"
    );
    stage.warned("refused", "ProviderNotFound").await;
    assert_eq!(stage.records().await, Vec::<String>::new());
    stage.kubectl(&["delete", "oac", "refused", "--timeout=20s"]).await;
}
