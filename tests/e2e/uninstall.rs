//! docs/uninstall.md, command by command, with live clients at a provider that gives each client a management token, and at one that
//! manages clients by the operator's credentials.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::ListParams;
use testbed::control_plane::{ControlPlane, ControlPlaneOptions};
use testbed::operator::{NAME, Operator, OperatorOptions};
use testbed::site::Site;

use crate::page::{Shell, blocks};
use crate::stage::{BINARY, eventually};

const PAGE: &str = "docs/uninstall.md";
const HOME: &str = "oauth-client-operator-system";
/// Clients in each namespace.
const COUNT: usize = 3;

/// How the operator is installed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Cluster,
    Namespaced,
    Helm,
    HelmNamespaced,
}

impl Form {
    /// Namespaces that the operator serves; empty: all.
    fn served(self) -> Vec<String> {
        match self {
            Self::Namespaced | Self::HelmNamespaced => vec!["default".to_owned()],
            Self::Cluster | Self::Helm => Vec::new(),
        }
    }

    /// The page is for the cluster-wide form, and says what to replace for the other.
    fn translated(self, script: &str) -> String {
        match self {
            Self::Namespaced => script.replace("-k deploy/\n", "-k deploy/namespaced\n"),
            Self::HelmNamespaced if script.contains("helm install") => {
                format!("{} --set 'watch.namespaces={{default}}'\n", script.trim_end())
            }
            Self::Cluster | Self::Helm | Self::HelmNamespaced => script.to_owned(),
        }
    }

    fn is_helm(self) -> bool {
        matches!(self, Self::Helm | Self::HelmNamespaced)
    }
}

/// A cluster with live clients, and the operator as long as there is a Deployment for it: no kubelet runs its pods here.
struct Installed {
    plane: ControlPlane,
    shell: Shell,
    operator: Option<Operator>,
    /// Providers, each with the namespace of its clients.
    sites: Vec<(String, Site)>,
    form: Form,
}

impl Installed {
    async fn new(form: Form) -> Self {
        let plane = ControlPlane::start(ControlPlaneOptions::default()).await.unwrap();
        let credentials = Site::wso2_v1_1().await.unwrap();
        let sites = match form {
            Form::Namespaced | Form::HelmNamespaced => vec![("default".to_owned(), credentials)],
            Form::Cluster | Form::Helm => vec![
                ("token".to_owned(), Site::oidc_provider().await.unwrap()),
                ("credentials".to_owned(), credentials),
            ],
        };
        let shell = Shell::new(&plane).await;
        let mut installed = Self {
            plane,
            shell,
            operator: None,
            sites,
            form,
        };
        let heading = if form.is_helm() {
            "## With Helm"
        } else {
            "## With kubectl"
        };
        let install = blocks("docs/install.md", heading).remove(0);
        installed.script(&form.translated(&install.1)).await;
        for (namespace, site) in &installed.sites {
            installed.plane.create_namespace(namespace).await.unwrap();
            let clients: String = (0..COUNT)
                .map(|number| {
                    let spec =
                        format!("clientName: {namespace}-{number}\nredirectURIs: ['https://app.example/callback']");
                    site.client(&format!("app-{number}"), &spec)
                })
                .collect();
            let apply = ["-n", namespace, "apply", "-f", "-"];
            let manifests = site.manifests.clone() + &clients;
            installed
                .plane
                .kubectl_with(&apply, &manifests)
                .await
                .unwrap()
                .stdout()
                .unwrap();
        }
        installed.all_ready().await;
        installed
    }

    async fn kubectl(&self, args: &[&str]) -> String {
        self.plane.kubectl(args).await.unwrap().stdout().unwrap()
    }

    /// Runs one block of the page, then starts or ends the operator as the Deployment says.
    async fn script(&mut self, script: &str) -> String {
        let (succeeded, said) = self.shell.run(script).await;
        assert!(succeeded, "{script}\n{said}");
        let query = [
            "-n",
            HOME,
            "get",
            "deployment",
            NAME,
            "--ignore-not-found",
            "-o",
            "name",
        ];
        let deployed = !self.kubectl(&query).await.is_empty();
        if let Some(operator) = self.operator.take_if(|_| !deployed) {
            operator.stop().await.unwrap();
        }
        if deployed && self.operator.is_none() {
            let options = OperatorOptions {
                binary: BINARY.into(),
                ..OperatorOptions::new(HOME, &self.form.served())
            };
            self.operator = Some(Operator::start(&self.plane, options).await.unwrap());
        }
        said
    }

    /// Runs every block below a heading of the page that is for this way of installing.
    async fn follow(&mut self, heading: &str) -> String {
        let helm = self.form.is_helm();
        let mut said = String::new();
        for (kind, block) in blocks(PAGE, heading) {
            assert!(kind.starts_with("console"), "{kind}");
            let skipped = if helm {
                block.ends_with("-k deploy/\n")
            } else {
                kind.ends_with("helm")
            };
            if !skipped {
                said += &self.script(&self.form.translated(&block)).await;
            }
        }
        said
    }

    async fn all_ready(&self) {
        for (namespace, _) in &self.sites {
            let wait = [
                "-n",
                namespace,
                "wait",
                "--for=condition=Ready",
                "oauthclients",
                "--all",
                "--timeout=60s",
            ];
            self.kubectl(&wait).await;
        }
    }

    /// Number of clients.
    fn count(&self) -> usize {
        self.sites.len() * COUNT
    }

    /// Identifiers of the clients at each provider.
    async fn ids(&self) -> BTreeMap<String, Vec<String>> {
        let mut ids = BTreeMap::new();
        for (namespace, site) in &self.sites {
            ids.insert(namespace.clone(), site.clients().await.unwrap().into_keys().collect());
        }
        ids
    }

    /// Every client at a provider is named by a record or a suspect.
    async fn none_is_unnamed(&self) {
        let kept: Api<Secret> = Api::namespaced(self.plane.client().unwrap(), HOME);
        let labelled = ListParams::default().labels("oauth-client-operator.dev/role");
        let mut kept_data = String::new();
        for secret in kept.list(&labelled).await.unwrap() {
            for value in secret.data.unwrap_or_default().into_values() {
                kept_data += &String::from_utf8_lossy(&value.0);
                kept_data.push('\n');
            }
        }
        for id in self.ids().await.into_values().flatten() {
            assert!(kept_data.contains(&id), "nothing names client {id}");
        }
    }

    /// Whether each application still has its Secret.
    async fn secrets(&self) -> usize {
        let mut count = 0;
        for (namespace, _) in &self.sites {
            for number in 0..COUNT {
                let name = format!("app-{number}");
                let query = [
                    "-n",
                    namespace,
                    "get",
                    "secret",
                    &name,
                    "--ignore-not-found",
                    "-o",
                    "name",
                ];
                count += usize::from(!self.kubectl(&query).await.is_empty());
            }
        }
        count
    }

    /// Removes the operator while clients live, by the command that seems to be the opposite of the installation.
    async fn lose_the_operator(&mut self) {
        let before = self.ids().await;
        assert_eq!(before.values().flatten().count(), self.count());
        let remove = match self.form {
            Form::Helm | Form::HelmNamespaced => format!("helm uninstall {NAME} --namespace {HOME} --timeout 60s"),
            Form::Cluster => "kubectl delete -k deploy/ --timeout=60s".to_owned(),
            Form::Namespaced => "kubectl delete -k deploy/namespaced --timeout=60s".to_owned(),
        };
        self.script(&remove).await;
        assert!(self.operator.is_none());
        assert_eq!(self.ids().await, before);
        assert_eq!(self.secrets().await, self.count());
        self.none_is_unnamed().await;
    }

    async fn nothing_is_left(&self) {
        for kind in ["crds", "namespaces"] {
            let left = self.kubectl(&["get", kind, "-o", "name"]).await;
            assert!(!left.contains(NAME), "{left}");
        }
    }
}

async fn lost_and_back(form: Form) {
    let mut installed = Installed::new(form).await;
    let before = installed.ids().await;
    installed.lose_the_operator().await;

    installed.follow("## Bring the operator back").await;
    installed.all_ready().await;
    assert_eq!(installed.ids().await, before, "nothing is registered again");
    installed.none_is_unnamed().await;

    // Deletions that are asked for while there is no operator wait for it.
    installed.lose_the_operator().await;
    installed
        .script("kubectl delete oauthclients --all --all-namespaces --wait=false")
        .await;
    assert_eq!(installed.ids().await, before);
    installed.follow("## Bring the operator back").await;
    eventually("the clients are deregistered", async || {
        installed.ids().await.values().all(Vec::is_empty).then_some(())
    })
    .await;
    let said = installed.follow("## Remove everything").await;
    assert!(said.contains("No resources found"), "{said}");
    if !form.is_helm() {
        installed.nothing_is_left().await;
    }
}

#[tokio::test]
async fn t130_kustomize_loses_no_client_when_the_operator_is_deleted_with_live_clients() {
    lost_and_back(Form::Cluster).await;
}

#[tokio::test]
async fn t130_the_form_for_chosen_namespaces_loses_no_client_either() {
    lost_and_back(Form::Namespaced).await;
}

#[tokio::test]
async fn t130_helm_for_chosen_namespaces_loses_no_client_either() {
    lost_and_back(Form::HelmNamespaced).await;
}

#[tokio::test]
async fn t130_helm_loses_no_client_when_the_release_is_uninstalled_with_live_clients() {
    lost_and_back(Form::Helm).await;
}

#[tokio::test]
async fn t130_the_documented_removal_deregisters_every_client() {
    let mut installed = Installed::new(Form::Cluster).await;
    let said = installed.follow("## Remove everything").await;
    assert!(said.contains("No resources found"), "{said}");
    assert_eq!(installed.ids().await.values().flatten().count(), 0);
    installed.nothing_is_left().await;
}

#[tokio::test]
async fn t130_retained_clients_and_their_secrets_outlive_the_documented_removal() {
    let mut installed = Installed::new(Form::Cluster).await;
    let before = installed.ids().await;
    installed.follow("## Keep the clients at the provider").await;
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
