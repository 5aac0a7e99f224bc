//! The log as an audit trail: one line for each thing done, failures once, and a level that changes while the operator runs.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use testbed::operator::{Operator, OperatorOptions};
use testbed::providers::{OidcProviderOptions, Reply};
use testbed::proxy::{Action, Proxy};
use testbed::site::{Site, oauth_client};

use crate::api_server::faster;
use crate::scene::{CLIENT, Scene, edited};
use crate::stage::{eventually, plane};

/// The log as an installation has it.
fn as_installed(options: &mut OperatorOptions) {
    faster(options);
    options.env.push(("RUST_LOG".to_owned(), "info".to_owned()));
}

/// Every line of the operator's own, as it is.
fn lines(operator: &Operator) -> Vec<Value> {
    let log = operator.log();
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The lines that say this.
fn saying(operator: &Operator, message: &str) -> Vec<Value> {
    let mut lines = lines(operator);
    lines.retain(|line| line["message"] == message);
    lines
}

#[tokio::test]
async fn t192_each_thing_done_at_a_provider_or_to_a_secret_is_one_line() {
    let scene = Scene::with("audit", Site::oidc_provider().await.unwrap(), as_installed).await;
    scene.ready_app().await;
    let id = scene.stage.ready("app").await.status.unwrap().client_id.unwrap();
    let (operator, home) = (&scene.stage.operator, scene.stage.home.name());
    let app = format!("{}/app", scene.stage.apps.name());
    let provider = format!("OAuthProvider {}/provider", scene.stage.apps.name());
    let only = |message: &str| {
        let mut found = saying(operator, message);
        assert_eq!(found.len(), 1, "{message}: {found:#?}");
        found.remove(0)
    };
    let done = |line: &Value| {
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["object"], app.as_str(), "{line}");
        assert_eq!(line["provider"], provider.as_str(), "{line}");
        assert_eq!(line["client_id"], id.as_str(), "{line}");
        assert!(line["duration_ms"].is_u64() && line["attempt"].is_u64(), "{line}");
    };
    let registered = only("client registered");
    done(&registered);
    assert_eq!(registered["registration"].as_str().unwrap().len(), 16, "{registered}");
    let roles = |message: &str| -> BTreeSet<String> {
        let of = saying(operator, message).into_iter();
        of.map(|line| {
            format!(
                "{} {}",
                line["role"].as_str().unwrap(),
                line["secret"].as_str().unwrap()
            )
        })
        .collect()
    };
    let created = roles("Secret created");
    assert!(created.contains(&format!("credentials {app}")), "{created:?}");
    assert!(
        created.iter().any(|line| line.starts_with(&format!("record {home}/"))),
        "{created:?}"
    );

    scene.stage.apply(&oauth_client("app", &edited("changed"))).await;
    eventually("the update is logged", async || {
        (!saying(operator, "client updated").is_empty()).then_some(())
    })
    .await;
    scene.stage.ready("app").await;
    done(&only("client updated"));
    scene.stage.kubectl(&["delete", "oac", "app", "--timeout=60s"]).await;
    done(&only("client deregistered"));
    // The record goes after the object.
    eventually("the end of the record is logged", async || {
        let deleted = roles("Secret deleted");
        deleted.iter().any(|line| line.starts_with("record ")).then_some(())
    })
    .await;

    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/logs.md");
    let page = std::fs::read_to_string(page).unwrap();
    for line in lines(operator) {
        for key in line.as_object().unwrap().keys() {
            assert!(
                page.contains(&format!("| `{key}` |")),
                "{key} is not documented: {line}"
            );
        }
    }
}

#[tokio::test]
async fn t192_a_failing_fleet_is_a_few_lines_with_cause_and_next_try() {
    let provider = Proxy::open(false).await.unwrap();
    let site = Site::oidc_provider_behind(&provider, OidcProviderOptions::default())
        .await
        .unwrap();
    let scene = Scene::with("fleet", site, as_installed).await;
    let rejects = Reply::json(503, &serde_json::json!({"error": "temporarily_unavailable"}));
    let rule = provider.always(|asked| asked.method == "POST", Action::Answer(rejects));
    let clients: String = (0..40)
        .map(|number| oauth_client(&format!("app-{number}"), CLIENT))
        .collect();
    scene.stage.apply(&clients).await;
    eventually("all have failed", async || (rule.hits() >= 40).then_some(())).await;
    let operator = &scene.stage.operator;
    let failed = || saying(operator, "reconcile failed, will retry");
    eventually("failures are logged", async || (failed().len() >= 2).then_some(())).await;
    let failed = failed();
    for line in &failed {
        assert_eq!(line["level"], "WARN");
        assert!(line["retry_seconds"].is_u64() && line["object"].is_string(), "{line}");
        assert!(line["error"].as_str().unwrap().contains("503"), "{line}");
    }
    let warned = lines(operator)
        .into_iter()
        .filter(|line| line["level"] == "WARN")
        .count();
    assert!(warned < 10, "{warned}");
    let folded = eventually_in(Duration::from_secs(90), async || {
        saying(operator, "lines like the last ones of this kind were not logged").pop()
    })
    .await;
    assert!(folded["folded"].as_u64().unwrap() >= 10, "{folded}");
}

/// As [`eventually`], for what takes a minute by itself.
async fn eventually_in<T>(limit: Duration, probe: impl AsyncFn() -> Option<T>) -> T {
    let begun = std::time::Instant::now();
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(begun.elapsed() < limit, "nothing within {limit:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn t193_the_level_changes_while_the_operator_runs() {
    let scene = Scene::with("level", Site::oidc_provider().await.unwrap(), as_installed).await;
    let operator = &scene.stage.operator;
    let shown = operator.get("/log-level").await.unwrap();
    assert!(shown.contains("info") && !shown.contains("debug"), "{shown}");
    scene.ready_app().await;
    let debug = || {
        lines(operator)
            .into_iter()
            .filter(|line| line["level"] == "DEBUG")
            .count()
    };
    assert_eq!(debug(), 0);
    let set = async |level: &str| {
        let url = format!("http://{}/log-level/{level}", operator.admin_address());
        reqwest::Client::new().put(url).send().await.unwrap().status().as_u16()
    };
    assert_eq!(set("debug").await, 200);
    scene.stage.apply(&oauth_client("second", CLIENT)).await;
    scene.stage.ready("second").await;
    assert!(debug() > 0);
    let asked = saying(operator, "provider answered");
    let post = asked.iter().find(|line| line["method"] == "POST").unwrap();
    assert!(
        post["status"] == 201 && post["origin"].is_string() && post["duration_ms"].is_u64(),
        "{post}"
    );
    let level = async || operator.get("/log-level").await.unwrap();
    assert_eq!(set("everything").await, 400);
    assert!(
        level().await.contains("debug"),
        "a level that does not exist changes nothing"
    );
    assert_eq!(set("info").await, 200);
    assert!(!level().await.contains("debug"));
    let before = debug();
    scene.stage.apply(&oauth_client("third", CLIENT)).await;
    scene.stage.ready("third").await;
    // Its lines are in the log, and those of lower levels stand before them.
    let registered = saying(operator, "client registered");
    let third = format!("{}/third", scene.stage.apps.name());
    assert!(
        registered.iter().any(|line| line["object"] == third.as_str()),
        "{registered:#?}"
    );
    assert_eq!(debug(), before);
}

#[tokio::test]
async fn t195_a_change_that_fails_while_the_client_is_ready_is_shown_with_its_cause() {
    let provider = Proxy::open(false).await.unwrap();
    let site = Site::oidc_provider_behind(&provider, OidcProviderOptions::default())
        .await
        .unwrap();
    let scene = Scene::with("retried", site, as_installed).await;
    scene.ready_app().await;
    let away = Reply::json(503, &serde_json::json!({"error": "temporarily_unavailable"}));
    provider.always(|asked| asked.method == "PUT", Action::Answer(away));
    scene.stage.apply(&oauth_client("app", &edited("changed"))).await;
    let row = eventually("the failure is in the table", async || {
        let row = scene.stage.kubectl(&["get", "oac", "app", "--no-headers"]).await;
        let columns: Vec<_> = row.split_whitespace().map(str::to_owned).collect();
        (columns[1..4] == ["True", "Registered", "True"]).then_some(row)
    })
    .await;
    let wide = scene.stage.kubectl(&["get", "oac", "app", "-o", "wide"]).await;
    assert!(wide.contains("RETRY-CAUSE") && wide.contains("503"), "{row}{wide}");
    let metrics = scene.stage.operator.metrics().await.unwrap();
    let counted = r#"oauth_client_operator_clients{ready="true",reason="ProgressingWithRetry"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");
}

/// The sum over replicas is the number of objects.
#[tokio::test]
async fn t190_a_standby_counts_its_calls_and_no_objects() {
    let scene = Scene::with("standby", Site::oidc_provider().await.unwrap(), |_| {}).await;
    scene.ready_app().await;
    let mut options = crate::stage::Unmanned::new("standby-second").await.options().await;
    options.operator_namespace = scene.stage.home.name().to_owned();
    options.namespaces = vec![scene.stage.apps.name().to_owned()];
    options.manifests.clear();
    options.args.extend(["--identity".to_owned(), "second".to_owned()]);
    let second = Operator::start(plane().await, options).await.unwrap();
    let exported = async |operator: &Operator, series: &str| {
        let metrics = operator.metrics().await.unwrap();
        let values = metrics.lines().filter(|line| line.starts_with(series));
        values
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
            .sum::<f64>()
    };
    for (series, sum) in [
        ("oauth_client_operator_clients{", 1.0),
        ("oauth_client_operator_providers{", 1.0),
    ] {
        let sums = (
            exported(&scene.stage.operator, series).await,
            exported(&second, series).await,
        );
        assert_eq!(sums, (sum, 0.0), "{series}");
    }
    let text = second.metrics().await.unwrap();
    assert!(!text.contains("oauth_client_operator_tombstones"), "{text}");
    assert!(text.contains("oauth_client_operator_leader 0"), "{text}");
    let discovered = exported(
        &scene.stage.operator,
        r#"oauth_client_operator_provider_requests_total{operation="Discover",result="Success"}"#,
    );
    assert!(discovered.await >= 1.0);
    let memory = exported(&second, "process_resident_memory_bytes").await;
    assert!(memory > 1e6, "{memory}");
}
