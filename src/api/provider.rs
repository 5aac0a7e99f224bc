//! `OAuthProvider` and `ClusterOAuthProvider`: where clients are registered, and as whom.

#![allow(clippy::duplicated_attributes, reason = "printer columns repeat type and priority")]
#![allow(
    clippy::doc_markdown,
    reason = "these texts are shown by kubectl explain, which knows no markup"
)]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::auth::{Auth, SecretBacked};
use super::bounds::{AuthoritiesFrom, RateLimit, Timeouts, Tls};
use super::policies::{Clearing, OnClientLost, OnUnknownOutcome, Substitutions, Verify};
use super::profile::{Management, Profile};
use super::provider_status::ProviderStatus;

/// A provider that clients of its own namespace register at.
///
/// The operator discovers its endpoints, and registers every `OAuthClient` that references it. Credentials come from
/// Secrets of the same namespace that carry the consent label and annotation.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "oauth-client-operator.dev",
    version = "v1alpha1",
    kind = "OAuthProvider",
    plural = "oauthproviders",
    singular = "oauthprovider",
    shortname = "oap",
    category = "oauth",
    namespaced,
    status = "ProviderStatus",
    derive = "PartialEq",
    doc = "A provider that OAuthClients of the same namespace register at. The operator discovers its endpoints and reports them in the status.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether discovery found a registration endpoint"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Why"
    ),
    printcolumn(
        name = "Issuer",
        type_ = "string",
        json_path = ".status.issuer",
        description = "Resolved issuer identifier"
    ),
    printcolumn(
        name = "Profile",
        type_ = "string",
        json_path = ".spec.profile",
        priority = 1,
        description = "Preset in use"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1,
        description = "What is wrong and what to do"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Time since creation"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.issuer), has(self.webFinger), has(self.metadataURL)].filter(x, x).size() == 1").message("set exactly one of issuer, webFinger and metadataURL"),
    validation = Rule::new("!has(self.webFinger) || has(self.webFinger.host) || self.webFinger.resource.contains('@') || self.webFinger.resource.contains('://')").message("webFinger.resource names no host: write it as acct:user@host or as a URL, or set webFinger.host").field_path(".webFinger")
)]
pub struct OAuthProviderSpec {
    /// Location, credentials and provider-specific settings.
    #[serde(flatten)]
    pub provider: ProviderSettings,
}

/// A provider that clients of the listed namespaces register at.
///
/// Credentials come from Secrets of the operator's namespace that carry the consent label.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "oauth-client-operator.dev",
    version = "v1alpha1",
    kind = "ClusterOAuthProvider",
    plural = "clusteroauthproviders",
    singular = "clusteroauthprovider",
    shortname = "coap",
    category = "oauth",
    status = "ProviderStatus",
    derive = "PartialEq",
    doc = "A provider that OAuthClients of the allowed namespaces register at. Its credentials are Secrets of the operator's namespace.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether discovery found a registration endpoint"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Why"
    ),
    printcolumn(
        name = "Issuer",
        type_ = "string",
        json_path = ".status.issuer",
        description = "Resolved issuer identifier"
    ),
    printcolumn(
        name = "Profile",
        type_ = "string",
        json_path = ".spec.profile",
        priority = 1,
        description = "Preset in use"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1,
        description = "What is wrong and what to do"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Time since creation"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.issuer), has(self.webFinger), has(self.metadataURL)].filter(x, x).size() == 1").message("set exactly one of issuer, webFinger and metadataURL"),
    validation = Rule::new("!has(self.webFinger) || has(self.webFinger.host) || self.webFinger.resource.contains('@') || self.webFinger.resource.contains('://')").message("webFinger.resource names no host: write it as acct:user@host or as a URL, or set webFinger.host").field_path(".webFinger")
)]
pub struct ClusterOAuthProviderSpec {
    /// Location, credentials and provider-specific settings.
    #[serde(flatten)]
    pub provider: ProviderSettings,
    /// Namespaces whose OAuthClients may use this provider. A namespace that neither list nor selector names is refused.
    pub allowed_namespaces: AllowedNamespaces,
}

/// Which namespaces may use a cluster-wide provider. A namespace is allowed if either member names it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.names) || has(self.matchLabels)").message("set allowedNamespaces.names, allowedNamespaces.matchLabels or both"))]
pub struct AllowedNamespaces {
    /// Names of allowed namespaces; the single entry `*` allows every namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 256),
        inner(length(min = 1, max = 63), regex(pattern = r"^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$"))
    )]
    pub names: Option<Vec<String>>,
    /// Labels that an allowed namespace carries, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minProperties" = 1, "maxProperties" = 16))]
    pub match_labels: Option<BTreeMap<String, Bounded63>>,
}

/// A label value: at most 63 characters.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct Bounded63(#[schemars(length(max = 63))] pub String);

/// What both provider kinds have in common.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ProviderSettings {
    /// Issuer identifier, for example `https://id.example.com/realms/apps`. Its metadata document must state exactly this
    /// string (RFC 8414 section 3.3). Set this, `webFinger` or `metadataURL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub issuer: Option<String>,
    /// Finds the issuer by WebFinger (OpenID Connect Discovery section 2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web_finger: Option<WebFinger>,
    /// URL of the metadata document itself, where it is at none of the well-known places.
    #[serde(default, rename = "metadataURL", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub metadata_url: Option<String>,
    /// The exact issuer string that the metadata document states, where the provider's documents disagree with each
    /// other. The issuer in the metadata must equal this string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub expected_issuer: Option<String>,
    /// Endpoints that the metadata does not contain, and further origins that endpoints may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Endpoints>,
    /// Credentials sent with WebFinger and metadata requests. Unset: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("!has(self.clientCredentials)").message("discoveryAuth cannot be clientCredentials: the token endpoint is known only after discovery; use basic, bearer or header"))]
    #[x_kube(validation = Rule::new("!has(self.serviceAccountToken) || !has(self.serviceAccountToken.usage) || self.serviceAccountToken.usage == 'Bearer'").message("discoveryAuth cannot obtain an access token: the token endpoint is known only after discovery; use usage Bearer"))]
    #[x_kube(validation = Rule::new("!has(self.bearer) || !has(self.bearer.additionalSecretRefs)").message("additionalSecretRefs is used only in registrationAuth").field_path(".bearer"))]
    pub discovery_auth: Option<Auth>,
    /// Credentials sent with a registration, such as an initial access token (RFC 7591 section 3). Unset: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_auth: Option<Auth>,
    /// Credentials for reading, changing and deleting clients where `management.mode` is `Credentials`. Unset: those of
    /// `registrationAuth`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("!has(self.bearer) || !has(self.bearer.additionalSecretRefs)").message("additionalSecretRefs is used only in registrationAuth").field_path(".bearer"))]
    pub management_auth: Option<Auth>,
    /// Client certificate of the operator, for providers that demand mutual TLS. The Secret has the keys `tls.crt` and `tls.key`, as one of
    /// type `kubernetes.io/tls`. The certificate is shown in every call to the provider, together with the credentials of that call. A
    /// renewed certificate is used from the next connection on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_client_auth: Option<SecretBacked>,
    /// Software statement (RFC 7591 section 2.3) that is sent with every registration and update of a client that sets none itself. The
    /// Secret's key is `software_statement`, a JWT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_statement: Option<SecretBacked>,
    /// Preset for a kind of provider; each setting can be overridden.
    #[serde(default)]
    pub profile: Profile,
    /// Overrides the profile: names of metadata members that are never sent, because the provider refuses them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 128)))]
    pub omit_members: Option<Vec<String>>,
    /// Overrides the profile: metadata members for which the operator sends no default; they are sent only if the OAuthClient sets them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 128)))]
    pub omit_defaults: Option<Vec<String>>,
    /// Overrides the profile: names of members that `extraMetadata` of a client may not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 128)))]
    pub reserved_members: Option<Vec<String>>,
    /// Overrides the profile: metadata member by which a registration chooses its own `client_id`. The operator then sends an
    /// identifier that it derives from cluster and object, and a registration whose answer was lost is found again instead of
    /// repeated; `management.mode` has to be `Credentials`. Empty: the provider chooses.
    #[serde(default, rename = "clientIDMember", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub client_id_member: Option<String>,
    /// Overrides the profile: how registered clients are read, changed and deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub management: Option<Management>,
    /// Overrides the metadata: methods by which clients authenticate at the token endpoint, in place of
    /// `token_endpoint_auth_methods_supported`. A client that sets no method gets the first of `client_secret_basic`, `client_secret_post`
    /// and `client_secret_jwt` that is listed; a client that sets another one is refused. Empty: no method is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 128)))]
    pub token_endpoint_auth_methods: Option<Vec<String>>,
    /// How an update takes a member out that the manifest no longer sets. `Omit` leaves it out of the request, `Null` sends null, `Empty`
    /// sends an empty value of its kind, `Default` sends the default of the specification, else an empty value. Unset: the operator tries
    /// these in this order until the answer no longer contains the member, and remembers for each client which one worked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clearing: Option<Clearing>,
    /// What to do when it is unknown whether a registration took effect and the provider cannot be asked. `Register`
    /// registers once more and reports a suspected stray client; `Hold` waits for a person.
    #[serde(default)]
    pub on_unknown_outcome: OnUnknownOutcome,
    /// What to do when a client is proven to be lost at the provider. `Register` registers another client in its place and writes
    /// its credentials into the Secret; `Hold` keeps the Secret and waits for manual action.
    #[serde(default)]
    pub on_client_lost: OnClientLost,
    /// What to do when the provider registers other values than a manifest sets. `Accept` uses the client; its status shows the values.
    /// `Reject` deregisters a client that was just registered, before its Secret exists, and takes an update back by sending the former
    /// request once; `management.mode` must not be `None`.
    #[serde(default)]
    pub substitutions: Substitutions,
    /// Whether the operator tries the credentials of a client after its registration and after each change, with a request that obtains
    /// no token; the condition `Verified` has the result. With `Never`, nothing is tried, and the operator never registers a lost client
    /// again by itself.
    #[serde(default)]
    pub verify: Verify,
    /// Whether OAuthClients may take over clients that exist at the provider, by `spec.adopt`. Whoever may create an OAuthClient can then
    /// change and delete every client whose registration access token they know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_adoption: Option<bool>,
    /// Bounds on what the operator asks of this provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// Deadlines of calls to this provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<Timeouts>,
    /// How the provider's certificate is verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

impl ProviderSettings {
    /// Names of all Secrets that are used. A field that is added has to be named here.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let auths = [&self.discovery_auth, &self.registration_auth, &self.management_auth];
        let auths = auths.into_iter().flatten().flat_map(Auth::secrets);
        let others = [&self.tls_client_auth, &self.software_statement].into_iter().flatten();
        let others = others.map(|SecretBacked { secret_ref }| secret_ref);
        let authorities = self.authorities().and_then(|from| from.secret_ref.as_ref());
        auths.chain(others.chain(authorities).map(|secret_ref| secret_ref.name.as_str()))
    }

    /// Names of all ConfigMaps that are used. A field that is added has to be named here.
    pub fn config_maps(&self) -> impl Iterator<Item = &str> {
        let authorities = self.authorities().and_then(|from| from.config_map_ref.as_ref());
        authorities
            .into_iter()
            .map(|config_map_ref| config_map_ref.name.as_str())
    }

    /// Where the certificates of authorities are, if the object does not hold them itself.
    #[must_use]
    pub fn authorities(&self) -> Option<&AuthoritiesFrom> {
        self.tls.as_ref()?.ca_bundle_from.as_ref()
    }
}

/// Issuer discovery by WebFinger.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct WebFinger {
    /// Identifier to ask for, for example `acct:admin@id.example.com`. Without a scheme it is normalised as OpenID
    /// Connect Discovery section 2.1 says.
    #[schemars(length(min = 1, max = 1024))]
    pub resource: String,
    /// Host, or host and port, that answers WebFinger. Unset: the host of the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 260), regex(pattern = r"^[^\s/?#@]+$"))]
    pub host: Option<String>,
}

/// Overrides for endpoints missing from discovery, and additional allowed origins.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Endpoints {
    /// Registration endpoint, for providers whose metadata omits it (Ory Hydra, Duende IdentityServer).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub registration: Option<String>,
    /// Origins other than the issuer's that metadata, WebFinger links and registration URIs may name, for example
    /// `https://api.example.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 270)))]
    pub allowed_origins: Option<Vec<String>>,
}
