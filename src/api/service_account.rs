//! The operator's own ServiceAccount token as a way to authenticate at a provider.

#![allow(
    clippy::doc_markdown,
    reason = "these texts are shown by kubectl explain, which knows no markup"
)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A projected ServiceAccount token of the operator.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.scopes) || (has(self.usage) && self.usage != 'Bearer')").message("scopes is used only with usage AuthorizationGrant or ClientAssertion"))]
#[x_kube(validation = Rule::new("!has(self.clientID) || (has(self.usage) && self.usage == 'ClientAssertion')").message("clientID is used only with usage ClientAssertion"))]
pub struct ServiceAccountAuth {
    /// `Bearer` (default): the token is sent as a bearer token. `AuthorizationGrant`: the operator obtains an access token for it at the token
    /// endpoint (RFC 7523 section 2.1). `ClientAssertion`: the token authenticates a client at the token endpoint (section 2.2); its `sub` is
    /// the ServiceAccount, which the provider has to map to a client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<ServiceAccountUsage>,
    /// Client that the operator is at the provider, with `usage` `ClientAssertion`. Not sent by default.
    #[serde(default, rename = "clientID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[\x21-\x7E]+$"))]
    pub client_id: Option<String>,
    /// Scopes of the access token, with `usage` `AuthorizationGrant` or `ClientAssertion`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 256), regex(pattern = r"^[\x21\x23-\x5B\x5D-\x7E]+$"))
    )]
    pub scopes: Option<Vec<String>>,
}

/// How a ServiceAccount token is used.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServiceAccountUsage {
    /// As a bearer token.
    #[default]
    Bearer,
    /// For an access token (RFC 7523 section 2.1).
    AuthorizationGrant,
    /// As the authentication of a client that obtains an access token (RFC 7523 section 2.2).
    ClientAssertion,
}
