//! docs/runbooks, docs/suspects.md and the single commands of other pages: each runs as it stands, on objects of the names that the pages use.

use std::path::Path;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use testbed::control_plane::ControlPlane;
use testbed::operator::Operator;
use testbed::site::Site;

use crate::page::{Shell, blocks, commands};
use crate::pages::{HOME, guarded_provider, operator, run, shop};
use crate::stage::eventually;

/// What a search finds nothing of is no mistake of the page.
const TOLERANT: &str = "grep() { command grep \"$@\" || true; }\n";

/// A cluster with the operator, a provider `id`, a client `shop` and a suspect.
struct Cluster {
    plane: ControlPlane,
    site: Site,
    shell: Shell,
    operator: Operator,
}

impl Cluster {
    async fn new() -> Self {
        let plane = ControlPlane::start(testbed::control_plane::ControlPlaneOptions::default())
            .await
            .unwrap();
        let site = guarded_provider().await;
        let shell = Shell::new(&plane).await;
        run(&shell, &commands("docs/install.md", "## With kubectl")[0]).await;
        let operator = operator(&plane).await;
        shop(&plane, &site).await;
        Self {
            plane,
            site,
            shell,
            operator,
        }
    }

    /// A client whose record is lost, and whose object is deleted.
    async fn suspect(&self, name: &str) {
        let client = self
            .site
            .client(name, "redirectURIs: ['https://shop.example.com/callback']")
            .replace("name: provider", "name: id");
        let apply = ["-n", "shop", "apply", "-f", "-"];
        let applied = self.plane.kubectl_with(&apply, &client).await.unwrap();
        applied.stdout().unwrap();
        let script = format!(
            "kubectl -n shop wait --for=condition=Ready oauthclient/{name} --timeout=60s\n\
             uid=$(kubectl -n shop get oauthclient {name} -o jsonpath='{{.metadata.uid}}')\n\
             kubectl -n {HOME} delete secrets -l oauth-client-operator.dev/role=record,oauth-client-operator.dev/client-uid=$uid\n\
             kubectl -n shop delete oauthclient {name} --timeout=60s"
        );
        run(&self.shell, &script).await;
    }

    /// Names of the suspects.
    async fn suspects(&self) -> Vec<String> {
        let list = format!("kubectl -n {HOME} get secrets -l oauth-client-operator.dev/role=suspect -o name");
        let said = run(&self.shell, &list).await;
        said.lines()
            .map(|line| line.trim_start_matches("secret/").to_owned())
            .collect()
    }

    /// A client whose token the provider refuses, and whose object is deleted: the suspect holds its record. A refusal counts when it is
    /// repeated a minute later.
    async fn refused_suspect(&self, name: &str) -> String {
        let client = self
            .site
            .client(
                name,
                "deletionTimeout: 2s\nredirectURIs: ['https://shop.example.com/callback']",
            )
            .replace("name: provider", "name: id");
        let apply = ["-n", "shop", "apply", "-f", "-"];
        let applied = self.plane.kubectl_with(&apply, &client).await.unwrap();
        applied.stdout().unwrap();
        let ready = format!("kubectl -n shop wait --for=condition=Ready oauthclient/{name} --timeout=60s");
        run(&self.shell, &ready).await;
        let secrets: Api<Secret> = Api::namespaced(self.plane.client().unwrap(), HOME);
        let records = ListParams::default().labels("oauth-client-operator.dev/role=record");
        for record in secrets.list(&records).await.unwrap() {
            let mut kept: Value = serde_json::from_slice(&record.data.as_ref().unwrap()["record.json"].0).unwrap();
            if kept["owner"]["name"] == name {
                kept["registrationAccessToken"] = json!("refused");
                let data = ByteString(kept.to_string().into_bytes());
                let patch = Patch::Merge(json!({"data": {"record.json": data}}));
                secrets
                    .patch(&record.name_any(), &PatchParams::default(), &patch)
                    .await
                    .unwrap();
            }
        }
        let before = self.suspects().await;
        let delete = format!("kubectl -n shop delete oauthclient {name} --timeout=180s");
        run(&self.shell, &delete).await;
        eventually("the client is a suspect", async || {
            let now = self.suspects().await;
            now.into_iter().find(|name| !before.contains(name))
        })
        .await
    }

    /// Runs the commands below a heading, about this suspect; what they say.
    async fn follow(&self, page: &str, heading: &str, suspect: &str) -> String {
        let mut all = String::new();
        for command in commands(page, heading) {
            let command = command
                .replace("oauthclient NAME", "-n shop oauthclient shop")
                .replace("https://id.example.com", self.site.oidc().unwrap().issuer())
                .replace("NAME ", &format!("{suspect} "))
                .replace("NAME\n", &format!("{suspect}\n"));
            let said = run(&self.shell, &format!("{TOLERANT}{command}")).await;
            for forgotten in [
                "Error from server",
                "no matches",
                "<no value>",
                "No resources found in default",
            ] {
                assert!(!said.contains(forgotten), "{page}: {command}\n{said}");
            }
            all += &said;
        }
        all
    }
}

#[tokio::test]
async fn t132_every_command_of_the_runbooks_runs() {
    let cluster = Cluster::new().await;
    cluster.suspect("doubt").await;
    let suspect = cluster.suspects().await.remove(0);
    let provider = "apiVersion: oauth-client-operator.dev/v1alpha1\nkind: ClusterOAuthProvider\nmetadata:\n  name: id\n\
                    spec:\n  issuer: https://id.example.com\n  allowedNamespaces:\n    names: [other]\n";
    let applied = cluster
        .plane
        .kubectl_with(&["apply", "-f", "-"], provider)
        .await
        .unwrap();
    applied.stdout().unwrap();
    run(
        &cluster.shell,
        "kubectl -n shop create deployment shop --image=registry.example.com/shop:1.0.0",
    )
    .await;
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbooks");
    let mut pages: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|page| page.unwrap().path())
        .collect();
    pages.sort();
    let mut count = 0;
    for page in pages.iter().filter(|page| page.file_name().unwrap() != "README.md") {
        let text = std::fs::read_to_string(page).unwrap();
        let page = format!("docs/runbooks/{}", page.file_name().unwrap().to_str().unwrap());
        let heading = text.lines().find(|line| line.starts_with("# ")).unwrap();
        count += commands(&page, heading).len();
        let said = cluster.follow(&page, heading, &suspect).await;
        // The value of a Secret that holds credentials is on no screen.
        assert!(!said.contains("client_secret:"), "{page}: {said}");
    }
    assert!(count > 50, "only {count} commands");
    for (page, heading) in [
        ("docs/providers/generic.md", "## Several initial access tokens"),
        ("docs/providers/onboarding.md", "# Onboarding a provider"),
        ("docs/gitops.md", "## Flux"),
    ] {
        let said = cluster.follow(page, heading, &suspect).await;
        assert!(said.contains("annotated") || said.contains("Ready="), "{page}: {said}");
    }
    cluster.operator.stop().await.unwrap();
}

#[tokio::test]
async fn t132_suspects_are_listed_shown_tried_again_and_acknowledged_by_the_page() {
    const PAGE: &str = "docs/suspects.md";
    let cluster = Cluster::new().await;
    for name in ["doubt-1", "doubt-2"] {
        cluster.suspect(name).await;
    }
    let refused = cluster.refused_suspect("refused").await;
    let names = cluster.suspects().await;
    assert_eq!(names.len(), 3);
    let said = cluster.follow(PAGE, "## List", &refused).await;
    assert!(names.iter().all(|name| said.contains(name.as_str())), "{said}");
    let said = cluster.follow(PAGE, "## Investigate", &refused).await;
    assert!(said.contains(refused.as_str()), "{said}");
    cluster.follow(PAGE, "## Retry", &refused).await;
    assert_eq!(cluster.suspects().await, names, "nothing was acknowledged");
    cluster.follow(PAGE, "## Acknowledge", &refused).await;
    assert!(cluster.suspects().await.is_empty());
    // This provider deregisters clients, so none is left by a deletion.
    let left = blocks(PAGE, "## Acknowledge")
        .into_iter()
        .find(|(kind, _)| kind == "console left");
    let (succeeded, said) = cluster.shell.run(&left.unwrap().1).await;
    assert!(
        !succeeded && said.starts_with("no client that a deletion left"),
        "{said}"
    );
    cluster.operator.stop().await.unwrap();
}
