//! The operator is killed at each step of a create, and starts again: one usable client and Secret, and no stray that
//! nothing tells of.

use testbed::process::KillSwitch;
use testbed::providers::Fault;
use testbed::proxy::{Action, Asked, Hits, Proxy};
use testbed::site::{Site, oauth_client};

use crate::stage::{LIMIT, Stage, Unmanned, eventually, plane};

const CLIENT: &str =
    "grantTypes: [authorization_code, client_credentials]\nredirectURIs: ['https://app.example/callback']";

struct Crash {
    stage: Stage,
    proxy: Proxy,
    kill: KillSwitch,
    site: Site,
}

impl Crash {
    async fn new(name: &str, site: Site) -> Self {
        let proxy = Proxy::before(plane().await).await.unwrap();
        let kill = KillSwitch::default();
        let unmanned = Unmanned::new(name).await;
        let mut options = unmanned.options().await;
        options.via = Some(proxy.endpoint());
        options.kill_switch = kill.clone();
        let stage = unmanned.man(options).await;
        stage.apply(&site.manifests).await;
        Self {
            stage,
            proxy,
            kill,
            site,
        }
    }

    /// Kills at the step, before or after it takes place, starts again, and looks at what is left.
    async fn at(&mut self, step: fn(&Asked) -> bool, after: bool) {
        let action = if after {
            Action::KillAfter(self.kill.clone())
        } else {
            Action::KillBefore(self.kill.clone())
        };
        let rule = self.proxy.once(step, action);
        self.stage.apply(&oauth_client("app", CLIENT)).await;
        self.restart(&rule).await;
        self.judge().await;
    }

    async fn restart(&mut self, rule: &Hits) {
        self.stage.operator.ended(LIMIT).await.unwrap();
        assert_eq!(rule.hits(), 1);
        self.stage.operator.restart().await.unwrap();
    }

    /// Exactly one usable client and Secret; everything else at the provider is a suspect, and there is at most one.
    async fn judge(&self) {
        let object = self.stage.ready("app").await;
        let secret = self.stage.secret("app").await.unwrap();
        assert_eq!(object.status.unwrap().client_id.as_ref(), Some(&secret["client_id"]));
        self.site
            .token(&secret["client_id"], &secret["client_secret"])
            .await
            .unwrap();
        let clients = self.site.clients().await.unwrap();
        assert!(clients.contains_key(&secret["client_id"]));
        let suspects = self.stage.suspects().await.len();
        assert!(suspects <= 1, "{suspects} suspects after one kill");
        assert!(
            clients.len() - 1 <= suspects,
            "{} clients and {suspects} suspects",
            clients.len()
        );
        assert_eq!(self.stage.records().await.len(), 1);
    }
}

fn is_marker(asked: &Asked) -> bool {
    asked.verb == "patch" && asked.resource == "oauthclients" && asked.subresource.is_empty()
}

fn is_record(asked: &Asked) -> bool {
    asked.is_write() && asked.verb == "create" && asked.resource == "secrets" && asked.namespace.contains("-operator-")
}

fn is_secret(asked: &Asked) -> bool {
    asked.is_write() && asked.verb == "create" && asked.resource == "secrets" && asked.namespace.contains("-apps-")
}

fn is_status(asked: &Asked) -> bool {
    asked.verb == "patch" && asked.resource == "oauthclients" && asked.subresource == "status"
}

fn is_dry_run(asked: &Asked) -> bool {
    asked.dry_run
}

macro_rules! killed {
    ($($name:ident: $step:expr, $after:expr;)+) => {
        $(
            #[tokio::test]
            async fn $name() {
                let site = Site::oidc_provider().await.unwrap();
                let name = stringify!($name).replace("killed_", "").replace('_', "-");
                Crash::new(&name, site).await.at($step, $after).await;
            }
        )+
    };
}

killed! {
    killed_before_the_dry_run: is_dry_run, false;
    killed_after_the_dry_run: is_dry_run, true;
    killed_before_the_marker: is_marker, false;
    killed_after_the_marker: is_marker, true;
    killed_before_the_record: is_record, false;
    killed_after_the_record: is_record, true;
    killed_before_the_secret: is_secret, false;
    killed_after_the_secret: is_secret, true;
    killed_before_the_status: is_status, false;
    killed_after_the_status: is_status, true;
}

/// The kill comes with the registration itself: before the provider does anything, or after, without an answer.
async fn killed_at_the_post(name: &str, applied: bool) {
    let mut crash = Crash::new(name, Site::scriptable().await.unwrap()).await;
    let (kill, mut first) = (crash.kill.clone(), true);
    crash.site.double().unwrap().script(move |seen| {
        let post = seen.method == "POST" && seen.path == "/register";
        (post && std::mem::take(&mut first)).then(|| {
            let _ = kill.kill();
            if applied { Fault::LoseAnswer } else { Fault::LoseRequest }
        })
    });
    crash.stage.apply(&oauth_client("app", CLIENT)).await;
    crash.stage.operator.ended(LIMIT).await.unwrap();
    crash.stage.operator.restart().await.unwrap();
    crash.judge().await;
    assert_eq!(
        crash.stage.suspects().await.len(),
        1,
        "a kill at the POST leaves a doubt, and the suspect tells of it"
    );
    assert_eq!(crash.site.clients().await.unwrap().len(), if applied { 2 } else { 1 });
}

#[tokio::test]
async fn killed_before_the_provider_registers() {
    killed_at_the_post("before-post", false).await;
}

#[tokio::test]
async fn killed_after_the_provider_registers() {
    killed_at_the_post("after-post", true).await;
}

/// Losing the operator's whole namespace, records and all, and installing it again registers nothing again.
#[tokio::test]
async fn a_lost_operator_namespace_registers_nothing_again() {
    let site = Site::oidc_provider().await.unwrap();
    let stage = Stage::new("lost-home").await;
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    stage.ready("app").await;
    let (secret, clients) = (stage.secret("app").await, site.clients().await.unwrap());

    stage.operator.kill9().await.unwrap();
    let plane = plane().await;
    plane.delete_namespace(stage.home.name()).await.unwrap();
    let watched = [stage.apps.name().to_owned()];
    let options = testbed::operator::OperatorOptions {
        binary: crate::stage::BINARY.into(),
        manifests: vec![crate::stage::rights(stage.home.name(), &watched).await],
        ..testbed::operator::OperatorOptions::new(stage.home.name(), &watched)
    };
    plane.create_namespace(stage.home.name()).await.unwrap();
    let again = testbed::operator::Operator::start(plane, options).await.unwrap();
    // The app goes on; the loss shows as soon as something has to be done.
    stage
        .apply(&oauth_client("app", &CLIENT.replace("callback", "other")))
        .await;
    let message = stage.failed("app", "RecordLost").await;
    assert!(message.contains("nothing is registered again"), "{message}");
    assert_eq!(
        (stage.secret("app").await, site.clients().await.unwrap()),
        (secret, clients)
    );
    again.stop().await.unwrap();
}

/// A stop with a registration under way waits for its answer and stores it.
#[tokio::test]
async fn w70_a_stop_in_the_middle_of_a_registration_loses_nothing() {
    let site = Site::scriptable().await.unwrap();
    let double = site.double().unwrap();
    let mut stage = Stage::new("drain").await;
    double.script(|seen| (seen.method == "POST").then_some(Fault::Delay(std::time::Duration::from_secs(3))));
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    eventually("the registration is under way", async || {
        (double.count("POST", "/register") == 1).then_some(())
    })
    .await;
    let status = stage.operator.stop().await.unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(
        stage.records().await.len(),
        1,
        "the answer is recorded before the process ends"
    );
    double.behave();
    stage.operator.restart().await.unwrap();
    stage.ready("app").await;
    assert_eq!(
        (site.clients().await.unwrap().len(), stage.suspects().await.len()),
        (1, 0)
    );
    assert_eq!(double.count("POST", "/register"), 1);
}
