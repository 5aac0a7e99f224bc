//! A stage with fault proxies around its operator: one before the API server, and a provider to register at.

use testbed::operator::OperatorOptions;
use testbed::process::KillSwitch;
use testbed::proxy::{Asked, Hits, Proxy};
use testbed::site::{Site, oauth_client};

use crate::stage::{LIMIT, Stage, Unmanned, eventually, plane};

/// What most scenarios register.
pub const CLIENT: &str =
    "grantTypes: [authorization_code, client_credentials]\nredirectURIs: ['https://app.example/callback']";

/// The same with another redirect URI.
#[must_use]
pub fn edited(path: &str) -> String {
    CLIENT.replace("callback", path)
}

/// The scene.
pub struct Scene {
    pub stage: Stage,
    /// Before the API server.
    pub proxy: Proxy,
    pub kill: KillSwitch,
    pub site: Site,
}

impl Scene {
    /// A scene at oidc-provider, whose provider object is applied.
    pub async fn new(name: &str) -> Self {
        Self::with(name, Site::oidc_provider().await.unwrap(), |_| {}).await
    }

    /// A scene at a site, with other options of the operator.
    pub async fn with(name: &str, site: Site, change: impl FnOnce(&mut OperatorOptions)) -> Self {
        Self::with_rights(name, site, crate::stage::rights, change).await
    }

    /// The same with other rights of the operator.
    pub async fn with_rights(
        name: &str,
        site: Site,
        rights: impl AsyncFnOnce(&str, &[String]) -> String,
        change: impl FnOnce(&mut OperatorOptions),
    ) -> Self {
        let proxy = Proxy::before(plane().await).await.unwrap();
        let kill = KillSwitch::default();
        let unmanned = Unmanned::new(name).await;
        let mut options = unmanned.options().await;
        options.manifests = vec![rights(&options.operator_namespace, &options.namespaces).await];
        options.via = Some(proxy.endpoint());
        options.kill_switch = kill.clone();
        change(&mut options);
        let stage = unmanned.man(options).await;
        stage.apply(&site.manifests).await;
        Self {
            stage,
            proxy,
            kill,
            site,
        }
    }

    /// Applies the usual client.
    pub async fn app(&self) {
        self.stage.apply(&oauth_client("app", CLIENT)).await;
    }

    /// Applies the usual client and waits until it is Ready.
    pub async fn ready_app(&self) {
        self.app().await;
        self.stage.ready("app").await;
    }

    /// Applies many of the usual clients, named `app-N`.
    pub async fn many(&self, count: usize) {
        let clients: String = (0..count)
            .map(|number| oauth_client(&format!("app-{number}"), CLIENT))
            .collect();
        self.stage.apply(&clients).await;
    }

    /// Waits until all of those are Ready.
    pub async fn many_ready(&self, count: usize) {
        for number in 0..count {
            self.stage.ready(&format!("app-{number}")).await;
        }
    }

    /// Waits until a rule was used so often.
    pub async fn met(&self, rule: &Hits, times: usize) {
        eventually("the fault is met", async || (rule.hits() >= times).then_some(())).await;
    }

    /// Waits until the operator was killed by its switch, then starts it again.
    pub async fn killed_and_restarted(&mut self) {
        self.stage.operator.ended(LIMIT).await.unwrap();
        self.stage.operator.restart().await.unwrap();
    }

    /// Number of requests that fit, so far.
    pub fn count(&self, fits: impl Fn(&Asked) -> bool) -> usize {
        self.proxy.asked().iter().filter(|asked| fits(asked)).count()
    }

    /// Identifiers of the clients at the provider.
    pub async fn ids(&self) -> Vec<String> {
        self.site.clients().await.unwrap().into_keys().collect()
    }
}

/// Predicates over requests, by the step of the operator's work that they are.
pub mod step {
    use testbed::proxy::Asked;

    /// Marker and finalizer, or the finalizer's removal.
    pub fn object(asked: &Asked) -> bool {
        asked.verb == "patch" && asked.resource == "oauthclients" && asked.subresource.is_empty()
    }

    pub fn status(asked: &Asked) -> bool {
        asked.verb == "patch" && asked.resource == "oauthclients" && asked.subresource == "status"
    }

    pub fn dry_run(asked: &Asked) -> bool {
        asked.dry_run
    }

    fn is_secret(asked: &Asked, verb: &str, namespace: &str) -> bool {
        asked.is_write() && asked.verb == verb && asked.resource == "secrets" && asked.namespace.contains(namespace)
    }

    pub fn record(asked: &Asked) -> bool {
        is_secret(asked, "create", "-operator-")
    }

    pub fn record_change(asked: &Asked) -> bool {
        is_secret(asked, "patch", "-operator-")
    }

    pub fn record_removal(asked: &Asked) -> bool {
        is_secret(asked, "delete", "-operator-")
    }

    pub fn secret(asked: &Asked) -> bool {
        is_secret(asked, "create", "-apps-")
    }

    pub fn secret_change(asked: &Asked) -> bool {
        is_secret(asked, "patch", "-apps-")
    }

    pub fn lease(asked: &Asked) -> bool {
        asked.resource == "leases"
    }

    /// The watch of a resource, be it a list or a watch proper.
    pub fn watching(resource: &'static str) -> impl Fn(&Asked) -> bool + Send + 'static {
        move |asked| asked.resource == resource && matches!(asked.verb, "list" | "watch")
    }

    /// Lists of a resource.
    pub fn list(resource: &'static str) -> impl Fn(&Asked) -> bool + Send + 'static {
        move |asked| asked.resource == resource && asked.verb == "list"
    }

    /// Watches proper of a resource.
    pub fn watch(resource: &'static str) -> impl Fn(&Asked) -> bool + Send + 'static {
        move |asked| asked.resource == resource && asked.verb == "watch"
    }
}
