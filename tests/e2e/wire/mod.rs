//! Hostile and broken providers: what is sent, how often, what is stored, and what the condition says.
//!
//! All cases share one operator, which lives twenty times as fast; each has a provider object, clients and mostly a provider of
//! its own, and is judged by what it left. A case's name begins with its number in the list of wire cases (`w`) or in the fault
//! catalogue (`t`).

mod absence;
mod adopting;
mod anew;
mod answers;
mod as_requested;
mod auth_method;
mod case;
mod clearing;
mod client_credentials;
mod credentials_apart;
mod deletion;
mod discovery;
mod effects;
mod forms;
mod knobs;
mod lost;
mod management;
mod manifests;
mod moved;
mod outage;
mod ownership;
mod profiles;
mod registration;
mod rejection;
mod software_statement;
mod storing;
mod substitutions;
mod templates;
mod tls;
mod tls_client;
mod tokens;

pub use case::{Case, Settled, case};
