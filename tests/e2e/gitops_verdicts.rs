//! What kstatus (Flux, Helm) and the health script for Argo CD say about real objects, state by state of the status.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use oauth_client_operator::api::OAuthClient;
use serde_json::{Value, json};
use testbed::providers::{Fault, Reply, Seen};
use testbed::site::{Site, oauth_client};
use testbed::verdicts::verdicts;

use crate::stage::{Stage, Unmanned, condition, eventually, is, plane};

const CLIENT: &str = "redirectURIs: ['https://app.example/callback']";

/// States in the order of docs/gitops.md: the state, what kstatus says, what Argo CD says.
const TABLE: [(&str, &str, &str); 20] = [
    ("Applied, not seen by the operator yet", "InProgress", "Progressing"),
    ("The provider object does not exist", "InProgress", "Progressing"),
    ("Registration under way", "InProgress", "Progressing"),
    (
        "The provider is down before the registration",
        "InProgress",
        "Progressing",
    ),
    ("The provider rejects the registration", "Failed", "Degraded"),
    ("The Secret belongs to someone else", "Failed", "Degraded"),
    (
        "The outcome of the registration is unknown, with `onUnknownOutcome: Hold`",
        "Failed",
        "Degraded",
    ),
    ("Ready", "Current", "Healthy"),
    ("Ready, and a suspect is kept", "Current", "Healthy"),
    ("Ready, and the provider object is deleted", "Current", "Healthy"),
    ("The provider is down during an update", "InProgress", "Progressing"),
    ("The provider rejects an update", "Failed", "Degraded"),
    ("Suspended before the registration", "InProgress", "Suspended"),
    ("Suspended, nothing else changed", "Current", "Healthy"),
    ("Suspended together with another change", "InProgress", "Suspended"),
    ("Suspended after a rejected update", "InProgress", "Suspended"),
    ("Resumed", "Current", "Healthy"),
    ("Deletion under way", "Terminating", "Progressing"),
    ("Deletion blocked", "Terminating", "Progressing"),
    ("Deletion blocked while suspended", "Terminating", "Progressing"),
];

/// Objects as the API server showed them in a state.
struct Album<'a> {
    stage: &'a Stage,
    shots: Vec<(&'static str, Value)>,
}

impl Album<'_> {
    /// Keeps the object as it is now.
    async fn take(&mut self, state: &'static str, name: &str) {
        let object = self.stage.kubectl(&["get", "oac", name, "-o", "json"]).await;
        self.shots.push((state, serde_json::from_str(&object).unwrap()));
    }

    async fn apply(&self, name: &str, spec: &str) {
        self.stage
            .apply(&oauth_client(name, &format!("{CLIENT}\n{spec}")))
            .await;
    }

    /// Waits until the operator has noted this condition for the newest generation.
    async fn noted(&self, name: &str, type_: &str) {
        let fits = |object: &OAuthClient| {
            condition(object, type_)
                .is_some_and(|found| found.status == "True" && found.observed_generation == object.metadata.generation)
        };
        self.stage.until(name, type_, fits).await;
    }
}

fn reject(method: &'static str) -> impl FnMut(&Seen) -> Option<Fault> + Send + 'static {
    let body = json!({"error": "invalid_redirect_uri", "error_description": "not here"});
    move |seen| (seen.method == method).then(|| Fault::Answer(Reply::json(400, &body)))
}

fn down(method: &'static str) -> impl FnMut(&Seen) -> Option<Fault> + Send + 'static {
    move |seen| (seen.method == method).then(|| Fault::Answer(Reply::empty(503)))
}

/// States before an object is Ready for the first time.
async fn registrations(album: &mut Album<'_>, site: &Site) {
    let double = site.double().unwrap();
    album.apply("early", "").await;
    album.stage.failed("early", "ProviderNotFound").await;
    album.take("The provider object does not exist", "early").await;
    album.stage.apply(&site.manifests).await;
    album.stage.ready("early").await;

    let sent = double.count("POST", "/register");
    double.script(|seen| (seen.method == "POST").then_some(Fault::Delay(Duration::from_secs(3))));
    album.apply("slow", "").await;
    eventually("the registration is sent", async || {
        (double.count("POST", "/register") > sent).then_some(())
    })
    .await;
    album.take("Registration under way", "slow").await;
    album.stage.ready("slow").await;

    double.script(down("POST"));
    album.apply("down", "").await;
    album.stage.failed("down", "ProviderUnavailable").await;
    album.take("The provider is down before the registration", "down").await;

    double.script(reject("POST"));
    album.apply("rejected", "").await;
    album.stage.failed("rejected", "RegistrationRejected").await;
    album.take("The provider rejects the registration", "rejected").await;

    let mut lost = false;
    double.script(move |seen| {
        let name = seen.json()["client_name"].as_str().map(str::to_owned);
        // Those before it are tried again meanwhile.
        let of_it = name.is_some_and(|name| name.ends_with(".suspect"));
        (of_it && !std::mem::replace(&mut lost, true)).then_some(Fault::LoseAnswer)
    });
    album.apply("suspect", "").await;
    let object = album.stage.ready("suspect").await;
    assert_eq!(object.status.unwrap().suspects.len(), 1);
    album.take("Ready, and a suspect is kept", "suspect").await;
    double.behave();

    album
        .stage
        .kubectl(&["create", "secret", "generic", "foreign", "--from-literal=a=b"])
        .await;
    album.apply("foreign", "").await;
    album.stage.failed("foreign", "SecretConflict").await;
    album.take("The Secret belongs to someone else", "foreign").await;

    album.apply("paused", "suspend: true").await;
    album.noted("paused", "Suspended").await;
    album.take("Suspended before the registration", "paused").await;
}

/// States of an object that was Ready.
async fn changes(album: &mut Album<'_>, site: &Site) {
    let double = site.double().unwrap();
    album.apply("app", "").await;
    album.stage.ready("app").await;
    album.take("Ready", "app").await;

    album.apply("app", "suspend: true").await;
    album.noted("app", "Suspended").await;
    album.take("Suspended, nothing else changed", "app").await;
    album.apply("app", "suspend: false").await;
    album.stage.ready("app").await;
    album.take("Resumed", "app").await;
    album.apply("app", "suspend: true\nclientName: Renamed").await;
    album.noted("app", "Suspended").await;
    album.take("Suspended together with another change", "app").await;
    album.apply("app", "clientName: Renamed").await;
    album.stage.ready("app").await;
    let id = album.stage.oauth_client("app").await.status.unwrap().client_id.unwrap();
    assert_eq!(site.clients().await.unwrap()[&id]["client_name"], "Renamed");

    double.script(down("PUT"));
    album.apply("app", "clientName: Down").await;
    album
        .stage
        .until("app", "waiting for the provider", |object| {
            is(object, "Reconciling", "True")
        })
        .await;
    album.take("The provider is down during an update", "app").await;
    double.script(reject("PUT"));
    album.apply("app", "clientName: Rejected").await;
    album.stage.failed("app", "UpdateRejected").await;
    album.take("The provider rejects an update", "app").await;
    album.apply("app", "clientName: Rejected\nsuspend: true").await;
    album.noted("app", "Suspended").await;
    album.take("Suspended after a rejected update", "app").await;
    double.behave();
}

/// States on the way out.
async fn deletions(album: &mut Album<'_>, site: &Site) {
    let double = site.double().unwrap();
    for (name, spec, state) in [
        ("leaving", "", "Deletion blocked"),
        ("leaving-paused", "suspend: true", "Deletion blocked while suspended"),
    ] {
        album.apply(name, "").await;
        album.stage.ready(name).await;
        album.apply(name, spec).await;
        album
            .stage
            .until(name, "seen", |object| {
                spec.is_empty() || is(object, "Suspended", "True")
            })
            .await;
        double.script(down("DELETE"));
        album.stage.kubectl(&["delete", "oac", name, "--wait=false"]).await;
        album.stage.failed(name, "DeletionBlocked").await;
        album.take(state, name).await;
        double.behave();
        album.stage.gone(name).await;
    }
    album.apply("going", "").await;
    album.stage.ready("going").await;
    double.script(|seen| (seen.method == "DELETE").then_some(Fault::Delay(Duration::from_secs(3))));
    let asked = double.count("DELETE", "");
    album.stage.kubectl(&["delete", "oac", "going", "--wait=false"]).await;
    eventually("the provider is asked", async || {
        (double.count("DELETE", "") > asked).then_some(())
    })
    .await;
    album.take("Deletion under way", "going").await;
    album.stage.gone("going").await;
    double.behave();

    album.apply("orphaned", "").await;
    album.stage.ready("orphaned").await;
    album.stage.kubectl(&["delete", "oap", "provider"]).await;
    // Makes the operator look again.
    album
        .stage
        .kubectl(&["annotate", "oac", "orphaned", "oauth-client-operator.dev/reconcile=now"])
        .await;
    album
        .stage
        .until("orphaned", "looked at without its provider object", |object| {
            let handled = object.status.as_ref().and_then(|status| status.handled.as_ref());
            handled.and_then(|handled| handled.reconcile.as_deref()) == Some("now")
        })
        .await;
    album
        .take("Ready, and the provider object is deleted", "orphaned")
        .await;
}

/// An answer that is lost at a provider that holds unknown outcomes.
async fn held(album: &mut Album<'_>, site: &Site) {
    let hold = site
        .manifests
        .replacen("spec:\n", "spec:\n  onUnknownOutcome: Hold\n", 1);
    album.stage.apply(&hold).await;
    site.double()
        .unwrap()
        .script(|seen| (seen.method == "POST").then_some(Fault::LoseAnswer));
    album.apply("held", "").await;
    album.stage.failed("held", "OutcomeUnknown").await;
    album
        .take(
            "The outcome of the registration is unknown, with `onUnknownOutcome: Hold`",
            "held",
        )
        .await;
    site.double().unwrap().behave();
}

#[tokio::test]
async fn t180_kstatus_and_argo_cd_tell_each_state_as_the_documentation_says() {
    let site = Site::scriptable().await.unwrap();
    let unmanned = Unmanned::new("verdicts").await;
    let options = unmanned.options().await;
    unmanned.apps.apply(&oauth_client("untouched", CLIENT)).await.unwrap();
    let untouched = unmanned
        .apps
        .kubectl(&["get", "oac", "untouched", "-o", "json"])
        .await
        .unwrap();
    let stage = unmanned.man(options).await;
    let mut album = Album {
        stage: &stage,
        shots: vec![(TABLE[0].0, serde_json::from_str(&untouched.stdout).unwrap())],
    };
    registrations(&mut album, &site).await;
    changes(&mut album, &site).await;
    deletions(&mut album, &site).await;
    // Last, for two answers that are lost keep the operator from registering at the provider for a while.
    held(&mut album, &site).await;

    let (states, objects): (Vec<_>, Vec<_>) = album.shots.into_iter().unzip();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/argocd/health.lua");
    let told = verdicts(&objects, &script).await.unwrap();
    let told: BTreeMap<_, _> = states.into_iter().zip(told).collect();
    for (state, kstatus, health) in TABLE {
        let verdict = &told[state];
        assert_eq!(
            (verdict.kstatus.as_str(), verdict.health.as_str()),
            (kstatus, health),
            "{state}: {verdict:?}"
        );
        assert!(!verdict.health_message.is_empty(), "{state}");
    }
    assert_eq!(told.len(), TABLE.len());
}

#[test]
fn t180_the_documentation_lists_the_states() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/gitops.md")).unwrap();
    let (_, rest) = page.split_once("|---|---|---|\n").unwrap();
    let listed: Vec<_> = rest.lines().take_while(|line| line.starts_with('|')).collect();
    let wanted = TABLE.map(|(state, kstatus, health)| format!("| {state} | {kstatus} | {health} |"));
    assert_eq!(listed, wanted);
}

/// The command of deploy/argocd/README.md, with another namespace.
#[tokio::test]
async fn t185_the_health_check_is_added_to_argocd_cm_by_the_documented_command() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/argocd");
    let read = |file: &str| std::fs::read_to_string(directory.join(file)).unwrap();
    let plane = plane().await;
    let argocd = plane.namespace("argocd").await.unwrap();
    let config = [
        "create",
        "configmap",
        "argocd-cm",
        "--from-literal=url=https://argocd.example",
    ];
    argocd.kubectl(&config).await.unwrap().stdout().unwrap();

    let page = read("README.md");
    let (_, rest) = page.split_once("```sh\nkubectl -n argocd ").unwrap();
    let (command, _) = rest.split_once('\n').unwrap();
    let file = directory.join("argocd-cm.yaml");
    let command = command.replace("argocd-cm.yaml", file.to_str().unwrap());
    let args: Vec<_> = command.split(' ').collect();
    argocd.kubectl(&args).await.unwrap().stdout().unwrap();

    let config = argocd
        .kubectl(&["get", "configmap", "argocd-cm", "-o", "json"])
        .await
        .unwrap();
    let mut config: Value = serde_json::from_str(&config.stdout().unwrap()).unwrap();
    let entry = |kind: &str| format!("resource.customizations.health.oauth-client-operator.dev_{kind}");
    let script = read("health.lua");
    let wanted = json!({
        "url": "https://argocd.example",
        entry("OAuthClient"): script, entry("OAuthProvider"): script, entry("ClusterOAuthProvider"): script,
    });
    assert_eq!(config["data"].take(), wanted);
}

#[tokio::test]
async fn t180_kstatus_and_argo_cd_tell_the_states_of_a_provider() {
    let site = Site::scriptable().await.unwrap();
    let double = site.double().unwrap();
    let unmanned = Unmanned::new("provider-verdicts").await;
    let options = unmanned.options().await;
    unmanned.apps.apply(&site.manifests).await.unwrap();
    let get = ["get", "oap", "provider", "-o", "json"];
    let mut objects = vec![unmanned.apps.kubectl(&get).await.unwrap().stdout];
    double.script(|_| Some(Fault::Answer(Reply::empty(503))));
    let stage = unmanned.man(options).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    stage
        .kubectl(&["wait", "--for=condition=Reconciling", "oap/provider", "--timeout=60s"])
        .await;
    objects.push(stage.kubectl(&get).await);
    double.behave();
    stage
        .kubectl(&["wait", "--for=condition=Ready", "oap/provider", "--timeout=60s"])
        .await;
    objects.push(stage.kubectl(&get).await);
    let changed = site
        .manifests
        .replacen("spec:\n", "spec:\n  expectedIssuer: https://other.example\n", 1);
    stage.apply(&changed).await;
    stage
        .kubectl(&["wait", "--for=condition=Stalled", "oap/provider", "--timeout=60s"])
        .await;
    objects.push(stage.kubectl(&get).await);

    let objects: Vec<Value> = objects.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/argocd/health.lua");
    let told = verdicts(&objects, &script).await.unwrap();
    let told: Vec<_> = told
        .iter()
        .map(|told| (told.kstatus.as_str(), told.health.as_str()))
        .collect();
    let wanted = [
        ("InProgress", "Progressing"),
        ("InProgress", "Progressing"),
        ("Current", "Healthy"),
        ("Failed", "Degraded"),
    ];
    assert_eq!(told, wanted);
}
