//! What was read of Secrets and ConfigMaps, with a bound.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use crate::bounded::Bounded;
use crate::cluster::{ProviderCache, SecretIndex};

use super::cached::CachedObject;
use super::{Named, known};

/// What the cached credentials weigh at most, in bytes.
const MOST_BYTES: usize = 2 * 1024 * 1024;
/// The same of authorities, which are much longer: they must not drive credentials out.
const MOST_BYTES_OF_AUTHORITIES: usize = 2 * 1024 * 1024;
/// Objects that are read at the same time: each may be as large as the API server allows.
const READERS: usize = 4;

type Values = Bounded<Named, Arc<CachedObject>>;

/// Values of Secrets and ConfigMaps, each kept until its resource version changes.
#[derive(Debug)]
pub(in crate::controller) struct CredentialCache {
    credentials: Mutex<Values>,
    authorities: Mutex<Values>,
    pub(super) readers: Semaphore,
}

impl Default for CredentialCache {
    fn default() -> Self {
        Self {
            credentials: Mutex::new(Bounded::new(MOST_BYTES)),
            authorities: Mutex::new(Bounded::new(MOST_BYTES_OF_AUTHORITIES)),
            readers: Semaphore::new(READERS),
        }
    }
}

impl CredentialCache {
    pub(super) fn get(&self, slot: &Named) -> Option<Arc<CachedObject>> {
        let mut kept = self.values(slot);
        kept.get(slot).map(|held| held.clone())
    }

    pub(super) fn put(&self, slot: Named, held: &Arc<CachedObject>) {
        let mut kept = self.values(&slot);
        kept.insert_weighing(slot, held.clone(), held.weight());
    }

    pub(super) fn remove(&self, slot: &Named) {
        self.values(slot).remove(slot);
    }

    /// Forgets the objects that do not exist any more, or may no longer be used.
    pub(in crate::controller) fn forget_the_gone(&self, index: &SecretIndex, providers: &ProviderCache) {
        self.retain(|slot| known(index, providers, slot).is_some());
    }

    fn retain(&self, exists: impl Fn(&Named) -> bool) {
        for kept in [&self.credentials, &self.authorities] {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.retain(&exists);
        }
    }

    fn values(&self, (_, _, wanted): &Named) -> MutexGuard<'_, Values> {
        let kept = if wanted.holds_authorities() {
            &self.authorities
        } else {
            &self.credentials
        };
        kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;
    use k8s_openapi::api::core::v1::Secret;
    use secrecy::ExposeSecret as _;

    use super::super::cached::Value;
    use super::super::{AUTHORITIES, BEARER, Wanted};
    use super::*;

    fn secret(data: &[(&str, &[u8])]) -> Secret {
        let data = data
            .iter()
            .map(|(key, value)| ((*key).to_owned(), ByteString(value.to_vec())));
        Secret {
            data: Some(data.collect()),
            ..Secret::default()
        }
    }

    #[test]
    fn t99_only_the_named_keys_of_a_secret_are_kept() {
        let large = vec![b'x'; 900_000];
        let held = CachedObject::of_secret(&secret(&[("token", b"t0ken"), ("other", &large)]), BEARER);
        assert!(held.weight() < 1024, "{}", held.weight());
        assert!(matches!(&held.values[..], [Value::Usable(token)] if token.expose_secret() == "t0ken"));
        let held = CachedObject::of_secret(&secret(&[("token", &large)]), BEARER);
        assert!(held.weight() < 1024, "{}", held.weight());
        assert!(matches!(held.values[..], [Value::TooLong(900_000, _)]));
    }

    #[test]
    fn t99_the_cache_keeps_no_more_than_its_bound_and_forgets_what_is_gone() {
        let cache = CredentialCache::default();
        let long = vec![b'x'; 16 * 1024];
        let held = Arc::new(CachedObject::of_secret(&secret(&[("token", &long)]), BEARER));
        let slot = |number: usize| ("ns".to_owned(), format!("s{number}"), Wanted::Secret(BEARER));
        for number in 0..1000 {
            cache.put(slot(number), &held);
        }
        let kept = |cache: &CredentialCache| (0..1000).filter(|number| cache.get(&slot(*number)).is_some()).count();
        assert_eq!(kept(&cache), MOST_BYTES / held.weight());
        cache.retain(|(_, name, _)| name == "s999");
        assert_eq!(kept(&cache), 1);
        cache.remove(&slot(999));
        assert_eq!(kept(&cache), 0);
    }

    #[test]
    fn t287_authorities_drive_no_credentials_out_of_the_cache() {
        let cache = CredentialCache::default();
        let token = Arc::new(CachedObject::of_secret(&secret(&[("token", b"t0ken")]), BEARER));
        let slot = ("ns".to_owned(), "token".to_owned(), Wanted::Secret(BEARER));
        cache.put(slot.clone(), &token);
        let certificate = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n".repeat(4000);
        let bundle = Arc::new(CachedObject::of_secret(
            &secret(&[("ca.crt", certificate.as_bytes())]),
            AUTHORITIES,
        ));
        assert!(bundle.weight() > 200_000, "{}", bundle.weight());
        // They weigh on the same bound, wherever they are from.
        let wanted = |number: usize| match number % 2 {
            0 => Wanted::Secret(AUTHORITIES),
            _ => Wanted::ConfigMap("ca.crt".to_owned()),
        };
        let bundles: Vec<Named> = (0..50)
            .map(|number| ("ns".to_owned(), format!("ca{number}"), wanted(number)))
            .collect();
        for slot in &bundles {
            cache.put(slot.clone(), &bundle);
        }
        assert!(cache.get(&slot).is_some());
        let kept = bundles.iter().filter(|slot| cache.get(slot).is_some()).count();
        assert_eq!(kept, MOST_BYTES_OF_AUTHORITIES / bundle.weight());
        cache.remove(&bundles[49]);
        assert!(cache.get(&bundles[49]).is_none() && cache.get(&bundles[48]).is_some());
        cache.retain(|(_, name, _)| name == "token");
        assert!(cache.get(&bundles[48]).is_none() && cache.get(&slot).is_some());
    }
}
