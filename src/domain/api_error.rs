//! What the API server answers instead of an object, in the kinds that are handled differently.

use std::time::Duration;

use crate::api::Reason;

use super::failure::{Class, Failure};

/// What the message of an answered [`ApiError::Unavailable`] begins with; other messages are about the connection.
pub(crate) const ANSWERED: &str = "the API server answered ";

/// A failed call to the API server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// 404: the object does not exist.
    #[error("not found")]
    NotFound,
    /// 409: the object has another `resourceVersion` or, in a DELETE, another UID than the precondition says.
    #[error("the object changed meanwhile")]
    Conflict,
    /// 409 with reason `AlreadyExists`: a create found the name taken.
    #[error("the name is taken")]
    AlreadyExists,
    /// 403: RBAC, admission or quota, or the namespace is going or gone.
    #[error("{message}")]
    Forbidden {
        /// The API server's text.
        message: String,
        /// Whether the cause is the namespace's deletion.
        terminating: bool,
        /// Whether the cause is a `ResourceQuota`.
        quota: bool,
    },
    /// 422: the object is not valid.
    #[error("{message}")]
    Invalid {
        /// The API server's text.
        message: String,
        /// Whether the cause is a UID precondition: the name belongs to another object now.
        uid_changed: bool,
    },
    /// 401, 429, 5xx, no answer, or one that cannot be read. Whether a write took effect is unknown.
    #[error("{message}")]
    Unavailable {
        /// Wait that the API server asked for.
        retry_after: Option<Duration>,
        /// What happened.
        message: String,
    },
    /// Any other answer, or a request that could not be made.
    #[error("{message} (status {code})")]
    Other {
        /// HTTP status; 0 if there was no answer.
        code: u16,
        /// The API server's text.
        message: String,
    },
}

impl ApiError {
    /// The failure that this is for work on `what`, for example `Secret shop/web`.
    ///
    /// Text that differs from one try to the next, such as a transport error, is left out: a condition shows it.
    #[must_use]
    pub fn failure(&self, what: &str) -> Failure {
        match self {
            Self::NotFound => Failure::new(
                Class::Conflict,
                Reason::ProgressingWithRetry,
                format!("{what} no longer exists; the operator looks again"),
            ),
            Self::Conflict | Self::AlreadyExists | Self::Invalid { uid_changed: true, .. } => Failure::new(
                Class::Conflict,
                Reason::ProgressingWithRetry,
                format!("{what} changed meanwhile; the operator looks again"),
            ),
            Self::Forbidden { terminating: true, .. } => Failure::new(
                Class::Denied,
                Reason::NamespaceTerminating,
                format!("{what} cannot be written: its namespace is being deleted"),
            ),
            Self::Forbidden {
                quota: true, message, ..
            } => Failure::new(
                Class::Denied,
                Reason::SecretWriteDenied,
                format!("{what} exceeds a quota of its namespace; raise it or remove other objects: {message}"),
            ),
            Self::Forbidden { message, .. } => Failure::new(
                Class::Denied,
                Reason::SecretWriteDenied,
                format!("the API server refused {what}; check the operator's RBAC and admission policies: {message}"),
            ),
            // A policy of the cluster refuses so too, and may be lifted.
            Self::Invalid { message, .. } => Failure::new(
                Class::Denied,
                Reason::SecretWriteDenied,
                format!("the API server rejected {what} as invalid: {message}"),
            ),
            Self::Unavailable { retry_after, message } => {
                let text = match message
                    .strip_prefix(ANSWERED)
                    .and_then(|answer| answer.split_once(": "))
                {
                    Some((code, message)) => {
                        format!("{ANSWERED}{code} for {what}: {message}; the operator tries again")
                    }
                    None => format!("the API server cannot be reached for {what}; the operator tries again"),
                };
                Failure::new(Class::Transient, Reason::ProgressingWithRetry, text).after(*retry_after)
            }
            Self::Other { code: 0, message } => Failure::new(
                Class::Bug,
                Reason::InternalError,
                format!("{what} cannot be used: {message}"),
            ),
            Self::Other { code, message } => Failure::new(
                Class::Bug,
                Reason::InternalError,
                format!("the API server answered {code} for {what}: {message}"),
            ),
        }
    }
}
