//! The custom resources: types, names, conditions and reasons.

// `KubeSchema` makes a copy of each type inside a function, where its `pub` reaches nobody.
#![allow(unreachable_pub)]

mod adopt;
mod auth;
mod bearer;
mod bounds;
mod capabilities;
mod client;
mod client_credentials;
mod condition;
mod crds;
mod effective;
pub mod metadata;
pub mod names;
mod parts;
mod policies;
mod profile;
mod provider;
mod provider_status;
mod reason;
pub mod rules;
mod service_account;
mod written;

pub use adopt::{Adopt, TokenRef};
pub use auth::{Auth, HeaderAuth, SecretBacked, SecretRef};
pub use bearer::{BearerAuth, TokenState, TokenStatus};
pub use bounds::{AnnotationValue, AuthoritiesFrom, ConfigMapRef, LabelValue, Rate, RateLimit, Timeouts, Tls};
pub use capabilities::{
    Capabilities, ClearingWays, DeleteSupport, Kept, OmittedMembers, ProbeSupport, Probes, ReadSupport, Rotation,
    UpdateSupport,
};
pub use client::{
    Attempt, AttemptOutcome, DeletionPolicy, KeyNames, OAuthClient, OAuthClientSpec, OAuthClientStatus, ProviderKind,
    ProviderRef, SecretSpec, SecretTemplate, Suspect,
};
pub use client_credentials::{AssertionAudience, ClientCredentialsAuth, TokenAuthMethod, TokenReuse};
pub use condition::Condition;
pub use crds::{crds, file_name};
pub use effective::EffectiveMember;
pub use parts::{Handled, Verification};
pub use policies::{Clearing, OnClientLost, OnUnknownOutcome, Substitutions, Verify};
pub use profile::{Management, ManagementMode, Mark, Preset, Profile, SecretInUpdate, UpdateMembers};
pub use provider::{
    AllowedNamespaces, Bounded63, ClusterOAuthProvider, ClusterOAuthProviderSpec, Endpoints, OAuthProvider,
    OAuthProviderSpec, ProviderSettings, WebFinger,
};
pub use provider_status::ProviderStatus;
pub use reason::Reason;
pub use service_account::{ServiceAccountAuth, ServiceAccountUsage};
pub use written::{Binding, SecretVersion};
