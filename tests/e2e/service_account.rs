//! ServiceAccount tokens of the operator at a cluster-wide provider: as bearer token and as grant, renewed, and never sent elsewhere.
//!
//! The tokens are those of the API server. The test stands in for the kubelet, which writes them to the files of a projected volume.

mod keycloak;
mod keys;
mod managed;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use testbed::control_plane::{ControlPlane, ControlPlaneOptions};
use testbed::operator::{Operator, OperatorOptions};
use testbed::process::Scratch;
use testbed::providers::{Fault, Persona, Reply, ScriptableProvider, Seen};
use testbed::site::{oauth_client, oauth_provider};

use crate::scene::CLIENT;
use crate::stage::{BINARY, eventually};

use keys::Keys;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A cluster of its own with an operator that has a token for the issuer.
struct Pod {
    plane: ControlPlane,
    operator: Operator,
    double: ScriptableProvider,
    issuer: String,
    scratch: Scratch,
}

/// An issuer that the API server accepts as audience beside its own.
const API_AUDIENCE: &str = "https://also.example";

impl Pod {
    /// With a token for the issuer of a double.
    async fn new() -> Self {
        let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
        let issuer = double.url().to_owned();
        Self::of(double, issuer).await
    }

    /// With a token for this issuer.
    async fn of(double: ScriptableProvider, issuer: String) -> Self {
        let options = ControlPlaneOptions {
            apiserver_args: vec![format!("--api-audiences=https://kubernetes.default.svc,{API_AUDIENCE}")],
            ..ControlPlaneOptions::default()
        };
        let plane = ControlPlane::start(options).await.unwrap();
        let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
        let apply = ["apply", "--server-side", "-k", crds];
        plane.kubectl(&apply).await.unwrap().stdout().unwrap();
        for namespace in ["system", "shop"] {
            plane.create_namespace(namespace).await.unwrap();
        }
        let scratch = Scratch::new("provider-tokens").unwrap();
        let token = |issuer: &str, file: &str| {
            format!(
                "--service-account-token={issuer}={}",
                scratch.path().join(file).display()
            )
        };
        let options = OperatorOptions {
            binary: BINARY.into(),
            manifests: vec![crate::stage::rights("system", &[]).await],
            args: vec![
                token(&issuer, "0"),
                token(API_AUDIENCE, "1"),
                "--time-scale=20".to_owned(),
            ],
            ..OperatorOptions::new("system", &[])
        };
        let operator = Operator::start(&plane, options).await.unwrap();
        Self {
            plane,
            operator,
            double,
            issuer,
            scratch,
        }
    }

    async fn kubectl(&self, args: &[&str], input: &str) -> String {
        self.plane.kubectl_with(args, input).await.unwrap().stdout().unwrap()
    }

    /// A new token of the API server for an audience, in the file of the volume that is for the issuer.
    async fn renew(&self, audience: &str) -> String {
        self.project("0", audience).await
    }

    /// A new token of the API server for an audience, in this file of the volume.
    async fn project(&self, file: &str, audience: &str) -> String {
        let audience = format!("--audience={audience}");
        let args = ["-n", "system", "create", "token", "oauth-client-operator", &audience];
        let token = self.kubectl(&args, "").await.trim().to_owned();
        write(&self.scratch.path().join(file), &token);
        token
    }

    /// Applies the provider object with these members.
    async fn provider(&self, members: &Value) {
        let mut spec = json!({"issuer": self.issuer, "allowedNamespaces": {"names": ["shop"]}});
        spec.as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        let object = json!({
            "apiVersion": "oauth-client-operator.dev/v1alpha1", "kind": "ClusterOAuthProvider", "metadata": {"name": "provider"}, "spec": spec,
        });
        self.kubectl(&["apply", "-f", "-"], &object.to_string()).await;
    }

    async fn client(&self, name: &str) {
        let client =
            oauth_client(name, CLIENT).replace("providerRef:\n", "providerRef:\n    kind: ClusterOAuthProvider\n");
        self.kubectl(&["-n", "shop", "apply", "-f", "-"], &client).await;
    }

    async fn ready(&self, name: &str) {
        let object = format!("oac/{name}");
        let args = ["-n", "shop", "wait", "--for=condition=Ready", &object, "--timeout=60s"];
        self.kubectl(&args, "").await;
    }

    /// Waits until an object is not Ready for this reason; the message.
    async fn failed(&self, args: &[&str], reason: &str) -> String {
        eventually(&format!("{args:?} fails with {reason}"), async || {
            let args = [&["get", "-o", "json"][..], args].concat();
            let object: Value = serde_json::from_str(&self.kubectl(&args, "").await).unwrap();
            let conditions = object["status"]["conditions"].as_array()?.clone();
            let ready = conditions.into_iter().find(|condition| condition["type"] == "Ready")?;
            (ready["reason"] == reason).then(|| ready["message"].as_str().unwrap().to_owned())
        })
        .await
    }

    /// Tokens that came with registrations.
    fn registered_with(&self) -> Vec<String> {
        let posts = self.double.seen().into_iter().filter(|seen| seen.path == "/register");
        posts.filter_map(|seen| seen.bearer().map(str::to_owned)).collect()
    }

    /// Whether the API server knows the token for this audience.
    async fn is_genuine(&self, token: &str, audience: &str) -> bool {
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token, "audiences": [audience]},
        });
        let review = self
            .kubectl(&["create", "-o", "json", "-f", "-"], &review.to_string())
            .await;
        let review: Value = serde_json::from_str(&review).unwrap();
        let user = review["status"]["user"]["username"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        review["status"]["authenticated"] == true && user == "system:serviceaccount:system:oauth-client-operator"
    }
}

/// As the kubelet does: the file is never half written.
fn write(file: &Path, token: &str) {
    let next = file.with_extension("next");
    std::fs::write(&next, token).unwrap();
    std::fs::rename(next, file).unwrap();
}

fn form(seen: &Seen) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(&seen.body).into_owned().collect()
}

#[tokio::test]
async fn t268_the_token_of_the_service_account_registers_and_is_read_again_when_it_is_renewed() {
    let pod = Pod::new().await;
    let issuer = pod.double.url().to_owned();
    pod.provider(&json!({"registrationAuth": {"serviceAccountToken": {}}}))
        .await;
    let provider = ["coap", "provider"];
    let message = pod.failed(&provider, "CredentialsMissing").await;
    assert!(message.contains("cannot be read"), "{message}");

    let (keys, audience) = (Keys::of(&pod).await, issuer.clone());
    pod.double.script(move |seen| {
        let accepted = seen.bearer().is_some_and(|token| keys.accept(token, &audience));
        let refused = seen.path == "/register" && !accepted;
        refused.then(|| Fault::Answer(Reply::json(401, &json!({"error": "invalid_token"}))))
    });
    let first = pod.renew(&issuer).await;
    pod.client("one").await;
    pod.ready("one").await;
    assert!(pod.registered_with() == [first.clone()], "another token");
    assert!(pod.is_genuine(&first, &issuer).await);

    // The kubelet renews it; no object changes.
    let second = pod.renew(&issuer).await;
    assert!(first != second);
    pod.client("two").await;
    pod.ready("two").await;
    assert!(
        pod.registered_with() == [first.clone(), second.clone()],
        "another token"
    );

    // A token for the API server is never sent.
    let foreign = pod.renew("https://kubernetes.default.svc").await;
    pod.client("three").await;
    let message = pod.failed(&["-n", "shop", "oac", "three"], "CredentialsMissing").await;
    assert!(message.contains("does not have the one audience"), "{message}");
    pod.renew(&issuer).await;
    pod.ready("three").await;

    // Neither is one that the API server accepts, although it was listed.
    let of_api_server = pod.project("1", API_AUDIENCE).await;
    pod.provider(&json!({"expectedIssuer": API_AUDIENCE, "registrationAuth": {"serviceAccountToken": {}}}))
        .await;
    let message = pod.failed(&provider, "CredentialsMissing").await;
    assert!(message.contains("the API server of the cluster accepts"), "{message}");

    // Neither is one for an issuer that nobody listed, nor any for the provider of a namespace.
    pod.provider(&json!({"expectedIssuer": "https://other.example", "registrationAuth": {"serviceAccountToken": {}}}))
        .await;
    let message = pod.failed(&provider, "CredentialsMissing").await;
    assert!(
        message.contains("https://other.example") && message.contains("serviceAccountTokens"),
        "{message}"
    );
    let spec = format!("issuer: {issuer}\nregistrationAuth:\n  serviceAccountToken: {{}}");
    pod.kubectl(&["-n", "shop", "apply", "-f", "-"], &oauth_provider(&spec))
        .await;
    let message = pod.failed(&["-n", "shop", "oap", "provider"], "InvalidSpec").await;
    assert!(message.contains("ClusterOAuthProvider only"), "{message}");

    // Allowed origins do not count: the registration endpoint is elsewhere.
    let elsewhere = ScriptableProvider::start(Persona::Plain).await.unwrap();
    let endpoint = format!("{}/register", elsewhere.url());
    pod.provider(&json!({
        "endpoints": {"registration": endpoint, "allowedOrigins": [elsewhere.url()]}, "registrationAuth": {"serviceAccountToken": {}},
    }))
    .await;
    pod.client("four").await;
    let message = pod.failed(&["-n", "shop", "oac", "four"], "OriginNotAllowed").await;
    assert!(message.contains("only to the origin of the issuer"), "{message}");
    assert_eq!(elsewhere.count("POST", "/register"), 0);
    let is_sent = |token: &str| pod.double.seen().iter().any(|seen| seen.bearer() == Some(token));
    assert!(is_sent(&second) && !is_sent(&foreign) && !is_sent(&of_api_server));
    let log = pod.operator.log();
    assert!(
        [&first, &second, &foreign, &of_api_server]
            .iter()
            .all(|token| !log.contains(token.as_str()))
    );
}

#[tokio::test]
async fn t268_the_token_of_the_service_account_is_a_grant_for_an_access_token() {
    let pod = Pod::new().await;
    let issuer = pod.double.url().to_owned();
    let token = pod.renew(&issuer).await;
    let (keys, audience) = (Keys::of(&pod).await, issuer.clone());
    pod.double
        .script(move |seen| match (seen.method.as_str(), seen.path.as_str()) {
            ("POST", "/token") => {
                let form = form(seen);
                let member = |name: &str| form.get(name).map(String::as_str);
                let is_ours = |name: &str| member(name).is_some_and(|token| keys.accept(token, &audience));
                let known = match member("grant_type") {
                    Some(GRANT) => is_ours("assertion") && member("client_id").is_none(),
                    Some("client_credentials") => {
                        is_ours("client_assertion")
                            && member("client_assertion_type") == Some(ASSERTION)
                            && member("client_id") == Some("operator")
                    }
                    _ => false,
                };
                let reply = if known && member("scope") == Some("client.create") {
                    Reply::json(
                        200,
                        &json!({"access_token": "granted-access", "token_type": "Bearer", "expires_in": 300}),
                    )
                } else {
                    Reply::json(400, &json!({"error": "invalid_grant"}))
                };
                Some(Fault::Answer(reply))
            }
            ("POST", "/register") if seen.bearer() != Some("granted-access") => {
                Some(Fault::Answer(Reply::json(401, &json!({"error": "invalid_token"}))))
            }
            _ => None,
        });
    let by_grant = |members: Value| {
        let mut auth = json!({"usage": "AuthorizationGrant"});
        auth.as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        json!({"registrationAuth": {"serviceAccountToken": auth}})
    };
    pod.provider(&by_grant(json!({}))).await;
    pod.client("one").await;
    let message = pod.failed(&["-n", "shop", "oac", "one"], "CredentialsRejected").await;
    assert!(
        message.contains("serviceAccountToken") && message.contains("invalid_grant") && !message.contains(&token),
        "{message}"
    );
    pod.provider(&by_grant(json!({"scopes": ["client.create"]}))).await;
    pod.ready("one").await;
    assert_eq!(pod.registered_with(), ["granted-access"]);
    let metrics = pod.operator.metrics().await.unwrap();
    assert!(
        metrics.contains(r#"provider_requests_total{operation="Token",result="Success"} 1"#),
        "{metrics}"
    );

    // As an assertion only if the provider object says so: the subject of the token is no client.
    let by_assertion = |client: &str| {
        let auth = json!({"usage": "ClientAssertion", "clientID": client, "scopes": ["client.create"]});
        json!({"registrationAuth": {"serviceAccountToken": auth}})
    };
    pod.provider(&by_assertion("another")).await;
    pod.client("two").await;
    let message = pod.failed(&["-n", "shop", "oac", "two"], "CredentialsRejected").await;
    assert!(
        message.contains("serviceAccountToken.clientID") && !message.contains(&token),
        "{message}"
    );
    pod.provider(&by_assertion("operator")).await;
    pod.ready("two").await;
    assert_eq!(pod.registered_with(), ["granted-access", "granted-access"]);
    assert!(!pod.operator.log().contains(&token));
}

/// What the component for kustomize adds to the pod is what the chart renders.
#[tokio::test]
async fn t268_chart_and_kustomize_project_the_same_token() {
    let built = crate::chart::kustomized_with("service-account-token").await;
    let values = [r#"serviceAccountTokens=[{"issuer":"https://id.example.com"}]"#.to_owned()];
    let rendered = crate::chart::rendered(&values).await;
    let pod = |manifests: &str| {
        use serde::Deserialize as _;
        let objects = serde_yaml::Deserializer::from_str(manifests).map(|object| Value::deserialize(object).unwrap());
        let mut deployments = objects.filter(|object| object["kind"] == "Deployment");
        let spec = deployments.next().unwrap()["spec"]["template"]["spec"].take();
        let arguments = spec["containers"][0]["args"].as_array().unwrap().clone();
        let argument = arguments.into_iter().find(|argument| {
            argument
                .as_str()
                .is_some_and(|text| text.starts_with("--service-account-token="))
        });
        (
            argument,
            spec["volumes"].clone(),
            spec["containers"][0]["volumeMounts"].clone(),
        )
    };
    let (argument, volumes, mounts) = pod(&rendered);
    let expected = "--service-account-token=https://id.example.com=/var/run/secrets/oauth-client-operator/providers/0";
    assert_eq!(argument, Some(json!(expected)));
    assert_eq!(
        volumes[0]["projected"]["sources"][0]["serviceAccountToken"]["audience"],
        "https://id.example.com"
    );
    assert_eq!(pod(&built), (argument, volumes, mounts));
}
