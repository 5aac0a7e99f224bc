//! docs/uninstall.md, command by command, with live clients at a provider that gives each client a management token, and at one that
//! manages clients by the operator's credentials.

use crate::installed::{Form, Installed};
use crate::page::blocks;
use crate::stage::eventually;

const PAGE: &str = "docs/uninstall.md";

async fn lost_and_back(form: Form) {
    let mut installed = Installed::new(form).await;
    let before = installed.ids().await;
    installed.lose_the_operator().await;

    installed.follow(PAGE, "## Bring the operator back").await;
    installed.all_ready().await;
    assert_eq!(installed.ids().await, before, "nothing is registered again");
    installed.none_is_unnamed().await;

    // Deletions that are asked for while there is no operator wait for it.
    installed.lose_the_operator().await;
    installed
        .script("kubectl delete oauthclients --all --all-namespaces --wait=false")
        .await;
    assert_eq!(installed.ids().await, before);
    installed.follow(PAGE, "## Bring the operator back").await;
    eventually("the clients are deregistered", async || {
        installed.ids().await.values().all(Vec::is_empty).then_some(())
    })
    .await;
    let said = installed.follow(PAGE, "## Remove everything").await;
    assert!(said.contains("No resources found"), "{said}");
    if !form.is_helm() {
        installed.nothing_is_left().await;
    }
}

#[tokio::test]
async fn t130_kustomize_loses_no_client_when_the_operator_is_deleted_with_live_clients() {
    Box::pin(lost_and_back(Form::Cluster)).await;
}

#[tokio::test]
async fn t130_the_form_for_chosen_namespaces_loses_no_client_either() {
    Box::pin(lost_and_back(Form::Namespaced)).await;
}

#[tokio::test]
async fn t130_helm_for_chosen_namespaces_loses_no_client_either() {
    Box::pin(lost_and_back(Form::HelmNamespaced)).await;
}

#[tokio::test]
async fn t130_helm_loses_no_client_when_the_release_is_uninstalled_with_live_clients() {
    Box::pin(lost_and_back(Form::Helm)).await;
}

#[tokio::test]
async fn t130_the_documented_removal_deregisters_every_client() {
    let mut installed = Installed::new(Form::Cluster).await;
    let said = installed.follow(PAGE, "## Remove everything").await;
    assert!(said.contains("No resources found"), "{said}");
    assert_eq!(installed.ids().await.values().flatten().count(), 0);
    installed.nothing_is_left().await;
}

#[tokio::test]
async fn t130_retained_clients_and_their_secrets_outlive_the_documented_removal() {
    let mut installed = Installed::new(Form::Cluster).await;
    let before = installed.ids().await;
    installed.follow(PAGE, "## Keep the clients at the provider").await;
    for (_, block) in blocks(PAGE, "## Remove everything").iter().take(2) {
        installed.script(block).await;
    }
    assert_eq!(installed.ids().await, before);
    assert_eq!(installed.secrets().await, installed.count());
    installed.none_is_unnamed().await;
    for (kind, block) in blocks(PAGE, "## Remove everything").iter().skip(2) {
        if !kind.ends_with("helm") {
            installed.script(block).await;
        }
    }
    assert_eq!(installed.ids().await, before);
    assert_eq!(installed.secrets().await, installed.count());
}

#[tokio::test]
async fn t130_helm_4_loses_no_client_when_the_release_is_uninstalled_with_live_clients() {
    lost_and_back(Form::Helm4).await;
}
