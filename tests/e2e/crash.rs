//! The operator is killed at each step of its work, and starts again: one usable client and Secret, and no stray that
//! nothing tells of.

use testbed::operator::OperatorOptions;
use testbed::providers::{Fault, OidcProviderOptions};
use testbed::proxy::{Action, Asked, Proxy};
use testbed::site::{Site, oauth_client};

use crate::judge::Verdict;
use crate::scene::{CLIENT, Scene, edited, step};
use crate::stage::{Stage, eventually, plane};

/// The operator lives so much faster where a second look is waited for.
fn faster(options: &mut OperatorOptions) {
    options.args.extend(["--time-scale".to_owned(), "60".to_owned()]);
}

impl Scene {
    /// The operator will be killed at this step, before or after it takes place.
    fn kill_at(&self, fits: fn(&Asked) -> bool, after: bool) {
        let kill = self.kill.clone();
        let action = if after {
            Action::KillAfter(kill)
        } else {
            Action::KillBefore(kill)
        };
        self.proxy.once(fits, action);
    }

    /// The credentials of the usual client work at the token endpoint.
    async fn works(&self) {
        let secret = self.stage.secret("app").await.unwrap();
        self.site
            .token(&secret["client_id"], &secret["client_secret"])
            .await
            .unwrap();
    }
}

/// Kills at a step of a create, before or after it takes place, starts again, and looks at what is left: this many suspects,
/// which is none but where the attempt had been marked and was not recorded.
async fn killed_in_a_create(name: &str, fits: fn(&Asked) -> bool, after: bool, suspects: usize) {
    let mut scene = Scene::new(name).await;
    scene.kill_at(fits, after);
    scene.app().await;
    scene.killed_and_restarted().await;
    scene.stage.ready("app").await;
    scene.works().await;
    assert_eq!(scene.stage.records().await.len(), 1);
    scene.judge_with(Verdict::default().faults(suspects)).await;
    assert_eq!(scene.stage.suspects().await.len(), suspects);
}

macro_rules! killed {
    ($($name:ident: $step:expr, $after:expr, $suspects:expr;)+) => {
        $(
            #[tokio::test]
            async fn $name() {
                let name = stringify!($name).replace("t01_killed_", "").replace('_', "-");
                killed_in_a_create(&name, $step, $after, $suspects).await;
            }
        )+
    };
}

killed! {
    t01_killed_before_the_dry_run: step::dry_run, false, 0;
    t01_killed_after_the_dry_run: step::dry_run, true, 0;
    t01_killed_before_the_marker: step::object, false, 0;
    t01_killed_after_the_marker: step::object, true, 1;
    t01_killed_before_the_record: step::record, false, 1;
    t01_killed_after_the_record: step::record, true, 0;
    t01_killed_before_the_secret: step::secret, false, 0;
    t01_killed_after_the_secret: step::secret, true, 0;
    t01_killed_before_the_status: step::status, false, 0;
    t01_killed_after_the_status: step::status, true, 0;
}

#[tokio::test]
async fn t01_killed_at_each_step_of_an_update() {
    let options = OidcProviderOptions {
        rotate: true,
        ..OidcProviderOptions::default()
    };
    let before_provider = Proxy::open(false).await.unwrap();
    let site = Site::oidc_provider_behind(&before_provider, options).await.unwrap();
    let mut scene = Scene::with("update", site, |_| {}).await;
    scene.ready_app().await;
    let steps: [fn(&Asked) -> bool; 2] = [step::record_change, step::status];
    for (number, fits) in steps.into_iter().enumerate() {
        for after in [false, true] {
            scene.kill_at(fits, after);
            let path = format!("{number}-{after}");
            scene.stage.apply(&oauth_client("app", &edited(&path))).await;
            scene.killed_and_restarted().await;
            scene.stage.ready("app").await;
            scene.works().await;
        }
    }
    // The PUT itself: before the provider does anything. Afterwards its token would be lost with the answer.
    before_provider.once(|asked| asked.method == "PUT", Action::KillBefore(scene.kill.clone()));
    scene.stage.apply(&oauth_client("app", &edited("put"))).await;
    scene.killed_and_restarted().await;
    scene.stage.ready("app").await;
    scene.judge().await;
}

#[tokio::test]
async fn t01_killed_at_each_step_of_a_repair() {
    let mut scene = Scene::new("repair").await;
    scene.ready_app().await;
    let secret = scene.stage.secret("app").await;
    for after in [false, true] {
        scene.kill_at(step::secret, after);
        scene.stage.kubectl(&["delete", "secret", "app"]).await;
        scene.killed_and_restarted().await;
        let restored = async || (scene.stage.secret("app").await == secret).then_some(());
        eventually("the deleted Secret is back", restored).await;
        scene.kill_at(step::secret_change, after);
        let edit = r#"{"stringData":{"client_secret":"wrong"}}"#;
        scene.stage.kubectl(&["patch", "secret", "app", "-p", edit]).await;
        scene.killed_and_restarted().await;
        let restored = async || (scene.stage.secret("app").await == secret).then_some(());
        eventually("the edited Secret is put right", restored).await;
    }
    assert_eq!(scene.ids().await.len(), 1);
    scene.judge().await;
}

#[tokio::test]
async fn t01_killed_at_each_step_of_a_deletion() {
    let before_provider = Proxy::open(false).await.unwrap();
    let site = Site::oidc_provider_behind(&before_provider, OidcProviderOptions::default());
    let mut scene = Scene::with("deletion", site.await.unwrap(), faster).await;
    let steps: [fn(&Asked) -> bool; 3] = [step::record_change, step::object, step::record_removal];
    for fits in steps {
        for after in [false, true] {
            scene.ready_app().await;
            scene.kill_at(fits, after);
            scene.stage.kubectl(&["delete", "oac", "app", "--wait=false"]).await;
            scene.killed_and_restarted().await;
            scene.stage.gone("app").await;
            scene.stage.no_records().await;
        }
    }
    for after in [false, true] {
        scene.ready_app().await;
        let kill = scene.kill.clone();
        let action = if after {
            Action::KillAfter(kill)
        } else {
            Action::KillBefore(kill)
        };
        before_provider.once(|asked| asked.method == "DELETE", action);
        scene.stage.kubectl(&["delete", "oac", "app", "--wait=false"]).await;
        scene.killed_and_restarted().await;
        scene.stage.gone("app").await;
        scene.stage.no_records().await;
    }
    assert!(scene.ids().await.is_empty());
    // Killed after the DELETE took place, the operator cannot know that it did: the next one is refused, which proves nothing.
    scene.judge_with(Verdict::default().faults(1)).await;
}

/// The kill comes with the registration itself: before the provider does anything, or after, without an answer.
async fn killed_at_the_post(name: &str, applied: bool) {
    let before_provider = Proxy::open(true).await.unwrap();
    let site = Site::oidc_provider_behind(&before_provider, OidcProviderOptions::default());
    let mut scene = Scene::with(name, site.await.unwrap(), |_| {}).await;
    let kill = scene.kill.clone();
    let action = if applied {
        Action::KillAfter(kill)
    } else {
        Action::KillBefore(kill)
    };
    before_provider.once(|asked| asked.method == "POST", action);
    scene.app().await;
    scene.killed_and_restarted().await;
    scene.stage.ready("app").await;
    assert_eq!(
        scene.stage.suspects().await.len(),
        1,
        "a kill at the POST leaves a doubt, and the suspect tells of it"
    );
    assert_eq!(scene.ids().await.len(), if applied { 2 } else { 1 });
    scene.works().await;
    scene.judge_with(Verdict::default().faults(1)).await;
}

#[tokio::test]
async fn t03_killed_before_the_provider_registers() {
    killed_at_the_post("before-post", false).await;
}

#[tokio::test]
async fn t03_killed_after_the_provider_registers() {
    killed_at_the_post("after-post", true).await;
}

/// Losing the operator's whole namespace, records and all, and installing it again registers nothing again.
#[tokio::test]
async fn a_lost_operator_namespace_registers_nothing_again() {
    let site = Site::oidc_provider().await.unwrap();
    let stage = Stage::new("lost-home").await;
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    stage.ready("app").await;
    let (secret, clients) = (stage.secret("app").await, site.clients().await.unwrap());

    stage.operator.kill9().await.unwrap();
    let plane = plane().await;
    plane.delete_namespace(stage.home.name()).await.unwrap();
    let watched = [stage.apps.name().to_owned()];
    let options = testbed::operator::OperatorOptions {
        binary: crate::stage::BINARY.into(),
        manifests: vec![crate::stage::rights(stage.home.name(), &watched).await],
        ..testbed::operator::OperatorOptions::new(stage.home.name(), &watched)
    };
    plane.create_namespace(stage.home.name()).await.unwrap();
    let again = testbed::operator::Operator::start(plane, options).await.unwrap();
    // The app goes on; the loss shows as soon as something has to be done.
    stage
        .apply(&oauth_client("app", &CLIENT.replace("callback", "other")))
        .await;
    let message = stage.failed("app", "RecordLost").await;
    assert!(message.contains("nothing is registered again"), "{message}");
    assert_eq!(
        (stage.secret("app").await, site.clients().await.unwrap()),
        (secret, clients)
    );
    again.stop().await.unwrap();
}

/// A pod's end while a registration is under way, at a provider that takes its time.
#[tokio::test]
async fn t02_a_stop_in_the_middle_of_a_registration_leaves_no_stray() {
    let before_provider = Proxy::open(true).await.unwrap();
    let site = Site::oidc_provider_behind(&before_provider, OidcProviderOptions::default());
    let mut scene = Scene::with("stop", site.await.unwrap(), |_| {}).await;
    let slow = before_provider.once(
        |asked| asked.method == "POST",
        Action::Trickle(std::time::Duration::from_millis(3)),
    );
    scene.app().await;
    scene.met(&slow, 1).await;
    let status = scene.stage.operator.stop().await.unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(scene.stage.records().await.len(), 1, "stored before the process ends");
    scene.stage.operator.restart().await.unwrap();
    scene.stage.ready("app").await;
    assert_eq!(scene.ids().await.len(), 1);
    scene.judge().await;
}

/// A marker is open at the start: with the policy Hold nothing is registered until a person has looked.
#[tokio::test]
async fn t05_an_open_journal_is_held_or_registered_again() {
    let before_provider = Proxy::open(true).await.unwrap();
    let mut site = Site::oidc_provider_behind(&before_provider, OidcProviderOptions::default())
        .await
        .unwrap();
    site.manifests = site
        .manifests
        .replacen("spec:\n", "spec:\n  onUnknownOutcome: Hold\n", 1);
    let mut scene = Scene::with("journal", site, |_| {}).await;
    before_provider.once(|asked| asked.method == "POST", Action::KillBefore(scene.kill.clone()));
    scene.app().await;
    scene.killed_and_restarted().await;
    let message = scene.stage.failed("app", "OutcomeUnknown").await;
    scene
        .judge_with(Verdict::default().faults(1).excuse("OutcomeUnknown"))
        .await;
    assert!(scene.ids().await.is_empty());

    // The message holds the command that resolves it.
    let command = message.split("abandon=").nth(1).unwrap().trim_end_matches('.');
    let attempt = command.split_whitespace().next().unwrap();
    let abandon = format!("oauth-client-operator.dev/abandon={attempt}");
    scene
        .stage
        .kubectl(&["annotate", "--overwrite", "oac", "app", &abandon])
        .await;
    scene.stage.ready("app").await;
    scene.judge_with(Verdict::default().faults(1)).await;
}

/// Twenty kills at moments of their own while six clients are registered.
#[tokio::test]
async fn t06_a_crash_loop_leaves_no_more_strays_than_crashes() {
    const KILLS: usize = 20;
    let before_provider = Proxy::open(true).await.unwrap();
    let site = Site::oidc_provider_behind(&before_provider, OidcProviderOptions::default());
    let mut scene = Scene::with("loop", site.await.unwrap(), |_| {}).await;
    scene.many(6).await;
    for kill in 0..KILLS {
        // Every third kill comes with a POST, the others with a write of the operator.
        if kill % 3 == 0 {
            before_provider.once(|asked| asked.method == "POST", Action::KillAfter(scene.kill.clone()));
        } else {
            scene.proxy.once(
                |asked| asked.is_write() && asked.resource != "leases",
                Action::KillAfter(scene.kill.clone()),
            );
        }
        if scene
            .stage
            .operator
            .ended(std::time::Duration::from_secs(3))
            .await
            .is_err()
        {
            // Nothing is left to be killed at.
            break;
        }
        scene.stage.operator.relaunch().await.unwrap();
    }
    before_provider.clear();
    scene.proxy.clear();
    scene.stage.operator.restart().await.unwrap();
    for number in 0..6 {
        let name = format!("app-{number}");
        let settled = |object: &oauth_client_operator::api::OAuthClient| {
            crate::stage::is(object, "Ready", "True")
                || crate::stage::condition(object, "Ready").is_some_and(|ready| ready.reason == "OutcomeUnknown")
        };
        scene.stage.until(&name, "Ready or in doubt", settled).await;
    }
    assert!(scene.ids().await.len() <= 6 + KILLS);
    let verdict = Verdict::default().faults(KILLS).excuse("OutcomeUnknown");
    scene.judge_with(verdict).await;
}

/// A stop with a registration under way waits for its answer and stores it.
#[tokio::test]
async fn w70_a_stop_in_the_middle_of_a_registration_loses_nothing() {
    let site = Site::scriptable().await.unwrap();
    let double = site.double().unwrap();
    let mut stage = Stage::new("drain").await;
    double.script(|seen| (seen.method == "POST").then_some(Fault::Delay(std::time::Duration::from_secs(3))));
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    eventually("the registration is under way", async || {
        (double.count("POST", "/register") == 1).then_some(())
    })
    .await;
    let status = stage.operator.stop().await.unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(
        stage.records().await.len(),
        1,
        "the answer is recorded before the process ends"
    );
    double.behave();
    stage.operator.restart().await.unwrap();
    stage.ready("app").await;
    assert_eq!(
        (site.clients().await.unwrap().len(), stage.suspects().await.len()),
        (1, 0)
    );
    assert_eq!(double.count("POST", "/register"), 1);
}
