//! Answers that would move a client to another identifier, origin or issuer, or take it for lost.

use std::time::Duration;

use serde_json::json;
use testbed::providers::{Fault, Persona, Reply, ScriptableProvider};

use super::case;
use super::case::is_stalled;
use super::management::{answer, judge};
use crate::stage::eventually;

#[test]
fn w48_another_identifier_in_an_answer_is_a_hard_stop() {
    case("w48", async |case| {
        let double = case.double().await;
        let secret = case.ready_app("", "one").await;
        answer(
            &double,
            Reply::json(
                200,
                &json!({
                    "client_id": "another", "client_secret": "secret-of-another", "registration_access_token": "token-of-another",
                }),
            ),
        );
        case.app("", "two").await;
        let message = case.failed("", "InvalidResponse").await;
        assert!(message.contains("another client_id"), "{message}");
        assert_eq!(case.secret("").await, Some(secret));
        // The failures' own timer rings every few seconds here.
        tokio::time::sleep(Duration::from_secs(7)).await;
        assert_eq!(double.count("PUT", ""), 1);
        assert_ne!(case.record("").await["registrationAccessToken"], "token-of-another");
        double.behave();
        case.ready_app("", "three").await;
        judge(case, &double, &[]).await;
    });
}

#[test]
fn w49_a_client_stays_at_its_origin() {
    case("w49", async |case| {
        let double = case.double().await;
        let secret = case.ready_app("", "one").await;
        let home = case.record("").await["registrationClientUri"].clone();
        let moved = |uri: &str| {
            Reply::json(
                200,
                &json!({
                    "client_id": secret["client_id"], "registration_client_uri": uri, "registration_access_token": "moved-token",
                }),
            )
        };
        answer(&double, moved("http://127.0.0.2:1/register/x"));
        case.ready_app("", "two").await;
        let record = case.record("").await;
        assert_eq!(record["registrationClientUri"], home);
        assert_eq!(record["registrationAccessToken"], "moved-token");
        let same = format!("{}/elsewhere/x/?y=%20", double.url());
        answer(&double, moved(&same));
        case.ready_app("", "three").await;
        assert_eq!(case.record("").await["registrationClientUri"], same.as_str());
    });
}

/// A client that was registered at a URI which is not allowed is kept, and can be let go as soon as the origin is allowed.
#[test]
fn w49_an_origin_that_is_allowed_later_is_enough() {
    case("w49b", async |case| {
        let (double, elsewhere) = (
            case.double().await,
            ScriptableProvider::start(Persona::Plain).await.unwrap(),
        );
        let uri = format!("{}/register/x", elsewhere.url());
        let issued = json!({
            "client_id": "x", "client_secret": "secret-of-x", "registration_access_token": "token-of-x", "registration_client_uri": uri,
        });
        double.script(move |seen| (seen.method == "POST").then(|| Fault::Answer(Reply::json(201, &issued))));
        elsewhere.script(|seen| (seen.method == "DELETE").then(|| Fault::Answer(Reply::empty(204))));
        case.ready_app("", "one").await;
        case.delete("").await;
        let message = case.told("", "Ready", "not deregistered yet").await;
        assert!(
            message.contains(elsewhere.url()) && message.contains("spec.endpoints.allowedOrigins"),
            "{message}"
        );
        assert!(elsewhere.seen().is_empty());
        case.provider(json!({"issuer": double.url(), "endpoints": {"allowedOrigins": [elsewhere.url()]}}))
            .await;
        case.gone("").await;
        assert_eq!(elsewhere.seen()[0].bearer(), Some("token-of-x"));
        assert!(case.suspects().await.is_empty());
    });
}

/// A provider that answers 404 for what it does not offer. The read that tells so may issue a new token, which counts.
#[test]
fn w33_a_token_that_a_read_rotates_is_stored() {
    case("w33", async |case| {
        let double = case.double().await;
        case.ready_app("", "one").await;
        double.rotate_on_read(true);
        answer(&double, Reply::text(404, "text/plain", "Not Found"));
        case.app("", "two").await;
        case.failed("", "UpdateUnsupported").await;
        assert!(is_stalled(&case.stage.oauth_client("w33").await));
        assert_eq!((double.count("PUT", ""), double.count("GET", "")), (1, 2));
        double.behave();
        case.ready_app("", "three").await;
        judge(case, &double, &[]).await;
    });
}

/// What the provider object leads to now is another provider. The client stays where it was registered.
#[test]
fn w67_a_client_stays_with_its_issuer() {
    case("w67", async |case| {
        let (first, second) = (
            case.double().await,
            ScriptableProvider::start(Persona::Plain).await.unwrap(),
        );
        let secret = case.ready_app("", "one").await;
        case.provider(json!({"issuer": second.url()})).await;
        case.provider_ready().await;
        case.app("", "two").await;
        let message = case.failed("", "ProviderChanged").await;
        assert!(
            message.contains(first.url()) && message.contains(second.url()),
            "{message}"
        );
        assert_eq!(case.secret("").await, Some(secret));
        assert!(second.seen().iter().all(|seen| seen.method == "GET"));
        assert_eq!((first.count("PUT", ""), first.count("DELETE", "")), (0, 0));
        case.delete("").await;
        case.gone("").await;
        assert!(first.clients().is_empty());
        assert!(second.seen().iter().all(|seen| seen.bearer().is_none()));
    });
}

/// A token that no longer works is no client that is gone.
#[test]
fn t58_a_token_that_is_refused_changes_nothing_for_the_application() {
    case("t58", async |case| {
        let double = case.double().await;
        let secret = case.ready_app("", "one").await;
        double.script(|seen| {
            seen.path
                .starts_with("/register/")
                .then(|| Fault::Answer(Reply::empty(401)))
        });
        case.app("", "two").await;
        case.failed("", "ManagementLost").await;
        assert_eq!(case.secret("").await, Some(secret));
        assert_eq!(double.count("POST", "/register"), 1);
        double.behave();
        eventually("the change arrives by itself", async || {
            let clients = double.clients();
            let client = clients.values().next()?;
            (client["redirect_uris"] == json!(["https://app.example/two"])).then_some(())
        })
        .await;
        case.ready("").await;
        judge(case, &double, &[]).await;
    });
}

/// An update that is answered with other metadata is done, whatever it says.
#[test]
fn t59_an_update_that_is_answered_with_other_metadata_is_one() {
    case("t59", async |case| {
        let double = case.double().await;
        let secret = case.ready_app("", "one").await;
        answer(
            &double,
            Reply::json(
                200,
                &json!({
                    "client_id": [secret["client_id"]], "redirect_uris": ["https://elsewhere.example/"], "contacts": null,
                    "token_endpoint_auth_method": ["client_secret_basic"], "grant_types": "authorization_code", "x": {"y": []},
                }),
            ),
        );
        assert_eq!(case.ready_app("", "two").await, secret);
        for round in 0..3 {
            case.look_again("", &round.to_string()).await;
            case.ready("").await;
        }
        assert_eq!(double.count("PUT", ""), 1);
    });
}
