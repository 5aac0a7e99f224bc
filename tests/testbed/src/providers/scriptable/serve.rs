//! The double's connections: each request is looked at by the script, then answered as the persona does.

use std::io;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::{Fault, Payload, Persona, Reply, Seen, State, decoded, dialect, lock, plain, wso2};

pub(super) async fn serve(listener: TcpListener, persona: Persona, state: Arc<Mutex<State>>) {
    // Connections end with the double.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, state) = (lock(&state).tls.clone(), state.clone());
        connections.spawn(async move {
            let service = |certificate: Option<Vec<u8>>| {
                service_fn(move |request| answer(request, certificate.clone(), persona, state.clone()))
            };
            let _ = match tls {
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => {
                        let shown = stream.get_ref().1.peer_certificates();
                        let shown = shown.and_then(|chain| Some(chain.first()?.to_vec()));
                        http1::Builder::new()
                            .serve_connection(TokioIo::new(stream), service(shown))
                            .await
                    }
                    Err(_) => return,
                },
                None => {
                    http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service(None))
                        .await
                }
            };
        });
        while connections.try_join_next().is_some() {}
    }
}

/// An error closes the connection.
async fn answer(
    request: Request<Incoming>,
    certificate: Option<Vec<u8>>,
    persona: Persona,
    state: Arc<Mutex<State>>,
) -> Result<Response<Payload>, io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let seen = Seen {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: decoded(head.uri.query().unwrap_or_default()),
        headers: headers.collect(),
        body: body.to_vec(),
        certificate,
    };
    let (reply, fault) = {
        let mut state = lock(&state);
        state.seen.push(seen.clone());
        let fault = state.script.as_mut().and_then(|script| script(&seen));
        let reply = match &fault {
            Some(Fault::Answer(reply)) => reply.clone(),
            Some(Fault::LoseRequest | Fault::Hang) => Reply::empty(500),
            _ => match persona {
                Persona::Plain => match state.dialect {
                    Some(dialect) => dialect::answer(&mut state, &seen, dialect),
                    None => plain::answer(&mut state, &seen),
                },
                Persona::Wso2Legacy => wso2::answer(&mut state, &seen, wso2::Release::Legacy),
                Persona::Wso2 => wso2::answer(&mut state, &seen, wso2::Release::V1_1),
            },
        };
        (reply, fault)
    };
    let body = match fault {
        None | Some(Fault::Answer(_)) => Payload::whole(reply.body),
        Some(Fault::LoseRequest | Fault::LoseAnswer) => return Err(io::Error::other("lost")),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Delay(time)) => {
            tokio::time::sleep(time).await;
            Payload::whole(reply.body)
        }
        Some(Fault::Trickle(pause)) => Payload::trickle(reply.body, pause),
        Some(Fault::Truncate) => Payload::truncated(reply.body),
    };
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    response.body(body).map_err(io::Error::other)
}
