//! Two replicas: one leads, the other takes over, and a leader that was away does nothing that is out of date. And clocks that
//! are wrong.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use testbed::operator::{NAME, Operator, OperatorOptions};
use testbed::providers::OidcProviderOptions;
use testbed::proxy::{Action, Proxy};
use testbed::site::{Site, oauth_client};

use crate::judge::Verdict;
use crate::scene::{CLIENT, Scene, edited, step};
use crate::stage::{Stage, Unmanned, eventually, plane};

/// A stage with a second replica.
async fn pair(name: &str) -> (Stage, Operator) {
    let unmanned = Unmanned::new(name).await;
    let options = unmanned.options().await;
    let named = |identity: &str| {
        let mut options: OperatorOptions = options.clone();
        options.args.extend(["--identity".to_owned(), identity.to_owned()]);
        options.kill_switch = testbed::process::KillSwitch::default();
        options
    };
    let second = named("second");
    let stage = unmanned.man(named("first")).await;
    leader(&stage, "first").await;
    let second = Operator::start(plane().await, second).await.unwrap();
    (stage, second)
}

/// The lease as it is.
async fn lease(stage: &Stage) -> Lease {
    let leases: Api<Lease> = Api::namespaced(stage.client.clone(), stage.home.name());
    leases.get(NAME).await.unwrap()
}

/// When the holder of the lease took it.
async fn acquired(stage: &Stage) -> Timestamp {
    lease(stage).await.spec.unwrap().acquire_time.unwrap().0
}

/// From one time to a later one.
fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    let since: SystemTime = earlier.into();
    SystemTime::from(later).duration_since(since).unwrap_or_default()
}

async fn leader(stage: &Stage, identity: &str) {
    eventually(&format!("{identity} leads"), async || {
        let args = [
            "-n",
            stage.home.name(),
            "get",
            "lease",
            "oauth-client-operator",
            "-o",
            "jsonpath={.spec.holderIdentity}",
        ];
        let output = plane().await.kubectl(&args).await.unwrap();
        (output.stdout == identity).then_some(())
    })
    .await;
}

#[tokio::test]
async fn t44_a_leader_that_ends_in_order_is_followed_at_once() {
    let site = Site::oidc_provider().await.unwrap();
    let (stage, second) = pair("orderly").await;
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("before", CLIENT)).await;
    stage.ready("before").await;
    stage.operator.stop().await.unwrap();
    let stopped = Timestamp::now();
    leader(&stage, "second").await;
    let failover = between(stopped, acquired(&stage).await);
    assert!(failover < Duration::from_secs(2), "{failover:?}");
    stage.apply(&oauth_client("after", CLIENT)).await;
    stage.ready("after").await;
    assert_eq!(site.clients().await.unwrap().len(), 2);
    second.stop().await.unwrap();
}

#[tokio::test]
async fn t44_a_leader_that_is_lost_is_followed_when_its_lease_has_ended() {
    let site = Site::oidc_provider().await.unwrap();
    let (stage, second) = pair("lost").await;
    stage.apply(&site.manifests).await;
    stage.operator.kill9().await.unwrap();
    let held = lease(&stage).await.spec.unwrap();
    stage.apply(&oauth_client("app", CLIENT)).await;
    stage.ready("app").await;
    leader(&stage, "second").await;
    let duration = Duration::from_secs(u64::try_from(held.lease_duration_seconds.unwrap()).unwrap());
    let failover = between(held.renew_time.unwrap().0, acquired(&stage).await);
    assert!(
        failover >= duration && failover < duration + Duration::from_secs(2),
        "{failover:?} since the last renewal of the lost leader"
    );
    assert_eq!(site.clients().await.unwrap().len(), 1);
    second.stop().await.unwrap();
}

/// Two that both take themselves for the leader: the marker keeps them apart.
#[tokio::test]
async fn t40_two_leaders_at_once_register_nothing_twice() {
    let scene = Scene::with("both", Site::oidc_provider().await.unwrap(), |options| {
        options
            .args
            .extend(["--leader-election=false".to_owned(), "--identity=first".to_owned()]);
    })
    .await;
    let watched = [scene.stage.apps.name().to_owned()];
    let options = OperatorOptions {
        binary: crate::stage::BINARY.into(),
        args: vec!["--leader-election=false".to_owned(), "--identity=second".to_owned()],
        env: vec![("RUST_LOG".to_owned(), "info,oauth_client_operator=trace".to_owned())],
        via: Some(scene.proxy.endpoint()),
        ..OperatorOptions::new(scene.stage.home.name(), &watched)
    };
    let second = Operator::start(plane().await, options).await.unwrap();
    scene.many(40).await;
    scene.many_ready(40).await;
    assert_eq!(scene.ids().await.len(), 40);
    let changed: String = (0..40)
        .map(|number| oauth_client(&format!("app-{number}"), &edited("both")))
        .collect();
    scene.stage.apply(&changed).await;
    scene.many_ready(40).await;
    scene.judge().await;
    for log in [scene.stage.operator.log(), second.log()] {
        assert!(log.contains("OpenAttempt"), "both took themselves for the leader");
    }
    second.stop().await.unwrap();
}

/// The leader stands still between its marker and its registration, is followed, and goes on.
#[tokio::test]
async fn t41_a_leader_that_stood_still_in_the_middle_of_a_registration_is_fenced() {
    let provider = Proxy::open(true).await.unwrap();
    let site = Site::oidc_provider_behind(&provider, OidcProviderOptions::default())
        .await
        .unwrap();
    let (stage, second) = pair("still").await;
    // Long enough for the answer to be taken when it goes on.
    let patient = site
        .manifests
        .replacen("spec:\n", "spec:\n  timeouts: {request: 30s}\n", 1);
    stage.apply(&patient).await;
    let slow = provider.once(|asked| asked.method == "POST", Action::Delay(Duration::from_secs(3)));
    stage.apply(&oauth_client("app", CLIENT)).await;
    eventually("the registration is under way", async || {
        (slow.hits() == 1).then_some(())
    })
    .await;
    stage.operator.pause();
    leader(&stage, "second").await;
    // The answer waits for the one that stands still; the other one waits for its record.
    let waits = |object: &oauth_client_operator::api::OAuthClient| {
        crate::stage::condition(object, "Ready").is_some_and(|ready| ready.reason == "Progressing")
    };
    stage.until("app", "waited for", waits).await;
    stage.operator.resume();
    stage.ready("app").await;
    assert_eq!(
        (site.clients().await.unwrap().len(), stage.suspects().await.len()),
        (1, 0)
    );
    second.stop().await.unwrap();
}

/// What a former leader sent arrives before what its successor sends, and not after.
#[tokio::test]
async fn t41_an_update_of_a_former_leader_does_not_undo_that_of_its_successor() {
    let provider = Proxy::open(true).await.unwrap();
    let options = OidcProviderOptions::rotating();
    let site = Site::oidc_provider_behind(&provider, options).await.unwrap();
    let (stage, second) = pair("overtaken").await;
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    stage.ready("app").await;
    let slow = provider.once(|asked| asked.method == "PUT", Action::Delay(Duration::from_secs(40)));
    stage.apply(&oauth_client("app", &edited("old"))).await;
    eventually("the update is under way", async || (slow.hits() == 1).then_some(())).await;
    stage.operator.pause();
    leader(&stage, "second").await;
    stage.apply(&oauth_client("app", &edited("new"))).await;
    let waits = |object: &oauth_client_operator::api::OAuthClient| {
        crate::stage::is(object, "Reconciling", "True")
            && crate::stage::condition(object, "Reconciling").is_some_and(|c| c.message.contains("another replica"))
    };
    stage.until("app", "waited for", waits).await;
    let puts = || provider.asked().iter().filter(|asked| asked.method == "PUT").count();
    assert_eq!(puts(), 1, "nothing is sent beside it");
    // Its deadline has passed meanwhile: it ends without an answer, and the connection with it.
    stage.operator.resume();
    stage.ready("app").await;
    let clients = site.clients().await.unwrap();
    assert_eq!(clients.len(), 1);
    for client in clients.values() {
        assert_eq!(client["redirect_uris"], serde_json::json!(["https://app.example/new"]));
    }
    second.stop().await.unwrap();
}

/// Its record is stored, and the answer does not come while it stands still. Its successor deletes object, client and record;
/// then it stores the record again.
#[tokio::test]
async fn t41_a_record_that_a_former_leader_stores_after_the_deletion_is_swept() {
    let scene = Scene::with("outlived", Site::oidc_provider().await.unwrap(), |options| {
        crate::api_server::faster(options);
        options.args.push("--identity=first".to_owned());
    })
    .await;
    leader(&scene.stage, "first").await;
    let watched = [scene.stage.apps.name().to_owned()];
    let mut options = OperatorOptions {
        binary: crate::stage::BINARY.into(),
        args: vec!["--identity=second".to_owned()],
        ..OperatorOptions::new(scene.stage.home.name(), &watched)
    };
    crate::api_server::faster(&mut options);
    let second = Operator::start(plane().await, options).await.unwrap();
    let unanswered = scene.proxy.once(step::record, Action::HangAfter);
    scene.app().await;
    scene.met(&unanswered, 1).await;
    scene.stage.operator.pause();
    leader(&scene.stage, "second").await;
    scene.stage.ready("app").await;
    scene.stage.kubectl(&["delete", "oac", "app", "--wait=false"]).await;
    scene.stage.gone("app").await;
    assert!(scene.ids().await.is_empty());
    scene.stage.operator.resume();
    eventually("the record is stored again", async || {
        (scene.count(step::record) == 2).then_some(())
    })
    .await;
    // The provider refuses to deregister a client that the successor has deregistered, which proves nothing: a suspect names it.
    scene.judge_with(Verdict::default().faults(1)).await;
    second.stop().await.unwrap();
}

#[tokio::test]
async fn t43_a_lease_that_cannot_be_renewed_ends_the_leadership_and_not_the_process() {
    let scene = Scene::new("unrenewed").await;
    scene.ready_app().await;
    let refused = scene
        .proxy
        .always(step::lease, Action::Status(StatusCode::INTERNAL_SERVER_ERROR));
    eventually("it no longer leads", async || {
        let metrics = scene.stage.operator.metrics().await.unwrap();
        metrics.contains("oauth_client_operator_leader 0").then_some(())
    })
    .await;
    assert!(refused.hits() > 0);
    scene.stage.apply(&oauth_client("later", CLIENT)).await;
    let place = scene.proxy.place();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(
        scene.proxy.since(place).iter().all(|exchange| !exchange.is_write()),
        "nothing new begins"
    );
    assert_eq!(scene.ids().await.len(), 1);
    assert!(scene.stage.operator.is_running());
    scene.proxy.clear();
    scene.stage.ready("later").await;
    scene.judge().await;
}

/// To the operator, its own clock is wrong when the API server's times are.
#[tokio::test]
async fn t42_clocks_that_differ_by_a_day_end_no_deletion_early_and_none_never() {
    let provider = Proxy::open(false).await.unwrap();
    let site = Site::oidc_provider_behind(&provider, OidcProviderOptions::default());
    let mut scene = Scene::with("clocks", site.await.unwrap(), crate::api_server::faster).await;
    for (name, hours) in [("ahead", 24), ("behind", -1)] {
        scene.stage.apply(&oauth_client(name, CLIENT)).await;
        scene.stage.ready(name).await;
        let down = provider.always(
            |asked| asked.method == "DELETE",
            Action::Status(StatusCode::SERVICE_UNAVAILABLE),
        );
        scene.stage.kubectl(&["delete", "oac", name, "--wait=false"]).await;
        scene.met(&down, 1).await;
        let skewed = Timestamp::now() + k8s_openapi::jiff::SignedDuration::from_hours(hours);
        scene.proxy.once(
            step::list("oauthclients"),
            Action::rewrite(move |list| {
                for item in list["items"].as_array_mut().into_iter().flatten() {
                    item["metadata"]["deletionTimestamp"] = serde_json::json!(skewed.to_string());
                }
            }),
        );
        let asked = down.hits();
        scene.stage.operator.restart().await.unwrap();
        if hours > 0 {
            // The deletion seems to begin tomorrow: it is tried all the same, and does not time out.
            scene.met(&down, asked + 2).await;
            assert!(scene.stage.clients().get_opt(name).await.unwrap().is_some());
            provider.clear();
            scene.stage.gone(name).await;
        } else {
            // It seems to have lasted for an hour: the object goes, and the deletion is finished without it.
            scene.stage.gone(name).await;
            assert_eq!(scene.ids().await.len(), 1);
            provider.clear();
        }
        eventually("the client is deregistered", async || {
            scene.ids().await.is_empty().then_some(())
        })
        .await;
    }
    scene.judge().await;
}

/// Without an election there must never be two, so the chart does not let a new pod start beside the old one.
#[tokio::test]
async fn t45_without_an_election_the_chart_replaces_the_pod_before_it_starts_another() {
    let plane = plane().await;
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/oauth-client-operator");
    let render = async |values: &[&str]| {
        let mut args = vec![
            "template",
            NAME,
            chart,
            "--kube-version",
            "1.36.0",
            "-s",
            "templates/deployment.yaml",
        ];
        args.extend(values.iter().flat_map(|value| ["--set", value]));
        plane.helm(&args).await.unwrap()
    };
    let elected = render(&[]).await.stdout().unwrap();
    assert!(
        !elected.contains("Recreate") && elected.contains("replicas: 2"),
        "{elected}"
    );
    let single = render(&["replicas=1", "extraArgs={--leader-election=false}"])
        .await
        .stdout()
        .unwrap();
    assert!(single.contains("type: Recreate"), "{single}");
    let two = render(&["extraArgs={--leader-election=false}"]).await;
    assert!(!two.success() && two.stderr.contains("replicas"), "{}", two.stderr);
}

#[tokio::test]
async fn w28_a_leader_that_was_paused_under_load_registers_nothing_twice() {
    let site = Site::oidc_provider().await.unwrap();
    let (stage, second) = pair("paused").await;
    stage.apply(&site.manifests).await;
    let name = |number: usize| format!("app-{number}");
    let clients: String = (0..60).map(|number| oauth_client(&name(number), CLIENT)).collect();
    stage.apply(&clients).await;
    eventually("the load is under way", async || {
        (site.clients().await.unwrap().len() > 3).then_some(())
    })
    .await;
    stage.operator.pause();
    leader(&stage, "second").await;
    let edited: String = (0..60)
        .map(|number| oauth_client(&name(number), &CLIENT.replace("callback", "edited")))
        .collect();
    stage.apply(&edited).await;
    stage.operator.resume();
    for number in 0..60 {
        stage.ready(&name(number)).await;
    }
    let clients = site.clients().await.unwrap();
    let suspects = stage.suspects().await.len();
    assert!(
        clients.len() <= 60 + suspects,
        "{} clients, {suspects} suspects",
        clients.len()
    );
    for number in 0..60 {
        let secret = stage.secret(&name(number)).await.unwrap();
        let client = &clients[&secret["client_id"]];
        assert_eq!(
            client["redirect_uris"],
            serde_json::json!(["https://app.example/edited"]),
            "{}",
            name(number)
        );
        site.token(&secret["client_id"], &secret["client_secret"])
            .await
            .unwrap();
    }
    second.stop().await.unwrap();
}
