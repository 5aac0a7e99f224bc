//! Absence needs proof: whatever refuses a call, a client that exists at the provider stays named, with its token.

use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use serde_json::{Value, json};
use testbed::providers::{Fault, Reply, ScriptableProvider};

use super::management::judge;
use super::{Case, Settled, case};
use crate::stage::eventually;

/// The record that the suspect of this client holds.
async fn kept_record(case: Case, client_id: &str) -> Value {
    let labelled = ListParams::default().labels("oauth-client-operator.dev/role=suspect");
    let suspects = case.stage.kept().list(&labelled).await.unwrap().items;
    let of_client = |secret: &&Secret| {
        let data = secret.data.as_ref();
        data.and_then(|data| data.get("client_id"))
            .is_some_and(|id| id.0 == client_id.as_bytes())
    };
    let suspect = suspects.iter().find(of_client).unwrap();
    let record = &suspect.data.as_ref().unwrap()["record.json"].0;
    serde_json::from_slice(record).unwrap()
}

/// Clients at the provider that neither a record nor a suspect names: there is never one.
pub(super) async fn all_are_named(case: Case, double: &ScriptableProvider, excuses: &'static [&'static str]) {
    case.judge(Settled {
        ledger: double.clients(),
        excuses,
        ..Settled::default()
    })
    .await;
}

/// Changes the provider object, as whoever has mended something does.
async fn touch(case: Case, double: &ScriptableProvider) {
    case.provider(json!({"issuer": double.url(), "timeouts": {"request": "14s"}}))
        .await;
}

/// A token that was regenerated, an expired one, a firewall's 403, a 404 for a method that is not offered, a 400: each was taken
/// for absence, and lost a living client in silence.
#[test]
fn t135_a_refused_deletion_keeps_the_client_named_until_it_is_really_gone() {
    case("t135", async |case| {
        let double = case.double().await;
        let refusals = [
            ("expired", Reply::json(401, &json!({"error": "invalid_token"}))),
            ("forbidden", Reply::empty(403)),
            ("missing", Reply::json(404, &json!({"error": "not_found"}))),
            ("invalid", Reply::json(400, &json!({"error": "invalid_token"}))),
            ("gone", Reply::empty(410)),
        ];
        let mut ids = Vec::new();
        for (suffix, _) in &refusals {
            ids.push(case.ready_app(suffix, suffix).await["client_id"].clone());
        }
        let by_id: Vec<_> = ids
            .iter()
            .cloned()
            .zip(refusals.clone().map(|(_, reply)| reply))
            .collect();
        double.script(move |seen| {
            let id = seen.path.strip_prefix("/register/")?;
            let (_, reply) = by_id.iter().find(|(known, _)| known == id)?;
            Some(Fault::Answer(reply.clone()))
        });
        for (suffix, _) in &refusals {
            case.delete(suffix).await;
        }
        for ((suffix, _), id) in refusals.iter().zip(&ids) {
            case.gone(suffix).await;
            let note = case.warned(suffix, "SuspectedOrphan").await;
            assert!(note.contains(id.as_str()) && note.contains("refused"), "{note}");
            let record = kept_record(case, id).await;
            assert_eq!(record["phase"], "Suspect");
            assert!(record["registrationAccessToken"].is_string(), "its token is gone");
            assert!(case.record(suffix).await.is_null());
        }
        assert_eq!(double.clients().len(), refusals.len(), "nothing was deregistered");
        all_are_named(case, &double, &[]).await;
        let metrics = case.stage.operator.metrics().await.unwrap();
        let gauge = metrics
            .lines()
            .find(|line| line.starts_with("oauth_client_operator_suspects{record=\"true\"}"))
            .unwrap();
        assert!(!gauge.ends_with(" 0"), "{gauge}");
        // Somebody mends it at the provider, and says so here.
        double.behave();
        touch(case, &double).await;
        eventually("the suspects are deregistered", async || {
            (double.clients().is_empty() && case.suspects().await.is_empty()).then_some(())
        })
        .await;
    });
}

/// A regenerated secret gives `invalid_client` at the token endpoint, as an unknown client does: the client is registered anew, and
/// the old one stays named.
#[test]
fn t136_a_registration_anew_keeps_the_old_client_named() {
    case("t136", async |case| {
        let double = case.double().await;
        let before = case.ready_app("", "one").await["client_id"].clone();
        // Another client, which the provider accepts all the time: it is not the provider that is in trouble.
        let other = case.ready_app("other", "other").await["client_id"].clone();
        double.regenerate_token(&before);
        double.regenerate_secret(&before);
        case.app("", "two").await;
        case.ready("").await;
        let after = case.secret("").await.unwrap()["client_id"].clone();
        assert_ne!(after, before);
        let mut both = vec![after, before.clone(), other];
        both.sort();
        assert_eq!(double.clients().into_keys().collect::<Vec<_>>(), both);
        let record = kept_record(case, &before).await;
        assert_eq!(
            (&record["clientId"], &record["phase"]),
            (&json!(before), &json!("Suspect"))
        );
        let status = case.ready("").await.status.unwrap();
        assert!(
            status
                .suspects
                .iter()
                .any(|suspect| suspect.client_id.as_ref() == Some(&before))
        );
        all_are_named(case, &double, &[]).await;
        // The old token is in force again: the sweeper deregisters the old client, and not the new one.
        double.set_token(&before, record["registrationAccessToken"].as_str().unwrap());
        touch(case, &double).await;
        eventually("the old client is deregistered", async || {
            (double.clients().len() == 2 && case.suspects().await.is_empty()).then_some(())
        })
        .await;
        judge(case, &double, &[]).await;
    });
}

/// The token that manages a client was regenerated at the provider. Its owner has another client registered in its place, and
/// nothing is lost.
#[test]
fn t136_a_client_that_cannot_be_managed_is_replaced_by_its_owners_wish() {
    case("t136e", async |case| {
        let double = case.double().await;
        let before = case.ready_app("", "one").await["client_id"].clone();
        double.regenerate_token(&before);
        case.app("", "two").await;
        let message = case.failed("", "ManagementLost").await;
        let command = format!("oauth-client-operator.dev/replace={before}");
        assert!(message.contains(&command), "{message}");
        case.stage
            .kubectl(&["annotate", "--overwrite", "oauthclient", &case.named(""), &command])
            .await;
        case.ready("").await;
        let after = case.secret("").await.unwrap();
        assert_ne!(after["client_id"], before);
        assert_eq!(
            double.clients()[&after["client_id"]]["redirect_uris"],
            json!(["https://app.example/two"])
        );
        assert_eq!(double.clients().len(), 2);
        assert_eq!(kept_record(case, &before).await["clientId"], json!(before));
        let posts = double.count("POST", "/register");
        case.look_again("", "1").await;
        case.ready_app("", "three").await;
        assert_eq!(double.count("POST", "/register"), posts, "replaced once");
        all_are_named(case, &double, &[]).await;
    });
}

/// The old client comes back as the answer: it is the same one, so no suspect stays, and nothing deregisters it.
#[test]
fn t136_a_registration_anew_that_brings_the_old_client_back_leaves_no_suspect() {
    case("t136b", async |case| {
        let double = case.double().await;
        let id = case.ready_app("", "one").await["client_id"].clone();
        let other = case.ready_app("other", "other").await["client_id"].clone();
        double.regenerate_token(&id);
        double.regenerate_secret(&id);
        let answer = double.registration_of(&id);
        double.script(move |seen| {
            let post = seen.method == "POST" && seen.path == "/register";
            post.then(|| Fault::Answer(Reply::json(201, &answer)))
        });
        case.app("", "two").await;
        case.ready("").await;
        assert_eq!(case.secret("").await.unwrap()["client_id"], id);
        eventually("no suspect is left", async || {
            case.suspects().await.is_empty().then_some(())
        })
        .await;
        double.behave();
        touch(case, &double).await;
        case.ready_app("", "three").await;
        assert_eq!(double.clients().into_keys().collect::<Vec<_>>(), [id, other]);
        judge(case, &double, &[]).await;
    });
}

/// A provider fails over to a store that lags behind: everybody's token and everybody's credentials are refused for a while. No working
/// credential is replaced, and all goes on afterwards.
#[test]
fn t136_a_provider_that_refuses_everybody_for_a_while_costs_no_client_and_no_credential() {
    case("t136c", async |case| {
        let double = case.double().await;
        let names = ["a", "b", "c", "d", "e"];
        let mut before = Vec::new();
        for suffix in names {
            before.push(case.ready_app(suffix, "one").await);
        }
        double.script(|seen| {
            let refused = match seen.path.as_str() {
                "/revoke" | "/token" => Reply::json(401, &json!({"error": "invalid_client"})),
                path if path.starts_with("/register/") => Reply::json(401, &json!({"error": "invalid_token"})),
                _ => return None,
            };
            Some(Fault::Answer(refused))
        });
        for suffix in names {
            case.app(suffix, "two").await;
        }
        // The newest client has no newer one to be compared with, and would have to be rejected for an hour.
        for suffix in ["a", "b", "c", "d"] {
            case.failed(suffix, "ManagementLost").await;
        }
        case.delete("e").await;
        case.gone("e").await;
        let posts = double.count("POST", "/register");
        // Twenty minutes, twenty times as fast.
        tokio::time::sleep(std::time::Duration::from_mins(1)).await;
        assert_eq!(double.count("POST", "/register"), posts, "somebody was registered anew");
        for (suffix, before) in names.iter().zip(&before).take(4) {
            assert_eq!(case.secret(suffix).await.as_ref(), Some(before));
        }
        assert_eq!(double.clients().len(), names.len());
        all_are_named(case, &double, &["ManagementLost", "ClientMissing"]).await;
        double.behave();
        for suffix in names.iter().take(4) {
            case.ready_app(suffix, "three").await;
        }
        touch(case, &double).await;
        eventually("the suspect is deregistered", async || {
            (double.clients().len() == 4 && case.suspects().await.is_empty()).then_some(())
        })
        .await;
        judge(case, &double, &[]).await;
    });
}

/// Without a look at its credentials, nothing that a provider says later is taken for a client's absence.
#[test]
fn t136_a_client_whose_credentials_were_never_accepted_is_never_registered_anew() {
    case("t136d", async |case| {
        let double = ScriptableProvider::start(testbed::providers::Persona::Plain)
            .await
            .unwrap();
        case.provider(json!({"issuer": double.url(), "verify": "Never"})).await;
        let id = case.ready_app("", "one").await["client_id"].clone();
        case.ready_app("other", "other").await;
        assert_eq!(double.count("POST", "/revoke"), 0);
        assert!(double.remove_client(&id));
        case.app("", "two").await;
        case.failed("", "ManagementLost").await;
        tokio::time::sleep(std::time::Duration::from_secs(8)).await;
        assert_eq!(double.count("POST", "/register"), 2);
        case.failed("", "ManagementLost").await;
    });
}
