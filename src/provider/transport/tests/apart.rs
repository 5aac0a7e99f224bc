//! What is kept apart: the connections of provider objects, and what namespaced ones may reach and learn.

use super::*;

/// Whose connection a request comes over: the number of the connection at the server.
#[tokio::test]
async fn t264_providers_share_no_connection_and_one_provider_uses_its_own_again() {
    let connections = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    let address = server(move |mut stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                    let _ = stream.write_all(reply(200, "", "{}").as_bytes()).await;
                }
            });
        }
    })
    .await;
    let url = format!("http://{address}/");
    let transport = transport();
    let ask = async |uid: &'static str, connect: u64| {
        let exchange = exchange(Method::GET, &url);
        let deadlines = Deadlines {
            connect: Duration::from_secs(connect),
            ..exchange.deadlines
        };
        let exchange = Exchange {
            uid,
            deadlines,
            ..exchange
        };
        assert!(transport.send(exchange).await.is_ok());
        connections.load(Ordering::SeqCst)
    };
    assert_eq!(ask("one", 10).await, 1);
    assert_eq!(ask("one", 10).await, 1);
    assert_eq!(ask("another", 10).await, 2);
    // Another deadline needs another client, and replaces the former.
    assert_eq!(ask("one", 9).await, 3);
    assert_eq!(transport.clients.lock().unwrap().iter().count(), 2);
}

/// An authority whose private key nobody has.
const AUTHORITY: &str = "-----BEGIN CERTIFICATE-----\n\
    MIIBijCCAS+gAwIBAgIUMn9y/4kt7lFIj/5VMynrsh/XxHswCgYIKoZIzj0EAwIw\n\
    GTEXMBUGA1UEAwwOdGVzdCBhdXRob3JpdHkwIBcNMjYxMTI3MDcyMDI3WhgPMjEy\n\
    NjExMDMwNzIwMjdaMBkxFzAVBgNVBAMMDnRlc3QgYXV0aG9yaXR5MFkwEwYHKoZI\n\
    zj0CAQYIKoZIzj0DAQcDQgAEEp4UIs97mZpXJuuLJSeCZa8qJOoSeC90cWR9DOHe\n\
    qEiEIxgiZ2LOdwOVheb5rLSUrBiCpT94yM74CA+MUcTS16NTMFEwHQYDVR0OBBYE\n\
    FA/agaSsgESKC01G5C9iwofeTJm7MB8GA1UdIwQYMBaAFA/agaSsgESKC01G5C9i\n\
    wofeTJm7MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIhAJUVl7Rc\n\
    Lmv/yoiDBXNQEbX662c97CFX9nIlaGekK3eiAiEAnEXowhE1W+a50PgJq/OLlFgB\n\
    LrNbFoxbtYS/nvZYQYM=\n\
    -----END CERTIFICATE-----\n";

#[test]
fn t264_authorities_and_certificate_of_one_provider_tell_clients_apart() {
    let transport = transport();
    let with = |uid: &'static str, ca_bundle: Option<&str>| {
        let exchange = Exchange {
            uid,
            ca_bundle,
            ..exchange(Method::GET, "https://p.example/")
        };
        transport.client(&exchange, Duration::from_secs(1)).unwrap();
        transport.clients.lock().unwrap().iter().count()
    };
    assert_eq!(with("one", None), 1);
    assert_eq!(with("one", Some(AUTHORITY)), 2);
    assert_eq!(with("one", Some(AUTHORITY)), 2);
    assert_eq!(with("another", Some(AUTHORITY)), 3);
}

#[test]
fn t297_what_was_connected_for_a_cluster_provider_is_not_used_for_a_namespaced_one() {
    let transport = transport();
    let with = |namespaced: bool| {
        let exchange = Exchange {
            namespaced,
            ..exchange(Method::GET, "https://p.example/")
        };
        transport.client(&exchange, Duration::from_secs(1)).unwrap();
        transport.clients.lock().unwrap().iter().count()
    };
    assert_eq!([false, true, true, false].map(with), [1, 2, 2, 2]);
}

#[tokio::test]
async fn t297_a_namespaced_provider_is_not_called_where_the_installer_does_not_list_it() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (double, listed) = (Double::saying(200, "", "").await, Double::saying(200, "", "").await);
    let transport = Transport::new(EgressPolicy {
        allow_insecure_origins: true,
        namespaced: NamespacedProviders::new(Mode::AllowList, &listed.origin, "127.0.0.0/8").unwrap(),
        ..EgressPolicy::default()
    });
    let ask = async |namespaced: bool, url: &str| {
        let asked = Exchange {
            namespaced,
            ..exchange(Method::GET, url)
        };
        transport.send(asked).await.map(|answer| answer.status)
    };
    let error = ask(true, &double.origin).await.unwrap_err();
    assert_eq!(
        (error.failure.reason, error.effect),
        (Reason::OriginNotAllowed, Effect::NotApplied)
    );
    assert!(double.seen().is_empty());
    assert_eq!(ask(true, &listed.origin).await.unwrap(), 200);
    // A ClusterOAuthProvider is not bound.
    assert_eq!(ask(false, &double.origin).await.unwrap(), 200);
}

/// Whoever may write an `OAuthProvider` could find out otherwise which ports are open behind the operator.
#[tokio::test]
async fn t370_of_a_namespaced_provider_the_failures_to_connect_read_alike() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let plain = server(async |mut stream| {
        heard(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    let silent = server(async |mut stream| {
        heard(&mut stream).await;
        tokio::time::sleep(Duration::from_mins(1)).await;
    })
    .await;
    let dropped = server(async |stream| drop(stream)).await;
    let failed = async |address: &str, namespaced: bool| {
        let exchange = Exchange {
            namespaced,
            deadlines: Deadlines {
                connect: Duration::from_millis(500),
                ..PATIENT
            },
            ..exchange(Method::POST, &format!("https://{address}/"))
        };
        let error = transport().send(exchange).await.err().unwrap();
        assert_eq!(error.effect, Effect::NotApplied, "{}", error.failure);
        let (class, reason) = (error.failure.class, error.failure.reason);
        (class, reason, error.failure.message.replace(address, "ADDRESS"))
    };
    let ports = [&closed, &plain, &silent, &dropped];
    let told = failed(&closed, true).await;
    assert_eq!((told.0, told.1), (Class::Transient, Reason::ProviderUnavailable));
    let mut of_cluster = std::collections::BTreeSet::new();
    for port in ports {
        assert_eq!(failed(port, true).await, told);
        of_cluster.insert(failed(port, false).await.2);
    }
    assert!(
        of_cluster.len() > 2,
        "of a ClusterOAuthProvider they tell why: {of_cluster:?}"
    );
    // What a tenant can mend stays told.
    let unknown = Exchange {
        namespaced: true,
        ..exchange(Method::POST, "https://nowhere.invalid/")
    };
    let message = transport().send(unknown).await.err().unwrap().failure.message;
    assert!(message.contains("its name cannot be resolved"), "{message}");
}
