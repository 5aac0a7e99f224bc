//! What a provider was seen to do: observed in ordinary traffic, never guessed.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policies::Clearing;
use super::profile::ManagementMode;

/// What the provider was seen to do. A member that is not set was not observed yet.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// `RegistrationAccessToken`: a registration returned a token and a URI for it. `Credentials`: a client was managed with
    /// `managementAuth`. `None`: registrations return no such token and URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub management: Option<ManagementMode>,
    /// Whether a GET of a client showed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<ReadSupport>,
    /// How updates were accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<UpdateSupport>,
    /// Whether deregistrations were confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<DeleteSupport>,
    /// What became of members that an update left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub omitted_members: Option<OmittedMembers>,
    /// Ways to remove a member that the manifest no longer sets, as observed in answers to updates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clearing: Option<ClearingWays>,
    /// Members that the provider registered with other values than requested, by their names on the wire, without those of `extraMetadata`.
    /// Empty: no other values were observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(inner(length(max = 64)), length(max = 64))]
    pub substitutes: Option<Vec<String>>,
    /// Whether answers hold another registration access token than before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_access_token: Option<Rotation>,
    /// Whether answers hold another client secret than before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Rotation>,
    /// What the endpoints at which clients authenticate tell about credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<Probes>,
}

/// Ways to remove a member that the manifest no longer sets.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ClearingWays {
    /// Values of `management.clearing` that removed the members and have not failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub works: Vec<Clearing>,
    /// Values that did not remove a member, or whose update was refused although the rest of the request was accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub fails: Vec<Clearing>,
}

/// Whether a value stays the same over an operation.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Rotation {
    /// After a GET.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_read: Option<Kept>,
    /// After a PUT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_update: Option<Kept>,
}

/// What the endpoints at which clients authenticate tell about credentials.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Probes {
    /// The revocation endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<ProbeSupport>,
    /// The introspection endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection: Option<ProbeSupport>,
    /// The token endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<ProbeSupport>,
}

/// Reads of a client. Of two observations the later variant counts.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReadSupport {
    /// The provider answered that it offers no reads.
    Unsupported,
    /// A read showed the client.
    Supported,
}

/// Updates of a client. Of two observations the later variant counts.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UpdateSupport {
    /// The provider answered that it offers no updates.
    Unsupported,
    /// A PUT with the current `client_secret` in it was accepted, and none without it so far.
    PutWithSecret,
    /// A PUT without `client_secret` was accepted.
    Put,
}

/// Deregistrations. Of two observations the later variant counts.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeleteSupport {
    /// The provider answered that it offers no deregistration.
    Unsupported,
    /// A DELETE was answered with a success that does not prove a deregistration, such as 202 or an HTML page.
    Unproven,
    /// The provider confirmed a deregistration.
    Supported,
}

/// Members that an update left out. Of two observations the later variant counts.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OmittedMembers {
    /// The provider removed one.
    Cleared,
    /// The provider kept the former value of one: it merges.
    Kept,
}

/// A value after an operation. Of two observations the later variant counts.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// The answer held no other value.
    Same,
    /// An answer held another value.
    Changed,
}

/// An endpoint at which clients authenticate. Of two observations the later variant counts.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProbeSupport {
    /// It accepts the credentials of a client, and rejects those of a client that was never registered.
    TellsClients,
    /// It also rejects a wrong secret of a registered client. Only `certify` finds this out.
    TellsSecrets,
    /// It accepts a wrong secret of a registered client. Only `certify` finds this out.
    AcceptsAnySecret,
    /// It accepts the credentials of a client that was never registered.
    AcceptsAnybody,
}
