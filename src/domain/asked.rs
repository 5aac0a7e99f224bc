//! What a user asks for by an annotation. A value asks until the status names it as handled, so that it does not matter whether
//! anybody saw the annotation change.

use kube::ResourceExt;
use serde_json::Map;

use crate::api::{OAuthClient, names};

use super::metadata;

/// Longest value that a status keeps as it is, in bytes.
const LONGEST: usize = 64;

/// The value of the `reconcile` annotation, as a status keeps it.
#[must_use]
pub(crate) fn value(object: &OAuthClient) -> Option<String> {
    let value = object.annotations().get(names::RECONCILE)?;
    Some(if value.len() <= LONGEST {
        value.clone()
    } else {
        metadata::fingerprint(&Map::new(), &[value])
    })
}

/// Whether a full look is asked for that no verdict has followed.
#[must_use]
pub(crate) fn is_open(object: &OAuthClient) -> bool {
    let handled = || object.status.as_ref()?.handled.as_ref()?.reconcile.clone();
    value(object).is_some_and(|value| Some(value) != handled())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(asked: Option<&str>, handled: Option<&str>) -> OAuthClient {
        serde_json::from_value(json!({
            "apiVersion": names::API_VERSION, "kind": "OAuthClient",
            "metadata": {"name": "app", "namespace": "ns", "annotations": asked.map(|value| json!({names::RECONCILE: value}))},
            "spec": {"providerRef": {"name": "p"}},
            "status": {"handled": handled.map(|value| json!({"reconcile": value}))},
        }))
        .unwrap()
    }

    #[test]
    fn t145_a_value_asks_until_the_status_names_it() {
        for (asked, handled, open) in [
            (None, None, false),
            (None, Some("1"), false),
            (Some("1"), None, true),
            (Some("2"), Some("1"), true),
            (Some("1"), Some("1"), false),
        ] {
            assert_eq!(is_open(&object(asked, handled)), open, "{asked:?} {handled:?}");
        }
    }

    #[test]
    fn t145_a_value_of_any_length_has_room_in_the_status() {
        let long = "x".repeat(100_000);
        let kept = value(&object(Some(&long), None)).unwrap();
        assert!(kept.len() <= LONGEST, "{}", kept.len());
        assert!(!is_open(&object(Some(&long), Some(&kept))));
        assert!(is_open(&object(Some(&format!("{long}y")), Some(&kept))));
    }
}
