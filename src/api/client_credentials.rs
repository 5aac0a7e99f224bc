//! The client credentials grant as a way to authenticate at a provider.

#![allow(
    clippy::doc_markdown,
    reason = "these texts are shown by kubectl explain, which knows no markup"
)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::SecretRef;

/// An access token by the client credentials grant, and what is asked for with it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(has(self.keyID) || has(self.assertionAudience)) || (has(self.authMethod) && self.authMethod == 'private_key_jwt')").message("keyID and assertionAudience are used only with authMethod private_key_jwt")
)]
pub struct ClientCredentialsAuth {
    /// The Secret, in the provider's namespace (for a ClusterOAuthProvider: the operator's). Its keys are `client_id` and
    /// `client_secret`; with `authMethod` `private_key_jwt`, `client_id` and `private_key`.
    pub secret_ref: SecretRef,
    /// Scopes of the access token, for example `client.create`. Unset: the provider chooses. Many providers then issue a token that
    /// allows nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 256), regex(pattern = r"^[\x21\x23-\x5B\x5D-\x7E]+$"))
    )]
    pub scopes: Option<Vec<String>>,
    /// `audience` of the token request: the API that the token is for, where a provider asks for it by that name (Auth0).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048), regex(pattern = r"^[\x21-\x7E]+$"))]
    pub audience: Option<String>,
    /// `resource` of the token request: an absolute URI of the API that the token is for (RFC 8707).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 2048),
        regex(pattern = r"^[A-Za-z][A-Za-z0-9+.-]*:[\x21\x22\x24-\x7E]+$")
    )]
    pub resource: Option<String>,
    /// How the operator's client authenticates at the token endpoint. `client_secret_basic` (default) and `client_secret_post` send the
    /// Secret's key `client_secret`. `private_key_jwt` signs an assertion (RFC 7523) with the Secret's key `private_key`, a PEM private
    /// key: RS256 for an RSA key, ES256 for a key of the curve P-256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_method: Option<TokenAuthMethod>,
    /// Key identifier (`kid`) in the header of the assertion, where the provider needs it to choose the public key.
    #[serde(default, rename = "keyID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[\x20-\x7E]+$"))]
    pub key_id: Option<String>,
    /// Audience (`aud`) of the assertion: `TokenEndpoint` (default) or `Issuer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assertion_audience: Option<AssertionAudience>,
    /// How long an access token is used. `UntilExpiry` (default): until shortly before it expires. `Never`: for one request, for providers
    /// that accept each token once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_reuse: Option<TokenReuse>,
}

/// Ways of authenticating at a token endpoint, by their registered names.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::enum_variant_names, reason = "registered names")]
pub enum TokenAuthMethod {
    /// HTTP Basic with the client's secret.
    #[default]
    #[serde(rename = "client_secret_basic")]
    ClientSecretBasic,
    /// The client's secret in the request body.
    #[serde(rename = "client_secret_post")]
    ClientSecretPost,
    /// An assertion that is signed with the client's private key.
    #[serde(rename = "private_key_jwt")]
    PrivateKeyJwt,
}

/// Audience (`aud`) of an assertion.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AssertionAudience {
    /// The address of the token endpoint.
    #[default]
    TokenEndpoint,
    /// The issuer identifier.
    Issuer,
}

/// For how many requests an access token is used.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenReuse {
    /// For all until shortly before it expires.
    #[default]
    UntilExpiry,
    /// For one.
    Never,
}
