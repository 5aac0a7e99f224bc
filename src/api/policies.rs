//! What a provider object says about cases in which the operator cannot know what is right.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Policy for registrations of unknown outcome.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnknownOutcome {
    /// Register once more and report a suspected stray client.
    #[default]
    Register,
    /// Wait for a person.
    Hold,
}

/// Policy for clients that the provider has lost.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnClientLost {
    /// Register another client in the place of the lost one.
    #[default]
    Register,
    /// Wait for a person.
    Hold,
}

/// Whether credentials are tried.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// Once after a registration, and after each change of the secret or the authentication method.
    #[default]
    Auto,
    /// Never.
    Never,
}

/// How an update takes out a member that the manifest no longer sets.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Clearing {
    /// The request leaves it out.
    Omit,
    /// The request has null.
    Null,
    /// The request has an empty text, list or object.
    Empty,
    /// The request has the default of the specification, else an empty value.
    Default,
}

/// What to do when a provider registers other values than the manifest sets.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Substitutions {
    /// The client is used, and its status shows the values.
    #[default]
    Accept,
    /// The client is not used.
    Reject,
}
