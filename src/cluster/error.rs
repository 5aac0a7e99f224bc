//! The errors of kube's client as what the operator handles: [`ApiError`].

use std::time::Duration;

use kube::core::Status;

use crate::domain::api_error::ANSWERED;
pub use crate::domain::api_error::ApiError;

/// Longest part of an API server's message that is passed on, in characters.
const MESSAGE: usize = 400;

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
    use crate::domain::failure::Class;

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
