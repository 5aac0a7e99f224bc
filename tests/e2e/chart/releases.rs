//! Releases beside each other, and values with which the operator could not run.

use super::*;

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
