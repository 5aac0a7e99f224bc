//! Real parts for the tests, the demo and the benchmarks.
//!
//! [`progress`] tells people what is going on, [`process`] runs programs that never outlive the tests,
//! [`provision`] brings the programs onto the machine, [`tls`] makes private certificate authorities,
//! [`control_plane`] is a real Kubernetes control plane, [`operator`] the real binary before it, [`providers`] are real
//! providers, [`flux`] is Flux, [`promises`] judge what is left when a test is over, and [`faults`] joins the catalogue of faults with the
//! tests that show them survived. [`verdicts`] are what tools of others say about an object. [`campaign`] puts it all under load for minutes and hours.

pub mod campaign;
pub mod control_plane;
pub mod faults;
pub mod flux;
pub mod operator;
pub mod process;
pub mod progress;
pub mod promises;
pub mod providers;
pub mod provision;
pub mod proxy;
pub mod site;
pub mod tls;
pub mod verdicts;
