//! Which bearer tokens providers refused.
//!
//! Kept in memory, by a digest of provider object and token: a token that changes is a new one. What a restart loses is found in the
//! status of the provider object, or by one more refused request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ring::digest::{self, SHA256};
use secrecy::{ExposeSecret as _, SecretString};

use crate::bounded::Bounded;
use crate::domain::bearer::Refusal;

/// Most tokens that are remembered.
const MOST: usize = 4096;

/// Refused tokens, and those that were accepted since.
#[derive(Clone)]
pub struct Refusals(Arc<Mutex<Known>>);

struct Known {
    /// `None`: it was accepted.
    tokens: Bounded<Vec<u8>, Option<Refusal>>,
    /// Grows whenever something changes.
    changes: u64,
    /// The last change of each provider, by the UID of its object.
    versions: Bounded<String, u64>,
}

impl Known {
    /// Notes a change. Its number.
    fn change(&mut self, uid: &str) -> u64 {
        self.changes += 1;
        self.versions.insert(uid.to_owned(), self.changes);
        self.changes
    }
}

impl Default for Refusals {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Known {
            tokens: Bounded::new(MOST),
            changes: 0,
            versions: Bounded::new(MOST),
        })))
    }
}

impl Refusals {
    /// How the provider of this UID refused a token, if it did.
    #[must_use]
    pub fn of(&self, uid: &str, token: &SecretString) -> Option<Refusal> {
        self.lock().tokens.get(&key(uid, token)).cloned().flatten()
    }

    /// Notes that it refused a token.
    pub fn note(&self, uid: &str, token: &SecretString, words: String) {
        let mut known = self.lock();
        let number = known.change(uid);
        known.tokens.insert(key(uid, token), Some(Refusal { number, words }));
    }

    /// The same from an earlier process, unless this one knows better. Whether it did not.
    #[must_use]
    pub fn recall(&self, uid: &str, token: &SecretString, words: &str) -> bool {
        let unknown = self.lock().tokens.get(&key(uid, token)).is_none();
        if unknown {
            self.note(uid, token, words.to_owned());
        }
        unknown
    }

    /// Notes that it accepted a token.
    pub fn forget(&self, uid: &str, token: &SecretString) {
        let (mut known, key) = (self.lock(), key(uid, token));
        if known.tokens.get(&key).is_some_and(|refusal| refusal.is_some()) {
            known.change(uid);
        }
        known.tokens.insert(key, None);
    }

    /// Changes whenever anything is noted of a token of this provider.
    #[must_use]
    pub fn version(&self, uid: &str) -> u64 {
        self.lock().versions.get(uid).copied().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(uid: &str, token: &SecretString) -> Vec<u8> {
    let mut digest = digest::Context::new(&SHA256);
    digest.update(&uid.len().to_be_bytes());
    digest.update(uid.as_bytes());
    digest.update(token.expose_secret().as_bytes());
    digest.finish().as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t261_a_refusal_is_of_one_token_at_one_provider_until_the_token_is_accepted() {
        let refusals = Refusals::default();
        let (one, other) = ("t0ken-one".into(), "t0ken-other".into());
        refusals.note("uid", &one, "status 401".to_owned());
        assert_eq!(
            refusals.of("uid", &one).map(|refusal| refusal.words),
            Some("status 401".to_owned())
        );
        assert!(refusals.of("uid", &other).is_none() && refusals.of("another", &one).is_none());
        let before = refusals.version("uid");
        refusals.forget("uid", &other);
        assert_eq!(refusals.version("uid"), before);
        assert!(!refusals.recall("uid", &other, "status 401") && refusals.of("uid", &other).is_none());
        assert!(refusals.recall("another", &one, "status 403") && refusals.of("another", &one).is_some());
        assert_eq!(
            refusals.version("uid"),
            before,
            "another provider is not looked at again"
        );
        refusals.forget("uid", &one);
        assert!(
            refusals.of("uid", &one).is_none() && refusals.version("uid") > before && !refusals.recall("uid", &one, "")
        );
    }
}
