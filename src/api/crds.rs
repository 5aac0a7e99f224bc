//! The CustomResourceDefinitions, generated from the types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Value, json};

use super::metadata::{ClientMetadata, RESPONSE_ONLY, RareMetadata};
use super::{ClusterOAuthProvider, OAuthClient, OAuthProvider, rules};

/// The definitions as JSON values, in the order of their file names.
///
/// What the types cannot say is added: `status` defaults to `{observedGeneration: -1}`, so that tools which take an object
/// without status for healthy wait for the operator; the rules of [`rules`]; and `extraMetadata` refuses members that have a
/// field of their own. Descriptions become one line, which kubectl wraps.
#[must_use]
pub fn crds() -> Vec<Value> {
    [ClusterOAuthProvider::crd(), OAuthClient::crd(), OAuthProvider::crd()]
        .iter()
        .map(finished)
        .collect()
}

/// File in `crds/` that holds a definition.
#[must_use]
pub fn file_name(crd: &Value) -> String {
    format!("{}.yaml", crd["spec"]["names"]["plural"].as_str().unwrap_or_default())
}

fn finished(crd: &CustomResourceDefinition) -> Value {
    let mut crd = serde_json::to_value(crd).unwrap_or_default();
    let root = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    root["status"]["default"] = json!({"observedGeneration": -1});
    let spec = &mut root["spec"];
    if spec["properties"].get("extraMetadata").is_some() {
        rules::of_client(spec);
        rules::refused_extra(&mut spec["properties"]["extraMetadata"], taken_members());
    } else {
        rules::of_provider(spec);
    }
    unwrap_descriptions(&mut crd);
    drop_nullable(&mut crd);
    crd
}

/// Wire names that `extraMetadata` may not set, with the field that they have; those of answers have none.
fn taken_members() -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
    let typed = ClientMetadata::MEMBERS
        .iter()
        .chain(RareMetadata::MEMBERS)
        .map(|(field, wire)| (*wire, Some(*field)));
    typed
        .filter(|(wire, _)| *wire != "localized")
        .chain(RESPONSE_ONLY.map(|wire| (wire, None)))
}

/// Makes every description a paragraph without hard line breaks; empty lines between paragraphs stay.
fn unwrap_descriptions(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(text)) = members.get_mut("description") {
                let paragraphs: Vec<_> = text
                    .split("\n\n")
                    .map(|paragraph| paragraph.replace('\n', " "))
                    .collect();
                *text = paragraphs.join("\n\n");
            }
            members.values_mut().for_each(unwrap_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(unwrap_descriptions),
        _ => {}
    }
}

/// Removes `nullable`, which lets `null` through to rules and types that expect a value; an absent field says the same.
fn drop_nullable(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if members.contains_key("type") || members.contains_key("properties") {
                members.remove("nullable");
            }
            members.values_mut().for_each(drop_nullable);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nullable),
        _ => {}
    }
}

/// Every object schema below `schema`, with its path, for checks.
#[cfg(test)]
fn walk(
    path: &str,
    schema: &serde_json::Map<String, Value>,
    visit: &mut impl FnMut(&str, &serde_json::Map<String, Value>),
) {
    visit(path, schema);
    if let Some(Value::Object(properties)) = schema.get("properties") {
        for (name, child) in properties {
            if let Value::Object(child) = child {
                walk(&format!("{path}.{name}"), child, visit);
            }
        }
    }
    for (key, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let Some(Value::Object(child)) = schema.get(key) {
            walk(&format!("{path}{mark}"), child, visit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_and_string_is_bounded_and_every_field_described() {
        for crd in crds() {
            let schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
                .as_object()
                .unwrap()
                .clone();
            walk("", &schema, &mut |path, schema| {
                if path.is_empty() || path == ".metadata" {
                    return;
                }
                match schema.get("type").and_then(Value::as_str) {
                    Some("string") => assert!(
                        schema.contains_key("maxLength")
                            || schema.contains_key("enum")
                            || schema.contains_key("format"),
                        "{path} is an unbounded string"
                    ),
                    Some("array") => assert!(schema.contains_key("maxItems"), "{path} is an unbounded list"),
                    Some("object") if schema.contains_key("additionalProperties") => {
                        assert!(schema.contains_key("maxProperties"), "{path} is an unbounded map");
                    }
                    _ => {}
                }
                if !path.ends_with("[]") && !path.ends_with("{}") {
                    assert!(
                        schema
                            .get("description")
                            .and_then(Value::as_str)
                            .is_some_and(|text| text.len() > 10),
                        "{path} has no description"
                    );
                }
            });
        }
    }

    #[test]
    fn status_defaults_to_not_yet_observed() {
        for crd in crds() {
            let status = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"];
            assert_eq!(status["default"], json!({"observedGeneration": -1}));
        }
    }
}
