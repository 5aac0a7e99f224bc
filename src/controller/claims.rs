//! Claims to clients: at most one pass of this process stores a registration of a client, or deregisters it, at any moment.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use super::context::lock;

/// Clients that are claimed, by their keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims(Arc<Mutex<HashSet<Box<str>>>>);

/// A claim; dropping it gives it up.
#[derive(Debug)]
pub(super) struct Claim {
    claims: Claims,
    client: Box<str>,
}

impl Claims {
    /// Claims a client; `None`: somebody has it.
    pub(super) fn claim(&self, client: &str) -> Option<Claim> {
        lock(&self.0).insert(client.into()).then(|| Claim {
            claims: self.clone(),
            client: client.into(),
        })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.claims.0).remove(&self.client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_claimed_once_until_the_claim_is_dropped() {
        let claims = Claims::default();
        let first = claims.claim("a");
        assert!(first.is_some() && claims.claim("a").is_none());
        assert!(claims.claim("b").is_some());
        drop(first);
        assert!(claims.claim("a").is_some());
    }
}
