//! The pod of the chart is that of kustomize, and so is what limits its connections.

use super::*;

/// What the one object of a kind in a stream of manifests specifies, without the label that only Helm's objects have.
fn spec(manifests: &str, kind: &str) -> Value {
    fn without_instance(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.remove("app.kubernetes.io/instance");
                members.values_mut().for_each(without_instance);
            }
            Value::Array(items) => items.iter_mut().for_each(without_instance),
            _ => (),
        }
    }
    let documents = serde_yaml::Deserializer::from_str(manifests).map(|document| Value::deserialize(document).unwrap());
    let mut objects = documents.filter(|object| object["kind"] == kind);
    let mut spec = objects.next().unwrap()["spec"].take();
    assert!(objects.next().is_none(), "one {kind}");
    without_instance(&mut spec);
    spec
}

fn pod(manifests: &str) -> Value {
    let mut pod = spec(manifests, "Deployment")["template"]["spec"].take();
    // A patch of kustomize puts the variable that it changes first.
    let variables = pod["containers"][0]["env"].as_array_mut().unwrap();
    variables.sort_by_key(|variable| variable["name"].to_string());
    pod
}

#[tokio::test]
async fn t128_kustomize_and_helm_run_the_same_pod() {
    let plane = plane().await;
    for (kustomization, values) in [
        ("deploy", vec![]),
        ("deploy/namespaced", vec![r#"watch.namespaces=["default"]"#.to_owned()]),
    ] {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(kustomization);
        let kustomized = plane
            .kubectl(&["kustomize", &directory.to_string_lossy()])
            .await
            .unwrap();
        let kustomized = kustomized.stdout().unwrap();
        assert_eq!(pod(&kustomized), pod(&rendered(&values).await), "{kustomization}");
        let budget = |text: &str| text.contains("kind: PodDisruptionBudget");
        assert!(budget(&kustomized) && budget(&rendered(&values).await));
    }
}

#[tokio::test]
async fn t128_kustomize_adds_the_network_policy_of_the_chart() {
    let values = ["networkPolicy.enabled=true".to_owned()];
    let (kustomized, helm) = (kustomized_with("network-policy").await, rendered(&values).await);
    let kind = "NetworkPolicy";
    let ports = |rule: &Value| {
        rule["ports"]
            .as_array()
            .unwrap()
            .iter()
            .map(|port| format!("{}/{}", port["port"], port["protocol"]))
            .collect::<Vec<_>>()
    };
    let egress: Vec<_> = spec(&kustomized, kind)["egress"]
        .as_array()
        .unwrap()
        .iter()
        .map(ports)
        .collect();
    let tcp = |port: u16| format!(r#"{port}/"TCP""#);
    assert_eq!(
        egress,
        [
            vec![tcp(443), tcp(6443)],
            vec![r#"53/"UDP""#.to_owned(), tcp(53)],
            vec![tcp(443)]
        ]
    );
    assert_eq!(spec(&kustomized, kind), spec(&helm, kind));
    let selected = spec(&kustomized, kind)["podSelector"]["matchLabels"].take();
    let labels = spec(&kustomized, "Deployment")["template"]["metadata"]["labels"].take();
    assert_eq!(selected, labels, "it applies to the pods of the same bundle");
}

/// Whoever sets nothing gets replicas on different nodes and zones, and no pod that waits for one.
#[tokio::test]
async fn t128_replicas_are_spread_unless_the_value_is_removed() {
    let constraints = |text: &str| pod(text)["topologySpreadConstraints"].take();
    let spread = constraints(&rendered(&[]).await);
    let keys: Vec<&Value> = spread
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["topologyKey"])
        .collect();
    assert_eq!(keys, ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]);
    for one in spread.as_array().unwrap() {
        assert_eq!(one["whenUnsatisfiable"], "ScheduleAnyway");
        assert_eq!(
            one["labelSelector"]["matchLabels"]["app.kubernetes.io/component"],
            "operator"
        );
    }
    let off = rendered(&["topologySpreadConstraints=null".to_owned()]).await;
    assert_eq!(constraints(&off), Value::Null);
}
