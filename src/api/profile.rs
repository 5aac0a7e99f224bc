//! Profiles: what is special about a kind of provider, as data. Nothing outside this table names a profile.

#![allow(
    clippy::doc_markdown,
    reason = "these texts are shown by kubectl explain, which knows no markup"
)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policies::Clearing;

/// Named sets of settings. What each one sets is in the documentation of the provider.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// RFC 7591 and RFC 7592 as written.
    #[default]
    #[serde(rename = "rfc7592")]
    Rfc7592,
    /// Auth0.
    #[serde(rename = "auth0")]
    Auth0,
    /// authentik.
    #[serde(rename = "authentik")]
    Authentik,
    /// Curity Identity Server.
    #[serde(rename = "curity")]
    Curity,
    /// Gluu Server and Janssen.
    #[serde(rename = "gluu")]
    Gluu,
    /// Ory Hydra.
    #[serde(rename = "hydra")]
    Hydra,
    /// IBM Security Verify Access.
    #[serde(rename = "ibm-isva")]
    IbmIsva,
    /// Keycloak.
    #[serde(rename = "keycloak")]
    Keycloak,
    /// Okta.
    #[serde(rename = "okta")]
    Okta,
    /// PingFederate.
    #[serde(rename = "pingfederate")]
    Pingfederate,
    /// Rauthy.
    #[serde(rename = "rauthy")]
    Rauthy,
    /// Spring Authorization Server.
    #[serde(rename = "spring")]
    Spring,
    /// ThunderID.
    #[serde(rename = "thunder")]
    Thunder,
    /// WSO2 Identity Server and Asgardeo, DCR v1.1.
    #[serde(rename = "wso2")]
    Wso2,
    /// WSO2 Identity Server 5.x, `/identity/connect/register`.
    #[serde(rename = "wso2-legacy")]
    Wso2Legacy,
    /// ZITADEL.
    #[serde(rename = "zitadel")]
    Zitadel,
}

/// What a profile sets. A provider object can override everything but the mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Page in `docs/providers` that describes the profile.
    pub page: &'static str,
    /// Wire names of members that are never sent.
    pub omit_members: &'static [&'static str],
    /// Wire names of members that are sent only where the manifest sets them.
    pub omit_defaults: &'static [&'static str],
    /// Wire names that `extraMetadata` may not set.
    pub reserved_members: &'static [&'static str],
    /// Member by which a registration chooses its own `client_id`.
    pub client_id_member: Option<&'static str>,
    /// How a registration is marked, so that an administrator finds its client again.
    pub mark: Option<Mark>,
    /// How registered clients are managed.
    pub management: ManagementMode,
    /// Which members an update sends.
    pub update_members: UpdateMembers,
    /// Whether an update contains the current secret.
    pub secret_in_update: SecretInUpdate,
    /// How an update takes out a member that the manifest no longer sets; `None`: it is learned.
    pub clearing: Option<Clearing>,
    /// Path of the registration endpoint below the issuer, where the metadata names none.
    pub registration_path: Option<&'static str>,
    /// Calls begun per minute.
    pub per_minute: Option<u32>,
}

/// A member of a registration that says nothing to the provider, and that the provider shows to its administrators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Wire name of the member.
    pub member: &'static str,
    /// The one authentication method of clients for which the member means something: those carry no mark.
    pub method: &'static str,
    /// Name under which administrators see it.
    pub attribute: &'static str,
    /// Part of the issuer that is replaced to build the admin URL.
    pub issuer_part: &'static str,
    /// Its replacement.
    pub listing_part: &'static str,
    /// Suffix of that URL.
    pub listing_end: &'static str,
}

/// RFC 7591 and RFC 7592 as written.
const STANDARD: Preset = Preset {
    page: "generic",
    omit_members: &[],
    omit_defaults: &[],
    reserved_members: &[],
    client_id_member: None,
    mark: None,
    management: ManagementMode::RegistrationAccessToken,
    update_members: UpdateMembers::Requested,
    secret_in_update: SecretInUpdate::Omit,
    clearing: None,
    registration_path: None,
    per_minute: None,
};

impl Profile {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 16] = [
        Self::Rfc7592,
        Self::Auth0,
        Self::Authentik,
        Self::Curity,
        Self::Gluu,
        Self::Hydra,
        Self::IbmIsva,
        Self::Keycloak,
        Self::Okta,
        Self::Pingfederate,
        Self::Rauthy,
        Self::Spring,
        Self::Thunder,
        Self::Wso2,
        Self::Wso2Legacy,
        Self::Zitadel,
    ];

    /// The table of profiles.
    #[must_use]
    pub const fn preset(self) -> Preset {
        match self {
            Self::Rfc7592 => STANDARD,
            // The tenant's limit is five registrations a second.
            Self::Auth0 => Preset {
                page: "auth0",
                management: ManagementMode::None,
                per_minute: Some(300),
                ..STANDARD
            },
            Self::Authentik => Preset {
                page: "authentik",
                management: ManagementMode::None,
                ..STANDARD
            },
            Self::Curity => Preset {
                page: "curity",
                ..STANDARD
            },
            Self::Gluu => Preset {
                page: "gluu",
                ..STANDARD
            },
            // Its metadata names the endpoint only if an administrator configures that.
            Self::Hydra => Preset {
                page: "hydra",
                registration_path: Some("/oauth2/register"),
                ..STANDARD
            },
            Self::IbmIsva => Preset {
                page: "ibm-isva",
                secret_in_update: SecretInUpdate::Include,
                ..STANDARD
            },
            // It refuses a chosen `client_id`, and stores no `software_id`. A certificate's subject is stored whatever the client
            // authenticates by.
            Self::Keycloak => Preset {
                page: "keycloak",
                mark: Some(Mark {
                    member: "tls_client_auth_subject_dn",
                    method: "tls_client_auth",
                    attribute: "x509.subjectdn",
                    issuer_part: "/realms/",
                    listing_part: "/admin/realms/",
                    listing_end: "/clients",
                }),
                ..STANDARD
            },
            Self::Okta => Preset {
                page: "okta",
                management: ManagementMode::Credentials,
                update_members: UpdateMembers::All,
                ..STANDARD
            },
            Self::Pingfederate => Preset {
                page: "pingfederate",
                ..STANDARD
            },
            Self::Rauthy => Preset {
                page: "rauthy",
                ..STANDARD
            },
            // Clients can be read, with a token that expires after minutes, and not changed.
            Self::Spring => Preset {
                page: "spring",
                management: ManagementMode::None,
                ..STANDARD
            },
            // Names of clients are unique, and the one of a registration whose answer was lost is taken.
            Self::Thunder => Preset {
                page: "thunder",
                omit_members: &["client_name"],
                management: ManagementMode::None,
                ..STANDARD
            },
            // DCR v1.1 manages clients with the credentials that registered them, and lets a client choose id and secret. Version 5.10
            // refuses `token_endpoint_auth_method`, later ones do not.
            Self::Wso2 => Preset {
                page: "wso2",
                omit_members: &["response_types", "application_type"],
                omit_defaults: &["token_endpoint_auth_method"],
                reserved_members: &["ext_param_client_id", "ext_param_client_secret"],
                client_id_member: Some("ext_param_client_id"),
                management: ManagementMode::Credentials,
                ..STANDARD
            },
            // `/identity/connect/register` refuses members that it does not know, and offers nothing but registration.
            Self::Wso2Legacy => Preset {
                page: "wso2",
                omit_members: &["token_endpoint_auth_method", "response_types", "application_type"],
                management: ManagementMode::None,
                ..STANDARD
            },
            Self::Zitadel => Preset {
                page: "zitadel",
                ..STANDARD
            },
        }
    }

    /// Its name in manifests.
    #[must_use]
    pub fn name(self) -> String {
        serde_json::to_value(self)
            .ok()
            .and_then(|name| name.as_str().map(str::to_owned))
            .unwrap_or_default()
    }
}

/// How registered clients are managed.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.uriTemplate) || self.uriTemplate.replace('{registration_endpoint}', '').matches('[{][A-Za-z0-9_.-]+[}]')").message("uriTemplate needs {client_id} or another member of the answer to the registration, so that each client has a URI of its own").field_path(".uriTemplate"))]
pub struct Management {
    /// `RegistrationAccessToken`: with the token and URI that the registration returned (RFC 7592). `Credentials`: with
    /// `managementAuth` at `uriTemplate`. `None`: not at all. Unset: the mode of the profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<ManagementMode>,
    /// URI of one client. `{registration_endpoint}`, `{client_id}` and the name of any other text or number of the answer to the
    /// registration, such as `{app_id}`, are replaced. Unset: `{registration_endpoint}/{client_id}`. A deregistration at such a URI counts
    /// only after a GET there has shown a client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub uri_template: Option<String>,
    /// Overrides the profile: which members an update sends. `Requested`: those of the manifest and the defaults of the operator. `All`:
    /// also those that the provider added, for providers that refuse an update that lacks one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_members: Option<UpdateMembers>,
    /// Overrides the profile: whether an update contains the current `client_secret`. With `Omit`, an update that the provider refuses
    /// with words about `client_secret` is sent once more with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_in_update: Option<SecretInUpdate>,
}

/// Ways of managing a registered client.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ManagementMode {
    /// RFC 7592: the registration access token at the client configuration endpoint.
    #[default]
    RegistrationAccessToken,
    /// The provider's own credentials at a URI made from a template.
    Credentials,
    /// The provider offers no management.
    None,
}

/// Members of an update.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpdateMembers {
    /// What the manifest and the operator's defaults ask for.
    #[default]
    Requested,
    /// Also what the provider added to its answers.
    All,
}

/// Whether an update contains the current secret.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretInUpdate {
    /// It does not.
    #[default]
    Omit,
    /// It does.
    Include,
}
