//! Client identifiers that the operator chooses itself, where a provider lets a registration do so.
//!
//! Such an identifier is the same for every attempt of one object, so a repeated registration meets the client of the lost
//! answer instead of making a second one.

use ring::digest::{SHA256, digest};
use serde_json::Value;

use super::metadata::Request;
use super::target::Knobs;

/// Length of an identifier: 150 bits of a digest, five to a character.
const LENGTH: usize = 30;
/// Base32 (RFC 4648 section 6) in lower case.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The identifier of an object's client: unique to cluster and UID, and nothing that somebody else can have by accident.
#[must_use]
pub fn client_id(cluster_id: &str, uid: &str) -> String {
    let digest = digest(&SHA256, format!("{cluster_id}\n{uid}").as_bytes());
    let bit = |at: usize| digest.as_ref().get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let letter = |at: usize| {
        let value = (0..5).fold(0, |value, offset| value << 1 | bit(at * 5 + offset));
        char::from(ALPHABET[usize::from(value)])
    };
    (0..LENGTH).map(letter).collect()
}

/// The registration request, with the chosen identifier where the provider takes one.
#[must_use]
pub fn choose(request: &Request, knobs: &Knobs, cluster_id: &str, uid: &str) -> Request {
    let mut request = request.clone();
    if let Some(member) = &knobs.client_id_member {
        request.insert(member.clone(), Value::String(client_id(cluster_id, uid)));
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Profile;
    use crate::domain::profile::knobs;

    #[test]
    fn identifiers_are_stable_and_differ_by_cluster_and_object() {
        let id = client_id("c", "u");
        assert_eq!(id, client_id("c", "u"));
        assert_eq!(id.len(), LENGTH);
        assert!(id.bytes().all(|byte| ALPHABET.contains(&byte)), "{id}");
        assert_ne!(id, client_id("c", "v"));
        assert_ne!(id, client_id("d", "u"));
        assert_ne!(client_id("a", "b\nc"), client_id("a\nb", "d"));
    }

    /// Clients are found again by it, by every later version too.
    #[test]
    fn the_identifier_is_base32_of_the_digest() {
        // printf 'cluster\nuid' | openssl sha256 -binary | base32 | tr A-Z a-z | cut -c 1-30
        assert_eq!(client_id("cluster", "uid"), "ycjr267q5coalo4qqqg7fppamrxf6s");
    }

    #[test]
    fn only_a_provider_that_takes_one_is_sent_one() {
        let request = choose(&Request::new(), &knobs(Profile::Wso2), "c", "u");
        assert_eq!(request["ext_param_client_id"], client_id("c", "u"));
        assert!(choose(&Request::new(), &knobs(Profile::Rfc7592), "c", "u").is_empty());
    }
}
