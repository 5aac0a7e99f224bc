//! Traces at a collector that decodes them: one for each pass, with its calls, and none of them holds what is secret.

mod collector;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kube::api::ListParams;
use serde_json::Value;
use testbed::operator::OperatorOptions;
use testbed::providers::OidcProviderOptions;
use testbed::site::{Site, oauth_client};

use crate::scene::{Scene, edited};
use crate::stage::eventually;

use collector::{Collector, Manner, Seen};

const TOKEN: &str = "canary-initial-access-token";
const COLLECTOR_TOKEN: &str = "canary-of-the-collector";

/// A site where everything that is secret is known, and an operator that sends its traces there.
async fn scene(name: &str, endpoint: &str, change: impl FnOnce(&mut OperatorOptions)) -> Scene {
    let options = OidcProviderOptions {
        initial_access_token: Some(TOKEN.to_owned()),
        secret_prefix: "canary-secret-".to_owned(),
        ..OidcProviderOptions::default()
    };
    let site = Site::oidc_provider_with(options).await.unwrap();
    let endpoint = endpoint.to_owned();
    Scene::with(name, site, move |options| {
        options.env.push(("RUST_LOG".to_owned(), "debug".to_owned()));
        if !endpoint.is_empty() {
            options.args.extend(["--otlp-endpoint".to_owned(), endpoint]);
        }
        change(options);
    })
    .await
}

fn lines(scene: &Scene) -> Vec<Value> {
    let log = scene.stage.operator.log();
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The spans of every trace whose root is a pass over this object.
fn passes<'a>(spans: &'a [Seen], object: &str) -> Vec<(&'a Seen, Vec<&'a Seen>)> {
    let root = |span: &&Seen| span.parent.is_empty() && span.text("object") == object;
    let of = |root: &'a Seen| {
        let children = spans
            .iter()
            .filter(|span| span.parent == root.id && span.trace == root.trace);
        (root, children.collect())
    };
    spans.iter().filter(root).map(of).collect()
}

#[tokio::test]
async fn t373_each_pass_is_one_trace_with_its_calls_and_no_secret() {
    let collector = Collector::open(Manner::Takes).await;
    let scene = scene("traces", collector.url(), |options| {
        let headers = format!("authorization=Bearer%20{COLLECTOR_TOKEN}");
        options.env.push(("OTEL_EXPORTER_OTLP_HEADERS".to_owned(), headers));
    })
    .await;
    scene.ready_app().await;
    scene.stage.apply(&oauth_client("app", &edited("changed"))).await;
    let app = format!("{}/app", scene.stage.apps.name());
    let called = |operation: &str| {
        passes(&collector.spans(), &app)
            .iter()
            .any(|(_, calls)| calls.iter().any(|call| call.text("operation") == operation))
    };
    eventually("the update is traced", async || called("Update").then_some(())).await;
    let secret = scene.stage.secret("app").await.unwrap()["client_secret"].clone();
    let records = scene.stage.kept().list(&ListParams::default()).await.unwrap().items;
    let record = records
        .iter()
        .find_map(|secret| secret.data.as_ref()?.get("record.json"));
    let record: Value = serde_json::from_slice(&record.unwrap().0).unwrap();
    let management = record["registrationAccessToken"].as_str().unwrap().to_owned();
    scene.stage.kubectl(&["delete", "oac", "app", "--timeout=60s"]).await;
    // What waits to be sent is sent before the operator ends.
    scene.stage.operator.stop().await.unwrap();
    let (spans, log) = (collector.spans(), lines(&scene));

    for span in spans.iter().filter(|span| span.parent.is_empty()) {
        let background = ["Discover", "Token", "Create Secret", "Patch Secret", "Delete Secret"];
        let known = span.name.starts_with("reconcile ") || background.contains(&span.name.as_str());
        assert!(known, "{span:?}");
    }
    let passes = passes(&spans, &app);
    let traces: BTreeSet<&str> = passes.iter().map(|(root, _)| root.trace.as_str()).collect();
    assert_eq!(traces.len(), passes.len(), "one trace a pass");
    let mut seen = BTreeMap::new();
    for (root, calls) in &passes {
        assert_eq!(root.name, "reconcile OAuthClient");
        assert!(
            !root.text("outcome").is_empty() && root.number("duration_ms").is_some(),
            "{root:?}"
        );
        assert_eq!(root.text("kind"), "OAuthClient");
        assert!(root.number("attempt") >= Some(1), "{root:?}");
        for call in calls {
            seen.entry(call.name.clone()).or_insert_with(|| (*call).clone());
        }
    }
    for (operation, method, status) in [
        ("Register", "POST", 201),
        ("Update", "PUT", 200),
        ("Delete", "DELETE", 204),
    ] {
        let call = seen
            .get(operation)
            .unwrap_or_else(|| panic!("no {operation}: {seen:#?}"));
        assert_eq!(call.text("method"), method, "{call:?}");
        assert_eq!(call.number("status"), Some(status), "{call:?}");
        assert!(call.number("attempt") >= Some(1), "{call:?}");
        assert!(call.text("origin").starts_with("http://127.0.0.1:"), "{call:?}");
        assert!(call.number("duration_ms").is_some(), "{call:?}");
    }
    for write in ["Create Secret", "Patch Object", "Patch Status", "Delete Secret"] {
        assert!(seen.contains_key(write), "no {write}: {:?}", seen.keys());
    }
    let judged = spans
        .iter()
        .find(|span| span.name == "reconcile OAuthProvider")
        .unwrap();
    assert_eq!(judged.text("object"), format!("{}/provider", scene.stage.apps.name()));

    // Every answer in the log names its span, and every line of a pass its trace.
    let answers: Vec<_> = log
        .iter()
        .filter(|line| line["message"] == "provider answered")
        .collect();
    assert!(answers.len() >= 3, "{answers:?}");
    let by_id: BTreeMap<_, _> = spans.iter().map(|span| (span.id.as_str(), span)).collect();
    for line in answers {
        let span = by_id[line["span_id"].as_str().unwrap_or_else(|| panic!("no span: {line}"))];
        assert_eq!(line["trace_id"], span.trace.as_str(), "{line}");
        assert_eq!(line["method"], span.text("method"), "{line}");
        assert_eq!(line["status"], span.number("status").unwrap(), "{line}");
    }
    let calls = spans.iter().filter(|span| span.number("status").is_some()).count();
    let answered = log.iter().filter(|line| line["message"] == "provider answered").count();
    assert_eq!(calls, answered, "a span a call");
    for line in log
        .iter()
        .filter(|line| line["message"] == "step" && line["object"] == app.as_str())
    {
        assert!(traces.contains(line["trace_id"].as_str().unwrap()), "{line}");
    }

    assert_eq!(collector.authorization(), format!("Bearer {COLLECTOR_TOKEN}"));
    assert!(!scene.stage.operator.log().contains(COLLECTOR_TOKEN));
    let received = collector.received();
    assert!(received.contains("Register") && received.contains(&app));
    for canary in [secret.as_str(), &management, TOKEN, "canary-secret", "/reg"] {
        assert!(!received.contains(canary), "a secret or a path is in a trace");
    }
}

#[tokio::test]
async fn t373_without_the_flag_nothing_is_sent_and_no_line_has_identifiers() {
    let scene = scene("untraced", "", |_| {}).await;
    scene.ready_app().await;
    let log = scene.stage.operator.log();
    assert!(log.contains("client registered") && !log.contains("trace_id"));
    let tasks = std::fs::read_dir(format!("/proc/{}/task", scene.stage.operator.pid())).unwrap();
    let name_of = |task: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(task.unwrap().path().join("comm"));
    let names: Vec<_> = tasks.filter_map(|task| name_of(task).ok()).collect();
    assert!(!names.iter().any(|name| name.starts_with("OpenTelemetry")), "{names:?}");
}

#[tokio::test]
async fn t374_a_collector_that_is_away_or_never_answers_costs_one_line() {
    let silent = Collector::open(Manner::NeverAnswers).await;
    let refuses = Collector::open(Manner::Refuses).await;
    let away = "http://127.0.0.1:9".to_owned();
    for (name, endpoint) in [
        ("silent", silent.url().to_owned()),
        ("refuses", refuses.url().to_owned()),
        ("away", away),
    ] {
        let scene = scene(&format!("traces-{name}"), &endpoint, |options| {
            options.env.retain(|(name, _)| name != "RUST_LOG");
            options.env.push(("RUST_LOG".to_owned(), "info".to_owned()));
        })
        .await;
        scene.many(20).await;
        scene.many_ready(20).await;
        let told = || {
            let of = |line: &Value| line["message"].as_str().unwrap_or_default().contains("spans");
            lines(&scene).into_iter().filter(of).collect::<Vec<_>>()
        };
        eventually("it is told", async || (!told().is_empty()).then_some(())).await;
        scene.stage.apply(&oauth_client("app-0", &edited("changed"))).await;
        // Long enough for several requests to fail.
        tokio::time::sleep(Duration::from_secs(12)).await;
        scene.stage.ready("app-0").await;
        let told = told();
        assert_eq!(told.len(), 1, "{name}: {told:#?}");
        assert_eq!(told[0]["level"], "WARN");
        if name == "refuses" {
            refuses.meet(Manner::Takes);
            // At rest nothing is sent.
            scene.stage.apply(&oauth_client("app-0", &edited("again"))).await;
            let again = eventually("it is told that spans are sent again", async || {
                let mut lines = lines(&scene).into_iter();
                lines.find(|line| line["message"] == "spans are sent again")
            });
            assert!(again.await["dropped"].as_u64().unwrap() > 20);
        }
        let begun = std::time::Instant::now();
        let status = scene.stage.operator.stop().await.unwrap();
        assert!(
            status.success() && begun.elapsed() < Duration::from_secs(8),
            "{name}: {:?}",
            begun.elapsed()
        );
    }
}
