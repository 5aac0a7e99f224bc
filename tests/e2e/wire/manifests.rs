//! What a provider would refuse or misunderstand is refused before anything is sent.

use testbed::site::oauth_client;

use crate::stage::plane;

const WEB: &str = "redirectURIs: ['https://a.example/cb']";

/// Each of these is refused, with these words.
async fn refused(name: &str, cases: &[(&str, &str)]) {
    let plane = plane().await;
    let apps = plane.namespace(name).await.unwrap();
    for (spec, said) in cases {
        let args = ["-n", apps.name(), "apply", "--dry-run=server", "-f", "-"];
        let output = plane.kubectl_with(&args, &oauth_client("refused", spec)).await.unwrap();
        assert!(!output.success(), "accepted: {spec}");
        assert!(
            output.stderr.contains(said),
            "{spec}\nwas refused with\n{}",
            output.stderr
        );
    }
}

#[tokio::test]
async fn w60_private_keys_are_not_taken() {
    let key = |member: &str| {
        format!(
            "{WEB}\njwks: {{keys: [{{kty: EC, crv: P-256, x: f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU, \"{member}\": AQAB}}]}}"
        )
    };
    let texts: Vec<String> = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]
        .iter()
        .map(|member| key(member))
        .collect();
    let cases: Vec<(&str, &str)> = texts.iter().map(|text| (text.as_str(), "unknown field")).collect();
    refused("w60", &cases).await;
}

#[tokio::test]
async fn w61_grants_and_response_types_that_do_not_fit_are_not_taken() {
    refused(
        "w61",
        &[
            (
                "grantTypes: [authorization_code]",
                "redirectURIs: at least one is required",
            ),
            (
                "grantTypes: [implicit]\nredirectURIs: ['https://a.example/cb']",
                "responseTypes: the implicit grant needs",
            ),
            (
                "grantTypes: [client_credentials]\nresponseTypes: [code]",
                "responseTypes: code needs",
            ),
            (&format!("{WEB}\nresponseTypes: ['code id_token']"), "responseTypes"),
            (
                "grantTypes: [client_credentials]\ntokenEndpointAuthMethod: none",
                "tokenEndpointAuthMethod: none",
            ),
            ("redirectURIs: ['https://a.example/cb#f']", "without fragment"),
        ],
    )
    .await;
}

#[tokio::test]
async fn w62_authentication_without_what_it_needs_is_not_taken() {
    refused("w62", &[
        (&format!("{WEB}\ntokenEndpointAuthMethod: tls_client_auth"), "tls_client_auth"),
        (
            &format!("{WEB}\ntokenEndpointAuthMethod: tls_client_auth\ntlsClientAuthSubjectDN: CN=a\ntlsClientAuthSANDNS: a"),
            "tls_client_auth",
        ),
        (&format!("{WEB}\ntokenEndpointAuthMethod: private_key_jwt"), "private_key_jwt"),
        (&format!("{WEB}\nidTokenEncryptedResponseEnc: A128GCM"), "idTokenEncryptedResponseEnc: set idTokenEncryptedResponseAlg as well"),
        (&format!("{WEB}\ntokenEndpointAuthSigningAlg: none"), "tokenEndpointAuthSigningAlg"),
    ])
    .await;
}
