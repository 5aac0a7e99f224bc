//! What is worked on and what waits, for the metrics. At rest it takes no room.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::Key;
use crate::metrics::Work;

use super::context::lock;

/// Objects that are not at rest, and since when they are in their state.
#[derive(Debug, Default)]
pub(super) struct Queue(Mutex<HashMap<Key, (Work, Instant)>>);

impl Queue {
    /// An object is in another state.
    pub(super) fn enter(&self, key: &Key, work: Work) {
        lock(&self.0).insert(key.clone(), (work, Instant::now()));
    }

    /// An object is at rest.
    pub(super) fn leave(&self, key: &Key) {
        let mut objects = lock(&self.0);
        objects.remove(key);
        if objects.is_empty() {
            *objects = HashMap::new();
        }
    }

    /// For each state, how many objects are in it, and since when the oldest of them.
    pub(super) fn counts(&self) -> BTreeMap<Work, (usize, Duration)> {
        let mut counts: BTreeMap<Work, (usize, Duration)> = BTreeMap::new();
        for (work, since) in lock(&self.0).values() {
            let (count, oldest) = counts.entry(*work).or_default();
            *count += 1;
            *oldest = since.elapsed().max(*oldest);
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn t191_an_object_is_in_one_state_and_the_oldest_one_is_told() {
        let queue = Queue::default();
        let (first, second) = (Key::new("a", "1"), Key::new("a", "2"));
        queue.enter(&first, Work::Queued);
        tokio::time::advance(Duration::from_secs(3)).await;
        queue.enter(&second, Work::Queued);
        assert_eq!(queue.counts(), [(Work::Queued, (2, Duration::from_secs(3)))].into());
        queue.enter(&first, Work::Running);
        let counts = queue.counts();
        assert_eq!(counts[&Work::Running], (1, Duration::ZERO));
        assert_eq!(counts[&Work::Queued], (1, Duration::ZERO));
        queue.leave(&first);
        queue.leave(&second);
        assert!(queue.counts().is_empty());
        assert_eq!(lock(&queue.0).capacity(), 0);
    }
}
