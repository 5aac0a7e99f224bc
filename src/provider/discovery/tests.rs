use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::super::double::{Double, reply};
use super::super::egress::EgressPolicy;
use super::*;
use crate::api::{OnUnknownOutcome, Profile};
use crate::domain::profile::knobs;
use crate::domain::target::{AuthScheme, Deadlines};

/// A double that answers canned text by path; what it has no answer for is 404.
struct Canned {
    origin: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Canned {
    async fn new(answers: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let fill = |text: &&str| text.replace("{origin}", &origin);
        let answers: BTreeMap<String, String> = answers
            .iter()
            .map(|(path, text)| ((*path).to_owned(), fill(text)))
            .collect();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (answers, log) = (answers.clone(), log.clone());
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await.unwrap());
                    }
                    let head = String::from_utf8(head).unwrap();
                    let path = head.split(' ').nth(1).unwrap().split('?').next().unwrap().to_owned();
                    log.lock().unwrap().push(head);
                    let nothing = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned();
                    let answer = match answers.get(&path) {
                        Some(text) if text.starts_with("HTTP/") => text.clone(),
                        Some(text) => format!(
                            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
                            text.len()
                        ),
                        None => nothing,
                    };
                    stream.write_all(answer.as_bytes()).await.unwrap();
                });
            }
        });
        Self { origin, seen }
    }

    fn paths(&self) -> Vec<String> {
        let path = |head: &String| head.split(' ').nth(1).unwrap().to_owned();
        self.seen.lock().unwrap().iter().map(path).collect()
    }
}

fn target(location: Location) -> Target {
    Target {
        location,
        expected_issuer: None,
        registration_endpoint: None,
        allowed_origins: Vec::new(),
        discovery: Credentials::default(),
        registration: Credentials::default(),
        management: Credentials::default(),
        knobs: knobs(Profile::Rfc7592),
        on_unknown_outcome: OnUnknownOutcome::Register,
        verify: crate::api::Verify::Auto,
        ca_bundle: None,
        presented: crate::domain::target::Presented::default(),
        deadlines: Deadlines {
            connect: Duration::from_secs(2),
            request: Duration::from_secs(2),
        },
    }
}

/// The program does this first of all.
fn install() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

async fn discover(target: &Target) -> Result<Endpoints, Failure> {
    install();
    let transport = Transport::new(EgressPolicy {
        allow_insecure_origins: true,
        ..EgressPolicy::default()
    });
    transport
        .discover(target)
        .await
        .map(|found| found.endpoints)
        .map_err(|error| error.failure)
}

fn issuer(text: String) -> Target {
    target(Location::Issuer(text))
}

#[tokio::test]
async fn w06_places_are_tried_in_their_order_and_the_first_document_counts() {
    let document = r#"{"issuer":"{origin}/a","registration_endpoint":"{origin}/r"}"#;
    let provider = Canned::new(&[("/a/.well-known/oauth-authorization-server", document)]).await;
    let found = discover(&issuer(format!("{}/a", provider.origin))).await.unwrap();
    assert_eq!(found.registration, format!("{}/r", provider.origin));
    assert_eq!(
        provider.paths(),
        [
            "/a/.well-known/openid-configuration",
            "/.well-known/oauth-authorization-server/a",
            "/.well-known/openid-configuration/a",
            "/a/.well-known/oauth-authorization-server",
        ]
    );
}

#[tokio::test]
async fn w06_a_provider_in_trouble_is_not_taken_for_one_without_a_document() {
    let busy = "HTTP/1.1 503 x\r\ncontent-length: 0\r\nretry-after: 7\r\nconnection: close\r\n\r\n";
    let provider = Canned::new(&[("/.well-known/openid-configuration", busy)]).await;
    let failure = discover(&issuer(provider.origin.clone())).await.unwrap_err();
    assert_eq!(
        (failure.class, failure.retry_after),
        (Class::Transient, Some(Duration::from_secs(7)))
    );
    assert_eq!(provider.paths().len(), 1);
}

#[test]
fn w07_places_of_issuers_with_path_slash_and_port() {
    let places = |issuer: &str| {
        let places = well_known(&Url::parse(issuer).unwrap());
        places.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        places("https://h:8443/p%20q/"),
        [
            "https://h:8443/p%20q/.well-known/openid-configuration",
            "https://h:8443/.well-known/oauth-authorization-server/p%20q",
            "https://h:8443/.well-known/openid-configuration/p%20q",
            "https://h:8443/p%20q/.well-known/oauth-authorization-server",
        ]
    );
    assert_eq!(places("https://h").len(), 2);
}

#[tokio::test]
async fn w08_another_issuer_is_refused_unless_it_is_pinned() {
    let document = r#"{"issuer":"{origin}/token","registration_endpoint":"{origin}/r"}"#;
    let provider = Canned::new(&[("/d/.well-known/openid-configuration", document)]).await;
    let mut target = issuer(format!("{}/d", provider.origin));
    assert_eq!(discover(&target).await.unwrap_err().reason, Reason::IssuerMismatch);
    target.expected_issuer = Some(format!("{}/token", provider.origin));
    assert_eq!(
        discover(&target).await.unwrap().issuer,
        format!("{}/token", provider.origin)
    );
    target.expected_issuer = Some(format!("{}/token/", provider.origin));
    let failure = discover(&target).await.unwrap_err();
    assert!(failure.message.contains("slash"), "{failure}");
}

#[tokio::test]
async fn w09_without_registration_endpoint_an_override_helps() {
    let provider = Canned::new(&[("/.well-known/openid-configuration", r#"{"issuer":"{origin}"}"#)]).await;
    let mut target = issuer(provider.origin.clone());
    assert_eq!(
        discover(&target).await.unwrap_err().reason,
        Reason::RegistrationUnsupported
    );
    target.registration_endpoint = Some(format!("{}/clients", provider.origin));
    assert_eq!(
        discover(&target).await.unwrap().registration,
        format!("{}/clients", provider.origin)
    );
}

#[tokio::test]
async fn w10_html_and_oversized_documents_are_told_from_absence() {
    let provider = Canned::new(&[
        ("/html", "<html>Welcome</html>"),
        ("/big", &format!("{{\"issuer\":\"{}\"}}", "a".repeat(limits::METADATA))),
    ])
    .await;
    let at = |path: &str| target(Location::MetadataUrl(format!("{}{path}", provider.origin)));
    assert!(
        discover(&at("/html"))
            .await
            .unwrap_err()
            .message
            .contains("something else than a JSON object")
    );
    assert!(discover(&at("/big")).await.unwrap_err().message.contains("256 KiB"));
    assert!(discover(&at("/none")).await.unwrap_err().message.contains("404"));
}

#[tokio::test]
async fn w11_a_registration_endpoint_elsewhere_has_to_be_allowed() {
    let document = r#"{"issuer":"{origin}","registration_endpoint":"http://127.0.0.2:1/r"}"#;
    let provider = Canned::new(&[("/.well-known/openid-configuration", document)]).await;
    let mut target = issuer(provider.origin.clone());
    let failure = discover(&target).await.unwrap_err();
    assert_eq!(failure.reason, Reason::OriginNotAllowed);
    assert!(
        failure
            .message
            .contains("http://127.0.0.2:1 to spec.endpoints.allowedOrigins"),
        "{failure}"
    );
    target.allowed_origins = vec!["http://127.0.0.2:1".to_owned()];
    assert!(discover(&target).await.is_ok());
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect_to_another_origin() {
    let document = r#"{"issuer":"{origin}","registration_endpoint":"{origin}/r"}"#;
    let other = Canned::new(&[("/here", document)]).await;
    let to = format!(
        "HTTP/1.1 302 x\r\nlocation: {}/here\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        other.origin
    );
    let first = Canned::new(&[("/m", &to)]).await;
    let mut target = target(Location::MetadataUrl(format!("{}/m", first.origin)));
    target.expected_issuer = Some(other.origin.clone());
    target.allowed_origins = vec![other.origin.clone()];
    target.discovery.scheme = AuthScheme::Bearer("t0ken".into());
    assert!(discover(&target).await.is_ok());
    assert!(first.seen.lock().unwrap()[0].contains("Bearer t0ken"));
    assert!(!other.seen.lock().unwrap()[0].contains("t0ken"));
}

#[tokio::test]
async fn plain_http_and_loopback_are_refused_without_the_flag() {
    install();
    let strict = Transport::new(EgressPolicy::default());
    let refused = async |text: &str| {
        strict
            .discover(&issuer(text.to_owned()))
            .await
            .unwrap_err()
            .failure
            .reason
    };
    assert_eq!(refused("http://p.example").await, Reason::OriginNotAllowed);
    assert_eq!(refused("https://127.0.0.1:1").await, Reason::AddressRefused);
    assert_eq!(refused("https://localhost:1").await, Reason::AddressRefused);
    assert_eq!(
        refused("https://[::ffff:169.254.169.254]").await,
        Reason::AddressRefused
    );
}

#[tokio::test]
async fn a_host_that_is_not_there_may_come_back() {
    let failure = discover(&issuer("http://127.0.0.1:1".to_owned())).await.unwrap_err();
    assert_eq!(
        (failure.class, failure.reason),
        (Class::Transient, Reason::ProviderUnavailable)
    );
    assert!(failure.message.contains("connection refused"), "{failure}");
}

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
