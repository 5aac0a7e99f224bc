//! Several well-known places of one issuer.

use super::*;

/// A bare answer.
fn status(status: u16) -> String {
    format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}

#[tokio::test]
async fn w80_a_refusal_at_one_place_leads_to_the_next() {
    let document = r#"{"issuer":"{origin}","registration_endpoint":"{origin}/r"}"#;
    for first in [400, 401, 403, 404, 405, 406, 410, 415, 451] {
        let refusal = status(first);
        let provider = Canned::new(&[
            ("/.well-known/openid-configuration", &refusal),
            ("/.well-known/oauth-authorization-server", document),
        ])
        .await;
        assert!(discover(&issuer(provider.origin.clone())).await.is_ok(), "{first}");
    }
    for first in [408, 425, 429, 500, 503] {
        let trouble = status(first);
        let provider = Canned::new(&[
            ("/.well-known/openid-configuration", &trouble),
            ("/.well-known/oauth-authorization-server", document),
        ])
        .await;
        let failure = discover(&issuer(provider.origin.clone())).await.unwrap_err();
        assert_eq!(failure.class, Class::Transient, "{first}");
    }
}

#[tokio::test]
async fn w80_a_refusal_is_told_if_no_place_has_a_document() {
    let refusal = status(403);
    let provider = Canned::new(&[("/.well-known/oauth-authorization-server", &refusal)]).await;
    let failure = discover(&issuer(provider.origin.clone())).await.unwrap_err();
    assert_eq!(failure.reason, Reason::CredentialsRejected);
    for part in ["status 403", "spec.discoveryAuth", "spec.metadataURL"] {
        assert!(failure.message.contains(part), "{failure}");
    }
    let absent = Canned::new(&[]).await;
    let failure = discover(&issuer(absent.origin.clone())).await.unwrap_err();
    assert_eq!(failure.reason, Reason::DiscoveryFailed);
    assert!(failure.message.contains("status 404"), "{failure}");
}

#[tokio::test]
async fn w81_documents_of_one_issuer_complete_each_other() {
    let first = r#"{"issuer":"{origin}","token_endpoint":"{origin}/first"}"#;
    let second = r#"{"issuer":"{origin}","token_endpoint":"{origin}/second","registration_endpoint":"{origin}/r","jwks_uri":"{origin}/j"}"#;
    let provider = Canned::new(&[
        ("/.well-known/openid-configuration", first),
        ("/.well-known/oauth-authorization-server", second),
    ])
    .await;
    let found = discover(&issuer(provider.origin.clone())).await.unwrap();
    let at = |path: &str| format!("{}{path}", provider.origin);
    assert_eq!(found.registration, at("/r"));
    assert_eq!((found.token, found.jwks), (Some(at("/first")), Some(at("/j"))));
    // One that suffices is the only one that is read.
    let mut target = issuer(provider.origin.clone());
    target.registration_endpoint = Some(at("/own"));
    assert_eq!(discover(&target).await.unwrap().jwks, None);
    assert_eq!(provider.paths().len(), 3);
}

#[tokio::test]
async fn w81_what_another_issuer_states_does_not_count() {
    let first = r#"{"issuer":"{origin}"}"#;
    let other = r#"{"issuer":"{origin}/other","registration_endpoint":"{origin}/r"}"#;
    let places = |first: &'static str, second: &'static str| {
        [
            ("/.well-known/openid-configuration", first),
            ("/.well-known/oauth-authorization-server", second),
        ]
    };
    let provider = Canned::new(&places(first, other)).await;
    let failure = discover(&issuer(provider.origin.clone())).await.unwrap_err();
    assert_eq!(failure.reason, Reason::RegistrationUnsupported);
    let own = r#"{"issuer":"{origin}","registration_endpoint":"{origin}/own"}"#;
    let provider = Canned::new(&places(other, own)).await;
    let found = discover(&issuer(provider.origin.clone())).await.unwrap();
    assert_eq!(found.registration, format!("{}/own", provider.origin));
    let provider = Canned::new(&places(other, "no")).await;
    let failure = discover(&issuer(provider.origin.clone())).await.unwrap_err();
    assert_eq!(failure.reason, Reason::IssuerMismatch);
    // Whether there is another document is not known while a place is in trouble.
    let trouble: &'static str = "HTTP/1.1 503 x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let provider = Canned::new(&places(first, trouble)).await;
    let failure = discover(&issuer(provider.origin.clone())).await.unwrap_err();
    assert_eq!(failure.class, Class::Transient);
}

#[tokio::test]
async fn w82_what_is_not_served_as_json_is_asked_for_in_any_form() {
    let double = Double::new(|head| match head {
        head if head.contains("openid-configuration") && head.contains("accept: */*") => {
            let host = head.split("host: ").nth(1).unwrap().split("\r\n").next().unwrap();
            let body = format!(r#"{{"issuer":"http://{host}","registration_endpoint":"http://{host}/r"}}"#);
            reply(200, "content-type: application/octet-stream\r\n", &body)
        }
        _ => reply(406, "", "Not Acceptable"),
    })
    .await;
    assert!(discover(&issuer(double.origin.clone())).await.is_ok());
    assert_eq!(double.lines(), ["GET /.well-known/openid-configuration"; 2]);
    assert!(double.seen()[0].contains("accept: application/json\r\n"));
    assert!(
        double
            .seen()
            .iter()
            .all(|head| head.contains("accept-encoding: identity\r\n"))
    );
}

#[tokio::test]
async fn w84_an_issuer_that_is_no_issuer_says_what_to_write() {
    for (given, right) in [
        ("https://p/a/.well-known/openid-configuration", "to https://p/a,"),
        ("https://p/.well-known/oauth-authorization-server", "to https://p,"),
        ("https://p/.well-known/oauth-authorization-server/a", "to https://p/a,"),
        ("https://p/.well-known/openid-configuration?x=1", "to https://p,"),
    ] {
        let failure = discover(&issuer(given.to_owned())).await.unwrap_err();
        assert_eq!(failure.reason, Reason::DiscoveryFailed);
        assert!(
            failure.message.contains(right) && failure.message.contains("spec.metadataURL"),
            "{failure}"
        );
    }
    assert_eq!(pasted("https://p/.well-known/other"), None);
    let document = r#"{"issuer":"{origin}/","registration_endpoint":"{origin}/r"}"#;
    let provider = Canned::new(&[("/.well-known/openid-configuration", document)]).await;
    let failure = discover(&issuer(provider.origin.clone())).await.unwrap_err();
    let right = format!(
        "set spec.issuer, or spec.expectedIssuer if it is set, of the provider to {}/",
        provider.origin
    );
    assert!(failure.message.contains(&right), "{failure}");
}

#[tokio::test]
async fn w142_a_refusal_of_another_place_is_told_where_the_document_names_no_registration_endpoint() {
    let refusal = status(403);
    let document = r#"{"issuer":"{origin}"}"#;
    let provider = Canned::new(&[
        ("/.well-known/openid-configuration", document),
        ("/.well-known/oauth-authorization-server", &refusal),
    ])
    .await;
    let failure = discover(&issuer(provider.origin.clone())).await.unwrap_err();
    assert_eq!(failure.reason, Reason::CredentialsRejected);
    for part in [
        "oauth-authorization-server",
        "status 403",
        "spec.discoveryAuth",
        "spec.endpoints.registration",
    ] {
        assert!(failure.message.contains(part), "{failure}");
    }
    // One that may not be called is a refusal, too.
    let elsewhere =
        "HTTP/1.1 302 x\r\nlocation: http://169.254.169.254/m\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let provider = Canned::new(&[
        ("/.well-known/openid-configuration", document),
        ("/.well-known/oauth-authorization-server", elsewhere),
    ])
    .await;
    let failure = discover(&issuer(provider.origin.clone())).await.unwrap_err();
    assert_eq!(failure.reason, Reason::AddressRefused);
    // With an endpoint, no refusal counts.
    let mut target = issuer(provider.origin.clone());
    target.registration_endpoint = Some(format!("{}/own", provider.origin));
    assert!(discover(&target).await.is_ok());
}
