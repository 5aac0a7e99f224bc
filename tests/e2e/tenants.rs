//! docs/tenancy.md: the rights of the roles, and its commands and manifests, with tenants who share a provider.

use testbed::control_plane::{ControlPlane, ControlPlaneOptions};
use testbed::operator::{Operator, OperatorOptions};
use testbed::providers::OidcProviderOptions;
use testbed::site::{Site, oauth_client};

use crate::installed::HOME;
use crate::page::{Shell, blocks, commands};
use crate::stage::{BINARY, eventually};

const TENANCY: &str = "docs/tenancy.md";
const TOKEN: &str = "initial-access-token-of-the-tenants";

/// The cells of the rows of the first table below a heading, without marks of code.
fn table(page: &str, heading: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let (_, below) = text.split_once(&format!("\n{heading}\n")).unwrap();
    let rows = below.lines().skip_while(|line| !line.starts_with('|'));
    let rows = rows
        .take_while(|line| line.starts_with('|'))
        .filter(|row| !row.contains("---"));
    rows.map(|row| {
        let cells = row.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().replace('`', "")).collect()
    })
    .collect()
}

/// A cluster with the operator, and a provider that wants the token of the page.
struct Shared {
    plane: ControlPlane,
    site: Site,
    shell: Shell,
    operator: Operator,
}

impl Shared {
    async fn new() -> Self {
        let plane = ControlPlane::start(ControlPlaneOptions::default()).await.unwrap();
        let provider = OidcProviderOptions {
            initial_access_token: Some(TOKEN.to_owned()),
            ..OidcProviderOptions::default()
        };
        let site = Site::oidc_provider_with(provider).await.unwrap();
        let shell = Shell::new(&plane).await;
        let (succeeded, said) = shell.run(&commands("docs/install.md", "## With kubectl")[0]).await;
        assert!(succeeded, "{said}");
        let options = OperatorOptions {
            binary: BINARY.into(),
            ..OperatorOptions::new(HOME, &[])
        };
        let operator = Operator::start(&plane, options).await.unwrap();
        for namespace in ["shop", "other"] {
            plane.create_namespace(namespace).await.unwrap();
        }
        Self {
            plane,
            site,
            shell,
            operator,
        }
    }

    /// What is said, and whether it succeeded.
    async fn tried(&self, args: &[&str], input: &str) -> (bool, String) {
        let output = self.plane.kubectl_with(args, input).await.unwrap();
        (output.success(), format!("{}{}", output.stdout, output.stderr))
    }

    /// Runs or applies a block of a page; what is printed.
    async fn follow(&self, (kind, block): &(String, String)) -> String {
        let block = block
            .replace("https://id.example.com", self.site.oidc().unwrap().issuer())
            .replace("YOUR_INITIAL_ACCESS_TOKEN", TOKEN);
        let (succeeded, said) = match kind.as_str() {
            "yaml" => self.tried(&["apply", "-f", "-"], &block).await,
            _ => self.shell.run(&block).await,
        };
        assert!(succeeded, "{block}\n{said}");
        said
    }

    async fn reason(&self, name: &str) -> String {
        let path = "jsonpath={.status.conditions[?(@.type==\"Ready\")].reason}";
        self.tried(&["-n", "shop", "get", "oauthclient", name, "-o", path], "")
            .await
            .1
    }
}

#[tokio::test]
async fn t344_roles_give_what_the_page_of_tenancy_says() {
    let shared = Shared::new().await;
    let table = table(TENANCY, "## Who may do what");
    let (head, rows) = table.split_first().unwrap();
    let resources = ["oauthclients", "oauthproviders", "clusteroauthproviders", "secrets"];
    assert!(
        head.len() == 5 && head[1] == "OAuthClients" && head[4].starts_with("Secrets"),
        "{head:?}"
    );
    assert_eq!(rows.len(), 3);
    for row in rows {
        let role = &row[0];
        let bind = [
            "-n",
            "shop",
            "create",
            "rolebinding",
            role,
            "--user",
            role,
            "--clusterrole",
            role,
        ];
        let (succeeded, said) = shared.tried(&bind, "").await;
        assert!(succeeded, "{said}");
        for (resource, cell) in resources.iter().zip(&row[1..]) {
            let (resource, place) = match *resource {
                "secrets" => ("secrets".to_owned(), "--namespace=shop"),
                "clusteroauthproviders" => (format!("{resource}.oauth-client-operator.dev"), "--all-namespaces"),
                _ => (format!("{resource}.oauth-client-operator.dev"), "--namespace=shop"),
            };
            for (verbs, allowed) in [
                (["get", "list", "watch"], cell.contains("read")),
                (["create", "patch", "delete"], cell.contains("write")),
            ] {
                for verb in verbs {
                    let question = ["auth", "can-i", verb, &resource, place, "--as", role];
                    let wanted = if allowed { "yes" } else { "no" };
                    // The roles are extended a moment after they are installed.
                    eventually(&format!("{role}: {verb} {resource}: {wanted}"), async || {
                        let (_, said) = shared.tried(&question, "").await;
                        said.lines()
                            .any(|line| line.split(' ').next() == Some(wanted))
                            .then_some(())
                    })
                    .await;
                }
            }
        }
    }
    let (succeeded, said) = shared
        .tried(
            &[
                "-n",
                "shop",
                "create",
                "rolebinding",
                "jane",
                "--user",
                "jane",
                "--clusterrole",
                "edit",
            ],
            "",
        )
        .await;
    assert!(succeeded, "{said}");
    for command in commands(TENANCY, "## Who may do what") {
        let (succeeded, said) = shared.shell.run(&command).await;
        assert!(succeeded && said.contains("yes"), "{said}");
    }
    shared.operator.stop().await.unwrap();
}

#[tokio::test]
async fn t344_tenants_share_a_provider_by_permission_and_register_what_the_policy_allows() {
    let shared = Shared::new().await;
    let several = blocks(TENANCY, "## A provider for several namespaces");
    let kinds: Vec<_> = several.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["yaml", "console", "yaml"]);
    shared.follow(&several[0]).await;
    shared.follow(&several[2]).await;
    eventually("the namespace is refused", async || {
        (shared.reason("web").await == "NamespaceNotAllowed").then_some(())
    })
    .await;
    assert!(shared.site.clients().await.unwrap().is_empty());
    shared.follow(&several[1]).await;
    let wait = [
        "-n",
        "shop",
        "wait",
        "--for=condition=Ready",
        "oauthclient/web",
        "--timeout=120s",
    ];
    let (succeeded, said) = shared.tried(&wait, "").await;
    assert!(succeeded, "{said}");

    for block in blocks(TENANCY, "## Restrict redirect URIs") {
        shared.follow(&block).await;
    }
    let client = |name: &str, uri: &str| {
        oauth_client(name, &format!("redirectURIs: ['{uri}']"))
            .replace("providerRef:\n", "providerRef:\n    kind: ClusterOAuthProvider\n")
            .replace("name: provider", "name: company")
    };
    // Nothing is stored by a try: what is there unchanged is never refused.
    let attempt = async |name: &str, uri: &str| {
        let apply = ["-n", "shop", "apply", "--dry-run=server", "-f", "-"];
        shared.tried(&apply, &client(name, uri)).await
    };
    // A policy takes effect a moment after it is made.
    eventually("a foreign host is refused", async || {
        let (succeeded, said) = attempt("stranger", "https://evil.test/callback").await;
        (!succeeded && said.contains("at a host below the domain")).then_some(())
    })
    .await;
    for uri in [
        "http://shop.example.com/callback",
        "https://notexample.com/",
        "com.example.app:/callback",
    ] {
        let (succeeded, said) = attempt("stranger", uri).await;
        assert!(
            !succeeded && said.contains("at a host below the domain"),
            "{uri}: {said}"
        );
    }
    let good = client("good", "https://new.shop.example.com/callback");
    let (succeeded, said) = shared.tried(&["-n", "shop", "apply", "-f", "-"], &good).await;
    assert!(succeeded, "{said}");
    // What no longer complies can be deleted all the same.
    shared
        .tried(&["annotate", "namespace", "shop", "identity.example.com/domain-"], "")
        .await;
    eventually("nothing complies any more", async || {
        (!attempt("late", "https://late.shop.example.com/callback").await.0).then_some(())
    })
    .await;
    for name in ["web", "good"] {
        let delete = [
            "-n",
            "shop",
            "delete",
            "oauthclient",
            name,
            "--ignore-not-found",
            "--timeout=60s",
        ];
        let (succeeded, said) = shared.tried(&delete, "").await;
        assert!(succeeded, "{said}");
    }
    eventually("every client is deregistered", async || {
        shared.site.clients().await.unwrap().is_empty().then_some(())
    })
    .await;
    shared.operator.stop().await.unwrap();
}
