//! What changes while no operator runs is acted on by the next start, and a start after which nothing changed does nothing. And
//! what says nothing about a client leaves its status alone.

use std::time::{Duration, Instant};

use serde_json::json;
use testbed::control_plane::{ControlPlane, ControlPlaneOptions};
use testbed::operator::{Operator, OperatorOptions};
use testbed::providers::{OidcProviderOptions, Reply};
use testbed::proxy::{Action, Asked, Proxy};
use testbed::site::{Site, consented, oauth_client, oauth_provider};

use crate::judge::Verdict;
use crate::scene::{CLIENT, Scene, edited};
use crate::stage::{BINARY, condition, eventually, is};

/// Time within which the next start acts.
const SOON: Duration = Duration::from_secs(5);
const RECONCILE: &str = "oauth-client-operator.dev/reconcile";

/// A scene with a proxy before its provider, which wants this initial access token.
async fn guarded(name: &str, token: Option<&str>) -> (Scene, Proxy) {
    let provider = Proxy::open(false).await.unwrap();
    let options = OidcProviderOptions {
        initial_access_token: token.map(str::to_owned),
        ..OidcProviderOptions::default()
    };
    let site = Site::oidc_provider_behind(&provider, options).await.unwrap();
    (Scene::with(name, site, |_| {}).await, provider)
}

/// A registration: looks at credentials are POSTs too.
fn is_post(asked: &Asked) -> bool {
    asked.method == "POST" && asked.path.ends_with("/reg")
}

fn is_put(asked: &Asked) -> bool {
    asked.method == "PUT"
}

fn count(provider: &Proxy, fits: impl Fn(&Asked) -> bool) -> usize {
    provider.asked().iter().filter(|asked| fits(asked)).count()
}

/// What the status says was handled.
async fn handled(scene: &Scene, name: &str) -> Option<String> {
    scene.stage.oauth_client(name).await.status?.handled?.reconcile
}

/// What the clients of the provider were compared with.
async fn compared(scene: &Scene) -> Option<String> {
    let provider = scene.stage.providers().get("provider").await.unwrap();
    provider.status?.compared_revision
}

/// Waits until the clients were compared with something else than this; what it is.
async fn compared_anew(scene: &Scene, before: Option<&String>) -> String {
    eventually("the clients are compared", async || {
        compared(scene).await.filter(|now| Some(now) != before)
    })
    .await
}

/// Starts the operator again and waits until that has shown.
async fn shows_soon(scene: &mut Scene, what: &str, shows: impl AsyncFn(&Scene) -> bool) {
    let begun = Instant::now();
    scene.stage.operator.restart().await.unwrap();
    while !shows(scene).await {
        assert!(
            begun.elapsed() < SOON,
            "not soon: {what}\n{}",
            scene.stage.operator.log()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Another start writes nothing, reads no record and calls nobody.
async fn rests(scene: &mut Scene, provider: &Proxy) {
    scene.stage.operator.stop().await.unwrap();
    let calls = count(provider, |asked| !asked.path.starts_with("/.well-known/"));
    let mark = scene.stage.mark().await;
    scene.stage.operator.restart().await.unwrap();
    // An object that comes after the start is served after all that were there.
    let last = "last".to_owned();
    scene
        .stage
        .apply(&oauth_client(&last, &format!("{CLIENT}\nsuspend: true")))
        .await;
    let seen = |object: &oauth_client_operator::api::OAuthClient| {
        let status = object.status.as_ref();
        status.is_some_and(|status| !status.conditions.is_empty())
    };
    scene.stage.until(&last, "seen", seen).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let requests = scene.stage.requests(mark).await;
    let writes = requests.clone().writes().filter(|request| {
        let of_clients = matches!(request.resource.as_str(), "oauthclients" | "oauthproviders" | "secrets");
        of_clients && request.name != last
    });
    assert!(writes.is_empty(), "{writes}");
    let reads = requests.filter(|request| request.resource == "secrets" && request.verb == "get");
    let reads = reads.filter(|request| request.name.starts_with("oauthclient-"));
    assert!(reads.is_empty(), "{reads}");
    assert_eq!(count(provider, |asked| !asked.path.starts_with("/.well-known/")), calls);
    scene.stage.kubectl(&["delete", "oac", &last, "--timeout=30s"]).await;
}

#[tokio::test]
async fn t145_a_reconcile_value_that_is_set_while_no_operator_runs_is_acted_on_once() {
    let (mut scene, provider) = guarded("asked", None).await;
    scene.ready_app().await;
    let body = json!({"error": "invalid_client_metadata", "error_description": "no"});
    let refusal = Reply::json(400, &body);
    provider.always(is_post, Action::Answer(refusal));
    scene.stage.apply(&oauth_client("refused", CLIENT)).await;
    scene.stage.failed("refused", "RegistrationRejected").await;
    provider.clear();
    for value in ["1", "2"] {
        scene.stage.operator.stop().await.unwrap();
        let posts = count(&provider, is_post);
        scene
            .stage
            .kubectl(&[
                "annotate",
                "oac",
                "app",
                "refused",
                "--overwrite",
                &format!("{RECONCILE}={value}"),
            ])
            .await;
        shows_soon(&mut scene, "both were looked at", async |scene| {
            let done = Some(value.to_owned());
            handled(scene, "app").await == done && handled(scene, "refused").await == done
        })
        .await;
        scene.stage.ready("app").await;
        scene.stage.ready("refused").await;
        assert_eq!(count(&provider, is_post), posts + usize::from(value == "1"));
        rests(&mut scene, &provider).await;
    }
    assert_eq!(scene.ids().await.len(), 2);
    scene.judge().await;
}

#[tokio::test]
async fn t146_a_provider_edit_while_no_operator_runs_reaches_every_client_once() {
    let (mut scene, provider) = guarded("edited", None).await;
    scene.ready_app().await;
    let before = compared_anew(&scene, None).await;
    rests(&mut scene, &provider).await;
    scene.stage.operator.stop().await.unwrap();
    // Members that are not sent any more: the registered client has to be changed.
    let omitting = scene
        .site
        .manifests
        .replacen("spec:\n", "spec:\n  omitMembers: [application_type]\n", 1);
    scene.stage.apply(&omitting).await;
    shows_soon(&mut scene, "the change was sent", async |_| {
        count(&provider, is_put) == 1
    })
    .await;
    scene.stage.ready("app").await;
    compared_anew(&scene, Some(&before)).await;
    rests(&mut scene, &provider).await;
    assert_eq!(count(&provider, is_put), 1);
    scene.judge_with(Verdict::default().alien()).await;
}

#[tokio::test]
async fn t146_credentials_that_change_while_no_operator_runs_are_used() {
    let (mut scene, provider) = guarded("keyed", Some("right-initial-token")).await;
    scene.ready_app().await;
    let secret = |token: &str| consented("initial-access-token", provider.url(), &[("token", token)]);
    let mut before = compared_anew(&scene, None).await;
    scene.stage.apply(&secret("wrong-initial-token")).await;
    before = compared_anew(&scene, Some(&before)).await;
    scene.stage.apply(&oauth_client("second", CLIENT)).await;
    scene.stage.failed("second", "CredentialsRejected").await;
    scene.stage.operator.stop().await.unwrap();
    scene.stage.apply(&secret("right-initial-token")).await;
    let mark = scene.stage.mark().await;
    shows_soon(&mut scene, "the client is registered", async |scene| {
        is(&scene.stage.oauth_client("second").await, "Ready", "True")
    })
    .await;
    before = compared_anew(&scene, Some(&before)).await;
    let uid = scene.stage.oauth_client("app").await.metadata.uid.unwrap();
    let looked = scene.stage.requests(mark).await.filter(|request| request.verb == "get");
    let looked = looked.filter(|request| request.name.ends_with(&uid));
    assert!(!looked.is_empty(), "the Ready client was compared, too");
    rests(&mut scene, &provider).await;
    // What is in the Secret beside the credentials makes no difference.
    scene.stage.operator.stop().await.unwrap();
    let annotate = ["annotate", "secret", "initial-access-token", "team=blue"];
    scene.stage.kubectl(&annotate).await;
    scene.stage.operator.restart().await.unwrap();
    rests(&mut scene, &provider).await;
    assert_eq!(compared(&scene).await, Some(before));
    scene.judge().await;
}

/// The cluster-wide form, on a control plane of its own.
#[tokio::test]
async fn t146_a_namespace_label_that_is_set_while_no_operator_runs_decides() {
    let plane = ControlPlane::start(ControlPlaneOptions::default()).await.unwrap();
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    let apply = ["apply", "--server-side", "-k", crds];
    plane.kubectl(&apply).await.unwrap().stdout().unwrap();
    for namespace in ["system", "shop", "bank"] {
        plane.create_namespace(namespace).await.unwrap();
    }
    let options = OperatorOptions {
        binary: BINARY.into(),
        manifests: vec![crate::stage::rights("system", &[]).await],
        ..OperatorOptions::new("system", &[])
    };
    let mut operator = Operator::start(&plane, options).await.unwrap();
    let site = Site::oidc_provider().await.unwrap();
    let provider = site
        .manifests
        .replace("kind: OAuthProvider", "kind: ClusterOAuthProvider")
        .replacen(
            "spec:\n",
            "spec:\n  allowedNamespaces: {matchLabels: {apps: 'yes'}}\n",
            1,
        );
    let client = |path: &str| {
        oauth_client("app", &edited(path)).replace("providerRef:\n", "providerRef:\n    kind: ClusterOAuthProvider\n")
    };
    let kubectl = async |args: &[&str], input: &str| plane.kubectl_with(args, input).await.unwrap().stdout().unwrap();
    let ready = async |namespace: &str| {
        let path = "jsonpath={.status.conditions[?(@.type==\"Ready\")].reason}";
        kubectl(&["-n", namespace, "get", "oac", "app", "-o", path], "").await
    };
    kubectl(&["label", "namespace", "bank", "apps=yes"], "").await;
    kubectl(&["apply", "-f", "-"], &provider).await;
    for namespace in ["shop", "bank"] {
        kubectl(&["-n", namespace, "apply", "-f", "-"], &client("one")).await;
    }
    eventually("one is allowed", async || {
        (ready("shop").await == "NamespaceNotAllowed" && ready("bank").await == "Registered").then_some(())
    })
    .await;
    operator.stop().await.unwrap();
    kubectl(&["label", "namespace", "shop", "apps=yes"], "").await;
    kubectl(&["label", "namespace", "bank", "apps-"], "").await;
    let begun = Instant::now();
    operator.restart().await.unwrap();
    eventually("the other one is", async || {
        (ready("shop").await == "Registered").then_some(())
    })
    .await;
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert_eq!(ready("bank").await, "Registered", "nothing is to be done there");
    kubectl(&["-n", "bank", "apply", "-f", "-"], &client("two")).await;
    eventually("a change is refused", async || {
        (ready("bank").await == "NamespaceNotAllowed").then_some(())
    })
    .await;
    operator.stop().await.unwrap();
}

#[tokio::test]
async fn t147_a_client_at_rest_stays_ready_when_its_provider_object_is_gone() {
    let (scene, provider) = guarded("gone", None).await;
    scene.ready_app().await;
    let before = scene.stage.oauth_client("app").await;
    scene.stage.kubectl(&["delete", "oap", "provider"]).await;
    scene
        .stage
        .kubectl(&["annotate", "oac", "app", &format!("{RECONCILE}=now")])
        .await;
    eventually("it was looked at", async || handled(&scene, "app").await).await;
    let after = scene.stage.oauth_client("app").await;
    for type_ in ["Ready", "Registered", "SecretSynced"] {
        assert_eq!(condition(&after, type_), condition(&before, type_), "{type_}");
    }
    scene.stage.apply(&oauth_client("app", &edited("two"))).await;
    scene.stage.failed("app", "ProviderNotFound").await;
    scene.stage.apply(&scene.site.manifests).await;
    scene.stage.ready("app").await;
    assert_eq!(count(&provider, is_put), 1);
    scene.judge().await;
}

#[tokio::test]
async fn t147_what_a_pass_finds_is_told_of_the_provider_and_taken_back() {
    let provider = Proxy::open(false).await.unwrap();
    let site = Site::oidc_provider_behind(&provider, OidcProviderOptions::default());
    // What discovery found is used for an hour, which is six seconds here.
    let faster = |options: &mut OperatorOptions| options.args.extend(["--time-scale", "600"].map(str::to_owned));
    let scene = Scene::with("learned", site.await.unwrap(), faster).await;
    let told = async |type_: &str| {
        let provider = scene.stage.providers().get("provider").await.unwrap();
        let conditions = provider.status.unwrap_or_default().conditions;
        conditions.into_iter().find(|condition| condition.type_ == type_)
    };
    scene.ready_app().await;
    eventually("it is Ready", async || told("Ready").await).await;
    provider.go_down();
    // Nobody has to ask for that: what was found is asked for again.
    eventually("it is told", async || told("Reconciling").await).await;
    assert_eq!(told("Ready").await.unwrap().status, "True", "a failure that may pass");
    scene.stage.apply(&oauth_client("late", CLIENT)).await;
    scene.stage.failed("late", "ProviderUnavailable").await;
    provider.come_up();
    scene.stage.ready("late").await;
    eventually("it is taken back", async || {
        told("Reconciling").await.is_none().then_some(())
    })
    .await;
    scene.judge().await;
}

#[tokio::test]
async fn t148_a_pause_holds_for_every_client_of_the_provider() {
    const CLIENTS: usize = 20;
    const PAUSE: Duration = Duration::from_secs(6);
    let (scene, provider) = guarded("pause", None).await;
    let spec = format!("issuer: {}\nrateLimit: {{concurrency: 2}}\n", provider.url());
    scene.stage.apply(&oauth_provider(&spec)).await;
    let slow = Reply::empty(429).header("retry-after", &PAUSE.as_secs().to_string());
    provider.once(is_post, Action::Answer(slow));
    scene.many(CLIENTS).await;
    eventually("the message says until when", async || {
        for number in 0..CLIENTS {
            let object = scene.stage.oauth_client(&format!("app-{number}")).await;
            let ready = condition(&object, "Ready").filter(|ready| ready.reason == "RateLimited");
            if ready.is_some_and(|ready| ready.message.contains("nothing is sent to it before 20")) {
                return Some(());
            }
        }
        None
    })
    .await;
    scene.many_ready(CLIENTS).await;
    let exchanges = provider.exchanges().into_iter();
    let mut posts: Vec<_> = exchanges.filter(|e| is_post(&e.asked)).map(|e| e.at).collect();
    posts.sort();
    let during = posts.iter().filter(|at| **at - posts[0] < PAUSE).count();
    assert!(during <= 2, "{during} registrations while the provider wanted none");
    assert_eq!(posts.len(), CLIENTS + 1);
    scene.judge().await;
}
