//! How a call to a provider ended.

use super::failure::Failure;

/// What is known about the effect of a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing happened at the provider: no byte of the request was sent, or its answer proves that it did nothing.
    NotApplied,
    /// It is unknown whether something happened: everything else after the first byte.
    Unknown,
}

/// How a deletion that was not refused ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// The provider answered that it has deleted the client.
    Done,
    /// It answered with a success that proves nothing: accepted for later, or a page of something that stands before it.
    Unclear,
}

/// What else an answer tells, beside its status and code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remark {
    /// It has a body that is no JSON object and states no error code: perhaps a page of something that stands before the provider.
    Page,
    /// It has a JSON object as its body that states no error code.
    Uncoded,
    /// It speaks of `client_secret`.
    ClientSecret,
    /// It says that there is no such client.
    UnknownClient,
    /// It says that there is such a client already.
    Exists,
    /// It is a 403 that speaks of a registration access token.
    Token,
}

/// What a provider refused in the metadata of a registration or an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A member.
    Member {
        /// Its name in the manifest.
        manifest: &'static str,
        /// Its name on the wire.
        wire: &'static str,
        /// How it stood in the request.
        sent: Sent,
    },
    /// The software statement.
    SoftwareStatement,
    /// It names nothing.
    Unnamed,
}

/// How a member stood in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It was not sent.
    No,
    /// It was an empty list.
    Empty,
    /// It had a value.
    Yes,
}

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{failure}")]
pub struct CallError {
    /// Class, reason and text.
    pub failure: Failure,
    /// HTTP status of the answer, if there was one.
    pub status: Option<u16>,
    /// Error code of RFC 7591 section 3.2.2 or RFC 6750 section 3.1, if the answer holds one that looks like a code.
    pub code: Option<String>,
    /// What else the answer tells.
    pub remark: Option<Remark>,
    /// What the answer refuses, if it refuses client metadata.
    pub fault: Option<Fault>,
    /// What is known about its effect.
    pub effect: Effect,
}
