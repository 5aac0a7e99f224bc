//! What the installer lets OAuthProviders reach, and what becomes of clients when that changes.

use serde_json::json;
use testbed::operator::{Operator, OperatorOptions};
use testbed::providers::{Persona, ScriptableProvider};
use testbed::site::oauth_client;

use crate::api_server::faster;
use crate::scene::{CLIENT, edited};
use crate::stage::{BINARY, Stage, eventually, options, plane};

impl Stage {
    /// An OAuthProvider, once it is not Ready for this reason: the message.
    async fn provider_denied(&self, name: &str, issuer: &str, reason: &str) -> String {
        self.apply_provider(name, issuer).await;
        eventually(&format!("provider {name} fails with {reason}"), async || {
            let status = self.providers().get(name).await.unwrap().status?;
            let ready = status
                .conditions
                .into_iter()
                .find(|condition| condition.type_ == "Ready")?;
            (ready.status == "False" && ready.reason == reason).then_some(ready.message)
        })
        .await
    }

    async fn apply_provider(&self, name: &str, issuer: &str) {
        let manifest = json!({
            "apiVersion": "oauth-client-operator.dev/v1alpha1",
            "kind": "OAuthProvider",
            "metadata": {"name": name},
            "spec": {"issuer": issuer},
        });
        self.apply(&manifest.to_string()).await;
    }

    /// The same stage with an operator that has other flags.
    async fn restarted(mut self, args: &[&str]) -> Self {
        self.operator.stop().await.unwrap();
        let options = options(&self.home, &self.apps).await;
        self.operator = Operator::start(plane().await, with(options, args)).await.unwrap();
        self
    }
}

fn with(mut options: OperatorOptions, args: &[&str]) -> OperatorOptions {
    faster(&mut options);
    options.args.extend(args.iter().map(|&arg| arg.to_owned()));
    options
}

#[tokio::test]
async fn t297_oauth_providers_reach_only_what_the_installer_lists() {
    let listed = ScriptableProvider::start(Persona::Plain).await.unwrap();
    let other = ScriptableProvider::start(Persona::Plain).await.unwrap();
    let origins = format!("--namespaced-provider-origins={}", listed.url());
    let args = ["--namespaced-providers=AllowList", &origins];
    let stage = Stage::with("allow-list", |options| {
        *options = with(options.clone(), &args);
    })
    .await;
    stage.apply_provider("provider", listed.url()).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    let id = stage.ready("app").await.status.unwrap().client_id.unwrap();
    let message = stage.provider_denied("other", other.url(), "OriginNotAllowed").await;
    assert!(
        message.contains(other.url()) && message.contains("--namespaced-provider-origins"),
        "{message}"
    );
    assert!(other.seen().is_empty(), "nothing is sent there");

    // No address of the listed provider is in this range.
    let stage = stage
        .restarted(&[
            "--namespaced-providers=AllowList",
            "--namespaced-provider-cidrs=192.0.2.0/24",
        ])
        .await;
    let before = listed.seen().len();
    let message = stage.provider_denied("provider", listed.url(), "AddressRefused").await;
    assert!(message.contains("--namespaced-provider-cidrs"), "{message}");

    let stage = stage.restarted(&["--namespaced-providers=Disabled"]).await;
    let message = stage
        .provider_denied("provider", listed.url(), "OriginNotAllowed")
        .await;
    assert!(message.contains("ClusterOAuthProvider"), "{message}");
    stage.apply(&oauth_client("app", &edited("two"))).await;
    stage.failed("app", "OriginNotAllowed").await;
    assert!(stage.secret("app").await.is_some(), "the application goes on");
    // A deletion ends, and the client that lives on is named.
    let timeout = json!({"spec": {"deletionTimeout": "60s"}}).to_string();
    stage
        .kubectl(&["patch", "oac", "app", "--type=merge", "-p", &timeout])
        .await;
    stage.kubectl(&["delete", "oac", "app", "--wait=false"]).await;
    stage.gone("app").await;
    let message = stage.warned("app", "DeletionBlocked").await;
    assert!(message.contains("--namespaced-providers"), "{message}");
    assert_eq!(stage.records().await.len() + stage.suspects().await.len(), 1);
    assert_eq!(listed.seen().len(), before, "nothing is sent");
    assert!(listed.clients().contains_key(&id));

    // Allowed again, the client is deregistered.
    let stage = stage.restarted(&[]).await;
    stage.no_records().await;
    assert!(stage.suspects().await.is_empty());
    assert!(listed.clients().is_empty());
}

#[tokio::test]
async fn t297_lists_that_cannot_be_read_end_the_start_with_the_flag_named() {
    for (args, part) in [
        (
            vec!["--namespaced-providers=AllowList"],
            "--namespaced-provider-cidrs or both",
        ),
        (
            vec![
                "--namespaced-providers=AllowList",
                "--namespaced-provider-origins=sso.example",
            ],
            "https://host",
        ),
        (
            vec!["--namespaced-provider-cidrs=10.0.0.0/8"],
            "--namespaced-providers=AllowList",
        ),
    ] {
        let output = tokio::process::Command::new(BINARY)
            .args(["run", "--operator-namespace=somewhere"])
            .args(&args)
            .output()
            .await
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(part), "{args:?}: {text}");
    }
}
