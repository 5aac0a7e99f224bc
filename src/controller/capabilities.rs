//! What calls have shown of providers, until their status says so.

use std::sync::Mutex;

use kube::ResourceExt;

use crate::api::{Capabilities, OAuthClient};
use crate::bounded::Bounded;
use crate::cluster::ProviderKey;
use crate::domain::capability::{self, Seen};

use super::context::{Context, lock};

/// Most provider objects of which something is kept. What is forgotten is seen again at the next call.
const MOST: usize = 4096;

/// What was seen and is not written yet, by the UID of the provider object.
pub(super) struct Unwritten(Mutex<Bounded<String, Seen>>);

impl Default for Unwritten {
    fn default() -> Self {
        Self(Mutex::new(Bounded::new(MOST)))
    }
}

impl Unwritten {
    /// What its status is to say.
    pub(super) fn of(&self, uid: &str) -> Option<Seen> {
        lock(&self.0).get(uid).cloned()
    }

    /// Whether there is something that the status does not say.
    pub(super) fn has(&self, uid: &str) -> bool {
        lock(&self.0).get(uid).is_some()
    }

    /// The status says this now. What was seen meanwhile stays.
    pub(super) fn written(&self, uid: &str, seen: &Seen) {
        let mut unwritten = lock(&self.0);
        if unwritten.get(uid).is_some_and(|now| now == seen) {
            unwritten.remove(uid);
        }
    }
}

impl Context {
    /// Takes in what a call has shown of a provider object, and has its status written if it does not say so: a provider with a thousand
    /// clients shows the same with each.
    pub(super) fn seen(&self, key: &ProviderKey, uid: &str, issuer: &str, capabilities: &Capabilities) {
        self.take_in(
            key,
            uid,
            Seen {
                issuer: issuer.to_owned(),
                capabilities: capabilities.clone(),
                certified: None,
            },
        );
    }

    /// The deletion of an object has ended. Of a throw-away client, all that its calls have shown is taken in now.
    pub(super) fn let_go(&self, object: &OAuthClient) {
        if !capability::is_throw_away(object) {
            return;
        }
        let key = ProviderKey::of(&object.namespace().unwrap_or_default(), &object.spec.provider_ref);
        let status = self.provider_status(&key).map(|(status, _)| status);
        let (Ok((uid, _, _)), Some(issuer)) = (self.provider_object(&key), status.and_then(|status| status.issuer))
        else {
            return;
        };
        let seen = Seen {
            issuer,
            certified: object.uid(),
            ..Seen::default()
        };
        self.take_in(&key, &uid, seen);
    }

    fn take_in(&self, key: &ProviderKey, uid: &str, seen: Seen) {
        let status = self.provider_status(key).map(|(status, _)| status);
        let mut unwritten = lock(&self.unwritten.0);
        let before = unwritten.get(uid).cloned();
        if let Some(news) = capability::news(&status.unwrap_or_default(), before.as_ref(), seen) {
            unwritten.insert(uid.to_owned(), news);
            // Nobody listens any more when the operator stops.
            let _ = self.learned.send(key.clone());
        }
    }
}
