//! WebFinger and metadata that lie, break off, lead elsewhere or are none.

use serde_json::{Value, json};
use testbed::providers::{
    Fault, OidcFault, OidcFaultKind, OidcProvider, OidcProviderOptions, Persona, Reply, ScriptableProvider,
};

use super::case::app;
use super::{Case, Settled, case};

const REL: &str = "http://openid.net/specs/connect/1.0/issuer";

/// A double over https, as WebFinger needs it.
async fn https() -> ScriptableProvider {
    ScriptableProvider::start_with(Persona::Plain, true).await.unwrap()
}

/// A provider object that finds the double by WebFinger. `version` makes it a new question.
fn by_webfinger(double: &ScriptableProvider, version: u32) -> Value {
    json!({
        "webFinger": {"resource": "acct:admin@localhost", "host": double.host()},
        "tls": {"caBundle": double.ca()},
        "timeouts": {"request": format!("{}ms", 20_000 + version)},
    })
}

fn by_issuer(double: &ScriptableProvider, version: u32) -> Value {
    json!({"issuer": double.url(), "timeouts": {"request": format!("{}ms", 20_000 + version)}})
}

/// From now on WebFinger answers so.
fn finger(double: &ScriptableProvider, reply: Reply) {
    double.script(move |seen| (seen.path == "/.well-known/webfinger").then(|| Fault::Answer(reply.clone())));
}

fn links(links: &Value) -> Reply {
    Reply::text(200, "application/jrd+json", json!({"links": links}).to_string())
}

#[test]
fn w03_of_several_links_the_first_issuer_counts() {
    case("w03", async |case| {
        let double = https().await;
        finger(
            &double,
            links(&json!([
                {"rel": "other", "href": "https://no.example"}, {"rel": REL}, {"rel": REL, "href": double.url()},
                {"rel": REL, "href": "https://later.example"},
            ])),
        );
        case.provider(by_webfinger(&double, 0)).await;
        case.provider_ready().await;
        for (version, none) in [
            json!([]),
            json!([{"rel": "other", "href": "https://no.example"}]),
            json!({"rel": REL}),
        ]
        .into_iter()
        .enumerate()
        {
            finger(&double, links(&none));
            case.provider(by_webfinger(&double, 1 + u32::try_from(version).unwrap()))
                .await;
            let message = case.provider_failed("DiscoveryFailed").await;
            assert!(message.contains("links acct:admin@localhost to no issuer"), "{message}");
            double.behave();
            finger(&double, links(&json!([{"rel": REL, "href": double.url()}])));
            case.provider(by_webfinger(&double, 11 + u32::try_from(version).unwrap()))
                .await;
            case.provider_ready().await;
        }
    });
}

#[test]
fn w04_webfinger_leads_neither_to_plain_http_nor_to_another_origin() {
    case("w04", async |case| {
        let double = https().await;
        let refused = async |version, reply, reason: &str, part: &str| {
            finger(&double, reply);
            case.provider(by_webfinger(&double, version)).await;
            let message = case.provider_failed(reason).await;
            assert!(message.contains(part), "{message}");
        };
        let to = |url: &str| Reply::empty(302).header("location", url);
        refused(0, to("http://localhost/"), "OriginNotAllowed", "redirects to").await;
        let plain = links(&json!([{"rel": REL, "href": "http://localhost/issuer"}]));
        refused(1, plain, "OriginNotAllowed", "http://localhost").await;
        let foreign = links(&json!([{"rel": REL, "href": "https://other.example"}]));
        refused(2, foreign, "OriginNotAllowed", "https://other.example").await;
        let query = links(&json!([{"rel": REL, "href": format!("{}?tenant=a", double.url())}]));
        refused(3, query, "DiscoveryFailed", "query or fragment").await;
        let loops = to(&format!("{}/.well-known/webfinger", double.url()));
        refused(4, loops, "DiscoveryFailed", "more than 3 times").await;
    });
}

/// A redirect is followed, without credentials where it leads to another origin.
#[test]
fn w04_credentials_do_not_follow_webfinger_to_another_origin() {
    case("w04b", async |case| {
        let (first, second) = (https().await, https().await);
        let bundle = format!("{}{}", first.ca().unwrap(), second.ca().unwrap());
        let to = format!("{}/moved", second.url());
        finger(&first, Reply::empty(307).header("location", &to));
        let answer = links(&json!([{"rel": REL, "href": first.url()}]));
        second.script(move |seen| (seen.path == "/moved").then(|| Fault::Answer(answer.clone())));
        let manifest = testbed::site::consented(
            "w04b",
            &format!("{} {}", first.url(), second.url()),
            &[("token", "discovery-token")],
        );
        case.stage.apply(&manifest).await;
        let mut spec = by_webfinger(&first, 0);
        spec["tls"]["caBundle"] = json!(bundle);
        spec["discoveryAuth"] = json!({"bearer": {"secretRef": {"name": "w04b"}}});
        case.provider(spec).await;
        case.provider_ready().await;
        assert_eq!(first.seen()[0].bearer(), Some("discovery-token"));
        assert_eq!(second.seen()[0].bearer(), None);
    });
}

#[test]
fn w05_refusals_without_a_word_are_told_apart() {
    case("w05", async |case| {
        let double = https().await;
        for (version, (status, reason, part)) in [
            (400, "DiscoveryFailed", "status 400"),
            (401, "CredentialsRejected", "spec.discoveryAuth"),
            (404, "DiscoveryFailed", "knows nothing of acct:admin@localhost"),
            (415, "DiscoveryFailed", "status 415"),
            (429, "RateLimited", "returned 429"),
            (500, "ProviderUnavailable", "status 500"),
        ]
        .into_iter()
        .enumerate()
        {
            finger(&double, Reply::empty(status));
            case.provider(by_webfinger(&double, u32::try_from(version).unwrap()))
                .await;
            let message = case.provider_failed(reason).await;
            assert!(message.contains(part), "{status}: {message}");
        }
    });
}

#[test]
fn w06_a_busy_provider_is_asked_at_the_same_place_again() {
    case("w06", async |case| {
        let provider = OidcProvider::start(OidcProviderOptions::default()).await.unwrap();
        let busy = OidcFault {
            method: None,
            path: "/.well-known/openid-configuration".to_owned(),
            times: 2,
            kind: OidcFaultKind::Answer {
                status: 503,
                headers: [("retry-after".to_owned(), "1".to_owned())].into(),
                body: String::new(),
            },
        };
        provider.faults(&[busy]).await.unwrap();
        case.provider(json!({"issuer": provider.issuer()})).await;
        case.provider_ready().await;
        let paths: Vec<String> = provider
            .requests()
            .await
            .unwrap()
            .into_iter()
            .map(|request| request.path)
            .collect();
        assert_eq!(paths, ["/.well-known/openid-configuration"; 3]);
    });
}

#[test]
fn w08_an_issuer_that_goes_by_another_name_has_to_be_pinned() {
    case("w08", async |case| {
        let options = OidcProviderOptions {
            issuer: Some("https://login.example".to_owned()),
            ..OidcProviderOptions::default()
        };
        let provider = OidcProvider::start(options).await.unwrap();
        case.provider(json!({"issuer": provider.url()})).await;
        let message = case.provider_failed("IssuerMismatch").await;
        assert!(message.contains("https://login.example"), "{message}");
        case.provider(json!({"issuer": provider.url(), "expectedIssuer": "https://login.example/"}))
            .await;
        let message = case.provider_failed("IssuerMismatch").await;
        assert!(message.contains("differ by a slash"), "{message}");
        let pinned = json!({
            "issuer": provider.url(), "expectedIssuer": "https://login.example",
            "endpoints": {"registration": format!("{}/reg", provider.url())},
        });
        case.provider(pinned).await;
        let found = case.provider_ready().await.status.unwrap();
        assert_eq!(found.issuer.as_deref(), Some("https://login.example"));
    });
}

#[test]
fn w10_documents_that_are_none_are_told_as_such() {
    case("w10", async |case| {
        let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
        let url = double.url().to_owned();
        let bodies: Vec<Vec<u8>> = vec![
            b"<html>Welcome</html>".to_vec(),
            b"[]".to_vec(),
            format!(r#"{{"issuer":"{url}","issuer":"{url}"}}"#).into_bytes(),
            [b"{\"issuer\":\"", url.as_bytes(), b"\xff\"}"].concat(),
            "{\"a\":".repeat(40_000).into_bytes(),
            Vec::new(),
        ];
        for (version, body) in bodies.into_iter().enumerate() {
            double.script(move |_| Some(Fault::Answer(Reply::text(200, "application/json", body.clone()))));
            case.provider(by_issuer(&double, u32::try_from(version).unwrap())).await;
            let message = case.provider_failed("DiscoveryFailed").await;
            assert!(message.contains("something else than a JSON object"), "{message}");
        }
        double.script(|_| {
            Some(Fault::Answer(Reply::text(
                200,
                "application/json",
                vec![b'{'; 300 * 1024],
            )))
        });
        case.provider(by_issuer(&double, 30)).await;
        assert!(case.provider_failed("InvalidResponse").await.contains("256 KiB"));
        double.behave();
        case.provider(by_issuer(&double, 31)).await;
        case.provider_ready().await;
    });
}

/// What is too long for a status is left out, and the rest is used.
#[test]
fn t54_endpoints_that_no_status_holds_do_not_stop_a_provider() {
    case("t54d", async |case| {
        let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
        double.metadata(
            "token_endpoint",
            json!(format!("{}/{}", double.url(), "a".repeat(5000))),
        );
        double.metadata("jwks_uri", json!(["not", "text"]));
        double.metadata("userinfo_endpoint", json!("https://p/\n"));
        case.provider(by_issuer(&double, 0)).await;
        case.provider_ready().await;
        let secret = case.ready_app("", "one").await;
        assert!(!secret.contains_key("token_endpoint") && !secret.contains_key("userinfo_endpoint"));
        case.judge(Settled {
            ledger: double.clients(),
            ..Settled::default()
        })
        .await;
    });
}

#[test]
fn t55_redirects_of_metadata_end_somewhere() {
    case("t55", async |case| {
        let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
        let here = format!("{}/.well-known/openid-configuration", double.url());
        double.script(move |_| Some(Fault::Answer(Reply::empty(302).header("location", &here))));
        case.provider(by_issuer(&double, 0)).await;
        let message = case.provider_failed("DiscoveryFailed").await;
        assert!(message.contains("redirects more than 3 times"), "{message}");
        assert!(double.seen().len() < 20, "{} requests", double.seen().len());
    });
}

/// The endpoint stays with the issuer, whatever its document says later.
#[test]
fn t57_a_registration_endpoint_that_moves_elsewhere_gets_nothing() {
    case("t57", async |case| {
        let (double, elsewhere) = (
            case.double().await,
            ScriptableProvider::start(Persona::Plain).await.unwrap(),
        );
        case.ready_app("", "one").await;
        double.metadata("registration_endpoint", json!(format!("{}/register", elsewhere.url())));
        case.provider(by_issuer(&double, 1)).await;
        let message = case.provider_failed("OriginNotAllowed").await;
        assert!(message.contains(elsewhere.url()), "{message}");
        case.client("second", app("two")).await;
        case.failed("second", "OriginNotAllowed").await;
        assert!(elsewhere.seen().is_empty());
        case.judge(Settled {
            ledger: double.clients(),
            excuses: &["OriginNotAllowed"],
            ..Settled::default()
        })
        .await;
    });
}

#[test]
fn t65_a_name_that_is_unknown_or_leads_to_this_machine_is_told() {
    case("t65", async |case: Case| {
        case.provider(json!({"issuer": "https://nowhere.invalid"})).await;
        let message = case.provider_failed("ProviderUnavailable").await;
        assert!(message.contains("name cannot be resolved"), "{message}");
        for (version, host) in [
            "169.254.169.254",
            "[::ffff:169.254.169.254]",
            "[64:ff9b::a9fe:a9fe]",
            "2852039166",
        ]
        .into_iter()
        .enumerate()
        {
            let spec = json!({"issuer": format!("https://{host}"), "timeouts": {"request": format!("{}ms", 20_000 + version)}});
            case.provider(spec).await;
            case.provider_failed("AddressRefused").await;
        }
    });
}
