//! How the operator authenticates at a provider. Credentials themselves stand in Secrets only.

#![allow(
    clippy::doc_markdown,
    reason = "these texts are shown by kubectl explain, which knows no markup"
)]

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::bearer::BearerAuth;
use super::client_credentials::ClientCredentialsAuth;
use super::service_account::ServiceAccountAuth;

/// One way to authenticate. Exactly one member is set.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.basic), has(self.bearer), has(self.header), has(self.clientCredentials), has(self.serviceAccountToken)].filter(x, x).size() == 1").message("set exactly one of basic, bearer, header, clientCredentials and serviceAccountToken"))]
pub struct Auth {
    /// HTTP Basic authentication with the Secret's keys `username` and `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<SecretBacked>,
    /// Bearer token from the Secret's key `token`: an initial access token or an administrator's token. `registrationAuth`
    /// can list several tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer: Option<BearerAuth>,
    /// A header of the provider's own, with the Secret's key `value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderAuth>,
    /// An access token by the client credentials grant (RFC 6749 section 4.4), for the client of the Secret's keys `client_id` and
    /// `client_secret` or `private_key`. The operator asks the discovered token endpoint for it, and again before it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_credentials: Option<ClientCredentialsAuth>,
    /// The operator's own ServiceAccount token, for a ClusterOAuthProvider only. Its audience is the issuer, and whoever installs the operator
    /// lists it. It is sent only to the origin of the issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_token: Option<ServiceAccountAuth>,
}

impl Auth {
    /// Names of the Secrets that these credentials are in. A kind that is added has to be named here.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let Self {
            basic,
            bearer,
            header,
            client_credentials,
            service_account_token: _,
        } = self;
        let tokens = bearer.iter().flat_map(BearerAuth::secrets);
        let basic = basic.iter().map(|SecretBacked { secret_ref }| secret_ref);
        let header = header.iter().map(|HeaderAuth { secret_ref, .. }| secret_ref);
        let client = client_credentials.iter().map(|auth| &auth.secret_ref);
        let all = basic.chain(header).chain(client);
        all.map(|secret_ref| secret_ref.name.as_str()).chain(tokens)
    }
}

/// Credentials in a Secret.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SecretBacked {
    /// The Secret, in the provider's namespace (for a ClusterOAuthProvider: the operator's).
    pub secret_ref: SecretRef,
}

/// A header that authenticates.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(self.name.lowerAscii() in ['host', 'connection', 'content-length', 'content-type', 'transfer-encoding', 'te', 'trailer', 'upgrade', 'accept', 'accept-encoding', 'cookie', 'proxy-authorization', 'forwarded', 'user-agent', 'expect'])").message("this header frames the request and cannot carry a credential").field_path(".name"))]
pub struct HeaderAuth {
    /// Header name, for example `Authorization` (with a value such as `SSWS …`) or `X-Api-Key`.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"))]
    pub name: String,
    /// The Secret, in the provider's namespace (for a ClusterOAuthProvider: the operator's).
    pub secret_ref: SecretRef,
}

/// Name of a Secret. There is no namespace member: see the field that holds the reference.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Name of the Secret. It needs the label `oauth-client-operator.dev/provider-credentials: "true"`.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub name: String,
}
