//! Credentials of provider objects: where they go, what of them is kept, and what happens when they change.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::api::{Api, Patch, PatchParams};
use oauth_client_operator::api::OAuthProvider;
use serde_json::{Value, json};
use testbed::control_plane::{ControlPlane, ControlPlaneOptions};
use testbed::operator::{Operator, OperatorOptions};
use testbed::providers::{Persona, ScriptableProvider, Seen};
use testbed::site::{basic, bearer, client_credentials, consented, oauth_client, oauth_provider};

use crate::api_server::faster;
use crate::scene::{CLIENT, edited};
use crate::stage::{BINARY, Stage, condition, eventually};

const MANAGED: &str = "management: {mode: Credentials, uriTemplate: '{registration_endpoint}/{client_id}'}\n";

/// Two providers, each with an administrator of its own.
async fn two() -> (ScriptableProvider, ScriptableProvider) {
    let (a, b) = (
        ScriptableProvider::start(Persona::Plain).await.unwrap(),
        ScriptableProvider::start(Persona::Plain).await.unwrap(),
    );
    a.administrator("admin-of-a", "password-of-a");
    b.administrator("admin-of-b", "password-of-b");
    (a, b)
}

/// Requests that carry anything of B's administrator, in a header or in the body.
fn of_b(seen: &[Seen]) -> Vec<String> {
    let decoded = |text: &str| {
        let encoded = text.split(' ').next_back().unwrap_or_default();
        String::from_utf8(STANDARD.decode(encoded).unwrap_or_default()).unwrap_or_default()
    };
    let tells = |seen: &&Seen| {
        let headers = seen.headers.values().flat_map(|value| [value.clone(), decoded(value)]);
        let mut all = headers.chain([
            String::from_utf8_lossy(&seen.body).into_owned(),
            format!("{:?}", seen.query),
        ]);
        all.any(|text| text.contains("of-b"))
    };
    let requests = seen.iter().filter(tells);
    requests.map(|seen| format!("{} {}", seen.method, seen.path)).collect()
}

/// The owner of B's credentials lets them go to both origins: that is not what keeps them from A.
fn secrets(a: &ScriptableProvider, b: &ScriptableProvider) -> String {
    let both = format!("{} {}", a.url(), b.url());
    ["a", "b"].into_iter().fold(String::new(), |text, name| {
        let (user, password) = (format!("admin-of-{name}"), format!("password-of-{name}"));
        text + &consented(name, &both, &[("username", &user), ("password", &password)])
    })
}

#[tokio::test]
async fn t98_credentials_of_another_provider_never_reach_the_one_that_holds_the_clients() {
    let stage = Stage::with("swapped", faster).await;
    let (a, b) = two().await;
    let provider = |at: &ScriptableProvider, name: &str| {
        oauth_provider(&format!(
            "issuer: {}\n{MANAGED}{}",
            at.url(),
            basic("registrationAuth", name)
        ))
    };
    stage.apply(&(secrets(&a, &b) + &provider(&a, "a"))).await;
    let late = format!("{CLIENT}\ndeletionTimeout: 1s");
    stage
        .apply(&(oauth_client("app", CLIENT) + &oauth_client("late", &late)))
        .await;
    stage.ready("app").await;
    stage.ready("late").await;

    stage.apply(&provider(&b, "b")).await;
    let leads_to_b = async || {
        let object = stage.providers().get("provider").await.unwrap();
        (object.status?.issuer.as_deref() == Some(b.url())).then_some(())
    };
    eventually("the provider object leads to B", leads_to_b).await;
    stage.apply(&oauth_client("app", &edited("two"))).await;
    let message = stage.failed("app", "ProviderChanged").await;
    assert!(message.contains(a.url()) && message.contains(b.url()), "{message}");
    stage
        .kubectl(&["delete", "oauthclient", "app", "late", "--wait=false"])
        .await;
    let message = stage.failed("app", "DeletionBlocked").await;
    assert_eq!(of_b(&a.seen()), Vec::<String>::new());
    assert!(message.contains(a.url()) && message.contains(b.url()), "{message}");
    // The sweeper has no other credentials for what its object did not wait for.
    stage.gone("late").await;
    eventually("the sweeper has tried", async || {
        stage
            .operator
            .log()
            .contains("client not deregistered, will retry")
            .then_some(())
    })
    .await;
    assert_eq!(of_b(&a.seen()), Vec::<String>::new());
    assert_eq!((a.clients().len(), stage.records().await.len()), (2, 2));

    stage.apply(&provider(&a, "a")).await;
    stage.gone("app").await;
    stage.no_records().await;
    assert!(a.clients().is_empty());
    assert!(stage.suspects().await.is_empty());
    assert_eq!(of_b(&a.seen()), Vec::<String>::new());
    assert!(
        b.seen().iter().all(|seen| seen.method == "GET"),
        "nothing was ever asked of B"
    );
}

/// What the sweeper has to finish needs the credentials of an object that has another UID by then.
#[tokio::test]
async fn t98_a_provider_object_that_is_created_again_at_the_same_issuer_is_the_same_provider() {
    let stage = Stage::with("recreated", faster).await;
    let (a, b) = two().await;
    let provider = |at: &ScriptableProvider, name: &str| {
        oauth_provider(&format!(
            "issuer: {}\n{MANAGED}{}",
            at.url(),
            basic("registrationAuth", name)
        ))
    };
    stage.apply(&(secrets(&a, &b) + &provider(&a, "a"))).await;
    stage
        .apply(&oauth_client("app", &format!("{CLIENT}\ndeletionTimeout: 1s")))
        .await;
    stage.ready("app").await;
    stage.apply(&provider(&b, "b")).await;
    stage.kubectl(&["delete", "oauthclient", "app", "--wait=false"]).await;
    stage.gone("app").await;
    assert_eq!((a.clients().len(), stage.records().await.len()), (1, 1));

    stage.kubectl(&["delete", "oauthprovider", "provider"]).await;
    stage.apply(&provider(&a, "a")).await;
    stage.no_records().await;
    assert!(a.clients().is_empty());
    assert_eq!(of_b(&a.seen()), Vec::<String>::new());
}

/// The same with a cluster-wide provider, whose Secrets need list no origins, and credentials that buy a token: the token
/// endpoint of A must not see them either.
#[tokio::test]
async fn t98_credentials_of_another_cluster_provider_never_reach_the_one_that_holds_the_clients() {
    let plane = ControlPlane::start(ControlPlaneOptions::default()).await.unwrap();
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    let kubectl = async |args: &[&str], input: &str| plane.kubectl_with(args, input).await.unwrap().stdout().unwrap();
    kubectl(&["apply", "--server-side", "-k", crds], "").await;
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
    let (a, b) = two().await;
    for name in ["a", "b"] {
        let (id, secret) = (format!("admin-of-{name}"), format!("password-of-{name}"));
        let manifest = consented(name, "x", &[("client_id", &id), ("client_secret", &secret)])
            .replace("  annotations:\n    oauth-client-operator.dev/allowed-origins: x\n", "");
        kubectl(&["-n", "system", "apply", "-f", "-"], &manifest).await;
    }
    let provider = |at: &ScriptableProvider, name: &str| {
        let auth = client_credentials("registrationAuth", name);
        oauth_provider(&format!(
            "issuer: {}\n{MANAGED}{auth}allowedNamespaces: {{names: [shop]}}",
            at.url()
        ))
        .replace("kind: OAuthProvider", "kind: ClusterOAuthProvider")
    };
    let client = |path: &str| {
        oauth_client("app", &edited(path)).replace("providerRef:\n", "providerRef:\n    kind: ClusterOAuthProvider\n")
    };
    let ready = "jsonpath={.status.conditions[?(@.type==\"Ready\")]['reason', 'message']}";
    let told = async |part: &str| {
        eventually(part, async || {
            let said = kubectl(&["-n", "shop", "get", "oac", "app", "-o", ready], "").await;
            said.contains(part).then_some(said)
        })
        .await
    };
    kubectl(&["apply", "-f", "-"], &provider(&a, "a")).await;
    kubectl(&["-n", "shop", "apply", "-f", "-"], &client("one")).await;
    kubectl(
        &[
            "-n",
            "shop",
            "wait",
            "--for=condition=Ready",
            "oac/app",
            "--timeout=60s",
        ],
        "",
    )
    .await;

    kubectl(&["apply", "-f", "-"], &provider(&b, "b")).await;
    kubectl(&["-n", "shop", "apply", "-f", "-"], &client("two")).await;
    told("ProviderChanged").await;
    kubectl(&["-n", "shop", "delete", "oac", "app", "--wait=false"], "").await;
    let said = told("DeletionBlocked").await;
    assert_eq!(of_b(&a.seen()), Vec::<String>::new());
    assert!(said.contains(a.url()) && said.contains(b.url()), "{said}");

    kubectl(&["apply", "-f", "-"], &provider(&a, "a")).await;
    kubectl(&["-n", "shop", "wait", "--for=delete", "oac/app", "--timeout=60s"], "").await;
    assert!(a.clients().is_empty());
    assert_eq!(of_b(&a.seen()), Vec::<String>::new());
    operator.stop().await.unwrap();
}

/// Secrets that the tenant names, each as large as the API server takes it.
const LARGE_SECRETS: usize = 150;
/// What the operator may keep of all that.
const KEPT: u64 = 8 * 1024 * 1024;

#[tokio::test]
async fn t99_a_tenant_that_names_large_secrets_takes_no_memory() {
    let stage = Stage::new("hoard").await;
    let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
    let small = consented("small", double.url(), &[("token", "small-t0ken")]);
    let provider = oauth_provider(&format!(
        "issuer: {}\n{}",
        double.url(),
        bearer("registrationAuth", "small")
    ));
    stage.apply(&(small + &provider)).await;
    let providers: Api<OAuthProvider> = stage.providers();
    let says = async |reason: &str| {
        eventually(&format!("the provider says {reason}"), async || {
            let object = providers.get("provider").await.unwrap();
            let ready = object.status?.conditions.into_iter().find(|c| c.type_ == "Ready")?;
            (ready.observed_generation == object.metadata.generation && ready.reason == reason).then_some(())
        })
        .await;
    };
    says("Discovered").await;
    let filler = "x".repeat(1_000_000);
    let names = async |number: usize, consents: bool| {
        let name = format!("large-{number}");
        let metadata = if consents {
            json!({"name": name, "labels": {"oauth-client-operator.dev/provider-credentials": "true"},
                   "annotations": {"oauth-client-operator.dev/allowed-origins": double.url()}})
        } else {
            json!({"name": name})
        };
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata,
                            "stringData": {"token": format!("large-t0ken-{number}"), "filler": filler}});
        let params = kube::api::PostParams::default();
        let secret = serde_json::from_value(secret).unwrap();
        stage.secrets().create(&params, &secret).await.unwrap();
        let spec = json!({"spec": {"registrationAuth": {"bearer": {"secretRef": {"name": name}}}}});
        patch(&providers, &spec).await;
        says(if consents { "Discovered" } else { "ConsentMissing" }).await;
    };
    let before = stage.operator.memory().unwrap();
    for number in 0..LARGE_SECRETS {
        names(number, number % 2 == 0).await;
    }
    let after = stage.operator.memory().unwrap();
    assert!(
        after < before + KEPT,
        "{} KiB before, {} KiB after",
        before / 1024,
        after / 1024
    );
}

async fn patch(providers: &Api<OAuthProvider>, patch: &Value) {
    let params = PatchParams::default();
    providers
        .patch("provider", &params, &Patch::Merge(patch))
        .await
        .unwrap();
}

/// Less than the shortest wait after a refusal that no watch clears.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn t100_corrected_client_credentials_are_tried_at_once() {
    let stage = Stage::new("corrected").await;
    let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
    double.administrator("operator", "right-password");
    let secret = |password: &str| {
        let data = [("client_id", "operator"), ("client_secret", password)];
        consented("operator", double.url(), &data)
    };
    let auth = client_credentials("registrationAuth", "operator");
    let provider = oauth_provider(&format!("issuer: {}\n{auth}", double.url()));
    stage.apply(&(secret("wrong-password") + &provider)).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    let message = stage.failed("app", "CredentialsRejected").await;
    assert!(message.contains("client_secret"), "{message}");
    assert!(double.clients().is_empty());
    // With the line break that an editor puts at the end.
    stage.apply(&secret("right-password\\n")).await;
    let ready = tokio::time::timeout(SOON, stage.ready("app")).await;
    assert!(
        ready.is_ok(),
        "{:#?}",
        condition(&stage.oauth_client("app").await, "Ready")
    );
    assert_eq!(double.clients().len(), 1);
}
