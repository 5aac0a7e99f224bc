//! The loop: observe, ask the machine of [`crate::domain::pass`], admit, perform one call, hand its answer back.

mod bundles;
mod claim;
mod claims;
mod comparisons;
mod context;
mod credentials;
mod dispatch;
#[cfg(test)]
mod explorer;
mod kept_credentials;
mod live;
mod management;
mod outcomes;
mod pass;
mod pauses;
mod permits;
mod probe;
mod providers;
mod queue;
mod resolve;
mod revision;
mod rounds;
mod settings;
mod slot;
mod startup;
mod state;
mod sweeper;
#[cfg(debug_assertions)]
mod tripwire;
mod world;

pub use settings::Settings;
pub use startup::{RunError, run};
