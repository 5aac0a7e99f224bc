//! Every rule and pattern of the definitions, with a manifest that it refuses and one that it accepts, on the real API server.

mod client;
mod provider;

use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use oauth_client_operator::api::{crds, rules};
use serde_json::{Map, Value, json};

use crate::stage::plane;
use client::{between_fields, members, secret};
use provider::{cluster_providers, providers};

/// What the API server says where a pattern of the schema does not match.
const PATTERN: &str = "should match";

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

/// What a definition can refuse, by field: the words of a rule, or that a pattern does not match.
fn refusals(path: &str, schema: &Value, found: &mut Vec<(String, String)>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let told = rule
            .get("message")
            .or(rule.get("messageExpression"))
            .and_then(Value::as_str);
        found.push((path.to_owned(), told.unwrap().to_owned()));
    }
    if schema.get("pattern").is_some() {
        found.push((path.to_owned(), PATTERN.to_owned()));
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
        let mut found = Vec::new();
        refusals("", &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"], &mut found);
        if kind == "OAuthClient" {
            // The rules between fields are one rule of the definition; each is tried.
            found.extend(rules::BETWEEN_FIELDS.map(|(_, told)| (".spec".to_owned(), told.to_owned())));
        }
        for (path, told) in found {
            // Needs two versions of an object; see the test of its own.
            if path == ".spec.providerRef" {
                continue;
            }
            let named = cases.iter().any(|case| case.path == path && told.contains(&case.said));
            assert!(named, "no case of {kind} for the rule at {path}: {told}");
        }
    }
}

/// What the API server says to an object of this spec; nothing is stored.
async fn tried(api: &Api<DynamicObject>, resource: &ApiResource, base: &Value, over: &Value) -> Result<(), String> {
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
    api.create(&dry, &object)
        .await
        .map(drop)
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn t111_every_rule_refuses_what_it_is_for_and_accepts_what_it_is_not() {
    let plane = plane().await;
    let namespace = plane.namespace("rules").await.unwrap();
    let client = plane.client().unwrap();
    for kind in ["OAuthClient", "OAuthProvider", "ClusterOAuthProvider"] {
        let resource = ApiResource {
            group: "oauth-client-operator.dev".to_owned(),
            version: "v1alpha1".to_owned(),
            api_version: "oauth-client-operator.dev/v1alpha1".to_owned(),
            kind: kind.to_owned(),
            plural: format!("{}s", kind.to_lowercase()),
        };
        let api = if kind.starts_with("Cluster") {
            Api::all_with(client.clone(), &resource)
        } else {
            Api::namespaced_with(client.clone(), namespace.name(), &resource)
        };
        let (base, cases) = cases_of(kind);
        for case in cases {
            let said = tried(&api, &resource, &base, &case.refused).await.err();
            let said = said.unwrap_or_else(|| panic!("{kind}: accepted {}", case.refused));
            assert!(
                said.contains(&case.said),
                "{kind} {}: {}\nwas refused with\n{said}",
                case.path,
                case.refused
            );
            let field = case.path.split(['[', '{']).next().unwrap().trim_start_matches('.');
            assert!(said.contains(field), "{field} is not named: {said}");
            let accepted = tried(&api, &resource, &base, &case.accepted).await;
            accepted.unwrap_or_else(|said| panic!("{kind}: refused {}\nwith\n{said}", case.accepted));
        }
    }
}

#[tokio::test]
async fn t111_extra_metadata_refuses_members_that_have_a_field_or_belong_to_answers() {
    let plane = plane().await;
    let namespace = plane.namespace("extra").await.unwrap();
    let spec = |extra: &str| {
        testbed::site::oauth_client(
            "app",
            &format!("redirectURIs: ['https://a.example/cb']\nextraMetadata: {{{extra}: x}}"),
        )
    };
    for (extra, said) in [
        (
            "client_name",
            "spec.extraMetadata.client_name: Unsupported value: \"x\": supported values: \"(none: use spec.clientName)\"",
        ),
        ("jwks_uri", "(none: use spec.jwksURI)"),
        ("client_id", "(none: client_id is set by the provider)"),
        (
            "registration_access_token",
            "(none: registration_access_token is set by the provider)",
        ),
    ] {
        let apply = ["-n", namespace.name(), "apply", "--dry-run=server", "-f", "-"];
        let output = plane.kubectl_with(&apply, &spec(extra)).await.unwrap();
        assert!(
            !output.success() && output.stderr.contains(said),
            "{extra}: {}",
            output.stderr
        );
    }
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
