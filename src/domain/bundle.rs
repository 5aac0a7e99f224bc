//! CA bundles are stored once: a record refers to its bundle by digest, in a member and in a label.
//!
//! Invariant: a stored record without its bundle inline refers to a bundle that was stored before it and was in use less than half the
//! time after which it may be collected. Where no bundle could be stored, the record keeps it inline, as earlier versions wrote it.

use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use ring::digest::{SHA256, digest};
use serde_json::Value;

use crate::api::names;

use super::metadata::hex;

/// Key of the bundle in its Secret.
pub(crate) const DATA_KEY: &str = "ca.crt";
/// Most bundles that are stored on behalf of one namespace.
pub(crate) const MOST: usize = 16;

/// A bundle that was not used for so long is used before somebody refers to it.
const TOUCH: Duration = Duration::from_hours(12);
/// A bundle that was not used for so long and that no record refers to may go.
const COLLECT: Duration = Duration::from_hours(24);

const MANAGEMENT: &str = "management";
const INLINE: &str = "caBundle";
const REFERENCE: &str = "caBundleDigest";

/// A record, and the bundle that was in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detached {
    /// The record as JSON, with the digest instead of the bundle.
    pub record: Vec<u8>,
    /// The bundle.
    pub pem: String,
    /// Its digest.
    pub digest: String,
}

/// Digest of a bundle, short enough for a label: 56 hexadecimal digits of its SHA-256.
#[must_use]
pub(crate) fn digest_of(pem: &str) -> String {
    let digest = digest(&SHA256, pem.as_bytes());
    hex(digest.as_ref().get(..28).unwrap_or_default())
}

/// Name of the Secret of a bundle.
#[must_use]
pub(crate) fn name(digest: &str) -> String {
    format!("oauth-client-operator-ca-{digest}")
}

/// Takes the bundle out of a record's JSON. `None`: there is none in it.
#[must_use]
pub fn detach(record: &[u8]) -> Option<Detached> {
    let mut record: Value = serde_json::from_slice(record).ok()?;
    let management = record.get_mut(MANAGEMENT)?.as_object_mut()?;
    let Some(Value::String(pem)) = management.remove(INLINE) else {
        return None;
    };
    let digest = digest_of(&pem);
    management.insert(REFERENCE.to_owned(), Value::String(digest.clone()));
    Some(Detached {
        record: serde_json::to_vec(&record).ok()?,
        pem,
        digest,
    })
}

/// The digest of the bundle that a record's JSON refers to.
#[must_use]
pub fn reference(record: &[u8]) -> Option<String> {
    let record: Value = serde_json::from_slice(record).ok()?;
    let digest = record.get(MANAGEMENT)?.get(REFERENCE)?.as_str()?;
    (!digest.is_empty()).then(|| digest.to_owned())
}

/// Puts the bundle into a record's JSON in place of its digest. `None`: it is not the bundle that the record refers to.
#[must_use]
pub fn attach(record: &[u8], pem: &str) -> Option<Vec<u8>> {
    let mut record: Value = serde_json::from_slice(record).ok()?;
    let management = record.get_mut(MANAGEMENT)?.as_object_mut()?;
    if management.remove(REFERENCE)?.as_str() != Some(&digest_of(pem)) {
        return None;
    }
    management.insert(INLINE.to_owned(), Value::String(pem.to_owned()));
    serde_json::to_vec(&record).ok()
}

/// A bundle as a Secret of the operator's namespace, stored on behalf of the namespace `tenant`.
#[must_use]
pub(crate) fn secret(pem: &str, namespace: &str, tenant: &str, now: i64) -> Secret {
    let labels = [(names::MANAGED_BY, names::FIELD_MANAGER), (names::BUNDLE_OF, tenant)];
    Secret {
        metadata: ObjectMeta {
            name: Some(name(&digest_of(pem))),
            namespace: Some(namespace.to_owned()),
            labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
            annotations: Some([(names::LAST_USED.to_owned(), now.to_string())].into()),
            ..ObjectMeta::default()
        },
        type_: Some(names::BUNDLE_TYPE.to_owned()),
        data: Some([(DATA_KEY.to_owned(), ByteString(pem.as_bytes().to_vec()))].into()),
        ..Secret::default()
    }
}

/// When a bundle was last used, in seconds since the epoch.
#[must_use]
pub(crate) fn last_used(meta: &ObjectMeta) -> i64 {
    let noted = meta.annotations.as_ref().and_then(|all| all.get(names::LAST_USED));
    let created = || meta.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second());
    noted.and_then(|text| text.parse().ok()).unwrap_or_else(created)
}

/// Whether a bundle has to be used before somebody refers to it.
#[must_use]
pub(crate) fn must_touch(unused_for: Duration) -> bool {
    unused_for >= TOUCH
}

/// Whether a bundle may go that no record refers to.
#[must_use]
pub(crate) fn may_collect(unused_for: Duration) -> bool {
    unused_for >= COLLECT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::tests::record;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";

    fn stored() -> Vec<u8> {
        let mut record = record();
        record.management.ca_bundle = Some(PEM.to_owned());
        record.to_json().unwrap()
    }

    #[test]
    fn t159_a_record_refers_to_its_bundle_and_finds_it_again() {
        let detached = detach(&stored()).unwrap();
        let text = String::from_utf8(detached.record.clone()).unwrap();
        assert!(
            !text.contains("CERTIFICATE") && text.contains(&detached.digest),
            "{text}"
        );
        assert_eq!(reference(&detached.record), Some(digest_of(PEM)));
        let back = attach(&detached.record, &detached.pem).unwrap();
        let value = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
        assert_eq!(value(&back), value(&stored()));
        assert_eq!(attach(&detached.record, "another bundle"), None);
    }

    #[test]
    fn t159_a_record_without_a_bundle_stays_as_it_is_and_an_inline_one_is_read() {
        let plain = record().to_json().unwrap();
        assert_eq!((detach(&plain), reference(&plain)), (None, None));
        assert_eq!(reference(&stored()), None);
    }

    /// A pass whose bundle cannot be read must not lose the reference when it stores the record.
    #[test]
    fn t159_a_record_whose_bundle_is_missing_keeps_the_reference() {
        use crate::domain::record::Record;
        let detached = detach(&stored()).unwrap();
        let again = Record::from_json(&detached.record).unwrap().to_json().unwrap();
        assert_eq!(reference(&again), Some(detached.digest));
    }

    #[test]
    fn t159_what_is_used_again_before_it_is_referred_to_is_never_collected_at_that_time() {
        let used = Duration::from_hours(12) - Duration::from_secs(1);
        assert!(!must_touch(used) && !may_collect(used * 2));
        assert!(must_touch(Duration::from_hours(12)) && may_collect(Duration::from_hours(24)));
        let name = name(&digest_of(PEM));
        assert!(digest_of(PEM).len() <= 63 && name.len() <= 253);
        let secret = secret(PEM, "system", "shop", 7);
        assert_eq!(last_used(&secret.metadata), 7);
        assert_eq!(last_used(&ObjectMeta::default()), 0);
    }
}
