//! Members of a record's structures that this version does not know: a newer one wrote them, and it finds them again.

use serde_json::{Map, Value};

/// Key of the update in flight, and of what tells one from another.
const IN_FLIGHT: &str = "inFlight";
const ATTEMPT: &str = "attempt";

/// Unknown members by the structure that holds them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nested {
    unknown: Map<String, Value>,
    /// The update whose unknown members these are; another update has none.
    in_flight: Option<Value>,
}

impl Nested {
    /// What `stored` holds and `known`, the same as this version writes it, does not. A structure that is unknown as a whole is
    /// kept with the record's own unknown members.
    pub(super) fn unknown(stored: &Value, known: &Value) -> Self {
        let mut unknown = Map::new();
        for (name, structure) in stored.as_object().into_iter().flatten() {
            // Maps of the protocol hold whatever a provider states, and nothing of ours.
            let (Some(stored), Some(known)) = (structure.as_object(), known.get(name).and_then(Value::as_object))
            else {
                continue;
            };
            let members: Map<_, _> = stored
                .iter()
                .filter(|(name, value)| !value.is_null() && !known.contains_key(*name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            if !members.is_empty() {
                unknown.insert(name.clone(), Value::Object(members));
            }
        }
        let in_flight = stored.get(IN_FLIGHT).and_then(|update| update.get(ATTEMPT)).cloned();
        Self { unknown, in_flight }
    }

    /// Whether this version knows every member.
    pub(super) fn is_empty(&self) -> bool {
        self.unknown.is_empty()
    }

    /// Adds them to a record that is about to be stored.
    pub(super) fn add_to(&self, record: &mut Value) {
        for (name, members) in &self.unknown {
            let Some(structure) = record.get_mut(name).and_then(Value::as_object_mut) else {
                continue;
            };
            if name == IN_FLIGHT && structure.get(ATTEMPT) != self.in_flight.as_ref() {
                continue;
            }
            for (name, value) in members.as_object().into_iter().flatten() {
                structure.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
    }
}
