//! Flux's kustomize-controller applies, waits and prunes, with the manifests of docs/gitops.md.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize as _;
use serde_json::{Value, json};
use testbed::flux::{Flux, Repository};
use testbed::providers::{Fault, OidcProviderOptions, Reply};
use testbed::site::{Site, oauth_client};
use tokio::sync::OnceCell;

use crate::stage::{LIMIT, Stage, condition, eventually, is, plane};

const CLIENT: &str = "redirectURIs: ['https://app.example/callback']";
const TOKEN: &str = "initial-access-token-of-the-examples";

/// The controller that the tests of this process share.
async fn flux() -> &'static Flux {
    static SHARED: OnceCell<Flux> = OnceCell::const_new();
    SHARED
        .get_or_init(async || Flux::start(plane().await).await.unwrap())
        .await
}

/// A stage whose applications come by Flux.
struct Delivery {
    stage: Stage,
    repository: Repository,
}

impl Delivery {
    /// Applies the manifests of docs/gitops.md, which wait for the first commit. Its Kustomization `clients` looks as often as
    /// `interval` says, and waits half a minute, the shortest time that Flux waits.
    async fn new(name: &str, interval: &str, args: &[&str]) -> Self {
        flux().await;
        let stage = Stage::with(name, |options| {
            options.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        })
        .await;
        let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/gitops.md")).unwrap();
        let (_, rest) = page.split_once("```yaml\n").unwrap();
        let (manifests, _) = rest.split_once("```\n").unwrap();
        assert!(manifests.contains("interval: 10m") && manifests.contains("timeout: 5m"));
        let manifests = manifests
            .replace("interval: 10m", &format!("interval: {interval}"))
            .replace("timeout: 5m", "timeout: 30s")
            .replace(
                "targetNamespace: apps",
                &format!("targetNamespace: {}", stage.apps.name()),
            );
        stage.apply(&manifests).await;
        Self {
            stage,
            repository: Repository::new("apps").await.unwrap(),
        }
    }

    /// Commits what belongs to the clients; the application is one ConfigMap.
    async fn commit(&mut self, clients: &str) -> String {
        let application = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web-app\n";
        let files = [("clients/all.yaml", clients), ("web-app/all.yaml", application)];
        self.repository.commit(&self.stage.apps, &files).await.unwrap()
    }

    async fn kustomization(&self, name: &str) -> Value {
        let text = self.stage.kubectl(&["get", "kustomization", name, "-o", "json"]).await;
        serde_json::from_str(&text).unwrap()
    }

    /// Waits until a Kustomization has reported about a revision: whether it is Ready, and what it says.
    async fn reported(&self, name: &str, revision: &str) -> (bool, String) {
        let begin = Instant::now();
        loop {
            let object = self.kustomization(name).await;
            let status = &object["status"];
            let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
            let ready = conditions.iter().find(|found| found["type"] == "Ready");
            if let Some(ready) = ready
                && status["lastAttemptedRevision"] == revision
                && ready["status"] != "Unknown"
            {
                let text = format!("{}: {}", ready["reason"], ready["message"]);
                return (ready["status"] == "True", text);
            }
            assert!(
                begin.elapsed() < LIMIT,
                "no report about {name} {revision}: {object:#}\n{}",
                flux().await.log()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until a Kustomization is Ready for a revision.
    async fn applied(&self, name: &str, revision: &str) {
        eventually(&format!("{name} is Ready"), async || {
            self.reported(name, revision).await.0.then_some(())
        })
        .await;
        assert_eq!(
            self.kustomization(name).await["status"]["lastAppliedRevision"],
            revision
        );
    }

    /// Has Flux look at a Kustomization again, and waits until it has.
    async fn requested(&self, value: &str) {
        let annotation = format!("reconcile.fluxcd.io/requestedAt={value}");
        let args = [
            "annotate",
            "--overwrite",
            "--field-manager=test",
            "kustomization",
            "clients",
            &annotation,
        ];
        self.stage.kubectl(&args).await;
        eventually("Flux has looked again", async || {
            let object = self.kustomization("clients").await;
            (object["status"]["lastHandledReconcileAt"] == value).then_some(())
        })
        .await;
    }
}

/// Everything in docs/examples but the workloads, for which no node is here; each object once.
fn examples(issuer: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples");
    let mut seen = BTreeSet::new();
    let mut all = String::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let text = text
            .replace("https://id.example.com", issuer)
            .replace("YOUR_INITIAL_ACCESS_TOKEN", TOKEN);
        for document in serde_yaml::Deserializer::from_str(&text) {
            let object = Value::deserialize(document).unwrap();
            let kind = object["kind"].as_str().unwrap_or_default().to_owned();
            let wanted = matches!(kind.as_str(), "Secret" | "OAuthProvider" | "OAuthClient");
            if wanted && seen.insert((kind, object["metadata"]["name"].to_string())) {
                writeln!(all, "---\n{object}").unwrap();
            }
        }
    }
    all
}

#[tokio::test]
async fn t182_flux_applies_the_examples_and_is_ready_when_every_client_is() {
    let options = OidcProviderOptions {
        initial_access_token: Some(TOKEN.to_owned()),
        ..OidcProviderOptions::default()
    };
    let site = Site::oidc_provider_with(options).await.unwrap();
    let mut delivery = Delivery::new("flux-examples", "10m", &[]).await;
    let examples = examples(site.oidc().unwrap().issuer());
    let count = examples.matches("\"kind\":\"OAuthClient\"").count();
    assert!(count >= 5, "{examples}");
    let revision = delivery.commit(&examples).await;
    delivery.applied("clients", &revision).await;
    let clients = delivery
        .stage
        .clients()
        .list(&kube::api::ListParams::default())
        .await
        .unwrap();
    assert_eq!(clients.items.len(), count);
    for client in &clients {
        assert!(is(client, "Ready", "True"), "{:?}", client.status);
    }
    assert_eq!(site.clients().await.unwrap().len(), count);
    delivery.applied("web-app", &revision).await;
}

#[tokio::test]
async fn t182_flux_waits_while_a_provider_is_down_and_stops_at_once_when_a_person_is_needed() {
    let site = Site::scriptable().await.unwrap();
    let double = site.double().unwrap();
    let mut delivery = Delivery::new("flux-wait", "10m", &[]).await;
    double.script(|seen| (seen.method == "POST").then(|| Fault::Answer(Reply::empty(503))));
    let manifests = [site.manifests.as_str(), &oauth_client("app", CLIENT)].concat();
    let first = delivery.commit(&manifests).await;
    delivery.stage.failed("app", "ProviderUnavailable").await;
    let waiting = delivery.kustomization("clients").await;
    let conditions = waiting["status"]["conditions"].as_array().unwrap();
    let ready = conditions.iter().find(|found| found["type"] == "Ready").unwrap();
    assert_ne!(ready["status"], "True", "{waiting:#}");
    double.behave();
    delivery.applied("clients", &first).await;
    assert!(is(&delivery.stage.oauth_client("app").await, "Ready", "True"));

    double.script(|seen| {
        let body = json!({"error": "invalid_redirect_uri"});
        (seen.method == "PUT").then(|| Fault::Answer(Reply::json(400, &body)))
    });
    let manifests = [
        site.manifests.as_str(),
        &oauth_client("app", &format!("{CLIENT}\nclientName: New")),
    ]
    .concat();
    let second = delivery.commit(&manifests).await;
    let (ready, message) = delivery.reported("clients", &second).await;
    assert!(
        !ready && message.contains("failed early due to stalled resources"),
        "{message}"
    );
    assert_eq!(
        delivery.kustomization("clients").await["status"]["lastAppliedRevision"],
        first
    );
}

#[tokio::test]
async fn t181_flux_takes_no_suspended_change_for_applied_and_does_not_wait_for_suspension_alone() {
    let site = Site::scriptable().await.unwrap();
    let mut delivery = Delivery::new("flux-suspend", "10m", &[]).await;
    let with = |spec: &str| {
        [
            site.manifests.as_str(),
            &oauth_client("app", &format!("{CLIENT}\n{spec}")),
        ]
        .concat()
    };
    let first = delivery.commit(&with("")).await;
    delivery.applied("clients", &first).await;
    let second = delivery.commit(&with("suspend: true")).await;
    delivery.applied("clients", &second).await;
    delivery.applied("web-app", &second).await;
    assert!(is(&delivery.stage.oauth_client("app").await, "Suspended", "True"));

    let third = delivery.commit(&with("suspend: true\nclientName: New")).await;
    let (ready, message) = delivery.reported("clients", &third).await;
    assert!(!ready && message.contains("InProgress"), "{message}");
    assert_eq!(
        delivery.kustomization("clients").await["status"]["lastAppliedRevision"],
        second
    );

    let fourth = delivery.commit(&with("clientName: New")).await;
    delivery.applied("clients", &fourth).await;
    let names: Vec<_> = site.clients().await.unwrap().into_values().collect();
    assert_eq!(names.len(), 1);
    assert_eq!(names[0]["client_name"], "New");
}

/// The operator lives an hour in a minute, and Flux looks every few seconds.
#[tokio::test]
async fn t183_flux_and_the_operator_write_nothing_in_an_hour_after_everything_is_ready() {
    let site = Site::scriptable().await.unwrap();
    let mut delivery = Delivery::new("flux-rest", "5s", &["--time-scale=60"]).await;
    let revision = delivery
        .commit(&[site.manifests.as_str(), &oauth_client("app", CLIENT)].concat())
        .await;
    delivery.applied("clients", &revision).await;

    // What a person asks for by an annotation stays, if its field manager is none of kubectl's.
    let stage = &delivery.stage;
    let annotate = [
        "annotate",
        "--field-manager=oncall",
        "oac",
        "app",
        "oauth-client-operator.dev/reconcile=1",
    ];
    stage.kubectl(&annotate).await;
    stage
        .until("app", "reconciled", |object| {
            let handled = object.status.as_ref().and_then(|status| status.handled.as_ref());
            handled.is_some_and(|handled| handled.reconcile.as_deref() == Some("1"))
        })
        .await;
    delivery.requested("before").await;

    let versions = async || {
        let args = [
            "get",
            "oac/app",
            "oap/provider",
            "secret/app",
            "-o",
            "jsonpath={.items[*].metadata.resourceVersion}",
        ];
        stage.kubectl(&args).await
    };
    let before = versions().await;
    let mark = stage.mark().await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    delivery.requested("after").await;
    let writes = stage
        .requests(mark)
        .await
        .writes()
        .filter(|request| request.resource != "leases");
    assert!(writes.is_empty(), "{:?}", writes.counts());
    assert_eq!(versions().await, before);
    let object = stage.oauth_client("app").await;
    assert!(condition(&object, "Reconciling").is_none() && is(&object, "Ready", "True"));
    let annotations = object.metadata.annotations.unwrap_or_default();
    assert_eq!(
        annotations
            .get("oauth-client-operator.dev/reconcile")
            .map(String::as_str),
        Some("1")
    );
}

/// Provider, credentials and client are removed from the repository by one commit, or go with their Kustomization.
#[tokio::test]
async fn t184_flux_prunes_provider_credentials_and_client_together_and_the_client_is_deregistered() {
    for (name, site) in [
        ("token", Site::scriptable().await.unwrap()),
        ("credentials", Site::wso2_v1_1().await.unwrap()),
    ] {
        let mut delivery = Delivery::new(&format!("flux-prune-{name}"), "10m", &[]).await;
        for by_commit in [true, false] {
            let manifests = [
                site.manifests.as_str(),
                &oauth_client("app", &format!("clientName: app\n{CLIENT}")),
            ]
            .concat();
            let revision = delivery.commit(&manifests).await;
            delivery.applied("clients", &revision).await;
            assert_eq!(site.clients().await.unwrap().len(), 1, "{name}");
            if by_commit {
                let empty = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: nothing\n";
                let revision = delivery.commit(empty).await;
                delivery.applied("clients", &revision).await;
            } else {
                delivery
                    .stage
                    .kubectl(&["delete", "kustomization", "clients", "--timeout=60s"])
                    .await;
            }
            delivery.stage.gone("app").await;
            assert!(
                site.clients().await.unwrap().is_empty(),
                "{name}\n{}",
                delivery.stage.operator.log()
            );
            delivery.stage.no_records().await;
            assert!(delivery.stage.suspects().await.is_empty(), "{name}");
            let left = delivery.stage.kubectl(&["get", "oap,oac", "-o", "name"]).await;
            assert!(left.is_empty(), "{name}: {left}");
        }
    }
}
