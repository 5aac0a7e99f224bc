//! Bounds on what is read from a provider.

use std::pin::pin;
use std::time::Duration;

use bytes::BytesMut;

use super::coding;
pub use super::coding::BodyError;

/// Largest metadata document, in bytes.
pub(super) const METADATA: usize = 256 * 1024;
/// Largest WebFinger answer, in bytes.
pub(super) const WEBFINGER: usize = 64 * 1024;
/// Largest registration answer, in bytes.
pub(super) const REGISTRATION: usize = 64 * 1024;
/// Largest page of a list of clients, in bytes.
pub(super) const LISTING: usize = 8 * 1024 * 1024;
/// Most hops from one metadata address to the next.
pub(super) const REDIRECTS: usize = 3;
/// Time that waiting is counted in.
const TICK: Duration = Duration::from_secs(1);

/// Awaits an answer, for `limit` of the time in which this process runs. An answer that came while the process stood still
/// lies unread when it goes on, with its deadline long past; it may be the only one that holds a client's credentials.
pub(super) async fn within<T>(limit: Duration, answer: impl Future<Output = T>) -> Option<T> {
    let mut answer = pin!(answer);
    let mut left = limit;
    while !left.is_zero() {
        let tick = left.min(TICK);
        if let Ok(answer) = tokio::time::timeout(tick, answer.as_mut()).await {
            return Some(answer);
        }
        left -= tick;
    }
    None
}

/// Reads a body up to `limit` bytes.
pub(super) async fn read(mut response: reqwest::Response, limit: usize) -> Result<Vec<u8>, BodyError> {
    let announced = response.content_length().unwrap_or_default();
    if usize::try_from(announced).map_or(true, |announced| announced > limit) {
        return Err(BodyError::TooLarge);
    }
    let headers = response.headers().clone();
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| BodyError::Broken)? {
        if body.len() + chunk.len() > limit {
            return Err(BodyError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    coding::decoded(body.into(), &headers, limit)
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::{Instant, advance};

    use super::*;

    const LIMIT: Duration = Duration::from_millis(2500);

    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_longer_than_the_limit() {
        let begun = Instant::now();
        assert_eq!(within(LIMIT, pending::<()>()).await, None);
        assert!(
            (LIMIT..LIMIT + Duration::from_millis(10)).contains(&begun.elapsed()),
            "{:?}",
            begun.elapsed()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn t41_an_answer_that_came_while_the_process_stood_still_is_read() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let waiting = tokio::spawn(within(LIMIT, receiver));
        tokio::task::yield_now().await;
        advance(LIMIT * 10).await;
        tokio::task::yield_now().await;
        sender.send("a client").unwrap();
        assert_eq!(waiting.await.unwrap().unwrap().unwrap(), "a client");
    }
}
