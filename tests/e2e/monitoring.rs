//! The alerts and the dashboard of the chart, evaluated by the engine of Prometheus itself, on what the real binary exports.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize as _;
use serde_json::{Value, json};
use testbed::process::Scratch;
use testbed::provision::Program;
use testbed::site::{Site, bearer, consented, oauth_client, oauth_provider};

use crate::chart::{kustomized_with, rendered};
use crate::scene::CLIENT;
use crate::stage::{Stage, eventually};

/// What is rendered into a namespace of this name.
const HOME: &str = "home";

async fn promtool(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(Program::Promtool.find().await.unwrap())
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.success(), said)
}

/// An object of this kind among what the chart renders with these values.
async fn object(kind: &str, values: &[&str]) -> Value {
    let values: Vec<_> = values.iter().map(|value| (*value).to_owned()).collect();
    let manifests = rendered(&values).await;
    let mut objects = serde_yaml::Deserializer::from_str(&manifests).map(|object| Value::deserialize(object).unwrap());
    objects.find(|object| object["kind"] == kind).unwrap()
}

/// The rules that the chart renders.
async fn rules() -> Value {
    let url = "metrics.prometheusRule.runbookURL=\"https://example.com/runbooks\"";
    object("PrometheusRule", &["metrics.prometheusRule.enabled=true", url]).await["spec"].take()
}

fn alerts(rules: &Value) -> Vec<Value> {
    rules["groups"][0]["rules"].as_array().unwrap().clone()
}

/// The titles and expressions of the dashboard's queries, as Grafana sends them.
async fn queries() -> Vec<(String, String)> {
    let map = object("ConfigMap", &["metrics.dashboard.enabled=true"]).await;
    assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
    let text = map["data"]["oauth-client-operator.json"].as_str().unwrap();
    let dashboard: Value = serde_json::from_str(text).unwrap();
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            let expression = expression.replace("$namespace", HOME).replace("$__rate_interval", "5m");
            queries.push((panel["title"].as_str().unwrap().to_owned(), expression));
        }
    }
    queries
}

/// Runs a file of tests of promtool beside the rules.
async fn test_rules(rules: &Value, tests: &Value) -> (bool, String) {
    let directory = Scratch::new("rules").unwrap();
    let (rule_file, test_file) = (
        directory.path().join("alerts.yaml"),
        directory.path().join("tests.yaml"),
    );
    std::fs::write(&rule_file, serde_yaml::to_string(rules).unwrap()).unwrap();
    std::fs::write(&test_file, serde_yaml::to_string(tests).unwrap()).unwrap();
    let (sound, said) = promtool(&["check", "rules", &rule_file.to_string_lossy()]).await;
    assert!(sound, "{said}");
    promtool(&["test", "rules", &test_file.to_string_lossy()]).await
}

/// For each alert: cases that fire and cases that are silent, with their series as promtool writes values.
fn cases() -> BTreeMap<String, BTreeMap<String, Vec<String>>> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/alerts.yaml")).unwrap();
    serde_yaml::from_str(&text).unwrap()
}

fn series(text: &str) -> Value {
    let (series, values) = text.rsplit_once(" = ").unwrap();
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let separator = if labels == "}" { "" } else { "," };
    let series = format!("oauth_client_operator_{name}{{namespace=\"{HOME}\"{separator}{labels}");
    json!({"series": series, "values": values})
}

#[tokio::test]
async fn t194_each_alert_fires_when_it_has_to_and_is_silent_otherwise() {
    let rules = rules().await;
    let cases = cases();
    let names: BTreeSet<_> = alerts(&rules)
        .iter()
        .map(|alert| alert["alert"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        cases.keys().cloned().collect(),
        "tests/alerts.yaml has a case for each alert"
    );
    let mut tests = Vec::new();
    for (alert, cases) in &cases {
        assert!(cases.contains_key("fires") && cases.contains_key("silent"), "{alert}");
        for (case, input) in cases {
            let fires = case.starts_with("fires");
            assert!(fires || case.starts_with("silent"), "{alert}: {case}");
            let firing = format!("count(ALERTS{{alertname=\"{alert}\",alertstate=\"firing\"}}) > bool 0");
            let samples = if fires {
                vec![json!({"labels": "{}", "value": 1})]
            } else {
                Vec::new()
            };
            tests.push(json!({
                "name": format!("{alert}: {case}"),
                "interval": "1m",
                "input_series": input.iter().map(|text| series(text)).collect::<Vec<_>>(),
                // Longer than any alert waits.
                "promql_expr_test": [{"expr": firing, "eval_time": "170m", "exp_samples": samples}],
            }));
        }
    }
    let file = json!({"rule_files": ["alerts.yaml"], "evaluation_interval": "1m", "tests": tests});
    let (passed, said) = test_rules(&rules, &file).await;
    assert!(passed, "{said}");
}

#[tokio::test]
async fn t194_each_alert_has_a_runbook() {
    for alert in alerts(&rules().await) {
        let name = alert["alert"].as_str().unwrap();
        let url = format!("https://example.com/runbooks/{name}.md");
        assert_eq!(alert["annotations"]["runbook_url"], url);
        let page = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("docs/runbooks")
            .join(format!("{name}.md"));
        let text = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        for part in [
            &format!("# {name}\n"),
            "\n## Meaning\n",
            "\n## Impact\n",
            "\n## Diagnosis\n",
            "\n## Mitigation\n",
        ] {
            assert!(text.contains(part), "{name}.md lacks {part:?}");
        }
    }
}

/// Every series of a scrape, as a test of promtool has it: each value grows a little, so that rates are not 0.
fn scraped(text: &str) -> Vec<Value> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let series = lines.map(|line| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let value: f64 = value.parse().unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let target = format!("namespace=\"{HOME}\",pod=\"operator-1\",instance=\"10.0.0.1:8080\"");
        let separator = if labels == "}" { "" } else { "," };
        let counts = ["_total", "_bucket", "_sum", "_count"]
            .iter()
            .any(|end| name.ends_with(end));
        let step = if counts { value / 8.0 } else { 0.0 };
        json!({
            "series": format!("{name}{{{target}{separator}{labels}"),
            "values": format!("{value:.6}+{step:.6}x60"),
        })
    });
    series.collect()
}

/// Clients are registered, one of which has a secret that expires, and one is deleted, so that every path has been taken.
async fn busy(stage: &Stage) -> String {
    let site = Site::oidc_provider().await.unwrap();
    stage.apply(&site.manifests).await;
    token(stage, &site).await;
    for name in ["one", "two"] {
        stage.apply(&oauth_client(name, CLIENT)).await;
        stage.ready(name).await;
    }
    let brief = Site::scriptable().await.unwrap();
    brief.double().unwrap().secret_lifetime(Some(Duration::from_hours(1)));
    for manifest in [brief.manifests.clone(), oauth_client("three", CLIENT)] {
        stage
            .apply(&manifest.replace("name: provider\n", "name: brief\n"))
            .await;
    }
    stage.ready("three").await;
    stage.kubectl(&["delete", "oac", "two", "--timeout=60s"]).await;
    eventually("the clients that are left are counted", async || {
        let metrics = stage.operator.metrics().await.unwrap();
        let counted = metrics.contains(r#"oauth_client_operator_clients{ready="true",reason="Registered"} 2"#)
            && metrics.contains(r#"oauth_client_operator_client_changes_total{change="Deregistered"} 1"#)
            && metrics.contains(r#"registration_token_expiry_timestamp_seconds{kind="OAuthProvider"} 1893499200"#);
        counted.then_some(metrics)
    })
    .await
}

/// Another provider object, with a token whose expiry is known.
async fn token(stage: &Stage, site: &Site) {
    let issuer = site
        .manifests
        .lines()
        .find_map(|line| line.trim().strip_prefix("issuer: "));
    let spec = format!(
        "issuer: {}\n{}",
        issuer.unwrap(),
        bearer("registrationAuth", "expiring")
    );
    let secret = consented("expiring", "https://id.example.com", &[("token", "t0ken")]);
    stage.apply(&secret).await;
    let expires = "oauth-client-operator.dev/expires-at=2030-01-01T12:00:00Z";
    stage.kubectl(&["annotate", "secret", "expiring", expires]).await;
    stage
        .apply(&oauth_provider(&spec).replace("name: provider", "name: expiring"))
        .await;
}

#[tokio::test]
async fn t194_every_query_of_the_dashboard_returns_data_of_the_real_operator() {
    let stage = Stage::new("dashboard").await;
    let metrics = busy(&stage).await;
    let queries = queries().await;
    assert!(queries.len() >= 30, "{}", queries.len());
    let tests: Vec<_> = queries
        .iter()
        .map(|(title, expression)| {
            // A sample that is no number is equal to nothing.
            let data = format!("count(({expression}) == ({expression})) > bool 0");
            let samples = [json!({"labels": "{}", "value": 1})];
            json!({
                "name": title,
                "interval": "1m",
                "input_series": scraped(&metrics),
                "promql_expr_test": [{"expr": data, "eval_time": "30m", "exp_samples": samples}],
            })
        })
        .collect();
    let file = json!({"rule_files": ["alerts.yaml"], "evaluation_interval": "1m", "tests": tests});
    let (passed, said) = test_rules(&rules().await, &file).await;
    assert!(passed, "{said}");
}

/// Names of metrics in an expression, each with the labels that it is selected by.
fn selectors(expression: &str) -> Vec<(String, BTreeSet<String>)> {
    let mut found = Vec::new();
    for prefix in ["oauth_client_operator_", "process_"] {
        for (at, _) in expression.match_indices(prefix) {
            let rest = &expression[at..];
            let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            let (name, rest) = rest.split_at(end.unwrap_or(rest.len()));
            let mut labels = BTreeSet::new();
            if let Some(body) = rest.strip_prefix('{') {
                let body = body.split('}').next().unwrap();
                let matchers = body.split("\",").filter(|matcher| !matcher.is_empty());
                labels.extend(matchers.map(|matcher| {
                    let end = matcher.find(['=', '!']).unwrap();
                    matcher[..end].to_owned()
                }));
            }
            found.push((name.to_owned(), labels));
        }
    }
    found
}

#[tokio::test]
async fn t194_alerts_and_dashboard_name_what_the_real_operator_exports() {
    let stage = Stage::new("exported").await;
    let metrics = busy(&stage).await;
    let mut exported: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let end = line.find(['{', ' ']).unwrap();
        let labels = line[end..]
            .split(['{', ','])
            .filter_map(|part| Some(part.split_once('=')?.0));
        exported.entry(&line[..end]).or_default().extend(labels);
    }
    let rules = rules().await;
    let alerts = alerts(&rules).into_iter();
    let expressions = alerts.map(|alert| alert["expr"].as_str().unwrap().to_owned());
    let mut count = 0;
    for expression in expressions.chain(queries().await.into_iter().map(|(_, expression)| expression)) {
        for (metric, labels) in selectors(&expression) {
            let known = exported
                .get(metric.as_str())
                .unwrap_or_else(|| panic!("{metric} of {expression}"));
            for label in labels.iter().filter(|label| *label != "namespace") {
                assert!(
                    known.contains(label.as_str()),
                    "{metric} has no label {label}: {expression}"
                );
            }
            count += 1;
        }
    }
    assert!(count > 50, "{count}");
    let mut lost = String::new();
    for definition in oauth_client_operator::metrics::DEFINITIONS {
        for sample in definition.samples() {
            if !exported.contains_key(sample.as_str()) {
                writeln!(lost, "{sample}").unwrap();
            }
        }
    }
    assert_eq!(lost, "", "defined and not exported");
}

/// What the component for kustomize adds is what the chart renders.
#[tokio::test]
async fn t194_kustomize_adds_the_monitors_and_alerts_of_the_chart() {
    let built = kustomized_with("monitoring").await;
    let objects = serde_yaml::Deserializer::from_str(&built).map(|object| Value::deserialize(object).unwrap());
    let kustomized: BTreeMap<String, Value> = objects
        .map(|object| (object["kind"].as_str().unwrap().to_owned(), object))
        .collect();
    let mut rendered = object("PrometheusRule", &["metrics.prometheusRule.enabled=true"]).await["spec"].take();
    let namespaced = rendered.to_string().replace(HOME, "oauth-client-operator-system");
    rendered = serde_json::from_str(&namespaced).unwrap();
    assert_eq!(kustomized["PrometheusRule"]["spec"], rendered);
    let monitor = object("PodMonitor", &["metrics.podMonitor.enabled=true"]).await;
    let endpoints = &kustomized["PodMonitor"]["spec"]["podMetricsEndpoints"];
    assert_eq!(*endpoints, monitor["spec"]["podMetricsEndpoints"]);
    let selected = kustomized["PodMonitor"]["spec"]["selector"]["matchLabels"]
        .as_object()
        .unwrap();
    let labels = &kustomized["Deployment"]["spec"]["template"]["metadata"]["labels"];
    assert!(selected.iter().all(|(name, value)| labels[name] == *value), "{labels}");
}
