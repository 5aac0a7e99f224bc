//! The pod of the chart is that of kustomize.

use super::*;

/// The pod of the one Deployment in a stream of manifests, without the label that only Helm's objects have.
fn pod(manifests: &str) -> Value {
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
    let mut deployments = documents.filter(|object| object["kind"] == "Deployment");
    let mut pod = deployments.next().unwrap()["spec"]["template"]["spec"].take();
    without_instance(&mut pod);
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
