//! An operator that is installed again or in its other form continues with its records; one that runs on a copy of them changes
//! nothing at a provider.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use serde_json::json;
use testbed::control_plane::{ControlPlane, ControlPlaneOptions};
use testbed::operator::{NAME, Operator, OperatorOptions, chart_manifests};
use testbed::site::{Site, oauth_client};

use crate::scene::{CLIENT, edited};
use crate::stage::{BINARY, eventually};

const HOME: &str = "home";
const APPS: &str = "apps";
const IDENTITY: &str = "oauth-client-operator-identity";

/// A control plane with the definitions, on which the operator is installed again and again.
struct Cluster {
    plane: ControlPlane,
    site: Site,
}

impl Cluster {
    async fn new() -> Self {
        let plane = ControlPlane::start(ControlPlaneOptions::default()).await.unwrap();
        let cluster = Self {
            plane,
            site: Site::oidc_provider().await.unwrap(),
        };
        let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
        cluster.kubectl(&["apply", "--server-side", "-k", crds]).await;
        let established = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"];
        cluster.kubectl(&established).await;
        cluster.plane.create_namespace(APPS).await.unwrap();
        cluster
    }

    async fn kubectl(&self, args: &[&str]) -> String {
        self.plane.kubectl(args).await.unwrap().stdout().unwrap()
    }

    async fn apply(&self, manifests: &str) {
        let args = ["-n", APPS, "apply", "-f", "-"];
        self.plane
            .kubectl_with(&args, manifests)
            .await
            .unwrap()
            .stdout()
            .unwrap();
    }

    /// Installs the operator for these namespaces, or for all, with a ServiceAccount that was never there.
    async fn operator(&self, watched: &[String], args: &[&str]) -> Operator {
        let account = ["-n", HOME, "delete", "serviceaccount", NAME, "--ignore-not-found"];
        self.kubectl(&account).await;
        let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/oauth-client-operator");
        self.plane.create_namespace(HOME).await.unwrap();
        let rights = chart_manifests(&self.plane, chart.as_ref(), HOME, watched)
            .await
            .unwrap();
        let options = OperatorOptions {
            binary: BINARY.into(),
            manifests: vec![rights],
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            ..OperatorOptions::new(HOME, watched)
        };
        Operator::start(&self.plane, options).await.unwrap()
    }

    /// Waits until the client at the provider has this redirect URI.
    async fn registered(&self, id: &str, redirect: &str) {
        eventually(&format!("the client has the redirect URI {redirect}"), async || {
            let clients = self.site.clients().await.unwrap();
            let uris = clients.get(id)?["redirect_uris"].clone();
            (uris == json!([redirect])).then_some(())
        })
        .await;
    }

    async fn ready(&self) -> String {
        let wait = [
            "-n",
            APPS,
            "wait",
            "--for=condition=Ready",
            "oauthclient/app",
            "--timeout=60s",
        ];
        self.kubectl(&wait).await;
        let id = [
            "-n",
            APPS,
            "get",
            "oauthclient",
            "app",
            "-o",
            "jsonpath={.status.clientID}",
        ];
        self.kubectl(&id).await
    }

    async fn identity(&self) -> Secret {
        let secrets: Api<Secret> = Api::namespaced(self.plane.client().unwrap(), HOME);
        secrets.get(IDENTITY).await.unwrap()
    }
}

fn cluster_id(secret: &Secret) -> String {
    String::from_utf8(secret.data.as_ref().unwrap()["cluster-id"].0.clone()).unwrap()
}

fn redirect(name: &str) -> String {
    format!("https://app.example/{name}")
}

fn app(name: &str) -> String {
    oauth_client("app", &edited(name))
}

#[tokio::test]
async fn t155_a_reinstalled_operator_and_its_other_form_keep_their_clients() {
    let cluster = Cluster::new().await;
    let watched = [APPS.to_owned()];
    let operator = cluster.operator(&watched, &[]).await;
    cluster.apply(&cluster.site.manifests).await;
    cluster.apply(&oauth_client("app", CLIENT)).await;
    let id = cluster.ready().await;
    let identity = cluster_id(&cluster.identity().await);
    operator.stop().await.unwrap();

    // Again in the same form, cluster-wide, and back: each with another ServiceAccount.
    for (name, watched) in [("again", &watched[..]), ("wide", &[]), ("back", &watched[..])] {
        let operator = cluster.operator(watched, &[]).await;
        let clients = cluster.site.clients().await.unwrap();
        assert_eq!(cluster.ready().await, id, "{name}");
        assert_eq!(
            clients.keys().collect::<Vec<_>>(),
            [&id],
            "{name}: nothing is registered again"
        );
        cluster.apply(&app(name)).await;
        cluster.registered(&id, &redirect(name)).await;
        assert_eq!(cluster_id(&cluster.identity().await), identity, "{name}");
        operator.stop().await.unwrap();
    }
    let kept = cluster.identity().await.data.unwrap();
    for key in ["kube-system-uid", "namespace-uid", "secret-uid"] {
        assert!(kept.contains_key(key), "{key}");
    }
    let operator = cluster.operator(&[], &[]).await;
    cluster
        .kubectl(&["-n", APPS, "delete", "oauthclient", "app", "--timeout=60s"])
        .await;
    assert!(cluster.site.clients().await.unwrap().is_empty());
    operator.stop().await.unwrap();
}

#[tokio::test]
async fn t156_a_copy_of_an_installation_changes_nothing_until_the_installer_says_which_it_is() {
    let cluster = Cluster::new().await;
    let operator = cluster.operator(&[], &[]).await;
    cluster.apply(&cluster.site.manifests).await;
    cluster.apply(&oauth_client("app", CLIENT)).await;
    cluster.apply(&oauth_client("going", CLIENT)).await;
    let id = cluster.ready().await;
    let wait = [
        "-n",
        APPS,
        "wait",
        "--for=condition=Ready",
        "oauthclient/going",
        "--timeout=60s",
    ];
    cluster.kubectl(&wait).await;
    let identity = cluster_id(&cluster.identity().await);
    operator.stop().await.unwrap();
    let before = cluster.site.clients().await.unwrap();
    assert_eq!(before.len(), 2);

    // As in a cluster that was made from a backup of the other.
    let copied = r#"{"stringData":{"kube-system-uid":"of-another-cluster"}}"#;
    cluster
        .kubectl(&["-n", HOME, "patch", "secret", IDENTITY, "-p", copied])
        .await;
    let operator = cluster.operator(&[], &[]).await;
    cluster.apply(&app("copied")).await;
    cluster
        .kubectl(&["-n", APPS, "delete", "oauthclient", "going", "--wait=false"])
        .await;
    let query =
        "jsonpath={.status.conditions[?(@.type==\"Ready\")].reason} {.status.conditions[?(@.type==\"Ready\")].message}";
    for (name, reason) in [("app", "ManagedElsewhere"), ("going", "DeletionBlocked")] {
        eventually(&format!("{name} says what to do"), async || {
            let said = cluster
                .kubectl(&["-n", APPS, "get", "oauthclient", name, "-o", query])
                .await;
            let wanted = format!("--cluster-id {identity}");
            (said.starts_with(reason) && said.contains(&wanted) && said.contains("namespace kube-system")).then_some(())
        })
        .await;
    }
    assert!(operator.log().contains("--cluster-id"), "{}", operator.log());
    assert_eq!(
        cluster.site.clients().await.unwrap(),
        before,
        "nothing is changed at the provider"
    );
    operator.stop().await.unwrap();

    let operator = cluster.operator(&[], &["--cluster-id", &identity]).await;
    cluster
        .kubectl(&[
            "-n",
            APPS,
            "delete",
            "oauthclient",
            "going",
            "--timeout=60s",
            "--ignore-not-found",
        ])
        .await;
    cluster.registered(&id, &redirect("copied")).await;
    operator.stop().await.unwrap();
    // From now on without the argument.
    let operator = cluster.operator(&[], &[]).await;
    cluster.apply(&app("original")).await;
    cluster.registered(&id, &redirect("original")).await;
    assert_eq!(cluster.site.clients().await.unwrap().len(), 1);
    operator.stop().await.unwrap();
}
