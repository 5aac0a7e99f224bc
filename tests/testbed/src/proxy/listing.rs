//! Lists of objects, as the API server answers them.

use serde_json::Value;

/// The objects of a list.
pub(super) fn items(list: &mut Value) -> impl Iterator<Item = &mut Value> {
    list.get_mut("items")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
}

/// Name of an object.
pub(super) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}
