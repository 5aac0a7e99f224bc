//! What an answer proves: whether a client was registered, and whether one was deleted.

use serde_json::json;
use testbed::control_plane::{ControlPlane, ControlPlaneOptions};
use testbed::operator::{Operator, OperatorOptions};
use testbed::providers::{Fault, Persona, Reply, ScriptableProvider};
use testbed::site::{consented, oauth_client, oauth_provider};

use super::answers::is_post;
use super::{Case, Settled, case};
use crate::api_server::faster;
use crate::scene::CLIENT;
use crate::stage::{BINARY, eventually};

/// The first registration is answered so.
fn first(double: &ScriptableProvider, reply: Reply) {
    let mut rest = Some(reply);
    double.script(move |seen| is_post(seen).then(|| rest.take()).flatten().map(Fault::Answer));
}

#[test]
fn w71_answers_that_prove_nothing_are_a_suspect_and_those_that_do_are_not() {
    case("w71", async |all| {
        let unavailable = json!({"error": "temporarily_unavailable"});
        let page = "<html>503 Service Temporarily Unavailable</html>";
        let answers = [
            ("w71-own", Reply::json(503, &unavailable), 0),
            ("w71-proxy", Reply::text(503, "text/html", page), 1),
            ("w71-later", Reply::empty(503).header("retry-after", "1"), 1),
            (
                "w71-prose",
                Reply::json(503, &json!({"error": "Service Unavailable"})),
                1,
            ),
            ("w71-timeout", Reply::empty(408), 1),
            ("w71-closed", Reply::empty(499), 1),
            ("w71-pace", Reply::empty(429), 0),
        ];
        for (name, reply, suspects) in answers {
            let case = Case { name, ..all };
            let double = case.double().await;
            first(&double, reply);
            case.ready_app("", "one").await;
            assert_eq!(case.suspects().await.len(), suspects, "{name}");
            assert_eq!(
                (double.count("POST", "/register"), double.clients().len()),
                (2, 1),
                "{name}"
            );
            let doubts = suspects;
            case.judge(Settled {
                ledger: double.clients(),
                doubts,
                ..Settled::default()
            })
            .await;
        }
    });
}

#[test]
fn w72_a_registration_that_is_sent_to_a_login_page_needs_a_token_and_nothing_else() {
    case("w72", async |case| {
        let double = case.double().await;
        double.script(|seen| {
            let refused = is_post(seen) && seen.bearer() != Some("right-lab-token");
            refused.then(|| Fault::Answer(Reply::empty(302).header("location", "/login?next=x")))
        });
        for suffix in ["a", "b", "c", "d"] {
            case.app(suffix, suffix).await;
        }
        for suffix in ["a", "b", "c", "d"] {
            let message = case.failed(suffix, "InvalidResponse").await;
            for part in ["/login", "spec.registrationAuth", "spec.endpoints.registration"] {
                assert!(message.contains(part), "{message}");
            }
        }
        case.stage
            .apply(&consented("w72", double.url(), &[("token", "right-lab-token")]))
            .await;
        case.provider(json!({
            "issuer": double.url(), "registrationAuth": {"bearer": {"secretRef": {"name": "w72"}}},
        }))
        .await;
        // Nothing was registered for certain, so nothing bars them.
        for suffix in ["a", "b", "c", "d"] {
            case.ready(suffix).await;
        }
        assert!(case.suspects().await.is_empty());
        case.judge(Settled {
            ledger: double.clients(),
            ..Settled::default()
        })
        .await;
    });
}

#[test]
fn w72_a_redirect_to_the_new_client_leaves_a_doubt() {
    case("w72b", async |all| {
        for (name, status, to) in [("w72b-other", 303, "/clients"), ("w72b-below", 302, "/register/new")] {
            let case = Case { name, ..all };
            let double = case.double().await;
            first(&double, Reply::empty(status).header("location", to));
            case.ready_app("", "one").await;
            assert_eq!(
                (double.count("POST", "/register"), case.suspects().await.len()),
                (2, 1),
                "{name}"
            );
        }
    });
}

#[test]
fn w73_a_success_that_proves_nothing_does_not_end_a_deletion() {
    case("w73", async |case| {
        let double = case.double().await;
        let page = "<html>Please sign in</html>";
        for (suffix, reply) in [
            ("accepted", Reply::empty(202)),
            ("page", Reply::text(200, "text/html", page)),
        ] {
            case.ready_app(suffix, suffix).await;
            let mut rest = Some(reply);
            double.script(move |seen| {
                (seen.method == "DELETE")
                    .then(|| rest.take())
                    .flatten()
                    .map(Fault::Answer)
            });
            case.delete(suffix).await;
            case.gone(suffix).await;
        }
        assert_eq!(double.count("DELETE", ""), 4);
        assert!(double.clients().is_empty());
        case.judge(Settled::default()).await;
    });
}

#[test]
fn t106_two_lost_answers_do_not_bar_a_third_registration() {
    case("t106", async |case| {
        let double = case.double().await;
        let mut lost = 0;
        double.script(move |seen| {
            (is_post(seen) && lost < 2).then(|| {
                lost += 1;
                Fault::LoseAnswer
            })
        });
        for suffix in ["a", "b"] {
            case.app(suffix, suffix).await;
        }
        for suffix in ["a", "b"] {
            case.ready(suffix).await;
        }
        assert_eq!((double.count("POST", "/register"), case.suspects().await.len()), (4, 2));
        case.judge(Settled {
            ledger: double.clients(),
            doubts: 2,
            ..Settled::default()
        })
        .await;
    });
}

/// The cluster-wide form, on a control plane of its own.
#[tokio::test]
async fn t105_a_tenant_whose_registrations_end_unknown_stops_no_other() {
    let plane = ControlPlane::start(ControlPlaneOptions::default()).await.unwrap();
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    let kubectl = async |args: &[&str], input: &str| plane.kubectl_with(args, input).await.unwrap().stdout().unwrap();
    kubectl(&["apply", "--server-side", "-k", crds], "").await;
    for namespace in ["system", "one", "two", "three"] {
        plane.create_namespace(namespace).await.unwrap();
    }
    let mut options = OperatorOptions {
        binary: BINARY.into(),
        manifests: vec![crate::stage::rights("system", &[]).await],
        ..OperatorOptions::new("system", &[])
    };
    faster(&mut options);
    let _operator = Operator::start(&plane, options).await.unwrap();
    let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
    double.script(|seen| {
        let name = seen.json()["client_name"].as_str().unwrap_or_default().to_owned();
        let lost = name.starts_with("one.") || name == "two.lost";
        (is_post(seen) && lost).then_some(Fault::LoseAnswer)
    });
    let provider = oauth_provider(&format!("issuer: {}\n", double.url()))
        .replace("kind: OAuthProvider", "kind: ClusterOAuthProvider")
        .replacen("spec:\n", "spec:\n  allowedNamespaces: {names: ['*']}\n", 1);
    kubectl(&["apply", "-f", "-"], &provider).await;
    let create = async |namespace: &str, name: &str| {
        let client =
            oauth_client(name, CLIENT).replace("providerRef:\n", "providerRef:\n    kind: ClusterOAuthProvider\n");
        kubectl(&["-n", namespace, "apply", "-f", "-"], &client).await;
    };
    let message = "jsonpath={.status.conditions[?(@.type==\"Ready\")].message}";
    let barred = async |namespace: &str, name: &str| {
        eventually(&format!("{namespace}/{name} waits"), async || {
            let text = kubectl(&["-n", namespace, "get", "oac", name, "-o", message], "").await;
            text.contains("several registrations at this provider ended without an answer")
                .then_some(())
        })
        .await;
    };
    for name in ["a", "b"] {
        create("one", name).await;
    }
    let lost = || {
        let posts = double.seen().into_iter().filter(is_post);
        posts
            .filter(|seen| {
                seen.json()["client_name"]
                    .as_str()
                    .unwrap_or_default()
                    .starts_with("one.")
            })
            .count()
    };
    eventually("three registrations end unknown", async || (lost() >= 3).then_some(())).await;
    create("one", "late").await;
    barred("one", "late").await;
    create("two", "app").await;
    let ready = ["-n", "two", "wait", "--for=condition=Ready", "oac/app", "--timeout=60s"];
    kubectl(&ready, "").await;
    // A second tenant with the same trouble makes it the provider's.
    create("two", "lost").await;
    barred("two", "lost").await;
    create("three", "app").await;
    barred("three", "app").await;
}
