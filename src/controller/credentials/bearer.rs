//! Bearer tokens from a list of Secrets: what each holds, when it expires, and which one is used.

use crate::api::{BearerAuth, Reason};
use crate::cluster::ProviderKey;
use crate::domain::bearer::{self, ListedToken};
use crate::domain::failure::{Class, Failure};
use crate::domain::target::Credentials;

use super::cached::Expiry;
use super::{BEARER, Source, Wanted, read};

/// Reads the tokens of a provider object. A Secret that cannot be used is passed over as long as another one can. The versions of the
/// Secrets are added to `versions`.
///
/// # Errors
/// What is wrong with the first, if none can be used; or the API server does not tell.
pub(super) async fn tokens(
    key: &ProviderKey,
    field: &str,
    auth: &BearerAuth,
    source: &Source<'_>,
    versions: &mut Vec<String>,
) -> Result<Credentials, Failure> {
    let (mut tokens, mut first) = (Vec::new(), None);
    for name in auth.secrets() {
        let token = match token(key, field, name, source).await {
            Ok(token) => token,
            Err(failure) if failure.is_settled() => {
                let token = ListedToken {
                    secret: name.to_owned(),
                    version: String::new(),
                    value: Err(failure.message.clone()),
                    origins: None,
                    expires_at: None,
                    remark: None,
                    refusal: None,
                };
                first.get_or_insert(failure);
                token
            }
            Err(failure) => return Err(failure),
        };
        versions.push(format!("{name}@{}", token.version));
        tokens.push(token);
    }
    let Some(used) = Credentials::of_tokens(&tokens, source.now).into_iter().next() else {
        let none = || {
            Failure::new(
                Class::Invalid,
                Reason::InvalidSpec,
                format!("{key}: spec.{field} names no Secret"),
            )
        };
        return Err(first.unwrap_or_else(none));
    };
    Ok(Credentials { tokens, ..used })
}

async fn token(key: &ProviderKey, field: &str, name: &str, source: &Source<'_>) -> Result<ListedToken, Failure> {
    let held = read(key, field, name, Wanted::Secret(BEARER), source).await?;
    let secret = format!("Secret {}/{name}", source.namespace);
    let value = held.value(key, field, &secret, (0, BEARER[0]))?;
    let (stated, remark) = match &held.expires_at {
        Expiry::Unstated => (None, None),
        Expiry::At(at) => (Some(*at), None),
        Expiry::Unreadable => (None, Some(Expiry::REMARK.to_owned())),
    };
    let expires_at = bearer::expires_at(&value, stated);
    let refusal = source.refusals.of(source.uid, &value);
    Ok(ListedToken {
        secret: name.to_owned(),
        version: held.resource_version.clone(),
        origins: held.allowed_origins.clone(),
        value: Ok(value),
        expires_at,
        remark,
        refusal,
    })
}
