//! What users do with kubectl, and what tools like Argo CD do with server-side apply.

use crate::stage::{Stage, plane};
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
