//! Deletions: what counts as gone, what does not, and what is left behind is told.

use serde_json::json;
use testbed::providers::{
    Fault, OidcFault, OidcFaultKind, OidcProvider, OidcProviderOptions, Reply, ScriptableProvider,
};

use super::case::app;
use super::{Case, Settled, case};

/// From now on these methods at clients' own addresses are answered so.
fn answer(double: &ScriptableProvider, answers: &[(&'static str, Reply)]) {
    let answers = answers.to_vec();
    double.script(move |seen| {
        let found = answers
            .iter()
            .find(|(method, _)| seen.method == *method && seen.path.starts_with("/register/"));
        found.map(|(_, reply)| Fault::Answer(reply.clone()))
    });
}

async fn oidc(case: Case, options: OidcProviderOptions) -> OidcProvider {
    let provider = OidcProvider::start(options).await.unwrap();
    case.provider(json!({"issuer": provider.issuer()})).await;
    provider
}

/// Nothing is left but a suspect that names this client.
async fn only_suspected(case: Case, client_id: &str) {
    case.judge(Settled {
        doubts: 1,
        ..Settled::default()
    })
    .await;
    let suspects = case.suspects().await;
    let named: Vec<_> = suspects.iter().map(|suspect| suspect.client_id.as_deref()).collect();
    assert_eq!(named, [Some(client_id)]);
    assert!(case.record("").await.is_null());
}

async fn nothing_is_left(case: Case) {
    case.judge(Settled::default()).await;
    assert!(case.suspects().await.is_empty());
}

#[test]
fn w50_every_success_of_a_deletion_ends_it() {
    case("w50", async |case| {
        let double = case.double().await;
        for (suffix, reply) in [
            ("ok", Reply::empty(200)),
            ("json", Reply::json(200, &json!({"deleted": true}))),
            ("none", Reply::empty(204)),
        ] {
            case.ready_app(suffix, suffix).await;
            answer(&double, &[("DELETE", reply)]);
            case.delete(suffix).await;
            case.gone(suffix).await;
        }
        assert_eq!(double.count("DELETE", ""), 3);
        nothing_is_left(case).await;
    });
}

/// The provider says 401 for a client that it does not know, as the specification asks, and for a token that it does not accept:
/// the object goes after two looks, and the client stays a suspect.
#[test]
fn w51_a_client_that_is_gone_already_lets_its_object_go_and_stays_a_suspect() {
    case("w51", async |case| {
        let provider = oidc(case, OidcProviderOptions::default()).await;
        let secret = case.ready_app("", "one").await;
        assert!(provider.remove_client(&secret["client_id"]).await.unwrap());
        case.delete("").await;
        let message = case.told("", "Ready", "tries a second time").await;
        assert!(message.contains("spec.deletionTimeout"), "{message}");
        case.gone("").await;
        let deletes = provider.requests().await.unwrap();
        assert!(deletes.iter().filter(|request| request.method == "DELETE").count() >= 2);
        only_suspected(case, &secret["client_id"]).await;
    });
}

/// With an update in doubt, 401 may as well mean that its answer held a new token: the client lives, and stays named.
#[test]
fn w51_a_401_with_a_rotation_in_doubt_is_no_absence() {
    case("w51b", async |case| {
        let options = OidcProviderOptions {
            rotate: true,
            ..OidcProviderOptions::default()
        };
        let provider = oidc(case, options).await;
        let mut spec = app("one");
        case.client("", spec.clone()).await;
        case.ready("").await;
        let lost = OidcFault {
            method: Some("PUT".to_owned()),
            path: "/reg/".to_owned(),
            times: 1,
            kind: OidcFaultKind::LoseAnswer,
        };
        provider.faults(&[lost]).await.unwrap();
        spec["redirectURIs"] = json!(["https://app.example/two"]);
        case.client("", spec).await;
        case.failed("", "ManagementLost").await;
        case.delete("").await;
        case.gone("").await;
        let told = case.warned("", "SuspectedOrphan").await;
        let clients = provider.clients().await.unwrap();
        let id = clients.keys().next().unwrap();
        assert!(told.contains(id), "{told}");
        assert_eq!(case.suspects().await[0].client_id.as_ref(), Some(id));
    });
}

#[test]
fn w52_a_provider_that_offers_no_deletion_keeps_its_client_and_is_told_of() {
    case("w52", async |case| {
        let options = OidcProviderOptions {
            management: false,
            ..OidcProviderOptions::default()
        };
        let provider = oidc(case, options).await;
        let secret = case.ready_app("", "one").await;
        case.app("", "two").await;
        let message = case.failed("", "UpdateUnsupported").await;
        assert!(message.contains("revert the change"), "{message}");
        case.delete("").await;
        case.gone("").await;
        assert!(
            case.warned("", "DeletionUnsupported")
                .await
                .contains(&secret["client_id"])
        );
        let suspects = case.suspects().await;
        assert_eq!(suspects[0].client_id.as_ref(), Some(&secret["client_id"]));
        case.judge(Settled {
            ledger: provider.clients().await.unwrap(),
            ..Settled::default()
        })
        .await;
    });
}

/// A router that has lost its way, or a firewall: no word about the client.
#[test]
fn w52_a_page_of_something_before_the_provider_is_no_absence() {
    case("w52b", async |case| {
        let double = case.double().await;
        for suffix in ["router", "firewall", "blank"] {
            case.ready_app(suffix, suffix).await;
        }
        for (suffix, reply) in [
            ("router", Reply::text(404, "text/plain", "default backend - 404")),
            ("firewall", Reply::text(403, "text/html", "<html>blocked</html>")),
            ("blank", Reply::empty(404)),
        ] {
            answer(&double, &[("DELETE", reply.clone()), ("GET", reply)]);
            let before = double.clients().len();
            case.delete(suffix).await;
            case.told(suffix, "Ready", "not deregistered yet").await;
            // Longer than two looks would take.
            tokio::time::sleep(std::time::Duration::from_secs(6)).await;
            assert_eq!(double.clients().len(), before);
            assert!(
                case.stage
                    .clients()
                    .get_opt(&case.named(suffix))
                    .await
                    .unwrap()
                    .is_some()
            );
            double.behave();
            case.gone(suffix).await;
        }
        assert!(double.clients().is_empty());
        nothing_is_left(case).await;
    });
}

#[test]
fn w53_methods_that_are_not_offered_end_it_and_refusals_block_it() {
    case("w53", async |case| {
        let double = case.double().await;
        for status in [405, 501] {
            let suffix = status.to_string();
            let secret = case.ready_app(&suffix, &suffix).await;
            answer(&double, &[("DELETE", Reply::empty(status))]);
            case.delete(&suffix).await;
            case.gone(&suffix).await;
            assert!(
                case.warned(&suffix, "DeletionUnsupported")
                    .await
                    .contains(&secret["client_id"])
            );
        }
        case.ready_app("forbidden", "forbidden").await;
        answer(&double, &[("DELETE", Reply::json(403, &json!({"error": "forbidden"})))]);
        case.delete("forbidden").await;
        case.told("forbidden", "Ready", "with forbidden").await;
        assert!(case.stage.clients().get_opt("w53-forbidden").await.unwrap().is_some());
        double.behave();
        case.gone("forbidden").await;
        let mut told: Vec<_> = case
            .suspects()
            .await
            .into_iter()
            .filter_map(|suspect| suspect.client_id)
            .collect();
        told.sort();
        assert_eq!(told, double.clients().into_keys().collect::<Vec<_>>());
    });
}

/// The deletion took place and nobody was told. The next 401 proves nothing, so a suspect tells of the client.
#[test]
fn w54_a_deletion_whose_answer_was_lost_ends_with_a_suspect() {
    case("w54", async |case| {
        let provider = oidc(case, OidcProviderOptions::default()).await;
        let id = case.ready_app("", "one").await["client_id"].clone();
        let lost = OidcFault {
            method: Some("DELETE".to_owned()),
            path: "/reg/".to_owned(),
            times: 1,
            kind: OidcFaultKind::LoseAnswer,
        };
        provider.faults(&[lost]).await.unwrap();
        case.delete("").await;
        case.gone("").await;
        assert!(provider.clients().await.unwrap().is_empty());
        only_suspected(case, &id).await;
    });
}

#[test]
fn w55_a_provider_that_never_comes_back_holds_nothing_up_for_ever() {
    case("w55", async |case| {
        let provider = oidc(case, OidcProviderOptions::default()).await;
        let mut spec = app("one");
        // Three seconds here.
        spec["deletionTimeout"] = json!("60s");
        case.client("", spec).await;
        case.ready("").await;
        let id = case.secret("").await.unwrap()["client_id"].clone();
        provider.go_down().await.unwrap();
        case.stage
            .providers()
            .delete("w55", &kube::api::DeleteParams::default())
            .await
            .unwrap();
        case.delete("").await;
        case.told("", "Ready", "cannot be reached").await;
        case.gone("").await;
        assert!(case.warned("", "DeletionTimedOut").await.contains(&id));
        assert_eq!(case.record("").await["phase"], "Deleting");
        // The record alone finishes it, once there is somebody to talk to.
        provider.come_up().await.unwrap();
        crate::stage::eventually("the client is deregistered", async || {
            provider.clients().await.unwrap().is_empty().then_some(())
        })
        .await;
        nothing_is_left(case).await;
    });
}
