mod places;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::super::double::{Double, reply};
use super::super::egress::EgressPolicy;
use super::*;
use crate::api::{OnClientLost, OnUnknownOutcome, Profile};
use crate::domain::profile::knobs;
use crate::domain::target::{AuthScheme, Credentials, Deadlines};
use crate::provider::limits;

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
        uid: "provider".to_owned(),
        namespaced: false,
        location,
        expected_issuer: None,
        registration_endpoint: None,
        allowed_origins: Vec::new(),
        discovery: Credentials::default(),
        registration: Credentials::default(),
        management: Credentials::default(),
        knobs: knobs(Profile::Rfc7592),
        on_unknown_outcome: OnUnknownOutcome::Register,
        on_client_lost: OnClientLost::Register,
        substitutions: crate::api::Substitutions::Accept,
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
        .map(|found| Endpoints::clone(&found.endpoints))
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
