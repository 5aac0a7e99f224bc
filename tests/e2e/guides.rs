//! docs/upgrade.md, docs/restore.md (the backup), docs/air-gapped.md and docs/sizing.md, command by command.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use testbed::site::{Site, oauth_client};

use crate::helm::works_as;
use crate::installed::{Form, HOME, Installed};
use crate::page::{Shell, blocks};
use crate::scene::{CLIENT, edited};
use crate::stage::{Stage, eventually};
use crate::watches::without;

const UPGRADE: &str = "docs/upgrade.md";
const RESTORE: &str = "docs/restore.md";
const AIR_GAPPED: &str = "docs/air-gapped.md";

#[tokio::test]
async fn t341_an_upgrade_by_the_page_begins_with_the_definitions_and_keeps_every_client() {
    let mut installed = Installed::new(Form::Cluster).await;
    let before = installed.ids().await;
    // The operator of the new version is there before its definitions.
    let (operator, _) = installed.operator.as_mut().unwrap();
    operator.stop().await.unwrap();
    let definition = concat!(env!("CARGO_MANIFEST_DIR"), "/crds/oauthclients.yaml");
    let older = without(&std::fs::read_to_string(definition).unwrap(), "              suspects:");
    let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    let apply = installed.plane.kubectl_with(&apply, &older).await.unwrap();
    apply.stdout().unwrap();
    operator.relaunch().await.unwrap();
    let url = format!("http://{}/readyz", operator.admin_address());
    eventually("/readyz says what to do", async || {
        let answer = testbed::providers::http(None).get(&url).send().await.ok()?;
        let (status, text) = (answer.status(), answer.text().await.ok()?);
        (!status.is_success() && text.contains("upgrade the CRDs: they lack OAuthClient.status.suspects")).then_some(())
    })
    .await;
    assert!(operator.log().contains("upgrade the CRDs"), "{}", operator.log());
    assert_eq!(installed.ids().await, before);

    installed.follow(UPGRADE, "## With kubectl").await;
    installed.operator.as_ref().unwrap().0.ready().await.unwrap();
    let said = installed.follow(UPGRADE, "## Check the result").await;
    let ready = said.lines().filter(|line| line.contains(" True "));
    assert_eq!(ready.count(), installed.count(), "{said}");
    works_as(&installed, &before, "upgraded").await;
    installed.follow(UPGRADE, "## Roll back").await;
    works_as(&installed, &before, "rolled-back").await;
}

/// The record of the one client of a stage, its form as a newer version would count it.
async fn written_by(stage: &Stage, schema: u32) -> Secret {
    let name = stage.records().await.remove(0);
    let mut data = stage.kept().get(&name).await.unwrap().data.unwrap();
    let mut record: Value = serde_json::from_slice(&data["record.json"].0).unwrap();
    record["schemaVersion"] = json!(schema);
    data.get_mut("record.json").unwrap().0 = record.to_string().into_bytes();
    let patch = Patch::Merge(json!({"data": data}));
    stage
        .kept()
        .patch(&name, &PatchParams::default(), &patch)
        .await
        .unwrap()
}

#[tokio::test]
async fn t342_a_record_of_a_newer_version_is_left_as_it_is() {
    let site = Site::oidc_provider().await.unwrap();
    let stage = Stage::new("newer-record").await;
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    stage.ready("app").await;
    let (clients, secret) = (site.clients().await.unwrap(), stage.secret("app").await);
    written_by(&stage, 2).await;
    stage.apply(&oauth_client("app", &edited("two"))).await;
    let message = stage.failed("app", "InternalError").await;
    assert!(
        message.contains("(schema 2); upgrade the operator; do not delete or abandon it"),
        "{message}"
    );
    assert_eq!(
        (site.clients().await.unwrap(), stage.secret("app").await),
        (clients, secret)
    );

    // An operator that knows the form goes on.
    written_by(&stage, 1).await;
    stage.ready("app").await;
    let changed = site.clients().await.unwrap();
    assert!(
        json!(changed).to_string().contains("https://app.example/two"),
        "{changed:?}"
    );

    let newer = written_by(&stage, 2).await;
    let timeout = json!({"spec": {"deletionTimeout": "2s"}}).to_string();
    let patch = ["patch", "oac", "app", "--type=merge", "-p", &timeout];
    stage.kubectl(&patch).await;
    stage.kubectl(&["delete", "oac", "app", "--timeout=60s"]).await;
    assert_eq!(site.clients().await.unwrap(), changed, "nothing is deregistered");
    assert_eq!(stage.suspects().await.len(), 1);
    let kept = stage.kept().get(&newer.name_any()).await.unwrap();
    assert_eq!(kept.data, newer.data);
}

#[tokio::test]
async fn t343_records_that_are_lost_come_back_from_the_backup_of_the_page() {
    let mut installed = Installed::new(Form::Cluster).await;
    let before = installed.ids().await;
    installed.follow(RESTORE, "## Back up").await;
    let delete = "delete secrets -l oauth-client-operator.dev/role=record";
    installed.script(&format!("kubectl -n {HOME} {delete}")).await;
    let change = r#"{"spec":{"clientName":"changed"}}"#;
    installed
        .script(&format!(
            "kubectl -n token patch oauthclient app-0 --type=merge -p '{change}'"
        ))
        .await;
    let reason = "jsonpath={.status.conditions[?(@.type==\"Ready\")].reason}";
    eventually("the loss shows", async || {
        let query = ["-n", "token", "get", "oauthclient", "app-0", "-o", reason];
        (installed.kubectl(&query).await == "RecordLost").then_some(())
    })
    .await;
    assert_eq!(installed.secrets().await, installed.count());
    installed.follow(RESTORE, "## The records are lost").await;
    works_as(&installed, &before, "restored").await;
}

/// Installs from what the page transfers, and registers clients.
async fn without_internet(form: Form, heading: &str, kind: &str) {
    let sites = vec![("token".to_owned(), Site::oidc_provider().await.unwrap())];
    let mut installed = Installed::bare(form, sites).await;
    for (found, block) in blocks(AIR_GAPPED, heading) {
        assert_eq!(found, kind);
        installed.script(&block).await;
    }
    installed.apply_clients().await;
    installed.all_ready().await;
    let images = ["get", "deployments", "-A", "-o", "jsonpath={..image}"];
    let (version, images) = (env!("CARGO_PKG_VERSION"), installed.kubectl(&images).await);
    assert_eq!(
        images,
        format!("registry.internal.example/oauth-client-operator:{version}")
    );
    let (operator, _) = installed.operator.take().unwrap();
    operator.stop().await.unwrap();
}

#[tokio::test]
async fn t345_the_chart_is_installed_from_its_archive_with_one_image() {
    without_internet(Form::Helm, "## The chart as an archive", "console").await;
}

#[tokio::test]
async fn t345_the_bundles_are_applied_from_files_with_one_image() {
    without_internet(Form::Cluster, "## kustomize as one file", "console kustomize").await;
}

#[tokio::test]
async fn t346_the_memory_of_the_page_of_sizing_is_that_of_the_chart() {
    let shell = Shell::new(crate::stage::plane().await).await;
    let template = "helm template oauth-client-operator charts/oauth-client-operator --kube-version 1.36.0";
    let (succeeded, default) = shell.run(template).await;
    assert!(succeeded, "{default}");
    let text =
        std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/sizing.md")).unwrap();
    for memory in ["32Mi", "128Mi"] {
        assert!(
            default.contains(&format!("memory: {memory}")) && text.contains(memory),
            "{memory}"
        );
    }
    let values = &blocks("docs/sizing.md", "## Memory and processor")[0];
    assert_eq!(values.0, "yaml");
    let (succeeded, more) = shell
        .run(&format!("{template} --values - <<'END'\n{}END\n", values.1))
        .await;
    assert!(
        succeeded && more.contains("memory: 512Mi") && !more.contains("memory: 32Mi"),
        "{more}"
    );
}
