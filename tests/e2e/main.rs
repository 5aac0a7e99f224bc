//! The operator's real binary, with the rights that the chart renders, on a real control plane and before real providers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(missing_docs, reason = "names of tests say what they are about")]

mod admission;
mod bad_input;
mod campaigns;
mod crash;
mod delete;
mod found;
mod install;
mod kubectl;
mod quiet;
mod replicas;
mod scale;
mod seed;
mod slice;
mod stage;
