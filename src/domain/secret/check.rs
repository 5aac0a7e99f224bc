//! What a credentials Secret cannot be: checked before anything is registered, as the definitions may be older than this
//! program, or the object older than its definition.

use crate::api::names::{self, REFUSED_PREFIXES};
use crate::api::{KeyNames, OAuthClientSpec, Reason, SecretSpec, SecretTemplate};
use crate::domain::failure::{Class, Failure};

use super::credentials::BASIC_AUTH;

/// A value of the Secret: member of `spec.secret.keyNames`, default key, and the key that the spec asks for.
type Key = (&'static str, &'static str, fn(&KeyNames) -> &Option<String>);

/// Every value of the Secret. Those after the first two are written only with `includeProvider`.
const KEYS: [Key; 9] = [
    ("clientID", "client_id", |names| &names.client_id),
    ("clientSecret", "client_secret", |names| &names.client_secret),
    ("issuer", "issuer", |names| &names.issuer),
    ("authorizationEndpoint", "authorization_endpoint", |names| {
        &names.authorization_endpoint
    }),
    ("tokenEndpoint", "token_endpoint", |names| &names.token_endpoint),
    ("jwksURI", "jwks_uri", |names| &names.jwks_uri),
    ("userinfoEndpoint", "userinfo_endpoint", |names| {
        &names.userinfo_endpoint
    }),
    ("endSessionEndpoint", "end_session_endpoint", |names| {
        &names.end_session_endpoint
    }),
    ("tokenEndpointAuthMethod", "token_endpoint_auth_method", |names| {
        &names.token_endpoint_auth_method
    }),
];

/// Whether the credentials Secret of a client can be written as its spec asks.
///
/// # Errors
/// `Invalid` if two values would be written under one key, or a name, label or annotation cannot exist or is refused.
pub fn check(spec: &OAuthClientSpec) -> Result<(), Failure> {
    let Some(secret) = &spec.secret else {
        return Ok(());
    };
    let fault = secret
        .name
        .as_deref()
        .filter(|name| !is_subdomain(name))
        .map(|name| {
            format!(
                "spec.secret.name: `{name}` cannot be the name of a Secret; use lower-case letters, digits and '-' in parts \
                 separated by single dots"
            )
        })
        .or_else(|| shared_key(secret))
        .or_else(|| secret.template.as_deref().and_then(metadata));
    match fault {
        Some(fault) => Err(Failure::new(Class::Invalid, Reason::InvalidSpec, fault)),
        None => Ok(()),
    }
}

/// Whether every value of the Secret has a key of its own.
pub(super) fn has_own_keys(spec: &OAuthClientSpec) -> bool {
    spec.secret.as_ref().and_then(shared_key).is_none()
}

/// What is wrong if two values would be written under one key.
fn shared_key(secret: &SecretSpec) -> Option<String> {
    let names = secret.key_names.as_deref()?;
    let type_ = secret
        .template
        .as_deref()
        .and_then(|template| template.type_.as_deref());
    let basic = type_ == Some(BASIC_AUTH);
    let count = if secret.include_provider.unwrap_or(true) {
        KEYS.len()
    } else {
        2
    };
    let mut seen: Vec<(&str, &str)> = Vec::with_capacity(count);
    for (member, default, name) in KEYS.iter().take(count) {
        let default = match *default {
            "client_id" if basic => "username",
            "client_secret" if basic => "password",
            default => default,
        };
        let key = name(names).as_deref().unwrap_or(default);
        if let Some((_, other)) = seen.iter().find(|(had, _)| *had == key) {
            return Some(format!(
                "spec.secret.keyNames: {other} and {member} would both be written under the key `{key}`; give each a key of \
                 its own"
            ));
        }
        seen.push((key, member));
    }
    None
}

/// What is wrong with labels or annotations.
fn metadata(template: &SecretTemplate) -> Option<String> {
    let labels = template.labels.iter().flatten().map(|(key, _)| ("labels", key));
    let annotations = template
        .annotations
        .iter()
        .flatten()
        .map(|(key, _)| ("annotations", key));
    labels.chain(annotations).find_map(|(kind, key)| {
        if !is_qualified(key) {
            Some(format!(
                "spec.secret.template.{kind}: `{key}` is not a qualified name; use a name of at most 63 letters, digits, '-', \
                 '_' and '.', with a DNS subdomain and '/' before it if you like"
            ))
        } else if is_refused(key) {
            Some(format!(
                "spec.secret.template.{kind}: `{key}` is refused, because other controllers or this operator act on it; \
                 remove it"
            ))
        } else {
            None
        }
    })
}

/// Whether other controllers, or this operator, act on a label or annotation of this key.
fn is_refused(key: &str) -> bool {
    let Some((domain, _)) = key.split_once('/') else {
        return false;
    };
    if names::RECOMMENDED_LABELS.contains(&key) {
        return false;
    }
    REFUSED_PREFIXES.iter().any(|refused| {
        domain
            .strip_suffix(refused)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// A DNS subdomain (RFC 1123).
fn is_subdomain(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|part| {
            let edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
            let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            edge(part.as_bytes().first()) && edge(part.as_bytes().last()) && part.bytes().all(inner)
        })
}

/// A qualified name: an optional DNS subdomain with a slash, and a name.
fn is_qualified(key: &str) -> bool {
    let (domain, name) = key
        .split_once('/')
        .map_or((None, key), |(domain, name)| (Some(domain), name));
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    domain.is_none_or(is_subdomain)
        && name.len() <= 63
        && edge(name.as_bytes().first())
        && edge(name.as_bytes().last())
        && name.bytes().all(inner)
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "json! literals read best by value")]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn said(secret: Value) -> Option<String> {
        let spec = json!({"providerRef": {"name": "p"}, "secret": secret});
        let spec: OAuthClientSpec = serde_json::from_value(spec).unwrap();
        check(&spec).err().map(|failure| {
            assert_eq!((failure.class, failure.reason), (Class::Invalid, Reason::InvalidSpec));
            failure.message
        })
    }

    #[test]
    fn two_values_under_one_key_are_refused_with_both_names() {
        for (secret, told) in [
            (
                json!({"keyNames": {"clientID": "same", "clientSecret": "same"}}),
                "clientID and clientSecret",
            ),
            (json!({"keyNames": {"clientID": "issuer"}}), "clientID and issuer"),
            (
                json!({"keyNames": {"userinfoEndpoint": "client_secret"}}),
                "clientSecret and userinfoEndpoint",
            ),
            (
                json!({"keyNames": {"clientID": "password"}, "template": {"type": "kubernetes.io/basic-auth"}}),
                "clientID and clientSecret",
            ),
        ] {
            let message = said(secret.clone()).unwrap_or_else(|| panic!("accepted: {secret}"));
            assert!(
                message.contains("spec.secret.keyNames") && message.contains(told),
                "{message}"
            );
        }
    }

    #[test]
    fn keys_of_values_that_are_not_written_are_free() {
        for secret in [
            json!({"keyNames": {"clientID": "issuer"}, "includeProvider": false}),
            json!({"keyNames": {"clientID": "password"}}),
            json!({"keyNames": {"clientID": "client_id", "issuer": "ISSUER"}}),
            json!({"keyNames": {"clientID": "client_secret", "clientSecret": "client_id"}}),
        ] {
            assert_eq!(said(secret.clone()), None, "{secret}");
        }
    }

    #[test]
    fn names_that_the_api_server_refuses_are_refused_here() {
        for name in ["a..b", "A", "-a", "a-", "a.", ""] {
            let message = said(json!({"name": name})).unwrap_or_else(|| panic!("accepted: {name}"));
            assert!(message.contains("spec.secret.name"), "{message}");
        }
        assert_eq!(said(json!({"name": "a.b-1"})), None);
    }

    #[test]
    fn labels_that_others_act_on_and_keys_that_are_none_are_refused() {
        for key in [
            "bad key",
            "a/b/c",
            "/a",
            "-a",
            "kubernetes.io/service-name",
            "node.kubernetes.io/x",
            "app.kubernetes.io/managed-by",
            "argocd.argoproj.io/secret-type",
            "oauth-client-operator.dev/role",
        ] {
            for kind in ["labels", "annotations"] {
                let message =
                    said(json!({"template": {kind: {key: "x"}}})).unwrap_or_else(|| panic!("accepted: {key}"));
                assert!(
                    message.contains(&format!("spec.secret.template.{kind}: `{key}`")),
                    "{message}"
                );
            }
        }
        for key in [
            "team",
            "example.com/team",
            "mykubernetes.io/x",
            "app.kubernetes.io/part-of",
            "app.kubernetes.io/name",
        ] {
            assert_eq!(said(json!({"template": {"labels": {key: "x"}}})), None, "{key}");
        }
    }
}
