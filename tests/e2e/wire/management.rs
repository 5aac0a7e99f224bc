//! Changes of registered clients: what is sent, what every answer does to the credentials, and what ends it.

mod calls;

use serde_json::{Value, json};
use testbed::providers::{
    Fault, OidcFault, OidcFaultKind, OidcProvider, OidcProviderOptions, Reply, ScriptableProvider, Seen,
};

use super::case::app;
use super::{Case, Settled, case};
use crate::stage::eventually;

pub fn is_put(seen: &Seen) -> bool {
    seen.method == "PUT"
}

/// From now on updates are answered so.
pub fn answer(double: &ScriptableProvider, reply: Reply) {
    double.script(move |seen| is_put(seen).then(|| Fault::Answer(reply.clone())));
}

/// A fault of so many updates.
fn of_updates(times: u32, kind: OidcFaultKind) -> OidcFault {
    OidcFault {
        method: Some("PUT".to_owned()),
        path: "/reg/".to_owned(),
        times,
        kind,
    }
}

async fn rotating() -> OidcProvider {
    let options = OidcProviderOptions {
        rotate: true,
        ..OidcProviderOptions::default()
    };
    OidcProvider::start(options).await.unwrap()
}

async fn judge_at(case: Case, provider: &OidcProvider) {
    case.judge(Settled {
        ledger: provider.clients().await.unwrap(),
        ..Settled::default()
    })
    .await;
}

pub async fn judge(case: Case, double: &ScriptableProvider, excuses: &'static [&'static str]) {
    case.judge(Settled {
        ledger: double.clients(),
        excuses,
        ..Settled::default()
    })
    .await;
}

#[test]
fn w40_an_update_holds_the_wish_the_identifier_and_nothing_that_is_forbidden() {
    case("w40", async |case| {
        let double = case.double().await;
        let secret = case.ready_app("", "one").await;
        case.ready_app("", "two").await;
        let put = double.seen().into_iter().find(is_put).unwrap().json();
        let members: Vec<&String> = put.as_object().unwrap().keys().collect();
        assert_eq!(
            members,
            [
                "application_type",
                "client_id",
                "client_name",
                "grant_types",
                "redirect_uris",
                "response_types",
                "token_endpoint_auth_method",
            ]
        );
        assert_eq!(put["client_id"], secret["client_id"].as_str());

        // A provider that demands the secret gets it, once it has said so.
        double.script(|seen| {
            let bare = is_put(seen) && seen.json()["client_secret"].is_null();
            let text = json!({"error": "invalid_request", "error_description": "client_secret must be presented"});
            bare.then(|| Fault::Answer(Reply::json(400, &text)))
        });
        let before = double.count("PUT", "");
        case.ready_app("", "three").await;
        assert_eq!(double.count("PUT", "") - before, 2);
        let last = double.seen().into_iter().rfind(is_put).unwrap().json();
        assert_eq!(last["client_secret"], secret["client_secret"].as_str());

        // One that demands it and refuses it gets no third try.
        answer(
            &double,
            Reply::json(
                403,
                &json!({"error": "forbidden", "error_description": "client_secret is bad"}),
            ),
        );
        let before = double.count("PUT", "");
        case.app("", "four").await;
        case.failed("", "CredentialsRejected").await;
        assert_eq!(double.count("PUT", "") - before, 2);
        double.behave();
        case.app("", "five").await;
        case.ready("").await;
        judge(case, &double, &[]).await;
    });
}

/// What is left out of an update is gone at a provider that keeps to the specification.
#[test]
fn w41_a_member_that_is_removed_from_the_manifest_is_gone() {
    case("w41", async |case| {
        let provider = rotating().await;
        case.provider(json!({"issuer": provider.issuer()})).await;
        let mut spec = app("one");
        spec["contacts"] = json!(["ops@example.com"]);
        spec["logoURI"] = json!("https://app.example/logo");
        case.client("", spec).await;
        case.ready("").await;
        let only = async || provider.clients().await.unwrap().into_values().next().unwrap();
        assert_eq!(only().await["contacts"], json!(["ops@example.com"]));
        case.ready_app("", "one").await;
        assert!(
            only().await.get("contacts").is_none_or(Value::is_null),
            "{}",
            only().await
        );
        assert!(only().await.get("logo_uri").is_none_or(Value::is_null));
        judge_at(case, &provider).await;
    });
}

#[test]
fn w42_a_rotated_token_is_used_and_the_old_one_never_again() {
    case("w42", async |case| {
        let provider = rotating().await;
        case.provider(json!({"issuer": provider.issuer()})).await;
        let secret = case.ready_app("", "0").await;
        for round in 1..5 {
            let token = case.record("").await["registrationAccessToken"].clone();
            assert_eq!(case.ready_app("", &round.to_string()).await, secret);
            assert_ne!(case.record("").await["registrationAccessToken"], token);
        }
        case.delete("").await;
        case.gone("").await;
        let requests = provider.requests().await.unwrap();
        assert!(
            requests
                .iter()
                .filter(|request| request.path.starts_with("/reg"))
                .all(|request| request.status < 400),
            "{requests:#?}"
        );
        assert!(provider.clients().await.unwrap().is_empty() && case.suspects().await.is_empty());
    });
}

#[test]
fn w43_a_rotated_secret_is_published_as_a_whole() {
    case("w43", async |case| {
        let double = case.double().await;
        let before = case.ready_app("", "one").await;
        double.rotate_secret(true);
        double.rotate(true);
        let after = case.ready_app("", "two").await;
        assert_ne!(before["client_secret"], after["client_secret"]);
        assert_eq!(before["client_id"], after["client_id"]);
        double
            .token(&after["client_id"], &after["client_secret"])
            .await
            .unwrap();
        judge(case, &double, &[]).await;

        // A real provider that issues one as the method asks for it.
        let provider = rotating().await;
        case.provider(json!({"issuer": provider.issuer()})).await;
        let key = json!({"keys": [{
            "kty": "EC", "crv": "P-256", "use": "sig", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        }]});
        let mut spec = app("keys");
        spec["tokenEndpointAuthMethod"] = json!("private_key_jwt");
        spec["jwks"] = key;
        case.client("real", spec).await;
        case.ready("real").await;
        assert_eq!(case.secret("real").await.unwrap().get("client_secret"), None);
        let secret = case.ready_app("real", "secret").await;
        provider
            .token(&secret["client_id"], &secret["client_secret"])
            .await
            .unwrap();
    });
}

#[test]
fn w44_a_refused_update_is_one_put_and_leaves_everything_as_it_was() {
    case("w44", async |case| {
        let provider = rotating().await;
        case.provider(json!({"issuer": provider.issuer()})).await;
        let secret = case.ready_app("", "one").await;
        let token = case.record("").await["registrationAccessToken"].clone();
        let mut bad = app("two");
        bad["scopes"] = json!(["openid", "nosuch"]);
        case.client("", bad).await;
        let message = case.failed("", "UpdateRejected").await;
        assert!(message.contains("invalid_client_metadata"), "{message}");
        // The failures' own timer would ring every few seconds here.
        tokio::time::sleep(std::time::Duration::from_secs(4)).await;
        assert_eq!(case.secret("").await, Some(secret.clone()));
        let record = case.record("").await;
        assert_eq!(record["registrationAccessToken"], token);
        assert!(record["inFlight"].is_null(), "{record}");
        case.ready_app("", "three").await;
        let requests = provider.requests().await.unwrap();
        let puts: Vec<u16> = requests
            .iter()
            .filter(|request| request.method == "PUT")
            .map(|r| r.status)
            .collect();
        assert_eq!(puts, [400, 200]);
        judge_at(case, &provider).await;
    });
}

/// The token is lost, not the client: nothing is registered again, and the application goes on.
#[test]
fn w45_an_update_whose_answer_is_lost_with_its_new_token_registers_nothing() {
    case("w45", async |case| {
        let provider = rotating().await;
        case.provider(json!({"issuer": provider.issuer()})).await;
        let secret = case.ready_app("", "one").await;
        let lost = of_updates(1, OidcFaultKind::LoseAnswer);
        provider.faults(&[lost]).await.unwrap();
        case.app("", "two").await;
        let message = case.failed("", "ManagementLost").await;
        assert!(message.contains("its Secret are left as they are"), "{message}");
        assert_eq!(case.secret("").await, Some(secret.clone()));
        provider
            .token(&secret["client_id"], &secret["client_secret"])
            .await
            .unwrap();
        let requests = provider.requests().await.unwrap();
        assert_eq!(
            requests
                .iter()
                .filter(|request| request.method == "POST" && request.path == "/reg")
                .count(),
            1
        );
        // What is in doubt is not taken for gone.
        assert!(case.record("").await["inFlight"].is_object());
    });
}

/// Where nothing is rotated the same update is sent once more.
#[test]
fn w45_an_update_whose_answer_is_lost_is_repeated() {
    case("w45b", async |case| {
        let provider = OidcProvider::start(OidcProviderOptions::default()).await.unwrap();
        case.provider(json!({"issuer": provider.issuer()})).await;
        case.ready_app("", "one").await;
        let lost = |kind| of_updates(1, kind);
        provider
            .faults(&[lost(OidcFaultKind::LoseAnswer), lost(OidcFaultKind::LoseRequest)])
            .await
            .unwrap();
        case.ready_app("", "two").await;
        judge_at(case, &provider).await;
    });
}

/// The answer is the only copy of the client's credentials then.
#[test]
fn a_record_that_goes_while_an_update_is_under_way_is_written_again() {
    case("unrecorded", async |case| {
        let provider = rotating().await;
        case.provider(json!({"issuer": provider.issuer()})).await;
        case.ready_app("", "one").await;
        let slow = of_updates(1, OidcFaultKind::Delay { ms: 1500 });
        provider.faults(&[slow]).await.unwrap();
        case.app("", "two").await;
        eventually("an update is under way", async || {
            case.record("").await["inFlight"].is_object().then_some(())
        })
        .await;
        case.lose_record().await;
        case.ready("").await;
        // What was rotated meanwhile is in it, or this one would fail.
        case.ready_app("", "three").await;
        assert_eq!(provider.clients().await.unwrap().len(), 1);
        judge_at(case, &provider).await;
    });
}

/// Asked twice, a minute apart, the token endpoint does not know it: only then is it registered anew, and all promises hold.
#[test]
fn w56_a_client_that_disappeared_is_registered_anew_after_a_second_look() {
    case("w56", async |case| {
        let provider = OidcProvider::start(OidcProviderOptions::default()).await.unwrap();
        case.provider(json!({"issuer": provider.issuer()})).await;
        let before = case.ready_app("", "one").await;
        // Another client, which is accepted meanwhile.
        case.ready_app("other", "other").await;
        assert!(provider.remove_client(&before["client_id"]).await.unwrap());
        case.app("", "two").await;
        case.told("", "Reconciling", "no longer knows this client").await;
        case.ready("").await;
        let after = case.secret("").await.unwrap();
        assert_ne!(after["client_id"], before["client_id"]);
        let asked = provider.requests().await.unwrap();
        let posts = asked.iter().filter(|r| r.method == "POST" && r.path == "/reg");
        assert_eq!(posts.count(), 3, "one for each client");
        // The old client is named for whoever knows better: its token may merely have been refused.
        let suspects = case.suspects().await;
        assert_eq!(suspects[0].client_id.as_ref(), Some(&before["client_id"]));
        case.judge(Settled {
            ledger: provider.clients().await.unwrap(),
            doubts: 1,
            ..Settled::default()
        })
        .await;
    });
}
