//! Decisions, and nothing else: no async, no Kubernetes client, no HTTP, no clock.

pub mod failure;
pub mod outcome;
pub mod registration;
pub mod target;
