//! Names of objects, shared rather than copied, and the order of resource versions.

use std::fmt;
use std::sync::Arc;

use kube::runtime::reflector::ObjectRef;

use crate::api::{OAuthClient, ProviderKind, ProviderRef};

/// Namespace and name of an object of one kind. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
}

impl Key {
    /// The key of `namespace`/`name`.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// The key of an `OAuthClient` that the API server has given a namespace and a name.
    #[must_use]
    pub fn of(object: &OAuthClient) -> Self {
        let text = |value: &Option<String>| value.as_deref().unwrap_or_default().into();
        Self {
            namespace: text(&object.metadata.namespace),
            name: text(&object.metadata.name),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl From<&Key> for ObjectRef<OAuthClient> {
    fn from(key: &Key) -> Self {
        Self::new(&key.name).within(&key.namespace)
    }
}

/// Kind, namespace and name of a provider object. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderKey {
    /// Kind.
    pub kind: ProviderKind,
    /// Namespace; empty for a `ClusterOAuthProvider`.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
}

impl ProviderKey {
    /// The provider that a reference in an object of `namespace` means.
    #[must_use]
    pub fn of(namespace: &str, reference: &ProviderRef) -> Self {
        match reference.kind {
            ProviderKind::OAuthProvider => Self::namespaced(namespace, &reference.name),
            ProviderKind::ClusterOAuthProvider => Self::cluster(&reference.name),
        }
    }

    /// An `OAuthProvider`.
    #[must_use]
    pub fn namespaced(namespace: &str, name: &str) -> Self {
        Self {
            kind: ProviderKind::OAuthProvider,
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// A `ClusterOAuthProvider`.
    #[must_use]
    pub fn cluster(name: &str) -> Self {
        Self {
            kind: ProviderKind::ClusterOAuthProvider,
            namespace: "".into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for ProviderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ProviderKind::OAuthProvider => write!(f, "OAuthProvider {}/{}", self.namespace, self.name),
            ProviderKind::ClusterOAuthProvider => write!(f, "ClusterOAuthProvider {}", self.name),
        }
    }
}

/// Whether resource version `a` is older than `b`.
///
/// Both are decimal numbers of one cluster-wide counter (KEP-5504 made that official). Anything else is never older.
pub(super) fn older(a: &str, b: &str) -> bool {
    match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(a), Ok(b)) => a < b,
        _ => false,
    }
}
