//! What does not depend on how many there are: requests at a start, in a burst, and for Secrets of others. The figures
//! themselves, at 10,000 objects, come from `cargo benchmark`.

use std::collections::BTreeMap;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use testbed::control_plane::audit::Request;
use testbed::site::{Site, oauth_client};

use crate::stage::{Stage, eventually};

const CLIENT: &str = "redirectURIs: ['https://app.example/callback']";

async fn burst(stage: &Stage, objects: usize) {
    let name = |number: usize| format!("app-{number}");
    let manifests: String = (0..objects).map(|number| oauth_client(&name(number), CLIENT)).collect();
    stage.apply(&manifests).await;
    for number in 0..objects {
        stage.ready(&name(number)).await;
    }
}

/// Not of the leader, of a provider, or the question of a start who it is, which stores nothing.
fn is_of_clients(request: &Request) -> bool {
    !matches!(
        request.resource.as_str(),
        "leases" | "oauthproviders" | "selfsubjectreviews"
    )
}

#[tokio::test]
async fn t90_a_start_with_everything_registered_writes_nothing_and_calls_nobody() {
    let site = Site::oidc_provider().await.unwrap();
    let mut stage = Stage::new("cold").await;
    stage.apply(&site.manifests).await;
    burst(&stage, 30).await;
    stage.operator.stop().await.unwrap();
    let calls = site.oidc().unwrap().requests().await.unwrap().len();
    let mark = stage.mark().await;
    stage.operator.restart().await.unwrap();
    // An object that comes after the start is served after all that were there.
    stage
        .apply(&oauth_client("suspended", &format!("{CLIENT}\nsuspend: true")))
        .await;
    stage
        .until("suspended", "seen", |object| {
            object
                .status
                .as_ref()
                .is_some_and(|status| !status.conditions.is_empty())
        })
        .await;
    let writes = stage.requests(mark).await.writes().filter(is_of_clients);
    let others = writes.filter(|request| request.name != "suspended");
    assert!(others.is_empty(), "{others}");
    let called = site.oidc().unwrap().requests().await.unwrap().split_off(calls);
    assert!(
        called.iter().all(|call| call.path.starts_with("/.well-known/")),
        "{called:?}"
    );
}

#[tokio::test]
async fn t91_a_burst_costs_four_writes_for_each_object() {
    let site = Site::oidc_provider().await.unwrap();
    let stage = Stage::new("burst").await;
    stage.apply(&site.manifests).await;
    eventually("the provider is Ready", async || {
        let provider = stage.providers().get("provider").await.unwrap();
        provider
            .status
            .is_some_and(|status| status.issuer.is_some())
            .then_some(())
    })
    .await;
    let mark = stage.mark().await;
    burst(&stage, 40).await;
    let writes = stage.requests(mark).await.writes().filter(is_of_clients);
    let of = |part: &str| {
        let fits = |request: &Request| request.resource == "oauthclients" && request.subresource == part;
        writes.clone().filter(fits)
    };
    assert_eq!(of("").len(), 40, "{writes}");
    let mut statuses: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for request in &of("status") {
        let received: Timestamp = request.received.parse().unwrap();
        statuses.entry(request.name.clone()).or_default().push(received);
    }
    assert_eq!(statuses.len(), 40, "{writes}");
    for (name, times) in statuses {
        // A pass that takes longer than two seconds may say so, once.
        let created = stage.oauth_client(&name).await.metadata.creation_timestamp.unwrap().0;
        let took = times.last().unwrap().duration_since(created);
        let said_so = times.len() == 2 && took >= SignedDuration::from_secs(2);
        assert!(
            times.len() == 1 || said_so,
            "{name}: created {created}, status {times:?}"
        );
    }
    assert_eq!(writes.clone().on("secrets").len(), 80, "{writes}");
}

#[tokio::test]
async fn t93_secrets_that_are_not_ours_are_never_asked_for() {
    let site = Site::oidc_provider().await.unwrap();
    let mark = crate::stage::plane().await.audit().unwrap().mark();
    let stage = Stage::new("strangers").await;
    stage.apply(&site.manifests).await;
    burst(&stage, 3).await;
    let asked = stage.requests(mark).await;
    let many = |resource: &str| {
        let fits =
            |request: &Request| request.resource == resource && matches!(request.verb.as_str(), "list" | "watch");
        asked.clone().filter(fits)
    };
    let asked = [many("secrets"), many("configmaps")];
    assert!(asked.iter().all(|asked| !asked.is_empty()));
    let asked = asked.iter().flatten();
    for request in asked {
        assert!(request.uri.contains("labelSelector="), "{}", request.uri);
    }
}
