//! What is kept of a credentials Secret: the named keys, and what is wrong with them.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use secrecy::{ExposeSecret as _, SecretString};

use crate::api::names;
use crate::provider;

/// What an entry weighs beside its values.
const ENTRY: usize = 256;
/// Longest value, in bytes: servers accept no longer header.
pub(super) const LONGEST: usize = 16 * 1024;
/// A key whose value has several lines.
pub(super) const PRIVATE_KEY: &str = "private_key";

/// What is kept of a Secret.
#[derive(Debug)]
pub(super) struct Held {
    pub resource_version: String,
    pub allowed_origins: Option<Vec<String>>,
    /// In the order of the keys.
    pub values: Vec<Value>,
}

/// A value of a Secret.
#[derive(Debug)]
pub(super) enum Value {
    Usable(SecretString),
    Absent,
    /// So many bytes.
    TooLong(usize),
    /// It holds a line break or another control character.
    Unprintable,
    /// What it is instead of a private key.
    NoKey(&'static str),
}

impl Held {
    pub(super) fn of(secret: &Secret, members: &[&str]) -> Self {
        let origins = secret.annotations().get(names::ALLOWED_ORIGINS);
        let value = |member: &&str| {
            let bytes = secret.data.as_ref().and_then(|data| data.get(*member));
            bytes.map_or(Value::Absent, |bytes| Value::named(member, &bytes.0))
        };
        Self {
            resource_version: secret.resource_version().unwrap_or_default(),
            allowed_origins: origins.map(|text| text.split_whitespace().map(str::to_owned).collect()),
            values: members.iter().map(value).collect(),
        }
    }

    pub(super) fn weight(&self) -> usize {
        let values = self.values.iter().map(|value| match value {
            Value::Usable(value) => value.expose_secret().len(),
            Value::Absent | Value::TooLong(_) | Value::Unprintable | Value::NoKey(_) => 0,
        });
        let origins = self.allowed_origins.iter().flatten().map(|origin| origin.len() + 24);
        ENTRY + values.sum::<usize>() + origins.sum::<usize>()
    }
}

impl Value {
    pub(super) fn named(member: &str, bytes: &[u8]) -> Self {
        if member != PRIVATE_KEY {
            return Self::of(bytes);
        }
        if bytes.len() > LONGEST {
            return Self::TooLong(bytes.len());
        }
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let text = SecretString::from(text);
        match provider::check_signing_key(&text) {
            Ok(()) => Self::Usable(text),
            Err(why) => Self::NoKey(why),
        }
    }

    /// Most tools put a line break at the end of a file, and no server takes it for a part of a credential.
    pub(super) fn of(bytes: &[u8]) -> Self {
        if bytes.len() > LONGEST {
            return Self::TooLong(bytes.len());
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            // A value that is not text cannot be a header, user name or password.
            return Self::Absent;
        };
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.chars().any(char::is_control) {
            return Self::Unprintable;
        }
        Self::Usable(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(matches!(first(b"\xff"), Value::Absent));
    }
}
