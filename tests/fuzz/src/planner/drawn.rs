//! What a world begins with, drawn from bytes.

use oauth_client_operator::api::{AttemptOutcome, OAuthClient, Reason, Suspect, names};
use oauth_client_operator::domain::failure::{Class, Failure};
use oauth_client_operator::domain::pass::{Journal, LookUp};
use oauth_client_operator::domain::probe::{Control, ProbeKind, Probed};
use serde_json::{Map, Value, json};

use super::super::bytes::Bytes;
use super::parts::{DEREGISTRATIONS, answer};

const CLASSES: [Class; 6] = [
    Class::Invalid,
    Class::Denied,
    Class::Transient,
    Class::Conflict,
    Class::Ambiguous,
    Class::Bug,
];
const OUTCOMES: [AttemptOutcome; 4] = [
    AttemptOutcome::NotApplied,
    AttemptOutcome::Registered,
    AttemptOutcome::Unknown,
    AttemptOutcome::Suspected,
];
const PROBED: [Option<Probed>; 4] = [
    None,
    Some(Probed::Accepted(ProbeKind::Token)),
    Some(Probed::Rejected(ProbeKind::Token)),
    Some(Probed::Unclear),
];
const CONTROLS: [Option<Control>; 4] = [
    None,
    Some(Control::Accepted),
    Some(Control::NotAccepted),
    Some(Control::Missing),
];

/// An object in any state.
pub(super) fn object(bytes: &mut Bytes<'_>) -> OAuthClient {
    let mut object = json!({
        "apiVersion": names::API_VERSION, "kind": "OAuthClient",
        "metadata": {"name": "app", "namespace": bytes.one_of(&["ns", "ns", "ns", "system"]), "uid": "u", "generation": 1},
        "spec": {
            "providerRef": {"name": "p"},
            "redirectURIs": [bytes.one_of(&["https://a/cb", "https://b/cb"])],
            "suspend": bytes.rarely(8),
            "deletionPolicy": bytes.one_of(&["Delete", "Delete", "Retain"]),
        },
    });
    if bytes.flip() {
        object["metadata"]["finalizers"] = json!([names::FINALIZER]);
    }
    if bytes.rarely(4) {
        object["metadata"]["deletionTimestamp"] = json!("1970-01-12T13:45:40Z");
    }
    let mut annotations = Map::new();
    let marker = bytes.one_of(&[
        "",
        "",
        "u/a1/system/r",
        "u/a2/system/r",
        "v/a1/system/r",
        "u/a1/elsewhere/r",
        "/",
    ]);
    if !marker.is_empty() {
        annotations.insert(names::CREATE_PENDING.into(), json!(marker));
    }
    if bytes.rarely(8) {
        annotations.insert(names::ABANDON.into(), json!(bytes.one_of(&["id", "a1", "a2", "other"])));
    }
    object["metadata"]["annotations"] = Value::Object(annotations);
    if bytes.flip() {
        let condition = json!({
            "type": bytes.one_of(&["Ready", "Ready", "Stalled", "Reconciling"]), "status": bytes.one_of(&["True", "False"]),
            "reason": "Registered", "lastTransitionTime": "", "observedGeneration": 1,
        });
        object["status"] = json!({
            "observedGeneration": bytes.one_of(&[1, 1, 0, -1]),
            "clientID": bytes.one_of(&[None, Some("id"), Some("other")]),
            "binding": {"name": "app"}, "conditions": [condition],
            "attempt": {"id": bytes.one_of(&["a1", "a2"]), "outcome": bytes.one_of(&["NotApplied", "Registered", "Unknown", "Suspected"]),
                "requestHash": ""},
        });
    }
    serde_json::from_value(object).unwrap()
}

/// A failure of any class.
pub(super) fn failure(bytes: &mut Bytes<'_>) -> Failure {
    let class = bytes.one_of(&CLASSES);
    Failure::new(class, bytes.one_of(Reason::ALL), "it failed")
}

/// A suspect of this object.
pub(super) fn suspect(bytes: &mut Bytes<'_>) -> Suspect {
    Suspect {
        attempt: bytes.one_of(&["a1", "a2", "fresh-0"]).into(),
        client_id: bytes.one_of(&[None, Some("id"), Some("other")]).map(Into::into),
    }
}

/// What a pass may have done.
pub(super) fn journal(bytes: &mut Bytes<'_>) -> Journal {
    Journal {
        object_read: bytes.flip(),
        attempt: bytes.rarely(4).then(|| bytes.one_of(&["a1", "a2"]).to_owned()),
        outcome: bytes
            .rarely(4)
            .then(|| (bytes.one_of(&["a1", "a2"]).to_owned(), bytes.one_of(&OUTCOMES))),
        newer_schema: bytes.rarely(8).then_some(2),
        proven: bytes.flip(),
        registration: bytes.rarely(16).then(answer),
        unrecordable: bytes.rarely(16).then(|| failure(bytes)),
        answer: bytes.rarely(16).then(|| Box::new((Map::new(), answer()))),
        marked: bytes.rarely(8).then(|| "fresh-0".to_owned()),
        refused: bytes.rarely(8),
        adopted: bytes.rarely(8),
        look_up: bytes.rarely(8).then_some(LookUp::Absent),
        replaces: bytes.rarely(8).then(|| "a1".to_owned()),
        disowned: bytes.rarely(8),
        kept: bytes.flip(),
        probed: bytes.one_of(&PROBED),
        control: bytes.one_of(&CONTROLS),
        deregistration: if bytes.rarely(4) {
            bytes.one_of(&DEREGISTRATIONS)
        } else {
            None
        },
        failure: bytes.rarely(4).then(|| failure(bytes)),
        ..Journal::default()
    }
}
