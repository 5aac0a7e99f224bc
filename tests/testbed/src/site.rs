//! A provider together with the manifests that lead to it: the same for tests, demo and benchmarks.

mod manifests;
mod named;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::providers::{
    ADMIN, Dialect, DjangoOAuthToolkit, Idpyoidc, IdpyoidcOptions, Keycloak, Mitreid, OPERATOR, OidcProvider,
    OidcProviderOptions, Persona, ProviderError, Quirk, Realm, ScriptableProvider,
};
use crate::proxy::Proxy;

pub use manifests::{basic, bearer, ca_bundle, client_credentials, consented, oauth_client, oauth_provider, trusted};

/// What a provider lets the operator and the application do beyond registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "independent abilities")]
pub struct Abilities {
    /// Registered clients can be changed.
    pub update: bool,
    /// Registered clients can be deleted.
    pub delete: bool,
    /// The client credentials grant works.
    pub token: bool,
    /// Clients without redirect URIs are registered.
    pub redirectless: bool,
}

impl Abilities {
    /// A provider that does all that the specifications offer.
    const ALL: Self = Self {
        update: true,
        delete: true,
        token: true,
        redirectless: true,
    };
}

/// A provider and how it is reached.
#[derive(Debug)]
pub struct Site {
    /// The manifests: an `OAuthProvider` named `provider`, and the Secrets that it needs.
    pub manifests: String,
    /// What it can do.
    pub abilities: Abilities,
    /// Members that every client has to have here, as YAML.
    insists_on: &'static str,
    provider: Provider,
}

/// A public key, for a provider that registers nobody without one.
const JWKS: &str = "jwks: {keys: [{kty: EC, crv: P-256, use: sig, x: f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU, \
                    \"y\": x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0}]}";

#[derive(Debug)]
enum Provider {
    Oidc(OidcProvider),
    Keycloak(Realm),
    Idpyoidc(Idpyoidc),
    Mitreid(Mitreid),
    Django(DjangoOAuthToolkit),
    Scriptable(ScriptableProvider),
}

impl Site {
    /// oidc-provider with open registration.
    pub async fn oidc_provider() -> Result<Self, ProviderError> {
        Self::oidc_provider_with(OidcProviderOptions::default()).await
    }

    /// oidc-provider.
    pub async fn oidc_provider_with(options: OidcProviderOptions) -> Result<Self, ProviderError> {
        Self::oidc_provider_at(options, "").await
    }

    /// oidc-provider behind a proxy, by whose address it goes.
    pub async fn oidc_provider_behind(proxy: &Proxy, options: OidcProviderOptions) -> Result<Self, ProviderError> {
        let issuer = Some(proxy.url().to_owned());
        let tls = ca_bundle(proxy.ca());
        let site = Self::oidc_provider_at(OidcProviderOptions { issuer, ..options }, &tls).await?;
        if let Provider::Oidc(provider) = &site.provider {
            proxy.lead_to(provider.url(), None)?;
        }
        Ok(site)
    }

    async fn oidc_provider_at(options: OidcProviderOptions, tls: &str) -> Result<Self, ProviderError> {
        let token = options.initial_access_token.clone();
        let delete = options.management;
        let provider = OidcProvider::start(options).await?;
        let issuer = provider.issuer().to_owned();
        let (auth, secret) = match token {
            Some(token) => (
                bearer("registrationAuth", "initial-access-token"),
                consented("initial-access-token", &issuer, &[("token", &token)]),
            ),
            None => (String::new(), String::new()),
        };
        Ok(Self {
            manifests: oauth_provider(&format!("issuer: {issuer}\n{auth}{tls}")) + &secret,
            abilities: Abilities {
                update: delete,
                delete,
                ..Abilities::ALL
            },
            insists_on: "",
            provider: Provider::Oidc(provider),
        })
    }

    /// A realm of Keycloak's own, with an initial access token for many registrations.
    pub async fn keycloak(realm: &str) -> Result<Self, ProviderError> {
        let realm = Keycloak::shared().await?.realm(realm).await?;
        let token = realm.initial_access_token(10_000).await?;
        let issuer = realm.issuer();
        let spec = format!(
            "issuer: {issuer}\nprofile: keycloak\n{}",
            bearer("registrationAuth", "initial-access-token")
        );
        let origin = issuer.split("/realms").next().unwrap_or_default().to_owned();
        Ok(Self {
            manifests: oauth_provider(&spec) + &consented("initial-access-token", &origin, &[("token", &token)]),
            abilities: Abilities::ALL,
            insists_on: "",
            provider: Provider::Keycloak(realm),
        })
    }

    /// A realm of Keycloak's own, with a service account that manages its clients. Behind a proxy it goes by that one's address.
    pub async fn keycloak_with_service_account(realm: &str, proxy: Option<&Proxy>) -> Result<Self, ProviderError> {
        let realm = Keycloak::shared().await?.realm(realm).await?;
        let (client_id, secret) = realm.service_account(&["manage-clients"]).await?;
        let mut issuer = realm.issuer();
        if let Some(proxy) = proxy {
            issuer = issuer.replace(realm.keycloak(), proxy.url());
            proxy.lead_to(realm.keycloak(), None)?;
        }
        let spec = format!(
            "issuer: {issuer}\nprofile: keycloak\nmanagement:\n  mode: Credentials\n{}{}",
            client_credentials("registrationAuth", "operator"),
            client_credentials("managementAuth", "operator")
        );
        let origin = issuer.split("/realms").next().unwrap_or_default().to_owned();
        let data = [("client_id", client_id), ("client_secret", secret)];
        Ok(Self {
            manifests: oauth_provider(&spec) + &consented("operator", &origin, &data),
            abilities: Abilities::ALL,
            insists_on: "",
            provider: Provider::Keycloak(realm),
        })
    }

    /// idpyoidc over https, found by WebFinger. It neither changes nor deletes clients.
    pub async fn idpyoidc() -> Result<Self, ProviderError> {
        Self::idpyoidc_with(None).await
    }

    /// The same, with secrets that are good for so long; `None`: for five days.
    pub async fn idpyoidc_with(secret_lifetime: Option<Duration>) -> Result<Self, ProviderError> {
        let options = IdpyoidcOptions {
            https: true,
            secret_lifetime,
        };
        let provider = Idpyoidc::start(options).await?;
        let spec = format!(
            "webFinger:\n  resource: acct:operator@{0}\n  host: {0}\nmanagement:\n  mode: None\n{1}",
            provider.host(),
            ca_bundle(provider.ca())
        );
        Ok(Self {
            manifests: oauth_provider(&spec),
            abilities: Abilities {
                update: false,
                delete: false,
                redirectless: false,
                ..Abilities::ALL
            },
            insists_on: JWKS,
            provider: Provider::Idpyoidc(provider),
        })
    }

    /// MITREid Connect over https, found by WebFinger.
    pub async fn mitreid() -> Result<Self, ProviderError> {
        let provider = Mitreid::start().await?;
        let spec = format!(
            "webFinger:\n  resource: acct:admin@{0}\n  host: {0}\n{1}",
            provider.host(),
            ca_bundle(Some(provider.ca()))
        );
        Ok(Self {
            manifests: oauth_provider(&spec),
            abilities: Abilities::ALL,
            insists_on: "",
            provider: Provider::Mitreid(provider),
        })
    }

    /// django-oauth-toolkit below a path.
    pub async fn django_oauth_toolkit() -> Result<Self, ProviderError> {
        let provider = DjangoOAuthToolkit::start().await?;
        Ok(Self {
            manifests: oauth_provider(&format!("issuer: {}", provider.issuer())),
            abilities: Abilities::ALL,
            insists_on: "",
            provider: Provider::Django(provider),
        })
    }

    /// The double, with the deviations of a dialect.
    pub async fn dialect(dialect: &'static Dialect) -> Result<Self, ProviderError> {
        let provider = ScriptableProvider::start(Persona::Plain).await?;
        provider.speak(dialect);
        let mut manifests = oauth_provider(&format!("issuer: {}\n{}", provider.url(), dialect.provider));
        for quirk in dialect.quirks {
            manifests += &match quirk {
                Quirk::Administered(value) => consented("api-token", provider.url(), &[("value", value)]),
                Quirk::Bought(_) => {
                    let data = [("client_id", OPERATOR.0), ("client_secret", OPERATOR.1)];
                    consented("operator", provider.url(), &data)
                }
                _ => String::new(),
            };
        }
        Ok(Self {
            manifests,
            abilities: Abilities::ALL,
            insists_on: "",
            provider: Provider::Scriptable(provider),
        })
    }

    /// WSO2 Identity Server as its first users met it: `/identity/connect/register`.
    pub async fn wso2_legacy() -> Result<Self, ProviderError> {
        Self::wso2(Persona::Wso2Legacy, "wso2-legacy").await
    }

    /// WSO2 Identity Server with DCR v1.1.
    pub async fn wso2_v1_1() -> Result<Self, ProviderError> {
        Self::wso2(Persona::Wso2, "wso2").await
    }

    async fn wso2(persona: Persona, profile: &str) -> Result<Self, ProviderError> {
        let provider = ScriptableProvider::start(persona).await?;
        let managed = persona == Persona::Wso2;
        let mut spec = format!(
            "webFinger:\n  resource: acct:admin@localhost\n  host: {}\nexpectedIssuer: {}/oauth2/token\nprofile: {profile}\n{}",
            provider.host(),
            provider.url(),
            ca_bundle(provider.ca())
        );
        for field in ["discoveryAuth", "registrationAuth"]
            .into_iter()
            .chain(managed.then_some("managementAuth"))
        {
            spec += &basic(field, "wso2-admin");
        }
        let admin = [("username", ADMIN.0), ("password", ADMIN.1)];
        Ok(Self {
            manifests: oauth_provider(&spec) + &consented("wso2-admin", provider.url(), &admin),
            abilities: Abilities {
                update: managed,
                delete: managed,
                ..Abilities::ALL
            },
            insists_on: "",
            provider: Provider::Scriptable(provider),
        })
    }

    /// The double, with no habits but those of the specifications.
    pub async fn scriptable() -> Result<Self, ProviderError> {
        let provider = ScriptableProvider::start(Persona::Plain).await?;
        Ok(Self {
            manifests: oauth_provider(&format!("issuer: {}", provider.url())),
            abilities: Abilities::ALL,
            insists_on: "",
            provider: Provider::Scriptable(provider),
        })
    }

    /// An `OAuthClient` at this provider, with what it insists on.
    #[must_use]
    pub fn client(&self, name: &str, spec: &str) -> String {
        oauth_client(name, &format!("{spec}\n{}", self.insists_on))
    }

    /// The double behind this site, if it is one.
    #[must_use]
    pub fn double(&self) -> Option<&ScriptableProvider> {
        match &self.provider {
            Provider::Scriptable(provider) => Some(provider),
            _ => None,
        }
    }

    /// Where a client is registered.
    #[must_use]
    pub fn registration_endpoint(&self) -> String {
        match &self.provider {
            Provider::Oidc(provider) => format!("{}/reg", provider.url()),
            Provider::Keycloak(realm) => format!("{}/clients-registrations/openid-connect", realm.issuer()),
            Provider::Idpyoidc(provider) => format!("{}/registration", provider.issuer()),
            Provider::Mitreid(provider) => format!("{}register", provider.issuer()),
            Provider::Django(provider) => format!("{}/register/", provider.issuer()),
            Provider::Scriptable(provider) => format!("{}/register", provider.url()),
        }
    }

    /// The realm behind this site, if the provider is Keycloak.
    #[must_use]
    pub fn realm(&self) -> Option<&Realm> {
        match &self.provider {
            Provider::Keycloak(realm) => Some(realm),
            Provider::Oidc(_)
            | Provider::Idpyoidc(_)
            | Provider::Scriptable(_)
            | Provider::Mitreid(_)
            | Provider::Django(_) => None,
        }
    }

    /// The oidc-provider behind this site, if it is one.
    #[must_use]
    pub fn oidc(&self) -> Option<&OidcProvider> {
        match &self.provider {
            Provider::Oidc(provider) => Some(provider),
            _ => None,
        }
    }

    /// Clients at the provider, by their identifiers.
    pub async fn clients(&self) -> Result<BTreeMap<String, Value>, ProviderError> {
        match &self.provider {
            Provider::Oidc(provider) => provider.clients().await,
            Provider::Keycloak(realm) => realm.clients().await,
            Provider::Idpyoidc(provider) => provider.clients().await,
            Provider::Mitreid(provider) => provider.clients().await,
            Provider::Django(provider) => provider.clients().await,
            Provider::Scriptable(provider) => Ok(provider.clients()),
        }
    }

    /// Removes a client behind everyone's back; false if there was none, or the provider cannot be made to.
    pub async fn remove_client(&self, client_id: &str) -> Result<bool, ProviderError> {
        match &self.provider {
            Provider::Oidc(provider) => provider.remove_client(client_id).await,
            Provider::Scriptable(provider) => Ok(provider.remove_client(client_id)),
            Provider::Django(provider) => provider.remove_client(client_id).await,
            Provider::Keycloak(_) | Provider::Idpyoidc(_) | Provider::Mitreid(_) => Ok(false),
        }
    }

    /// An access token, as an application gets one with what its Secret holds.
    pub async fn token(&self, client_id: &str, client_secret: &str) -> Result<String, ProviderError> {
        match &self.provider {
            Provider::Oidc(provider) => provider.token(client_id, client_secret).await,
            Provider::Keycloak(realm) => realm.token(client_id, client_secret).await,
            Provider::Idpyoidc(provider) => provider.token(client_id, client_secret).await,
            Provider::Mitreid(provider) => provider.token(client_id, client_secret).await,
            Provider::Django(provider) => provider.token(client_id, client_secret).await,
            Provider::Scriptable(provider) => provider.token(client_id, client_secret).await,
        }
    }
}
