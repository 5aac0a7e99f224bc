use std::collections::BTreeMap;

use http::Method;
use testbed::providers::{OidcFault, OidcFaultKind, OidcProvider, OidcProviderOptions, ProviderError, http};
use testbed::proxy::{Action, Proxy};

use crate::{bearer, call, machine, text};

#[tokio::test]
async fn clients_are_managed_and_tokens_rotate() {
    let options = OidcProviderOptions {
        rotate: true,
        id_prefix: "id-".into(),
        secret_prefix: "canary-".into(),
        ..OidcProviderOptions::default()
    };
    let provider = OidcProvider::start(options).await.unwrap();
    let (http, endpoint) = (http(None), format!("{}/reg", provider.url()));
    let (status, _, client) = call(&http, Method::POST, &endpoint, None, Some(&machine("one")))
        .await
        .unwrap();
    assert_eq!(status, 201);
    let (id, secret) = (text(&client, "client_id"), text(&client, "client_secret"));
    assert!(id.starts_with("id-") && secret.starts_with("canary-"), "{client}");
    assert!(!provider.token(id, secret).await.unwrap().is_empty());

    let uri = text(&client, "registration_client_uri");
    let old = text(&client, "registration_access_token");
    let mut changed = machine("two");
    changed["client_id"] = id.into();
    let (status, _, updated) = call(&http, Method::PUT, uri, bearer(old), Some(&changed))
        .await
        .unwrap();
    assert_eq!(status, 200);
    let new = text(&updated, "registration_access_token");
    assert_ne!(old, new);
    assert_eq!(provider.clients().await.unwrap()[id]["client_name"], "two");
    let (status, ..) = call(&http, Method::GET, uri, bearer(old), None).await.unwrap();
    assert_eq!(status, 401);

    let (status, ..) = call(&http, Method::DELETE, uri, bearer(new), None).await.unwrap();
    assert_eq!(status, 204);
    assert!(provider.clients().await.unwrap().is_empty());
    assert!(matches!(
        provider.token(id, secret).await,
        Err(ProviderError::Refused { status: 401, .. })
    ));
}

#[tokio::test]
async fn registration_needs_an_issued_token_and_clients_vanish() {
    let options = OidcProviderOptions {
        issued_initial_access: true,
        management: false,
        ..OidcProviderOptions::default()
    };
    let provider = OidcProvider::start(options).await.unwrap();
    let (http, endpoint) = (http(None), format!("{}/reg", provider.url()));
    let register = async |authorization: Option<String>| {
        call(&http, Method::POST, &endpoint, authorization, Some(&machine("one")))
            .await
            .unwrap()
    };
    assert_eq!(register(None).await.0, 401);
    let token = provider.initial_access_token().await.unwrap();
    let (status, _, client) = register(Some(bearer(&token))).await;
    assert_eq!(status, 201);
    let uri = text(&client, "registration_client_uri");
    let manage = async |method| {
        let token = bearer(text(&client, "registration_access_token"));
        call(&http, method, uri, token, None).await.unwrap().0
    };
    assert_eq!(manage(Method::GET).await, 200);
    assert_eq!(manage(Method::DELETE).await, 404, "management is off");
    assert!(provider.remove_client(text(&client, "client_id")).await.unwrap());
    assert_eq!(manage(Method::GET).await, 401);
}

#[tokio::test]
async fn things_go_wrong_on_demand() {
    let provider = OidcProvider::start(OidcProviderOptions::default()).await.unwrap();
    let (http, endpoint) = (http(None), format!("{}/reg", provider.url()));
    let register = async || call(&http, Method::POST, &endpoint, None, Some(&machine("one"))).await;
    let busy = OidcFaultKind::Answer {
        status: 503,
        headers: BTreeMap::from([("retry-after".into(), "7".into())]),
        body: String::new(),
    };
    let faults = [busy, OidcFaultKind::LoseRequest, OidcFaultKind::LoseAnswer].map(|kind| OidcFault {
        method: Some("POST".into()),
        path: "/reg".into(),
        times: 1,
        kind,
    });
    provider.faults(&faults).await.unwrap();
    let (status, headers, _) = register().await.unwrap();
    assert_eq!((status, headers["retry-after"].as_bytes()), (503, b"7".as_slice()));
    register().await.unwrap_err();
    assert_eq!(provider.clients().await.unwrap().len(), 0);
    register().await.unwrap_err();
    assert_eq!(provider.clients().await.unwrap().len(), 1, "only the answer was lost");

    provider.go_down().await.unwrap();
    register().await.unwrap_err();
    provider.come_up().await.unwrap();
    assert_eq!(register().await.unwrap().0, 201);
    assert_eq!(provider.clients().await.unwrap().len(), 2);
    let seen = provider.requests().await.unwrap();
    let statuses: Vec<u16> = seen.iter().map(|request| request.status).collect();
    assert_eq!(statuses, [503, 0, 0, 201], "{seen:?}");
}

#[tokio::test]
async fn more_than_a_thousand_clients_stay() {
    let provider = OidcProvider::start(OidcProviderOptions::default()).await.unwrap();
    let (http, endpoint) = (http(None), format!("{}/reg", provider.url()));
    for _ in 0..1_100 {
        let answer = call(&http, Method::POST, &endpoint, None, Some(&machine("one"))).await;
        assert_eq!(answer.unwrap().0, 201);
    }
    assert_eq!(provider.clients().await.unwrap().len(), 1_100);
}

#[tokio::test]
async fn it_goes_by_the_address_of_a_proxy_with_tls_before_it() {
    let proxy = Proxy::open(true).await.unwrap();
    let options = OidcProviderOptions {
        issuer: Some(proxy.url().to_owned()),
        ..OidcProviderOptions::default()
    };
    let provider = OidcProvider::start(options).await.unwrap();
    proxy.lead_to(provider.url(), None).unwrap();
    let (http, endpoint) = (http(proxy.ca()), format!("{}/reg", proxy.url()));
    let (status, _, client) = call(&http, Method::POST, &endpoint, None, Some(&machine("one")))
        .await
        .unwrap();
    let uri = text(&client, "registration_client_uri");
    assert!(status == 201 && uri.starts_with(proxy.url()), "{client}");

    let rule = proxy.once(|asked| asked.method == Method::DELETE, Action::LoseAnswer);
    let token = text(&client, "registration_access_token");
    let lost = call(&http, Method::DELETE, uri, bearer(token), None).await;
    assert!(lost.is_err() && rule.hits() == 1);
    assert!(
        provider.clients().await.unwrap().is_empty(),
        "it took place all the same"
    );
}
