//! The chart's files, without Helm: the schema of the values is whole and strict, and alerts use metrics that exist.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot read its files has failed"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use oauth_client_operator::api::ProviderKind;
use oauth_client_operator::metrics::{Census, Metrics, Snapshot, Watched};
use serde_json::Value;

fn file(name: &str) -> String {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/oauth-client-operator");
    fs::read_to_string(chart.join(name)).unwrap()
}

fn schema() -> Value {
    serde_json::from_str(&file("values.schema.json")).unwrap()
}

/// Calls `visit` with every schema below this one, itself included, and with the place where it stands.
fn each<'a>(schema: &'a Value, place: &str, visit: &mut impl FnMut(&str, &'a Value)) {
    visit(place, schema);
    for keyword in ["properties", "definitions"] {
        for (name, inner) in schema[keyword].as_object().into_iter().flatten() {
            each(inner, &format!("{place}.{name}"), visit);
        }
    }
    for keyword in ["items", "additionalProperties"] {
        if schema[keyword].is_object() {
            each(&schema[keyword], &format!("{place}[]"), visit);
        }
    }
    for keyword in ["allOf", "anyOf"] {
        for inner in schema[keyword].as_array().into_iter().flatten() {
            each(inner, place, visit);
        }
    }
}

#[test]
fn t125_every_property_of_the_values_is_described() {
    let schema = schema();
    let (mut count, mut bare) = (0, Vec::new());
    each(&schema, "", &mut |place, schema| {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            count += 1;
            let description = property["description"].as_str().unwrap_or_default();
            if description.trim().is_empty() {
                bare.push(format!("{place}.{name}"));
            }
        }
    });
    assert!(count > 250, "only {count} properties were found");
    assert_eq!(bare, Vec::<String>::new());
}

#[test]
fn t125_no_object_of_the_values_takes_unknown_members() {
    // Helm fills the first; the second holds objects of any kind.
    let open = [".global", ".extraObjects[]"];
    let schema = schema();
    let mut loose = Vec::new();
    each(&schema, "", &mut |place, schema| {
        let object = schema["type"] == "object" || schema.get("properties").is_some();
        let closed = match &schema["additionalProperties"] {
            Value::Bool(false) => schema.get("properties").is_some(),
            // A map of values that have a type.
            Value::Object(values) => !values.is_empty(),
            _ => false,
        };
        if object && !closed && !open.contains(&place) {
            loose.push(place.to_owned());
        }
    });
    assert_eq!(loose, Vec::<String>::new());
}

#[test]
fn t125_every_value_has_a_default_and_every_default_a_schema() {
    fn compare(properties: &Value, defaults: &Value, place: &str, wrong: &mut Vec<String>) {
        let names = |object: &Value| -> BTreeSet<String> {
            let names = object.as_object().into_iter().flatten().map(|(name, _)| name.clone());
            names.filter(|name| name != "global").collect()
        };
        for name in names(properties).symmetric_difference(&names(defaults)) {
            wrong.push(format!("{place}.{name}"));
        }
        for (name, property) in properties.as_object().into_iter().flatten() {
            if property.get("properties").is_some() {
                compare(
                    &property["properties"],
                    &defaults[name],
                    &format!("{place}.{name}"),
                    wrong,
                );
            }
        }
    }
    let defaults: Value = serde_yaml::from_str(&file("values.yaml")).unwrap();
    let mut wrong = Vec::new();
    compare(&schema()["properties"], &defaults, "", &mut wrong);
    assert_eq!(wrong, Vec::<String>::new());
}

/// Every metric that the operator exports, by name, with its labels.
fn exported() -> BTreeMap<String, BTreeSet<String>> {
    let text = Metrics::default().encode(&Snapshot {
        watch_ages: BTreeMap::from([(Watched::Secret, Duration::ZERO)]),
        // Series of what may be absent.
        census: Some(Census {
            secret_expiries: BTreeMap::from([(ProviderKind::OAuthProvider, 0)]),
            token_expiries: BTreeMap::from([(ProviderKind::OAuthProvider, 0)]),
            ..Census::default()
        }),
        ..Snapshot::default()
    });
    let mut exported: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let end = line.find(['{', ' ']).unwrap();
        let labels = line[end..].split(['{', ',']).filter_map(|part| part.split_once('='));
        let labels = labels.map(|(label, _)| label.to_owned());
        exported.entry(line[..end].to_owned()).or_default().extend(labels);
    }
    exported
}

#[test]
fn t126_alerts_use_metrics_and_labels_that_the_operator_exports() {
    let exported = exported();
    let alerts: Value = serde_yaml::from_str(&file("files/alerts.yaml")).unwrap();
    let alerts = alerts["rules"].as_array().unwrap();
    let mut names = BTreeSet::new();
    for alert in alerts {
        let name = alert["alert"].as_str().unwrap();
        assert!(names.insert(name), "{name} stands twice");
        for member in ["summary", "description"] {
            assert!(alert["annotations"][member].is_string(), "{name} has no {member}");
        }
        let severity = alert["labels"]["severity"].as_str().unwrap();
        assert!(["critical", "warning"].contains(&severity), "{name}: {severity}");
        let expression = alert["expr"].as_str().unwrap();
        let mut selectors = expression.split("oauth_client_operator_").skip(1).peekable();
        assert!(selectors.peek().is_some(), "{name} selects nothing");
        for selector in selectors {
            let end = selector.find('{').unwrap();
            let metric = format!("oauth_client_operator_{}", &selector[..end]);
            let labels = exported
                .get(&metric)
                .unwrap_or_else(|| panic!("{name}: there is no metric {metric}"));
            let body = &selector[end + 1..selector.find('}').unwrap()];
            for matcher in body.split("\",") {
                let label = &matcher[..matcher.find(['=', '!']).unwrap()];
                let known = label == "namespace" || labels.contains(label);
                assert!(known, "{name}: {metric} has no label {label}");
            }
        }
    }
    assert!(alerts.len() >= 10, "{}", alerts.len());
}
