//! What is kept of a Secret or ConfigMap: the named keys, and what is wrong with them.

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use secrecy::{ExposeSecret as _, SecretString};

use crate::api::{Reason, names};
use crate::cluster::ProviderKey;
use crate::domain::failure::{Class, Failure};
use crate::provider;

use super::TLS;

/// What an entry weighs beside its values.
const ENTRY: usize = 256;
/// Longest value, in bytes: servers accept no longer header.
pub(super) const LONGEST: usize = 16 * 1024;
/// Longest bundle of authorities, in bytes: that of an inline one.
const LONGEST_BUNDLE: usize = 256 * 1024;
/// Keys whose values have several lines.
pub(super) const PRIVATE_KEY: &str = "private_key";
pub(super) const TLS_CERTIFICATE: &str = "tls.crt";
pub(super) const TLS_KEY: &str = "tls.key";
pub(super) const AUTHORITY: &str = "ca.crt";

/// What is kept of a Secret or ConfigMap.
#[derive(Debug)]
pub(super) struct CachedObject {
    pub resource_version: String,
    pub allowed_origins: Option<Vec<String>>,
    /// What its owner says of the expiry of the token.
    pub expires_at: Expiry,
    /// In the order of the keys.
    pub values: Vec<Value>,
}

/// When a token expires, as the owner of its Secret states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    Unstated,
    /// In seconds since the epoch.
    At(i64),
    Unreadable,
}

impl Expiry {
    /// What is wrong with a statement that cannot be read.
    pub(super) const REMARK: &str = "the annotation oauth-client-operator.dev/expires-at of the Secret is not an RFC 3339 time such as \
                              2030-01-31T12:00:00Z; correct it";

    fn of(secret: &Secret) -> Self {
        match secret
            .annotations()
            .get(names::EXPIRES_AT)
            .map(|text| text.trim().parse::<Timestamp>())
        {
            None => Self::Unstated,
            Some(Ok(at)) => Self::At(at.as_second()),
            Some(Err(_)) => Self::Unreadable,
        }
    }
}

/// A value of a Secret.
#[derive(Debug)]
pub(super) enum Value {
    Usable(SecretString),
    Absent,
    /// So many bytes, of at most so many.
    TooLong(usize, usize),
    /// It holds a line break or another control character.
    Unprintable,
    /// What it is instead of what it should be, and what to set it to.
    Unfit(&'static str, &'static str),
}

impl CachedObject {
    pub(super) fn of_secret(secret: &Secret, members: &[&str]) -> Self {
        let value = |member: &&str| {
            let bytes = secret.data.as_ref().and_then(|data| data.get(*member));
            bytes.map_or(Value::Absent, |bytes| Value::named(member, &bytes.0))
        };
        let mut values: Vec<_> = members.iter().map(value).collect();
        if members == TLS
            && let [Value::Usable(chain), Value::Usable(key)] = &values[..]
            && !provider::is_key_of(key, chain)
        {
            values[1] = Value::Unfit(
                "not the private key of tls.crt",
                "the private key of the certificate in PEM",
            );
        }
        Self {
            resource_version: secret.resource_version().unwrap_or_default(),
            allowed_origins: origins(secret),
            expires_at: Expiry::of(secret),
            values,
        }
    }

    /// The authorities in one key of a ConfigMap.
    pub(super) fn of_config_map(map: &ConfigMap, member: &str) -> Self {
        let text = map
            .data
            .as_ref()
            .and_then(|data| data.get(member))
            .map(String::as_bytes);
        // A tool puts a value there that it does not take for text.
        let binary = || Some(map.binary_data.as_ref()?.get(member)?.0.as_slice());
        let value = text.or_else(binary).map_or(Value::Absent, Value::of_authorities);
        Self {
            resource_version: map.resource_version().unwrap_or_default(),
            allowed_origins: origins(map),
            expires_at: Expiry::Unstated,
            values: vec![value],
        }
    }

    /// The value of a key, by its number. `field`: the field that needs it. `holder`: kind, namespace and name of the object.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn value(
        &self,
        key: &ProviderKey,
        field: &str,
        holder: &str,
        (index, member): (usize, &str),
    ) -> Result<SecretString, Failure> {
        let what = format!("the key {member} in {holder}");
        let text = match &self.values[index] {
            Value::Usable(value) => return Ok(value.clone()),
            Value::Absent => format!("{key}: spec.{field} needs {what}; add it"),
            Value::TooLong(bytes, most) => {
                format!(
                    "{key}: spec.{field} uses {what}, which has {bytes} bytes, more than the limit of {most}; set it to {} and nothing else",
                    if *most == LONGEST_BUNDLE {
                        "the certificates that the provider needs"
                    } else {
                        "the credential"
                    }
                )
            }
            Value::Unprintable => {
                format!(
                    "{key}: spec.{field} uses {what}, which contains a line break or another control character; remove it"
                )
            }
            Value::Unfit(why, wanted) => format!("{key}: spec.{field} uses {what}, which is {why}; set it to {wanted}"),
        };
        Err(Failure::new(Class::Denied, Reason::CredentialsMissing, text))
    }

    pub(super) fn weight(&self) -> usize {
        let values = self.values.iter().map(|value| match value {
            Value::Usable(value) => value.expose_secret().len(),
            Value::Absent | Value::TooLong(..) | Value::Unprintable | Value::Unfit(..) => 0,
        });
        let origins = self.allowed_origins.iter().flatten().map(|origin| origin.len() + 24);
        ENTRY + values.sum::<usize>() + origins.sum::<usize>()
    }
}

impl Value {
    pub(super) fn named(member: &str, bytes: &[u8]) -> Self {
        let (check, wanted): (fn(&SecretString) -> _, _) = match member {
            AUTHORITY => return Self::of_authorities(bytes),
            PRIVATE_KEY => (
                provider::check_signing_key,
                "a private key in PEM, RSA of 2048 bits or more, or of the curve P-256",
            ),
            TLS_CERTIFICATE => (provider::check_certificates, "the certificate in PEM"),
            TLS_KEY => (provider::check_tls_key, "the private key of the certificate in PEM"),
            _ => return Self::of(bytes),
        };
        Self::checked(bytes, LONGEST, check, wanted)
    }

    pub(super) fn of_authorities(bytes: &[u8]) -> Self {
        let wanted = "the certificates of the authorities in PEM, without a private key";
        Self::checked(bytes, LONGEST_BUNDLE, check_authorities, wanted)
    }

    fn checked(
        bytes: &[u8],
        longest: usize,
        check: impl Fn(&SecretString) -> Result<(), &'static str>,
        wanted: &'static str,
    ) -> Self {
        if bytes.len() > longest {
            return Self::TooLong(bytes.len(), longest);
        }
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let text = SecretString::from(text);
        match check(&text) {
            Ok(()) => Self::Usable(text),
            Err(why) => Self::Unfit(why, wanted),
        }
    }

    /// Most tools put a line break at the end of a file, and no server takes it for a part of a credential.
    pub(super) fn of(bytes: &[u8]) -> Self {
        if bytes.len() > LONGEST {
            return Self::TooLong(bytes.len(), LONGEST);
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Self::Unfit("not valid UTF-8", "the credential as text");
        };
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.chars().any(char::is_control) {
            return Self::Unprintable;
        }
        Self::Usable(text.into())
    }
}

/// What the owner of an object lists.
fn origins(object: &impl ResourceExt) -> Option<Vec<String>> {
    let text = object.annotations().get(names::ALLOWED_ORIGINS)?;
    Some(text.split_whitespace().map(str::to_owned).collect())
}

/// A record keeps the bundle, and others than the owner of the object read it.
fn check_authorities(pem: &SecretString) -> Result<(), &'static str> {
    if pem.expose_secret().contains("PRIVATE KEY-----") {
        return Err("a bundle with a private key");
    }
    provider::check_certificates(pem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t267_a_bundle_of_authorities_may_be_long_and_holds_no_private_key() {
        let certificate = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
        let named = |text: String| Value::named(AUTHORITY, text.as_bytes());
        assert!(matches!(named(certificate.repeat(1000)), Value::Usable(_)));
        assert!(matches!(
            named(certificate.repeat(5000)),
            Value::TooLong(_, LONGEST_BUNDLE)
        ));
        let key = "-----BEGIN EC PRIVATE KEY-----\nAA==\n-----END EC PRIVATE KEY-----\n";
        for unfit in [format!("{certificate}{key}"), String::new(), "x".to_owned()] {
            assert!(matches!(named(unfit), Value::Unfit(..)));
        }
    }

    #[test]
    fn t352_of_a_config_map_the_named_key_is_kept_wherever_it_is_and_says_what_is_wrong_with_it() {
        let certificate = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
        let key = "-----BEGIN EC PRIVATE KEY-----\nAA==\n-----END EC PRIVATE KEY-----\n";
        let map: ConfigMap = serde_json::from_value(serde_json::json!({
            "metadata": {"resourceVersion": "7", "annotations": {names::ALLOWED_ORIGINS: "https://a https://b"}},
            "data": {"ca.crt": certificate, "keyed": format!("{certificate}{key}"), "long": certificate.repeat(5000), "other": "x".repeat(900_000)},
            "binaryData": {"binary": k8s_openapi::ByteString(certificate.into()), "jks": k8s_openapi::ByteString(vec![0xfe, 0xed])},
        }))
        .unwrap();
        for member in ["ca.crt", "binary"] {
            let held = CachedObject::of_config_map(&map, member);
            assert!(
                matches!(&held.values[..], [Value::Usable(pem)] if pem.expose_secret() == certificate),
                "{member}"
            );
            assert_eq!(
                (
                    held.resource_version.as_str(),
                    held.allowed_origins.as_ref().unwrap().len()
                ),
                ("7", 2)
            );
            assert!(held.weight() < 1024, "{}", held.weight());
        }
        let provider = ProviderKey::namespaced("shop", "id");
        for (member, parts) in [
            ("absent", ["needs the key absent in ConfigMap shop/ca; add it", ""]),
            (
                "keyed",
                ["which is a bundle with a private key", "without a private key"],
            ),
            ("jks", ["which is no certificate in PEM", "in PEM"]),
            (
                "long",
                [
                    "more than the limit of 262144",
                    "set it to the certificates that the provider needs",
                ],
            ),
        ] {
            let held = CachedObject::of_config_map(&map, member);
            let failure = held
                .value(&provider, "tls.caBundleFrom", "ConfigMap shop/ca", (0, member))
                .unwrap_err();
            assert_eq!(failure.reason, Reason::CredentialsMissing);
            for part in parts {
                assert!(failure.message.contains(part), "{failure}");
            }
            assert!(!failure.message.contains("BEGIN"), "{failure}");
        }
    }

    #[test]
    fn t269_a_credential_that_is_too_long_is_named_with_its_limit() {
        let held = CachedObject {
            resource_version: String::new(),
            allowed_origins: None,
            expires_at: Expiry::Unstated,
            values: vec![Value::of(&vec![b'x'; LONGEST + 1])],
        };
        let key = ProviderKey::namespaced("shop", "id");
        let failure = held
            .value(&key, "registrationAuth", "Secret shop/a", (0, "token"))
            .unwrap_err();
        for part in [
            "spec.registrationAuth",
            "the key token in Secret shop/a",
            "16385 bytes",
            "the limit of 16384",
        ] {
            assert!(failure.message.contains(part), "{failure}");
        }
        assert!(matches!(Value::of(&vec![b'x'; LONGEST]), Value::Usable(_)));
    }

    fn first(bytes: &[u8]) -> Value {
        Value::of(bytes)
    }

    #[test]
    fn t101_a_line_break_at_the_end_of_a_credential_is_no_part_of_it() {
        for text in ["s3cret", "s3cret\n", "s3cret\r\n"] {
            assert!(
                matches!(first(text.as_bytes()), Value::Usable(value) if value.expose_secret() == "s3cret"),
                "{text:?}"
            );
        }
        for text in ["s3\ncret", "s3cret\n\n", "\ns3cret", "s3cret\0", "s3cret\t"] {
            assert!(matches!(first(text.as_bytes()), Value::Unprintable), "{text:?}");
        }
        assert!(matches!(first(b"\xff"), Value::Unfit(..)));
    }
}
