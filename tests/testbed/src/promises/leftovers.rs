//! What is left when all has come to rest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// Phase of a record whose client is in use.
pub const REGISTERED: &str = "Registered";
/// Phase of a record whose client is being deregistered.
pub const DELETING: &str = "Deleting";
/// Excuse for the record of an object that went without the operator's having a say: it is kept for whoever restores that.
pub const OBJECT_VANISHED: &str = "ObjectVanished";

/// What is left when all has come to rest.
#[derive(Clone, Debug, Default)]
pub struct Leftovers {
    /// Every `OAuthClient`.
    pub objects: Vec<Object>,
    /// Every registration record, of all installations of the operator.
    pub records: Vec<Recorded>,
    /// Every entry of a possible stray client.
    pub suspects: Vec<Suspected>,
    /// Every Secret in the namespaces of the applications that holds credentials, or that a name was contested of.
    pub secrets: Vec<Published>,
    /// Every client that the provider issued; a real provider shows the living ones only.
    pub ledger: BTreeMap<String, Issued>,
    /// Faults that can leave a client at the provider that nothing else knows of.
    pub deadly_faults: usize,
    /// Reasons with which an object may be at rest although its wish is not reached, and [`OBJECT_VANISHED`].
    pub excuses: BTreeSet<String>,
    /// Secrets of others, as they left them.
    pub their_secrets: Vec<Published>,
    /// Clients of others, as they left them.
    pub their_clients: BTreeMap<String, Issued>,
}

/// An `OAuthClient`.
#[derive(Clone, Debug, Default)]
pub struct Object {
    /// UID.
    pub uid: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Generation of the manifest.
    pub generation: i64,
    /// Generation that there is a verdict for.
    pub observed_generation: i64,
    /// Status of the condition Ready.
    pub ready: bool,
    /// Its reason, empty if there is none.
    pub reason: String,
    /// Whether it has a deletionTimestamp.
    pub deleting: bool,
    /// Client that the status names.
    pub client_id: Option<String>,
    /// Name of the Secret that the manifest asks for.
    pub secret_name: String,
    /// Redirect URIs that the manifest asks for.
    pub redirect_uris: Vec<String>,
}

/// A registration record.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// UID of its object.
    pub owner_uid: String,
    /// Namespace and name of its object, joined by a slash.
    pub object: String,
    /// The client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Option<SecretString>,
    /// The attempt that registered it.
    pub attempt: String,
    /// `Registered`, `Deleting`, `Deleted` or `Retained`.
    pub phase: String,
}

/// An entry of a possible stray client.
#[derive(Clone, Debug, Default)]
pub struct Suspected {
    /// Namespace and name of the object that it was registered for, joined by a slash.
    pub object: String,
    /// The attempt that may have registered it.
    pub attempt: String,
    /// The client, if it is known.
    pub client_id: Option<String>,
}

/// A Secret in a namespace of applications.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID of its controller.
    pub owner_uid: Option<String>,
    /// What it holds.
    pub data: BTreeMap<String, SecretString>,
}

/// A client in the provider's ledger.
#[derive(Clone, Debug, Default)]
pub struct Issued {
    /// Its secret, if the ledger tells.
    pub secret: Option<SecretString>,
    /// Its redirect URIs, if the ledger tells.
    pub redirect_uris: Option<Vec<String>>,
    /// The attempt that registered it, if the ledger tells.
    pub attempt: Option<String>,
    /// Whether it still exists.
    pub alive: bool,
}

impl Leftovers {
    /// Clients that still exist.
    pub fn living(&self) -> impl Iterator<Item = (&str, &Issued)> {
        let ledger = self.ledger.iter().map(|(id, issued)| (id.as_str(), issued));
        ledger.filter(|(_, issued)| issued.alive)
    }

    /// Records of an object.
    pub fn records_of(&self, uid: &str) -> impl Iterator<Item = &Recorded> {
        self.records.iter().filter(move |record| record.owner_uid == uid)
    }
}

impl Object {
    /// Whether this very manifest was judged Ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready && self.generation == self.observed_generation
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} ({})", self.namespace, self.name, self.uid)
    }
}

impl Published {
    /// The text under a key.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.data.get(key).map(ExposeSecret::expose_secret)
    }

    /// Whether both have the same name.
    #[must_use]
    pub fn is_at(&self, other: &Self) -> bool {
        self.namespace == other.namespace && self.name == other.name
    }

    /// Whether both are the same in everything.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let data = |secret: &Self| -> Vec<(String, String)> {
            let texts = secret.data.iter();
            texts
                .map(|(key, value)| (key.clone(), value.expose_secret().to_owned()))
                .collect()
        };
        self.is_at(other) && self.owner_uid == other.owner_uid && data(self) == data(other)
    }
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl Issued {
    /// Whether both are the same in everything that both tell.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let secret = |issued: &Self| issued.secret.as_ref().map(|secret| secret.expose_secret().to_owned());
        self.alive == other.alive && secret(self) == secret(other) && self.redirect_uris == other.redirect_uris
    }
}
