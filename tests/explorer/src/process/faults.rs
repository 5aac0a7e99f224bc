//! What may go wrong at an effect, and how it looks.

use std::time::Duration;

use oauth_client_operator::cluster::ApiError;
use oauth_client_operator::domain::outcome::CallError;
use oauth_client_operator::provider::testing::made_of;

use super::super::schedule::Choice;

/// Everything that an API server may answer to a write instead of doing it, and everything that may happen around it.
pub(super) const WRITE_FAULTS: [Choice; 8] = [
    Choice::DieBefore,
    Choice::DieAfter,
    Choice::LoseAnswer,
    Choice::LoseRequest,
    Choice::Throttled,
    Choice::Conflict,
    Choice::Forbidden,
    Choice::Invalid,
];

pub(super) const CALL_FAULTS: [Choice; 9] = [
    Choice::DieBefore,
    Choice::DieAfter,
    Choice::LoseAnswer,
    Choice::LoseRequest,
    Choice::Garbled,
    Choice::Rejected,
    Choice::Unauthorized,
    Choice::Throttled,
    Choice::Unavailable,
];

/// A 503 of the provider itself, which proves that it did nothing.
pub(crate) const UNAVAILABLE: &str = r#"{"error": "temporarily_unavailable"}"#;

pub(super) const READ_FAULTS: [Choice; 2] = [Choice::LoseRequest, Choice::Forbidden];

/// Whether a fault can leave a client, or the doubt of one, that nothing else knows of.
pub(super) fn is_deadly(what: &str, choice: Choice) -> bool {
    match choice {
        Choice::DieBefore | Choice::DieAfter | Choice::Paused | Choice::PausedInCall => true,
        Choice::LoseAnswer | Choice::LoseRequest | Choice::Garbled => matches!(what, "POST" | "PUT" | "DELETE"),
        _ => false,
    }
}

pub(super) fn asks_pause(seconds: i64) -> CallError {
    let mut error = made_of(Some(429), "");
    error.failure.retry_after = u64::try_from(seconds).ok().map(Duration::from_secs);
    error
}

pub(super) fn unanswered(retry_after: Option<Duration>) -> ApiError {
    ApiError::Unavailable {
        retry_after,
        message: "no answer".to_owned(),
    }
}

pub(super) fn refusal(choice: Choice) -> ApiError {
    match choice {
        Choice::Throttled => unanswered(Some(Duration::from_secs(1))),
        Choice::Conflict => ApiError::Conflict,
        Choice::Forbidden => ApiError::Forbidden {
            message: "forbidden".to_owned(),
            terminating: false,
            quota: false,
        },
        Choice::Invalid => ApiError::Invalid {
            message: "invalid".to_owned(),
            uid_changed: false,
        },
        _ => unanswered(None),
    }
}
