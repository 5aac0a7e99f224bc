//! One client has one owner: a client that exists is not taken over, and what another object uses is not deregistered.

use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use serde_json::{Value, json};
use testbed::providers::{Fault, Reply};

use super::absence::all_are_named;
use super::case;
use super::case::app;
use super::management::judge;
use crate::stage::eventually;

/// A provider that looks for an equal client before it registers one answers with the client of another object.
#[test]
fn t137_two_objects_never_own_one_client() {
    case("t137", async |case| {
        let double = case.double().await;
        let id = case.ready_app("first", "one").await["client_id"].clone();
        let answer = double.registration_of(&id);
        double.script(move |seen| {
            let post = seen.method == "POST" && seen.path == "/register";
            post.then(|| Fault::Answer(Reply::json(200, &answer)))
        });
        case.app("second", "one").await;
        let message = case.failed("second", "AlreadyManaged").await;
        assert!(message.contains(&id) && message.contains("t137-first"), "{message}");
        assert!(case.secret("second").await.is_none() && case.record("second").await.is_null());
        let posts = double.count("POST", "/register");
        // The failures' own timer rings every few seconds here.
        tokio::time::sleep(std::time::Duration::from_secs(4)).await;
        assert_eq!(
            double.count("POST", "/register"),
            posts,
            "the same request is not sent again"
        );
        case.delete("second").await;
        case.gone("second").await;
        assert_eq!(double.count("DELETE", ""), 0);
        judge(case, &double, &[]).await;
        case.delete("first").await;
        case.gone("first").await;
        assert!(double.clients().is_empty() && case.suspects().await.is_empty());
    });
}

/// A client that was there before anybody here asked for one is not taken over, and not forgotten.
#[test]
fn t137_a_client_that_was_there_before_is_not_taken_over() {
    case("t137b", async |case| {
        let double = case.double().await;
        double.add_client(
            "older",
            json!({"redirect_uris": ["https://app.example/one"]})
                .as_object()
                .unwrap()
                .clone(),
        );
        let answer = double.registration_of("older");
        let issued = |at: u64| {
            let mut answer = answer.clone();
            answer["client_id_issued_at"] = json!(at);
            let date = "Thu, 26 Nov 2026 12:00:00 GMT";
            Reply::json(201, &answer).header("date", date)
        };
        // Ten minutes before the answer, by the provider's own clock.
        let reply = issued(1_795_694_400 - 600);
        double.script(move |seen| (seen.method == "POST").then(|| Fault::Answer(reply.clone())));
        case.app("", "one").await;
        let message = case.failed("", "AlreadyManaged").await;
        assert!(message.contains("older"), "{message}");
        assert!(case.secret("").await.is_none() && case.record("").await.is_null());
        assert_eq!(case.suspects().await[0].client_id.as_deref(), Some("older"));
        case.delete("").await;
        case.gone("").await;
        assert_eq!(double.count("DELETE", ""), 0);
        all_are_named(case, &double, &[]).await;
    });
}

/// Two records of one client, as an earlier version of the operator may have left them: deleting one object leaves the other's
/// client alone.
#[test]
fn t137_a_client_that_another_record_uses_is_not_deregistered() {
    case("t137c", async |case| {
        let double = case.double().await;
        let first = case.ready_app("first", "one").await["client_id"].clone();
        case.ready_app("second", "one").await;
        let named = |name: &str| {
            let name = case.named(name);
            async move {
                let labelled = ListParams::default().labels("oauth-client-operator.dev/role=record");
                let records = case.stage.kept().list(&labelled).await.unwrap().items;
                let of = |secret: &Secret| {
                    let bytes = &secret.data.as_ref()?["record.json"].0;
                    let record: Value = serde_json::from_slice(bytes).ok()?;
                    (record["owner"]["name"] == name.as_str()).then_some((secret.clone(), record))
                };
                records.iter().find_map(of).unwrap()
            }
        };
        let (of_first, first_record) = named("first").await;
        let (of_second, mut record) = named("second").await;
        let second = record["clientId"].as_str().unwrap().to_owned();
        for member in [
            "clientId",
            "clientSecret",
            "registrationAccessToken",
            "registrationClientUri",
        ] {
            record[member] = first_record[member].clone();
        }
        let label = "oauth-client-operator.dev/client";
        let patch = json!({
            "metadata": {"labels": {label: of_first.metadata.labels.as_ref().unwrap()[label]}},
            "stringData": {"record.json": record.to_string()},
        });
        let name = of_second.metadata.name.unwrap();
        let params = kube::api::PatchParams::default();
        case.stage
            .kept()
            .patch(&name, &params, &kube::api::Patch::Merge(patch))
            .await
            .unwrap();
        case.delete("second").await;
        case.gone("second").await;
        assert!(case.warned("second", "AlreadyManaged").await.contains(&first));
        assert_eq!(double.count("DELETE", ""), 0);
        assert!(double.clients().contains_key(&first));
        assert!(double.remove_client(&second));
        case.ready_app("first", "two").await;
        judge(case, &double, &[]).await;
    });
}

/// A record that an earlier version wrote carries no label of its client: it gets one before anything is deregistered.
#[test]
fn t137_records_of_an_earlier_version_are_labelled_before_anything_is_deregistered() {
    case("t137d", async |case| {
        let double = case.double().await;
        case.client("", app("one")).await;
        case.ready("").await;
        let labelled = ListParams::default().labels("oauth-client-operator.dev/role=record");
        let kept = case.stage.kept();
        let ours = async || {
            let records = kept.list(&labelled).await.unwrap().items;
            records.into_iter().find(|secret| {
                let text = String::from_utf8_lossy(&secret.data.as_ref().unwrap()["record.json"].0).into_owned();
                text.contains("\"t137d\"")
            })
        };
        let name = ours().await.unwrap().metadata.name.unwrap();
        let patch = json!({"metadata": {"labels": {"oauth-client-operator.dev/client": null}}});
        let params = kube::api::PatchParams::default();
        kept.patch(&name, &params, &kube::api::Patch::Merge(patch))
            .await
            .unwrap();
        eventually("the record is labelled again", async || {
            let labels = ours().await?.metadata.labels?;
            labels.contains_key("oauth-client-operator.dev/client").then_some(())
        })
        .await;
        case.delete("").await;
        case.gone("").await;
        assert!(double.clients().is_empty() && case.suspects().await.is_empty());
    });
}
