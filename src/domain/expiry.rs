//! The end of a client secret's life (RFC 7591 section 3.2.1, `client_secret_expires_at`).
//!
//! The provider tells it once, with the secret. Nothing is asked again: at that time the object stops being Ready, and only another
//! secret, or another time in an answer, ends that.

use k8s_openapi::jiff::Timestamp;

use crate::api::{OAuthClient, OAuthClientStatus, Reason, names};

use super::failure::{Class, Failure};
use super::record::Record;
use super::status;
use super::time::rfc3339;

/// When the secret of the client expires, by the status, in seconds since the epoch.
#[must_use]
pub fn stated(status: Option<&OAuthClientStatus>) -> Option<i64> {
    let stated = status?.secret_expires_at.as_deref()?;
    Some(stated.parse::<Timestamp>().ok()?.as_second())
}

/// When a Ready object stops being Ready by itself. One that is suspended or under deletion does not.
#[must_use]
pub fn due(object: &OAuthClient) -> Option<i64> {
    let at = stated(object.status.as_ref())?;
    let watched = !object.spec.suspend && object.metadata.deletion_timestamp.is_none();
    (watched && status::is_ready(object)).then_some(at)
}

/// Whether a time has come.
#[must_use]
pub fn has_passed(at: Option<i64>, now: i64) -> bool {
    at.is_some_and(|at| at <= now)
}

/// What an expired secret means, if that of the record has expired. Without a record, the status tells.
#[must_use]
pub fn failure(record: Option<&Record>, status: Option<&OAuthClientStatus>, now: i64) -> Option<Failure> {
    let (client_id, at) = match record {
        Some(record) => (Some(record.client_id.as_str()), record.client_secret_expires_at),
        None => (status.and_then(|status| status.client_id.as_deref()), stated(status)),
    };
    let at = at.filter(|at| *at <= now)?;
    let client_id = client_id.unwrap_or("CLIENT_ID");
    let text = format!(
        "the secret of client {client_id} expired at {}, so applications can no longer authenticate with it. Have another client registered in its place with: \
         kubectl annotate --overwrite oauthclient NAME {}={client_id}",
        rfc3339(at),
        names::REPLACE
    );
    Some(Failure::new(Class::Denied, Reason::SecretExpired, text))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::record::tests::record;
    use super::*;

    fn object(change: impl FnOnce(&mut Value)) -> OAuthClient {
        let mut object = json!({
            "apiVersion": names::API_VERSION, "kind": "OAuthClient",
            "metadata": {"name": "app", "namespace": "ns"},
            "spec": {"providerRef": {"name": "p"}},
            "status": {
                "clientID": "id", "secretExpiresAt": "1970-01-01T00:16:40Z",
                "conditions": [{"type": "Ready", "status": "True", "reason": "Registered", "lastTransitionTime": ""}],
            },
        });
        change(&mut object);
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn t240_only_an_object_that_is_ready_stops_being_ready_at_the_expiry() {
        assert_eq!(due(&object(|_| {})), Some(1000));
        assert_eq!(due(&object(|o| o["status"]["secretExpiresAt"] = Value::Null)), None);
        assert_eq!(
            due(&object(|o| o["status"]["conditions"][0]["status"] = json!("False"))),
            None
        );
        assert_eq!(due(&object(|o| o["spec"]["suspend"] = json!(true))), None);
        let deleting = object(|o| o["metadata"]["deletionTimestamp"] = json!("1970-01-01T00:00:00Z"));
        assert_eq!(due(&deleting), None);
    }

    #[test]
    fn t240_the_record_counts_more_than_the_status() {
        let object = object(|_| {});
        let status = object.status.as_ref();
        assert!(failure(None, status, 999).is_none());
        assert!(failure(None, status, 1000).is_some());
        let mut renewed = record();
        renewed.client_secret_expires_at = Some(2000);
        assert!(failure(Some(&renewed), status, 1999).is_none());
        let expired = failure(Some(&renewed), status, 2000).unwrap();
        assert_eq!((expired.class, expired.reason), (Class::Denied, Reason::SecretExpired));
        assert!(expired.message.contains("1970-01-01T00:33:20Z"), "{}", expired.message);
        let command = format!("{}={}", names::REPLACE, renewed.client_id);
        assert!(expired.message.ends_with(&command), "{}", expired.message);
        renewed.client_secret_expires_at = None;
        assert!(failure(Some(&renewed), status, 2000).is_none(), "it never expires");
    }
}
