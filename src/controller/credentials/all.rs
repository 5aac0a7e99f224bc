//! Every Secret and ConfigMap of a provider object at once, in order to keep what they hold.

use std::sync::Arc;

use crate::api::{ProviderSettings, Reason, SecretBacked};
use crate::cluster::ProviderKey;
use crate::domain::failure::Failure;

use super::{CachedObject, Named, STATEMENT, Source, TLS, Value, Wanted, named, own, presented, read};

/// What was read of all Secrets and ConfigMaps of a provider object: only the named keys, each value usable.
#[derive(Clone, Debug, Default)]
pub(in crate::controller) struct AllRead(Vec<(Named, Arc<CachedObject>)>);

/// Why not all of them were read.
#[derive(Debug)]
pub(in crate::controller) enum Unread {
    /// One of them does not exist.
    Gone,
    /// The owner of one has not consented, or one lacks a usable value.
    Withdrawn,
    /// It is unknown.
    Failed(Failure),
}

/// Reads every Secret and ConfigMap of a provider object.
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
    let mut used: Vec<(&str, Vec<&str>, Wanted)> = Vec::new();
    for (field, auth) in fields {
        let Some(auth) = auth else { continue };
        if own(auth).is_some() {
            // It does not vanish with the provider object.
            continue;
        }
        let (_, members) = named(auth).ok_or(Unread::Withdrawn)?;
        used.push((field, auth.secrets().collect(), Wanted::Secret(members)));
    }
    if let Some(SecretBacked { secret_ref }) = &settings.tls_client_auth {
        used.push((presented::CERTIFICATE, vec![&secret_ref.name], Wanted::Secret(TLS)));
    }
    if let Some(SecretBacked { secret_ref }) = &settings.software_statement {
        used.push((
            presented::SOFTWARE_STATEMENT,
            vec![&secret_ref.name],
            Wanted::Secret(STATEMENT),
        ));
    }
    if let Some(from) = settings.authorities() {
        let (name, wanted, _) = presented::holder(from).ok_or(Unread::Withdrawn)?;
        used.push((presented::CA_BUNDLE, vec![name], wanted));
    }
    let (mut all, mut gone, mut failed) = (AllRead::default(), false, None);
    for (field, names, wanted) in used {
        // Of several tokens one is enough.
        let (mut found, mut missing, mut withdrawn) = (false, false, false);
        for name in names {
            match read(key, field, name, wanted.clone(), source).await {
                Ok(held) if held.values.iter().all(|value| matches!(value, Value::Usable(_))) => {
                    found = true;
                    let slot = (source.namespace.to_owned(), name.to_owned(), wanted.clone());
                    all.0.push((slot, held));
                }
                Ok(_) => withdrawn = true,
                Err(failure) => match failure.reason {
                    Reason::CredentialsMissing => missing = true,
                    Reason::ConsentMissing => withdrawn = true,
                    _ => failed = Some(failure),
                },
            }
        }
        // One whose owner has withdrawn the consent may come after one that is gone.
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
    pub(super) fn of(&self, slot: &Named) -> Option<Arc<CachedObject>> {
        let found = self.0.iter().find(|(named, _)| named == slot);
        found.map(|(_, held)| Arc::clone(held))
    }

    /// Takes the authorities out of it.
    pub(in crate::controller) fn take_authorities(&mut self) -> Self {
        let (authorities, others) = self
            .0
            .drain(..)
            .partition(|((_, _, wanted), _)| wanted.holds_authorities());
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
