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
