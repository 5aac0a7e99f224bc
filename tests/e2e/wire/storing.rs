//! A provider has answered, or is about to, and the API server will not store it.

use http::StatusCode;
use serde_json::json;
use testbed::process::KillSwitch;
use testbed::proxy::{Action, Asked, Proxy};
use testbed::site::{Site, oauth_client};

use crate::stage::{LIMIT, Stage, Unmanned, eventually, plane};

const CLIENT: &str = "grantTypes: [authorization_code, client_credentials]\nredirectURIs: ['https://app.example/one']";

/// An operator of its own behind a proxy, before oidc-provider.
struct Scene {
    stage: Stage,
    proxy: Proxy,
    kill: KillSwitch,
    site: Site,
}

impl Scene {
    async fn new(name: &str) -> Self {
        let (proxy, kill) = (Proxy::before(plane().await).await.unwrap(), KillSwitch::default());
        let site = Site::oidc_provider().await.unwrap();
        let unmanned = Unmanned::new(name).await;
        let mut options = unmanned.options().await;
        options.via = Some(proxy.endpoint());
        options.kill_switch = kill.clone();
        options.args.extend(["--time-scale", "20"].map(str::to_owned));
        let stage = unmanned.man(options).await;
        stage.apply(&site.manifests).await;
        Self {
            stage,
            proxy,
            kill,
            site,
        }
    }
}

fn is_record(asked: &Asked) -> bool {
    asked.is_write() && asked.verb == "create" && asked.resource == "secrets" && asked.namespace.contains("-operator-")
}

#[tokio::test]
async fn w27_a_kill_before_the_status_sends_no_second_post() {
    let mut scene = Scene::new("w27").await;
    let is_status = |asked: &Asked| asked.resource == "oauthclients" && asked.subresource == "status";
    let rule = scene.proxy.once(is_status, Action::KillBefore(scene.kill.clone()));
    scene.stage.apply(&oauth_client("app", CLIENT)).await;
    scene.stage.operator.ended(LIMIT).await.unwrap();
    assert_eq!(rule.hits(), 1);
    scene.stage.operator.restart().await.unwrap();
    scene.stage.ready("app").await;
    assert_eq!(scene.site.clients().await.unwrap().len(), 1);
    assert!(scene.stage.suspects().await.is_empty());
}

#[tokio::test]
async fn w29_without_the_right_to_write_a_secret_nothing_is_registered() {
    let scene = Scene::new("w29").await;
    let dry_run = |asked: &Asked| asked.dry_run && asked.resource == "secrets";
    scene.proxy.always(dry_run, Action::Status(StatusCode::FORBIDDEN));
    scene.stage.apply(&oauth_client("app", CLIENT)).await;
    let message = scene.stage.failed("app", "SecretWriteDenied").await;
    assert!(message.contains("Secret"), "{message}");
    assert!(scene.site.clients().await.unwrap().is_empty());
    scene.proxy.clear();
    scene.stage.ready("app").await;
    assert_eq!(scene.site.clients().await.unwrap().len(), 1);
    assert!(scene.stage.suspects().await.is_empty());
}

/// The right is taken between the dry run and the answer: the fresh client is let go with its fresh token.
#[tokio::test]
async fn w30_a_client_that_cannot_be_recorded_is_deregistered() {
    let scene = Scene::new("w30").await;
    let rule = scene.proxy.always(is_record, Action::Status(StatusCode::FORBIDDEN));
    scene.stage.apply(&oauth_client("app", CLIENT)).await;
    let message = scene.stage.failed("app", "SecretWriteDenied").await;
    assert!(message.contains("Secret"), "{message}");
    eventually("the client is gone again", async || {
        (rule.hits() > 0 && scene.site.clients().await.unwrap().is_empty()).then_some(())
    })
    .await;
    assert!(scene.stage.secret("app").await.is_none() && scene.stage.suspects().await.is_empty());
    scene.proxy.clear();
    scene.stage.ready("app").await;
    let secret = scene.stage.secret("app").await.unwrap();
    let clients = scene.site.clients().await.unwrap();
    assert_eq!(clients.keys().collect::<Vec<_>>(), [&secret["client_id"]]);
    assert_eq!(
        clients[&secret["client_id"]]["redirect_uris"],
        json!(["https://app.example/one"])
    );
}
