//! `OAuthClient`: a client that the operator registers and keeps right.

#![allow(clippy::duplicated_attributes, reason = "printer columns repeat type and priority")]
#![allow(
    clippy::doc_markdown,
    reason = "these texts are shown by kubectl explain, which knows no markup"
)]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

use super::adopt::Adopt;
use super::bounds::{AnnotationValue, LabelValue};
use super::condition::Condition;
use super::effective::EffectiveMember;
use super::metadata::{ClientMetadata, RareMetadata, boxed_rare};
use super::parts::{Handled, Verification};
use super::written::{Binding, SecretVersion};

/// A client to be registered at a provider.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "oauth-client-operator.dev",
    version = "v1alpha1",
    kind = "OAuthClient",
    plural = "oauthclients",
    singular = "oauthclient",
    shortname = "oac",
    category = "oauth",
    namespaced,
    status = "OAuthClientStatus",
    derive = "PartialEq",
    selectable = ".spec.providerRef.name",
    doc = "An OAuth 2.0 or OpenID Connect client. The operator registers it at the referenced provider by Dynamic Client Registration and writes client_id and client_secret to a Secret.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether the client is registered and its Secret is written; AsRequested tells whether with the requested values"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Why"
    ),
    printcolumn(
        name = "Retrying",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Reconciling\")].status",
        description = "True if something fails and is tried again, or waits for the rate limit of the provider, also while the client is Ready"
    ),
    printcolumn(
        name = "Provider",
        type_ = "string",
        json_path = ".spec.providerRef.name",
        description = "Provider object"
    ),
    printcolumn(
        name = "Secret",
        type_ = "string",
        json_path = ".status.binding.name",
        description = "Secret that holds the credentials"
    ),
    printcolumn(
        name = "Client-ID",
        type_ = "string",
        json_path = ".status.clientID",
        priority = 1,
        description = "Identifier at the provider"
    ),
    printcolumn(
        name = "Issuer",
        type_ = "string",
        json_path = ".status.issuer",
        priority = 1,
        description = "Issuer that the client is registered at"
    ),
    printcolumn(
        name = "Retry-Cause",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Reconciling\")].message",
        priority = 1,
        description = "What fails and is tried again"
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
pub struct OAuthClientSpec {
    /// The provider to register at. Immutable: a client of another provider is another object.
    #[x_kube(validation = Rule::new("self == oldSelf").message("providerRef is immutable: create another OAuthClient for another provider"))]
    pub provider_ref: ProviderRef,
    /// Members that most clients set.
    #[serde(flatten)]
    pub metadata: ClientMetadata,
    /// Members that few clients set.
    #[serde(flatten, deserialize_with = "boxed_rare", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "RareMetadata")]
    pub rare: Option<Box<RareMetadata>>,
    /// Metadata members of the provider's own, under their wire names, for example `ext_param_owner`. Members that have a
    /// field of their own, and members that only answers hold, are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schemaless_object")]
    pub extra_metadata: Option<Map<String, Value>>,
    /// The Secret that receives the credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretSpec>,
    /// What becomes of the registered client when the object is deleted. `Delete` deregisters it; `Retain` leaves client
    /// and Secret as they are.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// How long deletion blocks on deregistration. Afterwards the object is removed and the operator keeps retrying in the background. Default 4m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), regex(pattern = r"^([0-9]+(s|m|h))+$"))]
    pub deletion_timeout: Option<String>,
    /// Takes over a client that exists at the provider, instead of registering one. For a client that is registered already: gives the
    /// operator a new registration access token for it, after the first one was lost, or regenerated at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<Box<Adopt>>,
    /// Pauses reconciliation; deletion is still processed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspend: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

fn schemaless_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "nullable": true,
        "maxProperties": 64,
        "x-kubernetes-preserve-unknown-fields": true,
    })
}

/// A provider object.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
pub struct ProviderRef {
    /// `OAuthProvider` (of the same namespace) or `ClusterOAuthProvider`.
    #[serde(default)]
    pub kind: ProviderKind,
    /// Name of the provider object.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub name: String,
}

/// The two kinds of provider.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProviderKind {
    /// In the client's own namespace.
    #[default]
    OAuthProvider,
    /// Cluster-wide.
    ClusterOAuthProvider,
}

/// What becomes of a registered client.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeletionPolicy {
    /// It is deregistered.
    #[default]
    Delete,
    /// It stays, and so does its Secret.
    Retain,
}

/// How the credentials Secret looks.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SecretSpec {
    /// Name of the Secret. Default: the name of the OAuthClient. After a change the new Secret is written first, then the
    /// old one is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,
    /// Names of the keys in the Secret, where the defaults do not fit the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_names: Option<Box<KeyNames>>,
    /// Whether issuer and endpoints of the provider and the authentication method are written as well. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_provider: Option<bool>,
    /// Type, labels and annotations of the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Box<SecretTemplate>>,
}

/// Names of keys in the credentials Secret.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct KeyNames {
    /// Key of the client identifier. Default `client_id`.
    #[serde(default, rename = "clientID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub client_id: Option<String>,
    /// Key of the client secret. Default `client_secret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub client_secret: Option<String>,
    /// Key of the issuer identifier. Default `issuer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub issuer: Option<String>,
    /// Key of the authorization endpoint. Default `authorization_endpoint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub authorization_endpoint: Option<String>,
    /// Key of the token endpoint. Default `token_endpoint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub token_endpoint: Option<String>,
    /// Key of the JWK Set URI. Default `jwks_uri`.
    #[serde(default, rename = "jwksURI", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub jwks_uri: Option<String>,
    /// Key of the UserInfo endpoint. Default `userinfo_endpoint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub userinfo_endpoint: Option<String>,
    /// Key of the end session endpoint. Default `end_session_endpoint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub end_session_endpoint: Option<String>,
    /// Key of the authentication method. Default `token_endpoint_auth_method`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub token_endpoint_auth_method: Option<String>,
}

/// Type, labels and annotations of the credentials Secret.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SecretTemplate {
    /// Type of the Secret. Default `Opaque`. A change deletes the Secret and creates it anew, because types are immutable.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 128),
        regex(pattern = r"^(Opaque|kubernetes\.io/basic-auth|servicebinding\.io/[-._a-zA-Z0-9]+)$")
    )]
    pub type_: Option<String>,
    /// Labels of the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 32))]
    pub labels: Option<BTreeMap<String, LabelValue>>,
    /// Annotations of the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 32))]
    pub annotations: Option<BTreeMap<String, AnnotationValue>>,
}

/// What the operator did and found.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct OAuthClientStatus {
    /// Last generation reconciled; -1 before the first reconcile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Digest of the spec at observedGeneration, without suspend: tells whether anything but suspend has changed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub observed_spec: Option<String>,
    /// Identifier of the client at the provider.
    #[serde(default, rename = "clientID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub client_id: Option<String>,
    /// Issuer that the client is registered at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub issuer: Option<String>,
    /// The last attempt at registering.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
    /// How the client authenticates at the token endpoint, as the provider states it, else as it was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub token_endpoint_auth_method: Option<String>,
    /// When the client was registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub registered_at: Option<String>,
    /// When the provider last accepted the credentials of the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub verified_at: Option<String>,
    /// The last check of the client's credentials, by which the operator knows whether they have to be checked again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Box<Verification>>,
    /// When the client secret expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub secret_expires_at: Option<String>,
    /// Secret that holds the credentials, as a Provisioned Service of servicebinding.io.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
    /// The operator's last write of that Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretVersion>,
    /// Clients that may have been registered for this object and that nothing owns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub suspects: Vec<Suspect>,
    /// Annotation values that were acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled: Option<Box<Handled>>,
    /// Metadata members that the provider registered with other values than it was asked for. The condition `AsRequested` tells whether one
    /// of them is set in the manifest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub effective: Vec<EffectiveMember>,
    /// `Ready`, `Registered`, `SecretSynced`, `AsRequested`, `Verified`, and `Reconciling`, `Stalled` or `Suspended` while true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// An attempt at registering.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Identifier of the attempt, as in the create-pending annotation.
    #[schemars(length(max = 64))]
    pub id: String,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// Digest of the request, the provider's settings and its credentials' versions.
    #[schemars(length(max = 64))]
    pub request_hash: String,
}

/// How an attempt at registering ended.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The client is registered and recorded.
    Registered,
    /// The provider did not register a client.
    #[default]
    NotApplied,
    /// It is unknown.
    Unknown,
    /// It is unknown, a suspect tells of the client that it may have left, and another one is recorded.
    Suspected,
}

/// A client that may exist at the provider and that nothing owns.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Suspect {
    /// Attempt that may have registered it.
    #[schemars(length(max = 64))]
    pub attempt: String,
    /// Its identifier, if known.
    #[serde(default, rename = "clientID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub client_id: Option<String>,
}
