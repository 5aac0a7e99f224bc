//! The HTTP side: discovery, registration and management of clients at providers. It knows no Kubernetes.
//!
//! Nothing here decides what is done next; it says how a call ended and what is known about its effect.

mod about;
mod asked;
mod assertion;
mod auth;
mod cache;
mod calls;
mod causes;
mod client_certificate;
mod coding;
mod discovery;
#[cfg(test)]
mod double;
mod effect;
mod egress;
mod error_body;
mod exchange;
mod limits;
mod management;
mod marked;
mod metadata;
mod namespaced;
mod observed;
mod origin;
mod probe;
mod refusals;
mod registration;
mod software_statement;
#[doc(hidden)]
pub mod testing;
mod token;
mod tokens;
mod transport;
mod turn;
mod verdict;
mod wait;
mod webfinger;
mod wire;

pub use assertion::check_signing_key;
pub use cache::{DiscoveryCache, may_pass};
pub use calls::ClientAuth;
pub use calls::{Located, ManagementCall, MarkedCall, ProbeCall};
pub use client_certificate::{check_certificates, check_tls_key, is_key_of};
pub use coding::unpack;
pub use discovery::Discovered;
pub use egress::{EgressPolicy, is_refused};
pub use error_body::{ErrorBody, parse as parse_error_body};
pub use limits::BodyError;
pub use metadata::{Metadata, parse as parse_metadata};
pub use namespaced::{Mode, NamespacedProviders};
pub use origin::callable;
pub use refusals::Refusals;
pub use transport::{Transport, not_sent};
pub use webfinger::{Resource, issuer as parse_webfinger};
pub use wire::{Undecodable, parse as parse_registration};
