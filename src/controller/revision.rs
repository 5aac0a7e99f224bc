//! The revision of a provider object: a digest of all that a verdict about a client rests on there. Its status holds the one that
//! every client was compared with.
//!
//! It covers UID and generation of the object (and with the generation inline authorities), and of the Secrets that it names the
//! values in use and the consent; of a Secret or ConfigMap with authorities, their digest; and the endpoints that discovery found. What it covers of Secrets is keyed: a plain digest in a status would tell whoever reads it whether
//! a guessed password is the right one. The key is made when the first provider object has credentials.

use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use ring::rand::SecureRandom as _;
use ring::{digest, hmac};
use secrecy::ExposeSecret as _;
use tokio::sync::OnceCell;

use crate::api::{Reason, names};
use crate::cluster::{ApiError, ProviderKey};
use crate::domain::bearer::ListedToken;
use crate::domain::bundle;
use crate::domain::failure::{Class, Failure};
use crate::domain::metadata::hex;
use crate::domain::pass::Provider;
use crate::domain::target::{AuthScheme, Credentials, Endpoints, Presented};

use super::context::Context;

/// Name of the Secret that holds the key, in the operator's namespace.
const NAME: &str = "oauth-client-operator-revision-key";
/// Its one key.
const DATA_KEY: &str = "key";
/// Stands between the digest of the settings and that of the endpoints.
const SEPARATOR: char = '-';
/// Digits of the one and of the other. The schema has room for 64 characters.
const SETTINGS: usize = 39;
const ENDPOINTS: usize = 24;
/// Length of the key, in bytes.
const LENGTH: usize = 32;

/// The key, once it was read.
#[derive(Default)]
pub(super) struct RevisionKey(OnceCell<hmac::Key>);

/// The revision of a provider object that resolved, or could not be resolved for a reason that does not pass by itself. `found`: the
/// endpoints that discovery found; `None`: it is not known what it finds, so it counts for what clients were compared with last.
///
/// # Errors
/// It cannot be told now.
pub(super) async fn of(
    cx: &Context,
    key: &ProviderKey,
    provider: &Result<Arc<Provider>, Failure>,
    found: Option<&Endpoints>,
) -> Result<String, Failure> {
    let mut settings = of_settings(cx, key, provider).await?;
    settings.truncate(SETTINGS);
    let last = || {
        let stated = || cx.provider_status(key)?.0.compared_revision;
        cx.comparisons.last(key).or_else(stated)
    };
    Ok(
        match found
            .map(digest_of)
            .or_else(|| Some(last()?.split_once(SEPARATOR)?.1.to_owned()))
        {
            Some(endpoints) => format!("{settings}{SEPARATOR}{endpoints}"),
            None => settings,
        },
    )
}

/// Digest of the endpoints of a provider, as records keep them.
fn digest_of(endpoints: &Endpoints) -> String {
    let text = serde_json::to_vec(&endpoints.recorded()).unwrap_or_default();
    let mut digest = hex(digest::digest(&digest::SHA256, &text).as_ref());
    digest.truncate(ENDPOINTS);
    digest
}

async fn of_settings(
    cx: &Context,
    key: &ProviderKey,
    provider: &Result<Arc<Provider>, Failure>,
) -> Result<String, Failure> {
    let (uid, generation, settings) = cx.provider_object(key)?;
    let mut plain = digest::Context::new(&digest::SHA256);
    let mut add = |text: &str| feed(text, |bytes| plain.update(bytes));
    add(&uid);
    add(&generation.to_string());
    let (credentials, presented) = match provider {
        Ok(provider) => {
            let target = &provider.target;
            if settings.tls.is_some_and(|tls| tls.ca_bundle_from.is_some())
                && let Some(pem) = &target.ca_bundle
            {
                add(&bundle::digest_of(pem));
            }
            (
                [&target.discovery, &target.registration, &target.management],
                shown(&target.presented),
            )
        }
        Err(failure) if failure.is_settled() => {
            // Which Secret lacks what; nothing of a value.
            add(&failure.message);
            return Ok(hex(plain.finish().as_ref()));
        }
        Err(failure) => return Err(failure.clone()),
    };
    let plain = plain.finish();
    let is_open = |credentials: &&Credentials| matches!(credentials.scheme, AuthScheme::None);
    if credentials.iter().all(is_open) && presented.is_empty() {
        return Ok(hex(plain.as_ref()));
    }
    let mut keyed = hmac::Context::with_key(hmac_key(cx).await?);
    keyed.update(plain.as_ref());
    for credentials in credentials {
        for part in parts(credentials) {
            feed(part, |bytes| keyed.update(bytes));
        }
    }
    for part in presented {
        feed(part, |bytes| keyed.update(bytes));
    }
    Ok(hex(keyed.sign().as_ref()))
}

/// What is shown beside credentials; nothing if there is nothing.
fn shown(presented: &Presented) -> Vec<&str> {
    let mut parts = Vec::new();
    if let Some(certificate) = &presented.certificate {
        parts.extend([
            "certificate",
            certificate.chain.expose_secret(),
            certificate.key.expose_secret(),
        ]);
        parts.extend(listed(certificate.origins.as_ref()));
    }
    if let Some(statement) = &presented.software_statement {
        parts.extend(["statement", statement.jwt.expose_secret()]);
        parts.extend(listed(statement.origins.as_ref()));
    }
    parts
}

/// A text with its length before it, so that no two lists of texts look the same.
fn feed(text: &str, mut update: impl FnMut(&[u8])) {
    update(&text.len().to_be_bytes());
    update(text.as_bytes());
}

/// Of a list all tokens count, whichever is in use: a refusal says nothing about the clients.
fn parts(credentials: &Credentials) -> Vec<&str> {
    if credentials.issuer_only {
        // The kubelet replaces it every hour.
        return vec!["serviceAccountToken"];
    }
    if !credentials.tokens.is_empty() {
        return credentials.tokens.iter().flat_map(listed_token).collect();
    }
    let mut parts = match &credentials.scheme {
        AuthScheme::None => vec!["none"],
        AuthScheme::Basic { username, password } => vec!["basic", username.expose_secret(), password.expose_secret()],
        AuthScheme::Bearer(token) => vec!["bearer", token.expose_secret()],
        // What is asked for, and how, stands in the object, and its generation counts already.
        AuthScheme::ClientCredentials(grant) => {
            let secret = grant.proof.secret();
            vec!["client", grant.client_id.expose_secret(), secret.expose_secret()]
        }
        AuthScheme::Header { name, value } => vec!["header", name, value.expose_secret()],
    };
    parts.extend(listed(credentials.origins.as_ref()));
    parts
}

fn listed_token(token: &ListedToken) -> Vec<&str> {
    let Ok(value) = &token.value else {
        return vec!["unusable"];
    };
    let mut parts = vec!["bearer", value.expose_secret()];
    parts.extend(listed(token.origins.as_ref()));
    parts
}

/// Origins that the owner of a Secret lists.
fn listed(origins: Option<&Vec<String>>) -> Vec<&str> {
    origins.map_or_else(
        || vec!["anywhere"],
        |origins| origins.iter().map(String::as_str).collect(),
    )
}

/// The key, from its Secret, which is made if there is none. Whoever deletes it has every client looked at once.
async fn hmac_key(cx: &Context) -> Result<&hmac::Key, Failure> {
    cx.revision_key.0.get_or_try_init(|| read_or_make(cx)).await
}

async fn read_or_make(cx: &Context) -> Result<hmac::Key, Failure> {
    let home = &cx.here.namespace;
    let failed = |error: &ApiError| error.failure(&format!("Secret {home}/{NAME}"));
    for _ in 0..2 {
        if let Some(secret) = cx.secrets.get(home, NAME).await.map_err(|error| failed(&error))? {
            let bytes = secret.data.as_ref().and_then(|data| data.get(DATA_KEY));
            return match bytes {
                Some(bytes) if bytes.0.len() >= LENGTH => Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes.0)),
                _ => Err(unusable(home)),
            };
        }
        let mut bytes = vec![0; LENGTH];
        cx.random.fill(&mut bytes).map_err(|_| unusable(home))?;
        let made = Secret {
            metadata: ObjectMeta {
                name: Some(NAME.to_owned()),
                namespace: Some(home.clone()),
                labels: Some([(names::MANAGED_BY.to_owned(), names::FIELD_MANAGER.to_owned())].into()),
                ..ObjectMeta::default()
            },
            data: Some([(DATA_KEY.to_owned(), ByteString(bytes.clone()))].into()),
            ..Secret::default()
        };
        match cx.secrets.create(&made).await {
            Ok(_) => return Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes)),
            Err(ApiError::AlreadyExists) => {}
            Err(error) => return Err(failed(&error)),
        }
    }
    Err(failed(&ApiError::Conflict))
}

fn unusable(home: &str) -> Failure {
    let text = format!("Secret {home}/{NAME} holds no key of {LENGTH} bytes; delete it, so that another one is made");
    Failure::new(Class::Transient, Reason::InternalError, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::bearer::Refusal;

    fn revision(scheme: AuthScheme, origins: Option<&[&str]>) -> Vec<u8> {
        let credentials = Credentials {
            scheme,
            origins: origins.map(|origins| origins.iter().map(|origin| (*origin).to_owned()).collect()),
            ..Credentials::default()
        };
        of_parts(&credentials)
    }

    #[test]
    fn t268_a_renewed_token_of_the_service_account_is_no_change() {
        let own = |token: &str, issuer_only| {
            of_parts(&Credentials {
                scheme: AuthScheme::Bearer(token.into()),
                origins: Some(vec!["https://id".to_owned()]),
                issuer_only,
                ..Credentials::default()
            })
        };
        assert_eq!(own("first", true), own("second", true));
        assert_ne!(own("first", true), own("first", false));
        assert_ne!(own("first", false), own("second", false));
    }

    /// Of a list whose first token is in use.
    fn listed(tokens: &[(&str, Option<u64>)]) -> Vec<u8> {
        let token = |(value, refused): &(&str, Option<u64>)| ListedToken {
            secret: "s".to_owned(),
            version: "1".to_owned(),
            value: Ok((*value).into()),
            origins: None,
            expires_at: None,
            remark: None,
            refusal: refused.map(|number| Refusal {
                number,
                words: "status 401".to_owned(),
            }),
        };
        of_parts(&Credentials {
            scheme: AuthScheme::Bearer(tokens[0].0.into()),
            tokens: tokens.iter().map(token).collect(),
            ..Credentials::default()
        })
    }

    fn of_parts(credentials: &Credentials) -> Vec<u8> {
        let mut keyed = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, b"key"));
        for part in parts(credentials) {
            feed(part, |bytes| keyed.update(bytes));
        }
        keyed.sign().as_ref().to_vec()
    }

    #[test]
    fn t146_a_revision_tells_apart_what_is_sent_and_where_it_may_go() {
        let bearer = |token: &str| AuthScheme::Bearer(token.into());
        let basic = |username: &str, password: &str| AuthScheme::Basic {
            username: username.into(),
            password: password.into(),
        };
        let header = |name: &str| AuthScheme::Header {
            name: name.to_owned(),
            value: "a".into(),
        };
        let all = [
            revision(bearer("a"), None),
            revision(bearer("b"), None),
            revision(bearer("a"), Some(&[])),
            revision(bearer("a"), Some(&["https://a"])),
            revision(bearer("a"), Some(&["https://a", "https://b"])),
            revision(basic("a", "bc"), None),
            revision(basic("ab", "c"), None),
            revision(header("X-A"), None),
            revision(header("X-B"), None),
        ];
        for (at, one) in all.iter().enumerate() {
            assert_eq!(all.iter().position(|other| other == one), Some(at));
        }
    }
    #[test]
    fn t261_a_revision_covers_every_token_of_a_list_and_no_refusal() {
        let one = listed(&[("a", None), ("b", None)]);
        assert_ne!(one, listed(&[("a", None), ("c", None)]));
        assert_ne!(one, listed(&[("a", None)]));
        assert_eq!(
            one,
            listed(&[("a", Some(1)), ("b", None)]),
            "a refusal says nothing about the clients"
        );
    }
}
