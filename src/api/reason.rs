//! Reasons: one closed list for conditions, events and metric labels.

use std::fmt;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Why a condition has its status. The name itself is what users see and may match on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// Every reason, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The CamelCase word that stands in conditions, events and metrics.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }

            /// One sentence of meaning, for the documentation.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+),)+
                }
            }

            /// The reason that is written so, if it is one of ours.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.as_str() == text)
            }
        }
    };
}

reasons! {
    /// The client is registered as the manifest asks, and its Secret is written.
    Registered,
    /// The Secret holds the recorded credentials.
    SecretWritten,
    /// The provider's endpoints are known.
    Discovered,
    /// Work has begun and has not failed.
    Progressing,
    /// A failure that may pass; the operator tries again by itself.
    ProgressingWithRetry,
    /// `suspend` is set: the operator does nothing but deletion.
    Suspended,
    /// The manifest can never work as it is.
    InvalidSpec,
    /// The referenced provider object does not exist.
    ProviderNotFound,
    /// This installation watches namespaces only and serves no ClusterOAuthProvider.
    ProviderKindUnavailable,
    /// The provider does not allow this namespace.
    NamespaceNotAllowed,
    /// The provider, or its issuer or endpoint, is no longer the one that the client was registered at.
    ProviderChanged,
    /// A referenced credential Secret does not exist or lacks a key.
    CredentialsMissing,
    /// A referenced credential Secret does not carry the operator's consent label or origins.
    ConsentMissing,
    /// The provider refused the operator's credentials.
    CredentialsRejected,
    /// WebFinger or the metadata document did not give what is needed.
    DiscoveryFailed,
    /// The metadata document states another issuer than expected.
    IssuerMismatch,
    /// The provider offers no registration endpoint.
    RegistrationUnsupported,
    /// An endpoint lies at an origin that is not allowed.
    OriginNotAllowed,
    /// The address of the provider may not be contacted.
    AddressRefused,
    /// The provider's certificate could not be verified.
    CertificateRejected,
    /// The provider could not be reached, or answered that it cannot serve now.
    ProviderUnavailable,
    /// The provider asked to slow down.
    RateLimited,
    /// The provider's answer could not be understood.
    InvalidResponse,
    /// The provider rejected the client metadata.
    RegistrationRejected,
    /// The provider rejected a change of the client metadata.
    UpdateRejected,
    /// The provider offers no way to change a registered client.
    UpdateUnsupported,
    /// It is unknown whether the provider registered the client.
    OutcomeUnknown,
    /// A client may have been registered that no object owns.
    SuspectedOrphan,
    /// The record of a registered client is gone; its token and secret cannot be restored.
    RecordLost,
    /// The provider no longer accepts the token that manages the client.
    ManagementLost,
    /// The provider no longer knows a client that it registered.
    ClientMissing,
    /// The provider answered a registration with a client that another object, or somebody else, registered.
    AlreadyManaged,
    /// Another installation of the operator, or another cluster, registered this object.
    ManagedElsewhere,
    /// A Secret of that name exists and is not the operator's.
    SecretConflict,
    /// The Secret is being removed together with its former owner.
    SecretBeingRemoved,
    /// The API server refused to write a Secret.
    SecretWriteDenied,
    /// The namespace is being deleted.
    NamespaceTerminating,
    /// The client could not be deregistered yet.
    DeletionBlocked,
    /// The provider offers no deletion; the client stays there.
    DeletionUnsupported,
    /// The deletion timeout passed; the object goes, a tombstone stays.
    DeletionTimedOut,
    /// The client was deregistered.
    Deregistered,
    /// The client's metadata was changed at the provider.
    Updated,
    /// The Secret was restored from the record.
    SecretRestored,
    /// The operator met a state that it should not have.
    InternalError,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
