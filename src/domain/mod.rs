//! Decisions, and nothing else: no async, no Kubernetes client, no HTTP, no clock.

pub mod asked;
pub mod backoff;
pub mod breaker;
pub mod bundle;
pub mod claim;
pub mod duration;
pub mod failure;
pub mod identity;
pub mod installation;
pub mod lease;
pub mod leftover;
pub mod marker;
pub mod metadata;
pub mod named_field;
pub mod outcome;
pub mod plan;
pub mod probe;
pub mod profile;
pub mod record;
pub mod registration;
pub mod relocation;
pub mod secret;
pub mod status;
pub mod suspect;
pub mod target;
