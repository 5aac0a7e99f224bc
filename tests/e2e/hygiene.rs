//! No secret is shown, whatever goes wrong, at the most talkative level of the log.

use kube::api::ListParams;
use testbed::providers::{OidcProviderOptions, Reply};
use testbed::proxy::{Action, Proxy};
use testbed::site::{Site, oauth_client};

use crate::judge::Verdict;
use crate::scene::{Scene, edited, step};
use crate::stage::eventually;

const TOKEN: &str = "canary-initial-access-token";

/// Every place where an answer that holds credentials can break, one after the other, with everything logged.
#[tokio::test]
async fn t95_no_secret_is_shown_when_answers_that_hold_one_break() {
    let provider = Proxy::open(true).await.unwrap();
    let options = OidcProviderOptions {
        initial_access_token: Some(TOKEN.to_owned()),
        secret_prefix: "canary-".to_owned(),
        rotate: true,
        ..OidcProviderOptions::default()
    };
    let site = Site::oidc_provider_behind(&provider, options).await.unwrap();
    let scene = Scene::with("canary", site, |options| {
        crate::api_server::faster(options);
        options.env = vec![("RUST_LOG".to_owned(), "trace".to_owned())];
        options.args.push("--normal-events".to_owned());
    })
    .await;
    // A registration, an update, and reads and writes of both Secrets break off.
    provider.once(|asked| asked.method == "POST", Action::Truncate);
    scene.app().await;
    scene.stage.ready("app").await;
    // A provider that quotes the token it was sent.
    let records = scene.stage.kept().list(&ListParams::default()).await.unwrap().items;
    let record = records
        .iter()
        .find_map(|secret| secret.data.as_ref()?.get("record.json"));
    let record: serde_json::Value = serde_json::from_slice(&record.unwrap().0).unwrap();
    let token = record["registrationAccessToken"].as_str().unwrap();
    let quoted =
        serde_json::json!({"error": "invalid_client_metadata", "error_description": format!("not with {token}")});
    let rejects = Reply::json(400, &quoted);
    provider.once(|asked| asked.method == "PUT", Action::Answer(rejects));
    scene.stage.apply(&oauth_client("app", &edited("rejected"))).await;
    scene.stage.failed("app", "UpdateRejected").await;
    scene.proxy.once(step::record_change, Action::Truncate);
    scene.proxy.once(
        |asked| asked.verb == "get" && asked.resource == "secrets",
        Action::Truncate,
    );
    scene.proxy.once(
        |asked| asked.verb == "get" && asked.resource == "secrets",
        Action::rewrite(|secret| secret["metadata"] = "none".into()),
    );
    scene.stage.apply(&oauth_client("app", &edited("accepted"))).await;
    scene.stage.ready("app").await;
    scene.proxy.once(step::secret, Action::Truncate);
    scene.stage.kubectl(&["delete", "secret", "app"]).await;
    eventually("the Secret is back", async || scene.stage.secret("app").await.map(drop)).await;
    let secret = scene.stage.secret("app").await.unwrap();
    assert!(secret["client_secret"].starts_with("canary-"));
    scene.judge_with(Verdict::default().faults(1)).await;
    for place in [
        scene.stage.operator.log(),
        scene.stage.operator.metrics().await.unwrap(),
    ] {
        assert!(
            !place.contains(&secret["client_secret"]) && !place.contains(TOKEN),
            "a secret is shown"
        );
    }
    let events = ["get", "events.events.k8s.io,oac,oap", "-o", "yaml"];
    let shown = scene.stage.kubectl(&events).await.replace("canary-apps", "");
    assert!(!shown.contains(&secret["client_secret"]) && !shown.contains(TOKEN));
}
