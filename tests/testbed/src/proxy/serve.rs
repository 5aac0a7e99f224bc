//! Connections, and what is done to each request.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::action::{self, Action};
use super::body::{Body, pieces, read, whole};
use super::watching::{self, Habit};
use super::{Asked, Exchange, Shared, action::status_object, lock};

/// Whether connections are accepted, and how often all were cut.
pub(super) struct Door(watch::Sender<(bool, u64)>);

impl Default for Door {
    fn default() -> Self {
        Self(watch::Sender::new((true, 0)))
    }
}

impl Door {
    pub(super) fn cut(&self) {
        self.0.send_modify(|(_, cuts)| *cuts += 1);
    }

    pub(super) fn close(&self) {
        self.0.send_modify(|(open, _)| *open = false);
    }

    pub(super) fn open(&self) {
        self.0.send_modify(|(open, _)| *open = true);
    }
}

/// Serves for as long as the proxy lives.
pub(super) async fn serve(listener: TcpListener, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let Ok(address) = listener.local_addr() else { return };
    let mut listener = Some(listener);
    let mut door = shared.door.0.subscribe();
    // Connections end with the proxy.
    let mut connections = JoinSet::new();
    loop {
        if !door.borrow_and_update().0 {
            listener = None;
            connections.shutdown().await;
            let _ = door.wait_for(|(open, _)| *open).await;
        }
        let listening = match listener.take() {
            Some(listening) => listening,
            None => again(address).await,
        };
        tokio::select! {
            accepted = listening.accept() => {
                let (acceptor, shared) = (acceptor.clone(), shared.clone());
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connection(stream, acceptor, shared));
                }
            }
            _ = door.changed() => connections.shutdown().await,
        }
        listener = Some(listening);
        while connections.try_join_next().is_some() {}
    }
}

/// Listens at an address that was listened at before.
async fn again(address: SocketAddr) -> TcpListener {
    loop {
        if let Ok(listener) = TcpListener::bind(address).await {
            return listener;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn connection(stream: TcpStream, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    match acceptor {
        None => talk(stream, shared, |stream| stream).await,
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                talk(stream, shared, |stream| stream.get_ref().0).await;
            }
        }
    }
}

/// Answers the requests of one connection.
async fn talk<S>(stream: S, shared: Arc<Shared>, tcp: impl Fn(&S) -> &TcpStream)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let reset = Arc::new(AtomicBool::new(false));
    let of_requests = reset.clone();
    let service = service_fn(move |request| Box::pin(answer(request, shared.clone(), of_requests.clone())));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let _ = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let mut stream = connection.into_parts().io.into_inner();
    if reset.load(Ordering::SeqCst) {
        let _ = tcp(&stream).set_zero_linger();
    } else {
        let _ = stream.shutdown().await;
    }
}

/// Answers a request. An error closes the connection.
async fn answer(request: Request<Incoming>, shared: Arc<Shared>, reset: Arc<AtomicBool>) -> io::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let asked = Asked::of(&head, body.clone());
    let action = lock(&shared.rules).action(&asked);
    let number = {
        let mut record = lock(&shared.record);
        record.push(Exchange {
            asked: asked.clone(),
            at: Instant::now(),
            upstream: None,
            answer: None,
        });
        record.len() - 1
    };
    if matches!(action, Some(Action::Reset)) {
        reset.store(true, Ordering::SeqCst);
    }
    let call = Call {
        head,
        body,
        asked,
        shared: shared.clone(),
        number,
    };
    let answer = call.perform(action).await?;
    lock(&shared.record)[number].answer = Some(answer.status());
    Ok(answer)
}

/// A request on its way.
struct Call {
    head: Parts,
    body: Bytes,
    asked: Asked,
    shared: Arc<Shared>,
    /// Its place in the record.
    number: usize,
}

impl Call {
    async fn perform(self, action: Option<Action>) -> io::Result<Response<Body>> {
        match action {
            None => self.forward(Habit::default()).await,
            Some(Action::KillBefore(kill)) => {
                let _ = kill.kill();
                Err(io::Error::other("killed"))
            }
            Some(Action::KillAfter(kill)) => {
                self.take_place().await?;
                let _ = kill.kill();
                Err(io::Error::other("killed"))
            }
            Some(Action::LoseAnswer) => {
                self.take_place().await?;
                Err(io::Error::other("lost"))
            }
            Some(Action::LoseRequest | Action::Reset) => Err(io::Error::other("lost")),
            Some(Action::Hang) => std::future::pending().await,
            Some(Action::HangAfter) => {
                self.take_place().await?;
                std::future::pending().await
            }
            Some(Action::Status(code)) => Ok(action::status(code, None)),
            Some(Action::Busy(code, wait)) => Ok(action::status(code, Some(wait))),
            Some(Action::Answer(reply)) => Ok(action::reply(reply)),
            Some(Action::Delay(time)) => {
                tokio::time::sleep(time).await;
                self.forward(Habit::default()).await
            }
            Some(Action::Truncate) => Ok(truncated(self.whole().await?)),
            Some(Action::Trickle(pause)) => Ok(trickled(self.whole().await?, pause)),
            Some(Action::Keep(kept)) => {
                let (mut response, body) = self.whole().await?;
                kept.keep(&response, body.clone());
                *response.body_mut() = whole(body);
                Ok(response)
            }
            Some(Action::Replay(kept)) => kept
                .answer()
                .ok_or_else(|| io::Error::other("no answer was kept to be replayed")),
            Some(Action::Rewrite(rewrite)) => {
                let (mut response, body) = self.whole().await?;
                *response.body_mut() = whole(rewrite.apply(&body));
                action::unframe(&mut response);
                Ok(response)
            }
            Some(Action::CloseWatch) => Ok(stream(whole(""))),
            Some(Action::SilentWatch) => Ok(stream(silence())),
            Some(Action::ExpiredWatch) => {
                let event = serde_json::json!({"type": "ERROR", "object": status_object(StatusCode::GONE)});
                Ok(stream(whole(format!("{event}\n"))))
            }
            Some(Action::DelayEvents(delay)) => self.forward(Habit { delay, twice: false }).await,
            Some(Action::RepeatEvents) => {
                let twice = Habit {
                    delay: Duration::ZERO,
                    twice: true,
                };
                self.forward(twice).await
            }
        }
    }

    /// Passes the request and its answer on.
    async fn forward(self, habit: Habit) -> io::Result<Response<Body>> {
        let (asked, shared) = (self.asked.clone(), self.shared.clone());
        let response = self.send().await?;
        if asked.verb == "watch" && response.status().is_success() {
            return Ok(response.map(|body| watching::pass(body, asked, shared, habit)));
        }
        Ok(response)
    }

    /// Lets the request take place.
    async fn take_place(self) -> io::Result<()> {
        self.whole().await.map(drop)
    }

    /// The answer's head, and its whole body beside it.
    async fn whole(self) -> io::Result<(Response<Body>, Bytes)> {
        let (head, body) = self.send().await?.into_parts();
        Ok((Response::from_parts(head, whole("")), read(body).await?))
    }

    async fn send(mut self) -> io::Result<Response<Body>> {
        let upstream = lock(&self.shared.upstream)
            .clone()
            .ok_or_else(|| io::Error::other("the proxy leads nowhere"))?;
        // A server behind the proxy builds its URLs from this.
        let scheme = if self.shared.https { "https" } else { "http" };
        self.head
            .headers
            .insert("x-forwarded-proto", HeaderValue::from_static(scheme));
        let response = upstream.send(self.head, self.body).await?;
        lock(&self.shared.record)[self.number].upstream = Some(response.status());
        Ok(response)
    }
}

/// A watch that was accepted.
fn stream(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A body that never says anything and never ends while somebody reads it.
fn silence() -> Body {
    let (writer, body) = pieces();
    tokio::spawn(async move { writer.closed().await });
    body
}

fn truncated((mut response, whole): (Response<Body>, Bytes)) -> Response<Body> {
    announce(&mut response, whole.len());
    let (writer, body) = pieces();
    tokio::spawn(async move {
        let _ = writer.send(Ok(whole.slice(..whole.len() / 2))).await;
        let _ = writer.send(Err(io::Error::other("cut off"))).await;
    });
    *response.body_mut() = body;
    response
}

fn trickled((mut response, whole): (Response<Body>, Bytes), pause: Duration) -> Response<Body> {
    announce(&mut response, whole.len());
    let (writer, body) = pieces();
    tokio::spawn(async move {
        for at in 0..whole.len() {
            tokio::time::sleep(pause).await;
            if writer.send(Ok(whole.slice(at..=at))).await.is_err() {
                return;
            }
        }
    });
    *response.body_mut() = body;
    response
}

/// Says how long the whole body is.
fn announce(response: &mut Response<Body>, length: usize) {
    action::unframe(response);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
}
