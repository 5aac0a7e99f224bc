//! Answers in forms that the specifications do not foresee, and that carry what is needed all the same.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use testbed::providers::{Fault, Persona, Reply, ScriptableProvider};

use super::answers::{answers, is_post, posts};
use super::{Case, Settled, case};

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// The same answer, compressed.
fn packed(mut reply: Reply) -> Reply {
    reply.body = gzip(&reply.body);
    reply.header("content-encoding", "gzip")
}

fn metadata(double: &ScriptableProvider) -> Value {
    let url = double.url();
    json!({"issuer": url, "registration_endpoint": format!("{url}/register"), "token_endpoint": format!("{url}/token")})
}

/// From now on this well-known document is answered so.
fn at(double: &ScriptableProvider, name: &'static str, reply: Reply) {
    double.script(move |seen| seen.path.ends_with(name).then(|| Fault::Answer(reply.clone())));
}

#[test]
fn w83_compressed_answers_cost_no_client() {
    case("w83", async |case| {
        let double = case.unverified_double().await;
        let issued = |id: &str| json!({"client_id": id, "client_secret": format!("secret-of-{id}")});
        let zeros = format!(r#"{{"client_id":"bomb","x":"{}"}}"#, "0".repeat(4 * 1024 * 1024));
        answers(
            &double,
            case,
            vec![
                ("packed", packed(Reply::json(201, &issued("id-packed")))),
                (
                    "named",
                    Reply::json(201, &issued("id-named")).header("content-encoding", "gzip"),
                ),
                ("bomb", packed(Reply::text(201, "application/json", zeros))),
                (
                    "refused",
                    packed(Reply::json(
                        400,
                        &json!({"error": "invalid_client_metadata", "error_description": "why"}),
                    )),
                ),
            ],
        );
        for suffix in ["packed", "named"] {
            let secret = case.ready_app(suffix, suffix).await;
            assert_eq!(secret["client_id"], format!("id-{suffix}"));
            assert_eq!(posts(&double, case, suffix), 1);
        }
        case.app("refused", "one").await;
        assert!(case.failed("refused", "RegistrationRejected").await.contains("why"));
        assert!(case.suspects().await.is_empty());
        case.app("bomb", "one").await;
        case.failed("bomb", "OutcomeUnknown").await;
        assert!(case.log().contains("is larger than 64 KiB"), "{}", case.log());
        // The metadata, too.
        let document = metadata(&double);
        at(&double, "openid-configuration", packed(Reply::json(200, &document)));
        case.provider(json!({"issuer": double.url(), "timeouts": {"request": "21s"}}))
            .await;
        case.provider_ready().await;
        let asked = double.seen();
        assert!(asked.iter().all(|seen| seen.headers["accept-encoding"] == "identity"));
    });
}

#[test]
fn w80_a_gateway_that_refuses_what_it_does_not_know_hides_no_document() {
    case("w80", async |all| {
        for (name, status) in [("w80-wall", 401), ("w80-gateway", 403), ("w80-method", 405)] {
            let case = Case { name, ..all };
            let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
            double.only_oauth(true);
            at(
                &double,
                "openid-configuration",
                Reply::json(status, &json!({"message": "no"})),
            );
            case.provider(json!({"issuer": double.url()})).await;
            case.provider_ready().await;
            case.ready_app("", "one").await;
        }
        let case = Case {
            name: "w80-none",
            ..all
        };
        let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
        double.script(|_| Some(Fault::Answer(Reply::empty(403))));
        case.provider(json!({"issuer": double.url()})).await;
        let message = case.provider_failed("CredentialsRejected").await;
        for part in ["status 403", "spec.discoveryAuth", "spec.metadataURL"] {
            assert!(message.contains(part), "{message}");
        }
    });
}

#[test]
fn w81_a_later_document_of_the_same_issuer_names_the_registration_endpoint() {
    case("w81", async |case| {
        let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
        let first = json!({"issuer": double.url(), "userinfo_endpoint": format!("{}/first", double.url())});
        let (first, second) = (Reply::json(200, &first), Reply::json(200, &metadata(&double)));
        double.script(move |seen| match seen.path.as_str() {
            "/.well-known/openid-configuration" => Some(Fault::Answer(first.clone())),
            "/.well-known/oauth-authorization-server" => Some(Fault::Answer(second.clone())),
            _ => None,
        });
        case.provider(json!({"issuer": double.url()})).await;
        case.provider_ready().await;
        let secret = case.ready_app("", "one").await;
        assert!(secret["userinfo_endpoint"].ends_with("/first") && secret["token_endpoint"].ends_with("/token"));
    });
}

#[test]
fn w82_metadata_that_is_not_served_as_json_is_read_all_the_same() {
    case("w82", async |case| {
        let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
        let body = metadata(&double).to_string();
        double.script(move |seen| {
            let found = seen.path.ends_with("/openid-configuration");
            let reply = if seen.headers["accept"].contains("*/*") {
                Reply::text(200, "application/octet-stream", body.clone())
            } else {
                Reply::text(406, "text/plain", "Not Acceptable")
            };
            found.then_some(Fault::Answer(reply))
        });
        case.provider(json!({"issuer": double.url()})).await;
        case.provider_ready().await;
        case.ready_app("", "one").await;
    });
}

#[test]
fn w84_an_issuer_that_is_a_metadata_address_says_what_to_write() {
    case("w84", async |case| {
        let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
        let pasted = format!("{}/.well-known/openid-configuration", double.url());
        case.provider(json!({"issuer": pasted})).await;
        let message = case.provider_failed("DiscoveryFailed").await;
        assert!(message.contains(&format!("set it to {},", double.url())), "{message}");
        assert!(double.seen().is_empty());
        double.metadata("issuer", json!(format!("{}/", double.url())));
        case.provider(json!({"issuer": double.url()})).await;
        let message = case.provider_failed("IssuerMismatch").await;
        assert!(
            message.contains(&format!("of the provider to {}/", double.url())),
            "{message}"
        );
    });
}

#[test]
fn w86_a_management_address_that_is_a_path_is_used() {
    case("w86", async |case| {
        let double = case.unverified_double().await;
        double.script(|seen| {
            let issued = json!({
                "client_id": "rel", "client_secret": "secret-of-rel", "registration_access_token": "token-of-rel",
                "registration_client_uri": "/register/rel",
            });
            match (seen.method.as_str(), seen.path.as_str()) {
                ("POST", "/register") => Some(Fault::Answer(Reply::json(201, &issued))),
                ("PUT", "/register/rel") => Some(Fault::Answer(Reply::json(200, &issued))),
                ("DELETE", "/register/rel") => Some(Fault::Answer(Reply::empty(204))),
                _ => None,
            }
        });
        case.ready_app("", "one").await;
        case.app("", "two").await;
        case.ready("").await;
        assert_eq!(
            case.record("").await["registrationClientUri"],
            format!("{}/register/rel", double.url())
        );
        case.delete("").await;
        case.gone("").await;
        assert_eq!((double.count("PUT", "/rel"), double.count("DELETE", "/rel")), (1, 1));
        assert!(
            double
                .seen()
                .iter()
                .filter(|seen| !is_post(seen) && seen.method != "GET" && seen.path != "/revoke")
                .all(|seen| { seen.bearer() == Some("token-of-rel") })
        );
        case.judge(Settled::default()).await;
    });
}
