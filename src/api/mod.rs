//! The custom resources: types, names, conditions and reasons.

mod condition;
pub mod names;
mod provider;
mod reason;

pub use condition::Condition;
pub use provider::{
    AllowedNamespaces, Auth, Bounded63, ClusterOAuthProvider, ClusterOAuthProviderSpec, Endpoints, HeaderAuth,
    Management, ManagementMode, OAuthProvider, OAuthProviderSpec, OnUnknownOutcome, Profile, ProviderSettings,
    ProviderStatus, RateLimit, SecretBacked, SecretRef, Timeouts, Tls, WebFinger,
};
pub use reason::Reason;
