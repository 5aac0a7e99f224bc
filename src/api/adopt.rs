//! `spec.adopt` of an `OAuthClient`.

#![allow(
    clippy::doc_markdown,
    reason = "these texts are shown by kubectl explain, which knows no markup"
)]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where an existing client is managed, and by which token.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Adopt {
    /// Client configuration endpoint (RFC 7592 section 3), at an origin of the provider. For a client that is registered already, the
    /// recorded one if unset. A client without a record is adopted only where the provider object sets `allowAdoption`.
    #[serde(default, rename = "registrationClientURI", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048), regex(pattern = r"^https?://[^\s]+$"))]
    pub registration_client_uri: Option<String>,
    /// The registration access token.
    pub registration_access_token_ref: TokenRef,
}

/// A token in a Secret of the object's namespace.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TokenRef {
    /// Name of the Secret. It needs the label `oauth-client-operator.dev/provider-credentials: "true"`, and the annotation
    /// `oauth-client-operator.dev/allowed-origins` with the origin of the client configuration endpoint.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub name: String,
    /// Key of the token. Default `token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: Option<String>,
}
