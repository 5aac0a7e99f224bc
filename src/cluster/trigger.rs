//! Why an object is worth a look.

use super::key::Key;
use crate::domain::secret::SecretRevision;

/// Why an object is worth a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The object is new, or its manifest, its finalizers or its deletion changed.
    Spec,
    /// The user asked for it by an annotation.
    Asked,
    /// One of its Secrets changed: to this revision, or it is no longer one of its Secrets.
    Secret(Option<SecretRevision>),
    /// Its provider, that one's credentials or its namespace changed.
    Provider,
    /// It is its turn.
    Resync,
    /// Its client secret has expired.
    Expired,
}

/// An object that is worth a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// The object.
    pub key: Key,
    /// Why.
    pub cause: Cause,
}
