//! Client certificates: shown to the provider that they are for, reloaded, and never mixed up.

use std::collections::BTreeSet;
use std::time::Duration;

use kube::api::DeleteParams;
use serde_json::{Value, json};
use testbed::providers::{Persona, ScriptableProvider};
use testbed::site::consented;
use testbed::tls::{Authority, Identity};

use super::{Case, case};

const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

/// A double that serves nobody without a certificate of `clients`.
async fn guarded(server: &Authority, clients: &Authority) -> ScriptableProvider {
    let double = ScriptableProvider::start_with(Persona::Plain, true).await.unwrap();
    let identity = server.issue(&NAMES).unwrap();
    double.serve_with(identity.server_config_for(clients).unwrap());
    double
}

async fn secret(case: &Case, name: &str, origin: &str, certificate: &str, key: &str) {
    let line = |text: &str| text.replace('\n', "\\n");
    let data = [("tls.crt", line(certificate)), ("tls.key", line(key))];
    let data = data.each_ref().map(|(key, value)| (*key, value.as_str()));
    let manifest =
        consented(&case.named(name), origin, &data).replace("stringData:", "type: kubernetes.io/tls\nstringData:");
    case.stage.apply(&manifest).await;
}

async fn shown(case: &Case, origin: &str, identity: &Identity) {
    secret(
        case,
        "certificate",
        origin,
        &identity.certificate_pem,
        &identity.key_pem,
    )
    .await;
}

fn spec(case: &Case, double: &ScriptableProvider, server: &Authority) -> Value {
    json!({
        "issuer": double.url(), "tls": {"caBundle": server.pem()},
        "tlsClientAuth": {"secretRef": {"name": case.named("certificate")}},
    })
}

/// The certificates of requests from the `from`th on.
fn certificates(double: &ScriptableProvider, from: usize) -> BTreeSet<Vec<u8>> {
    let seen = double.seen().into_iter().skip(from);
    seen.map(|seen| seen.certificate.unwrap_or_default()).collect()
}

#[test]
fn t173_a_provider_that_demands_a_certificate_is_shown_it_in_every_call_and_the_renewed_one_from_then_on() {
    case("t173", async |case| {
        let (server, clients) = (Authority::new("server").unwrap(), Authority::new("clients").unwrap());
        let double = guarded(&server, &clients).await;
        let mut without = spec(&case, &double, &server);
        without.as_object_mut().unwrap().remove("tlsClientAuth");
        case.provider(without).await;
        let message = case.provider_failed("CertificateRejected").await;
        assert!(message.contains("spec.tlsClientAuth"), "{message}");

        let (first, second) = (
            clients.issue_client("one").unwrap(),
            clients.issue_client("two").unwrap(),
        );
        // The key of one beside the certificate of the other.
        secret(
            &case,
            "certificate",
            double.url(),
            &first.certificate_pem,
            &second.key_pem,
        )
        .await;
        case.provider(spec(&case, &double, &server)).await;
        let message = case.provider_failed("CredentialsMissing").await;
        assert!(
            message.contains("tls.key") && message.contains("not the private key"),
            "{message}"
        );
        shown(&case, double.url(), &first).await;
        case.ready_app("one", "one").await;
        case.app("one", "changed").await;
        case.ready("one").await;
        assert_eq!(certificates(&double, 0), [first.der().unwrap()].into());

        let before = double.seen().len();
        shown(&case, double.url(), &second).await;
        case.provider_ready().await;
        case.ready_app("two", "two").await;
        case.app("one", "changed-again").await;
        case.ready("one").await;
        case.delete("one").await;
        case.gone("one").await;
        let used: Vec<_> = double.seen().into_iter().skip(before).collect();
        let renewed = second.der().unwrap();
        let is_renewed = |seen: &testbed::providers::Seen| seen.certificate.as_ref() == Some(&renewed);
        let is_change = |seen: &&testbed::providers::Seen| seen.method != "GET" && seen.path.starts_with("/register");
        let changes: Vec<_> = used.iter().filter(is_change).collect();
        let methods: Vec<_> = changes.iter().map(|seen| seen.method.as_str()).collect();
        assert_eq!(methods, ["POST", "PUT", "DELETE"]);
        assert!(
            changes.iter().all(|seen| is_renewed(seen)),
            "every change shows the renewed certificate"
        );
        // What was read when the Secret changed may still have shown the old one.
        let after = used.iter().skip_while(|seen| !is_renewed(seen));
        let old: Vec<_> = after.filter(|seen| !is_renewed(seen)).map(|seen| &seen.path).collect();
        assert!(old.is_empty(), "the old certificate was shown again: {old:?}");

        // One of an authority that the provider does not know.
        let stranger = Authority::new("strangers").unwrap().issue_client("three").unwrap();
        shown(&case, double.url(), &stranger).await;
        case.app("two", "changed").await;
        case.told("two", "Stalled", "refused the client certificate").await;
        assert!(case.suspects().await.is_empty(), "it never reached the provider");
        // Consent for another origin.
        shown(&case, "https://elsewhere.example", &second).await;
        let message = case.provider_failed("ConsentMissing").await;
        assert!(message.contains("https://elsewhere.example"), "{message}");
        shown(&case, double.url(), &second).await;
        case.ready("two").await;
        case.delete("two").await;
        case.gone("two").await;
        assert!(double.clients().is_empty());
        let log = case.stage.operator.log();
        for identity in [first, second, stranger] {
            assert!(!log.contains(identity.key_pem.lines().nth(1).unwrap()));
        }
    });
}

/// Two provider objects of one server, each with a certificate of its own, at the same time.
#[test]
fn t173_two_identities_at_one_server_never_share_a_connection() {
    case("t173-shared", async |case| {
        let (server, clients) = (Authority::new("server").unwrap(), Authority::new("clients").unwrap());
        let double = guarded(&server, &clients).await;
        let other = Case {
            name: "t173-other",
            ..case
        };
        let both = [case, other];
        let mut shown_by = Vec::new();
        for case in both {
            let identity = clients.issue_client(case.name).unwrap();
            shown(&case, double.url(), &identity).await;
            case.provider(spec(&case, &double, &server)).await;
            shown_by.push(identity.der().unwrap());
        }
        for round in ["one", "two", "three"] {
            for case in both {
                case.client(
                    "",
                    json!({"redirectURIs": [format!("https://app.example/{round}")], "clientName": case.name}),
                )
                .await;
            }
            for case in both {
                case.ready("").await;
            }
        }
        let mut counted = 0;
        for seen in double.seen() {
            let Some(name) = seen.json()["client_name"].as_str().map(str::to_owned) else {
                continue;
            };
            counted += 1;
            let own = both.iter().position(|case| case.name == name).unwrap();
            assert_eq!(
                seen.certificate.as_ref(),
                Some(&shown_by[own]),
                "{} {}",
                seen.method,
                seen.path
            );
        }
        assert_eq!(counted, 6, "a registration and two updates of each");
        for case in both {
            case.delete("").await;
            case.gone("").await;
        }
    });
}

/// `kubectl delete -f` takes the Secret and the provider object first.
#[test]
fn t173_a_client_is_deregistered_although_the_certificate_went_first() {
    case("t173-first", async |case| {
        let (server, clients) = (Authority::new("server").unwrap(), Authority::new("clients").unwrap());
        let double = guarded(&server, &clients).await;
        shown(&case, double.url(), &clients.issue_client("one").unwrap()).await;
        case.provider(spec(&case, &double, &server)).await;
        case.ready_app("", "one").await;
        let params = DeleteParams::default();
        let name = case.named("certificate");
        case.stage.secrets().delete(&name, &params).await.unwrap();
        case.stage.providers().delete(case.name, &params).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        case.delete("").await;
        case.gone("").await;
        assert!(double.clients().is_empty());
        assert!(case.suspects().await.is_empty());
    });
}
