//! Reads what is of use of a Secret or ConfigMap, if its owner has consented.

use std::sync::Arc;

use kube::core::ObjectMeta;

use crate::api::{Reason, names};
use crate::cluster::{ApiError, Consent, ProviderKey};
use crate::domain::failure::{Class, Failure};

use super::cached::CachedObject;
use super::{Named, Source, Wanted, known};

/// Reads an object that `field` of a provider object names.
///
/// # Errors
/// It does not exist, its owner has not consented, or the API server does not tell.
pub(super) async fn read(
    key: &ProviderKey,
    field: &str,
    name: &str,
    wanted: Wanted,
    source: &Source<'_>,
) -> Result<Arc<CachedObject>, Failure> {
    let what = format!("{} {}/{name}", wanted.kind(), source.namespace);
    let slot = (source.namespace.to_owned(), name.to_owned(), wanted);
    let absent = || {
        let text = format!("{key}: spec.{field} names {what}, which does not exist; create it");
        Failure::new(Class::Denied, Reason::CredentialsMissing, text)
    };
    let consents =
        |consent: &Consent| check_consent(key, field, &slot, consent).inspect_err(|_| source.cache.remove(&slot));
    let kept_copy = || {
        source.cache.remove(&slot);
        source.kept.and_then(|kept| kept.secrets.of(&slot)).ok_or_else(absent)
    };
    let unread = |error: ApiError| match error {
        ApiError::Forbidden { .. } if source.kept.is_some_and(|kept| kept.provider_gone) => kept_copy(),
        error => Err(error.failure(&what)),
    };

    if let Some(consent) = known(source.index, source.providers, &slot) {
        consents(&consent)?;
        if let Some(held) = source.cache.get(&slot)
            && held.resource_version == *consent.resource_version
        {
            return Ok(held);
        }
    } else {
        // The watch may lag behind.
        match head(source, &slot).await {
            Ok(Some(head)) => consents(&Consent::of(&head))?,
            Ok(None) => return kept_copy(),
            Err(error) => return unread(error),
        }
    }
    let held = {
        // It is never closed.
        let _reader = source.cache.readers.acquire().await;
        let (consent, found) = match get(source, &slot).await {
            Ok(Some(found)) => found,
            Ok(None) => return kept_copy(),
            Err(error) => return unread(error),
        };
        // It may have changed since its metadata was looked at.
        consents(&consent)?;
        Arc::new(found)
    };
    source.cache.put(slot, &held);
    Ok(held)
}

async fn head(source: &Source<'_>, (namespace, name, wanted): &Named) -> Result<Option<ObjectMeta>, ApiError> {
    match wanted {
        Wanted::Secret(_) => source.secrets.head(namespace, name).await,
        Wanted::ConfigMap(_) => source.config_maps.head(namespace, name).await,
    }
}

/// The whole object is read for its one or two keys: the API server shows no part of it.
async fn get(
    source: &Source<'_>,
    (namespace, name, wanted): &Named,
) -> Result<Option<(Consent, CachedObject)>, ApiError> {
    Ok(match wanted {
        Wanted::Secret(members) => {
            let found = source.secrets.get(namespace, name).await?;
            found.map(|secret| (Consent::of(&secret.metadata), CachedObject::of_secret(&secret, members)))
        }
        Wanted::ConfigMap(member) => {
            let found = source.config_maps.get(namespace, name).await?;
            found.map(|map| (Consent::of(&map.metadata), CachedObject::of_config_map(&map, member)))
        }
    })
}

/// Without the owner's consent, whoever may create a provider could send any Secret of the namespace anywhere. What a ConfigMap holds is sent
/// to nobody, but a message or a record could tell of it.
fn check_consent(
    key: &ProviderKey,
    field: &str,
    (namespace, name, wanted): &Named,
    consent: &Consent,
) -> Result<(), Failure> {
    let kind = wanted.kind();
    let missing = |command: String| {
        let text = format!(
            "{key}: spec.{field} uses {kind} {namespace}/{name}, whose owner has not consented; if you own it: kubectl -n {namespace} {command}"
        );
        Err(Failure::new(Class::Denied, Reason::ConsentMissing, text))
    };
    let resource = kind.to_ascii_lowercase();
    if !consent.labelled {
        return missing(format!("label {resource} {name} {}=true", names::PROVIDER_CREDENTIALS));
    }
    let namespaced = !key.namespace.is_empty();
    if namespaced && !consent.lists_origins {
        return missing(format!(
            "annotate {resource} {name} {}=https://ORIGIN-OF-THE-PROVIDER",
            names::ALLOWED_ORIGINS
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::BEARER;
    use super::*;

    #[test]
    fn t351_the_message_has_the_command_that_gives_the_consent_for_either_kind() {
        let (shop, cluster) = (ProviderKey::namespaced("shop", "id"), ProviderKey::cluster("id"));
        let consent = |labelled, lists_origins| Consent {
            uid: "u".into(),
            resource_version: "1".into(),
            labelled,
            lists_origins,
        };
        for (wanted, kind, resource) in [
            (Wanted::Secret(BEARER), "Secret", "secret"),
            (Wanted::ConfigMap("ca.crt".to_owned()), "ConfigMap", "configmap"),
        ] {
            let slot = ("shop".to_owned(), "ca".to_owned(), wanted);
            let refused = |key: &ProviderKey, consent| check_consent(key, "f", &slot, &consent).unwrap_err();
            for consent in [consent(false, false), consent(false, true)] {
                let failure = refused(&shop, consent);
                assert_eq!(failure.reason, Reason::ConsentMissing);
                let command = format!(
                    "uses {kind} shop/ca, whose owner has not consented; if you own it: kubectl -n shop label {resource} ca \
                     oauth-client-operator.dev/provider-credentials=true"
                );
                assert!(failure.message.ends_with(&command), "{failure}");
            }
            let failure = refused(&shop, consent(true, false));
            let command = format!(
                "kubectl -n shop annotate {resource} ca oauth-client-operator.dev/allowed-origins=https://ORIGIN-OF-THE-PROVIDER"
            );
            assert!(failure.message.ends_with(&command), "{failure}");
            assert!(check_consent(&shop, "f", &slot, &consent(true, true)).is_ok());
            assert!(check_consent(&cluster, "f", &slot, &consent(true, false)).is_ok());
            assert!(check_consent(&cluster, "f", &slot, &consent(false, true)).is_err());
        }
    }
}
