//! One case on the shared stage.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use oauth_client_operator::api::{OAuthClient, OAuthProvider};
use serde_json::{Value, json};
use testbed::promises::{self, Issued, Leftovers, Object, Published, Recorded, Suspected};
use testbed::providers::{Keycloak, Persona, Realm, ScriptableProvider};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

use crate::stage::{LIMIT, Stage, condition, eventually, is};

mod shown;

/// How many times as fast the operator lives.
const SCALE: &str = "20";

/// Connections belong to a runtime, so all cases run on one.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// Runs a case. Its name is that of its provider object and what the names of its clients begin with.
pub fn case(name: &'static str, test: impl AsyncFnOnce(Case)) {
    RUNTIME.block_on(async {
        let stage = stage().await;
        test(Case { stage, name }).await;
    });
}

async fn stage() -> &'static Stage {
    static STAGE: OnceCell<Stage> = OnceCell::const_new();
    STAGE
        .get_or_init(|| {
            Stage::with("wire", |options| {
                options.args.extend(["--time-scale", SCALE].map(str::to_owned));
            })
        })
        .await
}

/// A case.
#[derive(Clone, Copy)]
pub struct Case {
    pub stage: &'static Stage,
    pub name: &'static str,
}

/// How a case ends.
#[derive(Default)]
pub struct Settled {
    /// Every client that the provider holds.
    pub ledger: BTreeMap<String, Value>,
    /// Faults that may each leave a client that nobody knows of.
    pub doubts: usize,
    /// Reasons for which a client may stay as it is.
    pub excuses: &'static [&'static str],
}

impl Case {
    /// A double of its own that its provider object leads to.
    pub async fn double(&self) -> ScriptableProvider {
        let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
        self.provider(json!({"issuer": double.url()})).await;
        double
    }

    /// The same for scripted answers that make clients up: the double knows no credentials of theirs.
    pub async fn unverified_double(&self) -> ScriptableProvider {
        let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
        self.provider(json!({"issuer": double.url(), "verify": "Never"})).await;
        double
    }

    /// Applies the provider object.
    pub async fn provider(&self, spec: Value) {
        let api: Api<OAuthProvider> = self.stage.providers();
        apply(&api, "OAuthProvider", self.name, &spec).await;
    }

    /// Starts a realm of Keycloak with the policies that it comes with, and applies a provider object for it with these settings, too.
    pub async fn realm(&self, settings: Value) -> Realm {
        let realm = Keycloak::shared().await.unwrap().realm(self.name).await.unwrap();
        let token = realm.initial_access_token(8).await.unwrap();
        let initial = self.named("initial");
        let secret = testbed::site::consented(&initial, &realm.issuer(), &[("token", token.as_str())]);
        self.stage.apply(&secret).await;
        let mut spec = json!({
            "issuer": realm.issuer(), "profile": "keycloak",
            "registrationAuth": {"bearer": {"secretRef": {"name": initial}}},
        });
        spec.as_object_mut()
            .unwrap()
            .extend(settings.as_object().unwrap().clone());
        self.provider(spec).await;
        realm
    }

    /// Applies a client at that provider. An empty suffix names the only one.
    pub async fn client(&self, suffix: &str, mut spec: Value) {
        spec["providerRef"] = json!({"name": self.name});
        apply(&self.stage.clients(), "OAuthClient", &self.named(suffix), &spec).await;
    }

    /// Applies a client with this redirect URI and is content with whatever comes of it.
    pub async fn app(&self, suffix: &str, path: &str) {
        self.client(suffix, app(path)).await;
    }

    /// Applies a client with this redirect URI and waits until it is Ready; its Secret.
    pub async fn ready_app(&self, suffix: &str, path: &str) -> BTreeMap<String, String> {
        self.app(suffix, path).await;
        self.ready(suffix).await;
        self.secret(suffix).await.unwrap()
    }

    /// Name of a client.
    pub fn named(&self, suffix: &str) -> String {
        if suffix.is_empty() {
            self.name.to_owned()
        } else {
            format!("{}-{suffix}", self.name)
        }
    }

    /// Waits until a client is Ready for its newest generation.
    pub async fn ready(&self, suffix: &str) -> OAuthClient {
        self.stage.ready(&self.named(suffix)).await
    }

    /// Waits until a client is not Ready for this reason; the message.
    pub async fn failed(&self, suffix: &str, reason: &str) -> String {
        self.stage.failed(&self.named(suffix), reason).await
    }

    /// Waits until a client has a condition that says this; the message.
    pub async fn told(&self, suffix: &str, type_: &str, part: &str) -> String {
        let object = self
            .stage
            .until(&self.named(suffix), part, |object| {
                condition(object, type_).is_some_and(|condition| condition.message.contains(part))
            })
            .await;
        condition(&object, type_).unwrap().message.clone()
    }

    /// Keys and values of a client's Secret.
    pub async fn secret(&self, suffix: &str) -> Option<BTreeMap<String, String>> {
        self.stage.secret(&self.named(suffix)).await
    }

    /// Asks for a client's deletion.
    pub async fn delete(&self, suffix: &str) {
        let params = DeleteParams::default();
        self.stage.clients().delete(&self.named(suffix), &params).await.unwrap();
    }

    /// Waits until a client is gone.
    pub async fn gone(&self, suffix: &str) {
        let (name, begin) = (self.named(suffix), Instant::now());
        while let Some(object) = self.stage.clients().get_opt(&name).await.unwrap() {
            assert!(
                begin.elapsed() < LIMIT,
                "{name} is still there: {object:#?}\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Has a client compared in depth, and waits until that is done.
    pub async fn look_again(&self, suffix: &str, value: &str) {
        let name = self.named(suffix);
        let patch = json!({"metadata": {"annotations": {"oauth-client-operator.dev/reconcile": value}}});
        let clients = self.stage.clients();
        clients
            .patch(&name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    }

    /// The record of a client.
    pub async fn record(&self, suffix: &str) -> Value {
        let name = self.named(suffix);
        let kept = self.kept("record").await;
        let mut records = kept.iter().filter_map(|secret| {
            let bytes = &secret.data.as_ref()?.get("record.json")?.0;
            serde_json::from_slice::<Value>(bytes).ok()
        });
        records
            .find(|record| record["owner"]["name"] == name.as_str())
            .unwrap_or_default()
    }

    /// Deletes the record of this case's only client.
    pub async fn lose_record(&self) {
        let kept = self.kept("record").await;
        let name = kept[0].metadata.name.as_deref().unwrap();
        self.stage.kept().delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Possible strays of this case's clients.
    pub async fn suspects(&self) -> Vec<Suspected> {
        self.kept("suspect")
            .await
            .iter()
            .filter_map(Suspected::from_secret)
            .collect()
    }

    /// Waits until the provider object is not Ready for this reason; the message.
    pub async fn provider_failed(&self, reason: &str) -> String {
        self.provider_failed_with(reason, "").await
    }

    /// The same with a message that says this.
    pub async fn provider_failed_with(&self, reason: &str, part: &str) -> String {
        let found = async || {
            let object = self.stage.providers().get(self.name).await.unwrap();
            let ready = object
                .status?
                .conditions
                .into_iter()
                .find(|condition| condition.type_ == "Ready")?;
            let judged = ready.observed_generation == object.metadata.generation;
            let says = ready.status == "False" && ready.reason == reason && ready.message.contains(part);
            (judged && says).then_some(ready.message)
        };
        eventually(&format!("provider {} fails with {reason}: {part}", self.name), found).await
    }

    /// Waits until the provider object is Ready.
    pub async fn provider_ready(&self) -> OAuthProvider {
        eventually(&format!("provider {} is ready", self.name), async || {
            let object = self.stage.providers().get(self.name).await.unwrap();
            let status = object.status.as_ref()?;
            let judged = status.observed_generation == object.metadata.generation;
            let ready = status
                .conditions
                .iter()
                .any(|c| c.type_ == "Ready" && c.status == "True");
            (judged && ready).then_some(object)
        })
        .await
    }

    /// Waits for a warning about a client; its note.
    pub async fn warned(&self, suffix: &str, reason: &str) -> String {
        self.stage.warned(&self.named(suffix), reason).await
    }

    /// Waits until all promises are kept, and looks whether a secret is shown anywhere.
    pub async fn judge(&self, settled: Settled) {
        let begin = Instant::now();
        loop {
            let left = self.leftovers(&settled).await;
            let broken = promises::broken(&left);
            if broken.is_empty() {
                return self.no_secret_is_shown(&left).await;
            }
            assert!(
                begin.elapsed() < LIMIT,
                "{broken:#?}\n{:#?}\n{}",
                left.objects,
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What the operator logged about this case.
    pub fn log(&self) -> String {
        let log = self.stage.operator.log();
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(self.name)).collect();
        lines.join("\n")
    }

    fn is_own(&self, name: &str) -> bool {
        name == self.name || name.strip_prefix(self.name).is_some_and(|rest| rest.starts_with('-'))
    }

    /// Secrets of the operator's namespace that are about this case's clients.
    async fn kept(&self, role: &str) -> Vec<Secret> {
        let labelled = ListParams::default().labels(&format!("oauth-client-operator.dev/role={role}"));
        let all = self.stage.kept().list(&labelled).await.unwrap().items;
        let own = |secret: &Secret| {
            let data = secret.data.as_ref()?;
            let text = |key: &str| Some(String::from_utf8_lossy(&data.get(key)?.0).into_owned());
            let name = match text("object") {
                Some(object) => object.rsplit('/').next()?.to_owned(),
                None => serde_json::from_str::<Value>(&text("record.json")?).ok()?["owner"]["name"]
                    .as_str()?
                    .to_owned(),
            };
            Some(self.is_own(&name))
        };
        all.into_iter().filter(|secret| own(secret) == Some(true)).collect()
    }

    async fn leftovers(&self, settled: &Settled) -> Leftovers {
        let all = ListParams::default();
        let objects = self.stage.clients().list(&all).await.unwrap().items;
        let own = |name: &Option<String>| name.as_deref().is_some_and(|name| self.is_own(name));
        let written = all.clone().labels("oauth-client-operator.dev/role=credentials");
        let secrets = self.stage.secrets().list(&written).await.unwrap().items;
        Leftovers {
            objects: objects
                .iter()
                .filter(|object| own(&object.metadata.name))
                .map(|object| Object::from_json(&serde_json::to_value(object).unwrap()))
                .collect(),
            records: self
                .kept("record")
                .await
                .iter()
                .filter_map(Recorded::from_secret)
                .collect(),
            suspects: self.suspects().await,
            secrets: secrets
                .iter()
                .filter(|secret| own(&secret.metadata.name))
                .map(Published::from_secret)
                .collect(),
            ledger: settled
                .ledger
                .iter()
                .map(|(id, client)| (id.clone(), issued(client)))
                .collect(),
            deadly_faults: settled.doubts,
            excuses: settled.excuses.iter().map(|&reason| reason.to_owned()).collect(),
            ..Leftovers::default()
        }
    }
}

/// A client that most providers take, with this redirect URI.
pub fn app(path: &str) -> Value {
    json!({
        "grantTypes": ["authorization_code", "client_credentials"],
        "redirectURIs": [format!("https://app.example/{path}")],
    })
}

/// Whether there is a verdict that only a person can change.
pub fn is_stalled(object: &OAuthClient) -> bool {
    is(object, "Stalled", "True")
}

async fn apply<K>(api: &Api<K>, kind: &str, name: &str, spec: &Value)
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let object = json!({
        "apiVersion": "oauth-client-operator.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    });
    let params = PatchParams::apply("test").force();
    api.patch(name, &params, &Patch::Apply(object)).await.unwrap();
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
