//! What a pass finds of an object.

use super::failure::Failure;

/// End of a pass that says something of the object.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Nothing to say that has not been said.
    Nothing,
    /// The finalizer is being removed, or the object is gone.
    Gone,
    /// The operator was told to do nothing.
    Suspended,
    /// Everything is as the manifest asks.
    Ready,
    /// Something is not.
    Failed(Failure),
}
