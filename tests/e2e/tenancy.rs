//! Secrets and tenants: what others own is left alone, what is ours is put right, and nobody is slowed or reached through
//! somebody else.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use testbed::control_plane::{ControlPlane, ControlPlaneOptions};
use testbed::operator::{Operator, OperatorOptions};
use testbed::providers::OidcProviderOptions;
use testbed::proxy::{Action, Proxy};
use testbed::site::{Site, bearer, consented, oauth_client, oauth_provider};

use crate::api_server::faster;
use crate::judge::Verdict;
use crate::scene::{CLIENT, Scene, edited, step};
use crate::stage::{BINARY, condition, eventually, plane};

/// A scene at a provider that wants an initial access token, with a proxy before it.
async fn guarded(name: &str, token: &str) -> (Scene, Proxy) {
    let provider = Proxy::open(false).await.unwrap();
    let options = OidcProviderOptions {
        initial_access_token: Some(token.to_owned()),
        ..OidcProviderOptions::default()
    };
    let site = Site::oidc_provider_behind(&provider, options).await.unwrap();
    (Scene::with(name, site, faster).await, provider)
}

fn posts(provider: &Proxy) -> usize {
    provider
        .asked()
        .iter()
        .filter(|asked| asked.method == "POST" && asked.path.ends_with("/reg"))
        .count()
}

#[tokio::test]
async fn t70_a_secret_that_is_damaged_in_any_way_is_put_right_from_the_record() {
    let provider = Proxy::open(false).await.unwrap();
    let site = Site::oidc_provider_behind(&provider, OidcProviderOptions::default());
    let scene = Scene::with("damaged", site.await.unwrap(), |_| {}).await;
    scene.ready_app().await;
    let (whole, place) = (scene.stage.secret("app").await.unwrap(), provider.place());
    let object = scene.stage.oauth_client("app").await;
    let edits = [
        r#"{"data":{"client_secret":null}}"#,
        r#"{"data":{"client_id":"dGFtcGVyZWQ="}}"#,
        r#"{"metadata":{"labels":null}}"#,
        r#"{"metadata":{"annotations":null}}"#,
        r#"{"metadata":{"labels":null,"annotations":null},"data":{"client_secret":"eA=="}}"#,
        r#"{"data":{"client_secret":"eA=="},"immutable":true}"#,
        r#"{"data":null}"#,
    ];
    let is_whole = async || {
        let secret: Secret = scene.stage.secrets().get_opt("app").await.unwrap()?;
        let labelled = secret.metadata.labels.as_ref()?.get("oauth-client-operator.dev/role")? == "credentials";
        let owned = secret.metadata.owner_references.as_ref()?.first()?.uid == *object.metadata.uid.as_ref()?;
        (labelled && owned && scene.stage.secret("app").await.as_ref() == Some(&whole)).then_some(())
    };
    for edit in edits {
        scene
            .stage
            .kubectl(&["patch", "secret", "app", "--type=merge", "-p", edit])
            .await;
        eventually(edit, is_whole).await;
    }
    scene.stage.kubectl(&["delete", "secret", "app"]).await;
    eventually("the deleted Secret is back", is_whole).await;
    // What others add stays.
    let foreign = r#"{"stringData":{"theirs":"value"}}"#;
    scene.stage.kubectl(&["patch", "secret", "app", "-p", foreign]).await;
    scene
        .stage
        .kubectl(&["patch", "secret", "app", "-p", r#"{"data":{"client_secret":"eA=="}}"#])
        .await;
    eventually("both are there", async || {
        let found = scene.stage.secret("app").await?;
        (found.contains_key("theirs") && found["client_secret"] == whole["client_secret"]).then_some(())
    })
    .await;
    assert!(provider.since(place).is_empty(), "the provider was asked");
    scene
        .stage
        .kubectl(&["patch", "secret", "app", "-p", r#"{"data":{"theirs":null}}"#])
        .await;
    scene.judge().await;
}

/// Without its owner reference a Secret is somebody's, and nobody knows whose.
#[tokio::test]
async fn t70_a_secret_without_its_owner_is_not_touched_until_its_name_is_free() {
    let scene = Scene::with("disowned", Site::oidc_provider().await.unwrap(), faster).await;
    scene.ready_app().await;
    let disown = r#"{"metadata":{"ownerReferences":null}}"#;
    scene
        .stage
        .kubectl(&["patch", "secret", "app", "--type=merge", "-p", disown])
        .await;
    scene.stage.failed("app", "SecretConflict").await;
    let secret = scene.stage.secrets().get("app").await.unwrap();
    scene
        .judge_with(Verdict::default().excuse("SecretConflict").theirs(&secret))
        .await;
    scene.stage.kubectl(&["delete", "secret", "app"]).await;
    scene.stage.ready("app").await;
    assert_eq!(scene.ids().await.len(), 1);
    scene.judge().await;
}

#[tokio::test]
async fn t71_a_secret_that_was_there_before_is_left_alone() {
    let scene = Scene::with("before", Site::oidc_provider().await.unwrap(), faster).await;
    let theirs = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: app\nstringData:\n  theirs: value\n";
    scene.stage.apply(theirs).await;
    scene.app().await;
    scene.stage.failed("app", "SecretConflict").await;
    assert!(
        scene.ids().await.is_empty(),
        "nothing is registered without a place for it"
    );
    let secret = scene.stage.secrets().get("app").await.unwrap();
    let verdict = Verdict::default().excuse("SecretConflict").theirs(&secret);
    scene.judge_with(verdict).await;
    // No watch tells that an unlabelled Secret is gone; the next look does.
    scene.stage.kubectl(&["delete", "secret", "app"]).await;
    scene.stage.ready("app").await;
    scene.judge().await;
}

#[tokio::test]
async fn t72_of_two_clients_that_name_one_secret_the_second_waits() {
    let scene = Scene::with("one-secret", Site::oidc_provider().await.unwrap(), faster).await;
    let shared = format!("{CLIENT}\nsecret: {{name: shared}}");
    scene.stage.apply(&oauth_client("first", &shared)).await;
    scene.stage.ready("first").await;
    scene.stage.apply(&oauth_client("second", &shared)).await;
    scene.stage.failed("second", "SecretConflict").await;
    assert_eq!(scene.ids().await.len(), 1);
    scene.judge_with(Verdict::default().excuse("SecretConflict")).await;
    scene.stage.kubectl(&["delete", "oac", "first", "--timeout=30s"]).await;
    scene.stage.ready("second").await;
    assert_eq!(scene.ids().await.len(), 1);
    scene.judge().await;
}

#[tokio::test]
async fn t73_a_quota_or_a_policy_against_secrets_registers_nothing() {
    let provider = Proxy::open(false).await.unwrap();
    let site = Site::oidc_provider_behind(&provider, OidcProviderOptions::default());
    let scene = Scene::with("quota", site.await.unwrap(), faster).await;
    let quota = "apiVersion: v1\nkind: ResourceQuota\nmetadata:\n  name: none\nspec:\n  hard:\n    secrets: \"0\"\n";
    scene.stage.apply(quota).await;
    eventually("the quota is in force", async || {
        let status = ["get", "resourcequota", "none", "-o", "jsonpath={.status.hard.secrets}"];
        (scene.stage.kubectl(&status).await == "0").then_some(())
    })
    .await;
    scene.app().await;
    let message = scene.stage.failed("app", "SecretWriteDenied").await;
    assert!(message.contains("quota"), "{message}");
    // Several looks later it is still so.
    let dry_runs = scene.count(step::dry_run);
    eventually("it is looked at again", async || {
        (scene.count(step::dry_run) > dry_runs + 2).then_some(())
    })
    .await;
    assert_eq!(posts(&provider), 0);
    scene.stage.kubectl(&["delete", "resourcequota", "none"]).await;
    scene.stage.ready("app").await;

    // A policy of the cluster says no with another status.
    let namespace = scene.stage.apps.name();
    let policy = policy(namespace);
    plane().await.apply(&policy).await.unwrap();
    eventually("the policy is in force", async || {
        let try_it = [
            "-n",
            namespace,
            "create",
            "secret",
            "generic",
            "denied-try",
            "--dry-run=server",
        ];
        let output = plane().await.kubectl(&try_it).await.unwrap();
        (!output.success()).then_some(())
    })
    .await;
    scene.stage.apply(&oauth_client("denied-app", CLIENT)).await;
    let message = scene.stage.failed("denied-app", "SecretWriteDenied").await;
    assert!(message.contains("no Secrets of this name"), "{message}");
    assert_eq!(posts(&provider), 1);
    plane()
        .await
        .kubectl_with(&["delete", "-f", "-"], &policy)
        .await
        .unwrap()
        .stdout()
        .unwrap();
    scene.stage.ready("denied-app").await;
    assert_eq!(posts(&provider), 2);
    scene.judge().await;
}

/// A policy that denies Secrets whose names begin with `denied-` in one namespace.
fn policy(namespace: &str) -> String {
    format!(
        "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\nmetadata:\n  name: {namespace}\nspec:\n  failurePolicy: Fail\n  \
         matchConstraints:\n    resourceRules:\n    - apiGroups: ['']\n      apiVersions: [v1]\n      operations: [CREATE]\n      resources: [secrets]\n  \
         validations:\n  - expression: \"!object.metadata.name.startsWith('denied-')\"\n    message: no Secrets of this name\n---\n\
         apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\nmetadata:\n  name: {namespace}\nspec:\n  policyName: {namespace}\n  \
         validationActions: [Deny]\n  matchResources:\n    namespaceSelector:\n      matchLabels:\n        kubernetes.io/metadata.name: {namespace}\n---\n"
    )
}

/// A scene whose operator keeps its rights over the objects of a namespace that ends.
async fn lasting(name: &str) -> Scene {
    let site = Site::oidc_provider().await.unwrap();
    Scene::with_rights(name, site, crate::stage::lasting_rights, faster).await
}

/// The namespace begins to end at each step of a create.
#[tokio::test]
async fn t74_a_namespace_that_ends_in_the_middle_of_a_create_ends_and_leaves_no_client() {
    let steps = [step::dry_run, step::object, step::record, step::secret, step::status];
    for (number, fits) in steps.into_iter().enumerate() {
        let scene = lasting(&format!("ending-{number}")).await;
        let late = scene.proxy.once(fits, Action::Delay(Duration::from_millis(1500)));
        scene.app().await;
        scene.met(&late, 1).await;
        plane().await.delete_namespace(scene.stage.apps.name()).await.unwrap();
        eventually("no client and no record is left", async || {
            (scene.ids().await.is_empty() && scene.stage.records().await.is_empty()).then_some(())
        })
        .await;
        assert!(scene.stage.suspects().await.is_empty(), "step {number}");
        scene.judge().await;
    }
}

/// Rights that go with their namespace are gone before the objects in it, and the last that is seen of a provider object is that
/// it is there.
#[tokio::test]
async fn t74_the_status_of_a_provider_object_that_may_not_be_written_is_said_once_and_tried_ever_more_seldom() {
    let site = Site::oidc_provider().await.unwrap();
    let rights = async |home: &str, watched: &[String]| {
        let all = crate::stage::rights(home, watched).await;
        let some = all.replace("[oauthclients/status, oauthproviders/status]", "[oauthclients/status]");
        assert_ne!(all, some);
        some
    };
    let scene = Scene::with_rights("mute", site, rights, faster).await;
    scene.ready_app().await;
    // A wait of a minute would be one of a second here.
    scene.judge().await;
    let log = scene.stage.operator.log();
    assert_eq!(log.matches("status not written").count(), 1, "{log}");
    assert!(
        log.contains("the API server refused the status of OAuthProvider"),
        "{log}"
    );
}

#[tokio::test]
async fn t75_credentials_of_a_provider_that_change_or_go_are_told_of_and_come_back() {
    let (scene, provider) = guarded("credentials", "right-initial-token").await;
    scene.ready_app().await;
    let secret = |token: &str| consented("initial-access-token", provider.url(), &[("token", token)]);
    scene.stage.apply(&secret("wrong-initial-token")).await;
    scene.stage.apply(&oauth_client("second", CLIENT)).await;
    let message = scene.stage.failed("second", "CredentialsRejected").await;
    assert!(!message.contains("wrong-initial-token"), "{message}");
    scene.stage.kubectl(&["delete", "secret", "initial-access-token"]).await;
    scene.stage.failed("second", "CredentialsMissing").await;
    let app = scene.stage.oauth_client("app").await;
    assert!(scene.stage.secret("app").await.is_some() && condition(&app, "SecretSynced").unwrap().status == "True");
    scene.stage.apply(&secret("right-initial-token")).await;
    scene.stage.ready("second").await;
    scene.stage.ready("app").await;
    assert_eq!(scene.ids().await.len(), 2);
    scene.judge().await;
}

/// The cluster-wide form, on a control plane of its own.
#[tokio::test]
async fn t76_a_namespace_that_is_no_longer_allowed_keeps_its_client_and_gets_no_change() {
    let plane = ControlPlane::start(ControlPlaneOptions::default()).await.unwrap();
    let apply = [
        "apply",
        "--server-side",
        "-k",
        concat!(env!("CARGO_MANIFEST_DIR"), "/crds"),
    ];
    plane.kubectl(&apply).await.unwrap().stdout().unwrap();
    for namespace in ["system", "shop"] {
        plane.create_namespace(namespace).await.unwrap();
    }
    let mut options = OperatorOptions {
        binary: BINARY.into(),
        manifests: vec![crate::stage::rights("system", &[]).await],
        ..OperatorOptions::new("system", &[])
    };
    faster(&mut options);
    let operator = Operator::start(&plane, options).await.unwrap();
    let site = Site::oidc_provider().await.unwrap();
    let provider = |allowed: &str| {
        let kind = site
            .manifests
            .replace("kind: OAuthProvider", "kind: ClusterOAuthProvider");
        kind.replacen(
            "spec:\n",
            &format!("spec:\n  allowedNamespaces: {{names: [{allowed}]}}\n"),
            1,
        )
    };
    let client = |path: &str| {
        oauth_client("app", &edited(path)).replace("providerRef:\n", "providerRef:\n    kind: ClusterOAuthProvider\n")
    };
    let kubectl = async |args: &[&str], input: &str| plane.kubectl_with(args, input).await.unwrap().stdout().unwrap();
    let ready = [
        "-n",
        "shop",
        "wait",
        "--for=condition=Ready",
        "oac/app",
        "--timeout=60s",
    ];
    kubectl(&["apply", "-f", "-"], &provider("shop")).await;
    kubectl(&["-n", "shop", "apply", "-f", "-"], &client("one")).await;
    kubectl(&ready, "").await;
    let before = site.clients().await.unwrap();

    kubectl(&["apply", "-f", "-"], &provider("other")).await;
    kubectl(&["-n", "shop", "apply", "-f", "-"], &client("two")).await;
    let reason = [
        "-n",
        "shop",
        "get",
        "oac",
        "app",
        "-o",
        "jsonpath={.status.conditions[?(@.type==\"Ready\")].reason}",
    ];
    eventually("the namespace is refused", async || {
        (kubectl(&reason, "").await == "NamespaceNotAllowed").then_some(())
    })
    .await;
    assert_eq!(site.clients().await.unwrap(), before, "the client goes on as it was");
    kubectl(&["-n", "shop", "get", "secret", "app"], "").await;
    kubectl(&["apply", "-f", "-"], &provider("shop")).await;
    eventually("the change arrives after all", async || {
        let clients = site.clients().await.unwrap();
        let uris = &clients.values().next()?["redirect_uris"];
        (uris[0] == "https://app.example/two").then_some(())
    })
    .await;
    assert_eq!(site.clients().await.unwrap().len(), 1);
    operator.stop().await.unwrap();
}

#[tokio::test]
async fn t77_no_name_reaches_into_another_namespace() {
    let plane = plane().await;
    let apps = plane.namespace("names").await.unwrap();
    let refused = [
        oauth_client("app", &format!("{CLIENT}\nsecret: {{name: ../other/app}}")),
        oauth_client("app", &format!("{CLIENT}\nsecret: {{name: other/app}}")),
        oauth_client("app", CLIENT).replace("name: provider", "name: other/provider"),
        oauth_client("app", CLIENT).replace("name: provider", "name: provider\n    namespace: other"),
        oauth_provider(&format!(
            "issuer: https://a.example\n{}",
            bearer("registrationAuth", "other/secret")
        )),
        oauth_provider(&format!(
            "issuer: https://a.example\n{}",
            bearer("registrationAuth", "../secret")
        )),
        oauth_provider(&format!(
            "issuer: https://a.example\n{}",
            bearer("registrationAuth", "secret\n      namespace: other")
        )),
    ];
    for manifest in refused {
        let apply = ["-n", apps.name(), "apply", "-f", "-"];
        let output = plane.kubectl_with(&apply, &manifest).await.unwrap();
        assert!(!output.success(), "accepted:\n{manifest}");
    }
}
