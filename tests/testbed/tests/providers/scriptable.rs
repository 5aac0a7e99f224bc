use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;
use testbed::providers::{Fault, Persona, Reply, ScriptableProvider, Seen, http};

use crate::{bearer, call, machine, text};

#[tokio::test]
async fn the_double_keeps_to_the_specifications() {
    let provider = ScriptableProvider::start(Persona::Plain).await.unwrap();
    let (http, endpoint) = (http(None), format!("{}/register", provider.url()));
    let (status, _, client) = call(&http, Method::POST, &endpoint, None, Some(&machine("one")))
        .await
        .unwrap();
    assert_eq!(status, 201);
    let (id, secret) = (text(&client, "client_id"), text(&client, "client_secret"));
    assert!(!provider.token(id, secret).await.unwrap().is_empty());

    let uri = text(&client, "registration_client_uri");
    let mut token = text(&client, "registration_access_token").to_owned();
    provider.rotate(true);
    let mut changed = machine("two");
    changed["client_id"] = id.into();
    let (status, _, updated) = call(&http, Method::PUT, uri, bearer(&token), Some(&changed))
        .await
        .unwrap();
    assert_eq!((status, text(&updated, "client_name")), (200, "two"));
    for on in [false, true] {
        token = text(&updated, "registration_access_token").to_owned();
        provider.rotate_on_read(on);
        let (status, _, read) = call(&http, Method::GET, uri, bearer(&token), None).await.unwrap();
        assert_eq!(status, 200);
        assert_eq!(text(&read, "registration_access_token") != token, on);
        if on {
            let (status, ..) = call(&http, Method::DELETE, uri, bearer(&token), None).await.unwrap();
            assert_eq!(status, 401);
            token = text(&read, "registration_access_token").to_owned();
        }
    }
    let (status, ..) = call(&http, Method::DELETE, uri, bearer(&token), None).await.unwrap();
    assert_eq!(status, 204);
    assert!(provider.clients().is_empty() && !provider.remove_client(id));
    assert_eq!(provider.count("POST", "/register"), 1);
}

#[tokio::test]
async fn answers_are_lost_late_slow_and_cut_off() {
    let provider = ScriptableProvider::start(Persona::Plain).await.unwrap();
    let (http, endpoint) = (http(None), format!("{}/register", provider.url()));
    let register = async |fault: Fault| {
        provider.script(move |seen: &Seen| (seen.method == "POST").then(|| fault.clone()));
        let begin = Instant::now();
        let one = machine("one");
        let sent = call(&http, Method::POST, &endpoint, None, Some(&one));
        let answer = tokio::time::timeout(Duration::from_secs(2), sent).await;
        (answer, provider.clients().len(), begin.elapsed())
    };
    let late = Duration::from_millis(200);

    let busy = Reply::text(503, "text/html", "<p>later").header("retry-after", "7");
    let (answer, clients, _) = register(Fault::Answer(busy)).await;
    let (status, headers, _) = answer.unwrap().unwrap();
    assert_eq!(
        (status, headers["retry-after"].as_bytes(), clients),
        (503, b"7".as_slice(), 0)
    );
    let (answer, clients, _) = register(Fault::LoseRequest).await;
    assert!(answer.unwrap().is_err() && clients == 0);
    let (answer, clients, _) = register(Fault::Hang).await;
    assert!(answer.is_err() && clients == 0, "it hangs");
    let (answer, clients, _) = register(Fault::LoseAnswer).await;
    assert!(answer.unwrap().is_err() && clients == 1);
    let (answer, clients, _) = register(Fault::Truncate).await;
    assert!(answer.unwrap().is_err() && clients == 2);
    let (answer, clients, took) = register(Fault::Delay(late)).await;
    assert!(answer.unwrap().unwrap().0 == 201 && clients == 3 && took >= late);
    let (answer, clients, took) = register(Fault::Trickle(Duration::from_millis(1))).await;
    assert!(answer.unwrap().unwrap().0 == 201 && clients == 4 && took >= late);
}

#[tokio::test]
async fn metadata_may_lie_and_secrets_expire() {
    let provider = ScriptableProvider::start(Persona::Plain).await.unwrap();
    let http = http(None);
    provider.metadata("issuer", json!("https://elsewhere.example"));
    provider.metadata("registration_endpoint", json!(null));
    provider.only_oauth(true);
    let well_known = |name| format!("{}/.well-known/{name}", provider.url());
    let (status, ..) = call(&http, Method::GET, &well_known("openid-configuration"), None, None)
        .await
        .unwrap();
    assert_eq!(status, 404);
    let (status, _, document) = call(
        &http,
        Method::GET,
        &well_known("oauth-authorization-server"),
        None,
        None,
    )
    .await
    .unwrap();
    assert_eq!((status, text(&document, "issuer")), (200, "https://elsewhere.example"));
    assert!(document.get("registration_endpoint").is_none());

    provider.secret_lifetime(Some(Duration::ZERO));
    let endpoint = format!("{}/register", provider.url());
    let (_, _, client) = call(&http, Method::POST, &endpoint, None, Some(&machine("one")))
        .await
        .unwrap();
    assert!(client["client_secret_expires_at"].as_u64().unwrap() > 0);
    let (id, secret) = (text(&client, "client_id"), text(&client, "client_secret"));
    provider.token(id, secret).await.unwrap_err();
}
