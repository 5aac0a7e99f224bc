//! The space of configurations (Acto's oracles): what a client becomes does not depend on how it got there, and a mistake is
//! taken back by its correction.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use testbed::operator::{Operator, OperatorOptions};
use testbed::providers::OidcProviderOptions;
use testbed::proxy::Proxy;
use testbed::site::{Site, oauth_client};

use crate::judge::Verdict;
use crate::scene::{CLIENT, Scene};
use crate::stage::{BINARY, Stage, is, plane};

/// Fields that oidc-provider takes, each with two values.
const FIELDS: [(&str, &str, &str); 15] = [
    (
        "redirectURIs",
        "['https://a.example/1']",
        "['https://a.example/2', 'https://a.example/3']",
    ),
    ("clientName", "One", "Two"),
    (
        "grantTypes",
        "[authorization_code]",
        "[authorization_code, refresh_token]",
    ),
    ("tokenEndpointAuthMethod", "client_secret_post", "client_secret_basic"),
    ("scopes", "[openid]", "[openid, email]"),
    ("applicationType", "web", "web"),
    ("contacts", "[a@a.example]", "[b@a.example, c@a.example]"),
    (
        "postLogoutRedirectURIs",
        "['https://a.example/out']",
        "['https://a.example/bye']",
    ),
    ("clientURI", "https://a.example/", "https://a.example/other"),
    ("logoURI", "https://a.example/logo", "https://a.example/other"),
    ("tosURI", "https://a.example/tos", "https://a.example/other"),
    ("policyURI", "https://a.example/policy", "https://a.example/other"),
    ("softwareID", "a", "b"),
    ("softwareVersion", "'1'", "'2'"),
    ("extraMetadata", "{ext_param_owner: a}", "{ext_param_owner: b}"),
];

/// A manifest as its fields say. Where no redirect URIs are set, the usual ones are.
fn manifest(name: &str, fields: &BTreeMap<&str, &str>) -> String {
    let mut fields = fields.clone();
    fields
        .entry("redirectURIs")
        .or_insert("['https://app.example/callback']");
    fields.entry("clientName").or_insert("Unnamed");
    let lines: Vec<_> = fields
        .iter()
        .map(|(field, value)| format!("{field}: {value}"))
        .collect();
    oauth_client(name, &lines.join("\n"))
}

/// What the provider holds of the client of an object, without what differs between two clients.
async fn held(stage: &Stage, site: &Site, name: &str) -> Map<String, Value> {
    let id = stage.oauth_client(name).await.status.unwrap().client_id.unwrap();
    let mut client = site.clients().await.unwrap().remove(&id).unwrap();
    let client = client.as_object_mut().unwrap();
    let own = [
        "client_id",
        "client_secret",
        "client_id_issued_at",
        "registration_access_token",
        "registration_client_uri",
    ];
    client.retain(|member, _| !own.contains(&member.as_str()));
    std::mem::take(client)
}

/// Applies the fields to each client, and to a client beside it that never was anything else: the provider holds the same of
/// both.
async fn same_as_fresh(stage: &Stage, site: &Site, wanted: &[(String, BTreeMap<&str, &str>)]) {
    let fresh = |name: &str| format!("{name}-fresh");
    let manifests: String = wanted
        .iter()
        .map(|(name, fields)| manifest(name, fields) + &manifest(&fresh(name), fields))
        .collect();
    stage.apply(&manifests).await;
    for (name, fields) in wanted {
        stage.ready(name).await;
        stage.ready(&fresh(name)).await;
        let (changed, new) = (held(stage, site, name).await, held(stage, site, &fresh(name)).await);
        assert_eq!(changed, new, "{fields:?}");
    }
    for (name, _) in wanted {
        stage.kubectl(&["delete", "oac", &fresh(name), "--wait=false"]).await;
    }
    for (name, _) in wanted {
        stage.gone(&fresh(name)).await;
    }
}

#[tokio::test]
async fn t81_what_the_provider_rejects_is_told_and_taken_back() {
    let scene = Scene::new("rollback").await;
    scene.ready_app().await;
    let before = held(&scene.stage, &scene.site, "app").await;
    let mistakes = [
        "applicationType: none-such",
        "idTokenSignedResponseAlg: none-such",
        "subjectType: none-such",
        "grantTypes: [authorization_code, none-such]",
        "tokenEndpointAuthMethod: none-such",
        "defaultMaxAge: 5\nlogoURI: 'urn:no-web-page'",
    ];
    for mistake in mistakes {
        let spec = match mistake.split_once(": ") {
            Some(("grantTypes", _)) => format!("{mistake}\nredirectURIs: ['https://app.example/callback']"),
            _ => format!("{CLIENT}\n{mistake}"),
        };
        scene.stage.apply(&oauth_client("app", &spec)).await;
        let stalled = scene
            .stage
            .until("app", "stalled", |object| is(object, "Stalled", "True"))
            .await;
        assert!(is(&stalled, "SecretSynced", "True"), "{mistake}: the Secret stays");
        scene.app().await;
        scene.stage.ready("app").await;
        assert_eq!(held(&scene.stage, &scene.site, "app").await, before, "after {mistake}");
    }
    scene.judge().await;
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

#[tokio::test]
async fn t82_chains_of_twenty_changes_end_like_a_fresh_registration() {
    let scene = Scene::new("chains").await;
    let mut chains: Vec<_> = (0..4).map(|seed| (Dice(seed), BTreeMap::new())).collect();
    let name = |chain: usize| format!("app-{chain}");
    for _ in 0..20 {
        for (number, (dice, fields)) in chains.iter_mut().enumerate() {
            let (field, one, two) = FIELDS[dice.roll(FIELDS.len())];
            match dice.roll(3) {
                0 => drop(fields.remove(field)),
                1 => drop(fields.insert(field, one)),
                _ => drop(fields.insert(field, two)),
            }
            scene.stage.apply(&manifest(&name(number), fields)).await;
            // Not every change is waited for: some are overtaken by the next.
            if dice.roll(4) == 0 {
                scene.stage.ready(&name(number)).await;
            }
        }
    }
    let wanted: Vec<_> = chains
        .into_iter()
        .enumerate()
        .map(|(number, (_, fields))| (name(number), fields))
        .collect();
    same_as_fresh(&scene.stage, &scene.site, &wanted).await;
    scene.judge_with(Verdict::default().alien()).await;
}

/// Other flags on the same objects: narrower and wider, with and without an election.
#[tokio::test]
async fn t83_changes_of_flags_touch_no_client() {
    let provider = Proxy::open(false).await.unwrap();
    let site = Site::oidc_provider_behind(&provider, OidcProviderOptions::default());
    let scene = Scene::with("flags", site.await.unwrap(), |_| {}).await;
    scene.many(5).await;
    scene.many_ready(5).await;
    scene.stage.operator.stop().await.unwrap();
    let (home, apps) = (scene.stage.home.name(), scene.stage.apps.name());
    let other = plane().await.namespace("flags-other").await.unwrap();
    let (place, writes) = (provider.place(), scene.proxy.place());
    let both = [apps.to_owned(), other.name().to_owned()];
    let variants: [(&[String], &[&str]); 4] = [
        (&both[1..], &[]),
        (&both, &["--leader-election=false"]),
        (&both[..1], &["--leader-election=true", "--identity=other"]),
        (&both, &["--normal-events", "--log-format=text"]),
    ];
    for (namespaces, args) in variants {
        let options = OperatorOptions {
            binary: BINARY.into(),
            manifests: vec![crate::stage::rights(home, namespaces).await],
            via: Some(scene.proxy.endpoint()),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            ..OperatorOptions::new(home, namespaces)
        };
        let operator = Operator::start(plane().await, options).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        operator.stop().await.unwrap();
    }
    assert!(
        provider
            .since(place)
            .iter()
            .all(|exchange| exchange.asked.method == "GET")
    );
    let written: Vec<_> = scene
        .proxy
        .since(writes)
        .into_iter()
        .filter(|exchange| {
            exchange.is_write() && matches!(exchange.asked.resource.as_str(), "oauthclients" | "secrets")
        })
        .map(|exchange| exchange.asked.path)
        .collect();
    assert!(written.is_empty(), "{written:?}");
    assert_eq!(scene.ids().await.len(), 5);
    assert_eq!(json!(scene.stage.records().await.len()), json!(5));
    scene.judge().await;
}
