//! Bodies of answers: passed on, made up, or written piece by piece.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Frame;
use tokio::sync::mpsc;

/// The body of an answer.
pub(super) type Body = BoxBody<Bytes, io::Error>;

pub(super) fn whole(body: impl Into<Bytes>) -> Body {
    Full::new(body.into()).map_err(|never| match never {}).boxed()
}

/// Writes a body piece by piece; an error cuts the connection, dropping it ends the body.
pub(super) type Writer = mpsc::Sender<io::Result<Bytes>>;

struct Pieces(mpsc::Receiver<io::Result<Bytes>>);

/// A body that something else writes.
pub(super) fn pieces() -> (Writer, Body) {
    let (writer, pieces) = mpsc::channel(1);
    (writer, BoxBody::new(Pieces(pieces)))
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0
            .poll_recv(cx)
            .map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

/// The next piece of data of a body; none at its end.
pub(super) async fn next(body: &mut Body) -> Option<io::Result<Bytes>> {
    loop {
        match body.frame().await? {
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Some(Ok(data));
                }
            }
            Err(error) => return Some(Err(error)),
        }
    }
}

/// The whole of a body.
pub(super) async fn read(body: Body) -> io::Result<Bytes> {
    Ok(body.collect().await?.to_bytes())
}
