//! What is kept of a Secret's metadata: the few members that decide something, and never a label or annotation more.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;
use kube::core::ObjectMeta;

use super::consent::{Consent, is_labelled, lists_origins};
use crate::api::{OAuthClient, names};
use crate::domain::claim::Named;
use crate::domain::leftover::Held;
use crate::domain::record::Phase;
use crate::domain::secret::SecretRevision;
use crate::domain::suspect;

/// What a Secret is to the operator, by its role label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// The credentials Secret of a client, in the client's namespace.
    Credentials,
    /// The registration record of a client, in the operator's namespace.
    Record,
    /// A client that may exist at a provider and that nothing owns, in the operator's namespace.
    Suspect,
    /// None of these: a provider's credentials, for example.
    #[default]
    Other,
}

impl Role {
    /// The value of the role label; empty for [`Role::Other`].
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Record => "record",
            Self::Suspect => "suspect",
            Self::Other => "",
        }
    }

    /// What the value of the role label says.
    #[must_use]
    pub fn parse(text: Option<&str>) -> Self {
        [Self::Credentials, Self::Record, Self::Suspect]
            .into_iter()
            .find(|role| Some(role.as_str()) == text)
            .unwrap_or_default()
    }
}

/// The controller of a Secret, by its owner reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// UID.
    pub uid: Box<str>,
    /// Name.
    pub name: Box<str>,
    /// Whether it is an `OAuthClient`.
    pub is_client: bool,
}

/// What is known of a Secret without its data.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a label or an annotation of its own"
)]
pub struct SecretMeta {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// UID.
    pub uid: Box<str>,
    /// Resource version.
    pub resource_version: Box<str>,
    /// Annotation `credential-generation`.
    pub generation: Option<u64>,
    /// The owner reference with `controller: true`.
    pub owner: Option<Owner>,
    /// Label `client-uid`.
    pub client_uid: Option<Box<str>>,
    /// Label `client`: the digest of issuer and `client_id`.
    pub client: Option<u128>,
    /// Label `object`: the digest of the object's namespace and name.
    pub object: Option<u64>,
    /// Label `phase`.
    pub phase: Option<Phase>,
    /// Label `left` with the value `true`.
    pub left: bool,
    /// When a suspect was entered, in seconds since the epoch. A copy that `move` made does not tell.
    pub created: Option<i64>,
    /// Annotation `client-id`.
    pub client_id: Option<Box<str>>,
    /// Whether annotation `outcome` says that a process saw a registration end without a definite answer.
    pub unknown: bool,
    /// Label `role`.
    pub role: Role,
    /// Label `provider-credentials` with the value `true`.
    pub provider_credentials: bool,
    /// Whether annotation `allowed-origins` lists any.
    pub allowed_origins: bool,
    /// Whether annotation `retry` asks for a try at once.
    pub retry: bool,
    /// Whether it has a deletion timestamp.
    pub deleting: bool,
}

impl SecretMeta {
    /// UID of the `OAuthClient` that controls this Secret.
    #[must_use]
    pub fn owner_uid(&self) -> Option<&str> {
        self.owner.as_ref().filter(|o| o.is_client).map(|o| &*o.uid)
    }

    /// UID of the `OAuthClient` that this Secret concerns, as its role tells.
    #[must_use]
    pub fn concerns(&self) -> Option<&str> {
        match self.role {
            Role::Credentials => self.owner_uid(),
            Role::Record | Role::Suspect => self.client_uid.as_deref(),
            Role::Other => None,
        }
    }

    /// What it is to its client.
    #[must_use]
    pub(crate) fn held(&self) -> Held {
        match self.role {
            Role::Suspect if self.left => Held::Left,
            Role::Suspect => Held::Suspect,
            Role::Record | Role::Credentials | Role::Other => Held::Record,
        }
    }

    /// This Secret as one that names a client.
    #[must_use]
    pub fn named(&self) -> Named {
        Named {
            secret: self.name.to_string(),
            owner_uid: self.client_uid.as_deref().unwrap_or_default().to_owned(),
            phase: self.phase,
        }
    }

    /// What it says of its use by provider objects.
    #[must_use]
    pub fn consent(&self) -> Consent {
        Consent {
            uid: self.uid.clone(),
            resource_version: self.resource_version.clone(),
            labelled: self.provider_credentials,
            lists_origins: self.allowed_origins,
        }
    }

    /// The version that this is.
    #[must_use]
    pub fn revision(&self) -> SecretRevision {
        SecretRevision {
            uid: self.uid.to_string(),
            resource_version: self.resource_version.to_string(),
        }
    }
}

impl SecretMeta {
    /// What is kept; `namespace` is shared with the other Secrets of it.
    #[must_use]
    pub fn of(meta: ObjectMeta, namespace: Arc<str>) -> Self {
        let label = |name: &str| meta.labels.as_ref()?.get(name).map(String::as_str);
        let annotation = |name: &str| meta.annotations.as_ref()?.get(name);
        Self {
            namespace,
            generation: annotation(names::CREDENTIAL_GENERATION).and_then(|text| text.parse().ok()),
            client_uid: label(names::CLIENT_UID).map(Into::into),
            client: label(names::CLIENT).and_then(|key| u128::from_str_radix(key, 16).ok()),
            object: label(names::OBJECT).and_then(|key| u64::from_str_radix(key, 16).ok()),
            phase: label(names::PHASE).and_then(Phase::parse),
            left: label(names::LEFT) == Some("true"),
            created: meta
                .creation_timestamp
                .as_ref()
                .filter(|_| label(names::SECRET_ROLE) == Some(Role::Suspect.as_str()))
                .filter(|_| annotation(names::MOVED_FROM).is_none())
                .map(|time| time.0.as_second()),
            client_id: annotation(names::CLIENT_ID).map(|id| id.as_str().into()),
            unknown: annotation(names::OUTCOME).is_some_and(|outcome| outcome == suspect::UNKNOWN),
            role: Role::parse(label(names::SECRET_ROLE)),
            provider_credentials: is_labelled(&meta),
            allowed_origins: lists_origins(&meta),
            retry: annotation(names::RETRY).is_some(),
            deleting: meta.deletion_timestamp.is_some(),
            owner: meta
                .owner_references
                .iter()
                .flatten()
                .find(|r| r.controller == Some(true))
                .map(controller),
            name: meta.name.unwrap_or_default().into(),
            uid: meta.uid.unwrap_or_default().into(),
            resource_version: meta.resource_version.unwrap_or_default().into(),
        }
    }
}

fn controller(reference: &OwnerReference) -> Owner {
    // The group decides, not the version: a Secret stays its client's through a change of the API version.
    let group = reference.api_version.split_once('/').map_or("", |(group, _)| group);
    Owner {
        is_client: group == OAuthClient::group(&()) && reference.kind == OAuthClient::kind(&()),
        uid: reference.uid.as_str().into(),
        name: reference.name.as_str().into(),
    }
}
