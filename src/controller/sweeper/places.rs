//! The places of the sweeper in the queues for permits: one at each provider, beside those of the namespaces, so that it gets as much of a
//! rate as one of them, and no more. Records that wait at one provider are dealt round-robin over the namespaces of their objects.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;

use crate::cluster::Key;
use crate::controller::context::lock;
use crate::controller::fair_queue::FairQueue;
use crate::controller::permits::{Calls, Limits, Permits, Turn};

/// The sweeper's name among the namespaces that wait for permits. No namespace has it.
const SWEEPER: &str = "";

/// All places.
pub(in crate::controller) struct Places {
    places: Mutex<HashMap<Arc<str>, Place>>,
    /// Takes the provider whose permit has come, as the name of a key.
    called: mpsc::UnboundedSender<Key>,
}

/// The place at one provider.
pub(super) struct Place {
    pub turn: Arc<Turn>,
    records: FairQueue,
    waiting: HashSet<Key>,
}

impl Places {
    /// None yet, and where it is told for which provider a permit has come.
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Key>) {
        let (called, calls) = mpsc::unbounded_channel();
        let places = Mutex::default();
        (Self { places, called }, calls)
    }

    /// A place at this provider for its first record.
    pub(in crate::controller) fn enqueue(permits: &Permits, provider: &Arc<str>, limits: Limits) -> Arc<Turn> {
        permits.enqueue(provider, &SWEEPER.into(), limits)
    }

    /// About how long such a place has to wait for the rate.
    pub(in crate::controller) fn until_turn(permits: &Permits, turn: &Turn) -> Option<std::time::Duration> {
        permits.until_turn(turn, SWEEPER)
    }

    /// Whether there is a place at this provider; the record then waits there too. Its key has the namespace of its object and the name of
    /// its Secret.
    pub(in crate::controller) fn joins(&self, provider: &str, record: &Key) -> bool {
        match lock(&self.places).get_mut(provider) {
            Some(place) => place.add(record),
            None => return false,
        }
        true
    }

    /// A record waits in a new place.
    pub(in crate::controller) fn wait(&self, turn: Arc<Turn>, record: &Key) {
        let mut place = Place {
            turn,
            records: FairQueue::default(),
            waiting: HashSet::new(),
        };
        place.add(record);
        self.keep(place);
    }

    /// The sweeper is told when the permit comes for this place.
    pub(super) fn keep(&self, place: Place) {
        let (turn, provider) = (Arc::clone(&place.turn), Arc::clone(place.turn.provider()));
        let calls = Calls {
            key: Key::new(SWEEPER, &provider),
            sender: self.called.clone(),
        };
        lock(&self.places).insert(provider, place);
        turn.call(calls);
    }

    /// The place at a provider, if its permit has come.
    pub(super) fn come(&self, provider: &str) -> Option<Place> {
        let mut places = lock(&self.places);
        places.get(provider).filter(|place| place.turn.has_come())?;
        places.remove(provider)
    }

    /// The providers at which there are places.
    pub(super) fn providers(&self) -> Vec<Arc<str>> {
        lock(&self.places).keys().cloned().collect()
    }

    /// Gives up all places.
    pub(super) fn clear(&self) {
        lock(&self.places).clear();
    }
}

impl Place {
    fn add(&mut self, record: &Key) {
        if self.waiting.insert(record.clone()) {
            self.records.push(record.clone());
        }
    }

    /// The record whose turn it is.
    pub(super) fn next(&mut self) -> Option<Key> {
        let record = self.records.pop()?;
        self.waiting.remove(&record);
        Some(record)
    }

    /// Whether no record waits.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    const HOURLY: Limits = Limits {
        concurrency: 8,
        share: 8,
        spacing: Duration::from_mins(3),
    };

    #[tokio::test(start_paused = true)]
    async fn t361_the_sweeper_has_the_share_of_one_namespace_and_deals_it_over_those_of_its_records() {
        let (permits, provider) = (Permits::default(), Arc::from("provider"));
        let begun = Instant::now();
        drop(permits.acquire(&provider, &"a".into(), HOURLY).await);
        let waiting: Vec<_> = (0..100)
            .map(|_| permits.enqueue(&provider, &"a".into(), HOURLY))
            .collect();
        let (places, mut calls) = Places::new();
        assert!(!places.joins(&provider, &Key::new("a", "1")));
        places.wait(Places::enqueue(&permits, &provider, HOURLY), &Key::new("a", "1"));
        for record in ["a/1", "a/2", "a/3", "b/1"] {
            let (namespace, name) = record.split_once('/').unwrap();
            assert!(places.joins(&provider, &Key::new(namespace, name)));
        }
        assert!(places.come(&provider).is_none(), "not yet");
        let mut dealt = Vec::new();
        while let Ok(called) = tokio::time::timeout(Duration::from_hours(1), calls.recv()).await {
            let mut place = places.come(&called.unwrap().name).unwrap();
            let record = place.next().unwrap();
            dealt.push((record.to_string(), begun.elapsed().as_secs() / 60));
            assert!(place.turn.take().is_some());
            if !place.is_empty() {
                place.turn = Places::enqueue(&permits, &provider, HOURLY);
                places.keep(place);
            }
        }
        let dealt: Vec<_> = dealt.iter().map(|(record, at)| (record.as_str(), *at)).collect();
        assert_eq!(
            dealt,
            [("a/1", 6), ("b/1", 12), ("a/2", 18), ("a/3", 24)],
            "every second call"
        );
        let come = waiting.iter().filter(|turn| turn.has_come()).count();
        assert!(come >= 8, "{come}");
        assert!(places.providers().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn t361_places_that_are_given_up_take_nothing() {
        let (permits, provider) = (Permits::default(), Arc::from("provider"));
        let (places, mut calls) = Places::new();
        places.wait(Places::enqueue(&permits, &provider, HOURLY), &Key::new("a", "1"));
        assert_eq!(&*calls.recv().await.unwrap().name, "provider", "it had come already");
        assert_eq!(permits.counts(), (1, 0));
        places.clear();
        assert_eq!(permits.counts(), (0, 0));
        assert!(places.come(&provider).is_none());
    }
}
