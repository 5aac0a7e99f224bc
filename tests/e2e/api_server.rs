//! An API server that refuses, loses, delays, or is away: the operator goes on by itself, and nobody is registered twice.

use std::time::Duration;

use http::StatusCode;
use testbed::operator::OperatorOptions;
use testbed::proxy::{Action, Asked, malformed};
use testbed::site::{Site, oauth_client};

use crate::scene::{CLIENT, Scene, edited, step};
use crate::stage::{condition, eventually};

/// The four writes that lead to Ready.
const WRITES: [fn(&Asked) -> bool; 4] = [step::object, step::record, step::secret, step::status];

/// An operator that lives so much faster: waits after failures are not what is tested.
pub fn faster(options: &mut OperatorOptions) {
    options.args.extend(["--time-scale".to_owned(), "60".to_owned()]);
}

async fn fast(name: &str) -> Scene {
    Scene::with(name, Site::oidc_provider().await.unwrap(), faster).await
}

impl Scene {
    /// Each of the four writes meets each of these faults once, on the way of a client of its own.
    async fn each_write_meets(&self, faults: &[Action]) -> usize {
        let mut clients = 0;
        for write in WRITES {
            for fault in faults {
                let rule = self.proxy.once(write, fault.clone());
                let name = format!("app-{clients}");
                self.stage.apply(&oauth_client(&name, CLIENT)).await;
                self.stage.ready(&name).await;
                assert_eq!(rule.hits(), 1);
                clients += 1;
            }
        }
        clients
    }
}

#[tokio::test]
async fn t10_each_write_fails_once_in_every_way() {
    let scene = fast("each-write").await;
    let faults = [
        Action::Status(StatusCode::CONFLICT),
        Action::Status(StatusCode::UNPROCESSABLE_ENTITY),
        Action::Busy(StatusCode::TOO_MANY_REQUESTS, Duration::from_secs(1)),
        Action::Status(StatusCode::INTERNAL_SERVER_ERROR),
        Action::Status(StatusCode::SERVICE_UNAVAILABLE),
        Action::Status(StatusCode::GATEWAY_TIMEOUT),
        Action::Reset,
        Action::LoseRequest,
    ];
    let clients = scene.each_write_meets(&faults).await;
    assert_eq!(scene.ids().await.len(), clients, "no extra client at the provider");
    scene.judge().await;
}

#[tokio::test]
async fn t10_a_write_that_is_never_answered_is_given_up_and_tried_again() {
    let scene = fast("hanging").await;
    for (number, fault) in [Action::Hang, Action::HangAfter].into_iter().enumerate() {
        for write in [step::object, step::record] {
            scene.proxy.once(write, fault.clone());
        }
        let name = format!("app-{number}");
        scene.stage.apply(&oauth_client(&name, CLIENT)).await;
        scene.stage.ready(&name).await;
    }
    assert_eq!(scene.ids().await.len(), 2);
    scene.judge().await;
}

#[tokio::test]
async fn t11_a_write_whose_answer_is_lost_is_known_for_ones_own() {
    let scene = fast("lost-answer").await;
    let clients = scene.each_write_meets(&[Action::LoseAnswer, Action::Truncate]).await;
    assert_eq!(scene.ids().await.len(), clients, "no extra client at the provider");
    scene.judge().await;
}

/// At this scale of time, five seconds are five minutes.
#[tokio::test]
async fn t12_minutes_of_too_many_requests_end_well() {
    let scene = fast("busy").await;
    scene.ready_app().await;
    let memory = scene.stage.operator.memory_peak().unwrap();
    let busy = Action::Busy(StatusCode::TOO_MANY_REQUESTS, Duration::from_secs(1));
    let refused = scene.proxy.always(|asked| asked.resource != "leases", busy);
    scene.proxy.cut();
    scene.many(10).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(refused.hits() < 300, "{} requests in five seconds", refused.hits());
    scene.proxy.clear();
    scene.many_ready(10).await;
    assert_eq!(scene.ids().await.len(), 11);
    let grown = scene.stage.operator.memory_peak().unwrap().saturating_sub(memory);
    assert!(grown < 16 << 20, "{grown} bytes more");
    scene.judge().await;
}

#[tokio::test]
async fn t13_an_outage_at_rest_leads_to_no_work() {
    let scene = fast("outage").await;
    scene.many(5).await;
    scene.many_ready(5).await;
    let place = scene.proxy.place();
    scene.proxy.go_down();
    eventually("the outage is seen", async || {
        let metrics = scene.stage.operator.metrics().await.unwrap();
        (!metrics.contains("oauth_client_operator_failing_watches 0")).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(
        scene.stage.operator.get("/livez").await.is_ok(),
        "a restart would not help"
    );
    scene.proxy.come_up();
    eventually("every watch works again", async || {
        let metrics = scene.stage.operator.metrics().await.unwrap();
        metrics
            .contains("oauth_client_operator_failing_watches 0")
            .then_some(())
    })
    .await;
    let written = scene.proxy.since(place);
    let written: Vec<_> = written
        .iter()
        .filter(|exchange| exchange.asked.is_write() && exchange.asked.resource != "leases")
        .collect();
    assert!(written.is_empty(), "{written:?}");
    scene.judge().await;
}

/// Longer than the lease holds: the operator steps down, keeps what providers have issued, and comes back.
#[tokio::test]
async fn t13_an_outage_in_the_middle_of_a_burst_loses_no_client() {
    let scene = Scene::new("burst").await;
    scene.many(30).await;
    eventually("the burst is under way", async || {
        (scene.ids().await.len() > 3).then_some(())
    })
    .await;
    scene.proxy.go_down();
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert!(scene.stage.operator.is_running());
    scene.proxy.come_up();
    scene.many_ready(30).await;
    assert_eq!(scene.ids().await.len(), 30);
    scene.judge().await;
}

#[tokio::test]
async fn t14_versions_that_are_compacted_away_are_listed_anew_without_the_provider() {
    let provider = testbed::proxy::Proxy::open(false).await.unwrap();
    let site = Site::oidc_provider_behind(&provider, testbed::providers::OidcProviderOptions::default());
    let scene = Scene::with("compacted", site.await.unwrap(), |_| {}).await;
    scene.many(5).await;
    scene.many_ready(5).await;
    let (before, lists) = (provider.place(), scene.count(|asked| asked.verb == "list"));
    let resources = ["oauthclients", "oauthproviders", "secrets", "configmaps"];
    let rules = resources.map(|resource| scene.proxy.once(step::watch(resource), Action::ExpiredWatch));
    scene.proxy.cut();
    for rule in &rules {
        scene.met(rule, 1).await;
    }
    eventually("all is listed anew", async || {
        (scene.count(|asked| asked.verb == "list") >= lists + resources.len()).then_some(())
    })
    .await;
    scene.judge().await;
    assert!(provider.since(before).is_empty(), "the provider was asked");
}

#[tokio::test]
async fn t15_ten_restarts_of_the_api_server_disturb_nobody() {
    let scene = fast("restarts").await;
    for round in 0..10 {
        scene.proxy.go_down();
        scene.stage.apply(&oauth_client(&format!("app-{round}"), CLIENT)).await;
        scene.proxy.come_up();
    }
    scene.many_ready(10).await;
    assert_eq!(scene.ids().await.len(), 10);
    scene.judge().await;
}

#[tokio::test]
async fn t18_a_status_that_may_not_be_written_costs_no_second_registration() {
    let scene = fast("status").await;
    let refused = scene.proxy.always(step::status, Action::Status(StatusCode::FORBIDDEN));
    scene.app().await;
    scene.met(&refused, 2).await;
    assert!(
        scene.stage.secret("app").await.is_some(),
        "the application has what it needs"
    );
    assert_eq!(scene.ids().await.len(), 1);
    scene.proxy.clear();
    scene.stage.ready("app").await;
    assert_eq!(scene.ids().await.len(), 1);
    scene.judge().await;
}

#[tokio::test]
async fn t21_a_slow_api_server_is_waited_for() {
    let scene = Scene::new("slow").await;
    let slow = Action::Delay(Duration::from_millis(500));
    scene.proxy.always(|asked| asked.verb != "watch", slow);
    scene.many(20).await;
    scene.many_ready(20).await;
    assert_eq!(scene.ids().await.len(), 20);
    scene.proxy.clear();
    scene.judge().await;
}

#[tokio::test]
async fn t22_a_list_whose_next_page_has_expired_is_begun_anew() {
    let mut scene = Scene::new("pages").await;
    scene.many(3).await;
    scene.many_ready(3).await;
    let first = scene.proxy.once(
        step::list("oauthclients"),
        Action::rewrite(|list| list["metadata"]["continue"] = "expired".into()),
    );
    let next = |asked: &Asked| asked.verb == "list" && asked.query.contains("continue=expired");
    let second = scene.proxy.once(next, Action::Status(StatusCode::GONE));
    scene.stage.operator.restart().await.unwrap();
    assert_eq!((first.hits(), second.hits()), (1, 1));
    scene.stage.apply(&oauth_client("app-0", &edited("page"))).await;
    scene.stage.ready("app-0").await;
    assert_eq!(scene.ids().await.len(), 3);
    scene.judge().await;
}

#[tokio::test]
async fn t23_an_object_at_the_limit_of_its_size_is_refused_before_anything_is_registered() {
    let scene = fast("huge").await;
    // The API server allows 256 KiB of annotations; the marker does not fit in beside these.
    let text = "x".repeat(256 * 1024 - 60);
    let huge = oauth_client("app", CLIENT).replace(
        "metadata:\n  name: app\n",
        &format!("metadata:\n  name: app\n  annotations:\n    example.com/huge: {text}\n"),
    );
    let file = ["-n", scene.stage.apps.name(), "create", "-f", "-"];
    let plane = crate::stage::plane().await;
    plane.kubectl_with(&file, &huge).await.unwrap().stdout().unwrap();
    let message = scene.stage.failed("app", "SecretWriteDenied").await;
    assert!(message.contains("annotations") && message.len() < 1024, "{message}");
    assert!(scene.ids().await.is_empty());
    scene
        .stage
        .kubectl(&["annotate", "oac", "app", "example.com/huge-"])
        .await;
    scene.stage.ready("app").await;
    assert_eq!(scene.ids().await.len(), 1);
    scene.judge().await;
}

#[tokio::test]
async fn t24_an_object_that_cannot_be_read_holds_up_no_other() {
    let mut scene = Scene::new("unreadable").await;
    scene.many(3).await;
    scene.many_ready(3).await;
    let rule = scene.proxy.once(step::list("oauthclients"), malformed("app-1"));
    scene.stage.operator.restart().await.unwrap();
    assert_eq!(rule.hits(), 1);
    for number in [0, 2] {
        scene
            .stage
            .apply(&oauth_client(&format!("app-{number}"), &edited("on")))
            .await;
        scene.stage.ready(&format!("app-{number}")).await;
    }
    let metrics = scene.stage.operator.metrics().await.unwrap();
    assert!(
        metrics.contains(r#"watch_errors_total{kind="OAuthClient"} 1"#),
        "{metrics}"
    );
    assert_eq!(scene.ids().await.len(), 3, "its client is left alone");
    // The next event that can be read puts it right.
    scene.stage.apply(&oauth_client("app-1", &edited("on"))).await;
    scene.stage.ready("app-1").await;
    scene.judge().await;
}

/// What was registered before is kept although its object cannot be read, also beyond the sweeper's look.
#[tokio::test]
async fn t24_an_object_that_cannot_be_read_keeps_its_client_and_secret() {
    let mut scene = fast("kept").await;
    scene.ready_app().await;
    let (ids, secret) = (scene.ids().await, scene.stage.secret("app").await);
    scene.proxy.always(step::list("oauthclients"), malformed("app"));
    scene.stage.operator.restart().await.unwrap();
    scene.stage.kubectl(&["delete", "secret", "app"]).await;
    // The sweeper looks every half second at this scale.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(scene.ids().await, ids);
    scene.proxy.clear();
    scene.stage.operator.restart().await.unwrap();
    eventually("the Secret is back", async || {
        (scene.stage.secret("app").await == secret).then_some(())
    })
    .await;
    let object = scene.stage.oauth_client("app").await;
    assert!(condition(&object, "Ready").is_some());
    scene.judge().await;
}
