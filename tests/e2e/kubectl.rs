//! What users do with kubectl, and what tools like Argo CD do with server-side apply.

use std::time::Duration;

use crate::stage::{Stage, eventually, plane};
use testbed::provision::Program;
use testbed::site::{Site, oauth_client};

#[tokio::test]
async fn users_see_what_they_expect() {
    let site = Site::oidc_provider().await.unwrap();
    let stage = Stage::new("kubectl").await;
    stage.apply(&site.manifests).await;
    let manifest = oauth_client("app", "redirectURIs: ['https://app.example/callback']\nclientName: App");
    stage.apply(&manifest).await;
    stage
        .kubectl(&["wait", "--for=condition=Ready", "oac/app", "--timeout=30s"])
        .await;
    stage
        .kubectl(&["wait", "--for=condition=Ready", "oap/provider", "--timeout=30s"])
        .await;

    let listed = stage.kubectl(&["get", "oac"]).await;
    let (head, row) = listed.split_once('\n').unwrap();
    let columns: Vec<&str> = head.split_whitespace().collect();
    assert_eq!(
        columns,
        ["NAME", "READY", "REASON", "RETRYING", "PROVIDER", "SECRET", "AGE"]
    );
    assert!(
        row.starts_with("app") && row.contains("True") && row.contains("Registered"),
        "{row}"
    );
    let described = stage.kubectl(&["describe", "oac", "app"]).await;
    assert!(
        described.contains("Redirect UR") && described.contains("Client ID"),
        "{described}"
    );
    assert!(stage.kubectl(&["get", "oauth"]).await.contains("oauthprovider"));

    // Neither a diff nor a dry run finds anything that the operator changed in the manifest.
    let plane = plane().await;
    let namespace = stage.apps.name();
    let diff = plane
        .kubectl_with(&["-n", namespace, "diff", "-f", "-"], &manifest)
        .await
        .unwrap();
    assert_eq!((diff.code, diff.stdout.as_str()), (0, ""), "{}", diff.stderr);
    let server = [
        "-n",
        namespace,
        "apply",
        "--server-side",
        "--dry-run=server",
        "--field-manager=argocd",
        "-f",
        "-",
    ];
    let dry = plane.kubectl_with(&server, &manifest).await.unwrap();
    assert!(dry.success() && dry.stderr.is_empty(), "{} {}", dry.stdout, dry.stderr);
    let again = plane
        .kubectl_with(&["-n", namespace, "apply", "-f", "-"], &manifest)
        .await
        .unwrap();
    assert!(again.stdout.contains("unchanged"), "{}", again.stdout);
}

/// kubectl with a manifest on its standard input, in the applications' namespace, which must succeed; what it printed.
async fn with_manifest(stage: &Stage, args: &[&str], manifest: &str) -> String {
    let args = [&["-n", stage.apps.name()], args, &["-f", "-"]].concat();
    let output = plane().await.kubectl_with(&args, manifest).await.unwrap();
    output.stdout().unwrap()
}

/// kubectl finds no difference between a manifest and its object.
async fn no_difference(stage: &Stage, manifest: &str, args: &[&str]) {
    let found = with_manifest(stage, &[&["diff"], args].concat(), manifest).await;
    assert_eq!(found, "");
}

/// The status of the provider object says all that one client has shown.
async fn provider_is_settled(stage: &Stage) {
    eventually("the status of the provider is complete", async || {
        let status = stage.providers().get("provider").await.unwrap().status?;
        let learned = status.capabilities.is_some_and(|seen| seen.probes.is_some());
        (status.issuer.is_some() && learned).then_some(())
    })
    .await;
}

/// The operator writes nothing because of what is done, and the client stays Ready.
async fn quiet(stage: &Stage, what: &str, done: impl AsyncFnOnce()) {
    let mark = stage.mark().await;
    done().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let writes = stage.requests(mark).await.writes();
    let writes = writes.filter(|request| request.resource != "leases");
    assert!(writes.is_empty(), "{what}: {writes}");
    stage.ready("app").await;
}

#[tokio::test]
async fn t186_the_operator_writes_nothing_when_users_apply_again_label_and_annotate() {
    let site = Site::oidc_provider().await.unwrap();
    let stage = Stage::new("again-and-again").await;
    let manifest = oauth_client("app", "redirectURIs: ['https://app.example/callback']\nclientName: App");
    let all = [site.manifests.as_str(), &manifest].concat();
    stage.apply(&all).await;
    stage.ready("app").await;
    provider_is_settled(&stage).await;
    let version = async || stage.oauth_client("app").await.metadata.resource_version;
    let before = version().await;
    quiet(&stage, "apply", async || {
        let said = with_manifest(&stage, &["apply"], &all).await;
        assert!(said.lines().all(|line| line.ends_with("unchanged")), "{said}");
    })
    .await;
    assert_eq!(version().await, before);
    for command in ["label", "annotate"] {
        for change in ["team=shop", "team-"] {
            quiet(&stage, command, async || {
                for object in ["oac/app", "oap/provider"] {
                    stage.kubectl(&[command, object, change]).await;
                }
            })
            .await;
            no_difference(&stage, &all, &[]).await;
        }
    }
    // The status names the version of the credentials Secret, so a change of that one is noted there once, and stays.
    let mark = stage.mark().await;
    stage.kubectl(&["label", "secret", "app", "team=shop"]).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let writes = stage
        .requests(mark)
        .await
        .writes()
        .filter(|request| request.resource != "leases");
    assert!(
        writes.len() == 1 && writes.iter().all(|write| write.subresource == "status"),
        "{writes}"
    );
    let labels = stage
        .secrets()
        .get("app")
        .await
        .unwrap()
        .metadata
        .labels
        .unwrap_or_default();
    assert_eq!(labels.get("team").map(String::as_str), Some("shop"));
    assert_eq!(site.clients().await.unwrap().len(), 1);
}

#[tokio::test]
async fn t186_an_edit_is_carried_out_once() {
    let site = Site::oidc_provider().await.unwrap();
    let stage = Stage::new("edit").await;
    stage.apply(&site.manifests).await;
    let manifest = oauth_client(
        "app",
        "redirectURIs: ['https://app.example/callback']\nclientName: Former",
    );
    stage.apply(&manifest).await;
    let id = stage.ready("app").await.status.unwrap().client_id.unwrap();
    let output = tokio::process::Command::new(Program::Kubectl.find().await.unwrap())
        .args(["-n", stage.apps.name(), "edit", "oac", "app"])
        .env("KUBECONFIG", plane().await.kubeconfig())
        .env("KUBE_EDITOR", "sed -i s/Former/Later/")
        .output()
        .await
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    stage.ready("app").await;
    assert_eq!(site.clients().await.unwrap()[&id]["client_name"], "Later");
    // The annotation of kubectl apply holds the former text, so it is the manifest that says what is different.
    quiet(&stage, "diff", async || {
        no_difference(&stage, &manifest.replace("Former", "Later"), &[]).await;
    })
    .await;
}

/// As Argo CD and Flux apply, each under its own name; nobody forces conflicts.
#[tokio::test]
async fn t186_server_side_apply_by_other_managers_meets_no_conflict_with_the_operator() {
    let site = Site::oidc_provider().await.unwrap();
    let stage = Stage::new("managers").await;
    let by = async |manager: &str, manifest: &str| {
        let manager = format!("--field-manager={manager}");
        with_manifest(&stage, &["apply", "--server-side", &manager], manifest).await
    };
    let manifest = |name: &str| {
        oauth_client(
            "app",
            &format!("redirectURIs: ['https://app.example/callback']\nclientName: {name}"),
        )
    };
    let all = |name: &str| [site.manifests.as_str(), &manifest(name)].concat();
    by("argocd-controller", &all("App")).await;
    let id = stage.ready("app").await.status.unwrap().client_id.unwrap();
    provider_is_settled(&stage).await;
    for (manager, text) in [
        ("argocd-controller", all("App")),
        ("kustomize-controller", all("App")),
        (
            "helm",
            manifest("App").replace("  name: app\n", "  name: app\n  labels: {team: shop}\n"),
        ),
    ] {
        quiet(&stage, manager, async || {
            by(manager, &text).await;
        })
        .await;
        no_difference(&stage, &text, &["--server-side", &format!("--field-manager={manager}")]).await;
    }
    // A field of one manager alone is changed and removed by it.
    let held = manifest("App").replace("  clientName: App\n", "  clientName: App\n  softwareID: one\n");
    for (text, software) in [
        (held.clone(), Some("one")),
        (held.replace("softwareID: one", "softwareID: two"), Some("two")),
        (manifest("App"), None),
    ] {
        by("helm", &text).await;
        let generation = stage.ready("app").await.metadata.generation;
        let client = site.clients().await.unwrap().remove(&id).unwrap();
        assert_eq!(
            client["software_id"].as_str(),
            software,
            "generation {generation:?}: {client}"
        );
    }
}

#[tokio::test]
async fn a_manifest_that_is_replaced_keeps_its_client_and_its_deletion() {
    let site = Site::oidc_provider().await.unwrap();
    let stage = Stage::new("replace").await;
    stage.apply(&site.manifests).await;
    let manifest = oauth_client("app", "redirectURIs: ['https://app.example/callback']");
    stage.apply(&manifest).await;
    stage.ready("app").await;
    let before = site.clients().await.unwrap();
    let namespace = stage.apps.name();
    plane()
        .await
        .kubectl_with(&["-n", namespace, "replace", "-f", "-"], &manifest)
        .await
        .unwrap()
        .stdout()
        .unwrap();
    stage
        .until("app", "given its finalizer back", |object| {
            object
                .metadata
                .finalizers
                .as_ref()
                .is_some_and(|finalizers| !finalizers.is_empty())
        })
        .await;
    stage.ready("app").await;
    assert_eq!(site.clients().await.unwrap(), before);
    no_difference(&stage, &manifest, &[]).await;
    stage.kubectl(&["delete", "oac", "app", "--timeout=30s"]).await;
    assert!(site.clients().await.unwrap().is_empty());
}

#[tokio::test]
async fn deleted_and_applied_again_under_the_same_name_ends_ready() {
    let site = Site::oidc_provider().await.unwrap();
    let stage = Stage::new("again").await;
    stage.apply(&site.manifests).await;
    let manifest = oauth_client("app", "redirectURIs: ['https://app.example/callback']");
    for _ in 0..3 {
        stage.apply(&manifest).await;
        stage.ready("app").await;
        stage.kubectl(&["delete", "oac", "app", "--wait=false"]).await;
        stage.gone("app").await;
    }
    stage.apply(&manifest).await;
    let object = stage.ready("app").await;
    let clients = site.clients().await.unwrap();
    assert_eq!(
        clients.keys().cloned().collect::<Vec<_>>(),
        [object.status.unwrap().client_id.unwrap()]
    );
    assert_eq!(
        stage.secret("app").await.unwrap()["client_id"],
        *clients.keys().next().unwrap()
    );
    assert_eq!(stage.records().await.len(), 1);
}

#[tokio::test]
async fn foreground_deletion_ends() {
    let site = Site::oidc_provider().await.unwrap();
    let stage = Stage::new("foreground").await;
    stage.apply(&site.manifests).await;
    stage
        .apply(&oauth_client("app", "redirectURIs: ['https://app.example/callback']"))
        .await;
    stage.ready("app").await;
    stage
        .kubectl(&["delete", "oac", "app", "--cascade=foreground", "--timeout=40s"])
        .await;
    stage.gone("app").await;
    assert!(site.clients().await.unwrap().is_empty());
    assert!(stage.secret("app").await.is_none());
}

#[tokio::test]
async fn a_retained_client_stays_with_its_secret() {
    let site = Site::oidc_provider().await.unwrap();
    let stage = Stage::new("retain").await;
    stage.apply(&site.manifests).await;
    stage
        .apply(&oauth_client(
            "app",
            "redirectURIs: ['https://app.example/callback']\ndeletionPolicy: Retain",
        ))
        .await;
    stage.ready("app").await;
    let secret = stage.secret("app").await;
    stage.kubectl(&["delete", "oac", "app", "--timeout=40s"]).await;
    assert_eq!(site.clients().await.unwrap().len(), 1);
    // The garbage collector has had its chance.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(stage.secret("app").await, secret);
}

#[tokio::test]
async fn the_secret_gets_another_name_after_the_new_one_is_written() {
    let site = Site::oidc_provider().await.unwrap();
    let stage = Stage::new("rename").await;
    stage.apply(&site.manifests).await;
    let named = |name: &str| {
        oauth_client(
            "app",
            &format!("redirectURIs: ['https://app.example/callback']\nsecret: {{name: {name}}}"),
        )
    };
    stage.apply(&named("first")).await;
    stage.ready("app").await;
    let first = stage.secret("first").await.unwrap();
    stage.apply(&named("second")).await;
    stage.ready("app").await;
    assert_eq!(stage.secret("second").await.unwrap(), first);
    crate::stage::eventually("the former Secret is gone", async || {
        stage.secret("first").await.is_none().then_some(())
    })
    .await;
    assert_eq!(site.clients().await.unwrap().len(), 1);
}
