//! Tokens that are kept.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use secrecy::SecretString;

use crate::bounded::Bounded;
use crate::domain::outcome::CallError;

/// Most tokens that are kept.
const MOST_TOKENS: usize = 256;

/// Tokens by a digest of what they were asked for with.
#[derive(Clone)]
pub(super) struct Tokens(pub(super) Arc<Mutex<Bounded<Vec<u8>, Arc<Slot>>>>);

impl Default for Tokens {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Bounded::new(MOST_TOKENS))))
    }
}

/// One client's token. Whoever asks for a new one holds the lock meanwhile, so that the others need not ask.
pub(super) type Slot = tokio::sync::Mutex<CachedToken>;

/// The token of one client, or why there is none.
#[derive(Default)]
pub(super) struct CachedToken {
    pub token: Option<Token>,
    /// The last failure, and when it was known.
    pub failed: Option<(Instant, CallError)>,
}

/// A token, until when it is used.
pub(super) struct Token {
    pub value: SecretString,
    pub until: Instant,
}
