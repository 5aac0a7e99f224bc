//! Tombstones, clients that a deletion left, and records without an object.

use testbed::providers::OidcProviderOptions;
use testbed::site::Site;

use super::*;

/// A page of a firewall or a router and a code that says nothing were tried again for ever.
#[tokio::test]
async fn t153_a_tombstone_that_is_refused_for_an_hour_becomes_a_suspect() {
    let (stage, double) = stage("suspects-refused", "600").await;
    let page = |status| Reply::text(status, "text/html", "<html>no</html>");
    let replies = [page(403), page(404), Reply::json(400, &json!({"error": "unsupported"}))];
    let names = ["firewall", "router", "code"];
    let ids = register(&stage, &names).await;
    let by_id: Vec<_> = ids.iter().cloned().zip(replies).collect();
    double.script(move |seen| {
        let id = seen.path.strip_prefix("/register/")?;
        let (_, reply) = by_id.iter().find(|(known, _)| known == id)?;
        (seen.method == "DELETE").then(|| Fault::Answer(reply.clone()))
    });
    for name in names {
        delete(&stage, name).await;
    }
    stage.no_records().await;
    let mut kept: Vec<String> = stage.suspects().await.iter().map(client_id).collect();
    let mut all = ids.clone();
    kept.sort();
    all.sort();
    assert_eq!(kept, all);
    for suspect in stage.suspects().await {
        let record: Value = serde_json::from_slice(&suspect.data.as_ref().unwrap()["record.json"].0).unwrap();
        assert!(record["registrationAccessToken"].is_string(), "its token is gone");
    }
    metric(&stage, "oauth_client_operator_tombstones 0").await;
}

fn client_id(suspect: &Secret) -> String {
    String::from_utf8(suspect.data.as_ref().unwrap()["client_id"].0.clone()).unwrap()
}

#[tokio::test]
async fn t150_tombstones_and_unmatched_records_are_counted_listed_and_can_be_ended() {
    let (stage, double) = stage("suspects-kinds", "600").await;
    let ids = register(&stage, &["outage", "restored"]).await;
    let tokens = secrets(&stage).await;
    refuse(&double, Reply::empty(503));
    delete(&stage, "outage").await;
    metric(&stage, "oauth_client_operator_tombstones 1").await;
    metric(&stage, "oauth_client_operator_unmatched_records 0").await;
    // What a restored backup of this namespace leaves: the record of an object that is not there.
    let labelled = ListParams::default().labels("oauth-client-operator.dev/phase=Registered");
    let record = stage.kept().list(&labelled).await.unwrap().items.remove(0);
    let mut copy = Secret {
        metadata: ObjectMeta {
            name: Some("oauthclient-restored".to_owned()),
            labels: record.metadata.labels.clone(),
            ..ObjectMeta::default()
        },
        ..record
    };
    let labels = copy.metadata.labels.as_mut().unwrap();
    labels.insert("oauth-client-operator.dev/client-uid".to_owned(), "restored".to_owned());
    stage.kept().create(&PostParams::default(), &copy).await.unwrap();
    metric(&stage, "oauth_client_operator_unmatched_records 1").await;
    let json = suspects(&stage, &["list", "-o", "json"]).await;
    let listed: Vec<Value> = serde_json::from_str(&json).unwrap();
    let facts: Vec<_> = listed
        .iter()
        .map(|entry| (entry["kind"].as_str().unwrap(), entry["clientID"].as_str().unwrap()))
        .collect();
    assert_eq!(facts, [("Tombstone", ids[0].as_str()), ("Unmatched", ids[1].as_str())]);
    let table = suspects(&stage, &["list"]).await;
    assert!(table.contains("Tombstone ") && table.contains("Unmatched "), "{table}");
    hides(&(json + &table), &tokens);

    let tombstone = listed[0]["name"].as_str().unwrap();
    let unmatched = "oauthclient-restored";
    let error = refused(&stage, &["ack", tombstone, unmatched]).await;
    assert!(
        error.contains("--unmatched") && error.contains("Nothing was removed"),
        "{error}"
    );
    let error = refused(&stage, &["retry", unmatched]).await;
    assert!(error.contains("does not deregister"), "{error}");
    let living = stage.kept().list(&labelled).await.unwrap().items;
    let living = living.iter().find(|record| record.name_any() != unmatched).unwrap();
    let error = refused(&stage, &["ack", "--unmatched", &living.name_any()]).await;
    assert!(error.contains("in use"), "{error}");
    suspects(&stage, &["ack", "--unmatched", unmatched]).await;
    metric(&stage, "oauth_client_operator_unmatched_records 0").await;
    suspects(&stage, &["retry", tombstone]).await;
    // The provider is back; the sweeper ends the tombstone.
    double.behave();
    metric(&stage, "oauth_client_operator_tombstones 0").await;
    assert_eq!(double.clients().into_keys().collect::<Vec<_>>(), [ids[1].clone()]);
    assert_eq!(stage.records().await.len(), 1);
}

/// A provider that deregisters no client would hide each doubt among the clients that every deletion leaves there.
#[tokio::test]
async fn t310_clients_at_a_provider_that_deregisters_none_are_left_and_no_suspects() {
    let stage = Stage::new("suspects-left").await;
    let options = OidcProviderOptions {
        management: false,
        ..OidcProviderOptions::default()
    };
    let site = Site::oidc_provider_with(options).await.unwrap();
    stage.apply(&site.manifests).await;
    let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
    let other = oauth_provider(&format!("issuer: {}\n", double.url()));
    stage
        .apply(&other.replace("name: provider\n", "name: no-delete\n"))
        .await;
    stage.apply(&site.client("unmanaged", CLIENT)).await;
    let manifest = oauth_client("without-delete", CLIENT).replace("name: provider\n", "name: no-delete\n");
    stage.apply(&manifest).await;
    let mut ids = BTreeMap::new();
    for name in ["unmanaged", "without-delete"] {
        ids.insert(name, stage.ready(name).await.status.unwrap().client_id.unwrap());
    }
    let tokens = secrets(&stage).await;
    refuse(&double, Reply::json(405, &json!({"error": "unsupported"})));
    delete(&stage, "unmanaged").await;
    // This one was registered with a management token, and says only now that it has no DELETE.
    delete(&stage, "without-delete").await;
    metric(&stage, "oauth_client_operator_left_clients 2").await;
    metric(&stage, r#"oauth_client_operator_suspects{record="true"} 0"#).await;
    metric(&stage, r#"oauth_client_operator_suspects{record="false"} 0"#).await;
    assert_eq!(site.clients().await.unwrap().len(), 1, "it is at the provider");

    let list = || async {
        let json = suspects(&stage, &["list", "-o", "json"]).await;
        hides(&json, &tokens);
        let listed: Vec<Value> = serde_json::from_str(&json).unwrap();
        let facts = listed
            .iter()
            .map(|entry| [&entry["kind"], &entry["clientID"], &entry["name"]].map(text));
        facts.collect::<Vec<_>>()
    };
    let listed = list().await;
    assert_eq!(listed.len(), 2, "{listed:?}");
    for [kind, id, name] in &listed {
        assert_eq!(kind, "Left");
        assert!(ids.values().any(|known| known == id), "{listed:?}");
        let shown = suspects(&stage, &["show", name]).await;
        assert!(shown.contains("deregisters none"), "{shown}");
        hides(&shown, &tokens);
    }
    // What a deletion left is not acknowledged together with doubts, nor the other way round.
    let error = refused(&stage, &["ack", "--all", "--issuer", double.url()]).await;
    assert!(error.contains("no suspect"), "{error}");
    let said = suspects(&stage, &["ack", "--all", "--left", "--issuer", double.url()]).await;
    assert!(
        said.contains("removed: Left") && said.contains(&ids["without-delete"]),
        "{said}"
    );
    let listed = list().await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0][1], ids["unmanaged"]);
    metric(&stage, "oauth_client_operator_left_clients 1").await;
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
