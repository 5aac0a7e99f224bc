//! Providers that are away, slow, or come back.

use std::time::Duration;

use serde_json::json;
use testbed::providers::{Fault, OidcProvider, OidcProviderOptions};
use testbed::proxy::{Action, Asked, Proxy};
use testbed::site::Site;

use super::case::app;
use super::{Case, Settled, case};
use crate::stage::{condition, eventually, is};

#[test]
fn t50_a_provider_that_is_away_is_waited_for_at_every_step() {
    case("t50", async |case| {
        let provider = OidcProvider::start(OidcProviderOptions::default()).await.unwrap();
        provider.go_down().await.unwrap();
        case.provider(json!({"issuer": provider.issuer()})).await;
        case.app("", "one").await;
        let message = case.failed("", "ProviderUnavailable").await;
        assert!(message.contains("cannot be reached"), "{message}");
        assert!(!is(&case.stage.oauth_client("t50").await, "Stalled", "True"));
        provider.come_up().await.unwrap();
        case.ready("").await;

        provider.go_down().await.unwrap();
        case.app("", "two").await;
        case.told("", "Reconciling", "cannot be reached").await;
        let object = case.stage.oauth_client("t50").await;
        assert_eq!(
            condition(&object, "Ready").unwrap().status,
            "True",
            "the application goes on"
        );
        provider.come_up().await.unwrap();
        case.ready("").await;
        let clients = provider.clients().await.unwrap();
        assert_eq!(
            clients.values().next().unwrap()["redirect_uris"],
            json!(["https://app.example/two"])
        );

        provider.go_down().await.unwrap();
        case.delete("").await;
        case.told("", "Ready", "not deregistered yet").await;
        provider.come_up().await.unwrap();
        case.gone("").await;
        assert!(provider.clients().await.unwrap().is_empty());
        case.judge(Settled::default()).await;
        assert!(case.suspects().await.is_empty());
    });
}

/// Many wait; when it is back, each registers once, and no more at a time than is allowed.
#[test]
fn t51_a_provider_that_comes_back_is_not_trampled_on() {
    case("t51", async |case| {
        let proxy = Proxy::open(false).await.unwrap();
        let site = Site::oidc_provider_behind(&proxy, OidcProviderOptions::default())
            .await
            .unwrap();
        proxy.go_down();
        case.provider(json!({"issuer": proxy.url(), "rateLimit": {"concurrency": 4}}))
            .await;
        let names: Vec<String> = (0..40).map(|number| number.to_string()).collect();
        for name in &names {
            case.app(name, name).await;
        }
        for name in &names {
            case.failed(name, "ProviderUnavailable").await;
        }
        let is_post = |asked: &Asked| asked.method == "POST" && asked.path.ends_with("/reg");
        proxy.always(is_post, Action::Delay(Duration::from_millis(50)));
        proxy.come_up();
        for name in &names {
            case.ready(name).await;
        }
        let mut at: Vec<_> = proxy
            .exchanges()
            .into_iter()
            .filter(|e| is_post(&e.asked))
            .map(|e| e.at)
            .collect();
        at.sort();
        assert_eq!(at.len(), names.len());
        // Each holds its place for as long as the proxy delays it.
        let crowded = at
            .windows(5)
            .filter(|five| five[4] - five[0] < Duration::from_millis(45))
            .count();
        assert_eq!(crowded, 0, "more than four at a time");
        let asked = proxy
            .exchanges()
            .iter()
            .filter(|e| e.asked.path.contains("well-known"))
            .count();
        assert!(asked < 20, "{asked} discoveries for forty clients");
        case.judge(Settled {
            ledger: site.clients().await.unwrap(),
            ..Settled::default()
        })
        .await;
    });
}

/// An answer that drips ends at the deadline. What it was about is in doubt, and nothing else is held up.
#[test]
fn t52_answers_that_drip_or_hang_end_at_the_deadline() {
    case("t52", async |case| {
        let double = case.double().await;
        case.provider(json!({"issuer": double.url(), "timeouts": {"request": "700ms"}}))
            .await;
        let mut faults = vec![Fault::Trickle(Duration::from_millis(100)), Fault::Hang];
        double.script(move |seen| {
            (seen.method == "POST" && seen.path == "/register")
                .then(|| faults.pop())
                .flatten()
        });
        case.app("", "one").await;
        let message = case.failed("", "OutcomeUnknown").await;
        assert!(message.contains("abandon"), "{message}");
        assert_eq!(double.count("POST", "/register"), 2);
        assert_eq!(case.suspects().await.len(), 2);
        case.judge(Settled {
            ledger: double.clients(),
            doubts: 2,
            excuses: &["OutcomeUnknown"],
        })
        .await;
        // A person has looked, and says so.
        let attempt = message
            .split("attempt ")
            .nth(1)
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        let patch = json!({"metadata": {"annotations": {"oauth-client-operator.dev/abandon": attempt}}});
        let clients = case.stage.clients();
        clients
            .patch(
                "t52",
                &kube::api::PatchParams::default(),
                &kube::api::Patch::Merge(patch),
            )
            .await
            .unwrap();
        case.ready("").await;
    });
}

/// A read or a change that drips is no loss: it is done again.
#[test]
fn t52_an_update_that_drips_is_done_again() {
    case("t52b", async |case| {
        let double = case.double().await;
        case.provider(json!({"issuer": double.url(), "timeouts": {"request": "1s"}}))
            .await;
        case.client("", app("one")).await;
        case.ready("").await;
        let mut faults = vec![Fault::Truncate, Fault::Trickle(Duration::from_millis(200))];
        double.script(move |seen| (seen.method == "PUT").then(|| faults.pop()).flatten());
        case.ready_app("", "two").await;
        assert_eq!(double.count("PUT", ""), 3);
        case.judge(Settled {
            ledger: double.clients(),
            ..Settled::default()
        })
        .await;
    });
}

/// A reset before the provider saw anything, and one after: each is a doubt, none is repeated without end.
#[test]
fn t64_connections_that_break_under_a_registration_are_doubts() {
    case("t64", async |all| {
        let is_post = |asked: &Asked| asked.method == "POST" && asked.path.ends_with("/reg");
        // A provider object for each: the third doubt at one would bar registrations there for a while.
        for (name, action) in [
            ("t64-reset", Action::Reset),
            ("t64-cut", Action::Truncate),
            ("t64-lost", Action::LoseRequest),
        ] {
            let case = Case { name, ..all };
            let proxy = Proxy::open(false).await.unwrap();
            let site = Site::oidc_provider_behind(&proxy, OidcProviderOptions::default())
                .await
                .unwrap();
            case.provider(json!({"issuer": proxy.url()})).await;
            proxy.once(is_post, action);
            case.ready_app("", "one").await;
            assert_eq!(proxy.asked().iter().filter(|asked| is_post(asked)).count(), 2, "{name}");
            eventually("its suspect", async || (case.suspects().await.len() == 1).then_some(())).await;
            case.judge(Settled {
                ledger: site.clients().await.unwrap(),
                doubts: 1,
                ..Settled::default()
            })
            .await;
        }
    });
}
