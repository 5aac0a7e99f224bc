//! Bounds on the calls to a provider, whom they trust, and texts of bounded length.

#![allow(
    clippy::doc_markdown,
    reason = "these texts are shown by kubectl explain, which knows no markup"
)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::SecretRef;

/// Bounds on calls to one provider.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.per) || !has(self.perMinute)").message("set per or perMinute, not both"))]
pub struct RateLimit {
    /// Calls in flight at the same time. Default 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub concurrency: Option<i32>,
    /// Calls begun per minute. Default: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub per_minute: Option<i32>,
    /// Calls begun per period, for providers that count by the hour or the day: `{count: 20, period: 1h}` allows 20 calls an hour. The operator
    /// spreads the calls evenly over the period. Set either this or `perMinute`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<Rate>,
}

/// A number of calls in a period.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Rate {
    /// Calls begun per period.
    #[schemars(range(min = 1, max = 100_000))]
    pub count: i32,
    /// The period: a number of seconds, minutes or hours such as `10s`, `15m` or `1h`, at most `9999s`, `999m` or `24h`.
    #[schemars(
        length(max = 16),
        regex(pattern = r"^([1-9][0-9]{0,3}s|[1-9][0-9]{0,2}m|([1-9]|1[0-9]|2[0-4])h)$")
    )]
    pub period: String,
}

/// Deadlines of provider calls, such as `500ms`, `10s` or `1m`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Timeouts {
    /// Until the connection is made. Default 5s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), regex(pattern = r"^([0-9]+(ms|s|m))+$"))]
    pub connect: Option<String>,
    /// Until the answer has been read completely. Default 15s, at most 30s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), regex(pattern = r"^([0-9]+(ms|s|m))+$"))]
    pub request: Option<String>,
}

/// Certificate verification.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.caBundle) && has(self.caBundleFrom))").message("set either caBundle or caBundleFrom, not both"))]
pub struct Tls {
    /// PEM certificates of the authorities to trust instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 262_144), regex(pattern = r"-----BEGIN CERTIFICATE-----"))]
    pub ca_bundle: Option<String>,
    /// Secret or ConfigMap that contains the certificates. It needs the same label as a Secret with credentials and, for an
    /// OAuthProvider, the same annotation. A change takes effect within seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle_from: Option<AuthoritiesFrom>,
}

/// Where certificates of authorities are. Exactly one member is set.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.secretRef) != has(self.configMapRef)").message("set exactly one of secretRef and configMapRef"))]
pub struct AuthoritiesFrom {
    /// The Secret, in the provider's namespace (for a ClusterOAuthProvider: the operator's). The certificates are in its key `ca.crt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// The ConfigMap, in the provider's namespace (for a ClusterOAuthProvider: the operator's).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<ConfigMapRef>,
}

/// A key of a ConfigMap. There is no namespace member: see the field that holds the reference.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapRef {
    /// Name of the ConfigMap. It needs the label `oauth-client-operator.dev/provider-credentials: "true"`.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub name: String,
    /// Key that contains the certificates. Default `ca.crt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: Option<String>,
}

/// Value of a label.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct LabelValue(
    #[schemars(length(max = 63), regex(pattern = r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"))] pub String,
);

/// Value of an annotation.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct AnnotationValue(#[schemars(length(max = 4096))] pub String);
