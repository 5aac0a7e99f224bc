//! `oauth-client-operator suspects`, and what becomes of the entries that it shows.

mod disputed;
mod left;

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{ListParams, ObjectMeta, PostParams};
use oauth_client_operator::api::OAuthClient;
use serde_json::{Value, json};
use testbed::providers::{Fault, Persona, Reply, ScriptableProvider};
use testbed::site::{oauth_client, oauth_provider};

use crate::stage::{BINARY, Stage, eventually, plane};

const CLIENT: &str = "redirectURIs: ['https://app.example/callback']";
const MEMBERS: [&str; 3] = ["clientSecret", "registrationAccessToken", "registrationClientUri"];

/// A stage whose operator lives `scale` times as fast, and a provider.
async fn stage(name: &str, scale: &str) -> (Stage, ScriptableProvider) {
    let stage = Stage::with(name, |options| {
        options.args.extend(["--time-scale", scale].map(str::to_owned));
    })
    .await;
    let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
    stage
        .apply(&oauth_provider(&format!("issuer: {}\n", double.url())))
        .await;
    (stage, double)
}

/// The command with a kubeconfig: whether it succeeded, what it printed, what it said of errors.
async fn suspects_as(kubeconfig: &std::path::Path, home: &str, args: &[&str]) -> (bool, String, String) {
    let mut command = Command::new(BINARY);
    command.arg("suspects").args(args).args(["--namespace", home]);
    command.env("KUBECONFIG", kubeconfig);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

/// The same as an administrator; it must succeed.
async fn suspects(stage: &Stage, args: &[&str]) -> String {
    let (ok, said, error) = suspects_as(plane().await.kubeconfig(), stage.home.name(), args).await;
    assert!(ok, "{args:?}: {said}{error}");
    said
}

/// The same; it must fail, and this is why.
async fn refused(stage: &Stage, args: &[&str]) -> String {
    let (ok, said, error) = suspects_as(plane().await.kubeconfig(), stage.home.name(), args).await;
    assert!(!ok && said.is_empty(), "{args:?}: {said}{error}");
    error
}

/// Registers clients; the identifiers.
async fn register(stage: &Stage, names: &[&str]) -> Vec<String> {
    let mut ids = Vec::new();
    for name in names {
        stage.apply(&oauth_client(name, CLIENT)).await;
        ids.push(stage.ready(name).await.status.unwrap().client_id.unwrap());
    }
    ids
}

/// Deletes an object; its finalizer waits no longer than `deletionTimeout`.
async fn delete(stage: &Stage, name: &str) {
    stage.kubectl(&["delete", "oac", name, "--wait=false"]).await;
    stage.gone(name).await;
}

/// Values that no output may hold: everything secret in records and suspects.
async fn secrets(stage: &Stage) -> Vec<String> {
    let all = stage.kept().list(&ListParams::default()).await.unwrap().items;
    let records = all.iter().filter_map(|secret| {
        let data = secret.data.as_ref()?;
        data.get("record.json").or_else(|| data.get("disputed-record.json"))
    });
    let records = records.map(|bytes| serde_json::from_slice::<Value>(&bytes.0).unwrap());
    records
        .flat_map(|record| MEMBERS.map(|member| record[member].as_str().map(str::to_owned)))
        .flatten()
        .collect()
}

fn hides(said: &str, secrets: &[String]) {
    assert!(!secrets.is_empty());
    for secret in secrets {
        assert!(!said.contains(secret), "a secret is shown: {said}");
    }
}

async fn metric(stage: &Stage, line: &str) {
    eventually(line, async || {
        let metrics = stage.operator.metrics().await.unwrap();
        metrics.lines().any(|found| found == line).then_some(())
    })
    .await;
}

/// Every DELETE is answered with this.
fn refuse(double: &ScriptableProvider, reply: Reply) {
    double.script(move |seen| (seen.method == "DELETE").then(|| Fault::Answer(reply.clone())));
}

#[tokio::test]
async fn t151_a_suspect_is_listed_shown_and_acknowledged_without_a_secret_shown() {
    let (stage, double) = stage("suspects-ack", "20").await;
    let ids = register(&stage, &["one", "two", "three"]).await;
    let tokens = secrets(&stage).await;
    refuse(&double, Reply::json(401, &json!({"error": "invalid_token"})));
    for name in ["one", "two", "three"] {
        delete(&stage, name).await;
    }
    metric(&stage, r#"oauth_client_operator_suspects{record="true"} 3"#).await;
    metric(&stage, r#"oauth_client_operator_suspects{record="false"} 0"#).await;
    let table = suspects(&stage, &["list"]).await;
    let line = |id: &str| table.lines().find(|line| line.contains(id)).unwrap().to_owned();
    let apps = stage.apps.name();
    for (name, id) in ["one", "two", "three"].iter().zip(&ids) {
        let line = line(id);
        for part in [
            "Suspect ",
            &format!("{apps}/{name} "),
            double.url(),
            "OAuthProvider provider",
        ] {
            assert!(line.contains(part), "{part}: {table}");
        }
    }
    let json = suspects(&stage, &["list", "-o", "json"]).await;
    let listed: Vec<Value> = serde_json::from_str(&json).unwrap();
    let of = |id: &str| listed.iter().find(|entry| entry["clientID"] == id).unwrap();
    let name = |id: &str| of(id)["name"].as_str().unwrap().to_owned();
    assert_eq!(of(&ids[0])["kind"], "Suspect");
    let shown = suspects(&stage, &["show", &name(&ids[0])]).await;
    for part in [
        ids[0].as_str(),
        "registration access token",
        "values are not shown",
        "suspects ack",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    hides(&(table + &json + &shown), &tokens);
    let shown = suspects(&stage, &["show", &name(&ids[0]), "-o", "json"]).await;
    hides(&shown, &tokens);

    // What does not exist is refused, and nothing else is removed with it.
    let error = refused(&stage, &["ack", &name(&ids[0]), "suspect-unknown"]).await;
    assert!(
        error.contains("suspect-unknown does not exist") && error.contains("Nothing was done"),
        "{error}"
    );
    let error = refused(&stage, &["ack", "--all", "--provider", "other"]).await;
    assert!(error.contains("no suspect") && error.contains("filter"), "{error}");
    assert_eq!(stage.suspects().await.len(), 3);
    let said = suspects(&stage, &["ack", &name(&ids[0])]).await;
    assert!(
        said.contains("removed") && said.contains(&ids[0]) && said.contains("one"),
        "{said}"
    );
    hides(&said, &tokens);
    let left: Vec<Value> = serde_json::from_str(&suspects(&stage, &["list", "-o", "json"]).await).unwrap();
    assert!(left.len() == 2 && left.iter().all(|entry| entry["clientID"] != ids[0].as_str()));
    let said = suspects(&stage, &["ack", "--all", "--issuer", double.url()]).await;
    assert!(said.contains(&ids[1]) && said.contains(&ids[2]), "{said}");
    assert!(stage.suspects().await.is_empty());
    assert_eq!(double.clients().len(), 3, "acknowledging deregisters nothing");
    metric(&stage, r#"oauth_client_operator_suspects{record="true"} 0"#).await;
    hides(&stage.operator.log(), &tokens);
}

/// The sweeper called beside the passes, however few calls at a time the provider allows.
#[tokio::test]
async fn t153_the_sweeper_waits_for_a_permit_of_the_provider() {
    let (stage, double) = stage("suspects-permit", "600").await;
    let provider = |limits: &str| oauth_provider(&format!("issuer: {}\n{limits}", double.url()));
    stage.apply(&provider("rateLimit: {concurrency: 1}\n")).await;
    let ids = register(&stage, &["outage"]).await;
    refuse(&double, Reply::empty(503));
    delete(&stage, "outage").await;
    metric(&stage, "oauth_client_operator_tombstones 1").await;
    double.script(|seen| match seen.method.as_str() {
        "DELETE" => Some(Fault::Answer(Reply::empty(503))),
        "POST" => Some(Fault::Delay(Duration::from_secs(4))),
        _ => None,
    });
    stage.apply(&oauth_client("slow", CLIENT)).await;
    eventually("the registration is under way", async || {
        (double.count("POST", "/register") == 2).then_some(())
    })
    .await;
    let deletes = double.count("DELETE", &ids[0]);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(stage.oauth_client("slow").await.status.unwrap().client_id.is_none());
    assert_eq!(double.count("DELETE", &ids[0]), deletes, "two calls at the same time");
    stage.ready("slow").await;
    double.behave();
    metric(&stage, "oauth_client_operator_tombstones 0").await;
}

/// At this scale a suspect that the sweeper has just met is left alone for longer than the test waits, and the operator meets it
/// after the request.
#[tokio::test]
async fn t154_a_requested_retry_is_tried_at_once_even_after_a_restart() {
    let (mut stage, double) = stage("suspects-retry", "5").await;
    let ids = register(&stage, &["app"]).await;
    refuse(&double, Reply::json(401, &json!({"error": "invalid_token"})));
    delete(&stage, "app").await;
    double.behave();
    stage.operator.stop().await.unwrap();
    let name = stage.suspects().await[0].name_any();
    let said = suspects(&stage, &["retry", &name]).await;
    assert!(said.contains("requested") && said.contains(&ids[0]), "{said}");
    assert_eq!(double.clients().len(), 1);
    stage.operator.restart().await.unwrap();
    eventually("the client is deregistered, and the suspect is gone", async || {
        (double.clients().is_empty() && stage.suspects().await.is_empty()).then_some(())
    })
    .await;
    metric(
        &stage,
        r#"oauth_client_operator_suspects_settled_total{result="Deregistered"} 1"#,
    )
    .await;
}

/// The client of a living object that was replaced is a suspect: the status names it for as long as the entry exists.
#[tokio::test]
async fn t154_a_suspect_that_the_sweeper_removes_leaves_the_status_of_its_object_too() {
    let (stage, double) = stage("suspects-told", "5").await;
    let id = register(&stage, &["app"]).await.remove(0);
    double.script(|seen| {
        let manages = ["PUT", "DELETE"].contains(&seen.method.as_str());
        manages.then(|| Fault::Answer(Reply::json(401, &json!({"error": "invalid_token"}))))
    });
    let edited = CLIENT.replace("callback", "edited");
    stage.apply(&oauth_client("app", &edited)).await;
    stage.failed("app", "ManagementLost").await;
    let replace = format!("oauth-client-operator.dev/replace={id}");
    stage.kubectl(&["annotate", "oauthclient", "app", &replace]).await;
    let told = |object: &OAuthClient| object.status.as_ref().unwrap().suspects.len();
    assert_eq!(told(&stage.ready("app").await), 1);
    double.behave();
    let name = stage.suspects().await[0].name_any();
    suspects(&stage, &["retry", &name]).await;
    stage
        .until("app", "without a suspect", |object| told(object) == 0)
        .await;
    assert!(stage.suspects().await.is_empty() && double.clients().len() == 1);
}

#[tokio::test]
async fn t154_without_a_credential_or_a_right_the_command_says_what_is_missing() {
    let (stage, double) = stage("suspects-rights", "20").await;
    let ids = register(&stage, &["app", "living"]).await;
    refuse(&double, Reply::json(401, &json!({"error": "invalid_token"})));
    delete(&stage, "app").await;
    let entry = stage.suspects().await.remove(0);
    let name = entry.name_any();
    // One of which only the attempt is known.
    let mut bare = Secret {
        metadata: ObjectMeta {
            name: Some("suspect-bare".to_owned()),
            labels: Some(BTreeMap::from([
                ("oauth-client-operator.dev/role".to_owned(), "suspect".to_owned()),
                ("oauth-client-operator.dev/client-uid".to_owned(), "gone".to_owned()),
            ])),
            ..ObjectMeta::default()
        },
        data: entry.data.clone(),
        type_: entry.type_.clone(),
        ..Secret::default()
    };
    let data = bare.data.get_or_insert_default();
    data.remove("record.json");
    data.remove("client_id");
    stage.kept().create(&PostParams::default(), &bare).await.unwrap();
    let error = refused(&stage, &["retry", &name, "suspect-bare"]).await;
    assert!(
        error.contains("suspect-bare holds no credentials") && error.contains("Nothing was requested"),
        "{error}"
    );
    let shown = suspects(&stage, &["show", "suspect-bare"]).await;
    assert!(shown.contains("<unknown>") && shown.contains("none"), "{shown}");

    let (plane, home) = (plane().await, stage.home.name());
    plane.create_service_account(home, "reader").await.unwrap();
    let token = plane.service_account_token(home, "reader").await.unwrap();
    let kubeconfig = plane.kubeconfig_with_token(&format!("{home}-reader"), &token, &plane.endpoint());
    let kubeconfig = kubeconfig.unwrap();
    let (ok, _, error) = suspects_as(&kubeconfig, home, &["list"]).await;
    assert!(
        !ok && error.contains("you may not list Secrets") && error.contains(home),
        "{error}"
    );
    let rights = [
        vec!["create", "role", "reader", "--verb=get,list", "--resource=secrets"],
        vec!["create", "rolebinding", "reader", "--role=reader"],
    ];
    let account = format!("--serviceaccount={home}:reader");
    for mut args in rights {
        args.extend(["-n", home]);
        if args[1] == "rolebinding" {
            args.push(&account);
        }
        plane.kubectl(&args).await.unwrap().stdout().unwrap();
    }
    eventually("the reader may list", async || {
        suspects_as(&kubeconfig, home, &["list"])
            .await
            .1
            .contains(&name)
            .then_some(())
    })
    .await;
    // Whether the record of the living one is unmatched cannot be told without a look at its namespace.
    let apps = stage.apps.name();
    let (_, said, error) = suspects_as(&kubeconfig, home, &["list"]).await;
    assert!(
        error.contains("you may not list the OAuthClients") && error.contains(apps),
        "{error}"
    );
    assert!(!said.contains(&ids[1]), "{said}");
    for args in [
        vec![
            "create",
            "role",
            "reader",
            "--verb=list",
            "--resource=oauthclients.oauth-client-operator.dev",
        ],
        vec!["create", "rolebinding", "reader", "--role=reader", &account],
    ] {
        stage.kubectl(&args).await;
    }
    eventually("the reader may list the OAuthClients of one namespace", async || {
        let (_, said, error) = suspects_as(&kubeconfig, home, &["list"]).await;
        assert!(said.contains(&ids[0]) && !said.contains(&ids[1]), "{said}");
        error.is_empty().then_some(())
    })
    .await;
    for verb in ["ack", "retry"] {
        let (ok, said, error) = suspects_as(&kubeconfig, home, &[verb, &name]).await;
        assert!(
            !ok && said.is_empty() && error.contains("you may not") && error.contains(&name),
            "{error}"
        );
    }
    assert_eq!(stage.suspects().await.len(), 2);
}
