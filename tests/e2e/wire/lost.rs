//! Clients that a provider has lost, where its provider object says to wait.

use serde_json::json;
use testbed::providers::{Persona, ScriptableProvider};
use testbed::site::consented;

use super::absence::all_are_named;
use super::{Case, Settled, case};

/// Nothing is left but the suspect that names the lost client, whose token nothing accepts.
async fn lost_is_named(case: Case, double: &ScriptableProvider) {
    let settled = Settled {
        ledger: double.clients(),
        doubts: 1,
        ..Settled::default()
    };
    case.judge(settled).await;
}

/// A lost client stays as it is recorded, with its Secret, until its owner asks for another one.
#[test]
fn t202_a_lost_client_is_held_until_its_owner_replaces_it() {
    case("t202", async |case| {
        let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
        case.provider(json!({"issuer": double.url(), "onClientLost": "Hold"}))
            .await;
        let before = case.ready_app("", "one").await;
        let lost = before["client_id"].clone();
        case.ready_app("other", "other").await;
        assert!(double.remove_client(&lost));
        case.app("", "two").await;
        let message = case.failed("", "ClientLost").await;
        let command = format!("oauth-client-operator.dev/replace={lost}");
        for way_out in [command.as_str(), "spec.adopt", "onClientLost: Register"] {
            assert!(message.contains(way_out), "{message}");
        }
        case.told("", "Stalled", &lost).await;
        // Some minutes of the operator's, in which it looks again.
        case.look_again("", "1").await;
        tokio::time::sleep(std::time::Duration::from_secs(10)).await;
        case.failed("", "ClientLost").await;
        assert_eq!(double.count("POST", "/register"), 2, "nothing was registered");
        assert_eq!(case.secret("").await, Some(before));
        assert_eq!(case.record("").await["clientId"], json!(lost));

        case.stage
            .kubectl(&["annotate", "--overwrite", "oauthclient", &case.named(""), &command])
            .await;
        case.ready("").await;
        let after = case.secret("").await.unwrap()["client_id"].clone();
        assert_ne!(after, lost);
        assert_eq!(
            double.clients()[&after]["redirect_uris"],
            json!(["https://app.example/two"])
        );
        assert_eq!(double.count("POST", "/register"), 3);
        lost_is_named(case, &double).await;
    });
}

/// Whoever changes the provider object back has its lost clients registered again, and one that was restored is used again.
#[test]
fn t202_a_held_client_follows_the_provider_object_and_the_provider() {
    case("t202b", async |case| {
        let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
        case.provider(json!({"issuer": double.url(), "onClientLost": "Hold"}))
            .await;
        let lost = case.ready_app("", "one").await["client_id"].clone();
        let restored = case.ready_app("restored", "one").await["client_id"].clone();
        case.ready_app("other", "other").await;
        let backup = double.registration_of(&restored);
        assert!(double.remove_client(&lost) && double.remove_client(&restored));
        case.app("", "two").await;
        case.app("restored", "two").await;
        case.failed("", "ClientLost").await;
        case.failed("restored", "ClientLost").await;

        double.restore_client(&backup);
        case.look_again("restored", "1").await;
        case.ready("restored").await;
        assert_eq!(case.secret("restored").await.unwrap()["client_id"], restored);
        assert_eq!(
            double.clients()[&restored]["redirect_uris"],
            json!(["https://app.example/two"])
        );

        case.provider(json!({"issuer": double.url(), "onClientLost": "Register"}))
            .await;
        case.ready("").await;
        assert_ne!(case.secret("").await.unwrap()["client_id"], lost);
        assert_eq!(double.count("POST", "/register"), 4);
        lost_is_named(case, &double).await;
    });
}

/// A client that was restored with another registration access token is taken over again, with the Secret that is there.
#[test]
fn t202_a_held_client_is_adopted_with_the_token_that_it_was_restored_with() {
    case("t202c", async |case| {
        let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
        case.provider(json!({"issuer": double.url(), "onClientLost": "Hold"}))
            .await;
        let before = case.ready_app("", "one").await;
        let lost = before["client_id"].clone();
        case.ready_app("other", "other").await;
        let mut backup = double.registration_of(&lost);
        assert!(double.remove_client(&lost));
        case.app("", "two").await;
        case.failed("", "ClientLost").await;

        backup["registration_access_token"] = json!("token-after-the-restore");
        double.restore_client(&backup);
        let secret = consented("t202c-token", double.url(), &[("token", "token-after-the-restore")]);
        case.stage.apply(&secret).await;
        let adopt = json!({"registrationAccessTokenRef": {"name": "t202c-token"}});
        let spec = json!({"redirectURIs": ["https://app.example/two"], "adopt": adopt});
        case.client("", spec).await;
        case.ready("").await;
        assert_eq!(case.secret("").await, Some(before));
        assert_eq!(
            double.clients()[&lost]["redirect_uris"],
            json!(["https://app.example/two"])
        );
        assert_eq!(double.count("POST", "/register"), 2);
        all_are_named(case, &double, &[]).await;
    });
}
