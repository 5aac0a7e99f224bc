//! The end of every scenario: the promises hold, what is left is what an unfaulted run leaves, no secret is where none may
//! be, and nothing is written any more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use testbed::promises::{self, Issued, Leftovers, Object, Published, Recorded, Suspected};
use tokio::sync::OnceCell;

use crate::scene::Scene;
use crate::stage::{LIMIT, Stage};

/// How long nothing is written at the end.
const QUIET: Duration = Duration::from_secs(2);

/// What a scenario may leave beside Ready objects.
#[derive(Default)]
pub struct Verdict {
    faults: usize,
    excuses: BTreeSet<String>,
    theirs: Vec<Published>,
    alien: bool,
}

impl Verdict {
    /// Faults that may each leave a client at the provider, told of by a suspect.
    #[must_use]
    pub fn faults(mut self, faults: usize) -> Self {
        self.faults = faults;
        self
    }

    /// A reason for which an object may stay unready.
    #[must_use]
    pub fn excuse(mut self, reason: &str) -> Self {
        self.excuses.insert(reason.to_owned());
        self
    }

    /// A Secret of somebody else, which stays as it is.
    #[must_use]
    pub fn theirs(mut self, secret: &Secret) -> Self {
        self.theirs.push(Published::from_secret(secret));
        self
    }

    /// The manifests are not the usual one, so what they lead to is not compared.
    #[must_use]
    pub fn alien(mut self) -> Self {
        self.alien = true;
        self
    }
}

impl Scene {
    /// Judges a scenario after which everything is Ready or gone, with no suspect.
    pub async fn judge(&self) {
        self.judge_with(Verdict::default()).await;
    }

    /// Judges a scenario.
    pub async fn judge_with(&self, verdict: Verdict) {
        let unfaulted = if verdict.alien { None } else { Some(unfaulted().await) };
        let begin = Instant::now();
        while let Some(wrong) = self.wrong(&verdict, unfaulted).await {
            assert!(begin.elapsed() < LIMIT, "{wrong}\n{}", self.stage.operator.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        no_secret_is_shown(self).await;
        self.is_quiet().await;
    }

    /// What is wrong with what is left; it may still be on its way.
    async fn wrong(&self, verdict: &Verdict, unfaulted: Option<&Value>) -> Option<String> {
        let left = leftovers(self, verdict).await;
        let broken = promises::broken(&left);
        if !broken.is_empty() {
            return Some(format!("{broken:#?}\n{:#?}", left.objects));
        }
        let unfaulted = unfaulted?;
        let shapes = shapes(&self.stage).await;
        let other = shapes.iter().find(|shape| *shape != unfaulted)?;
        Some(format!("left:\n{other:#}\nby an unfaulted run:\n{unfaulted:#}"))
    }

    /// No write but the lease's, once what is under way has ended.
    async fn is_quiet(&self) {
        let begin = Instant::now();
        loop {
            let place = self.proxy.place();
            tokio::time::sleep(QUIET).await;
            let written: Vec<String> = self
                .proxy
                .since(place)
                .iter()
                .filter(|exchange| exchange.asked.is_write() && exchange.asked.resource != "leases")
                .map(|exchange| {
                    let answer = exchange.answer.map_or(0, |status| status.as_u16());
                    format!("{} {}: {answer}", exchange.asked.verb, exchange.asked.path)
                })
                .collect();
            if written.is_empty() {
                return;
            }
            // What fails is tried again after waits that double.
            let passing = begin.elapsed() < LIMIT;
            assert!(passing, "not quiet: {written:?}\n{}", self.stage.operator.log());
        }
    }
}

async fn leftovers(scene: &Scene, verdict: &Verdict) -> Leftovers {
    let stage = &scene.stage;
    let kept = stage.kept().list(&ListParams::default()).await.unwrap().items;
    let written = ListParams::default().labels("oauth-client-operator.dev/role=credentials");
    let secrets = stage.secrets().list(&written).await.unwrap().items;
    let mut secrets: Vec<_> = secrets.iter().map(Published::from_secret).collect();
    for theirs in &verdict.theirs {
        if let Some(found) = stage.secrets().get_opt(&theirs.name).await.unwrap() {
            secrets.push(Published::from_secret(&found));
        }
    }
    let objects = stage.clients().list(&ListParams::default()).await.unwrap().items;
    let ledger = scene.site.clients().await.unwrap();
    Leftovers {
        objects: objects
            .iter()
            .map(|object| Object::from_json(&serde_json::to_value(object).unwrap()))
            .collect(),
        records: kept.iter().filter_map(Recorded::from_secret).collect(),
        suspects: kept.iter().filter_map(Suspected::from_secret).collect(),
        secrets,
        ledger: ledger.iter().map(|(id, client)| (id.clone(), issued(client))).collect(),
        deadly_faults: verdict.faults,
        excuses: verdict.excuses.clone(),
        their_secrets: verdict.theirs.clone(),
        their_clients: BTreeMap::new(),
    }
}

fn issued(client: &Value) -> Issued {
    let uris = client["redirect_uris"].as_array();
    Issued {
        secret: client["client_secret"].as_str().map(Into::into),
        redirect_uris: uris.map(|uris| uris.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        attempt: None,
        alive: true,
    }
}

/// What every Ready object left, without what differs from run to run.
async fn shapes(stage: &Stage) -> Vec<Value> {
    let mut shapes = Vec::new();
    for object in stage.clients().list(&ListParams::default()).await.unwrap().items {
        let seen = Object::from_json(&serde_json::to_value(&object).unwrap());
        if !seen.is_ready() || seen.deleting {
            continue;
        }
        let conditions: BTreeMap<_, _> = object
            .status
            .iter()
            .flat_map(|status| &status.conditions)
            .map(|condition| {
                let said = (&condition.status, &condition.reason, &condition.message);
                (condition.type_.clone(), serde_json::json!(said))
            })
            .collect();
        let Some(secret) = stage.secrets().get_opt(&seen.secret_name).await.unwrap() else {
            continue;
        };
        let keys: Vec<_> = secret.data.iter().flatten().map(|(key, _)| key.clone()).collect();
        let records = ListParams::default().labels("oauth-client-operator.dev/role=record");
        let kept = stage.kept().list(&records).await.unwrap().items;
        let record = kept.iter().find_map(|kept| {
            let json = &kept.data.as_ref()?.get("record.json")?.0;
            let record: Value = serde_json::from_slice(json).ok()?;
            (record["owner"]["uid"] == seen.uid.as_str()).then_some(record)
        });
        let mut record = record.unwrap_or_default();
        mask(&mut record);
        // Noted with the first update, whenever that is.
        if let Some(members) = record.as_object_mut() {
            members.remove("accepted");
        }
        shapes.push(serde_json::json!({
            "conditions": conditions,
            "type": secret.type_,
            "keys": keys,
            "record": record,
        }));
    }
    shapes
}

/// Texts and numbers differ from run to run; the members, their kinds, and what was asked for do not.
fn mask(value: &mut Value) {
    match value {
        Value::Object(members) => {
            // Providers with a certificate of their own are the same otherwise.
            members.remove("caBundle");
            members.remove("caBundleDigest");
            for (name, value) in members {
                if !matches!(name.as_str(), "phase" | "grant_types" | "response_types" | "mode") {
                    mask(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::String(text) => text.clear(),
        Value::Number(number) => *number = 0.into(),
        Value::Null | Value::Bool(_) => {}
    }
}

/// What the usual client leaves when nothing goes wrong.
async fn unfaulted() -> &'static Value {
    static SHAPE: OnceCell<Value> = OnceCell::const_new();
    SHAPE
        .get_or_init(|| async {
            let scene = Scene::new("unfaulted").await;
            scene.ready_app().await;
            shapes(&scene.stage).await.remove(0)
        })
        .await
}

/// No client secret, no token and no password is anywhere but in the Secrets that hold them.
async fn no_secret_is_shown(scene: &Scene) {
    let canaries = canaries(scene).await;
    let mut shown = vec![("the log", scene.stage.operator.log())];
    if scene.stage.operator.is_running() {
        shown.push(("the metrics", scene.stage.operator.metrics().await.unwrap()));
    }
    shown.extend(objects(&scene.stage).await);
    for (place, text) in &shown {
        for canary in &canaries {
            assert!(!text.contains(canary.as_str()), "{place} holds a secret");
        }
    }
}

/// Everything that must not be seen, plain and as base64.
async fn canaries(scene: &Scene) -> BTreeSet<String> {
    let mut canaries = BTreeSet::new();
    let consented = ListParams::default().labels("oauth-client-operator.dev/provider-credentials=true");
    for secret in scene.stage.secrets().list(&consented).await.unwrap().items {
        let secret = Published::from_secret(&secret);
        canaries.extend(secret.data.values().map(|value| value.expose_secret().to_owned()));
    }
    for client in scene.site.clients().await.unwrap().values() {
        canaries.extend(client["client_secret"].as_str().map(str::to_owned));
    }
    for secret in scene.stage.kept().list(&ListParams::default()).await.unwrap().items {
        let json = secret.data.as_ref().and_then(|data| data.get("record.json"));
        let record: Value = json
            .and_then(|json| serde_json::from_slice(&json.0).ok())
            .unwrap_or_default();
        for member in ["clientSecret", "registrationAccessToken"] {
            canaries.extend(record[member].as_str().map(str::to_owned));
        }
    }
    // Names of users are short and no secrets.
    canaries.retain(|canary| canary.len() > 7);
    let encoded: Vec<_> = canaries.iter().map(|canary| STANDARD.encode(canary)).collect();
    canaries.extend(encoded);
    canaries
}

/// Every object of both namespaces, of the data of Secrets nothing.
async fn objects(stage: &Stage) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for namespace in [stage.apps.name(), stage.home.name()] {
        let client = &stage.client;
        let all = ListParams::default();
        let text = |value: serde_json::Result<String>| value.unwrap();
        let events: Api<Event> = Api::namespaced(client.clone(), namespace);
        let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
        let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let secrets: Vec<_> = secrets.list(&all).await.unwrap().items;
        let mut heads: Vec<_> = secrets.into_iter().map(|secret| secret.metadata).collect();
        // What users apply, kubectl copies into an annotation of the same Secret.
        for annotations in heads.iter_mut().filter_map(|head| head.annotations.as_mut()) {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
        found.extend([
            (
                "an event",
                text(serde_json::to_string(&events.list(&all).await.unwrap())),
            ),
            (
                "a lease",
                text(serde_json::to_string(&leases.list(&all).await.unwrap())),
            ),
            (
                "a ConfigMap",
                text(serde_json::to_string(&maps.list(&all).await.unwrap())),
            ),
            ("metadata of a Secret", text(serde_json::to_string(&heads))),
        ]);
    }
    let clients = stage.clients().list(&ListParams::default()).await.unwrap();
    let providers = stage.providers().list(&ListParams::default()).await.unwrap();
    found.push(("an OAuthClient", serde_json::to_string(&clients).unwrap()));
    found.push(("an OAuthProvider", serde_json::to_string(&providers).unwrap()));
    found
}
