//! An `OAuthClient` in the namespace where the operator keeps its records.

use kube::Api;
use oauth_client_operator::api::OAuthClient;
use testbed::operator::{Operator, OperatorOptions};
use testbed::providers::{Persona, ScriptableProvider};
use testbed::site::{oauth_client, oauth_provider};

use crate::scene::CLIENT;
use crate::stage::{BINARY, condition, eventually, plane, rights};

#[tokio::test]
async fn t221_the_operators_own_namespace_is_served_only_with_the_flag() {
    let plane = plane().await;
    let home = plane.namespace("own-namespace").await.unwrap();
    let watched = [home.name().to_owned()];
    let mut options = OperatorOptions {
        binary: BINARY.into(),
        // The chart grants nothing for its own namespace alone.
        manifests: vec![rights(home.name(), &[]).await],
        ..OperatorOptions::new(home.name(), &watched)
    };
    let clients: Api<OAuthClient> = Api::namespaced(plane.client().unwrap(), home.name());
    let until = async |reason: &str| {
        eventually(reason, async || {
            let object = clients.get("app").await.unwrap();
            let ready = condition(&object, "Ready")?;
            (ready.reason == reason).then(|| ready.message.clone())
        })
        .await
    };
    let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
    let provider = oauth_provider(&format!("issuer: {}", double.url()));
    home.apply(&(provider + &oauth_client("app", CLIENT))).await.unwrap();

    let operator = Operator::start(plane, options.clone()).await.unwrap();
    let message = until("NamespaceNotAllowed").await;
    assert!(message.contains("--allow-same-namespace"), "{message}");
    assert_eq!(double.count("POST", "/register"), 0);
    operator.stop().await.unwrap();

    options.args.push("--allow-same-namespace".to_owned());
    let operator = Operator::start(plane, options).await.unwrap();
    until("Registered").await;
    assert_eq!(double.clients().len(), 1);
    let delete = ["delete", "oac", "app", "--timeout=60s"];
    home.kubectl(&delete).await.unwrap().stdout().unwrap();
    assert!(double.clients().is_empty());
    operator.stop().await.unwrap();
}
