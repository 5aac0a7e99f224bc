//! docs/restore.md, command by command, with live clients at real providers: objects that come back with a new UID.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::Value;

use crate::installed::{COUNT, Form, HOME, Installed};
use crate::page::blocks;
use crate::stage::eventually;

const PAGE: &str = "docs/restore.md";
const MESSAGE: &str = "jsonpath={.status.conditions[?(@.type==\"Ready\")].message}";

impl Installed {
    /// Ends the operator, and takes the finalizers off.
    async fn unfinalized(&mut self) {
        self.script("kubectl delete -k deploy/").await;
        for (namespace, _) in &self.sites {
            for number in 0..COUNT {
                let name = format!("app-{number}");
                let patch = ["--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#];
                self.kubectl(&[&["-n", namespace, "patch", "oauthclient", &name][..], &patch].concat())
                    .await;
            }
        }
    }

    /// Takes off the labels that an earlier version of the operator did not write.
    async fn unlabelled(&self) {
        let records = [
            "-n",
            HOME,
            "label",
            "secrets",
            "-l",
            "oauth-client-operator.dev/role=record",
        ];
        let taken = ["oauth-client-operator.dev/object-", "oauth-client-operator.dev/client-"];
        self.kubectl(&[&records[..], &taken].concat()).await;
    }

    /// The data of each application's Secret.
    async fn credentials(&self) -> BTreeMap<String, Value> {
        let mut found = BTreeMap::new();
        for (namespace, _) in &self.sites {
            let secrets: Api<Secret> = Api::namespaced(self.plane.client().unwrap(), namespace);
            for number in 0..COUNT {
                let name = format!("app-{number}");
                let data = secrets.get(&name).await.unwrap().data;
                found.insert(format!("{namespace}/{name}"), serde_json::to_value(data).unwrap());
            }
        }
        found
    }

    /// UIDs that the records carry, in the order of their names.
    async fn owners(&self) -> Vec<String> {
        let secrets: Api<Secret> = Api::namespaced(self.plane.client().unwrap(), HOME);
        let labelled = ListParams::default().labels("oauth-client-operator.dev/role=record");
        let records = secrets.list(&labelled).await.unwrap();
        let label = |record: &Secret| record.labels()["oauth-client-operator.dev/client-uid"].clone();
        records.iter().map(label).collect()
    }

    /// Each object has a record of its own, and no other record is left.
    async fn records_are_of_living_objects(&self) {
        eventually("each record belongs to an object that is there", async || {
            let uids = ["get", "oauthclients", "-A", "-o", "jsonpath={.items[*].metadata.uid}"];
            let mut uids: Vec<_> = self.kubectl(&uids).await.split(' ').map(str::to_owned).collect();
            let mut owners = self.owners().await;
            uids.sort();
            owners.sort();
            (uids == owners).then_some(())
        })
        .await;
    }

    async fn message(&self, namespace: &str, name: &str) -> String {
        self.kubectl(&["-n", namespace, "get", "oauthclient", name, "-o", MESSAGE])
            .await
    }
}

#[tokio::test]
async fn t210_objects_whose_definitions_were_lost_get_their_clients_back() {
    let mut installed = Installed::new(Form::Cluster).await;
    let (ids, credentials, owners) = (
        installed.ids().await,
        installed.credentials().await,
        installed.owners().await,
    );
    installed.unfinalized().await;
    installed.script("kubectl delete -k deploy/crds --timeout=60s").await;
    assert_eq!(installed.owners().await, owners);
    installed.none_is_unnamed().await;
    installed.unlabelled().await;

    for (_, step) in blocks(PAGE, "## The objects are lost") {
        // What the page leaves to the backup tool comes before the operator is started.
        if step.contains("-k deploy/\n") {
            installed.apply_clients().await;
        }
        installed.script(&step).await;
    }
    assert_eq!(installed.ids().await, ids, "nothing is registered again");
    assert_eq!(installed.credentials().await, credentials);
    installed.records_are_of_living_objects().await;
    assert!(installed.owners().await.iter().all(|uid| !owners.contains(uid)));
    // The operator still manages them: it deregisters each by what its record holds.
    installed
        .script("kubectl delete oauthclients --all --all-namespaces --timeout=60s")
        .await;
    assert_eq!(installed.ids().await.values().flatten().count(), 0);
    assert_eq!(installed.owners().await, Vec::<String>::new());
}

/// Whoever creates a namespace again may be somebody else.
#[tokio::test]
async fn t211_a_namespace_that_was_created_again_gets_its_clients_back_only_by_permission() {
    let mut installed = Installed::new(Form::Cluster).await;
    let (ids, owners) = (installed.ids().await, installed.owners().await);
    installed.unfinalized().await;
    for (namespace, _) in &installed.sites {
        installed.plane.delete_namespace(namespace).await.unwrap();
    }
    installed.apply_clients().await;
    installed.script("kubectl apply -k deploy/").await;
    for namespace in ["token", "credentials"] {
        for number in 0..COUNT {
            let name = format!("app-{number}");
            eventually("the restored object is refused", async || {
                let said = installed.message(namespace, &name).await;
                (said.contains("deleted and created again") && said.contains("suspects ack --unmatched")).then_some(())
            })
            .await;
        }
    }
    let table = installed.follow(PAGE, "## The namespace was created again").await;
    assert_eq!(table.matches("kubectl -n ").count(), 2 * COUNT, "{table}");
    assert_eq!(installed.ids().await, ids, "nothing is registered");
    assert_eq!(installed.owners().await, owners);
    assert_eq!(installed.secrets().await, 0);

    // All but one are taken over, by the command of the message; the last one is given up.
    for (namespace, number) in [
        ("token", 0),
        ("token", 1),
        ("credentials", 0),
        ("credentials", 1),
        ("credentials", 2),
    ] {
        let said = installed.message(namespace, &format!("app-{number}")).await;
        let (_, command) = said.split_once("let it take the client over: ").unwrap();
        let (command, _) = command.split_once(". To have").unwrap();
        installed.script(command).await;
    }
    let said = installed.message("token", "app-2").await;
    let (_, command) = said.split_once("then run: ").unwrap();
    installed.script(command).await;
    installed.all_ready_within(120).await;
    let now = installed.ids().await;
    assert_eq!(now["credentials"], ids["credentials"]);
    let kept = now["token"].iter().filter(|id| ids["token"].contains(id));
    assert_eq!(
        kept.count(),
        COUNT,
        "{now:?}: its client was not deleted at the provider"
    );
    assert_eq!(now["token"].len(), COUNT + 1, "{now:?}: one new client");
    assert_eq!(installed.secrets().await, 2 * COUNT);
    installed.records_are_of_living_objects().await;
}
