//! The loop: observe, ask the machine of [`crate::domain::pass`], admit, perform one call, hand its answer back.
//!
//! The binary calls [`run`]. The explorer (`tests/explorer`) runs passes and the sweeper in a [`World`] of its own.

mod breakers;
mod bundles;
mod capabilities;
mod claim;
mod claims;
mod comparisons;
mod context;
mod credentials;
mod discovering;
mod dispatch;
mod expiries;
mod fair_queue;
mod kept_credentials;
mod live;
mod looks;
mod management;
mod outcomes;
mod pass;
mod pauses;
mod permits;
mod probe;
mod provider_status;
mod queue;
mod resolve;
mod revision;
mod settings;
mod slot;
mod startup;
mod state;
mod suspect_entry;
pub mod sweeper;
mod tokens;
#[cfg(debug_assertions)]
mod tripwire;
mod world;

pub use outcomes::Outcomes;
pub use pass::Pass;
pub use settings::Settings;
pub use startup::{RunError, run};
pub use world::{Answer, World};
