//! Objects whose pass is to begin, dealt round-robin over their namespaces.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::cluster::Key;

/// A queue in which a namespace with thousands of objects waits for itself alone. At rest it takes no room.
#[derive(Default)]
pub(super) struct FairQueue {
    waiting: HashMap<Arc<str>, VecDeque<Key>>,
    /// Namespaces that have something waiting, the next one first.
    turns: VecDeque<Arc<str>>,
}

impl FairQueue {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Puts an object behind those of its namespace.
    pub(super) fn push(&mut self, key: Key) {
        let waiting = self.waiting.entry(Arc::clone(&key.namespace)).or_default();
        if waiting.is_empty() {
            self.turns.push_back(Arc::clone(&key.namespace));
        }
        waiting.push_back(key);
    }

    /// Takes the next object of the namespace whose turn it is.
    pub(super) fn pop(&mut self) -> Option<Key> {
        let namespace = self.turns.pop_front()?;
        let waiting = self.waiting.get_mut(&namespace)?;
        let key = waiting.pop_front();
        if waiting.is_empty() {
            self.waiting.remove(&namespace);
            if self.turns.is_empty() {
                *self = Self::default();
            }
        } else {
            self.turns.push_back(namespace);
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dealt(rounds: &mut FairQueue) -> Vec<String> {
        std::iter::from_fn(|| rounds.pop()).map(|key| key.to_string()).collect()
    }

    #[test]
    fn a_namespace_comes_after_at_most_one_object_of_another() {
        let mut rounds = FairQueue::default();
        for name in ["1", "2", "3"] {
            rounds.push(Key::new("many", name));
        }
        rounds.push(Key::new("one", "1"));
        assert_eq!(dealt(&mut rounds), ["many/1", "one/1", "many/2", "many/3"]);
        assert!(rounds.is_empty());
    }

    #[test]
    fn it_goes_on_with_what_comes_while_it_deals_and_keeps_no_room_when_it_is_empty() {
        let mut rounds = FairQueue::default();
        for number in 0..100 {
            rounds.push(Key::new(&format!("n{number}"), "1"));
        }
        assert_eq!(rounds.pop().unwrap().to_string(), "n0/1");
        rounds.push(Key::new("n0", "2"));
        let rest = dealt(&mut rounds);
        assert_eq!((rest.len(), rest[99].as_str()), (100, "n0/2"));
        assert_eq!((rounds.waiting.capacity(), rounds.turns.capacity()), (0, 0));
    }
}
