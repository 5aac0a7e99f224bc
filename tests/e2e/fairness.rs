//! One tenant's trouble is nobody else's.

use std::time::Duration;

use kube::Api;
use kube::api::ListParams;
use oauth_client_operator::api::OAuthClient;
use testbed::control_plane::Namespace;
use testbed::proxy::{Action, Proxy};
use testbed::site::{Site, oauth_client, oauth_provider};

use crate::scene::CLIENT;
use crate::stage::{Stage, Unmanned, condition, eventually, plane, rights};

/// Clients that cannot work.
const FLOOD: usize = 300;

/// A stage whose operator serves another namespace too, that of a tenant who makes noise.
async fn beside(name: &str, proxy: &Proxy) -> (Stage, Namespace) {
    let noisy = plane().await.namespace(&format!("{name}-noisy")).await.unwrap();
    let unmanned = Unmanned::new(name).await;
    let mut options = unmanned.options().await;
    options.namespaces.push(noisy.name().to_owned());
    options.manifests = vec![rights(unmanned.home.name(), &options.namespaces).await];
    options.via = Some(proxy.endpoint());
    (unmanned.man(options).await, noisy)
}

/// Applies the clients that cannot work at a provider that this is the address of.
async fn flood(noisy: &Namespace, issuer: &str) {
    noisy
        .apply(&oauth_provider(&format!("issuer: {issuer}")))
        .await
        .unwrap();
    let clients: Vec<_> = (0..FLOOD)
        .map(|number| oauth_client(&format!("bad-{number}"), CLIENT))
        .collect();
    noisy.apply(&clients.concat()).await.unwrap();
}

/// How many clients of a namespace have been judged.
async fn judged(stage: &Stage, noisy: &Namespace) -> usize {
    let clients: Api<OAuthClient> = Api::namespaced(stage.client.clone(), noisy.name());
    let clients = clients.list(&ListParams::default()).await.unwrap().items;
    clients
        .iter()
        .filter(|client| condition(client, "Ready").is_some())
        .count()
}

#[tokio::test]
async fn t78_clients_at_a_provider_that_hangs_do_not_hold_up_another_tenant() {
    let hanging = Proxy::open(false).await.unwrap();
    let asked = hanging.always(|_| true, Action::Hang);
    let proxy = Proxy::before(plane().await).await.unwrap();
    let (stage, noisy) = beside("hanging", &proxy).await;
    let site = Site::oidc_provider().await.unwrap();
    stage.apply(&site.manifests).await;
    flood(&noisy, hanging.url()).await;
    eventually("the provider hangs", async || (asked.hits() > 0).then_some(())).await;
    for number in 0..10 {
        stage.apply(&oauth_client(&format!("app-{number}"), CLIENT)).await;
    }
    for number in 0..10 {
        stage.ready(&format!("app-{number}")).await;
    }
    assert_eq!(site.clients().await.unwrap().len(), 10);
    // The flood is not waited for: its objects have no finalizer, and go with their namespace.
    stage.operator.kill9().await.unwrap();
}

/// Every write for the noisy tenant takes two seconds, so that its objects stand in line.
#[tokio::test]
async fn t78_a_tenant_waits_behind_itself_and_nobody_waits_behind_it() {
    let proxy = Proxy::before(plane().await).await.unwrap();
    let (stage, noisy) = beside("flood", &proxy).await;
    let site = Site::oidc_provider().await.unwrap();
    stage.apply(&site.manifests).await;
    let name = noisy.name().to_owned();
    let slow = proxy.always(
        move |asked| asked.namespace == name && asked.subresource == "status",
        Action::Delay(Duration::from_secs(2)),
    );
    flood(&noisy, "http://127.0.0.1:9").await;
    eventually("the flood stands in line", async || (slow.hits() >= 60).then_some(())).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    stage.ready("app").await;
    let before = judged(&stage, &noisy).await;
    assert!(before < FLOOD, "the other tenant waited for all of the flood");
    stage.operator.kill9().await.unwrap();
}
