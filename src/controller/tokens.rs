//! Bearer tokens of provider objects in their status: which one is in use, and when each expires.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use crate::api::{ProviderStatus, TokenState, TokenStatus};
use crate::cluster::ProviderKey;
use crate::domain::bearer;
use crate::domain::failure::{Class, Failure};
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
            let is_known_as_refused = |status: &&TokenStatus| {
                status.state == TokenState::Refused
                    && status.secret_name == token.secret
                    && status.resource_version.as_ref() == Some(&token.version)
            };
            if let Ok(value) = &token.value
                && let Some(status) = registration_tokens.iter().find(is_known_as_refused)
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
    pub(super) fn token_statuses(&self, provider: &Result<Arc<Provider>, Failure>) -> Option<Vec<TokenStatus>> {
        match provider {
            Ok(provider) => Some(bearer::statuses(&provider.target.registration.tokens, self.clock.now())),
            Err(failure) if matches!(failure.class, Class::Invalid | Class::Denied) => Some(Vec::new()),
            Err(_) => None,
        }
    }

    /// Provider objects whose status calls a token usable that has expired.
    pub(super) fn with_expired_tokens(&self) -> Vec<ProviderKey> {
        let now = self.clock.now();
        let has_expired = |token: &TokenStatus| {
            let at = token.expires_at.as_ref().and_then(|at| at.parse::<Timestamp>().ok());
            matches!(token.state, TokenState::InUse | TokenState::Spare | TokenState::Refused)
                && at.is_some_and(|at| at.as_second() <= now)
        };
        let mut keys = self.providers.keys();
        keys.retain(|key| {
            self.provider_status(key)
                .is_some_and(|(status, _)| status.registration_tokens.iter().any(has_expired))
        });
        keys
    }
}
