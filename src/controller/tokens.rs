//! Bearer tokens of provider objects in their status: which one is in use, and when each expires.

use std::sync::Arc;
use std::time::Duration;

use crate::api::{ProviderStatus, TokenStatus};
use crate::cluster::ProviderKey;
use crate::domain::bearer;
use crate::domain::failure::Failure;
use crate::domain::pass::Provider;

use super::context::Context;

/// Time between two looks whether a token has expired.
pub(super) const EVERY: Duration = Duration::from_mins(1);

impl Context {
    /// A provider object, ready to be called, after what its status says of refused tokens was taken over: a new leader need not find
    /// out again.
    pub(super) async fn provider_with_tokens(&self, key: &ProviderKey) -> Result<Arc<Provider>, Failure> {
        let provider = self.provider(key).await?;
        let Some((
            ProviderStatus {
                registration_tokens, ..
            },
            _,
        )) = self.provider_status(key)
        else {
            return Ok(provider);
        };
        let mut recalled = false;
        for token in &provider.target.registration.tokens {
            if let Ok(value) = &token.value
                && let Some(status) = token.refused_in(&registration_tokens)
            {
                let words = status.message.as_deref().unwrap_or_default();
                recalled |= self.transport.refusals().recall(&provider.uid, value, words);
            }
        }
        if recalled {
            self.provider(key).await
        } else {
            Ok(provider)
        }
    }

    /// What the status tells of the tokens of a provider object; `None`: nothing is known now.
    pub(super) fn token_statuses(
        &self,
        key: &ProviderKey,
        provider: &Result<Arc<Provider>, Failure>,
    ) -> Option<Vec<TokenStatus>> {
        match provider {
            Ok(provider) => {
                let former = self.provider_status(key).map(|(status, _)| status.registration_tokens);
                let tokens = &provider.target.registration.tokens;
                Some(bearer::statuses(tokens, &former.unwrap_or_default(), self.clock.now()))
            }
            Err(failure) if failure.is_settled() => Some(Vec::new()),
            Err(_) => None,
        }
    }

    /// Provider objects whose status calls a token usable that has expired.
    pub(super) fn with_expired_tokens(&self) -> Vec<ProviderKey> {
        let now = self.clock.now();
        let mut keys = self.providers.keys();
        keys.retain(|key| {
            let status = self.provider_status(key);
            status.is_some_and(|(status, _)| {
                let mut tokens = status.registration_tokens.iter();
                tokens.any(|token| bearer::is_outdated(token, now))
            })
        });
        keys
    }
}
