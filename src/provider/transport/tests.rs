mod apart;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::super::double::{Double, PATIENT, reply, transport};
use super::super::exchange::JSON;
use super::super::limits::BodyError;
use super::super::namespaced::{Mode, NamespacedProviders};
use super::*;
use crate::domain::target::{Credentials, Deadlines};
use url::Url;

/// A TCP server that does this with every connection.
async fn server<F: Future<Output = ()> + Send>(with: impl Fn(tokio::net::TcpStream) -> F + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            with(stream).await;
        }
    });
    address
}

/// Reads what a client sends first.
async fn heard(stream: &mut tokio::net::TcpStream) {
    let _ = stream.read(&mut [0; 4096]).await;
}

fn exchange(method: Method, url: &str) -> Exchange<'static> {
    static NONE: std::sync::LazyLock<Credentials> = std::sync::LazyLock::new(Credentials::default);
    Exchange {
        body: (method == Method::POST).then(|| Body::Json(b"{}".to_vec())),
        method,
        url: Url::parse(url).unwrap(),
        credentials: &NONE,
        origins: &[],
        uid: "provider",
        namespaced: false,
        ca_bundle: None,
        certificate: None,
        deadlines: PATIENT,
        accept: JSON,
        limit: limits::REGISTRATION,
    }
}

/// An exchange that gives up soon.
fn hasty(method: Method, url: &str) -> Exchange<'static> {
    Exchange {
        deadlines: Deadlines {
            connect: Duration::from_secs(10),
            request: Duration::from_millis(300),
        },
        ..exchange(method, url)
    }
}

#[tokio::test]
async fn t52_headers_that_never_end_are_left_at_the_deadline() {
    let address = server(async |mut stream| {
        heard(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(b"x: y\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let begin = Instant::now();
    let error = transport()
        .send(hasty(Method::POST, &format!("http://{address}/")))
        .await
        .err()
        .unwrap();
    assert_eq!(error.effect, Effect::Unknown);
    assert!(error.failure.message.contains("did not answer"), "{}", error.failure);
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn t52_a_body_that_drips_is_left_at_the_deadline() {
    let address = server(async |mut stream| {
        heard(&mut stream).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n")
            .await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let error = transport()
        .send(hasty(Method::GET, &format!("http://{address}/")))
        .await
        .err()
        .unwrap();
    assert_eq!((error.effect, error.failure.class), (Effect::Unknown, Class::Ambiguous));
}

#[tokio::test]
async fn t52_a_connection_that_is_never_made_sent_nothing() {
    // It accepts, and says nothing to the TLS greeting.
    let address = server(async |stream| {
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_mins(1)).await;
            drop(stream);
        });
    })
    .await;
    let error = transport()
        .send(hasty(Method::POST, &format!("https://{address}/")))
        .await
        .err()
        .unwrap();
    assert_eq!(
        (error.effect, error.failure.class),
        (Effect::NotApplied, Class::Transient),
        "{}",
        error.failure
    );
}

#[tokio::test]
async fn t53_a_body_is_read_up_to_its_bound_whatever_it_announces() {
    let sent: &'static AtomicUsize = Box::leak(Box::default());
    let address = server(async |mut stream| {
        heard(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await;
        let piece = [b'a'; 16 * 1024];
        // Ten gigabytes, if anybody took them.
        for _ in 0..655_360 {
            if stream.write_all(&piece).await.is_err() {
                return;
            }
            sent.fetch_add(piece.len(), Ordering::Relaxed);
        }
    })
    .await;
    let answer = transport()
        .send(exchange(Method::GET, &format!("http://{address}/")))
        .await
        .unwrap();
    assert!(matches!(answer.body, Err(BodyError::TooLarge)));
    assert!(sent.load(Ordering::Relaxed) < 64 * 1024 * 1024);
    let announced = Double::new(|_| "HTTP/1.1 200 OK\r\ncontent-length: 10737418240\r\n\r\n".to_owned()).await;
    let answer = transport()
        .send(exchange(Method::GET, &announced.origin))
        .await
        .unwrap();
    assert!(matches!(answer.body, Err(BodyError::TooLarge)));
}

#[tokio::test]
async fn w83_no_coding_is_asked_for_and_one_that_cannot_be_undone_is_told() {
    let packed = Double::saying(200, "content-encoding: gzip\r\n", "not gzip at all").await;
    for method in [Method::GET, Method::POST] {
        let answer = transport().send(exchange(method, &packed.origin)).await.unwrap();
        assert!(matches!(answer.body, Err(BodyError::Packed)));
    }
    assert!(
        packed
            .seen()
            .iter()
            .all(|head| head.contains("accept-encoding: identity\r\n"))
    );
}

#[tokio::test]
async fn w82_only_what_changes_nothing_is_asked_for_again() {
    let picky = Double::saying(406, "", "").await;
    for method in [Method::GET, Method::POST] {
        let answer = transport().send(exchange(method, &picky.origin)).await.unwrap();
        assert_eq!(answer.status, 406);
    }
    assert_eq!(picky.lines(), ["GET /", "GET /", "POST /"]);
}

#[tokio::test]
async fn t64_a_kept_connection_that_breaks_under_a_post_gets_no_second_one() {
    // Answers the first request of a connection and breaks off at the second.
    let double = Double::new(|text| {
        if text.starts_with("GET") {
            reply(200, "", "{}")
        } else {
            String::new()
        }
    })
    .await;
    let transport = transport();
    transport.send(exchange(Method::GET, &double.origin)).await.unwrap();
    let error = transport
        .send(exchange(Method::POST, &double.origin))
        .await
        .err()
        .unwrap();
    assert_eq!(error.effect, Effect::Unknown, "{}", error.failure);
    assert_eq!(double.lines(), ["GET /", "POST /"]);
}

#[tokio::test]
async fn t64_a_kept_connection_that_was_closed_in_silence_costs_no_post() {
    // Closes each connection right after its answer, without a word.
    let address = server(async |mut stream| {
        heard(&mut stream).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            .await;
    })
    .await;
    let (transport, url) = (transport(), format!("http://{address}/"));
    for round in 0..50 {
        transport.send(exchange(Method::GET, &url)).await.unwrap();
        // Either a new connection, or a doubt; never an answer to something that was sent twice.
        if let Err(error) = transport.send(exchange(Method::POST, &url)).await {
            assert_eq!(error.effect, Effect::Unknown, "round {round}: {}", error.failure);
        }
    }
}

#[tokio::test]
async fn t56_what_is_no_tls_or_too_old_is_told_as_such() {
    let old = server(async |mut stream| {
        heard(&mut stream).await;
        // A fatal alert: protocol_version.
        let _ = stream.write_all(&[0x15, 3, 1, 0, 2, 2, 70]).await;
    })
    .await;
    let plain = server(async |mut stream| {
        heard(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    let refused = async |url: String| {
        let error = transport().send(exchange(Method::POST, &url)).await.err().unwrap();
        assert_eq!(
            (error.effect, error.failure.reason),
            (Effect::NotApplied, Reason::CertificateRejected),
            "{}",
            error.failure
        );
        error.failure.message
    };
    let message = refused(format!("https://{old}/")).await;
    assert!(message.contains("TLS 1.2 or 1.3"), "{message}");
    let message = refused(format!("https://{plain}/")).await;
    assert!(message.contains("plain http"), "{message}");
}

#[tokio::test]
async fn t65_a_name_that_nobody_knows_may_be_known_later() {
    let error = transport()
        .send(exchange(Method::POST, "http://nowhere.invalid/"))
        .await
        .err()
        .unwrap();
    assert_eq!(
        (error.effect, error.failure.class),
        (Effect::NotApplied, Class::Transient)
    );
    assert!(
        error.failure.message.contains("name cannot be resolved"),
        "{}",
        error.failure
    );
}
