//! docs/move.md, command by command, with live clients at real providers. Each way ends with every client that is alive there named by
//! a record or a suspect.

use std::collections::BTreeMap;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use testbed::operator::{NAME, Operator, OperatorOptions, chart_manifests};
use testbed::site::Site;

use crate::installed::{COUNT, Form, HOME, Installed};
use crate::page::blocks;
use crate::stage::{BINARY, eventually};

const PAGE: &str = "docs/move.md";
const NEW_HOME: &str = "identity-system";
const KEPT: &str = "oauth-client-operator.dev/role in (record,suspect)";

/// Clients of both kinds of management in the namespace that the namespaced form serves without changes.
async fn in_default(form: Form) -> Installed {
    Installed::with(form, vec![("default".to_owned(), Site::wso2_v1_1().await.unwrap())]).await
}

/// Follows a part of the page; the same clients are there afterwards, named and managed.
async fn unharmed(installed: &mut Installed, heading: &str) {
    let before = installed.ids().await;
    assert_eq!(before.values().flatten().count(), installed.count());
    installed.follow(PAGE, heading).await;
    installed.managed().await;
    assert_eq!(installed.ids().await, before, "{heading}: nothing is registered again");
    assert_eq!(installed.secrets().await, installed.count());
    installed.none_is_unnamed().await;
}

impl Installed {
    /// The operator that runs now changes every client at its provider.
    async fn managed(&self) {
        let uri = format!("https://app.example/{}", self.generation().await + 1);
        for (namespace, _) in &self.sites {
            for number in 0..COUNT {
                let patch = format!(r#"{{"spec":{{"redirectURIs":["{uri}"]}}}}"#);
                let name = format!("app-{number}");
                self.kubectl(&[
                    "-n",
                    namespace,
                    "patch",
                    "oauthclient",
                    &name,
                    "--type=merge",
                    "-p",
                    &patch,
                ])
                .await;
            }
        }
        for (namespace, site) in &self.sites {
            eventually(&format!("the clients of {namespace} are updated"), async || {
                let clients = site.clients().await.unwrap();
                clients
                    .values()
                    .all(|client| client.to_string().contains(&uri))
                    .then_some(())
            })
            .await;
        }
        self.all_ready().await;
    }

    async fn generation(&self) -> u64 {
        let query = [
            "-n",
            &self.sites[0].0,
            "get",
            "oauthclient",
            "app-0",
            "-o",
            "jsonpath={.metadata.generation}",
        ];
        self.kubectl(&query).await.parse().unwrap()
    }

    /// Names of the records and suspects in a namespace.
    async fn kept(&self, namespace: &str) -> Vec<String> {
        let secrets: Api<Secret> = Api::namespaced(self.plane.client().unwrap(), namespace);
        let kept = secrets.list(&ListParams::default().labels(KEPT)).await.unwrap();
        kept.iter().map(ResourceExt::name_any).collect()
    }

    async fn holder(&self, namespace: &str) -> String {
        let leases: Api<Lease> = Api::namespaced(self.plane.client().unwrap(), namespace);
        let lease = leases.get_opt(NAME).await.unwrap();
        lease.and_then(|lease| lease.spec?.holder_identity).unwrap_or_default()
    }

    /// An operator that was started in a namespace of a move.
    async fn launch(&self, namespace: &str, args: &[&str]) -> Operator {
        let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/oauth-client-operator");
        let rights = chart_manifests(&self.plane, chart.as_ref(), namespace, &[]);
        let options = OperatorOptions {
            binary: BINARY.into(),
            manifests: vec![rights.await.unwrap()],
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            ..OperatorOptions::new(namespace, &[])
        };
        Operator::launch(&self.plane, options).await.unwrap()
    }

    /// No operator can begin anything in a namespace, with and without leader election.
    async fn is_closed(&self, namespace: &str) {
        for args in [&[][..], &["--leader-election", "false"]] {
            let operator = self.launch(namespace, args).await;
            let status = operator.ended(std::time::Duration::from_secs(30)).await.unwrap();
            let log = operator.log();
            assert!(!status.success() && log.contains("docs/move.md"), "{log}");
            assert!(!log.contains("became leader"), "{log}");
        }
    }
}

#[tokio::test]
async fn t165_an_operator_that_is_installed_again_manages_the_same_clients() {
    let mut installed = Installed::new(Form::Cluster).await;
    unharmed(&mut installed, "## Install again in the same namespace").await;
}

#[tokio::test]
async fn t165_a_release_that_is_installed_again_manages_the_same_clients() {
    let mut installed = Installed::new(Form::Helm).await;
    unharmed(&mut installed, "## Install again in the same namespace").await;
}

#[tokio::test]
async fn t165_the_form_is_changed_in_both_directions() {
    let mut installed = in_default(Form::Cluster).await;
    unharmed(&mut installed, "### From cluster-wide to namespaced").await;
    unharmed(&mut installed, "### From namespaced to cluster-wide").await;
}

#[tokio::test]
async fn t165_the_form_is_changed_from_namespaced_and_back() {
    let mut installed = in_default(Form::Namespaced).await;
    installed.form = Form::Cluster;
    unharmed(&mut installed, "### From namespaced to cluster-wide").await;
    unharmed(&mut installed, "### From cluster-wide to namespaced").await;
}

#[tokio::test]
async fn t165_the_tool_is_changed_from_kustomize_to_helm_and_back() {
    let mut installed = Installed::new(Form::Cluster).await;
    unharmed(&mut installed, "### From kustomize to Helm").await;
    unharmed(&mut installed, "### From Helm to kustomize").await;
}

#[tokio::test]
async fn t166_the_operator_moves_to_another_namespace() {
    let mut installed = Installed::new(Form::Cluster).await;
    unharmed(&mut installed, "## Move to another namespace").await;
    assert_eq!(installed.kept(NEW_HOME).await.len(), installed.count());
}

#[tokio::test]
async fn t166_a_release_moves_to_another_namespace() {
    let mut installed = Installed::new(Form::Helm).await;
    unharmed(&mut installed, "## Move to another namespace").await;
    assert_eq!(installed.kept(NEW_HOME).await.len(), installed.count());
}

/// One block below a heading: the command that is in it.
fn block_with(heading: &str, text: &str) -> String {
    let found = blocks(PAGE, heading)
        .into_iter()
        .find(|(_, block)| block.contains(text));
    found.unwrap_or_else(|| panic!("no block with {text}")).1
}

#[tokio::test]
async fn t167_a_move_that_is_killed_after_each_write_locks_both_operators_out_and_ends_complete() {
    let mut installed = Installed::new(Form::Cluster).await;
    let before = installed.ids().await;
    let records = installed.kept(HOME).await;
    installed.script("kubectl delete -k deploy/").await;
    let create = block_with("## Move to another namespace", "oauth-client-operator move");
    let (create, moving) = create.split_once('\n').unwrap();
    installed.script(create).await;
    let (moving, mut kills) = (moving.trim_end(), 0);
    loop {
        let (succeeded, said) = installed.shell.run(&format!("{moving} --exit-after-writes 1")).await;
        if succeeded {
            break;
        }
        assert!(said.contains("exits as requested"), "{said}");
        kills += 1;
        assert!(kills < 100, "no end");
        installed.none_is_unnamed().await;
        let (old, new) = (installed.kept(HOME).await, installed.kept(NEW_HOME).await);
        for record in &records {
            assert!(old.contains(record) || new.contains(record), "after write {kills}");
        }
        // The Lease of the old namespace is taken first, so nothing is there to be used before.
        assert_eq!(installed.holder(HOME).await, format!("moved to namespace {NEW_HOME}"));
        match kills {
            // In the middle of the copies, of the markers, and of the removal of the originals.
            6 | 13 | 18 => {
                installed.is_closed(HOME).await;
                installed.is_closed(NEW_HOME).await;
            }
            _ => {}
        }
    }
    assert!(kills >= 4 + 3 * records.len(), "only {kills} writes");
    assert_eq!(installed.kept(HOME).await, Vec::<String>::new());
    assert_eq!(installed.ids().await, before);
    installed.is_closed(HOME).await;
    assert_eq!(installed.holder(NEW_HOME).await, "");

    installed
        .script(&block_with("## Move to another namespace", "kubectl kustomize deploy/"))
        .await;
    installed.managed().await;
    // It is complete, so nothing happens to the operator that runs now.
    let (succeeded, said) = installed.shell.run(moving).await;
    assert!(succeeded && said.contains("Nothing to move"), "{said}");
    installed.managed().await;
    assert_eq!(installed.ids().await, before);
}

#[tokio::test]
async fn t167_a_move_refuses_an_operator_that_leads_and_what_another_move_began() {
    let mut installed = in_default(Form::Cluster).await;
    let before = installed.ids().await;
    installed
        .script("kubectl create namespace other; kubectl create namespace identity-system")
        .await;
    let moving = |from: &str, to: &str| format!("oauth-client-operator move --from {from} --to {to} --timeout 1");
    for (from, to, text) in [
        (HOME, NEW_HOME, "of an operator is in namespace"),
        (HOME, "nowhere", "does not exist"),
        (HOME, HOME, "are the same"),
        ("other", NEW_HOME, "no operator has run"),
    ] {
        let (succeeded, said) = installed.shell.run(&moving(from, to)).await;
        assert!(!succeeded && said.contains(text), "{from} to {to}: {said}");
    }
    installed.managed().await;

    installed.script("kubectl delete -k deploy/").await;
    // The pods end a while after their Deployment, and an operator that could not release its Lease is waited for.
    let moving = |from: &str, to: &str| format!("oauth-client-operator move --from {from} --to {to} --timeout 150");
    let (succeeded, said) = installed
        .shell
        .run(&(moving(HOME, NEW_HOME) + " --exit-after-writes 6"))
        .await;
    assert!(!succeeded && said.contains("exits as requested"), "{said}");
    for (from, to) in [(HOME, "other"), (NEW_HOME, HOME)] {
        let (succeeded, said) = installed.shell.run(&moving(from, to)).await;
        assert!(!succeeded && said.contains("complete that move first"), "{said}");
    }
    let (succeeded, said) = installed.shell.run(&moving(HOME, NEW_HOME)).await;
    assert!(succeeded, "{said}");
    // Back again, as the page says.
    let (succeeded, said) = installed.shell.run(&moving(NEW_HOME, HOME)).await;
    assert!(succeeded && said.contains(&format!("Moved {COUNT} records")), "{said}");
    installed.is_closed(NEW_HOME).await;
    installed.script("kubectl apply -k deploy/").await;
    installed.managed().await;
    assert_eq!(installed.ids().await, before);
    installed.none_is_unnamed().await;
}

/// Whatever its version, it obeys the Lease. What it had begun has ended before anything is copied.
#[tokio::test]
async fn t167_a_leader_that_slept_through_a_move_leads_no_more() {
    let mut installed = in_default(Form::Cluster).await;
    let before = installed.ids().await;
    let asleep = installed.launch(HOME, &["--identity", "asleep"]).await;
    asleep.ready().await.unwrap();
    installed
        .script(&format!(
            "kubectl -n {HOME} delete deployment {NAME}\nkubectl create namespace {NEW_HOME}"
        ))
        .await;
    eventually("the other replica leads", async || {
        asleep.log().contains("became leader").then_some(())
    })
    .await;
    let moving = format!("oauth-client-operator move --from {HOME} --to {NEW_HOME} --timeout");
    let (succeeded, said) = installed.shell.run(&format!("{moving} 5")).await;
    assert!(!succeeded && said.contains("asleep leads in namespace"), "{said}");
    asleep.pause();
    let (succeeded, said) = installed.shell.run(&format!("{moving} 120")).await;
    assert!(succeeded, "{said}");
    asleep.resume();
    eventually("the replica says why it does nothing", async || {
        let text = format!("moved to namespace {NEW_HOME}");
        asleep.log().contains(&text).then_some(())
    })
    .await;
    installed
        .script(&block_with("## Move to another namespace", "kubectl kustomize deploy/"))
        .await;
    installed.managed().await;
    assert_eq!(asleep.log().matches("became leader").count(), 1, "{}", asleep.log());
    assert_eq!(installed.ids().await, before);
    assert_eq!(installed.kept(HOME).await, Vec::<String>::new());
}

/// Deletes the definition of the clients; it goes when its last object goes.
const DELETE_CRD: &str = "kubectl delete crd oauthclients.oauth-client-operator.dev --wait=false";

#[tokio::test]
async fn t168_definitions_that_are_deleted_under_a_running_operator_leave_no_client() {
    let mut installed = in_default(Form::Cluster).await;
    let before = installed.ids().await;
    installed.script(DELETE_CRD).await;
    installed.follow(PAGE, "### The operator was running").await;
    assert_eq!(installed.ids().await.values().flatten().count(), 0);
    installed.apply_clients().await;
    installed.all_ready().await;
    let after = installed.ids().await;
    assert!(
        after
            .values()
            .flatten()
            .all(|id| !before.values().flatten().any(|old| old == id))
    );
    installed.none_is_unnamed().await;
}

#[tokio::test]
async fn t168_definitions_that_are_deleted_without_an_operator_keep_clients_and_secrets() {
    let mut installed = in_default(Form::Cluster).await;
    let before: BTreeMap<_, _> = installed.ids().await;
    installed.script("kubectl delete -k deploy/").await;
    installed.script(DELETE_CRD).await;
    installed.follow(PAGE, "### The operator was not running").await;
    assert_eq!(installed.ids().await, before);
    assert_eq!(installed.secrets().await, installed.count());
    installed.none_is_unnamed().await;
}
