//! Content codings (RFC 9110 section 8.4). The operator asks for none, and there are servers and proxies that compress all the
//! same: an answer to a registration must not be lost for that.

use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is larger than allowed; the rest was not read.
    TooLarge,
    /// It is compressed, and not in a way that can be undone.
    Packed,
    /// The connection broke.
    Broken,
}

/// Most codings of one body. More than one is odd already.
const MOST: usize = 3;

/// The body without the codings that its headers state, at most `limit` bytes of it.
pub(super) fn decoded(body: Vec<u8>, headers: &HeaderMap, limit: usize) -> Result<Vec<u8>, BodyError> {
    let mut codings = Vec::new();
    for value in headers.get_all(CONTENT_ENCODING) {
        let text = value.to_str().map_err(|_| BodyError::Packed)?;
        codings.extend(text.split(',').map(|coding| coding.trim().to_ascii_lowercase()));
    }
    codings.retain(|coding| !coding.is_empty() && coding != "identity");
    if body.is_empty() || codings.is_empty() {
        return Ok(body);
    }
    if codings.len() > MOST {
        return Err(BodyError::Packed);
    }
    // They are stated in the order in which they were applied.
    let unpacked = codings
        .iter()
        .rev()
        .try_fold(body.clone(), |body, coding| unpack(coding, &body, limit));
    match unpacked {
        // There are proxies that unpack a body and leave the header.
        Err(BodyError::Packed) if body.trim_ascii_start().starts_with(b"{") => Ok(body),
        result => result,
    }
}

/// The bytes that a coding stands for, at most `limit` of them.
///
/// # Errors
/// There are more, or the coding is unknown, or the bytes are not of that coding.
pub fn unpack(coding: &str, body: &[u8], limit: usize) -> Result<Vec<u8>, BodyError> {
    match coding {
        "gzip" | "x-gzip" => read(MultiGzDecoder::new(body), limit),
        // The name means zlib's format; some servers send the bare one.
        "deflate" => match read(ZlibDecoder::new(body), limit) {
            Err(BodyError::Packed) => read(DeflateDecoder::new(body), limit),
            result => result,
        },
        _ => Err(BodyError::Packed),
    }
}

fn read(packed: impl Read, limit: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    packed
        .take(most)
        .read_to_end(&mut body)
        .map_err(|_| BodyError::Packed)?;
    if body.len() > limit {
        return Err(BodyError::TooLarge);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const TEXT: &[u8] = br#"{"client_id":"a"}"#;
    const LIMIT: usize = 64 * 1024;

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn with(coding: &str, body: Vec<u8>) -> Result<Vec<u8>, BodyError> {
        let headers = [(CONTENT_ENCODING, coding.parse().unwrap())];
        decoded(body, &headers.into_iter().collect(), LIMIT)
    }

    #[test]
    fn w83_every_coding_that_servers_use_unasked_is_understood() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(TEXT).unwrap();
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::fast());
        bare.write_all(TEXT).unwrap();
        assert_eq!(with("gzip", gzip(TEXT)).unwrap(), TEXT);
        assert_eq!(with("X-GZIP", gzip(TEXT)).unwrap(), TEXT);
        assert_eq!(with("deflate", zlib.finish().unwrap()).unwrap(), TEXT);
        assert_eq!(with("deflate", bare.finish().unwrap()).unwrap(), TEXT);
        assert_eq!(with("gzip, identity, gzip", gzip(&gzip(TEXT))).unwrap(), TEXT);
        assert_eq!(with("identity", TEXT.to_vec()).unwrap(), TEXT);
        assert_eq!(with("gzip", Vec::new()).unwrap(), b"");
        // In several parts, as a server that flushes sends it.
        assert_eq!(with("gzip", [gzip(b"a"), gzip(b"b")].concat()).unwrap(), b"ab");
    }

    #[test]
    fn w83_a_small_body_does_not_become_a_large_one() {
        let bomb = gzip(&vec![0; 64 * 1024 * 1024]);
        assert!(bomb.len() < 2 * LIMIT);
        assert!(matches!(with("gzip", bomb.clone()), Err(BodyError::TooLarge)));
        assert!(matches!(with("gzip, gzip", gzip(&bomb)), Err(BodyError::TooLarge)));
        assert!(with("gzip", gzip(&vec![0; LIMIT])).is_ok());
        assert!(matches!(
            with("gzip", gzip(&vec![0; LIMIT + 1])),
            Err(BodyError::TooLarge)
        ));
    }

    #[test]
    fn w83_no_more_is_unpacked_than_is_allowed() {
        assert!(matches!(read(std::io::repeat(0), LIMIT), Err(BodyError::TooLarge)));
    }

    #[test]
    fn w83_a_header_that_outlived_its_coding_costs_nothing() {
        for coding in ["gzip", "deflate", "br", "zstd"] {
            assert_eq!(with(coding, TEXT.to_vec()).unwrap(), TEXT, "{coding}");
        }
    }

    #[test]
    fn w83_what_is_not_of_its_coding_is_told_as_such() {
        for (coding, body) in [
            ("gzip", b"not gzip at all".to_vec()),
            ("gzip", gzip(TEXT)[..12].to_vec()),
            ("br", gzip(TEXT)),
            ("zstd", b"\x28\xb5\x2f\xfd".to_vec()),
            ("deflate", b"not deflate".to_vec()),
            ("gzip,gzip,gzip,gzip", gzip(TEXT)),
        ] {
            assert!(matches!(with(coding, body), Err(BodyError::Packed)), "{coding}");
        }
    }
}
