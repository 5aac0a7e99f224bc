//! The custom resources: types, names, conditions and reasons.

mod auth;
mod client;
mod client_credentials;
mod condition;
mod crds;
pub mod metadata;
pub mod names;
mod provider;
mod reason;
pub mod rules;

pub use auth::{Auth, HeaderAuth, SecretBacked, SecretRef};
pub use client::{
    Adopt, AnnotationValue, Attempt, AttemptOutcome, Binding, DeletionPolicy, Handled, KeyNames, LabelValue,
    OAuthClient, OAuthClientSpec, OAuthClientStatus, ProviderKind, ProviderRef, SecretSpec, SecretTemplate,
    SecretVersion, Suspect, TokenRef,
};
pub use client_credentials::{AssertionAudience, ClientCredentialsAuth, TokenAuthMethod, TokenReuse};
pub use condition::Condition;
pub use crds::{crds, file_name};
pub use provider::{
    AllowedNamespaces, Bounded63, ClusterOAuthProvider, ClusterOAuthProviderSpec, Endpoints, Management,
    ManagementMode, OAuthProvider, OAuthProviderSpec, OnUnknownOutcome, Profile, ProviderSettings, ProviderStatus,
    RateLimit, Timeouts, Tls, Verify, WebFinger,
};
pub use reason::Reason;
