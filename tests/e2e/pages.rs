//! README.md and docs/troubleshooting.md, command by command.

use testbed::control_plane::{ControlPlane, ControlPlaneOptions};
use testbed::operator::{Operator, OperatorOptions};
use testbed::providers::OidcProviderOptions;
use testbed::site::Site;

use crate::page::{Shell, commands};
use crate::stage::{BINARY, eventually};

pub const HOME: &str = "oauth-client-operator-system";
const TOKEN: &str = "initial-access-token-of-the-pages";

pub async fn guarded_provider() -> Site {
    let options = OidcProviderOptions {
        initial_access_token: Some(TOKEN.to_owned()),
        ..OidcProviderOptions::default()
    };
    Site::oidc_provider_with(options).await.unwrap()
}

/// The operator that the pods of the Deployment would run.
pub async fn operator(plane: &ControlPlane) -> Operator {
    let options = OperatorOptions {
        binary: BINARY.into(),
        ..OperatorOptions::new(HOME, &[])
    };
    Operator::start(plane, options).await.unwrap()
}

pub async fn run(shell: &Shell, script: &str) -> String {
    let (succeeded, said) = shell.run(script).await;
    assert!(succeeded, "{script}\n{said}");
    said
}

#[tokio::test]
async fn t132_the_five_minutes_of_the_readme_lead_to_a_client_and_back() {
    let plane = ControlPlane::start(ControlPlaneOptions::default()).await.unwrap();
    let site = guarded_provider().await;
    let mut shell = Shell::new(&plane).await;
    shell.env = vec![
        ("ISSUER".to_owned(), site.oidc().unwrap().issuer().to_owned()),
        ("INITIAL_ACCESS_TOKEN".to_owned(), TOKEN.to_owned()),
    ];
    let mut commands = commands("README.md", "## Five minutes on a cluster").into_iter();
    let install = commands.next().unwrap();
    assert!(install.contains("deploy/crds"), "{install}");
    run(&shell, &install).await;
    let operator = operator(&plane).await;
    let mut transcript = String::new();
    for command in commands {
        let said = run(&shell, &command).await;
        if command.contains("base64 -d") {
            let clients = site.clients().await.unwrap();
            assert!(clients.keys().any(|id| said.ends_with(id.as_str())), "{said}");
        }
        transcript.extend(["$ ", &command, &said, "\n"]);
    }
    assert!(
        transcript.contains("oauthclient.oauth-client-operator.dev/web-app condition met"),
        "{transcript}"
    );
    assert!(
        site.clients().await.unwrap().is_empty(),
        "the last command deletes the client"
    );
    operator.stop().await.unwrap();
}

/// What the page speaks of: namespace, provider, its credentials and a client.
pub async fn shop(plane: &ControlPlane, site: &Site) {
    plane.create_namespace("shop").await.unwrap();
    let manifests = site
        .manifests
        .replace("name: provider", "name: id")
        .replace("initial-access-token\n", "id-registration\n");
    let client = site
        .client("shop", "redirectURIs: ['https://shop.example.com/callback']")
        .replace("name: provider", "name: id");
    let apply = ["-n", "shop", "apply", "-f", "-"];
    plane
        .kubectl_with(&apply, &(manifests + &client))
        .await
        .unwrap()
        .stdout()
        .unwrap();
    let wait = [
        "-n",
        "shop",
        "wait",
        "--for=condition=Ready",
        "oauthclient/shop",
        "--timeout=60s",
    ];
    plane.kubectl(&wait).await.unwrap().stdout().unwrap();
}

#[tokio::test]
async fn t132_every_command_for_troubleshooting_runs() {
    let plane = ControlPlane::start(ControlPlaneOptions::default()).await.unwrap();
    let site = guarded_provider().await;
    let shell = Shell::new(&plane).await;
    for command in commands("docs/install.md", "## With kubectl").iter().take(1) {
        run(&shell, command).await;
    }
    let operator = operator(&plane).await;
    shop(&plane, &site).await;
    let mut count = 0;
    for command in commands("docs/troubleshooting.md", "# Troubleshooting") {
        let said = run(&shell, &command).await;
        count += 1;
        for forgotten in ["Error from server", "no matches", "<no value>"] {
            assert!(!said.contains(forgotten), "{command}\n{said}");
        }
    }
    assert!(count >= 14, "only {count} blocks");
    // The page ends with the client given up: its deletion leaves it at the provider.
    let delete = ["-n", "shop", "delete", "oauthclient", "shop", "--timeout=60s"];
    plane.kubectl(&delete).await.unwrap().stdout().unwrap();
    assert_eq!(site.clients().await.unwrap().len(), 1);
    operator.stop().await.unwrap();
}

/// A suspect that is listed by the page's command, and gone after it is acknowledged as the page says.
#[tokio::test]
async fn t132_a_suspect_is_listed_with_its_client_and_acknowledged() {
    let plane = ControlPlane::start(ControlPlaneOptions::default()).await.unwrap();
    let site = Site::wso2_v1_1().await.unwrap();
    let shell = Shell::new(&plane).await;
    for command in commands("docs/install.md", "## With kubectl").iter().take(1) {
        run(&shell, command).await;
    }
    let operator = operator(&plane).await;
    plane.create_namespace("apps").await.unwrap();
    let spec = "clientName: app\ndeletionTimeout: 2s\nredirectURIs: ['https://app.example/callback']";
    let apply = ["-n", "apps", "apply", "-f", "-"];
    let manifests = site.manifests.clone() + &site.client("app", spec);
    plane.kubectl_with(&apply, &manifests).await.unwrap().stdout().unwrap();
    run(
        &shell,
        "kubectl -n apps wait --for=condition=Ready oauthclient/app --timeout=60s\n\
         kubectl -n apps label secret/wso2-admin oauth-client-operator.dev/provider-credentials-\n\
         kubectl -n apps delete oauthclient app --timeout=60s",
    )
    .await;
    let id = site.clients().await.unwrap().into_keys().next().unwrap();
    let list = commands("docs/troubleshooting.md", "## Suspects").remove(0);
    let said = eventually("the suspect is listed", async || {
        let said = run(&shell, &list).await;
        said.contains("object=apps/app").then_some(said)
    })
    .await;
    assert!(
        said.contains(&format!("client_id={id}")) && said.contains("issuer="),
        "{said}"
    );
    let name = said.split_whitespace().next().unwrap();
    run(&shell, &format!("kubectl -n {HOME} delete secret {name}")).await;
    assert!(!run(&shell, &list).await.contains("object=apps/app"));
    operator.stop().await.unwrap();
}

/// Every YAML block of a page.
fn manifests(page: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(page).unwrap();
    let blocks = text.split("\n```yaml\n").skip(1);
    blocks
        .map(|rest| rest.split("\n```").next().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn t132_every_manifest_of_the_pages_is_accepted() {
    let plane = crate::stage::plane().await;
    let namespace = plane.namespace("pages").await.unwrap();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md")];
    for directory in ["docs", "docs/providers"] {
        let files = std::fs::read_dir(root.join(directory)).unwrap();
        pages.extend(files.map(|file| file.unwrap().path()));
    }
    pages.retain(|page| page.extension().is_some_and(|ending| ending == "md"));
    let mut count = 0;
    for page in pages {
        for manifest in manifests(&page) {
            if !manifest.contains("apiVersion: ") || manifest.contains("kind: Kustomization") {
                continue;
            }
            count += 1;
            let here = format!("namespace: {}", namespace.name());
            let manifest = manifest
                .replace("namespace: shop", &here)
                .replace(&format!("namespace: {HOME}"), &here);
            let apply = [
                "-n",
                namespace.name(),
                "apply",
                "--dry-run=server",
                "--validate=strict",
                "-f",
                "-",
            ];
            let output = plane.kubectl_with(&apply, &manifest).await.unwrap();
            assert!(output.success(), "{}: {}\n{manifest}", page.display(), output.stderr);
        }
    }
    assert!(count >= 9, "only {count} manifests were found");
}
