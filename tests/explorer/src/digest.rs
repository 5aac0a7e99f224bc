//! Digests of states, by which two runs that came to the same state are known to be one from there on.
//!
//! What distinguishes histories and decides nothing is left out: resource versions (whether two are equal is compared where it
//! matters), and times, but for those that are compared with the clock.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde::Serialize;

use oauth_client_operator::api::OAuthClient;
use oauth_client_operator::domain::record::DATA_KEY;

/// Members of a record that hold times, in the order in which they are written.
const EXPIRES_AT: &str = r#""clientSecretExpiresAt":"#;
const REGISTERED_AT: &str = r#""registeredAt":"#;
const MISSING_SINCE: &str = r#""missingSince":"#;

/// Digest of anything.
pub(super) fn of(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Digest of an object but for its version and the times in it.
pub(super) fn object(object: &OAuthClient) -> u64 {
    let mut hasher = DefaultHasher::new();
    let meta = &object.metadata;
    (
        &meta.uid,
        meta.generation,
        &meta.finalizers,
        &meta.annotations,
        &meta.labels,
    )
        .hash(&mut hasher);
    meta.deletion_timestamp.is_some().hash(&mut hasher);
    json(&object.spec, &mut hasher);
    if let Some(status) = &object.status {
        let mut status = status.clone();
        status.secret = None;
        status.registered_at = None;
        status.secret_expires_at = None;
        if let Some(verification) = &mut status.verification {
            verification.rejected_since = None;
        }
        for condition in &mut status.conditions {
            condition.last_transition_time.clear();
        }
        json(&status, &mut hasher);
    }
    hasher.finish()
}

/// Digest of a Secret but for its version and UID and the times in it.
pub(super) fn secret(secret: &Secret) -> u64 {
    let mut hasher = DefaultHasher::new();
    (
        secret.namespace(),
        secret.name_any(),
        secret.labels(),
        secret.annotations(),
    )
        .hash(&mut hasher);
    for owner in secret.owner_references() {
        owner.uid.hash(&mut hasher);
    }
    for (key, value) in secret.data.iter().flatten().filter(|(key, _)| *key != "time") {
        key.hash(&mut hasher);
        match str::from_utf8(&value.0) {
            Ok(record) if key == DATA_KEY => {
                let rest = but_for_number(record, EXPIRES_AT, &mut hasher);
                let rest = but_for_number(rest, REGISTERED_AT, &mut hasher);
                but_for_number(rest, MISSING_SINCE, &mut hasher).hash(&mut hasher);
            }
            _ => value.0.hash(&mut hasher),
        }
    }
    hasher.finish()
}

/// The time since which a record's client is missed.
pub(super) fn missing_since(secret: &Secret) -> Option<i64> {
    let record = str::from_utf8(&secret.data.as_ref()?.get(DATA_KEY)?.0).ok()?;
    let (_, rest) = record.split_once(MISSING_SINCE)?;
    let end = rest.find(|digit: char| !digit.is_ascii_digit())?;
    rest[..end].parse().ok()
}

/// Hashes a JSON text up to a member and without its number, if it is there; the rest of the text.
fn but_for_number<'a>(text: &'a str, member: &str, hasher: &mut DefaultHasher) -> &'a str {
    let Some((before, rest)) = text.split_once(member) else {
        return text;
    };
    (before, member).hash(hasher);
    rest.trim_start_matches(|digit: char| digit.is_ascii_digit())
}

fn json(value: &impl Serialize, hasher: &mut DefaultHasher) {
    struct Sink<'a>(&'a mut DefaultHasher);
    impl io::Write for Sink<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    serde_json::to_writer(Sink(hasher), value).unwrap();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use oauth_client_operator::api::names;
    use oauth_client_operator::domain::pass::Operator;

    use super::*;
    use oauth_client_operator::domain::record::Record;
    use oauth_client_operator::domain::record::made;

    fn stored(registered_at: i64, missing_since: Option<i64>, attempt: &str) -> Secret {
        let object = serde_json::from_value(json!({
            "apiVersion": names::API_VERSION, "kind": "OAuthClient",
            "metadata": {"name": "app", "namespace": "ns", "uid": "u"},
            "spec": {"providerRef": {"name": "p"}},
        }))
        .unwrap();
        let operator = Operator {
            namespace: "system".to_owned(),
            cluster_id: "cluster".to_owned(),
            held: None,
            serves_own_namespace: false,
        };
        let record = Record {
            registered_at,
            missing_since,
            attempt: attempt.to_owned(),
            ..made::sample(&object, &operator)
        };
        oauth_client_operator::domain::secret::record(&record, "system").unwrap()
    }

    #[test]
    fn a_record_is_told_by_all_but_its_times() {
        let one = stored(1, None, "a");
        assert_eq!(secret(&one), secret(&stored(22, None, "a")));
        assert_ne!(secret(&one), secret(&stored(1, None, "b")));
        let missed = stored(1, Some(7), "a");
        assert_ne!(secret(&one), secret(&missed));
        assert_eq!(secret(&missed), secret(&stored(1, Some(88), "a")));
        assert_eq!(
            (super::missing_since(&one), super::missing_since(&missed)),
            (None, Some(7))
        );
    }
}
