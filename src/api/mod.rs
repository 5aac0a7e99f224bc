//! The custom resources: types, names, conditions and reasons.

mod client;
mod condition;
mod crds;
pub mod metadata;
pub mod names;
mod provider;
mod reason;

pub use client::{
    AnnotationValue, Attempt, AttemptOutcome, Binding, DeletionPolicy, KeyNames, LabelValue, OAuthClient,
    OAuthClientSpec, OAuthClientStatus, ProviderKind, ProviderRef, SecretSpec, SecretTemplate, SecretVersion, Suspect,
};
pub use condition::Condition;
pub use crds::{crds, file_name};
pub use provider::{
    AllowedNamespaces, Auth, Bounded63, ClusterOAuthProvider, ClusterOAuthProviderSpec, Endpoints, HeaderAuth,
    Management, ManagementMode, OAuthProvider, OAuthProviderSpec, OnUnknownOutcome, Profile, ProviderSettings,
    ProviderStatus, RateLimit, SecretBacked, SecretRef, Timeouts, Tls, WebFinger,
};
pub use reason::Reason;
