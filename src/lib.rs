//! A Kubernetes operator that registers OAuth 2.0 and OpenID Connect clients declaratively.
//!
//! `domain` decides and is pure, `provider` and `cluster` act, `controller` joins them.

pub mod admin;
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
pub mod supervisor;
pub mod telemetry;
