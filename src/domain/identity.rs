//! What a registration carries so that its client can be found again: an identifier that the operator chooses, or a mark.
//!
//! A chosen identifier is the same for every attempt of one object, so a repeated registration meets the client of the lost
//! answer instead of making a second one. A mark is another one for every attempt, so it tells whose client that is.

use ring::digest::{SHA256, digest};
use serde_json::Value;

use crate::api::ManagementMode;

use super::metadata::{Request, hex};
use super::registration::Registration;
use super::target::{Knobs, Mark};
use super::uri_template;

/// Length of an identifier: 150 bits of a digest, five to a character.
const LENGTH: usize = 30;
/// Base32 (RFC 4648 section 6) in lower case.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// How a provider is asked for the client of a registration whose answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finds {
    /// By the identifier that the operator chose. Not found, there is none.
    ByIdentifier,
    /// By the mark that the registration carried. Not found, it may still come.
    ByMark(Mark),
}

/// How a provider of these settings is asked, if it can be: both ways need credentials that are not the client's own.
#[must_use]
pub fn finds(knobs: &Knobs) -> Option<Finds> {
    if !uri_template::needs_only_client_id(&knobs.uri_template) {
        // What the answer to the registration says is lost with it.
        return None;
    }
    match (knobs.management, &knobs.client_id_member, knobs.mark) {
        (ManagementMode::Credentials, Some(_), _) => Some(Finds::ByIdentifier),
        (ManagementMode::Credentials, None, Some(mark)) => Some(Finds::ByMark(mark)),
        _ => None,
    }
}

/// The identifier of an object's client: unique to cluster and UID, and nothing that somebody else can have by accident.
#[must_use]
pub fn client_id(cluster_id: &str, uid: &str) -> String {
    name_of(&[cluster_id, uid])
}

/// The mark of one attempt, in the form of a distinguished name (RFC 4514).
#[must_use]
pub fn mark(cluster_id: &str, uid: &str, attempt: &str) -> String {
    format!("CN={}", name_of(&[cluster_id, uid, attempt]))
}

/// Digest of an issuer and one of its clients, 32 hexadecimal digits: the label by which everything that names that client is
/// found. A `client_id` is public, so the digest needs no key.
#[must_use]
pub fn client_key(issuer: &str, client_id: &str) -> String {
    let digest = digest(&SHA256, format!("{issuer}\n{client_id}").as_bytes());
    hex(digest.as_ref().get(..16).unwrap_or_default())
}

/// Digest of an object's namespace and name, 16 hexadecimal digits: the label by which the record of an earlier object of the same
/// name is found. It only finds; whoever acts on a record compares what it holds.
#[must_use]
pub fn object_key(namespace: &str, name: &str) -> String {
    let digest = digest(&SHA256, format!("{namespace}/{name}").as_bytes());
    hex(digest.as_ref().get(..8).unwrap_or_default())
}

/// Stands for the attempt of a client whose attempt nobody knows, in the name of its suspect entry.
#[must_use]
pub fn unknown_attempt(client_id: &str) -> String {
    let digest = digest(&SHA256, client_id.as_bytes());
    format!("client-{}", hex(digest.as_ref().get(..8).unwrap_or_default()))
}

fn name_of(parts: &[&str]) -> String {
    let digest = digest(&SHA256, parts.join("\n").as_bytes());
    let bit = |at: usize| digest.as_ref().get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let letter = |at: usize| {
        let value = (0..5).fold(0, |value, offset| value << 1 | bit(at * 5 + offset));
        char::from(ALPHABET[usize::from(value)])
    };
    (0..LENGTH).map(letter).collect()
}

/// The mark that this request may carry: none if it sets the member itself, or if the member would mean something.
#[must_use]
pub fn mark_of(request: &Request, knobs: &Knobs) -> Option<Mark> {
    let Some(Finds::ByMark(mark)) = finds(knobs) else {
        return None;
    };
    let method = request.get("token_endpoint_auth_method").and_then(Value::as_str);
    let free = !request.contains_key(mark.member) && !knobs.omit_members.iter().any(|omitted| omitted == mark.member);
    (free && method != Some(mark.method)).then_some(mark)
}

/// The registration request, with the chosen identifier or the mark where the provider takes one.
#[must_use]
pub fn choose(request: &Request, knobs: &Knobs, cluster_id: &str, uid: &str, attempt: &str) -> Request {
    let mut request = request.clone();
    if let Some(member) = &knobs.client_id_member {
        request.insert(member.clone(), Value::String(client_id(cluster_id, uid)));
    }
    if let Some(own) = mark_of(&request, knobs) {
        request.insert(own.member.to_owned(), Value::String(mark(cluster_id, uid, attempt)));
    }
    request
}

/// Whether an answer repeats a value that nobody but this object sends: the chosen identifier or the mark of `sent`.
#[must_use]
pub fn is_echoed(answer: &Registration, sent: &Request, knobs: &Knobs) -> bool {
    let chosen = knobs.client_id_member.as_ref().and_then(|member| sent.get(member));
    if chosen.is_some_and(|id| *id == answer.client_id) {
        return true;
    }
    let Some(Finds::ByMark(mark)) = finds(knobs) else {
        return false;
    };
    let value = sent.get(mark.member);
    value.is_some() && answer.metadata.get(mark.member) == value
}

/// Where an administrator lists the clients of this issuer, if it has the form that such issuers have.
#[must_use]
pub fn listing(issuer: &str, mark: &Mark) -> Option<String> {
    let (base, name) = issuer.trim_end_matches('/').rsplit_once(mark.issuer_part)?;
    let plain = !name.is_empty() && !name.contains(['/', '?', '#']);
    plain.then(|| format!("{base}{}{name}{}", mark.listing_part, mark.listing_end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Profile;
    use crate::domain::profile::knobs;

    /// Keycloak with credentials of an administrator.
    fn marking() -> Knobs {
        Knobs {
            management: ManagementMode::Credentials,
            ..knobs(Profile::Keycloak)
        }
    }

    fn request(members: &Value) -> Request {
        members.as_object().unwrap().clone()
    }

    #[test]
    fn a_client_is_found_by_issuer_and_identifier_together() {
        let key = client_key("https://p", "id");
        assert_eq!(key.len(), 32);
        assert_eq!(key, client_key("https://p", "id"));
        assert_ne!(key, client_key("https://p", "other"));
        assert_ne!(key, client_key("https://q", "id"));
    }

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
        let request = choose(&Request::new(), &knobs(Profile::Wso2), "c", "u", "a");
        assert_eq!(request["ext_param_client_id"], client_id("c", "u"));
        assert_eq!(request.len(), 1);
        for silent in [Profile::Rfc7592, Profile::Keycloak] {
            assert!(choose(&Request::new(), &knobs(silent), "c", "u", "a").is_empty());
        }
    }

    #[test]
    fn marks_differ_by_attempt() {
        assert_eq!(mark("c", "u", "a"), mark("c", "u", "a"));
        assert_ne!(mark("c", "u", "a"), mark("c", "u", "b"));
        assert_ne!(mark("c", "u", "a"), mark("c", "v", "a"));
        assert_ne!(mark("c", "u", "a"), mark("d", "u", "a"));
        let request = choose(&Request::new(), &marking(), "c", "u", "a");
        assert_eq!(request["tls_client_auth_subject_dn"], mark("c", "u", "a"));
        assert_eq!(request.len(), 1);
    }

    #[test]
    fn a_member_that_means_something_carries_no_mark() {
        let method = |method: &str| request(&serde_json::json!({"token_endpoint_auth_method": method}));
        assert!(mark_of(&method("client_secret_basic"), &marking()).is_some());
        assert_eq!(mark_of(&method("tls_client_auth"), &marking()), None);
        let own = request(&serde_json::json!({"tls_client_auth_subject_dn": "CN=app"}));
        assert_eq!(choose(&own, &marking(), "c", "u", "a"), own);
        let omitting = Knobs {
            omit_members: vec!["tls_client_auth_subject_dn".to_owned()],
            ..marking()
        };
        assert_eq!(mark_of(&Request::new(), &omitting), None);
    }

    #[test]
    fn what_finds_needs_credentials() {
        assert_eq!(finds(&knobs(Profile::Keycloak)), None);
        assert!(matches!(finds(&marking()), Some(Finds::ByMark(_))));
        assert_eq!(finds(&knobs(Profile::Wso2)), Some(Finds::ByIdentifier));
        let both = Knobs {
            client_id_member: Some("id".to_owned()),
            ..marking()
        };
        assert_eq!(finds(&both), Some(Finds::ByIdentifier));
        assert_eq!(mark_of(&Request::new(), &both), None);
    }

    #[test]
    fn a_listing_lies_beside_its_realm() {
        let mark = marking().mark.unwrap();
        let listing = |issuer| listing(issuer, &mark);
        assert_eq!(
            listing("https://k.example/auth/realms/apps").as_deref(),
            Some("https://k.example/auth/admin/realms/apps/clients")
        );
        assert_eq!(
            listing("https://k.example/realms/realms/realms/apps/").as_deref(),
            Some("https://k.example/realms/realms/admin/realms/apps/clients"),
        );
        for issuer in [
            "https://k.example",
            "https://k.example/realms/",
            "https://k.example/realms/a/b",
            "https://k.example/realms/a?b",
        ] {
            assert_eq!(listing(issuer), None, "{issuer}");
        }
    }
}
