//! A real provider that trusts the ServiceAccount tokens of a cluster.

use serde_json::{Value, json};
use testbed::providers::{Fault, Keycloak, Persona, Reply, ScriptableProvider};

use super::Pod;

/// Keycloak verifies the token by the public keys of the API server and maps its subject to a client. The double only serves these keys.
#[tokio::test]
async fn t268_keycloak_accepts_the_token_of_the_service_account_as_client_assertion() {
    let realm = Keycloak::shared().await.unwrap().realm("cluster").await.unwrap();
    let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
    let pod = Pod::of(double, realm.issuer()).await;
    let keys: Value = serde_json::from_str(&pod.kubectl(&["get", "--raw", "/openid/v1/jwks"], "").await).unwrap();
    pod.double
        .script(move |seen| (seen.path == "/keys").then(|| Fault::Answer(Reply::json(200, &keys))));
    let (jwks_url, issuer) = (format!("{}/keys", pod.double.url()), "https://kubernetes.default.svc");
    let subject = "system:serviceaccount:system:oauth-client-operator";
    let by_assertion = json!({
        "profile": "keycloak", "management": {"mode": "Credentials"},
        "registrationAuth": {"serviceAccountToken": {"usage": "ClientAssertion"}},
    });

    let token = pod.renew(&realm.issuer()).await;
    pod.provider(&by_assertion).await;
    pod.client("one").await;
    let message = pod.failed(&["-n", "shop", "oac", "one"], "CredentialsRejected").await;
    assert!(
        message.contains("serviceAccountToken") && !message.contains(&token),
        "{message}"
    );
    assert!(realm.clients().await.unwrap().is_empty());

    realm
        .service_account_of_cluster(&["manage-clients"], subject, issuer, &jwks_url)
        .await
        .unwrap();
    pod.ready("one").await;
    assert_eq!(realm.clients().await.unwrap().len(), 1);
    pod.kubectl(&["-n", "shop", "delete", "oac", "one", "--timeout=60s"], "")
        .await;
    assert!(realm.clients().await.unwrap().is_empty());
    assert!(!pod.operator.log().contains(&token));
}
