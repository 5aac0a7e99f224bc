//! The Kubernetes side: what the operator knows of the cluster, and every write to it.
//!
//! [`Secrets`] write, each time under a precondition, and put what they wrote into that view at once, so that no
//! decision is taken on a view older than the operator's own last write.

mod bundles;
mod census;
mod clients;
mod config_maps;
mod connect;
mod consent;
mod definitions;
mod election;
mod error;
mod events;
mod expiries;
mod fence;
mod guard;
mod heads;
mod identity;
mod index;
mod key;
mod meta;
mod namespaced_cache;
mod objects;
mod provider_cache;
mod relocation;
mod secrets;
mod trigger;
mod trouble;
mod watch;

pub use bundles::StoredBundle;
pub use clients::{ClientCache, cause};
pub use config_maps::ConfigMaps;
pub use connect::{ApiToken, ConnectError, connect, within};
pub use consent::Consent;
pub use definitions::{Definitions, DefinitionsState};
pub use election::{Leadership, elect};
pub use error::ApiError;
pub use events::Events;
pub use heads::heads;
pub use identity::{Identifier, IdentityError};
pub use index::SecretIndex;
pub use key::{Key, ProviderKey};
pub use meta::{Owner, Role, SecretMeta};
pub use objects::Objects;
pub use provider_cache::{NamespaceMeta, ProviderCache};
pub use relocation::{MoveError, Mover, Report};
pub use secrets::{SecretRevision, Secrets};
pub use watch::{Cause, Health, Scope, Streams, Trigger, Watches, start};
