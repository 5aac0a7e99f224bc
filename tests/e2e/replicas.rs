//! Two replicas: one leads, the other takes over, and a leader that was away does nothing that is out of date.

use std::time::{Duration, Instant};

use testbed::operator::{Operator, OperatorOptions};
use testbed::site::{Site, oauth_client};

use crate::stage::{Stage, Unmanned, eventually, plane};

const CLIENT: &str =
    "grantTypes: [authorization_code, client_credentials]\nredirectURIs: ['https://app.example/callback']";

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
async fn a_leader_that_ends_in_order_is_followed_at_once() {
    let site = Site::oidc_provider().await.unwrap();
    let (stage, second) = pair("orderly").await;
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("before", CLIENT)).await;
    stage.ready("before").await;
    stage.operator.stop().await.unwrap();
    let stopped = Instant::now();
    leader(&stage, "second").await;
    let failover = stopped.elapsed();
    assert!(
        failover < Duration::from_secs(4),
        "{failover:?} from the end of the leader to the next, with the look of this test"
    );
    stage.apply(&oauth_client("after", CLIENT)).await;
    stage.ready("after").await;
    assert_eq!(site.clients().await.unwrap().len(), 2);
    second.stop().await.unwrap();
}

#[tokio::test]
async fn a_leader_that_is_lost_is_followed_when_its_lease_has_ended() {
    let site = Site::oidc_provider().await.unwrap();
    let (stage, second) = pair("lost").await;
    stage.apply(&site.manifests).await;
    stage.operator.kill9().await.unwrap();
    stage.apply(&oauth_client("app", CLIENT)).await;
    stage.ready("app").await;
    leader(&stage, "second").await;
    assert_eq!(site.clients().await.unwrap().len(), 1);
    second.stop().await.unwrap();
}

#[tokio::test]
async fn a_leader_that_was_paused_under_load_registers_nothing_twice() {
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
