//! A Kubernetes operator that registers OAuth 2.0 and OpenID Connect clients declaratively.
//!
//! `domain` decides and is pure, `provider` and `cluster` act, `controller` joins them.

#![warn(unreachable_pub)] // what nobody outside can reach is seen as dead when its last use goes

mod admin;
pub mod api;
mod bounded;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod controller;
pub mod domain;
mod floods;
pub mod metrics;
pub mod provider;
mod supervisor;
mod telemetry;
mod traces;
