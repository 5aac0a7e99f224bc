//! Registrations: what is sent, and what becomes of every kind of success, silence and delay.

use serde_json::json;
use testbed::providers::{OidcFault, OidcFaultKind, OidcProvider, OidcProviderOptions, Reply};
use testbed::proxy::{Action, Proxy};
use testbed::site::Site;

use super::answers::{answers, is_post, posts};
use super::case::app;
use super::{Settled, case};

fn answer(method: &str, path: &str, times: u32, status: u16, headers: &[(&str, &str)], body: &str) -> OidcFault {
    OidcFault {
        method: Some(method.to_owned()),
        path: path.to_owned(),
        times,
        kind: OidcFaultKind::Answer {
            status,
            headers: headers
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            body: body.to_owned(),
        },
    }
}

#[test]
fn w12_a_registration_holds_what_was_asked_for_and_the_defaults() {
    case("w12", async |case| {
        let double = case.double().await;
        case.client("", json!({
            "redirectURIs": ["https://app.example/cb"], "scopes": ["openid", "email"], "contacts": ["ops@example.com"],
            "defaultMaxAge": 60, "extraMetadata": {"vendor": {"a": [1, true]}},
        }))
        .await;
        case.ready("").await;
        let post = double.seen().into_iter().find(is_post).unwrap();
        let name = format!("{}.w12", case.stage.apps.name());
        assert_eq!(
            post.json(),
            json!({
                "redirect_uris": ["https://app.example/cb"], "scope": "openid email", "contacts": ["ops@example.com"],
                "default_max_age": 60, "vendor": {"a": [1, true]}, "client_name": name, "grant_types": ["authorization_code"],
                "response_types": ["code"], "token_endpoint_auth_method": "client_secret_basic", "application_type": "web",
            })
        );
        assert_eq!(post.headers["content-type"], "application/json");
        assert_eq!(post.headers["accept"], "application/json");
        assert_eq!(post.headers["accept-encoding"], "identity");
        assert!(post.headers["user-agent"].starts_with("oauth-client-operator/"));
        case.judge(Settled {
            ledger: double.clients(),
            ..Settled::default()
        })
        .await;
    });
}

#[test]
fn w13_every_success_with_a_client_is_one() {
    case("w13", async |case| {
        let double = case.unverified_double().await;
        let issued = |id: &str| json!({"client_id": id, "client_secret": format!("secret-of-{id}"), "client_secret_expires_at": 0});
        answers(
            &double,
            case,
            vec![
                ("ok", Reply::json(200, &issued("id-ok"))),
                (
                    "accepted",
                    Reply::text(202, "text/html", issued("id-accepted").to_string()),
                ),
                (
                    "bom",
                    Reply::text(201, "application/json", format!("\u{feff}{}", issued("id-bom"))),
                ),
            ],
        );
        for suffix in ["ok", "accepted", "bom"] {
            let secret = case.ready_app(suffix, suffix).await;
            assert_eq!(secret["client_id"], format!("id-{suffix}"));
            assert_eq!(secret["client_secret"], format!("secret-of-id-{suffix}"));
            assert_eq!(posts(&double, case, suffix), 1);
        }
        assert!(case.suspects().await.is_empty());
    });
}

#[test]
fn w16_half_of_what_management_needs_is_none() {
    case("w16", async |case| {
        let double = case.unverified_double().await;
        let issued = |member: &str, value: &str| {
            let mut answer = json!({"client_id": format!("id-{member}"), "client_secret": "secret-of-half"});
            answer[member] = json!(value);
            Reply::json(201, &answer)
        };
        let uri = format!("{}/register/x", double.url());
        answers(
            &double,
            case,
            vec![
                ("token", issued("registration_access_token", "lonely-token")),
                ("uri", issued("registration_client_uri", &uri)),
            ],
        );
        for suffix in ["token", "uri"] {
            case.ready_app(suffix, "one").await;
            case.app(suffix, "two").await;
            let message = case.failed(suffix, "UpdateUnsupported").await;
            assert!(message.contains("revert the change"), "{message}");
            case.delete(suffix).await;
            case.gone(suffix).await;
            case.warned(suffix, "DeletionUnsupported").await;
        }
        assert_eq!((double.count("PUT", ""), double.count("DELETE", "")), (0, 0));
        let mut left: Vec<_> = case
            .suspects()
            .await
            .into_iter()
            .filter_map(|suspect| suspect.client_id)
            .collect();
        left.sort();
        assert_eq!(left, ["id-registration_access_token", "id-registration_client_uri"]);
    });
}

#[test]
fn w17_a_public_client_gets_no_secret_even_where_one_is_issued() {
    case("w17", async |case| {
        let double = case.double().await;
        let public = json!({"redirectURIs": ["https://app.example/cb"], "tokenEndpointAuthMethod": "none"});
        case.client("plain", public.clone()).await;
        case.ready("plain").await;
        answers(
            &double,
            case,
            vec![(
                "odd",
                Reply::json(
                    201,
                    &json!({"client_id": "odd", "client_secret": "superfluous", "token_endpoint_auth_method": "none"}),
                ),
            )],
        );
        case.client("odd", public).await;
        case.ready("odd").await;
        for suffix in ["plain", "odd"] {
            let secret = case.secret(suffix).await.unwrap();
            assert!(
                secret.contains_key("client_id") && !secret.contains_key("client_secret"),
                "{suffix}"
            );
        }
    });
}

/// The provider may answer with other metadata (RFC 7591 section 3.2.1). That is no reason to ask again.
#[test]
fn w18_what_a_provider_puts_in_place_of_the_wish_starts_no_loop() {
    case("w18", async |case| {
        let double = case.unverified_double().await;
        let url = double.url().to_owned();
        let odd = json!({
            "client_id": "odd", "client_secret": "secret-of-odd", "token_endpoint_auth_method": "client_secret_post",
            "grant_types": ["authorization_code", "refresh_token", "password"], "redirect_uris": "https://app.example/one",
            "unasked": {"x": 1}, "registration_access_token": "token-of-odd",
            "registration_client_uri": format!("{url}/register/odd"),
        });
        answers(&double, case, vec![("", Reply::json(201, &odd))]);
        case.ready_app("", "one").await;
        for round in 0..3 {
            case.look_again("", &round.to_string()).await;
            case.ready("").await;
        }
        // A real provider that rewrites and drops members.
        let provider = OidcProvider::start(OidcProviderOptions::default()).await.unwrap();
        case.provider(json!({"issuer": provider.issuer()})).await;
        case.client(
            "real",
            json!({
                "grantTypes": ["authorization_code", "refresh_token"], "redirectURIs": ["https://app.example/cb"],
                "contacts": ["b@example.com", "a@example.com"], "localized": {"clientName": {"ja": "デモ"}},
                "extraMetadata": {"dropped_by_the_provider": 1},
            }),
        )
        .await;
        case.ready("real").await;
        case.look_again("real", "1").await;
        case.ready("real").await;
        let requests = provider.requests().await.unwrap();
        assert_eq!(
            requests
                .iter()
                .filter(|request| request.method == "POST" && request.path == "/reg")
                .count(),
            1
        );
        assert_eq!((double.count("POST", "/register"), double.count("PUT", "")), (1, 0));
        assert!(requests.iter().all(|request| request.method != "PUT"));
    });
}

#[test]
fn w23_a_wait_that_is_asked_for_is_kept() {
    case("w23", async |case| {
        let proxy = Proxy::open(false).await.unwrap();
        let site = Site::oidc_provider_behind(&proxy, OidcProviderOptions::default())
            .await
            .unwrap();
        let slow = |header: &str, value: &str| Action::Answer(Reply::empty(429).header(header, value));
        let is_post = |asked: &testbed::proxy::Asked| asked.method == "POST" && asked.path.ends_with("/reg");
        // Forty seconds are two here.
        proxy.once(is_post, slow("retry-after", "40"));
        proxy.once(is_post, slow("ratelimit-reset", "40"));
        case.provider(json!({"issuer": proxy.url()})).await;
        case.provider_ready().await;
        case.app("", "one").await;
        case.told("", "Ready", "returned 429").await;
        case.ready("").await;
        let at: Vec<_> = proxy
            .exchanges()
            .into_iter()
            .filter(|e| is_post(&e.asked))
            .map(|e| e.at)
            .collect();
        assert_eq!(at.len(), 3);
        for pair in at.windows(2) {
            assert!(
                pair[1] - pair[0] >= std::time::Duration::from_secs(2),
                "{:?}",
                pair[1] - pair[0]
            );
        }
        case.judge(Settled {
            ledger: site.clients().await.unwrap(),
            ..Settled::default()
        })
        .await;
    });
}

#[test]
fn w24_a_provider_that_says_that_it_could_not_serve_registers_one_client() {
    case("w24", async |case| {
        let provider = OidcProvider::start(OidcProviderOptions::default()).await.unwrap();
        provider
            .faults(&[answer(
                "POST",
                "/reg",
                3,
                503,
                &[],
                r#"{"error":"temporarily_unavailable"}"#,
            )])
            .await
            .unwrap();
        case.provider(json!({"issuer": provider.issuer()})).await;
        case.ready_app("", "one").await;
        let clients = provider.clients().await.unwrap();
        assert_eq!(clients.len(), 1);
        assert!(case.suspects().await.is_empty());
        case.judge(Settled {
            ledger: clients,
            ..Settled::default()
        })
        .await;
    });
}

#[test]
fn w25_a_lost_answer_is_one_more_try_and_one_suspect() {
    case("w25", async |case| {
        let provider = OidcProvider::start(OidcProviderOptions::default()).await.unwrap();
        let lost = OidcFault {
            method: Some("POST".to_owned()),
            path: "/reg".to_owned(),
            times: 1,
            kind: OidcFaultKind::LoseAnswer,
        };
        provider.faults(&[lost]).await.unwrap();
        case.provider(json!({"issuer": provider.issuer()})).await;
        case.ready_app("", "one").await;
        let clients = provider.clients().await.unwrap();
        assert_eq!((clients.len(), case.suspects().await.len()), (2, 1));
        case.warned("", "SuspectedOrphan").await;
        case.judge(Settled {
            ledger: clients,
            doubts: 1,
            ..Settled::default()
        })
        .await;
    });
}

#[test]
fn w59_translations_are_sent_and_those_that_are_dropped_change_nothing() {
    case("w59", async |case| {
        let double = case.double().await;
        let mut spec = app("one");
        spec["clientName"] = json!("Demo");
        spec["localized"] = json!({"clientName": {"ja": "デモ", "de-AT": "Demo"}});
        case.client("", spec).await;
        case.ready("").await;
        let post = double.seen().into_iter().find(is_post).unwrap().json();
        assert_eq!(
            (&post["client_name#ja"], &post["client_name#de-AT"]),
            (&json!("デモ"), &json!("Demo"))
        );
        assert_eq!(post["client_name"], "Demo");
        case.judge(Settled {
            ledger: double.clients(),
            ..Settled::default()
        })
        .await;
    });
}
