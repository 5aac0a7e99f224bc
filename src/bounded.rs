//! A map with a bound: what was not used for longest goes first, one entry at a time.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// A map whose entries together weigh no more than its capacity. An entry weighs 1 unless it says otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Bounded<K, V> {
    capacity: usize,
    weight: usize,
    entries: HashMap<K, Entry<V>>,
    /// Keys in the order of their last use, by a number that grows with each use.
    order: BTreeMap<u64, K>,
    uses: u64,
}

#[derive(Clone, Debug)]
struct Entry<V> {
    value: V,
    weight: usize,
    used: u64,
}

impl<K: Clone + Eq + Hash, V> Bounded<K, V> {
    /// An empty map.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            weight: 0,
            entries: HashMap::new(),
            order: BTreeMap::new(),
            uses: 0,
        }
    }

    /// The value of a key, which counts as a use.
    pub(crate) fn get<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let entry = self.entries.get_mut(key)?;
        if let Some(key) = self.order.remove(&entry.used) {
            self.uses += 1;
            entry.used = self.uses;
            self.order.insert(self.uses, key);
        }
        Some(&mut entry.value)
    }

    /// The value of a key, made if there is none.
    pub(crate) fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> Option<&mut V> {
        if !self.entries.contains_key(&key) {
            let inserted = key.clone();
            self.insert(key, make());
            return self.get(&inserted);
        }
        self.get(&key)
    }

    /// Sets the value of a key.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.insert_weighing(key, value, 1);
    }

    /// Sets the value of a key, and makes room for it. What weighs more than the capacity is not kept.
    pub(crate) fn insert_weighing(&mut self, key: K, value: V, weight: usize) {
        self.remove(&key);
        if weight > self.capacity {
            return;
        }
        while self.weight > self.capacity - weight {
            let Some((_, oldest)) = self.order.pop_first() else {
                break;
            };
            self.forget(&oldest);
        }
        self.uses += 1;
        self.weight += weight;
        self.order.insert(self.uses, key.clone());
        let used = self.uses;
        self.entries.insert(key, Entry { value, weight, used });
    }

    /// Removes a key.
    pub(crate) fn remove<Q>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        if let Some(used) = self.forget(key) {
            self.order.remove(&used);
        }
    }

    /// Removes every key that does not fit.
    pub(crate) fn retain(&mut self, fits: impl Fn(&K) -> bool) {
        let unfit: Vec<K> = self.entries.keys().filter(|key| !fits(key)).cloned().collect();
        for key in unfit {
            self.remove(&key);
        }
        self.entries.shrink_to_fit();
    }

    /// Every entry, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|(key, entry)| (key, &entry.value))
    }

    /// Removes an entry that is still in its order. When it was last used.
    fn forget<Q>(&mut self, key: &Q) -> Option<u64>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let entry = self.entries.remove(key)?;
        self.weight -= entry.weight;
        Some(entry.used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(map: &Bounded<&'static str, u32>) -> Vec<&'static str> {
        let mut keys: Vec<_> = map.iter().map(|(key, _)| *key).collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn t99_what_was_not_used_for_longest_goes_first_and_nothing_else_goes() {
        let mut map = Bounded::new(3);
        for (key, value) in [("a", 1), ("b", 2), ("c", 3)] {
            map.insert(key, value);
        }
        assert_eq!(map.get("a"), Some(&mut 1));
        map.insert("d", 4);
        assert_eq!(keys(&map), ["a", "c", "d"]);
        map.insert("c", 5);
        map.insert("e", 6);
        assert_eq!(keys(&map), ["c", "d", "e"]);
        assert_eq!(map.get("c"), Some(&mut 5));
        assert_eq!(map.get("b"), None);
    }

    #[test]
    fn t99_weights_add_up_to_no_more_than_the_capacity() {
        let mut map = Bounded::new(10);
        for (key, weight) in [("a", 4), ("b", 4), ("c", 2)] {
            map.insert_weighing(key, 0, weight);
        }
        assert_eq!(keys(&map), ["a", "b", "c"]);
        map.insert_weighing("d", 0, 5);
        assert_eq!(keys(&map), ["c", "d"]);
        map.insert_weighing("e", 0, 11);
        assert_eq!(keys(&map), ["c", "d"], "what never fits drives nothing out");
        map.insert_weighing("d", 0, 11);
        assert_eq!(keys(&map), ["c"], "the old value of its key is void all the same");
        map.insert_weighing("c", 0, 10);
        map.remove("c");
        map.insert_weighing("f", 0, 10);
        assert_eq!(keys(&map), ["f"]);
    }

    #[test]
    fn t99_uses_and_removals_leave_nothing_behind() {
        let mut map = Bounded::new(4);
        for number in 0..1000_u32 {
            *map.get_or_insert_with(["a", "b", "c", "d", "e"][number as usize % 5], || 0)
                .unwrap() += 1;
        }
        assert_eq!((map.entries.len(), map.order.len(), map.weight), (4, 4, 4));
        map.retain(|key| *key == "e");
        assert_eq!((keys(&map), map.order.len(), map.weight), (vec!["e"], 1, 1));
        map.remove("e");
        map.remove("e");
        assert_eq!((map.entries.len(), map.order.len(), map.weight), (0, 0, 0));
    }
}
