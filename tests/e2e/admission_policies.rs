//! The policies that guard what the operator writes, as the API server enforces them.

use std::collections::BTreeMap;

use serde::Deserialize as _;
use serde_json::Value;
use testbed::operator::NAME;
use testbed::site::{Site, oauth_client};

use crate::chart::{kustomized_with, rendered, rendered_template};
use crate::scene::{CLIENT, edited};
use crate::stage::{Stage, eventually, plane};

/// Who may change OAuthClients and Secrets, and no more.
const TENANT: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: tenant}
rules:
- apiGroups: [oauth-client-operator.dev]
  resources: [oauthclients]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: ['']
  resources: [secrets]
  verbs: [get, list, watch, create, update, patch, delete]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: tenant}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: tenant}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: tenant}]
";

/// A Secret with one label or type.
fn secret(name: &str, label: &str, kind: &str) -> String {
    format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  labels: {{{label}}}\ntype: {kind}\n")
}

impl Stage {
    /// Renders the chart's policies for this stage.
    async fn policies(&self) -> String {
        let values = [
            format!("fullnameOverride={NAME}-{}", self.home.name()),
            format!("serviceAccount.name={NAME}"),
            format!("watch.namespaces={{{}}}", self.apps.name()),
            "admissionPolicies.enabled=true".to_owned(),
        ];
        rendered_template(self.home.name(), "templates/admissionpolicies.yaml", &values).await
    }

    /// What `kubectl` answers to somebody in the namespace of the clients, and whether it succeeded.
    async fn answered(&self, who: &[&str], args: &[&str], input: &str) -> (bool, String) {
        let mut all = vec!["-n", self.apps.name()];
        all.extend(who);
        all.extend(args);
        let output = plane().await.kubectl_with(&all, input).await.unwrap();
        (output.success(), output.stderr.clone())
    }
}

#[tokio::test]
async fn t298_only_the_operator_changes_what_it_finds_its_objects_by() {
    let site = Site::oidc_provider().await.unwrap();
    let stage = Stage::new("policies").await;
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    stage.ready("app").await;
    stage.apply(TENANT).await;
    let policies = stage.policies().await;
    let (applied, said) = stage.answered(&[], &["apply", "-f", "-"], &policies).await;
    assert!(applied, "{said}");

    let tenant = ["--as=tenant"];
    let patch = |kind: &'static str, patch: &'static str| ["patch", kind, "app", "--type=merge", "-p", patch];
    let finalizer = patch("oauthclient", r#"{"metadata":{"finalizers":null}}"#);
    // A policy is enforced a moment after it was applied.
    eventually("the policies are enforced", async || {
        let mut args = finalizer.to_vec();
        args.push("--dry-run=server");
        let (accepted, said) = stage.answered(&tenant, &args, "").await;
        (!accepted && said.contains("only the operator removes the finalizer")).then_some(())
    })
    .await;
    let pending = r#"{"metadata":{"annotations":{"oauth-client-operator.dev/create-pending":"x"}}}"#;
    let unlabelled = r#"{"metadata":{"labels":{"oauth-client-operator.dev/role":null}}}"#;
    let relabelled = r#"{"metadata":{"labels":{"oauth-client-operator.dev/role":"record"}}}"#;
    for (args, part) in [
        (finalizer, "oauth-client-operator.dev/abandon"),
        (patch("oauthclient", pending), "create-pending"),
        (patch("secret", unlabelled), "labels of oauth-client-operator.dev"),
        (patch("secret", relabelled), "labels of oauth-client-operator.dev"),
    ] {
        let (accepted, said) = stage.answered(&tenant, &args, "").await;
        assert!(!accepted && said.contains(part), "{args:?}: {said}");
    }
    let role = "oauth-client-operator.dev/role: record";
    for (manifest, part) in [
        (secret("forged", role, "Opaque"), "labels of oauth-client-operator.dev"),
        (secret("forged", "", "oauth-client-operator.dev/record"), "of a type"),
    ] {
        let (accepted, said) = stage.answered(&tenant, &["create", "-f", "-"], &manifest).await;
        assert!(!accepted && said.contains(part), "{said}");
    }

    // What tenants do every day.
    let own_key = r#"{"stringData":{"theirs":"value"}}"#;
    let consent = "oauth-client-operator.dev/provider-credentials: 'true'";
    for (args, input) in [
        (patch("secret", own_key).to_vec(), String::new()),
        (vec!["create", "-f", "-"], secret("credentials", consent, "Opaque")),
        (
            vec![
                "annotate",
                "oauthclient",
                "app",
                "oauth-client-operator.dev/reconcile=1",
            ],
            String::new(),
        ),
        (vec!["apply", "-f", "-"], oauth_client("app", &edited("two"))),
        (vec!["delete", "secret", "app"], String::new()),
    ] {
        let (accepted, said) = stage.answered(&tenant, &args, &input).await;
        assert!(accepted, "{args:?}: {said}");
    }
    eventually("the Secret is back", async || stage.secret("app").await).await;
    stage.ready("app").await;
    // An administrator is not checked.
    let (accepted, said) = stage
        .answered(&[], &["create", "-f", "-"], &secret("copied", role, "Opaque"))
        .await;
    assert!(accepted, "{said}");
    stage.kubectl(&["delete", "secret", "copied"]).await;
    let (accepted, said) = stage
        .answered(&tenant, &["delete", "oauthclient", "app", "--timeout=60s"], "")
        .await;
    assert!(accepted, "{said}");
    assert!(site.clients().await.unwrap().is_empty());
    let (removed, said) = stage.answered(&[], &["delete", "-f", "-"], &policies).await;
    assert!(removed, "{said}");
}

/// Rules and specifications of cluster-wide objects, by kind and last part of the name.
fn guards(manifests: &str) -> BTreeMap<String, Value> {
    let objects = serde_yaml::Deserializer::from_str(manifests).map(|object| Value::deserialize(object).unwrap());
    let named = objects.filter_map(|object| {
        let kind = object["kind"].as_str()?.to_owned();
        let name = object["metadata"]["name"].as_str()?.rsplit('.').next()?.to_owned();
        let guard = kind.starts_with("ValidatingAdmission") || name == "admission";
        let mut content = if object["spec"].is_null() {
            object["rules"].clone()
        } else {
            object["spec"].clone()
        };
        if let Some(policy) = content.get_mut("policyName") {
            *policy = policy.as_str()?.rsplit('.').next()?.into();
        }
        guard.then(|| (format!("{kind} {name}"), content))
    });
    named.collect()
}

#[tokio::test]
async fn t298_kustomize_adds_the_policies_of_the_chart() {
    let kustomized = guards(&kustomized_with("admission").await);
    assert_eq!(kustomized.len(), 6);
    assert_eq!(
        kustomized,
        guards(&rendered(&["admissionPolicies.enabled=true".to_owned()]).await)
    );
}
