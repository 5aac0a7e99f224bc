//! An installation with live clients, as a page of the documentation leads to it: at a provider that gives each client a management
//! token, and at one that manages clients by the operator's credentials.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::ListParams;
use testbed::control_plane::{ControlPlane, ControlPlaneOptions};
use testbed::operator::{NAME, Operator, OperatorOptions};
use testbed::provision::Program;
use testbed::site::Site;

use crate::page::{Shell, blocks};
use crate::stage::BINARY;

/// Where the installation guide puts the operator.
pub const HOME: &str = "oauth-client-operator-system";
/// Clients in each namespace.
pub const COUNT: usize = 3;

/// How the operator is installed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Cluster,
    Namespaced,
    Helm,
    HelmNamespaced,
    /// As `Helm`, by Helm 4.
    Helm4,
}

impl Form {
    /// The page is for the cluster-wide form, and says what to replace for the other.
    fn translated(self, script: &str) -> String {
        match self {
            Self::Namespaced => script.replace("-k deploy/\n", "-k deploy/namespaced\n"),
            Self::HelmNamespaced if script.contains("helm install") => {
                format!("{} --set 'watch.namespaces={{default}}'\n", script.trim_end())
            }
            Self::Cluster | Self::Helm | Self::HelmNamespaced | Self::Helm4 => script.to_owned(),
        }
    }

    pub fn is_helm(self) -> bool {
        matches!(self, Self::Helm | Self::HelmNamespaced | Self::Helm4)
    }
}

/// A cluster with live clients, and the operator as long as there is a Deployment for it: no kubelet runs its pods here.
pub struct Installed {
    pub plane: ControlPlane,
    pub shell: Shell,
    /// The operator, its namespace and the namespaces that it serves.
    pub operator: Option<(Operator, (String, Vec<String>))>,
    /// Providers, each with the namespace of its clients.
    pub sites: Vec<(String, Site)>,
    pub form: Form,
}

impl Installed {
    pub async fn new(form: Form) -> Self {
        let credentials = Site::wso2_v1_1().await.unwrap();
        let sites = match form {
            Form::Namespaced | Form::HelmNamespaced => vec![("default".to_owned(), credentials)],
            Form::Cluster | Form::Helm | Form::Helm4 => vec![
                ("token".to_owned(), Site::oidc_provider().await.unwrap()),
                ("credentials".to_owned(), credentials),
            ],
        };
        Self::with(form, sites).await
    }

    /// With clients at these providers, each in a namespace.
    pub async fn with(form: Form, sites: Vec<(String, Site)>) -> Self {
        let mut installed = Self::bare(form, sites).await;
        let heading = if form.is_helm() {
            "## With Helm"
        } else {
            "## With kubectl"
        };
        let install = blocks("docs/install.md", heading).remove(0);
        installed.script(&form.translated(&install.1)).await;
        installed.apply_clients().await;
        installed.all_ready().await;
        installed
    }

    /// A cluster that nothing is installed on.
    pub async fn bare(form: Form, sites: Vec<(String, Site)>) -> Self {
        let plane = ControlPlane::start(ControlPlaneOptions::default()).await.unwrap();
        let helm = if form == Form::Helm4 {
            Program::Helm4
        } else {
            Program::Helm
        };
        let shell = Shell::with_helm(&plane, helm).await;
        Self {
            plane,
            shell,
            operator: None,
            sites,
            form,
        }
    }

    /// Applies the providers and the clients.
    pub async fn apply_clients(&self) {
        for (namespace, site) in &self.sites {
            self.plane.create_namespace(namespace).await.unwrap();
            let clients: String = (0..COUNT)
                .map(|number| {
                    let spec =
                        format!("clientName: {namespace}-{number}\nredirectURIs: ['https://app.example/callback']");
                    site.client(&format!("app-{number}"), &spec)
                })
                .collect();
            let apply = ["-n", namespace, "apply", "-f", "-"];
            let manifests = site.manifests.clone() + &clients;
            self.plane
                .kubectl_with(&apply, &manifests)
                .await
                .unwrap()
                .stdout()
                .unwrap();
        }
    }

    pub async fn kubectl(&self, args: &[&str]) -> String {
        self.plane.kubectl(args).await.unwrap().stdout().unwrap()
    }

    /// Runs one block of a page, then starts or ends the operator as the Deployment says.
    pub async fn script(&mut self, script: &str) -> String {
        let (succeeded, said) = self.shell.run(script).await;
        assert!(succeeded, "{script}\n{said}");
        let labelled = ListParams::default().labels(&format!("app.kubernetes.io/name={NAME}"));
        let deployments: Api<Deployment> = Api::all(self.plane.client().unwrap());
        let mut found = deployments.list(&labelled).await.unwrap().items;
        assert!(found.len() < 2, "two installations");
        let place = found.pop().map(|deployment| {
            let pod = deployment.spec.unwrap().template.spec.unwrap();
            let env = pod.containers[0].env.clone().unwrap_or_default();
            let watched = env.into_iter().find(|env| env.name == "WATCH_NAMESPACES");
            let watched = watched.and_then(|env| env.value).filter(|list| !list.is_empty());
            let list = watched.iter().flat_map(|list| list.split(',')).map(str::to_owned);
            (deployment.metadata.namespace.unwrap(), list.collect::<Vec<_>>())
        });
        if let Some((operator, _)) = self.operator.take_if(|(_, at)| Some(&*at) != place.as_ref()) {
            operator.stop().await.unwrap();
        }
        if let (Some(place), None) = (place, &self.operator) {
            let options = OperatorOptions {
                binary: BINARY.into(),
                ..OperatorOptions::new(&place.0, &place.1)
            };
            let operator = Operator::start(&self.plane, options).await.unwrap();
            self.operator = Some((operator, place));
        }
        said
    }

    /// Runs every block below a heading of the page that is for this way of installing.
    pub async fn follow(&mut self, page: &str, heading: &str) -> String {
        let helm = self.form.is_helm();
        let mut said = String::new();
        for (kind, block) in blocks(page, heading) {
            assert!(kind.starts_with("console"), "{kind}");
            let skipped = if helm {
                kind == "console" && (block.contains("-k deploy/\n") || block.contains("kubectl kustomize deploy/"))
            } else {
                kind.ends_with("helm")
            };
            // Nothing runs pods here.
            if !skipped && kind != "console pods" {
                said += &self.script(&self.form.translated(&block)).await;
            }
        }
        said
    }

    pub async fn all_ready(&self) {
        self.all_ready_within(60).await;
    }

    pub async fn all_ready_within(&self, seconds: u32) {
        let timeout = format!("--timeout={seconds}s");
        for (namespace, _) in &self.sites {
            let wait = [
                "-n",
                namespace,
                "wait",
                "--for=condition=Ready",
                "oauthclients",
                "--all",
                &timeout,
            ];
            self.kubectl(&wait).await;
        }
    }

    /// Number of clients.
    pub fn count(&self) -> usize {
        self.sites.len() * COUNT
    }

    /// Identifiers of the clients at each provider.
    pub async fn ids(&self) -> BTreeMap<String, Vec<String>> {
        let mut ids = BTreeMap::new();
        for (namespace, site) in &self.sites {
            ids.insert(namespace.clone(), site.clients().await.unwrap().into_keys().collect());
        }
        ids
    }

    /// Every client at a provider is named by a record or a suspect.
    pub async fn none_is_unnamed(&self) {
        let kept: Api<Secret> = Api::all(self.plane.client().unwrap());
        let labelled = ListParams::default().labels("oauth-client-operator.dev/role in (record,suspect)");
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
    pub async fn secrets(&self) -> usize {
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
    pub async fn lose_the_operator(&mut self) {
        let before = self.ids().await;
        assert_eq!(before.values().flatten().count(), self.count());
        let remove = match self.form {
            Form::Helm | Form::HelmNamespaced | Form::Helm4 => {
                format!("helm uninstall {NAME} --namespace {HOME} --timeout 60s")
            }
            Form::Cluster => "kubectl delete -k deploy/ --timeout=60s".to_owned(),
            Form::Namespaced => "kubectl delete -k deploy/namespaced --timeout=60s".to_owned(),
        };
        self.script(&remove).await;
        assert!(self.operator.is_none());
        assert_eq!(self.ids().await, before);
        assert_eq!(self.secrets().await, self.count());
        self.none_is_unnamed().await;
    }

    pub async fn nothing_is_left(&self) {
        for kind in ["crds", "namespaces"] {
            let left = self.kubectl(&["get", kind, "-o", "name"]).await;
            assert!(!left.contains(NAME), "{left}");
        }
    }
}
