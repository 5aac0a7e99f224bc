//! What the operator writes on the way to Ready, and that it writes nothing afterwards: counted in the audit log.

use std::time::Duration;

use crate::stage::Stage;
use testbed::site::{Site, oauth_client};

#[tokio::test]
async fn four_writes_and_two_dry_runs_lead_to_ready() {
    let site = Site::oidc_provider().await.unwrap();
    let stage = Stage::new("writes").await;
    stage.apply(&site.manifests).await;
    // The provider's own status is not the client's.
    crate::stage::eventually("the provider is Ready", async || {
        let provider = stage.providers().get("provider").await.unwrap();
        provider
            .status
            .is_some_and(|status| status.issuer.is_some())
            .then_some(())
    })
    .await;
    let mark = stage.mark().await;
    stage
        .apply(&oauth_client("app", "redirectURIs: ['https://app.example/callback']"))
        .await;
    stage.ready("app").await;
    tokio::time::sleep(Duration::from_secs(3)).await;

    // The provider's own status and the lease are nobody's way to Ready.
    let of_client = |request: &testbed::control_plane::audit::Request| {
        !matches!(request.resource.as_str(), "oauthproviders" | "leases")
    };
    let requests = stage.requests(mark).await.filter(of_client);
    let writes = requests.clone().writes();
    let written: Vec<_> = writes
        .iter()
        .map(|r| (r.verb.as_str(), r.resource.as_str(), r.subresource.as_str()))
        .collect();
    assert_eq!(
        written,
        [
            ("patch", "oauthclients", ""),
            ("create", "secrets", ""),
            ("create", "secrets", ""),
            ("patch", "oauthclients", "status"),
        ]
    );
    let dry_runs = requests.clone().dry_runs();
    assert!(dry_runs.len() <= 2, "{:?}", dry_runs.counts());
    let reads = requests.filter(|request| request.verb == "get" && !request.resource.is_empty());
    assert!(reads.is_empty(), "{:?}", reads.counts());
}

#[tokio::test]
async fn a_hundred_clients_at_rest_cause_no_write_in_a_minute() {
    let site = Site::oidc_provider().await.unwrap();
    let stage = Stage::new("rest").await;
    stage.apply(&site.manifests).await;
    let name = |number: usize| format!("app-{number}");
    let clients: String = (0..100)
        .map(|number| oauth_client(&name(number), "redirectURIs: ['https://app.example/callback']"))
        .collect();
    stage.apply(&clients).await;
    for number in 0..100 {
        stage.ready(&name(number)).await;
    }
    assert_eq!(site.clients().await.unwrap().len(), 100);

    let mark = stage.mark().await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    // A leader renews its lease, and that is all.
    let writes = stage
        .requests(mark)
        .await
        .writes()
        .filter(|request| request.resource != "leases");
    assert!(writes.is_empty(), "{:?}", writes.counts());
    assert_eq!(site.clients().await.unwrap().len(), 100);
}
