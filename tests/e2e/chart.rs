//! The chart by the real Helm: every value is toggled, rendered and validated, every misspelt one refused.

mod pod;
mod rights;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize as _;
use serde_json::{Map, Value, json};
use testbed::control_plane::{CommandOutput, ControlPlane};
use testbed::operator::NAME;
use testbed::process::Scratch;
use testbed::provision::Program;

use crate::stage::{BINARY, plane};

/// Values without which another value has no effect or is refused.
const WITH: [(&str, &str, &str); 7] = [
    (
        "config.namespacedProviders.origins",
        "config.namespacedProviders.mode",
        r#""AllowList""#,
    ),
    (
        "config.namespacedProviders.origins",
        "config.namespacedProviders.cidrs",
        r#"["192.0.2.0/24"]"#,
    ),
    (
        "config.namespacedProviders.cidrs",
        "config.namespacedProviders.mode",
        r#""AllowList""#,
    ),
    (
        "config.namespacedProviders.cidrs",
        "config.namespacedProviders.origins",
        r#"["https://sso.example.com"]"#,
    ),
    ("leaderElection.enabled", "replicas", "1"),
    ("rbac.finishTerminatingNamespaces", "watch.namespaces", r#"["shop"]"#),
    ("serviceAccount.create", "serviceAccount.name", r#""given""#),
];

fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts").join(NAME)
}

fn schema() -> Value {
    serde_json::from_str(&std::fs::read_to_string(chart().join("values.schema.json")).unwrap()).unwrap()
}

/// Every value of the schema with its examples. Those below a schema of Kubernetes itself are one value.
fn leaves(schema: &Value, prefix: &str, found: &mut Vec<(String, Vec<Value>)>) {
    for (name, property) in schema["properties"].as_object().unwrap() {
        let path = format!("{prefix}{name}");
        if property.get("properties").is_some() {
            leaves(property, &format!("{path}."), found);
        } else if path != "global" {
            found.push((path, property["examples"].as_array().cloned().unwrap_or_default()));
        }
    }
}

/// Whether the schema has a value at this path.
fn has(schema: &Value, path: &str) -> bool {
    let found = path
        .split('.')
        .try_fold(schema, |schema, name| schema["properties"].get(name));
    found.is_some()
}

/// Arguments that switch on what a value belongs to.
fn context(schema: &Value, path: &str) -> Vec<String> {
    let mut context: Vec<_> = WITH
        .iter()
        .filter(|(leaf, _, _)| *leaf == path)
        .map(|(_, other, value)| format!("{other}={value}"))
        .collect();
    for (end, _) in path.match_indices('.') {
        let switch = format!("{}.enabled", &path[..end]);
        if switch != path && has(schema, &switch) {
            context.push(format!("{switch}=true"));
        }
    }
    context
}

async fn template(plane: &ControlPlane, namespace: &str, values: &[String]) -> CommandOutput {
    let chart = chart();
    let chart = chart.to_string_lossy();
    let mut args = vec![
        "template",
        NAME,
        &chart,
        "--namespace",
        namespace,
        "--kube-version",
        "1.36.0",
    ];
    args.extend(values.iter().flat_map(|value| ["--set-json", value.as_str()]));
    plane.helm(&args).await.unwrap()
}

/// What one template of the chart renders with these values.
pub async fn rendered_template(namespace: &str, name: &str, values: &[String]) -> String {
    let chart = chart();
    let chart = chart.to_string_lossy();
    let mut args = vec![
        "template",
        NAME,
        &chart,
        "--namespace",
        namespace,
        "--kube-version",
        "1.36.0",
        "-s",
        name,
    ];
    args.extend(values.iter().flat_map(|value| ["--set", value.as_str()]));
    plane().await.helm(&args).await.unwrap().stdout().unwrap()
}

/// What a component adds to the base.
pub async fn kustomized_with(component: &str) -> String {
    let scratch = Scratch::new("overlay").unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::os::unix::fs::symlink(root.join("deploy"), scratch.path().join("deploy")).unwrap();
    let overlay = format!("resources: [deploy/base]\ncomponents: [deploy/{component}]\n");
    std::fs::write(scratch.path().join("kustomization.yaml"), overlay).unwrap();
    let directory = scratch.path().to_string_lossy().into_owned();
    let built = plane().await.kubectl(&["kustomize", &directory]).await.unwrap();
    built.stdout().unwrap()
}

pub async fn rendered(values: &[String]) -> String {
    template(plane().await, "home", values).await.stdout().unwrap()
}

/// Adds to `kept` a definition of the API server and all that it refers to, each made strict.
fn strict(name: &str, all: &Map<String, Value>, kept: &mut Map<String, Value>) {
    fn tighten(schema: &mut Value, names: &mut Vec<String>) {
        if let Some(reference) = schema["$ref"].as_str() {
            names.push(reference.rsplit('/').next().unwrap().to_owned());
        }
        if schema["format"] == "int-or-string" {
            schema["type"] = json!(["string", "integer"]);
        }
        let closed = schema.get("properties").is_some() && schema.get("additionalProperties").is_none();
        match schema {
            Value::Object(members) => {
                members.values_mut().for_each(|inner| tighten(inner, names));
                if closed {
                    members.insert("additionalProperties".to_owned(), json!(false));
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|inner| tighten(inner, names)),
            _ => (),
        }
    }
    if kept.contains_key(name) {
        return;
    }
    let (mut definition, mut names) = (all[name].clone(), Vec::new());
    if name.ends_with(".Quantity") {
        definition["type"] = json!(["string", "number"]);
    }
    tighten(&mut definition, &mut names);
    kept.insert(name.to_owned(), definition);
    for name in names {
        strict(&name, all, kept);
    }
}

/// Schemas for kubeconform, one file a kind: those of the API server, and of the Prometheus operator what the chart uses.
async fn schemas(directory: &Path) {
    let text = plane().await.kubectl(&["get", "--raw", "/openapi/v2"]).await.unwrap();
    let document: Value = serde_json::from_str(&text.stdout().unwrap()).unwrap();
    let all = document["definitions"].as_object().unwrap();
    let write = |kind: &str, schema: &Value| {
        let file = directory.join(format!("{}.json", kind.to_lowercase()));
        std::fs::write(file, schema.to_string()).unwrap();
    };
    for name in [
        "api.admissionregistration.v1.ValidatingAdmissionPolicy",
        "api.admissionregistration.v1.ValidatingAdmissionPolicyBinding",
        "api.apps.v1.Deployment",
        "api.core.v1.ConfigMap",
        "api.core.v1.Pod",
        "api.core.v1.Service",
        "api.core.v1.ServiceAccount",
        "api.networking.v1.NetworkPolicy",
        "api.policy.v1.PodDisruptionBudget",
        "api.rbac.v1.ClusterRole",
        "api.rbac.v1.ClusterRoleBinding",
        "api.rbac.v1.Role",
        "api.rbac.v1.RoleBinding",
        "apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition",
    ] {
        let name = format!("io.k8s.{name}");
        let mut kept = Map::new();
        strict(&name, all, &mut kept);
        let schema = json!({"$ref": format!("#/definitions/{name}"), "definitions": kept});
        write(name.rsplit('.').next().unwrap(), &schema);
    }
    let closed = |properties: Value| {
        let required: Vec<_> = properties.as_object().unwrap().keys().cloned().collect();
        json!({"type": "object", "additionalProperties": false, "properties": properties, "required": required})
    };
    let monitoring = |spec: Value| {
        let version = json!({"const": "monitoring.coreos.com/v1"});
        closed(json!({"apiVersion": version, "kind": {}, "metadata": {}, "spec": spec}))
    };
    let text = json!({"type": "string", "minLength": 1});
    let endpoint = closed(json!({"port": text, "path": text, "interval": text}));
    for (kind, endpoints) in [("PodMonitor", "podMetricsEndpoints"), ("ServiceMonitor", "endpoints")] {
        let listed = json!({"type": "array", "items": endpoint, "minItems": 1});
        let spec = json!({"selector": closed(json!({"matchLabels": {}})), endpoints: listed});
        write(kind, &monitoring(closed(spec)));
    }
    let mut rule = closed(json!({"alert": text, "expr": text, "labels": {}, "annotations": {}}));
    rule["properties"]["for"] = text.clone();
    let group = closed(json!({"name": text, "rules": {"type": "array", "items": rule, "minItems": 1}}));
    let groups = json!({"type": "array", "items": group});
    write("PrometheusRule", &monitoring(closed(json!({"groups": groups}))));
}

/// Validates every file of a directory of manifests.
async fn validate(manifests: &Path) {
    let directory = Scratch::new("schemas").unwrap();
    schemas(directory.path()).await;
    let output = Command::new(Program::Kubeconform.find().await.unwrap())
        .args(["-strict", "-summary", "-schema-location"])
        .arg(directory.path().join("{{ .ResourceKind }}.json"))
        .arg(manifests)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("Skipped: 0"), "{said}");
}

#[tokio::test]
async fn t127_helm_lint_finds_nothing() {
    let chart = chart();
    let args = ["lint", "--strict", &chart.to_string_lossy(), "--kube-version", "1.36.0"];
    plane().await.helm(&args).await.unwrap().stdout().unwrap();
}

#[tokio::test]
async fn t127_every_value_changes_what_is_rendered_and_what_is_rendered_is_valid() {
    let schema = schema();
    let mut values = Vec::new();
    leaves(&schema, "", &mut values);
    let manifests = Scratch::new("manifests").unwrap();
    let write = |number: usize, text: &str| {
        std::fs::write(manifests.path().join(format!("{number}.yaml")), text).unwrap();
    };
    write(0, &rendered(&[]).await);
    let mut number = 0;
    for (path, examples) in &values {
        assert!(!examples.is_empty(), "{path} has no example in values.schema.json");
        let context = context(&schema, path);
        let before = rendered(&context).await;
        for example in examples {
            number += 1;
            let after = rendered(&[&context[..], &[format!("{path}={example}")]].concat()).await;
            assert!(after != before, "{path}={example} changes nothing");
            write(number, &after);
        }
    }
    // All that can be switched on, at once.
    let switches = values.iter().filter(|(path, _)| path.ends_with(".enabled"));
    let everything: Vec<_> = switches.map(|(path, _)| format!("{path}=true")).collect();
    write(number + 1, &rendered(&everything).await);
    validate(manifests.path()).await;
    assert!(values.len() > 70, "only {} values were found", values.len());
}

/// Every way to misspell one member of a value, at each depth.
fn misspelt(value: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    match value {
        Value::Object(members) => {
            let mut wrong = members.clone();
            wrong.insert("misspelt".to_owned(), json!({"a": 1}));
            found.push(Value::Object(wrong));
            for (name, inner) in members {
                found.extend(misspelt(inner).into_iter().map(|wrong| {
                    let mut members = members.clone();
                    members.insert(name.clone(), wrong);
                    Value::Object(members)
                }));
            }
        }
        Value::Array(items) => {
            for (place, inner) in items.iter().enumerate() {
                found.extend(misspelt(inner).into_iter().map(|wrong| {
                    let mut items = items.clone();
                    items[place] = wrong;
                    Value::Array(items)
                }));
            }
        }
        _ => (),
    }
    found
}

#[tokio::test]
async fn t127_a_misspelt_value_is_refused_at_every_depth() {
    let plane = plane().await;
    let defaults = std::fs::read_to_string(chart().join("values.yaml")).unwrap();
    let defaults: Value = serde_yaml::from_str(&defaults).unwrap();
    let mut values = Vec::new();
    leaves(&schema(), "", &mut values);
    let mut wrong = misspelt(&defaults);
    for (path, examples) in values.iter().filter(|(path, _)| path != "extraObjects") {
        for example in examples.iter().flat_map(misspelt) {
            let nested = path.rsplit('.').fold(example, |inner, name| json!({name: inner}));
            wrong.push(nested);
        }
    }
    assert!(wrong.len() > 60, "only {} mistakes were found", wrong.len());
    for values in wrong {
        let members = values.as_object().unwrap();
        let arguments: Vec<_> = members.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let output = template(plane, "home", &arguments).await;
        assert!(!output.success(), "accepted: {values}");
        let refused = output.stderr.contains("misspelt") && output.stderr.contains("schema");
        assert!(refused, "{values}: {}", output.stderr);
    }
}

/// Kind, namespace and name of every object.
fn identities(manifests: &str) -> BTreeSet<String> {
    let documents = serde_yaml::Deserializer::from_str(manifests).map(|document| Value::deserialize(document).unwrap());
    let objects = documents.filter(Value::is_object);
    let identity = |object: Value| {
        let metadata = &object["metadata"];
        format!("{} {} {}", object["kind"], metadata["namespace"], metadata["name"])
    };
    objects.map(identity).collect()
}

#[tokio::test]
async fn t128_two_releases_of_one_name_have_no_object_in_common_but_the_definitions() {
    let plane = plane().await;
    for values in [
        vec![],
        vec![
            r#"watch.namespaces=["shop"]"#.to_owned(),
            "rbac.finishTerminatingNamespaces=true".to_owned(),
        ],
    ] {
        let mut found = Vec::new();
        for namespace in ["one", "two"] {
            let output = template(plane, namespace, &values).await;
            found.push(identities(&output.stdout().unwrap()));
        }
        let shared: Vec<_> = found[0]
            .intersection(&found[1])
            .filter(|identity| !identity.contains("CustomResourceDefinition"))
            .collect();
        assert!(found[0].len() > 8, "{found:?}");
        assert_eq!(shared, Vec::<&String>::new());
    }
}

#[tokio::test]
async fn t297_lists_of_providers_that_would_end_the_start_are_refused() {
    let refused = async |values: &[&str]| {
        let values: Vec<_> = values
            .iter()
            .map(|value| format!("config.namespacedProviders.{value}"))
            .collect();
        let output = template(plane().await, "home", &values).await;
        assert!(
            !output.success() && output.stderr.contains("config.namespacedProviders: "),
            "{values:?}: {}",
            output.stderr
        );
    };
    refused(&[r#"mode="AllowList""#]).await;
    refused(&[r#"origins=["https://sso.example.com"]"#]).await;
    refused(&[r#"mode="Disabled""#, r#"cidrs=["192.0.2.0/24"]"#]).await;
}

#[tokio::test]
async fn t128_without_an_election_there_are_never_two_pods() {
    let plane = plane().await;
    for off in [
        "leaderElection.enabled=false",
        r#"extraArgs=["--leader-election=false"]"#,
    ] {
        let two = template(plane, "home", &[off.to_owned()]).await;
        assert!(two.stderr.contains("set replicas to 1"), "{}", two.stderr);
        let one = [off.to_owned(), "replicas=1".to_owned()];
        assert!(rendered(&one).await.contains("type: Recreate"));
        let rolling = [&one[..], &[r#"strategy={"type":"RollingUpdate"}"#.to_owned()]].concat();
        let rolling = template(plane, "home", &rolling).await;
        assert!(rolling.stderr.contains("use Recreate"), "{}", rolling.stderr);
    }
}

#[tokio::test]
async fn t127_the_values_that_kubernetes_defines_have_its_fields() {
    let document = plane().await.kubectl(&["get", "--raw", "/openapi/v2"]).await.unwrap();
    let document: Value = serde_json::from_str(&document.stdout().unwrap()).unwrap();
    let schema = schema();
    let mut count = 0;
    for (name, definition) in schema["definitions"].as_object().unwrap() {
        let theirs = ["io.k8s.api.", "io.k8s.apimachinery.pkg."]
            .iter()
            .find_map(|package| document["definitions"].get(format!("{package}{name}")));
        let Some(theirs) = theirs else {
            assert_eq!(name, "strings");
            continue;
        };
        for field in definition["properties"].as_object().into_iter().flatten() {
            count += 1;
            assert!(theirs["properties"].get(field.0).is_some(), "{name} has no {}", field.0);
        }
        // The types of volumes that the restricted Pod Security Standard refuses are left out.
        let whole = name != "core.v1.Volume" && theirs.get("properties").is_some();
        if whole {
            let fields = |schema: &Value| schema["properties"].as_object().map_or(0, Map::len);
            assert_eq!(fields(definition), fields(theirs), "{name} lacks fields");
        }
    }
    assert!(count > 150, "only {count} fields were compared");
}
