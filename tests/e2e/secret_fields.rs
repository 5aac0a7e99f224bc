//! Each field of `spec.secret`, found in the Secret, and what no Secret can be.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};
use oauth_client_operator::api::{OAuthClient, crds};
use serde_json::{Value, json};
use testbed::control_plane::{ControlPlane, ControlPlaneOptions};
use testbed::operator::{Operator, OperatorOptions};
use testbed::providers::{Persona, ScriptableProvider};
use testbed::site::{oauth_client, oauth_provider};

use crate::rules::spec_schema;
use crate::stage::{BINARY, Stage, condition, eventually, is, judged};

const CLIENT: &str = "redirectURIs: ['https://app.example/callback']";

/// A Secret as a user sees it: type, labels and annotations of the user's, keys with values.
struct Seen {
    type_: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    data: BTreeMap<String, String>,
}

fn seen(secret: &Secret) -> Seen {
    let ours = |key: &str| key.contains("oauth-client-operator.dev/") || key == "app.kubernetes.io/managed-by";
    let theirs = |map: &BTreeMap<String, String>| {
        let kept = map.iter().filter(|(key, _)| !ours(key));
        kept.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    let text =
        |(key, value): (&String, &k8s_openapi::ByteString)| (key.clone(), String::from_utf8(value.0.clone()).unwrap());
    Seen {
        type_: secret.type_.clone().unwrap(),
        labels: theirs(secret.labels()),
        annotations: theirs(secret.annotations()),
        data: secret.data.iter().flatten().map(text).collect(),
    }
}

const KEY_NAMES: &str = "{keyNames: {clientID: ID, clientSecret: KEY, issuer: ISS, authorizationEndpoint: AUTH, \
                         tokenEndpoint: TOKEN, jwksURI: JWKS, userinfoEndpoint: USER, endSessionEndpoint: END, \
                         tokenEndpointAuthMethod: METHOD}}";
const TEMPLATE: &str = "{template: {labels: {team: a, app.kubernetes.io/part-of: argocd}, annotations: {note: b c}}}";

/// Values of `spec.secret` that [`t80_every_field_of_the_secret_is_found_in_the_secret_and_no_longer_when_it_is_unset`] tries
/// one after the other.
const VARIANTS: [&str; 8] = [
    "{}",
    KEY_NAMES,
    "{includeProvider: false}",
    TEMPLATE,
    "{template: {type: kubernetes.io/basic-auth}}",
    "{template: {type: servicebinding.io/oauth2}}",
    "{name: renamed}",
    "{}",
];

/// The fields below this one that hold a value: those of a schema, or of an object.
fn leaves(path: &str, value: &Value, below: &dyn Fn(&Value) -> Option<&Value>, found: &mut BTreeSet<String>) {
    match below(value).and_then(Value::as_object) {
        Some(members) => members
            .iter()
            .for_each(|(name, value)| leaves(&format!("{path}.{name}"), value, below, found)),
        None => {
            found.insert(path.to_owned());
        }
    }
}

#[test]
fn t80_every_field_of_the_secret_in_the_definition_has_a_value_in_the_test_of_the_secret() {
    let mut defined = BTreeSet::new();
    let schema = &spec_schema("OAuthClient")["properties"]["secret"];
    leaves("", schema, &|schema| schema.get("properties"), &mut defined);
    let mut tried = BTreeSet::new();
    for variant in VARIANTS {
        let value: Value = serde_yaml::from_str(variant).unwrap();
        leaves("", &value, &|value| Some(value), &mut tried);
    }
    // Maps are one value; the empty variant has none.
    let one_value = |path: String| {
        ["labels", "annotations"]
            .into_iter()
            .find_map(|map| {
                let (before, _) = path.split_once(&format!(".{map}."))?;
                Some(format!("{before}.{map}"))
            })
            .unwrap_or(path)
    };
    let tried: BTreeSet<_> = tried
        .into_iter()
        .map(one_value)
        .filter(|path| !path.is_empty())
        .collect();
    assert_eq!(tried, defined);
}

#[tokio::test]
#[allow(clippy::too_many_lines, reason = "a table")]
async fn t80_every_field_of_the_secret_is_found_in_the_secret_and_no_longer_when_it_is_unset() {
    let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
    for (member, path) in [
        ("jwks_uri", "jwks"),
        ("userinfo_endpoint", "userinfo"),
        ("end_session_endpoint", "logout"),
    ] {
        double.metadata(member, json!(format!("{}/{path}", double.url())));
    }
    let stage = Stage::new("secret-fields").await;
    stage.apply(&oauth_provider(&format!("issuer: {}", double.url()))).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    let id = stage.ready("app").await.status.unwrap().client_id.unwrap();
    let secret = double.clients()[&id]["client_secret"].as_str().unwrap().to_owned();
    let at = |path: &str| format!("{}{path}", double.url());
    let endpoints = [
        ("issuer", at("")),
        ("authorization_endpoint", at("/authorize")),
        ("token_endpoint", at("/token")),
        ("jwks_uri", at("/jwks")),
        ("userinfo_endpoint", at("/userinfo")),
        ("end_session_endpoint", at("/logout")),
        ("token_endpoint_auth_method", "client_secret_basic".to_owned()),
    ];
    let credentials = [("client_id", id), ("client_secret", secret)];
    let usual: BTreeMap<_, _> = credentials.iter().chain(&endpoints).cloned().collect();
    let named = |names: &[(&str, &str)], from: &BTreeMap<&str, String>| -> BTreeMap<String, String> {
        let key = |default: &str| {
            names
                .iter()
                .find(|(had, _)| *had == default)
                .map_or(default, |(_, key)| key)
                .to_owned()
        };
        from.iter()
            .map(|(default, value)| (key(default), value.clone()))
            .collect()
    };
    let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    let renamed = [
        ("client_id", "ID"),
        ("client_secret", "KEY"),
        ("issuer", "ISS"),
        ("authorization_endpoint", "AUTH"),
        ("token_endpoint", "TOKEN"),
        ("jwks_uri", "JWKS"),
        ("userinfo_endpoint", "USER"),
        ("end_session_endpoint", "END"),
        ("token_endpoint_auth_method", "METHOD"),
    ];
    let without = credentials.iter().cloned().collect();
    let basic = [("client_id", "username"), ("client_secret", "password")];
    let labels = [("team", "a"), ("app.kubernetes.io/part-of", "argocd")];
    let plain = ("Opaque", map(&[]), map(&[]));
    // For each variant: name of the Secret, its type, labels and annotations, and data.
    let expected = [
        ("app", plain.clone(), named(&[], &usual)),
        ("app", plain.clone(), named(&renamed, &usual)),
        ("app", plain.clone(), named(&[], &without)),
        (
            "app",
            ("Opaque", map(&labels), map(&[("note", "b c")])),
            named(&[], &usual),
        ),
        (
            "app",
            ("kubernetes.io/basic-auth", map(&[]), map(&[])),
            named(&basic, &usual),
        ),
        (
            "app",
            ("servicebinding.io/oauth2", map(&[]), map(&[])),
            named(&[], &usual),
        ),
        ("renamed", plain.clone(), named(&[], &usual)),
        ("app", plain, named(&[], &usual)),
    ];
    for (spec, (name, (type_, labels, annotations), data)) in VARIANTS.into_iter().zip(expected) {
        stage
            .apply(&oauth_client("app", &format!("{CLIENT}\nsecret: {spec}")))
            .await;
        let object = stage.ready("app").await;
        assert_eq!(object.status.unwrap().binding.unwrap().name, name);
        let found = seen(&stage.secrets().get(name).await.unwrap());
        assert_eq!(
            (found.type_.as_str(), &found.labels, &found.annotations),
            (type_, &labels, &annotations),
            "{spec}"
        );
        assert_eq!(found.data, data, "{spec}");
        let other = if name == "app" { "renamed" } else { "app" };
        eventually("no Secret under the other name", async || {
            stage.secret(other).await.is_none().then_some(())
        })
        .await;
    }
    assert_eq!(double.clients().len(), 1);
    assert!(
        double.seen().iter().all(|seen| seen.method != "PUT"),
        "the provider has no part in it"
    );
}

/// The rules taken out of a definition: as one that is older than this program.
fn without_rules(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("x-kubernetes-validations");
            members.values_mut().for_each(without_rules);
        }
        Value::Array(items) => items.iter_mut().for_each(without_rules),
        _ => {}
    }
}

/// On a control plane whose definitions are older than the program, so that the program itself has to refuse.
#[tokio::test]
async fn t110_two_values_under_one_key_are_never_written_half() {
    let plane = ControlPlane::start(ControlPlaneOptions::default()).await.unwrap();
    for mut crd in crds() {
        without_rules(&mut crd);
        let apply = ["apply", "--server-side", "-f", "-"];
        let applied = plane.kubectl_with(&apply, &crd.to_string()).await.unwrap();
        applied.stdout().unwrap();
    }
    let established = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"];
    plane.kubectl(&established).await.unwrap().stdout().unwrap();
    let (home, apps) = ("system", "shop");
    for namespace in [home, apps] {
        plane.create_namespace(namespace).await.unwrap();
    }
    let watched = [apps.to_owned()];
    let options = OperatorOptions {
        binary: BINARY.into(),
        manifests: vec![crate::stage::rights(home, &watched).await],
        ..OperatorOptions::new(home, &watched)
    };
    let _operator = Operator::start(&plane, options).await.unwrap();
    let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
    let client = plane.client().unwrap();
    let clients: Api<OAuthClient> = Api::namespaced(client.clone(), apps);
    let secrets: Api<Secret> = Api::namespaced(client, apps);
    let apply = async |manifest: &str| {
        let args = ["-n", apps, "apply", "-f", "-"];
        plane.kubectl_with(&args, manifest).await.unwrap().stdout().unwrap();
    };
    let until = async |what: &str, type_: &str| {
        eventually(what, async || {
            let object = clients.get("app").await.unwrap();
            (judged(&object) && is(&object, type_, "True")).then_some(object)
        })
        .await
    };
    let with = |secret: &str| oauth_client("app", &format!("{CLIENT}\nsecret: {secret}"));
    apply(&oauth_provider(&format!("issuer: {}", double.url()))).await;

    let mistakes = [
        (
            "{keyNames: {clientID: OIDC_CLIENT, clientSecret: OIDC_CLIENT}}",
            "clientID and clientSecret",
        ),
        ("{keyNames: {clientID: issuer}}", "clientID and issuer"),
        ("{name: a..b}", "spec.secret.name: `a..b`"),
        (
            "{template: {labels: {'bad key': x}}}",
            "spec.secret.template.labels: `bad key`",
        ),
    ];
    for (mistake, said) in mistakes {
        apply(&with(mistake)).await;
        let object = until("refused", "Stalled").await;
        let ready = condition(&object, "Ready").unwrap();
        assert_eq!(
            (ready.status.as_str(), ready.reason.as_str()),
            ("False", "InvalidSpec"),
            "{mistake}"
        );
        assert!(ready.message.contains(said), "{}", ready.message);
        assert!(
            secrets.get_opt("app").await.unwrap().is_none() && double.clients().is_empty(),
            "{mistake}"
        );
    }

    // What is registered keeps its Secret as it is.
    apply(&with("{keyNames: {clientID: ID, clientSecret: KEY}}")).await;
    until("Ready", "Ready").await;
    let before = secrets.get("app").await.unwrap();
    assert!(before.data.as_ref().unwrap().contains_key("ID"));
    for (mistake, said) in &mistakes[..2] {
        apply(&with(mistake)).await;
        let object = until("refused", "Stalled").await;
        let message = &condition(&object, "Ready").unwrap().message;
        assert!(message.contains(said), "{message}");
        assert_eq!(secrets.get("app").await.unwrap(), before, "{mistake}");
    }
    assert_eq!(double.clients().len(), 1);
}
