//! `oauth-client-operator certify`.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kube::ResourceExt;
use oauth_client_operator::api::OAuthClient;
use serde_json::{Value, json};
use testbed::providers::{DECEPTIVE, DIALECTS, Dialect, OidcProviderOptions, Traffic};
use testbed::site::{Site, oauth_client};
use tokio::task::JoinSet;

use crate::lifecycle::named;
use crate::page::{Shell, blocks};
use crate::stage::{BINARY, Stage, is, plane};

/// Runs at the same time: each is a process beside the operator and the providers.
const AT_ONCE: usize = 6;

async fn stage(name: &str) -> Stage {
    Stage::with(name, |options| {
        options.args.extend(["--time-scale".to_owned(), "20".to_owned()]);
    })
    .await
}

fn command(stage: &Stage, kubeconfig: &std::path::Path, args: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.arg("certify").args(args);
    command.args(["--namespace", stage.apps.name(), "--output", "json"]);
    command.env("KUBECONFIG", kubeconfig);
    command
}

/// Whether it succeeded, the report, and what it said of errors.
async fn certify(stage: &Stage, args: &[&str]) -> (bool, Value, String) {
    let command = command(stage, plane().await.kubeconfig(), args);
    finished(command).await
}

async fn finished(mut command: Command) -> (bool, Value, String) {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), report, error)
}

/// Result and setting of one thing in a report.
fn told(report: &Value, name: &str) -> (String, Option<String>) {
    let parts = ["core", "extended", "skipped"];
    let all = parts.iter().filter_map(|part| report[*part].as_array()).flatten();
    let found: Vec<&Value> = all.filter(|feature| feature["name"] == name).collect();
    assert_eq!(found.len(), 1, "{name}: {report:#}");
    let text = |member: &str| found[0][member].as_str().map(str::to_owned);
    (text("result").unwrap(), text("setting"))
}

/// A provider, and what an honest observer says of it.
struct Case {
    name: String,
    site: Site,
    expected: Value,
}

impl Case {
    fn manifests(&self) -> String {
        self.site.manifests_named(&self.name)
    }

    /// Clients that are left at the provider and that nothing names.
    async fn unnamed(&self, stage: &Stage) -> Vec<String> {
        let named = named(stage).await;
        let left = self.site.clients().await.unwrap();
        left.into_keys().filter(|id| !named.contains(id)).collect()
    }
}

async fn of_dialect(dialect: &'static Dialect) -> Case {
    Case {
        name: dialect.name.to_owned(),
        site: Site::dialect(dialect).await.unwrap(),
        expected: dialect.capabilities(Traffic::Certified),
    }
}

async fn real_servers() -> Vec<Case> {
    let rotating = OidcProviderOptions::rotating();
    let case = |name: &str, site, token_on_update: &str, omitted: &str| Case {
        name: name.to_owned(),
        site,
        expected: json!({
            "management": "RegistrationAccessToken",
            "read": "Supported",
            "update": "Put",
            "delete": "Supported",
            "omittedMembers": omitted,
            "clearing": {"works": ["Omit"]},
            "substitutes": [],
            "registrationAccessToken": {"onRead": "Same", "onUpdate": token_on_update},
            "clientSecret": {"onRead": "Same", "onUpdate": "Same"},
            "probes": {"revocation": "TellsSecrets"},
        }),
    };
    let mut keycloak = case("keycloak", Site::keycloak("certify").await.unwrap(), "Changed", "Kept");
    keycloak.expected["clearing"] = json!({"fails": ["Omit", "Null"], "works": ["Empty"]});
    // It registers code and none for every client that asks for code.
    keycloak.expected["substitutes"] = json!(["response_types"]);
    keycloak.expected["probes"] = json!({"introspection": "TellsSecrets"});
    vec![
        case("oidc-provider", Site::oidc_provider().await.unwrap(), "Same", "Cleared"),
        case(
            "oidc-provider-rotating",
            Site::oidc_provider_with(rotating).await.unwrap(),
            "Changed",
            "Cleared",
        ),
        keycloak,
    ]
}

#[tokio::test]
async fn w156_certify_tells_of_every_server_and_dialect_what_is_true_and_leaves_nothing_unnamed() {
    let stage = stage("certify").await;
    let mut cases = real_servers().await;
    for dialect in DIALECTS {
        cases.push(of_dialect(dialect).await);
    }
    stage
        .apply(&cases.iter().map(Case::manifests).collect::<String>())
        .await;
    let kubeconfig = plane().await.kubeconfig();
    let (mut running, mut reports) = (JoinSet::new(), Vec::new());
    for (number, case) in cases.iter().enumerate() {
        if running.len() == AT_ONCE {
            reports.extend(running.join_next().await.map(Result::unwrap));
        }
        let command = command(&stage, kubeconfig, &[&format!("provider-{}", case.name)]);
        running.spawn(async move { (number, finished(command).await) });
    }
    while let Some(report) = running.join_next().await {
        reports.push(report.unwrap());
    }
    let mut wrong = Vec::new();
    for (number, (passed, report, error)) in reports {
        let case = &cases[number];
        if !passed || report["capabilities"] != case.expected || !error.is_empty() {
            wrong.push(format!(
                "{}\n  told     {}\n  expected {}\n  {error}{report:#}",
                case.name, report["capabilities"], case.expected
            ));
        }
        let unnamed = case.unnamed(&stage).await;
        assert!(unnamed.is_empty(), "{}: {unnamed:?} is named by nothing", case.name);
        let needs = case.expected["update"] == "PutWithSecret";
        if needs {
            let setting = Some("spec.management.secretInUpdate: Include".to_owned());
            assert_eq!(told(&report, "Update"), ("Deviates".to_owned(), setting));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        stage
            .clients()
            .list(&kube::api::ListParams::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

#[tokio::test]
async fn t302_a_wrong_secret_is_sent_for_a_throw_away_client_only_and_told() {
    let accepts = DECEPTIVE
        .iter()
        .find(|dialect| dialect.name == "accepts-anybody")
        .unwrap();
    let stage = stage("certify-secret").await;
    let site = Site::scriptable().await.unwrap();
    let double = site.double().unwrap();
    stage.apply(&site.manifests).await;
    stage
        .apply(&oauth_client("app", "redirectURIs: ['https://app.example/callback']"))
        .await;
    stage.ready("app").await;
    assert_eq!(
        double.count("POST", "/revoke"),
        2,
        "its own, and that of a client that nobody registered"
    );
    let (passed, report, error) = certify(&stage, &["provider"]).await;
    assert!(passed, "{error}{report:#}");
    assert_eq!(told(&report, "WrongSecretRejected"), ("Passed".to_owned(), None));
    assert_eq!(double.count("POST", "/revoke"), 4, "its own, and with a wrong secret");

    let deceptive = of_dialect(accepts).await;
    stage.apply(&deceptive.manifests()).await;
    let (passed, report, _) = certify(&stage, &["provider-accepts-anybody"]).await;
    assert!(!passed, "{report:#}");
    let never = Some("spec.verify: Never".to_owned());
    assert_eq!(told(&report, "WrongSecretRejected"), ("Failed".to_owned(), never));
}

/// Ends a run in the middle, as SIGKILL does.
async fn killed_at(stage: &Stage, reached: impl Fn(Option<&OAuthClient>) -> bool) {
    let mut command = command(stage, plane().await.kubeconfig(), &["provider"]);
    let mut run = Killed(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    loop {
        let object = stage.clients().get_opt("certify-provider").await.unwrap();
        // A run that is faster than this look has ended by itself.
        if reached(object.as_ref()) || run.0.try_wait().unwrap().is_some() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A process that is killed when this is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn t305_a_run_that_is_killed_leaves_an_ordinary_object_that_the_next_run_ends() {
    let stage = stage("certify-killed").await;
    let site = Site::scriptable().await.unwrap();
    stage.apply(&site.manifests).await;
    let generation = |object: Option<&OAuthClient>| object.and_then(|object| object.metadata.generation);
    for step in 0..4 {
        killed_at(&stage, |object| match step {
            0 => object.is_some(),
            1 => object.is_some_and(|object| is(object, "Ready", "True")),
            2 => generation(object) >= Some(2),
            _ => object.is_some_and(|object| object.metadata.deletion_timestamp.is_some()),
        })
        .await;
        if let Some(left) = stage.clients().get_opt("certify-provider").await.unwrap() {
            assert!(left.labels().contains_key("oauth-client-operator.dev/certify"));
        }
        let (passed, report, error) = certify(&stage, &["provider"]).await;
        assert!(passed, "step {step}: {error}{report:#}");
        assert!(stage.clients().get_opt("certify-provider").await.unwrap().is_none());
        stage.no_records().await;
        let left = site.clients().await.unwrap();
        assert!(
            left.is_empty() && stage.suspects().await.is_empty(),
            "step {step}: {left:?}"
        );
    }
    // Nothing of somebody else's is touched.
    stage
        .apply(&oauth_client(
            "certify-provider",
            "redirectURIs: ['https://app.example/callback']",
        ))
        .await;
    let before = stage.ready("certify-provider").await;
    let (passed, _, error) = certify(&stage, &["provider"]).await;
    assert!(!passed && error.contains("--name"), "{error}");
    assert_eq!(stage.oauth_client("certify-provider").await.uid(), before.uid());
}

#[tokio::test]
async fn t304_the_commands_of_the_page_run_as_they_stand() {
    let stage = stage("certify-page").await;
    let site = Site::oidc_provider().await.unwrap();
    stage
        .apply(&site.manifests.replace("name: provider\n", "name: id\n"))
        .await;
    let shell = Shell::new(plane().await).await;
    let all = blocks("docs/certify.md", "# Certify a provider");
    let lines = all
        .iter()
        .filter(|(kind, _)| kind == "sh")
        .flat_map(|(_, block)| block.lines());
    let lines: Vec<&str> = lines.filter(|line| !line.contains("--kind")).collect();
    assert_eq!(lines.len(), 5, "{lines:?}");
    for line in lines {
        let line = line.replace("shop", stage.apps.name());
        let (succeeded, said) = shell.run(&line).await;
        assert!(succeeded, "{line}: {said}");
        if line.contains("certify id") && !line.contains("json") {
            assert!(
                said.contains("Core:      passed") && said.contains("supported   Update"),
                "{said}"
            );
        }
        if line.contains("jsonpath") {
            let said: Value = serde_json::from_str(&said).unwrap();
            assert_eq!(said["update"], "Put");
        }
    }
    let provider = stage.providers().get("id").await.unwrap();
    assert_eq!(
        provider.status.unwrap().capabilities,
        None,
        "the last command removes them"
    );
}
