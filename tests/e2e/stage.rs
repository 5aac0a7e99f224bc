//! A stage for one test: a namespace for applications, one for the operator, and the operator's real binary with the rights
//! that the chart renders, on the control plane that all tests share.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use oauth_client_operator::api::{Condition, OAuthClient, OAuthProvider};
use testbed::control_plane::audit::{Mark, Requests};
use testbed::control_plane::{ControlPlane, Namespace};
use testbed::operator::{NAME, Operator, OperatorOptions, chart_manifests, chart_manifests_for_terminating};
use tokio::sync::OnceCell;

/// Time that anything may take which is not measured.
pub const LIMIT: Duration = Duration::from_mins(1);

/// The operator under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_oauth-client-operator");

/// The shared control plane, with the definitions in it.
pub async fn plane() -> &'static ControlPlane {
    static DEFINED: OnceCell<()> = OnceCell::const_new();
    let plane = ControlPlane::shared().await.unwrap();
    DEFINED
        .get_or_init(|| async {
            let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
            plane
                .kubectl(&["apply", "--server-side", "-k", crds])
                .await
                .unwrap()
                .stdout()
                .unwrap();
            let established = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"];
            plane.kubectl(&established).await.unwrap().stdout().unwrap();
            // The schemas are published a moment after the kinds are served.
            eventually("kubectl explains the kinds", async || {
                let output = plane.kubectl(&["explain", "clusteroauthproviders"]).await.unwrap();
                output.success().then_some(())
            })
            .await;
        })
        .await;
    plane
}

/// A stage.
pub struct Stage {
    pub operator: Operator,
    pub home: Namespace,
    pub apps: Namespace,
    pub client: Client,
}

impl Stage {
    /// A stage whose operator serves one namespace with Roles only.
    pub async fn new(name: &str) -> Self {
        Self::with(name, |_| {}).await
    }

    /// A stage whose operator is started with other options.
    pub async fn with(name: &str, change: impl FnOnce(&mut OperatorOptions)) -> Self {
        let stage = Unmanned::new(name).await;
        let mut options = stage.options().await;
        change(&mut options);
        stage.man(options).await
    }

    /// Applies manifests as a user does; they must be accepted.
    pub async fn apply(&self, manifests: &str) {
        self.apps.apply(manifests).await.unwrap();
    }

    /// kubectl in the applications' namespace, which must succeed.
    pub async fn kubectl(&self, args: &[&str]) -> String {
        self.apps.kubectl(args).await.unwrap().stdout().unwrap()
    }

    pub fn clients(&self) -> Api<OAuthClient> {
        Api::namespaced(self.client.clone(), self.apps.name())
    }

    pub fn providers(&self) -> Api<OAuthProvider> {
        Api::namespaced(self.client.clone(), self.apps.name())
    }

    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), self.apps.name())
    }

    /// Secrets of the operator's own namespace: records and suspects.
    pub fn kept(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), self.home.name())
    }

    pub async fn oauth_client(&self, name: &str) -> OAuthClient {
        self.clients().get(name).await.unwrap()
    }

    /// Waits until an object fits.
    pub async fn until(&self, name: &str, what: &str, fits: impl Fn(&OAuthClient) -> bool) -> OAuthClient {
        let begin = Instant::now();
        loop {
            let object = self.clients().get_opt(name).await.unwrap();
            match object {
                Some(object) if fits(&object) => return object,
                _ if begin.elapsed() < LIMIT => tokio::time::sleep(Duration::from_millis(50)).await,
                seen => panic!(
                    "{name} is not {what} after {} s; its status: {:#?}\n{}",
                    LIMIT.as_secs(),
                    seen.and_then(|seen| seen.status),
                    self.operator.log()
                ),
            }
        }
    }

    /// Waits until an object is Ready for its newest generation.
    pub async fn ready(&self, name: &str) -> OAuthClient {
        self.until(name, "Ready", |object| {
            is(object, "Ready", "True") && judged(object) && !is(object, "Reconciling", "True")
        })
        .await
    }

    /// Waits until `Ready` is not true for this reason; the condition's message.
    pub async fn failed(&self, name: &str, reason: &str) -> String {
        let fits = |c: &Condition| c.status != "True" && c.reason == reason;
        let object = self
            .until(name, reason, |object| condition(object, "Ready").is_some_and(fits))
            .await;
        condition(&object, "Ready").unwrap().message.clone()
    }

    /// Waits until an object is gone.
    pub async fn gone(&self, name: &str) {
        eventually(&format!("OAuthClient {name} is gone"), async || {
            self.clients().get_opt(name).await.unwrap().is_none().then_some(())
        })
        .await;
    }

    /// Keys and values of the Secret of this name.
    pub async fn secret(&self, name: &str) -> Option<BTreeMap<String, String>> {
        let secret = self.secrets().get_opt(name).await.unwrap()?;
        let text = |(key, value): (String, k8s_openapi::ByteString)| (key, String::from_utf8(value.0).unwrap());
        Some(secret.data.unwrap_or_default().into_iter().map(text).collect())
    }

    /// Names of the suspects and their data.
    pub async fn suspects(&self) -> Vec<Secret> {
        let labelled = ListParams::default().labels("oauth-client-operator.dev/role=suspect");
        self.kept().list(&labelled).await.unwrap().items
    }

    /// Names of the records.
    pub async fn records(&self) -> Vec<String> {
        let labelled = ListParams::default().labels("oauth-client-operator.dev/role=record");
        self.kept()
            .list(&labelled)
            .await
            .unwrap()
            .items
            .iter()
            .map(ResourceExt::name_any)
            .collect()
    }

    /// The place in the audit log from which to count.
    pub async fn mark(&self) -> Mark {
        plane().await.audit().unwrap().mark()
    }

    /// Everything that this operator asked the API server for since then.
    pub async fn requests(&self, since: Mark) -> Requests {
        plane()
            .await
            .audit()
            .unwrap()
            .since(since)
            .await
            .unwrap()
            .by(self.operator.user())
    }

    /// Waits for a warning about an object with this reason; its note.
    pub async fn warned(&self, name: &str, reason: &str) -> String {
        let events: Api<k8s_openapi::api::events::v1::Event> = Api::namespaced(self.client.clone(), self.apps.name());
        eventually(&format!("a warning {reason} about {name}"), async || {
            let found = events
                .list(&ListParams::default())
                .await
                .unwrap()
                .into_iter()
                .find(|event| {
                    let about = event.regarding.as_ref().and_then(|regarding| regarding.name.as_deref());
                    event.type_.as_deref() == Some("Warning")
                        && about == Some(name)
                        && event.reason.as_deref() == Some(reason)
                });
            found.map(|event| event.note.unwrap_or_default())
        })
        .await
    }

    /// Waits until there is no record any more.
    pub async fn no_records(&self) {
        eventually("the records are gone", async || {
            self.records().await.is_empty().then_some(())
        })
        .await;
    }
}

/// A stage before its operator is started.
pub struct Unmanned {
    pub home: Namespace,
    pub apps: Namespace,
    client: Client,
}

impl Unmanned {
    pub async fn new(name: &str) -> Self {
        let plane = plane().await;
        Self {
            home: plane.namespace(&format!("{name}-operator")).await.unwrap(),
            apps: plane.namespace(&format!("{name}-apps")).await.unwrap(),
            client: plane.client().unwrap(),
        }
    }

    /// Options with the rights that the chart renders for one namespace.
    pub async fn options(&self) -> OperatorOptions {
        options(&self.home, &self.apps).await
    }

    pub async fn man(self, options: OperatorOptions) -> Stage {
        let operator = Operator::start(plane().await, options).await.unwrap();
        Stage {
            operator,
            home: self.home,
            apps: self.apps,
            client: self.client,
        }
    }
}

/// Options of an operator in one namespace that serves the other.
pub async fn options(home: &Namespace, apps: &Namespace) -> OperatorOptions {
    let watched = [apps.name().to_owned()];
    OperatorOptions {
        binary: BINARY.into(),
        manifests: vec![rights(home.name(), &watched).await],
        env: vec![("RUST_LOG".to_owned(), "info,oauth_client_operator=trace".to_owned())],
        ..OperatorOptions::new(home.name(), &watched)
    }
}

/// The rights that the chart renders for an operator.
pub async fn rights(home: &str, watched: &[String]) -> String {
    let chart = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("charts")
        .join(NAME);
    chart_manifests(plane().await, &chart, home, watched).await.unwrap()
}

/// The same, with those that outlive a namespace.
pub async fn lasting_rights(home: &str, watched: &[String]) -> String {
    let chart = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("charts")
        .join(NAME);
    chart_manifests_for_terminating(plane().await, &chart, home, watched)
        .await
        .unwrap()
}

/// Waits until something is the case.
pub async fn eventually<T>(what: &str, check: impl AsyncFn() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(begin.elapsed() < LIMIT, "not after {} s: {what}", LIMIT.as_secs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A condition of an object.
pub fn condition<'a>(object: &'a OAuthClient, type_: &str) -> Option<&'a Condition> {
    object
        .status
        .as_ref()?
        .conditions
        .iter()
        .find(|condition| condition.type_ == type_)
}

/// Whether a condition has a status.
pub fn is(object: &OAuthClient, type_: &str, status: &str) -> bool {
    condition(object, type_).is_some_and(|condition| condition.status == status)
}

/// Whether there is a verdict for the newest generation.
pub fn judged(object: &OAuthClient) -> bool {
    let observed = object.status.as_ref().and_then(|status| status.observed_generation);
    observed.is_some() && observed == object.metadata.generation
}
