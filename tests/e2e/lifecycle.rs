//! One life of a client at every real server and in every dialect: found, registered, used, changed, with its token lost, and
//! deleted. What is seen is compared with the golden rows, from which `docs/providers/matrix.md` is generated. `UPDATE_GOLDEN=1`
//! writes them.

mod servers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use oauth_client_operator::api::OAuthClient;
use serde_json::{Value, json};
use testbed::promises::{Recorded, Suspected};

use self::servers::{HEADER, Server, servers};
use crate::stage::{Stage, condition, is, judged};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/lifecycle.tsv");

/// Reasons that pass by themselves.
const PASSING: [&str; 4] = ["Progressing", "ProviderUnavailable", "RateLimited", "ClientMissing"];

/// Waits until there is a verdict: `Ready`, or why not.
async fn verdict(stage: &Stage, name: &str, settled: impl Fn(&OAuthClient) -> bool) -> String {
    let said = |object: &OAuthClient| {
        let ready = condition(object, "Ready")?;
        match ready.status.as_str() {
            "True" => {
                (judged(object) && settled(object) && !is(object, "Reconciling", "True")).then(|| "Ready".to_owned())
            }
            _ if PASSING.contains(&ready.reason.as_str()) => None,
            _ => Some(ready.reason.clone()),
        }
    };
    let object = stage.until(name, "settled", |object| said(object).is_some()).await;
    said(&object).unwrap()
}

/// What the condition says, and the members that the provider registered otherwise.
fn as_requested(object: &OAuthClient) -> String {
    let status = condition(object, "AsRequested").map_or("-", |condition| condition.status.as_str());
    let effective = object.status.iter().flat_map(|status| &status.effective);
    let members: Vec<&str> = effective.map(|effective| effective.member.as_str()).collect();
    if members.is_empty() {
        status.to_owned()
    } else {
        format!("{status}: {}", members.join(", "))
    }
}

/// Every object of the wave, in one call.
async fn apply(stage: &Stage, servers: &[Server], manifests: impl Fn(&Server) -> String) {
    stage.apply(&servers.iter().map(manifests).collect::<String>()).await;
}

async fn registered(stage: &Stage, servers: &mut [Server]) {
    apply(stage, servers, |server| {
        server.manifests() + &server.names().map(|name| server.client(&name, "one")).concat()
    })
    .await;
    for server in servers {
        let found = if server.site.manifests.contains("webFinger") {
            "WebFinger"
        } else {
            "issuer"
        };
        server.saw("found by", found);
        for name in server.names() {
            let verdict = verdict(stage, &name, |_| true).await;
            server.saw("registration", verdict);
            let object = stage.oauth_client(&name).await;
            server.saw("as requested", as_requested(&object));
            let id = stage
                .secret(&name)
                .await
                .and_then(|mut secret| secret.remove("client_id"));
            server.ids.extend(id.map(|id| (name, id)));
        }
        let works = server.works(stage).await;
        server.saw("token", works);
    }
}

async fn changed(stage: &Stage, servers: &mut [Server]) {
    let mut before = BTreeMap::new();
    for server in servers.iter() {
        before.insert(server.name.clone(), stage.secret(&server.name).await);
    }
    apply(stage, servers, |server| server.client(&server.name, "two")).await;
    for server in servers.iter_mut().filter(|server| server.is_ready("registration")) {
        let verdict = verdict(stage, &server.name, |_| true).await;
        server.saw("update", verdict);
        let same = stage.secret(&server.name).await == before[&server.name];
        server.saw("new secret", if same { "no" } else { "yes" });
        let works = server.works(stage).await;
        server.saw("token after it", works);
        if server.is_ready("update") {
            let clients = server.site.clients().await.unwrap();
            let client = &clients[&server.ids[&server.name]];
            assert_eq!(
                client["redirect_uris"],
                json!(["https://app.example/two"]),
                "{}",
                server.name
            );
        }
    }
}

/// The registration access token in the record is replaced by one that the server never issued.
///
/// The names of the objects whose record had one.
async fn lose_tokens(stage: &Stage) -> Vec<String> {
    let mut without = Vec::new();
    let labelled = ListParams::default().labels("oauth-client-operator.dev/role=record");
    for secret in stage.kept().list(&labelled).await.unwrap() {
        let mut record: Value = serde_json::from_slice(&secret.data.as_ref().unwrap()["record.json"].0).unwrap();
        let object = record["owner"]["name"].as_str().unwrap_or_default().to_owned();
        if !object.ends_with("-lost") || record["registrationAccessToken"].is_null() {
            continue;
        }
        record["registrationAccessToken"] = json!("a-token-that-was-never-issued");
        let patch = Patch::Merge(json!({"stringData": {"record.json": record.to_string()}}));
        let name = secret.metadata.name.as_deref().unwrap();
        stage.kept().patch(name, &PatchParams::default(), &patch).await.unwrap();
        without.push(object);
    }
    without
}

async fn without_tokens(stage: &Stage, servers: &mut [Server]) {
    let lost = lose_tokens(stage).await;
    apply(stage, servers, |server| server.client(&server.without_token(), "two")).await;
    for server in servers
        .iter_mut()
        .filter(|server| lost.contains(&server.without_token()))
    {
        let name = server.without_token();
        let verdict = verdict(stage, &name, |_| true).await;
        let id = stage.secret(&name).await.unwrap()["client_id"].clone();
        let anew = server.ids.insert(name, id.clone()).is_some_and(|before| before != id);
        server.saw(
            "without its token",
            if anew {
                format!("{verdict}, registered anew")
            } else {
                verdict
            },
        );
    }
}

/// Identifiers of the clients that a record or a suspect names. One LIST, because a record may become a suspect between two.
pub async fn named(stage: &Stage) -> BTreeSet<String> {
    let roles = ListParams::default().labels("oauth-client-operator.dev/role in (record, suspect)");
    let entries = stage.kept().list(&roles).await.unwrap();
    let recorded = entries.iter().filter_map(Recorded::from_secret);
    let suspected = entries.iter().filter_map(Suspected::from_secret);
    recorded
        .map(|record| record.client_id)
        .chain(suspected.filter_map(|suspect| suspect.client_id))
        .collect()
}

async fn deleted(stage: &Stage, servers: &mut [Server]) {
    let all = DeleteParams::default();
    stage
        .clients()
        .delete_collection(&all, &ListParams::default())
        .await
        .unwrap();
    for server in servers.iter() {
        for name in server.names() {
            stage.gone(&name).await;
        }
    }
    let listed = named(stage).await;
    for server in servers.iter_mut() {
        let left = server.site.clients().await.unwrap();
        // The half-made clients that a server keeps of what it refused are nobody's.
        for (name, id) in &server.ids {
            assert!(
                !left.contains_key(id) || listed.contains(id),
                "{name}: client {id} is left and named by nothing"
            );
        }
        let Some(id) = server.ids.get(&server.name) else {
            continue;
        };
        let deletion = if left.contains_key(id) {
            "left, listed"
        } else {
            "deleted"
        };
        server.saw("deletion", deletion);
        if let (Some(id), Some(seen)) = (
            server.ids.get(&server.without_token()),
            server.seen.get("without its token"),
        ) {
            let end = if left.contains_key(id) {
                "left, listed"
            } else {
                "deleted"
            };
            let seen = format!("{seen}; {end}");
            server.saw("without its token", seen);
        }
    }
}

/// What `status.capabilities` of the provider objects says of members, at the end.
async fn reported(stage: &Stage, servers: &mut [Server]) {
    for server in servers {
        let provider = stage
            .providers()
            .get(&format!("provider-{}", server.name))
            .await
            .unwrap();
        let capabilities = provider
            .status
            .and_then(|status| status.capabilities)
            .unwrap_or_default();
        if let Some(ways) = capabilities.clearing {
            let works: Vec<String> = ways.works.iter().map(|way| format!("{way:?}")).collect();
            server.saw(
                "clearing",
                if works.is_empty() {
                    "none".to_owned()
                } else {
                    works.join(", ")
                },
            );
        }
        if let Some(members) = capabilities.substitutes {
            server.saw(
                "substitutes",
                if members.is_empty() {
                    "none".to_owned()
                } else {
                    members.join(", ")
                },
            );
        }
    }
}

/// A row that differs is either a change of the operator, which is then to be explained, or of a server.
#[tokio::test]
async fn w100_every_server_dialect_and_profile_shows_its_golden_row() {
    let stage = Stage::with("matrix", |options| {
        options.args.extend(["--time-scale".to_owned(), "20".to_owned()]);
    })
    .await;
    let mut servers = servers().await;
    registered(&stage, &mut servers).await;
    changed(&stage, &mut servers).await;
    without_tokens(&stage, &mut servers).await;
    deleted(&stage, &mut servers).await;
    reported(&stage, &mut servers).await;
    let rows: Vec<String> = servers.iter().map(Server::row).collect();
    let table = format!("{HEADER}\n{}\n", rows.join("\n"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(Path::new(GOLDEN).parent().unwrap()).unwrap();
        std::fs::write(GOLDEN, table).unwrap();
        return;
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap_or_default();
    let differ = |line: &&str| !golden.lines().any(|known| known == *line);
    let unknown: Vec<&str> = table.lines().filter(differ).collect();
    assert!(
        unknown.is_empty(),
        "these rows are not in {GOLDEN}; if they are right, run the test with UPDATE_GOLDEN=1, then .ci/generate:\n{}",
        unknown.join("\n")
    );
    assert_eq!(
        golden.lines().count(),
        table.lines().count(),
        "{GOLDEN} has rows that nothing shows"
    );
}
