//! Log lines that come in floods: the first few of a kind in a minute are logged, the others counted, and the count logged
//! when the minute is over.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Lines of one kind that are logged in a [`WINDOW`].
pub(crate) const MOST: u32 = 2;
/// The time in which they are counted.
pub(crate) const WINDOW: Duration = Duration::from_mins(1);

/// Whether one more line of a kind is logged. `kind` is a word of a closed list, for example a reason.
#[must_use]
pub(crate) fn admits(kind: &'static str) -> bool {
    static FLOODS: Floods = Floods(Mutex::new(BTreeMap::new()));
    match FLOODS.count(kind, Instant::now()) {
        Count::Few => true,
        Count::FirstFolded => {
            // Without a runtime nobody reads a log.
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(async move {
                    tokio::time::sleep(WINDOW).await;
                    let folded = FLOODS.end(kind);
                    tracing::warn!(kind, folded, "lines like the last ones of this kind were not logged");
                });
            }
            false
        }
        Count::Folded => false,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Count {
    /// It is one of the first.
    Few,
    /// It is the first that is not logged.
    FirstFolded,
    /// It is one more that is not logged.
    Folded,
}

#[derive(Debug, Default)]
struct Floods(Mutex<BTreeMap<&'static str, Window>>);

#[derive(Debug)]
struct Window {
    since: Instant,
    logged: u32,
    folded: u32,
}

impl Floods {
    fn count(&self, kind: &'static str, now: Instant) -> Count {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = Window {
            since: now,
            logged: 0,
            folded: 0,
        };
        let window = windows.entry(kind).or_insert(fresh);
        // One in which lines were folded lasts until their count is logged.
        if window.folded == 0 && now.duration_since(window.since) >= WINDOW {
            (window.since, window.logged) = (now, 0);
        }
        if window.logged < MOST {
            window.logged += 1;
            return Count::Few;
        }
        window.folded = window.folded.saturating_add(1);
        if window.folded == 1 {
            Count::FirstFolded
        } else {
            Count::Folded
        }
    }

    /// Ends the time in which lines of a kind are counted. How many were not logged.
    fn end(&self, kind: &'static str) -> u32 {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        windows.remove(kind).map_or(0, |window| window.folded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn t192_a_flood_is_counted_after_its_first_lines_and_its_end_is_told() {
        let floods = Floods::default();
        let count = |kind| floods.count(kind, Instant::now());
        for _ in 0..MOST {
            assert_eq!(count("ProviderUnavailable"), Count::Few);
        }
        assert_eq!(count("ProviderUnavailable"), Count::FirstFolded);
        assert_eq!(count("ProviderUnavailable"), Count::Folded);
        assert_eq!(count("InvalidSpec"), Count::Few, "another kind has its own lines");
        tokio::time::advance(WINDOW).await;
        assert_eq!(floods.end("ProviderUnavailable"), 2);
        assert_eq!(count("ProviderUnavailable"), Count::Few);
    }

    #[tokio::test(start_paused = true)]
    async fn t192_few_lines_a_minute_are_all_logged() {
        let floods = Floods::default();
        for _ in 0..10 {
            for _ in 0..MOST {
                assert_eq!(floods.count("InvalidSpec", Instant::now()), Count::Few);
            }
            tokio::time::advance(WINDOW).await;
        }
    }
}
