//! Every rule and pattern of the definitions, with a manifest that it refuses and one that it accepts, on the real API server.

mod client;
mod provider;
mod trust;

use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use oauth_client_operator::api::{crds, rules};
use serde_json::{Map, Value, json};

use crate::stage::plane;
use client::{between_fields, members, secret};
use provider::{cluster_providers, providers};

/// What the API server says where a pattern of the schema does not match.
const PATTERN: &str = "should match";

/// Refuses every form of `clientCredentials` for discovery, whatever else is wrong with it.
const NO_GRANT: &str = "discoveryAuth cannot be clientCredentials";
/// So is a ServiceAccount token that an access token is obtained for.
const NO_EXCHANGE: &str = "discoveryAuth cannot obtain an access token";
/// So is a list of tokens that are not for registrations.
const NO_LIST: &str = "additionalSecretRefs is used only in registrationAuth";

/// What a rule about a duration says to a text that is none.
const NO_DURATION: &str = "type conversion error from 'string' to 'google.protobuf.Duration'";

/// A rule or pattern, a spec that it refuses and one that it accepts; both are laid over one that is right.
struct Case {
    /// Field that carries the rule.
    path: String,
    /// Words of the refusal, which tell the rules of one field apart.
    said: String,
    refused: Value,
    accepted: Value,
}

fn case(path: &str, said: &str, refused: Value, accepted: Value) -> Case {
    Case {
        path: path.to_owned(),
        said: said.to_owned(),
        refused,
        accepted,
    }
}

/// One member of a spec.
fn one(name: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), value)]))
}

/// A rule or pattern of a definition.
struct Refusal {
    /// Field that carries it.
    path: String,
    /// Field that the refusal names.
    names: String,
    /// The message, the expression that makes it, or that the pattern does not match.
    told: String,
}

/// What a definition can refuse.
fn refusals(path: &str, schema: &Value, found: &mut Vec<Refusal>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let told = rule
            .get("message")
            .or(rule.get("messageExpression"))
            .and_then(Value::as_str);
        found.push(Refusal {
            path: path.to_owned(),
            names: path.to_owned() + rule["fieldPath"].as_str().unwrap_or_default(),
            told: told.unwrap().to_owned(),
        });
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        found.push(Refusal {
            path: path.to_owned(),
            names: path.to_owned(),
            told: format!("{PATTERN} '{pattern}'"),
        });
    }
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        refusals(&format!("{path}.{name}"), child, found);
    }
    for (key, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema.get(key).is_some_and(Value::is_object) {
            refusals(&format!("{path}{mark}"), &schema[key], found);
        }
    }
}

/// What the definition of a kind can refuse.
fn all_refusals(kind: &str) -> Vec<Refusal> {
    let mut found = Vec::new();
    refusals(".spec", &spec_schema(kind), &mut found);
    if kind == "OAuthClient" {
        // The rules between fields are one rule of the definition; each of them counts.
        found.retain(|refusal| refusal.path != ".spec");
        found.extend(rules::BETWEEN_FIELDS.map(|(_, told)| Refusal {
            path: ".spec".to_owned(),
            names: ".spec".to_owned(),
            told: told.to_owned(),
        }));
    }
    found
}

/// The schema of the spec of a kind, as the definition has it.
pub fn spec_schema(kind: &str) -> Value {
    let crd = crds()
        .into_iter()
        .find(|crd| crd["spec"]["names"]["kind"] == kind)
        .unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone()
}

/// How often a keyword stands in a schema.
fn occurrences(keyword: &str, schema: &Value) -> usize {
    match schema {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| match value {
                Value::Array(items) if name == keyword => items.len(),
                Value::String(_) if name == keyword => 1,
                other => occurrences(keyword, other),
            })
            .sum(),
        Value::Array(items) => items.iter().map(|item| occurrences(keyword, item)).sum(),
        _ => 0,
    }
}

/// Whether a field of an object, as the API server names it in a refusal, is this field of the schema.
fn is_field(named: &str, field: &str) -> bool {
    // Items are numbered there; a key of a map may hold dots.
    let numberless: String = named
        .split('[')
        .map(|part| part.trim_start_matches(|letter: char| letter.is_ascii_digit()))
        .collect::<Vec<_>>()
        .join("[");
    let field = field.trim_start_matches('.');
    match field.strip_suffix("{}") {
        Some(map) => numberless.len() > map.len() && numberless.starts_with(map),
        None => numberless == field,
    }
}

fn cases_of(kind: &str) -> (Value, Vec<Case>) {
    match kind {
        "OAuthClient" => {
            let cases = between_fields().into_iter().chain(members()).chain(secret());
            (
                json!({"providerRef": {"name": "p"}, "redirectURIs": ["https://a.example/cb"]}),
                cases.collect(),
            )
        }
        "OAuthProvider" => (json!({"issuer": "https://p.example"}), providers()),
        _ => (
            json!({"issuer": "https://p.example", "allowedNamespaces": {"names": ["*"]}}),
            cluster_providers(),
        ),
    }
}

#[test]
fn t111_every_rule_and_pattern_of_the_definitions_has_a_case() {
    for crd in crds() {
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap();
        let (_, cases) = cases_of(kind);
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let mut found = Vec::new();
        refusals("", schema, &mut found);
        // None stands where `refusals` does not look: beside the spec, or below `anyOf` and its like.
        for (keyword, is_pattern) in [("x-kubernetes-validations", false), ("pattern", true)] {
            let known = found
                .iter()
                .filter(|refusal| refusal.told.starts_with(PATTERN) == is_pattern);
            assert_eq!(occurrences(keyword, schema), known.count(), "{kind}: {keyword}");
        }
        found.retain(|refusal| !refusal.path.starts_with(".spec"));
        let elsewhere: Vec<_> = found.iter().map(|refusal| &refusal.path).collect();
        assert!(elsewhere.is_empty(), "{kind}: {elsewhere:?}");
        let found = all_refusals(kind);
        for Refusal { path, told, .. } in &found {
            // Needs two versions of an object; see the test of its own.
            if path == ".spec.providerRef" {
                continue;
            }
            let named = cases.iter().any(|case| case.path == *path && told.contains(&case.said));
            assert!(named, "no case of {kind} for the rule at {path}: {told}");
        }
        for Case { path, said, .. } in &cases {
            let of_it = found
                .iter()
                .filter(|refusal| refusal.path == *path && refusal.told.contains(said));
            assert_eq!(of_it.count(), 1, "{kind}: rules at {path} that say: {said}");
        }
    }
}

/// What the API server says to an object of this spec: each refused field with the reason. Nothing is stored.
async fn tried(
    api: &Api<DynamicObject>,
    resource: &ApiResource,
    base: &Value,
    over: &Value,
) -> Result<(), Vec<(String, String)>> {
    let mut spec = base.as_object().unwrap().clone();
    for (name, value) in over.as_object().unwrap() {
        if value.is_null() {
            spec.remove(name);
        } else {
            spec.insert(name.clone(), value.clone());
        }
    }
    let object = DynamicObject::new("tried", resource).data(json!({"spec": spec}));
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    match api.create(&dry, &object).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => {
            let causes = status.details.map(|details| details.causes).unwrap_or_default();
            assert!(!causes.is_empty(), "{}", status.message);
            Err(causes.into_iter().map(|cause| (cause.field, cause.message)).collect())
        }
        Err(error) => panic!("{error}"),
    }
}

fn resource_of(kind: &str) -> ApiResource {
    ApiResource {
        group: "oauth-client-operator.dev".to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: "oauth-client-operator.dev/v1alpha1".to_owned(),
        kind: kind.to_owned(),
        plural: format!("{}s", kind.to_lowercase()),
    }
}

#[tokio::test]
async fn t111_every_rule_refuses_what_it_is_for_and_accepts_what_it_is_not() {
    let plane = plane().await;
    let namespace = plane.namespace("rules").await.unwrap();
    let client = plane.client().unwrap();
    let mut wrong = Vec::new();
    for kind in ["OAuthClient", "OAuthProvider", "ClusterOAuthProvider"] {
        let resource = resource_of(kind);
        let api = if kind.starts_with("Cluster") {
            Api::all_with(client.clone(), &resource)
        } else {
            Api::namespaced_with(client.clone(), namespace.name(), &resource)
        };
        let (base, cases) = cases_of(kind);
        let all = all_refusals(kind);
        for case in cases {
            let said = tried(&api, &resource, &base, &case.refused).await.err();
            let said = said.unwrap_or_else(|| panic!("{kind}: accepted {}", case.refused));
            let mut rules = all.iter();
            let rule = rules.find(|rule| rule.path == case.path && rule.told.contains(&case.said));
            let rule = rule.unwrap();
            // A pattern is told in full; other words may be made by an expression.
            let words = if rule.told.starts_with(PATTERN) {
                &rule.told
            } else {
                &case.said
            };
            // It is this rule that refuses, and no other; some forms are refused whatever they hold, and what is no duration cannot be compared with one either.
            let others = said
                .iter()
                .filter(|(field, told)| !(is_field(field, &rule.names) && told.contains(words)))
                .filter(|(_, told)| case.said == NO_GRANT || !told.contains(NO_GRANT))
                .filter(|(_, told)| case.said == NO_EXCHANGE || !told.contains(NO_EXCHANGE))
                .filter(|(_, told)| case.said == NO_LIST || !told.contains(NO_LIST))
                .filter(|(_, told)| case.said != PATTERN || !told.contains(NO_DURATION));
            let others: Vec<_> = others.collect();
            let right = others.is_empty() && said.iter().any(|(_, told)| told.contains(words));
            if !right {
                wrong.push(format!(
                    "{kind} {}: {}\nwas refused with\n{said:#?}",
                    rule.names, case.refused
                ));
            }
            let accepted = tried(&api, &resource, &base, &case.accepted).await;
            if let Err(said) = accepted {
                wrong.push(format!("{kind}: refused {}\nwith\n{said:#?}", case.accepted));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn t111_extra_metadata_refuses_members_that_have_a_field_or_belong_to_answers() {
    let plane = plane().await;
    let namespace = plane.namespace("extra").await.unwrap();
    let resource = resource_of("OAuthClient");
    let api = Api::namespaced_with(plane.client().unwrap(), namespace.name(), &resource);
    let (base, _) = cases_of("OAuthClient");
    let extra = |name: &str| one("extraMetadata", one(name, json!("x")));
    let fields = crate::fields::wire_names();
    let answers = [
        "client_id",
        "client_secret",
        "client_id_issued_at",
        "client_secret_expires_at",
        "registration_access_token",
        "registration_client_uri",
    ];
    let answers = answers.map(|wire| (wire.to_owned(), format!("(none: {wire} is set by the provider)")));
    let typed = fields
        .into_iter()
        .map(|(field, wire)| (wire, format!("(none: use spec.{field})")));
    for (wire, told) in typed.chain(answers) {
        let said = tried(&api, &resource, &base, &extra(&wire)).await.unwrap_err();
        let at = format!("spec.extraMetadata.{wire}");
        let right = said
            .iter()
            .any(|(field, message)| *field == at && message.contains(&told));
        assert!(right, "{wire}: {said:#?}");
    }
    tried(&api, &resource, &base, &extra("ext_param_owner")).await.unwrap();
}

#[tokio::test]
async fn t111_a_client_stays_at_its_provider_and_may_have_512_redirect_uris() {
    let plane = plane().await;
    let namespace = plane.namespace("immutable").await.unwrap();
    let uris: Vec<_> = (0..512)
        .map(|number| format!("'https://pr-{number}.preview.example.com/callback'"))
        .collect();
    let client = testbed::site::oauth_client("app", &format!("redirectURIs: [{}]", uris.join(", ")));
    namespace.apply(&client).await.unwrap();
    let api: Api<oauth_client_operator::api::OAuthClient> = Api::namespaced(plane.client().unwrap(), namespace.name());
    let patch = |spec: Value| Patch::Merge(json!({"spec": spec}));
    let moved = patch(json!({"providerRef": {"name": "other"}}));
    let said = api
        .patch("app", &PatchParams::default(), &moved)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("providerRef is immutable: create another OAuthClient"),
        "{said}"
    );
    let same = patch(json!({"providerRef": {"name": "provider"}, "suspend": true}));
    api.patch("app", &PatchParams::default(), &same).await.unwrap();
}
