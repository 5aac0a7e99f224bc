//! What may happen to a request.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use super::body::{Body, whole};
use super::{listing, lock};
use crate::process::KillSwitch;
use crate::providers::Reply;

/// What happens to a request.
#[derive(Clone)]
pub enum Action {
    /// The operator is killed, and the request goes nowhere.
    KillBefore(KillSwitch),
    /// The request takes place, then the operator is killed.
    KillAfter(KillSwitch),
    /// The request takes place, and the connection closes without an answer.
    LoseAnswer,
    /// The connection closes, and the request goes nowhere.
    LoseRequest,
    /// The connection is reset, and the request goes nowhere.
    Reset,
    /// Nothing is answered, the connection stays open, and the request goes nowhere.
    Hang,
    /// The request takes place, nothing is answered, and the connection stays open.
    HangAfter,
    /// This status as the API server would say it, and the request goes nowhere.
    Status(StatusCode),
    /// The same with a `Retry-After`.
    Busy(StatusCode, Duration),
    /// This answer, and the request goes nowhere.
    Answer(Reply),
    /// The request waits so long.
    Delay(Duration),
    /// The request takes place, and half of the answer's body comes before the connection closes.
    Truncate,
    /// The request takes place, and the answer's body comes byte by byte with this pause before each.
    Trickle(Duration),
    /// The request takes place, and its answer is kept to be replayed.
    Keep(Kept),
    /// This earlier answer, and the request goes nowhere.
    Replay(Kept),
    /// The request takes place, and the JSON of its answer is changed.
    Rewrite(Rewrite),
    /// The watch ends at once.
    CloseWatch,
    /// The watch stays open and no event ever comes.
    SilentWatch,
    /// The watch says that its resource version is too old, and ends.
    ExpiredWatch,
    /// Each event of the watch comes so much later, in order.
    DelayEvents(Duration),
    /// Each event of the watch comes twice.
    RepeatEvents,
}

impl Action {
    /// Changes the JSON of the answer.
    pub fn rewrite(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        Self::Rewrite(Rewrite(Arc::new(change)))
    }
}

/// A change of an answer.
#[derive(Clone)]
pub struct Rewrite(Arc<dyn Fn(&mut Value) + Send + Sync>);

impl Rewrite {
    /// Changes an answer, if it is JSON.
    pub(super) fn apply(&self, body: &Bytes) -> Bytes {
        let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
            return body.clone();
        };
        (self.0)(&mut value);
        value.to_string().into()
    }
}

/// In the list that answers, the object of this name has a `spec` that nobody can read.
#[must_use]
pub fn malformed(name: &str) -> Action {
    let name = name.to_owned();
    Action::rewrite(move |list| {
        for item in listing::items(list).filter(|item| listing::name(item) == name) {
            item["spec"] = json!("no object");
        }
    })
}

/// An answer that was kept.
#[derive(Clone, Default)]
pub struct Kept(Arc<Mutex<Option<(StatusCode, HeaderMap, Bytes)>>>);

impl Kept {
    /// Whether there is one.
    #[must_use]
    pub fn is_there(&self) -> bool {
        lock(&self.0).is_some()
    }

    pub(super) fn keep(&self, response: &Response<Body>, body: Bytes) {
        *lock(&self.0) = Some((response.status(), response.headers().clone(), body));
    }

    pub(super) fn answer(&self) -> Option<Response<Body>> {
        let (status, headers, body) = lock(&self.0).clone()?;
        let mut response = Response::new(whole(body));
        (*response.status_mut(), *response.headers_mut()) = (status, headers);
        unframe(&mut response);
        Some(response)
    }
}

/// Takes off what says how long the body was.
pub(super) fn unframe(response: &mut Response<Body>) {
    response.headers_mut().remove(CONTENT_LENGTH);
    response.headers_mut().remove(TRANSFER_ENCODING);
}

/// A refusal in the words of the API server.
pub(super) fn status(code: StatusCode, retry_after: Option<Duration>) -> Response<Body> {
    let mut response = Response::new(whole(status_object(code).to_string()));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(wait) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
    }
    response
}

/// The `Status` object that the API server sends with a status.
pub(super) fn status_object(code: StatusCode) -> Value {
    let reason = match code.as_u16() {
        400 => "BadRequest",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        410 => "Expired",
        422 => "Invalid",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "",
    };
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": format!("the fault proxy says {code}"),
        "reason": reason,
        "code": code.as_u16(),
    })
}

pub(super) fn reply(reply: Reply) -> Response<Body> {
    let mut response = Response::new(whole(reply.body));
    if let Ok(code) = StatusCode::from_u16(reply.status) {
        *response.status_mut() = code;
    }
    for (name, value) in reply.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<http::HeaderName>(), HeaderValue::from_str(&value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
