//! Helm 3 and Helm 4: what both render, and an upgrade from an earlier chart, a rollback, an uninstallation and a new installation with live
//! clients, by docs/upgrade.md.

use std::collections::BTreeSet;

use serde::Deserialize as _;
use serde_json::Value;
use testbed::operator::NAME;
use testbed::site::Site;

use crate::installed::{Form, HOME, Installed};
use crate::page::{Shell, blocks};
use crate::stage::{eventually, plane};

/// A chart of an earlier version, kept as `helm package` made it.
const EARLIER: &str = "tests/golden/chart-0.0.1.tgz";
const CHART: &str = "charts/oauth-client-operator";
const UPGRADE: &str = "docs/upgrade.md";

/// The objects of a stream of manifests.
fn objects(manifests: &str) -> BTreeSet<String> {
    let documents = serde_yaml::Deserializer::from_str(manifests).map(|document| Value::deserialize(document).unwrap());
    documents
        .filter(|object| !object.is_null())
        .map(|object| object.to_string())
        .collect()
}

#[tokio::test]
async fn t281_helm_4_finds_nothing_to_warn_of_and_renders_what_helm_3_renders() {
    use testbed::provision::Program::{Helm, Helm4};
    let plane = plane().await;
    let (three, four) = (
        Shell::with_helm(plane, Helm).await,
        Shell::with_helm(plane, Helm4).await,
    );
    for (shell, version) in [(&three, "v3."), (&four, "v4.")] {
        let (_, said) = shell.run("helm version --short").await;
        assert!(said.starts_with(version), "{said}");
        let (succeeded, said) = shell
            .run(&format!("helm lint --strict {CHART} --kube-version 1.36.0"))
            .await;
        assert!(succeeded, "{said}");
    }
    for values in [
        "",
        "--set 'watch.namespaces={shop}'",
        "--set replicas=1 --set leaderElection.enabled=false",
        "--set networkPolicy.enabled=true --set metrics.serviceMonitor.enabled=true --set metrics.prometheusRule.enabled=true",
    ] {
        let script = format!("helm template {NAME} {CHART} --namespace home --kube-version 1.36.0 {values}");
        let mut rendered = Vec::new();
        for shell in [&three, &four] {
            let (succeeded, said) = shell.run(&script).await;
            assert!(succeeded, "{said}");
            rendered.push(objects(&said));
        }
        assert!(rendered[0].len() > 8, "{values}");
        assert_eq!(rendered[0], rendered[1], "{values}");
    }
    let (succeeded, said) = four.run(&format!("helm template {NAME} {CHART} --set replcas=1")).await;
    assert!(!succeeded && said.contains("replcas"), "{said}");
}

/// An installation of the earlier chart is upgraded, rolled back, upgraded again, uninstalled and installed anew.
async fn there_and_back(form: Form) {
    let mut installed = Installed::bare(form, vec![("token".to_owned(), Site::oidc_provider().await.unwrap())]).await;
    let in_home = format!("--namespace {HOME}");
    // The binary is today's, and would say that the definitions of the earlier chart are too old: no operator runs with them.
    let earlier = format!("helm install {NAME} {EARLIER} {in_home} --create-namespace");
    let (succeeded, said) = installed.shell.run(&earlier).await;
    assert!(succeeded, "{said}");

    installed.follow(UPGRADE, "## With Helm").await;
    installed.apply_clients().await;
    installed.all_ready().await;
    let before = installed.ids().await;
    assert_eq!(before.values().flatten().count(), installed.count());

    if let Some((operator, _)) = installed.operator.take() {
        operator.stop().await.unwrap();
    }
    let rollback = blocks(UPGRADE, "## Roll back")
        .into_iter()
        .find(|(kind, _)| kind.ends_with("helm"));
    let (succeeded, said) = installed.shell.run(&rollback.unwrap().1).await;
    assert!(succeeded, "{said}");
    assert_eq!(installed.ids().await, before);
    assert_eq!(installed.secrets().await, installed.count());
    installed.none_is_unnamed().await;

    installed.follow(UPGRADE, "## With Helm").await;
    works_as(&installed, &before, "upgraded").await;
    installed.lose_the_operator().await;
    let again = format!("helm install {NAME} {CHART} {in_home}");
    installed.script(&again).await;
    works_as(&installed, &before, "installed-anew").await;
}

/// Every client is the one of before, and a change arrives.
pub async fn works_as(installed: &Installed, before: &std::collections::BTreeMap<String, Vec<String>>, what: &str) {
    installed.all_ready().await;
    assert_eq!(installed.ids().await, *before, "nothing is registered again");
    let patch = format!(r#"{{"spec":{{"clientName":"{what}"}}}}"#);
    installed
        .kubectl(&[
            "-n",
            "token",
            "patch",
            "oauthclient",
            "app-0",
            "--type=merge",
            "-p",
            &patch,
        ])
        .await;
    eventually("the change arrives", async || {
        let clients = installed.sites[0].1.clients().await.unwrap();
        clients
            .values()
            .any(|client| client["client_name"] == what)
            .then_some(())
    })
    .await;
    assert_eq!(installed.ids().await, *before);
    installed.none_is_unnamed().await;
}

#[tokio::test]
async fn t282_an_upgrade_a_rollback_and_a_new_installation_by_helm_3_keep_every_client() {
    there_and_back(Form::Helm).await;
}

#[tokio::test]
async fn t282_an_upgrade_a_rollback_and_a_new_installation_by_helm_4_keep_every_client() {
    there_and_back(Form::Helm4).await;
}
