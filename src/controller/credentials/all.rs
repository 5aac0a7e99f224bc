//! Every Secret of a provider object at once, in order to keep what it holds.

use std::sync::Arc;

use crate::api::{ProviderSettings, Reason, SecretBacked};
use crate::cluster::ProviderKey;
use crate::domain::failure::Failure;

use super::{AUTHORITIES, CachedSecret, Members, Named, STATEMENT, Source, TLS, Value, named, own, presented, read};

/// What was read of all Secrets of a provider object: only the named keys, each value usable.
#[derive(Clone, Debug, Default)]
pub(in crate::controller) struct AllRead(Vec<(Named, Arc<CachedSecret>)>);

/// Why not all Secrets of a provider object were read.
#[derive(Debug)]
pub(in crate::controller) enum Unread {
    /// One of them does not exist.
    Gone,
    /// The owner of one has not consented, or one lacks a usable value.
    Withdrawn,
    /// It is unknown.
    Failed(Failure),
}

/// Reads every credentials Secret of a provider object.
pub(in crate::controller) async fn read_all(
    key: &ProviderKey,
    settings: &ProviderSettings,
    source: &Source<'_>,
) -> Result<AllRead, Unread> {
    let fields = [
        ("discoveryAuth", &settings.discovery_auth),
        ("registrationAuth", &settings.registration_auth),
        ("managementAuth", &settings.management_auth),
    ];
    let mut used: Vec<(&str, Vec<&str>, Members)> = Vec::new();
    for (field, auth) in fields {
        let Some(auth) = auth else { continue };
        if own(auth).is_some() {
            // It does not vanish with the provider object.
            continue;
        }
        let (_, members) = named(auth).ok_or(Unread::Withdrawn)?;
        used.push((field, auth.secrets().collect(), members));
    }
    if let Some(SecretBacked { secret_ref }) = &settings.tls_client_auth {
        used.push((presented::CERTIFICATE, vec![&secret_ref.name], TLS));
    }
    if let Some(SecretBacked { secret_ref }) = &settings.software_statement {
        used.push((presented::SOFTWARE_STATEMENT, vec![&secret_ref.name], STATEMENT));
    }
    if let Some(SecretBacked { secret_ref }) = settings.tls.as_ref().and_then(|tls| tls.ca_bundle_from.as_ref()) {
        used.push((presented::CA_BUNDLE, vec![&secret_ref.name], AUTHORITIES));
    }
    let (mut all, mut gone, mut failed) = (AllRead::default(), false, None);
    for (field, secrets, members) in used {
        // Of several tokens one is enough.
        let (mut found, mut missing, mut withdrawn) = (false, false, false);
        for name in secrets {
            match read(key, field, name, members, source).await {
                Ok(held) if held.values.iter().all(|value| matches!(value, Value::Usable(_))) => {
                    found = true;
                    all.0
                        .push(((source.namespace.to_owned(), name.to_owned(), members), held));
                }
                Ok(_) => withdrawn = true,
                Err(failure) => match failure.reason {
                    Reason::CredentialsMissing => missing = true,
                    Reason::ConsentMissing => withdrawn = true,
                    _ => failed = Some(failure),
                },
            }
        }
        // A Secret whose owner has withdrawn the consent may come after one that is gone.
        if withdrawn && !found {
            return Err(Unread::Withdrawn);
        }
        gone |= missing && !found;
    }
    match failed {
        Some(failure) => Err(Unread::Failed(failure)),
        None if gone => Err(Unread::Gone),
        None => Ok(all),
    }
}

impl AllRead {
    pub(super) fn of(&self, slot: &Named) -> Option<Arc<CachedSecret>> {
        let found = self.0.iter().find(|(named, _)| named == slot);
        found.map(|(_, held)| Arc::clone(held))
    }

    /// Takes the authorities out of it.
    pub(in crate::controller) fn take_authorities(&mut self) -> Self {
        let (authorities, others) = self
            .0
            .drain(..)
            .partition(|((_, _, members), _)| *members == AUTHORITIES);
        self.0 = others;
        Self(authorities)
    }

    /// Adds what was taken out of it.
    pub(in crate::controller) fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// What it weighs, in bytes.
    pub(in crate::controller) fn weight(&self) -> usize {
        self.0.iter().map(|(_, held)| held.weight()).sum()
    }
}
