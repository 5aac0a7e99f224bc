//! A provider of the testbed together with the manifests that lead to it.

use std::collections::BTreeMap;

use serde_json::Value;
use testbed::providers::{OidcProvider, OidcProviderOptions};

/// What a provider lets the operator do beyond registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Registered clients can be changed.
    pub update: bool,
    /// Registered clients can be deleted.
    pub delete: bool,
    /// The client credentials grant works.
    pub token: bool,
}

/// A provider and how it is reached.
pub struct Site {
    /// The manifests: an `OAuthProvider` named `provider`, and the Secrets that it needs.
    pub manifests: String,
    pub abilities: Abilities,
    provider: Provider,
}

enum Provider {
    Oidc(OidcProvider),
}

impl Site {
    pub async fn oidc_provider() -> Self {
        Self::oidc_provider_with(OidcProviderOptions::default()).await
    }

    pub async fn oidc_provider_with(options: OidcProviderOptions) -> Self {
        let token = options.initial_access_token.clone();
        let provider = OidcProvider::start(options).await.unwrap();
        let issuer = provider.issuer().to_owned();
        let auth = match token {
            Some(token) => (
                "  registrationAuth:\n    bearer:\n      secretRef:\n        name: initial-access-token\n",
                consented("initial-access-token", &issuer, &[("token", &token)]),
            ),
            None => ("", String::new()),
        };
        Self {
            manifests: format!(
                "{}{}",
                oauth_provider(&format!("  issuer: {issuer}\n{}", auth.0)),
                auth.1
            ),
            abilities: Abilities {
                update: true,
                delete: true,
                token: true,
            },
            provider: Provider::Oidc(provider),
        }
    }

    /// Clients at the provider, by their identifiers.
    pub async fn clients(&self) -> BTreeMap<String, Value> {
        match &self.provider {
            Provider::Oidc(provider) => provider.clients().await.unwrap(),
        }
    }

    /// An access token, as an application gets one with what its Secret holds.
    pub async fn token(&self, secret: &BTreeMap<String, String>) -> Result<String, String> {
        let (id, value) = (&secret["client_id"], &secret["client_secret"]);
        let token = match &self.provider {
            Provider::Oidc(provider) => provider.token(id, value).await,
        };
        token.map_err(|error| error.to_string())
    }

    /// Ends the provider, as an outage does.
    pub async fn stop(&self) {
        match &self.provider {
            Provider::Oidc(provider) => provider.stop().await.unwrap(),
        }
    }
}

/// An `OAuthProvider` named `provider`.
pub fn oauth_provider(spec: &str) -> String {
    format!(
        "apiVersion: oauth-client-operator.dev/v1alpha1\nkind: OAuthProvider\nmetadata:\n  name: provider\nspec:\n{spec}---\n"
    )
}

/// A Secret whose owner consents to its being sent to an origin.
pub fn consented(name: &str, origin: &str, data: &[(&str, &str)]) -> String {
    let data: String = data
        .iter()
        .map(|(key, value)| format!("  {key}: \"{value}\"\n"))
        .collect();
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  labels:\n    oauth-client-operator.dev/provider-credentials: \"true\"\n  \
         annotations:\n    oauth-client-operator.dev/allowed-origins: {origin}\nstringData:\n{data}---\n"
    )
}

/// An `OAuthClient` at `provider`.
pub fn oauth_client(name: &str, spec: &str) -> String {
    let spec: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "apiVersion: oauth-client-operator.dev/v1alpha1\nkind: OAuthClient\nmetadata:\n  name: {name}\nspec:\n  providerRef:\n    name: provider\n{spec}---\n"
    )
}
