//! Permits to call a provider, dealt round-robin over the namespaces that wait for it.
//!
//! A tenant with thousands of objects at one provider waits in its own queue: everybody else's next object comes after at
//! most one of that tenant's.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long a namespace that called counts as one that calls.
const LATELY: Duration = Duration::from_secs(2);

/// Bounds on calls to one provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Calls in flight at the same time, at least 1.
    pub concurrency: usize,
    /// As many of them as one namespace may have while others call too, at least 1.
    pub share: usize,
    /// Time between the beginnings of two calls.
    pub spacing: Duration,
}

/// All permits.
#[derive(Clone, Debug, Default)]
pub(super) struct Permits(Arc<Mutex<HashMap<Arc<str>, Lane>>>);

/// One provider.
#[derive(Debug, Default)]
struct Lane {
    in_use: usize,
    /// Permits that each namespace holds.
    held: HashMap<Arc<str>, usize>,
    /// The two namespaces that asked last, and when; the last one first.
    asked: [Option<(Arc<str>, Instant)>; 2],
    /// Namespaces in the order of their turns, each with its waiters.
    turns: VecDeque<(Arc<str>, VecDeque<Waiter>)>,
    next_start: Option<Instant>,
}

#[derive(Debug)]
struct Waiter {
    limits: Limits,
    go: oneshot::Sender<Permit>,
}

/// A permit; dropping it passes it on.
#[derive(Debug)]
pub(super) struct Permit {
    permits: Permits,
    provider: Arc<str>,
    namespace: Arc<str>,
}

impl Permits {
    /// Waits for a permit of `provider` on behalf of `namespace`.
    pub(super) async fn acquire(&self, provider: &Arc<str>, namespace: &Arc<str>, limits: Limits) -> Permit {
        let turn = self.enqueue(provider, namespace, limits);
        self.deal(provider);
        // The sender lives in the queue until it is used, and the queue is only ever emptied by dealing.
        let permit = match turn.await {
            Ok(permit) => permit,
            Err(_) => Permit {
                permits: self.clone(),
                provider: provider.clone(),
                namespace: namespace.clone(),
            },
        };
        if let Some(start) = self.reserve_start(provider, limits.spacing) {
            tokio::time::sleep_until(start).await;
        }
        permit
    }

    /// The same, for whoever has other work: `None` if there is no permit within `longest`, or if the rate allows no call so soon.
    /// What is not taken costs the others nothing.
    pub(super) async fn acquire_within(
        &self,
        provider: &Arc<str>,
        namespace: &Arc<str>,
        limits: Limits,
        longest: Duration,
    ) -> Option<Permit> {
        let turn = self.enqueue(provider, namespace, limits);
        self.deal(provider);
        let permit = tokio::time::timeout(longest, turn).await.ok()?.ok()?;
        if self.until_start(provider) > longest {
            return None;
        }
        if let Some(start) = self.reserve_start(provider, limits.spacing) {
            tokio::time::sleep_until(start).await;
        }
        Some(permit)
    }

    /// How many permits are in use, and how many are waited for.
    pub(super) fn counts(&self) -> (usize, usize) {
        let lanes = self.lock();
        let waiting = |lane: &Lane| lane.turns.iter().map(|(_, waiters)| waiters.len()).sum::<usize>();
        let in_use = lanes.values().map(|lane| lane.in_use).sum();
        (in_use, lanes.values().map(waiting).sum())
    }

    /// How long it is until the next call may begin.
    fn until_start(&self, provider: &Arc<str>) -> Duration {
        let lanes = self.lock();
        let start = lanes.get(provider).and_then(|lane| lane.next_start);
        start.map_or(Duration::ZERO, |start| start.saturating_duration_since(Instant::now()))
    }

    fn enqueue(&self, provider: &Arc<str>, namespace: &Arc<str>, limits: Limits) -> oneshot::Receiver<Permit> {
        let (go, turn) = oneshot::channel();
        let mut lanes = self.lock();
        let lane = lanes.entry(provider.clone()).or_default();
        lane.note(namespace);
        let waiter = Waiter { limits, go };
        match lane.turns.iter_mut().find(|(name, _)| name == namespace) {
            Some((_, waiters)) => waiters.push_back(waiter),
            None => lane.turns.push_back((namespace.clone(), VecDeque::from([waiter]))),
        }
        turn
    }

    /// Forgets the providers that do not exist any more and that nobody calls or waits for.
    pub(super) fn retain(&self, exists: impl Fn(&str) -> bool) {
        self.lock()
            .retain(|provider, lane| exists(provider) || lane.in_use > 0 || !lane.turns.is_empty());
    }

    /// Hands free permits to the namespaces in turn.
    fn deal(&self, provider: &Arc<str>) {
        loop {
            let (namespace, waiter) = {
                let mut lanes = self.lock();
                let Some(lane) = lanes.get_mut(provider) else { return };
                let Some((namespace, waiter)) = lane.take_turn() else {
                    if lane.in_use == 0
                        && lane.turns.is_empty()
                        && lane.next_start.is_none_or(|start| start <= Instant::now())
                    {
                        lanes.remove(provider);
                    }
                    return;
                };
                lane.in_use += 1;
                *lane.held.entry(namespace.clone()).or_default() += 1;
                (namespace, waiter)
            };
            let permit = Permit {
                permits: self.clone(),
                provider: provider.clone(),
                namespace,
            };
            if let Err(unused) = waiter.go.send(permit) {
                unused.forget();
            }
        }
    }

    fn reserve_start(&self, provider: &Arc<str>, spacing: Duration) -> Option<Instant> {
        if spacing.is_zero() {
            return None;
        }
        let mut lanes = self.lock();
        let lane = lanes.get_mut(provider)?;
        let start = lane.next_start.unwrap_or_else(Instant::now).max(Instant::now());
        lane.next_start = Some(start + spacing);
        Some(start)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Lane>> {
        // No code panics while it holds the lock, and counters stay right if one did.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane {
    /// Notes that a namespace asks for a permit.
    fn note(&mut self, namespace: &Arc<str>) {
        let [last, _] = &self.asked;
        if last.as_ref().is_some_and(|(name, _)| name != namespace) {
            self.asked.swap(0, 1);
        }
        self.asked[0] = Some((namespace.clone(), Instant::now()));
    }

    /// Whether another namespace than this one called lately, and has to be left room for.
    fn is_shared(&self, namespace: &Arc<str>) -> bool {
        let mut asked = self.asked.iter().flatten();
        asked.any(|(name, at)| name != namespace && at.elapsed() < LATELY)
    }

    /// The next waiter for whom there is room, and its namespace.
    fn take_turn(&mut self) -> Option<(Arc<str>, Waiter)> {
        let at = self.turns.iter().position(|(namespace, waiters)| {
            let held = self.held.get(namespace).copied().unwrap_or_default();
            waiters.front().is_some_and(|waiter| {
                let fair = held < waiter.limits.share.max(1) || !self.is_shared(namespace);
                fair && self.in_use < waiter.limits.concurrency.max(1)
            })
        })?;
        let (namespace, mut waiters) = self.turns.remove(at)?;
        let waiter = waiters.pop_front()?;
        if !waiters.is_empty() {
            self.turns.push_back((namespace.clone(), waiters));
        }
        Some((namespace, waiter))
    }
}

impl Permit {
    /// Gives the permit back without dealing it on: its waiter has left, and whoever deals goes on dealing.
    fn forget(mut self) {
        self.give_back();
        self.provider = "".into();
    }

    fn give_back(&self) {
        if let Some(lane) = self.permits.lock().get_mut(&self.provider) {
            lane.in_use = lane.in_use.saturating_sub(1);
            if let Some(held) = lane.held.get_mut(&self.namespace) {
                *held = held.saturating_sub(1);
                if *held == 0 {
                    lane.held.remove(&self.namespace);
                }
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.provider.is_empty() {
            self.give_back();
            self.permits.deal(&self.provider);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Limits = Limits {
        concurrency: 1,
        share: 1,
        spacing: Duration::ZERO,
    };

    fn names() -> (Arc<str>, Arc<str>, Arc<str>) {
        ("provider".into(), "a".into(), "b".into())
    }

    #[tokio::test(start_paused = true)]
    async fn namespaces_take_turns() {
        let (provider, a, b) = names();
        let permits = Permits::default();
        let first = permits.acquire(&provider, &a, ONE).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for (namespace, count) in [(&a, 3), (&b, 1)] {
            for _ in 0..count {
                let (permits, provider, namespace, order) =
                    (permits.clone(), provider.clone(), namespace.clone(), order.clone());
                tasks.push(tokio::spawn(async move {
                    let _permit = permits.acquire(&provider, &namespace, ONE).await;
                    order.lock().unwrap().push(namespace.to_string());
                }));
                tokio::task::yield_now().await;
            }
        }
        drop(first);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), ["a", "b", "a", "a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_namespace_has_no_more_than_its_share() {
        let (provider, a, b) = names();
        let permits = Permits::default();
        let limits = Limits {
            concurrency: 4,
            share: 2,
            spacing: Duration::ZERO,
        };
        let soon = async |namespace: &Arc<str>| {
            let permit = permits.acquire(&provider, namespace, limits);
            tokio::time::timeout(Duration::from_millis(1), permit).await.ok()
        };
        let held = [soon(&a).await, soon(&a).await];
        assert!(held.iter().all(Option::is_some));
        let third = soon(&a).await;
        assert!(third.is_some(), "nobody else is there");
        let other = soon(&b).await;
        assert!(other.is_some(), "room is left for the other one");
        drop(third);
        assert!(soon(&a).await.is_none(), "a third of one namespace");
        tokio::time::advance(LATELY).await;
        assert!(soon(&a).await.is_some(), "the other one has not called for a while");
        drop((held, other));
        drop(soon(&a).await);
        assert!(permits.lock().is_empty(), "nothing is left");
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_leaves_loses_no_permit() {
        let (provider, a, b) = names();
        let permits = Permits::default();
        let first = permits.acquire(&provider, &a, ONE).await;
        let waits = permits.acquire(&provider, &b, ONE);
        tokio::pin!(waits);
        assert!(futures::poll!(&mut waits).is_pending());
        assert_eq!(permits.counts(), (1, 1));
        let second = tokio::time::timeout(Duration::from_millis(1), permits.acquire(&provider, &a, ONE)).await;
        assert!(second.is_err());
        drop(first);
        drop(waits.await);
        assert!(permits.lock().is_empty(), "an idle provider costs nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn t153_whoever_has_other_work_waits_no_longer_than_it_says_and_takes_nothing_from_others() {
        let (provider, a, b) = names();
        let permits = Permits::default();
        let soon = async |limits| {
            let longest = Duration::from_secs(5);
            permits.acquire_within(&provider, &a, limits, longest).await
        };
        let held = permits.acquire(&provider, &b, ONE).await;
        let begun = Instant::now();
        assert!(soon(ONE).await.is_none());
        assert_eq!(begun.elapsed(), Duration::from_secs(5));
        drop(held);
        drop(soon(ONE).await.unwrap());
        let slow = Limits {
            spacing: Duration::from_mins(1),
            ..ONE
        };
        drop(soon(slow).await.unwrap());
        for _ in 0..3 {
            assert!(soon(slow).await.is_none(), "the rate allows no call so soon");
        }
        let begun = Instant::now();
        drop(permits.acquire(&provider, &b, slow).await);
        assert_eq!(begun.elapsed(), Duration::from_mins(1), "no call was begun meanwhile");
        assert_eq!(permits.lock().values().map(|lane| lane.in_use).sum::<usize>(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_begin_no_faster_than_the_rate() {
        let (provider, a, _) = names();
        let permits = Permits::default();
        let limits = Limits {
            concurrency: 8,
            share: 8,
            spacing: Duration::from_secs(2),
        };
        let start = Instant::now();
        for _ in 0..3 {
            drop(permits.acquire(&provider, &a, limits).await);
        }
        assert_eq!(start.elapsed().as_secs(), 4);
    }
}
