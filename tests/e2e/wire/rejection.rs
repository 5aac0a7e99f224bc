//! Registrations that are refused, or answered with garbage: nothing is written, nothing is repeated without end.

use std::time::Instant;

use serde_json::{Value, json};
use testbed::providers::{Fault, OidcProvider, OidcProviderOptions, Reply};

use super::answers::{answers, is_post, posts};
use super::case::{app, is_stalled};
use super::{Case, Settled, case};

/// Something was registered, perhaps, and nobody can say what: one more try, then a person is waited for. Nothing is written.
/// Each answer has a provider of its own: after three that nobody understands no other would be asked for.
#[test]
fn t54_answers_that_are_garbage_write_nothing_and_start_no_storm() {
    case("t54", async |all| {
        let reply = |body: &str| Reply::text(201, "application/json", body.as_bytes().to_vec());
        let long = format!(r#"{{"client_id":"{}"}}"#, "a".repeat(60_000));
        let deep = format!(r#"{{"client_id":"a","x":{}"#, "[".repeat(50_000));
        let garbage = [
            ("t54-empty", Reply::empty(204)),
            ("t54-html", Reply::text(200, "text/html", "<html>Welcome</html>")),
            ("t54-cut", reply(r#"{"client_id":"a","client_secret":"#)),
            ("t54-none", reply(r#"{"client_secret":"s"}"#)),
            ("t54-type", reply(r#"{"client_id":{"a":1}}"#)),
            ("t54-twice", reply(r#"{"client_id":"a","client_id":"b"}"#)),
            ("t54-nan", reply(r#"{"client_id":"a","x":NaN}"#)),
            ("t54-deep", reply(&deep)),
            ("t54-long", reply(&long)),
            (
                "t54-bytes",
                Reply::text(201, "application/json", b"{\"client_id\":\"a\xff\"}".to_vec()),
            ),
            (
                "t54-packed",
                reply("\u{1f}\u{8b}\u{8}").header("content-encoding", "gzip"),
            ),
        ];
        let mut begun = Vec::new();
        for (name, reply) in garbage {
            let case = Case { name, ..all };
            let double = case.double().await;
            double.script(move |seen| is_post(seen).then(|| Fault::Answer(reply.clone())));
            case.app("", "one").await;
            begun.push((case, double));
        }
        for (case, double) in &begun {
            let name = case.name;
            let message = case.failed("", "OutcomeUnknown").await;
            assert!(message.contains("abandon"), "{message}");
            assert!(case.secret("").await.is_none(), "{name}");
            assert_eq!(double.count("POST", "/register"), 2, "{name}");
            assert!(case.warned("", "SuspectedOrphan").await.contains("attempt"));
        }
        all.judge(Settled {
            doubts: 2 * begun.len(),
            excuses: &["OutcomeUnknown"],
            ..Settled::default()
        })
        .await;
    });
}

/// A client that cannot authenticate is recorded, so that it can be deleted, and never published.
#[test]
fn t54_a_client_without_a_usable_secret_is_kept_and_not_published() {
    case("t54s", async |case| {
        let double = case.double().await;
        let url = double.url().to_owned();
        let issued = |suffix: &str, secret: Value| {
            Reply::json(
                201,
                &json!({
                    "client_id": suffix, "client_secret": secret, "token_endpoint_auth_method": "client_secret_basic",
                    "registration_access_token": "token-of-half", "registration_client_uri": format!("{url}/register/{suffix}"),
                }),
            )
        };
        answers(
            &double,
            case,
            vec![
                ("nul", issued("nul", json!("a\0b"))),
                ("line", issued("line", json!("a\nb"))),
                ("blank", issued("blank", json!(""))),
                ("null", issued("null", Value::Null)),
            ],
        );
        for suffix in ["nul", "line", "blank", "null"] {
            case.app(suffix, suffix).await;
            let message = case.failed(suffix, "SecretNotIssued").await;
            assert!(message.contains("no usable client_secret"), "{message}");
            assert!(case.secret(suffix).await.is_none(), "{suffix}");
            assert_eq!(case.record(suffix).await["registrationAccessToken"], "token-of-half");
            assert_eq!(posts(&double, case, suffix), 1, "{suffix}");
        }
        // A method that the provider supports cures it.
        double.script(|seen| {
            (seen.method == "PUT").then(|| Fault::Answer(Reply::json(200, &json!({"client_id": "nul"}))))
        });
        let mut public = app("nul");
        public["grantTypes"] = json!(["authorization_code"]);
        public["tokenEndpointAuthMethod"] = json!("none");
        case.client("nul", public).await;
        case.ready("nul").await;
        assert_eq!(case.secret("nul").await.unwrap().get("client_secret"), None);
        double.script(|seen| (seen.method == "DELETE").then(|| Fault::Answer(Reply::empty(204))));
        case.delete("line").await;
        case.gone("line").await;
        assert!(case.suspects().await.is_empty());
    });
}

#[test]
fn w20_each_rejection_is_one_post_and_says_why() {
    case("w20", async |case| {
        let double = case.double().await;
        let codes = [
            ("a", "invalid_redirect_uri", "spec.redirectURIs"),
            ("b", "invalid_client_metadata", "the client metadata in spec"),
            ("c", "invalid_software_statement", "spec.softwareStatement"),
            ("d", "unapproved_software_statement", "spec.softwareStatement"),
        ];
        let reply = |code: &str| {
            let description = format!("no\u{7} good\n{}", "x".repeat(500));
            Reply::json(400, &json!({"error": code, "error_description": description}))
        };
        let rejections: Vec<_> = codes.iter().map(|(suffix, code, _)| (*suffix, reply(code))).collect();
        answers(&double, case, rejections);
        for (suffix, code, field) in codes {
            case.app(suffix, suffix).await;
            let message = case.failed(suffix, "RegistrationRejected").await;
            assert!(message.contains(&format!("{code} (\"no good xxx")), "{message}");
            assert!(message.contains(field) && message.len() < 500, "{message}");
        }
        for suffix in ["a", "b", "c", "d"] {
            assert!(is_stalled(&case.stage.oauth_client(&case.named(suffix)).await));
        }
        // Longer than a few tries would take.
        tokio::time::sleep(std::time::Duration::from_secs(4)).await;
        // A change is judged anew.
        case.app("a", "other").await;
        double.behave();
        case.app("a", "third").await;
        case.ready("a").await;
        for suffix in ["b", "c", "d"] {
            assert_eq!(posts(&double, case, suffix), 1, "{suffix}");
        }
        assert!(case.suspects().await.is_empty());
        case.judge(Settled {
            ledger: double.clients(),
            excuses: &["RegistrationRejected"],
            ..Settled::default()
        })
        .await;
    });
}

#[test]
fn w21_rejections_in_any_form_are_one_post() {
    case("w21", async |case| {
        let double = case.double().await;
        let forms = vec![
            ("prose", Reply::json(400, &json!({"error": "Unrecognized field \"x\""}))),
            (
                "nested",
                Reply::json(400, &json!({"error": {"code": "E17", "message": "no"}})),
            ),
            (
                "html",
                Reply::text(400, "text/html", "<html>stack trace of internal-host</html>"),
            ),
            ("empty", Reply::empty(400)),
            (
                "label",
                Reply::text(
                    400,
                    "text/html",
                    r#"{"error":"invalid_request","error_description":"why"}"#,
                ),
            ),
        ];
        let suffixes: Vec<&str> = forms.iter().map(|(suffix, _)| *suffix).collect();
        answers(&double, case, forms);
        for suffix in &suffixes {
            case.app(suffix, suffix).await;
        }
        let mut messages = Vec::new();
        for suffix in &suffixes {
            messages.push(case.failed(suffix, "RegistrationRejected").await);
            assert_eq!(posts(&double, case, suffix), 1, "{suffix}");
        }
        assert!(
            messages[0].contains("(\"Unrecognized field \"x\"\")")
                && messages[1].contains("with E17 (\"no\")")
                && messages[4].contains("invalid_request (\"why\")"),
            "{messages:?}"
        );
        assert!(
            messages.iter().all(|message| !message.contains("internal-host")),
            "{messages:?}"
        );
    });
}

#[test]
fn w22_refused_credentials_are_not_tried_in_a_storm() {
    case("w22", async |case| {
        let options = OidcProviderOptions {
            initial_access_token: Some("right-initial-token".to_owned()),
            ..OidcProviderOptions::default()
        };
        let provider = OidcProvider::start(options).await.unwrap();
        let token = |token: &str| testbed::site::consented("w22", provider.issuer(), &[("token", token)]);
        case.stage.apply(&token("wrong-initial-token")).await;
        case.provider(json!({
            "issuer": provider.issuer(), "registrationAuth": {"bearer": {"secretRef": {"name": "w22"}}},
        }))
        .await;
        case.provider_ready().await;
        let begin = Instant::now();
        for suffix in ["a", "b", "c"] {
            case.app(suffix, suffix).await;
        }
        for suffix in ["a", "b", "c"] {
            let message = case.failed(suffix, "CredentialsRejected").await;
            assert!(
                message.contains("invalid_token") && !message.contains("wrong-initial"),
                "{message}"
            );
        }
        let posts = async || {
            provider
                .requests()
                .await
                .unwrap()
                .iter()
                .filter(|request| request.method == "POST")
                .count()
        };
        // A try of each in a minute and more, which is three seconds here, and half of that by chance.
        let tries = 1 + begin.elapsed().as_millis() / 1500;
        assert!(
            u128::try_from(posts().await).unwrap() <= 3 * tries,
            "{} registrations",
            posts().await
        );
        case.stage.apply(&token("right-initial-token")).await;
        for suffix in ["a", "b", "c"] {
            case.ready(suffix).await;
        }
        case.judge(Settled {
            ledger: provider.clients().await.unwrap(),
            ..Settled::default()
        })
        .await;
    });
}

/// Refusals that only a person can cure, whatever their status: one POST each, and it shows.
#[test]
fn t62_refusals_of_every_status_are_one_post() {
    case("t62", async |case| {
        let double = case.double().await;
        let code = json!({"error": "invalid_client_metadata", "error_description": "why"});
        answers(
            &double,
            case,
            vec![
                ("conflict", Reply::json(409, &json!({"error": "conflict"}))),
                ("large", Reply::empty(413)),
                ("unprocessable", Reply::json(422, &code)),
                ("bad", Reply::json(400, &code)),
            ],
        );
        let suffixes = ["conflict", "large", "unprocessable", "bad"];
        for suffix in suffixes {
            case.app(suffix, suffix).await;
        }
        for suffix in suffixes {
            let message = case.failed(suffix, "RegistrationRejected").await;
            assert_eq!(
                message.contains("why"),
                matches!(suffix, "unprocessable" | "bad"),
                "{message}"
            );
            assert!(is_stalled(&case.stage.oauth_client(&case.named(suffix)).await));
        }
        // Longer than a few tries would take.
        tokio::time::sleep(std::time::Duration::from_secs(4)).await;
        for suffix in suffixes {
            assert_eq!(posts(&double, case, suffix), 1, "{suffix}");
        }
        case.judge(Settled {
            ledger: double.clients(),
            excuses: &["RegistrationRejected"],
            ..Settled::default()
        })
        .await;
    });
}
