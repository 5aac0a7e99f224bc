//! The CustomResourceDefinitions, generated from the types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
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
    kinds().iter().map(|(crd, typed)| finished(crd, typed)).collect()
}

/// The definitions as the derive makes them, each with the schema of its type, in which every field has its own description.
fn kinds() -> [(CustomResourceDefinition, Value); 3] {
    [
        (ClusterOAuthProvider::crd(), typed::<ClusterOAuthProvider>()),
        (OAuthClient::crd(), typed::<OAuthClient>()),
        (OAuthProvider::crd(), typed::<OAuthProvider>()),
    ]
}

fn typed<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// File in `crds/` that holds a definition.
#[must_use]
pub fn file_name(crd: &Value) -> String {
    format!("{}.yaml", crd["spec"]["names"]["plural"].as_str().unwrap_or_default())
}

fn finished(crd: &CustomResourceDefinition, typed: &Value) -> Value {
    let mut crd = serde_json::to_value(crd).unwrap_or_default();
    describe_optional(&mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"], typed);
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

/// Gives every optional field its own description: the derive puts that of its type in the place of it. `typed`: the schema of the same
/// type, in which an optional value is one of itself and `null`.
fn describe_optional(schema: &mut Value, typed: &Value) {
    let value = value_of(typed);
    if let (Some(value), Some(own)) = (value, typed.get("description"))
        && value.get("description").is_some()
    {
        schema["description"] = own.clone();
    }
    let typed = value.unwrap_or(typed);
    for (name, typed) in typed.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if let Some(schema) = schema.get_mut("properties").and_then(|own| own.get_mut(name)) {
            describe_optional(schema, typed);
        }
    }
    for key in ["items", "additionalProperties"] {
        if let (Some(schema), Some(typed)) = (schema.get_mut(key), typed.get(key)) {
            describe_optional(schema, typed);
        }
    }
}

/// The value of an optional one; `None`: the schema is of another kind.
fn value_of(typed: &Value) -> Option<&Value> {
    match typed.get("anyOf")?.as_array()?.as_slice() {
        [value, null] if null.get("enum") == Some(&json!([null])) => Some(value),
        _ => None,
    }
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
    fn w154_every_field_has_the_description_that_it_has_in_its_type() {
        fn fields(path: &str, typed: &Value, found: &mut Vec<(String, String)>) {
            let described = typed.get("description").and_then(Value::as_str);
            found.extend(described.map(|text| (path.to_owned(), text.to_owned())));
            let typed = typed.get("anyOf").map_or(typed, |kinds| &kinds[0]);
            for (name, typed) in typed["properties"].as_object().into_iter().flatten() {
                fields(&format!("{path}/properties/{name}"), typed, found);
            }
            for key in ["items", "additionalProperties"] {
                if let Some(typed) = typed.get(key) {
                    fields(&format!("{path}/{key}"), typed, found);
                }
            }
        }
        let mut compared = 0;
        for ((_, typed), crd) in kinds().iter().zip(crds()) {
            let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            let mut found = Vec::new();
            for part in ["spec", "status"] {
                fields(&format!("/properties/{part}"), &typed["properties"][part], &mut found);
            }
            for (path, text) in found {
                let shown = schema.pointer(&path).and_then(|field| field["description"].as_str());
                let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
                assert_eq!(shown.map(words), Some(words(&text)), "{path}");
                compared += 1;
            }
        }
        assert!(compared > 300, "{compared}");
    }

    #[test]
    fn status_defaults_to_not_yet_observed() {
        for crd in crds() {
            let status = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"];
            assert_eq!(status["default"], json!({"observedGeneration": -1}));
        }
    }
}
