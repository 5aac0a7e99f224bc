//! Taking over a client that exists: what the object and its token Secret say about it.
//!
//! Invariant: a token goes to no other place than the one that its owner consented to, by the label and the annotation that
//! provider credentials carry.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use ring::digest::{SHA256, digest};
use secrecy::{ExposeSecret as _, SecretString};

use crate::api::{Adopt, Reason, names};

use super::failure::{Class, Failure};
use super::metadata::hex;

/// Key of the token, if the object names none.
const KEY: &str = "token";
/// In the place of a token's digest.
const SET_ASIDE: &str = "replaced";
/// Longest token, in bytes: servers accept no longer header.
const LONGEST: usize = 16 * 1024;

/// A client to take over, or a new token for one that is recorded.
#[derive(Clone, Debug)]
pub struct Adoption {
    /// Client configuration endpoint; `None`: the recorded one.
    pub uri: Option<String>,
    /// Registration access token.
    pub token: SecretString,
    /// Origins that the token may be sent to.
    pub origins: Vec<String>,
    /// Digests of the reference and of the token.
    pub digest: String,
}

/// Digest of what an object refers to.
fn reference(adopt: &Adopt) -> String {
    let token = &adopt.registration_access_token_ref;
    let uri = adopt.registration_client_uri.as_deref().unwrap_or_default();
    short(&format!(
        "{}\n{}\n{uri}",
        token.name,
        token.key.as_deref().unwrap_or(KEY)
    ))
}

/// Whether something that this object refers to was taken over already: its token may have been removed since.
#[must_use]
pub(crate) fn was_done(adopt: &Adopt, adopted: Option<&str>) -> bool {
    let before = adopted.and_then(|adopted| adopted.split_once('.'));
    before.is_some_and(|(before, _)| before == reference(adopt))
}

/// What stands in the record of a client that was registered in the place of the one that the object refers to: the reference counts
/// no more.
#[must_use]
pub(crate) fn set_aside(adopt: &Adopt) -> String {
    format!("{}.{SET_ASIDE}", reference(adopt))
}

/// Whether what the object refers to was set aside so.
#[must_use]
pub(crate) fn is_set_aside(adopt: &Adopt, adopted: Option<&str>) -> bool {
    adopted == Some(set_aside(adopt).as_str())
}

fn short(text: &str) -> String {
    hex(digest(&SHA256, text.as_bytes()).as_ref().get(..16).unwrap_or_default())
}

impl Adoption {
    /// What an object and its Secret say.
    ///
    /// # Errors
    /// There is no such Secret, its owner has not consented, or it holds no usable token.
    pub fn of(adopt: &Adopt, namespace: &str, secret: Option<&Secret>) -> Result<Self, Failure> {
        let wanted = &adopt.registration_access_token_ref;
        let (name, key) = (&wanted.name, wanted.key.as_deref().unwrap_or(KEY));
        let what = format!("spec.adopt.registrationAccessTokenRef names Secret {namespace}/{name}");
        let missing = |text: String| Err(Failure::new(Class::Denied, Reason::CredentialsMissing, text));
        let Some(secret) = secret else {
            return missing(format!("{what}, which does not exist; create it"));
        };
        let labelled = secret.labels().get(names::PROVIDER_CREDENTIALS).map(String::as_str) == Some("true");
        let origins = secret.annotations().get(names::ALLOWED_ORIGINS);
        let (true, Some(origins)) = (labelled, origins) else {
            let text = format!(
                "{what}, whose owner has not consented; if you own it: kubectl -n {namespace} label secret {name} {}=true && kubectl -n {namespace} annotate \
                 secret {name} {}=https://ORIGIN-OF-THE-PROVIDER",
                names::PROVIDER_CREDENTIALS,
                names::ALLOWED_ORIGINS
            );
            return Err(Failure::new(Class::Denied, Reason::ConsentMissing, text));
        };
        let bytes = secret.data.as_ref().and_then(|data| data.get(key));
        let token = bytes.and_then(|bytes| std::str::from_utf8(&bytes.0).ok());
        // Most tools put a line break at the end of a file, and no server takes it for a part of a token.
        let Some(token) = token.map(str::trim_end).filter(|token| !token.is_empty()) else {
            return missing(format!("{what}, which has no key {key}; add it"));
        };
        if token.len() > LONGEST || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return missing(format!(
                "{what}, whose key {key} is no token: it is longer than {LONGEST} bytes, or holds spaces or control characters"
            ));
        }
        Ok(Self {
            uri: adopt.registration_client_uri.clone(),
            token: token.into(),
            origins: origins.split_whitespace().map(str::to_owned).collect(),
            digest: format!("{}.{}", reference(adopt), short(token)),
        })
    }

    /// Text of the token, for digests of what may be sent.
    #[must_use]
    pub fn is_same_as(&self, adopted: Option<&str>) -> bool {
        adopted == Some(self.digest.as_str())
    }
}

impl PartialEq for Adoption {
    fn eq(&self, other: &Self) -> bool {
        (&self.uri, &self.digest, &self.origins) == (&other.uri, &other.digest, &other.origins)
            && self.token.expose_secret() == other.token.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn adopt() -> Adopt {
        serde_json::from_value(json!({"registrationAccessTokenRef": {"name": "t"}})).unwrap()
    }

    fn secret(change: impl FnOnce(&mut Value)) -> Secret {
        let mut secret = json!({
            "metadata": {
                "labels": {names::PROVIDER_CREDENTIALS: "true"},
                "annotations": {names::ALLOWED_ORIGINS: "https://p https://q"},
            },
            // "s3cret" with a line break.
            "data": {"token": "czNjcmV0Cg=="},
        });
        change(&mut secret);
        serde_json::from_value(secret).unwrap()
    }

    #[test]
    fn a_token_is_read_with_the_consent_of_its_owner() {
        let adoption = Adoption::of(&adopt(), "ns", Some(&secret(|_| {}))).unwrap();
        assert_eq!(adoption.token.expose_secret(), "s3cret");
        assert_eq!(adoption.origins, ["https://p", "https://q"]);
        assert!(!format!("{adoption:?}").contains("s3cret"));
        assert!(was_done(&adopt(), Some(&adoption.digest)) && adoption.is_same_as(Some(&adoption.digest)));
        let other = secret(|s| s["data"]["token"] = json!("b3RoZXI="));
        let other = Adoption::of(&adopt(), "ns", Some(&other)).unwrap();
        assert!(was_done(&adopt(), Some(&other.digest)) && !other.is_same_as(Some(&adoption.digest)));
    }

    #[test]
    fn what_is_missing_is_named() {
        let refused = |change: fn(&mut Value)| Adoption::of(&adopt(), "ns", Some(&secret(change))).unwrap_err();
        for change in [
            |s: &mut Value| s["metadata"]["labels"] = json!({}),
            |s: &mut Value| s["metadata"]["annotations"] = json!({}),
        ] {
            let failure = refused(change);
            assert_eq!(failure.reason, Reason::ConsentMissing);
            assert!(
                failure.message.contains("Secret ns/t") && failure.message.contains("kubectl"),
                "{failure}"
            );
        }
        for change in [
            |s: &mut Value| s["data"] = json!({"other": "czNjcmV0"}),
            |s: &mut Value| s["data"]["token"] = json!("YSBi"),
        ] {
            assert_eq!(refused(change).reason, Reason::CredentialsMissing);
        }
        let absent = Adoption::of(&adopt(), "ns", None).unwrap_err();
        assert!(absent.message.contains("does not exist"), "{absent}");
    }
}
