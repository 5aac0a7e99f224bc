//! docs/upgrade.md, docs/restore.md (the backup), docs/tenancy.md and docs/air-gapped.md, command by command and manifest by manifest.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use testbed::control_plane::{ControlPlane, ControlPlaneOptions};
use testbed::operator::{Operator, OperatorOptions};
use testbed::providers::OidcProviderOptions;
use testbed::site::{Site, oauth_client};

use crate::helm::works_as;
use crate::installed::{Form, HOME, Installed};
use crate::page::{Shell, blocks, commands};
use crate::scene::{CLIENT, edited};
use crate::stage::{BINARY, Stage, eventually};
use crate::watches::without;

const UPGRADE: &str = "docs/upgrade.md";
const RESTORE: &str = "docs/restore.md";
const TENANCY: &str = "docs/tenancy.md";
const AIR_GAPPED: &str = "docs/air-gapped.md";
const TOKEN: &str = "initial-access-token-of-the-guides";

#[tokio::test]
async fn t341_an_upgrade_by_the_page_begins_with_the_definitions_and_keeps_every_client() {
    let mut installed = Installed::new(Form::Cluster).await;
    let before = installed.ids().await;
    // The operator of the new version is there before its definitions.
    let (operator, _) = installed.operator.as_mut().unwrap();
    operator.stop().await.unwrap();
    let definition = concat!(env!("CARGO_MANIFEST_DIR"), "/crds/oauthclients.yaml");
    let older = without(&std::fs::read_to_string(definition).unwrap(), "              suspects:");
    let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    let apply = installed.plane.kubectl_with(&apply, &older).await.unwrap();
    apply.stdout().unwrap();
    operator.relaunch().await.unwrap();
    let url = format!("http://{}/readyz", operator.admin_address());
    eventually("/readyz says what to do", async || {
        let answer = testbed::providers::http(None).get(&url).send().await.ok()?;
        let (status, text) = (answer.status(), answer.text().await.ok()?);
        (!status.is_success() && text.contains("upgrade the CRDs: they lack OAuthClient.status.suspects")).then_some(())
    })
    .await;
    assert!(operator.log().contains("upgrade the CRDs"), "{}", operator.log());
    assert_eq!(installed.ids().await, before);

    installed.follow(UPGRADE, "## With kubectl").await;
    installed.operator.as_ref().unwrap().0.ready().await.unwrap();
    let said = installed.follow(UPGRADE, "## Check the result").await;
    let ready = said.lines().filter(|line| line.contains(" True "));
    assert_eq!(ready.count(), installed.count(), "{said}");
    works_as(&installed, &before, "upgraded").await;
    installed.follow(UPGRADE, "## Roll back").await;
    works_as(&installed, &before, "rolled-back").await;
}

/// The record of the one client of a stage, its form as a newer version would count it.
async fn written_by(stage: &Stage, schema: u32) -> Secret {
    let name = stage.records().await.remove(0);
    let mut data = stage.kept().get(&name).await.unwrap().data.unwrap();
    let mut record: Value = serde_json::from_slice(&data["record.json"].0).unwrap();
    record["schemaVersion"] = json!(schema);
    data.get_mut("record.json").unwrap().0 = record.to_string().into_bytes();
    let patch = Patch::Merge(json!({"data": data}));
    stage
        .kept()
        .patch(&name, &PatchParams::default(), &patch)
        .await
        .unwrap()
}

#[tokio::test]
async fn t342_a_record_of_a_newer_version_is_left_as_it_is() {
    let site = Site::oidc_provider().await.unwrap();
    let stage = Stage::new("newer-record").await;
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    stage.ready("app").await;
    let (clients, secret) = (site.clients().await.unwrap(), stage.secret("app").await);
    written_by(&stage, 2).await;
    stage.apply(&oauth_client("app", &edited("two"))).await;
    let message = stage.failed("app", "InternalError").await;
    assert!(
        message.contains("(schema 2); upgrade the operator; do not delete or abandon it"),
        "{message}"
    );
    assert_eq!(
        (site.clients().await.unwrap(), stage.secret("app").await),
        (clients, secret)
    );

    // An operator that knows the form goes on.
    written_by(&stage, 1).await;
    stage.ready("app").await;
    let changed = site.clients().await.unwrap();
    assert!(
        json!(changed).to_string().contains("https://app.example/two"),
        "{changed:?}"
    );

    let newer = written_by(&stage, 2).await;
    let timeout = json!({"spec": {"deletionTimeout": "2s"}}).to_string();
    let patch = ["patch", "oac", "app", "--type=merge", "-p", &timeout];
    stage.kubectl(&patch).await;
    stage.kubectl(&["delete", "oac", "app", "--timeout=60s"]).await;
    assert_eq!(site.clients().await.unwrap(), changed, "nothing is deregistered");
    assert_eq!(stage.suspects().await.len(), 1);
    let kept = stage.kept().get(&newer.name_any()).await.unwrap();
    assert_eq!(kept.data, newer.data);
}

#[tokio::test]
async fn t343_records_that_are_lost_come_back_from_the_backup_of_the_page() {
    let mut installed = Installed::new(Form::Cluster).await;
    let before = installed.ids().await;
    installed.follow(RESTORE, "## Back up").await;
    let delete = "delete secrets -l oauth-client-operator.dev/role=record";
    installed.script(&format!("kubectl -n {HOME} {delete}")).await;
    let change = r#"{"spec":{"clientName":"changed"}}"#;
    installed
        .script(&format!(
            "kubectl -n token patch oauthclient app-0 --type=merge -p '{change}'"
        ))
        .await;
    let reason = "jsonpath={.status.conditions[?(@.type==\"Ready\")].reason}";
    eventually("the loss shows", async || {
        let query = ["-n", "token", "get", "oauthclient", "app-0", "-o", reason];
        (installed.kubectl(&query).await == "RecordLost").then_some(())
    })
    .await;
    assert_eq!(installed.secrets().await, installed.count());
    installed.follow(RESTORE, "## The records are lost").await;
    works_as(&installed, &before, "restored").await;
}

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
    let create = async |name: &str, uri: &str| {
        let apply = ["-n", "shop", "apply", "-f", "-"];
        shared.tried(&apply, &client(name, uri)).await
    };
    // A policy takes effect a moment after it is made.
    eventually("a foreign host is refused", async || {
        let (succeeded, said) = create("stranger", "https://evil.test/callback").await;
        (!succeeded && said.contains("at a host below the domain")).then_some(())
    })
    .await;
    for uri in [
        "http://shop.example.com/callback",
        "https://notexample.com/",
        "com.example.app:/callback",
    ] {
        let (succeeded, said) = create("stranger", uri).await;
        assert!(
            !succeeded && said.contains("at a host below the domain"),
            "{uri}: {said}"
        );
    }
    let (succeeded, said) = create("good", "https://new.shop.example.com/callback").await;
    assert!(succeeded, "{said}");
    // What no longer complies can be deleted all the same.
    shared
        .tried(&["annotate", "namespace", "shop", "identity.example.com/domain-"], "")
        .await;
    eventually("nothing complies any more", async || {
        (!create("late", "https://late.shop.example.com/callback").await.0).then_some(())
    })
    .await;
    for name in ["web", "good", "stranger", "late"] {
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

/// Installs from what the page transfers, and registers clients.
async fn without_internet(form: Form, heading: &str, kind: &str) {
    let sites = vec![("token".to_owned(), Site::oidc_provider().await.unwrap())];
    let mut installed = Installed::bare(form, sites).await;
    for (found, block) in blocks(AIR_GAPPED, heading) {
        assert_eq!(found, kind);
        installed.script(&block).await;
    }
    installed.apply_clients().await;
    installed.all_ready().await;
    let images = ["get", "deployments", "-A", "-o", "jsonpath={..image}"];
    let (version, images) = (env!("CARGO_PKG_VERSION"), installed.kubectl(&images).await);
    assert_eq!(
        images,
        format!("registry.internal.example/oauth-client-operator:{version}")
    );
    let (operator, _) = installed.operator.take().unwrap();
    operator.stop().await.unwrap();
}

#[tokio::test]
async fn t345_the_chart_is_installed_from_its_archive_with_one_image() {
    without_internet(Form::Helm, "## The chart as an archive", "console").await;
}

#[tokio::test]
async fn t345_the_bundles_are_applied_from_files_with_one_image() {
    without_internet(Form::Cluster, "## kustomize as one file", "console kustomize").await;
}
