//! Views that lag behind, miss something, or see it twice (Sieve's patterns): nothing is registered, changed or deleted on the
//! word of what is out of date.

use std::time::Duration;

use http::StatusCode;
use testbed::promises::OBJECT_VANISHED;
use testbed::providers::OidcProviderOptions;
use testbed::proxy::{Action, Kept, Proxy};
use testbed::site::{Site, oauth_client};

use crate::judge::Verdict;
use crate::scene::{CLIENT, Scene, edited, step};
use crate::stage::{eventually, is};

/// A scene with a proxy before its provider too.
async fn watched(name: &str) -> (Scene, Proxy) {
    let provider = Proxy::open(true).await.unwrap();
    let site = Site::oidc_provider_behind(&provider, OidcProviderOptions::default());
    (Scene::with(name, site.await.unwrap(), |_| {}).await, provider)
}

/// How many requests of this method the provider got about registrations; looks at credentials are POSTs too.
fn sent(provider: &Proxy, method: &str) -> usize {
    let asked = provider.asked().into_iter();
    asked
        .filter(|asked| asked.method == method && asked.path.starts_with("/reg"))
        .count()
}

/// Lets the operator miss what `change` does: it lists anew, and sees the end of it only.
async fn unobserved(scene: &Scene, resource: &'static str, change: impl AsyncFnOnce()) {
    let expired = scene.proxy.once(step::watch(resource), Action::ExpiredWatch);
    let lists = scene.count(step::list(resource));
    scene.proxy.go_down();
    change().await;
    // It lists at once when it meets the expired version.
    scene.proxy.come_up();
    scene.met(&expired, 1).await;
    eventually("it is listed anew", async || {
        (scene.count(step::list(resource)) > lists).then_some(())
    })
    .await;
}

#[tokio::test]
async fn t30_own_writes_that_are_seen_late_lead_to_no_second_registration() {
    let (scene, provider) = watched("late").await;
    let late = Action::DelayEvents(Duration::from_secs(3));
    let rule = scene.proxy.always(|asked| asked.verb == "watch", late);
    scene.proxy.cut();
    scene.met(&rule, 4).await;
    scene.many(5).await;
    scene.many_ready(5).await;
    // Everything that the operator wrote is seen once more now.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(sent(&provider, "POST"), 5);
    scene.judge().await;
}

#[tokio::test]
async fn t31_a_view_that_is_far_behind_at_the_start_changes_nothing() {
    let (mut scene, provider) = watched("behind").await;
    scene.ready_app().await;
    let kept = Kept::default();
    // The view to come back to: the change is seen, and not made yet.
    let refused = provider.always(
        |asked| asked.method == "PUT",
        Action::Status(StatusCode::SERVICE_UNAVAILABLE),
    );
    scene.stage.apply(&oauth_client("app", &edited("behind"))).await;
    scene.met(&refused, 1).await;
    scene.proxy.once(step::list("oauthclients"), Action::Keep(kept.clone()));
    scene.stage.operator.restart().await.unwrap();
    assert!(kept.is_there());
    provider.clear();
    scene.stage.ready("app").await;
    for version in 0..20 {
        scene
            .stage
            .apply(&oauth_client("app", &edited(&format!("v{version}"))))
            .await;
    }
    scene.stage.ready("app").await;

    scene.stage.operator.kill9().await.unwrap();
    let (place, before) = (provider.place(), scene.site.clients().await.unwrap());
    let hold = scene.proxy.hold(step::watch("oauthclients"));
    scene.proxy.once(step::list("oauthclients"), Action::Replay(kept));
    scene.stage.operator.restart().await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let changes: Vec<_> = provider
        .since(place)
        .into_iter()
        .filter(|exchange| exchange.asked.method != "GET")
        .collect();
    assert!(changes.is_empty(), "the provider was told something old: {changes:?}");
    assert_eq!(scene.site.clients().await.unwrap(), before);
    drop(hold);
    scene.stage.ready("app").await;
    scene.judge().await;
}

/// Sieve's flagship: the old object's deletion is seen when the name belongs to a new one.
#[tokio::test]
async fn t32_a_stale_deletion_does_not_touch_the_successor_of_the_same_name() {
    let mut scene = Scene::new("successor").await;
    scene.ready_app().await;
    let old = scene.ids().await;
    let kept = Kept::default();
    let refused = Action::Status(StatusCode::SERVICE_UNAVAILABLE);
    scene.proxy.always(step::record_change, refused.clone());
    scene.stage.kubectl(&["delete", "oac", "app", "--wait=false"]).await;
    scene.proxy.once(step::list("oauthclients"), Action::Keep(kept.clone()));
    scene.stage.operator.restart().await.unwrap();
    scene.stage.operator.kill9().await.unwrap();
    let strip = r#"{"metadata":{"finalizers":null}}"#;
    scene
        .stage
        .kubectl(&["patch", "oac", "app", "--type=merge", "-p", strip])
        .await;
    scene.stage.gone("app").await;
    scene.app().await;

    scene.proxy.clear();
    let hold = scene.proxy.hold(step::watch("oauthclients"));
    scene.proxy.once(step::list("oauthclients"), Action::Replay(kept));
    scene.stage.operator.restart().await.unwrap();
    eventually("the deletion of the old client is finished", async || {
        scene.ids().await.is_empty().then_some(())
    })
    .await;
    drop(hold);
    scene.stage.ready("app").await;
    let new = scene.ids().await;
    assert!(new.len() == 1 && new != old, "{new:?}");
    scene.judge().await;
}

#[tokio::test]
async fn t33_what_came_and_went_unseen_is_not_registered() {
    let (scene, provider) = watched("unseen").await;
    unobserved(&scene, "oauthclients", async || {
        scene.app().await;
        scene.stage.kubectl(&["delete", "oac", "app"]).await;
    })
    .await;
    scene.stage.apply(&oauth_client("other", CLIENT)).await;
    scene.stage.ready("other").await;
    assert_eq!(sent(&provider, "POST"), 1);
    scene.judge().await;
}

/// The same with every event delivered late.
#[tokio::test]
async fn t33_what_has_gone_when_it_is_seen_is_not_registered() {
    let (scene, provider) = watched("gone-when-seen").await;
    let hold = scene.proxy.hold(step::watch("oauthclients"));
    scene.app().await;
    scene.stage.kubectl(&["delete", "oac", "app"]).await;
    drop(hold);
    scene.stage.apply(&oauth_client("other", CLIENT)).await;
    scene.stage.ready("other").await;
    assert_eq!(sent(&provider, "POST"), 1);
    scene.judge().await;
}

#[tokio::test]
async fn t34_a_change_that_is_taken_back_unseen_leads_to_no_update() {
    let (scene, provider) = watched("back").await;
    scene.ready_app().await;
    unobserved(&scene, "oauthclients", async || {
        scene.stage.apply(&oauth_client("app", &edited("other"))).await;
        scene.app().await;
    })
    .await;
    scene.stage.ready("app").await;
    assert_eq!((sent(&provider, "POST"), sent(&provider, "PUT")), (1, 0));
    scene.judge().await;
}

#[tokio::test]
async fn t35_a_provider_that_changes_twice_unseen_costs_nothing() {
    let (scene, provider) = watched("twice").await;
    scene.ready_app().await;
    unobserved(&scene, "oauthproviders", async || {
        let elsewhere = scene.site.manifests.replace(provider.url(), "http://127.0.0.1:9");
        scene.stage.apply(&elsewhere).await;
        scene.stage.apply(&scene.site.manifests).await;
    })
    .await;
    scene.stage.apply(&oauth_client("other", CLIENT)).await;
    scene.stage.ready("other").await;
    assert_eq!((sent(&provider, "POST"), sent(&provider, "PUT")), (2, 0));
    scene.judge().await;
}

#[tokio::test]
async fn t36_events_that_come_twice_and_in_another_order_cost_no_write() {
    let (scene, provider) = watched("order").await;
    // Secrets are seen before the objects that they belong to.
    let late = scene.proxy.always(
        step::watch("oauthclients"),
        Action::DelayEvents(Duration::from_millis(700)),
    );
    let twice = scene.proxy.always(|asked| asked.verb == "watch", Action::RepeatEvents);
    scene.proxy.cut();
    scene.met(&late, 1).await;
    scene.met(&twice, 3).await;
    let place = scene.proxy.place();
    scene.many(5).await;
    scene.many_ready(5).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let writes = scene.proxy.since(place);
    let writes = writes.iter().filter(|exchange| {
        exchange.is_write() && matches!(exchange.asked.resource.as_str(), "oauthclients" | "secrets")
    });
    // The CA bundle of the provider is stored once for all of them.
    assert_eq!(writes.count(), 5 * 4 + 1);
    assert_eq!(sent(&provider, "POST"), 5);
    scene.judge().await;
}

#[tokio::test]
async fn t37_a_finalizer_that_is_stripped_is_put_back_first() {
    let (scene, provider) = watched("stripped").await;
    let strip = async || {
        let patch = r#"{"metadata":{"finalizers":null}}"#;
        scene
            .stage
            .kubectl(&["patch", "oac", "app", "--type=merge", "-p", patch])
            .await;
    };
    // While the client is being registered …
    let slow = provider.once(|asked| asked.method == "POST", Action::Delay(Duration::from_secs(1)));
    scene.app().await;
    scene.met(&slow, 1).await;
    strip().await;
    scene.stage.ready("app").await;
    // … and at rest.
    strip().await;
    let has_it = |object: &oauth_client_operator::api::OAuthClient| {
        object.metadata.finalizers.as_ref().is_some_and(|all| !all.is_empty())
    };
    scene.stage.until("app", "given its finalizer back", has_it).await;
    assert_eq!(sent(&provider, "POST"), 1);
    scene.stage.kubectl(&["delete", "oac", "app", "--timeout=30s"]).await;
    assert!(scene.ids().await.is_empty());
    scene.judge().await;
}

#[tokio::test]
async fn t38_a_status_that_is_wiped_is_written_again_and_nothing_is_changed_at_the_provider() {
    let (scene, provider) = watched("wiped").await;
    scene.ready_app().await;
    let place = provider.place();
    let wipe = r#"[{"op": "replace", "path": "/status", "value": {"observedGeneration": -1}}]"#;
    let patch = ["patch", "oac", "app", "--subresource=status", "--type=json", "-p", wipe];
    scene.stage.kubectl(&patch).await;
    // Nothing that the operator reacts to has changed; the next look finds it.
    scene
        .stage
        .kubectl(&["annotate", "oac", "app", "oauth-client-operator.dev/reconcile=now"])
        .await;
    scene.stage.ready("app").await;
    let called = provider.since(place);
    // Whether the credentials work is no longer known, so they are tried once more.
    let changes = |method: &str, path: &str| method != "GET" && !(method == "POST" && path.ends_with("/revocation"));
    assert!(
        !called
            .iter()
            .any(|exchange| changes(exchange.asked.method.as_str(), &exchange.asked.path)),
        "{called:?}"
    );
    scene.judge().await;
}

/// A backup brings the object back with its annotations and a new UID; the record of the old one is not its own.
#[tokio::test]
async fn t38_a_restored_object_does_not_take_over_the_client_of_its_former_self() {
    let mut scene = Scene::new("restored").await;
    scene.ready_app().await;
    let old = scene.stage.oauth_client("app").await;
    let id = old.status.clone().unwrap().client_id.unwrap();
    scene.stage.operator.kill9().await.unwrap();
    let strip = r#"{"metadata":{"finalizers":null}}"#;
    scene
        .stage
        .kubectl(&["patch", "oac", "app", "--type=merge", "-p", strip])
        .await;
    scene.stage.kubectl(&["delete", "oac", "app"]).await;
    eventually("the Secret is collected", async || {
        scene.stage.secret("app").await.is_none().then_some(())
    })
    .await;
    let pending = &old.metadata.annotations.as_ref().unwrap()["oauth-client-operator.dev/create-pending"];
    let annotated =
        format!("metadata:\n  name: app\n  annotations:\n    oauth-client-operator.dev/create-pending: {pending}\n");
    let restored = oauth_client("app", CLIENT).replace("metadata:\n  name: app\n", &annotated);
    scene.stage.apply(&restored).await;
    let status = serde_json::json!({ "status": old.status });
    let status = status.to_string();
    let patch = [
        "patch",
        "oac",
        "app",
        "--subresource=status",
        "--type=merge",
        "-p",
        &status,
    ];
    scene.stage.kubectl(&patch).await;

    // The record is of another UID, and this form may not read namespaces: nothing is registered, taken over or deleted.
    scene.stage.operator.restart().await.unwrap();
    let reconcile = "oauth-client-operator.dev/reconcile=restored";
    scene.stage.kubectl(&["annotate", "oac", "app", reconcile]).await;
    scene.stage.failed("app", "RestoreRefused").await;
    assert_eq!(scene.ids().await, std::slice::from_ref(&id));
    // Given up, it makes room for a client of the object's own, and is told of.
    let abandon = format!("oauth-client-operator.dev/abandon={id}");
    scene.stage.kubectl(&["annotate", "oac", "app", &abandon]).await;
    let fresh = scene
        .stage
        .until("app", "Ready with a client of its own", |object| {
            is(object, "Ready", "True") && object.status.as_ref().unwrap().client_id.as_ref() != Some(&id)
        })
        .await;
    assert!(fresh.status.unwrap().client_id.is_some());
    assert_eq!(scene.ids().await.len(), 2);
    scene
        .judge_with(Verdict::default().faults(1).excuse(OBJECT_VANISHED))
        .await;
}
