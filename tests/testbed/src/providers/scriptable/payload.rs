//! Bodies of answers: whole, byte by byte, or cut off.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

/// The body of an answer.
pub(super) struct Payload {
    rest: Bytes,
    /// Pause before each byte; without it, all goes at once.
    pace: Option<(Duration, Pin<Box<Sleep>>)>,
    /// Bytes of `rest` that are announced but never sent.
    withheld: usize,
}

impl Payload {
    pub(super) fn whole(body: Vec<u8>) -> Self {
        Self {
            rest: body.into(),
            pace: None,
            withheld: 0,
        }
    }

    pub(super) fn trickle(body: Vec<u8>, pause: Duration) -> Self {
        Self {
            pace: Some((pause, Box::pin(tokio::time::sleep(pause)))),
            ..Self::whole(body)
        }
    }

    pub(super) fn truncated(body: Vec<u8>) -> Self {
        Self {
            withheld: body.len().div_ceil(2),
            ..Self::whole(body)
        }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let mut sent = self.rest.len() - self.withheld;
        if sent == 0 {
            let cut = (self.withheld > 0).then(|| Err(io::Error::other("cut off")));
            return Poll::Ready(cut);
        }
        if let Some((pause, timer)) = &mut self.pace {
            ready!(timer.as_mut().poll(context));
            timer.set(tokio::time::sleep(*pause));
            sent = 1;
        }
        let piece = self.rest.split_to(sent);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }
}
