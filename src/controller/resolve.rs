//! From a provider object to something that can be called: profile applied, credentials read, consent checked.

use std::time::Duration;

use crate::api::{ProviderKind, ProviderSettings, Reason};
use crate::cluster::ProviderKey;
use crate::domain::failure::{Class, Failure};
use crate::domain::pass::{Provider, Rate};
use crate::domain::target::{Deadlines, Location, Target};
use crate::domain::{duration, metadata, profile};

use super::credentials::{Source, authorities, credentials, presented};
use super::permits::Limits;

const CONNECT: Duration = Duration::from_secs(5);
const REQUEST: Duration = Duration::from_secs(15);
/// Longest deadline of a request: with the deadline of storing its answer it is shorter than the drain at a shutdown, and that than the
/// pod's grace period. The schema says so too; an object of an earlier version may hold more.
const LONGEST_REQUEST: Duration = Duration::from_secs(30);
const CONCURRENCY: usize = 16;
/// Longest period of a rate.
const LONGEST_PERIOD: Duration = Duration::from_hours(24);
/// By how much calls are begun more slowly than a rate allows.
const MARGIN: f64 = 1.02;

/// Resolves a provider object.
pub(super) async fn resolve(
    key: &ProviderKey,
    uid: &str,
    generation: i64,
    settings: &ProviderSettings,
    source: &Source<'_>,
) -> Result<Provider, Failure> {
    let mut versions = Vec::new();
    let discovery = credentials(
        key,
        "discoveryAuth",
        settings.discovery_auth.as_ref(),
        source,
        &mut versions,
    )
    .await?;
    let registration = credentials(
        key,
        "registrationAuth",
        settings.registration_auth.as_ref(),
        source,
        &mut versions,
    )
    .await?;
    let management = match &settings.management_auth {
        Some(auth) => credentials(key, "managementAuth", Some(auth), source, &mut versions).await?,
        None => registration.clone(),
    };
    let ca_bundle = authorities(key, settings, source, &mut versions).await?;
    let presented = presented(key, settings, source, &mut versions).await?;
    let endpoints = settings.endpoints.clone().unwrap_or_default();
    let mut circumstances = vec![uid.to_owned(), generation.to_string()];
    circumstances.extend(versions);
    let fingerprint = metadata::fingerprint(
        &serde_json::Map::new(),
        &circumstances.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    Ok(Provider {
        target: Target {
            uid: uid.to_owned(),
            namespaced: key.kind == ProviderKind::OAuthProvider,
            location: location(settings)?,
            expected_issuer: settings.expected_issuer.clone(),
            registration_endpoint: endpoints.registration,
            allowed_origins: endpoints.allowed_origins.unwrap_or_default(),
            discovery,
            registration,
            management,
            knobs: profile::settings(settings),
            on_unknown_outcome: settings.on_unknown_outcome,
            on_client_lost: settings.on_client_lost,
            substitutions: settings.substitutions,
            verify: settings.verify,
            ca_bundle,
            deadlines: deadlines(settings),
            presented,
        },
        uid: uid.to_owned(),
        fingerprint,
        known: None,
    })
}

/// The rate that a provider object allows, or its profile, and by how much calls are begun more slowly.
fn allowed(settings: &ProviderSettings) -> Option<(Rate, f64)> {
    let limit = settings.rate_limit.as_ref();
    let rate = |count: i32, period: Duration| {
        let count = u32::try_from(count).ok().filter(|count| *count > 0)?;
        Some(Rate { count, period })
    };
    let per = limit.and_then(|limit| limit.per.as_ref()).and_then(|per| {
        let period = duration::parse(&per.period)?.min(LONGEST_PERIOD);
        // Calls do not arrive as evenly as they begin.
        Some((rate(per.count, period)?, MARGIN))
    });
    per.or_else(|| {
        let own = limit.and_then(|limit| limit.per_minute).filter(|count| *count > 0);
        let preset = || i32::try_from(settings.profile.preset().per_minute?).ok();
        Some((rate(own.or_else(preset)?, Duration::from_mins(1))?, 1.0))
    })
}

/// The rate that a provider object allows, or its profile.
pub(super) fn rate(settings: &ProviderSettings) -> Option<Rate> {
    allowed(settings).map(|(rate, _)| rate)
}

/// Bounds on calls to a provider.
pub(super) fn limits(settings: &ProviderSettings) -> Limits {
    let limit = settings.rate_limit.clone().unwrap_or_default();
    let spacing = |(rate, margin): (Rate, f64)| (rate.period / rate.count).mul_f64(margin);
    let concurrency = limit.concurrency.and_then(|n| usize::try_from(n).ok());
    let concurrency = concurrency.unwrap_or(CONCURRENCY);
    Limits {
        concurrency,
        share: concurrency,
        spacing: allowed(settings).map(spacing).unwrap_or_default(),
    }
}

fn deadlines(settings: &ProviderSettings) -> Deadlines {
    let timeouts = settings.timeouts.clone().unwrap_or_default();
    let read = |text: Option<String>| text.as_deref().and_then(duration::parse).filter(|d| !d.is_zero());
    Deadlines {
        connect: read(timeouts.connect).unwrap_or(CONNECT).min(LONGEST_REQUEST),
        request: read(timeouts.request).unwrap_or(REQUEST).min(LONGEST_REQUEST),
    }
}

fn location(settings: &ProviderSettings) -> Result<Location, Failure> {
    match (&settings.issuer, &settings.web_finger, &settings.metadata_url) {
        (Some(issuer), None, None) => Ok(Location::Issuer(issuer.clone())),
        (None, Some(finger), None) => Ok(Location::WebFinger {
            resource: finger.resource.clone(),
            host: finger.host.clone(),
        }),
        (None, None, Some(url)) => Ok(Location::MetadataUrl(url.clone())),
        _ => Err(Failure::new(
            Class::Invalid,
            Reason::InvalidSpec,
            "the provider object has to set exactly one of issuer, webFinger and metadataURL",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t254_a_rate_may_be_as_low_as_one_call_a_day() {
        let spacing = |rate_limit: serde_json::Value| {
            let settings: ProviderSettings =
                serde_json::from_value(serde_json::json!({"issuer": "https://p", "rateLimit": rate_limit})).unwrap();
            limits(&settings).spacing.as_secs_f64()
        };
        let per = |count, period: &str| spacing(serde_json::json!({"per": {"count": count, "period": period}}));
        assert!((per(20, "1h") - 183.6).abs() < 0.01, "a little slower than every 180 s");
        assert!((per(1, "24h") - 88_128.0).abs() < 0.01);
        assert!(
            (per(1, "99h") - 88_128.0).abs() < 0.01,
            "of an object that no schema has seen"
        );
        assert!((spacing(serde_json::json!({"perMinute": 60})) - 1.0).abs() < 0.01);
        assert!(spacing(serde_json::json!({})) < 0.01);
    }

    #[test]
    fn t161_a_request_and_storing_its_answer_end_within_the_drain() {
        let asked = |request: &str| ProviderSettings {
            timeouts: Some(crate::api::Timeouts {
                connect: Some("5m".into()),
                request: Some(request.into()),
            }),
            ..ProviderSettings::default()
        };
        let longest = deadlines(&asked("5m"));
        assert_eq!((longest.connect, longest.request), (LONGEST_REQUEST, LONGEST_REQUEST));
        assert_eq!(deadlines(&asked("7s")).request, Duration::from_secs(7));
        // The deadline of a call to the API server is 10 s.
        assert!(longest.request + Duration::from_secs(10) < super::super::startup::DRAIN);
    }
}
