//! A client that others may use: its entry keeps the token of the answer, and only a person has it deregistered.

use std::time::Duration;

use kube::ResourceExt;
use serde_json::json;
use testbed::providers::{Fault, Reply};
use testbed::site::oauth_client;

use super::{CLIENT, delete, hides, secrets, stage, suspects};
use crate::stage::eventually;

#[tokio::test]
async fn w172_a_client_that_was_there_before_keeps_its_token_and_is_deregistered_on_request_only() {
    // Two looks at a suspect are ten minutes apart at first.
    let (stage, double) = stage("suspects-disputed", "300").await;
    let metadata = json!({"redirect_uris": ["https://app.example/callback"]});
    double.add_client("older", metadata.as_object().unwrap().clone());
    let mut answer = double.registration_of("older");
    answer["client_id_issued_at"] = json!(1_000_000_000);
    let token = answer["registration_access_token"].clone();
    assert!(token.is_string());
    double.script(move |seen| {
        let answer = || Reply::json(201, &answer);
        (seen.method == "POST").then(|| Fault::Answer(answer()))
    });
    stage.apply(&oauth_client("app", CLIENT)).await;
    stage.failed("app", "AlreadyManaged").await;
    let entry = stage.suspects().await.remove(0);
    let kept: serde_json::Value =
        serde_json::from_slice(&entry.data.as_ref().unwrap()["disputed-record.json"].0).unwrap();
    assert_eq!(
        [&kept["clientId"], &kept["registrationAccessToken"], &kept["inDispute"]],
        [&json!("older"), &token, &json!(true)]
    );
    let name = entry.name_any();
    let shown = suspects(&stage, &["show", &name]).await;
    assert!(
        shown.contains("others may use it") && shown.contains("registration access token"),
        "{shown}"
    );
    hides(&shown, &secrets(&stage).await);

    // Neither the deletion of the object nor the sweeper touches it.
    delete(&stage, "app").await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!((double.count("DELETE", ""), stage.suspects().await.len()), (0, 1));
    suspects(&stage, &["retry", &name]).await;
    eventually("the suspect is settled", async || {
        stage.suspects().await.is_empty().then_some(())
    })
    .await;
    assert!(double.clients().is_empty() && double.count("DELETE", "") == 1);
}
