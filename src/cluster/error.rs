//! What the API server answers instead of an object, in the kinds that are handled differently.

use std::time::Duration;

use kube::core::Status;

use crate::api::Reason;
use crate::domain::failure::{Class, Failure};

/// Longest part of an API server's message that is passed on, in characters.
const MESSAGE: usize = 400;

/// What the message of an answered [`ApiError::Unavailable`] begins with; other messages are about the connection.
const ANSWERED: &str = "the API server answered ";

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
            Self::Other { code, message } => Failure::new(
                Class::Bug,
                Reason::InternalError,
                format!("the API server answered {code} for {what}: {message}"),
            ),
        }
    }
}

impl From<kube::Error> for ApiError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::from(*status),
            // The decoder's text can quote the answer, and the answer can be a Secret.
            kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => Self::Unavailable {
                retry_after: None,
                message: "the answer cannot be decoded".into(),
            },
            kube::Error::BuildRequest(error) => Self::Other {
                code: 0,
                message: shortened(&error.to_string()),
            },
            other => Self::Unavailable {
                retry_after: None,
                message: shortened(&chain(&other)),
            },
        }
    }
}

impl From<Status> for ApiError {
    fn from(status: Status) -> Self {
        let message = shortened(&status.message);
        let details = status.details.as_ref();
        let caused_by = |reason: &str| details.is_some_and(|d| d.causes.iter().any(|c| c.reason == reason));
        if status.is_not_found() {
            return match details {
                // A create in a namespace that is gone: for the object the same as one that is going.
                Some(details) if details.kind == "namespaces" => Self::Forbidden {
                    message,
                    terminating: true,
                    quota: false,
                },
                _ => Self::NotFound,
            };
        }
        if status.is_already_exists() {
            return Self::AlreadyExists;
        }
        if status.is_conflict() {
            return Self::Conflict;
        }
        if status.is_forbidden() {
            return Self::Forbidden {
                terminating: caused_by("NamespaceTerminating"),
                quota: status.message.contains("exceeded quota"),
                message,
            };
        }
        if status.is_invalid() {
            let uid = details.is_some_and(|d| d.causes.iter().any(|c| c.field == "metadata.uid"));
            return Self::Invalid {
                message,
                uid_changed: uid,
            };
        }
        match status.code {
            401 | 429 | 500..=599 => Self::Unavailable {
                retry_after: details
                    .map(|d| Duration::from_secs(d.retry_after_seconds.into()))
                    .filter(|wait| !wait.is_zero()),
                message: format!("{ANSWERED}{}: {message}", status.code),
            },
            code => Self::Other { code, message },
        }
    }
}

/// An error with its causes, because kube's own text often stops at "service error".
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

/// Printable, and at most [`MESSAGE`] characters.
pub(super) fn shortened(text: &str) -> String {
    let mut clean: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MESSAGE)
        .collect();
    if text.chars().nth(MESSAGE).is_some() {
        clean.push('…');
    }
    clean
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answered(status: &serde_json::Value) -> ApiError {
        serde_json::from_value::<Status>(status.clone()).unwrap().into()
    }

    #[test]
    fn t123_an_answer_is_told_from_an_api_server_that_cannot_be_reached() {
        let error = answered(&json!({"status": "Failure", "code": 500, "message": "field not declared in schema"}));
        let failure = error.failure("OAuthClient shop/web");
        assert_eq!(failure.class, Class::Transient);
        assert_eq!(
            failure.message,
            "the API server answered 500 for OAuthClient shop/web: field not declared in schema; the operator tries again"
        );
        let error = ApiError::Unavailable {
            retry_after: None,
            message: "client error (Connect): connection refused".into(),
        };
        assert_eq!(
            error.failure("Secret shop/web").message,
            "the API server cannot be reached for Secret shop/web; the operator tries again"
        );
    }
}
