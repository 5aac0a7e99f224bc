//! What is known of initial access tokens outlives the operator that found it out.

use serde_json::json;
use testbed::providers::{Fault, Persona, Reply, ScriptableProvider};
use testbed::site::{consented, oauth_client, oauth_provider};

use crate::scene::CLIENT;
use crate::stage::{Stage, eventually};

#[tokio::test]
async fn t263_a_refused_token_is_not_sent_again_by_the_next_operator() {
    let mut stage = Stage::new("t263").await;
    let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
    double.script(|seen| {
        let refused = seen.method == "POST" && seen.bearer() == Some("t0ken-that-is-used-up");
        refused.then(|| Fault::Answer(Reply::json(401, &json!({"error": "invalid_token"}))))
    });
    let spec = format!(
        "issuer: {}\nregistrationAuth:\n  bearer:\n    secretRef: {{name: first}}\n    additionalSecretRefs: [{{name: second}}]",
        double.url()
    );
    let first = consented("first", double.url(), &[("token", "t0ken-that-is-used-up")]);
    let second = consented("second", double.url(), &[("token", "t0ken-that-lasts")]);
    stage.apply(&(first + &second + &oauth_provider(&spec))).await;
    stage.apply(&oauth_client("one", CLIENT)).await;
    stage.ready("one").await;
    let states = async |stage: &Stage| {
        let object = stage.providers().get("provider").await.unwrap();
        let tokens = object.status.unwrap_or_default().registration_tokens;
        tokens.iter().map(|token| token.state.as_str()).collect::<Vec<_>>()
    };
    eventually("the refused token is reported", async || {
        (states(&stage).await == ["Refused", "InUse"]).then_some(())
    })
    .await;

    stage.operator.restart().await.unwrap();
    stage.apply(&oauth_client("two", CLIENT)).await;
    stage.ready("two").await;
    assert_eq!(states(&stage).await, ["Refused", "InUse"]);
    let refused = double.seen().into_iter();
    let refused = refused.filter(|seen| seen.method == "POST" && seen.bearer() == Some("t0ken-that-is-used-up"));
    assert_eq!(refused.count(), 1);
    assert_eq!(double.clients().len(), 2);
}
