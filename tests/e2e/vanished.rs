//! The provider object and its credentials go before the clients, as `kubectl delete -f`, `helm uninstall` and the deletion of a
//! namespace do it.

use testbed::operator::{Operator, OperatorOptions};
use testbed::providers::{Fault, Reply, Seen};
use testbed::site::{Site, oauth_client};

use crate::stage::{Stage, Unmanned, eventually, lasting_rights, plane};

const CLIENT: &str = "clientName: app\nredirectURIs: ['https://app.example/callback']";
/// How many times as fast the operator lives: four minutes take eight seconds.
const SCALE: &str = "--time-scale=30";
/// What the log says each time that a process has read a provider's credentials in order to keep them.
const KEPT: &str = "credentials kept for deregistrations";

/// Providers that are managed with credentials of the provider object, with the client's own token, and a real one of each.
async fn sites(realm: &str) -> Vec<(&'static str, Site)> {
    vec![
        ("wso2", Site::wso2_v1_1().await.unwrap()),
        ("plain", Site::scriptable().await.unwrap()),
        ("oidc", Site::oidc_provider().await.unwrap()),
        (
            "keycloak",
            Site::keycloak_with_service_account(realm, None).await.unwrap(),
        ),
    ]
}

/// A namespace with one client, Ready.
async fn with_client(name: &str, site: &Site) -> Stage {
    let stage = Stage::with(name, |options| options.args.push(SCALE.to_owned())).await;
    one_client(&stage, site).await;
    stage
}

async fn one_client(stage: &Stage, site: &Site) {
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    stage.ready("app").await;
    assert_eq!(site.clients().await.unwrap().len(), 1);
}

/// Waits until a process has read the provider's credentials so many times in order to keep them.
async fn kept(operator: &Operator, times: usize) {
    eventually("the credentials are kept", async || {
        (operator.log().matches(KEPT).count() >= times).then_some(())
    })
    .await;
}

/// `kubectl delete -f` of one file that holds Secret, provider and client, in the order of their dependencies. It waits for each.
async fn delete_file(stage: &Stage, site: &Site) {
    let file = [site.manifests.as_str(), &oauth_client("app", CLIENT)].concat();
    let args = ["-n", stage.apps.name(), "delete", "--timeout=60s", "-f", "-"];
    plane()
        .await
        .kubectl_with(&args, &file)
        .await
        .unwrap()
        .stdout()
        .unwrap_or_else(|error| panic!("{error}\n{}", stage.operator.log()));
}

async fn deregistered(stage: &Stage, site: &Site) {
    assert!(
        site.clients().await.unwrap().is_empty(),
        "a client is left\n{}",
        stage.operator.log()
    );
    stage.no_records().await;
    assert!(stage.suspects().await.is_empty());
}

#[tokio::test]
async fn t140_clients_are_deregistered_when_one_file_with_their_provider_is_deleted() {
    for (name, site) in sites("vanished-file").await {
        let stage = with_client(&format!("file-{name}"), &site).await;
        delete_file(&stage, &site).await;
        deregistered(&stage, &site).await;
    }
}

#[tokio::test]
async fn t140_clients_are_deregistered_when_their_namespace_is_deleted_with_their_provider() {
    for (name, site) in sites("vanished-namespace").await {
        let unmanned = Unmanned::new(&format!("space-{name}")).await;
        let mut options = unmanned.options().await;
        // The Role of the namespace may be collected before its clients are let go.
        options.manifests = vec![lasting_rights(unmanned.home.name(), &options.namespaces).await];
        let stage = unmanned.man(options).await;
        one_client(&stage, &site).await;
        plane().await.delete_namespace(stage.apps.name()).await.unwrap();
        deregistered(&stage, &site).await;
    }
}

#[tokio::test]
async fn t141_an_operator_that_was_started_again_deregisters_with_credentials_that_vanish() {
    for (name, site) in sites("vanished-restart").await {
        let mut stage = with_client(&format!("restart-{name}"), &site).await;
        let times = stage.operator.log().matches(KEPT).count();
        stage.operator.kill9().await.unwrap();
        stage.operator.restart().await.unwrap();
        if times > 0 {
            kept(&stage.operator, times + 1).await;
        }
        delete_file(&stage, &site).await;
        deregistered(&stage, &site).await;
    }
}

/// The Secret goes while the one replica leads, and the other deregisters the client.
#[tokio::test]
async fn t141_a_standby_that_takes_over_deregisters_with_credentials_that_vanished_before() {
    let site = Site::wso2_v1_1().await.unwrap();
    let unmanned = Unmanned::new("standby").await;
    let options = unmanned.options().await;
    let named = |identity: &str| {
        let mut options: OperatorOptions = options.clone();
        options.args.push(format!("--identity={identity}"));
        options.kill_switch = testbed::process::KillSwitch::default();
        options
    };
    let second = named("second");
    let stage = unmanned.man(named("first")).await;
    one_client(&stage, &site).await;
    let second = Operator::start(plane().await, second).await.unwrap();
    kept(&second, 1).await;
    stage.operator.pause();
    stage
        .kubectl(&["delete", "secret/wso2-admin", "oauthprovider/provider"])
        .await;
    stage.kubectl(&["delete", "oac", "app", "--wait=false"]).await;
    stage.operator.kill9().await.unwrap();
    stage.gone("app").await;
    deregistered(&stage, &site).await;
    second.stop().await.unwrap();
}

/// No process has ever read them: they may return until the timeout has passed, and then the client is a suspect.
#[tokio::test]
async fn t141_credentials_that_vanished_while_no_operator_ran_leave_a_suspect_after_the_timeout() {
    let site = Site::wso2_v1_1().await.unwrap();
    let mut stage = with_client("unread", &site).await;
    stage.operator.stop().await.unwrap();
    stage
        .kubectl(&["delete", "secret/wso2-admin", "oauthprovider/provider"])
        .await;
    stage.operator.restart().await.unwrap();
    stage.kubectl(&["delete", "oac", "app", "--wait=false"]).await;
    let message = stage.failed("app", "DeletionBlocked").await;
    assert!(message.contains("does not exist"), "{message}");
    assert!(stage.suspects().await.is_empty(), "the provider object may return");
    stage.gone("app").await;
    assert_eq!(site.clients().await.unwrap().len(), 1);
    assert_eq!(stage.suspects().await.len(), 1);
}

/// They return within the timeout, and the client is deregistered at once.
#[tokio::test]
async fn t141_credentials_that_return_within_the_timeout_end_a_deletion_that_waits_for_them() {
    let site = Site::wso2_v1_1().await.unwrap();
    let mut stage = Stage::new("returned").await;
    one_client(&stage, &site).await;
    stage.operator.stop().await.unwrap();
    stage
        .kubectl(&["delete", "secret/wso2-admin", "oauthprovider/provider"])
        .await;
    stage.operator.restart().await.unwrap();
    stage.kubectl(&["delete", "oac", "app", "--wait=false"]).await;
    stage.failed("app", "DeletionBlocked").await;
    stage.apply(&site.manifests).await;
    stage.gone("app").await;
    deregistered(&stage, &site).await;
}

/// The ways in which an owner withdraws the consent.
const WITHDRAWALS: [(&str, [&str; 3]); 2] = [
    (
        "label",
        [
            "label",
            "secret/wso2-admin",
            "oauth-client-operator.dev/provider-credentials-",
        ],
    ),
    (
        "annotation",
        [
            "annotate",
            "secret/wso2-admin",
            "oauth-client-operator.dev/allowed-origins-",
        ],
    ),
];

/// The client is still there, nobody tried to deregister it, and a suspect names it.
async fn only_suspected(stage: &Stage, site: &Site) {
    stage.gone("app").await;
    assert_eq!(
        (
            site.clients().await.unwrap().len(),
            site.double().unwrap().count("DELETE", "")
        ),
        (1, 0),
        "the credentials were used without consent\n{}",
        stage.operator.log()
    );
    assert_eq!(stage.suspects().await.len(), 1);
}

#[tokio::test]
async fn t142_credentials_whose_consent_is_withdrawn_are_not_used_and_leave_a_suspect_after_the_timeout() {
    for (name, withdraw) in WITHDRAWALS {
        let site = Site::wso2_v1_1().await.unwrap();
        let stage = with_client(&format!("consent-{name}"), &site).await;
        kept(&stage.operator, 1).await;
        stage.kubectl(&withdraw).await;
        stage.kubectl(&["delete", "oac", "app", "--wait=false"]).await;
        let message = stage.failed("app", "DeletionBlocked").await;
        assert!(
            message.contains("kubectl") && message.contains(withdraw[0]),
            "{message}"
        );
        only_suspected(&stage, &site).await;
    }
}

/// What was withdrawn stays withdrawn when the Secret goes afterwards, and also where no provider object is left that uses it.
#[tokio::test]
async fn t142_a_withdrawn_consent_ends_the_keeping_at_once() {
    for (name, withdraw) in WITHDRAWALS {
        for provider_first in [false, true] {
            let site = Site::wso2_v1_1().await.unwrap();
            let stage = with_client(&format!("withdrawn-{name}-{provider_first}"), &site).await;
            kept(&stage.operator, 1).await;
            if provider_first {
                stage.kubectl(&["delete", "oauthprovider/provider"]).await;
            }
            stage.kubectl(&withdraw).await;
            eventually("nothing is kept any more", async || {
                let log = stage.operator.log();
                log.contains("credentials no longer kept").then_some(())
            })
            .await;
            stage.kubectl(&["delete", "secret/wso2-admin"]).await;
            stage.kubectl(&["delete", "oac", "app", "--wait=false"]).await;
            only_suspected(&stage, &site).await;
        }
    }
}

/// The object is let go while its provider is down, and the credentials vanish after it.
#[tokio::test]
async fn t140_a_deletion_that_outlived_its_object_is_finished_with_credentials_that_vanished() {
    let site = Site::wso2_v1_1().await.unwrap();
    let stage = Stage::with("outlived", |options| options.args.push("--time-scale=5".to_owned())).await;
    stage.apply(&site.manifests).await;
    stage
        .apply(&oauth_client("app", &format!("{CLIENT}\ndeletionTimeout: 10s")))
        .await;
    stage.ready("app").await;
    let down = |seen: &Seen| (seen.method == "DELETE").then(|| Fault::Answer(Reply::empty(503)));
    site.double().unwrap().script(down);
    stage.kubectl(&["delete", "oac", "app", "--wait=false"]).await;
    stage.gone("app").await;
    stage
        .kubectl(&["delete", "secret/wso2-admin", "oauthprovider/provider"])
        .await;
    site.double().unwrap().behave();
    stage.no_records().await;
    deregistered(&stage, &site).await;
}
