//! Reasons: one closed list for conditions, events and metric labels.

use std::fmt;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident => $remedy:literal,)+) => {
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

            /// What a person can do, for the documentation.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self {
                    $(Self::$name => $remedy,)+
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
    /// The client is registered and its Secret is written. The condition `AsRequested` tells whether the provider registered the values of the manifest.
    Registered => "Nothing to do.",
    /// The provider had lost the client, and the operator registered another one.
    RegisteredAnew => "Restart applications that do not reload the Secret. A suspect may name the former client: check it at the provider.",
    /// The answer of the provider confirms every value that the manifest sets.
    AsRequested => "Nothing to do.",
    /// The provider registered other values than the manifest sets.
    MetadataSubstituted => "Compare `status.effective` with the manifest. Change the fields that the message names to values that the provider registers, or ask the administrator of the provider to allow the requested ones.",
    /// The answer of the provider does not contain all members that the manifest sets.
    MetadataNotStated => "Check at the provider whether it registered the members that the message names.",
    /// The provider registered another authentication method than the manifest sets, so that the application cannot authenticate.
    AuthMethodSubstituted => "Set `spec.tokenEndpointAuthMethod` to the method that the message names and configure the application for it, or ask the administrator of the provider to allow the requested method.",
    /// The provider registered other values than the manifest sets, and its provider object rejects that.
    SubstitutionRejected => "Change the fields that the message names to values that the provider registers, or set `spec.substitutions: Accept` in the provider object. The same update is not sent again until the manifest or the provider object changes; the same registration is, also after the annotation `oauth-client-operator.dev/reconcile` has a new value.",
    /// The provider does not support the authentication method that the manifest sets, or none that the operator can choose.
    AuthMethodUnsupported => "Set `spec.tokenEndpointAuthMethod` to a method that the message names. If the metadata of the provider is wrong, list its methods in `spec.tokenEndpointAuthMethods` of the provider object.",
    /// The provider registered a client that authenticates with a secret, and issued none.
    SecretNotIssued => "Set `spec.tokenEndpointAuthMethod` to a method that the provider supports. If the provider cannot change clients, create the OAuthClient again.",
    /// The Secret holds the recorded credentials.
    SecretWritten => "Nothing to do.",
    /// The provider accepts the credentials in the Secret.
    Verified => "Nothing to do.",
    /// The operator cannot determine whether the provider accepts the credentials in the Secret.
    NotVerifiable => "Nothing to do. The message has the cause. To check the credentials, let the application authenticate.",
    /// The endpoints of the provider are known.
    Discovered => "Nothing to do.",
    /// Work has begun or waits for its turn, and has not failed.
    Progressing => "Wait. If the message names a rate limit that is lower than what the provider allows, raise `spec.rateLimit` of the provider object. Otherwise, if it lasts, look at the log of the operator.",
    /// A failure that may be temporary; the operator retries.
    ProgressingWithRetry => "Read the message of the condition. Fix what it names, or wait for the next try.",
    /// `spec.suspend` is set: the operator processes only deletion.
    Suspended => "Set `spec.suspend` to false to resume.",
    /// The manifest can never work as it is.
    InvalidSpec => "Change the field that the message names.",
    /// The referenced provider object does not exist.
    ProviderNotFound => "Create the provider object, or create the OAuthClient again with another `spec.providerRef`, which is immutable. For a ClusterOAuthProvider, set `spec.providerRef.kind`.",
    /// This installation serves chosen namespaces and no ClusterOAuthProvider.
    ProviderKindUnavailable => "Use an OAuthProvider in the namespace of the OAuthClient, or install the cluster-wide form.",
    /// The provider does not allow this namespace.
    NamespaceNotAllowed => "Ask a cluster administrator to add the namespace to `spec.allowedNamespaces` of the ClusterOAuthProvider.",
    /// The provider object, its issuer or an endpoint is no longer the one that the client was registered at.
    ProviderChanged => "Restore the former issuer in the provider object. To move to another provider, create a new OAuthClient and delete this one.",
    /// A referenced Secret or ConfigMap does not exist or lacks a usable key.
    CredentialsMissing => "Create the Secret or ConfigMap with the keys that the message names.",
    /// The provider does not allow that existing clients are taken over.
    AdoptionNotAllowed => "Ask the owner of the provider object to set `allowAdoption`, or remove `spec.adopt`.",
    /// A referenced Secret or ConfigMap lacks the consent label or annotation of the operator.
    ConsentMissing => "Run the kubectl commands in the message if the credentials may be sent to that origin, or the certificates may be used for the provider.",
    /// The provider refused the credentials of the operator.
    CredentialsRejected => "Replace the token, password or client secret in the credential Secret. An initial access token may have expired or may be used up.",
    /// WebFinger or the metadata document did not give what is needed.
    DiscoveryFailed => "Check `spec.issuer`, `spec.webFinger` or `spec.metadataURL` of the provider object. Request the URL in the message with curl from inside the cluster.",
    /// The metadata document names an issuer other than the expected one.
    IssuerMismatch => "Correct `spec.issuer` of the provider object, or set `spec.expectedIssuer` to the issuer in the message if the provider is known to differ.",
    /// The metadata of the provider names no registration endpoint.
    RegistrationUnsupported => "Enable dynamic client registration at the provider, or set `spec.endpoints.registration` of the provider object.",
    /// An endpoint has an origin that is not allowed.
    OriginNotAllowed => "If the origin belongs to the provider, add it to `spec.endpoints.allowedOrigins` of the provider object. If the message names `--namespaced-providers` or `--namespaced-provider-origins`, use a ClusterOAuthProvider, or ask a cluster administrator to allow the origin. If it names the ServiceAccount token of the operator, `allowedOrigins` does not apply: for that endpoint, use credentials from a Secret.",
    /// The operator does not connect to the address of the provider.
    AddressRefused => "Use an address that is neither loopback, link-local nor the cluster IP of the API server, and https. If the message names `--namespaced-provider-cidrs`, ask a cluster administrator to allow the address range. For tests, run the operator with `--allow-insecure-origins`.",
    /// The certificate of the provider could not be verified.
    CertificateRejected => "Set `spec.tls.caBundle` or `spec.tls.caBundleFrom` of the provider object to the CA of the certificate, or renew the certificate.",
    /// The provider could not be reached, or answered that it cannot serve now.
    ProviderUnavailable => "Check the provider and the network policies. The operator retries.",
    /// The provider asked the operator to slow down.
    RateLimited => "Wait. If it happens often, lower `spec.rateLimit` of the provider object.",
    /// The answer of the provider could not be understood.
    InvalidResponse => "Check that the endpoint in the message belongs to the provider and not to a proxy or login page, and look at the log of the provider.",
    /// The provider rejected the client metadata.
    RegistrationRejected => "Change the member that the message names. Nothing is sent again until the manifest, the provider object or its credentials change.",
    /// The provider rejected a change of the client metadata.
    UpdateRejected => "Change the member that the message names, or restore its former value. The credentials remain valid.",
    /// The provider offers no way to change a registered client.
    UpdateUnsupported => "Restore the former manifest, or register another client in the place of this one with the annotation `replace` that the message names. The credentials remain valid until then.",
    /// It is unknown whether the provider registered the client.
    OutcomeUnknown => "Look for the client at the provider and delete it there if it exists. Then change the manifest, or create the OAuthClient again.",
    /// A client that no object owns may exist at the provider.
    SuspectedOrphan => "Look for the client at the provider. If it exists and nothing uses it, delete it there. Then acknowledge the suspect with `oauth-client-operator suspects ack`, see [Suspects](suspects.md).",
    /// The record of a registered client is gone; its token cannot be restored, and nothing is registered again.
    RecordLost => "Restore the Secret of the record in the namespace of the operator from a backup. Without a backup, create a new OAuthClient and delete the client at the provider.",
    /// An earlier OAuthClient of this name left the record of a client, and this one may not take it over.
    RestoreRefused => "Follow the steps in the message: allow that the record is taken over, or delete the client at the provider and acknowledge the record.",
    /// The provider no longer accepts the token that manages the client, and the client exists.
    ManagementLost => "The credentials remain valid. Ask the administrator of the provider why the token is refused. If the token was regenerated, give the operator the new one by `spec.adopt`. To replace the client, set the annotation `replace` that the message names.",
    /// The provider rejects the credentials of the client as they are in the Secret.
    SecretRejected => "Compare the authentication method and the secret of the client at the provider with the Secret. After a repair at the provider set the annotation `reconcile`; otherwise have another client registered with the annotation `replace` that the message names.",
    /// The client secret has expired, so the applications of this client can no longer authenticate.
    SecretExpired => "Have another client registered with the annotation `replace` that the message names, then restart applications that do not reload the Secret. If the provider can extend the secret, change the manifest: its answer to the update is taken over.",
    /// The provider no longer knows a client that it registered.
    ClientMissing => "Wait: if the provider confirms this, the client is registered again. Check whether the provider lost its data.",
    /// The provider has lost the client, and the provider object says to wait (`onClientLost: Hold`).
    ClientLost => "Ask the administrator of the provider whether the client can be restored; a new registration access token goes into `spec.adopt`. To register another client, set the annotation `replace` that the message names, or set `spec.onClientLost` of the provider object to `Register`.",
    /// The provider answered a registration with a client that another object, or somebody else, registered.
    AlreadyManaged => "Change `spec.clientName` or another member by which the provider tells clients apart, or delete one of the two OAuthClients.",
    /// Another installation of the operator, or another cluster, registered this object.
    ManagedElsewhere => "If two installations of the operator serve this namespace, remove one. If the operator was moved to another namespace, run it in the former one again, or move its records by `oauth-client-operator move`. In a copied cluster, delete the copied OAuthClient.",
    /// A Secret of that name exists, and the operator did not write it.
    SecretConflict => "Set another `spec.secret.name`, or delete the Secret.",
    /// The Secret is being deleted together with its former owner.
    SecretBeingRemoved => "Wait. If it lasts, remove the finalizer that holds the Secret.",
    /// The API server refused to write a Secret.
    SecretWriteDenied => "Check the quota, the admission policies and the rights that the message names.",
    /// The namespace is being deleted.
    NamespaceTerminating => "Nothing to do. Create the OAuthClient in another namespace.",
    /// The client could not be deregistered yet.
    DeletionBlocked => "Fix what the message names. The operator retries until `spec.deletionTimeout`, then deletes the object and retries in the background.",
    /// The provider offers no deletion; the client stays there.
    DeletionUnsupported => "Delete the client at the provider.",
    /// The deletion timeout passed. The object is deleted, and the operator keeps retrying in the background.
    DeletionTimedOut => "Fix what the message names, or delete the client at the provider.",
    /// The client was deregistered.
    Deregistered => "Nothing to do.",
    /// The metadata of the client was changed at the provider.
    Updated => "Nothing to do.",
    /// The Secret was restored from the record.
    SecretRestored => "Find out who changed or deleted the Secret if this repeats.",
    /// The operator reached an unexpected state.
    InternalError => "Report the message and the log of the operator as a bug.",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
