//! When provider objects at rest are looked at again.

use std::collections::HashMap;
use std::future::poll_fn;
use std::time::Duration;

use tokio_util::time::DelayQueue;
use tokio_util::time::delay_queue;

use crate::cluster::ProviderKey;

/// Shortest wait.
const SHORTEST: Duration = Duration::from_millis(10);

/// The next look at each provider object.
#[derive(Default)]
pub(super) struct Looks {
    timers: DelayQueue<ProviderKey>,
    planned: HashMap<ProviderKey, delay_queue::Key>,
}

impl Looks {
    /// Plans the next look, in place of the one that was planned.
    pub(super) fn plan(&mut self, key: ProviderKey, wait: Duration) {
        self.forget(&key);
        let timer = self.timers.insert(key.clone(), wait.max(SHORTEST));
        self.planned.insert(key, timer);
    }

    /// Gives a planned look up.
    pub(super) fn forget(&mut self, key: &ProviderKey) {
        if let Some(timer) = self.planned.remove(key) {
            self.timers.try_remove(&timer);
        }
    }

    /// Waits for the next look that is due; for ever if none is planned.
    pub(super) async fn due(&mut self) -> ProviderKey {
        let expired = poll_fn(|task| match self.timers.poll_expired(task) {
            std::task::Poll::Ready(Some(expired)) => std::task::Poll::Ready(expired),
            std::task::Poll::Ready(None) | std::task::Poll::Pending => std::task::Poll::Pending,
        });
        let key = expired.await.into_inner();
        self.planned.remove(&key);
        key
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn t250_one_look_is_planned_for_each_provider_object() {
        let [a, b] = ["a", "b"].map(|name| ProviderKey::namespaced("ns", name));
        let mut looks = Looks::default();
        let begun = Instant::now();
        looks.plan(a.clone(), Duration::from_secs(1));
        looks.plan(b.clone(), Duration::from_secs(2));
        looks.plan(a.clone(), Duration::from_secs(3));
        assert_eq!((looks.due().await, begun.elapsed().as_secs()), (b.clone(), 2));
        assert_eq!((looks.due().await, begun.elapsed().as_secs()), (a.clone(), 3));
        looks.plan(a.clone(), Duration::from_secs(1));
        looks.forget(&a);
        let none = tokio::time::timeout(Duration::from_hours(1), looks.due()).await;
        assert!(none.is_err() && looks.planned.is_empty());
    }
}
