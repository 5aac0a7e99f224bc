//! Names that are API: frozen, because renaming any of them breaks installed clusters.

/// API group of every kind.
pub const GROUP: &str = "oauth-client-operator.dev";
/// The one served and stored version.
pub const VERSION: &str = "v1alpha1";
/// `apiVersion` of every kind.
pub const API_VERSION: &str = "oauth-client-operator.dev/v1alpha1";

/// Field manager of everything but status.
pub const FIELD_MANAGER: &str = "oauth-client-operator";
/// Field manager of the status subresource.
pub const STATUS_FIELD_MANAGER: &str = "oauth-client-operator-status";

/// Finalizer that keeps an `OAuthClient` until its client is deregistered.
pub const FINALIZER: &str = "oauth-client-operator.dev/deregister";

/// Annotation on an `OAuthClient`: the create journal, `<uid>/<attempt>/<record namespace>/<record name>`.
pub const CREATE_PENDING: &str = "oauth-client-operator.dev/create-pending";
/// Annotation on an `OAuthClient`: a new value asks for one full look at the object.
pub const RECONCILE: &str = "oauth-client-operator.dev/reconcile";
/// Annotation on an `OAuthClient`: the current `client_id`, to have another client registered in its place.
pub const REPLACE: &str = "oauth-client-operator.dev/replace";
/// Annotation on an `OAuthClient`: the current `client_id`, to give that client up.
pub const ABANDON: &str = "oauth-client-operator.dev/abandon";

/// Label on an `OAuthClient`: it is the throw-away client of `certify`. The operator reads it before its deregistration, and tries a wrong
/// secret.
pub const CERTIFY: &str = "oauth-client-operator.dev/certify";

/// Annotation on both Secrets of a client: the generation of the credentials that they hold.
pub const CREDENTIAL_GENERATION: &str = "oauth-client-operator.dev/credential-generation";
/// Annotation on a credentials Secret: names of the keys, labels and annotations that the operator wrote.
pub const WRITTEN: &str = "oauth-client-operator.dev/written";
/// Type of the Secrets that tell of suspects.
pub const SUSPECT_TYPE: &str = "oauth-client-operator.dev/suspect";
/// Type of the Secrets that hold records.
pub const RECORD_TYPE: &str = "oauth-client-operator.dev/record";
/// Name of the Secret that keeps the identity of the installation.
pub const IDENTITY: &str = "oauth-client-operator-identity";
/// Type of that Secret.
pub const IDENTITY_TYPE: &str = "oauth-client-operator.dev/identity";
/// Label on a Secret or ConfigMap that the operator may use for a provider object, as credentials or as authorities; value `"true"`.
pub const PROVIDER_CREDENTIALS: &str = "oauth-client-operator.dev/provider-credentials";
/// Annotation on such an object: space-separated origins that credentials may be sent to. An object with authorities of an `OAuthProvider`
/// must have it, too; its value is not compared with anything, because certificates are sent nowhere.
pub const ALLOWED_ORIGINS: &str = "oauth-client-operator.dev/allowed-origins";
/// Annotation on such a Secret: when the token in it expires, as RFC 3339 writes a time.
pub const EXPIRES_AT: &str = "oauth-client-operator.dev/expires-at";
/// Label on every Secret that the operator writes: `credentials`, `record` or `suspect`.
pub const SECRET_ROLE: &str = "oauth-client-operator.dev/role";
/// Label on records and suspects: UID of the `OAuthClient`.
pub const CLIENT_UID: &str = "oauth-client-operator.dev/client-uid";
/// Label on records and suspects: digest of issuer and `client_id`, by which everything that names one client is found.
pub const CLIENT: &str = "oauth-client-operator.dev/client";
/// Label on records, and on suspects that hold one: the phase.
pub const PHASE: &str = "oauth-client-operator.dev/phase";
/// Label with the value `true` on the entry of a client that its deletion left at the provider, because that deregisters none.
pub const LEFT: &str = "oauth-client-operator.dev/left";
/// Label on records: digest of namespace and name of the `OAuthClient`.
pub const OBJECT: &str = "oauth-client-operator.dev/object";
/// Annotation on a record: UID of the `OAuthClient` that may take it up although its namespace is another one than recorded.
pub const RESTORE_TO: &str = "oauth-client-operator.dev/restore-to";
/// Annotation on a suspect or a record: a new value asks the sweeper for a try at once.
pub const RETRY: &str = "oauth-client-operator.dev/retry";
/// Annotation on a suspect: the `client_id`, where it is known.
pub const CLIENT_ID: &str = "oauth-client-operator.dev/client-id";
/// Annotation on a suspect: how its registration ended, where a process saw it end. Absent: a crash cut it off.
pub const OUTCOME: &str = "oauth-client-operator.dev/outcome";
/// Annotation on a suspect: changes when a registration anew relies on the entry.
pub const RENEWED: &str = "oauth-client-operator.dev/renewed";
/// Annotation on a record, a suspect or a provider's credentials that `move` copied: namespace and UID of the original.
pub const MOVED_FROM: &str = "oauth-client-operator.dev/moved-from";
/// Label on records and suspects: digest of the CA bundle that they refer to.
pub const BUNDLE: &str = "oauth-client-operator.dev/ca-bundle";
/// Label on a Secret that holds a CA bundle: the namespace for whose client it was stored first.
pub const BUNDLE_OF: &str = "oauth-client-operator.dev/ca-bundle-of";
/// Annotation on such a Secret: when a record last came to refer to it, in seconds since the epoch.
pub const LAST_USED: &str = "oauth-client-operator.dev/last-used";
/// Type of such a Secret.
pub const BUNDLE_TYPE: &str = "oauth-client-operator.dev/ca-bundle";
/// Standard label that names the managing program.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Labels of the kubernetes.io domain that describe an application and that a Secret template may set: nothing acts on them,
/// and Argo CD reads only Secrets that carry one.
pub const RECOMMENDED_LABELS: [&str; 5] = [
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/version",
    "app.kubernetes.io/component",
    "app.kubernetes.io/part-of",
];

/// Prefixes of labels and annotations that a Secret template may not set: a token controller, Argo CD, Flux, Helm or this
/// operator would act on them.
pub const REFUSED_PREFIXES: [&str; 6] = [
    "kubernetes.io",
    "k8s.io",
    "helm.sh",
    "argocd.argoproj.io",
    "fluxcd.io",
    "oauth-client-operator.dev",
];
