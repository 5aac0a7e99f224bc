//! Permits to call a provider, dealt round-robin over the namespaces that wait for it.
//!
//! A tenant with thousands of objects at one provider waits in its own queue: everybody else's next object comes after at
//! most one of that tenant's.

mod turn;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

pub(super) use turn::{Calls, Turn};

/// How long a namespace that called counts as one that calls.
const LATELY: Duration = Duration::from_secs(2);

/// What a timer may be late.
const LATENESS: Duration = Duration::from_millis(5);

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
#[derive(Debug)]
struct Lane {
    /// The bounds that were asked for last: a change of the provider object holds for those that wait, too.
    limits: Limits,
    in_use: usize,
    /// Permits that each namespace holds.
    held: HashMap<Arc<str>, usize>,
    /// The two namespaces that asked last, and when; the last one first.
    asked: [Option<(Arc<str>, Instant)>; 2],
    /// Namespaces in the order of their turns, each with its waiters. A waiter that has left is passed over.
    turns: VecDeque<(Arc<str>, VecDeque<Weak<Turn>>)>,
    /// Namespaces and waiters whose calls belong to one that the rate has counted.
    further: VecDeque<(Arc<str>, Weak<Turn>)>,
    last_start: Option<Instant>,
    /// When permits are dealt on, because the rate allows the next call then.
    alarm: Option<Instant>,
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
        self.enqueue(provider, namespace, limits).wait().await
    }

    /// Stands in the queue for a permit, for as long as the answer lives.
    pub(super) fn enqueue(&self, provider: &Arc<str>, namespace: &Arc<str>, limits: Limits) -> Arc<Turn> {
        let turn = Arc::new(Turn::new(provider.clone()));
        {
            let mut lanes = self.lock();
            let lane = lanes.entry(provider.clone()).or_insert_with(|| Lane::new(limits));
            lane.limits = limits;
            lane.note(namespace);
            let waiter = Arc::downgrade(&turn);
            match lane.turns.iter_mut().find(|(name, _)| name == namespace) {
                Some((_, waiters)) => {
                    // Those that left last, or they would fill the queue of a provider that allows few calls.
                    while waiters.back().is_some_and(|waiter| waiter.strong_count() == 0) {
                        waiters.pop_back();
                    }
                    waiters.push_back(waiter);
                }
                None => lane.turns.push_back((namespace.clone(), VecDeque::from([waiter]))),
            }
        }
        self.deal(provider);
        turn
    }

    /// Waits for a permit for a call that belongs to one which the rate has counted, such as the try of credentials after a registration.
    pub(super) async fn acquire_further(&self, provider: &Arc<str>, namespace: &Arc<str>, limits: Limits) -> Permit {
        let turn = Arc::new(Turn::new(provider.clone()));
        {
            let mut lanes = self.lock();
            let lane = lanes.entry(provider.clone()).or_insert_with(|| Lane::new(limits));
            lane.limits = limits;
            lane.further.push_back((namespace.clone(), Arc::downgrade(&turn)));
        }
        self.deal(provider);
        turn.wait().await
    }

    /// Takes in the present bounds for those that wait already.
    pub(super) fn rebound(&self, provider: &Arc<str>, limits: Limits) {
        match self.lock().get_mut(provider) {
            Some(lane) if lane.limits != limits => lane.limits = limits,
            _ => return,
        }
        self.deal(provider);
    }

    /// How many permits are in use, and how many are waited for.
    pub(super) fn counts(&self) -> (usize, usize) {
        let lanes = self.lock();
        let lives = |waiter: &&Weak<Turn>| waiter.strong_count() > 0;
        let waiting = |lane: &Lane| {
            let waiters = lane.turns.iter().flat_map(|(_, waiters)| waiters);
            let further = lane.further.iter().map(|(_, waiter)| waiter);
            waiters.chain(further).filter(lives).count()
        };
        let in_use = lanes.values().map(|lane| lane.in_use).sum();
        (in_use, lanes.values().map(waiting).sum())
    }

    /// Forgets the providers that do not exist any more and that nobody calls or waits for.
    pub(super) fn retain(&self, exists: impl Fn(&str) -> bool) {
        self.lock()
            .retain(|provider, lane| exists(provider) || lane.in_use > 0 || lane.is_waited_for());
    }

    /// Hands free permits to the namespaces in turn.
    fn deal(&self, provider: &Arc<str>) {
        loop {
            let (namespace, turn) = {
                let mut lanes = self.lock();
                let Some(lane) = lanes.get_mut(provider) else { return };
                let now = Instant::now();
                let start = lane.next_start().filter(|start| *start > now);
                let further = lane.take_further();
                let counts = further.is_none();
                let Some((namespace, turn)) = further.or_else(|| lane.take_turn(start.is_none())) else {
                    if lane.in_use == 0 && !lane.is_waited_for() && start.is_none() {
                        lanes.remove(provider);
                    } else if let Some(start) = start.filter(|_| !lane.turns.is_empty()) {
                        self.deal_at(provider, lane, start);
                    }
                    return;
                };
                lane.in_use += 1;
                *lane.held.entry(namespace.clone()).or_default() += 1;
                if counts {
                    lane.note_start(now);
                }
                (namespace, turn)
            };
            turn.give(Permit {
                permits: self.clone(),
                provider: provider.clone(),
                namespace,
            });
        }
    }

    /// Deals on when the rate allows the next call.
    fn deal_at(&self, provider: &Arc<str>, lane: &mut Lane, start: Instant) {
        if lane.alarm.is_some_and(|alarm| alarm <= start) {
            return;
        }
        lane.alarm = Some(start);
        let (permits, provider) = (self.clone(), provider.clone());
        tokio::spawn(async move {
            tokio::time::sleep_until(start).await;
            if let Some(lane) = permits.lock().get_mut(&provider)
                && lane.alarm == Some(start)
            {
                lane.alarm = None;
            }
            permits.deal(&provider);
        });
    }

    /// About how long a place in the queue has to wait for the rate, if nobody leaves and no namespace joins; `None`: it has come, or there
    /// is no rate.
    pub(super) fn until_turn(&self, turn: &Turn, namespace: &str) -> Option<Duration> {
        let lanes = self.lock();
        let lane = lanes.get(turn.provider())?;
        let start = lane.next_start()?;
        let before = u32::try_from(lane.before(turn, namespace)?).unwrap_or(u32::MAX);
        let wait = lane.limits.spacing.saturating_mul(before);
        Some(start.saturating_duration_since(Instant::now()).saturating_add(wait))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Lane>> {
        // No code panics while it holds the lock, and counters stay right if one did.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane {
    fn new(limits: Limits) -> Self {
        Self {
            limits,
            in_use: 0,
            held: HashMap::new(),
            asked: [None, None],
            turns: VecDeque::new(),
            further: VecDeque::new(),
            last_start: None,
            alarm: None,
        }
    }

    /// When the rate allows the next call; `None`: there is no rate, or nobody called yet.
    fn next_start(&self) -> Option<Instant> {
        let spacing = Some(self.limits.spacing).filter(|spacing| !spacing.is_zero())?;
        Some(self.last_start? + spacing)
    }

    /// How many of those that wait come before this place, as the turns are now.
    fn before(&self, turn: &Turn, namespace: &str) -> Option<usize> {
        let own = self.turns.iter().position(|(name, _)| **name == *namespace)?;
        let (_, waiters) = self.turns.get(own)?;
        // Mostly it is the last one.
        let round = waiters.iter().rposition(|waiter| std::ptr::eq(waiter.as_ptr(), turn))?;
        let others = self.turns.iter().enumerate().filter(|(at, _)| *at != own);
        let earlier = others.map(|(at, (_, waiters))| waiters.len().min(round + usize::from(at < own)));
        Some(round + earlier.sum::<usize>())
    }

    /// Notes that a call begins. One that begins a little late does not delay those after it.
    fn note_start(&mut self, now: Instant) {
        let due = self.next_start().filter(|due| now.duration_since(*due) <= LATENESS);
        self.last_start = Some(due.unwrap_or(now));
    }

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

    fn is_waited_for(&self) -> bool {
        !self.turns.is_empty() || !self.further.is_empty()
    }

    /// The next waiter whose call the rate does not count, if there is room, and its namespace.
    fn take_further(&mut self) -> Option<(Arc<str>, Arc<Turn>)> {
        while self.in_use < self.limits.concurrency.max(1) {
            let (namespace, waiter) = self.further.pop_front()?;
            if let Some(turn) = waiter.upgrade() {
                return Some((namespace, turn));
            }
        }
        None
    }

    /// The next waiter for whom there is room, and its namespace; none while the rate allows no call. Those that have left go.
    fn take_turn(&mut self, rate_allows: bool) -> Option<(Arc<str>, Arc<Turn>)> {
        if !rate_allows || self.in_use >= self.limits.concurrency.max(1) {
            return None;
        }
        let mut at = 0;
        loop {
            let (namespace, waiters) = self.turns.get_mut(at)?;
            while waiters.front().is_some_and(|waiter| waiter.strong_count() == 0) {
                waiters.pop_front();
            }
            if waiters.is_empty() {
                self.turns.remove(at);
                continue;
            }
            let namespace = namespace.clone();
            let held = self.held.get(&namespace).copied().unwrap_or_default();
            if held >= self.limits.share.max(1) && self.is_shared(&namespace) {
                at += 1;
                continue;
            }
            let (_, mut waiters) = self.turns.remove(at)?;
            let turn = waiters.pop_front().and_then(|waiter| waiter.upgrade());
            if !waiters.is_empty() {
                self.turns.push_back((namespace.clone(), waiters));
            }
            if let Some(turn) = turn {
                return Some((namespace, turn));
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        {
            let mut lanes = self.permits.lock();
            if let Some(lane) = lanes.get_mut(&self.provider) {
                lane.in_use = lane.in_use.saturating_sub(1);
                if let Some(held) = lane.held.get_mut(&self.namespace) {
                    *held = held.saturating_sub(1);
                    if *held == 0 {
                        lane.held.remove(&self.namespace);
                    }
                }
            }
        }
        self.permits.deal(&self.provider);
    }
}

#[cfg(test)]
mod tests;
