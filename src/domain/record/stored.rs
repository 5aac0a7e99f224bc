//! Where a record is in its Secret.

use k8s_openapi::api::core::v1::Secret;

/// Key of the record in its Secret.
pub const DATA_KEY: &str = "record.json";
/// The same of a client in dispute. An operator of an earlier version does not know what a dispute is and would deregister the client; a
/// record under this key is none to it.
pub const DISPUTED_KEY: &str = "disputed-record.json";

/// The key under which data that has certain keys holds a record.
pub fn key(has: impl Fn(&str) -> bool) -> Option<&'static str> {
    [DATA_KEY, DISPUTED_KEY].into_iter().find(|key| has(key))
}

/// The record that a Secret holds, as JSON.
#[must_use]
pub fn json_in(secret: &Secret) -> Option<&[u8]> {
    let data = secret.data.as_ref()?;
    Some(&data.get(key(|key| data.contains_key(key))?)?.0)
}
