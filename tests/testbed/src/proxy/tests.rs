use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use super::body::{self, Body};
use super::*;
use crate::process::KillSwitch;

/// A server that counts what it is asked for: lists have as many items as there were requests, watches have two events.
struct Counter {
    url: String,
    count: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl Counter {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let counted = counted.clone();
                let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                    let count = counted.fetch_add(1, Ordering::SeqCst) + 1;
                    let watch = request.uri().query().is_some_and(|query| query.contains("watch"));
                    async move { Ok::<_, io::Error>(http::Response::new(counted_answer(watch, count))) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, count, server }
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

fn counted_answer(watch: bool, count: usize) -> Body {
    if !watch {
        let item = |number| json!({"metadata": {"name": format!("item-{number}")}, "spec": {}});
        let items: Vec<Value> = (0..count).map(item).collect();
        return body::whole(json!({ "items": items }).to_string());
    }
    let (writer, body) = body::pieces();
    tokio::spawn(async move {
        // A line that comes in two pieces is one event.
        for piece in ["{\"type\":\"ADDED\"", "}\n", "{\"type\":\"DELETED\"}\n"] {
            let _ = writer.send(Ok(piece.into())).await;
        }
        writer.closed().await;
    });
    body
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.server.abort();
    }
}

const LIST: &str = "/api/v1/namespaces/shop/secrets";
const WATCH: &str = "/api/v1/namespaces/shop/secrets?watch=true";

async fn before(counter: &Counter, https: bool) -> Proxy {
    let proxy = Proxy::open(https).await.unwrap();
    proxy.lead_to(&counter.url, None).unwrap();
    proxy
}

async fn get(proxy: &Proxy, path: &str) -> reqwest::Result<reqwest::Response> {
    let http = crate::providers::http(proxy.ca());
    http.get(format!("{}{path}", proxy.url())).send().await
}

async fn listed(proxy: &Proxy) -> usize {
    let text = get(proxy, LIST).await.unwrap().text().await.unwrap();
    let list: Value = serde_json::from_str(&text).unwrap();
    list["items"].as_array().unwrap().len()
}

/// The events of a watch that come within the time, each a line.
async fn events(watch: &mut reqwest::Response, time: Duration) -> Vec<String> {
    let mut text = String::new();
    let read = async {
        while let Some(piece) = watch.chunk().await.unwrap() {
            text += std::str::from_utf8(&piece).unwrap();
        }
    };
    let _ = tokio::time::timeout(time, read).await;
    text.lines().map(str::to_owned).collect()
}

const SOON: Duration = Duration::from_millis(300);

#[tokio::test]
async fn requests_pass_over_http_and_https_and_are_recorded() {
    let counter = Counter::start().await;
    for https in [false, true] {
        let proxy = before(&counter, https).await;
        assert_eq!(get(&proxy, LIST).await.unwrap().status(), 200);
        let exchange = &proxy.exchanges()[0];
        assert_eq!((exchange.asked.verb, exchange.asked.path.as_str()), ("list", LIST));
        assert_eq!(
            (exchange.upstream, exchange.answer),
            (Some(StatusCode::OK), Some(StatusCode::OK))
        );
    }
}

#[tokio::test]
async fn the_nth_request_meets_the_fault_and_no_other() {
    let counter = Counter::start().await;
    let proxy = before(&counter, false).await;
    let rule = proxy.nth(2, |asked| asked.verb == "list", Action::Status(StatusCode::CONFLICT));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(get(&proxy, LIST).await.unwrap().status().as_u16());
    }
    assert_eq!((statuses, rule.hits(), counter.count()), (vec![200, 409, 200], 1, 2));
    let refused = &proxy.exchanges()[1];
    assert_eq!((refused.upstream, refused.answer), (None, Some(StatusCode::CONFLICT)));
}

#[tokio::test]
async fn a_refusal_is_one_that_the_api_server_could_have_given() {
    let counter = Counter::start().await;
    let proxy = before(&counter, false).await;
    proxy.once(
        |_| true,
        Action::Busy(StatusCode::TOO_MANY_REQUESTS, Duration::from_secs(7)),
    );
    let response = get(&proxy, LIST).await.unwrap();
    assert_eq!(response.headers()["retry-after"], "7");
    let text = response.text().await.unwrap();
    let status: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&status["kind"], &status["reason"]),
        (&json!("Status"), &json!("TooManyRequests"))
    );
}

#[tokio::test]
async fn what_is_lost_has_taken_place_or_has_not() {
    let counter = Counter::start().await;
    let proxy = before(&counter, true).await;
    let cases = [
        (Action::LoseRequest, 0),
        (Action::Reset, 0),
        (Action::KillBefore(KillSwitch::default()), 0),
        (Action::LoseAnswer, 1),
        (Action::KillAfter(KillSwitch::default()), 1),
    ];
    for (action, taken) in cases {
        let before = counter.count();
        proxy.once(|_| true, action);
        assert!(get(&proxy, LIST).await.is_err());
        assert_eq!(counter.count() - before, taken);
    }
    let record = proxy.exchanges();
    assert!(record.iter().all(|exchange| exchange.answer.is_none()));
    assert_eq!(
        record[3].upstream,
        Some(StatusCode::OK),
        "it took place, and nobody was told"
    );
}

#[tokio::test]
async fn a_hanging_request_is_not_answered() {
    let counter = Counter::start().await;
    let proxy = before(&counter, false).await;
    for (action, taken) in [(Action::Hang, 0), (Action::HangAfter, 1)] {
        let before = counter.count();
        proxy.once(|_| true, action);
        assert!(tokio::time::timeout(SOON, get(&proxy, LIST)).await.is_err());
        assert_eq!(counter.count() - before, taken);
    }
}

#[tokio::test]
async fn a_body_is_cut_off_or_comes_byte_by_byte() {
    let counter = Counter::start().await;
    let proxy = before(&counter, false).await;
    proxy.once(|_| true, Action::Truncate);
    assert!(get(&proxy, LIST).await.unwrap().text().await.is_err());
    proxy.once(|_| true, Action::Trickle(Duration::from_millis(1)));
    let mut response = get(&proxy, LIST).await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap().len(), 1);
}

#[tokio::test]
async fn an_earlier_list_is_replayed() {
    let counter = Counter::start().await;
    let proxy = before(&counter, false).await;
    let kept = Kept::default();
    proxy.once(|asked| asked.verb == "list", Action::Keep(kept.clone()));
    assert_eq!((listed(&proxy).await, listed(&proxy).await), (1, 2));
    proxy.once(|asked| asked.verb == "list", Action::Replay(kept));
    assert_eq!((listed(&proxy).await, listed(&proxy).await), (1, 3));
}

#[tokio::test]
async fn one_object_of_a_list_is_malformed() {
    let counter = Counter::start().await;
    let proxy = before(&counter, false).await;
    listed(&proxy).await;
    proxy.once(|_| true, malformed("item-1"));
    let text = get(&proxy, LIST).await.unwrap().text().await.unwrap();
    let list: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&list["items"][0]["spec"], &list["items"][1]["spec"]),
        (&json!({}), &json!("no object"))
    );
}

#[tokio::test]
async fn watches_end_stay_silent_expire_or_repeat() {
    let counter = Counter::start().await;
    let proxy = before(&counter, true).await;
    let watch = async |action| {
        proxy.once(|asked| asked.verb == "watch", action);
        let mut watch = get(&proxy, WATCH).await.unwrap();
        events(&mut watch, SOON).await
    };
    assert!(watch(Action::CloseWatch).await.is_empty());
    assert!(watch(Action::SilentWatch).await.is_empty());
    assert_eq!(counter.count(), 0);
    let expired = watch(Action::ExpiredWatch).await;
    let event: Value = serde_json::from_str(&expired[0]).unwrap();
    assert_eq!(
        (&event["type"], &event["object"]["code"]),
        (&json!("ERROR"), &json!(410))
    );
    let (added, deleted) = (r#"{"type":"ADDED"}"#, r#"{"type":"DELETED"}"#);
    assert_eq!(watch(Action::RepeatEvents).await, [added, added, deleted, deleted]);
    assert!(watch(Action::DelayEvents(Duration::from_mins(1))).await.is_empty());
    assert_eq!(
        watch(Action::DelayEvents(Duration::from_millis(50))).await,
        [added, deleted]
    );
}

#[tokio::test]
async fn events_are_held_and_released_in_watches_that_run() {
    let counter = Counter::start().await;
    let proxy = before(&counter, false).await;
    let hold = proxy.hold(|asked| asked.resource == "secrets");
    let other = proxy.hold(|asked| asked.resource == "others");
    let mut watch = get(&proxy, WATCH).await.unwrap();
    assert!(events(&mut watch, SOON).await.is_empty());
    drop(hold);
    assert_eq!(events(&mut watch, SOON).await.len(), 2);
    drop(other);
}

#[tokio::test]
async fn it_goes_down_and_comes_up_at_the_same_address() {
    let counter = Counter::start().await;
    let proxy = before(&counter, false).await;
    let mut watch = get(&proxy, WATCH).await.unwrap();
    proxy.go_down();
    while let Ok(Some(_)) = watch.chunk().await {}
    let refused = get(&proxy, LIST).await.unwrap_err();
    assert!(refused.is_connect(), "{refused}");
    proxy.come_up();
    while get(&proxy, LIST).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    proxy.cut();
    assert_eq!(get(&proxy, LIST).await.unwrap().status(), 200);
}

#[tokio::test]
async fn rules_are_by_method_path_header_and_body_too() {
    let counter = Counter::start().await;
    let proxy = before(&counter, false).await;
    let rule = proxy.always(
        |asked| {
            asked.method == "PUT"
                && asked.path == "/reg/1"
                && asked.header("authorization") == "Bearer a"
                && asked.json()["x"] == 1
        },
        Action::Answer(crate::providers::Reply::empty(418)),
    );
    let http = crate::providers::http(None);
    for token in ["Bearer a", "Bearer b"] {
        let request = http
            .put(format!("{}/reg/1", proxy.url()))
            .header("authorization", token)
            .body(r#"{"x":1}"#);
        request.send().await.unwrap();
    }
    assert_eq!((rule.hits(), counter.count()), (1, 1));
    proxy.clear();
    assert_eq!(get(&proxy, "/reg/1").await.unwrap().status(), 200);
}
