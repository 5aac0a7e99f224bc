//! The loop: observe, ask the planner, do one thing, observe again.

mod bundles;
mod claims;
mod comparisons;
mod context;
mod credentials;
mod dispatch;
mod execute;
#[cfg(test)]
mod explorer;
mod kept_credentials;
mod live;
mod management;
mod outcomes;
mod pass;
mod pauses;
mod permits;
mod providers;
mod record_of;
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
