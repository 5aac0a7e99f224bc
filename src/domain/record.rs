//! The registration record: everything that is known about a registered client, in one Secret of the operator's namespace.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::api::ManagementMode;

mod authentication;
mod followed;
mod in_flight;
pub mod made;
mod nested;
mod rejected;
mod stored;

use super::clearing::Cleared;
use super::registration::Registration;
use super::target::Endpoints;
use super::uri_template;

pub use followed::followed;
pub use in_flight::InFlight;
pub use nested::Nested;
pub use rejected::{RefusedFormer, Rejected};
pub use stored::{DATA_KEY, DISPUTED_KEY, json_in, key};

/// Version of the record's form.
pub const SCHEMA_VERSION: u32 = 1;

/// Where a record is in its life.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// The client exists and its object is alive.
    #[default]
    Registered,
    /// The client is being deregistered.
    Deleting,
    /// The client is gone, or given up; the record may go too.
    Deleted,
    /// The client stays at the provider by the wish of its owner.
    Retained,
    /// The provider refused to deregister the client, or said that it does not know it, and nothing proves that it is gone. A
    /// record in this phase is the copy that a suspect entry holds.
    Suspect,
}

impl Phase {
    /// The word that stands in records and their labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "Registered",
            Self::Deleting => "Deleting",
            Self::Deleted => "Deleted",
            Self::Retained => "Retained",
            Self::Suspect => "Suspect",
        }
    }

    /// The phase that is written so.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Registered,
            Self::Deleting,
            Self::Deleted,
            Self::Retained,
            Self::Suspect,
        ]
        .into_iter()
        .find(|phase| phase.as_str() == text)
    }
}

/// What is known about a registered client. Unknown members are kept, so that an older version does not lose what a newer
/// one wrote.
#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Version of this form.
    pub schema_version: u32,
    /// Where the record is in its life.
    pub phase: Phase,
    /// Identity of the cluster that registered the client.
    pub cluster_id: String,
    /// The object: UID, namespace and name.
    pub owner: Owner,
    /// The attempt that registered the client.
    pub attempt: String,
    /// Counts changes of the credentials; the credentials Secret carries the same number.
    pub credential_generation: u64,
    /// Client identifier.
    pub client_id: String,
    /// Client secret; `None` for a client without one.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "expose",
        deserialize_with = "wrap"
    )]
    pub client_secret: Option<SecretString>,
    /// When the secret expires, in seconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_expires_at: Option<i64>,
    /// Registration access token.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "expose",
        deserialize_with = "wrap"
    )]
    pub registration_access_token: Option<SecretString>,
    /// Client configuration endpoint, verbatim. It and the token are one value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_client_uri: Option<String>,
    /// Seconds since the epoch at which the client was registered, by the operator's clock.
    pub registered_at: i64,
    /// Request that was last accepted.
    pub request: Map<String, Value>,
    /// Metadata as the provider last stated it, without credentials.
    pub metadata: Map<String, Value>,
    /// Endpoints of the provider, as its metadata last named them.
    pub endpoints: Endpoints,
    /// How to reach the provider's management, so that a deletion needs nothing else.
    pub management: Access,
    /// A management call without a stored answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<InFlight>,
    /// Value of the `replace` annotation by which this client was registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<String>,
    /// The update of a former leader that was answered after a newer one had begun: which of the two the provider carried out last,
    /// nobody knows, so the metadata is to be sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overtaken: Option<String>,
    /// Changes before the copy of this record that a suspect holds is removed, so that nobody puts another client in its place who has
    /// not seen that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub touched: Option<String>,
    /// Digests of the reference and the token of `spec.adopt` that were taken over last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted: Option<String>,
    /// Authentication method that the operator chose when it registered the client, because the manifest sets none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_method: Option<String>,
    /// Members that the manifest no longer sets: how they are cleared at the provider, and which it still has.
    #[serde(default, skip_serializing_if = "Cleared::is_empty")]
    pub cleared: Cleared,
    /// The update that was taken back, because the provider substituted values of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Rejected>,
    /// When the provider last accepted the client's own credentials, in seconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<i64>,
    /// When the provider first said during a deletion that it does not know the client, in seconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_since: Option<i64>,
    /// Whether the provider answered a registration with this client although others may use it: it is deregistered only if a person
    /// requests that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_dispute: bool,
    /// UID of the object's namespace when the client was registered, where namespaces can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_uid: Option<String>,
    /// UID of the object that takes this record over, because it was restored with a new UID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_by: Option<String>,
    /// UID of the object whose record this one replaces, as long as that record may exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_from: Option<String>,
    /// Members that this version does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
    /// The structures of this record as they were read, for the members in them that this version does not know.
    #[serde(skip)]
    pub nested: Nested,
}

/// The object that a record belongs to.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// UID of the object.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// How a client is managed at its provider.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// Mode.
    pub mode: ManagementMode,
    /// UID of the provider object.
    pub provider_uid: String,
    /// Whether the provider object is namespaced. Records of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaced: Option<bool>,
    /// URI template of mode `Credentials`.
    pub uri_template: String,
    /// What the answer to the registration says of the members that the template names beside `client_id`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<String, String>,
    /// Origins that management may use besides the issuer's.
    #[serde(default)]
    pub allowed_origins: Vec<String>,
    /// PEM authorities to trust instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// Deadline for connecting, in milliseconds.
    pub connect_timeout_ms: u64,
    /// Deadline for the whole call, in milliseconds.
    pub request_timeout_ms: u64,
}

impl Record {
    /// Whether an update whose answer never came may have rotated the token. The provider's own credentials are rotated by no
    /// update.
    #[must_use]
    pub fn token_is_in_doubt(&self) -> bool {
        self.management.mode != ManagementMode::Credentials
            && self.in_flight.as_ref().is_some_and(|update| update.unanswered)
    }

    /// Takes over what an answer states: rotated token, URI and secret replace the old ones, absent ones leave them (RFC
    /// 7592 section 3). Returns whether what the application uses has changed.
    pub fn absorb(&mut self, answer: Registration) -> bool {
        let secret_changed = answer.client_secret.as_ref().is_some_and(|new| {
            self.client_secret
                .as_ref()
                .is_none_or(|old| old.expose_secret() != new.expose_secret())
        });
        // What an answer leaves out about the same secret still holds; about another one it says nothing.
        if secret_changed || answer.client_secret_expires_at.is_some() {
            self.client_secret_expires_at = answer.client_secret_expires_at.filter(|at| *at != 0);
        }
        if secret_changed {
            self.client_secret = answer.client_secret;
            self.credential_generation = self.credential_generation.wrapping_add(1);
        }
        if let Some(token) = answer.registration_access_token {
            self.registration_access_token = Some(token);
        }
        if let Some(uri) = answer.registration_client_uri {
            self.registration_client_uri = Some(uri);
        }
        self.metadata = answer.metadata;
        secret_changed
    }

    /// Whether both hold the same credentials.
    #[must_use]
    pub fn same_credentials(&self, other: &Self) -> bool {
        self.same_secret(other)
            && is_same(
                self.registration_access_token.as_ref(),
                other.registration_access_token.as_ref(),
            )
            && self.registration_client_uri == other.registration_client_uri
    }

    /// Whether applications of both authenticate with the same secret, or with none.
    #[must_use]
    pub fn same_secret(&self, other: &Self) -> bool {
        is_same(self.client_secret.as_ref(), other.client_secret.as_ref())
    }

    /// Takes over the credentials of another version of this record.
    pub fn take_credentials(&mut self, other: &Self) {
        self.client_secret.clone_from(&other.client_secret);
        self.client_secret_expires_at = other.client_secret_expires_at;
        self.registration_access_token
            .clone_from(&other.registration_access_token);
        self.registration_client_uri.clone_from(&other.registration_client_uri);
    }

    /// Whether both say the same in every member.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        match (self.to_json(), other.to_json()) {
            (Ok(this), Ok(other)) => this == other,
            _ => false,
        }
    }

    /// The member that the URI of this client in the provider's management needs, and that the answer to its registration lacked.
    #[must_use]
    pub fn lacks_member(&self) -> Option<&str> {
        let access = &self.management;
        let lacking = || uri_template::lacking(&access.uri_template, &access.members);
        (access.mode == ManagementMode::Credentials).then(lacking)?
    }

    /// Whether the provider offers no management of this client. A template that lacks a member of it is wrong, and says nothing of the
    /// provider.
    #[must_use]
    pub fn is_unmanaged(&self) -> bool {
        self.management_uri().is_none() && self.lacks_member().is_none()
    }

    /// What the URI of this client is made from, if it is made from a template: at one provider, all clients of one value are found in
    /// the same way. Where the template lacks `client_id`, each client has a value of its own: two may have the same URI.
    #[must_use]
    pub fn template(&self) -> Option<String> {
        let Access {
            provider_uid,
            uri_template,
            ..
        } = &self.management;
        let templated = self.management.mode == ManagementMode::Credentials;
        let alone = !uri_template::names_client_id(uri_template);
        let client_id = if alone { self.client_id.as_str() } else { "" };
        templated.then(|| {
            format!(
                "{provider_uid} {} {uri_template} {client_id}",
                self.endpoints.registration
            )
        })
    }

    /// URI of this client in the provider's management, if there is any.
    #[must_use]
    pub fn management_uri(&self) -> Option<String> {
        match self.management.mode {
            ManagementMode::RegistrationAccessToken => self
                .registration_access_token
                .as_ref()
                .and(self.registration_client_uri.clone()),
            ManagementMode::Credentials if self.lacks_member().is_some() => None,
            ManagementMode::Credentials => Some(uri_template::expand(
                &self.management.uri_template,
                &self.endpoints.registration,
                &self.client_id,
                &self.management.members,
            )),
            ManagementMode::None => None,
        }
    }

    /// The record as it is stored.
    ///
    /// # Errors
    /// If it cannot be written as JSON, which none of its members allows.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        if self.nested.is_empty() {
            return serde_json::to_vec(self);
        }
        let mut members = serde_json::to_value(self)?;
        self.nested.add_to(&mut members);
        serde_json::to_vec(&members)
    }

    /// Reads a stored record.
    ///
    /// # Errors
    /// If it is not a record of a version that this program reads.
    pub fn from_json(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let stored: Value = serde_json::from_slice(bytes)?;
        let mut record = Self::deserialize(&stored)?;
        record.nested = Nested::unknown(&stored, &serde_json::to_value(&record)?);
        Ok(record)
    }

    /// The version of a stored record's form, also where nothing else of it can be read.
    #[must_use]
    pub fn schema_version_of(bytes: &[u8]) -> Option<u32> {
        let stored: Value = serde_json::from_slice(bytes).ok()?;
        stored.get("schemaVersion")?.as_u64()?.try_into().ok()
    }
}

#[allow(clippy::ref_option, reason = "serde passes a reference to the field")]
fn expose<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(ExposeSecret::expose_secret).serialize(serializer)
}

fn wrap<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(SecretString::from))
}

fn is_same(one: Option<&SecretString>, other: Option<&SecretString>) -> bool {
    one.map(ExposeSecret::expose_secret) == other.map(ExposeSecret::expose_secret)
}

#[cfg(test)]
pub(crate) mod tests;
