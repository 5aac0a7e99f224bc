use std::sync::Mutex as Shared;

use http::StatusCode;

use crate::api::{OnClientLost, OnUnknownOutcome, Profile, Substitutions, Verify};
use crate::domain::profile::knobs;
use crate::domain::target::{Credentials, Location, Presented};

use super::super::double::{Double, PATIENT, reply, transport};
use super::*;

/// A provider whose metadata is what a test says: status, further headers and token endpoint.
struct Moving {
    double: Double,
    says: Arc<Shared<(StatusCode, &'static str, &'static str)>>,
    cache: DiscoveryCache,
    transport: Transport,
}

impl Moving {
    /// An hour passes in so many milliseconds.
    async fn new(headers: &'static str, hour: u32) -> Self {
        let says = Arc::new(Shared::new((StatusCode::OK, headers, "/token")));
        let told = Arc::clone(&says);
        let double = Double::new(move |head| {
            let (status, headers, token) = *told.lock().unwrap();
            let line = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            let origin = format!("http://{}", line("host: ").unwrap_or_default());
            let unchanged = line("if-none-match: ").is_some_and(|tag| headers.contains(&tag));
            if status == StatusCode::OK && unchanged {
                return reply(304, "etag: \"1\"\r\n", "");
            }
            let text = format!(
                r#"{{"issuer":"{origin}","registration_endpoint":"{origin}/register","token_endpoint":"{origin}{token}"}}"#
            );
            reply(status.as_u16(), headers, if status == StatusCode::OK { &text } else { "" })
        })
        .await;
        Self {
            double,
            says,
            cache: DiscoveryCache::new(Clock::scaled(3_600_000 / hour)),
            transport: transport(),
        }
    }

    fn target(&self) -> Target {
        Target {
            uid: "uid".to_owned(),
            namespaced: true,
            location: Location::Issuer(self.double.origin.clone()),
            expected_issuer: None,
            registration_endpoint: None,
            allowed_origins: Vec::new(),
            discovery: Credentials::default(),
            registration: Credentials::default(),
            management: Credentials::default(),
            knobs: knobs(Profile::Rfc7592),
            on_unknown_outcome: OnUnknownOutcome::Register,
            on_client_lost: OnClientLost::Register,
            substitutions: Substitutions::Accept,
            verify: Verify::Auto,
            ca_bundle: None,
            deadlines: PATIENT,
            presented: Presented::default(),
        }
    }

    /// Path of the token endpoint that a look finds.
    async fn look(&self) -> Result<String, CallError> {
        let found = self.cache.look(&self.transport, "uid", "1", &self.target()).await?;
        let token = found.endpoints.token.clone().unwrap_or_default();
        Ok(token.replace(&self.double.origin, ""))
    }

    fn known(&self) -> Option<String> {
        let (found, _) = self.cache.known("uid", "1")?;
        Some(found.endpoints.token.as_ref()?.replace(&self.double.origin, ""))
    }

    fn say(&self, status: StatusCode, headers: &'static str, token: &'static str) {
        *self.says.lock().unwrap() = (status, headers, token);
    }

    async fn grows_old(&self) {
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

#[tokio::test]
async fn t250_metadata_that_has_not_changed_is_asked_for_by_its_validator_and_not_sent_again() {
    let provider = Moving::new("etag: \"1\"\r\n", 10).await;
    assert_eq!(provider.look().await.unwrap(), "/token");
    for _ in 0..2 {
        provider.grows_old().await;
        assert_eq!(provider.look().await.unwrap(), "/token");
    }
    let seen = provider.double.seen();
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert!(!seen[0].contains("if-none-match"));
    assert!(
        seen[1..].iter().all(|head| head.contains("if-none-match: \"1\"")),
        "{seen:?}"
    );
    provider.say(StatusCode::OK, "etag: \"2\"\r\n", "/token2");
    provider.grows_old().await;
    assert_eq!(provider.look().await.unwrap(), "/token2");
}

#[tokio::test]
async fn t250_whoever_asks_at_the_same_time_shares_one_request_and_nobody_asks_again_soon() {
    let provider = Moving::new("cache-control: max-age=86400\r\n", 1000).await;
    let all = futures::future::join_all((0..20).map(|_| provider.look())).await;
    assert!(all.iter().all(Result::is_ok));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    provider.look().await.unwrap();
    assert_eq!(
        provider.double.seen().len(),
        1,
        "a document may ask to be used for a day"
    );
    assert!(
        provider.cache.known("uid", "2").is_none(),
        "another provider object finds its own"
    );
}

#[tokio::test]
async fn t250_a_failed_request_takes_nothing_away_from_what_was_found_before() {
    let provider = Moving::new("", 10).await;
    provider.look().await.unwrap();
    for status in [StatusCode::SERVICE_UNAVAILABLE, StatusCode::FORBIDDEN] {
        provider.say(status, "", "/token2");
        provider.grows_old().await;
        assert!(provider.look().await.is_err());
        assert_eq!(provider.known().as_deref(), Some("/token"), "{status}");
    }
    provider.say(StatusCode::OK, "", "/token2");
    provider.grows_old().await;
    assert_eq!(provider.look().await.unwrap(), "/token2");
    assert_eq!(provider.known().as_deref(), Some("/token2"));
}
