//! A client whose answers are listened to, and have a deadline.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use kube::Client;
use kube::client::Body;

use super::health::{Health, Pulse};

/// Deadline of a page of a list, from the first byte sent to the last byte read.
const LIST: Duration = Duration::from_secs(30);
/// Deadline of opening a watch. One that is open has a deadline of its own for silence.
const OPEN: Duration = Duration::from_secs(15);

/// The API server did not answer in time.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", .0.as_secs())]
struct NoAnswer(Duration);

type Answer = Response<UnsyncBoxBody<Bytes, kube::Error>>;

/// A client for one watch.
pub(super) fn listening(health: &Health, pulse: &Arc<Pulse>, client: &Client) -> Client {
    let (health, pulse, client) = (health.clone(), Arc::clone(pulse), client.clone());
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (health, pulse, client) = (health.clone(), Arc::clone(&pulse), client.clone());
        async move {
            let watches = request.uri().query().is_some_and(|query| query.contains("watch=true"));
            let deadline = if watches { OPEN } else { LIST };
            let answered = answered(&health, pulse, &client, request, watches);
            match tokio::time::timeout(deadline, answered).await {
                Ok(answered) => answered,
                Err(_) => Err(kube::Error::Service(Box::new(NoAnswer(deadline)))),
            }
        }
    });
    Client::new(service, namespace)
}

/// The answer to one request: that to a list is read whole here, so that the deadline covers it.
async fn answered(
    health: &Health,
    pulse: Arc<Pulse>,
    client: &Client,
    request: Request<Body>,
    watches: bool,
) -> Result<Answer, kube::Error> {
    let response = client.send(request).await?;
    if response.status().is_success() {
        pulse.heard();
        if watches {
            health.works(&pulse);
        }
    }
    let (head, body) = response.into_parts();
    let body = body.map_frame(move |frame| {
        pulse.heard();
        frame
    });
    let body = if watches {
        body.boxed_unsync()
    } else {
        let bytes = body.collect().await?.to_bytes();
        Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
    };
    Ok(Response::from_parts(head, body))
}
