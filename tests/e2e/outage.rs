//! Outages of the API server as a whole: the watches are back soon, the log stays short, and nothing waits for ever.

use std::time::{Duration, Instant};

use testbed::control_plane::Endpoint;
use testbed::operator::{Operator, OperatorOptions};
use testbed::proxy::{Action, Proxy};
use testbed::site::{Site, oauth_client};

use crate::api_server::faster;
use crate::scene::{CLIENT, Scene, edited, step};
use crate::stage::{LIMIT, Stage, Unmanned, eventually, plane};

/// What is logged in a cluster.
fn as_installed(options: &mut OperatorOptions) {
    options.env.push(("RUST_LOG".to_owned(), "info".to_owned()));
}

#[tokio::test]
async fn t118_a_list_that_is_never_answered_is_given_up_and_tried_again() {
    let proxy = Proxy::before(plane().await).await.unwrap();
    let unmanned = Unmanned::new("hung-list").await;
    let mut options = unmanned.options().await;
    options.via = Some(proxy.endpoint());
    let hung = proxy.once(step::list("oauthclients"), Action::Hang);
    let stage = unmanned.man(options).await;
    assert_eq!(hung.hits(), 1);
    let log = stage.operator.log();
    assert!(log.contains("no answer within 30 s"), "{log}");
}

#[tokio::test]
async fn t118_the_watches_are_back_within_seconds_of_an_outage_although_their_versions_have_expired() {
    let scene = Scene::new("back-soon").await;
    scene.ready_app().await;
    scene.proxy.go_down();
    // The waits of a doubling backoff are far above the bound below by then.
    tokio::time::sleep(Duration::from_secs(25)).await;
    let expired: Vec<_> = [
        ("oauthclients", 1),
        ("oauthproviders", 1),
        ("secrets", 3),
        ("configmaps", 1),
    ]
    .map(|(resource, watches)| scene.proxy.times(watches, step::watch(resource), Action::ExpiredWatch))
    .into();
    scene.stage.apply(&oauth_client("app", &edited("after"))).await;
    let back = Instant::now();
    scene.proxy.come_up();
    scene.stage.ready("app").await;
    eventually("every watch works", async || {
        let metrics = scene.stage.operator.metrics().await.unwrap();
        metrics
            .contains("oauth_client_operator_failing_watches 0")
            .then_some(())
    })
    .await;
    let took = back.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert_eq!(expired.iter().map(testbed::proxy::Hits::hits).sum::<usize>(), 6);
    scene.judge().await;
}

/// The lines that are logged in a minute without API server.
#[tokio::test]
async fn t120_a_minute_without_api_server_is_logged_in_a_few_lines_with_the_cause() {
    let site = Site::oidc_provider().await.unwrap();
    let scene = Scene::with("quiet-outage", site, as_installed).await;
    scene.ready_app().await;
    let before = scene.stage.operator.log().lines().count();
    let lines = || -> Vec<String> {
        let log = scene.stage.operator.log();
        log.lines().skip(before).map(str::to_owned).collect()
    };
    // Work that is under way fails, again and again.
    let clients: String = (0..10)
        .map(|number| oauth_client(&format!("under-way-{number}"), CLIENT))
        .collect();
    scene.stage.apply(&clients).await;
    scene.proxy.go_down();
    tokio::time::sleep(Duration::from_mins(1)).await;
    scene.proxy.come_up();
    eventually("the end of the outage is logged", async || {
        let over = |line: &String| line.contains("the API server answers again") && line.contains("failures");
        lines().iter().any(over).then_some(())
    })
    .await;
    // What was done before the outage and after it is not part of it.
    let mut lines = lines();
    lines.retain(|line| !line.contains("Secret created") && !line.contains("client registered"));
    println!("{} lines in a minute without API server", lines.len());
    assert!(lines.len() < 10, "{lines:#?}");
    let cause = |line: &&String| line.contains("the API server cannot be reached") && line.contains("refused");
    assert_eq!(lines.iter().filter(cause).count(), 1, "{lines:#?}");
}

#[tokio::test]
async fn t120_a_certificate_of_the_api_server_that_nobody_trusts_is_named_once() {
    let (proxy, stranger) = (
        Proxy::before(plane().await).await.unwrap(),
        Proxy::open(true).await.unwrap(),
    );
    let unmanned = Unmanned::new("untrusted").await;
    let mut options = unmanned.options().await;
    options.via = Some(Endpoint {
        ca_pem: stranger.ca().map(str::to_owned),
        ..proxy.endpoint()
    });
    as_installed(&mut options);
    let operator = Operator::launch(plane().await, options).await.unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    let log = operator.log();
    assert!(log.lines().count() < 10, "{log}");
    let named = log.lines().filter(|line| line.contains("invalid peer certificate"));
    assert_eq!(named.count(), 1, "{log}");
}

#[tokio::test]
async fn t117_a_task_that_panics_ends_the_process_with_its_name() {
    for task in ["leader election", "resync"] {
        let unmanned = Unmanned::new("dead-task").await;
        let mut options = unmanned.options().await;
        let panics = ("OAUTH_CLIENT_OPERATOR_TASK_PANIC".to_owned(), task.to_owned());
        options.env.push(panics);
        let operator = Operator::launch(plane().await, options).await.unwrap();
        let status = operator.ended(LIMIT).await.unwrap();
        assert_eq!(status.code(), Some(1), "{}", operator.log());
        let log = operator.log();
        let reason = format!("task \\\"{task}\\\" panicked");
        let told = log.lines().filter(|line| line.contains(&reason));
        assert_eq!(told.count(), 1, "{log}");
    }
}

#[tokio::test]
async fn t119_scrapers_that_hold_their_connections_do_not_fail_a_probe() {
    let stage = Stage::new("held-probes").await;
    let address = stage.operator.admin_address();
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(tokio::net::TcpStream::connect(&address).await.unwrap());
    }
    let probe = tokio::time::timeout(Duration::from_secs(3), stage.operator.get("/livez")).await;
    probe.unwrap().unwrap();
}

/// Two replicas that nobody named: one of them leads.
#[tokio::test]
async fn t121_replicas_without_a_name_do_not_both_lead() {
    let unmanned = Unmanned::new("nameless").await;
    let mut options = unmanned.options().await;
    options.env.push(("POD_NAME".to_owned(), String::new()));
    let first = Operator::start(plane().await, options.clone()).await.unwrap();
    let second = Operator::start(plane().await, options).await.unwrap();
    let replicas = [&first, &second];
    let leaders = async || {
        let mut leaders = 0;
        for replica in replicas {
            let metrics = replica.metrics().await.unwrap();
            leaders += usize::from(metrics.contains("\noauth_client_operator_leader 1\n"));
        }
        leaders
    };
    eventually("one leads", async || (leaders().await > 0).then_some(())).await;
    // Longer than a replica waits before it looks at the Lease again.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(leaders().await, 1);
    for replica in replicas {
        assert!(replica.log().contains("uses a random name"), "{}", replica.log());
    }
}

#[tokio::test]
async fn t122_an_object_that_cannot_be_read_is_deleted_all_the_same() {
    let mut scene = Scene::with("unreadable-end", Site::oidc_provider().await.unwrap(), faster).await;
    scene.ready_app().await;
    scene.stage.operator.kill9().await.unwrap();
    // The rest of the object is as it was, so what is to become of its client is known.
    let unreadable = Action::rewrite(|answer| {
        let items = match answer.get_mut("items") {
            Some(items) => items.as_array_mut().unwrap().iter_mut().collect(),
            None => vec![answer],
        };
        for item in items.into_iter().filter(|item| item["spec"].is_object()) {
            item["spec"]["redirectURIs"] = 7.into();
        }
    });
    let rule = scene.proxy.always(
        |asked| asked.resource == "oauthclients" && asked.verb != "watch",
        unreadable,
    );
    scene.stage.kubectl(&["delete", "oac", "app", "--wait=false"]).await;
    scene.stage.operator.restart().await.unwrap();
    scene.stage.gone("app").await;
    assert!(rule.hits() > 0 && scene.ids().await.is_empty());
    scene.judge().await;
}

/// Passes that wait for a permit of a slow provider have begun nothing, and nobody waits for them.
#[tokio::test]
async fn t124_a_stop_does_not_wait_for_what_has_not_begun() {
    let site = Site::scriptable().await.unwrap();
    let double = site.double().unwrap();
    let stage = Stage::new("waiting").await;
    let slow = Duration::from_secs(4);
    double.script(move |seen| (seen.method == "POST").then_some(testbed::providers::Fault::Delay(slow)));
    stage.apply(&site.manifests).await;
    let clients: String = (0..100)
        .map(|number| oauth_client(&format!("app-{number}"), CLIENT))
        .collect();
    stage.apply(&clients).await;
    eventually("registrations are under way", async || {
        (double.count("POST", "/register") >= 2).then_some(())
    })
    .await;
    let begun = Instant::now();
    let status = stage.operator.stop().await.unwrap();
    let (took, sent) = (begun.elapsed(), double.count("POST", "/register"));
    assert!(
        status.success() && took < slow * 3,
        "{took:?}, {}",
        stage.operator.log()
    );
    assert_eq!(stage.records().await.len(), sent, "what was sent is recorded");
    assert!(sent < 50, "{sent} were sent");
}
