//! Watches that fall silent, are refused, or watch what is not there; and a pass that panics: the rest goes on, health says
//! what is wrong, and nothing has to be restarted.

use std::time::{Duration, Instant};

use http::StatusCode;
use testbed::control_plane::{ControlPlane, ControlPlaneOptions};
use testbed::operator::{Operator, OperatorOptions};
use testbed::proxy::{Action, Asked};
use testbed::site::{Site, oauth_client};

use crate::api_server::faster;
use crate::judge::Verdict;
use crate::scene::{CLIENT, Scene, edited, step};
use crate::stage::{BINARY, Unmanned, eventually};

/// The value of a metric, by the beginning of its line.
async fn metric(operator: &Operator, line: &str) -> f64 {
    let metrics = operator.metrics().await.unwrap();
    let found = metrics.lines().find_map(|found| found.strip_prefix(line));
    found.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
}

/// A scene in which a pass over `app` panics once, at this effect.
async fn panicking(name: &str, effect: &str) -> Scene {
    let site = Site::oidc_provider().await.unwrap();
    Scene::with(name, site, |options| {
        faster(options);
        let at = format!("{}/app/{effect}", options.namespaces[0]);
        options.env.push(("OAUTH_CLIENT_OPERATOR_PANIC".to_owned(), at));
    })
    .await
}

#[tokio::test]
async fn t04_a_panic_in_one_pass_disturbs_no_other_and_passes() {
    let scene = panicking("panic", "ProveWritable").await;
    scene.app().await;
    scene.many(5).await;
    scene.many_ready(5).await;
    scene.stage.ready("app").await;
    let bugs = metric(
        &scene.stage.operator,
        r#"oauth_client_operator_reconcile_total{outcome="Bug"}"#,
    )
    .await;
    assert!((bugs - 1.0).abs() < f64::EPSILON, "{bugs}");
    assert!(scene.stage.operator.is_running() && scene.stage.operator.log().contains("asked for it"));
    assert_eq!(scene.ids().await.len(), 6);
    scene.judge().await;
}

/// The worst moment: the provider has answered, and the answer goes down with the pass.
#[tokio::test]
async fn t04_a_panic_that_loses_a_registration_is_told_of() {
    let scene = panicking("panic-worst", "StoreRecord").await;
    scene.ready_app().await;
    assert_eq!((scene.ids().await.len(), scene.stage.suspects().await.len()), (2, 1));
    scene.judge_with(Verdict::default().faults(1)).await;
}

#[tokio::test]
async fn t16_a_watch_that_falls_silent_is_noticed_and_begun_anew() {
    // At this scale a watch is open for four seconds, and is given up five seconds later.
    let scene = Scene::with("silent", Site::oidc_provider().await.unwrap(), faster).await;
    let silent = scene.proxy.once(step::watch("oauthclients"), Action::SilentWatch);
    scene.met(&silent, 1).await;
    scene.app().await;
    let age = r#"oauth_client_operator_watch_last_event_age_seconds{kind="OAuthClient"}"#;
    let mut oldest: f64 = 0.0;
    let begun = Instant::now();
    while scene.ids().await.is_empty() {
        oldest = metric(&scene.stage.operator, age).await.max(oldest);
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "the watch is silent for ever"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(oldest > 4.0, "the age of the last event showed it: {oldest}");
    scene.stage.ready("app").await;
    assert!(metric(&scene.stage.operator, age).await < oldest);
    scene.judge().await;
}

#[tokio::test]
async fn t17_a_watch_that_is_refused_slows_nobody_and_shows() {
    let scene = Scene::with("refused", Site::oidc_provider().await.unwrap(), faster).await;
    let credentials = |asked: &Asked| step::watching("secrets")(asked) && asked.query.contains("provider-credentials");
    let refused = scene.proxy.always(credentials, Action::Status(StatusCode::FORBIDDEN));
    scene.proxy.cut();
    scene.met(&refused, 1).await;
    eventually("the metric shows it", async || {
        let failing = metric(&scene.stage.operator, "oauth_client_operator_failing_watches").await;
        (failing > 0.5).then_some(())
    })
    .await;
    // One backoff over all watches would make these take seconds.
    let mut slowest = Duration::ZERO;
    for number in 0..20 {
        let name = format!("app-{number}");
        let begun = Instant::now();
        scene.stage.apply(&oauth_client(&name, CLIENT)).await;
        scene.stage.ready(&name).await;
        slowest = slowest.max(begun.elapsed());
    }
    assert!(slowest < Duration::from_secs(4), "{slowest:?}");
    eventually("readiness tells the truth", async || {
        scene.stage.operator.get("/readyz").await.is_err().then_some(())
    })
    .await;
    scene.proxy.clear();
    eventually("it is ready again, without a restart", async || {
        scene.stage.operator.get("/readyz").await.ok()
    })
    .await;
    scene.judge().await;
}

/// A control plane on which the definitions can be missing, and an operator before it that serves `shop`.
struct Alone {
    plane: ControlPlane,
    operator: Operator,
    site: Site,
}

const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");

impl Alone {
    async fn start(defined: bool) -> Self {
        let plane = ControlPlane::start(ControlPlaneOptions::default()).await.unwrap();
        let site = Site::oidc_provider().await.unwrap();
        let home = "system";
        for namespace in [home, "shop"] {
            plane.create_namespace(namespace).await.unwrap();
        }
        let watched = ["shop".to_owned()];
        let mut options = OperatorOptions {
            binary: BINARY.into(),
            manifests: vec![crate::stage::rights(home, &watched).await],
            ..OperatorOptions::new(home, &watched)
        };
        faster(&mut options);
        if defined {
            define(&plane).await;
        }
        let operator = Operator::launch(&plane, options).await.unwrap();
        Self { plane, operator, site }
    }

    async fn kubectl(&self, args: &[&str]) -> String {
        self.plane.kubectl(args).await.unwrap().stdout().unwrap()
    }

    /// Applies the provider and a client, and waits until that is Ready.
    async fn serves(&self) {
        for manifests in [self.site.manifests.clone(), oauth_client("app", CLIENT)] {
            let apply = ["-n", "shop", "apply", "-f", "-"];
            let apply = self.plane.kubectl_with(&apply, &manifests).await.unwrap();
            apply.stdout().unwrap();
        }
        let wait = [
            "-n",
            "shop",
            "wait",
            "--for=condition=Ready",
            "oac/app",
            "--timeout=60s",
        ];
        self.kubectl(&wait).await;
    }
}

async fn define(plane: &ControlPlane) {
    let apply = ["apply", "--server-side", "-k", CRDS];
    plane.kubectl(&apply).await.unwrap().stdout().unwrap();
    let wait = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"];
    plane.kubectl(&wait).await.unwrap().stdout().unwrap();
}

#[tokio::test]
async fn t19_definitions_that_are_missing_at_the_start_are_waited_for() {
    let alone = Alone::start(false).await;
    eventually("the log says what to do", async || {
        let log = alone.operator.log();
        let missing = "the API server does not serve OAuthClient, OAuthProvider; install the CRDs";
        (log.contains(missing) && log.contains("OAuthClient in shop")).then_some(())
    })
    .await;
    assert!(alone.operator.get("/readyz").await.is_err());
    assert!(alone.operator.get("/livez").await.is_ok() && alone.operator.is_running());
    define(&alone.plane).await;
    alone.operator.ready().await.unwrap();
    alone.serves().await;
    assert_eq!(alone.site.clients().await.unwrap().len(), 1);
}

#[tokio::test]
async fn t20_definitions_that_go_and_come_back_need_no_restart() {
    let alone = Alone::start(true).await;
    alone.operator.ready().await.unwrap();
    alone.serves().await;
    let before = alone.site.clients().await.unwrap();
    alone.kubectl(&["delete", "-k", CRDS, "--timeout=60s"]).await;
    assert!(
        alone.site.clients().await.unwrap().is_empty(),
        "deleted with their kind"
    );
    define(&alone.plane).await;
    alone.serves().await;
    let after = alone.site.clients().await.unwrap();
    assert_eq!(after.len(), 1);
    assert!(after.keys().all(|id| !before.contains_key(id)));
    assert!(alone.operator.is_running());
}

/// A definition without the field that this line begins.
pub fn without(definition: &str, field: &str) -> String {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut inside = false;
    let kept = definition.lines().filter(|line| {
        inside = *line == field || inside && indent(line) > indent(field);
        !inside
    });
    kept.flat_map(|line| [line, "\n"]).collect()
}

#[tokio::test]
async fn t123_definitions_that_are_older_than_the_operator_are_named_and_nothing_begins_before_they_are_upgraded() {
    let alone = Alone::start(false).await;
    for definitions in ["oauthclients", "oauthproviders"] {
        let file = std::fs::read_to_string(format!("{CRDS}/{definitions}.yaml")).unwrap();
        let apply = ["apply", "--server-side", "-f", "-"];
        let apply = alone
            .plane
            .kubectl_with(&apply, &without(&file, "              suspects:"))
            .await
            .unwrap();
        apply.stdout().unwrap();
    }
    eventually("the log says what to do", async || {
        let log = alone.operator.log();
        let outdated = "upgrade the CRDs: they lack OAuthClient.status.suspects";
        log.contains(outdated).then_some(())
    })
    .await;
    assert!(alone.operator.get("/readyz").await.is_err());
    for manifests in [alone.site.manifests.clone(), oauth_client("app", CLIENT)] {
        let apply = ["-n", "shop", "apply", "-f", "-"];
        let apply = alone.plane.kubectl_with(&apply, &manifests).await.unwrap();
        apply.stdout().unwrap();
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(alone.site.clients().await.unwrap().is_empty(), "nothing begins");
    define(&alone.plane).await;
    alone.operator.ready().await.unwrap();
    alone.serves().await;
    assert_eq!(alone.site.clients().await.unwrap().len(), 1);
}

/// The operator starts while nobody answers: it waits, and says so.
#[tokio::test]
async fn t13_an_api_server_that_is_away_at_the_start_is_waited_for() {
    let proxy = testbed::proxy::Proxy::before(crate::stage::plane().await)
        .await
        .unwrap();
    let unmanned = Unmanned::new("away").await;
    let mut options = unmanned.options().await;
    options.via = Some(proxy.endpoint());
    faster(&mut options);
    proxy.go_down();
    let operator = Operator::launch(crate::stage::plane().await, options).await.unwrap();
    eventually("the admin port answers", async || operator.get("/livez").await.ok()).await;
    assert!(operator.get("/readyz").await.is_err());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(operator.is_running(), "{}", operator.log());
    proxy.come_up();
    operator.ready().await.unwrap();
    let site = Site::oidc_provider().await.unwrap();
    for manifests in [site.manifests.clone(), oauth_client("app", &edited("late"))] {
        unmanned.apps.apply(&manifests).await.unwrap();
    }
    eventually("it works", async || {
        (site.clients().await.unwrap().len() == 1).then_some(())
    })
    .await;
}
