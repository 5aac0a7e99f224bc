//! What became of a client whose registration was interrupted, or that the provider has lost.

use testbed::providers::{Fault, Reply};
use testbed::proxy::{Action, Asked, Proxy};
use testbed::site::{Site, oauth_client};

use crate::scene::{Scene, step};
use crate::stage::{Stage, eventually};

const CLIENT: &str =
    "grantTypes: [authorization_code, client_credentials]\nredirectURIs: ['https://app.example/callback']";
const REGISTER: &str = "/api/identity/oauth2/dcr/v1.1/register";

fn is_registration(asked: &Asked) -> bool {
    asked.method == "POST" && asked.path.ends_with("/clients-registrations/openid-connect")
}

fn is_listing(asked: &Asked) -> bool {
    asked.path.starts_with("/admin/realms/")
}

fn edited() -> String {
    oauth_client("app", &CLIENT.replace("callback", "edited"))
}

/// The answer of a registration is lost; the client is found by the identifier that the operator chose.
#[tokio::test]
async fn w25_a_lost_answer_loses_no_client_where_the_operator_chooses_the_identifier() {
    let site = Site::wso2_v1_1().await.unwrap();
    let double = site.double().unwrap();
    let stage = Stage::new("chosen").await;
    stage.apply(&site.manifests).await;
    let mut first = true;
    double.script(move |seen| {
        let post = seen.method == "POST" && seen.path == REGISTER;
        (post && std::mem::take(&mut first)).then_some(Fault::LoseAnswer)
    });
    stage.apply(&oauth_client("app", CLIENT)).await;
    let object = stage.ready("app").await;
    let secret = stage.secret("app").await.unwrap();
    assert_eq!(object.status.unwrap().client_id.as_ref(), Some(&secret["client_id"]));
    let clients = site.clients().await.unwrap();
    assert_eq!(clients.keys().collect::<Vec<_>>(), [&secret["client_id"]]);
    assert_eq!(double.count("POST", REGISTER), 1, "found, not registered again");
    assert!(stage.suspects().await.is_empty());
    site.token(&secret["client_id"], &secret["client_secret"])
        .await
        .unwrap();
    stage.kubectl(&["delete", "oauthclient", "app", "--timeout=30s"]).await;
    assert!(site.clients().await.unwrap().is_empty());
}

/// Keycloak chooses the identifier. An administrator's look finds the client by the mark that its registration carried, among
/// others of the same manifest.
#[tokio::test]
async fn w25_a_lost_answer_loses_no_client_that_carries_a_mark() {
    let proxy = Proxy::open(false).await.unwrap();
    let site = Site::keycloak_with_service_account("marked", Some(&proxy))
        .await
        .unwrap();
    let stage = Stage::new("marked").await;
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("other", CLIENT)).await;
    stage.ready("other").await;
    let other = stage.secret("other").await.unwrap();
    let lost = proxy.once(is_registration, Action::LoseAnswer);
    let failed = proxy.times(2, is_listing, Action::Answer(Reply::empty(503)));
    stage.apply(&oauth_client("app", CLIENT)).await;
    let object = stage.ready("app").await;
    assert_eq!((lost.hits(), failed.hits()), (1, 2));
    let secret = stage.secret("app").await.unwrap();
    assert_eq!(object.status.unwrap().client_id.as_ref(), Some(&secret["client_id"]));
    let clients = site.clients().await.unwrap();
    let mut wanted = [&other["client_id"], &secret["client_id"]];
    wanted.sort();
    assert_eq!(clients.keys().collect::<Vec<_>>(), wanted);
    let posts = proxy.asked().into_iter().filter(is_registration).count();
    assert_eq!(posts, 2, "found, not registered again");
    assert!(stage.suspects().await.is_empty());
    site.token(&secret["client_id"], &secret["client_secret"])
        .await
        .unwrap();
    stage.apply(&edited()).await;
    eventually("the found client is changed", async || {
        let clients = site.clients().await.ok()?;
        let uris = &clients[&secret["client_id"]]["redirect_uris"];
        (*uris == serde_json::json!(["https://app.example/edited"])).then_some(())
    })
    .await;
    stage.ready("app").await;
    stage.kubectl(&["delete", "oauthclient", "app", "--timeout=30s"]).await;
    assert_eq!(
        site.clients().await.unwrap().keys().collect::<Vec<_>>(),
        [&other["client_id"]]
    );
}

/// The request is lost on its way to Keycloak. That nothing is found proves nothing, so the attempt is doubted.
#[tokio::test]
async fn w25_a_lost_request_with_a_mark_is_sent_again_with_a_doubt() {
    let proxy = Proxy::open(false).await.unwrap();
    let site = Site::keycloak_with_service_account("unmarked", Some(&proxy))
        .await
        .unwrap();
    let stage = Stage::new("unmarked").await;
    stage.apply(&site.manifests).await;
    proxy.once(is_registration, Action::LoseRequest);
    stage.apply(&oauth_client("app", CLIENT)).await;
    stage.ready("app").await;
    let posts: Vec<_> = proxy.asked().into_iter().filter(is_registration).collect();
    let marks: Vec<_> = posts
        .iter()
        .map(|post| post.json()["tls_client_auth_subject_dn"].to_string())
        .collect();
    assert_eq!(marks.len(), 2);
    assert!(marks[0].starts_with("\"CN=") && marks[0] != marks[1], "{marks:?}");
    assert_eq!(site.clients().await.unwrap().len(), 1);
    assert_eq!(stage.suspects().await.len(), 1);
}

/// Deleted before anybody found it: the client goes all the same.
#[tokio::test]
async fn w25_a_lost_answer_loses_no_client_of_an_object_that_is_deleted() {
    let proxy = Proxy::open(false).await.unwrap();
    let site = Site::keycloak_with_service_account("deleted", Some(&proxy))
        .await
        .unwrap();
    let stage = Stage::new("marked-deleted").await;
    stage.apply(&site.manifests).await;
    proxy.once(is_registration, Action::LoseAnswer);
    proxy.always(is_listing, Action::Answer(Reply::empty(503)));
    stage.apply(&oauth_client("app", CLIENT)).await;
    stage.failed("app", "ProviderUnavailable").await;
    assert_eq!(site.clients().await.unwrap().len(), 1);
    stage.kubectl(&["delete", "oauthclient", "app", "--wait=false"]).await;
    stage.failed("app", "DeletionBlocked").await;
    proxy.clear();
    stage.gone("app").await;
    assert!(site.clients().await.unwrap().is_empty());
    assert!(stage.suspects().await.is_empty());
    stage.no_records().await;
}

/// The request is lost on its way; nothing is found, and the same identifier is asked for again.
#[tokio::test]
async fn w63_a_lost_request_is_sent_again_without_a_doubt() {
    let site = Site::wso2_v1_1().await.unwrap();
    let double = site.double().unwrap();
    let stage = Stage::new("resent").await;
    stage.apply(&site.manifests).await;
    let mut first = true;
    double.script(move |seen| {
        let post = seen.method == "POST" && seen.path == REGISTER;
        (post && std::mem::take(&mut first)).then_some(Fault::LoseRequest)
    });
    stage.apply(&oauth_client("app", CLIENT)).await;
    stage.ready("app").await;
    assert_eq!(site.clients().await.unwrap().len(), 1);
    assert!(stage.suspects().await.is_empty());
    let posts = double.seen().into_iter();
    let posts: Vec<_> = posts
        .filter(|seen| seen.method == "POST" && seen.path == REGISTER)
        .collect();
    let chosen: Vec<_> = posts
        .iter()
        .map(|post| post.json()["ext_param_client_id"].clone())
        .collect();
    assert_eq!(chosen.len(), 2);
    assert_eq!(chosen[0], chosen[1]);
    assert_eq!(chosen[0].as_str().map(str::len), Some(30));
}

/// Removed at the provider by hand: the next use finds out, twice, and registers the client anew, once.
#[tokio::test]
async fn t60_a_client_that_the_provider_lost_is_registered_again_once() {
    let site = Site::oidc_provider().await.unwrap();
    let stage = Stage::with("lost-there", |options| {
        options.args.extend(["--time-scale".to_owned(), "20".to_owned()]);
    })
    .await;
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    stage.ready("app").await;
    // Another client, which the provider accepts meanwhile.
    stage.apply(&oauth_client("other", CLIENT)).await;
    let other = stage.ready("other").await.status.unwrap().client_id.unwrap();
    let before = stage.secret("app").await.unwrap();
    assert!(site.remove_client(&before["client_id"]).await.unwrap());
    stage.apply(&edited()).await;
    stage
        .until("app", "known to be missing", |object| {
            let conditions = object.status.iter().flat_map(|status| &status.conditions);
            conditions
                .into_iter()
                .any(|condition| condition.message.contains("no longer knows this client"))
        })
        .await;
    assert_eq!(
        stage.secret("app").await.unwrap(),
        before,
        "kept until there is another"
    );
    eventually("the Secret holds the new client", async || {
        let now = stage.secret("app").await?;
        (now["client_id"] != before["client_id"]).then_some(())
    })
    .await;
    let object = stage.ready("app").await;
    let after = stage.secret("app").await.unwrap();
    assert_eq!(object.status.unwrap().client_id.as_ref(), Some(&after["client_id"]));
    let clients = site.clients().await.unwrap();
    let mut both = [&after["client_id"], &other];
    both.sort();
    assert_eq!(clients.keys().collect::<Vec<_>>(), both);
    assert_eq!(
        clients[&after["client_id"]]["redirect_uris"],
        serde_json::json!(["https://app.example/edited"])
    );
    site.token(&after["client_id"], &after["client_secret"]).await.unwrap();
    // The old client stays named: its token may merely have been refused.
    let suspects = stage.suspects().await;
    assert_eq!(
        suspects[0].data.as_ref().unwrap()["client_id"].0,
        before["client_id"].as_bytes()
    );
    assert_eq!((suspects.len(), stage.records().await.len()), (1, 2));
}

/// The token is refused, the client itself is known: it is kept, and nothing is registered.
#[tokio::test]
async fn w45_a_lost_token_is_not_a_lost_client() {
    let site = Site::scriptable().await.unwrap();
    let double = site.double().unwrap();
    let stage = Stage::with("token-lost", |options| {
        options.args.extend(["--time-scale".to_owned(), "60".to_owned()]);
    })
    .await;
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    stage.ready("app").await;
    let before = (stage.secret("app").await, site.clients().await.unwrap());
    double.script(|seen| (seen.method == "PUT").then(|| Fault::Answer(Reply::empty(401))));
    stage.apply(&edited()).await;
    let message = stage.failed("app", "ManagementLost").await;
    assert!(message.contains("left as they are"), "{message}");
    // Minutes of its own time: it looks again, and comes to the same end.
    eventually("it has looked again", async || {
        // One after the registration, one for a client that was made up, and then one each time.
        (double.count("POST", "/revoke") >= 4).then_some(())
    })
    .await;
    assert_eq!((stage.secret("app").await, site.clients().await.unwrap()), before);
    assert_eq!(double.count("POST", "/register"), 1);
    double.behave();
    stage.ready("app").await;
    assert_eq!(double.count("POST", "/register"), 1);
}

/// Three registrations in a row end unknown: the breaker keeps the others from making more suspects.
#[tokio::test]
async fn many_unknown_outcomes_at_one_provider_bar_further_registrations() {
    let site = Site::scriptable().await.unwrap();
    let double = site.double().unwrap();
    let stage = Stage::new("breaker").await;
    let spaced = site.manifests.replace("---", "  rateLimit:\n    concurrency: 1\n---");
    stage.apply(&spaced).await;
    double.script(|seen| (seen.method == "POST" && seen.path == "/register").then_some(Fault::LoseAnswer));
    let clients: String = (0..12)
        .map(|number| oauth_client(&format!("app-{number}"), CLIENT))
        .collect();
    stage.apply(&clients).await;
    eventually("the breaker is open for somebody", async || {
        let listed = stage.kubectl(&["get", "oac", "-o", "jsonpath={..message}"]).await;
        listed.contains("no other is begun for a while").then_some(())
    })
    .await;
    eventually("three suspects are told of", async || {
        (stage.suspects().await.len() >= 3).then_some(())
    })
    .await;
    let sent = double.count("POST", "/register");
    assert!((3..6).contains(&sent), "{sent} registrations");
}

/// Killed with the answer in hand, before it is recorded, at Keycloak: the client is found again by its mark.
#[tokio::test]
async fn w26_a_kill_before_the_record_makes_no_second_client_that_carries_a_mark() {
    let site = Site::keycloak_with_service_account("killed", None).await.unwrap();
    let mut scene = Scene::with("marked-killed", site, |_| {}).await;
    scene.proxy.once(step::record, Action::KillBefore(scene.kill.clone()));
    scene.app().await;
    scene.killed_and_restarted().await;
    scene.stage.ready("app").await;
    let secret = scene.stage.secret("app").await.unwrap();
    assert_eq!(scene.ids().await, [secret["client_id"].as_str()]);
    assert!(scene.stage.suspects().await.is_empty());
    assert_eq!(scene.stage.records().await.len(), 1);
    scene
        .site
        .token(&secret["client_id"], &secret["client_secret"])
        .await
        .unwrap();
}

/// Killed with the answer in hand, before it is recorded: the client of the chosen identifier is found again.
#[tokio::test]
async fn w26_a_kill_before_the_record_makes_no_second_client_of_a_chosen_identifier() {
    let site = Site::wso2_v1_1().await.unwrap();
    let mut scene = Scene::with("found-again", site, |_| {}).await;
    scene.proxy.once(step::record, Action::KillBefore(scene.kill.clone()));
    scene.app().await;
    scene.killed_and_restarted().await;
    scene.stage.ready("app").await;
    let secret = scene.stage.secret("app").await.unwrap();
    assert_eq!(
        scene.site.clients().await.unwrap().keys().collect::<Vec<_>>(),
        [&secret["client_id"]]
    );
    assert_eq!(scene.site.double().unwrap().count("POST", REGISTER), 1);
    assert!(scene.stage.suspects().await.is_empty());
    assert_eq!(scene.stage.records().await.len(), 1);
    scene
        .site
        .token(&secret["client_id"], &secret["client_secret"])
        .await
        .unwrap();
}
