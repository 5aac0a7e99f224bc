//! Part E of the table: an object that is gone.

use kube::ResourceExt;

use crate::api::{DeletionPolicy, OAuthClient, names};
use crate::domain::record::Phase;

/// Phase of the record of a client whose object is gone: what the deletion would have made of it, but for an object restored
/// from a backup that states the client as its own. `None`: the object is there. `found` is what the API server has under its
/// name.
///
/// Without the finalizer, a deletion has nothing of ours left to do, although others may hold the object.
#[must_use]
pub fn phase_without_object(object: &OAuthClient, found: Option<&OAuthClient>, client_id: &str) -> Option<Phase> {
    let same = found.filter(|found| found.uid() == object.uid());
    let is_there = same.is_some_and(|same| {
        same.metadata.deletion_timestamp.is_none() || same.finalizers().iter().any(|held| held == names::FINALIZER)
    });
    if is_there {
        return None;
    }
    let other = found.filter(|_| same.is_none());
    let stated = other.and_then(|other| other.status.as_ref()?.client_id.as_deref());
    Some(match object.spec.deletion_policy {
        _ if stated == Some(client_id) => Phase::Registered,
        DeletionPolicy::Delete => Phase::Deleting,
        DeletionPolicy::Retain => Phase::Retained,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(uid: &str, policy: &str) -> OAuthClient {
        serde_json::from_value(json!({
            "apiVersion": names::API_VERSION, "kind": "OAuthClient", "metadata": {"name": "app", "uid": uid},
            "spec": {"providerRef": {"name": "provider"}, "deletionPolicy": policy},
        }))
        .unwrap()
    }

    fn deleting(finalizers: &[&str]) -> OAuthClient {
        let mut object = object("u", "Delete");
        object.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        object.metadata.finalizers = Some(finalizers.iter().map(|&name| name.to_owned()).collect());
        object
    }

    fn stating(client_id: &str) -> OAuthClient {
        let mut object = object("restored", "Delete");
        object.status = serde_json::from_value(json!({"clientID": client_id})).unwrap();
        object
    }

    #[test]
    fn an_object_is_there_until_nothing_of_ours_holds_it() {
        let ours = object("u", "Delete");
        for (found, phase) in [
            (Some(ours.clone()), None),
            (Some(deleting(&[names::FINALIZER, "others.example/hold"])), None),
            (Some(deleting(&["others.example/hold"])), Some(Phase::Deleting)),
            (Some(object("another", "Delete")), Some(Phase::Deleting)),
            (None, Some(Phase::Deleting)),
        ] {
            assert_eq!(phase_without_object(&ours, found.as_ref(), "id"), phase, "{found:?}");
        }
    }

    #[test]
    fn the_policy_and_a_restored_object_decide_what_becomes_of_the_client() {
        let retained = object("u", "Retain");
        assert_eq!(phase_without_object(&retained, None, "id"), Some(Phase::Retained));
        for (client_id, phase) in [("id", Phase::Registered), ("of-another", Phase::Deleting)] {
            let found = stating(client_id);
            let found = phase_without_object(&object("u", "Delete"), Some(&found), "id");
            assert_eq!(found, Some(phase), "{client_id}");
        }
        let mut left = deleting(&[]);
        left.status = stating("id").status;
        let own = phase_without_object(&object("u", "Delete"), Some(&left), "id");
        assert_eq!(own, Some(Phase::Deleting), "it states its own client");
    }
}
