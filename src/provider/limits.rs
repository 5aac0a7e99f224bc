//! Bounds on what is read from a provider.

use bytes::BytesMut;

/// Largest metadata document, in bytes.
pub(super) const METADATA: usize = 256 * 1024;
/// Largest WebFinger answer, in bytes.
pub(super) const WEBFINGER: usize = 64 * 1024;
/// Largest registration answer, in bytes.
pub(super) const REGISTRATION: usize = 64 * 1024;
/// Most hops from one metadata address to the next.
pub(super) const REDIRECTS: usize = 3;

/// Why a body could not be read.
#[derive(Debug)]
pub(super) enum BodyError {
    /// It is larger than allowed; the rest was not read.
    TooLarge,
    /// The connection broke.
    Broken,
}

/// Reads a body up to `limit` bytes.
pub(super) async fn read(mut response: reqwest::Response, limit: usize) -> Result<Vec<u8>, BodyError> {
    let announced = response.content_length().unwrap_or_default();
    if usize::try_from(announced).map_or(true, |announced| announced > limit) {
        return Err(BodyError::TooLarge);
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| BodyError::Broken)? {
        if body.len() + chunk.len() > limit {
            return Err(BodyError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}
