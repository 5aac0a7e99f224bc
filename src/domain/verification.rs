//! Whether the credentials of a client work, as they stand in its Secret.
//!
//! They are tried once after each change, by a call that obtains no token. Not every server of a provider may know them at once, so a
//! rejection counts after three more tries. Never is anything tried but the credentials that the provider issued: providers lock
//! accounts.

use std::time::Duration;

use crate::api::{OAuthClientStatus, Reason, Verification, names};

use super::failure::{Class, Failure};
use super::metadata;
use super::probe::Probed;
use super::record::Record;
use super::target::Endpoints;

/// Waits between a rejection and the next try.
const AGAIN: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(15), Duration::from_mins(1)];
/// Rejections that are counted: more make no difference.
const COUNTED: usize = AGAIN.len() + 1;
/// Bytes of a digest that a status keeps.
const KEPT: usize = 16;

/// What is known of credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The provider accepts them, and rejects those of a client that nobody registered.
    Accepted,
    /// It rejects them.
    Rejected,
    /// Nothing tells; why.
    Unproven(String),
    /// The provider did not answer.
    Unanswered,
    /// They are other credentials than those that were tried last, and they are yet to be tried.
    Awaited,
}

/// Credentials that were tried, or cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Which: see [`digest`].
    pub credentials: String,
    /// How it ended.
    pub outcome: Outcome,
}

/// Digest of what a try is about. It holds nothing of the secret itself.
#[must_use]
pub(crate) fn digest(record: &Record) -> String {
    let generation = record.credential_generation.to_string();
    let method = record.applied_auth_method().unwrap_or_default();
    let mut digest = metadata::fingerprint(&metadata::Request::new(), &[&record.client_id, &generation, method]);
    digest.truncate(KEPT);
    digest
}

/// The last check of exactly these credentials.
#[must_use]
pub(crate) fn last<'a>(status: Option<&'a OAuthClientStatus>, digest: &str) -> Option<&'a Verification> {
    let last = status?.verification.as_deref()?;
    (last.credentials == digest).then_some(last)
}

/// How often these credentials were rejected in a row.
#[must_use]
pub(crate) fn rejections(status: Option<&OAuthClientStatus>, digest: &str) -> usize {
    let rejections = last(status, digest).and_then(|last| last.rejections);
    rejections
        .and_then(|count| usize::try_from(count).ok())
        .unwrap_or_default()
}

/// The number of rejections after one more of these credentials.
#[must_use]
pub(crate) fn rejected_again(status: Option<&OAuthClientStatus>, digest: &str) -> usize {
    COUNTED.min(rejections(status, digest) + 1)
}

/// How long to wait for the next try after so many rejections, the first of which is so long ago; `None`: there is none.
#[must_use]
pub(crate) fn next_try(rejections: usize, rejected_for: Duration) -> Option<Duration> {
    let waits = AGAIN.get(..rejections)?;
    Some(waits.iter().sum::<Duration>().saturating_sub(rejected_for))
}

/// Why the credentials of a client cannot be tried, whatever the provider answers.
#[must_use]
pub(crate) fn untried(record: &Record, endpoints: &Endpoints) -> Option<String> {
    let method = record.applied_auth_method().unwrap_or("client_secret_basic");
    if method == "none" {
        return Some("the client is public, so it has no credentials that could be tried".to_owned());
    }
    if !matches!(method, "client_secret_basic" | "client_secret_post") {
        return Some(format!(
            "the client authenticates by {method}, which the operator cannot do in its place"
        ));
    }
    if record.client_secret.is_none() {
        return Some("the client has no secret that could be tried".to_owned());
    }
    let none = endpoints.revocation.is_none() && endpoints.introspection.is_none() && endpoints.token.is_none();
    none.then(|| "the provider's metadata names no endpoint at which a client authenticates".to_owned())
}

/// What a try tells.
#[must_use]
pub(crate) fn judged(probed: Probed) -> Outcome {
    match probed {
        Probed::Accepted(_) => Outcome::Accepted,
        Probed::Rejected(_) => Outcome::Rejected,
        Probed::NoAnswer => Outcome::Unanswered,
        Probed::AcceptsAnybody(_) => Outcome::Unproven(
            "the provider accepts the credentials, and those of a client that nobody registered as well".to_owned(),
        ),
        Probed::Unclear => Outcome::Unproven(
            "no answer of the provider's revocation, introspection and token endpoints tells whether it accepts the credentials"
                .to_owned(),
        ),
    }
}

/// What the condition `Verified` says of credentials that the provider did not answer about.
pub(crate) const UNANSWERED: &str = "the provider did not answer when the credentials were tried; they are tried again";

/// A try that the provider did not answer; they are tried again after about as long as it has not answered, an hour at most.
#[must_use]
pub(crate) fn unanswered(client_id: &str, for_long: Duration) -> Failure {
    let text = format!("the provider did not answer when the credentials of client {client_id} were tried");
    Failure::new(Class::Transient, Reason::NotVerifiable, text).after(Some(for_long))
}

/// How long a client waits whose credentials are to be tried again, but cannot be now.
pub(crate) const LATER: Duration = Duration::from_mins(1);

/// Credentials that were rejected for the time being.
#[must_use]
pub(crate) fn pending(client_id: &str, wait: Duration) -> Failure {
    let text = format!(
        "the provider rejects the credentials of client {client_id} as they are in the Secret; they are tried again, because not every server of the \
         provider may know them yet"
    );
    let failure = Failure::new(Class::Transient, Reason::SecretRejected, text);
    failure.after(Some(wait)).within(Some(wait))
}

/// Credentials that were rejected for good.
#[must_use]
pub(crate) fn rejected(record: &Record) -> Failure {
    let client_id = &record.client_id;
    let advice = match (record.applied_auth_method(), record.auth_method()) {
        (Some(applied), Some(stated)) if applied != stated => format!(
            "The provider registered tokenEndpointAuthMethod {stated} instead of {applied}: set spec.tokenEndpointAuthMethod to {stated} and configure \
             the application for it, or compare the secret at the provider"
        ),
        _ => "Compare the authentication method and the secret at the provider".to_owned(),
    };
    let text = format!(
        "the provider rejects the credentials of client {client_id} as they are in the Secret, so applications cannot use them. {advice}, and have them \
         tried again with: kubectl annotate --overwrite oauthclient NAME {}=\"$(date +%s)\"; or have another client registered in its place with: kubectl \
         annotate --overwrite oauthclient NAME {}={client_id}",
        names::RECONCILE,
        names::REPLACE
    );
    Failure::new(Class::Denied, Reason::SecretRejected, text)
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
    use super::*;

    #[test]
    fn t244_another_secret_or_another_method_is_tried_anew_and_the_digest_holds_nothing_of_the_secret() {
        let first = record();
        let mut rotated = first.clone();
        rotated.credential_generation += 1;
        let mut method = first.clone();
        method
            .metadata
            .insert("token_endpoint_auth_method".into(), "client_secret_post".into());
        let mut other = first.clone();
        other.client_id.push('x');
        for changed in [&rotated, &method, &other] {
            assert_ne!(digest(changed), digest(&first));
        }
        let mut secret = first.clone();
        secret.client_secret = Some("another".into());
        assert_eq!(digest(&secret), digest(&first), "its generation tells");
        assert_eq!(digest(&first).len(), KEPT);
    }

    #[test]
    fn t245_a_rejection_is_tried_again_after_5_15_and_60_seconds_and_then_no_more() {
        let seconds = |rejections, ago| next_try(rejections, Duration::from_secs(ago)).map(|wait| wait.as_secs());
        assert_eq!([1, 2, 3].map(|count| seconds(count, 0)), [5, 20, 80].map(Some));
        assert_eq!(
            [seconds(1, 5), seconds(2, 6), seconds(3, 100)],
            [Some(0), Some(14), Some(0)]
        );
        assert_eq!(seconds(4, 1000), None);
    }

    #[test]
    fn t246_what_cannot_be_tried_says_why() {
        let with = |method: &str| {
            let mut record = record();
            record
                .metadata
                .insert("token_endpoint_auth_method".into(), method.into());
            let mut endpoints = record.endpoints.clone();
            endpoints.token = Some("https://p/token".to_owned());
            let found = untried(&record, &endpoints);
            (endpoints.token, endpoints.revocation, endpoints.introspection) = (None, None, None);
            (found, untried(&record, &endpoints))
        };
        assert_eq!(with("client_secret_basic").0, None);
        assert!(with("client_secret_post").1.unwrap().contains("names no endpoint"));
        assert!(with("none").0.unwrap().contains("public"));
        for method in ["private_key_jwt", "tls_client_auth", "client_secret_jwt"] {
            assert!(with(method).0.unwrap().contains(method), "{method}");
        }
    }
}
