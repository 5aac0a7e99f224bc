//! CA bundles are stored once, whatever the number of records that need them, and go when none does.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use testbed::operator::{Operator, OperatorOptions};
use testbed::providers::{Persona, ScriptableProvider};
use testbed::site::oauth_client;

use crate::scene::{CLIENT, edited};
use crate::stage::{BINARY, Stage, Unmanned, eventually, plane, rights};

const BUNDLE: &str = "oauth-client-operator.dev/ca-bundle";
const BUNDLE_OF: &str = "oauth-client-operator.dev/ca-bundle-of";
const LAST_USED: &str = "oauth-client-operator.dev/last-used";
/// Clients that share a bundle.
const COUNT: usize = 60;

/// An authority among many: as large as the bundle of a distribution.
fn bundle(double: &ScriptableProvider) -> String {
    let ca = double.ca().unwrap();
    let mut text = String::new();
    while text.len() < 150_000 {
        text += "# an authority that signed nothing here, which is why only its name is listed in this bundle\n";
    }
    text + ca
}

async fn apply_provider(stage: &Stage, double: &ScriptableProvider, pem: &str) {
    let provider = json!({
        "apiVersion": "oauth-client-operator.dev/v1alpha1", "kind": "OAuthProvider",
        "metadata": {"name": "provider"},
        "spec": {"issuer": double.url(), "tls": {"caBundle": pem}},
    });
    let args = ["-n", stage.apps.name(), "apply", "--server-side", "-f", "-"];
    let output = plane().await.kubectl_with(&args, &provider.to_string()).await.unwrap();
    output.stdout().unwrap();
}

async fn kept(stage: &Stage, selector: &str) -> Vec<Secret> {
    stage
        .kept()
        .list(&ListParams::default().labels(selector))
        .await
        .unwrap()
        .items
}

async fn records(stage: &Stage) -> BTreeMap<String, (Secret, Value)> {
    let records = kept(stage, "oauth-client-operator.dev/role=record").await.into_iter();
    let read = |secret: Secret| {
        let record: Value = serde_json::from_slice(&secret.data.as_ref().unwrap()["record.json"].0).unwrap();
        (record["owner"]["name"].as_str().unwrap().to_owned(), (secret, record))
    };
    records.map(read).collect()
}

async fn patch(secrets: &Api<Secret>, name: &str, patch: Value) {
    secrets
        .patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
}

/// As if nobody had used it for long.
async fn age(stage: &Stage, name: &str) {
    patch(
        &stage.kept(),
        name,
        json!({"metadata": {"annotations": {LAST_USED: "0"}}}),
    )
    .await;
}

/// A bundle that nothing refers to and nobody used for long. When it is gone, the collector has looked at all that were there.
async fn until_collected(stage: &Stage, letter: char) {
    let name = format!("oauth-client-operator-ca-{}", String::from(letter).repeat(56));
    let decoy: Secret = serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {BUNDLE_OF: "apps"}, "annotations": {LAST_USED: "0"}},
    }))
    .unwrap();
    stage.kept().create(&PostParams::default(), &decoy).await.unwrap();
    eventually("an unused bundle is removed", async || {
        stage.kept().get_opt(&name).await.unwrap().is_none().then_some(())
    })
    .await;
}

async fn restarted(stage: &Stage, args: &[&str]) -> Operator {
    let watched = [stage.apps.name().to_owned()];
    let options = OperatorOptions {
        binary: BINARY.into(),
        manifests: vec![rights(stage.home.name(), &watched).await],
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        ..OperatorOptions::new(stage.home.name(), &watched)
    };
    Operator::start(plane().await, options).await.unwrap()
}

#[tokio::test]
async fn t159_a_bundle_is_stored_once_and_a_deletion_without_the_provider_object_finds_it() {
    let double = ScriptableProvider::start_with(Persona::Plain, true).await.unwrap();
    let stage = Stage::new("bundle").await;
    let pem = bundle(&double);
    let idle = stage.operator.memory_peak().unwrap();
    apply_provider(&stage, &double, &pem).await;
    let clients: String = (0..COUNT)
        .map(|number| oauth_client(&format!("app-{number}"), CLIENT))
        .collect();
    stage.apply(&clients).await;
    for number in 0..COUNT {
        stage.ready(&format!("app-{number}")).await;
    }
    let bundles = kept(&stage, BUNDLE_OF).await;
    assert_eq!(
        bundles.len(),
        1,
        "{:?}",
        bundles.iter().map(ResourceExt::name_any).collect::<Vec<_>>()
    );
    let stored = &bundles[0];
    assert_eq!(stored.data.as_ref().unwrap()["ca.crt"].0, pem.as_bytes());
    assert_eq!(stored.labels()[BUNDLE_OF], stage.apps.name());
    let records = records(&stage).await;
    assert_eq!(records.len(), COUNT);
    let mut sizes = 0;
    for (secret, record) in records.values() {
        assert_eq!(record["management"].get("caBundle"), None);
        assert!(stored.name_any().ends_with(&secret.labels()[BUNDLE]));
        sizes += secret.data.as_ref().unwrap()["record.json"].0.len();
    }
    let memory = stage.operator.memory_peak().unwrap() - idle;
    eprintln!("{COUNT} records: {sizes} bytes; memory: {memory} bytes more than idle");
    assert!(sizes < COUNT * 4096, "{sizes}");

    // The record is all that is left of the authority.
    stage.operator.stop().await.unwrap();
    stage.kubectl(&["delete", "oauthprovider", "provider"]).await;
    let operator = restarted(&stage, &[]).await;
    stage
        .kubectl(&["delete", "oauthclient", "app-0", "--timeout=60s"])
        .await;
    assert_eq!(double.clients().len(), COUNT - 1);
    operator.stop().await.unwrap();
}

#[tokio::test]
async fn t159_a_record_of_an_earlier_version_is_read_and_refers_to_the_bundle_from_its_next_update_on() {
    let double = ScriptableProvider::start_with(Persona::Plain, true).await.unwrap();
    let stage = Stage::new("bundle-inline").await;
    let pem = bundle(&double);
    apply_provider(&stage, &double, &pem).await;
    stage
        .apply(&(oauth_client("kept", CLIENT) + &oauth_client("deleted", CLIENT)))
        .await;
    for name in ["kept", "deleted"] {
        stage.ready(name).await;
    }
    stage.operator.stop().await.unwrap();
    for (secret, mut record) in records(&stage).await.into_values() {
        let management = record["management"].as_object_mut().unwrap();
        management.remove("caBundleDigest").unwrap();
        management.insert("caBundle".to_owned(), pem.clone().into());
        let bytes = ByteString(serde_json::to_vec(&record).unwrap());
        let labels = json!({"labels": {BUNDLE: null}});
        patch(
            &stage.kept(),
            &secret.name_any(),
            json!({"metadata": labels, "data": {"record.json": bytes}}),
        )
        .await;
    }
    for secret in kept(&stage, BUNDLE_OF).await {
        stage
            .kept()
            .delete(&secret.name_any(), &kube::api::DeleteParams::default())
            .await
            .unwrap();
    }
    let operator = restarted(&stage, &[]).await;
    stage.apply(&oauth_client("kept", &edited("two"))).await;
    eventually("the record refers to the bundle", async || {
        let records = records(&stage).await;
        let (secret, record) = &records["kept"];
        let refers = record["management"].get("caBundle").is_none() && secret.labels().contains_key(BUNDLE);
        refers.then_some(())
    })
    .await;
    assert_eq!(kept(&stage, BUNDLE_OF).await.len(), 1);
    stage.kubectl(&["delete", "oauthprovider", "provider"]).await;
    stage
        .kubectl(&["delete", "oauthclient", "deleted", "kept", "--timeout=60s"])
        .await;
    assert!(double.clients().is_empty());
    operator.stop().await.unwrap();
}

#[tokio::test]
async fn t159_a_bundle_is_removed_when_nothing_refers_to_it_and_not_before() {
    let double = ScriptableProvider::start_with(Persona::Plain, true).await.unwrap();
    let unmanned = Unmanned::new("bundle-unused").await;
    let mut options = unmanned.options().await;
    // A look every three seconds.
    options.args.extend(["--time-scale", "1200"].map(str::to_owned));
    let stage = unmanned.man(options).await;
    apply_provider(&stage, &double, &bundle(&double)).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    stage.ready("app").await;
    let name = kept(&stage, BUNDLE_OF).await[0].name_any();
    stage.operator.stop().await.unwrap();

    let operator = restarted(&stage, &["--time-scale", "1200"]).await;
    age(&stage, &name).await;
    for letter in ['0', 'f'] {
        until_collected(&stage, letter).await;
    }
    assert!(
        stage.kept().get_opt(&name).await.unwrap().is_some(),
        "a record refers to it"
    );

    // Whoever refers to it uses it first.
    stage.apply(&oauth_client("next", CLIENT)).await;
    stage.ready("next").await;
    let used: i64 = stage.kept().get(&name).await.unwrap().annotations()[LAST_USED]
        .parse()
        .unwrap();
    assert!(used > 0, "it was used before a record came to refer to it");

    stage
        .kubectl(&["delete", "oauthclient", "app", "next", "--timeout=60s"])
        .await;
    age(&stage, &name).await;
    eventually("the bundle is removed", async || {
        stage.kept().get_opt(&name).await.unwrap().is_none().then_some(())
    })
    .await;
    assert!(double.clients().is_empty());
    operator.stop().await.unwrap();
}

/// Without its authorities, a record's token would go to whomever those of the system vouch for.
#[tokio::test]
async fn t159_a_record_whose_bundle_is_lost_is_not_used_until_it_is_restored() {
    let double = ScriptableProvider::start_with(Persona::Plain, true).await.unwrap();
    let mut stage = Stage::new("bundle-lost").await;
    apply_provider(&stage, &double, &bundle(&double)).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    stage.ready("app").await;
    let mut lost = kept(&stage, BUNDLE_OF).await.remove(0);
    let name = lost.name_any();
    stage.kept().delete(&name, &DeleteParams::default()).await.unwrap();
    let next = restarted(&stage, &[]).await;
    std::mem::replace(&mut stage.operator, next).stop().await.unwrap();
    let deletions = || double.seen().iter().filter(|seen| seen.method == "DELETE").count();
    stage.kubectl(&["delete", "oauthclient", "app", "--wait=false"]).await;
    let message = stage.failed("app", "DeletionBlocked").await;
    assert!(
        message.contains(&name) && message.contains("restore that Secret"),
        "{message}"
    );
    assert_eq!(deletions(), 0);
    lost.metadata.resource_version = None;
    lost.metadata.uid = None;
    stage.kept().create(&PostParams::default(), &lost).await.unwrap();
    stage.gone("app").await;
    assert_eq!(deletions(), 1);
    assert!(double.clients().is_empty());
}
