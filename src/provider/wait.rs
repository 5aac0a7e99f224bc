//! How long a provider asks to wait.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

/// Longest wait that a provider may ask for.
const LONGEST: Duration = Duration::from_hours(24);
/// Numbers above this are instants, in seconds since the epoch; a wait of 31 years is none.
const INSTANT: u64 = 1_000_000_000;
/// Headers of rate limits, from before there was a standard: seconds until the window ends, or the instant at which it does.
const RESETS: [&str; 3] = ["ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset"];

/// The wait that an answer asks for: `Retry-After` in seconds or as a date (RFC 9110 section 10.2.3), else the end of a rate
/// limit's window.
pub(super) fn asked_for(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.trim().to_owned());
    // An instant is measured by the clock that it was written by; ours may differ.
    let date = text(DATE.as_str()).and_then(|text| httpdate::parse_http_date(&text).ok());
    let now = date.unwrap_or_else(SystemTime::now);
    let told = text(RETRY_AFTER.as_str()).and_then(|text| retry_after(&text, now));
    told.or_else(|| {
        let reset = RESETS.iter().find_map(|name| seconds(&text(name)?))?;
        Some(if reset > INSTANT {
            until(UNIX_EPOCH.checked_add(Duration::from_secs(reset))?, now)
        } else {
            Duration::from_secs(reset)
        })
    })
    .map(|wait| wait.min(LONGEST))
}

/// When an answer was made, by the provider's own clock, in seconds since the epoch (RFC 9110 section 6.6.1).
pub(super) fn date(headers: &HeaderMap) -> Option<i64> {
    let instant = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    i64::try_from(instant.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    match seconds(text) {
        Some(seconds) => Some(Duration::from_secs(seconds)),
        None => httpdate::parse_http_date(text).ok().map(|instant| until(instant, now)),
    }
}

/// A number of seconds; one that no machine can hold is merely a very long time.
fn seconds(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(LONGEST.as_secs()))
}

fn until(instant: SystemTime, now: SystemTime) -> Duration {
    instant.duration_since(now).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[(&'static str, &str)]) -> Option<Duration> {
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
        asked_for(&headers.collect())
    }

    #[test]
    fn w23_waits_that_are_asked_for() {
        let wait = |value| asked(&[("retry-after", value)]);
        assert_eq!(wait("120"), Some(Duration::from_mins(2)));
        assert_eq!(wait("99999999999"), Some(LONGEST));
        assert_eq!(wait("99999999999999999999999999"), Some(LONGEST));
        assert_eq!(wait("-1"), None);
        assert_eq!(wait("soon"), None);
        assert_eq!(wait(""), None);
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let far = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(200_000_000_000));
        assert_eq!(wait(&far), Some(LONGEST));
        let later = httpdate::fmt_http_date(SystemTime::now() + Duration::from_mins(10));
        assert!(wait(&later).is_some_and(|wait| wait > Duration::from_secs(590) && wait <= Duration::from_mins(10)));
    }

    #[test]
    fn w85_a_date_is_measured_by_the_clock_of_the_answer() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let later = ("retry-after", "Sun, 06 Nov 1994 08:51:37 GMT");
        assert_eq!(asked(&[date, later]), Some(Duration::from_mins(2)));
        assert_eq!(asked(&[later, date]), Some(Duration::from_mins(2)));
        assert_eq!(asked(&[date, ("x-ratelimit-reset", "1784111377")]), Some(LONGEST));
        assert_eq!(asked(&[("date", "soon"), later]), Some(Duration::ZERO));
    }

    #[test]
    fn w23_the_end_of_a_rate_limit_counts_where_nothing_else_is_said() {
        assert_eq!(asked(&[("ratelimit-reset", "30")]), Some(Duration::from_secs(30)));
        let at = SystemTime::now() + Duration::from_mins(1);
        let at = at.duration_since(UNIX_EPOCH).unwrap().as_secs().to_string();
        let wait = asked(&[("x-rate-limit-reset", &at)]).unwrap();
        assert!(
            wait > Duration::from_secs(50) && wait <= Duration::from_mins(1),
            "{wait:?}"
        );
        let both = [("retry-after", "7"), ("ratelimit-reset", "30")];
        assert_eq!(asked(&both), Some(Duration::from_secs(7)));
        assert_eq!(asked(&[("ratelimit-reset", "100;w=60")]), None);
    }
}
