//! The whole slice, one body for every provider: discover, register, use, update, repair, delete. What a provider cannot do
//! shows as the documented condition.

use serde_json::json;

use crate::site::{Site, oauth_client};
use crate::stage::{Stage, condition, eventually, is};

async fn slice(name: &str, site: Site) {
    let stage = Stage::new(name).await;
    stage.apply(&site.manifests).await;
    let app = |redirect: &str| {
        oauth_client(
            "app",
            &format!(
                "clientName: Slice\ngrantTypes: [authorization_code, client_credentials]\nredirectURIs: ['{redirect}']"
            ),
        )
    };
    stage.apply(&app("https://app.example/one")).await;

    // Registered, recorded, written.
    let object = stage.ready("app").await;
    let status = object.status.unwrap();
    let secret = stage.secret("app").await.unwrap();
    assert_eq!(Some(&secret["client_id"]), status.client_id.as_ref());
    let clients = site.clients().await;
    assert_eq!(clients.keys().collect::<Vec<_>>(), [&secret["client_id"]]);
    assert_eq!(
        clients[&secret["client_id"]]["redirect_uris"],
        json!(["https://app.example/one"])
    );
    if site.abilities.token {
        assert!(!site.token(&secret).await.unwrap().is_empty());
    }

    // A change of the manifest arrives, or the condition says that it cannot.
    stage.apply(&app("https://app.example/two")).await;
    if site.abilities.update {
        stage.ready("app").await;
        let clients = site.clients().await;
        assert_eq!(clients.len(), 1);
        assert_eq!(
            clients[&secret["client_id"]]["redirect_uris"],
            json!(["https://app.example/two"])
        );
    } else {
        let message = stage.failed("app", "UpdateUnsupported").await;
        assert!(message.contains("undo the change"), "{message}");
        let object = stage.oauth_client("app").await;
        assert!(
            is(&object, "SecretSynced", "True") && is(&object, "Stalled", "True"),
            "{:?}",
            object.status
        );
        stage.apply(&app("https://app.example/one")).await;
        stage.ready("app").await;
    }

    // The Secret is put right from the record, edited or deleted.
    let before = site.clients().await;
    stage
        .kubectl(&[
            "patch",
            "secret",
            "app",
            "-p",
            r#"{"stringData":{"client_secret":"wrong","extra":"theirs"}}"#,
        ])
        .await;
    let repaired = eventually("the edited Secret is put right", async || {
        stage
            .secret("app")
            .await
            .filter(|found| found.get("client_secret") == secret.get("client_secret"))
    });
    assert_eq!(
        repaired.await.get("extra").map(String::as_str),
        Some("theirs"),
        "what others add stays"
    );
    stage.kubectl(&["delete", "secret", "app"]).await;
    eventually("the deleted Secret is back", async || {
        stage.secret("app").await.filter(|found| *found == secret)
    })
    .await;
    assert_eq!(site.clients().await, before);
    stage.ready("app").await;

    // Deleted, here and there.
    stage.kubectl(&["delete", "oauthclient", "app", "--timeout=30s"]).await;
    stage.gone("app").await;
    assert_eq!(stage.records().await, Vec::<String>::new());
    if site.abilities.delete {
        assert!(site.clients().await.is_empty());
        assert!(stage.suspects().await.is_empty());
    } else {
        let suspects = stage.suspects().await;
        let data = suspects
            .first()
            .and_then(|suspect| suspect.data.clone())
            .unwrap_or_default();
        assert_eq!(
            data.get("client_id").map(|id| id.0.clone()),
            Some(secret["client_id"].clone().into_bytes())
        );
        let warned = eventually("a warning tells of the client that stays", async || {
            let warnings = stage.warnings("app").await;
            warnings.into_iter().find(|(reason, _)| reason == "DeletionUnsupported")
        });
        assert!(warned.await.1.contains(&secret["client_id"]));
    }
    let events = stage.operator.log();
    assert!(!events.contains(&secret["client_secret"]), "the log shows a secret");
    let _ = condition;
}

#[tokio::test]
async fn the_slice_at_oidc_provider() {
    slice("slice-oidc", Site::oidc_provider().await).await;
}
