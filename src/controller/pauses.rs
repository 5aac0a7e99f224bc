//! Pauses that providers ask for: a provider that answers 429 or 503 and says how long to wait is left alone for that time, by
//! everybody.

use std::sync::Mutex;

use tokio::time::Instant;

use crate::api::Reason;
use crate::bounded::Bounded;
use crate::clock::Clock;
use crate::domain::backoff::LONGEST_WISH;
use crate::domain::failure::Class;
use crate::domain::outcome::{CallError, Effect};
use crate::domain::pass::Pause;

use super::context::lock;

/// Most provider objects of which a pause is kept.
const MOST: usize = 4096;

/// The pauses, by the UID of the provider object.
pub(super) struct Pauses {
    ends: Mutex<Bounded<String, End>>,
    clock: Clock,
}

#[derive(Clone, Copy)]
struct End {
    at: Instant,
    /// The same in seconds since the epoch.
    seconds: i64,
}

impl Pauses {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            ends: Mutex::new(Bounded::new(MOST)),
            clock,
        }
    }

    /// The pause of a provider, while it lasts.
    pub(super) fn of(&self, provider: &str) -> Option<Pause> {
        let end = *lock(&self.ends).get(provider)?;
        let rest = self.clock.until(end.at);
        (!rest.is_zero()).then_some(Pause {
            rest,
            until: end.seconds,
        })
    }

    /// How many providers are left alone now.
    pub(super) fn count(&self) -> usize {
        let ends = lock(&self.ends);
        let lasting = ends.iter().filter(|(_, end)| !self.clock.until(end.at).is_zero());
        lasting.count()
    }

    /// Takes in how a call to a provider ended. If that asks for a pause, the message then says until when nothing is sent.
    pub(super) fn noted(&self, provider: &str, mut error: CallError) -> CallError {
        if self.note(provider, &error)
            && let Some(pause) = self.of(provider)
        {
            error.failure.message = format!("{}; {}", error.failure.message, pause.nothing_is_sent());
        }
        error
    }

    /// Whether a call that ended so asks for a pause.
    fn note(&self, provider: &str, error: &CallError) -> bool {
        let asks = match error.status {
            Some(status) => matches!(status, 429 | 503),
            // The token endpoint asked for it: the call itself was not sent.
            None => error.failure.class == Class::Transient,
        };
        let Some(wait) = error.failure.retry_after.filter(|wait| asks && !wait.is_zero()) else {
            return false;
        };
        let wait = self.clock.real(wait.min(LONGEST_WISH));
        let end = End {
            at: Instant::now() + wait,
            // Rounded up: the message must not name a time at which the pause still lasts.
            seconds: self.clock.now() + i64::try_from(wait.as_secs()).unwrap_or_default() + 1,
        };
        let mut ends = lock(&self.ends);
        if ends.get(provider).is_none_or(|known| known.at < end.at) {
            ends.insert(provider.to_owned(), end);
        }
        true
    }

    /// Forgets the provider objects that do not exist any more.
    pub(super) fn retain(&self, exists: impl Fn(&str) -> bool) {
        lock(&self.ends).retain(|uid| exists(uid));
    }
}

/// A call that is not made because of a pause.
pub(super) fn withheld(pause: Pause) -> CallError {
    CallError {
        failure: pause.failure(Reason::RateLimited),
        status: None,
        code: None,
        remark: None,
        fault: None,
        effect: Effect::NotApplied,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::domain::failure::Failure;
    use crate::domain::status::rfc3339;

    use super::*;

    fn answer(status: u16, wait: Option<u64>) -> CallError {
        let failure = Failure::new(Class::Transient, Reason::RateLimited, "x");
        CallError {
            failure: failure.after(wait.map(Duration::from_secs)),
            status: Some(status),
            code: None,
            remark: None,
            fault: None,
            effect: Effect::NotApplied,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn t148_a_pause_is_the_providers_and_ends() {
        let pauses = Pauses::new(Clock::default());
        let rest = |provider| pauses.of(provider).map(|pause| pause.rest.as_secs());
        pauses.note("a", &answer(429, Some(30)));
        assert_eq!((rest("a"), rest("b"), pauses.count()), (Some(30), None, 1));
        let until = pauses.of("a").unwrap().until;
        tokio::time::advance(Duration::from_secs(10)).await;
        pauses.note("a", &answer(503, Some(5)));
        assert_eq!(rest("a"), Some(20), "a shorter one ends none that is longer");
        assert_eq!(pauses.of("a").unwrap().until, until, "the message stays the same");
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!((rest("a"), pauses.count()), (None, 0));
        pauses.note("a", &answer(429, Some(1_000_000)));
        assert_eq!(rest("a"), Some(3600));
        pauses.retain(|_| false);
        assert_eq!(rest("a"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn t148_only_an_answer_that_asks_for_a_wait_makes_a_pause() {
        let pauses = Pauses::new(Clock::default());
        for error in [answer(429, None), answer(500, Some(30)), answer(503, Some(0))] {
            pauses.note("a", &error);
            assert!(pauses.of("a").is_none(), "{error:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn t148_whoever_is_asked_to_wait_says_until_when() {
        let pauses = Pauses::new(Clock::default());
        let year = 365 * 24 * 3600;
        let told = pauses.noted("a", answer(503, Some(year))).failure.message;
        let pause = pauses.of("a").unwrap();
        assert_eq!(pause.rest, LONGEST_WISH, "no provider is left alone for a year");
        assert_eq!(
            told,
            format!("x; nothing is sent to it before {}", rfc3339(pause.until))
        );
        assert_eq!(
            pauses.noted("a", answer(429, Some(1))).failure.message,
            told,
            "the longer one counts"
        );
        assert_eq!(
            pauses.noted("b", answer(429, None)).failure.message,
            "x",
            "it does not say how long"
        );
        let lost = CallError {
            status: None,
            effect: Effect::Unknown,
            ..answer(429, None)
        };
        assert_eq!(pauses.noted("b", lost).failure.message, "x");
        assert!(pauses.of("b").is_none(), "an answer that is lost asks for nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn t255_a_wait_that_the_token_endpoint_asks_for_is_the_providers() {
        let pauses = Pauses::new(Clock::default());
        let no_token = |wait| CallError {
            status: None,
            ..answer(429, wait)
        };
        pauses.note("a", &no_token(None));
        assert!(pauses.of("a").is_none());
        let mut denied = no_token(Some(30));
        denied.failure.class = Class::Denied;
        pauses.note("a", &denied);
        assert!(pauses.of("a").is_none(), "its credentials were refused");
        pauses.note("a", &no_token(Some(30)));
        assert_eq!(pauses.of("a").map(|pause| pause.rest.as_secs()), Some(30));
    }

    #[tokio::test(start_paused = true)]
    async fn t148_a_pause_passes_as_fast_as_the_clock() {
        let pauses = Pauses::new(Clock::scaled(10));
        pauses.note("a", &answer(429, Some(100)));
        assert_eq!(pauses.of("a").unwrap().rest.as_secs(), 100);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(pauses.of("a").unwrap().rest.as_secs(), 50);
    }
}
