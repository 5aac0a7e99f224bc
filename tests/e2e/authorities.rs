//! Certificate authorities from a ConfigMap: whose consent they need, what a start after a change does, what is left when they go with
//! everything else, and where they are for a provider of the whole cluster.

use std::process::Stdio;
use std::time::{Duration, Instant};

use kube::api::ListParams;
use testbed::control_plane::{ControlPlane, ControlPlaneOptions};
use testbed::operator::{Operator, OperatorOptions};
use testbed::providers::{Persona, ScriptableProvider};
use testbed::site::{Site, oauth_client, oauth_provider, trusted};
use testbed::tls::Authority;

use crate::page::{Shell, commands};
use crate::scene::{CLIENT, edited};
use crate::stage::{BINARY, Stage, eventually, plane, rights};

const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];
const LABEL: &str = "oauth-client-operator.dev/provider-credentials";
/// Time within which the next start acts.
const SOON: Duration = Duration::from_secs(5);
const FROM_CONFIG_MAP: &str = "tls:\n  caBundleFrom:\n    configMapRef:\n      name: ca\n";

async fn double() -> ScriptableProvider {
    ScriptableProvider::start_with(Persona::Plain, true).await.unwrap()
}

/// The provider object that trusts what is in the ConfigMap `ca`.
fn provider(double: &ScriptableProvider) -> String {
    oauth_provider(&format!("issuer: {}\n{FROM_CONFIG_MAP}", double.url()))
}

/// The ConfigMap, with its owner's consent.
fn config_map(double: &ScriptableProvider, pem: &str) -> String {
    trusted("ca", double.url(), &[("ca.crt", &pem.replace('\n', "\\n"))])
}

/// The double shows a certificate of another authority from now on.
async fn replaced(double: &ScriptableProvider) -> Authority {
    let next = Authority::new("the next authority").unwrap();
    double.serve_with(next.issue(&NAMES).unwrap().server_config().unwrap());
    // Connections that were made before end within a second.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    next
}

async fn provider_told(stage: &Stage, reason: &str, part: &str) -> String {
    eventually(&format!("the provider is {reason}: {part}"), async || {
        let status = stage.providers().get("provider").await.unwrap().status?;
        let ready = status.conditions.into_iter().find(|c| c.type_ == "Ready")?;
        (ready.reason == reason && ready.message.contains(part)).then_some(ready.message)
    })
    .await
}

/// Runs the command that a message ends with.
async fn obeyed(message: &str, origin: &str) {
    let (_, command) = message.split_once("if you own it: kubectl ").unwrap();
    let command = command.replace("https://ORIGIN-OF-THE-PROVIDER", origin);
    let args: Vec<_> = command.split_whitespace().collect();
    let output = plane().await.kubectl(&args).await.unwrap();
    output.stdout().unwrap();
}

#[tokio::test]
async fn t351_authorities_in_a_config_map_are_trusted_only_while_its_owner_consents() {
    let (stage, double) = (Stage::new("ca-consent").await, double().await);
    let literal = format!("--from-literal=ca.crt={}", double.ca().unwrap());
    stage.kubectl(&["create", "configmap", "ca", &literal]).await;
    stage.apply(&(provider(&double) + &oauth_client("app", CLIENT))).await;
    let message = stage.failed("app", "ConsentMissing").await;
    assert!(message.contains("spec.tls.caBundleFrom uses ConfigMap"), "{message}");
    obeyed(&message, double.url()).await;
    let message = provider_told(&stage, "ConsentMissing", "annotate configmap").await;
    obeyed(&message, double.url()).await;
    stage.ready("app").await;
    assert_eq!(double.clients().len(), 1);

    for withdrawal in [
        ["label", "configmap/ca", &format!("{LABEL}-")],
        ["annotate", "configmap/ca", "oauth-client-operator.dev/allowed-origins-"],
    ] {
        stage.kubectl(&withdrawal).await;
        let message = provider_told(&stage, "ConsentMissing", withdrawal[0]).await;
        stage.apply(&oauth_client("app", &edited(withdrawal[0]))).await;
        stage.failed("app", "ConsentMissing").await;
        let uri = || double.clients().values().next().unwrap()["redirect_uris"][0].clone();
        let wanted = format!("https://app.example/{}", withdrawal[0]);
        assert_ne!(uri(), wanted);
        obeyed(&message, double.url()).await;
        stage.ready("app").await;
        assert_eq!(uri(), wanted);
    }
    assert_eq!(double.clients().len(), 1);
}

/// What the clients of the provider were compared with.
async fn compared(stage: &Stage) -> Option<String> {
    let provider = stage.providers().get("provider").await.unwrap();
    provider.status?.compared_revision
}

#[tokio::test]
async fn t351_the_commands_of_the_page_give_the_consent() {
    let (stage, double) = (Stage::new("ca-page").await, double().await);
    let literal = format!("--from-literal=ca.crt={}", double.ca().unwrap());
    stage.kubectl(&["create", "configmap", "ca", &literal]).await;
    stage.apply(&(provider(&double) + &oauth_client("app", CLIENT))).await;
    stage.failed("app", "ConsentMissing").await;
    let shell = Shell::new(plane().await).await;
    for block in commands("docs/providers/generic.md", "## A private certificate authority") {
        let block = block
            .replace("-n shop", &format!("-n {}", stage.apps.name()))
            .replace("internal-ca", "ca")
            .replace("https://id.internal.example.com", double.url());
        let (succeeded, said) = shell.run(&block).await;
        assert!(succeeded, "{said}");
    }
    stage.ready("app").await;
}

#[tokio::test]
async fn t352_a_config_map_that_changes_while_no_operator_runs_counts_from_the_next_start() {
    let (mut stage, double) = (Stage::new("ca-level").await, double().await);
    stage
        .apply(&(provider(&double) + &config_map(&double, double.ca().unwrap()) + &oauth_client("app", CLIENT)))
        .await;
    stage.ready("app").await;
    let before = eventually("the clients are compared", async || compared(&stage).await).await;
    let record = async |stage: &Stage| {
        let uid = stage.oauth_client("app").await.metadata.uid.unwrap();
        let found = stage.kept().list(&ListParams::default()).await.unwrap().into_iter();
        let mut found = found.filter(|secret| secret.metadata.name.as_deref().unwrap().ends_with(&uid));
        let labels = found.next().unwrap().metadata.labels.unwrap();
        labels["oauth-client-operator.dev/ca-bundle"].clone()
    };
    let trusted_before = record(&stage).await;

    stage.operator.stop().await.unwrap();
    let next = replaced(&double).await;
    stage.apply(&config_map(&double, next.pem())).await;
    let begun = Instant::now();
    stage.operator.restart().await.unwrap();
    let after = eventually("the clients are compared anew", async || {
        compared(&stage).await.filter(|now| *now != before)
    })
    .await;
    eventually("the record has the new authority", async || {
        (record(&stage).await != trusted_before).then_some(())
    })
    .await;
    assert!(
        begun.elapsed() < SOON,
        "{:?}\n{}",
        begun.elapsed(),
        stage.operator.log()
    );
    stage.apply(&oauth_client("app", &edited("two"))).await;
    stage.ready("app").await;

    // What is beside the certificates makes no difference.
    stage.operator.stop().await.unwrap();
    stage.kubectl(&["annotate", "configmap", "ca", "team=blue"]).await;
    let calls = double.count("PUT", "");
    stage.operator.restart().await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!((compared(&stage).await, double.count("PUT", "")), (Some(after), calls));
    stage.ready("app").await;

    // What appears counts as well as what changes.
    stage.kubectl(&["delete", "configmap", "ca"]).await;
    provider_told(&stage, "CredentialsMissing", "create it").await;
    stage.operator.stop().await.unwrap();
    stage.apply(&config_map(&double, next.pem())).await;
    stage.operator.restart().await.unwrap();
    provider_told(&stage, "Discovered", "").await;
    stage.ready("app").await;
    assert_eq!(double.clients().len(), 1);
}

/// The site, whose provider object takes its authorities from a ConfigMap in the same manifests.
fn from_config_map(site: &Site) -> String {
    let double = site.double().unwrap();
    let (head, rest) = site.manifests.split_once("  tls:\n").unwrap();
    let after = rest.find("END CERTIFICATE-----\n").unwrap() + "END CERTIFICATE-----\n".len();
    let lines = FROM_CONFIG_MAP.lines();
    let tls = lines.fold(String::new(), |text, line| text + "  " + line + "\n");
    [head, &tls, &rest[after..], &config_map(double, double.ca().unwrap())].concat()
}

/// A client that only the credentials of its provider object deregister.
async fn managed_with_credentials(name: &str) -> (Stage, Site) {
    let site = Site::wso2_v1_1().await.unwrap();
    let stage = Stage::with(name, |options| options.args.push("--time-scale=30".to_owned())).await;
    stage
        .apply(&(from_config_map(&site) + &oauth_client("app", CLIENT)))
        .await;
    stage.ready("app").await;
    eventually("the credentials are kept", async || {
        let log = stage.operator.log();
        log.contains("credentials kept for deregistrations").then_some(())
    })
    .await;
    (stage, site)
}

#[tokio::test]
async fn t353_clients_are_deregistered_when_their_config_map_is_deleted_with_everything_else() {
    let (stage, site) = managed_with_credentials("ca-file").await;
    let file = from_config_map(&site) + &oauth_client("app", CLIENT);
    let args = ["-n", stage.apps.name(), "delete", "--timeout=60s", "-f", "-"];
    let deleted = plane().await.kubectl_with(&args, &file).await.unwrap();
    deleted
        .stdout()
        .unwrap_or_else(|error| panic!("{error}\n{}", stage.operator.log()));
    assert!(site.clients().await.unwrap().is_empty(), "{}", stage.operator.log());
    stage.no_records().await;
    assert!(stage.suspects().await.is_empty());
}

/// The same with the client's own token, which the record keeps with the authorities. No process has read them before.
#[tokio::test]
async fn t353_a_record_deregisters_its_client_without_the_config_map() {
    let (mut stage, double) = (Stage::new("ca-record").await, double().await);
    let manifests = provider(&double) + &config_map(&double, double.ca().unwrap());
    stage.apply(&(manifests + &oauth_client("app", CLIENT))).await;
    stage.ready("app").await;
    stage.operator.stop().await.unwrap();
    stage
        .kubectl(&["delete", "configmap/ca", "oauthprovider/provider"])
        .await;
    stage.operator.restart().await.unwrap();
    stage.kubectl(&["delete", "oac", "app", "--timeout=60s"]).await;
    assert!(double.clients().is_empty(), "{}", stage.operator.log());
    stage.no_records().await;
    assert!(stage.suspects().await.is_empty());
}

/// What is kept for deregistrations is forgotten when the owner of the ConfigMap withdraws the consent, also where no provider object is
/// left that uses it.
#[tokio::test]
async fn t353_a_consent_that_the_owner_of_the_config_map_withdraws_ends_the_keeping() {
    let (stage, site) = managed_with_credentials("ca-withdrawn").await;
    stage.kubectl(&["delete", "oauthprovider/provider"]).await;
    stage.kubectl(&["label", "configmap/ca", &format!("{LABEL}-")]).await;
    eventually("nothing is kept any more", async || {
        let log = stage.operator.log();
        log.contains("credentials no longer kept").then_some(())
    })
    .await;
    stage.kubectl(&["delete", "configmap/ca"]).await;
    stage.kubectl(&["delete", "oac", "app", "--wait=false"]).await;
    stage.gone("app").await;
    assert_eq!(
        site.double().unwrap().count("DELETE", ""),
        0,
        "{}",
        stage.operator.log()
    );
    assert_eq!(stage.suspects().await.len(), 1);
}

/// The cluster-wide form, on a control plane of its own, before and after its installation is moved.
#[tokio::test]
async fn t354_the_config_map_of_a_cluster_wide_provider_is_the_operators_and_moves_with_it() {
    let plane = ControlPlane::start(ControlPlaneOptions::default()).await.unwrap();
    let kubectl = async |args: &[&str], input: &str| plane.kubectl_with(args, input).await.unwrap().stdout().unwrap();
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    kubectl(&["apply", "--server-side", "-k", crds], "").await;
    for namespace in ["system", "moved", "shop"] {
        plane.create_namespace(namespace).await.unwrap();
    }
    let start = async |home: &str| {
        let options = OperatorOptions {
            binary: BINARY.into(),
            manifests: vec![rights(home, &[]).await],
            ..OperatorOptions::new(home, &[])
        };
        Operator::start(&plane, options).await.unwrap()
    };
    let operator = start("system").await;
    let double = double().await;
    let provider = provider(&double)
        .replace("kind: OAuthProvider", "kind: ClusterOAuthProvider")
        .replacen("spec:\n", "spec:\n  allowedNamespaces: {names: [shop]}\n", 1);
    let apply = async |namespace: &str, manifests: &str| {
        kubectl(&["-n", namespace, "apply", "-f", "-"], manifests).await;
    };
    // Without the annotation, as for its credentials.
    let origins = format!(
        "  annotations:\n    oauth-client-operator.dev/allowed-origins: {}\n",
        double.url()
    );
    let config_map = |pem: &str| config_map(&double, pem).replace(&origins, "");
    let app = async |path: &str| {
        let client = oauth_client("app", &edited(path));
        apply(
            "shop",
            &client.replace("providerRef:\n", "providerRef:\n    kind: ClusterOAuthProvider\n"),
        )
        .await;
    };
    let is = async |path: &str| {
        let wanted = format!("https://app.example/{path}");
        eventually(&format!("the client is {path}"), async || {
            let clients = double.clients();
            (clients.len() == 1 && clients.values().all(|client| client["redirect_uris"][0] == wanted)).then_some(())
        })
        .await;
    };
    // A tenant's ConfigMap of that name is none of the provider's.
    apply("shop", &config_map(double.ca().unwrap())).await;
    apply("shop", &provider).await;
    app("one").await;
    let reason = [
        "-n",
        "shop",
        "get",
        "oac",
        "app",
        "-o",
        "jsonpath={.status.conditions[?(@.type==\"Ready\")].reason}",
    ];
    eventually("the operator's namespace has none", async || {
        (kubectl(&reason, "").await == "CredentialsMissing").then_some(())
    })
    .await;
    apply("system", &config_map(double.ca().unwrap())).await;
    is("one").await;

    operator.stop().await.unwrap();
    let moved = async || {
        let output = tokio::process::Command::new(BINARY)
            .args(["move", "--from", "system", "--to", "moved", "--timeout", "90"])
            .env("KUBECONFIG", plane.kubeconfig())
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    };
    // One that says something else is not overwritten.
    apply("moved", &config_map("another")).await;
    let (succeeded, said) = moved().await;
    assert!(
        !succeeded && said.contains("ConfigMap ca with certificates of a provider exists in both namespaces"),
        "{said}"
    );
    kubectl(&["-n", "moved", "delete", "configmap", "ca"], "").await;
    let (succeeded, said) = moved().await;
    assert!(succeeded && said.contains("1 ConfigMaps with certificates"), "{said}");
    let operator = start("moved").await;
    app("two").await;
    is("two").await;
    let next = replaced(&double).await;
    apply("moved", &config_map(next.pem())).await;
    app("three").await;
    is("three").await;
    operator.stop().await.unwrap();
}
