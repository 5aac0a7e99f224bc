mod bounds;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::api::AssertionAudience;
use crate::domain::outcome::Effect;
use crate::domain::target::{ClientGrant, ClientProof};

use super::super::double::{Double, PATIENT, grant, reply, transport};
use super::super::exchange::JSON;
use super::super::limits;
use super::*;

const SECRET: &str = "s3cret of the operator";

fn bought(origins: Option<&[&str]>) -> Credentials {
    Credentials {
        scheme: grant("an operator", ClientProof::Basic(SECRET.into())),
        origins: origins.map(|origins| origins.iter().map(|origin| (*origin).to_owned()).collect()),
        ..Credentials::default()
    }
}

/// Asks for `/clients` with a token of `/token`, at the double.
async fn ask(transport: &Transport, double: &Double, credentials: &Credentials) -> Result<Answered, CallError> {
    ask_at(transport, double, credentials, &format!("{}/token", double.origin)).await
}

async fn ask_at(
    transport: &Transport,
    double: &Double,
    credentials: &Credentials,
    token_endpoint: &str,
) -> Result<Answered, CallError> {
    let exchange = Exchange {
        method: Method::GET,
        url: Url::parse(&format!("{}/clients", double.origin)).unwrap(),
        body: None,
        credentials,
        origins: std::slice::from_ref(&double.origin),
        uid: "provider",
        namespaced: false,
        ca_bundle: None,
        certificate: None,
        deadlines: PATIENT,
        accept: JSON,
        limit: limits::REGISTRATION,
    };
    let site = Site {
        token_endpoint: Some(token_endpoint),
        issuer: &double.origin,
        allowed_origins: &[],
    };
    transport.send_as(exchange, &site).await
}

fn granted(token: &str, expires_in: &Value) -> String {
    let body = serde_json::json!({"access_token": token, "token_type": "bearer", "expires_in": expires_in});
    reply(200, "", &body.to_string())
}

/// Grants `t0ken-1`, `t0ken-2` and so on, each for so many seconds, and refuses the first so many of them with 401.
async fn granting(expires_in: u64, refused: usize) -> Double {
    let granted_so_far = Arc::new(AtomicUsize::new(0));
    Double::new(move |text: &str| {
        if text.starts_with("POST /token") {
            let number = granted_so_far.fetch_add(1, Ordering::SeqCst) + 1;
            return granted(&format!("t0ken-{number}"), &expires_in.into());
        }
        let old = (1..=refused).any(|number| text.contains(&format!("Bearer t0ken-{number}\r\n")));
        reply(if old { 401 } else { 200 }, "", "{}")
    })
    .await
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_kept() {
    let (double, transport) = (granting(300, 0).await, transport());
    for _ in 0..3 {
        let answered = ask(&transport, &double, &bought(None)).await.unwrap();
        assert_eq!(answered.answer.status, 200);
    }
    assert_eq!(
        double.lines(),
        ["POST /token", "GET /clients", "GET /clients", "GET /clients"]
    );
    let seen = double.seen();
    // RFC 6749 section 2.3.1: both parts are form-encoded before they are joined.
    assert!(
        seen[0].contains("authorization: Basic YW4rb3BlcmF0b3I6czNjcmV0K29mK3RoZStvcGVyYXRvcg=="),
        "{}",
        seen[0]
    );
    assert!(
        seen[0].ends_with("\r\n\r\ngrant_type=client_credentials"),
        "{}",
        seen[0]
    );
    assert!(seen[1].contains("authorization: Bearer t0ken-1\r\n"), "{}", seen[1]);
}

#[tokio::test]
async fn a_token_is_replaced_before_it_expires() {
    let (double, transport) = (granting(0, 0).await, transport());
    for _ in 0..2 {
        ask(&transport, &double, &bought(None)).await.unwrap();
    }
    assert_eq!(
        double.lines(),
        ["POST /token", "GET /clients", "POST /token", "GET /clients"]
    );
}

/// Credentials whose grant is changed.
fn asking(change: impl FnOnce(&mut ClientGrant)) -> Credentials {
    let mut credentials = bought(None);
    if let AuthScheme::ClientCredentials(grant) = &mut credentials.scheme {
        change(grant);
    }
    credentials
}

/// The body of a token request.
fn form(seen: &str) -> Vec<(String, String)> {
    let body = seen.split("\r\n\r\n").nth(1).unwrap();
    url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[tokio::test]
async fn t170_a_token_is_asked_for_with_scopes_audience_and_resource_and_kept_for_those_only() {
    let (double, transport) = (granting(300, 0).await, transport());
    let scopes = |scopes: &[&str]| scopes.iter().map(|scope| (*scope).to_owned()).collect::<Vec<_>>();
    let one = asking(|grant| {
        grant.scopes = scopes(&["client.create", "b&c"]);
        grant.audience = Some("https://api.example/".to_owned());
        grant.resource = Some("urn:x:y?z=1".to_owned());
    });
    let others = [
        asking(|grant| grant.scopes = scopes(&["client.create"])),
        asking(|grant| grant.audience = Some("a".to_owned())),
        asking(|grant| grant.resource = Some("a".to_owned())),
        bought(None),
    ];
    for credentials in others.iter().chain([&one, &one]) {
        ask(&transport, &double, credentials).await.unwrap();
    }
    let seen = double.seen();
    let asked: Vec<_> = seen.iter().filter(|text| text.starts_with("POST /token")).collect();
    assert_eq!(asked.len(), 5, "a token for something else is another token");
    let wanted = [
        pair("grant_type", "client_credentials"),
        pair("scope", "client.create b&c"),
        pair("audience", "https://api.example/"),
        pair("resource", "urn:x:y?z=1"),
    ];
    assert_eq!(form(asked[4]), wanted);
    assert_eq!(form(asked[3]), wanted[..1], "nothing is asked for that nobody set");
}

#[tokio::test]
async fn t171_a_client_authenticates_in_the_body_where_the_provider_wants_it_there() {
    let (double, transport) = (granting(300, 0).await, transport());
    let posted = asking(|grant| grant.proof = ClientProof::Post(SECRET.into()));
    ask(&transport, &double, &posted).await.unwrap();
    let seen = double.seen();
    assert!(!seen[0].contains("authorization"), "{}", seen[0]);
    let own = [pair("client_id", "an operator"), pair("client_secret", SECRET)];
    assert_eq!(form(&seen[0])[1..], own);
    // It is no header that keeps it from an origin.
    let elsewhere = Credentials {
        origins: Some(vec!["https://p.example".to_owned()]),
        ..posted
    };
    let by_key = asking(|grant| {
        grant.proof = ClientProof::PrivateKeyJwt {
            key: include_str!("../assertion/keys/p256_pkcs8.pem").into(),
            key_id: None,
            audience: AssertionAudience::Issuer,
        };
    });
    let by_key = Credentials {
        origins: elsewhere.origins.clone(),
        ..by_key
    };
    // No token is kept here, which would not need them.
    for credentials in [elsewhere, by_key] {
        let error = ask(&self::transport(), &double, &credentials).await.err().unwrap();
        assert_eq!(error.failure.reason, Reason::ConsentMissing);
        assert_eq!(double.seen().len(), 2, "nothing more was sent");
    }
}

#[tokio::test]
async fn t171_an_assertion_is_for_the_token_endpoint_or_the_issuer() {
    let (double, transport) = (granting(0, 0).await, transport());
    let by_key = |audience| {
        asking(|grant| {
            grant.proof = ClientProof::PrivateKeyJwt {
                key: include_str!("../assertion/keys/p256_pkcs8.pem").into(),
                key_id: None,
                audience,
            };
        })
    };
    for audience in [AssertionAudience::TokenEndpoint, AssertionAudience::Issuer] {
        ask(&transport, &double, &by_key(audience)).await.unwrap();
    }
    let seen = double.seen();
    for (at, audience) in [(0, format!("{}/token", double.origin)), (2, double.origin.clone())] {
        assert!(!seen[at].contains("authorization"), "{}", seen[at]);
        let form = form(&seen[at]);
        assert_eq!(form[1], pair("client_id", "an operator"));
        assert_eq!(form[2].1, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        assert_eq!(form[3].0, "client_assertion");
        let claims = URL_SAFE_NO_PAD.decode(form[3].1.split('.').nth(1).unwrap()).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["aud"], audience);
        assert_eq!(claims["sub"], "an operator");
    }
}

#[tokio::test]
async fn t172_a_token_that_is_good_for_one_request_is_used_for_one() {
    let issued = Arc::new(AtomicUsize::new(0));
    let used = Arc::new(AtomicUsize::new(0));
    let double = Double::new(move |text: &str| {
        if text.starts_with("POST /token") {
            let number = issued.fetch_add(1, Ordering::SeqCst) + 1;
            return granted(&format!("t0ken-{number}"), &300.into());
        }
        let number = used.fetch_add(1, Ordering::SeqCst) + 1;
        let fresh = text.contains(&format!("Bearer t0ken-{number}\r\n"));
        let status = match (fresh, text.contains("accept: */*")) {
            (false, _) => 401,
            (true, false) => 406,
            (true, true) => 200,
        };
        reply(status, "", "{}")
    })
    .await;
    let (transport, once) = (transport(), asking(|grant| grant.reuse = TokenReuse::Never));
    for _ in 0..2 {
        assert_eq!(ask(&transport, &double, &once).await.unwrap().answer.status, 200);
    }
    let pair = ["POST /token", "GET /clients"];
    assert_eq!(double.lines(), [pair, pair, pair, pair].concat());
}

#[tokio::test]
async fn t170_a_refusal_says_what_of_the_request_is_to_be_corrected() {
    for (code, part) in [
        ("invalid_scope", "clientCredentials.scopes"),
        ("invalid_target", "clientCredentials.resource"),
        ("invalid_client", "client_secret"),
    ] {
        let double = Double::saying(400, "", &format!(r#"{{"error":"{code}"}}"#)).await;
        let error = ask(&transport(), &double, &bought(None)).await.err().unwrap();
        assert!(
            error.failure.message.contains(part),
            "{code}: {}",
            error.failure.message
        );
    }
}

#[tokio::test]
async fn many_at_once_ask_for_one_token() {
    let (double, transport) = (granting(300, 0).await, transport());
    let credentials = bought(None);
    let all = (0..8).map(|_| ask(&transport, &double, &credentials));
    let all = futures::future::join_all(all).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(double.lines().iter().filter(|line| *line == "POST /token").count(), 1);
}

#[tokio::test]
async fn many_at_once_are_told_of_one_failure() {
    let (double, transport) = (Double::saying(503, "", "").await, transport());
    let credentials = bought(None);
    let all = (0..8).map(|_| ask(&transport, &double, &credentials));
    let all = futures::future::join_all(all).await;
    assert!(all.iter().all(Result::is_err));
    assert_eq!(
        double.lines(),
        ["POST /token"],
        "a provider that hangs is not waited for in turn"
    );
    assert!(ask(&transport, &double, &credentials).await.is_err());
    assert_eq!(double.lines().len(), 2, "who comes later asks again");
}

#[tokio::test]
async fn a_kept_token_that_is_refused_is_replaced_once() {
    let (double, transport) = (granting(300, 1).await, transport());
    let first = ask(&transport, &double, &bought(None)).await.unwrap();
    assert_eq!(
        first.answer.status, 401,
        "a token that was just issued is not asked for again"
    );
    let second = ask(&transport, &double, &bought(None)).await.unwrap();
    assert_eq!(second.answer.status, 200);
    let lines = [
        "POST /token",
        "GET /clients",
        "GET /clients",
        "POST /token",
        "GET /clients",
    ];
    assert_eq!(double.lines(), lines);
}

#[tokio::test]
async fn without_a_token_nothing_is_sent_and_nothing_is_known() {
    let refusals = [
        (
            401,
            r#"{"error":"invalid_client"}"#,
            Class::Denied,
            Reason::CredentialsRejected,
        ),
        (404, "", Class::Denied, Reason::CredentialsRejected),
        (302, "", Class::Denied, Reason::InvalidResponse),
        (429, "", Class::Transient, Reason::RateLimited),
        (503, "", Class::Transient, Reason::ProviderUnavailable),
        (200, "{}", Class::Transient, Reason::InvalidResponse),
    ];
    for (status, body, class, reason) in refusals {
        let double = Double::saying(status, "", body).await;
        let error = ask(&transport(), &double, &bought(None)).await.err().unwrap();
        assert_eq!((error.failure.class, error.failure.reason), (class, reason), "{status}");
        assert_eq!(
            (error.effect, error.status, error.code),
            (Effect::NotApplied, None, None),
            "{status}"
        );
        assert_eq!(double.lines(), ["POST /token"], "{status}");
    }
    let silent = Double::new(|_| String::new()).await;
    let error = ask(&transport(), &silent, &bought(None)).await.err().unwrap();
    assert_eq!(
        (error.failure.class, error.effect),
        (Class::Transient, Effect::NotApplied)
    );
}

#[tokio::test]
async fn w68_a_refusal_that_repeats_the_secret_is_not_shown() {
    for repeated in ["s3cret of the operator", "s3cret+of+the+operator"] {
        let body = serde_json::json!({"error": repeated, "error_description": repeated});
        let double = Double::saying(400, "", &body.to_string()).await;
        let error = ask(&transport(), &double, &bought(None)).await.err().unwrap();
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}

#[tokio::test]
async fn w68_a_token_is_among_what_an_answer_may_not_repeat() {
    let (double, transport) = (granting(300, 0).await, transport());
    let answered = ask(&transport, &double, &bought(None)).await.unwrap();
    assert!(answered.spoken.iter().any(|secret| secret.expose_secret() == "t0ken-1"));
}
