//! `helm test`, and the rights that the chart asks for.

use super::*;

/// The pod of `helm test`, which no kubelet runs here: its command with its environment.
async fn check(plane: &ControlPlane, home: &str, account: &str, values: &[String]) -> (bool, String) {
    let output = template(plane, home, values).await.stdout().unwrap();
    let pods = serde_yaml::Deserializer::from_str(&output).map(|document| Value::deserialize(document).unwrap());
    let pod = pods.into_iter().find(|object| object["kind"] == "Pod").unwrap();
    assert_eq!(pod["metadata"]["annotations"]["helm.sh/hook"], "test");
    // It must be none of the pods that Service, PodDisruptionBudget and NetworkPolicy select.
    assert_eq!(pod["metadata"]["labels"]["app.kubernetes.io/component"], "check");
    let container = &pod["spec"]["containers"][0];
    let args = container["args"].as_array().unwrap().iter();
    let environment: BTreeMap<_, _> = container["env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| {
            (
                variable["name"].as_str().unwrap(),
                variable["value"].as_str().unwrap_or(home),
            )
        })
        .collect();
    let token = plane.service_account_token(home, account).await.unwrap();
    let name = format!("{home}-check");
    let kubeconfig = plane.kubeconfig_with_token(&name, &token, &plane.endpoint()).unwrap();
    let output = Command::new(BINARY)
        .args(args.map(|arg| arg.as_str().unwrap()))
        .env("KUBECONFIG", kubeconfig)
        .envs(environment)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.success(), said)
}

/// The rights of Roles and `ClusterRoles` in a stream of manifests, as the check writes them.
fn rights(manifests: &str, home: &str) -> BTreeSet<String> {
    let mut rights = BTreeSet::new();
    for document in serde_yaml::Deserializer::from_str(manifests) {
        let object = Value::deserialize(document).unwrap();
        let aggregated = object["metadata"]["labels"].to_string().contains("/aggregate-to-");
        let place = match object["kind"].as_str() {
            Some("ClusterRole") if !aggregated => "in the whole cluster".to_owned(),
            Some("Role") => format!(
                "in namespace {}",
                object["metadata"]["namespace"].as_str().unwrap_or(home)
            ),
            _ => continue,
        };
        let texts = |rule: &Value, member: &str| -> Vec<String> {
            let listed = rule[member].as_array().cloned().unwrap_or_default();
            listed.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        for rule in object["rules"].as_array().unwrap() {
            let group = texts(rule, "apiGroups").remove(0);
            let group = if group.is_empty() { group } else { format!(".{group}") };
            let name = texts(rule, "resourceNames").pop().map(|name| format!(" {name}"));
            let name = name.unwrap_or_default();
            for resource in texts(rule, "resources") {
                let verbs = texts(rule, "verbs").into_iter();
                rights.extend(verbs.map(|verb| format!("missing right: {verb} {resource}{group}{name} {place}")));
            }
        }
    }
    rights
}

#[tokio::test]
async fn t129_helm_test_names_every_right_that_is_missing() {
    let plane = plane().await;
    for served in [None, Some("shop")] {
        let home = plane.namespace("check").await.unwrap();
        let apps = plane.namespace("check-apps").await.unwrap();
        let mut values = vec![
            r#"serviceAccount.name="checked""#.to_owned(),
            "crds.enabled=false".to_owned(),
        ];
        if served.is_some() {
            values.push(format!(r#"watch.namespaces=["{}"]"#, apps.name()));
        }
        home.kubectl(&["create", "serviceaccount", "checked"]).await.unwrap();
        let manifests = template(plane, home.name(), &values).await.stdout().unwrap();
        let (passed, said) = check(plane, home.name(), "checked", &values).await;
        assert!(!passed);
        let granted = rights(&manifests, home.name());
        let mut missing: BTreeSet<_> = said.lines().map(str::to_owned).collect();
        if served.is_none() {
            // What the ClusterRole grants everywhere, the check also names for the operator's own namespace.
            let own = format!("in namespace {}", home.name());
            let everywhere = |right: &String| granted.contains(&right.replace(&own, "in the whole cluster"));
            missing.retain(|right| !right.ends_with(&own) || !everywhere(right));
        }
        assert_eq!(missing, granted);

        let roles: String = manifests
            .split("\n---\n")
            .filter(|text| text.contains("rbac.authorization"))
            .fold(String::new(), |text, document| text + document + "\n---\n");
        plane.apply(&roles).await.unwrap();
        crate::stage::eventually("the check passes", async || {
            let (passed, said) = check(plane, home.name(), "checked", &values).await;
            (passed && said.starts_with("ok")).then_some(())
        })
        .await;
        plane
            .kubectl_with(&["delete", "--wait=false", "-f", "-"], &roles)
            .await
            .unwrap()
            .stdout()
            .unwrap();
    }
}
