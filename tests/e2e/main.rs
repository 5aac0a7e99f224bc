//! The operator's real binary, with the rights that the chart renders, on a real control plane and before real providers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(missing_docs, reason = "names of tests say what they are about")]

mod admission;
mod adopt;
mod api_server;
mod bad_input;
mod bundles;
mod calls;
mod campaigns;
mod chart;
mod config_space;
mod crash;
mod delete;
mod examples;
mod fairness;
mod fields;
mod found;
mod gitops_flux;
mod gitops_verdicts;
mod hygiene;
mod install;
mod installed;
mod judge;
mod kubectl;
mod leaders;
mod levels;
mod lifecycle;
mod logs;
mod monitoring;
mod moved_installation;
mod moves;
mod outage;
mod page;
mod pages;
mod quiet;
mod reinstalled;
mod rules;
mod scale;
mod scene;
mod secret_fields;
mod secret_held;
mod seed;
mod seed_servers;
mod slice;
mod stage;
mod staleness;
mod suspects;
mod tenancy;
mod tokens;
mod uninstall;
mod vanished;
mod watches;
mod wire;
