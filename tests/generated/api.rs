//! The reference of the API: every field of the definitions, with its type, its description and what may be written into it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use oauth_client_operator::api::{crds, rules::BETWEEN_FIELDS};
use serde_json::Value;

use super::{keep, repository};

/// A row of a table.
#[derive(Debug, PartialEq, Eq)]
struct Field {
    path: String,
    kind: String,
    description: String,
    restrictions: Vec<String>,
}

impl Field {
    fn row(&self) -> String {
        let (description, restrictions) = (cell(&self.description), cell(&self.restrictions.join("; ")));
        format!("| `{}` | {} | {description} | {restrictions} |\n", self.path, self.kind)
    }

    /// A row of a status: nobody but the operator writes it, so only the words that it can hold are of use.
    fn shown(&self) -> String {
        let words = self.restrictions.iter().find_map(|text| text.strip_prefix("one of "));
        let (description, words) = (cell(&self.description), words.unwrap_or_default());
        format!("| `{}` | {} | {description} | {words} |\n", self.path, self.kind)
    }
}

/// Text inside of a table.
fn cell(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ").replace('|', "\\|")
}

fn text<'a>(schema: &'a Value, member: &str) -> &'a str {
    schema[member].as_str().unwrap_or_default()
}

/// The type as `kubectl explain` writes it.
fn kind(schema: &Value) -> String {
    match text(schema, "type") {
        "array" => format!("[]{}", kind(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("map[string]{}", kind(&schema["additionalProperties"]))
        }
        "" => "any".to_owned(),
        other => other.to_owned(),
    }
}

/// A sentence with a lower and an upper bound, where the schema has them.
fn bounds(schema: &Value, lower: &str, upper: &str, unit: &str) -> Option<String> {
    let number = |member: &str| schema[member].as_f64().map(|number| format!("{number}"));
    match (number(lower), number(upper)) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}")),
        (Some(least), None) => Some(format!("at least {least}{unit}")),
        (None, Some(most)) => Some(format!("at most {most}{unit}")),
        (None, None) => None,
    }
}

/// The sentences that an expression chooses from.
fn literals(expression: &str) -> Vec<&str> {
    let literals = expression.split('\'').skip(1).step_by(2);
    literals
        .filter(|text| text.contains(' ') && !text.ends_with(' '))
        .collect()
}

/// What the API server refuses, and what it fills in.
fn restrictions(path: &str, schema: &Value, required: bool) -> Vec<String> {
    let mut all = Vec::new();
    if required {
        all.push("required".to_owned());
    }
    if let Some(default) = schema.get("default") {
        all.push(match default.as_str() {
            Some("") => "default empty".to_owned(),
            Some(text) => format!("default `{text}`"),
            None => format!("default `{default}`"),
        });
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<_> = values
            .iter()
            .map(|value| format!("`{}`", value.as_str().unwrap()))
            .collect();
        all.push(format!("one of {}", values.join(", ")));
    }
    all.extend(bounds(schema, "minItems", "maxItems", " items"));
    all.extend(bounds(schema, "minProperties", "maxProperties", " members"));
    all.extend(bounds(schema, "minLength", "maxLength", " characters"));
    all.extend(bounds(schema, "minimum", "maximum", ""));
    if let Some(pattern) = schema["pattern"].as_str() {
        let fence = if pattern.contains('`') { "``" } else { "`" };
        all.push(format!("matches {fence}{pattern}{fence}"));
    }
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let messages = match text(rule, "message") {
            "" => literals(text(rule, "messageExpression")),
            message => vec![message],
        };
        // The message names the field, which stands beside it here: by its path, or its last part.
        let own = |message: &str| {
            let (field, rest) = message.split_once(": ")?;
            (path == field || path.ends_with(&format!(".{field}"))).then(|| rest.to_owned())
        };
        all.extend(
            messages
                .iter()
                .map(|message| own(message).unwrap_or_else(|| (*message).to_owned())),
        );
    }
    // Of the items of a list, and of the values of a map.
    for (inner, whose) in [("items", "each: "), ("additionalProperties", "each value: ")] {
        if schema[inner].is_object() && !schema[inner]["properties"].is_object() {
            let of_each = restrictions(path, &schema[inner], false);
            all.extend(of_each.into_iter().map(|restriction| format!("{whose}{restriction}")));
        }
    }
    all
}

/// The fields below a node, each before those within it.
fn fields(path: &str, schema: &Value, found: &mut Vec<Field>) {
    let required: BTreeSet<_> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let own = format!("{path}{name}");
        found.push(Field {
            path: own.clone(),
            kind: kind(field),
            description: text(field, "description").to_owned(),
            restrictions: restrictions(&own, field, required.contains(name.as_str())),
        });
        fields(&format!("{own}."), field, found);
        fields(&format!("{own}[]."), &field["items"], found);
    }
}

fn of(schema: &Value, part: &str) -> Vec<Field> {
    let mut found = Vec::new();
    fields("", &schema["properties"][part], &mut found);
    found
}

fn table<'a>(fields: impl IntoIterator<Item = &'a Field>) -> String {
    let head = "| Field | Type | Description | Restrictions |\n|---|---|---|---|\n".to_owned();
    fields.into_iter().fold(head, |table, field| table + &field.row())
}

/// What the whole `spec` has to fulfil.
fn rules(name: &str, schema: &Value) -> String {
    let rules = schema["properties"]["spec"]["x-kubernetes-validations"].as_array();
    let mut messages: Vec<_> = rules.into_iter().flatten().map(|rule| text(rule, "message")).collect();
    if name == "OAuthClient" {
        // One rule holds all of them; see src/api/rules.rs.
        messages = BETWEEN_FIELDS.iter().map(|(_, message)| *message).collect();
    }
    assert!(
        messages.iter().all(|message| !message.is_empty()),
        "{name}: a rule without a message"
    );
    messages
        .iter()
        .fold(String::new(), |list, message| list + "- " + message + "\n")
}

fn columns(version: &Value) -> String {
    let mut table = "| Column | Shows | Only with `-o wide` |\n|---|---|---|\n".to_owned();
    for column in version["additionalPrinterColumns"].as_array().unwrap() {
        let wide = if column["priority"].as_i64().unwrap_or_default() > 0 {
            "yes"
        } else {
            ""
        };
        let name = text(column, "name").to_uppercase();
        writeln!(table, "| `{name}` | {} | {wide} |", cell(text(column, "description"))).unwrap();
    }
    table
}

#[test]
fn t340_the_reference_of_the_api_has_every_field_of_the_definitions() {
    let mut page = String::from(
        "# API reference\n\n\
         <!-- Generated from the Rust types. Do not edit; run .ci/generate. -->\n\n\
         The API group is `oauth-client-operator.dev`, its version `v1alpha1`. `kubectl explain oauthclient.spec` shows the same \
         descriptions for the version that is installed in your cluster.\n\n\
         A path such as `secret.name` is a field within a field; `conditions[].type` is a field of each item of a list. *Restrictions* lists what \
         the API server refuses, and what it sets if the field is unset. The API server refuses unknown fields with `--validate=strict`, which is the \
         default of `kubectl`.\n",
    );
    let definitions = crds();
    let version = |kind: &str| {
        let crd = definitions
            .iter()
            .find(|crd| crd["spec"]["names"]["kind"] == kind)
            .unwrap();
        (crd, &crd["spec"]["versions"][0])
    };
    let namespaced = version("OAuthProvider").1["schema"]["openAPIV3Schema"].clone();
    for kind in ["OAuthClient", "OAuthProvider", "ClusterOAuthProvider"] {
        let (crd, version) = version(kind);
        let schema = &version["schema"]["openAPIV3Schema"];
        let names = &crd["spec"]["names"];
        let short: Vec<_> = names["shortNames"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let scope = text(&crd["spec"], "scope").to_lowercase();
        write!(
            page,
            "\n## {kind}\n\n{}\n\nScope: {scope}. Resource: `{}`, short name `{}`.\n\n### Spec of {kind}\n\n",
            text(schema, "description"),
            text(names, "plural"),
            short.join("`, `"),
        )
        .unwrap();
        let (spec, status) = (of(schema, "spec"), of(schema, "status"));
        if kind == "ClusterOAuthProvider" {
            let (others, other_status) = (of(&namespaced, "spec"), of(&namespaced, "status"));
            assert!(
                others
                    .iter()
                    .all(|other| spec.iter().any(|field| field.path == other.path))
            );
            assert_eq!(status, other_status);
            page.push_str("The fields are those of [OAuthProvider](#spec-of-oauthprovider), and:\n\n");
            page.push_str(&table(spec.iter().filter(|field| !others.contains(field))));
            assert_eq!(rules(kind, schema), rules(kind, &namespaced));
            page.push_str("\nThe rules between fields are the same.\n");
        } else {
            page.push_str(&table(&spec));
            write!(
                page,
                "\nThe API server also checks these rules between fields:\n\n{}",
                rules(kind, schema)
            )
            .unwrap();
        }
        write!(
            page,
            "\n### Columns of {kind}\n\n{}\n### Status of {kind}\n\n",
            columns(version)
        )
        .unwrap();
        if kind == "ClusterOAuthProvider" {
            page.push_str("The status has the fields of [OAuthProvider](#status-of-oauthprovider).\n");
        } else {
            page.push_str("The operator writes the status. Do not change it.\n\n");
            page.push_str("| Field | Type | Description | Values |\n|---|---|---|---|\n");
            page.extend(status.iter().map(Field::shown));
        }
        for field in spec.iter().chain(&status) {
            assert!(
                !field.description.is_empty(),
                "{kind}: {} has no description",
                field.path
            );
        }
    }
    keep(&repository().join("docs/api.md"), &page);
}
